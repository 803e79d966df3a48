"""Transects in the program: offered, drawn, measured little by little, scrubbed, exported, undone."""

from __future__ import annotations

import csv
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fake_engine import FakeEngine

from core.analysis.transect import nearest_distance
from core.config import DataConfig, RunConfig
from core.protocol.messages import Failed, MeasureTransect, TransectMeasured, WeightsChanged
from core.runs.directory import ProbeSet
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.cloud.probe import ProbeController
from explorer.controllers.controller import Context
from explorer.controllers.transect import transects
from explorer.controllers.transect.transects import TransectsController
from explorer.state import Model, State
from explorer.views.cloud import CloudView
from explorer.views.image import ImageView
from explorer.views.parameters import ParametersView
from explorer.views.points import PointsView
from explorer.views.probe import ProbeView
from explorer.views.transect import TransectView

SIZE, DIMS = 32, 3


class Engine(FakeEngine):
    """Keeps what is asked; answers when told to."""

    @property
    def measures(self) -> list[MeasureTransect]:
        return self.of(MeasureTransect)

    def answer(self, start: int, count: int) -> None:
        """Points ``start`` … of the newest question; mu is (k, k, k), excess BCE k thousandths."""
        request = self.measures[-1]
        k = np.arange(start, start + count)
        images = np.broadcast_to(k.astype(np.uint8)[:, None, None, None], (count, SIZE, SIZE, 1))
        self.deliver(
            TransectMeasured(
                stamp=request.stamp,
                start=start,
                total=len(request.points),
                originals=images,
                reconstructions=images,
                mu=np.repeat(k[:, None], DIMS, axis=1).astype(np.float32),
                excess_bce=k / 1000.0,
                ssim=np.full(count, 0.9),
                final=start + count >= len(request.points),
            )
        )


def _samples() -> ProbeSet:
    factors = np.random.default_rng(0).random((50, 2)).astype(np.float32)
    thumbnails = np.zeros((50, 32, 32, 1), np.uint8)
    return ProbeSet(np.arange(100, 150), factors, ("shape", "scale"), thumbnails, np.zeros(50, np.uint8))


@pytest.fixture
def made(qtbot, monkeypatch) -> Iterator[SimpleNamespace]:
    monkeypatch.setattr(transects, "PAUSE_S", 0.0)
    monkeypatch.setattr(transects, "RENEW_S", 0.0)
    state, engine = State(), Engine()
    cloud, points, image, probe_view = CloudView("software"), PointsView(), ImageView(), ProbeView()
    parameters, view = ParametersView(), TransectView()
    for widget in (cloud, points, image, probe_view, parameters, view):
        qtbot.addWidget(widget)
    context = Context(state, engine, points)  # pyright: ignore[reportArgumentType]
    editing = context.editing
    probe = ProbeController(context, probe_view, image)
    cloud_control = CloudController(context, probe, cloud, points)
    control = TransectsController(context, cloud_control, parameters, image, view)
    errors: list[str] = []
    control.error_occurred.connect(errors.append)
    control.refused.connect(errors.append)
    view.resize(720, 190)
    view.show()

    def tick() -> None:
        cloud_control.tick()
        control.tick()

    yield SimpleNamespace(
        state=state,
        engine=engine,
        editing=editing,
        cloud=cloud,
        image=image,
        parameters=parameters,
        view=view,
        control=control,
        errors=errors,
        tick=tick,
    )
    control.shut_down()
    control.drop_reads()


def _open(made: SimpleNamespace, data: DataConfig | None = None) -> None:
    """A run of curves with a hole, or of ``data``, its model loaded and its cloud on show."""
    state = made.state
    state.config = RunConfig(data=data or DataConfig(image_size=SIZE, count=500, geometry="square"))
    state.samples = _samples() if data is not None else None
    state.embedding = np.random.default_rng(1).normal(size=(50, DIMS)).astype(np.float32)
    state.model = Model(Path("run"), DIMS, SIZE, 1)
    made.tick()


