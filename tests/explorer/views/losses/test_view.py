"""The loss curves: numbers kept, smoothed and thinned correctly; the plot used by mouse and keys."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QComboBox, QLabel, QSlider, QToolButton, QWidget

from explorer.views.losses import LossesView
from explorer.views.losses.data import MOST_MARKS, curve_color, smoothed
from explorer.views.losses.plot import LossPlot
from explorer.widgets.theme import DARK, LIGHT

LEFT = Qt.MouseButton.LeftButton


def _step(step: int, loss: float = 0.1, **more: object) -> dict:
    return {"kind": "step", "step": step, "epoch": 1, "time": step * 0.5, "loss": loss, **more}


def _epoch(epoch: int, step: int, validation: float) -> dict:
    return {"kind": "epoch", "epoch": epoch, "step": step, "validation": {"loss": validation}, "best": False}


def _records(count: int = 200) -> list[dict]:
    made = [_step(s, 1.0 / s, reconstruction=0.9 / s, kl=3.0, entanglement=0.2) for s in range(1, count + 1)]
    return [*made, _epoch(1, count // 2, 0.3), _epoch(2, count, 0.2)]


@pytest.fixture
def view(qtbot) -> LossesView:
    made = LossesView()
    qtbot.addWidget(made)
    made.resize(900, 260)
    made.show()
    return made


# numbers


@pytest.mark.parametrize("weight", [0.0, 0.1, 0.6, 0.9, 0.999])
def test_smoothing_equals_its_definition(weight: float):
    values = np.random.default_rng(0).random(700)
    wanted, average = [], 0.0
    for t, value in enumerate(values):
        average = weight * average + (1 - weight) * value
        wanted.append(average / (1 - weight ** (t + 1)))
    assert smoothed(values, weight) == pytest.approx(wanted, rel=1e-9)


def test_smoothing_of_many_values_does_not_lose_precision_between_blocks():
    values = np.random.default_rng(1).random(50_000)
    average, weight = 0.0, 0.6
    for value in values:
        average = weight * average + (1 - weight) * value
    assert smoothed(values, weight)[-1] == pytest.approx(average, rel=1e-9)


def test_smoothing_skips_what_is_not_a_number():
    curve = smoothed(np.array([math.nan, 1.0, math.nan, math.inf, 1.0]), 0.5)
    assert math.isnan(curve[0])
    assert curve[1:] == pytest.approx(1.0)


# state to view


def test_records_become_curves(view):
    view.settings.smoothing = 0.0
    view.append(_records())
    view.redraw()
    assert view.plot.values_at(200) == pytest.approx(
        {"loss": 1 / 200, "reconstruction": 0.9 / 200, "kl": 3.0, "entanglement": 0.2, "validation": 0.2}
    )


def test_an_empty_panel_says_what_is_needed_until_there_are_curves(view):
    view.redraw()
    text = view.findChild(QLabel, "losses.empty")
    assert text.isVisible()
    view.set_empty("Open a run.")
    assert text.text() == "Open a run."
    view.append(_records())
    view.redraw()
    assert not text.isVisible()


def test_a_window_without_curves_does_not_import_pyqtgraph():
    code = "import sys, explorer.app; assert 'pyqtgraph' not in sys.modules, 'it costs a third of a second'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_drawing_waits_for_the_clock(view):
    view.append(_records())
    assert view.plot is None
    view.redraw()
    view.append(_records(300))
    assert view.plot.values_at(300)["loss"] != pytest.approx(1 / 300)
    view.redraw()
    view.settings.smoothing = 0.0
    view.plot.refresh()
    assert view.plot.values_at(300)["loss"] == pytest.approx(1 / 300)


def test_records_after_which_more_come_are_drawn_with_those(view):
    view.append(_records(), more=True)
    view.redraw()
    assert view.plot is None
    view.append([])
    view.redraw()
    assert view.plot.values_at(200)


def test_curves_that_take_long_to_draw_are_drawn_less_often(view, monkeypatch):
    view.append(_records())
    view.redraw()
    drawn: list[int] = []
    spent = iter(range(100))  # each look at the clock a second of computing later
    monkeypatch.setattr(view.plot, "refresh", lambda: drawn.append(1))
    monkeypatch.setattr("explorer.views.losses.view.thread_time", lambda: float(next(spent)))
    now = [1000.0]
    monkeypatch.setattr("explorer.views.losses.view.monotonic", lambda: now[0])
    for seconds, count in ((0.0, 1), (1.0, 1), (18.0, 1), (1.5, 2)):
        now[0] += seconds
        view.append([_step(300)])
        view.redraw()
        assert len(drawn) == count
    view.clear()
    view.redraw()
    assert len(drawn) == 3, "another run"


def test_the_best_epoch_is_the_least_validation_loss(view):
    view.append([_step(1), _epoch(1, 10, 0.5), _epoch(2, 20, 0.2), _epoch(3, 30, math.nan), _epoch(4, 40, 0.4)])
    assert view._data.best == 1


def test_a_changed_hyperparameter_becomes_a_mark_that_names_only_what_changed(view):
    values = {"learning_rate": 2e-3, "beta": 1e-4, "gamma": 0.0}
    change = {"kind": "event", "event": "hyperparameters", "step": 5, "changed": ["beta"], **values}
    view.append([_step(5), change, {"kind": "event", "event": "paused", "step": 6}])
    assert [(mark.step, mark.text) for mark in view._data.marks] == [(5, "β 0.0001")]


def test_of_very_many_changes_the_newest_are_marked_and_the_first_of_them_says_so(view):
    changes = range(MOST_MARKS + 7)
    view.append([{"kind": "event", "event": "hyperparameters", "step": step, "beta": 0.5} for step in changes])
    marks = view._data.marks
    assert len(marks) == MOST_MARKS
    assert marks[0].text == "7 earlier changes are not marked · β 0.5"
    assert marks[-1].step == changes[-1]


def test_what_a_resumed_run_changes_is_marked_too(view):
    changed = {"batch_size": 32, "device": "cuda", "epochs": 40, "learning_rate": 1e-3}
    where = {"kind": "event", "event": "hyperparameters", "step": 80, "time": 40.0}
    change = where | changed | {"beta": 3e-6, "gamma": 0.0, "changed": sorted(changed)}
    view.append([*_records(), change])
    view.redraw()
    assert view.plot._marks[0].label.format == "epochs 40  batch 32  device cuda  lr 0.001"


def test_the_epoch_axis_follows_a_batch_size_that_changes(view):
    """Two epochs of 100 steps, then one of 50, then the first steps of the next."""
    epochs = [_epoch(number, step, 0.1) for number, step in ((1, 100), (2, 200), (3, 250))]
    view.append([*(_step(step) for step in (50, 100, 225, 250, 275)), *epochs])
    view.settings.axis, view.settings.smoothing = "epoch", 0.0
    view.redraw()
    assert view.plot._curves["loss"].x == pytest.approx([0.5, 1.0, 2.5, 3.0, 3.5])
    assert view.plot._curves["validation"].x == pytest.approx([1.0, 2.0, 3.0])


def test_losses_that_are_not_numbers_do_not_stop_the_plot(view):
    view.append([_step(s, math.nan if s % 3 else 0.0, kl=math.inf, reconstruction=-1.0) for s in range(1, 50)])
    view.redraw()
    view.grab()


def test_records_without_the_expected_fields_are_passed_over(view):
    view.append([{}, {"kind": "epoch"}, {"kind": "step"}, {"kind": "report", "seconds": 3}])
    view.redraw()
    view.grab()


def test_clearing_forgets_the_run_and_keeps_the_settings(view):
    view.append(_records())
    view.findChild(QCheckBox, "losses.log").setChecked(False)
    view.clear()
    view.redraw()
    assert view.plot.values_at(1) == {}
    assert not view.settings.log


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_curves_are_drawn_in_the_theme(view, theme, use_theme):
    use_theme(theme)
    view.append(_records())
    view.redraw()
    image = view.plot.grab().toImage()
    colours = [image.pixelColor(x, y) for x in range(70, 840, 4) for y in range(24, 200)]
    for wanted in (QColor(theme.plot), curve_color("kl", theme)):  # edges are antialiased: near is enough
        assert min(abs(c.red() - wanted.red()) + abs(c.green() - wanted.green()) for c in colours) <= 8


def test_a_long_run_is_thinned_before_it_is_drawn_and_keeps_its_peaks(view):
    values = 0.1 + 0.01 * np.sin(np.arange(100_000))
    values[54_321] = 0.2
    view.settings.smoothing, view.settings.log = 0.0, False
    view.append([_step(step, float(value)) for step, value in enumerate(values, 1)])
    view.redraw()
    view.grab()
    drawn = view.plot._curves["loss"].line.getData()[1]
    assert len(drawn) <= 4 * view.plot.width()
    assert drawn.max() == 0.2


def test_the_kl_term_does_not_squash_the_losses(view):
    """It is recorded before β weights it, a hundred times the loss: it has the axis on the right."""
    records = [_step(s, 0.10 + 0.01 / s, reconstruction=0.10, kl=12.0) for s in range(1, 101)]
    view.append(records)
    view.redraw()
    low, high = view.plot.getViewBox().viewRange()[1]
    assert high - low < 0.3  # decades
    assert view.plot.getPlotItem().getAxis("right").isVisible()
    assert "KL" in view.plot.getPlotItem().getAxis("right").labelText
    box = view.findChild(QCheckBox, "losses.show.kl")
    QTest.mouseClick(box, LEFT, pos=QPoint(6, box.height() // 2))
    assert not view.plot.getPlotItem().getAxis("right").isVisible()


# hands


def test_a_check_box_hides_a_curve(view):
    view.append(_records())
    view.redraw()
    box = view.findChild(QCheckBox, "losses.show.kl")
    QTest.mouseClick(box, LEFT, pos=QPoint(6, box.height() // 2))
    assert "kl" not in view.plot.values_at(10)


def test_axis_scale_and_smoothing_are_chosen_by_hand(view):
    view.append(_records())
    log = view.findChild(QCheckBox, "losses.log")
    QTest.mouseClick(log, LEFT, pos=QPoint(6, log.height() // 2))
    assert not view.settings.log
    smoothing = view.findChild(QSlider, "losses.smoothing")
    QTest.keyClick(smoothing, Qt.Key.Key_End)
    assert view.settings.smoothing == 0.999
    QTest.keyClick(smoothing, Qt.Key.Key_Home)
    assert view.settings.smoothing == 0.0
    axis = view.findChild(QComboBox, "losses.axis")
    axis.setFocus()
    QTest.keyClick(axis, Qt.Key.Key_Down)
    QTest.keyClick(axis, Qt.Key.Key_Down)
    assert view.settings.axis == "time"
    view.grab()


def test_a_drag_of_the_smoothing_is_drawn_once_a_frame_however_long_the_curves(view, monkeypatch):
    plot, before = _drawn_curve(view)
    drawn = []
    monkeypatch.setattr(plot, "refresh", lambda: drawn.append(LossPlot.refresh(plot)))
    view._rests_until = math.inf  # long curves, which are drawn the less often while records come
    smoothing = view.findChild(QSlider, "losses.smoothing")
    for _ in range(5):
        QTest.keyClick(smoothing, Qt.Key.Key_Right)
    assert not drawn
    view.redraw()
    view.redraw()
    assert len(drawn) == 1
    assert plot.values_at(10)["loss"] != before


def _drawn_curve(view: LossesView) -> tuple[LossPlot, float]:
    view.append(_records())
    view.redraw()
    return view.plot, view.plot.values_at(10)["loss"]


def test_the_epoch_axis_counts_epochs(view):
    view.append(_records(200))
    view.settings.axis = "epoch"
    assert view._data.x("loss", "epoch")[-1] == pytest.approx(2.0)


def _drag(plot: QWidget, start: QPoint, end: QPoint) -> None:
    QTest.mousePress(plot.viewport(), LEFT, pos=start)
    QTest.mouseMove(plot.viewport(), (start + end) / 2)
    QTest.mouseMove(plot.viewport(), end)
    QTest.mouseRelease(plot.viewport(), LEFT, pos=end)


def _drawn(view: LossesView, qtbot) -> tuple[LossPlot, list, list]:
    view.append(_records())
    view.redraw()
    view.grab()
    qtbot.wait(20)
    return view.plot, *view.plot.getViewBox().viewRange()


def test_a_drag_zooms_both_axes_and_a_double_click_shows_everything_again(view, qtbot):
    plot, whole_x, whole_y = _drawn(view, qtbot)
    reset = view.findChild(QToolButton, "losses.reset")
    assert not reset.isVisible()
    right = plot._right_box.viewRange()[1]
    _drag(plot, QPoint(200, 60), QPoint(400, 120))
    (left, stop), (low, high) = plot.getViewBox().viewRange()
    assert whole_x[0] < left < stop < whole_x[1]
    assert whole_y[0] < low < high < whole_y[1]
    assert reset.isVisible()
    zoomed = plot._right_box.viewRange()[1]
    share = (high - low) / (whole_y[1] - whole_y[0])
    assert zoomed[1] - zoomed[0] == pytest.approx(share * (right[1] - right[0]), rel=1e-3)
    view.append([_step(201)])
    view.redraw()
    assert plot.getViewBox().viewRange()[0] == pytest.approx([left, stop])  # what is looked at stays
    qtbot.mouseDClick(plot.viewport(), LEFT, pos=QPoint(300, 80))
    assert not plot.zoomed
    assert not reset.isVisible()


def test_a_flat_drag_keeps_the_values_and_a_click_zooms_nothing(view, qtbot):
    plot, _, whole_y = _drawn(view, qtbot)
    QTest.mouseClick(plot.viewport(), LEFT, pos=QPoint(300, 80))
    assert not plot.zoomed
    _drag(plot, QPoint(200, 100), QPoint(400, 103))
    assert plot.zoomed
    assert plot.getViewBox().viewRange()[1] == pytest.approx(whole_y)


def test_escape_leaves_the_zoom(view, qtbot):
    plot, *_ = _drawn(view, qtbot)
    _drag(plot, QPoint(200, 60), QPoint(400, 120))
    QTest.keyClick(plot, Qt.Key.Key_Escape)
    assert not plot.zoomed


def test_the_mouse_reads_values_off(view, qtbot):
    plot, *_ = _drawn(view, qtbot)
    QTest.mouseMove(plot.viewport(), QPoint(300, 80))
    qtbot.waitUntil(lambda: plot._readout.isVisible())
    text = plot._readout.textItem.toPlainText()
    assert "KL 3" in text
    assert "total" in text


def test_changes_are_marked_where_they_happened_and_their_labels_do_not_overlap(view):
    changes = [
        {"kind": "event", "event": "hyperparameters", "step": step, "changed": ["beta"], "beta": step * 1e-4}
        for step in (50, 51, 150)
    ]
    view.append([*_records(), *changes])
    view.redraw()
    view.grab()
    view.plot.refresh()
    assert [line.value() for line in view.plot._marks] == [50, 51, 150]
    assert [line.label.isVisible() for line in view.plot._marks] == [True, False, True]


def test_marks_that_are_there_are_moved_and_those_of_another_run_taken_away(view):
    def change(step: int, beta: float) -> dict:
        return {"kind": "event", "event": "hyperparameters", "step": step, "time": 2.0 * step, "changed": ["beta"],
                "beta": beta}  # fmt: skip

    view.append([*_records(), change(50, 1e-4)])
    view.redraw()
    (first,) = view.plot._marks
    view.settings.axis = "time"
    view.append([change(60, 2e-4)])
    view.redraw()
    assert [line.value() for line in view.plot._marks] == [100, 120]
    assert view.plot._marks[0] is first
    second = view.plot._marks[1]
    view.clear()
    view.append([*_records(), change(50, 3e-4)])
    view.redraw()
    assert [line.label.format for line in view.plot._marks] == ["β 0.0003"]
    assert view.plot._marks[0].label.toPlainText() == "β 0.0003"
    assert second.scene() is None


def test_of_very_many_changes_those_that_are_still_marked_keep_their_lines(view):
    """A long run is read in parts, and the curves may be drawn after each."""

    def changes(*steps: int) -> list[dict]:
        return [{"kind": "event", "event": "hyperparameters", "step": step, "beta": step * 1e-4} for step in steps]

    view.append([*_records(), *changes(*range(MOST_MARKS))])
    view.redraw()
    before = list(view.plot._marks)
    view.append(changes(MOST_MARKS, MOST_MARKS + 1, MOST_MARKS + 2))
    view.redraw()
    assert view.plot._marks == [*before[3:], *before[:3]]
    assert [line.value() for line in view.plot._marks] == list(range(3, MOST_MARKS + 3))
    texts = [line.label.format for line in view.plot._marks]
    assert texts[0] == "3 earlier changes are not marked · β 0.0003"
    assert texts[-1] == "β 0.0052"
