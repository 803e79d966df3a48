"""The kinds of path: what each must do between known ends, and what it cannot do."""

from __future__ import annotations

import numpy as np
import pytest

from core.geometry.baseline_paths import (
    ATTRIBUTE_METHODS,
    PATH_KINDS,
    PathKindError,
    along_attribute,
    attribute_vector,
    make_path,
    spherical,
    straight,
    tangent_line,
)
from core.geometry.factor_curve import Surface


@pytest.fixture(scope="module")
def polar() -> Surface:
    """A flat ring in three dimensions with labels r and theta."""
    generator = np.random.default_rng(0)
    r, theta = np.sqrt(generator.uniform(0.25, 4.0, 3000)), generator.uniform(-np.pi, np.pi, 3000)
    points = np.stack([r * np.cos(theta), r * np.sin(theta), np.zeros(3000)], axis=1)
    return Surface(points, np.stack([r, theta], axis=1), ("r", "theta"))


# Between two places -------------------------------------------------------------------------------------------------


def test_a_straight_path_has_equal_steps_and_both_ends():
    path = straight(np.array([0.0, 1.0]), np.array([4.0, 3.0]), 5)
    np.testing.assert_allclose(path, [[0, 1], [1, 1.5], [2, 2], [3, 2.5], [4, 3]])


@pytest.mark.parametrize("dim", [2, 3, 32])
def test_a_spherical_path_keeps_its_distance_and_turns_evenly(dim):
    generator = np.random.default_rng(dim)
    centre, directions = generator.normal(size=dim), generator.normal(size=(2, dim))
    start, end = centre + 2.0 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    path = spherical(start, end, centre, 9)
    np.testing.assert_allclose(path[[0, -1]], [start, end], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(path - centre, axis=1), 2.0)
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    np.testing.assert_allclose(steps, steps[0])


def test_between_different_distances_a_spherical_path_spirals():
    path = spherical(np.array([1.0, 0.0]), np.array([0.0, 3.0]), np.zeros(2), 3)
    np.testing.assert_allclose(path[1], np.array([2.0, 2.0]) / np.sqrt(2.0))


def test_a_spherical_path_between_coinciding_ends_rests():
    place = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(spherical(place, place, np.zeros(3), 4), np.tile(place, (4, 1)))


def test_no_arc_is_made_up_where_none_is_determined():
    with pytest.raises(PathKindError, match="opposite each other"):
        spherical(np.array([1.0, 0.0]), np.array([-2.0, 0.0]), np.zeros(2))
    with pytest.raises(PathKindError, match="at the centre"):
        spherical(np.zeros(2), np.array([1.0, 0.0]), np.zeros(2))


# Attribute vectors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ATTRIBUTE_METHODS)
def test_a_linear_attribute_is_found_with_its_rate(method):
    mu = np.random.default_rng(0).normal(size=(20_000, 3))
    vector = attribute_vector(mu, mu @ [0.0, 3.0, 4.0] + 1.0, method)
    np.testing.assert_allclose(vector.direction, [0.0, 0.6, 0.8], atol=0.02)
    assert vector.rate == pytest.approx(5.0, rel=0.01)
    path = along_attribute(np.zeros(3), vector, np.array([0.0, 10.0]))
    np.testing.assert_allclose(path[1] @ [0.0, 3.0, 4.0], 10.0, rtol=0.01)


def test_regression_sees_through_correlated_dimensions_and_the_mean_difference_does_not():
    generator = np.random.default_rng(1)
    mu = generator.normal(size=(5000, 2))
    mu[:, 1] += mu[:, 0]
    np.testing.assert_allclose(attribute_vector(mu, mu[:, 0], "regression").direction, [1.0, 0.0], atol=1e-9)
    assert attribute_vector(mu, mu[:, 0], "mean difference").direction[1] > 0.6


def test_a_present_or_absent_attribute_points_from_those_without_to_those_with_it():
    mu = np.random.default_rng(2).normal(size=(2000, 2))
    for threshold in (-0.5, 0.5):  # the majority has it; the minority
        vector = attribute_vector(mu, (mu[:, 0] > threshold).astype(float))
        np.testing.assert_allclose(vector.direction, [1.0, 0.0], atol=0.1)


def test_attributes_without_a_direction_are_refused():
    mu = np.random.default_rng(0).normal(size=(100, 2))
    with pytest.raises(PathKindError, match="same for all samples"):
        attribute_vector(mu, np.ones(100))
    with pytest.raises(PathKindError, match="must be 100 finite numbers"):
        attribute_vector(mu, np.ones(99))
    with pytest.raises(PathKindError, match="no direction"):
        attribute_vector(np.zeros((100, 2)), mu[:, 0])
    with pytest.raises(PathKindError, match="method is 'svm'"):
        attribute_vector(mu, mu[:, 0], "svm")  # type: ignore[arg-type]  # that is the mistake


# All kinds ----------------------------------------------------------------------------------------------------------


def test_a_tangent_line_agrees_with_the_factor_curve_at_its_start_only(polar):
    start, values = np.array([1.0, 0.0, 0.0]), np.linspace(0.0, 1.0, 11)
    line = tangent_line(polar, start, "theta", values)
    curve = make_path("factor curve", polar, start, target="theta", values=values)
    away = np.linalg.norm(line - curve, axis=1)
    assert away[0] < 1e-3
    assert away[1] < 0.01
    np.testing.assert_allclose(np.linalg.norm(line, axis=1), np.hypot(1.0, values), atol=0.01)


@pytest.mark.parametrize("kind", PATH_KINDS)
def test_every_kind_of_path_starts_at_its_start(polar, kind):
    start, end = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.5, 0.0])
    path = make_path(kind, polar, start, end, target="theta", points=9)
    assert path.dtype == np.float64
    assert np.isfinite(path).all()
    if kind == "isoline":  # it goes both ways
        assert np.linalg.norm(path - start, axis=1).min() < 0.3
    else:
        assert path.shape == (9, 3)
        np.testing.assert_allclose(path[0], start, atol=2e-3)


def test_a_factor_curve_goes_to_the_label_of_the_end_and_keeps_the_rest_of_the_start(polar):
    path = make_path("factor curve", polar, np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.5, 0.0]), "theta")
    np.testing.assert_allclose(path[-1], [0.0, 1.0, 0.0], atol=5e-3)


def test_what_a_kind_needs_is_asked_for(polar):
    start = np.array([1.0, 0.0, 0.0])
    with pytest.raises(PathKindError, match="give an end"):
        make_path("straight", polar, start)
    with pytest.raises(PathKindError, match="give the target, one of r, theta"):
        make_path("regression", polar, start, start)
    with pytest.raises(PathKindError, match="give values of the target, or an end"):
        make_path("tangent line", polar, start, target="r")
    with pytest.raises(PathKindError, match="kind is 'geodesic'"):
        make_path("geodesic", polar, start)  # type: ignore[arg-type]  # that is the mistake
    with pytest.raises(PathKindError, match="points is 1"):
        straight(start, start, 1)
    with pytest.raises(PathKindError, match="both must be"):
        straight(start, start[:2])
