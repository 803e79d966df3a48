"""The off-manifold penalty: zero among the samples, felt at rims of gaps, large in them, with slopes that are true."""

from __future__ import annotations

import numpy as np
import pytest

from core.geometry.local_fit import Neighbourhoods
from core.geometry.off_manifold import CLEARANCE, OffManifoldPenalty


def square(count: int = 4000, hole: float = 0.0, seed: int = 0) -> np.ndarray:
    """Samples of the square from -1 to 1, without those nearer than ``hole`` to its middle."""
    points = np.random.default_rng(seed).uniform(-1.0, 1.0, (count, 2))
    return points[np.linalg.norm(points, axis=1) >= hole]


def sphere(count: int = 4000) -> np.ndarray:
    points = np.random.default_rng(1).normal(size=(count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_the_rim_of_a_hole_is_found_and_the_middle_of_the_data_is_none():
    points = square(hole=0.3)
    at_rim = OffManifoldPenalty(Neighbourhoods(points), 2).rim.members
    distance = np.linalg.norm(points, axis=1)
    inside = (np.abs(points).max(axis=1) < 0.85) & (distance > 0.45)
    assert at_rim[distance < 0.31].mean() > 0.8
    assert at_rim[inside].mean() < 0.01


def test_a_closed_surface_has_no_rim():
    assert OffManifoldPenalty(Neighbourhoods(sphere()), 2).rim.members.mean() < 0.002


def test_it_is_zero_among_the_samples_and_grows_from_the_rim_into_the_hole():
    off_manifold = OffManifoldPenalty(Neighbourhoods(square(hole=0.3)), 2)
    along = np.array([0.6, 0.31, 0.2, 0.0])[:, None] * [[1.0, 0.0]]
    x = off_manifold.value_and_slope(along, along)[0]
    assert x[0] < 0.05
    assert 0.3 < x[1] < x[2] < x[3]
    assert x[3] > 5.0


def test_a_hole_that_the_encoder_drew_together_is_seen_among_the_images():
    images = square(hole=0.3)
    radius = np.linalg.norm(images, axis=1, keepdims=True)
    latents = images / radius * (radius - 0.29)  # the hole is a point of latent space, nearly
    blind, seeing = (
        OffManifoldPenalty(Neighbourhoods(latents), 2),
        OffManifoldPenalty(Neighbourhoods(latents), 2, images),
    )
    middle = np.zeros((1, 2))
    assert seeing.value_and_slope(middle, middle)[0][0] > 5.0 > blind.value_and_slope(middle, middle)[0][0]


def test_off_the_surface_counts_though_the_image_is_one_of_the_data():
    points = sphere()
    off_manifold = OffManifoldPenalty(Neighbourhoods(points), 2, points)
    on = np.array([[1.0, 0.0, 0.0]])
    assert off_manifold.value_and_slope(1.4 * on, on)[0][0] > 1.0 > 0.5 > off_manifold.value_and_slope(on, on)[0][0]


@pytest.mark.parametrize("mapped", [False, True])
def test_slopes_are_the_derivatives(mapped):
    points = square(600, hole=0.3)
    off_manifold = OffManifoldPenalty(Neighbourhoods(points), 2, 2.0 * points if mapped else None)
    z = np.array([[0.1, 0.05], [0.28, 0.02], [0.33, 0.1], [-0.2, 0.15]])
    jacobian = np.repeat(2.0 * np.eye(2)[None], len(z), axis=0)
    _, slope = off_manifold.value_and_slope(z, 2.0 * z, jacobian)
    step = 1e-6
    for axis in range(2):
        moved = step * np.eye(2)[axis]
        ahead, behind = (off_manifold.value_and_slope(place, 2.0 * place)[0] for place in (z + moved, z - moved))
        rise = ahead - behind
        np.testing.assert_allclose(slope[:, axis], rise / (2.0 * step), rtol=2e-3, atol=1e-4)


def test_nearer_than_the_clearance_to_a_rim_counts_and_farther_does_not():
    points = square(hole=0.3)
    off_manifold = OffManifoldPenalty(Neighbourhoods(points), 2)
    spacing = off_manifold.latent.usual_distance(np.array([[0.6, 0.0]]))[0]
    far, near = (np.array([[0.3 + share * CLEARANCE * spacing, 0.0]]) for share in (3.0, 0.3))
    assert off_manifold.value_and_slope(far, far)[0][0] < 0.05 < off_manifold.value_and_slope(near, near)[0][0]


def test_samples_that_coincide_or_are_few_give_finite_numbers():
    for points in (np.zeros((40, 3)), np.repeat(square(5), 10, axis=0), square(4)):
        off_manifold = OffManifoldPenalty(Neighbourhoods(points), 2)
        assert np.isfinite(off_manifold.own).all()
        assert np.isfinite(off_manifold.value_and_slope(points[:2] + 0.1, points[:2], None)[1]).all()
