"""The colours of classes: they differ for every kind of eye, and stand out from both grounds."""

import numpy as np
import pytest

from core.rendering.class_colours import MOST, class_colours, coloured, seen_colours
from core.rendering.colormaps import CONTRAST, MISSING, lightness
from core.rendering.themes import DARK, LIGHT

pytestmark = pytest.mark.parametrize("ground", [DARK.plot, LIGHT.plot])


@pytest.mark.parametrize(("count", "least"), [(2, 80.0), (8, 25.0), (12, 18.0), (40, 8.0)])
def test_classes_can_be_told_apart_by_every_kind_of_eye(ground, count, least):
    seen = seen_colours(class_colours(count, ground)[:, :3])
    differences = np.linalg.norm(seen[:, :, None] - seen[:, None], axis=-1)
    assert differences[:, ~np.eye(count, dtype=bool)].min() > least


def test_every_class_stands_out_from_the_ground_and_from_what_is_unknown(ground):
    colours = class_colours(MOST, ground)[:, :3]
    behind = lightness(np.array([list(bytes.fromhex(ground[1:]))]))
    assert np.abs(lightness(colours) - behind).min() >= CONTRAST
    assert np.linalg.norm(seen_colours(colours) - seen_colours(np.array([MISSING])), axis=-1).min() > 8.0


def test_a_class_keeps_its_colour_when_others_come_after_it(ground):
    np.testing.assert_array_equal(class_colours(3, ground), class_colours(30, ground)[:3])
    np.testing.assert_array_equal(class_colours(MOST + 1, ground)[-1], class_colours(1, ground)[0])


def test_samples_get_the_colour_of_their_class_and_grey_where_it_is_unknown(ground):
    colours = coloured(np.array([1.0, np.nan, 0.0]), 2, ground)
    np.testing.assert_array_equal(colours[[2, 0]], class_colours(2, ground))
    assert tuple(colours[1]) == (*MISSING, 255)
