"""Strokes lifted onto surfaces that are known: a sphere, a folded sheet, a sheet with a hole; 1, 2 and 5 dimensions."""

from __future__ import annotations

import numpy as np
import pytest

from core.geometry.embedding_metrics import intrinsic_dimension
from core.geometry.local_fit import GeometryError, Neighbourhoods
from core.geometry.stroke_lifting import CONTROL_POINTS, TOLERANCE, ScreenCamera, lift_stroke, simplify_stroke
from core.paths.latent_path import LatentPath

VIEWPORT = (900.0, 700.0)


def camera(azimuth: float = 30.0, elevation: float = 20.0, orthographic: bool = False) -> ScreenCamera:
    """Looks at the origin from distance 4; 60° of view, or as wide orthographically."""
    a, e = np.radians([azimuth, elevation])
    forward = -np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    look = np.eye(4)
    look[:3, :3] = right, np.cross(right, forward), -forward
    look[2, 3] = -4.0
    near, far, cotangent = 0.1, 100.0, 1.0 / np.tan(np.radians(30.0))
    scale = np.array([cotangent * VIEWPORT[1] / VIEWPORT[0], cotangent])
    lens = np.zeros((4, 4))
    if orthographic:
        lens[[0, 1], [0, 1]] = scale / 4.0
        lens[2, 2:], lens[3, 3] = (-2.0 / (far - near), -(far + near) / (far - near)), 1.0
    else:
        lens[[0, 1], [0, 1]] = scale
        lens[2, 2:], lens[3, 2] = (-(far + near) / (far - near), -2.0 * far * near / (far - near)), -1.0
    return ScreenCamera(lens @ look, VIEWPORT)


def sphere(count: int = 5000) -> np.ndarray:
    directions = np.random.default_rng(0).normal(size=(count, 3))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def folded(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A sheet folded twice along x, seen edge-wise from the front."""
    return np.stack([u, 0.6 * np.sin(3.0 * u), v], axis=-1)


def sheet(count: int = 6000, hole: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    uv = np.random.default_rng(1).uniform(-1.0, 1.0, (count, 2))
    return folded(*uv[np.linalg.norm(uv, axis=1) >= hole].T), uv


def away_from(curve: np.ndarray, truth: np.ndarray) -> float:
    """Largest distance of a curve point from the true curve."""
    return float(np.linalg.norm(curve[:, None] - truth[None], axis=2).min(axis=1).max())


def off_the_stroke(curve: np.ndarray, stroke: np.ndarray, eye: ScreenCamera) -> float:
    """Largest distance in pixels of a point of ``curve`` (K, 3) from the stroke."""
    places = np.linspace(0, len(stroke) - 1, 2000)
    dense = np.stack([np.interp(places, np.arange(len(stroke)), axis) for axis in stroke.T], axis=1)
    return away_from(eye.to_screen(curve.astype(np.float64)), dense)


def off_the_path(curve: np.ndarray) -> tuple[LatentPath, float]:
    """A curve's path, and the largest distance of a point of the curve from it, in lengths of the curve."""
    path = simplify_stroke(curve)
    length = np.linalg.norm(np.diff(curve, axis=0), axis=1).sum()
    return path, away_from(curve, path.sample(5000).astype(np.float64)) / length


# The camera ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orthographic", [False, True])
def test_the_camera_puts_the_origin_in_the_middle_and_up_above_it(orthographic):
    eye = camera(orthographic=orthographic)
    middle, above = eye.to_screen(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.5]]))
    np.testing.assert_allclose(middle, [450.0, 350.0], atol=1e-9)
    assert above[0] == pytest.approx(450.0)
    assert above[1] < 350.0
    towards = -np.array([np.cos(np.radians(20)) * np.cos(np.radians(30)), 0.25, np.sin(np.radians(20))])
    assert np.diff(eye.depth(np.stack([-towards, towards])))[0] > 0.0


@pytest.mark.parametrize("orthographic", [False, True])
def test_the_cameras_jacobian_is_its_derivative(orthographic):
    eye, places = camera(orthographic=orthographic), np.random.default_rng(0).uniform(-1.0, 1.0, (5, 3))
    steps = [(eye.to_screen(places + h) - eye.to_screen(places - h)) / 2e-5 for h in 1e-5 * np.eye(3)]
    np.testing.assert_allclose(eye.jacobian(places), np.stack(steps, axis=2), rtol=1e-6, atol=1e-5)


