"""Geodesics with known answers, round gaps and through them, and clouds on which there is none."""

from __future__ import annotations

import numpy as np
import pytest

from core.geometry.geodesic import PENALTY, LatentGraph, geodesic
from core.geometry.local_fit import GeometryError
from core.geometry.surface import Surface


def final(graph, start, end, **options):
    return list(geodesic(graph, np.asarray(start, float), np.asarray(end, float), **options))[-1]


def length(points) -> float:
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def off_share(graph: LatentGraph, path) -> float:
    return float(graph.surface.detector.off_manifold(path.points).mean())


def rotated(points, d, seed=0):
    """points (N, q) in d dimensions, turned at random."""
    basis, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))
    return points @ basis[:, : points.shape[1]].T


class Map:
    """A map with analytic derivatives, as a decoder would be."""

    def __init__(self, value, jacobian):
        self.value = value
        self._jacobian = jacobian

    def value_and_jacobian(self, z):
        return self.value(z), self._jacobian(z)


@pytest.fixture(scope="module")
def square():
    """The unit square with a round hole of radius 0.15 in its middle."""
    points = np.random.default_rng(0).random((2500, 2))
    return points[np.linalg.norm(points - 0.5, axis=1) > 0.15]


@pytest.fixture(scope="module")
def holed(square):
    return LatentGraph(Surface(square, intrinsic=2))


# Known answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [2, 3, 8, 32])
def test_under_a_linear_decoder_the_geodesic_is_straight(d):
    generator = np.random.default_rng(d)
    matrix = generator.normal(size=(d + 3, d))
    surface = Surface(generator.normal(size=(400, d)), intrinsic=min(d, 4))
    linear = Map(lambda z: z @ matrix.T, lambda z: np.broadcast_to(matrix, (len(z), *matrix.shape)))
    start, end = generator.normal(size=(2, d))
    path = final(LatentGraph(surface, linear), start, end, points=17, penalty=0.0)
    np.testing.assert_allclose(path.points, np.linspace(start, end, 17), atol=1e-12)
    assert path.converged


@pytest.mark.parametrize("d", [3, 8, 32])
def test_on_a_sphere_the_geodesic_is_the_great_circle(d):
    ball = np.random.default_rng(1).normal(size=(3000, 3))
    points = rotated(ball / np.linalg.norm(ball, axis=1, keepdims=True), d)
    graph = LatentGraph(Surface(points, intrinsic=2))
    angle, n = 1.5, 32
    start, end = rotated(np.array([[1.0, 0.0, 0.0], [np.cos(angle), np.sin(angle), 0.0]]), d)
    path = final(graph, start, end, points=n + 1)
    assert length(path.points) == pytest.approx(angle, rel=1e-3)
    np.testing.assert_allclose(np.linalg.norm(path.points, axis=1), 1.0, atol=2e-3)
    assert off_share(graph, path) <= 0.1  # a place in a hundred is flagged by chance


def test_a_sphere_decoders_length_has_the_polygons_limit():
    """n chords of a great circle of angle θ are shorter than it by θ²/24n² of it."""

    def sphere(z):
        u, v = z.T
        return np.stack([np.cos(v) * np.cos(u), np.cos(v) * np.sin(u), np.sin(v)], axis=1)

    def slopes(z):
        u, v = z.T
        by_u = np.stack([-np.cos(v) * np.sin(u), np.cos(v) * np.cos(u), np.zeros_like(u)], axis=1)
        by_v = np.stack([-np.sin(v) * np.cos(u), -np.sin(v) * np.sin(u), np.cos(v)], axis=1)
        return np.stack([by_u, by_v], axis=2)

    cloud = np.random.default_rng(2).uniform(-1.0, 1.0, (1500, 2)) * [1.6, 1.2]
    graph = LatentGraph(Surface(cloud, intrinsic=2), Map(sphere, slopes))
    ends = np.array([[-0.8, 0.4], [0.7, 0.6]])
    one, two = sphere(ends)
    angle, n = float(np.arccos(one @ two)), 24
    path = final(graph, *ends, points=n + 1, penalty=0.0, iterations=60)
    assert length(sphere(path.points)) == pytest.approx(angle * (1.0 - angle**2 / (24 * n**2)), rel=1e-6)
    normal = np.cross(one, two)
    assert np.abs(sphere(path.points) @ normal).max() < 1e-3  # in its plane, as no line in (u, v) is


