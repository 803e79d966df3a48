"""What a hand does on the plane, one class a gesture: each lives from the press of a button to its release."""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPolygonF

from explorer.views.parameters.scene import PlaneBase
from explorer.widgets.painting import pen, stroke_lines, tint
from explorer.widgets.theme import Theme

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

    def __init__(self, plane: PlaneBase, at: Pixel) -> None:
        self.plane, self.start, self.at = plane, at, at

    @property
    def dragged(self) -> bool:
        """Whether the hand has left the place of its press."""
        return math.dist(self.start, self.at) > DRAG

    def move(self, at: Pixel) -> None:
        """The pointer is at ``at``."""
        self.at = at

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

    def __init__(self, plane: PlaneBase, at: Pixel, exact: bool) -> None:
        super().__init__(plane, at)
        cursor = plane.scene.cursor
        held = cursor is not None and math.dist(plane.scene.frame.pixel(*cursor), at) <= DRAG
        self._sample = None if exact or held else plane.nearest(at)
        self._moved = False
        if self._sample is None and not held:
            self._tell()

    def move(self, at: Pixel) -> None:
        super().move(at)
        if self._moved or self.dragged:
            self._tell()

    def release(self) -> None:
        if self._moved:
            self.plane.cursor_released.emit()
        elif self._sample is not None:
            self.plane.sample_clicked.emit(self._sample)

    def cancel(self) -> None:
        if self._moved:
            self.plane.cursor_released.emit()

    def _tell(self) -> None:
        self._moved = True
        x, y = self.plane.scene.frame.inside(self.at).tolist()
        self.plane.cursor_moved.emit(x, y)


class HoleDrag(Gesture):
    """The hole follows the hand by its centre, or grows by its rim."""

    def __init__(self, plane: PlaneBase, at: Pixel, handle: str) -> None:
        super().__init__(plane, at)
        hole = plane.scene.hole
        assert hole is not None, "only a hole that is shown has handles"
        self._handle, self._before = handle, hole
        self._offset = np.array([hole.a, hole.b]) - plane.scene.frame.from_pixels(at)

    def move(self, at: Pixel) -> None:
        super().move(at)
        frame, before = self.plane.scene.frame, self._before
        if self._handle == "centre":
            a, b = frame.clamp(frame.from_pixels(at) + self._offset).tolist()
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

    def __init__(self, plane: PlaneBase, at: Pixel, add: bool) -> None:
        super().__init__(plane, at)
        self._add = add

    def move(self, at: Pixel) -> None:
        super().move(at)
        self.plane.update()

    def release(self) -> None:
        if self.dragged:
            found = self.plane.scene.within(self.start, self.at)
        else:
            one = self.plane.nearest(self.at)
            found = np.array([] if one is None else [one], dtype=np.int64)
        self.plane.picked.emit(found, self._add)

    def paint(self, painter: QPainter, theme: Theme) -> None:
        if self.dragged:
            painter.setBrush(tint(theme.accent, 0.14))
            painter.setPen(pen(QColor(theme.accent), 1.25))
            painter.drawRect(QRectF(QPointF(*self.start), QPointF(*self.at)).normalized())


class StraightLine(Gesture):
    """A straight transect from press to release; with Shift along one axis."""

    def __init__(self, plane: PlaneBase, at: Pixel) -> None:
        super().__init__(plane, at)
        self.level = False  # along the nearer axis

    def move(self, at: Pixel) -> None:
        super().move(at)
        self.plane.update()

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

    def __init__(self, plane: PlaneBase, at: Pixel) -> None:
        super().__init__(plane, at)
        self._way = [at]

    def move(self, at: Pixel) -> None:
        super().move(at)
        if math.dist(at, self._way[-1]) >= SPACING:
            self._way.append(at)
            self.plane.update()

    def release(self) -> None:
        way = [*self._way, self.at] if self._way[-1] != self.at else self._way
        places = np.stack([self.plane.scene.frame.inside(at) for at in way])
        moved = np.append(True, (np.diff(places, axis=0) != 0).any(axis=1))  # outside, many pixels are one place
        places = places[moved]
        if len(places) > 1 and len(self._way) > 2:
            self.plane.stroke_drawn.emit(places)

    def paint(self, painter: QPainter, theme: Theme) -> None:
        _paint_line(painter, theme, self.plane, self._way)


def _paint_line(painter: QPainter, theme: Theme, plane: PlaneBase, way: list[Pixel]) -> None:
    frame = plane.scene.frame
    line = QPolygonF([QPointF(*frame.pixel(*frame.inside(at).tolist())) for at in way])
    stroke_lines(painter, [line], [pen(tint(theme.plot, 0.85), 5.5), pen(QColor(theme.series[1]), 2.25)])


def begin(plane: PlaneBase, tool: Tool, at: Pixel, modifiers: Qt.KeyboardModifier) -> Gesture | None:
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
