"""Factor curves, isolines and gridlines on surfaces whose factor curves are known in closed form."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.geometry import surface as surface_module
from core.geometry.factor_curve import ILL_CONDITIONED, NOT_HELD, OUT_OF_REACH, factor_curve, gridlines, tangent
from core.geometry.local_fit import GeometryError
from core.geometry.surface import LooError, Surface, chosen_neighbours
from core.paths.recipe import END_OF_DATA

COUNT = 3000


def embedding(native: int, dim: int) -> np.ndarray:
    """Orthonormal rows (native, dim): a random rotation into ``dim`` dimensions."""
    return np.linalg.qr(np.random.default_rng(dim).normal(size=(dim, native)))[0].T


@cache  # a surface is not changed by what asks it
def annulus(dim: int) -> tuple[Surface, np.ndarray]:
    """Polar coordinates: labels r in [0.5, 2] and theta, cut open at ±π; (surface, embedding)."""
    generator = np.random.default_rng(0)
    r, theta = np.sqrt(generator.uniform(0.25, 4.0, COUNT)), generator.uniform(-np.pi, np.pi, COUNT)
    turn = embedding(2, dim)
    points = np.stack([r * np.cos(theta), r * np.sin(theta)], axis=1) @ turn
    return Surface(points, np.stack([r, theta], axis=1), ("r", "theta")), turn


# Closed forms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [2, 32])
def test_holding_the_radius_and_turning_goes_round_a_circle_and_back(dim):
    surface, turn = annulus(dim)
    start = np.array([1.2, 0.0]) @ turn
    there = factor_curve(surface, start, "theta", np.linspace(0.0, 2.0, 21))
    assert there.stopped == ""
    assert there.conditioning < 1.1
    native = there.points @ turn.T
    radius = np.linalg.norm(native, axis=1)
    assert np.abs(radius / radius[0] - 1.0).max() < 2e-3
    np.testing.assert_allclose(np.arctan2(native[:, 1], native[:, 0]), np.linspace(0.0, 2.0, 21), atol=2e-3)
    back = factor_curve(surface, there.points[-1], "theta", np.linspace(2.0, 0.0, 21))
    np.testing.assert_allclose(back.points[-1], there.points[0], atol=1e-3)
    assert back.achieved == pytest.approx(-2.0, abs=1e-6)


@pytest.mark.parametrize("dim", [3, 8])
def test_on_a_sphere_the_longitude_changes_along_a_parallel(dim):
    generator = np.random.default_rng(1)
    height, longitude = generator.uniform(-0.9, 0.9, COUNT), generator.uniform(-3.0, 3.0, COUNT)
    ring = np.sqrt(1.0 - height**2)
    turn = embedding(3, dim)
    points = np.stack([ring * np.cos(longitude), ring * np.sin(longitude), height], axis=1) @ turn
    surface = Surface(points, np.stack([height, longitude], axis=1), ("height", "longitude"))
    assert surface.intrinsic == 2
    curve = factor_curve(surface, np.array([0.8, 0.0, 0.6]) @ turn, 1, np.linspace(0.0, 2.0, 17))
    native = curve.points @ turn.T
    np.testing.assert_allclose(np.linalg.norm(native, axis=1), 1.0, atol=2e-3)
    np.testing.assert_allclose(native[:, 2], 0.6, atol=3e-3)
    np.testing.assert_allclose(np.arctan2(native[:, 1], native[:, 0]), curve.values, atol=3e-3)


@pytest.mark.parametrize("dim", [3, 8])
def test_a_swiss_roll_is_followed_along_its_spiral(dim):
    generator = np.random.default_rng(2)
    t, width = generator.uniform(1.5 * np.pi, 4.0 * np.pi, COUNT), generator.uniform(0.0, 10.0, COUNT)
    turn = embedding(3, dim)
    points = np.stack([t * np.cos(t), width, t * np.sin(t)], axis=1) @ turn
    surface = Surface(points, np.stack([t, width], axis=1), ("t", "width"))
    start = np.array([6.0 * np.cos(6.0), 5.0, 6.0 * np.sin(6.0)]) @ turn
    curve = factor_curve(surface, start, "t", np.linspace(6.0, 10.0, 25))
    assert curve.stopped == ""
    native = curve.points @ turn.T
    np.testing.assert_allclose(native[:, 1], 5.0, atol=0.02)
    np.testing.assert_allclose(np.hypot(native[:, 0], native[:, 2]), curve.values, rtol=3e-3)


@pytest.mark.parametrize("dim", [3])
def test_on_a_cylinder_the_height_changes_along_a_straight_line(dim):
    generator = np.random.default_rng(3)
    angle, height = generator.uniform(-np.pi, np.pi, COUNT), generator.uniform(0.0, 4.0, COUNT)
    turn = embedding(3, dim)
    points = np.stack([np.cos(angle), np.sin(angle), height], axis=1) @ turn
    surface = Surface(points, np.stack([angle, height], axis=1), ("angle", "height"))
    curve = factor_curve(surface, np.array([0.0, 1.0, 1.0]) @ turn, "height", np.linspace(1.0, 3.0, 9))
    native = curve.points @ turn.T
    np.testing.assert_allclose(native[:, :2], np.tile([0.0, 1.0], (9, 1)), atol=3e-3)
    np.testing.assert_allclose(native[:, 2], curve.values, atol=3e-3)


@pytest.mark.parametrize("dim", [2, 8])
def test_linear_labels_on_a_plane_give_straight_lines(dim):
    native, turn = np.random.default_rng(4).uniform(-1.0, 1.0, (COUNT, 2)), embedding(2, dim)
    surface = Surface(native @ turn, np.stack([native[:, 0] + native[:, 1], native[:, 1]], axis=1))
    assert surface.neighbours == max(error.neighbours for error in surface.loo_errors)  # all are exact
    curve = factor_curve(surface, np.array([-0.5, 0.2]) @ turn, 0, np.linspace(-0.3, 0.7, 5))
    expected = np.stack([np.linspace(-0.5, 0.5, 5), np.full(5, 0.2)], axis=1)
    np.testing.assert_allclose(curve.points @ turn.T, expected, atol=1e-5)


def test_the_values_come_in_the_order_asked_for_and_may_lie_on_both_sides_of_the_start():
    surface, turn = annulus(3)
    asked = np.array([0.5, -0.4, 0.0, 1.0])
    curve = factor_curve(surface, np.array([1.0, 0.0]) @ turn, "theta", asked)
    np.testing.assert_allclose(curve.values, asked, atol=1e-6)


def test_the_tangent_at_the_start_touches_the_curve():
    surface, turn = annulus(3)
    place, motion, label = tangent(surface, np.array([1.0, 0.0]) @ turn, "theta")
    np.testing.assert_allclose(place @ turn.T, [1.0, 0.0], atol=1e-4)
    np.testing.assert_allclose(motion @ turn.T, [0.0, 1.0], atol=5e-3)
    assert label == pytest.approx(0.0, abs=2e-3)


# Whole curves and the net -------------------------------------------------------------------------------------------


def test_an_isoline_runs_from_one_edge_of_the_data_to_the_other_in_even_steps():
    surface, turn = annulus(3)
    curve = factor_curve(surface, np.array([0.0, 1.2]) @ turn, "r")
    assert curve.stopped == END_OF_DATA
    assert curve.extent[0] == pytest.approx(0.5, abs=0.12)
    assert curve.extent[1] == pytest.approx(2.0, abs=0.12)
    steps = np.linalg.norm(np.diff(curve.points, axis=0), axis=1)
    assert steps.std() < 0.02 * steps.mean()
    assert np.abs(np.arctan2(*(curve.points @ turn.T).T)).max() < 0.02  # theta stays π/2


def test_a_curve_ends_at_a_hole_instead_of_leaping_over_it():
    generator = np.random.default_rng(5)
    native = generator.uniform(-1.0, 1.0, (5000, 2))
    native = native[np.linalg.norm(native, axis=1) > 0.3]
    points = np.hstack([native, np.sin(native[:, :1])])
    curve = factor_curve(Surface(points, native), np.array([-0.8, 0.0, np.sin(-0.8)]), 0, np.linspace(-0.8, 0.8, 33))
    assert curve.stopped == END_OF_DATA
    assert len(curve.points) < 33
    assert -0.36 < curve.points[-1, 0] < -0.2


def test_gridlines_hold_their_label_and_cover_the_sheet():
    surface, turn = annulus(3)
    lines = gridlines(surface, (4, 6), ("r", "theta"))
    values = {(line.family, round(line.value, 6)) for line in lines}
    assert sum(family == "r" for family, _ in values) == 4
    assert sum(family == "theta" for family, _ in values) == 6
    for line in lines:
        native = line.points @ turn.T
        truth = np.linalg.norm(native, axis=1) if line.family == "r" else np.arctan2(native[:, 1], native[:, 0])
        assert np.median(np.abs(truth - line.value)) < 2e-3
    radial = [line for line in lines if line.family == "theta"]
    lengths = [np.linalg.norm(np.diff(line.points, axis=0), axis=1).sum() for line in radial]
    assert np.median(lengths) > 1.35  # of 1.5


def test_a_gridline_goes_on_behind_a_hole():
    generator = np.random.default_rng(6)
    native = generator.uniform(-1.0, 1.0, (5000, 2))
    native = native[np.linalg.norm(native, axis=1) > 0.4]
    surface = Surface(np.hstack([native, np.zeros((len(native), 1))]), native, ("x", "y"))
    lines = gridlines(surface, 3)
    middle = [line for line in lines if line.family == "x" and abs(line.value) < 0.1]
    assert len(middle) == 2
    covered = np.concatenate([line.points[:, 1] for line in middle])
    assert covered.min() < -0.9
    assert covered.max() > 0.9
    assert np.abs(covered).min() > 0.3


def test_with_a_third_label_on_a_thick_cloud_the_net_stays_in_one_sheet():
    points = np.random.default_rng(7).uniform(-1.0, 1.0, (6000, 3))
    lines = gridlines(Surface(points, points, ("x", "y", "z"), intrinsic=3), 3)
    assert len(lines) == 6
    assert np.abs(np.concatenate([line.points[:, 2] for line in lines])).max() < 0.06


def test_a_net_needs_two_labels():
    points = np.random.default_rng(0).uniform(size=(200, 2))
    with pytest.raises(GeometryError, match="label is 1"):
        gridlines(Surface(points, points[:, :1], ("x",)))


# What cannot be done is said ----------------------------------------------------------------------------------------


def test_with_one_label_nothing_is_held_and_the_curve_says_so():
    points = np.random.default_rng(0).uniform(size=(1500, 2))
    curve = factor_curve(Surface(points, points[:, 0], ("x",)), points[0], "x", np.linspace(points[0, 0], 0.5, 5))
    assert curve.note == "no other factors are known, so none is held constant"


def test_labels_that_depend_on_one_another_leave_no_direction():
    points = np.random.default_rng(0).uniform(size=(1500, 2))
    surface = Surface(points, np.stack([points[:, 0], 2.0 * points[:, 0]], axis=1))
    curve = factor_curve(surface, points[0], 0, np.array([points[0, 0], 0.5]))
    assert curve.stopped == NOT_HELD
    assert curve.conditioning > ILL_CONDITIONED
    assert "nearly indistinguishable" in curve.note


def test_a_constant_label_is_held_by_itself_but_cannot_be_followed():
    points = np.random.default_rng(0).uniform(size=(1500, 2))
    surface = Surface(points, np.stack([points[:, 0], np.ones(1500)], axis=1), ("x", "one"))
    assert factor_curve(surface, np.array([0.5, 0.5]), "x", np.array([0.5, 0.6])).stopped == ""
    with pytest.raises(GeometryError, match="one is the same for all samples"):
        factor_curve(surface, points[0], "one")


def test_a_value_that_no_sample_has_is_out_of_reach():
    surface, turn = annulus(3)
    curve = factor_curve(surface, np.array([0.0, 1.0]) @ turn, "r", np.array([1.0, 1.5, 7.0]))
    assert curve.stopped == OUT_OF_REACH
    assert len(curve.points) == 2


def test_a_curve_ends_where_its_label_is_greatest_which_is_the_usual_end_of_a_whole_one():
    native = np.random.default_rng(0).uniform(-1.0, 1.0, (COUNT, 2))
    labels = np.stack([1.0 - native[:, 0] ** 2, native[:, 1]], axis=1)
    curve = factor_curve(Surface(native, labels), np.array([-0.6, 0.0]), 0)
    assert curve.stopped == END_OF_DATA
    assert curve.extent[1] == pytest.approx(1.0, abs=0.02)
    np.testing.assert_allclose(curve.points[:, 1], 0.0, atol=2e-3)


def test_a_curve_that_ends_at_a_lesser_summit_says_that_the_rest_is_out_of_reach():
    native = np.random.default_rng(0).uniform(-1.3, 1.3, (COUNT, 2))
    labels = np.stack([native[:, 0] ** 3 - 0.75 * native[:, 0], native[:, 1]], axis=1)  # a summit at -1/2, of 1/4
    curve = factor_curve(Surface(native, labels), np.array([-0.9, 0.0]), 0)
    assert curve.stopped == OUT_OF_REACH
    assert curve.extent[1] == pytest.approx(0.25, abs=0.03)


def test_a_line_of_samples_is_followed_along_itself():
    t = np.random.default_rng(0).uniform(size=500)
    points = t[:, None] * np.array([1.0, 2.0, 2.0])
    surface = Surface(points, t, ("t",))
    assert surface.intrinsic == 1
    curve = factor_curve(surface, points[np.argmin(np.abs(t - 0.3))], "t", np.linspace(0.3, 0.7, 5))
    np.testing.assert_allclose(curve.points, np.linspace(0.3, 0.7, 5)[:, None] * [1.0, 2.0, 2.0], atol=1e-5)


def test_samples_that_occur_several_times_change_little():
    points = np.random.default_rng(0).uniform(size=(1000, 2))
    surface = Surface(np.repeat(points, 3, axis=0), np.repeat(points, 3, axis=0), intrinsic=2)
    curve = factor_curve(surface, np.array([0.3, 0.5]), 0, np.linspace(0.3, 0.6, 4))
    np.testing.assert_allclose(curve.points[:, 1], 0.5, atol=1e-4)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(2, 30), st.integers(1, 4), st.booleans(), st.integers(0, 99))
def test_few_or_coinciding_samples_give_a_finite_curve_or_a_reason(count, dim, coincide, seed):
    points = np.random.default_rng(seed).uniform(size=(count, dim))
    labels = np.arange(count, dtype=np.float64)
    if coincide:
        points[:] = points[0]
    curve = factor_curve(Surface(points, labels), points[0], 0)
    assert len(curve.points) >= 1
    assert np.isfinite(curve.points).all()
    assert curve.stopped


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "size"}, "label is 'size'; the labels are r, theta"),
        ({"target": 2}, "label is 2"),
        ({"start": np.zeros(2)}, r"start is array\(\[0., 0.\]\); it must be 3 finite numbers"),
        ({"start": np.array([0.0, np.nan, 0.0])}, "3 finite numbers"),
        ({"values": np.array([np.inf])}, "finite numbers"),
        ({"values": np.empty(0)}, "finite numbers"),
    ],
)
def test_requests_that_make_no_sense_are_refused(change, message):
    surface, turn = annulus(3)
    arguments = {"start": np.array([1.0, 0.0]) @ turn, "target": "theta", "values": None, **change}
    with pytest.raises(GeometryError, match=message):
        factor_curve(surface, **arguments)


# The surface --------------------------------------------------------------------------------------------------------


def test_noisy_labels_ask_for_a_larger_neighbourhood_than_clean_ones():
    generator = np.random.default_rng(0)
    points = generator.uniform(-1.0, 1.0, (COUNT, 2))
    clean = np.stack([np.sin(3.0 * points[:, 0]), points[:, 1]], axis=1)
    noisy = clean + generator.normal(scale=0.3, size=clean.shape)
    assert Surface(points, clean).neighbours < 100
    assert Surface(points, noisy).neighbours > 150


def test_the_choice_of_neighbourhood_is_the_same_every_time():
    points = np.random.default_rng(0).normal(size=(COUNT, 3))
    assert Surface(points, points[:, :1]).loo_errors == Surface(points, points[:, :1]).loo_errors


def test_the_largest_neighbourhood_within_five_percent_of_the_best_is_chosen():
    errors = [LooError(k, (), 0.0, score) for k, score in ((24, 1.04), (48, 1.0), (96, 1.049), (192, 1.06))]
    assert chosen_neighbours(errors, 5000) == 96
    assert chosen_neighbours([], 9) == 8


def test_a_large_cloud_is_represented_by_landmarks(monkeypatch):
    monkeypatch.setattr(surface_module, "MAX_LANDMARKS", 800)
    points = np.random.default_rng(0).uniform(size=(COUNT, 2))
    surface = Surface(points, points)
    assert len(surface.samples) == 800
    np.testing.assert_array_equal(surface.samples.points, surface.table)
    np.testing.assert_allclose(surface.labels_at(np.array([[0.4, 0.6]])), [[0.4, 0.6]], atol=1e-5)


@pytest.mark.parametrize("members", [np.arange(COUNT), np.arange(0, COUNT, 3)])
def test_relabelling_holds_what_the_decoder_draws_instead_of_what_the_samples_were(members):
    surface, turn = annulus(3)

    def drawn(native: np.ndarray) -> np.ndarray:
        """A decoder that draws petals: the radius is off by up to 3 %, depending on theta."""
        return native * (1.0 + 0.03 * np.sin(2.0 * np.arctan2(native[:, 1], native[:, 0])))[:, None]

    places = surface.samples.points[members]
    corrected = surface.relabelled(drawn(places @ turn.T) @ turn, members)
    radius = {}
    for name, steered in (("plain", surface), ("corrected", corrected)):
        curve = factor_curve(steered, np.array([1.2, 0.0]) @ turn, "theta", np.linspace(0.0, 2.0, 21))
        radius[name] = np.linalg.norm(drawn(curve.points @ turn.T), axis=1)
    assert np.ptp(radius["plain"]) > 0.06
    assert np.ptp(radius["corrected"]) < 0.006


def test_relabelling_needs_means_on_the_data():
    surface, _ = annulus(2)
    with pytest.raises(GeometryError, match="only 0 are encoded on the data"):
        surface.relabelled(np.full((COUNT, 2), 50.0), np.arange(COUNT))


def test_wrong_labels_and_names_are_refused():
    points = np.random.default_rng(0).uniform(size=(50, 2))
    with pytest.raises(GeometryError, match=r"labels have shape \(49, 1\)"):
        Surface(points, np.zeros((49, 1)))
    with pytest.raises(GeometryError, match="row 3"):
        Surface(points, np.where(np.arange(50) == 3, np.nan, 0.0))
    with pytest.raises(GeometryError, match="2 different ones"):
        Surface(points, points, ("x", "x"))
    with pytest.raises(GeometryError, match="intrinsic is 3"):
        Surface(points, points, intrinsic=3)
    with pytest.raises(GeometryError, match="2 or more"):
        Surface(points[:1], points[:1])


def test_without_labels_the_surface_still_projects():
    points = np.random.default_rng(0).uniform(size=(500, 2))
    surface = Surface(np.hstack([points, np.zeros((500, 1))]))
    np.testing.assert_allclose(surface.project(np.array([[0.5, 0.5, 0.02]])).surface, [[0.5, 0.5, 0.0]], atol=1e-9)
    with pytest.raises(GeometryError, match="give labels"):
        factor_curve(surface, np.zeros(3), 0)
