"""Latent paths: splines with known answers, even speed, immutable edits, and a strict file format."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.interpolate import CubicSpline

from core.paths.latent_path import SPLINE_KINDS, ImageLength, LatentPath, PathError, hermite, image_length_table, pool
from core.paths.recipe import Recipe, RecipeError

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
finite = st.floats(-1e3, 1e3, width=32)
controls = hnp.arrays(np.float32, st.tuples(st.integers(1, 7), st.integers(1, 4)), elements=finite)


def half_circle(points: int = 9) -> np.ndarray:
    angle = np.linspace(0.0, np.pi, points)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def steps(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.diff(points.astype(np.float64), axis=0), axis=1)


def barry_goldman(p: np.ndarray, t: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The pyramid of linear interpolations over four points p and knots t (Barry and Goldman 1988)."""

    def blend(a: np.ndarray, b: np.ndarray, ta: float, tb: float) -> np.ndarray:
        return ((tb - at)[:, None] * a + (at - ta)[:, None] * b) / (tb - ta)

    a1, a2, a3 = (blend(p[i], p[i + 1], t[i], t[i + 1]) for i in range(3))
    b1, b2 = blend(a1, a2, t[0], t[2]), blend(a2, a3, t[1], t[3])
    return blend(b1, b2, t[1], t[2])


# The curves -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["catmull-rom", "natural"])
def test_half_circle_through_nine_points_has_length_pi(kind):
    assert abs(LatentPath(half_circle(), kind=kind).length - np.pi) < 5e-3


@pytest.mark.parametrize("kind", ["catmull-rom", "natural"])
def test_closed_circle_has_length_two_pi_and_no_seam(kind):
    circle = half_circle(17)[:-1]
    whole = np.vstack([circle, -circle])
    path = LatentPath(whole, closed=True, kind=kind)
    assert abs(path.length - 2.0 * np.pi) < 5e-3
    assert np.abs(np.linalg.norm(path.sample(999), axis=1) - 1.0).max() < 1e-3
    np.testing.assert_array_equal(path.evaluate(0.0), path.evaluate(float(path.segments)))
    before, after = path.evaluate(path.segments - 1e-3), path.evaluate(1e-3)
    np.testing.assert_allclose(after - path.control[0], path.control[0] - before, atol=1e-5)


def test_catmull_rom_is_the_barry_goldman_pyramid():
    p = np.random.default_rng(3).normal(size=(6, 3))
    t = np.concatenate([[0.0], np.cumsum(np.sqrt(np.linalg.norm(np.diff(p, axis=0), axis=1)))])
    curve = hermite(p, "catmull-rom", closed=False)
    for i in range(1, 4):
        u = np.linspace(0.0, 1.0, 11)
        expected = barry_goldman(p[i - 1 : i + 3], t[i - 1 : i + 3], t[i] + u * (t[i + 1] - t[i]))
        np.testing.assert_allclose(curve.evaluate(np.minimum(i + u, i + 1 - 1e-12)), expected, atol=1e-9)


@pytest.mark.parametrize(("closed", "points"), [(False, 2), (False, 7), (True, 3), (True, 8)])
def test_natural_cubic_is_scipys(closed, points):
    p = np.random.default_rng(points).normal(size=(points, 2))
    around = np.vstack([p, p[:1]]) if closed else p
    t = np.concatenate([[0.0], np.cumsum(np.sqrt(np.linalg.norm(np.diff(around, axis=0), axis=1)))])
    reference = CubicSpline(t, around, bc_type="periodic" if closed else "natural")
    curve = hermite(p, "natural", closed)
    for i in range(curve.segments):
        u = np.linspace(0.0, 0.999, 9)
        np.testing.assert_allclose(curve.evaluate(i + u), reference(t[i] + u * (t[i + 1] - t[i])), atol=1e-12)


@pytest.mark.parametrize("kind", SPLINE_KINDS)
def test_collinear_points_give_a_straight_line_that_never_turns_back(kind):
    direction = np.array([1.0, -2.0, 0.5])
    path = LatentPath(np.outer([0.0, 0.1, 0.15, 2.0, 2.1, 5.0], direction), kind=kind)
    curve = path.sample(500).astype(np.float64)
    off = curve - np.outer(curve @ direction / (direction @ direction), direction)
    assert np.abs(off).max() < 1e-6
    if kind != "natural":  # a natural spline may overshoot between uneven points; the centripetal one does not
        assert (np.diff(curve @ direction) > -1e-6).all()