def test_points_behind_the_eye_have_no_pixel():
    assert np.isnan(camera().to_screen(np.array([[10.0, 6.0, 4.0]]))).all()


# Lifting ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orthographic", [False, True])
def test_a_stroke_over_a_sphere_lies_on_its_near_side_under_the_hand(orthographic):
    points, eye = sphere(), camera(orthographic=orthographic)
    t = np.linspace(0.0, 3.0, 50)
    stroke = np.stack([330.0 + 80.0 * t, 350.0 + 60.0 * np.sin(t)], axis=1)
    lifted = lift_stroke(stroke, points, points, eye)
    assert lifted.dtype == np.float32
    assert np.abs(np.linalg.norm(lifted, axis=1) - 1.0).max() < 1e-3
    assert (eye.depth(lifted) < eye.depth(np.zeros((1, 3)))).all()
    assert off_the_stroke(lifted, stroke, eye) < 6.0
    ends = eye.to_screen(lifted[[0, -1]].astype(np.float64))
    np.testing.assert_allclose(ends, stroke[[0, -1]], atol=3.0)


def test_a_stroke_stays_on_its_sheet_where_another_fold_comes_before_it():
    points, _ = sheet()
    errors = []
    for azimuth in (-80.0, -70.0, -60.0, -50.0):
        eye = camera(azimuth, 25.0)
        u = np.linspace(0.6, -0.7, 80)  # over a crest and through the valley that it hides in part
        truth = folded(u, 0.3 * u)
        stroke = eye.to_screen(truth) + np.random.default_rng(2).normal(scale=0.7, size=(80, 2))
        lifted = lift_stroke(stroke, points, points, eye)
        errors.append(away_from(lifted, folded(np.linspace(0.7, -0.8, 400), 0.3 * np.linspace(0.7, -0.8, 400))))
        assert np.linalg.norm(np.diff(lifted, axis=0), axis=1).max() < 0.25  # no leap between the folds
    assert max(errors) < 0.1


def test_a_stroke_across_a_hole_is_carried_over_it():
    points, _ = sheet(8000, hole=0.25)
    eye = camera(-90.0, 10.0)
    u = np.linspace(-0.2, 0.2, 60)
    v = np.linspace(-0.8, 0.8, 60)
    lifted = lift_stroke(eye.to_screen(folded(u, v)), points, points, eye)
    assert away_from(lifted, folded(u, v)) < 0.05
    steps = np.linalg.norm(np.diff(lifted, axis=0), axis=1)
    assert steps.max() < 3.0 * np.median(steps)


def test_ends_over_the_background_are_cut_off():
    points = sphere()
    stroke = np.stack([np.linspace(20.0, 450.0, 80), np.full(80, 350.0)], axis=1)
    lifted = lift_stroke(stroke, points, points, camera())
    assert 0.3 * 430 < np.ptp(camera().to_screen(lifted.astype(np.float64))[:, 0]) < 0.7 * 430
    assert np.abs(np.linalg.norm(lifted, axis=1) - 1.0).max() < 0.02


def test_five_latent_dimensions_are_lifted_through_three_drawn_ones():
    surface = sphere()
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(5, 5)))[0]
    latents = np.hstack([surface, surface[:, :1] * surface[:, 1:2], np.full((5000, 1), 2.0)]) @ turn
    view = (latents - latents.mean(axis=0)) @ turn.T[:, :3]
    stroke = np.stack([np.linspace(380.0, 520.0, 40), np.linspace(300.0, 400.0, 40)], axis=1)
    lifted = lift_stroke(stroke, latents, view, camera())
    back = lifted @ turn.T
    assert lifted.shape[1] == 5
    assert np.abs(np.linalg.norm(back[:, :3], axis=1) - 1.0).max() < 5e-3
    np.testing.assert_allclose(back[:, 3], back[:, 0] * back[:, 1], atol=5e-3)
    np.testing.assert_allclose(back[:, 4], 2.0, atol=1e-4)
    assert off_the_stroke((lifted - latents.mean(axis=0)) @ turn.T[:, :3], stroke, camera()) < 6.0


