"""Ticks, boxes, swarms and discs: what is drawn, without a window."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.rendering.axes import back_faces, back_grid, labelled_edges, make_box, nice_step, tick_text
from core.rendering.camera import Camera
from core.rendering.depth import depth_cue, fades, far_to_near, size_factors
from core.rendering.point_splatting import PAD, Discs, draw_discs
from explorer.views.cloud.scene import Scene, beeswarm

RNG = np.random.default_rng(5)


# ticks and the box


@given(span=st.floats(1e-6, 1e6), count=st.integers(2, 12))
def test_steps_are_one_two_or_five_times_a_power_of_ten(span, count):
    step = nice_step(span, count)
    digit = step / 10 ** np.floor(np.log10(step) + 1e-9)
    assert min(abs(digit - d) for d in (1, 2, 5, 10)) < 1e-6
    assert span / step <= count * 1.001


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (0.5, 0.5, "0.5"),
        (-1.0, 0.5, "−1.0"),
        (-0.0, 0.5, "0.0"),
        (3.0, 1.0, "3"),
        (0.25, 0.05, "0.25"),
        (200, 50, "200"),
    ],
)
def test_numbers_have_the_decimals_that_the_step_needs(value, step, text):
    assert tick_text(value, step) == text


@given(
    low=st.lists(st.floats(-100, 100), min_size=3, max_size=3),
    size=st.lists(st.floats(0, 50), min_size=3, max_size=3),
)
@example(low=[0.0, 28.0, 0.0], size=[27.0, 2.71875, 0.0])
def test_the_box_holds_the_points_closely(low, size):
    first = np.array(low)
    last = first + size
    box = make_box(first, last)
    assert (box.low <= first).all()
    assert (box.high >= last).all()
    span = max(*size, 1e-6 * float(np.abs([first, last]).max()), 1e-9)
    room = 0.04 * span + 0.5 * box.step  # a fiftieth at each end, and up to the next quarter of a step
    assert (box.high - box.low <= np.array(size) + room + 1e-9).all()
    for axis in range(3):
        ticks = box.ticks(axis)
        assert ((ticks >= box.low[axis] - 1e-9) & (ticks <= box.high[axis] + 1e-9)).all()


def test_the_grid_lies_on_the_faces_behind_the_points():
    box = make_box(np.zeros(3), np.ones(3))
    camera = Camera(target=box.centre, azimuth=30.0, elevation=30.0, distance=5.0, viewport=(500.0, 500.0))
    behind = back_faces(box, camera)
    assert (behind == box.low).all()  # the eye looks from above all three
    lines = back_grid(box, camera).lines
    on_face = np.isclose(lines, behind).all(axis=1)
    assert on_face.any(axis=1).all()
    assert len(np.unique(lines.reshape(len(lines), 6).round(9), axis=0)) == len(lines)  # each line once


def test_each_axis_is_labelled_outside_the_box():
    box = make_box(np.zeros(3), np.ones(3))
    camera = Camera(target=box.centre, azimuth=-50.0, elevation=25.0, distance=6.0, viewport=(500.0, 500.0))
    edges = labelled_edges(box, camera)
    assert [edge.axis for edge in edges] == [0, 1, 2]
    for edge in edges:
        middle = (edge.start + edge.end) / 2
        assert edge.outward @ (middle - 250.0) > 0
        assert len(edge.pixels) == len(edge.ticks)


# one dimension


def test_a_swarm_shows_the_density_and_spreads_about_the_axis():
    x = RNG.normal(size=4000).astype(np.float32)
    y = beeswarm(x)
    assert np.abs(y[np.abs(x) < 0.3]).max() > 3 * np.abs(y[np.abs(x) > 2]).max()
    assert abs(y.mean()) < 0.01
    assert np.abs(y).max() <= 0.161 * np.ptp(x)


def test_a_swarm_of_equal_points_or_of_none_stays_on_the_axis():
    assert not beeswarm(np.ones(5, dtype=np.float32)).any()
    assert not beeswarm(np.empty(0, dtype=np.float32)).any()
    assert not beeswarm(np.array([np.nan, 1.0], dtype=np.float32)).any()


# discs


def picture(size=40) -> np.ndarray:
    return np.zeros((size + 2 * PAD, size + 2 * PAD), dtype=np.uint32)


def discs(rows) -> Discs:
    x, y, radius, rgb, alpha = zip(*rows, strict=True)
    return Discs(np.float32(x), np.float32(y), np.float32(radius), np.array(rgb, np.uint32), np.array(alpha, np.uint8))


def green(image: np.ndarray, row: int, column: int) -> int:
    return int(image[row + PAD, column + PAD] >> 8 & 0xFF)


def test_a_disc_covers_its_area_smoothly_and_centred():
    image = picture()
    draw_discs(image, discs([(20.0, 20.0, 6.0, 0xFFFFFF, 255)]))
    light = (image & 0xFF).astype(float)
    rows, columns = np.indices(light.shape)
    assert (light * (columns + 0.5)).sum() / light.sum() - PAD == pytest.approx(20.0, abs=0.15)
    assert (light * (rows + 0.5)).sum() / light.sum() - PAD == pytest.approx(20.0, abs=0.15)
    assert (light > 0).sum() == pytest.approx(np.pi * 6.5**2, rel=0.06)
    assert len(np.unique(light)) > 10  # shaded, with soft edges


def test_the_last_disc_is_in_front_whatever_its_place():
    image = picture()
    draw_discs(image, discs([(20, 20, 5, 0xFF0000, 255), (22, 20, 5, 0x00FF00, 255)]))
    assert green(image, 20, 20) > 150
    image = picture()
    draw_discs(image, discs([(22, 20, 5, 0x00FF00, 255), (20, 20, 5, 0xFF0000, 255)]))
    assert green(image, 20, 20) == 0


def test_a_soft_edge_shows_the_disc_behind_it():
    alone, above = picture(), picture()
    front = (24.5, 20.5, 4.0, 0x0000FF, 255)
    draw_discs(alone, discs([front]))
    draw_discs(above, discs([(20.5, 20.5, 8.0, 0x00FF00, 255), front]))
    edge = 20  # the front disc's left edge covers this column half
    assert green(alone, 20, edge) == 0
    assert green(above, 20, edge) > 60


def test_translucent_discs_mix_in_the_order_of_depth():
    image = picture()
    draw_discs(image, discs([(20, 20, 8, 0xFF0000, 255), (20, 20, 8, 0x00FF00, 128)]))
    colour = int(image[20 + PAD, 20 + PAD])
    assert (colour >> 16) == pytest.approx(128, abs=12)
    assert (colour >> 8 & 0xFF) == pytest.approx(128, abs=12)


def test_discs_at_and_beyond_the_border_are_cut_off_and_nothing_else_is_touched():
    image = picture()
    rows = [(x, y, 10, 0xFFFFFF, 255) for x in (-400, -5, 20, 45, 400) for y in (-400, -5, 45, 400)]
    draw_discs(image, discs(rows))
    assert green(image, 0, 0) > 0
    assert green(image, 20, 20) == 0


@pytest.mark.parametrize("radius", [0.5, 1.0, 2.5])
def test_many_discs_are_drawn_with_hard_edges_in_the_same_order(radius):
    image = picture(200)
    count = 300_000
    x, y = RNG.uniform(0, 200, (2, count)).astype(np.float32)
    colour = np.full(count, 0x0000FF, np.uint32)
    colour[-1], x[-1], y[-1] = 0x00FF00, 100.5, 100.5
    everything = Discs(x, y, np.full(count, radius, np.float32), colour, np.full(count, 255, np.uint8))
    draw_discs(image, everything, quick=True)
    assert green(image, 100, 100) == 255
    assert (image[PAD:-PAD, PAD:-PAD] != 0).mean() > 0.95


def test_translucent_discs_without_soft_edges_fade_into_the_ground():
    image = picture(200)
    x, y = RNG.uniform(0, 200, (2, 300_000)).astype(np.float32)
    faded = Discs(x, y, np.ones_like(x), np.full(len(x), 0x00FF00, np.uint32), np.full(len(x), 51, np.uint8))
    draw_discs(image, faded, quick=True, ground=0xFF0000)
    colour = int(image[100 + PAD, 100 + PAD])
    assert (colour >> 16, colour >> 8 & 0xFF) == (pytest.approx(204, abs=2), pytest.approx(51, abs=2))


def test_no_discs_draw_nothing():
    image = picture()
    empty = np.empty(0, np.float32)
    draw_discs(image, Discs(empty, empty, empty, np.empty(0, np.uint32), np.empty(0, np.uint8)))
    assert not image.any()


# depth


def test_far_points_come_first_and_ties_keep_their_order():
    assert far_to_near(np.float32([1, 3, 2, 3])).tolist() == [1, 3, 2, 0]
    assert far_to_near(np.float32([])).tolist() == []


def test_near_points_are_larger_and_far_ones_fade():
    scene = Scene()
    scene.camera.viewport = (500.0, 500.0)
    scene.set_points(RNG.uniform(-1, 1, (50, 3)))
    scene.fit(orient=True)
    cue = depth_cue(scene.camera, scene.box)
    depth = np.array([cue.near, scene.camera.distance, cue.far])
    assert size_factors(depth, cue)[0] > size_factors(depth, cue)[1] == pytest.approx(1.0)
    assert fades(depth, cue)[0] == 0 < fades(depth, cue)[1] < fades(depth, cue)[2]


# the scene


def test_points_of_the_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"\(4, 2\)"):
        Scene().set_points(np.zeros((4, 2)))
    with pytest.raises(ValueError, match="dims is 4"):
        Scene().set_dims(("a",), 4)


def test_points_that_are_not_finite_do_not_disturb_the_others():
    scene = Scene()
    scene.set_points(np.array([[0, 0, 0], [np.inf, 0, 0], [1, 1, 1]], dtype=np.float32))
    low, high = scene.bounds()
    assert low.tolist() == [0, 0, 0]
    assert high.tolist() == [1, 1, 1]
    assert np.isnan(scene.screen().x).tolist() == [False, True, False]


def test_the_projection_is_made_again_only_when_camera_or_points_change():
    scene = Scene()
    scene.set_points(RNG.normal(size=(10, 3)))
    first = scene.screen()
    assert scene.screen() is first
    scene.camera.orbit(3, 0)
    second = scene.screen()
    assert second is not first
    scene.set_points(scene.points + 1)
    assert scene.screen() is not second


def test_a_cloud_has_outgrown_its_view_when_it_is_a_twentieth_beyond_it():
    scene = Scene()
    points = RNG.normal(size=(50, 3))
    scene.set_points(points)
    scene.fit(orient=False)
    for factor, expected in ((1.02, False), (1.2, True), (0.7, False), (0.3, True)):
        scene.set_points(points * factor)
        assert scene.outgrown() is expected
