"""The widget of the plane: its samples as a kept picture, marks painted over it, and what a hand does upon it.

One class a gesture: each lives from the press of a button to its release.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QHideEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPolygonF,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy

from core.rendering.point_splatting import PAD
from explorer.views.parameters.painting import (
    draw_axes,
    draw_cursor,
    draw_holes,
    draw_picture,
    draw_rings,
    draw_share,
    draw_transects,
    radius_of,
)
from explorer.views.parameters.scene import PlaneScene
from explorer.widgets.controls import claim_keys
from explorer.widgets.painting import border, pen, stroke_lines, tint
from explorer.widgets.theme import Theme, ThemedWidget

Pixel = tuple[float, float]
DRAG = 4.0  # pixels before a press becomes a drag
SPACING = 2.0  # pixels between the kept points of a freehand stroke
SMALLEST_HOLE = 0.01  # units of the factors: a smaller one could not be held any more


class Tool(StrEnum):
    """What the left button does."""

    CURSOR = "cursor"
    SELECT = "select"
    STRAIGHT = "straight"
    DRAW = "draw"


class Gesture:
    """A press that goes on. It changes nothing: it tells the plane's signals what the hand means."""

    def __init__(self, plane: ParameterPlane, at: Pixel) -> None:
        self.plane, self.start, self.at = plane, at, at

    @property
    def dragged(self) -> bool:
        """Whether the hand has left the place of its press."""
        return math.dist(self.start, self.at) > DRAG

    def move(self, at: Pixel) -> None:
        """The pointer is at ``at``."""
        self.at = at
        self.plane.update()

    def release(self) -> None:
        """The hand let go."""

    def cancel(self) -> None:
        """The gesture ends without having meant anything."""

    def paint(self, painter: QPainter, theme: Theme) -> None:
        """What is seen only while it goes on."""


class Pan(Gesture):
    """The plane follows the hand."""

    def move(self, at: Pixel) -> None:
        self.plane.scene.frame.pan(at[0] - self.at[0], at[1] - self.at[1])
        super().move(at)
        self.plane.redraw()


class CursorDrag(Gesture):
    """The cursor follows the hand; a press that does not move chooses the sample under it."""

    def __init__(self, plane: ParameterPlane, at: Pixel, exact: bool) -> None:
        super().__init__(plane, at)
        cursor = plane.scene.cursor
        held = cursor is not None and math.dist(plane.scene.frame.pixel(*cursor), at) <= DRAG
        self._sample = None if exact or held else plane.scene.nearest(at)
        self._moved = False
        if self._sample is None and not held:
            self._follow()

    def move(self, at: Pixel) -> None:
        super().move(at)
        if self._moved or self.dragged:
            self._follow()

    def release(self) -> None:
        if self._moved:
            self.plane.cursor_released.emit()
        elif self._sample is not None:
            self.plane.sample_clicked.emit(self._sample)

    def cancel(self) -> None:
        if self._moved:
            self.plane.cursor_released.emit()

    def _follow(self) -> None:
        self._moved = True
        x, y = self.plane.scene.frame.inside(self.at).tolist()
        self.plane.cursor_moved.emit(x, y)


class HoleDrag(Gesture):
    """The hole follows the hand by its centre, or grows by its rim."""

    def __init__(self, plane: ParameterPlane, at: Pixel, handle: str) -> None:
        super().__init__(plane, at)
        hole = plane.scene.hole
        assert hole is not None, "only a hole that is shown has handles"
        self._handle, self._before = handle, hole
        self._offset = np.array([hole.a, hole.b]) - plane.scene.frame.from_pixels(at)

    def move(self, at: Pixel) -> None:
        super().move(at)
        frame, before = self.plane.scene.frame, self._before
        if self._handle == "centre":
            a, b = np.clip(frame.from_pixels(at) + self._offset, frame.low, frame.high).tolist()
            self.plane.hole_moved.emit(a, b, before.radius)
        else:
            a, b = frame.from_pixels(at).tolist()
            radius = max(SMALLEST_HOLE, math.dist((a, b), (before.a, before.b)))
            self.plane.hole_moved.emit(before.a, before.b, radius)

    def release(self) -> None:
        self.plane.hole_released.emit()

    def cancel(self) -> None:
        self.plane.hole_moved.emit(self._before.a, self._before.b, self._before.radius)
        self.plane.hole_released.emit()


