"""Pictures of very many points: any part of them is a fair sample, and the whole is what drawing each would give."""

from typing import Any

import numpy as np
import pytest

from core.rendering import crowd
from core.rendering.axes import Box, count_ticks
from core.rendering.camera import Camera
from core.rendering.crowd import Crowd, Density, density_cell, density_levels, enlarged, point_side, shuffled
from core.rendering.depth import DepthCue, depth_cue
from core.rendering.point_splatting import PAD

WIDTH, HEIGHT, COUNT = 90, 60, 3000
RNG = np.random.default_rng(7)
COLUMNS = RNG.uniform(-1, 1, (3, COUNT)).astype(np.float32)
CAMERA = Camera(viewport=(float(WIDTH), float(HEIGHT)), distance=7.0)
BOX = Box(np.full(3, -1.0), np.full(3, 1.0), 0.5)


@pytest.fixture(autouse=True)
def small_portions(monkeypatch):
    monkeypatch.setattr(crowd, "PORTION", 256)


def opaque(count: int = COUNT) -> np.ndarray:
    """Colours from which the point can be told: its number in red and green."""
    numbers = np.arange(1, count + 1)
    return np.stack([numbers & 255, numbers >> 8, numbers * 0, numbers * 0 + 255], axis=1).astype(np.uint8)


def drawn(
    columns: np.ndarray = COLUMNS,
    rgba: np.ndarray | None = None,
    camera: Camera = CAMERA,
    cue: DepthCue | None = None,
    **options: Any,
) -> np.ndarray:
    """The picture without its border, uint32 (HEIGHT, WIDTH)."""
    picture = np.zeros((HEIGHT + 2 * PAD, WIDTH + 2 * PAD), dtype=np.uint32)
    rgba = opaque(columns.shape[1]) if rgba is None else rgba
    made = Crowd(picture, columns, rgba, camera, cue, 0, options.pop("side", 1), **options)
    while not made.complete:
        made.draw_portion()
    return picture[PAD:-PAD, PAD:-PAD]


def numbers(picture: np.ndarray) -> np.ndarray:
    """The point in each pixel, -1: none."""
    return ((picture >> 16 & 255) | (picture & 0xFF00)).astype(int) - 1


def places(camera=CAMERA) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pixels, depth = camera.project(COLUMNS.T)
    return *np.floor(pixels).astype(int).T, depth


def test_the_order_is_shuffled_once_and_has_each_point():
    order = shuffled(COUNT)
    assert order is shuffled(COUNT)
    assert np.array_equal(np.sort(order), np.arange(COUNT))
    assert abs(order[:300].mean() / COUNT - 0.5) < 0.06  # the first tenth is spread over all


def test_each_pixel_shows_the_nearest_point_whatever_the_portions():
    cue = depth_cue(CAMERA, BOX)
    x, y, depth = places()
    seen = numbers(drawn(cue=type(cue)(0.0, cue.near, cue.far)))  # no fading: colours tell points
    expected = np.full((HEIGHT, WIDTH), -1)
    inside = (x >= 0) & (x < WIDTH) & (y >= 0) & (y < HEIGHT)
    for point in np.flatnonzero(inside)[np.argsort(-depth[inside], kind="stable")]:
        expected[y[point], x[point]] = point
    assert (seen == expected).mean() > 0.999  # where rounding puts a point beside a pixel's edge, or depths are equal


def test_far_points_fade_into_the_ground():
    columns = np.zeros((3, 1), dtype=np.float32)
    cue = depth_cue(CAMERA, BOX)
    white = np.full((1, 4), 255, dtype=np.uint8)
    (light,) = {int(value & 255) for value in drawn(columns, white, cue=cue).ravel() if value}
    assert 0.75 * 255 < light < 255


def test_in_a_plane_the_later_point_is_seen_and_squares_have_their_side():
    columns = np.zeros((3, 2), dtype=np.float32)
    flat = Camera(viewport=(float(WIDTH), float(HEIGHT)), flat=True)
    picture = drawn(columns, camera=flat, side=2)
    assert (picture > 0).sum() == 4
    assert set(numbers(picture)[picture > 0].tolist()) == {int(shuffled(2)[-1])}
    assert [point_side(radius) for radius in (0.5, 1.0, 2.5)] == [1, 2, 2]


def test_hidden_points_are_not_drawn_and_faint_ones_hide_none():
    columns = np.zeros((3, 3), dtype=np.float32)
    towards = CAMERA.axes()[2].astype(np.float32)
    columns += towards[:, None] * np.float32([0.0, 0.5, 1.0])  # the last one in front
    rgba = np.array([[255, 0, 0, 255], [0, 255, 0, 45], [0, 0, 255, 0]], dtype=np.uint8)
    picture = drawn(columns, rgba, cue=depth_cue(CAMERA, BOX))
    assert {int(value >> 8 & 0xFFFF) & 0xFF00 for value in picture[picture > 0]} != {0}
    assert not (picture & 0xFF).any()
    assert not (picture >> 8 & 0xFF).any()


def test_points_that_are_not_numbers_or_behind_the_eye_are_left_out():
    columns = np.array([[np.nan, 0], [0, 0], [0, 0]], dtype=np.float32)
    columns[:, 1] = CAMERA.eye() + CAMERA.axes()[2]
    assert not drawn(columns).any()


def test_twice_the_device_pixels_are_twice_the_place():
    half = Camera(viewport=(WIDTH / 2, HEIGHT / 2), distance=7.0)
    assert np.array_equal(drawn(camera=half, ratio=2.0) > 0, drawn() > 0)


def test_a_density_counts_the_points_of_each_cell():
    x, y, _ = places()
    expected, _, _ = np.histogram2d(y, x, bins=(HEIGHT // 3, WIDTH // 3), range=((0, HEIGHT), (0, WIDTH)))
    counted = Density((WIDTH, HEIGHT), COLUMNS, opaque(), CAMERA, 3)
    counted.draw_for(10.0)
    assert counted.complete
    assert np.abs(counted.counts - expected).sum() <= 4  # points beside a pixel's edge
    rgba = opaque()
    rgba[:1000, 3], rgba[1000:2000, 3] = 0, 45
    some = Density((WIDTH, HEIGHT), COLUMNS, rgba, CAMERA, 3)
    some.draw_for(10.0)
    assert some.counts.sum() == ((x[2000:] >= 0) & (x[2000:] < WIDTH) & (y[2000:] >= 0) & (y[2000:] < HEIGHT)).sum()


def test_colours_of_a_density_are_logarithmic_from_one_to_the_most():
    levels = density_levels(np.array([0, 1, 10, 100, 10_000, 10**6]), 10_000)
    assert levels.tolist() == [0, 0, 64, 128, 255, 255]
    assert density_levels(np.array([1]), 1).tolist() == [0]
    assert [density_cell(radius) for radius in (0.5, 2.5, 5.0)] == [1, 2, 4]
    assert enlarged(np.array([[1, 2]]), 2, (3, 2)).tolist() == [[1, 1, 2], [1, 1, 2]]


@pytest.mark.parametrize(
    ("high", "most", "ticks"),
    [
        (1, 6, [1]),
        (8, 6, [1, 2, 5, 8]),
        (190, 10, [1, 2, 5, 10, 20, 50, 100, 190]),
        (30_000, 5, [1, 100, 10_000, 30_000]),
    ],
)
def test_a_scale_of_counts_has_round_numbers_and_its_end(high, most, ticks):
    assert count_ticks(high, most).tolist() == ticks
