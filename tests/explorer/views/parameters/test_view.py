"""The parameter plane as a widget: where things stand in it, and what each gesture of a hand says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QToolButton

from explorer.views.parameters import ParametersView, painting
from explorer.views.parameters.plane import Tool
from explorer.views.parameters.scene import Hole, PlaneFrame
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.theme import DARK, LIGHT

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
SHIFT, CONTROL, NONE = (
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.NoModifier,
)
LOW, HIGH = np.array([0.5, 0.0]), np.array([2.0, 2.0])
PLACES = np.array([[0.75, 0.5], [1.25, 1.0], [1.75, 1.5], [1.0, 1.9]], dtype=np.float32)
SIGNALS = (
    "cursor_moved",
    "cursor_released",
    "hovered",
    "picked",
    "sample_clicked",
    "hole_moved",
    "hole_released",
    "hole_toggled",
    "axes_changed",
    "stroke_drawn",
)


@pytest.fixture
def view(qtbot) -> ParametersView:
    made = ParametersView()
    qtbot.addWidget(made)
    made.resize(720, 190)
    made.set_empty("")
    made.set_bounds(LOW, HIGH)
    made.set_names("scale a", "depth b")
    made.set_samples(PLACES, np.array([0, 0, 1, 0], dtype=np.uint8))
    made.show()
    qtbot.waitExposed(made)
    return made


@pytest.fixture
def said(view) -> list[tuple]:
    heard: list[tuple] = []
    for name in SIGNALS:
        getattr(view if hasattr(view, name) else view.plane, name).connect(
            lambda *values, name=name: heard.append((name, *values))
        )
    return heard


def _at(view: ParametersView, a: float, b: float) -> QPoint:
    x, y = view.plane.scene.frame.pixel(a, b)
    return QPoint(round(x), round(y))


def _drag(view: ParametersView, *places: QPoint, button=LEFT, modifier=NONE) -> None:
    _press(view, places[0], button, modifier)
    for place in places[1:]:
        _hover(view, place)
    QTest.mouseRelease(view.windowHandle(), button, modifier, view.plane.mapTo(view, places[-1]))


def _press(view: ParametersView, place: QPoint, button=LEFT, modifier=NONE) -> None:
    QTest.mousePress(view.windowHandle(), button, modifier, view.plane.mapTo(view, place))


def _hover(view: ParametersView, place: QPoint) -> None:
    QTest.mouseMove(view.windowHandle(), view.plane.mapTo(view, place))
    QApplication.processEvents()


def _only(said: list[tuple], name: str) -> list[tuple]:
    return [each[1:] for each in said if each[0] == name]


def _tolerance(view: ParametersView) -> float:
    """A pixel, in units of the plane."""
    return 1.01 / float(view.plane.scene.frame.scale().min())


def _wheel(view: ParametersView, at: QPoint, notches: int) -> None:
    place, point = QPointF(at), QPoint(0, 120 * notches)
    event = QWheelEvent(
        place, view.plane.mapToGlobal(place), QPoint(), point, Qt.MouseButton.NoButton, NONE,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(view.plane, event)


# geometry

finite = st.floats(-1e4, 1e4)


@settings(max_examples=60, deadline=None)
@given(
    x=finite, y=finite, width=st.integers(120, 3000), height=st.integers(80, 2000),
    wheel=st.lists(st.tuples(st.floats(0.3, 5.0), st.floats(0, 1), st.floats(0, 1)), max_size=6),
)  # fmt: skip
def test_pixels_and_places_are_each_others_inverse_however_the_plane_is_zoomed(x, y, width, height, wheel):
    frame = PlaneFrame()
    frame.set_bounds(LOW, HIGH)
    frame.resize(width, height)
    for factor, across, down in wheel:
        frame.zoom(factor, (across * width, down * height))
    assert frame.from_pixels(frame.pixel(x, y)) == pytest.approx([x, y], rel=1e-6, abs=1e-6)
    assert frame.magnification >= 1.0 - 1e-9


def test_zooming_keeps_the_place_under_the_mouse_and_never_leaves_the_plane():
    frame = PlaneFrame()
    frame.set_bounds(LOW, HIGH)
    frame.resize(500, 300)
    at = (200.0, 120.0)
    place = frame.from_pixels(at)
    frame.zoom(3.0, at)
    assert frame.from_pixels(at) == pytest.approx(place)
    frame.pan(1e5, -1e5)
    assert (frame.seen_low >= frame.low - 0.1).all()
    assert (frame.seen_high <= frame.high + 0.1).all()
    frame.zoom(1e-9, at)
    assert frame.magnification == pytest.approx(1.0)


def test_an_axis_without_extent_is_still_an_axis():
    frame = PlaneFrame()
    frame.set_bounds(np.array([3.0, 0.0]), np.array([3.0, 1.0]))
    assert frame.low.tolist() == [2.5, 0.0]
    assert frame.high.tolist() == [3.5, 1.0]


def test_numbers_at_the_axes_are_round_and_written_alike():
    frame = PlaneFrame()
    frame.set_bounds(LOW, np.array([2.0, 40.0]))
    frame.resize(330, 150)
    assert frame.ticks(0) == {0.5: "0.5", 1.0: "1.0", 1.5: "1.5", 2.0: "2.0"}
    assert frame.ticks(1) == {0.0: "0", 20.0: "20", 40.0: "40"}


# the cursor


def test_dragging_moves_the_cursor_live_and_letting_go_is_told_once(view, said):
    view.set_cursor((1.0, 1.0))
    _drag(view, _at(view, 1.0, 1.0), _at(view, 1.2, 1.3), _at(view, 1.5, 0.4))
    moved = _only(said, "cursor_moved")
    assert moved[-1] == pytest.approx((1.5, 0.4), abs=_tolerance(view))
    assert len(moved) >= 2
    assert len(_only(said, "cursor_released")) == 1
    assert _only(said, "sample_clicked") == []


def test_the_cursor_stays_inside_the_plane(view, said):
    _drag(view, _at(view, 0.5, 0.1), _at(view, 1.0, 1.0), QPoint(-20, view.plane.height() - 3))
    assert _only(said, "cursor_moved")[-1] == (0.5, 0.0)


def test_a_click_on_a_sample_chooses_it_and_leaves_the_cursor(view, said):
    QTest.mouseClick(view.plane, LEFT, NONE, _at(view, 1.75, 1.5) + QPoint(2, -2))
    assert _only(said, "sample_clicked") == [(2,)]
    assert _only(said, "cursor_moved") == []


def test_control_puts_the_cursor_exactly_there_although_a_sample_is_near(view, said):
    QTest.mouseClick(view.plane, LEFT, CONTROL, _at(view, 1.75, 1.5))
    assert _only(said, "sample_clicked") == []
    assert _only(said, "cursor_moved")[-1] == pytest.approx((1.75, 1.5), abs=_tolerance(view))


def test_a_click_where_no_sample_is_near_moves_the_cursor_there(view, said):
    QTest.mouseClick(view.plane, LEFT, NONE, _at(view, 0.6, 1.7))
    assert _only(said, "cursor_moved")[-1] == pytest.approx((0.6, 1.7), abs=_tolerance(view))
    assert _only(said, "cursor_released") == [()]


def test_arrow_keys_nudge_the_cursor_by_a_fiftieth_and_with_shift_by_a_tenth(view, said):
    view.set_cursor((1.0, 1.0))
    QTest.keyClick(view.plane, Qt.Key.Key_Right)
    assert _only(said, "cursor_moved")[-1] == pytest.approx((1.03, 1.0))
    QTest.keyClick(view.plane, Qt.Key.Key_Down, SHIFT)
    assert _only(said, "cursor_moved")[-1] == pytest.approx((1.0, 0.8))
    assert len(_only(said, "cursor_released")) == 2


def test_hovering_tells_the_sample_once_and_leaving_tells_none(view, said):
    _hover(view, _at(view, 0.75, 0.5))
    _hover(view, _at(view, 0.75, 0.5) + QPoint(1, 0))
    _hover(view, _at(view, 0.6, 1.8))
    assert _only(said, "hovered") == [(0,), (-1,)]


# the other tools


def test_a_rectangle_selects_the_samples_in_it_and_shift_adds(view, said):
    view.set_tool(Tool.SELECT)
    _drag(view, _at(view, 0.7, 0.4), _at(view, 1.0, 0.9), _at(view, 1.3, 1.1))
    _drag(view, _at(view, 1.6, 1.4), _at(view, 1.8, 1.5), _at(view, 1.9, 1.7), modifier=SHIFT)
    (first, added), (second, more) = _only(said, "picked")
    assert (first.tolist(), added) == ([0, 1], False)
    assert (second.tolist(), more) == ([2], True)
    QTest.mouseClick(view.plane, LEFT, NONE, _at(view, 0.6, 1.8))
    assert _only(said, "picked")[-1][0].tolist() == []


def test_a_straight_transect_has_its_two_ends_inside_the_plane(view, said):
    view.set_tool(Tool.STRAIGHT)
    _drag(view, _at(view, 0.8, 0.3), _at(view, 1.0, 1.0), QPoint(500, _at(view, 1.0, 1.6).y()))
    (line,) = _only(said, "stroke_drawn")[0]
    assert line.dtype == np.float64
    assert line[0] == pytest.approx([0.8, 0.3], abs=_tolerance(view))
    assert line[1] == pytest.approx([2.0, 1.6], abs=_tolerance(view))


def test_a_freehand_transect_follows_the_hand_without_repeating_a_place(view, said):
    view.set_tool(Tool.DRAW)
    way = [(0.8, 0.3), (1.0, 0.8), (1.2, 1.2), (1.5, 1.3), (1.8, 0.9)]
    _drag(view, *(_at(view, *place) for place in way), QPoint(400, -5), QPoint(500, -15))
    (line,) = _only(said, "stroke_drawn")[0]
    assert len(line) >= 5
    assert ((line >= LOW) & (line <= HIGH)).all()
    assert (np.diff(line, axis=0) != 0).any(axis=1).all()
    assert line[0] == pytest.approx(way[0], abs=_tolerance(view))


def test_a_click_draws_no_transect(view, said):
    for tool in (Tool.STRAIGHT, Tool.DRAW):
        view.set_tool(tool)
        QTest.mouseClick(view.plane, LEFT, NONE, _at(view, 1.0, 1.0))
    assert _only(said, "stroke_drawn") == []


def test_escape_ends_a_stroke_without_effect_and_then_the_tool(view, said):
    view.set_tool(Tool.DRAW)
    _press(view, _at(view, 1.0, 1.0))
    for b in (1.2, 1.5, 1.8):
        _hover(view, _at(view, 1.1, b))
    QTest.keyClick(view.plane, Qt.Key.Key_Escape)
    QTest.mouseRelease(view.windowHandle(), LEFT, NONE, view.plane.mapTo(view, _at(view, 1.1, 1.8)))
    assert _only(said, "stroke_drawn") == []
    assert view.plane.tool is Tool.DRAW
    QTest.keyClick(view.plane, Qt.Key.Key_Escape)
    assert view.plane.tool is Tool.CURSOR


@pytest.mark.parametrize("tool", list(Tool))
def test_the_toolbar_chooses_the_tool(view, said, tool):
    QTest.mouseClick(view.findChild(QToolButton, f"parameters.{tool.value}"), LEFT)
    assert view.plane.tool is tool
    _drag(view, _at(view, 0.6, 1.8), _at(view, 0.8, 1.6), _at(view, 1.1, 1.2), _at(view, 1.3, 0.8))
    wanted = {Tool.CURSOR: "cursor_moved", Tool.SELECT: "picked"}.get(tool, "stroke_drawn")
    assert _only(said, wanted)


# the hole


def test_the_hole_is_moved_by_its_centre_and_resized_by_its_rim(view, said):
    view.plane.hole_moved.connect(lambda a, b, radius: view.set_hole(a, b, radius, True, ""))
    view.set_hole(1.25, 1.0, 0.3, True, "")
    _drag(view, _at(view, 1.25, 1.0), _at(view, 1.1, 1.2), _at(view, 1.0, 1.4))
    assert _only(said, "hole_moved")[-1] == pytest.approx((1.0, 1.4, 0.3), abs=_tolerance(view))
    _drag(view, _at(view, 1.3, 1.4), _at(view, 1.4, 1.4), _at(view, 1.5, 1.4))
    a, b, radius = _only(said, "hole_moved")[-1]
    assert (a, b) == pytest.approx((1.0, 1.4), abs=_tolerance(view))
    assert radius == pytest.approx(0.5, abs=_tolerance(view))
    assert len(_only(said, "hole_released")) == 2
    assert _only(said, "cursor_moved") == []


def test_a_hole_that_is_only_shown_has_no_handles(view, said):
    view.set_hole(1.25, 1.0, 0.3, False, "The hole of this run")
    _drag(view, _at(view, 1.25, 1.0), _at(view, 1.1, 1.2), _at(view, 1.0, 1.4))
    assert _only(said, "hole_moved") == []
    assert not view.findChild(QToolButton, "parameters.hole").isEnabled()


def test_a_hole_larger_than_the_plane_can_still_be_made_smaller(view, said):
    view.set_hole(1.25, 1.0, 30.0, True, "")
    handle = view.plane.scene.handles()["rim"]
    _drag(view, QPoint(*(round(v) for v in handle)), _at(view, 1.7, 1.0), _at(view, 1.6, 1.0))
    assert _only(said, "hole_moved")[-1] == pytest.approx((1.25, 1.0, 0.35), abs=_tolerance(view))


def test_escape_puts_the_hole_back(view, said):
    view.set_hole(1.25, 1.0, 0.3, True, "")
    _press(view, _at(view, 1.25, 1.0))
    _hover(view, _at(view, 1.0, 1.4))
    QTest.keyClick(view.plane, Qt.Key.Key_Escape)
    assert _only(said, "hole_moved")[-1] == (1.25, 1.0, 0.3)
    QTest.mouseRelease(view.windowHandle(), LEFT, NONE, view.plane.mapTo(view, _at(view, 1.0, 1.4)))


def test_the_hole_is_switched_in_the_toolbar(view, said):
    view.set_hole(1.25, 1.0, 0.3, True, "")
    button = view.findChild(QToolButton, "parameters.hole")
    assert button.isChecked()
    QTest.mouseClick(button, LEFT)
    assert _only(said, "hole_toggled") == [(False,)]


# looking around


def test_the_wheel_zooms_right_drag_moves_and_a_double_click_shows_everything(view, said):
    frame = view.plane.scene.frame
    _wheel(view, _at(view, 1.0, 1.0), 4)
    assert frame.magnification > 1.0
    before = frame.seen_low.copy()
    start = QPoint(round(view.plane.width() / 2), round(view.plane.height() / 2))
    _drag(view, start, start + QPoint(20, -10), start + QPoint(30, -15), button=RIGHT)
    assert not np.allclose(before, frame.seen_low)
    QTest.mouseDClick(view.plane, LEFT, NONE, start)
    assert frame.magnification == pytest.approx(1.0)
    _wheel(view, start, 2)
    QTest.mouseClick(view.findChild(QToolButton, "parameters.home"), LEFT)
    assert frame.magnification == pytest.approx(1.0)
    _wheel(view, start, 2)
    QTest.keyClick(view.plane, Qt.Key.Key_Home)
    assert frame.magnification == pytest.approx(1.0)


# state to view


def _picture(view: ParametersView) -> np.ndarray:
    image = view.plane.grab().toImage().convertToFormat(QImage.Format.Format_RGBA8888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine() // 4, 4)
    return rows[:, : image.width(), :3].astype(int).copy()


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_every_mark_is_seen(view, theme, use_theme):
    use_theme(theme)
    line = np.array([[0.6, 0.2], [1.0, 0.6], [1.6, 1.8]])
    before = _picture(view)
    for show in (
        lambda: view.set_colors(np.tile(np.array([250, 60, 10, 255], dtype=np.uint8), (4, 1))),
        lambda: view.set_hole(1.25, 1.0, 0.3, True, ""),
        lambda: view.plane.mark(run_hole=Hole(1.0, 1.0, 0.2)),
        lambda: view.set_cursor((0.9, 1.3)),
        lambda: view.plane.mark(selected=0),
        lambda: view.set_hovered(3),
        lambda: view.plane.mark(transects=[("P1", line), ("mine", line[:, ::-1])], chosen=None),
        lambda: view.plane.mark(transects=[("P1", line), ("mine", line[:, ::-1])], chosen=1),
        lambda: view.plane.mark(position=1),
    ):
        show()
        after = _picture(view)
        assert (np.abs(after - before).sum(axis=2) > 60).sum() > 10
        before = after


def test_a_training_sample_is_a_disc_of_its_colour_and_a_validation_sample_a_ring(view):
    view.set_colors(np.tile(np.array([250, 60, 10, 255], dtype=np.uint8), (4, 1)))
    picture = _picture(view)
    disc, ring = (picture[place.y(), place.x()] for place in (_at(view, 0.75, 0.5), _at(view, 1.75, 1.5)))
    assert disc[0] > 200
    assert ring[0] < 140


def test_of_very_many_samples_a_fair_part_is_drawn_and_that_is_written_there(view, monkeypatch):
    places = np.random.default_rng(0).random((4000, 2)).astype(np.float32) + 0.5

    def red() -> int:
        view.set_samples(places, np.zeros(4000, np.uint8))
        view.set_colors(np.tile(np.array([255, 0, 0, 255], np.uint8), (4000, 1)))
        picture = _picture(view)
        return int(((picture[..., 0] > 150) & (picture[..., 1] < 90)).sum())

    whole = red()
    written = []
    monkeypatch.setattr(painting, "MOST_DRAWN", 400)
    monkeypatch.setattr(painting, "halo_text", lambda painter, rect, flags, text, *inks: written.append(text))
    assert 0.05 * whole < red() < 0.3 * whole
    assert written[-1] == "at most 400 of 4,000 samples are drawn, at random"


def test_setters_tell_nothing(view, said):
    view.set_hole(1.0, 1.0, 0.2, True, "note")
    view.plane.mark(run_hole=Hole(1.0, 1.0, 0.4))
    view.set_cursor((1.0, 1.0))
    view.set_factors(("a", "b", "c"), (2, 0))
    view.plane.mark(selected=1)
    view.set_hovered(2)
    view.plane.mark(highlight=np.array([1]))
    view.plane.mark(transects=[("P1", PLACES.astype(np.float64))], chosen=0)
    view.plane.mark(position=1)
    view.set_tool(Tool.DRAW)
    assert said == []


def test_any_two_factors_can_be_chosen(view, said):
    view.set_factors(("shape", "scale", "turn"), (0, 2))
    box = view.findChild(QComboBox, "parameters.axis.x")
    assert box.isVisible()
    assert box.currentText() == "shape"
    box.setFocus()
    QTest.keyClick(box, Qt.Key.Key_Down)
    assert _only(said, "axes_changed") == [(1, 2)]
    view.set_factors(())
    assert not box.isVisible()


@pytest.mark.parametrize(("axis", "key", "wanted"), [("x", Qt.Key.Key_Down, (1, 0)), ("y", Qt.Key.Key_Up, (1, 0))])
def test_no_factor_is_on_both_axes_the_two_change_places(view, said, axis, key, wanted):
    view.set_factors(("shape", "scale", "turn"), (0, 1))
    box = view.findChild(QComboBox, f"parameters.axis.{axis}")
    box.setFocus()
    QTest.keyClick(box, key)
    assert _only(said, "axes_changed") == [wanted]


def test_readout_and_note_give_way_to_one_another_where_there_is_little_room(view):
    """At 1280 x 720 a name of a factor ran into the note, and its value was cut off."""
    view.resize(620, 190)
    view.set_factors(("factor5", "factor6"))
    view.set_names("factor5", "factor6")
    view.set_cursor((0.123, 0.456))
    view.set_hole(1.25, 1.0, 0.3, True, "3,210 of 5,000 images left")
    QApplication.processEvents()
    readout, note = (view.findChild(ElidedLabel, f"parameters.{name}") for name in ("readout", "note"))
    assert readout.shown == "0.123, 0.456"
    assert readout.geometry().right() < note.geometry().left()
    for part in (readout, note):
        assert part.fontMetrics().horizontalAdvance(part.shown) <= part.width()


def test_data_that_can_have_no_hole_have_no_button_for_one(view):
    button = view.findChild(QToolButton, "parameters.hole")
    assert button.isVisible()
    view.set_hole_possible(False)
    assert not button.isVisible()


def test_the_readout_tells_the_cursor_and_the_hovered_sample(view):
    readout = view.findChild(QLabel, "parameters.readout")
    view.set_cursor((1.0, 0.25))
    assert readout.text() == "scale a = 1.000 · depth b = 0.250"
    view.set_hovered(2)
    assert readout.text() == "sample at scale a = 1.750 · depth b = 1.500"
    view.set_hovered(None)
    assert readout.text().startswith("scale a = 1.000")


def test_a_note_that_is_wrong_is_an_error(view):
    note = view.findChild(QLabel, "parameters.note")
    view.set_hole(1.0, 1.0, 9.0, True, "The hole leaves no images", wrong=True)
    assert (note.text(), note.property("role")) == ("The hole leaves no images", "error")
    view.set_hole(1.0, 1.0, 0.1, True, "fine")
    assert note.property("role") == "muted"


def test_images_show_truth_reconstruction_and_difference(view):
    truth = np.zeros((16, 16, 1), dtype=np.uint8)
    view.set_images(truth, truth + 20, "excess BCE 0.001")
    assert [picture.lines[0][0] for picture in view.images.pictures] == ["true image", "reconstruction", "diff. ±0.1"]
    view.set_images(None, None, "")
    assert view.images.pictures == ()


@pytest.mark.parametrize(("size", "beside"), [((720, 190), True), ((1200, 260), True), ((700, 600), False)])
def test_images_stand_beside_a_low_plane_and_below_a_high_one(view, qtbot, size, beside):
    def fits() -> bool:
        plane, images = view.plane.geometry(), view.images.geometry()
        corner = view.images.mapTo(view, view.images.rect().bottomRight())
        apart = images.left() > plane.right() if beside else images.top() > plane.bottom()
        return view.size().toTuple() == size and apart and view.rect().contains(corner) and plane.height() >= 96

    view.resize(1900, 300)
    view.resize(*size)
    qtbot.waitUntil(fits)
    assert view.minimumSizeHint().width() <= 420


def test_the_empty_state_replaces_the_plane(view):
    view.set_empty("Open a run.")
    assert view.findChild(QLabel, "parameters.empty").isVisible()
    assert not view.plane.isVisible()


def test_samples_of_another_shape_are_refused(view):
    with pytest.raises(ValueError, match="wanted are"):
        view.set_samples(np.zeros((3, 3), dtype=np.float32), np.zeros(3, dtype=np.uint8))


def test_samples_that_are_not_finite_are_left_out(view, said):
    places = PLACES.copy()
    places[0] = np.nan
    view.set_samples(places, np.zeros(4, dtype=np.uint8))
    _picture(view)
    _hover(view, _at(view, 0.75, 0.5))
    assert _only(said, "hovered") == []


def test_regions_that_are_held_out_are_outlined(view):
    without = view.plane.grab().toImage()
    view.plane.mark(held_out=[((0.8, 1.2), (0.5, 1.0)), ((1.5, float("inf")), (float("-inf"), float("inf")))])
    assert view.plane.scene.held_out[0] == ((0.8, 1.2), (0.5, 1.0))
    assert view.plane.grab().toImage() != without
