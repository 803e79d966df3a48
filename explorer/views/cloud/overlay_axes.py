"""Numbers and names of the axes, and the colour bar."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter

from core.rendering.axes import flat_grid, labelled_edges, nice_step, tick_text
from core.rendering.colormaps import Colorbar
from explorer.views.cloud.scene import Scene
from explorer.widgets.painting import halo_text, pen, small_font, tint
from explorer.widgets.theme import Theme

TICK_GAP = 14.0  # pixels from an edge of the box to the middle of its numbers
NAME_GAP = 38.0
BAR_WIDTH, BAR_MARGIN = 10.0, 16.0
BAR_LABEL_SHARE = 0.35  # of the view: its legend has the other side
TICK_ROOM, END_SLACK = 20.0, 0.01  # pixels from tick to tick; how far the last may be from the end, of the range
CENTRE = Qt.AlignmentFlag.AlignCenter


def draw_axes(painter: QPainter, scene: Scene, theme: Theme) -> None:
    """Tick numbers along the outer edges of the box, and the axes' names farther out."""
    if scene.dims == 3:
        _draw_box_labels(painter, scene, theme)
    else:
        _draw_flat_labels(painter, scene, theme)


def _draw_box_labels(painter: QPainter, scene: Scene, theme: Theme) -> None:
    edges = labelled_edges(scene.box, scene.camera)
    name_font, tick_font = small_font(painter.font(), 1.0, bold=True), small_font(painter.font())
    taken: list[QRectF] = []
    painter.setFont(name_font)
    metrics = QFontMetricsF(name_font)
    for edge in edges:
        if np.hypot(*(edge.end - edge.start)) < 12:  # seen end-on: its name would lie on another's
            continue
        place = (edge.start + edge.end) / 2 + edge.outward * NAME_GAP
        text = scene.labels[edge.axis]
        rect = _around(place, metrics.horizontalAdvance(text) + 4, metrics.height())
        rect = _shifted_free(rect, edge.outward, taken)
        taken.append(rect)
        halo_text(painter, rect, CENTRE, text, QColor(theme.text), tint(theme.plot, 0.9))
    painter.setFont(tick_font)
    metrics = QFontMetricsF(tick_font)
    for edge in edges:
        if np.hypot(*(edge.end - edge.start)) < 30:
            continue
        for tick, pixel in zip(edge.ticks, edge.pixels, strict=True):
            text = tick_text(float(tick), scene.box.step)
            rect = _around(pixel + edge.outward * TICK_GAP, metrics.horizontalAdvance(text), metrics.height() - 2)
            if any(rect.adjusted(-3, 0, 3, 0).intersects(other) for other in taken):
                continue
            taken.append(rect)
            painter.setPen(pen(QColor(theme.grid), 1.0))
            start, end = pixel, pixel + edge.outward * 4.0
            painter.drawLine(QPointF(*start), QPointF(*end))
            halo_text(painter, rect, CENTRE, text, QColor(theme.muted), tint(theme.plot, 0.85))


def _shifted_free(rect: QRectF, outward: np.ndarray, taken: list[QRectF]) -> QRectF:
    """``rect`` moved outward until it lies on nothing."""
    for _ in range(4):
        if not any(rect.intersects(other) for other in taken):
            break
        rect = rect.translated(*(outward * rect.height()))
    return rect


def _around(place: np.ndarray, width: float, height: float) -> QRectF:
    return QRectF(float(place[0]) - width / 2, float(place[1]) - height / 2, width, height)


def _draw_flat_labels(painter: QPainter, scene: Scene, theme: Theme) -> None:
    """Numbers along the bottom and, with two dimensions, the left border; they pan and zoom with the points."""
    camera = scene.camera
    width, height = camera.viewport
    step = flat_grid(camera, 1)[1]
    font = small_font(painter.font())
    painter.setFont(font)
    metrics = QFontMetricsF(font)
    muted, halo = QColor(theme.muted), tint(theme.plot, 0.9)
    low = camera.unproject((0.0, height), camera.distance)
    high = camera.unproject((width, 0.0), camera.distance)
    for axis in range(scene.dims):
        for number in range(int(np.ceil(low[axis] / step)), int(np.floor(high[axis] / step)) + 1):
            point = camera.target.copy()
            point[axis] = number * step
            pixel = camera.project(point[None])[0][0]
            text = tick_text(number * step, step)
            size = metrics.horizontalAdvance(text)
            if axis == 0 and 44 < pixel[0] < width - 28:
                rect = _around(np.array([pixel[0], height - 14.0]), size, metrics.height())
                halo_text(painter, rect, CENTRE, text, muted, halo)
            elif axis == 1 and 24 < pixel[1] < height - 34:
                rect = _around(np.array([10.0 + size / 2, pixel[1]]), size, metrics.height())
                halo_text(painter, rect, CENTRE, text, muted, halo)
    painter.setFont(small_font(painter.font(), 2.0, bold=True))
    ink = QColor(theme.text)
    halo_text(painter, QRectF(width - 40, height - 24, 28, 20), CENTRE, scene.labels[0], ink, halo)
    if scene.dims == 2:
        halo_text(painter, QRectF(8, 4, 32, 20), CENTRE, scene.labels[1], ink, halo)