@pytest.mark.parametrize(
    ("d", "seed", "error"),
    [
        (3, 4, 1e-3),
        (8, 5, 1e-3),
        (3, 3, 3e-3),  # a sparse spot on the way looks like a rim by chance, and the path keeps clear of it
    ],
)
def test_on_a_swiss_roll_the_geodesic_is_a_line_of_the_unrolled_sheet(d, seed, error):
    def roll(t, y):
        return np.stack([t * np.cos(t), y, t * np.sin(t)], axis=1)

    def unrolled(t):
        return 0.5 * (t * np.sqrt(1.0 + t * t) + np.arcsinh(t))

    generator = np.random.default_rng(seed)
    table = np.linspace(4.0, 12.0, 4000)
    t = np.interp(generator.uniform(unrolled(4.0), unrolled(12.0), 6000), unrolled(table), table)
    cloud = roll(t, generator.uniform(0.0, 12.0, 6000))
    graph = LatentGraph(Surface(rotated(cloud, d), intrinsic=2))
    ends = np.array([[6.0, 3.0], [10.0, 9.0]])
    start, end = rotated(roll(*ends.T), d)
    exact = np.hypot(unrolled(10.0) - unrolled(6.0), 6.0)
    path = final(graph, start, end, points=65)
    assert length(path.points) == pytest.approx(exact, rel=error)


# Gaps -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("angle", np.linspace(0.0, np.pi, 5, endpoint=False))
def test_with_the_penalty_no_point_lies_in_the_hole(holed, angle):
    across = 0.35 * np.array([np.cos(angle), np.sin(angle)])
    path = final(holed, 0.5 - across, 0.5 + across)
    assert (np.linalg.norm(path.points - 0.5, axis=1) > 0.15).all()
    assert off_share(holed, path) <= 0.1  # a place in a hundred is flagged by chance
    assert length(path.points) < 0.35 * np.pi


def test_without_it_the_same_path_goes_straight_through_and_its_scores_say_so(holed):
    path = final(holed, [0.15, 0.5], [0.85, 0.5], penalty=0.0)
    np.testing.assert_allclose(path.points, np.linspace([0.15, 0.5], [0.85, 0.5], 33), atol=1e-9)
    assert off_share(holed, path) == pytest.approx(0.3 / 0.7, abs=0.15)


def test_the_stages_come_in_order_and_the_cost_only_falls(holed):
    stages = list(geodesic(holed, np.array([0.15, 0.5]), np.array([0.85, 0.45])))
    names = [stage.stage for stage in stages]
    assert names[0] == "graph"
    assert names[-1] == "polished"
    assert set(names[1:-1]) == {"relaxed"}
    for stage in stages:
        np.testing.assert_array_equal(stage.points[[0, -1]], [[0.15, 0.5], [0.85, 0.45]])
        assert len(stage.points) == 33
    costs = [cost(holed, stage.points, length(stages[0].points)) for stage in stages]
    assert np.all(np.diff(costs[:-1]) <= 1e-9 * costs[0])  # putting it on the surface may cost a little again
    assert costs[-1] < 0.95 * costs[0]


def cost(graph: LatentGraph, z: np.ndarray, begun: float) -> float:
    """What a geodesic minimises, in units of the graph's path's image length ``begun``, squared."""
    values = graph.image_map.value(z)
    outside = graph.off_manifold.value_and_slope(z[1:-1], values[1:-1])[0]
    energy = (len(z) - 1) * np.square(np.diff(values, axis=0)).sum() / begun**2
    return float(energy + PENALTY / (len(z) - 1) * np.square(outside).sum())


def test_a_geodesic_can_be_dropped_after_any_stage(holed):
    answer = geodesic(holed, np.array([0.15, 0.5]), np.array([0.85, 0.5]))
    assert next(answer).stage == "graph"
    answer.close()
    assert next(answer, None) is None


def test_steps_that_are_used_up_are_not_called_converged(holed):
    stages = list(geodesic(holed, np.array([0.15, 0.5]), np.array([0.85, 0.5]), iterations=1))
    assert [stage.converged for stage in stages] == [False, False, False]