def test_centripetal_segments_have_no_cusp_where_uniform_ones_do():
    path = LatentPath(np.array([[0.0, 0.0], [1.0, 0.0], [1.05, 0.02], [0.0, 1.0]]))
    speed = steps(path.sample(2000))
    segment = speed[len(speed) // 3 : 2 * len(speed) // 3]
    assert segment.min() > 0.2 * segment.max()


@unhurried
@given(controls, st.booleans(), st.sampled_from(SPLINE_KINDS))
def test_every_curve_passes_through_its_control_points(control, closed, kind):
    path = LatentPath(control, closed, kind)
    u = np.arange(len(control)) if path.segments else np.zeros(1)
    scale = 1.0 + np.abs(control).max()
    assert np.abs(path.evaluate(u) - control).max() <= 1e-5 * scale
    assert np.isfinite(path.sample(50)).all()
    assert path.resample(7).shape == (7, control.shape[1])


def test_coinciding_neighbours_rest_and_do_not_bend_the_curve():
    once = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    twice = LatentPath(once[[0, 0, 1, 1, 2]])
    assert twice.length == pytest.approx(LatentPath(once).length, rel=1e-9)
    np.testing.assert_allclose(twice.resample(31), LatentPath(once).resample(31), atol=1e-6)
    np.testing.assert_array_equal(twice.evaluate(0.5), once[0])


def test_single_point_and_fully_coinciding_points_are_paths_of_no_length():
    for control in (np.ones((1, 3)), np.ones((4, 3))):
        for closed in (False, True):
            path = LatentPath(control, closed)
            assert path.length == 0.0
            np.testing.assert_array_equal(path.resample(5), np.ones((5, 3), dtype=np.float32))


# Even speed ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SPLINE_KINDS)
def test_resampling_keeps_the_speed_constant(kind):
    speed = steps(LatentPath(half_circle(), kind=kind).resample(257))
    assert speed.std() / speed.mean() < 1e-3


def test_resampling_a_closed_path_loops_evenly():
    path = LatentPath(np.vstack([half_circle(17)[:-1], -half_circle(17)[:-1]]), closed=True)
    points = path.resample(65)
    np.testing.assert_allclose(points[0], points[-1], atol=1e-6)
    speed = steps(points)
    assert speed.std() / speed.mean() < 1e-3


@unhurried
@given(controls, st.lists(st.floats(0.0, 1.0), min_size=2, max_size=20))
def test_parameter_of_arc_length_is_monotone_and_bounded(control, shares):
    path = LatentPath(control)
    u = path.parameter(np.sort(shares))
    assert (np.diff(u) >= 0.0).all()
    assert (u >= 0.0).all()
    assert (u <= path.segments).all()
    assert float(path.parameter(0.0)) == 0.0
    assert float(path.parameter(1.0)) == path.segments


def test_share_inverts_parameter():
    path = LatentPath(np.random.default_rng(0).normal(size=(6, 3)))
    s = np.linspace(0.0, 1.0, 33)
    np.testing.assert_allclose(path.share(path.parameter(s)), s, atol=1e-9)


def test_nearest_finds_the_place_and_its_segment():
    path = LatentPath([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]], kind="straight")
    s, segment = path.nearest(np.array([2.0, 0.7]))
    assert segment == 1
    assert s == pytest.approx(2.0 / 3.0, abs=1e-6)
    assert path.nearest(np.array([-5.0, 1.0])) == (0.0, 0)
    assert path.nearest(np.array([9.0, 1.0])) == (1.0, 1)


# Edits --------------------------------------------------------------------------------------------------------------


def test_edits_make_new_paths_and_leave_the_old_one_alone():
    path = LatentPath(half_circle(4))
    kept = path.control.copy()
    moved = path.moved(1, np.array([5.0, 5.0]))
    np.testing.assert_array_equal(moved.control[1], [5.0, 5.0])
    assert len(path.appended(np.zeros(2))) == 5
    np.testing.assert_array_equal(path.with_point(0, np.zeros(2)).control[0], [0.0, 0.0])
    np.testing.assert_array_equal(path.removed(0).control, kept[1:])
    assert path.with_closed(True).segments == 4
    assert path.with_kind("straight").kind == "straight"
    np.testing.assert_array_equal(path.control, kept)
    assert path == LatentPath(kept)
    assert path != moved
    with pytest.raises(ValueError, match="read-only"):
        path.control[0] = 0.0


def test_impossible_edits_say_what_is_possible():
    path = LatentPath(half_circle(3))
    with pytest.raises(PathError, match="control points are 0 to 2"):
        path.removed(3)
    with pytest.raises(PathError, match="must be 2 finite numbers"):
        path.moved(0, np.array([1.0, np.nan]))
    with pytest.raises(PathError, match="can be inserted at 0 to 3"):
        path.with_point(4, np.zeros(2))
    with pytest.raises(PathError, match="clear the path"):
        LatentPath(np.zeros((1, 2))).removed(0)
    with pytest.raises(PathError, match=r"must be \(m, d\)"):
        LatentPath(np.zeros(3))
    with pytest.raises(PathError, match="not finite, in point 1"):
        LatentPath(np.array([[0.0], [np.inf]]))
    with pytest.raises(PathError, match="must be one of catmull-rom, natural, straight"):
        LatentPath(np.zeros((2, 2)), kind="bezier")  # type: ignore[arg-type]


# Files --------------------------------------------------------------------------------------------------------------


