"""Attributes without labels: measured or read by hand, colours and targets, told to the engine, dropped with a run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fake_engine import FakeEngine
from PySide6.QtCore import QObject, QPoint, Qt, Signal
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QComboBox, QLabel, QProgressDialog, QPushButton

from core.protocol.messages import (
    AttributesMeasured,
    AttributesProgress,
    Cancel,
    Failed,
    MeasureAttributes,
    SetAttributes,
)
from core.runs.directory import ProbeSet
from explorer.controllers.app.attributes import AttributesController
from explorer.controllers.cloud import color_targets
from explorer.controllers.cloud.cloud import NO_COLOUR, CloudController
from explorer.controllers.cloud.probe import ProbeController
from explorer.controllers.controller import Context
from explorer.state import Model, State
from explorer.views.attributes import AttributeChoice, ChoiceDialog
from explorer.views.cloud import CloudView
from explorer.views.image import ImageView
from explorer.views.points import PointsView
from explorer.views.probe import ProbeView

N = 30
WAIT = 5_000


class OpenRun(QObject):
    """Tells that a run was opened."""

    opened = Signal(object)


def samples(names: tuple[str, ...] = ("scale",), files: tuple[str, ...] = ()) -> ProbeSet:
    factors = np.random.default_rng(0).random((N, len(names))).astype(np.float32)
    thumbnails, split = np.zeros((N, 32, 32, 1), np.uint8), np.zeros(N, np.uint8)
    return ProbeSet(np.arange(N), factors, names, thumbnails, split, names=files)


def opened(made: SimpleNamespace, qtbot) -> ChoiceDialog:
    """The question about a file's columns, once it is asked."""
    qtbot.waitUntil(lambda: any(d.isVisible() for d in made.points.findChildren(ChoiceDialog)), timeout=WAIT)
    return dialog(made)


@pytest.fixture
def made(qtbot) -> SimpleNamespace:
    state, engine, open_run = State(), FakeEngine(), OpenRun()
    cloud, points, image, probe_view = CloudView("software"), PointsView(), ImageView(), ProbeView()
    for widget in (cloud, points, image, probe_view):
        qtbot.addWidget(widget)
    context = Context(state, engine, points)  # pyright: ignore[reportArgumentType]
    probe = ProbeController(context, probe_view, image)
    cloud_control = CloudController(context, probe, cloud, points)
    control = AttributesController(context, open_run, points)  # pyright: ignore[reportArgumentType]
    errors: list[str] = []
    control.error_occurred.connect(errors.append)
    control.refused.connect(errors.append)
    points.resize(300, 260)
    points.show()
    state.samples = samples()
    state.embedding = np.random.default_rng(1).normal(size=(N, 3)).astype(np.float32)
    state.model = Model(Path("run"), 3, 32, 1)
    return SimpleNamespace(
        state=state,
        editing=context.editing,
        engine=engine,
        open_run=open_run,
        cloud=cloud,
        cloud_control=cloud_control,
        points=points,
        control=control,
        errors=errors,
    )


def press(made: SimpleNamespace, name: str) -> None:
    """The entry of the button's menu."""
    made.points.findChild(QObject, f"points.attributes.{name}").trigger()


def dialog(made: SimpleNamespace) -> ChoiceDialog:
    return next(d for d in made.points.findChildren(ChoiceDialog) if d.isVisible())


def button(asked: ChoiceDialog, name: str) -> QPushButton:
    found = asked.findChild(QPushButton, f"dialog.choice.{name}")
    assert found is not None
    return found


def box(asked: ChoiceDialog, name: str) -> QCheckBox:
    found = asked.findChild(QCheckBox, f"dialog.choice.{name}")
    assert found is not None
    return found


