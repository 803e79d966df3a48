"""The gestures of each mouse mode, by real mouse and keyboard."""

from __future__ import annotations

import numpy as np
import pytest
from cloud_driver import (
    CTRL,
    LEFT,
    NONE,
    RIGHT,
    SHIFT,
    SIZE,
    Heard,
    click,
    drag,
    empty_place,
    front_point,
    move,
    open_view,
    press,
    release,
    sheet,
    where,
)
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest

from explorer.views.cloud import CloudView, Mode, StrokeGesture


@pytest.fixture
def view(qtbot) -> CloudView:
    return open_view(qtbot, "software")


@pytest.fixture(params=["software", "gl"])
def either(qtbot, request) -> CloudView:
    """The view with each renderer."""
    return open_view(qtbot, request.param)


# orbit: hover and click


def test_hovering_rings_the_point_that_is_seen_there(view):
    heard, index = Heard(view), front_point(view)
    move(view, where(view, index))
    assert heard.named("hovered") == [(index,)]
    move(view, empty_place(view))
    assert heard.named("hovered")[-1] == (-1,)


def test_a_hovered_point_stays_hovered_while_the_cloud_moves_under_the_mouse(view):
    index = front_point(view)
    move(view, where(view, index))
    heard = Heard(view)
    view.set_points(sheet() + np.float32(5))  # all leave; the fit brings them back, elsewhere or here
    places = view.screen_positions()
    under = view.scene.hover
    if under is not None:
        assert np.hypot(*(places[under, :2] - np.array(where(view, under)))) < 12
    assert all(name == "hovered" for name, *_ in heard.all)


def test_clicking_chooses_the_point_with_the_modifiers(either):
    heard, index = Heard(either), front_point(either)
    click(either, where(either, index))
    click(either, where(either, index), modifiers=SHIFT)
    click(either, empty_place(either))
    assert heard.named("clicked") == [(index, NONE), (index, SHIFT)]


def test_a_click_leaves_the_card_and_what_is_set_anew_but_as_it_was_is_not_painted_again(view, monkeypatch):
    curve, index = sheet()[:5], front_point(view)
    view.set_path(curve, curve[::2], 1)
    view.set_transect(curve, position=1)
    view.set_probe(curve[0])
    move(view, where(view, index))
    painted = []
    monkeypatch.setattr(view, "refresh", lambda: painted.append(1))
    click(view, where(view, index))
    view.set_path(curve.copy(), curve[::2].copy(), 1)
    view.set_transect(curve.copy(), position=1)
    view.set_probe(curve[0].copy())
    assert not painted
    assert view.scene.hover == index
    view.set_transect(curve, position=2)
    assert len(painted) == 1
    x, y = where(view, index)
    press(view, (x, y))
    assert view.scene.hover == index
    move(view, (x + 20, y))
    assert view.scene.hover is None  # it would hide what is turned
    release(view, (x + 20, y))


# probe


def test_the_probe_is_dragged_in_the_screens_plane(view):
    view.set_mode(Mode.PROBE)
    start = np.array([0.1, -0.2, 0.9])
    view.set_probe(start)
    at = view.probe_position()
    assert at is not None
    heard = Heard(view)
    drag(view, [at, at + QPointF(10, 5), at + QPointF(60, -40)])
    moved = heard.named("probe_moved")[-1][0]
    assert moved.dtype == np.float32
    assert view.project(moved).x() - at.x() == pytest.approx(60, abs=1.5)
    assert view.project(moved).y() - at.y() == pytest.approx(-40, abs=1.5)
    depth = view.scene.camera.depth(np.stack([start, moved]))
    assert depth[0] == pytest.approx(depth[1], abs=1e-5)
    assert heard.all[-1] == ("probe_released",) or heard.named("probe_released") == [()]


@pytest.mark.parametrize(("key", "axis"), [(Qt.Key.Key_X, 0), (Qt.Key.Key_Y, 1), (Qt.Key.Key_Z, 2)])
def test_with_an_axis_held_only_that_coordinate_changes(view, key, axis):
    view.set_mode(Mode.PROBE)
    start = np.array([0.1, -0.2, 0.9], dtype=np.float32)
    view.set_probe(start)
    at = view.probe_position()
    assert at is not None
    along = view.project(start + 0.5 * np.eye(3)[axis]) - at
    heard = Heard(view)
    QTest.keyPress(view, key)
    drag(view, [at, at + 0.5 * along, at + along])
    QTest.keyRelease(view, key)
    moved = heard.named("probe_moved")[-1][0]
    others = [i for i in range(3) if i != axis]
    assert moved[others] == pytest.approx(start[others], abs=1e-6)
    assert moved[axis] - start[axis] == pytest.approx(0.5, abs=0.05)
    assert view.scene.probe_axis is None


