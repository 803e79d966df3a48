"""Groups: made of the selection, selected again, renamed, deleted, and a colouring; all of it can be undone."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from fake_engine import FakeEngine
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QLineEdit, QTreeWidget

from core.runs.directory import ProbeSet
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.cloud.groups import GroupsController
from explorer.controllers.cloud.probe import ProbeController
from explorer.controllers.controller import Context
from explorer.state import State
from explorer.views.cloud import CloudView
from explorer.views.image import ImageView
from explorer.views.points import GroupList, PointsView
from explorer.views.probe import ProbeView


@pytest.fixture
def desk(qtbot) -> SimpleNamespace:
    state = State()
    cloud, points, image, probe_view = CloudView("software"), PointsView(), ImageView(), ProbeView()
    for widget in (cloud, points, image, probe_view):
        qtbot.addWidget(widget)
    context = Context(state, FakeEngine(), points)  # pyright: ignore[reportArgumentType]
    control = CloudController(context, ProbeController(context, probe_view, image), cloud, points)
    groups = GroupsController(context, control, points)
    reasons: list[str] = []
    groups.refused.connect(reasons.append)
    values, thumbnails, split = np.zeros((9, 1), np.float32), np.zeros((9, 32, 32, 1), np.uint8), np.zeros(9, np.uint8)
    values[:, 0] = np.arange(9)
    state.samples = ProbeSet(np.arange(9), values, ("a",), thumbnails, split)
    state.embedding = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    control.tick()
    points.resize(300, 400)
    points.show()
    made = points.findChild(GroupList, "points.groups")
    return SimpleNamespace(
        state=state, editing=context.editing, cloud=cloud, control=control, points=points, list=made, reasons=reasons
    )


def entry(desk, name: str) -> QAction:
    """Of the menu of the button "Edit"."""
    return desk.points.findChild(QAction, f"points.groups.edit.{name}")


def make(desk, *positions: int, name: str = "") -> None:
    """A group of the samples at ``positions``, by the button and by typing."""
    desk.control.select(np.array(positions), False)
    entry(desk, "make").trigger()
    editor = desk.list.findChildren(QLineEdit)[-1]
    if name:
        editor.setText(name)
    QTest.keyClick(editor, Qt.Key.Key_Return)
    QApplication.processEvents()  # Qt takes the name a moment later


def shown(desk) -> list[tuple[str, str]]:
    items = map(desk.list.topLevelItem, range(desk.list.topLevelItemCount()))
    return [(item.text(0), item.text(1)) for item in items if item is not None]


def test_the_selection_becomes_a_group_whose_name_is_typed_over(desk):
    assert not entry(desk, "make").isEnabled()
    make(desk, 4, 1, 2)
    make(desk, 5, name=" cats ")
    assert shown(desk) == [("group 1", "3"), ("cats", "1")]
    assert desk.state.groups[0].positions.tolist() == [1, 2, 4]
    assert not desk.state.groups[0].positions.flags.writeable
    assert [step.label for step in desk.editing.snapshot()[0][1:]] == [
        "select 3 samples",
        "make group 1 of 3 samples",
        "select 1 sample",
        "make group 2 of 1 sample",
        "rename group 2 to cats",
    ]
    desk.editing.undo()
    assert shown(desk) == [("group 1", "3"), ("group 2", "1")]
    desk.editing.undo()
    desk.editing.undo()
    desk.editing.undo()
    assert shown(desk) == []
    assert desk.state.selected.tolist() == [1, 2, 4]
    assert not desk.list.isVisible()


def test_the_name_of_a_new_group_is_typed_where_it_is_seen(desk, qtbot):
    desk.points.resize(300, 150)
    for position in range(4):
        make(desk, position)
    desk.control.select(np.array([5]), False)
    entry(desk, "make").trigger()
    editor = desk.list.findChildren(QLineEdit)[-1]
    qtbot.waitUntil(lambda: editor.visibleRegion().boundingRect() == editor.rect())


def test_a_click_selects_the_samples_of_a_group(desk):
    make(desk, 1, 2)
    make(desk, 5, 7, 8)
    row = desk.list.visualItemRect(desk.list.topLevelItem(0))
    QTest.mouseClick(desk.list.viewport(), Qt.MouseButton.LeftButton, pos=row.center())
    assert desk.state.selected.tolist() == [1, 2]
    QTest.keyClick(desk.list, Qt.Key.Key_Down)
    QTest.keyClick(desk.list, Qt.Key.Key_Return)
    assert desk.state.selected.tolist() == [5, 7, 8]
    assert desk.points.findChild(QLabel, "points.groups.note").text() == "2 groups"
    assert desk.list.itemAt(QPoint(1, 1)).toolTip(0).startswith("group 1: 2 samples")


def test_names_are_not_empty_and_not_the_same(desk):
    make(desk, 1)
    make(desk, 2)
    for name, reason in (("group 1", "there is a group named group 1 already"), ("  ", "has 1 to 120 characters")):
        desk.points.group_renamed.emit(1, name)
        assert reason in desk.reasons.pop()
        assert shown(desk)[1][0] == "group 2"
    desk.points.group_renamed.emit(1, "group 2")
    assert desk.editing.undo_label == "make group 2 of 1 sample"


def test_the_first_group_of_a_sample_colours_it_and_grey_are_those_in_none(desk):
    box = desk.points.findChild(QComboBox, "points.color_by")
    assert box.findText("groups") < 0
    make(desk, 0, 1)
    make(desk, 1, 2)
    desk.points.color_by_changed.emit("groups")
    desk.control.tick()
    assert box.currentText() == "groups"
    entries = [(entry.name, entry.count) for entry in desk.cloud.legend.entries]
    assert entries == [("group 1", 2), ("group 2", 1), ("in no group", 6)]
    told = desk.cloud.legend.findChild(QTreeWidget, "cloud.legend.rows").topLevelItem(1).toolTip(0)
    assert told.startswith("group 2: 1 of 9 samples (11.1%); 1 more have the colour of a group above")
    listed = desk.list.topLevelItem(1).toolTip(0)
    assert listed.startswith("group 2: 2 samples; 1 of them have the colour of a group above"), "why these differ"
    assert [entry.also for entry in desk.cloud.legend.entries] == [0, 1, 0]
    assert desk.control.colouring.unknown == "in no group"
    enabled = []
    for name in ("groups", "a", "one colour"):
        desk.points.color_by_changed.emit(name)
        desk.control.tick()
        enabled.append(desk.points.findChild(QComboBox, "points.colormap").isEnabled())
    assert enabled == [False, True, False], "only numbers are coloured by a map"
    desk.points.color_by_changed.emit("groups")
    desk.control.tick()
    assert (desk.control.colours[0, :3] == desk.control.colours[1, :3]).all(), "the first of its two groups"


def test_a_deleted_group_takes_its_colour_and_the_others_stay_shown_or_hidden(desk):
    for position in range(3):
        make(desk, position)
    desk.points.color_by_changed.emit("groups")
    desk.control.tick()
    desk.cloud.legend.toggled.emit(2)
    desk.list.setCurrentItem(desk.list.topLevelItem(1))
    entry(desk, "remove").trigger()
    assert [group.name for group in desk.state.groups] == ["group 1", "group 3"]
    assert desk.state.hidden == frozenset({1})
    for _ in range(2):
        desk.list.setCurrentItem(desk.list.topLevelItem(0))
        QTest.keyClick(desk.list, Qt.Key.Key_Delete)
    assert desk.state.display.color_by == "a", "there is nothing else to colour by"
    assert desk.state.hidden == frozenset()
    assert desk.editing.undo_label == "delete group 3"
    for _ in range(3):
        desk.editing.undo()
    assert (desk.state.display.color_by, desk.state.hidden) == ("groups", frozenset({2}))
