"""A picture of many images: enlarged so that pixels stay squares, shrunk to the room, cut where it is too high."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QPixmap

from explorer.widgets.contact_sheet import ContactSheet


@pytest.mark.parametrize(
    ("size", "whole_pixels", "height"),
    [
        ((100, 30), True, 90),  # three times: four would be too wide
        ((100, 30), False, 105),  # as wide as the room
        ((100, 80), True, 160),  # twice: three times would be too high
        ((700, 100), True, 50),  # too wide: shrunk
        ((350, 500), False, 200),  # too high: its upper part
    ],
)
def test_its_height_follows_from_the_width(qtbot, size, whole_pixels, height):
    sheet = ContactSheet(200, whole_pixels)
    qtbot.addWidget(sheet)
    sheet.resize(350, 50)
    picture = QPixmap(*size)
    picture.fill()
    sheet.set_picture(picture)
    assert sheet.height() == height
    sheet.grab()


def test_without_a_picture_it_takes_no_room(qtbot):
    sheet = ContactSheet(200)
    qtbot.addWidget(sheet)
    sheet.set_picture(QPixmap())
    assert sheet.isHidden()