def test_pressing_elsewhere_calls_the_probe_to_the_point_that_is_there(view):
    view.set_mode(Mode.PROBE)
    view.set_probe(np.array([0.0, 0.0, 2.0]))
    heard, index = Heard(view), front_point(view)
    click(view, where(view, index))
    assert heard.named("probe_moved")[0][0] == pytest.approx(sheet()[index])
    assert heard.named("probe_released") == [()]


def test_pressing_on_nothing_calls_the_probe_to_its_own_depth(view):
    view.set_mode(Mode.PROBE)
    probe = np.array([0.2, 0.1, 0.0])
    view.set_probe(probe)
    heard, place = Heard(view), empty_place(view)
    click(view, place)
    moved = heard.named("probe_moved")[0][0]
    assert (view.project(moved).x(), view.project(moved).y()) == pytest.approx(place, abs=1.0)
    depth = view.scene.camera.depth(np.stack([probe, moved]))
    assert depth[0] == pytest.approx(depth[1], abs=1e-5)


@pytest.mark.parametrize("dims", [1, 2])
def test_in_fewer_dimensions_the_probe_keeps_the_missing_coordinates_at_zero(view, dims):
    view.set_axes(("μ₁", "μ₂")[:dims], dims)
    view.set_mode(Mode.PROBE)
    view.set_probe(np.zeros(3))
    at = view.probe_position()
    heard = Heard(view)
    drag(view, [at, at + QPointF(30, 20)])
    moved = heard.named("probe_moved")[-1][0]
    assert moved[0] > 0
    assert not moved[dims:].any()


# draw


def test_a_stroke_carries_its_points_and_the_camera(view):
    view.set_mode(Mode.DRAW)
    heard = Heard(view)
    path = [(100 + 5 * i, 200 + 2 * i) for i in range(40)]
    drag(view, path)
    ((stroke,),) = heard.named("stroke_drawn")
    assert isinstance(stroke, StrokeGesture)
    assert stroke.points == pytest.approx(np.array(path, dtype=float))
    assert stroke.viewport == SIZE
    clip = np.array([0.5, 0.2, 0.1, 1.0]) @ stroke.projection.T
    pixel = (SIZE[0] * (1 + clip[0] / clip[3]) / 2, SIZE[1] * (1 - clip[1] / clip[3]) / 2)
    place = view.project(np.array([0.5, 0.2, 0.1]))
    assert pixel == pytest.approx((place.x(), place.y()))
    assert view.scene.stroke is None


def test_a_click_is_no_stroke_and_a_change_of_mode_gives_it_up(view):
    view.set_mode(Mode.DRAW)
    heard = Heard(view)
    click(view, (200, 200))
    press(view, (100, 100), LEFT, NONE)
    move(view, (200, 150))
    assert view.scene.stroke is not None
    view.set_mode(Mode.ORBIT)
    release(view, (200, 150), LEFT, NONE)
    assert view.scene.stroke is None
    assert not heard.named("stroke_drawn")


# edit


@pytest.fixture
def edited(view) -> CloudView:
    """A view with a straight path of three control points, in EDIT mode."""
    view.set_mode(Mode.EDIT)
    control = np.array([[-0.8, 0.0, 0.8], [0.0, 0.2, 0.8], [0.8, 0.0, 0.8]])
    s = np.linspace(0, 2, 101)[:, None]
    curve = np.where(
        s < 1, control[0] + s * (control[1] - control[0]), control[1] + (s - 1) * (control[2] - control[1])
    )
    view.set_path(curve, control, None)
    return view


def test_clicking_adds_a_control_point_on_the_point_that_is_there(view):
    view.set_mode(Mode.EDIT)
    heard, index = Heard(view), front_point(view)
    click(view, where(view, index))
    ((place,),) = heard.named("control_added")
    assert place == pytest.approx(sheet()[index])


def test_clicking_on_nothing_adds_at_the_paths_depth(edited):
    heard, place = Heard(edited), empty_place(edited)
    click(edited, place)
    ((added,),) = heard.named("control_added")
    depth = edited.scene.camera.depth(np.stack([edited.scene.control[-1], added]))
    assert depth[0] == pytest.approx(depth[1], abs=1e-5)
    assert (edited.project(added).x(), edited.project(added).y()) == pytest.approx(place, abs=1.0)