@pytest.mark.parametrize("dim", [1, 2])
def test_flat_clouds_are_followed_as_drawn(dim):
    latents = np.random.default_rng(0).uniform(-1.0, 1.0, (3000, dim))
    view = np.zeros((3000, 3))
    view[:, :dim] = latents
    flat = ScreenCamera(np.diag([0.8, 0.8, -0.01, 1.0]), VIEWPORT)
    t = np.linspace(-0.7, 0.7, 60)
    truth = np.stack([t, 0.3 * np.sin(4.0 * t) * (dim - 1), 0.0 * t], axis=1)
    lifted = lift_stroke(flat.to_screen(truth), latents, view, flat)
    assert lifted.shape[1] == dim
    assert away_from(lifted, truth[:, :dim]) < 0.03
    np.testing.assert_allclose(lifted[[0, -1], 0], [-0.7, 0.7], atol=0.02)


def test_a_hundred_thousand_samples_give_the_same_curve_as_five_thousand():
    eye = camera()
    stroke = np.stack([np.linspace(350.0, 550.0, 50), np.linspace(400.0, 300.0, 50)], axis=1)
    few, many = (lift_stroke(stroke, sphere(n), sphere(n), eye) for n in (5000, 100_000))
    assert np.abs(few - many).max() < 0.02


def test_strokes_that_mean_nothing_are_refused_in_plain_words():
    points, eye = sphere(500), camera()
    with pytest.raises(GeometryError, match="too short"):
        lift_stroke(np.full((5, 2), 300.0), points, points, eye)
    with pytest.raises(GeometryError, match="No samples lie under the stroke"):
        lift_stroke(np.array([[5.0, 5.0], [60.0, 5.0]]), points, points, eye)
    with pytest.raises(GeometryError, match=r"must be \(S, 2\)"):
        lift_stroke(np.zeros((4, 3)), points, points, eye)
    with pytest.raises(GeometryError, match="same samples"):
        lift_stroke(np.array([[300.0, 300.0], [500.0, 300.0]]), points, points[:-1], eye)
    with pytest.raises(GeometryError, match="not finite, in row 0"):
        lift_stroke(np.array([[300.0, 300.0], [500.0, 300.0]]), np.full((5, 3), np.nan), points[:5], eye)


@pytest.mark.parametrize("count", [3, 4, 8])
def test_tiny_clouds_are_lifted(count):
    points = np.stack([np.linspace(-0.6, 0.6, count), np.zeros(count), np.zeros(count)], axis=1)
    eye = camera(-90.0)
    curve = lift_stroke(eye.to_screen(points), points, points, eye)
    assert np.isfinite(curve).all()
    assert np.abs(curve[:, 1:]).max() < 0.05


def test_one_sample_is_no_cloud_to_draw_on():
    with pytest.raises(GeometryError, match="Only one point"):
        lift_stroke(np.array([[400.0, 350.0], [500.0, 350.0]]), np.zeros((1, 3)), np.zeros((1, 3)), camera())


@pytest.mark.parametrize(("dimension", "points"), [(2, sphere(2000)), (1, np.linspace(0, 1, 500)[:, None] ** 2)])
def test_the_surfaces_dimension_is_estimated(dimension, points):
    assert intrinsic_dimension(Neighbourhoods(points), 3) == dimension


# Simplifying --------------------------------------------------------------------------------------------------------


def test_a_straight_line_keeps_the_fewest_control_points():
    path, deviation = off_the_path(np.linspace([0.0, 0.0, 0.0], [1.0, 2.0, 3.0], 60))
    assert len(path) == CONTROL_POINTS[0]
    assert deviation < 1e-3


def test_control_points_lie_on_the_curve_and_keep_the_path_within_the_tolerance():
    t = np.linspace(0.0, 2.0 * np.pi, 96)
    curve = np.stack([t, np.sin(2.0 * t), np.cos(t)], axis=1)
    path, deviation = off_the_path(curve)
    assert 6 <= len(path) <= 12
    assert deviation <= TOLERANCE + 1e-3
    np.testing.assert_allclose(path.control[[0, -1]], curve[[0, -1]], atol=1e-6)


def test_a_curve_too_wild_for_the_limit_gets_all_control_points_there_are():
    t = np.linspace(0.0, 60.0, 96)
    path, deviation = off_the_path(np.stack([t, 9.0 * np.sin(t)], axis=1))
    assert CONTROL_POINTS[0] <= len(path) <= CONTROL_POINTS[-1]
    assert deviation > TOLERANCE


def test_short_curves_keep_what_they_have():
    path, deviation = off_the_path(np.array([[0.0, 0.0], [1.0, 1.0]]))
    assert (len(path), deviation) == (2, pytest.approx(0.0, abs=1e-6))
