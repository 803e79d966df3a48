"""Traced curves in the program: begun, proposed, fixed, laid, turned, bent, undone, and traced again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cloud_driver import click, drag, move, press, release
from fake_engine import FakeEngine
from PySide6.QtCore import QObject, QPointF, Qt
from PySide6.QtTest import QTest

from core.paths.latent_path import LatentPath
from core.paths.recipe import Recipe
from core.projects.edited import Document, Trace
from core.protocol.messages import Failed, PathTraced, TracePath, WeightsChanged
from core.runs.directory import ProbeSet
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.cloud.probe import ProbeController
from explorer.controllers.controller import Context
from explorer.controllers.path import tracing
from explorer.controllers.path.path import PathController, handles, thinned
from explorer.controllers.path.playback import PlaybackController
from explorer.controllers.path.tracing import TracingController, class_note, converted, with_handle
from explorer.state import Model, State
from explorer.views.cloud import CloudView
from explorer.views.filmstrip import FilmstripView
from explorer.views.image import ImageView
from explorer.views.path import PathView
from explorer.views.points import PointsView
from explorer.views.probe import ProbeView

COUNT = 60
QUICK = {"stage": "exact", "final": True}


class Engine(FakeEngine):
    """Keeps what is asked; answers when told to, by a straight line that bulges as the answer gets better."""

    @property
    def traces(self) -> list[TracePath]:
        return self.of(TracePath)

    def answer(
        self,
        request: TracePath,
        stage: str = "exact",
        final: bool = True,
        bulge: float = 0.0,
        note: str = "",
        off_share: float = 0.0,
    ) -> np.ndarray:
        end = request.end if len(request.end) else request.start + np.eye(len(request.start))[0]
        start = request.start if len(request.end) else request.start - np.eye(len(request.start))[0]
        t = np.linspace(0, 1, request.points)[:, None]
        points = (start + t * (end - start)).astype(np.float32)
        points[:, -1] += bulge * np.sin(np.pi * t[:, 0]).astype(np.float32)
        labels = np.stack([0.5 + t[:, 0], np.full(len(t), 2.0)], axis=1)
        self.reply(request, points, stage, final, labels, note, off_share)
        return points

    def reply(self, request, points, stage, final, labels, note, off_share=0.0) -> None:
        flagged = np.arange(len(points)) < round(off_share * len(points))
        self.deliver(
            PathTraced(
                stamp=request.stamp,
                kind=request.kind,
                points=points,
                stage=stage,
                final=final,
                labels=labels,
                names=("scale", "depth"),
                flagged=flagged,
                note=note,
                milliseconds=1.0,
            )
        )


def sheet(dims: int = 3) -> np.ndarray:
    rng = np.random.default_rng(1)
    means = rng.uniform(-1, 1, (COUNT, dims))
    means[:, -1] = 0.3 * np.sin(2 * means[:, 0])
    return means.astype(np.float32)


@pytest.fixture(params=[3])
def made(qtbot, monkeypatch, request) -> SimpleNamespace:
    monkeypatch.setattr(tracing, "RETRACE_S", 0.0)
    state, engine = State(), Engine()
    cloud, points, image, probe_view = CloudView("software"), PointsView(), ImageView(), ProbeView()
    view, film = PathView(), FilmstripView()
    for widget in (cloud, points, image, probe_view, view, film):
        qtbot.addWidget(widget)
    context = Context(state, engine, view)  # pyright: ignore[reportArgumentType]
    editing = context.editing
    probe = ProbeController(context, probe_view, image)
    cloud_control = CloudController(context, probe, cloud, points)
    path = PathController(context, cloud_control, view)
    playback = PlaybackController(context, cloud_control, view, film, image)
    control = TracingController(context, cloud_control, path, playback)
    errors: list[str] = []
    control.error_occurred.connect(errors.append)
    control.refused.connect(errors.append)

    def tick() -> None:
        cloud_control.tick()
        path.tick()
        control.tick()

    means = sheet(request.param)
    state.model = Model(None, means.shape[1], 32, 1)  # pyright: ignore[reportArgumentType]
    state.samples = ProbeSet(
        np.arange(COUNT),
        np.random.default_rng(0).random((COUNT, 2)).astype(np.float32),
        ("scale", "depth"),
        np.zeros((COUNT, 32, 32, 1), np.uint8),
        np.zeros(COUNT, np.uint8),
    )
    state.embedding = means
    cloud.resize(640, 480)
    with qtbot.waitExposed(cloud):
        cloud.show()
    view.resize(720, 110)
    view.show()
    state.mode = "trace"
    tick()
    made = SimpleNamespace(
        state=state,
        engine=engine,
        editing=editing,
        cloud=cloud,
        view=view,
        path=path,
        playback=playback,
        control=control,
        errors=errors,
        tick=tick,
        means=means,
        cloud_control=cloud_control,
    )
    made.pair = apart(made)
    return made


def apart(made: SimpleNamespace) -> tuple[int, int]:
    """Two samples that can be clicked: no other is drawn near them, and they are far from each other."""
    places = made.cloud.screen_positions()[:, :2]
    away = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    alone = np.flatnonzero((away + 1e3 * np.eye(len(away))).min(axis=1) > 14)
    best = np.unravel_index(away[np.ix_(alone, alone)].argmax(), (len(alone), len(alone)))
    return int(alone[best[0]]), int(alone[best[1]])


def alone(made: SimpleNamespace, index: int) -> bool:
    places = made.cloud.screen_positions()[:, :2]
    return bool(np.sort(np.hypot(*(places - places[index]).T))[1] > 14)


def at(made: SimpleNamespace, index: int) -> QPointF:
    x, y, _ = made.cloud.screen_positions()[index].tolist()
    return QPointF(x, y)


def handle(made: SimpleNamespace, index: int) -> QPointF:
    return made.cloud.project(made.cloud.scene.control[index])


def current(made: SimpleNamespace) -> LatentPath:
    assert made.state.document.path is not None
    return made.state.document.path


def trace(made: SimpleNamespace, **answer: object) -> LatentPath:
    """A geodesic between the two samples, by two clicks."""
    for index in made.pair:
        click(made.cloud, at(made, index))
    made.engine.answer(made.engine.traces[-1], **(QUICK | answer))
    made.tick()
    return current(made)


# what is between two samples


def test_the_panel_forgets_the_old_path_while_a_new_run_has_no_cloud_yet(made):
    made.editing.commit("draw path", path=LatentPath(made.means[:4]))
    made.tick()
    assert "length" in made.view.info.text()
    made.state.embedding = None
    made.editing.begin(document=Document())
    made.tick()
    assert "No path yet" in made.view.info.text()


def test_two_clicks_trace_a_geodesic_as_one_step(made):
    start, end = made.pair
    assert "Geodesic: click the sample where it starts" in made.view.note.text()
    click(made.cloud, at(made, start))
    made.tick()
    assert "where it ends" in made.view.note.text()
    assert len(made.cloud.scene.preview) == 1
    click(made.cloud, at(made, end))
    made.tick()
    assert made.state.document.path is None
    assert "Tracing the geodesic" in made.view.note.text()
    (request,) = made.engine.traces[-1:]
    assert (request.kind, request.target, request.penalty) == ("geodesic", "", True)
    assert np.isnan(request.value)
    points = made.engine.answer(request)
    made.tick()
    path = current(made)
    np.testing.assert_array_equal(path.control, points)
    assert path.recipe == Recipe("geodesic", made.means[start], made.means[end])
    assert made.cloud.scene.preview is None
    assert made.editing.undo_label == "trace geodesic"
    made.editing.undo()
    assert made.state.document.path is None
    assert made.editing.undo_label is None


def test_better_answers_take_the_place_of_the_first_within_its_step(made):
    for index in made.pair:
        click(made.cloud, at(made, index))
    request = made.engine.traces[-1]
    made.engine.answer(request, stage="graph", final=False)
    rough = current(made)
    made.editing.commit("move probe", probe=made.means[3])
    for stage, bulge in (("relaxed", 0.2), ("polished", 0.25)):
        points = made.engine.answer(request, stage=stage, final=stage == "polished", bulge=bulge)
    np.testing.assert_array_equal(current(made).control, points)
    assert made.editing.undo_label == "move probe"
    made.editing.undo()
    np.testing.assert_array_equal(current(made).control, points)
    made.editing.undo()
    assert made.state.document.path is None
    made.editing.redo()
    np.testing.assert_array_equal(current(made).control, points)
    assert not np.array_equal(rough.control, points)


def test_a_rough_answer_after_a_better_one_is_not_shown(made):
    for index in made.pair:
        click(made.cloud, at(made, index))
    request = made.engine.traces[-1]
    made.engine.answer(request, stage="graph", final=False)
    points = made.engine.answer(request, stage="polished", final=False, bulge=0.2)
    made.engine.answer(request, stage="graph", final=False, bulge=0.6)
    np.testing.assert_array_equal(current(made).control, points)
    points = made.engine.answer(request, stage="polished", bulge=0.3)
    np.testing.assert_array_equal(current(made).control, points)


def test_the_curve_to_the_hovered_sample_follows_the_hand_and_is_what_the_second_click_fixes(made):
    start, end = made.pair
    click(made.cloud, at(made, start))
    move(made.cloud, at(made, end))
    request = made.engine.traces[-1]
    np.testing.assert_array_equal(request.end, made.means[end])
    points = made.engine.answer(request, stage="graph", final=False)
    made.tick()
    assert made.state.document.path is None
    assert len(made.cloud.scene.preview) > 100
    asked = len(made.engine.traces)
    click(made.cloud, at(made, end))
    np.testing.assert_array_equal(current(made).control, points)
    assert len(made.engine.traces) == asked  # what was shown is what is taken
    better = made.engine.answer(request, bulge=0.2)
    np.testing.assert_array_equal(current(made).control, better)


def test_a_fast_hand_leaves_one_question_at_a_time_and_the_newest_is_asked_next(made):
    made.state.trace = Trace("straight")
    made.control.click(0)
    for index in (5, 6, 7, 8):
        made.state.hovered = index
    assert len(made.engine.traces) == 1
    made.engine.answer(made.engine.traces[-1])
    assert len(made.engine.traces) == 2
    np.testing.assert_array_equal(made.engine.traces[-1].end, made.means[8])


def test_a_question_without_an_answer_does_not_block_the_hand_for_ever(made, monkeypatch):
    monkeypatch.setattr(tracing, "PATIENCE_S", 0.0)
    made.control.click(0)
    made.state.hovered = 5
    made.state.hovered = 6
    assert len(made.engine.traces) == 2


def test_late_answers_and_foreign_ones_change_nothing(made):
    path = trace(made)
    made.engine.answer(made.engine.traces[0], bulge=0.7)
    assert current(made) is path
    click(made.cloud, at(made, made.pair[0]))
    made.state.hovered = 5
    old = made.engine.traces[-1]
    made.control.cancel()
    made.engine.answer(old)
    made.tick()
    assert made.cloud.scene.preview is None
    assert current(made) is path


def test_escape_takes_the_start_back(made):
    click(made.cloud, at(made, made.pair[0]))
    assert made.control.cancel()
    made.tick()
    assert made.cloud.scene.preview is None
    assert not made.control.cancel()
    click(made.cloud, at(made, made.pair[1]))
    assert not made.engine.traces  # this was a first click again


def test_another_mode_and_another_run_give_up_what_was_begun(made):
    made.control.click(0)
    made.state.mode = "orbit"
    made.state.mode = "trace"
    made.control.click(1)
    assert not made.engine.traces
    made.state.embedding = None
    made.state.embedding = made.means
    made.control.click(2)
    assert not made.engine.traces


def test_the_same_sample_twice_is_no_curve(made):
    click(made.cloud, at(made, made.pair[0]))
    click(made.cloud, at(made, made.pair[0]))
    assert not made.engine.traces


def test_a_curve_that_does_not_exist_is_explained_and_leaves_everything_as_it_was(made):
    path = trace(made)
    for index in made.pair[::-1]:
        click(made.cloud, at(made, index))
    request = made.engine.traces[-1]
    made.engine.reply(
        request, np.zeros((0, 3), np.float32), "exact", True, np.zeros((0, 0)), "the cloud is in two parts"
    )
    made.tick()
    assert current(made) is path
    assert "two parts" in made.errors[-1]
    for index in made.pair[::-1]:
        click(made.cloud, at(made, index))
    made.engine.deliver(Failed(stamp=made.engine.traces[-1].stamp, message="no"))
    made.tick()
    assert current(made) is path
    assert made.cloud.scene.preview is None
    assert "Tracing" not in made.view.note.text()


def test_labels_of_a_place_off_the_data_are_said_to_be_extrapolated(made):
    made.state.trace = Trace("factor curve", "depth")
    click(made.cloud, at(made, made.pair[0]))
    made.engine.answer(made.engine.traces[-1], off_share=1.0)
    made.tick()
    assert "here scale 1, depth 2 (extrapolated: off the data)" in made.view.note.text()
    assert "depth from 2 to 2 (extrapolated: off the data)" in made.view.note.text()


def test_how_much_of_a_proposal_is_off_the_data_is_said(made):
    made.state.trace = Trace("geodesic", penalty=False)
    made.control.click(made.pair[0])
    made.state.hovered = made.pair[1]
    request = made.engine.traces[-1]
    assert not request.penalty
    t = np.linspace(0, 1, 5)[:, None]
    line = (request.start + t * (request.end - request.start)).astype(np.float32)
    made.engine.reply(request, line, "exact", True, np.zeros((5, 0)), "", off_share=0.4)
    made.tick()
    assert "40 % off the data" in made.view.note.text()


# rails


def rail(made: SimpleNamespace, kind: str = "factor curve", target: str = "depth") -> LatentPath:
    made.state.trace = Trace(kind, target)  # pyright: ignore[reportArgumentType]
    click(made.cloud, at(made, made.pair[0]))
    made.engine.answer(made.engine.traces[-1])
    made.tick()
    return current(made)


def test_one_click_lays_a_rail_and_puts_the_place_where_it_was_clicked(made):
    path = rail(made)
    request = made.engine.traces[-1]
    assert (request.kind, request.target, len(request.end)) == ("factor curve", "depth", 0)
    assert path.recipe is not None
    assert path.recipe.end is None
    assert made.editing.undo_label == "trace factor curve"
    np.testing.assert_allclose(path.at(made.playback.share), made.means[made.pair[0]], atol=1e-3)
    assert len(made.cloud.scene.control) == 1


def test_the_place_is_dragged_along_the_rail(made):
    path = rail(made)
    curve = made.cloud.scene.curve
    drag(made.cloud, [made.cloud.project(curve[i]) for i in range(130, 200, 10)])
    assert made.playback.share == pytest.approx(float(path.share(190 / 256 * path.segments)), abs=0.02)
    made.tick()
    assert "here scale 1.2" in made.view.note.text()
    assert made.cloud.scene.marker == pytest.approx(curve[190], abs=0.05)


def test_at_constant_image_speed_the_place_is_still_under_the_hand(made):
    from core.paths.latent_path import ImageLength
    from core.projects.edited import Playback, Speed

    rail(made)
    s = np.linspace(0, 1, 65)
    made.playback._table = ImageLength(s, s**3)
    made.state.playback = Playback(speed=Speed.IMAGE)
    made.playback._table = ImageLength(s, s**3)
    curve = made.cloud.scene.curve
    drag(made.cloud, [made.cloud.project(curve[i]) for i in (130, 150)])
    assert made.playback.share == pytest.approx(150 / 256, abs=0.02)
    assert made.state.playback.position == pytest.approx((150 / 256) ** 3, abs=0.05)


def test_what_is_not_held_is_said_as_a_warning(made):
    made.state.trace = Trace("isoline", "scale")
    click(made.cloud, at(made, made.pair[0]))
    made.engine.answer(made.engine.traces[-1], note="no other factors are known, so none is held constant")
    made.tick()
    assert " · no other factors are known, so none is held constant · scale from " in made.view.note.text()
    assert "scale from 0.5 to 1.5" in made.view.note.text()
    assert made.view.findChild(QObject, "path.note").property("role") == "warning"


def test_without_factors_a_rail_cannot_be_laid(made):
    made.state.samples = None
    made.tick()
    made.state.trace = Trace("factor curve")
    made.control.click(0)
    assert "this run has none" in made.errors[-1]
    assert not made.engine.traces


# kinds


def test_a_drawn_path_is_turned_into_another_kind_through_its_ends(made):
    drawn = LatentPath(made.means[[0, 10, 20]])
    made.editing.commit("draw path", path=drawn)
    made.state.mode = "orbit"
    made.view.kinds.traced_chosen.emit("geodesic")
    request = made.engine.traces[-1]
    np.testing.assert_array_equal(np.stack([request.start, request.end]), made.means[[0, 20]])
    made.tick()
    kind = made.view.findChild(QObject, "path.kind")
    assert kind.currentText() == "Geodesic"
    made.engine.answer(request)
    assert made.editing.undo_label == "turn path into geodesic"
    made.editing.undo()
    assert current(made) is drawn
    made.tick()
    assert kind.currentText() == "Catmull-Rom"


def test_a_computed_path_becomes_a_spline_of_few_points_that_follows_it(made):
    path = trace(made, bulge=0.4)
    made.view.kinds.spline_chosen.emit("natural")
    made.tick()
    spline = current(made)
    assert spline.recipe is None
    assert spline.kind == "natural"
    assert 2 < len(spline) <= 9
    away = np.linalg.norm(spline.resample(65) - path.resample(65), axis=1).max()
    assert away < 0.02 * path.length


def test_target_and_penalty_trace_the_path_again(made):
    trace(made)
    made.view.kinds.penalty_changed.emit(False)
    assert not made.engine.traces[-1].penalty
    made.engine.answer(made.engine.traces[-1])
    assert made.editing.undo_label == "let the geodesic leave the data"
    made.view.kinds.traced_chosen.emit("regression")
    assert (made.engine.traces[-1].kind, made.engine.traces[-1].target) == ("regression", "scale")
    made.engine.answer(made.engine.traces[-1])
    made.view.kinds.target_chosen.emit("depth")
    assert made.engine.traces[-1].target == "depth"
    made.engine.answer(made.engine.traces[-1])
    assert made.editing.undo_label == "change depth"
    made.editing.undo()
    made.tick()
    assert made.view.findChild(QObject, "path.target").currentText() == "scale"
    assert made.state.trace.target == "scale"


def test_without_a_path_choosing_a_kind_hands_over_the_tool_for_it(made):
    made.state.mode = "orbit"
    made.view.kinds.traced_chosen.emit("isoline")
    made.tick()
    assert made.state.mode == "trace"
    assert "Isoline of scale: click the sample" in made.view.note.text()


def test_a_kind_between_two_places_needs_two(made):
    made.editing.commit("add control point", path=LatentPath(made.means[:1]))
    made.view.kinds.traced_chosen.emit("geodesic")
    assert "two points" in made.errors[-1]
    made.tick()
    assert current(made).recipe is None


def test_attributes_become_targets(made):
    from core.projects.edited import Attributes

    made.state.attributes = Attributes(("area",), np.zeros((COUNT, 1)))
    made.tick()
    target = made.view.findChild(QObject, "path.target")
    assert [target.itemText(i) for i in range(target.count())] == ["scale", "depth", "area"]


# ends


def test_a_computed_path_shows_its_ends_and_dragging_one_traces_again_as_one_step(made):
    trace(made)
    made.state.mode = "edit"
    made.tick()
    assert len(made.cloud.scene.control) == 2
    place = handle(made, 1)
    move(made.cloud, place)
    press(made.cloud, place)
    for step in (20, 40, 60, 80):
        move(made.cloud, place + QPointF(-step, step / 2))
        made.tick()
        held = handle(made, 1)
        away = held - place - QPointF(-step, step / 2)  # at the hand, or on the sample there, answered or not
        assert np.hypot(away.x(), away.y()) < 13
        if step < 80:
            made.engine.answer(made.engine.traces[-1], stage="graph", final=False)
    release(made.cloud, place + QPointF(-80, 40))
    assert made.editing.undo_label == "move end of geodesic"
    request = made.engine.traces[-1]
    points = made.engine.answer(request, bulge=0.1)
    np.testing.assert_array_equal(current(made).control, points)
    np.testing.assert_array_equal(current(made).recipe.end, request.end)
    made.editing.undo()
    np.testing.assert_array_equal(current(made).recipe.end, made.means[made.pair[1]])
    assert made.editing.undo_label == "trace geodesic", "that the end was chosen by the press is no step of its own"
    made.editing.redo()
    np.testing.assert_array_equal(current(made).control, points)


def test_an_end_that_is_dragged_onto_a_sample_stays_with_it(made):
    trace(made)
    made.state.mode = "edit"
    made.tick()
    other = next(i for i in range(COUNT) if i not in made.pair and alone(made, i))
    drag(made.cloud, [handle(made, 1), at(made, other) + QPointF(30, 30), at(made, other) + QPointF(1, 1)])
    for _ in range(2):
        made.engine.answer(made.engine.traces[-1])
    np.testing.assert_array_equal(current(made).recipe.end, made.means[other])
    made.state.embedding = made.means + np.float32(0.1)
    made.tick()
    np.testing.assert_allclose(made.engine.traces[-1].end, made.means[other] + 0.1, atol=1e-6)


def test_an_end_that_is_let_go_before_any_answer_still_becomes_one_step(made):
    trace(made)
    made.state.mode = "edit"
    made.tick()
    place = handle(made, 0)
    drag(made.cloud, [place, place + QPointF(6, 0), place + QPointF(25, -10)])
    first = made.engine.traces[-1]
    made.engine.answer(first)  # of the first move: the hand was already further
    points = made.engine.answer(made.engine.traces[-1])
    np.testing.assert_array_equal(current(made).control, points)
    assert made.editing.undo_label == "move end of geodesic"
    made.editing.undo()
    np.testing.assert_array_equal(current(made).recipe.start, made.means[made.pair[0]])
    assert made.editing.undo_label == "trace geodesic"


def test_a_rail_is_moved_by_the_one_place_that_it_was_laid_through(made):
    rail(made)
    made.state.mode = "edit"
    made.tick()
    place = handle(made, 0)
    drag(made.cloud, [place, place + QPointF(8, 0), place + QPointF(30, 20)])
    request = made.engine.traces[-1]
    assert len(request.end) == 0
    points = made.engine.answer(request)
    np.testing.assert_array_equal(current(made).control, points)
    assert made.editing.undo_label == "move end of factor curve"


def test_a_point_inserted_into_a_computed_path_makes_it_a_spline_and_can_be_dragged_on(made):
    trace(made, bulge=0.3)
    made.state.mode = "edit"
    made.tick()
    place = made.cloud.project(made.cloud.scene.curve[100])
    drag(made.cloud, [place, place + QPointF(5, 5), place + QPointF(20, 12)])
    made.tick()
    path = current(made)
    assert path.recipe is None
    assert len(path) <= 10
    index = made.state.selected_control
    assert 0 < index < len(path) - 1
    shown = made.cloud.project(made.cloud_control.projection.to_view(path.control[index]))
    assert (shown - place).x() == pytest.approx(20, abs=2)
    np.testing.assert_allclose(path.control[[0, -1]], made.means[list(made.pair)], atol=1e-5)
    assert made.editing.undo_label == "insert control point"
    made.editing.undo()
    assert made.editing.undo_label == "trace geodesic", "inserted and dragged on by one press: one step"


def test_a_control_point_that_is_dragged_is_one_step_and_one_that_is_clicked_another(made):
    made.editing.commit("draw path", path=LatentPath(made.means[list(made.pair)]))
    made.state.mode = "edit"
    made.tick()
    first, last = (made.cloud.project(place) for place in made.cloud.scene.control)
    drag(made.cloud, [first, first + QPointF(8, 0), first + QPointF(30, 20)])
    drag(made.cloud, [last, last + QPointF(8, 0), last + QPointF(30, 20)])
    made.tick()
    click(made.cloud, made.cloud.project(made.cloud.scene.control[0]))
    labels = []
    while made.editing.undo_label:
        labels.append(made.editing.undo_label)
        made.editing.undo()
    assert labels == ["select control point", "move control point", "move control point", "draw path"]


def test_a_point_added_after_a_computed_path_makes_it_a_spline(made):
    path = trace(made, bulge=0.3)
    made.path._on_added(made.cloud_control.projection.to_view(made.means[7]))
    assert current(made).recipe is None
    np.testing.assert_allclose(current(made).control[-1], made.means[7], atol=1e-5)
    assert len(current(made)) == len(thinned(path)) + 1


def test_an_end_that_is_removed_leaves_a_spline_and_a_rails_handle_takes_the_rail_with_it(made):
    trace(made, bulge=0.3)
    made.path.remove_control(1)
    assert current(made).recipe is None
    rail(made)
    made.path.remove_control(0)
    assert made.state.document.path is None


# following the training


def test_while_the_model_learns_the_curve_follows_its_samples_without_a_step(made):
    trace(made)
    label = made.editing.undo_label
    made.engine.deliver(WeightsChanged(stamp=0, step=9))
    made.state.embedding = made.means + np.float32(0.1)
    made.tick()
    request = made.engine.traces[-1]
    np.testing.assert_allclose(np.stack([request.start, request.end]), made.means[list(made.pair)] + 0.1, atol=1e-6)
    made.engine.answer(request, stage="graph", final=False, bulge=0.5)
    assert not np.array_equal(current(made).recipe.start, request.start)  # the rough answer is not shown
    points = made.engine.answer(request, bulge=0.2)
    np.testing.assert_array_equal(current(made).control, points)
    assert made.editing.undo_label == label
    asked = len(made.engine.traces)
    made.tick()
    assert len(made.engine.traces) == asked


def test_an_older_epoch_on_show_changes_no_curve(made):
    trace(made)
    asked = len(made.engine.traces)
    made.state.epoch = 2
    made.state.embedding = made.means * np.float32(0.5)
    made.state.epoch = None
    made.state.embedding = made.means
    made.tick()
    assert len(made.engine.traces) == asked


def test_a_path_that_comes_from_elsewhere_is_left_as_it_is_until_the_model_changes(made):
    recipe = Recipe("factor curve", made.means[4], None, "depth")
    opened = LatentPath(made.means[:33], recipe=recipe)
    made.editing.commit("open path", path=opened)
    made.tick()
    assert not made.engine.traces
    assert (made.state.trace.kind, made.state.trace.target) == ("factor curve", "depth")
    assert len(made.cloud.scene.control) == 1
    made.engine.deliver(WeightsChanged(stamp=0, step=9))
    made.tick()
    assert len(made.engine.traces) == 1


def test_an_undone_curve_of_older_weights_is_traced_again_when_it_comes_back(made):
    trace(made)
    made.editing.undo()
    made.engine.deliver(WeightsChanged(stamp=0, step=9))
    made.tick()
    asked = len(made.engine.traces)
    made.editing.redo()
    made.tick()
    assert len(made.engine.traces) == asked + 1


def test_a_refinement_that_was_broken_off_is_taken_up_again(made):
    for index in made.pair:
        click(made.cloud, at(made, index))
    made.engine.answer(made.engine.traces[-1], stage="graph", final=False)
    made.control.click(7)
    made.state.hovered = 9
    made.engine.answer(made.engine.traces[-1])
    made.control.cancel()
    made.tick()
    request = made.engine.traces[-1]
    np.testing.assert_array_equal(request.end, made.means[made.pair[1]])
    points = made.engine.answer(request, bulge=0.1)
    np.testing.assert_array_equal(current(made).control, points)


# other dimensions


@pytest.mark.parametrize("made", [2, 5], indirect=True)
def test_curves_are_traced_and_bent_in_any_number_of_dimensions(made):
    path = trace(made)
    assert path.dim == made.means.shape[1]
    made.state.mode = "edit"
    made.tick()
    place = handle(made, 1)
    drag(made.cloud, [place, place + QPointF(8, 0), place + QPointF(20, 10)])
    made.engine.answer(made.engine.traces[-1])
    made.engine.answer(made.engine.traces[-1])
    assert current(made).dim == path.dim
    hidden = current(made).recipe.end[3:]  # what is not drawn is kept
    np.testing.assert_allclose(hidden, made.means[made.pair[1], 3:], atol=1e-6)


# the functions behind it


def test_a_straight_curve_needs_two_points_and_a_bent_one_at_most_nine():
    t = np.linspace(0, 1, 33)[:, None]
    recipe = Recipe("straight", np.zeros(3), np.ones(3))
    assert len(thinned(LatentPath(t * np.ones(3), recipe=recipe))) == 2
    wave = np.concatenate([t, 0.2 * np.sin(9 * np.pi * t), 0 * t], axis=1)
    assert len(thinned(LatentPath(wave, recipe=recipe))) == 9
    drawn = LatentPath(wave)
    assert len(thinned(drawn, "natural")) == 33


def test_handles_are_control_points_or_ends_or_the_place_of_a_rail():
    line = np.linspace(0, 1, 11)[:, None] * np.ones(2)
    assert len(handles(LatentPath(line))) == 11
    both = LatentPath(line, recipe=Recipe("straight", line[0], line[-1]))
    np.testing.assert_allclose(handles(both), line[[0, -1]], atol=1e-6)
    laid = LatentPath(line, recipe=Recipe("isoline", [0.5, 0.7], None, "a"))
    np.testing.assert_allclose(handles(laid), [[0.6, 0.6]], atol=1e-6)


def test_a_moved_end_says_anew_how_far_a_curve_goes():
    recipe = Recipe("factor curve", np.zeros(2), None, "a", 3.0)
    assert with_handle(recipe, 0, np.ones(2)).value == 3.0
    moved = with_handle(recipe, 1, np.ones(2))
    assert moved.value is None
    np.testing.assert_array_equal(moved.end, np.ones(2))


def test_kinds_are_converted_through_ends_or_through_the_place_of_a_rail():
    line = np.linspace(0, 1, 11)[:, None] * np.ones(2)
    laid = LatentPath(line, recipe=Recipe("isoline", line[5], None, "a"))
    other = converted(laid, Trace("factor curve", penalty=True, held=("a",)), "b")
    assert other is not None
    assert (other.end, other.target, other.held) == (None, "b", ("a",))
    joined = converted(laid, Trace("geodesic", penalty=False, held=("a",)), "b")
    assert joined is not None
    assert (joined.target, joined.penalty, joined.held) == ("", False, None)
    np.testing.assert_allclose(np.stack([joined.start, joined.end]), line[[0, -1]], atol=1e-6)
    assert converted(LatentPath(line[:1]), Trace("geodesic"), "") is None
    lone = converted(LatentPath(line[:1]), Trace("isoline"), "a")
    assert lone is not None
    assert lone.end is None


def test_a_class_along_a_path_is_voted_on_and_never_averaged():
    means = np.concatenate([np.zeros((10, 2)), np.ones((10, 2)), np.full((10, 2), 9.0)])
    values = np.repeat([0.0, 2.0, np.nan], 10)
    kinds = ("cat", "crow", "dog")
    assert class_note("kind", kinds, values[:10], means[:10], np.zeros(2)) == "kind cat"
    assert class_note("kind", kinds, values, means, np.full(2, 0.1)) == "kind between cat and dog: 0.7 / 0.3"
    assert class_note("kind", kinds, values, means, np.ones(2)) == "kind between dog and cat: 0.7 / 0.3"
    assert class_note("kind", kinds, values[20:], means[20:], np.zeros(2)) == ""


def test_keys_of_the_panel_do_not_trace(made):
    box = made.view.findChild(QObject, "path.kind")
    box.setFocus()
    QTest.keyClick(box, Qt.Key.Key_Escape)
    assert not made.engine.traces


def test_what_is_chosen_to_be_held_goes_to_the_engine_and_into_the_recipe(made):
    made.state.trace = Trace("factor curve", "depth")
    made.view.kinds.hold.held_chosen.emit(("scale",))
    made.view.kinds.hold.dimension_chosen.emit(2)
    made.control.click(3)
    asked = made.engine.of(TracePath)[-1]
    assert (asked.held, asked.dimension) == (("scale",), 2)
    made.engine.answer(made.engine.traces[-1])
    assert (made.state.trace.held, made.state.trace.dimension) == (("scale",), 2)
    made.editing.commit(
        "straight", path=LatentPath(np.zeros((2, 3)), recipe=Recipe("straight", np.zeros(3), np.ones(3)))
    )
    assert (made.state.trace.held, made.state.trace.dimension) == (("scale",), 2), "another kind holds nothing"
    made.editing.undo()
    assert (made.state.trace.kind, made.state.trace.held) == ("factor curve", ("scale",))
    made.state.model = Model(Path("run"), 2, 16, 1)
    assert made.state.trace.dimension == 2
    made.state.model = Model(Path("run"), 1, 16, 1)
    assert made.state.trace.dimension is None, "a model of fewer dimensions has no such surface"
    made.view.kinds.hold.held_chosen.emit(None)
    made.control.click(4)
    assert made.engine.of(TracePath)[-1].held is None
