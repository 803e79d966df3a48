"""Marks on the cloud: probe, path, control points, marker, rings, stroke and lasso."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QLineF, QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPolygonF

from explorer.views.cloud.scene import Scene
from explorer.widgets.painting import dot, pen, polyline, straight_line, stroke_lines, tint
from explorer.widgets.theme import Theme

PATH_WIDTH, HALO_WIDTH = 2.25, 5.5  # pixels


def draw_path(painter: QPainter, scene: Scene, theme: Theme) -> None:
    """The curve with a halo, a preview dashed, control points as rings, the moving marker on top."""
    accent, halo = QColor(theme.accent), tint(theme.plot, 0.85)
    if scene.preview is not None and len(scene.preview) > 1:
        lines = polyline(scene.camera.project(scene.preview)[0])
        stroke_lines(painter, lines, [pen(halo, HALO_WIDTH - 1), pen(accent, 1.5, dashed=True)])
    if scene.preview is not None and len(scene.preview):
        place = _pixel(scene, scene.preview[0])
        if place is not None:  # where it starts, while there is nothing more of it yet
            dot(painter, place, 6.5, halo, None)
            dot(painter, place, 4.5, accent, pen(QColor(theme.text), 1.75))
    if scene.curve is not None and len(scene.curve) > 1:
        lines = polyline(scene.camera.project(scene.curve)[0])
        stroke_lines(painter, lines, [pen(halo, HALO_WIDTH), pen(accent, PATH_WIDTH)])
    if scene.ghost is not None:
        place = _pixel(scene, scene.ghost)
        if place is not None:
            dot(painter, place, 4.5, tint(theme.plot, 0.6), pen(tint(theme.accent, 0.8), 1.5, dashed=True))
    _draw_control(painter, scene, theme)
    if scene.marker is not None:
        place = _pixel(scene, scene.marker)
        if place is not None:
            dot(painter, place, 8.0, tint(theme.plot, 0.85), None)
            dot(painter, place, 6.0, accent, pen(QColor(theme.text), 1.75))


def _draw_control(painter: QPainter, scene: Scene, theme: Theme) -> None:
    if scene.control is None or not len(scene.control):
        return
    accent = QColor(theme.accent)
    pixels, _ = scene.camera.project(scene.control)
    for index, (x, y) in enumerate(pixels.tolist()):
        if not np.isfinite(x) or not np.isfinite(y):
            continue
        chosen, under = index == scene.selected_control, index == scene.hover_control
        radius = 6.0 if chosen or under else 4.5
        dot(painter, (x, y), radius + 2.0, tint(theme.plot, 0.85), None)
        fill = accent if chosen else QColor(theme.plot)
        dot(painter, (x, y), radius, fill, pen(QColor(theme.text) if chosen else accent, 1.75))


def draw_probe(painter: QPainter, scene: Scene, theme: Theme) -> None:
    """A cross-hair: guide lines along the axes to the faces of the box, and a ring about the place itself."""
    if scene.probe is None:
        return
    place = _pixel(scene, scene.probe)
    if place is None:
        return
    ink, halo = theme.text, tint(theme.plot, 0.7)
    low, high = scene.box.low, scene.box.high
    width, height = scene.camera.viewport
    if scene.dims < 3:  # a flat view's guides run across the window
        low = scene.camera.unproject((0.0, height), scene.camera.distance)
        high = scene.camera.unproject((width, 0.0), scene.camera.distance)
    for axis in range(3 if scene.dims == 3 else 2):
        ends = np.repeat(scene.probe[None], 2, axis=0)
        ends[0, axis], ends[1, axis] = min(low[axis], scene.probe[axis]), max(high[axis], scene.probe[axis])
        held = axis == scene.probe_axis
        if scene.dims == 1 and axis == 0:
            continue  # the axis itself is no guide; the line across it marks the place
        pixels, _ = scene.camera.project(ends)
        colour = QColor(theme.accent) if held else tint(ink, 0.6)
        if np.isfinite(pixels).all():
            straight_line(painter, pixels, [pen(halo, 3.5), pen(colour, 2.0 if held else 1.0)])
        if scene.dims == 3:
            for end in pixels[np.isfinite(pixels).all(axis=1)].tolist():
                dot(painter, end, 2.0, tint(ink, 0.75), None)
    dot(painter, place, 8.5, None, pen(halo, 4.0))
    dot(painter, place, 8.5, None, pen(QColor(ink), 1.75))
    dot(painter, place, 3.0, QColor(theme.accent), pen(tint(theme.plot, 0.9), 1.0))


def draw_rings(painter: QPainter, scene: Scene, theme: Theme) -> None:
    """A ring about the chosen sample, and one about the point under the mouse."""
    for index, colour, width in ((scene.selected, theme.accent, 2.25), (scene.hover, theme.text, 1.5)):
        if index is None or not 0 <= index < scene.count:
            continue
        place = _pixel(scene, scene.place(index))
        if place is None:
            continue
        radius = scene.point_radius() + (4.5 if index == scene.selected and colour == theme.accent else 3.0)
        dot(painter, place, radius, None, pen(tint(theme.plot, 0.9), width + 2.5))
        dot(painter, place, radius, None, pen(QColor(colour), width))


def draw_hand(painter: QPainter, scene: Scene, theme: Theme) -> None:
    """The stroke while it is drawn; the rectangle or lasso while it is dragged."""
    accent = QColor(theme.accent)
    if scene.stroke is not None and len(scene.stroke) > 1:
        lines = polyline(scene.stroke)
        stroke_lines(painter, lines, [pen(tint(theme.plot, 0.85), HALO_WIDTH), pen(accent, PATH_WIDTH)])
    if scene.lasso is not None and len(scene.lasso) > 2:
        painter.setBrush(tint(theme.accent, 0.14))
        painter.setPen(pen(accent, 1.25))
        painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in scene.lasso.tolist()]))


def draw_axis_line(painter: QPainter, scene: Scene, theme: Theme) -> None:
    """The one axis of a one-dimensional cloud, through its middle."""
    width, _ = scene.camera.viewport
    y = float(scene.camera.project(np.zeros((1, 3)))[0][0, 1])
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(pen(tint(theme.muted, 0.6), 1.0))
    painter.drawLine(QLineF(0.0, y, width, y))


def _pixel(scene: Scene, point: np.ndarray) -> tuple[float, float] | None:
    x, y = scene.camera.project(np.asarray(point, dtype=np.float64)[None])[0][0].tolist()
    return (x, y) if np.isfinite(x) and np.isfinite(y) else None
