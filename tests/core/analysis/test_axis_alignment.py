"""Alignment with the latent axes: known rotations, the null's known means, and clouds whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.analysis.axis_alignment import (
    AlignmentError,
    active_dimensions,
    alignment_of,
    axis_alignment,
    factor_alignment,
    factor_directions,
    rotation_null,
)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(5)


def turn(degrees: float) -> np.ndarray:
    """Rotation by ``degrees`` in the first two of three dimensions."""
    angle = math.radians(degrees)
    c, s = math.cos(angle), math.sin(angle)
    return np.array([(c, -s, 0.0), (s, c, 0.0), (0.0, 0.0, 1.0)])


def elongated(random: np.random.Generator, count: int = 400) -> np.ndarray:
    return random.uniform(-1, 1, size=(count, 3)) * (5.0, 2.5, 1.0)


# one rotation ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimensions", [2, 3, 7])
def test_axes_are_aligned_whatever_their_order_and_sign(random, dimensions):
    signed = random.permutation(np.eye(dimensions)) * random.choice([-1.0, 1.0], size=dimensions)
    assert alignment_of(signed) == pytest.approx(1.0)


def test_a_plane_at_45_degrees_is_at_chance():
    assert alignment_of(turn(45)[:2, :2]) == pytest.approx(0.0)


def test_a_hadamard_matrix_is_at_chance():
    two = np.array([(1.0, 1.0), (1.0, -1.0)])
    assert alignment_of(np.kron(two, two) / 2) == pytest.approx(0.0)


@pytest.mark.parametrize("degrees", [0, 10, 30, 60, 80])
def test_a_turned_plane_by_hand(degrees):
    largest = max(math.cos(math.radians(degrees)) ** 2, math.sin(math.radians(degrees)) ** 2)
    assert alignment_of(turn(degrees)[:2, :2]) == pytest.approx(2 * largest - 1)


def test_each_direction_has_an_axis_of_its_own():
    # both prefer the first axis; the second must take what is left
    directions = np.array([(1.0, 0.0, 0.0), (0.8, 0.6, 0.0)])
    assert alignment_of(directions) == pytest.approx(((1.0 + 0.36) / 2 - 1 / 3) / (2 / 3))


# the null -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dimensions", "mean"), [(2, 0.62), (3, 0.54), (16, 0.22)])
def test_random_rotations_score_far_above_zero(dimensions, mean):
    null = rotation_null(dimensions)
    assert null.shape == (2000,)
    assert null.mean() == pytest.approx(mean, abs=0.02)


def test_in_two_dimensions_the_null_is_known_exactly():
    # the angle is uniform, so the mean of 2 max(cos², sin²) - 1 = |cos 2t| is 2/π
    null = rotation_null(2)
    assert null.mean() == pytest.approx(2 / math.pi, abs=0.015)
    assert np.quantile(null, 0.95) == pytest.approx(math.cos(math.pi / 40), abs=0.004)


def test_the_upper_end_of_the_null_in_three_dimensions():
    assert np.quantile(rotation_null(3), 0.95) == pytest.approx(0.88, abs=0.02)


def test_one_random_direction_in_three_dimensions():
    # the largest squared component of a random unit vector: between 1/3 and 1
    null = rotation_null(3, directions=1)
    assert (null >= 0).all()
    assert (null <= 1).all()


# clouds ---------------------------------------------------------------------------------------------------------------


def test_an_elongated_cloud_along_the_axes_is_aligned(random):
    found = axis_alignment(elongated(random))
    assert found.value > 0.98
    assert found.low <= found.value <= found.high <= 1.0
    assert found.p_value < 0.01
    assert found.null_mean == pytest.approx(0.54, abs=0.02)
    assert found.null_95 == pytest.approx(0.88, abs=0.02)
    assert found.draws == 2000


def test_the_same_cloud_turned_by_45_degrees_is_not(random):
    found = axis_alignment(elongated(random) @ turn(45).T)
    assert found.value == pytest.approx((2 / 3 - 1 / 3) / (2 / 3), abs=0.03)  # two directions at 1/2, one at 1
    assert found.p_value > 0.2


def test_a_round_cloud_has_a_wide_interval(random):
    round_cloud, long_cloud = axis_alignment(random.normal(size=(300, 3))), axis_alignment(elongated(random, 300))
    assert round_cloud.high - round_cloud.low > 0.3
    assert long_cloud.high - long_cloud.low < 0.1


def test_the_p_value_is_never_zero(random):
    assert axis_alignment(elongated(random)).p_value >= 1 / 2001


def test_the_same_seed_gives_the_same_interval(random):
    mu = elongated(random, 60)
    assert axis_alignment(mu) == axis_alignment(mu)


def test_a_collapsed_dimension_counts_neither_for_nor_against(random):
    plane = random.uniform(-1, 1, size=(200, 2)) * (3.0, 1.0) @ turn(30)[:2, :2].T
    mu = np.column_stack([plane, 0.01 * random.normal(size=200)])
    active = active_dimensions(mu, 0.1)
    assert active.tolist() == [True, True, False]
    assert axis_alignment(mu, active=active) == axis_alignment(plane)


def test_dimensions_that_never_move_are_left_out(random):
    plane = random.normal(size=(100, 2))
    mu = np.column_stack([plane, np.full(100, 0.3)])
    assert axis_alignment(mu) == axis_alignment(plane)


@pytest.mark.parametrize("constant", [[1], [0, 1]])
def test_fewer_than_two_active_dimensions_are_refused(random, constant):
    mu = random.normal(size=(50, 2))
    mu[:, constant] = 1.0
    with pytest.raises(AlignmentError, match=f"{2 - len(constant)} of the latent dimensions .* 2 or more"):
        axis_alignment(mu)


@pytest.mark.parametrize(("count", "dimensions", "needed"), [(9, 3, 10), (20, 8, 24)])
def test_too_few_samples_are_refused(random, count, dimensions, needed):
    with pytest.raises(AlignmentError, match=f"{count} samples are too few.*{needed} or more"):
        axis_alignment(random.normal(size=(count, dimensions)))


def test_a_mean_that_is_not_finite_is_refused(random):
    mu = random.normal(size=(50, 3))
    mu[4, 1] = np.nan
    with pytest.raises(AlignmentError, match="not finite"):
        axis_alignment(mu)


# active dimensions ----------------------------------------------------------------------------------------------------


def test_a_dimension_is_active_when_it_varies_by_more_than_its_noise(random):
    mu = random.normal(size=(5000, 3)) * (1.0, 0.2, 0.05)
    assert active_dimensions(mu, 0.1).tolist() == [True, True, False]


# factors --------------------------------------------------------------------------------------------------------------


def test_directions_are_those_the_factors_move_along(random):
    factors = random.uniform(size=(500, 2)) * (1.5, 2.0)
    factors[:, 1] += 0.5 * factors[:, 0]  # correlated: each is judged with the other held
    true = np.array([(3.0, 0.0, 4.0), (0.0, -2.0, 0.0)])
    found = factor_directions(factors @ true + 0.01 * random.normal(size=(500, 3)), factors)
    np.testing.assert_allclose(found, [(0.6, 0.0, 0.8), (0.0, -1.0, 0.0)], atol=0.01)


def test_units_of_a_factor_do_not_matter(random):
    factors = random.uniform(size=(100, 2))
    mu = factors @ random.normal(size=(2, 3))
    np.testing.assert_allclose(factor_directions(mu, factors * (1e6, 1e-6)), factor_directions(mu, factors), atol=1e-9)


def test_factors_on_axes_of_their_own_are_aligned(random):
    factors = random.uniform(size=(200, 2))
    mu = np.column_stack([-factors[:, 1], 0.1 * random.normal(size=200), 2 * factors[:, 0]])
    found = factor_alignment(mu, factors)
    assert found.value > 0.95
    assert found.low <= found.value <= found.high <= 1.0
    assert found.p_value < 0.05


def test_factors_along_the_diagonals_are_not(random):
    factors = random.uniform(size=(200, 2))
    mu = (factors - 0.5) @ turn(45)[:2, :2].T
    found = factor_alignment(mu, factors)
    assert found.value == pytest.approx(0.0, abs=0.01)
    assert found.p_value > 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: np.column_stack([f[:, 0], np.full(len(f), 2.0)]), "factor 2 is the same in all"),
        (lambda f: np.column_stack([f[:, 0], 3 * f[:, 0]]), "are linearly dependent"),
        (lambda f: np.where(f == f[0, 0], np.nan, f), "not finite"),
        (lambda f: f[:-1], "one row per sample"),
    ],
)
def test_factors_that_tell_no_direction_are_refused(random, change, message):
    factors = random.uniform(size=(50, 2))
    with pytest.raises(AlignmentError, match=message):
        factor_directions(factors @ random.normal(size=(2, 3)), change(factors))


def test_a_factor_without_influence_has_no_direction(random):
    with pytest.raises(AlignmentError, match="does not move with factor 1"):
        factor_directions(np.zeros((50, 3)), random.uniform(size=(50, 1)))


def test_more_factors_than_dimensions_are_refused(random):
    with pytest.raises(AlignmentError, match="3 factors and 2 active dimensions"):
        factor_alignment(random.normal(size=(50, 2)), random.uniform(size=(50, 3)))