@pytest.fixture
def curves(made) -> SimpleNamespace:
    _open(made)
    return made


@pytest.fixture
def files(made, tmp_path) -> SimpleNamespace:
    _open(made, DataConfig(path=str(tmp_path / "data.npz"), image_size=SIZE))
    return made


def _names(made: SimpleNamespace) -> list[str]:
    return [each.name for each in made.state.document.transects]


def test_a_run_of_curves_offers_the_published_three_and_measures_the_first(curves):
    assert _names(curves) == ["P1", "P2", "P3"]
    assert curves.state.transect == 0
    (request,) = curves.engine.measures
    np.testing.assert_allclose(request.points, np.stack([np.full(15, 1.25), np.linspace(0, 2, 15)], axis=1))
    assert len(request.indices) == 0
    measured = curves.state.measured
    assert np.flatnonzero(measured.in_hole).tolist() == [5, 6, 7, 8, 9]
    assert not measured.known.any()


def test_distances_to_the_data_are_found_beside_the_event_loop(made, qtbot, monkeypatch):
    threads: list[threading.Thread] = []

    def find(*arguments: np.ndarray) -> np.ndarray:
        threads.append(threading.current_thread())
        return nearest_distance(*arguments)

    monkeypatch.setattr(transects, "nearest_distance", find)
    _open(made)
    qtbot.waitUntil(lambda: np.isfinite(made.state.measured.distance).all())
    assert 0.2 < made.state.measured.distance[7] <= 0.35  # the hole's middle is its radius away from any sample
    assert made.view.picture.measured is made.state.measured
    assert threads
    assert threading.main_thread() not in threads


def test_a_transect_is_not_exported_before_its_distances_are_known(curves, qtbot, monkeypatch):
    waiting = threading.Event()
    monkeypatch.setattr(transects, "nearest_distance", lambda points, _: waiting.wait(30) and np.ones(len(points)))
    curves.control.choose(1)
    curves.tick()
    curves.tick()
    curves.engine.answer(0, 15)
    curves.control.ask_export("csv")
    waiting.set()
    assert "not measured completely" in curves.errors[-1]
    qtbot.waitUntil(lambda: (curves.state.measured.distance == 1).all())


def test_nothing_is_measured_while_the_panel_is_hidden(made):
    made.view.hide()
    _open(made)
    assert _names(made) == ["P1", "P2", "P3"]
    assert made.engine.measures == []
    made.view.show()
    made.tick()
    assert len(made.engine.measures) == 1


def test_answers_fill_in_little_by_little(curves):
    curves.engine.answer(0, 4)
    before = curves.state.measured
    assert before.known.tolist() == [True] * 4 + [False] * 11
    assert "4 of 15" in curves.view._summary.text()
    curves.engine.answer(4, 11)
    after = curves.state.measured
    assert after.known.all()
    assert not before.known[4:].any()  # what the state held is not changed in place
    assert curves.view.complete
    assert "in the hole 0.0070 (5)" in curves.view._summary.text()
    assert f"outside {np.delete(np.arange(15), range(5, 10)).mean() / 1000:#.2g} (10)" in curves.view._summary.text()
    curves.tick()
    np.testing.assert_allclose(curves.cloud.scene.transect.points[6], [6, 6, 6], atol=1e-5)


def test_one_scrub_moves_plane_cloud_probe_and_image(curves):
    curves.engine.answer(0, 15)
    curves.view.picture.position_changed.emit(6)
    curves.view.picture.released.emit()
    curves.tick()
    document = curves.state.document
    assert document.cursor == pytest.approx((1.25, 6 / 7))
    np.testing.assert_array_equal(document.probe, [6, 6, 6])
    assert curves.cloud.scene.transect.position == 6
    assert curves.parameters.plane.scene.position == 6
    assert curves.image.caption.text() == "P1 · point 7 of 15"
    curves.editing.undo()
    assert curves.state.document.cursor is None


