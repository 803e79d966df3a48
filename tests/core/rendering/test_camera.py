"""The camera: one matrix that draws, picks and drags."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rendering.camera import HALF_TANGENT, Camera, box_corners, broadside

SIZE = (800.0, 600.0)


def make(**fields) -> Camera:
    return Camera(viewport=SIZE, **fields)


@pytest.mark.parametrize("flat", [False, True])
def test_the_target_is_in_the_middle_at_the_cameras_distance(flat):
    camera = make(target=np.array([1.0, -2.0, 0.5]), distance=3.0, flat=flat)
    pixels, depth = camera.project(camera.target[None])
    assert pixels[0] == pytest.approx([400, 300])
    assert depth[0] == pytest.approx(3.0)


def test_known_projection_from_the_front():
    camera = make(distance=10.0, azimuth=0.0, elevation=0.0)  # the eye on +x; right is +y, up is +z
    per_unit = 300 / (10.0 * HALF_TANGENT)
    pixels, depth = camera.project(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [5.0, 1.0, 0.0]]))
    assert pixels[0] == pytest.approx([400 + per_unit, 300])
    assert pixels[1] == pytest.approx([400, 300 - per_unit])
    assert pixels[2] == pytest.approx([400 + 2 * per_unit, 300])  # half as far away, twice as large
    assert depth == pytest.approx([10, 10, 5])


@given(
    azimuth=st.floats(-180, 180),
    elevation=st.floats(-89, 89),
    x=st.floats(0, 800),
    y=st.floats(0, 600),
    depth=st.floats(0.5, 20),
    flat=st.booleans(),
)
def test_unproject_is_the_inverse_of_project(azimuth, elevation, x, y, depth, flat):
    camera = make(azimuth=azimuth, elevation=elevation, target=np.array([0.3, -0.1, 2.0]), flat=flat)
    pixels, back = camera.project(camera.unproject((x, y), depth)[None])
    assert pixels[0] == pytest.approx([x, y], abs=1e-6)
    assert back[0] == pytest.approx(depth, abs=1e-9)


def test_what_is_behind_the_eye_has_no_pixels():
    camera = make(distance=2.0, azimuth=0.0, elevation=0.0)
    pixels, depth = camera.project(np.array([[3.0, 0.0, 0.0]]))
    assert np.isnan(pixels).all()
    assert depth[0] < 0


def test_the_clip_matrix_and_the_pixels_agree():
    camera = make(azimuth=20.0, elevation=40.0)
    points = np.random.default_rng(0).normal(size=(20, 3))
    clip = np.c_[points, np.ones(20)] @ camera.matrix().T
    ndc = clip[:, :3] / clip[:, 3:]
    assert camera.project(points)[0] == pytest.approx(np.c_[400 + 400 * ndc[:, 0], 300 - 300 * ndc[:, 1]])
    assert np.array_equal(np.argsort(ndc[:, 2]), np.argsort(camera.depth(points)))  # farther is larger


@pytest.mark.parametrize("flat", [False, True])
def test_zooming_keeps_what_is_under_the_mouse(flat):
    camera = make(distance=4.0, flat=flat)
    before = camera.unproject((650, 120), camera.distance)
    camera.zoom(1.5, (650, 120), 4.0)
    assert camera.distance == pytest.approx(4.0 / 1.5)
    assert camera.project(before[None])[0][0] == pytest.approx([650, 120])


def test_panning_moves_the_target_plane_with_the_hand():
    camera = make()
    point = camera.unproject((200, 200), camera.distance)
    camera.pan(30, -12)
    assert camera.project(point[None])[0][0] == pytest.approx([230, 188])


def test_orbiting_keeps_the_distance_and_stops_at_the_pole():
    camera = make(target=np.ones(3), distance=5.0)
    camera.orbit(120, 2000)
    assert np.linalg.norm(camera.eye() - camera.target) == pytest.approx(5.0)
    assert camera.elevation == 89.0


def test_a_flat_view_does_not_turn():
    camera = make(flat=True)
    before = camera.matrix()
    camera.orbit(50, 50)
    assert np.array_equal(camera.matrix(), before)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("size", [(800.0, 600.0), (300.0, 700.0)])
def test_fitting_shows_the_whole_box_inside_the_margins(flat, size):
    camera = Camera(viewport=size, flat=flat, azimuth=33.0, elevation=25.0)
    low, high = np.array([-1.0, 4.0, 0.0]), np.array([3.0, 5.0, 0.0 if flat else 2.0])
    camera.fit(low, high, (40, 20, 60, 30))
    pixels, _ = camera.project(box_corners(low, high))
    assert (pixels.min(axis=0) >= (40 - 8, 20 - 8)).all()
    assert (pixels.max(axis=0) <= (size[0] - 60 + 8, size[1] - 30 + 8)).all()
    assert (np.ptp(pixels, axis=0) / size).max() > 0.6


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_dragging_along_an_axis_changes_that_axis_alone(axis):
    camera = make(azimuth=35.0, elevation=30.0)
    start = np.array([0.2, 0.1, -0.3])
    wanted = start + 0.4 * np.eye(3)[axis]
    x, y = camera.project(wanted[None])[0][0]
    assert camera.along_axis(start, axis, (x, y)) == pytest.approx(wanted, abs=1e-9)


def test_an_axis_seen_end_on_cannot_be_dragged_along():
    camera = make(azimuth=0.0, elevation=0.0)
    assert camera.along_axis(np.zeros(3), 0, (500, 320)) == pytest.approx([0, 0, 0])


def test_a_saved_view_comes_back_exactly():
    camera = make(azimuth=12.5, elevation=-40.0, distance=7.0, target=np.array([1.0, 2.0, 3.0]))
    other = make()
    other.restore(camera.state())
    assert np.array_equal(other.matrix(), camera.matrix())


@pytest.mark.parametrize(
    "change",
    [{"distance": 0}, {"distance": math.nan}, {"target": [1, 2]}, {"target": "here"}, {"azimuth": None}],
)
def test_a_view_that_makes_no_sense_is_refused_and_changes_nothing(change):
    camera = make()
    before = camera.matrix()
    with pytest.raises(ValueError, match="camera"):
        camera.restore({**camera.state(), **change})
    assert np.array_equal(camera.matrix(), before)


def test_a_sheet_is_first_seen_from_its_broad_side():
    rng = np.random.default_rng(0)
    sheet = np.c_[rng.uniform(-1, 1, (500, 1)), rng.normal(0, 0.01, (500, 1)), rng.uniform(-1, 1, (500, 1))]
    azimuth, elevation = broadside(sheet)
    towards = Camera(azimuth=azimuth, elevation=elevation).axes()[2]
    assert abs(towards[1]) > 0.75  # along the normal, to about 40°
    assert broadside(sheet[:3]) == broadside(np.full((9, 3), np.nan))  # nothing to see: the default
