"""Wherever a hand has taken the camera: what it does then are places, and Home shows the cloud."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import Qt

from explorer.views.cloud import CloudView, Mode
from explorer.views.cloud.interaction import LEFT, MIDDLE
from explorer.views.cloud.scene import CAMERA_REACH

SIZE = (400, 300)
NONE, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier
NOTCH = 120.0

PIXELS = st.tuples(st.integers(-2000, 2400), st.integers(-2000, 2300))
TURNS = st.one_of(
    st.tuples(st.just("zoom"), st.integers(-60, 60), st.tuples(st.integers(0, 399), st.integers(0, 299))),
    st.tuples(st.sampled_from(["orbit", "pan"]), PIXELS, PIXELS),
    st.tuples(st.just("far pan"), PIXELS, PIXELS),
)
MODES = st.sampled_from([Mode.PROBE, Mode.EDIT, Mode.DRAW])
GESTURES = st.tuples(MODES, PIXELS, st.lists(PIXELS, max_size=3), st.sampled_from([None, 0, 1, 2]))


@pytest.fixture(scope="module")
def cloud(qapp) -> Iterator[CloudView]:
    view = CloudView("software")
    view.resize(*SIZE)
    rng = np.random.default_rng(0)
    view.set_points(rng.standard_normal((200, 3)).astype(np.float32))
    view.scene.camera.viewport = SIZE
    yield view
    view.deleteLater()


def turn(view: CloudView, kind: str, one, other) -> None:
    hands = view._interaction
    if kind == "zoom":
        hands.wheel(NOTCH * one, other)
        return
    for _ in range(80 if kind == "far pan" else 1):
        hands.press(LEFT if kind == "orbit" else MIDDLE, one, NONE)
        hands.move(other, NONE)
        hands.release(LEFT if kind == "orbit" else MIDDLE, other, NONE)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(turns=st.lists(TURNS, max_size=6), gestures=st.lists(GESTURES, max_size=3), dims=st.sampled_from([3, 3, 2, 1]))
@example(
    turns=[("zoom", 25, (200, 150)), ("orbit", (200, 150), (650, 150))],
    gestures=[(Mode.PROBE, (60, 40), [(90, 70)], None)],
    dims=3,
)
def test_every_gesture_makes_places_and_home_shows_the_cloud(cloud, turns, gestures, dims):
    view, hands = cloud, cloud._interaction
    view.set_axes(("a", "b", "c")[:dims], dims)
    view.home()
    view.set_probe(np.full(3, 0.8, np.float32))
    view.set_path(np.linspace([-1.0, 0, 0], [1, 0, 0], 20), np.array([[-1.0, 0, 0], [1, 0, 0]]), None)
    places: list[np.ndarray] = []

    def moved(place: np.ndarray) -> None:
        places.append(place)
        view.set_probe(place)

    added, shifted = places.append, lambda _, place: places.append(place)
    view.probe_moved.connect(moved)
    view.control_added.connect(added)
    view.control_moved.connect(shifted)
    view.control_inserted.connect(shifted)
    view.stroke_drawn.connect(lambda stroke: places.append(stroke.projection))
    try:
        view.set_mode(Mode.ORBIT)
        for one in turns:
            turn(view, *one)
        view.grab()
        for mode, at, path, axis in gestures:
            view.set_mode(mode)
            hands.tool.axis_held(axis)
            hands.press(LEFT, at, NONE)
            for pixel in path:
                hands.move(pixel, NONE)
            hands.release(LEFT, path[-1] if path else at, NONE)
        view.grab()
    finally:
        for signal in (view.probe_moved, view.control_added, view.control_moved, view.control_inserted):
            signal.disconnect()
        view.stroke_drawn.disconnect()
    camera, reach = view.scene.camera, view.scene.home_distance * CAMERA_REACH
    for place in places:
        assert np.isfinite(place).all()
        assert np.abs(place).max() < 1e7 * reach
    assert np.isfinite([*camera.target, camera.distance]).all()
    assert np.abs(camera.target).max() <= 1.1 * reach
    view.home()
    assert np.isfinite(view.screen_positions()).all()
    assert np.abs(view.screen_positions()[:, :2] - 200.0).max() < 400.0


def test_a_drag_on_empty_space_calls_a_probe_from_behind_the_eye_to_where_it_is_seen(cloud):
    view, hands = cloud, cloud._interaction
    view.set_axes(("a", "b", "c"), 3)
    view.home()
    view.set_probe(np.full(3, 0.8, np.float32))
    view.set_mode(Mode.ORBIT)
    turn(view, "zoom", 25, (200, 150))
    for _ in range(9):
        if not np.isfinite(view.scene.pixel(view.scene.probe)[0]):
            break
        turn(view, "orbit", (200, 150), (245, 150))
    assert not np.isfinite(view.scene.pixel(view.scene.probe)).any()
    view.set_mode(Mode.PROBE)
    view.probe_moved.connect(view.set_probe)
    hands.press(LEFT, (60, 40), NONE)
    hands.move((90, 70), NONE)
    hands.release(LEFT, (90, 70), NONE)
    view.probe_moved.disconnect()
    np.testing.assert_allclose(view.scene.pixel(view.scene.probe), (90, 70), atol=0.5)


@pytest.mark.parametrize("distance", [1e-300, 1e300])
def test_a_camera_of_a_file_is_brought_back_to_where_the_cloud_can_be_seen(cloud, distance):
    view = cloud
    view.home()
    view.set_camera({"target": [1e200, 0.0, 0.0], "distance": distance, "azimuth": 0.0, "elevation": 0.0})
    view.grab()
    camera, home = view.scene.camera, view.scene.home_distance
    assert home * 1e-7 < camera.distance < home * 1e3
    assert np.abs(camera.target).max() <= 1.1 * CAMERA_REACH * home