@unhurried
@given(controls, st.booleans(), st.sampled_from(SPLINE_KINDS))
@example(np.array([[1.0], [1e-45], [0.0]], np.float32), False, "natural")  # neighbours that rounding makes one
def test_json_round_trip_is_exact(control, closed, kind):
    path = LatentPath(control, closed, kind)
    again = LatentPath.from_dict(json.loads(json.dumps(path.to_dict())))
    assert again == path
    assert hash(again) == hash(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("ab1", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab1", max_size=5), inner, max_size=3),
    max_leaves=8,
)


@unhurried
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("schema", "kind", "closed", "control", "more"), json_values)))
def test_malformed_objects_are_refused_by_name(value):
    with pytest.raises(PathError, match=r"^a\.json: "):
        LatentPath.from_dict(value | {"schema": value.get("schema", 2)}, "a.json")


@pytest.mark.parametrize(
    "change", [{"schema": 2}, {"closed": 1}, {"kind": ["natural"]}, {"control": [[1.0], [1.0, 2.0]]}]
)
def test_one_wrong_field_is_enough(change):
    value = LatentPath(half_circle(3)).to_dict() | change
    with pytest.raises(PathError, match=next(iter(change))):
        LatentPath.from_dict(value)


def test_what_a_recipe_holds_is_kept_and_older_files_have_none():
    recipe = Recipe("factor curve", np.zeros(2), None, "a", 1.0, held=("b", "c"), dimension=2)
    stored = json.loads(json.dumps(recipe.to_dict()))
    assert Recipe.from_dict(stored) == recipe
    assert (Recipe.from_dict(stored).held, Recipe.from_dict(stored).dimension) == (("b", "c"), 2)
    plain = Recipe("factor curve", np.zeros(2), None, "a", 1.0).to_dict()
    assert set(plain) == {"kind", "start", "end", "target", "value", "penalty"}
    assert Recipe.from_dict(plain).held is None
    for wrong in ({"held": "b"}, {"held": [1]}, {"dimension": 0}, {"dimension": True}):
        with pytest.raises(RecipeError, match=next(iter(wrong))):
            Recipe.from_dict(stored | wrong)


# Image speed --------------------------------------------------------------------------------------------------------


def moving_bar(places: np.ndarray, size: int = 256) -> np.ndarray:
    """A one-pooling-cell-high block of brightness whose position is measured in cells."""
    cell = size // 16
    images = np.zeros((len(places), size, size, 1), dtype=np.uint8)
    for image, place in zip(images, places, strict=True):
        start = round(place * cell)
        image[:cell, start : start + cell] = 255
    return images


def test_pooling_averages_sixteenths_of_the_image():
    image = np.zeros((1, 64, 32, 3), dtype=np.uint8)
    image[0, :4, :2] = (255, 51, 0)
    pooled = pool(image).reshape(16, 16, 3)
    np.testing.assert_allclose(pooled[0, 0], [1.0, 0.2, 0.0])
    assert pooled.sum() == pytest.approx(1.2)


def test_pooling_keeps_the_mean_of_sizes_that_sixteen_does_not_divide():
    image = np.full((2, 100, 37, 1), 128, dtype=np.uint8)
    np.testing.assert_allclose(pool(image), 128 / 255)


def test_pooled_image_length_barely_depends_on_the_number_of_frames():
    few = image_length_table(moving_bar(np.linspace(0.0, 8.0, 17))).length
    many = image_length_table(moving_bar(np.linspace(0.0, 8.0, 129))).length
    assert few / many > 0.95


def test_constant_image_speed_spends_its_frames_where_the_image_moves():
    s = np.linspace(0.0, 1.0, 65)
    places = np.where(s < 0.5, 0.0, (s - 0.5) * 16.0)  # nothing moves in the first half
    table = image_length_table(moving_bar(places))
    assert table.count == 65
    t = np.linspace(0.0, 1.0, 21)
    again = table.to_latent(t)
    assert again[0] == 0.0
    assert again[1] > 0.5
    assert again[-1] == 1.0
    assert (np.diff(again) > 0.0).all()
    np.testing.assert_allclose(table.from_latent(again), t, atol=1e-9)
    speed = np.diff(np.interp(again[1:], s, places))
    assert speed.std() / speed.mean() < 0.05


def test_an_unchanging_image_is_played_at_latent_speed():
    table = image_length_table(np.zeros((5, 32, 32, 1), dtype=np.uint8))
    assert table.length == 0.0
    np.testing.assert_allclose(table.to_latent([0.0, 0.3, 1.0]), [0.0, 0.3, 1.0])
    np.testing.assert_allclose(table.from_latent([0.0, 0.3, 1.0]), [0.0, 0.3, 1.0])


@unhurried
@given(st.lists(st.floats(0.0, 5.0), min_size=1, max_size=20), st.lists(st.floats(0.0, 1.0), min_size=2, max_size=9))
def test_image_pace_is_monotone_for_any_chords(chords, shares):
    cumulated = np.concatenate([[0.0], np.cumsum(chords)])
    table = ImageLength(np.linspace(0.0, 1.0, len(cumulated)), cumulated)
    s = table.to_latent(np.sort(shares))
    assert (np.diff(s) >= 0.0).all()
    assert s.min() >= 0.0
    assert s.max() <= 1.0


def test_the_window_can_import_paths_without_scipy_or_torch():
    code = "import sys, core.paths.latent_path; sys.exit(bool({'scipy', 'torch', 'PIL', 'sklearn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
