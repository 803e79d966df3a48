"""Colour maps: uniform in lightness, right at their ends, honest about what is not known."""

from __future__ import annotations

import numpy as np
import pytest

from core.rendering.colormaps import CONTRAST, MISSING, NAMES, colours, lightness, lut, signed_difference
from core.rendering.themes import THEMES


@pytest.mark.parametrize("name", [*NAMES, "difference"])
def test_a_map_is_256_opaque_colours_that_nobody_can_change(name: str):
    table = lut(name)
    assert table.shape == (256, 4)
    assert table.dtype == np.uint8
    assert (table[:, 3] == 255).all()
    assert not table.flags.writeable


@pytest.mark.parametrize("name", ["viridis", "cividis", "inferno"])
def test_sequential_maps_brighten_steadily(name: str):
    levels = lightness(lut(name)[:, :3])
    steps = np.diff(levels[::16])
    assert (steps > 0).all()
    assert steps.max() < 2.5 * np.median(steps)


def test_twilight_closes_and_difference_is_dark_in_the_middle_and_even():
    assert np.abs(lut("twilight")[0].astype(int) - lut("twilight")[255]).max() <= 4
    levels = lightness(lut("difference")[:, :3])
    assert levels[127] < 12
    assert abs(levels[0] - levels[255]) < 10
    assert lut("difference")[0, 2] > lut("difference")[0, 0]
    assert lut("difference")[255, 0] > lut("difference")[255, 2]


def test_values_are_spread_over_the_map():
    made = colours(np.array([0.0, 0.5, 1.0]), "viridis")
    table = lut("viridis")
    assert np.array_equal(made[0], table[0])
    assert np.array_equal(made[1], table[128])
    assert np.array_equal(made[2], table[255])


def test_values_beyond_the_range_take_its_ends_and_unknown_ones_are_grey():
    made = colours(np.array([-9.0, 9.0, np.nan, np.inf, -np.inf]), "cividis", 0.0, 1.0)
    table = lut("cividis")
    assert np.array_equal(made[[0, 1, 3, 4]], table[[0, 255, 255, 0]])
    assert tuple(made[2]) == (*MISSING, 255)


@pytest.mark.parametrize("values", [np.array([]), np.array([np.nan, np.nan]), np.array([3.0, 3.0])])
def test_values_without_a_spread_are_no_error(values: np.ndarray):
    assert colours(values, "viridis").shape == (len(values), 4)


def test_an_unknown_map_is_named():
    with pytest.raises(KeyError, match="jet"):
        lut("jet")


@pytest.mark.parametrize(("change", "ends"), [(0, 0.1), (20, 0.1), (60, 0.25), (100, 0.5), (255, 1.0)])
def test_the_difference_states_the_least_scale_that_holds_it(change: int, ends: float):
    original, reconstruction = np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4, 1), np.uint8)
    reconstruction[0, 0] = change
    image, stated = signed_difference(original, reconstruction)
    assert stated == ends
    assert image.shape == (4, 4, 3)
    if change:
        assert image[0, 0, 0] > image[0, 0, 2]  # brighter than the original: orange
    assert lightness(image[3, 3][None])[0] < 12  # no difference: dark


def test_the_difference_is_signed():
    bright, dark = np.full((2, 2, 3), 200, np.uint8), np.zeros((2, 2, 3), np.uint8)
    image, _ = signed_difference(bright, dark)
    assert image[0, 0, 2] > image[0, 0, 0]


def test_lightness_is_that_of_the_cie():
    np.testing.assert_allclose(
        lightness(np.array([[0, 0, 0], [255, 255, 255], [119, 119, 119]])), [0, 100, 50], atol=0.2
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ground", [ground.plot for ground in THEMES.values()])
def test_every_colour_stands_out_from_the_ground_of_both_themes(name: str, ground: str):
    behind = lightness(np.array([list(bytes.fromhex(ground[1:]))]))
    assert np.abs(lightness(lut(name, ground)[:, :3]) - behind).min() > CONTRAST - 1.0
    assert np.array_equal(colours(np.array([0.0, 1.0]), name, ground=ground), lut(name, ground)[[0, 255]])


@pytest.mark.parametrize("ground", [ground.plot for ground in THEMES.values()])
def test_on_a_ground_sequential_maps_still_brighten_steadily_and_twilight_closes(ground: str):
    for name in ("viridis", "cividis", "inferno"):
        steps = np.diff(lightness(lut(name, ground)[::16, :3]))
        assert (steps > 0).all()
        assert steps.max() < 2.5 * np.median(steps)
    assert np.abs(lut("twilight", ground)[0].astype(int) - lut("twilight", ground)[255]).max() <= 4
