"""The kinds of path: what each must do between known ends, and what it cannot do."""

from __future__ import annotations

import numpy as np
import pytest

from core.geometry.geodesic import LatentGraph
from core.geometry.local_fit import GeometryError
from core.geometry.path_kinds import (
    MAKERS,
    PathRequest,
    attribute_vector,
    made,
    spherical,
    straight,
    trace,
)
from core.geometry.surface import Surface
from core.paths.recipe import PATH_KINDS, RECIPE_KINDS


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
    with pytest.raises(GeometryError, match="opposite each other"):
        spherical(np.array([1.0, 0.0]), np.array([-2.0, 0.0]), np.zeros(2))
    with pytest.raises(GeometryError, match="at the centre"):
        spherical(np.zeros(2), np.array([1.0, 0.0]), np.zeros(2))


# Attribute vectors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["mean difference", "regression"])
def test_a_linear_attribute_is_found_with_its_rate(method):
    mu = np.random.default_rng(0).normal(size=(20_000, 3))
    vector = attribute_vector(mu, mu @ [0.0, 3.0, 4.0] + 1.0, method)
    np.testing.assert_allclose(vector.direction, [0.0, 0.6, 0.8], atol=0.02)
    assert vector.rate == pytest.approx(5.0, rel=0.01)
    surface = Surface(mu[:3000], mu[:3000] @ [0.0, 3.0, 4.0] + 1.0, ("rise",), intrinsic=3)
    path = made(method, PathRequest(surface, np.zeros(3), target="rise", values=np.array([1.0, 11.0]))).points
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
    with pytest.raises(GeometryError, match="same for all samples"):
        attribute_vector(mu, np.ones(100))
    with pytest.raises(GeometryError, match="must be 100 finite numbers"):
        attribute_vector(mu, np.ones(99))
    with pytest.raises(GeometryError, match="no direction"):
        attribute_vector(np.zeros((100, 2)), mu[:, 0])


# All kinds ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graph(polar) -> LatentGraph:
    return LatentGraph(polar)


def test_every_kind_of_the_table_has_a_function_and_every_function_a_row():
    assert tuple(MAKERS) == tuple(PATH_KINDS) == RECIPE_KINDS


def test_a_tangent_line_agrees_with_the_factor_curve_at_its_start_only(polar):
    request = PathRequest(polar, np.array([1.0, 0.0, 0.0]), target="theta", values=np.linspace(0.0, 1.0, 11))
    line, curve = (made(kind, request).points for kind in ("tangent line", "factor curve"))
    away = np.linalg.norm(line - curve, axis=1)
    assert away[0] < 1e-3
    assert away[1] < 0.01
    np.testing.assert_allclose(np.linalg.norm(line, axis=1), np.hypot(1.0, request.values), atol=0.01)


@pytest.mark.parametrize("kind", RECIPE_KINDS)
def test_every_kind_of_path_starts_at_its_start(polar, graph, kind):
    start, end = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.5, 0.0])
    path = made(kind, PathRequest(polar, start, end, "theta", points=9, graph=graph))
    assert path.points.dtype == np.float64
    assert np.isfinite(path.points).all()
    np.testing.assert_allclose(path.labels_on(polar), polar.labels_at(path.points), atol=0.02)
    if kind == "isoline":  # it goes both ways
        assert np.linalg.norm(path.points - start, axis=1).min() < 0.3
    else:
        assert path.points.shape == (9, 3)
        np.testing.assert_allclose(path.points[0], start, atol=2e-3)


def test_a_factor_curve_goes_to_the_label_of_the_end_and_keeps_the_rest_of_the_start(polar):
    path = made("factor curve", PathRequest(polar, np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.5, 0.0]), "theta"))
    np.testing.assert_allclose(path.points[-1], [0.0, 1.0, 0.0], atol=5e-3)


def test_a_value_takes_the_place_of_an_end(polar):
    path = made("factor curve", PathRequest(polar, np.array([1.0, 0.0, 0.0]), target="r", value=1.6, points=5))
    np.testing.assert_allclose(path.points[:, 0], np.linspace(1.0, 1.6, 5), atol=5e-3)


@pytest.mark.parametrize("kind", ["factor curve", "isoline", "tangent line", "mean difference", "regression"])
def test_without_an_end_a_path_runs_as_far_as_the_data_do(polar, kind):
    path = made(kind, PathRequest(polar, np.array([1.2, 0.0, 0.0]), target="r"))
    assert np.abs(path.points).max() < 3.0
    if kind in ("factor curve", "isoline", "tangent line"):  # an attribute vector of r has no direction on a ring
        assert path.points[:, 0].min() < 0.6
        assert path.points[:, 0].max() > 1.9


def test_a_geodesic_gets_better_with_each_that_is_yielded(polar, graph):
    request = PathRequest(polar, np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.5, 0.0]), points=9, graph=graph)
    stages = [path.stage for path in trace("geodesic", request)]
    assert (stages[0], stages[-1]) == ("graph", "polished")
    assert set(stages[1:-1]) == {"relaxed"}


def test_another_kind_takes_a_row_and_a_function(polar, monkeypatch):
    from core.geometry import path_kinds
    from core.paths.recipe import PathKind

    monkeypatch.setitem(PATH_KINDS, "there and back", PathKind("There and back", "Straight, then back", joins=True))
    there = lambda request: straight(request.start, request.end, request.points)  # noqa: E731
    back = lambda request: iter([path_kinds.TracedPath(np.vstack([there(request), there(request)[::-1]]))])  # noqa: E731
    monkeypatch.setitem(MAKERS, "there and back", back)
    start, end = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.5, 0.0])
    path = made("there and back", PathRequest(polar, start, end, points=3))
    np.testing.assert_allclose(path.points[[0, 2, 5]], [start, end, start])
    with pytest.raises(GeometryError, match="give an end"):
        made("there and back", PathRequest(polar, start))


def test_what_a_kind_needs_is_asked_for(polar):
    start = np.array([1.0, 0.0, 0.0])
    with pytest.raises(GeometryError, match="give an end"):
        made("straight", PathRequest(polar, start))
    with pytest.raises(GeometryError, match="the labels are r, theta"):
        made("regression", PathRequest(polar, start, start))
    with pytest.raises(GeometryError, match="nothing would change"):
        made("tangent line", PathRequest(polar, start, start, "r"))
    with pytest.raises(GeometryError, match="kind is 'bent'"):
        made("bent", PathRequest(polar, start))
    with pytest.raises(GeometryError, match="give a graph"):
        made("geodesic", PathRequest(polar, start, start))
    constant = Surface(polar.samples.points, np.ones(len(polar.samples)), ("one",))
    with pytest.raises(GeometryError, match="same for all samples"):
        made("isoline", PathRequest(constant, start, target="one"))
    with pytest.raises(GeometryError, match="points is 1"):
        straight(start, start, 1)
    with pytest.raises(GeometryError, match=r"end is .* it must be 3 finite numbers"):
        straight(start, start[:2])