def test_a_map_on_which_no_step_goes_down_is_not_called_converged(square):
    lying = Map(lambda z: z, lambda z: np.broadcast_to(-np.eye(2), (len(z), 2, 2)))
    graph = LatentGraph(Surface(square, intrinsic=2), lying)
    assert not final(graph, [0.2, 0.1], [0.7, 0.9], penalty=0.0).converged


def test_a_geodesic_is_the_same_back_and_forth(holed):
    there, back = final(holed, [0.2, 0.2], [0.8, 0.3]), final(holed, [0.8, 0.3], [0.2, 0.2])
    assert length(there.points) == pytest.approx(length(back.points), rel=0.02)


# What there is none for -------------------------------------------------------------------------------------------


def test_ends_that_coincide_give_one_path_of_equal_points(holed):
    (path,) = geodesic(holed, np.array([0.2, 0.2]), np.array([0.2, 0.2]), points=5)
    np.testing.assert_array_equal(path.points, np.full((5, 2), 0.2))
    assert (path.stage, path.converged) == ("polished", True)


def test_parts_that_are_not_connected_are_named_and_never_bridged():
    generator = np.random.default_rng(6)
    cloud = np.vstack([generator.random((300, 2)), generator.random((200, 2)) + np.array([5.0, 0.0])])
    graph = LatentGraph(Surface(cloud, intrinsic=2))
    assert graph.components == 2
    np.testing.assert_array_equal(np.bincount(graph.component), [300, 200])
    with pytest.raises(GeometryError, match=r"not connected.*300 and 200 of 500"):
        next(geodesic(graph, np.array([0.5, 0.5]), np.array([5.5, 0.5])))
    assert length(final(graph, [5.2, 0.5], [5.8, 0.5]).points) == pytest.approx(0.6, rel=0.05)


def test_samples_that_coincide_do_no_harm():
    points = np.repeat(np.random.default_rng(7).random((200, 2)), 3, axis=0)
    path = final(LatentGraph(Surface(points, intrinsic=2)), points[0], points[300])
    assert np.isfinite(path.points).all()


@pytest.mark.parametrize("count", [3, 5, 9, 20])
def test_fewer_samples_than_neighbours_still_carry_a_path(count):
    points = np.random.default_rng(8).random((count, 2))
    path = final(LatentGraph(Surface(points, intrinsic=2)), points[0], points[-1], points=9)
    assert np.isfinite(path.points).all()
    assert length(path.points) >= np.linalg.norm(points[0] - points[-1]) * (1.0 - 1e-12)


def test_collinear_samples_carry_a_straight_path():
    line = np.linspace(0.0, 1.0, 200)[:, None] * [1.0, 2.0, 3.0]
    path = final(LatentGraph(Surface(line, intrinsic=1)), line[20], line[180])
    assert length(path.points) == pytest.approx(np.linalg.norm(line[180] - line[20]), rel=1e-6)


def test_too_few_samples_are_refused():
    with pytest.raises(GeometryError, match="there are 2 samples"):
        LatentGraph(Surface(np.array([[0.0, 0.0], [1.0, 1.0]]), intrinsic=1))


@pytest.mark.parametrize("end", [np.zeros(3), np.array([np.nan, 0.0]), np.zeros((2, 2))])
def test_ends_that_do_not_fit_are_refused(holed, end):
    with pytest.raises(GeometryError, match=r"(?s)end is .*2 finite numbers"):
        next(geodesic(holed, np.zeros(2), end))


@pytest.mark.parametrize("options", [{"points": 2}, {"penalty": -1.0}, {"penalty": np.nan}])
def test_options_that_make_no_path_are_refused(holed, options):
    with pytest.raises(GeometryError, match="3 or more"):
        next(geodesic(holed, np.zeros(2), np.ones(2), **options))


def test_of_a_million_samples_twenty_thousand_landmarks_carry_the_path():
    cloud = np.random.default_rng(9).random((1_000_000, 2))
    graph = LatentGraph(Surface(cloud[np.linalg.norm(cloud - 0.5, axis=1) > 0.1], intrinsic=2))
    assert len(graph.samples) == 20_000
    path = final(graph, [0.3, 0.5], [0.7, 0.5])
    assert (np.linalg.norm(path.points - 0.5, axis=1) > 0.1).all()
