"""Principal axes against the singular value decomposition; points that spread."""

from __future__ import annotations

import numpy as np
import pytest

from core.utils.point_sets import (
    farthest_points,
    leading_axes,
    most_central,
    nearest_on_polyline,
    principal_axes,
    value_ranges,
)


def test_principal_axes_are_the_singular_vectors_and_their_variances_fall():
    x = np.random.default_rng(0).normal(size=(200, 3)) * [1.0, 5.0, 2.0] + 7.0
    mean, variances, axes = principal_axes(x.astype(np.float32))
    _, stretch, rows = np.linalg.svd(x - x.mean(axis=0))
    np.testing.assert_allclose(mean, x.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(variances, np.square(stretch) / 200, rtol=1e-4)
    np.testing.assert_allclose(np.abs(axes.T), np.abs(rows), atol=1e-4)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)


def test_one_point_has_axes_without_variance():
    assert principal_axes(np.ones((1, 2))).variances.tolist() == [0.0, 0.0]


def test_the_nearest_place_of_a_polyline_is_on_a_segment_or_at_a_corner():
    line = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 0.0], [4.0, 2.0]])
    segment, share, distance = nearest_on_polyline(line, np.array([[1.0, -3.0], [5.0, 1.0], [-3.0, 4.0], [4.5, 9.0]]))
    assert segment.tolist() == [0, 2, 0, 2]
    assert share.tolist() == [0.25, 0.5, 0.0, 1.0]
    np.testing.assert_allclose(distance, [3.0, 1.0, 5.0, np.hypot(0.5, 7.0)])


def test_segments_that_are_not_numbers_are_passed_over():
    line = np.array([[0.0, 0.0], [np.nan, 0.0], [4.0, 0.0], [6.0, 0.0]])
    segment, share, distance = nearest_on_polyline(line, np.zeros((1, 2)))
    assert (segment[0], share[0], distance[0]) == (2, 0.0, 4.0)
    assert np.isnan(nearest_on_polyline(line[:3], np.zeros((1, 2)))[2]).all()


def test_chosen_points_spread_and_are_distinct():
    points = np.concatenate([np.zeros((50, 2)), np.eye(2) * 10])
    assert set(farthest_points(points, 3).tolist()) >= {50, 51}
    assert len(set(farthest_points(points, 20).tolist())) == 20


@pytest.mark.parametrize("first", [0, 4])
def test_the_first_point_may_be_given(first):
    points = np.arange(9.0)[:, None]
    assert farthest_points(points, 2, first).tolist() == [first, {0: 8, 4: 0}[first]]
    assert sorted(farthest_points(points, 99, first).tolist()) == list(range(9))


def test_the_leading_axes_of_many_dimensions_are_the_principal_ones():
    rng = np.random.default_rng(2)
    points = (rng.normal(size=(400, 300)) * np.concatenate([[9, 5, 3], np.full(297, 0.5)]) + 7).astype(np.float32)
    every = principal_axes(points)
    found, total = leading_axes(points, 3)
    np.testing.assert_allclose(found.variances, every.variances[:3], rtol=1e-5)
    np.testing.assert_allclose(np.abs(np.sum(found.axes * every.axes[:, :3], axis=0)), 1.0, rtol=1e-5)
    np.testing.assert_allclose(found.axes.T @ found.axes, np.eye(3), atol=1e-12)
    assert total == pytest.approx(every.variances.sum(), rel=1e-5)
    assert leading_axes(np.ones((9, 300)), 2)[0].variances.tolist() == [0.0, 0.0]
    few = leading_axes(points[:, :4], 2)
    np.testing.assert_array_equal(few[0].axes, principal_axes(points[:, :4]).axes[:, :2])


def test_ranges_and_the_middle_of_points():
    points = np.stack([np.linspace(0.0, 100.0, 101), np.linspace(50.0, -50.0, 101)], axis=1)
    low, high, first, last = value_ranges(points)
    assert (low.tolist(), high.tolist()) == ([0.0, -50.0], [100.0, 50.0])
    assert (first.tolist(), last.tolist()) == ([1.0, -49.0], [99.0, 49.0])
    assert most_central(points) == 50
