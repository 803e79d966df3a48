"""Lines through the parameter plane: the published coordinates, drawn strokes, the hole, and what is measured along."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.analysis import image_metrics
from core.analysis.transect import (
    MAX_POINTS,
    Transect,
    TransectError,
    TransectResult,
    in_hole,
    measure,
    nearest_distance,
    published_split,
    published_transects,
)
from core.config import DataConfig
from core.data import polar_curves
from core.data.loading import load_dataset

SMALL = DataConfig(image_size=32, count=300)


# the published ones ---------------------------------------------------------------------------------------------------


def test_p1_raises_the_petals_at_the_middle_scale():
    points = Transect.published("P1").points
    np.testing.assert_allclose(points, [(1.25, 2 * i / 14) for i in range(15)], atol=1e-15)


def test_p2_raises_the_scale_at_the_middle_depth():
    points = Transect.published("P2").points
    np.testing.assert_allclose(points, [(0.5 + 1.5 * i / 14, 1.0) for i in range(15)], atol=1e-15)


def test_p3_is_the_falling_diagonal():
    points = Transect.published("P3").points
    np.testing.assert_allclose(points, [(0.5 + 1.5 * i / 14, 2 - 2 * i / 14) for i in range(15)], atol=1e-15)


def test_each_passes_through_the_centre_of_the_hole_at_its_eighth_point():
    assert [transect.name for transect in published_transects()] == ["P1", "P2", "P3"]
    for transect in published_transects():
        np.testing.assert_allclose(transect.points[7], (1.25, 1.0), atol=1e-15)
        transect.check_inside((0.5, 0.0), (2.0, 2.0))


@pytest.mark.parametrize(("name", "inside"), [("P1", [6, 7, 8, 9, 10]), ("P2", [6, 7, 8, 9, 10]), ("P3", [7, 8, 9])])
def test_which_points_are_in_the_published_hole(name, inside):
    flags = in_hole(Transect.published(name).points, DataConfig())
    assert (np.flatnonzero(flags) + 1).tolist() == inside


def test_without_a_hole_no_point_is_in_it():
    points = Transect.published("P1").points
    assert not in_hole(points, DataConfig(punctured=False)).any()
    assert not in_hole(points, DataConfig(path="images")).any()
    assert not in_hole(points, DataConfig(hole_radius=0.0)).any()


def test_an_unknown_name_is_refused():
    with pytest.raises(TransectError, match=r"'P4'.*P1, P2, P3"):
        Transect.published("P4")


# straight and drawn ---------------------------------------------------------------------------------------------------


def test_straight_includes_both_ends():
    transect = Transect.straight("mine", (0.6, 0.1), (1.8, 1.9), 4)
    np.testing.assert_allclose(transect.points, [(0.6, 0.1), (1.0, 0.7), (1.4, 1.3), (1.8, 1.9)])


def test_drawn_points_are_equally_spaced_round_a_corner():
    transect = Transect.drawn("corner", np.array([(0, 0), (2, 0), (2, 2)]), 5, spans=(1, 1))
    np.testing.assert_allclose(transect.points, [(0, 0), (1, 0), (2, 0), (2, 1), (2, 2)])


def test_distance_is_measured_in_each_factors_range():
    # a fifth of the way along a and four fifths along b, in ranges: 0.2 and 0.8 of the length
    transect = Transect.drawn("corner", np.array([(0, 0), (20, 0), (20, 4)]), 6, spans=(100, 5))
    np.testing.assert_allclose(transect.points[1:3], [(20, 0), (20, 1)])


def test_the_usual_ranges_are_those_of_a_and_b():
    corner = np.array([(0.5, 0.0), (2.0, 0.0), (2.0, 2.0)])
    np.testing.assert_allclose(Transect.drawn("corner", corner, 3).points[1], (2.0, 0.0))


def test_a_hand_that_rests_on_the_way_changes_nothing():
    moving = np.array([(0.6, 0.2), (1.0, 1.1), (1.9, 1.2)])
    resting = np.repeat(moving, 3, axis=0)
    np.testing.assert_allclose(Transect.drawn("x", resting).points, Transect.drawn("x", moving).points)


coordinates = st.floats(-5, 5, allow_nan=False)


@given(st.lists(st.tuples(coordinates, coordinates), min_size=2, max_size=30), st.integers(2, MAX_POINTS))
def test_any_stroke_gives_the_points_asked_for_between_its_ends(stroke, points):
    line = np.array(stroke)
    assume(np.hypot(*np.diff(line, axis=0).T).sum() > 1e-6)
    taken = Transect.drawn("any", line, points).points
    assert taken.shape == (points, 2)
    np.testing.assert_allclose(taken[[0, -1]], line[[0, -1]], atol=1e-12)
    assert (taken >= line.min(axis=0) - 1e-12).all()
    assert (taken <= line.max(axis=0) + 1e-12).all()


def test_resampling_follows_the_stroke_and_not_the_first_points():
    zigzag = np.array([(0.5, 0.0), (0.8, 2.0), (1.1, 0.0), (1.4, 2.0)])
    coarse = Transect.drawn("zigzag", zigzag, 2)
    np.testing.assert_allclose(coarse.resampled(40).points, Transect.drawn("zigzag", zigzag, 40).points)


def test_one_resampled_stays_in_its_plane():
    line = dataclasses.replace(Transect.straight("a line", (0.0, 0.0), (1.0, 1.0)), plane=(2, 0))
    assert line.resampled(7).plane == (2, 0)


def test_a_published_one_resampled_is_the_published_one():
    resampled = Transect.published("P3", 7).resampled(15)
    np.testing.assert_array_equal(resampled.points, Transect.published("P3").points)


# what cannot be -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("points", [-1, 0, 1, MAX_POINTS + 1])
def test_the_number_of_points_is_bounded(points):
    with pytest.raises(TransectError, match=rf"{points}.*2 to 200"):
        Transect.published("P1", points)
    with pytest.raises(TransectError, match=rf"{points}.*2 to 200"):
        Transect.drawn("x", np.array([(0.0, 0.0), (1.0, 1.0)]), points)


@pytest.mark.parametrize("count", [1, MAX_POINTS + 1])
def test_too_few_or_too_many_given_points_are_refused(count):
    with pytest.raises(TransectError, match=f"{count} points.*2 to 200"):
        Transect("mine", np.zeros((count, 2)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_coordinate_that_is_not_finite_is_named(bad):
    with pytest.raises(TransectError, match=r"mine: points 2 is at \(1, (nan|inf)\)"):
        Transect("mine", np.array([(0.0, 0.0), (1.0, bad)]))


@pytest.mark.parametrize("points", [np.zeros((3, 3)), np.zeros(4), np.zeros((0, 2)), [("x", "y"), ("z", "w")]])
def test_other_shapes_are_refused(points):
    with pytest.raises(TransectError, match="n, 2"):
        Transect("mine", points)


def test_a_stroke_without_length_is_refused():
    with pytest.raises(TransectError, match="has no length"):
        Transect.drawn("dot", np.array([(1.0, 1.0), (1.0, 1.0)]))
    with pytest.raises(TransectError, match=r"starts and ends at \(1, 1\)"):
        Transect.straight("dot", (1.0, 1.0), (1.0, 1.0))


def test_ranges_must_be_above_zero():
    with pytest.raises(TransectError, match="spans"):
        Transect.drawn("x", np.array([(0.0, 0.0), (1.0, 1.0)]), spans=(0.0, 1.0))


def test_leaving_the_plane_is_refused_with_the_first_point_outside():
    transect = Transect.straight("long", (1.0, 1.0), (3.0, 1.0), 5)
    with pytest.raises(TransectError, match=r"point 4 of long is at \(2.5, 1\).*\(0.5, 0\) to \(2, 2\)"):
        transect.check_inside((0.5, 0.0), (2.0, 2.0))


def test_points_cannot_be_changed_afterwards():
    given_points = np.array([(0.5, 0.0), (1.0, 1.0)])
    transect = Transect("mine", given_points)
    given_points[0] = 9.0
    assert transect.points[0].tolist() == [0.5, 0.0]
    with pytest.raises(ValueError, match="read-only"):
        transect.points[0] = 1.0


# distance and measurement ---------------------------------------------------------------------------------------------


def test_distance_is_that_of_the_nearest_training_sample():
    training = np.array([(0.0, 0.0), (3.0, 4.0)])
    found = nearest_distance(np.array([(0.0, 1.0), (3.0, 4.0), (6.0, 8.0)]), training)
    np.testing.assert_allclose(found, [1.0, 0.0, 5.0])


def test_distance_needs_a_training_sample():
    with pytest.raises(TransectError, match="one or more samples"):
        nearest_distance(np.zeros((2, 2)), np.zeros((0, 2)))


def test_the_centre_of_the_hole_is_its_radius_away_from_training():
    distance = nearest_distance(np.array([(1.25, 1.0)]), published_split(DataConfig()))
    assert 0.3 <= distance[0] < 0.32


def test_the_training_samples_are_those_of_the_dataset():
    dataset = load_dataset(SMALL)
    np.testing.assert_allclose(published_split(SMALL), dataset.factors[dataset.train], atol=1e-6)


def measured(transect: Transect, data: DataConfig = SMALL, brighter: int = 0) -> TransectResult:
    def reconstruct(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mu = images.reshape(len(images), -1)[:, :3].astype(np.float64)
        return mu, np.maximum(images, brighter).astype(np.uint8)

    return measure(transect, data, published_split(data), reconstruct)


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_measured_along_a_transect(channels):
    data = DataConfig(image_size=32, count=300, channels=channels)
    transect = Transect.published("P2")
    result = measured(transect, data, brighter=20)
    expected = polar_curves.render_one(*transect.points[3].tolist(), 32)
    assert result.originals.shape == (15, 32, 32, channels)
    np.testing.assert_array_equal(result.originals[3, :, :, -1], expected)
    assert result.mu.dtype == np.float32
    np.testing.assert_array_equal(result.excess_bce, image_metrics.excess_bce(result.originals, result.reconstructions))
    np.testing.assert_array_equal(result.ssim, image_metrics.ssim(result.originals, result.reconstructions))
    np.testing.assert_array_equal(result.in_hole, in_hole(transect.points, data))
    assert result.hole_excess_bce == pytest.approx(result.excess_bce[5:10].mean())
    assert result.outside_excess_bce == pytest.approx(np.delete(result.excess_bce, range(5, 10)).mean())


def test_a_perfect_model_has_no_excess():
    result = measured(Transect.published("P1"))
    assert (result.hole_excess_bce, result.outside_excess_bce) == (0.0, 0.0)
    assert result.ssim.tolist() == [1.0] * 15


def test_where_no_point_lies_there_is_no_mean():
    assert measured(Transect.straight("rim", (0.5, 0.0), (2.0, 0.0), 4)).hole_excess_bce is None
    assert measured(Transect.straight("core", (1.2, 1.0), (1.3, 1.0), 4)).outside_excess_bce is None


def test_only_curves_can_be_drawn_along_a_transect():
    files = DataConfig(path="sprites.npz")
    with pytest.raises(TransectError, match=r"sprites\.npz.*curves"):
        measure(Transect.published("P1"), files, np.zeros((1, 2)), lambda images: (images, images))
    with pytest.raises(TransectError, match=r"sprites\.npz.*curves"):
        published_split(files)


def test_a_result_has_one_entry_a_point():
    result = measured(Transect.published("P1", 3))
    with pytest.raises(TransectError, match="ssim has 2 entries; P1 has 3 points"):
        TransectResult(
            result.transect,
            result.originals,
            result.reconstructions,
            result.mu,
            result.excess_bce,
            result.ssim[:2],
            result.distance,
            result.in_hole,
        )
