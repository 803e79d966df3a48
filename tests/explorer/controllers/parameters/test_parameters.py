"""The plane tied to state and engine: the cursor leads images, cloud and probe; cloud and plane show one selection."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fake_engine import FakeEngine
from PySide6.QtCore import QObject, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLabel

from core.config import DataConfig, RunConfig
from core.data.polar_curves import draw_parameters
from core.projects.edited import Attributes, Document
from core.protocol.messages import Decode, EncodeFactors, FactorsEncoded, Failed, WeightsChanged
from core.runs.directory import ProbeSet
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.cloud.probe import ProbeController
from explorer.controllers.controller import Context
from explorer.controllers.parameters.parameters import ParametersController, images_left
from explorer.state import Model, State
from explorer.views.cloud import CloudView
from explorer.views.image import ImageView
from explorer.views.parameters import ParametersView
from explorer.views.parameters.plane import Tool
from explorer.views.points import PointsView
from explorer.views.probe import ProbeView
from explorer.views.training import TrainingView

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
COUNT = 40
IMAGE = np.zeros((16, 16, 1), dtype=np.uint8)
MODEL = Model(Path("run"), 3, 16, 1)


class Engine(FakeEngine):
    """What was asked of the engine; the test answers."""

    @property
    def places(self) -> list[EncodeFactors]:
        """The questions about places of the plane."""
        return self.of(EncodeFactors)

    def answer(self, request: EncodeFactors, mu: tuple[float, float, float] = (7.0, 8.0, 9.0)) -> None:
        """The model has seen the image at the place."""
        located = FactorsEncoded(
            stamp=request.stamp,
            factors=request.factors,
            index=request.index,
            original=IMAGE,
            reconstruction=IMAGE + 20,
            mu=np.array(mu, dtype=np.float32),
            excess_bce=0.00123,
            ssim=0.98765,
        )
        self.deliver(located)


def _samples(names: tuple[str, ...], factors: np.ndarray) -> ProbeSet:
    count = len(factors)
    thumbnails = np.zeros((count, 32, 32, 1), dtype=np.uint8)
    split = (np.arange(count) % 5 == 0).astype(np.uint8)
    return ProbeSet(np.arange(count, dtype=np.int64) + 100, factors.astype(np.float32), names, thumbnails, split)


@pytest.fixture
def desk(qtbot) -> SimpleNamespace:
    """Plane, cloud, probe and training form on one state, with an engine that the test plays."""
    state, engine = State(), Engine()
    view, cloud, training = ParametersView(), CloudView("software"), TrainingView()
    points, probe_view, image = PointsView(), ProbeView(), ImageView()
    for widget in (view, cloud, training, points, probe_view, image):
        qtbot.addWidget(widget)
    context = Context(state, engine, view)  # pyright: ignore[reportArgumentType]
    editing = context.editing
    probe = ProbeController(context, probe_view, image)
    cloud_control = CloudController(context, probe, cloud, points)
    control = ParametersController(context, probe, cloud_control, view, training)
    view.resize(720, 190)
    cloud.resize(400, 300)
    view.show()
    cloud.show()
    qtbot.waitExposed(view)
    return SimpleNamespace(
        state=state, engine=engine, editing=editing, view=view, cloud=cloud, training=training, probe=probe,
        cloud_control=cloud_control, control=control,
    )  # fmt: skip


def _open(desk: SimpleNamespace, names: tuple[str, ...], factors: np.ndarray, data: DataConfig) -> None:
    """What OpenRun does when a run is opened."""
    state = desk.state
    state.model, state.samples, state.embedding = None, None, None
    state.config = RunConfig(data=data)
    desk.editing.begin(document=Document())
    desk.training.form.set_config(state.config)
    state.samples = _samples(names, factors)
    means = np.random.default_rng(1).normal(size=(len(factors), 3)).astype(np.float32)
    state.embedding = means
    desk.editing.begin(document=Document(probe=means[0], sample=0))
    state.model = MODEL
    desk.cloud_control.tick()
    QApplication.processEvents()


@pytest.fixture
def curves(desk) -> SimpleNamespace:
    """A run on polar curves is open."""
    _open(desk, ("a", "b"), draw_parameters(COUNT, 3), DataConfig(image_size=32, count=5000))
    return desk


@pytest.fixture
def shapes(desk, tmp_path) -> SimpleNamespace:
    """A run on a file with three factors is open: nothing draws its images."""
    factors = np.stack(np.meshgrid([0.0, 1.0], [10.0, 20.0, 30.0], [0.0, 0.5], indexing="ij"), -1).reshape(-1, 3)
    path = tmp_path / "shapes.npz"
    path.touch()
    _open(desk, ("kind", "size", "turn"), factors, DataConfig(path=str(path), image_size=32))
    return desk


def test_a_run_of_curves_whose_samples_have_other_factors_opens_without_a_plane_of_theirs(desk):
    factors = np.random.default_rng(0).random((COUNT, 5))
    _open(desk, ("a", "b", "c", "d", "e"), factors, DataConfig(image_size=32, count=5000, punctured=True))
    assert desk.view.isVisible()


def _at(desk: SimpleNamespace, x: float, y: float) -> QPoint:
    across, down = desk.view.plane.scene.frame.pixel(x, y)
    return QPoint(round(across), round(down))


def _in_window(desk: SimpleNamespace, x: float, y: float) -> QPoint:
    return desk.view.plane.mapTo(desk.view, _at(desk, x, y))


def _place(desk: SimpleNamespace, index: int) -> tuple[float, float]:
    x, y = desk.state.samples.factors[index, :2].tolist()
    return x, y


# the cursor


def test_the_cursor_stands_at_the_chosen_sample_and_its_images_are_asked_for(curves):
    assert curves.state.document.cursor == _place(curves, 0)
    assert curves.engine.places[-1].factors == pytest.approx(_place(curves, 0))
    curves.probe.choose(7)
    assert curves.state.document.cursor == _place(curves, 7)
    assert curves.view.plane.scene.cursor == _place(curves, 7)
    assert curves.view.plane.scene.selected == 7
    curves.engine.answer(curves.engine.places[-1])
    assert curves.state.document.sample == 7
    np.testing.assert_array_equal(curves.state.document.probe, curves.state.embedding[7])
    assert curves.view.images.text == "excess BCE 0.0012 · SSIM 0.988"


def steps(desk) -> list[str]:
    return [step.label for step in desk.editing.snapshot()[0]]


def test_dragging_leads_the_probe_and_is_one_step_that_undo_takes_back(curves):
    before = curves.state.document
    curves.engine.answer(curves.engine.places[-1])
    curves.view.plane.cursor_moved.emit(1.0, 0.5)
    curves.view.plane.cursor_moved.emit(1.2, 1.1)
    first, second = curves.engine.places[-2:]
    assert curves.state.document.sample is None
    assert curves.state.document.cursor == (1.2, 1.1)
    curves.engine.answer(first, (1.0, 2.0, 3.0))
    assert curves.state.document.probe.tolist() == [1.0, 2.0, 3.0]
    assert isinstance(curves.engine.asked[-1], Decode)
    curves.view.plane.cursor_released.emit()
    assert steps(curves) == [""], "where the probe goes is not known yet"
    curves.engine.answer(second, (4.0, 5.0, 6.0))
    assert curves.editing.undo_label == "move cursor"
    assert curves.state.document.probe.tolist() == [4.0, 5.0, 6.0]
    curves.editing.undo()
    assert curves.state.document.sample == before.sample
    assert curves.state.document.cursor == before.cursor
    np.testing.assert_array_equal(curves.state.document.probe, before.probe)
    curves.engine.answer(curves.engine.places[-1])
    np.testing.assert_array_equal(curves.state.document.probe, before.probe)
    curves.editing.redo()
    assert curves.state.document.cursor == (1.2, 1.1)
    curves.engine.answer(curves.engine.places[-1])
    assert curves.state.document.probe.tolist() == [4.0, 5.0, 6.0]


def test_an_answer_that_comes_before_the_hand_lets_go_is_settled_by_letting_go(curves):
    curves.view.plane.cursor_moved.emit(1.0, 0.5)
    curves.engine.answer(curves.engine.places[-1])
    assert steps(curves) == [""]
    curves.view.plane.cursor_released.emit()
    assert steps(curves) == ["", "move cursor"]


def test_a_late_answer_does_not_take_the_probe_from_a_sample_that_was_chosen_since(curves):
    curves.view.plane.cursor_moved.emit(1.0, 0.5)
    late = curves.engine.places[-1]
    curves.probe.choose(3)
    curves.engine.answer(late)
    assert curves.state.document.sample == 3
    np.testing.assert_array_equal(curves.state.document.probe, curves.state.embedding[3])


def test_the_caption_says_when_the_cursor_is_in_the_hole(curves):
    curves.view.plane.cursor_moved.emit(1.25, 1.2)
    curves.engine.answer(curves.engine.places[-1])
    assert curves.view.images.text.endswith("in the hole")
    curves.view.plane.cursor_moved.emit(1.25, 1.4)
    curves.engine.answer(curves.engine.places[-1])
    assert not curves.view.images.text.endswith("in the hole")


def test_a_mouse_leads_the_same_way(curves):
    window = curves.view.windowHandle()
    QTest.mousePress(window, LEFT, NONE, _in_window(curves, *curves.state.document.cursor))
    QTest.mouseMove(window, _in_window(curves, 1.5, 0.4))
    QApplication.processEvents()
    QTest.mouseRelease(window, LEFT, NONE, _in_window(curves, 1.5, 0.4))
    assert curves.state.document.cursor == pytest.approx((1.5, 0.4), abs=0.02)
    curves.engine.answer(curves.engine.places[-1])
    assert curves.editing.undo_label == "move cursor"


def test_a_click_on_a_sample_chooses_it(curves):
    QTest.mouseClick(curves.view.plane, LEFT, NONE, _at(curves, *_place(curves, 11)))
    assert curves.state.document.sample == 11
    assert curves.editing.undo_label == "choose sample"


def test_new_weights_bring_new_images(curves):
    curves.engine.answer(curves.engine.places[-1])
    count = len(curves.engine.places)
    curves.engine.deliver(WeightsChanged(step=5))
    assert len(curves.engine.places) == count + 1
    assert curves.engine.places[-1].factors == pytest.approx(_place(curves, 0))


def test_a_failure_is_said_and_the_hand_can_go_on(curves):
    curves.view.plane.cursor_moved.emit(1.0, 0.5)
    curves.view.plane.cursor_released.emit()
    asked = curves.engine.places[-1]
    curves.engine.deliver(Failed(stamp=asked.stamp, message="no"))
    assert curves.view.images.pictures == ()
    assert "could not" in curves.view.images.text
    assert curves.editing.undo_label == "move cursor"
    curves.view.plane.cursor_moved.emit(1.1, 0.5)
    curves.engine.answer(curves.engine.places[-1])
    assert curves.view.images.pictures


def test_a_plane_that_nobody_sees_asks_nothing_until_it_is_shown(curves):
    curves.view.hide()
    count = len(curves.engine.places)
    curves.probe.choose(9)
    assert len(curves.engine.places) == count
    curves.view.show()
    assert len(curves.engine.places) == count + 1


# one selection, one hover


def test_hovering_is_shown_in_both(curves):
    QTest.mouseMove(curves.view.windowHandle(), _in_window(curves, *_place(curves, 5)))
    QApplication.processEvents()
    assert curves.state.hovered == 5
    assert curves.cloud.scene.hover == 5
    curves.view.plane.hovered.emit(-1)
    assert curves.cloud.scene.hover is None
    curves.cloud.hovered.emit(8)
    assert curves.view.plane.scene.hovered == 8


def test_a_selection_is_shown_in_both(curves):
    curves.view.set_tool(Tool.SELECT)
    curves.view.plane.picked.emit(np.array([1, 2]), False)
    assert curves.state.selected.tolist() == [1, 2]
    curves.cloud_control.tick()
    assert curves.cloud.scene.colors[3, 3] < 255
    np.testing.assert_array_equal(curves.view.plane.scene.colors, curves.cloud.scene.colors)
    curves.cloud.picked.emit(np.array([4]), True)
    assert curves.view.plane.scene.highlight.tolist() == [1, 2, 4]


def test_the_plane_has_the_clouds_colours(curves):
    np.testing.assert_array_equal(curves.view.plane.scene.colors, curves.cloud.scene.colors)
    curves.state.display = replace(curves.state.display, color_by="b")
    curves.cloud_control.tick()
    np.testing.assert_array_equal(curves.view.plane.scene.colors, curves.cloud.scene.colors)


# data without a generator


def test_without_a_generator_the_cursor_snaps_to_the_nearest_sample(shapes):
    shapes.view.plane.cursor_moved.emit(0.1, 21.0)
    asked = shapes.engine.places[-1]
    assert shapes.state.document.cursor == (0.0, 20.0)
    nearest = asked.index - 100
    assert shapes.state.samples.factors[nearest, :2].tolist() == [0.0, 20.0]
    np.testing.assert_array_equal(asked.factors, shapes.state.samples.factors[nearest])
    shapes.engine.answer(asked)
    assert "hole" not in shapes.view.images.text


def test_any_two_factors_can_be_put_on_the_axes(shapes):
    scene = shapes.view.plane.scene
    assert scene.names == ("kind", "size")
    shapes.view.axes_changed.emit(2, 1)
    assert shapes.state.plane == (2, 1)
    assert scene.names == ("turn", "size")
    np.testing.assert_array_equal(scene.xy, shapes.state.samples.factors[:, [2, 1]])
    assert shapes.state.document.cursor == (0.0, 10.0), "the chosen sample, in the new plane"
    assert scene.frame.high.tolist() == [0.5, 30.0]


def test_a_plane_of_one_factor_against_itself_is_not_shown(shapes):
    shapes.state.plane = (1, 1)
    assert shapes.view.plane.scene.names == ("kind", "size")


def test_axes_of_another_dataset_do_not_outlive_it(shapes):
    shapes.view.axes_changed.emit(2, 1)
    _open(shapes, ("a", "b"), draw_parameters(COUNT, 3), DataConfig(image_size=32))
    assert shapes.view.plane.scene.names == ("scale a", "depth b")


def test_numbers_are_on_the_axes_before_classes_until_others_are_chosen(shapes):
    numbered = shapes.state.samples
    shapes.state.samples = replace(numbered, categories=(("disc", "square"), (), ()))
    assert shapes.view.plane.scene.names == ("size", "turn")
    shapes.view.axes_changed.emit(0, 1)
    assert shapes.view.plane.scene.names == ("kind", "size")
    shapes.state.samples = replace(
        numbered, factor_names=("width", "breed", "height"), categories=((), ("x",) * 31, ())
    )
    assert shapes.view.plane.scene.names == ("width", "height"), "a choice among other factors is forgotten"


@pytest.mark.parametrize(("names", "said"), [((), "Measure attributes"), (("class",), "have one (class)")])
def test_data_without_two_factors_says_why_there_is_no_plane(desk, tmp_path, names, said):
    _open(desk, names, np.zeros((5, len(names))), DataConfig(path=str(tmp_path), image_size=32))
    empty = desk.view.findChild(QLabel, "parameters.empty")
    assert empty.isVisible()
    assert said in empty.text()
    assert "Needs two known factors" in empty.text()
    assert desk.state.document.cursor is None


def test_without_a_run_the_plane_says_what_to_do(desk):
    assert "Open a run" in desk.view.findChild(QLabel, "parameters.empty").text()


def test_factors_that_are_not_finite_leave_the_cursor_where_it_was(desk):
    factors = draw_parameters(COUNT, 3)
    factors[0] = np.nan
    _open(desk, ("a", "b"), factors, DataConfig(image_size=32))
    assert desk.state.document.cursor is None
    desk.probe.choose(1)
    assert desk.state.document.cursor == _place(desk, 1)


# the hole


def test_the_circle_is_the_next_trainings_hole_both_ways(curves):
    scene = curves.view.plane.scene
    assert (scene.hole.a, scene.hole.b, scene.hole.radius) == (1.25, 1.0, 0.3)
    assert scene.hole_editable
    assert scene.run_hole is None
    curves.view.plane.hole_moved.emit(1.0, 1.4, 0.2)
    data = curves.training.form.config().data
    assert (data.hole_a, data.hole_b, data.hole_radius) == (1.0, 1.4, 0.2)
    assert (scene.hole.a, scene.hole.b, scene.hole.radius) == (1.0, 1.4, 0.2)
    assert (scene.run_hole.a, scene.run_hole.radius) == (1.25, 0.3)
    curves.training.form.set_values({"data.hole_a": 1.5, "data.hole_b": 0.5, "data.hole_radius": 0.1})
    curves.training.form.edited.emit("data.hole_a")
    assert (scene.hole.a, scene.hole.b, scene.hole.radius) == (1.5, 0.5, 0.1)


def test_the_note_counts_the_images_that_are_left(curves):
    kept = np.hypot(*(draw_parameters(5000, 0) - [1.25, 1.0]).T) >= 0.3
    assert curves.view.note.text() == f"{kept.sum():,} of 5,000 images left"
    curves.view.plane.hole_moved.emit(1.25, 1.0, 0.4)
    kept = np.hypot(*(draw_parameters(5000, 0) - [1.25, 1.0]).T) >= 0.4
    assert curves.view.note.text().startswith(f"{kept.sum():,} of 5,000 images left")


def test_a_hole_that_swallows_everything_is_an_error_and_nothing_starts(curves):
    started: list = []
    curves.training.start_requested.connect(started.append)
    curves.view.plane.hole_moved.emit(1.25, 1.0, 3.0)
    assert "leaves no images" in curves.view.note.text()
    assert curves.view.findChild(QLabel, "parameters.note").property("role") == "error"
    start = curves.training.findChild(QObject, "training.start")
    assert not start.isEnabled()
    assert "leaves no images" in start.toolTip()
    curves.view.plane.hole_moved.emit(1.25, 1.0, 0.3)
    assert start.isEnabled()


def test_the_hole_can_be_left_out_and_comes_back_where_it_was(curves):
    curves.view.hole_toggled.emit(False)
    assert not curves.training.form.config().data.punctured
    assert curves.view.plane.scene.hole is None
    assert curves.view.plane.scene.run_hole is not None
    assert curves.view.note.text().startswith("No hole: all 5,000 images")
    curves.view.hole_toggled.emit(True)
    assert curves.view.plane.scene.hole.radius == 0.3


@pytest.mark.parametrize("training", ["starting", "running", "paused", "stopping"])
def test_while_a_training_is_active_its_hole_is_only_shown(curves, training):
    curves.view.plane.hole_moved.emit(1.0, 1.4, 0.2)
    curves.state.training = training
    scene = curves.view.plane.scene
    assert (scene.hole.a, scene.hole.b, scene.hole.radius) == (1.25, 1.0, 0.3)
    assert not scene.hole_editable
    assert scene.run_hole is None
    assert curves.view.note.text() == "This run's hole"
    curves.state.training = "finished"
    assert scene.hole_editable
    assert scene.hole.radius == 0.2


def test_a_run_without_curves_has_no_hole(shapes):
    shapes.training.form.set_config(RunConfig())
    shapes.training.form.edited.emit("data.hole_a")
    assert shapes.view.plane.scene.hole is None
    assert not shapes.view.plane.scene.hole_editable
    shapes.state.training = "running"
    assert shapes.view.note.text() == "", "nothing is said of holes where there can be none"


def test_a_large_draw_is_estimated_and_a_small_one_counted():
    note, problem = images_left(DataConfig(count=10_000_000, hole_radius=0.3))
    assert problem == ""
    assert note.startswith("about 9,0")
    assert images_left(DataConfig(count=2, hole_radius=9.0))[1] == "The hole leaves no images of 2: make it smaller"


def test_a_typed_radius_moves_the_circle(curves):
    field = curves.training.findChild(QObject, "training.data.hole_radius")
    edit = field.lineEdit()
    edit.selectAll()
    QTest.keyClicks(edit, "0.45")
    QTest.keyClick(edit, Qt.Key.Key_Return)
    assert curves.view.plane.scene.hole.radius == 0.45


# classes and attributes


@pytest.fixture
def animals(desk, tmp_path) -> SimpleNamespace:
    """A run of images of two classes, with no other factor."""
    (tmp_path / "animals").mkdir()
    _open(desk, ("kind",), (np.arange(12) % 2)[:, None], DataConfig(path=str(tmp_path / "animals"), image_size=32))
    desk.state.samples = replace(desk.state.samples, categories=(("cat", "dog"),))
    return desk


def test_measured_attributes_and_classes_make_a_plane_where_there_are_no_factors(animals):
    assert "Needs two" in animals.view.findChild(QLabel, "parameters.empty").text()
    area = np.linspace(10.0, 21.0, 12)
    animals.state.attributes = Attributes(
        ("area", "breed"), np.stack([area, np.arange(12) % 3], axis=1), ((), ("x", "y", "z"))
    )
    box = animals.view.findChild(QComboBox, "parameters.axis.x")
    assert [box.itemText(i) for i in range(box.count())] == ["kind", "area", "breed"]
    scene = animals.view.plane.scene
    assert scene.frame.ticks(0) == {0.0: "cat", 1.0: "dog"}
    np.testing.assert_allclose(scene.xy[:, 1], area)
    animals.view.axes_changed.emit(1, 2)
    np.testing.assert_allclose(scene.xy, np.stack([area, np.arange(12) % 3], axis=1))
    animals.view.plane.hovered.emit(4)
    assert animals.view.findChild(QLabel, "parameters.readout").text() == "sample at area = 14.000 · breed = y"
    animals.state.attributes = None
    assert "Needs two" in animals.view.findChild(QLabel, "parameters.empty").text()
