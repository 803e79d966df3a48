"""The list of classes over the cloud: what clicks on it say, how it scrolls, and that hidden points are not picked."""

from dataclasses import replace

import numpy as np
import pytest
from cloud_driver import CTRL, LEFT, Heard, click, front_point, grab, move, open_view, orange, where
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolButton

from explorer.views.cloud import CloudView, LegendEntry

ENTRIES = [
    LegendEntry(0, "cat", (255, 0, 0), 120),
    LegendEntry(1, "dog", (0, 255, 0), 260),
    LegendEntry(-1, "unknown", (128, 128, 128), 20),
]


@pytest.fixture(params=["software", "gl"])
def view(request, qtbot) -> CloudView:
    made = open_view(qtbot, request.param)
    made.set_legend("kind", ENTRIES)
    return made


def on_row(view: CloudView, row: int) -> QPoint:
    return view.legend.mapTo(view, view.legend.row_rect(row).center())


def turn_wheel(view: CloudView) -> None:
    rows = view.legend.rows
    QTest.wheelEvent(view.windowHandle(), rows.mapTo(view, rows.rect().center()), QPoint(0, -120))


def test_a_click_hides_a_class_and_with_ctrl_or_alt_shows_it_alone(view):
    heard = Heard(view)
    click(view, on_row(view, 1))
    click(view, on_row(view, 2))
    click(view, on_row(view, 0), modifiers=CTRL)
    click(view, on_row(view, 1), modifiers=Qt.KeyboardModifier.AltModifier)
    assert [entry for entry in heard.all if entry[0].startswith("legend.")] == [
        ("legend.toggled", 1),
        ("legend.toggled", -1),
        ("legend.isolated", 0),
        ("legend.isolated", 1),
    ]
    assert not heard.named("clicked"), "the cloud beneath was not meant"


def test_a_double_click_and_a_button_show_all_classes_again(view):
    assert not view.legend.findChild(QToolButton, "cloud.legend.all").isVisible()
    view.set_legend("kind", [replace(ENTRIES[0], hidden=True), *ENTRIES[1:]])
    heard = Heard(view)
    at = on_row(view, 1)
    QTest.mouseClick(view.windowHandle(), LEFT, pos=at)
    QTest.mouseDClick(view.windowHandle(), LEFT, pos=at)
    assert heard.all[-1] == ("legend.all_requested",)
    click(view, on_row(view, -1))
    assert heard.named("legend.all_requested") == [(), ()]


def test_keys_walk_through_the_classes(view):
    heard = Heard(view)
    view.legend.rows.setFocus(Qt.FocusReason.TabFocusReason)
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Space, Qt.Key.Key_Down, Qt.Key.Key_Return):
        QTest.keyClick(view.legend.rows, key)
    assert heard.all == [("legend.toggled", 1), ("legend.isolated", -1)]


def test_hidden_points_are_neither_drawn_nor_found_by_the_mouse(view, qtbot):
    index = front_point(view)
    move(view, (5, 5))  # Qt sends no move to where the mouse was in the window before
    move(view, where(view, index))
    assert view.scene.hover == index
    colors = np.tile(np.array([255, 120, 0, 255], dtype=np.uint8), (400, 1))
    colors[:, 3] = 0
    view.set_colors(colors)
    assert view.scene.hover is None
    qtbot.waitUntil(lambda: orange(grab(view)) == 0)
    colors = colors.copy()
    colors[index, 3] = 255
    view.set_colors(colors)
    assert view.scene.hover == index, "the mouse is still there"
    assert view.scene.screen().inside_rectangle((0, 0), (640, 480)).tolist() == [index]


def test_a_long_list_stays_inside_the_view_and_scrolls(view):
    many = [LegendEntry(i, f"a species with a long name, number {i}", (i, 99, 0), i + 1) for i in range(40)]
    view.set_legend("species", many)
    legend = view.legend
    assert view.rect().contains(legend.geometry())
    assert legend.width() <= view.width() * 2 // 5
    assert legend.row_rect(39).isEmpty()
    distance = view.camera()["distance"]
    for _ in range(40):
        turn_wheel(view)
    assert view.camera()["distance"] == distance
    heard = Heard(view)
    click(view, on_row(view, 39))
    assert heard.all == [("legend.toggled", 39)]


def test_over_a_list_that_fits_the_wheel_means_the_cloud(view):
    distance = view.camera()["distance"]
    turn_wheel(view)
    assert view.camera()["distance"] != distance


def test_a_colour_bar_takes_the_place_of_the_list_and_back(view):
    view.set_colorbar("depth", 0.0, 1.0, np.full((256, 4), 255, np.uint8))
    assert not view.legend.isVisible()
    assert view.scene.colorbar is not None
    view.set_legend("kind", ENTRIES)
    assert view.legend.isVisible()
    assert view.scene.colorbar is None


def test_on_a_screen_of_another_density_the_colours_are_drawn_anew(qtbot):
    view = open_view(qtbot, "software")
    view.set_legend("kind", ENTRIES)
    legend = view.legend
    icons = [legend.rows.topLevelItem(row).icon(0) for row in range(3)]
    legend.devicePixelRatioF = lambda: 3.0
    QApplication.sendEvent(legend, QEvent(QEvent.Type.DevicePixelRatioChange))
    for row, before in enumerate(icons):
        icon = legend.rows.topLevelItem(row).icon(0)
        assert icon.availableSizes()[0] == 3 * before.availableSizes()[0]