def test_a_point_that_is_not_measured_moves_the_cursor_alone(curves):
    probe = curves.state.document.probe
    curves.control.scrub(3)
    assert curves.state.document.cursor == pytest.approx((1.25, 3 / 7))
    assert curves.state.document.probe is probe


def test_a_drawn_line_is_one_undo_step_and_so_is_its_removal(curves):
    curves.parameters.plane.stroke_drawn.emit(np.array([[0.6, 0.2], [1.0, 1.8], [1.9, 0.3]]))
    curves.tick()
    assert _names(curves) == ["P1", "P2", "P3", "T1"]
    assert curves.state.transect == 3
    assert len(curves.engine.measures[-1].points) == 15
    curves.view.points_changed.emit(40)
    curves.tick()
    assert len(curves.engine.measures[-1].points) == 40
    curves.view.removed.emit(3)
    curves.tick()
    assert (_names(curves), curves.state.transect) == (["P1", "P2", "P3"], 2)
    for expected in (40, 15):
        curves.editing.undo()
        curves.tick()
        assert len(curves.state.document.transects[3]) == expected
    curves.editing.undo()
    curves.tick()
    assert _names(curves) == ["P1", "P2", "P3"]
    curves.view.removed.emit(0)  # a published one stays
    assert _names(curves) == ["P1", "P2", "P3"]


def test_a_line_outside_the_plane_or_without_length_is_refused(curves):
    curves.control.draw(np.array([[1.0, 1.0], [3.0, 1.0]]))
    curves.control.draw(np.array([[1.0, 1.0], [1.0, 1.0]]))
    assert len(curves.errors) == 2
    assert "outside the plane" in curves.errors[0]
    assert _names(curves) == ["P1", "P2", "P3"]


def test_new_weights_are_measured_after_what_is_under_way(curves):
    curves.engine.answer(0, 4)
    curves.engine.deliver(WeightsChanged(step=2))
    curves.tick()
    assert len(curves.engine.measures) == 1
    curves.engine.answer(4, 11)
    curves.tick()
    assert len(curves.engine.measures) == 2
    assert curves.state.measured.known.all()  # the old images stay until new ones come


def test_late_answers_and_failures_are_told_apart(curves):
    first = curves.engine.measures[0]
    curves.view.transect_chosen.emit(1)
    curves.tick()
    late = Failed(stamp=first.stamp, message="no")
    curves.engine.deliver(late)
    assert "Not measured" not in curves.view._summary.text()
    curves.engine.deliver(Failed(stamp=curves.engine.measures[-1].stamp, message="no"))
    assert "Not measured" in curves.view._summary.text()


def test_a_measurement_that_an_engine_took_to_its_grave_is_said_and_made_again(curves):
    curves.engine.answer(0, 4)
    curves.engine.die(deaths=2)
    assert "Not measured" in curves.view._summary.text()
    curves.tick()
    assert len(curves.engine.measures) == 1
    curves.engine.loaded.emit(None)
    curves.tick()
    assert "4 of 15" in curves.view._summary.text()
    curves.engine.answer(0, 15)
    assert curves.state.measured.known.all()


def test_samples_that_are_held_out_are_told_apart(files):
    samples, split = files.state.samples, np.zeros(50, np.uint8)
    split[30] = 2
    files.state.samples = replace(samples, split=split)
    files.state.config = replace(files.state.config, data=replace(files.state.config.data, hold_out="shape=0.5:0.6"))
    files.control.draw(samples.factors[[3, 30]].astype(float))
    files.tick()
    measured = files.state.measured
    assert measured.in_hole.tolist() == (files.engine.measures[-1].indices == 130).tolist()
    assert measured.in_hole[-1]
    files.engine.answer(0, len(measured.in_hole))
    assert "held out" in files.view._summary.text()