def draw_colorbar(painter: QPainter, bar: Colorbar, theme: Theme, width: float, height: float) -> None:
    """The bar with three ticks or more, or one swatch for each category, at the upper right."""
    font, bold = small_font(painter.font()), small_font(painter.font(), 0.0, bold=True)
    painter.setFont(bold)
    halo = tint(theme.plot, 0.9)
    room = float(np.clip(width * BAR_LABEL_SHARE, 130.0, 400.0))
    label = QFontMetricsF(bold).elidedText(bar.label, Qt.TextElideMode.ElideRight, room)
    right = width - BAR_MARGIN
    title = QRectF(right - room - 4, 10, room + 4, 18)
    halo_text(painter, title, Qt.AlignmentFlag.AlignRight, label, QColor(theme.text), halo)
    painter.setFont(font)
    if bar.categories is not None:
        _draw_categories(painter, bar, bar.categories, theme, right, height)
        return
    length = float(np.clip(height * 0.34, 60.0, 200.0))
    frame = QRectF(right - BAR_WIDTH, 36.0, BAR_WIDTH, length)
    column = np.ascontiguousarray(bar.lut[::-1, None, :])
    image = QImage(column.tobytes(), 1, len(column), 4, QImage.Format.Format_RGBA8888)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, True)
    painter.drawImage(frame, image)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(pen(QColor(theme.border), 1.0))
    painter.drawRect(frame.adjusted(-0.5, -0.5, 0.5, 0.5))
    span = bar.high - bar.low
    ticks, step = bar_ticks(bar.low, bar.high, int(length / TICK_ROOM))
    for tick in ticks.tolist():
        share = float(np.clip((tick - bar.low) / (span or 1.0), 0.0, 1.0))
        y = frame.bottom() - share * length
        painter.setPen(pen(QColor(theme.muted), 1.0))
        painter.drawLine(QPointF(frame.left() - 4, y), QPointF(frame.left() - 1, y))
        rect = QRectF(frame.left() - 78, y - 8, 70, 16)
        text = tick_text(tick, step)
        halo_text(painter, rect, Qt.AlignmentFlag.AlignRight, text, QColor(theme.muted), halo)


def bar_ticks(low: float, high: float, most: int) -> tuple[np.ndarray, float]:
    """Round values (n,) from low to high and their step: the coarsest step that gives three or more, ``most`` at most.

    The outermost may miss an end by a hundredth of the range: samples rarely reach the round ends of theirs.
    """
    span = high - low
    if not span > 0.0:
        return np.array([low]), 1.0
    found, step = np.zeros(0), span
    for count in range(1, most + 1):
        tried = nice_step(span, count)
        slack = END_SLACK * span / tried
        ticks = np.arange(np.ceil(low / tried - slack), np.floor(high / tried + slack) + 1) * tried
        if len(ticks) > most and len(found):
            break
        found, step = ticks, tried
        if len(ticks) >= 3:
            break
    return found, step


def _draw_categories(
    painter: QPainter, bar: Colorbar, names: tuple[str, ...], theme: Theme, right: float, height: float
) -> None:
    room = max(1, int((height - 60) / 20))
    shown = names if len(names) <= room else names[: room - 1]
    halo, muted = tint(theme.plot, 0.9), QColor(theme.muted)
    for place, name in enumerate(shown):
        y = 36.0 + 20.0 * place
        red, green, blue, _ = bar.lut[round(place / max(1, len(names) - 1) * 255)].tolist()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(red, green, blue))
        painter.drawRoundedRect(QRectF(right - 12, y, 12, 12), 3, 3)
        text = QFontMetricsF(painter.font()).elidedText(name, Qt.TextElideMode.ElideRight, 130.0)
        halo_text(painter, QRectF(right - 154, y - 3, 134, 18), Qt.AlignmentFlag.AlignRight, text, muted, halo)
    if len(shown) < len(names):
        rect = QRectF(right - 154, 33.0 + 20.0 * len(shown), 154, 18)
        halo_text(painter, rect, Qt.AlignmentFlag.AlignRight, f"and {len(names) - len(shown)} more", muted, halo)
