"""The time-line: epochs shown, epochs chosen."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QSlider, QToolButton

from explorer.views.timeline import TimelineView
from explorer.widgets.theme import LIGHT

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def view(qtbot) -> TimelineView:
    made = TimelineView()
    qtbot.addWidget(made)
    made.resize(600, 34)
    made.show()
    return made


@pytest.fixture
def said(view) -> list:
    heard: list = []
    view.epoch_chosen.connect(lambda epoch: heard.append(("epoch", epoch)))
    view.play_toggled.connect(lambda playing: heard.append(("play", playing)))
    return heard


def _slider(view: TimelineView) -> QSlider:
    return view.findChild(QSlider, "timeline.slider")


def _play(view: TimelineView) -> QToolButton:
    return view.findChild(QToolButton, "timeline.play")


def test_without_epochs_there_is_nothing_to_choose(view):
    assert not _slider(view).isEnabled()
    assert not _play(view).isEnabled()
    assert view.text() == "no epochs stored"


def test_epochs_and_position_are_shown_silently(view, said, use_theme):
    view.set_epochs([1, 2, 4, 8])
    assert view.text() == "epoch 8 · live"
    view.set_position(4)
    assert view.text() == "epoch 4 of 8"
    assert view.position() == 4
    view.set_playing(True)
    assert _play(view).isChecked()
    use_theme(LIGHT)
    assert said == []


def test_a_chosen_epoch_stays_while_new_ones_arrive_and_live_stays_live(view, said):
    view.set_epochs([1, 2])
    view.set_position(2)
    view.set_epochs([1, 2, 3])
    assert view.position() == 2
    view.set_position(None)
    view.set_epochs([1, 2, 3, 4])
    assert view.position() is None
    assert said == []


def test_dragging_chooses_epochs_and_the_right_end_is_live(view, said):
    view.set_epochs([1, 2, 3])
    slider = _slider(view)
    QTest.mousePress(slider, LEFT, pos=QPoint(8, 11))
    QTest.mouseMove(slider, QPoint(slider.width() - 8, 11))
    QTest.mouseRelease(slider, LEFT, pos=QPoint(slider.width() - 8, 11))
    assert said == [("epoch", 1), ("epoch", None)]


def test_arrow_keys_walk_through_the_epochs(view, said):
    view.set_epochs([1, 2, 3])
    QTest.keyClick(_slider(view), Qt.Key.Key_Left)
    assert said == [("epoch", 3)]


def test_the_play_button_asks_to_play_and_to_stop(view, said):
    view.set_epochs([1, 2, 3])
    QTest.mouseClick(_play(view), LEFT)
    QTest.mouseClick(_play(view), LEFT)
    assert said == [("play", True), ("play", False)]