def test_data_without_a_generator_uses_its_nearest_samples(files):
    assert _names(files) == []
    assert "Needs a line" in files.view.picture.empty
    places = files.state.samples.factors
    files.control.draw(places[[3, 30]].astype(float))
    files.tick()
    indices = files.engine.measures[-1].indices
    assert (indices[0], indices[-1]) == (103, 130)
    assert "shape, scale" in files.view._choice.currentText()
    files.state.plane = (1, 0)
    files.tick()
    assert files.parameters.plane.scene.transects == []  # it runs through another plane
    files.view.transect_chosen.emit(0)
    assert files.state.plane == (0, 1)


def test_data_without_a_hole_have_no_inside_and_outside(files):
    files.control.draw(files.state.samples.factors[[3, 30]].astype(float))
    files.tick()
    files.engine.answer(0, 15)
    summary = files.view._summary
    assert "all points" in summary.text()
    assert "hole" not in summary.text() + summary.toolTip()
    assert "outside" not in summary.text() + summary.toolTip()


def test_a_whole_transect_is_exported_in_the_background(curves, qtbot, tmp_path):
    curves.control.ask_export("csv")
    assert "not measured completely" in curves.errors.pop()
    curves.engine.answer(0, 15)
    with qtbot.waitSignal(curves.control.exported, timeout=20_000):
        curves.control.export(tmp_path / "P1.csv", curves.state.measured)
    assert len((tmp_path / "P1.csv").read_text().splitlines()) == 16
    assert "P1.csv" in curves.state.message
    with qtbot.waitSignal(curves.control.error_occurred, timeout=20_000):
        curves.control.export(tmp_path / "none" / "P1.npz", curves.state.measured)
    assert "P1.npz" in curves.errors[-1]


def test_an_exported_transect_names_its_factors_and_the_image_at_each_point(files, qtbot, tmp_path):
    files.state.samples = replace(files.state.samples, names=tuple(f"set/{i}.png" for i in range(50)))
    files.tick()
    files.control.draw(files.state.samples.factors[[3, 30]].astype(float))
    files.tick()
    files.engine.answer(0, 15)
    for name in ("T1.csv", "T1.svg"):
        with qtbot.waitSignal(files.control.exported, timeout=20_000):
            files.control.export(tmp_path / name, files.state.measured)
    rows = list(csv.DictReader((tmp_path / "T1.csv").read_text().splitlines()))
    assert list(rows[0])[:6] == ["point", "index", "file", "shape", "scale", "in_hole"]
    assert [(row["index"], row["file"]) for row in (rows[0], rows[-1])] == [
        ("103", "set/3.png"),
        ("130", "set/30.png"),
    ]
    assert "15 points, (shape, scale) = (" in (tmp_path / "T1.svg").read_text()


def test_a_transect_that_cannot_be_drawn_or_encoded_says_so(curves, qtbot, tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise ValueError("surrogates not allowed")

    monkeypatch.setattr("core.analysis.transect_export.export_transect", fail)
    curves.engine.answer(0, 15)
    with qtbot.waitSignal(curves.control.error_occurred, timeout=20_000):
        curves.control.export(tmp_path / "P1.csv", curves.state.measured)
    assert curves.errors[-1] == "Transect P1 was not exported. surrogates not allowed"


def test_a_file_name_is_asked_for_and_its_ending_decides(curves, qtbot, tmp_path):
    from PySide6.QtWidgets import QFileDialog

    curves.engine.answer(0, 15)
    qtbot.waitUntil(lambda: np.isfinite(curves.state.measured.distance).all())
    curves.view.export_requested.emit("npz")
    dialog = curves.view.findChild(QFileDialog, "dialog.transect")
    with qtbot.waitSignal(curves.control.exported, timeout=20_000):
        dialog.fileSelected.emit(str(tmp_path / "P1.npz"))
    dialog.reject()
    with np.load(tmp_path / "P1.npz", allow_pickle=False) as data:
        assert data["mu"].shape == (15, DIMS)
