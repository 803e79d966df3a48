"""A transect in the cloud: its path, the points in the hole, the pictures beside it."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtGui import QColor

from explorer.views.cloud import CloudView
from explorer.widgets.theme import DARK


@pytest.fixture
def cloud(qtbot) -> CloudView:
    made = CloudView("software")
    qtbot.addWidget(made)
    made.resize(500, 400)
    made.show()
    made.set_points(np.random.default_rng(0).uniform(-1, 1, (200, 3)).astype(np.float32))
    return made


def _line(count: int) -> np.ndarray:
    return np.stack([np.linspace(-0.8, 0.8, count), np.zeros(count), np.zeros(count)], axis=1)


def test_the_position_is_drawn_in_the_hole_s_colour_only_inside_it(cloud):
    xyz, inside = _line(9), np.arange(9) == 4
    for position, colour in ((4, DARK.accent), (2, DARK.series[1])):
        cloud.set_transect(xyz, inside, position)
        place = cloud.project(xyz[position])
        assert cloud.grab().toImage().pixelColor(place.toPoint()).name() == QColor(colour).name()
    cloud.set_transect(None)
    assert cloud.scene.transect is None


def test_pictures_stand_beside_known_points_and_are_scaled_once(cloud):
    xyz = _line(9)
    xyz[6:] = np.nan
    pictures = np.full((9, 64, 64, 1), 255, np.uint8)
    cloud.set_transect(xyz, None, 3, pictures)
    cloud.grab()
    drawn = dict(cloud.scene.transect.drawn)
    assert drawn
    assert {number for number, _ in drawn} <= set(range(6))
    cloud.set_transect(xyz, None, 4, pictures)
    cloud.grab()
    assert all(cloud.scene.transect.drawn[key] is picture for key, picture in drawn.items())


def test_marks_and_pictures_must_be_one_for_each_point(cloud):
    with pytest.raises(ValueError, match="9 points"):
        cloud.set_transect(_line(9), np.zeros(3, bool))
