"""The loss curves: numbers kept, smoothed and thinned correctly; the plot used by mouse and keys."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QComboBox, QSlider, QToolButton

from explorer.views.losses import LossesView
from explorer.views.losses.series import Column, Smoother, envelope, linear_ticks, log_ticks
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


@pytest.fixture
def said(view) -> list:
    heard: list = []
    view.settings_changed.connect(lambda: heard.append(True))
    return heard


# numbers


def test_a_column_keeps_everything_across_its_growth():
    column = Column()
    for start in range(0, 5000, 7):
        column.extend(np.arange(start, start + 7, dtype=float))
    assert np.array_equal(column.values[:5000], np.arange(5000))


@pytest.mark.parametrize("weight", [0.0, 0.1, 0.6, 0.9, 0.999])
def test_smoothing_equals_its_definition(weight: float):
    values = np.random.default_rng(0).random(700)
    wanted, average = [], 0.0
    for t, value in enumerate(values):
        average = weight * average + (1 - weight) * value
        wanted.append(average / (1 - weight ** (t + 1)))
    assert Smoother(weight).follow(values) == pytest.approx(wanted, rel=1e-9)


def test_smoothing_in_pieces_equals_smoothing_at_once():
    values = np.random.default_rng(1).random(5000)
    pieces, whole = Smoother(0.97), Smoother(0.97)
    for stop in (1, 10, 11, 2000, 5000):
        last = pieces.follow(values[:stop])
    assert last == pytest.approx(whole.follow(values), rel=1e-9)


def test_smoothing_passes_over_what_is_not_a_number():
    smoothed = Smoother(0.5).follow(np.array([math.nan, 1.0, math.nan, math.inf, 1.0]))
    assert math.isnan(smoothed[0])
    assert smoothed[1:] == pytest.approx(1.0)


@settings(max_examples=60, deadline=None)
@given(
    values=hnp.arrays(np.float64, st.integers(0, 400), elements=st.floats(-1e6, 1e6) | st.just(math.nan)),
    columns=st.integers(1, 50),
)
def test_thinning_keeps_every_peak_and_at_most_two_points_a_column(values: np.ndarray, columns: int):
    x = np.arange(len(values), dtype=float)
    kept_x, kept_y = envelope(x, values, 0.0, float(max(1, len(values))), columns)
    finite = values[np.isfinite(values)]
    assert len(kept_x) <= max(2 * columns, 0) or len(finite) <= 2 * columns
    assert np.all(np.diff(kept_x) > 0)
    if len(finite):
        assert kept_y.min() == finite.min()
        assert kept_y.max() == finite.max()
        assert np.array_equal(values[kept_x.astype(int)], kept_y)


def test_thinning_keeps_one_neighbour_outside_the_range():
    x = np.arange(100.0)
    kept, _ = envelope(x, x, 40.0, 50.0, 1000)
    assert kept[0] == 39.0
    assert kept[-1] == 51.0


def test_ticks_are_round_and_inside():
    assert linear_ticks(0.0, 10.0, 5) == pytest.approx([0, 2, 4, 6, 8, 10])
    assert linear_ticks(0.13, 0.27, 4) == pytest.approx([0.15, 0.2, 0.25])
    assert log_ticks(0.02, 3.0, 4) == pytest.approx([0.1, 1.0])
    assert log_ticks(0.09, 0.6, 6) == pytest.approx([0.1, 0.2, 0.5])
    assert len(log_ticks(1e-9, 1e9, 6)) <= 6


# state to view


def test_records_become_curves_silently(view, said):
    view.append(_records())
    view.redraw()
    view.settings.smoothing = 0.0
    assert view.plot.values_at(200) == pytest.approx(
        {"loss": 1 / 200, "reconstruction": 0.9 / 200, "kl": 3.0, "entanglement": 0.2, "validation": 0.2}
    )
    assert said == []


def test_an_empty_plot_says_what_will_be_there_and_after_a_start_that_it_comes(view):
    view.redraw()
    idle = view.plot.grab().toImage()
    view.set_awaited(True)
    assert view.plot.grab().toImage() != idle
    view.set_awaited(False)
    assert view.plot.grab().toImage() == idle


def test_drawing_waits_for_the_clock(view):
    view.append(_records())
    stale_before = view.plot._stale
    view.redraw()
    view.grab()
    assert view.plot._lines
    assert stale_before


def test_the_best_epoch_is_the_least_validation_loss(view):
    view.append([_step(1), _epoch(1, 10, 0.5), _epoch(2, 20, 0.2), _epoch(3, 30, math.nan), _epoch(4, 40, 0.4)])
    assert view.plot._data.best == 1


def test_a_changed_hyperparameter_becomes_a_mark_that_names_only_what_changed(view):
    values = {"learning_rate": 2e-3, "beta": 1e-4, "gamma": 0.0}
    change = {"kind": "event", "event": "hyperparameters", "step": 5, "changed": ["beta"], **values}
    view.append([_step(5), change, {"kind": "event", "event": "paused", "step": 6}])
    assert [(mark.step, mark.text) for mark in view.plot._data.marks] == [(5, "β 0.0001")]


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
def test_curves_are_drawn_in_the_theme(view, theme):
    view.set_theme(theme)
    view.append(_records())
    view.redraw()
    image = view.plot.grab().toImage()
    colours = [image.pixelColor(x, y) for x in range(70, 840, 4) for y in range(24, 200)]
    for wanted in (QColor(theme.plot), view.plot.colour("kl")):  # edges are antialiased: near is enough
        assert min(abs(c.red() - wanted.red()) + abs(c.green() - wanted.green()) for c in colours) <= 8


def test_a_long_run_is_thinned_before_it_is_drawn(view):
    steps = np.arange(1, 100_001)
    view.append([_step(int(s), 0.1 + 0.01 * math.sin(s)) for s in steps])
    view.redraw()
    view.grab()
    assert max(polygon.size() for _, polygon, _ in view.plot._lines) <= 2 * view.plot.width()


# hands


def test_a_check_box_hides_a_curve(view, said):
    view.append(_records())
    view.redraw()
    box = view.findChild(QCheckBox, "losses.show.kl")
    QTest.mouseClick(box, LEFT, pos=QPoint(6, box.height() // 2))
    assert "kl" not in view.plot.values_at(10)
    assert said


def test_axis_scale_and_smoothing_are_chosen_by_hand(view, said):
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
    assert len(said) >= 5
    view.grab()


def test_the_epoch_axis_counts_epochs(view):
    view.append(_records(200))
    view.settings.axis = "epoch"
    assert view.plot._data.x("loss", "epoch")[-1] == pytest.approx(2.0)


def test_a_drag_zooms_and_a_double_click_shows_everything_again(view):
    view.append(_records())
    view.redraw()
    view.grab()
    reset = view.findChild(QToolButton, "losses.reset")
    assert not reset.isVisible()
    QTest.mousePress(view.plot, LEFT, pos=QPoint(200, 60))
    QTest.mouseMove(view.plot, QPoint(400, 120))
    QTest.mouseRelease(view.plot, LEFT, pos=QPoint(400, 120))
    left, right, low, high = view.plot.zoom
    assert 0 < left < right < 200
    assert low < high
    assert reset.isVisible()
    view.grab()
    QTest.mouseDClick(view.plot, LEFT, pos=QPoint(300, 80))
    assert view.plot.zoom is None


def test_a_flat_drag_keeps_the_values_and_a_click_zooms_nothing(view):
    view.append(_records())
    view.redraw()
    view.grab()
    before = view.plot._bounds
    QTest.mouseClick(view.plot, LEFT, pos=QPoint(300, 80))
    assert view.plot.zoom is None
    QTest.mousePress(view.plot, LEFT, pos=QPoint(200, 100))
    QTest.mouseMove(view.plot, QPoint(400, 103))
    QTest.mouseRelease(view.plot, LEFT, pos=QPoint(400, 103))
    assert view.plot.zoom[2:] == before[2:]


def test_escape_leaves_the_zoom(view):
    view.append(_records())
    view.plot.zoom = (1.0, 2.0, 0.1, 0.2)
    QTest.keyClick(view.plot, Qt.Key.Key_Escape)
    assert view.plot.zoom is None


def test_the_mouse_reads_values_off(view):
    view.append(_records())
    view.redraw()
    before = view.plot.grab().toImage()
    QTest.mouseMove(view.plot, QPoint(300, 80))
    assert view.plot.grab().toImage() != before
