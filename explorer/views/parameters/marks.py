"""Marks on the plane, painted over the samples: holes, transects, rings, the cursor. And its axes beneath."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPolygonF

from explorer.views.parameters.frame import LEFT, RIGHT, TOP, PlaneFrame
from explorer.views.parameters.scene import Hole, PlaneScene
from explorer.widgets.painting import dot, pen, stroke_lines, tint
from explorer.widgets.theme import Theme

HALO = 0.85  # opacity of the ground's colour under a line


def draw_grid(painter: QPainter, frame: PlaneFrame, theme: Theme) -> None:
    """Faint lines at round numbers, under the samples."""
    colour = tint(theme.grid, 0.6)
    painter.setPen(QPen(colour, 1))
    area = area_of(frame)
    for value in frame.ticks(0):
        x = np.floor(frame.pixel(value, 0.0)[0]) + 0.5
        painter.drawLine(QLineF(x, area.top(), x, area.bottom()))
    for value in frame.ticks(1):
        y = np.floor(frame.pixel(0.0, value)[1]) + 0.5
        painter.drawLine(QLineF(area.left(), y, area.right(), y))


def draw_axes(painter: QPainter, scene: PlaneScene, theme: Theme) -> None:
    """Numbers and names along the left and the lower border."""
    frame, area = scene.frame, area_of(scene.frame)
    metrics = QFontMetricsF(painter.font())
    height = metrics.height()
    painter.setPen(QPen(QColor(theme.grid), 1))
    painter.drawLine(QLineF(area.bottomLeft(), area.bottomRight()))
    painter.drawLine(QLineF(area.topLeft(), area.bottomLeft()))
    painter.setPen(QColor(theme.muted))
    name = metrics.elidedText(scene.names[0], Qt.TextElideMode.ElideRight, area.width() * 0.6)
    row = QRectF(area.left(), area.bottom() + 2, area.width() + RIGHT - 2, height)
    free = row.right()  # where the numbers end
    if frame.low_place:
        free -= metrics.horizontalAdvance(name) + 8
    across, up = frame.ticks(0), frame.ticks(1)
    for value, text in zip(across, number_texts(across), strict=True):
        x = frame.pixel(value, 0.0)[0]
        if x + metrics.horizontalAdvance(text) / 2 <= free:
            painter.drawText(QRectF(x - 40, row.top(), 80, height), _CENTRE, text)
    for value, text in zip(up, number_texts(up), strict=True):
        y = frame.pixel(0.0, value)[1]
        if y - height / 2 > 0:
            painter.drawText(QRectF(16, y - height / 2, LEFT - 21, height), _RIGHT, text)
    painter.setPen(QColor(theme.text))
    if frame.low_place:
        painter.drawText(row, _RIGHT, name)
    else:
        painter.drawText(QRectF(area.left(), row.bottom(), area.width(), height), _CENTRE, name)
    painter.save()
    painter.translate(1 + height / 2, area.center().y())
    painter.rotate(-90)
    name = metrics.elidedText(scene.names[1], Qt.TextElideMode.ElideRight, area.height())
    painter.drawText(QRectF(-area.height() / 2, -height / 2, area.height(), height), _CENTRE, name)
    painter.restore()


def number_texts(values: list[float]) -> list[str]:
    """Equally spaced numbers with as many digits as tell them apart, all the same."""
    step = min((abs(b - a) for a, b in pairwise(values)), default=1.0)
    digits = max(0, -int(np.floor(np.log10(step) + 1e-9))) if step > 0 else 0
    return [f"{value:.{digits}f}" if abs(value) < 1e6 else f"{value:.3g}" for value in values]


def area_of(frame: PlaneFrame) -> QRectF:
    """The pixels that the plane itself takes."""
    return QRectF(LEFT, TOP, frame.width, frame.height)


def draw_holes(painter: QPainter, scene: PlaneScene, theme: Theme) -> None:
    """The hole as a circle of the plane, with its handles; that of the open run dashed where it differs."""
    if scene.run_hole is not None:
        _ring(painter, scene.frame, scene.run_hole, theme, QColor(theme.text), dashed=True)
    if scene.hole is None:
        return
    colour = QColor(theme.accent if scene.hole_editable else theme.text)
    _ring(painter, scene.frame, scene.hole, theme, colour, dashed=False)
    for name, place in scene.handles().items():
        dot(painter, place, 6.5, tint(theme.plot, HALO))
        fill = colour if name == "centre" else QColor(theme.plot)
        dot(painter, place, 4.5, fill, pen(colour, 1.75))


def _ring(painter: QPainter, frame: PlaneFrame, hole: Hole, theme: Theme, colour: QColor, dashed: bool) -> None:
    across, up = (frame.scale() * hole.radius).tolist()
    centre = QPointF(*frame.pixel(hole.a, hole.b))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for each in (pen(tint(theme.plot, HALO), 4.5), pen(colour, 1.75, dashed)):
        painter.setPen(each)
        painter.drawEllipse(centre, across, up)


def draw_transects(painter: QPainter, scene: PlaneScene, theme: Theme) -> None:
    """Thin lines with their names; the chosen one thick, with its points and the one that is shown."""
    for index, (name, points) in enumerate(scene.transects):
        if index != scene.chosen:
            _transect(painter, scene, theme, name, points, chosen=False)
    if scene.chosen is not None and 0 <= scene.chosen < len(scene.transects):
        _transect(painter, scene, theme, *scene.transects[scene.chosen], chosen=True)


def _transect(painter: QPainter, scene: PlaneScene, theme: Theme, name: str, points: np.ndarray, chosen: bool) -> None:
    pixels = scene.frame.to_pixels(points)
    line = QPolygonF([QPointF(x, y) for x, y in pixels.tolist()])
    ink = QColor(theme.series[1]) if chosen else tint(theme.text, 0.6)
    width = 2.25 if chosen else 1.25
    stroke_lines(painter, [line], [pen(tint(theme.plot, HALO if chosen else 0.5), width + 3), pen(ink, width)])
    if chosen:
        for x, y in pixels.tolist():
            dot(painter, (x, y), 3.0, ink, pen(QColor(theme.plot), 1.0))
        if scene.position is not None and 0 <= scene.position < len(pixels):
            x, y = pixels[scene.position].tolist()
            dot(painter, (x, y), 7.0, tint(theme.plot, HALO))
            dot(painter, (x, y), 5.5, ink, pen(QColor(theme.text), 1.75))
    tag(painter, area_of(scene.frame), (float(pixels[0, 0]), float(pixels[0, 1])), name, ink, theme)


def tag(painter: QPainter, area: QRectF, at: tuple[float, float], text: str, ink: QColor, theme: Theme) -> None:
    """A word beside a pixel, on a plate of the ground's colour, kept inside the plane."""
    metrics = QFontMetricsF(painter.font())
    width, height = metrics.horizontalAdvance(text) + 8, metrics.height() + 1
    left = min(max(at[0] + 5, area.left() + 1), area.right() - width - 1)
    top = min(max(at[1] - height - 3, area.top() + 1), area.bottom() - height - 1)
    plate = QRectF(left, top, width, height)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(tint(theme.plot, HALO))
    painter.drawRoundedRect(plate, 3, 3)
    ink = QColor(ink)
    ink.setAlphaF(1.0)
    painter.setPen(ink)
    painter.drawText(plate, _CENTRE, text)


