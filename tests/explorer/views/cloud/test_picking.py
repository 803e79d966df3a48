"""Which point is meant: the nearest, the one in front, those inside a shape, the place on a curve."""

import numpy as np
import pytest

from core.rendering.camera import Camera
from explorer.views.cloud import screen_points
from explorer.views.cloud.scene import hit_curve, insert_position
from explorer.views.cloud.screen_points import ScreenPoints, project_points

RNG = np.random.default_rng(3)


def screen(x, y, depth=None) -> ScreenPoints:
    x, y = np.float32(x), np.float32(y)
    return ScreenPoints(x, y, np.float32(np.ones(len(x)) if depth is None else depth))


@pytest.mark.parametrize("flat", [False, True])
def test_the_fast_projection_agrees_with_the_camera(flat):
    camera = Camera(viewport=(640.0, 480.0), flat=flat, azimuth=70.0, elevation=15.0)
    points = RNG.normal(size=(200, 3)).astype(np.float32)
    made = project_points(np.ascontiguousarray(points.T), camera)
    pixels, depth = camera.project(points)
    assert np.c_[made.x, made.y] == pytest.approx(pixels, abs=1e-2)
    assert made.depth == pytest.approx(depth, abs=1e-4)


def test_points_behind_the_eye_or_not_finite_are_nowhere():
    camera = Camera(viewport=(640.0, 480.0), distance=2.0, azimuth=0.0, elevation=0.0)
    points = np.array([[0, 0, 0], [9, 0, 0], [np.nan, 0, 0]], dtype=np.float32)
    made = project_points(np.ascontiguousarray(points.T), camera)
    assert np.isfinite(made.x).tolist() == [True, False, False]
    assert made.nearest((320, 240), 1000) == 0


def test_picking_returns_the_nearest_point_within_the_radius():
    x, y = RNG.uniform(0, 500, 300), RNG.uniform(0, 500, 300)
    points = screen(x, y)
    for px, py in RNG.uniform(0, 500, (50, 2)):
        distance = np.hypot(x - px, y - py)
        expected = int(distance.argmin()) if distance.min() <= 12 else None
        assert points.nearest((px, py), 12) == expected


def test_of_very_many_points_those_around_the_pixel_are_searched_with_the_same_answer(monkeypatch):
    x, y, depth = RNG.uniform(-40, 900, 4000), RNG.uniform(-40, 500, 4000), RNG.uniform(1, 2, 4000)
    x[:9] = np.nan
    pixels, all_of_them = RNG.uniform(-20, 880, (80, 2)), screen(x, y, depth)
    expected = [all_of_them.nearest(tuple(pixel), 12, 3) for pixel in pixels]
    monkeypatch.setattr(screen_points, "SCANNED", 100)
    assert [screen(x, y, depth).nearest(tuple(pixel), 12, 3) for pixel in pixels] == expected
    assert any(index is not None for index in expected)


def test_of_discs_on_the_same_pixel_the_one_in_front_is_meant():
    points = screen([100, 101.5, 104], [50, 50, 50], depth=[5.0, 2.0, 1.0])
    assert points.nearest((100, 50), 12, cover=2.5) == 1
    assert points.nearest((100, 50), 12) == 0


def test_nothing_is_picked_from_no_points():
    assert screen([], []).nearest((0, 0), 12) is None


def test_a_rectangle_may_be_dragged_in_any_direction():
    points = screen([10, 20, 30], [10, 20, 30])
    assert points.inside_rectangle((25, 25), (5, 5)).tolist() == [0, 1]
    assert points.inside_rectangle((5, 25), (25, 5)).tolist() == [0, 1]


def test_a_lasso_holds_what_is_inside_its_outline():
    x, y = RNG.uniform(0, 100, 400), RNG.uniform(0, 100, 400)
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    circle = np.c_[50 + 30 * np.cos(angles), 50 + 30 * np.sin(angles)]
    found = set(screen(x, y).inside_polygon(circle).tolist())
    radius = np.hypot(x - 50, y - 50)
    assert set(np.flatnonzero(radius < 29.8).tolist()) <= found
    assert found <= set(np.flatnonzero(radius < 30.2).tolist())


def test_a_concave_lasso_leaves_its_notch_out():
    corners = np.array([[0, 0], [40, 0], [40, 40], [20, 10], [0, 40]])
    assert screen([5, 20, 35], [20, 30, 20]).inside_polygon(corners).tolist() == [0, 2]


def test_a_curve_is_hit_at_the_nearest_place_of_its_nearest_segment():
    curve = np.array([[0, 0], [100, 0], [100, 100]], dtype=float)
    hit = hit_curve(curve, (30.0, 4.0))
    assert hit is not None
    assert (hit.segment, hit.share, hit.distance) == pytest.approx((0, 0.3, 4.0))
    hit = hit_curve(curve, (103.0, 60.0))
    assert hit is not None
    assert (hit.segment, hit.share, hit.distance) == pytest.approx((1, 0.6, 3.0))


def test_a_curve_that_cannot_be_seen_is_not_hit():
    assert hit_curve(np.full((4, 2), np.nan), (0.0, 0.0)) is None
    assert hit_curve(np.zeros((1, 2)), (0.0, 0.0)) is None


def test_a_new_control_point_goes_between_its_neighbours():
    s = np.linspace(0, 1, 101)
    curve = np.c_[s, np.sin(6 * s), 0 * s]
    control = curve[[0, 30, 60, 100]]
    assert [insert_position(curve, control, i) for i in (5, 29, 31, 59, 80, 99)] == [1, 1, 2, 2, 3, 3]


def test_on_a_path_that_returns_the_pass_that_was_hit_counts():
    s = np.linspace(0, 2 * np.pi, 201)
    curve = np.c_[np.sin(2 * s), np.sin(s), 0 * s]  # a figure of eight; s = 0 and π are the same place
    control = curve[[0, 50, 150, 200]]
    assert insert_position(curve, control, 99) == 2
    assert insert_position(curve, control, 20) == 1