def test_dragging_a_control_point_moves_it_in_the_screens_plane(edited):
    at = edited.project(edited.scene.control[1])
    heard = Heard(edited)
    drag(edited, [at, at + QPointF(8, 0), at + QPointF(30, -25)])
    assert heard.named("control_selected") == [(1,)]
    index, moved = heard.named("control_moved")[-1]
    assert index == 1
    assert edited.project(moved).x() - at.x() == pytest.approx(30, abs=1.5)
    assert edited.project(moved).y() - at.y() == pytest.approx(-25, abs=1.5)
    assert heard.named("control_released") == [(1,)]
    assert not heard.named("control_added")


def test_clicking_a_control_point_selects_it_without_moving_it(edited):
    heard = Heard(edited)
    click(edited, edited.project(edited.scene.control[2]))
    assert heard.named("control_selected") == [(2,)]
    assert not heard.named("control_moved")
    assert heard.named("control_released") == [(2,)], "the press is over: it has become no drag"


def test_pressing_the_curve_inserts_a_control_point_that_can_be_dragged_on(edited):
    place = edited.scene.curve[75]
    at = edited.project(place)
    heard = Heard(edited)
    drag(edited, [at, at + QPointF(10, 10), at + QPointF(20, 15)])
    ((position, inserted),) = heard.named("control_inserted")
    assert position == 2
    assert inserted == pytest.approx(place, abs=0.02)
    assert heard.named("control_moved")[-1][0] == 2
    assert heard.named("control_released") == [(2,)]


def test_hovering_the_curve_shows_where_a_click_inserts(edited):
    move(edited, edited.project(edited.scene.curve[25]))
    assert edited.scene.ghost == pytest.approx(edited.scene.curve[25], abs=0.02)
    move(edited, edited.project(edited.scene.control[0]))
    assert edited.scene.ghost is None
    assert edited.scene.hover_control == 0


def test_right_click_removes_and_right_drag_does_not(edited):
    at = edited.project(edited.scene.control[0])
    heard = Heard(edited)
    drag(edited, [at, at + QPointF(30, 10)], RIGHT)
    assert not heard.named("control_removed")
    click(edited, edited.project(edited.scene.control[0]), RIGHT)
    assert heard.named("control_removed") == [(0,)]


@pytest.mark.parametrize("key", [Qt.Key.Key_Delete, Qt.Key.Key_Backspace])
def test_delete_removes_the_selected_control_point(edited, key):
    heard = Heard(edited)
    QTest.keyClick(edited, key)
    assert not heard.named("control_removed")
    edited.set_path(edited.scene.curve, edited.scene.control, 1)
    QTest.keyClick(edited, key)
    assert heard.named("control_removed") == [(1,)]


def test_dragging_on_nothing_turns_the_cloud_and_adds_nothing(edited):
    heard, before = Heard(edited), edited.camera()["azimuth"]
    x, y = empty_place(edited)
    drag(edited, [(x, y), (x + 20, y), (x + 60, y)])
    assert edited.camera()["azimuth"] != before
    assert not heard.named("control_added")


# select


def test_a_rectangle_picks_the_points_inside_and_shift_adds(view):
    view.set_mode(Mode.SELECT)
    heard = Heard(view)
    drag(view, [(200, 150), (300, 200), (420, 330)])
    drag(view, [(200, 150), (300, 200), (420, 330)], modifiers=SHIFT)
    (indices, add), (_, added) = heard.named("picked")
    places = view.screen_positions()
    inside = (places[:, 0] >= 200) & (places[:, 0] <= 420) & (places[:, 1] >= 150) & (places[:, 1] <= 330)
    assert indices.dtype == np.int64
    assert set(indices.tolist()) == set(np.flatnonzero(inside).tolist())
    assert len(indices) > 5
    assert (add, added) == (False, True)


def test_ctrl_drags_a_lasso(view):
    view.set_mode(Mode.SELECT)
    heard = Heard(view)
    angles = np.linspace(0, 2 * np.pi, 60)
    drag(view, [(320 + 80 * np.cos(t), 240 + 80 * np.sin(t)) for t in angles], modifiers=CTRL)
    ((indices, _),) = heard.named("picked")
    radius = np.hypot(*(view.screen_positions()[:, :2] - (320, 240)).T)
    assert set(np.flatnonzero(radius < 77).tolist()) <= set(indices.tolist())
    assert (radius[indices] < 83).all()


def test_a_click_picks_one_point_or_none(view):
    view.set_mode(Mode.SELECT)
    heard, index = Heard(view), front_point(view)
    click(view, where(view, index))
    click(view, empty_place(view))
    (one, _), (none, _) = heard.named("picked")
    assert one.tolist() == [index]
    assert none.tolist() == []
