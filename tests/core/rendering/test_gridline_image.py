"""The picture of a net: the sheet through the samples, what it hides, and the lines with their values."""

from __future__ import annotations

import numpy as np
import pytest

from core.geometry.factor_curve import Gridline
from core.rendering import pil_text
from core.rendering.gridline_image import (
    FAMILY_COLOURS,
    GROUND,
    best_side,
    draw_gridlines,
    draw_sides,
    fit_mesh,
    gridline_scene,
    png_bytes,
)

SIZE = (320, 200)
CELLS = (40, 50)


def flat(count: int = 900, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A tilted plane in three dimensions and its two factors."""
    factors = np.random.default_rng(seed).random((count, 2)) * (1.5, 2.0) + (0.5, 0.0)
    return np.stack([factors[:, 0], factors[:, 1], 0.3 * factors[:, 0] - 0.2 * factors[:, 1]], axis=1), factors


def net() -> list[Gridline]:
    t = np.linspace(0.0, 1.0, 21)
    lines = []
    for share in (0.2, 0.5, 0.8):
        a, b = 0.5 + 1.5 * share, 2.0 * share
        along_b = np.stack([np.full(21, a), 2.0 * t, 0.3 * a - 0.4 * t], axis=1)
        along_a = np.stack([0.5 + 1.5 * t, np.full(21, b), 0.3 * (0.5 + 1.5 * t) - 0.2 * b], axis=1)
        lines += [Gridline("a", a, along_b), Gridline("b", b, along_a)]
    return lines


def near(picture: np.ndarray, colour: str) -> int:
    """Pixels about this colour."""
    return int((np.abs(picture.astype(int) - pil_text.rgb(colour)).sum(axis=2) < 60).sum())


def test_the_sheet_of_a_plane_is_that_plane():
    mu, factors = flat()
    mesh = fit_mesh(mu, factors, (20, 25))
    assert len(mesh.places) > 0.9 * 20 * 25
    a, b, height = mesh.places.mean(axis=1).T
    assert height == pytest.approx(0.3 * a - 0.2 * b, abs=2e-3)
    assert np.stack([a, b], axis=1) == pytest.approx(mesh.factors, abs=1e-2)


def test_the_sheet_is_open_where_there_are_no_samples():
    mu, factors = flat(3000)
    outside = np.hypot(*(factors - (1.25, 1.0)).T) > 0.35
    mesh = fit_mesh(mu[outside], factors[outside], (60, 60))
    assert np.hypot(*(mesh.factors - (1.25, 1.0)).T).min() > 0.25
    assert len(mesh.places) > 0.75 * 3600


def test_hardly_any_samples_give_no_sheet():
    mu, factors = flat(3)
    assert len(fit_mesh(mu, factors).places) == 0


def test_both_families_are_drawn_in_their_colours_on_the_ground():
    mu, factors = flat()
    scene = gridline_scene(mu, factors, ("a", "b"), net(), CELLS)
    picture = draw_gridlines(scene, best_side(scene), SIZE)
    assert picture.shape == (200, 320, 3)
    assert picture.dtype == np.uint8
    assert tuple(picture[-1, -1]) == pil_text.rgb(GROUND)
    for colour in FAMILY_COLOURS:
        assert near(picture, colour) > 30
    bare = draw_gridlines(gridline_scene(mu, factors, ("a", "b"), [], CELLS), (30.0, 30.0), SIZE, legend=False)
    assert not any(near(bare, colour) for colour in FAMILY_COLOURS)


def test_the_best_side_of_a_plane_is_one_of_its_broad_ones():
    mu, factors = flat()
    scene = gridline_scene(
        mu[:, [0, 2, 1]],
        factors,
        ("a", "b"),
        [Gridline(line.family, line.value, line.points[:, [0, 2, 1]]) for line in net()],
        CELLS,
    )  # upright
    azimuth, elevation = best_side(scene)
    normal = np.array([0.3, -1.0, -0.2])
    azimuth, elevation = np.radians([azimuth, elevation])
    eye = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    assert abs(eye @ normal) / np.linalg.norm(normal) > 0.75


def test_what_the_sheet_hides_is_not_seen():
    """A line behind the plane is drawn over by it; in front of it, it is seen."""
    mu, factors = flat()
    line = net()[0]
    shift = np.array([0.0, 0.0, 0.8])
    seen = []
    for move in (shift, -shift):
        scene = gridline_scene(mu, factors, ("a", "b"), [Gridline("a", 1.0, line.points + move)], CELLS)
        seen.append(near(draw_gridlines(scene, (0.0, 89.0), SIZE, legend=False), FAMILY_COLOURS[0]))
    assert seen[0] > 50
    assert seen[1] < 0.35 * seen[0]


def test_a_flat_latent_space_and_one_of_many_dimensions_are_drawn_too():
    mu, factors = flat()
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))
    for points in (mu[:, :2], np.hstack([mu, np.zeros((len(mu), 3))]) @ turn):
        scene = gridline_scene(points, factors, ("a", "b"), [], CELLS)
        assert draw_gridlines(scene, (20.0, 40.0), SIZE).std() > 5.0


def test_three_sides_stand_beside_each_other_and_a_picture_is_a_png():
    mu, factors = flat(300)
    scene = gridline_scene(mu, factors, ("a", "b"), net(), CELLS)
    picture = draw_sides(scene, (10.0, 30.0), (120, 100))
    assert picture.shape == (100, 360, 3)
    assert png_bytes(picture).startswith(b"\x89PNG\r\n\x1a\n")
