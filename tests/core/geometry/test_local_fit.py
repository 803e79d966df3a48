"""Neighbours, moving-least-squares projection and principal components, against surfaces that are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.geometry import local_fit
from core.geometry.local_fit import GeometryError, Neighbourhoods, _weighted_pca, project


def sphere(count: int, seed: int = 0) -> np.ndarray:
    directions = np.random.default_rng(seed).normal(size=(count, 3))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def rotation(dim: int, seed: int = 0) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0]


def two_sheets(gap: float, count: int = 3000) -> np.ndarray:
    plane = np.random.default_rng(1).uniform(-1.0, 1.0, (2, count, 2))
    low, high = np.zeros((count, 1)), np.full((count, 1), gap)
    return np.vstack([np.hstack([plane[0], low]), np.hstack([plane[1], high])])


# Neighbours ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dim", "many"), [(1, 30_000_000), (3, 30_000_000), (16, 30_000_000), (16, 1)])
def test_neighbours_are_those_of_all_distances(dim, many, monkeypatch):
    monkeypatch.setattr(local_fit, "_MANY_DISTANCES", many)
    generator = np.random.default_rng(dim)
    points, z = generator.normal(size=(300, dim)), generator.normal(size=(20, dim))
    distances, indices = Neighbourhoods(points).query(z, 7)
    every = np.linalg.norm(z[:, None] - points[None], axis=2)
    np.testing.assert_array_equal(indices, np.argsort(every, axis=1)[:, :7])
    np.testing.assert_allclose(distances, np.sort(every, axis=1)[:, :7], atol=1e-12)


@pytest.mark.parametrize("dim", [2, 12])
def test_a_sample_is_not_its_own_neighbour_even_among_copies(dim):
    points = np.vstack([np.zeros((20, dim)), np.random.default_rng(0).normal(size=(20, dim))])
    distances, indices = Neighbourhoods(points).of_samples(5)
    assert indices.shape == distances.shape == (40, 5)
    assert (indices != np.arange(40)[:, None]).all()
    assert (distances[:20] == 0.0).all()


def test_more_neighbours_than_samples_gives_all_samples():
    distances, indices = Neighbourhoods(np.eye(3)).query(np.zeros((1, 3)), 10)
    assert distances.shape == (1, 3)
    assert sorted(indices[0]) == [0, 1, 2]


# Projection ---------------------------------------------------------------------------------------------------------


def test_a_plane_is_reproduced_exactly_along_its_normal():
    turn = rotation(3)
    flat = np.hstack([np.random.default_rng(0).uniform(-1.0, 1.0, (2000, 2)), np.zeros((2000, 1))])
    z = flat[:200] + np.random.default_rng(1).normal(scale=0.02, size=(200, 3))
    fit = project(Neighbourhoods(flat @ turn), z @ turn)
    expected = z * (1.0, 1.0, 0.0)
    np.testing.assert_allclose(fit.surface @ turn.T, expected, atol=1e-9)
    np.testing.assert_allclose(np.einsum("qde,d->qe", fit.tangent, turn[2]), 0.0, atol=1e-9)


def test_a_sphere_is_met_to_third_order_in_the_neighbourhoods_radius():
    errors, radii = [], []
    for count in (1000, 16_000):
        z = sphere(200, 5) * np.random.default_rng(2).uniform(0.95, 1.05, (200, 1))
        fit = project(Neighbourhoods(sphere(count)), z)
        errors.append(np.abs(np.linalg.norm(fit.surface, axis=1) - 1.0).max())
        radii.append(fit.radius.mean())
    assert errors[0] < 0.1 * radii[0] ** 3
    assert np.log(errors[0] / errors[1]) / np.log(radii[0] / radii[1]) > 3.0


def test_the_tangent_of_a_sphere_is_orthonormal_and_square_to_its_radius():
    fit = project(Neighbourhoods(sphere(4000)), sphere(100, 6))
    np.testing.assert_allclose(
        np.einsum("qdi,qdj->qij", fit.tangent, fit.tangent), np.broadcast_to(np.eye(2), (100, 2, 2)), atol=1e-12
    )
    assert np.abs(np.einsum("qde,qd->qe", fit.tangent, fit.surface)).max() < 2e-3


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_projecting_again_changes_nothing(noise):
    points = sphere(3000) + np.random.default_rng(3).normal(scale=noise, size=(3000, 3))
    samples = Neighbourhoods(points)
    once = project(samples, sphere(200, 7) * 1.03, iterations=50).surface
    again = project(samples, once, iterations=50).surface
    change = np.abs(again - once).max(axis=1)
    assert np.quantile(change, 0.99) < 1e-6
    assert change.max() < 0.1 * max(noise, 1e-5)  # amid noise a rare place creeps along the surface first


@pytest.mark.parametrize("gap", [0.3, 0.15, 0.1])
def test_parallel_sheets_never_switch(gap):
    generator = np.random.default_rng(4)
    z = np.hstack([generator.uniform(-0.9, 0.9, (500, 2)), generator.uniform(-0.3, 0.3, (500, 1)) * gap])
    surface = project(Neighbourhoods(two_sheets(gap)), z).surface
    np.testing.assert_allclose(surface, z * (1.0, 1.0, 0.0), atol=1e-6)


def test_labels_and_their_gradients_come_from_the_same_fit():
    plane = np.random.default_rng(0).uniform(-1.0, 1.0, (3000, 2))
    turn = rotation(5)[:2]
    labels = np.stack([3.0 * plane[:, 0] - plane[:, 1], plane[:, 0] ** 2], axis=1)
    fit = project(Neighbourhoods(plane @ turn), plane[:50] @ turn, labels=labels)
    np.testing.assert_allclose(fit.labels, labels[:50], atol=1e-5)
    ambient = np.einsum("qfe,qde->qfd", fit.gradient, fit.tangent)
    np.testing.assert_allclose(ambient[:, 0], np.broadcast_to(3.0 * turn[0] - turn[1], (50, 5)), atol=1e-4)
    np.testing.assert_allclose(ambient[:, 1], 2.0 * plane[:50, :1] * turn[0], atol=1e-4)


def test_gradients_are_per_unit_of_length_along_a_curved_surface():
    points = sphere(8000)
    fit = project(Neighbourhoods(points), sphere(60, 8), labels=points[:, 2:])
    normal = fit.surface / np.linalg.norm(fit.surface, axis=1, keepdims=True)
    expected = np.array([0.0, 0.0, 1.0]) - normal * normal[:, 2:]
    ambient = np.einsum("qfe,qde->qfd", fit.gradient, fit.tangent)[:, 0]
    np.testing.assert_allclose(ambient, expected, atol=5e-3)


def test_without_a_normal_places_stay_and_labels_are_fitted():
    points = np.random.default_rng(0).uniform(size=(500, 2))
    z = np.array([[0.4, 0.6], [3.0, 3.0]])
    fit = project(Neighbourhoods(points), z, labels=points.sum(axis=1, keepdims=True))
    np.testing.assert_array_equal(fit.surface, z)
    assert fit.labels[0, 0] == pytest.approx(1.0, abs=1e-6)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 3), st.booleans(), st.integers(0, 99))
def test_few_or_coinciding_samples_still_give_finite_places_near_them(count, dim, intrinsic, coincide, seed):
    points = np.random.default_rng(seed).uniform(size=(count, dim))
    if coincide:
        points[:] = points[0]
    fit = project(Neighbourhoods(points), points[:1] + 0.1, intrinsic=intrinsic)
    assert np.isfinite(fit.surface).all()
    assert np.isfinite(fit.tangent).all()
    assert np.abs(fit.surface - points.mean(axis=0)).max() < 3.0


def test_wrong_points_and_labels_are_refused():
    with pytest.raises(GeometryError, match=r"must be \(N, d\)"):
        Neighbourhoods(np.zeros(3))
    with pytest.raises(GeometryError, match="not finite, in row 1"):
        Neighbourhoods(np.array([[0.0], [np.nan]]))
    with pytest.raises(GeometryError, match=r"z have shape \(1, 2\)"):
        Neighbourhoods(np.eye(3)).query(np.zeros((1, 2)), 1)
    with pytest.raises(GeometryError, match="labels"):
        project(Neighbourhoods(np.eye(3)), np.zeros((1, 3)), labels=np.zeros((2, 1)))


def test_a_plane_in_many_dimensions_is_that_of_the_neighbours_gram_matrix():
    generator = np.random.default_rng(5)
    basis = np.linalg.qr(generator.standard_normal((200, 2)))[0]
    near = generator.standard_normal((3, 40, 2)) @ basis.T
    weights = generator.uniform(0.1, 1.0, (3, 40))
    centre, plane = _weighted_pca(near, weights, 2)
    share = weights / weights.sum(axis=1, keepdims=True)
    for projector in plane @ np.swapaxes(plane, 1, 2):
        np.testing.assert_allclose(projector, basis @ basis.T, atol=1e-9)
    np.testing.assert_allclose(centre, (near * share[..., None]).sum(axis=1), atol=1e-12)
