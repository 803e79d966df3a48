"""Rows that wrap, lines that are cut short visibly, a toolbar that drops its words."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QMainWindow, QSizePolicy, QStyle, QWidget

from explorer.widgets.layouts import FittingToolBar, FlowLayout


@pytest.fixture
def panel(qtbot) -> tuple[QWidget, list[QLabel]]:
    made, layout, labels = QWidget(), FlowLayout(horizontal=10, vertical=5), []
    qtbot.addWidget(made)
    made.setLayout(layout)
    for height in (20, 30, 20):
        box = QLabel()
        box.setFixedSize(100, height)
        layout.addWidget(box)
        labels.append(box)
    made.show()
    return made, labels


def test_what_fits_stands_in_one_row_centred(panel):
    made, labels = panel
    made.resize(320, 100)
    assert [(box.x(), box.y()) for box in labels] == [(0, 5), (110, 0), (220, 5)]
    assert made.layout().heightForWidth(320) == 30


def test_what_does_not_fit_begins_a_new_row(panel):
    made, labels = panel
    made.resize(319, 100)
    assert [(box.x(), box.y()) for box in labels] == [(0, 5), (110, 0), (0, 35)]
    assert made.layout().heightForWidth(319) == 55
    assert made.layout().heightForWidth(100) == 80


def test_what_expands_takes_the_room_that_its_row_leaves(panel):
    made, labels = panel
    labels[1].setMaximumWidth(1000)
    labels[1].setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    made.resize(400, 100)
    assert [(box.x(), box.width()) for box in labels] == [(0, 100), (110, 180), (300, 100)]
    made.resize(250, 100)
    assert [(box.x(), box.y(), box.width()) for box in labels] == [(0, 5, 100), (110, 0, 140), (0, 35, 100)]


def test_hidden_widgets_take_no_room(panel, qtbot):
    made, labels = panel
    made.resize(210, 100)
    labels[0].hide()
    qtbot.waitUntil(lambda: labels[1].x() == 0)
    assert labels[2].x() == 110
    assert made.layout().heightForWidth(210) == 30


def test_a_panel_may_become_as_narrow_as_its_widest_widget(panel):
    made, _ = panel
    assert made.layout().minimumSize().width() == 100


def test_a_toolbar_that_is_too_short_drops_its_words_and_takes_them_back(qtbot):
    window = QMainWindow()
    qtbot.addWidget(window)
    bar = FittingToolBar("Main")
    bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    actions = [
        bar.addAction(window.style().standardIcon(QStyle.StandardPixmap.SP_FileIcon), "A long name") for _ in "abc"
    ]
    window.addToolBar(bar)
    window.resize(800, 100)
    window.show()
    assert bar.worded
    needed = bar.sizeHint().width()
    window.resize(needed - 20, 100)
    qtbot.waitUntil(lambda: not bar.worded)
    qtbot.waitUntil(lambda: all(bar.widgetForAction(action).isVisible() for action in actions))
    window.resize(needed + 20, 100)
    qtbot.waitUntil(lambda: bar.worded)
    assert bar.sizeHint().width() == needed
