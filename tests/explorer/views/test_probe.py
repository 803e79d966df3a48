"""The probe panel: one slider and one number a dimension."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDoubleSpinBox, QLabel, QPushButton, QScrollArea, QSlider, QSpinBox

from core.rendering.projection import axis_name
from explorer.views.probe import ProbeView
from explorer.widgets.theme import LIGHT

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def view(qtbot) -> ProbeView:
    made = ProbeView()
    qtbot.addWidget(made)
    made.resize(300, 260)
    made.show()
    low, high = np.array([-2.0, -1.0, 0.0]), np.array([2.0, 3.0, 10.0])
    made.set_ranges(low, high, low + 0.5, high - 0.5)
    made.set_values(np.array([0.0, 1.0, 5.0]))
    qtbot.wait(1)
    return made


@pytest.fixture
def said(view) -> list:
    heard: list = []
    view.value_changed.connect(lambda z: heard.append(("value", z)))
    view.released.connect(lambda: heard.append("released"))
    view.center_requested.connect(lambda: heard.append("centre"))
    view.snap_requested.connect(lambda: heard.append("snap"))
    return heard


def _slider(view: ProbeView, i: int) -> QSlider:
    return view.findChild(QSlider, f"probe.slider.{i}")


def _number(view: ProbeView, i: int) -> QDoubleSpinBox:
    return view.findChild(QDoubleSpinBox, f"probe.value.{i}")


def test_before_a_run_is_open_the_panel_says_so(qtbot):
    view = ProbeView()
    qtbot.addWidget(view)
    view.show()
    assert view.findChild(QLabel, "probe.empty").isVisible()
    assert not view.findChild(QPushButton, "probe.center").isEnabled()


def test_the_next_run_of_as_many_dimensions_has_the_same_rows(view, said):
    before = [_slider(view, i) for i in range(3)]
    view.clear()
    assert not any(slider.isVisible() for slider in before)
    assert view.findChild(QLabel, "probe.empty").isVisible()
    low, high = np.array([10.0, 20.0, 30.0]), np.array([20.0, 30.0, 40.0])
    view.set_ranges(low, high, low + 1, high - 1)
    view.set_values(np.array([15.0, 20.0, 40.0]))
    assert [_slider(view, i) for i in range(3)] == before
    assert all(slider.isVisible() for slider in before)
    assert [_number(view, i).value() for i in range(3)] == [15.0, 20.0, 40.0]
    assert _slider(view, 0).value() == 2000
    assert "samples 10 to 20" in _slider(view, 0).toolTip()
    assert not said


def test_values_are_shown_silently(view, said, use_theme):
    view.set_values(np.array([1.0, -0.5, 7.5], dtype=np.float32))
    assert [_number(view, i).value() for i in range(3)] == [1.0, -0.5, 7.5]
    assert [_slider(view, i).value() > 2000 for i in range(3)] == [True, False, True]
    use_theme(LIGHT)
    assert said == []


def test_the_middle_of_the_range_is_the_middle_of_the_slider(view):
    assert [_slider(view, i).value() for i in range(3)] == [2000, 2000, 2000]


def test_a_place_beyond_the_sliders_keeps_its_number(view, said):
    view.set_values(np.array([100.0, 0.0, 0.0]))
    assert _slider(view, 0).value() == _slider(view, 0).maximum()
    assert _number(view, 0).value() == 100.0
    assert view.values()[0] == 100.0
    assert said == []


def test_dragging_a_slider_moves_its_dimension_alone_at_every_step(view, said):
    slider = _slider(view, 1)
    start = QPoint(8 + (slider.width() - 16) // 2, slider.height() // 2)
    QTest.mousePress(slider, LEFT, pos=start)
    for step in range(1, 6):
        QTest.mouseMove(slider, start + QPoint(4 * step, 0))
    assert "released" not in said
    QTest.mouseRelease(slider, LEFT, pos=start + QPoint(20, 0))
    moves = [entry[1] for entry in said if entry != "released"]
    assert len(moves) == 5
    assert said[-1] == "released"
    assert all(move.dtype == np.float32 for move in moves)
    assert all(np.array_equal(move[[0, 2]], [0.0, 5.0]) for move in moves)
    assert np.all(np.diff([move[1] for move in moves]) > 0)


def test_what_was_said_is_not_changed_by_the_next_move(view, said):
    QTest.keyClick(_slider(view, 0), Qt.Key.Key_Right)
    QTest.keyClick(_slider(view, 0), Qt.Key.Key_Right)
    moves = [entry[1][0] for entry in said if entry != "released"]
    assert moves[0] != moves[1]


def test_a_key_is_a_whole_gesture(view, said):
    QTest.keyClick(_slider(view, 2), Qt.Key.Key_Left)
    assert [entry if entry == "released" else "value" for entry in said] == ["value", "released"]


def test_a_typed_number_moves_the_probe_and_the_slider(view, said):
    number, before = _number(view, 2), _slider(view, 2).value()
    number.setFocus()
    number.selectAll()
    QTest.keyClicks(number, "8.25")
    assert said == []
    QTest.keyClick(number, Qt.Key.Key_Return)
    assert np.array_equal(said[0][1], np.array([0.0, 1.0, 8.25], dtype=np.float32))
    assert said[1] == "released"
    assert _slider(view, 2).value() > before


def test_the_buttons_ask(view, said):
    QTest.mouseClick(view.findChild(QPushButton, "probe.center"), LEFT)
    QTest.mouseClick(view.findChild(QPushButton, "probe.snap"), LEFT)
    assert said == ["centre", "snap"]


def test_moving_never_rebuilds_the_rows(view):
    before = _slider(view, 0)
    view.set_values(np.array([0.1, 0.2, 0.3]))
    view.set_ranges(np.zeros(3), np.ones(3), np.full(3, 0.1), np.full(3, 0.9))
    assert _slider(view, 0) is before


@pytest.mark.parametrize("dimensions", [1, 2, 64])
def test_any_number_of_dimensions(view, said, dimensions: int):
    view.set_values(np.linspace(-1, 1, dimensions))
    assert len(view.values()) == dimensions
    assert _slider(view, dimensions - 1) is not None
    assert view.minimumSizeHint().height() < 300
    assert said == []


def test_a_dimension_without_spread_is_no_error(view):
    view.set_ranges(np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3))
    view.set_values(np.zeros(3))
    assert _slider(view, 0).value() > 0


def test_ranges_are_told_with_their_numbers(view):
    assert _slider(view, 0).toolTip() == "μ₁: samples -2 to 2, 98 % of them -1.5 to 1.5"
    assert axis_name(11) == "μ₁₂"


def test_the_panel_fits_a_dock_of_280_pixels(view):
    assert view.minimumSizeHint().width() <= 280


@pytest.mark.parametrize("dimensions", [1, 2, 3, 8, 32])
def test_as_many_sliders_show_as_there_is_room_for_and_the_others_are_scrolled_to(view, qtbot, dimensions):
    low = -np.ones(dimensions)
    view.set_ranges(low, -low, low / 2, -low / 2)
    scroll = view.findChild(QScrollArea, "probe.scroll")
    row = _number(view, 0).height() + 4
    room = scroll.viewport().height() // row
    qtbot.waitUntil(lambda: (scroll.verticalScrollBar().maximum() > 0) == (dimensions > room))

    def whole(i: int) -> bool:
        return _slider(view, i).visibleRegion().boundingRect() == _slider(view, i).rect()

    qtbot.waitUntil(lambda: all(whole(i) for i in range(min(room, dimensions))))
    scroll.verticalScrollBar().setValue(scroll.verticalScrollBar().maximum())
    qtbot.waitUntil(lambda: whole(dimensions - 1))


def test_of_very_many_dimensions_some_have_sliders_and_all_can_be_reached(qtbot):
    view, heard = ProbeView(), []
    qtbot.addWidget(view)
    view.value_changed.connect(heard.append)
    view.show()
    first = view.findChild(QSpinBox, "probe.first")
    view.set_values(np.zeros(3))
    assert not first.isVisible()
    low = -np.arange(1, 2049)
    view.set_ranges(low, -low, 0.5 * low, -0.5 * low)
    z = np.arange(2048, dtype=np.float32)
    view.set_values(z)
    assert view.findChild(QLabel, "probe.last").text() == "to 64 of 2,048"
    qtbot.waitUntil(lambda: sum(slider.isVisible() for slider in view.findChildren(QSlider)) == 64)
    first.setValue(5000)
    assert view.findChild(QLabel, "probe.last").text() == "to 2,048 of 2,048"
    assert _number(view, 2047).value() == 2047.0
    assert "samples -2.05e+03 to 2.05e+03" in _slider(view, 2047).toolTip()
    assert heard == []
    _number(view, 2047).setValue(7.0)
    z[2047] = 7.0
    np.testing.assert_array_equal(heard[-1], z)
    view.set_values(np.zeros(2))
    assert not first.isVisible()
    assert view.values().tolist() == [0.0, 0.0]
