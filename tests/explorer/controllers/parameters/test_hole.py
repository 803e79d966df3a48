"""What the training panel offers to the plane: the hole's fields filled from outside, and word of what a hand edits."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractSpinBox, QCheckBox

from explorer.views.training import TrainingView

HOLE = {"data.hole_a": 0.9, "data.hole_b": 1.6, "data.hole_radius": 0.25}


@pytest.fixture
def view(qtbot) -> TrainingView:
    made = TrainingView()
    qtbot.addWidget(made)
    made.resize(300, 900)
    made.show()
    return made


@pytest.fixture
def edits(view) -> list[bool]:
    heard: list[bool] = []
    view.form.edited.connect(lambda _: heard.append(True))
    return heard


def test_the_hole_is_filled_in_silently(view, edits):
    view.form.set_values(HOLE)
    data = view.form.config().data
    assert (data.hole_a, data.hole_b, data.hole_radius) == (0.9, 1.6, 0.25)
    assert view.findChild(QAbstractSpinBox, "training.data.hole_radius").text() == "0.25"
    assert edits == []


def test_cutting_no_hole_hides_its_fields_and_keeps_their_values(view, edits):
    view.form.set_values(HOLE)
    view.form.set_values({"data.punctured": False})
    assert not view.form.config().data.punctured
    assert not view.findChild(QAbstractSpinBox, "training.data.hole_a").isVisible()
    view.form.set_values({"data.punctured": True})
    assert view.findChild(QAbstractSpinBox, "training.data.hole_a").isVisible()
    assert view.form.config().data.hole_radius == 0.25
    assert edits == []


def test_every_edit_by_hand_is_told(view, edits):
    hole = view.findChild(QCheckBox, "training.data.punctured")
    QTest.mouseClick(hole, Qt.MouseButton.LeftButton, pos=QPoint(6, hole.height() // 2))
    assert edits == [True]
    assert not view.form.config().data.punctured