class SelectRectangle(Gesture):
    """The samples in a rectangle; a press that does not move takes the one under it, or none."""

    def __init__(self, plane: ParameterPlane, at: Pixel, add: bool) -> None:
        super().__init__(plane, at)
        self._add = add

    def release(self) -> None:
        if self.dragged:
            indices = self.plane.scene.within(self.start, self.at)
        else:
            nearest = self.plane.scene.nearest(self.at)
            indices = np.array([] if nearest is None else [nearest], dtype=np.int64)
        self.plane.picked.emit(indices, self._add)

    def paint(self, painter: QPainter, theme: Theme) -> None:
        if self.dragged:
            painter.setBrush(tint(theme.accent, 0.14))
            painter.setPen(pen(QColor(theme.accent), 1.25))
            painter.drawRect(QRectF(QPointF(*self.start), QPointF(*self.at)).normalized())


class StraightLine(Gesture):
    """A straight transect from press to release; with Shift along one axis."""

    level = False  # along the nearer axis

    def _end(self) -> Pixel:
        if not self.level:
            return self.at
        across, down = abs(self.at[0] - self.start[0]), abs(self.at[1] - self.start[1])
        return (self.at[0], self.start[1]) if across >= down else (self.start[0], self.at[1])

    def release(self) -> None:
        if self.dragged:
            frame = self.plane.scene.frame
            self.plane.stroke_drawn.emit(np.stack([frame.inside(self.start), frame.inside(self._end())]))

    def paint(self, painter: QPainter, theme: Theme) -> None:
        _paint_line(painter, theme, self.plane, [self.start, self._end()])


class Freehand(Gesture):
    """A transect along the hand's way."""

    def __init__(self, plane: ParameterPlane, at: Pixel) -> None:
        super().__init__(plane, at)
        self._way = [at]

    def move(self, at: Pixel) -> None:
        super().move(at)
        if math.dist(at, self._way[-1]) >= SPACING:
            self._way.append(at)

    def release(self) -> None:
        way = [*self._way, self.at] if self._way[-1] != self.at else self._way
        places = np.stack([self.plane.scene.frame.inside(at) for at in way])
        moved = np.append(True, (np.diff(places, axis=0) != 0).any(axis=1))  # outside, many pixels are one place
        places = places[moved]
        if len(places) > 1 and len(self._way) > 2:
            self.plane.stroke_drawn.emit(places)

    def paint(self, painter: QPainter, theme: Theme) -> None:
        _paint_line(painter, theme, self.plane, self._way)


def _paint_line(painter: QPainter, theme: Theme, plane: ParameterPlane, way: list[Pixel]) -> None:
    frame = plane.scene.frame
    line = QPolygonF([QPointF(*frame.pixel(*frame.inside(at).tolist())) for at in way])
    stroke_lines(painter, [line], [pen(tint(theme.plot, 0.85), 5.5), pen(QColor(theme.series[1]), 2.25)])


def begin(plane: ParameterPlane, tool: Tool, at: Pixel, modifiers: Qt.KeyboardModifier) -> Gesture | None:
    """The gesture that a press of the left button starts; None outside the plane."""
    handle = plane.scene.handle_at(at) if tool is Tool.CURSOR else None
    if handle is not None:
        return HoleDrag(plane, at, handle)
    if not plane.scene.frame.holds(at):
        return None
    if tool is Tool.SELECT:
        return SelectRectangle(plane, at, bool(modifiers & Qt.KeyboardModifier.ShiftModifier))
    if tool is Tool.STRAIGHT:
        return StraightLine(plane, at)
    if tool is Tool.DRAW:
        return Freehand(plane, at)
    return CursorDrag(plane, at, bool(modifiers & Qt.KeyboardModifier.ControlModifier))


