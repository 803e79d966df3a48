"""The inverse of the polar curves reads (a, b) off images that it has never seen, and says when there is no curve."""

from __future__ import annotations

import numpy as np
import pytest

from core.data import polar_curves
from core.data.polar_curve_inverse import curve_inverse

RANGES = np.array([1.5, 2.0])


def drawn_ab(count: int, seed: int) -> np.ndarray:
    return polar_curves.draw_parameters(count, seed)


@pytest.mark.parametrize(("geometry", "size"), [("article", 256), ("article", 64), ("square", 128)])
def test_rendered_curves_are_recovered_to_a_thousandth_of_each_range(geometry, size):
    ab = drawn_ab(60, 3)
    found = curve_inverse(geometry, size).recover(polar_curves.render(ab, size, geometry))
    assert (np.abs(found.ab - ab) / RANGES).max() < 1e-3
    assert found.residual.max() < 2e-4


def test_curves_in_the_published_hole_are_recovered_like_all_others():
    angle = np.linspace(0.0, 2.0 * np.pi, 20)
    ab = np.array([1.25, 1.0]) + 0.15 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    found = curve_inverse().recover(polar_curves.render(ab))
    assert (np.abs(found.ab - ab) / RANGES).max() < 1e-3
    assert polar_curves.inside_hole(found.ab).all()


def test_the_corners_of_the_plane_and_a_little_beyond_are_recovered():
    ab = np.array([[0.5, 0.0], [0.5, 2.0], [2.0, 0.0], [2.0, 2.0], [2.1, 2.1], [0.4, 1.0]])
    found = curve_inverse().recover(polar_curves.render(ab))
    assert (np.abs(found.ab - ab) / RANGES).max() < 2e-3


def test_faint_noise_and_dimming_hardly_move_the_answer():
    ab = drawn_ab(20, 5)
    noise = np.random.default_rng(0).normal(0.0, 12.0, (20, 256, 256))
    images = np.clip(0.9 * polar_curves.render(ab) + noise, 0, 255).astype(np.uint8)
    found = curve_inverse().recover(images)
    assert (np.abs(found.ab - ab) / RANGES).max() < 5e-3


def test_the_residual_is_the_mean_square_against_the_recovered_curve():
    ab = drawn_ab(4, 7)
    images = polar_curves.render(ab)
    inverse = curve_inverse()
    broken = np.maximum(images, images[::-1])  # two curves at once
    found = inverse.recover(broken)
    expected = np.square((broken - polar_curves.render(found.ab).astype(float)) / 255.0).mean(axis=(1, 2))
    np.testing.assert_allclose(found.residual, expected, rtol=1e-5)
    np.testing.assert_allclose(inverse.residual(broken, found.ab), expected, rtol=1e-5)
    assert found.residual.min() > 100.0 * inverse.recover(images).residual.max()


def test_colour_channels_are_averaged():
    images = polar_curves.render(drawn_ab(3, 9), 64)
    grey = curve_inverse("article", 64).recover(images)
    colour = curve_inverse("article", 64).recover(np.repeat(images[..., None], 3, axis=3))
    np.testing.assert_array_equal(grey.ab, colour.ab)


def test_an_image_without_any_curve_gives_a_finite_answer_inside_the_table():
    inverse = curve_inverse("article", 64)
    found = inverse.recover(np.zeros((2, 64, 64), np.uint8))
    assert np.isfinite(found.ab).all()
    assert (found.ab >= inverse.low).all()
    assert (found.ab <= inverse.high).all()
    assert (found.residual > 5e-4).all()


def test_the_inverse_is_built_once():
    assert curve_inverse("article", 64) is curve_inverse("article", 64)
