"""The shared controls, used by real mouse and keys."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QAction, QKeySequence, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QMainWindow, QWidget

from explorer.widgets.controls import (
    MARGIN,
    DoubleSpinBox,
    MagnitudeSpinBox,
    MarkedSlider,
    SpinBox,
    combo_box,
)
from explorer.widgets.layouts import column, scrolled

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def slider(qtbot) -> MarkedSlider:
    made = MarkedSlider()
    qtbot.addWidget(made)
    made.setRange(0, 100)
    made.resize(100 + 2 * MARGIN, 22)
    made.show()
    return made


def test_a_slider_jumps_to_where_it_is_pressed(slider):
    QTest.mouseClick(slider, LEFT, pos=QPoint(MARGIN + 70, 11))
    assert slider.value() == 70


def test_a_slider_follows_the_drag_and_says_when_it_is_let_go(slider, qtbot):
    seen = []
    slider.valueChanged.connect(seen.append)
    QTest.mousePress(slider, LEFT, pos=QPoint(MARGIN + 10, 11))
    QTest.mouseMove(slider, QPoint(MARGIN + 40, 11))
    assert slider.isSliderDown()
    with qtbot.waitSignal(slider.sliderReleased):
        QTest.mouseRelease(slider, LEFT, pos=QPoint(MARGIN + 40, 11))
    assert seen == [10, 40]


def test_pressing_the_handle_does_not_move_it(slider):
    slider.setValue(50)
    QTest.mouseClick(slider, LEFT, pos=QPoint(MARGIN + 53, 11))
    assert slider.value() == 50


def test_arrow_keys_move_a_slider(slider):
    slider.setSingleStep(5)
    QTest.keyClick(slider, Qt.Key.Key_Right)
    assert slider.value() == 5


def test_a_focused_slider_has_arrow_keys_before_the_windows_own(qtbot):
    window, slider = QMainWindow(), MarkedSlider()
    qtbot.addWidget(window)
    window.setCentralWidget(slider)
    stolen = []
    action = QAction(window)
    action.setShortcut(QKeySequence("Right"))
    action.triggered.connect(lambda: stolen.append(True))
    window.addAction(action)
    window.show()
    qtbot.waitExposed(window)
    window.activateWindow()
    slider.setFocus()
    before = slider.value()
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_Right)
    assert slider.value() == before + 1
    assert stolen == []


@pytest.fixture
def field(qtbot) -> MagnitudeSpinBox:
    made = MagnitudeSpinBox(0.0, 1e3)
    qtbot.addWidget(made)
    made.setValue(3e-5)
    made.show()
    return made


def _type(field: MagnitudeSpinBox, text: str, key: Qt.Key) -> None:
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, text)
    QTest.keyClick(field, key)


def test_a_small_number_is_shown_as_a_person_would_write_it(field):
    assert field.text() == "3e-05"


@pytest.mark.parametrize(("text", "value"), [("0.0001", 1e-4), ("2e-7", 2e-7), ("1E2", 100.0), ("0", 0.0)])
def test_a_typed_number_is_committed_by_enter_once(field, text: str, value: float):
    seen = []
    field.committed.connect(seen.append)
    _type(field, text, Qt.Key.Key_Return)
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert seen == [value]


@pytest.mark.parametrize("text", ["x", "1e", "1e9", "-1"])
def test_nonsense_and_numbers_out_of_range_are_not_committed(field, text: str):
    seen = []
    field.committed.connect(seen.append)
    _type(field, text, Qt.Key.Key_Return)
    assert all(0.0 <= value <= 1e3 for value in seen)
    assert 0.0 <= field.value() <= 1e3


def test_escape_takes_back_what_was_typed(field):
    seen = []
    field.committed.connect(seen.append)
    _type(field, "5", Qt.Key.Key_Escape)
    assert field.value() == 3e-5
    assert field.text() == "3e-05"
    assert seen == []


def test_a_step_is_a_factor(field):
    seen = []
    field.committed.connect(seen.append)
    field.setValue(1e-3)
    QTest.keyClick(field, Qt.Key.Key_Up)
    assert field.value() == pytest.approx(1.6e-3)
    QTest.keyClick(field, Qt.Key.Key_Down)
    assert field.value() == pytest.approx(1e-3)
    assert len(seen) == 2


def test_stepping_leaves_zero_and_comes_back_to_it(field):
    field.setValue(0.0)
    QTest.keyClick(field, Qt.Key.Key_Up)
    assert field.value() == pytest.approx(1e-6)
    QTest.keyClick(field, Qt.Key.Key_Down)
    assert field.value() == 0.0


def test_setting_a_value_commits_nothing(field):
    seen = []
    field.committed.connect(seen.append)
    field.setValue(7.0)
    assert seen == []


def _wheel(slider: MarkedSlider, angle: int) -> None:
    at = QPointF(slider.rect().center())
    none = QPoint(0, 0)
    event = QWheelEvent(
        at,
        slider.mapToGlobal(at),
        none,
        QPoint(0, angle),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(slider, event)


def test_the_smallest_turn_of_a_wheel_moves_nothing(slider, qtbot):
    slider.setValue(50)
    slider.activateWindow()
    slider.setFocus()
    qtbot.waitUntil(slider.hasFocus)
    _wheel(slider, -1)
    assert slider.value() == 50
    _wheel(slider, -119)
    assert slider.value() == 49
    _wheel(slider, 60)
    _wheel(slider, 60)
    assert slider.value() == 50


@pytest.mark.parametrize("make", [lambda: combo_box("box"), SpinBox, DoubleSpinBox, lambda: MagnitudeSpinBox(0, 99)])
def test_the_wheel_over_a_field_scrolls_the_panel_that_it_is_in(qtbot, make):
    field, body = make(), QWidget()
    if isinstance(field, QComboBox):
        field.addItems("abc")
    column(field, 1, parent=body)
    body.setMinimumHeight(2000)
    area = scrolled(body, "area")
    qtbot.addWidget(area)
    area.resize(200, 200)
    area.show()
    area.activateWindow()
    area.setFocus()
    qtbot.waitUntil(area.hasFocus)
    value = field.currentIndex if isinstance(field, QComboBox) else field.value

    def turn() -> None:
        QTest.wheelEvent(area.windowHandle(), field.mapTo(area, field.rect().center()), QPoint(0, -120))

    turn()
    assert value() == 0
    assert area.verticalScrollBar().value() > 0
    area.verticalScrollBar().setValue(0)
    field.setFocus()
    turn()
    assert (area.verticalScrollBar().value() > 0) == isinstance(field, QComboBox)  # a list never takes it


@pytest.mark.parametrize(
    ("value", "steps", "expected"),
    [(-1.25, 1, -0.79), (-1.25, -1, -2.0), (1.25, 1, 2.0), (1.25, -1, 0.79), (0.0, -1, -1e-6), (-1e-6, 1, 0.0)],
)
def test_a_step_up_is_greater_and_a_step_down_less_whatever_the_sign(qtbot, value, steps, expected):
    field = MagnitudeSpinBox(-1e3, 1e3)
    qtbot.addWidget(field)
    field.setValue(value)
    field.stepBy(steps)
    assert field.value() == pytest.approx(expected)