NOTCH = 120  # angle units of one step of a wheel
ZOOM = 1.2  # a step
NUDGE, STRIDE = 1 / 50, 1 / 10  # of a factor's range: an arrow key, and with Shift
ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
}


class ParameterPlane(ThemedWidget):
    """Draws a ``PlaneScene``. Wheel zooms, right drag moves, double click or Home shows everything again.

    Places in signals are in the units of the factors on the axes.
    """

    cursor_moved = Signal(float, float)
    cursor_released = Signal()
    hovered = Signal(int)
    """Index of the sample under the mouse, -1: none."""
    picked = Signal(object, bool)
    """Indices int64 of samples in a rectangle; whether they are added to the selection."""
    sample_clicked = Signal(int)
    hole_moved = Signal(float, float, float)
    hole_released = Signal()
    stroke_drawn = Signal(object)
    """The corners of a transect, float64 (m, 2), inside the plane."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = PlaneScene()
        self.setObjectName("parameters.plane")
        self.setAccessibleName("Parameter plane")
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(160, 96)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.tool = Tool.CURSOR
        self._gesture: Gesture | None = None
        self._picture: QImage | None = None
        self._key: tuple | None = None
        self._hovered: int | None = None
        self._nudging = False
        claim_keys(self, self._claims)

    def sizeHint(self) -> QSize:
        return QSize(420, 190)

    def set_tool(self, tool: Tool) -> None:
        """What the left button does from now on."""
        self.cancel()
        self.tool = tool
        self._show_shape()

    def redraw(self) -> None:
        """The samples must be drawn anew, for they are seen from elsewhere."""
        self._picture = None
        self.update()

    def mark(self, **marks: Any) -> None:
        """Set fields of the scene that lie over the samples, or say which of these are highlighted."""
        for name, value in marks.items():
            setattr(self.scene, name, value)
        if "highlight" in marks:
            self.redraw()
        self.update()

    def reset(self) -> None:
        """Show the whole plane."""
        self.scene.frame.reset()
        self.redraw()

    def cancel(self) -> bool:
        """End the gesture without effect; whether there was one."""
        gesture, self._gesture = self._gesture, None
        if gesture is not None:
            gesture.cancel()
            self.update()
        return gesture is not None

    # painting

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.scene.frame.resize(self.width(), self.height())
        self.redraw()

    def paintEvent(self, event: QPaintEvent) -> None:
        ratio = self.devicePixelRatioF()
        with QPainter(self) as painter:
            key = (self.size(), ratio, self._theme.name)
            if self._picture is None or self._key != key:
                self._picture = draw_picture(self.scene, self._theme, (self.width(), self.height()), ratio)
                self._key = key
            inner = QRectF(PAD, PAD, self._picture.width() - 2 * PAD, self._picture.height() - 2 * PAD)
            painter.drawImage(QRectF(self.rect()), self._picture, inner)
            font = self.font()
            font.setPointSizeF(max(7.0, font.pointSizeF() * 0.9))
            painter.setFont(font)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            scene, theme = self.scene, self._theme
            draw_axes(painter, scene, theme)
            draw_share(painter, scene, theme)
            painter.setClipRect(scene.frame.area.adjusted(0, 0, 1, 1))
            draw_transects(painter, scene, theme)
            draw_cursor(painter, scene, theme)
            draw_rings(painter, scene, theme, radius_of(scene))
            draw_holes(painter, scene, theme)
            if self._gesture is not None:
                self._gesture.paint(painter, theme)
            painter.setClipping(False)
            if self.hasFocus():
                border(painter, scene.frame.area.adjusted(0.5, 0.5, 0.5, 0.5), pen(tint(theme.accent, 0.7), 1.0))

    # the mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._gesture is not None:
            return
        at = _pixel(event)
        if event.button() == Qt.MouseButton.LeftButton:
            self._gesture = begin(self, self.tool, at, event.modifiers())
        elif event.button() in (Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton):
            self._gesture = Pan(self, at)
        self._show_shape(at)
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = _pixel(event)
        if self._gesture is None:
            self._hover(self.scene.nearest(at) if self.scene.frame.holds(at) else None)
            self._show_shape(at)
            return
        if isinstance(self._gesture, StraightLine):
            self._gesture.level = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        self._gesture.move(at)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        gesture, self._gesture = self._gesture, None
        if gesture is not None:
            if gesture.at != _pixel(event):
                gesture.move(_pixel(event))
            gesture.release()
            self.update()
        self._show_shape(_pixel(event))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.cancel()
            self.reset()

    def wheelEvent(self, event: QWheelEvent) -> None:
        at = event.position()
        self.scene.frame.zoom(ZOOM ** (event.angleDelta().y() / NOTCH), (at.x(), at.y()))
        self.redraw()
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:
        self._hover(None)

    def hideEvent(self, event: QHideEvent) -> None:
        """A gesture does not outlive the widget's visibility."""
        self.cancel()
        self._hover(None)
        super().hideEvent(event)

    def _hover(self, index: int | None) -> None:
        if index != self._hovered:
            self._hovered = index
            self.hovered.emit(-1 if index is None else index)

    def _show_shape(self, at: tuple[float, float] | None = None) -> None:
        shape = Qt.CursorShape.ArrowCursor
        if isinstance(self._gesture, Pan):
            shape = Qt.CursorShape.ClosedHandCursor
        elif at is not None and self.tool is Tool.CURSOR and self.scene.handle_at(at) is not None:
            centre = self.scene.handle_at(at) == "centre"
            shape = Qt.CursorShape.SizeAllCursor if centre else Qt.CursorShape.SizeHorCursor
        elif at is None or self.scene.frame.holds(at):
            shape = Qt.CursorShape.CrossCursor
        if self.cursor().shape() != shape:
            self.setCursor(shape)

    # keys

    def _claims(self, event: QKeyEvent) -> bool:
        """Arrows, Home, and Escape during a gesture are the plane's while it has the focus, not the window's."""
        plain = not event.modifiers() & Qt.KeyboardModifier.ControlModifier
        moves = plain and (event.key() in ARROWS or event.key() == Qt.Key.Key_Home)
        return moves or (event.key() == Qt.Key.Key_Escape and self._gesture is not None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in ARROWS:
            self._nudge(*ARROWS[Qt.Key(event.key())], bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
        elif event.key() == Qt.Key.Key_Home:
            self.reset()
        elif not (event.key() == Qt.Key.Key_Escape and self.cancel()):
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() in ARROWS and not event.isAutoRepeat():
            self._end_nudge()
        else:
            super().keyReleaseEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """A key that is released elsewhere is not held here any more."""
        self._end_nudge()
        super().focusOutEvent(event)

    def _nudge(self, across: int, up: int, far: bool) -> None:
        frame = self.scene.frame
        middle = (frame.seen_low + frame.seen_high) / 2
        before = np.array(self.scene.cursor if self.scene.cursor is not None else middle)
        step = (frame.high - frame.low) * (STRIDE if far else NUDGE)
        x, y = np.clip(before + step * np.array([across, up]), frame.low, frame.high).tolist()
        self._nudging = True
        self.cursor_moved.emit(x, y)

    def _end_nudge(self) -> None:
        if self._nudging:
            self._nudging = False
            self.cursor_released.emit()


def _pixel(event: QMouseEvent) -> tuple[float, float]:
    return event.position().x(), event.position().y()