def draw_rings(painter: QPainter, scene: PlaneScene, theme: Theme, radius: float) -> None:
    """A ring about the chosen sample, and one about the sample under the mouse, here or in the cloud."""
    for index, colour, width, away in (
        (scene.selected, theme.accent, 2.25, 4.5),
        (scene.hovered, theme.text, 1.5, 3.0),
    ):
        if index is None or not 0 <= index < len(scene.xy) or not np.isfinite(scene.xy[index]).all():
            continue
        place = scene.frame.pixel(*scene.xy[index].tolist())
        dot(painter, place, radius + away, None, pen(tint(theme.plot, 0.9), width + 2.5))
        dot(painter, place, radius + away, None, pen(QColor(colour), width))


def draw_cursor(painter: QPainter, scene: PlaneScene, theme: Theme) -> None:
    """A cross-hair from border to border, as the probe has in the cloud."""
    if scene.cursor is None:
        return
    x, y = scene.frame.pixel(*scene.cursor)
    area = area_of(scene.frame)
    halo = pen(tint(theme.plot, 0.7), 3.5)
    for line in (QLineF(x, area.top(), x, area.bottom()), QLineF(area.left(), y, area.right(), y)):
        for each in (halo, pen(tint(theme.text, 0.6), 1.0)):
            painter.setPen(each)
            painter.drawLine(line)
    dot(painter, (x, y), 7.5, None, pen(tint(theme.plot, 0.7), 4.0))
    dot(painter, (x, y), 7.5, None, pen(QColor(theme.text), 1.75))
    dot(painter, (x, y), 2.75, QColor(theme.accent), pen(tint(theme.plot, 0.9), 1.0))


_CENTRE = Qt.AlignmentFlag.AlignCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
