"""One small class for each mouse mode: from presses and moves of the left button to gestures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt

from explorer.views.cloud.scene import hit_curve, insert_position
from explorer.widgets.controls import WheelNotches

if TYPE_CHECKING:
    from explorer.views.cloud.view import CloudView

Pixel = tuple[float, float]
PICK_RADIUS = 12.0  # pixels within which a point is hit
CONTROL_RADIUS = 11.0
PROBE_RADIUS = 16.0
CURVE_RADIUS = 7.0
DRAG_THRESHOLD = 4.0  # pixels: less is a click
MIN_STROKE = 6.0  # pixels of length
RAIL_RADIUS = 8.0  # pixels within which the pointer snaps onto the curve
RAIL_REACH = 0.15  # of the curve, to either side, that one move can slide along: it does not jump to another turn of it


class Mode(StrEnum):
    """What the left button does."""

    ORBIT = "orbit"
    PROBE = "probe"
    DRAW = "draw"
    EDIT = "edit"
    SELECT = "select"
    TRACE = "trace"


@dataclass(frozen=True, eq=False)
class StrokeGesture:
    """A freehand stroke and the camera it was drawn under.

    ``points`` float64 (S, 2) widget pixels, y down. ``projection`` float64 (4, 4) maps (x, y, z, 1) as a column to
    clip coordinates (OpenGL's convention). ``viewport`` is (width, height) in the same pixels.
    """

    points: np.ndarray
    projection: np.ndarray
    viewport: tuple[float, float]


class Tool:
    """What the left button does in one mode. ``threshold``: pixels before a press becomes a drag."""

    cursor = Qt.CursorShape.CrossCursor
    threshold = DRAG_THRESHOLD
    hovers = True

    def __init__(self, host: CloudView) -> None:
        self.host = host
        self.scene = host.scene

    def press(self, at: Pixel, modifiers: Qt.KeyboardModifier) -> None:
        """The button goes down."""

    def drag(self, at: Pixel, last: Pixel, modifiers: Qt.KeyboardModifier) -> None:
        """The mouse has moved, from ``last``, with the button down."""

    def release(self, at: Pixel, moved: bool, modifiers: Qt.KeyboardModifier) -> None:
        """The button goes up; ``moved``: after a drag."""

    def hover(self, at: Pixel) -> None:
        """The mouse moves with no button down."""

    def cancel(self) -> None:
        """The gesture is given up, or the mode is left."""

    def secondary_click(self, at: Pixel) -> None:
        """The right button was clicked."""

    def wheel(self, angle: float, at: Pixel) -> bool:
        """The wheel turns by ``angle`` eighths of a degree; whether it meant something here other than to zoom."""
        return False

    def delete(self) -> bool:
        """Delete or Backspace; whether it meant something."""
        return False

    def axis_held(self, axis: int | None) -> None:
        """X, Y or Z went down (0, 1, 2), or up again (None)."""

    def pick(self, at: Pixel) -> int | None:
        """The point at this pixel."""
        return self.scene.screen().nearest(at, PICK_RADIUS, self.scene.point_radius() + 1.0)

    def on_plane(self, at: Pixel, depth: float) -> np.ndarray:
        """The position float32 (3,) at this pixel and depth, on the axes that exist."""
        return self.scene.flatten(self.scene.camera.unproject(at, depth)).astype(np.float32)

    def turn(self, at: Pixel, last: Pixel, shift: bool = False) -> None:
        """Turn the view by a move of the mouse, or shift it; a flat view has nothing to turn."""
        camera, dx, dy = self.scene.camera, at[0] - last[0], at[1] - last[1]
        if shift or camera.flat:
            camera.pan(dx, dy)
        else:
            camera.orbit(dx, dy)
        self.host.turned()

    def depth(self, point: np.ndarray) -> float:
        """How far ``point`` (3,) lies in front of the eye; for one that is behind it, the middle of the view is meant.

        Only what is in front of the eye has a place on the screen, and is there what a hand can hold.
        """
        camera = self.scene.camera
        return self.seen_depth(float(camera.depth(np.asarray(point, dtype=np.float64)[None])[0]))

    def seen_depth(self, depth: float) -> float:
        """``depth``, or that of the middle of the view where nothing can be seen at it."""
        camera = self.scene.camera
        return depth if camera.flat or depth > camera.near else camera.distance


class OrbitTool(Tool):
    """Drag to turn (Shift: to shift), click to choose a point. A flat view has nothing to turn: a drag shifts it."""

    cursor = Qt.CursorShape.ArrowCursor

    def drag(self, at: Pixel, last: Pixel, modifiers: Qt.KeyboardModifier) -> None:
        self.turn(at, last, shift=bool(modifiers & Qt.KeyboardModifier.ShiftModifier))

    def release(self, at: Pixel, moved: bool, modifiers: Qt.KeyboardModifier) -> None:
        index = None if moved else self.pick(at)
        if index is not None:
            self.host.clicked.emit(index, modifiers)


class ProbeTool(Tool):
    """Press to take the probe, or to call it here; drag it in the screen's plane, or along the axis that is held."""

    threshold = 0.0
    hovers = False

    def __init__(self, host: CloudView) -> None:
        super().__init__(host)
        self._position: np.ndarray | None = None
        self._anchor = np.zeros(3)
        self._offset: Pixel = (0.0, 0.0)
        self._at: Pixel = (0.0, 0.0)

    def press(self, at: Pixel, modifiers: Qt.KeyboardModifier) -> None:
        probe, scene = self.scene.probe, self.scene
        self._at = at
        if probe is not None:
            x, y = self.scene.pixel(probe)
            if np.hypot(x - at[0], (y - at[1]) if scene.dims > 1 else 0.0) <= PROBE_RADIUS:
                self._take(probe, at)
                return
        index = self.pick(at)
        if index is not None:
            place = scene.true_place(index)
        else:
            place = self.on_plane(at, self.depth(probe) if probe is not None else scene.camera.distance)
        self._take(place, at)
        self._move_to(place)

    def _take(self, place: np.ndarray, at: Pixel) -> None:
        self._anchor = np.asarray(place, dtype=np.float64).copy()
        self._position = self._anchor
        x, y = self.scene.pixel(self._anchor)
        self._offset = (x - at[0], y - at[1])

    def _move_to(self, place: np.ndarray) -> None:
        self._position = self.scene.flatten(place)
        self.host.probe_moved.emit(self._position.astype(np.float32))

    def drag(self, at: Pixel, last: Pixel, modifiers: Qt.KeyboardModifier) -> None:
        if self._position is None:
            return
        self._at = at
        pixel = (at[0] + self._offset[0], at[1] + self._offset[1])
        axis = self.scene.probe_axis
        if axis is not None and axis < self.scene.dims:
            self._move_to(self.scene.camera.along_axis(self._anchor, axis, pixel))
        else:
            self._move_to(self.on_plane(pixel, self.depth(self._anchor)))

    def release(self, at: Pixel, moved: bool, modifiers: Qt.KeyboardModifier) -> None:
        if self._position is not None:
            self._position = None
            self.host.probe_released.emit()

    def cancel(self) -> None:
        self.release(self._at, False, Qt.KeyboardModifier.NoModifier)
        self.scene.probe_axis = None

    def axis_held(self, axis: int | None) -> None:
        self.scene.probe_axis = axis if axis is not None and axis < self.scene.dims else None
        if self._position is not None:  # go on from here, in the new direction
            self._take(self._position, self._at)
        self.host.refresh()


class DrawTool(Tool):
    """Draw a stroke freehand; it is shown until it ends."""

    threshold = 0.0
    hovers = False

    def __init__(self, host: CloudView) -> None:
        super().__init__(host)
        self._points: list[Pixel] = []

    def press(self, at: Pixel, modifiers: Qt.KeyboardModifier) -> None:
        self._points = [at]

    def drag(self, at: Pixel, last: Pixel, modifiers: Qt.KeyboardModifier) -> None:
        if self._points and np.hypot(at[0] - self._points[-1][0], at[1] - self._points[-1][1]) >= 1.0:
            self._points.append(at)
            self.scene.stroke = np.array(self._points)
            self.host.refresh()

    def release(self, at: Pixel, moved: bool, modifiers: Qt.KeyboardModifier) -> None:
        if self._points:
            self.drag(at, at, modifiers)
        points = np.array(self._points, dtype=np.float64).reshape(-1, 2)
        self.cancel()
        if len(points) > 1 and np.hypot(*np.diff(points, axis=0).T).sum() >= MIN_STROKE:
            camera = self.scene.camera
            self.host.stroke_drawn.emit(StrokeGesture(points, camera.matrix(), camera.viewport))

    def cancel(self) -> None:
        self._points = []
        self.scene.stroke = None
        self.host.refresh()


class EditTool(Tool):
    """Control points: click to add, drag to move, click the curve to insert, right-click or Delete to remove."""

    def __init__(self, host: CloudView) -> None:
        super().__init__(host)
        self._index: int | None = None
        self._depth = 0.0
        self._offset: Pixel = (0.0, 0.0)
        self._adding = False

    def _control_at(self, at: Pixel) -> int | None:
        control = self.scene.control
        if control is None or not len(control):
            return None
        pixels, depth = self.scene.camera.project(control)
        distance = np.hypot(*(pixels - at).T)
        near = np.flatnonzero(distance <= CONTROL_RADIUS)
        if not len(near):
            return None
        return int(near[np.lexsort((depth[near], distance[near].round()))[0]])

    def _curve_at(self, at: Pixel) -> tuple[int, np.ndarray] | None:
        """Index and place of the control point that a click here would insert."""
        curve, control = self.scene.curve, self.scene.control
        if curve is None or control is None or len(curve) < 2 or not len(control):
            return None
        hit = hit_curve(self.scene.pixels(curve), at)
        if hit is None or hit.distance > CURVE_RADIUS:
            return None
        place = curve[hit.segment] + hit.share * (curve[hit.segment + 1] - curve[hit.segment])
        closed = np.allclose(curve[0], curve[-1]) and not np.allclose(control[0], control[-1])
        last = len(control) if closed else max(len(control) - 1, 1)
        return min(insert_position(curve, control, hit.segment), last), place

    def press(self, at: Pixel, modifiers: Qt.KeyboardModifier) -> None:
        self._adding = False
        index, control = self._control_at(at), self.scene.control
        if index is not None and control is not None:
            self._hold(index, control[index], at)
            self.host.control_selected.emit(index)
            return
        inserted = self._curve_at(at)
        if inserted is not None:
            position, place = inserted
            self._hold(position, place, at)
            self.scene.ghost = None
            self.host.control_inserted.emit(position, place.astype(np.float32))
            return
        self._index, self._adding = None, True

    def _hold(self, index: int, place: np.ndarray, at: Pixel) -> None:
        x, y = self.scene.pixel(place)
        self._index, self._depth, self._offset = index, self.depth(place), (x - at[0], y - at[1])

    def drag(self, at: Pixel, last: Pixel, modifiers: Qt.KeyboardModifier) -> None:
        if self._index is None:
            self._adding = False
            self.turn(at, last)
            return
        pixel = (at[0] + self._offset[0], at[1] + self._offset[1])
        point = self.pick(pixel) if self.scene.snapping else None
        if point is not None:
            self._depth = self.depth(self.scene.place(point))  # off the points it goes on from there
            self.host.control_snapped.emit(self._index, point)
        else:
            self.host.control_moved.emit(self._index, self.on_plane(pixel, self._depth))

    def release(self, at: Pixel, moved: bool, modifiers: Qt.KeyboardModifier) -> None:
        if self._adding and not moved:
            index, control = self.pick(at), self.scene.control
            if index is not None:
                place = self.scene.true_place(index).astype(np.float32)
            elif control is not None and len(control):
                place = self.on_plane(at, self.depth(control[-1]))
            else:
                screen, count = self.scene.screen(), self.scene.count
                place = self.on_plane(at, self.seen_depth(float(np.nanmedian(screen.depth)) if count else 0.0))
            self.host.control_added.emit(place)
        self._finish()

    def _finish(self) -> None:
        index = self._index
        self._index, self._adding = None, False
        if index is not None:
            self.host.control_released.emit(index)

    def hover(self, at: Pixel) -> None:
        control = self._control_at(at)
        inserted = self._curve_at(at) if control is None else None
        ghost = inserted[1] if inserted is not None else None
        if control != self.scene.hover_control or ghost is not None or self.scene.ghost is not None:
            self.scene.hover_control, self.scene.ghost = control, ghost
            self.host.refresh()

    def cancel(self) -> None:
        self._finish()
        self.scene.hover_control = self.scene.ghost = None
        self.host.refresh()

    def secondary_click(self, at: Pixel) -> None:
        index = self._control_at(at)
        if index is not None:
            self.scene.hover_control = None
            self.host.control_removed.emit(index)

    def delete(self) -> bool:
        index = self.scene.selected_control
        if index is None:
            return False
        self.host.control_removed.emit(index)
        return True


class SelectTool(Tool):
    """Drag a rectangle (Ctrl: a lasso) about points; click one; Shift adds to what is selected."""

    def __init__(self, host: CloudView) -> None:
        super().__init__(host)
        self._start: Pixel | None = None
        self._corners: list[Pixel] = []
        self._free = False

    def press(self, at: Pixel, modifiers: Qt.KeyboardModifier) -> None:
        self._start, self._corners = at, [at]
        self._free = bool(modifiers & Qt.KeyboardModifier.ControlModifier)

    def drag(self, at: Pixel, last: Pixel, modifiers: Qt.KeyboardModifier) -> None:
        if self._start is None:
            return
        if self._free:
            self._corners.append(at)
        else:
            (x0, y0), (x1, y1) = self._start, at
            self._corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        self.scene.lasso = np.array(self._corners)
        self.host.refresh()

    def release(self, at: Pixel, moved: bool, modifiers: Qt.KeyboardModifier) -> None:
        start, corners, screen = self._start, np.array(self._corners), self.scene.screen()
        self.cancel()
        if start is None:
            return
        if not moved:
            index = self.pick(at)
            chosen = np.array([] if index is None else [index], dtype=np.int64)
        elif self._free:
            chosen = screen.inside_polygon(corners)
        else:
            chosen = screen.inside_rectangle(start, at)
        self.host.picked.emit(chosen, bool(modifiers & Qt.KeyboardModifier.ShiftModifier))

    def cancel(self) -> None:
        self._start = None
        self.scene.lasso = None
        self.host.refresh()


class TraceTool(Tool):
    """Click a sample to start or end a curve there. On the curve, drag or turn the wheel to slide along it.

    At the curve's own ends a click means the sample there, so that the next curve can go on from it. Elsewhere a drag
    turns the view. While a curve is only proposed (a preview is shown), the one that is there is no
    rail: the next click ends the proposed one.
    """

    def __init__(self, host: CloudView) -> None:
        super().__init__(host)
        self._share: float | None = None  # of the curve, where it is held
        self._wheel = WheelNotches()

    def _rail_at(self, at: Pixel, near: float | None = None) -> float | None:
        """The share of the curve under the pointer; with ``near``, the nearest one around that share, however far."""
        curve = self.scene.curve
        if curve is None or len(curve) < 2 or self.scene.preview is not None:
            return None
        first, last = 0, len(curve)
        if near is not None:
            middle, reach = near * (len(curve) - 1), RAIL_REACH * (len(curve) - 1)
            first, last = max(0, int(middle - reach)), min(len(curve), int(middle + reach) + 2)
        hit = hit_curve(self.scene.pixels(curve[first:last]), at)
        if hit is None or (near is None and hit.distance > RAIL_RADIUS):
            return None
        return (first + hit.segment + hit.share) / (len(curve) - 1)

    def _show(self, share: float | None) -> None:
        """The ring on the curve that says: it can be held here."""
        curve, ghost = self.scene.curve, None
        if share is not None and curve is not None:
            segment = min(int(share * (len(curve) - 1)), len(curve) - 2)
            rest = share * (len(curve) - 1) - segment
            ghost = curve[segment] + rest * (curve[segment + 1] - curve[segment])
        if ghost is not None or self.scene.ghost is not None:
            self.scene.ghost = ghost
            self.host.refresh()

    def pick(self, at: Pixel) -> int | None:
        curve = self.scene.curve
        if curve is None or self._rail_at(at) is None:
            return super().pick(at)
        to_ends = np.hypot(*(self.scene.pixels(curve[[0, -1]]) - at).T)
        return super().pick(at) if (to_ends <= RAIL_RADIUS).any() else None

    def press(self, at: Pixel, modifiers: Qt.KeyboardModifier) -> None:
        self._share = self._rail_at(at)
        self._show(None)
        if self._share is not None and self.pick(at) is None:
            self.host.rail_moved.emit(self._share)

    def drag(self, at: Pixel, last: Pixel, modifiers: Qt.KeyboardModifier) -> None:
        if self._share is not None:
            share = self._rail_at(at, self._share)
            if share is not None:
                self._share = share
                self.host.rail_moved.emit(share)
            return
        self.turn(at, last)

    def release(self, at: Pixel, moved: bool, modifiers: Qt.KeyboardModifier) -> None:
        self._share = None
        index = None if moved else self.pick(at)
        if index is not None:
            self.host.traced.emit(index)

    def hover(self, at: Pixel) -> None:
        self._show(self._rail_at(at))

    def wheel(self, angle: float, at: Pixel) -> bool:
        """Over the curve each notch is a frame along it; elsewhere the wheel zooms as in every mode."""
        if self._rail_at(at) is None:
            return False
        notches = self._wheel.turn(angle)
        if notches:
            self.host.rail_stepped.emit(notches)
        return True

    def cancel(self) -> None:
        self._share = None
        self._show(None)


TOOLS: dict[Mode, type[Tool]] = {
    Mode.ORBIT: OrbitTool,
    Mode.PROBE: ProbeTool,
    Mode.DRAW: DrawTool,
    Mode.EDIT: EditTool,
    Mode.SELECT: SelectTool,
    Mode.TRACE: TraceTool,
}
