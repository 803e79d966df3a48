"""From raw mouse and key events to navigation, which is the same in every mode, and to the mode's tool."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt

from explorer.views.cloud.tools import DRAG_THRESHOLD, TOOLS, Mode, Pixel, Tool

if TYPE_CHECKING:
    from explorer.views.cloud.view import CloudView

AXIS_KEYS = {Qt.Key.Key_X: 0, Qt.Key.Key_Y: 1, Qt.Key.Key_Z: 2}
TAP_S = 0.35  # a Space held longer was meant to turn the view
WHEEL_BASE = 1.0012  # zoom for each eighth of a degree
KEY_TURN, KEY_ZOOM = 12.0, 1.15

NO_BUTTON = Qt.MouseButton.NoButton
LEFT, RIGHT, MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton


class Interaction:
    """Follows one button at a time: whoever pressed first owns the gesture until release."""

    def __init__(self, host: CloudView) -> None:
        self._host = host
        self._tools: dict[Mode, Tool] = {mode: kind(host) for mode, kind in TOOLS.items()}
        self.mode = Mode.ORBIT
        self._button = NO_BUTTON
        self._start: Pixel = (0.0, 0.0)
        self._last: Pixel = (0.0, 0.0)
        self._moved = False
        self._navigating = False
        self._space_since: float | None = None
        self._space_used = False
        self.pointer: Pixel | None = None

    @property
    def tool(self) -> Tool:
        """The tool of the mode."""
        return self._tools[self.mode]

    @property
    def busy(self) -> bool:
        """Whether a button is down."""
        return self._button != NO_BUTTON

    def set_mode(self, mode: Mode) -> None:
        """Change the mode; a gesture that is going on ends."""
        if mode == self.mode:
            return
        self.tool.cancel()
        self._button = NO_BUTTON
        self.mode = mode
        self._show_cursor()
        self.update_hover()

    def cancel(self) -> None:
        """Give up what is going on, as when the window loses the keyboard."""
        self.tool.cancel()
        self._button = NO_BUTTON
        self._space_since = None
        self._show_cursor()

    # mouse

    def press(self, button: Qt.MouseButton, at: Pixel, modifiers: Qt.KeyboardModifier) -> None:
        """A button goes down."""
        if self.busy or button not in (LEFT, RIGHT, MIDDLE):
            return
        self._button, self._start, self._last, self._moved = button, at, at, False
        self._navigating = button != LEFT or self._space_since is not None
        if self._navigating:
            self._space_used = self._space_since is not None
        else:
            self.tool.press(at, modifiers)
        self._show_cursor()

    def move(self, at: Pixel, modifiers: Qt.KeyboardModifier) -> None:
        """The mouse moves."""
        self.pointer = at
        if not self.busy:
            self.update_hover()
            return
        threshold = DRAG_THRESHOLD if self._navigating else self.tool.threshold
        if not self._moved:
            if np.hypot(at[0] - self._start[0], at[1] - self._start[1]) <= threshold:
                return
            self._moved = True
            self._set_hover(None)  # not at the press: a click would hide the card and paint it anew
            self._show_cursor()
        last, self._last = self._last, at
        if self._navigating:
            self.tool.turn(at, last, shift=self._button != LEFT)
        else:
            self.tool.drag(at, last, modifiers)

    def release(self, button: Qt.MouseButton, at: Pixel, modifiers: Qt.KeyboardModifier) -> None:
        """A button goes up."""
        if button != self._button:
            return
        self._button = NO_BUTTON
        if not self._navigating:
            self.tool.release(at, self._moved, modifiers)
        elif button == RIGHT and not self._moved:
            self.tool.secondary_click(at)
        self._show_cursor()
        self.update_hover()

    def wheel(self, angle: float, at: Pixel) -> None:
        """The wheel turns by ``angle`` eighths of a degree; if it zooms, what is under the mouse stays there."""
        if not self.busy and self.tool.wheel(angle, at):
            return
        self._zoom(WHEEL_BASE**angle, at)
        self.update_hover()

    def pinch(self, change: float, at: Pixel) -> None:
        """Two fingers spread on a touch pad."""
        self._zoom(max(0.2, 1.0 + change), at)

    def _zoom(self, factor: float, at: Pixel) -> None:
        self._host.scene.camera.zoom(factor, at, self._host.scene.home_distance)
        self._host.turned()

    def leave(self) -> None:
        """The mouse has left."""
        self.pointer = None
        if not self.busy:
            self._set_hover(None)

    # keys

    def key_press(self, key: int, modifiers: Qt.KeyboardModifier) -> bool:
        """A key goes down; whether it meant something here."""
        if key == Qt.Key.Key_Space:
            self._space_since, self._space_used = monotonic(), False
            self._show_cursor()
            return True
        axis = AXIS_KEYS.get(Qt.Key(key))
        if axis is not None and self.mode is Mode.PROBE and not modifiers:
            self.tool.axis_held(axis)
            return True
        if key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            return self.tool.delete()
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._host.finished.emit()
            return True
        camera = self._host.scene.camera
        centre = (camera.viewport[0] / 2, camera.viewport[1] / 2)
        if key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            self._zoom(1 / KEY_ZOOM if key == Qt.Key.Key_Minus else KEY_ZOOM, centre)
        elif key in _TURNS and modifiers & Qt.KeyboardModifier.ControlModifier:
            reach = 2 if camera.flat else 1
            dx, dy = _TURNS[Qt.Key(key)]
            self.tool.turn((reach * dx, reach * dy), (0.0, 0.0))
        else:
            return False
        return True

    def key_release(self, key: int) -> bool:
        """A key goes up; whether it meant something here."""
        if key == Qt.Key.Key_Space and self._space_since is not None:
            tapped = not self._space_used and monotonic() - self._space_since < TAP_S
            self._space_since = None
            self._show_cursor()
            if tapped:
                self._host.space_tapped.emit()
            return True
        axis = AXIS_KEYS.get(Qt.Key(key))
        if axis is not None and self._host.scene.probe_axis == axis:
            self.tool.axis_held(None)
            return True
        return False

    def release_keys(self) -> None:
        """The keyboard has gone elsewhere: nothing is held here any more."""
        self._space_since = None
        if self._host.scene.probe_axis is not None:
            self.tool.axis_held(None)
        self._show_cursor()

    # what the pointer shows

    def update_hover(self) -> None:
        """The mouse has moved, or the points under it."""
        if self.pointer is None or self.busy:
            return
        self.tool.hover(self.pointer)
        self._set_hover(self.tool.pick(self.pointer) if self.tool.hovers else None)

    def _set_hover(self, index: int | None) -> None:
        if index != self._host.scene.hover:
            self._host.scene.hover = index
            self._host.refresh()
            self._host.hovered.emit(-1 if index is None else index)

    def _show_cursor(self) -> None:
        shape = self.tool.cursor
        if self.busy and self._moved and (self._navigating or self.mode is Mode.ORBIT):
            shape = Qt.CursorShape.ClosedHandCursor
        elif self._space_since is not None and not self.busy:
            shape = Qt.CursorShape.OpenHandCursor
        if self._host.cursor().shape() != shape:
            self._host.setCursor(shape)


_TURNS = {
    Qt.Key.Key_Left: (KEY_TURN, 0.0),
    Qt.Key.Key_Right: (-KEY_TURN, 0.0),
    Qt.Key.Key_Up: (0.0, KEY_TURN),
    Qt.Key.Key_Down: (0.0, -KEY_TURN),
}