def tick(asked: ChoiceDialog, *names: str) -> None:
    QTest.mouseClick(button(asked, "none"), Qt.MouseButton.LeftButton)
    for name in names:
        row = box(asked, name)
        QTest.mouseClick(row, Qt.MouseButton.LeftButton, pos=QPoint(8, row.height() // 2))
        assert row.isChecked()


def accept(asked: ChoiceDialog) -> None:
    QTest.mouseClick(button(asked, "accept"), Qt.MouseButton.LeftButton)


def measured(made: SimpleNamespace, **columns: np.ndarray) -> None:
    """The engine's answer to a measuring of these."""
    made.control.measure(tuple(columns))
    stamp = made.engine.of(MeasureAttributes)[-1].stamp
    values = np.stack(list(columns.values()), axis=1).astype(np.float64)
    made.engine.deliver(AttributesMeasured(stamp=stamp, names=tuple(columns), values=values))


def options(made: SimpleNamespace) -> list[str]:
    colours = made.points.findChild(QComboBox, "points.color_by")
    return [colours.itemText(i) for i in range(colours.count())]


# measuring


def test_measures_are_chosen_taken_and_become_colours_and_targets(made):
    press(made, "measure")
    asked = dialog(made)
    tick(asked, "area", "holes")
    accept(asked)
    request = made.engine.of(MeasureAttributes)[-1]
    assert request.names == ("area", "holes")
    progress = made.points.findChild(QProgressDialog)
    made.engine.deliver(AttributesProgress(stamp=request.stamp, fraction=0.4))
    assert progress.value() == 40
    values = np.random.default_rng(2).random((N, 2))
    made.engine.deliver(AttributesMeasured(stamp=request.stamp, names=request.names, values=values))
    assert not progress.isVisible()
    assert made.state.attributes.names == ("area", "holes")
    np.testing.assert_array_equal(made.state.attributes.values, values)
    assert color_targets.names(made.state) == ("scale", "area", "holes")
    np.testing.assert_array_equal(color_targets.values(made.state, "holes"), values[:, 1])
    assert options(made)[:3] == ["scale", "area", "holes"]
    assert made.state.display.color_by == "area"
    assert made.points.findChild(QComboBox, "points.color_by").currentText() == "area"
    told = made.engine.of(SetAttributes)[-1]
    assert told.names == ("area", "holes")
    np.testing.assert_array_equal(told.values, values)


def test_the_cloud_takes_the_colours_of_an_attribute(made):
    made.cloud_control.tick()
    before = made.cloud_control.colours
    measured(made, area=np.linspace(0.0, 1.0, N))
    made.cloud_control.tick()
    assert not np.array_equal(made.cloud_control.colours, before)
    made.control.clear()
    assert made.state.display.color_by == "scale"
    made.cloud_control.tick()
    np.testing.assert_array_equal(made.cloud_control.colours, before)


def test_undefined_values_are_kept_as_such(made):
    column = np.where(np.arange(N) % 2, np.nan, 5.0 + np.arange(N))
    measured(made, order=column)
    np.testing.assert_array_equal(color_targets.values(made.state, "order"), column)
    np.testing.assert_array_equal(made.engine.of(SetAttributes)[-1].values[:, 0], column)
    made.cloud_control.tick()
    assert made.cloud_control.colours.shape == (N, 4)


def test_what_is_the_same_for_all_samples_is_left_out_and_said_so(made):
    measured(made, holes=np.zeros(N), area=np.arange(N), order=np.full(N, np.nan))
    assert made.state.attributes.names == ("area",)
    assert "holes, order: the same for all samples" in made.state.message
    measured(made, parts=np.ones(N))
    assert made.state.attributes.names == ("area",)


def test_measuring_again_replaces_and_another_joins(made):
    measured(made, area=np.arange(N))
    measured(made, spread=np.arange(N) ** 2.0)
    measured(made, area=-np.arange(N))
    assert made.state.attributes.names == ("area", "spread")
    np.testing.assert_array_equal(color_targets.values(made.state, "area"), -np.arange(N))


def test_a_name_that_a_factor_has_is_told_apart(made):
    measured(made, scale=np.arange(N))
    assert made.state.attributes.names == ("scale (measured)",)
    assert color_targets.names(made.state) == ("scale", "scale (measured)")


def test_measuring_is_cancelled(made):
    made.control.measure(("area",))
    request = made.engine.of(MeasureAttributes)[-1]
    made.points.findChild(QProgressDialog).canceled.emit()
    assert made.engine.of(Cancel)[-1].request == request.stamp
    values = np.arange(N, dtype=np.float64)[:, None]
    made.engine.deliver(AttributesMeasured(stamp=request.stamp, names=("area",), values=values))  # was on its way
    assert made.state.attributes is None


def test_a_failed_measuring_takes_its_progress_away(made, qtbot):
    made.control.measure(("area",))
    stamp = made.engine.of(MeasureAttributes)[-1].stamp
    made.engine.deliver(Failed(stamp=stamp, message="No."))
    qtbot.waitUntil(lambda: made.points.findChild(QProgressDialog) is None, timeout=WAIT)
    made.engine.deliver(AttributesProgress(stamp=stamp, fraction=0.5))
    assert made.state.attributes is None


def test_colour_cannot_be_measured_on_grey_images(made):
    press(made, "measure")
    assert not box(dialog(made), "saturation").isEnabled()
    QTest.mouseClick(button(dialog(made), "all"), Qt.MouseButton.LeftButton)
    assert "saturation" not in dialog(made).names
    assert "area" in dialog(made).names
    dialog(made).reject()


def test_there_is_nothing_to_measure_without_a_run(made):
    made.state.samples = None
    press(made, "measure")
    press(made, "file")
    assert len(made.errors) == 2
    assert "Open a run" in made.errors[0]


# files


def table(tmp_path: Path, text: str) -> Path:
    (tmp_path / "mine.csv").write_text(text)
    return tmp_path / "mine.csv"


def test_rows_find_their_samples_by_file_name(made, tmp_path, qtbot):
    files = tuple(sorted(f"frame{i}.png" for i in range(N)))  # frame10 comes before frame2
    made.state.samples = samples(files=files)
    made.control.read(table(tmp_path, "file,x\n" + "".join(f"frame{i}.png,{i}\n" for i in range(N))))
    qtbot.waitUntil(lambda: made.state.attributes is not None, timeout=WAIT)
    np.testing.assert_array_equal(color_targets.values(made.state, "x"), [int(name[5:-4]) for name in files])
    assert "30 images joined by the column file" in made.state.message


def test_rows_that_name_no_sample_are_taken_in_order_only_if_that_is_chosen(made, tmp_path, qtbot):
    made.state.samples = samples(files=tuple(sorted(f"frame{i}.png" for i in range(N))))
    made.control.read(table(tmp_path, "age\n" + "".join(f"{i}\n" for i in range(N))))
    asked = opened(made, qtbot)
    assert made.state.attributes is None
    assert "first row is about frame0.png, its last about frame9.png" in asked.findChild(QLabel).text()
    assert button(asked, "accept").text() == "Read in this order"
    accept(asked)
    np.testing.assert_array_equal(color_targets.values(made.state, "age"), np.arange(N))
    assert made.engine.of(SetAttributes)[-1].names == ("age",)


def test_of_several_columns_those_that_are_wanted_are_read(made, tmp_path, qtbot):
    rows = "".join(f"{i},s{i},{i * i},{-i},{i / 7}\n" for i in reversed(range(N)))
    made.control.read(table(tmp_path, "index,name,age,mass,scale\n" + rows))
    asked = opened(made, qtbot)
    assert asked.names == ("age", "mass")  # what is no factor yet
    assert not box(asked, "name").isEnabled()
    tick(asked, "age", "scale")
    accept(asked)
    assert made.state.attributes.names == ("age", "scale (file)")
    np.testing.assert_array_equal(color_targets.values(made.state, "age"), np.arange(N) ** 2)


def test_classes_colour_the_cloud_and_are_no_targets_of_paths(made, tmp_path, qtbot):
    rows = "".join(f"{i},{('cat', 'dog', '')[i % 3]},{i}\n" for i in range(N))
    made.control.read(table(tmp_path, "index,kind,age\n" + rows))
    asked = opened(made, qtbot)
    assert "2 classes: cat, dog · 10 unknown" in box(asked, "kind").toolTip()
    accept(asked)
    assert made.state.attributes.categories == (("cat", "dog"), ())
    assert options(made)[:3] == ["scale", "kind", "age"]
    assert color_targets.categories(made.state, "kind") == ("cat", "dog")
    assert color_targets.numbers(made.state) == ("scale", "age")
    assert made.engine.of(SetAttributes)[-1].names == ("age",)


def test_a_file_that_does_not_fit_is_told_and_changes_nothing(made, tmp_path, qtbot):
    made.control.read(table(tmp_path, "age\n1\n2\n"))
    qtbot.waitUntil(lambda: bool(made.errors), timeout=WAIT)
    assert "2 rows; there are 30 images" in made.errors[-1]
    made.control.read(tmp_path / "absent.csv")
    qtbot.waitUntil(lambda: len(made.errors) == 2, timeout=WAIT)
    assert "absent.csv does not exist" in made.errors[-1]
    assert made.state.attributes is None


# what they belong to


def test_undo_and_redo_take_them_from_the_engine_and_give_them_back(made):
    measured(made, area=np.arange(N))
    assert made.state.display.color_by == "area"
    made.editing.undo()
    assert made.state.attributes is None
    assert made.state.display.color_by == "scale"
    assert made.engine.of(SetAttributes)[-1].names == ()
    made.editing.redo()
    assert made.engine.of(SetAttributes)[-1].names == ("area",)
    assert made.state.display.color_by == "area"
    made.points.attributes_cleared.emit()
    assert (made.editing.undo_label, options(made)[:2]) == ("remove attributes", ["scale", "excess BCE"])
    made.editing.undo()
    assert options(made)[:2] == ["scale", "area"]


def test_another_epoch_keeps_them_and_another_run_ends_measuring(made):
    measured(made, area=np.arange(N))
    made.state.epoch = 2
    made.state.embedding = made.state.embedding + 1.0
    assert made.state.attributes is not None
    made.control.measure(("spread",))
    made.state.model = None
    made.state.attributes = None
    made.open_run.opened.emit(object())
    assert color_targets.names(made.state) == ("scale",)
    stamp = made.engine.of(MeasureAttributes)[-1].stamp
    values = np.arange(N, dtype=np.float64)[:, None]
    made.engine.deliver(AttributesMeasured(stamp=stamp, names=("spread",), values=values))
    assert made.state.attributes is None


def test_the_engine_is_told_again_whenever_a_run_has_been_opened(made):
    measured(made, area=np.arange(N))
    assert len(made.engine.of(SetAttributes)) == 1
    made.state.model, model = None, made.state.model
    made.state.model = model
    assert len(made.engine.of(SetAttributes)) == 2
    assert made.engine.of(SetAttributes)[-1].names == ("area",)


def test_an_engine_that_dies_ends_the_measuring_with_its_dialog(made):
    errors: list[str] = []
    made.engine.error_occurred.connect(errors.append)
    made.control.measure(("area",))
    made.engine.die(deaths=2)
    assert made.control._progress is None
    assert "was lost" in errors[-1]


def test_an_engine_that_dies_once_goes_on_measuring(made):
    made.control.measure(("area",))
    made.engine.die()
    request = made.engine.sent[-1]
    values = np.arange(N, dtype=np.float64)[:, None]
    made.engine.deliver(AttributesMeasured(stamp=request.stamp, names=("area",), values=values))
    assert made.state.attributes.names == ("area",)


def test_the_engine_is_told_when_they_are_removed(made):
    measured(made, area=np.arange(N))
    press(made, "clear")
    told = made.engine.of(SetAttributes)[-1]
    assert told.names == ()
    assert made.state.attributes is None
    made.state.model, model = None, made.state.model
    made.state.model = model
    assert made.engine.of(SetAttributes)[-1] is told


def test_without_a_model_the_engine_hears_of_them_once_there_is_one(made):
    model, made.state.model = made.state.model, None
    made.control._add(("age",), np.arange(N, dtype=np.float64)[:, None], "file")
    assert not made.engine.of(SetAttributes)
    made.state.model = model
    assert made.engine.of(SetAttributes)[-1].names == ("age",)


def test_a_run_without_factors_gets_its_first_targets(made):
    made.state.samples = samples(())
    assert made.state.display.color_by == NO_COLOUR
    measured(made, area=np.arange(N))
    assert color_targets.names(made.state) == ("area",)
    assert made.state.display.color_by == "area"


def test_after_a_run_without_factors_the_next_is_coloured_by_its_own(made):
    made.state.samples = samples(())
    assert made.state.display.color_by == NO_COLOUR
    made.state.samples = None
    made.state.samples = samples(("tilt",))
    assert made.state.display.color_by == "tilt"


# the view


def test_the_list_scrolls_and_wants_at_least_one(qtbot):
    choices = [AttributeChoice(f"column {i}", "0 to 1", i == 0) for i in range(100)]
    asked = ChoiceDialog("Attributes from a file", "The values can colour the cloud.", "Read", choices)
    qtbot.addWidget(asked)
    asked.open()
    assert asked.height() < 720
    assert asked.names == ("column 0",)
    QTest.mouseClick(button(asked, "none"), Qt.MouseButton.LeftButton)
    assert not button(asked, "accept").isEnabled()
    QTest.keyClick(asked, Qt.Key.Key_Return)
    assert asked.isVisible()
    QTest.mouseClick(button(asked, "all"), Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(asked.chosen) as told:
        QTest.mouseClick(button(asked, "accept"), Qt.MouseButton.LeftButton)
    assert told.args[0] == tuple(choice.name for choice in choices)
