"""Comparing two runs: clouds that turn together, one input for both models, and samples found in each other's cloud."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from event_loop import finish_look, process_events_until
from fake_engine import FakeEngine
from PySide6.QtCore import QObject, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel

from core.config import DataConfig, ModelConfig, RunConfig
from core.projects.edited import Document
from core.protocol.messages import (
    CompareModels,
    Failed,
    LoadSecond,
    ModelsCompared,
    SecondLoaded,
    SecondWeightsChanged,
    WeightsChanged,
)
from core.runs.directory import THUMBNAIL_SIZE, ProbeSet, RunDirectory
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.cloud.probe import ProbeController
from explorer.controllers.compare.compare import CompareController, SampleMatching, SharedInput, hand_of
from explorer.controllers.controller import Context
from explorer.state import Model, State
from explorer.views.cloud import CloudView
from explorer.views.compare import CompareView, Kind
from explorer.views.image import ImageView
from explorer.views.points import PointsView
from explorer.views.probe import ProbeView

COUNT = 60
CONFIG = RunConfig(data=DataConfig(image_size=32, count=COUNT))
IMAGE = np.zeros((32, 32, 1), dtype=np.uint8)
LEFT, SHIFT = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier


def factors(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform((0.5, 0.0), (2.0, 2.0), (COUNT, 2)).astype(np.float32)


def sheet(ab: np.ndarray, dims: int = 3) -> np.ndarray:
    """Means on a bent sheet over the factors."""
    return np.stack([ab[:, 0], ab[:, 1], ab[:, 0] * ab[:, 1], *[ab[:, 0]] * (dims - 3)], axis=1)[:, :dims]


def make_run(
    path: Path, seed: int = 0, dims: int = 3, fingerprint: str = "one", names: tuple[str, ...] = ("a", "b")
) -> RunDirectory:
    """A run with means, and with something in the place of its weights."""
    config = replace(CONFIG, model=ModelConfig(latent_dim=dims))
    run = RunDirectory.create(path, config, {"dataset": {"fingerprint": fingerprint}})
    thumbnails = np.zeros((COUNT, THUMBNAIL_SIZE, THUMBNAIL_SIZE, 1), np.uint8)
    split = (np.arange(COUNT) % 5 == 0).astype(np.uint8)
    ab = factors(seed)
    run.write_probe(ProbeSet(np.arange(COUNT, dtype=np.int64) + 10, ab[:, : len(names)], names, thumbnails, split))
    run.write_embedding(sheet(ab, dims) * 3)
    run.weights_path.write_bytes(b"weights")
    return run


@pytest.fixture
def desk(qtbot, tmp_path) -> Iterator[SimpleNamespace]:
    """Two clouds and the comparison on one state, a run open, with an engine that the test plays."""
    first = make_run(tmp_path / "first")
    state, engine = State(), FakeEngine()
    cloud, other, points, image, probe_view = (
        CloudView("software"),
        CloudView("software"),
        PointsView(),
        ImageView(),
        ProbeView(),
    )
    view = CompareView(other)
    for widget in (cloud, points, image, probe_view, view):
        qtbot.addWidget(widget)
    cloud.resize(600, 450)
    view.resize(560, 620)
    context = Context(state, engine, view)  # pyright: ignore[reportArgumentType]
    editing = context.editing
    probe = ProbeController(context, probe_view, image)
    cloud_control = CloudController(context, probe, cloud, points)
    control = CompareController(context, cloud_control, other, view)
    settings = context.settings
    control.sample_chosen.connect(probe.choose)
    cloud.show()
    view.show()
    qtbot.waitExposed(view)
    ab = factors()
    thumbnails = np.zeros((COUNT, 32, 32, 1), np.uint8)
    state.config = CONFIG
    state.samples = ProbeSet(
        np.arange(COUNT, dtype=np.int64) + 10, ab, ("a", "b"), thumbnails, np.zeros(COUNT, np.uint8)
    )
    state.embedding = sheet(ab)
    state.model = Model(first.path, 3, 32, 1)
    cloud_control.tick()
    desk = SimpleNamespace(**{k: v for k, v in locals().items() if k not in ("qtbot", "tmp_path", "widget")})
    desk.folder = tmp_path
    yield desk
    control.close()


def settle() -> None:
    for _ in range(3):
        QApplication.processEvents()


def choose(desk, path: Path) -> None:
    """Choose the folder of a second run, and wait until what is there has been read."""
    desk.view.run_chosen.emit(str(path))
    process_events_until(lambda: not desk.control.reading)
    finish_look(desk.control._second_watcher)


def load(desk, **fields) -> RunDirectory:
    """Choose a second run; the engine opens it."""
    run = make_run(desk.folder / "second", **fields)
    choose(desk, run.path)
    request = desk.engine.of(LoadSecond)[-1]
    dims = run.config.model.latent_dim
    desk.engine.deliver(
        SecondLoaded(
            stamp=request.stamp, path=request.path, latent_dim=dims, image_size=32, channels=1, preset="compact"
        )
    )
    settle()
    return run


def asked(desk) -> CompareModels:
    settle()
    return desk.engine.of(CompareModels)[-1]


def answer(desk, request: CompareModels, mu: tuple = (1.0, 2.0, 3.0)) -> None:
    desk.engine.deliver(
        ModelsCompared(
            stamp=request.stamp,
            original=IMAGE,
            first=IMAGE,
            second=IMAGE + 20,
            first_mu=np.zeros(3, np.float32),
            second_mu=np.array(mu, np.float32),
            first_excess_bce=0.001,
            second_excess_bce=0.002,
        )
    )


def place(cloud: CloudView, index: int):
    x, y, _ = cloud.screen_positions()[index].tolist()
    return QPointF(x, y).toPoint()


# the second run


def test_the_empty_panel_says_which_run_is_missing(desk):
    empty = desk.view.findChild(QLabel, "compare.empty")
    assert empty.text().startswith("Choose a second run")
    desk.state.config = None
    assert empty.text().startswith("Open a run, then choose a second one")


def test_a_chosen_run_is_shown_and_opened_by_the_engine(desk):
    run = load(desk)
    assert desk.engine.of(LoadSecond)[-1].path == str(run.path)
    assert desk.other.point_count == COUNT
    assert desk.view.title.text() == "second"
    assert str(run.path) in desk.settings.recent_runs


def test_a_folder_that_is_no_run_changes_nothing_and_says_why(desk):
    load(desk)
    desk.settings.add_recent_run(desk.folder / "gone")
    choose(desk, desk.folder / "gone")
    assert "does not exist" in desk.view.message.text()
    assert desk.view.title.text() == "second"
    assert str(desk.folder / "gone") not in desk.settings.recent_runs


def test_a_model_that_cannot_be_opened_says_why_and_its_cloud_stays(desk):
    choose(desk, make_run(desk.folder / "second").path)
    stamp = desk.engine.of(LoadSecond)[-1].stamp
    desk.engine.deliver(Failed(stamp=stamp, message="weights.safetensors is damaged."))
    assert desk.view.message.text() == "weights.safetensors is damaged."
    assert desk.other.point_count == COUNT


def test_a_run_without_weights_waits_for_them(desk):
    run = make_run(desk.folder / "second")
    run.weights_path.unlink()
    choose(desk, run.path)
    assert desk.engine.of(LoadSecond) == []
    assert "no weights yet" in desk.view.message.text()
    run.weights_path.write_bytes(b"weights")
    process_events_until(lambda: bool(desk.engine.of(LoadSecond)))
    assert len(desk.engine.of(LoadSecond)) == 1


def test_ending_the_comparison_closes_the_second_model(desk):
    load(desk)
    desk.view.close_requested.emit()
    assert desk.engine.of(LoadSecond)[-1].path == ""
    assert desk.other.point_count == 0
    assert desk.view.title.text() == "No second run"


def test_the_open_second_run_is_not_offered_again(desk):
    run = load(desk)
    desk.settings.add_recent_run(desk.folder / "third")
    desk.view.runs_wanted.emit()
    assert str(run.path) not in desk.view._recent
    assert str(desk.folder / "third") in desk.view._recent


def test_new_means_move_the_second_cloud(desk):
    load(desk)
    desk.control._second_watcher.embedding.emit(sheet(factors()) * 50)
    assert np.abs(desk.other.scene.points).max() > 40
    shown = desk.other.screen_positions()[:, :2]
    assert (shown > 0).all()
    assert (shown < [desk.other.width(), desk.other.height()]).all()


def test_both_clouds_have_one_scale_of_colours(desk):
    load(desk, seed=1)
    desk.cloud_control.tick()
    second = factors(1)[:, 0]
    like = int(np.abs(factors()[:, 0] - second[7]).argmin())
    difference = desk.other.scene.colors[7].astype(int) - desk.cloud.scene.colors[like]
    assert np.abs(difference).max() <= 40
    assert len(np.unique(desk.other.scene.colors, axis=0)) > 20


# cameras


def test_turning_one_cloud_turns_the_other(desk):
    load(desk)
    for led, follower in ((desk.cloud, desk.other), (desk.other, desk.cloud)):
        led.scene.camera.orbit(40, 15)
        led.turned()
        for angle in ("azimuth", "elevation"):
            assert follower.camera()[angle] == led.camera()[angle]


def test_each_cloud_keeps_its_scale(desk):
    load(desk)
    before = desk.other.camera()["distance"]
    desk.cloud.scene.camera.zoom(3.0, (100.0, 100.0), 4.0)
    desk.cloud.scene.camera.orbit(10, 0)
    desk.cloud.turned()
    assert desk.other.camera()["distance"] == before
    assert desk.other.camera()["azimuth"] == desk.cloud.camera()["azimuth"]


def test_the_second_cloud_opens_seen_from_where_the_first_is(desk):
    desk.cloud.scene.camera.orbit(70, -10)
    desk.cloud.turned()
    load(desk)
    assert desk.other.camera()["azimuth"] == desk.cloud.camera()["azimuth"]


def test_the_second_cloud_fills_its_view_when_the_panel_grows(desk, qtbot):
    load(desk)
    desk.view.resize(900, 900)
    settle()
    shown = desk.other.screen_positions()[:, :2]
    assert np.ptp(shown, axis=0).max() > 0.4 * min(desk.other.width(), desk.other.height())


# one input for both


def test_a_chosen_sample_is_the_same_image_for_both(desk):
    load(desk)
    desk.probe.choose(4)
    request = asked(desk)
    assert (request.index, request.factors.size, request.z.size) == (14, 0, 0)
    assert desk.view.kind == "image"
    answer(desk, request)
    assert "Sample 14" in desk.view.note.text()
    assert [picture.title for picture in desk.view.images.pictures] == ["first", "second", "Difference"]


def test_the_planes_cursor_is_the_same_parameters_for_both(desk):
    load(desk)
    desk.probe.choose(4)
    desk.editing.live("move cursor", cursor=(1.25, 0.5), sample=None)
    request = asked(desk)
    np.testing.assert_array_equal(request.factors, np.array([1.25, 0.5], np.float32))
    assert (request.index, desk.view.kind) == (-1, "parameters")
    answer(desk, request)
    assert desk.view.note.text() == "a = 1.250 · b = 0.500"


def test_a_dragged_probe_is_the_same_latent_point_for_both(desk):
    load(desk)
    desk.probe.choose(4)
    settle()
    desk.probe.move(np.array([1.0, 1.0, 1.0]))
    request = asked(desk)
    np.testing.assert_array_equal(request.z, np.ones(3, np.float32))
    assert (request.index, request.factors.size, desk.view.kind) == (-1, 0, "latent")


def test_a_probe_that_follows_the_cursor_is_no_latent_point(desk):
    load(desk)
    desk.editing.live("move cursor", cursor=(1.25, 0.5), sample=None)
    settle()
    mu = np.array([5.0, 6.0, 7.0], np.float32)
    desk.state.cursor_mu = mu
    desk.editing.live("move cursor", probe=mu, sample=None)
    settle()
    assert desk.view.kind == "parameters"
    assert all(request.z.size == 0 for request in desk.engine.of(CompareModels))


def test_the_kind_a_person_chose_is_kept_where_it_can_be(desk, qtbot):
    load(desk)
    desk.probe.choose(4)
    settle()
    QTest.mouseClick(desk.view.findChild(QObject, "compare.kind.latent"), LEFT)
    assert asked(desk).z.size == 3
    desk.probe.choose(9)
    np.testing.assert_array_equal(asked(desk).z, desk.state.embedding[9])


def test_different_latent_dimensions_say_so(desk):
    load(desk, dims=5)
    desk.probe.choose(4)
    settle()
    count = len(desk.engine.of(CompareModels))
    desk.probe.move(np.ones(3))
    settle()
    assert len(desk.engine.of(CompareModels)) == count
    assert not desk.view.findChild(QObject, "compare.kind.latent").isEnabled()
    assert "3 and 5 latent dimensions" in desk.view.images.accessibleDescription()


def test_the_second_cloud_shows_where_the_input_lands(desk):
    load(desk)
    desk.probe.choose(4)
    answer(desk, asked(desk), mu=(0.5, 1.5, -0.5))
    np.testing.assert_allclose(desk.other.scene.probe, [0.5, 1.5, -0.5], atol=1e-6)
    assert desk.other.scene.selected == 4


def test_new_weights_of_either_model_are_compared_again(desk):
    load(desk)
    desk.probe.choose(4)
    settle()
    for number, reply in enumerate((WeightsChanged(step=9), SecondWeightsChanged(step=9)), start=2):
        desk.engine.deliver(reply)
        settle()
        assert len(desk.engine.of(CompareModels)) == number


def test_nothing_is_asked_twice_or_while_nobody_looks(desk):
    load(desk)
    desk.probe.choose(4)
    settle()
    desk.state.document = replace(desk.state.document)
    settle()
    assert len(desk.engine.of(CompareModels)) == 1
    desk.view.hide()
    desk.probe.choose(5)
    settle()
    assert len(desk.engine.of(CompareModels)) == 1
    desk.view.show()
    assert asked(desk).index == 15


def test_a_failed_comparison_says_why_in_the_images_place(desk):
    load(desk)
    desk.probe.choose(4)
    desk.engine.deliver(Failed(stamp=asked(desk).stamp, message="The images have moved."))
    assert desk.view.images.accessibleDescription() == "The images have moved."


def test_another_open_run_takes_the_images_away(desk):
    load(desk)
    desk.probe.choose(4)
    answer(desk, asked(desk))
    desk.state.model = None
    assert desk.view.images.pictures == ()
    assert desk.other.scene.probe is None


# samples in both clouds


def test_a_click_on_the_second_cloud_chooses_the_same_sample(desk):
    load(desk)
    index = int(desk.other.screen_positions()[:, 2].argmin())
    QTest.mouseClick(desk.other, LEFT, pos=place(desk.other, index))
    assert desk.state.document.sample == index


def test_a_shift_click_there_selects_here(desk):
    load(desk)
    desk.other.clicked.emit(7, SHIFT)
    np.testing.assert_array_equal(desk.state.selected, [7])


def test_hovering_either_cloud_marks_the_sample_in_both(desk):
    load(desk)
    desk.other.hovered.emit(7)
    assert desk.cloud.scene.hover == 7
    desk.state.hovered = 9
    assert desk.other.scene.hover == 9


def test_a_click_that_has_no_counterpart_says_why(desk):
    load(desk, fingerprint="two", names=("size",))
    desk.other.clicked.emit(7, Qt.KeyboardModifier.NoModifier)
    assert "share no factors" in desk.view.note.text()


def samples(indices, values, names=("a", "b")) -> ProbeSet:
    count = len(indices)
    return ProbeSet(
        np.array(indices, np.int64),
        np.array(values, np.float32),
        names,
        np.zeros((count, 32, 32, 1), np.uint8),
        np.zeros(count, np.uint8),
    )


FIRST = samples([3, 5, 8], [[0, 0], [1, 10], [2, 20]])


def test_of_the_same_data_equal_indices_are_the_same_sample():
    second = samples([5, 8, 9], [[0, 0], [0, 0], [1, 9]])
    pairs = SampleMatching(FIRST, second, same_data=True)
    assert [pairs.in_second(i) for i in (1, 2)] == [0, 1]
    assert pairs.in_first(1) == 2
    assert pairs.in_second(0) == 0  # sample 3 was not recorded there: the nearest factors


def test_of_other_data_the_nearest_factors_are_taken_each_in_its_range():
    second = samples([0, 1, 2], [[0, 0.4], [18, 0.1], [20, 2.0]], names=("b", "a"))  # (b, a), ranges 20 and 1.9
    pairs = SampleMatching(FIRST, second, same_data=False)
    assert [pairs.in_second(i) for i in (0, 2)] == [0, 2]
    assert [pairs.in_first(i) for i in (0, 1, 2)] == [0, 1, 2]  # (0.1, 18) is nearest to (1, 10)


def test_a_file_of_the_same_name_is_the_same_image():
    first = replace(FIRST, names=("a.png", "b.png", "c.png"))
    pairs = SampleMatching(first, replace(FIRST, names=("c.png", "a.png", "x.png"), factor_names=("u", "v")), False)
    assert [pairs.in_second(i) for i in (0, 1, 2)] == [1, None, 0]


def test_a_class_is_the_same_or_it_is_not():
    first = replace(FIRST, factors=np.array([[0, 1], [1, 5], [1, 9]], np.float32), categories=(("cat", "dog"), ()))
    other = samples([0, 1, 2], [[0, 9], [0, 2], [1, 1]])
    second = replace(other, categories=(("dog", "fox"), ()))
    pairs = SampleMatching(first, second, same_data=False)
    assert [pairs.in_second(i) for i in (0, 1, 2)] == [None, 1, 0]


def test_unknown_factors_have_no_counterpart():
    pairs = SampleMatching(FIRST, samples([0, 1], [[np.nan, 0], [1, 10]]), same_data=False)
    assert pairs.in_first(0) is None
    assert pairs.in_second(0) == 1


@pytest.mark.parametrize(
    ("second", "reason"), [(None, "recorded no samples"), (samples([0], [[1]], ("size",)), "share no factors")]
)
def test_without_anything_shared_there_is_a_reason(second, reason):
    pairs = SampleMatching(FIRST, second, same_data=False)
    assert reason in pairs.reason
    assert pairs.in_second(0) is None


# reading the document


def context(
    document: Document, hand: Kind = Kind.IMAGE, *, drawn: bool = True, dims=(3, 3), known=FIRST
) -> SharedInput:
    data = DataConfig() if drawn else DataConfig(source="files", path="data.npz")
    return SharedInput(State(config=RunConfig(data=data), samples=known, document=document), dims, hand)


def test_without_a_generator_the_cursor_is_the_sample_it_stands_on():
    question = context(Document(cursor=(1.0, 10.0)), Kind.PARAMETERS, drawn=False).question(Kind.IMAGE)
    assert (question.kind, question.message.index) == (Kind.PARAMETERS, 5)


def test_the_cursor_that_the_probe_has_left_is_not_used():
    document = Document(probe=np.zeros(3, np.float32), cursor=(1.0, 1.0))
    assert context(document, Kind.LATENT).question(Kind.PARAMETERS).kind is Kind.LATENT


def test_an_empty_document_has_no_question_but_advice():
    empty = context(Document())
    assert empty.question(Kind.IMAGE) is None
    assert "Click a point" in empty.missing()


def test_images_without_factors_have_no_parameters():
    known = samples([0], np.zeros((1, 0)), ())
    assert Kind.PARAMETERS in context(Document(), drawn=False, known=known).reasons()


def test_undo_of_a_probe_is_a_gesture_of_its_kind():
    before, now = Document(probe=np.zeros(3), cursor=(1.0, 1.0)), Document(probe=np.ones(3), cursor=(1.0, 1.0))
    assert hand_of(before, now, None, Kind.PARAMETERS) is Kind.LATENT
    assert hand_of(before, now, np.ones(3), Kind.PARAMETERS) is Kind.PARAMETERS
    assert hand_of(before, before, None, Kind.PARAMETERS) is Kind.PARAMETERS
