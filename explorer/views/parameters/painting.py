"""Painting the plane: its samples as a kept picture, its axes, and the marks over them.

Thousands of discs are drawn by numpy and kept until they, their colours or the view change. Training samples are discs,
validation samples rings. What is highlighted lies on top. pyqtgraph's ScatterPlotItem takes as long for a frame of
20,000 samples (13 ms, this 15), but a second for their colours, which change while a run trains (11 ms here).
"""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPen, QPolygonF

from core.rendering.crowd import shuffled
from core.rendering.point_colours import plain_colour
from core.rendering.point_splatting import PAD, Discs, draw_discs, pack
from core.runs.split import HELD_OUT, TRAINING
from explorer.views.parameters.scene import CLASS_ROOM, LEFT, RIGHT, Hole, PlaneFrame, PlaneScene
from explorer.widgets.painting import dot, halo_text, pen, plate, stroke_lines, tint
from explorer.widgets.theme import Theme

MOST_DRAWN = 100_000  # samples: more take longer than a person waits, and only fill the plane
SHARE = 0.28  # of the plane that all discs together may cover
SMALLEST, LARGEST = 1.2, 4.0  # pixels, radius
RING = 0.55  # radius of a ring's hole, as a share of the ring's: validation
THIN_RING = 0.82  # the same: held out
HALO = 0.85  # opacity of the ground's colour under a line
_CENTRE = Qt.AlignmentFlag.AlignCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


def radius_of(scene: PlaneScene) -> float:
    """The radius of a sample's disc in pixels: smaller the more there are, larger when the plane is enlarged."""
    area = scene.frame.width * scene.frame.height * scene.frame.magnification
    return float(np.clip(math.sqrt(SHARE * area / (math.pi * max(1, len(scene.xy)))), SMALLEST, LARGEST))


def draw_picture(scene: PlaneScene, theme: Theme, size: tuple[int, int], ratio: float) -> QImage:
    """Ground, grid and samples for a widget of ``size`` device-independent pixels, ``ratio`` screen pixels each.

    The picture has ``PAD`` more screen pixels on every side, which discs at its border need.
    """
    width, height = max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))
    image = QImage(width + 2 * PAD, height + 2 * PAD, QImage.Format.Format_RGB32)
    image.fill(QColor(theme.surface))
    with QPainter(image) as painter:
        painter.translate(PAD, PAD)
        painter.scale(ratio, ratio)
        painter.fillRect(scene.frame.area, QColor(theme.plot))
        draw_grid(painter, scene.frame, theme)
    _draw_samples(image, scene, theme, ratio)
    return image


def _draw_samples(image: QImage, scene: PlaneScene, theme: Theme, ratio: float) -> None:
    pixels, area = scene.frame.to_pixels(scene.xy), scene.frame.area
    low, high = (area.left(), area.top()), (area.right(), area.bottom())
    inside = ((pixels >= low) & (pixels <= high)).all(axis=1)  # NaN is nowhere
    order = np.flatnonzero(inside & (_colours(scene, theme)[:, 3] > 0))
    if len(order) > MOST_DRAWN:  # a fair sample, the same each time
        drawn = np.zeros(len(scene.xy), dtype=bool)
        drawn[shuffled(len(drawn))[: int(MOST_DRAWN * len(drawn) / len(order))]] = True
        order = order[drawn[order]]
    if not len(order):
        return
    if scene.highlight is not None:
        raised = np.isin(order, scene.highlight)
        order = np.concatenate([order[~raised], order[raised]])
    ground = QColor(theme.plot).rgb() & 0xFFFFFF
    colours = _colours(scene, theme)[order]
    places = (pixels[order] * ratio).astype(np.float32)
    radius = np.float32(radius_of(scene) * ratio)
    ringed = scene.split[order] != TRAINING
    # A ring is a disc with a smaller one of the ground's colour right after it.
    bore = np.where(scene.split[order] == HELD_OUT, THIN_RING, RING).astype(np.float32)
    repeat = np.where(ringed, 2, 1)
    source = np.repeat(np.arange(len(order)), repeat)
    inner = np.append(source[1:] == source[:-1], False)
    inner = np.append(False, inner[:-1])
    rgb = np.where(inner, np.uint32(ground), pack(colours)[source]).astype(np.uint32)
    discs = Discs(
        places[source, 0],
        places[source, 1],
        np.where(inner, radius * bore[source], radius).astype(np.float32),
        rgb,
        np.where(inner, 255, colours[source, 3]).astype(np.uint8),
    )
    memory = np.frombuffer(image.bits(), dtype=np.uint32).reshape(image.height(), image.width())
    draw_discs(memory, discs, ground=ground)
    memory |= np.uint32(0xFF000000)


def _colours(scene: PlaneScene, theme: Theme) -> np.ndarray:
    """uint8 (N, 4): the colours given, or one for all as long as there are none that fit."""
    if scene.colors is not None and len(scene.colors) == len(scene.xy):
        return scene.colors
    return np.tile(plain_colour(theme), (len(scene.xy), 1))


def draw_grid(painter: QPainter, frame: PlaneFrame, theme: Theme) -> None:
    """Faint lines at round numbers, under the samples."""
    painter.setPen(QPen(tint(theme.grid, 0.6), 1))
    area = frame.area
    for value in frame.ticks(0):
        x = np.floor(frame.pixel(value, 0.0)[0]) + 0.5
        painter.drawLine(QLineF(x, area.top(), x, area.bottom()))
    for value in frame.ticks(1):
        y = np.floor(frame.pixel(0.0, value)[1]) + 0.5
        painter.drawLine(QLineF(area.left(), y, area.right(), y))


def draw_share(painter: QPainter, scene: PlaneScene, theme: Theme) -> None:
    """How many samples at most are drawn, where that is not all of them."""
    if len(scene.xy) > MOST_DRAWN:
        text = f"at most {MOST_DRAWN:,} of {len(scene.xy):,} samples are drawn, at random"
        area = scene.frame.area
        rect = QRectF(area.left() + 4, area.top() + 2, area.width() - 10, 16)
        halo_text(painter, rect, Qt.AlignmentFlag.AlignRight, text, QColor(theme.muted), tint(theme.plot, 0.9))


def draw_axes(painter: QPainter, scene: PlaneScene, theme: Theme) -> None:
    """Numbers and names along the left and the lower border."""
    frame, area = scene.frame, scene.frame.area
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
    for value, text in frame.ticks(0).items():
        x = frame.pixel(value, 0.0)[0]
        text = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, CLASS_ROOM)
        if x + metrics.horizontalAdvance(text) / 2 <= free:
            painter.drawText(QRectF(x - 40, row.top(), 80, height), _CENTRE, text)
    for value, text in frame.ticks(1).items():
        y = frame.pixel(0.0, value)[1]
        if y - height / 2 > 0:
            text = metrics.elidedText(text, Qt.TextElideMode.ElideRight, LEFT - 18)
            painter.drawText(QRectF(13, y - height / 2, LEFT - 18, height), _RIGHT, text)
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


def draw_holes(painter: QPainter, scene: PlaneScene, theme: Theme) -> None:
    """The hole as a circle of the plane, with its handles; that of the open run dashed where it differs, and what else
    the open run holds out."""
    _draw_regions(painter, scene, theme)
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


def _draw_regions(painter: QPainter, scene: PlaneScene, theme: Theme) -> None:
    """Dashed outlines; a side that is open runs along the border."""
    area = scene.frame.area
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for region in scene.held_out:
        (left, low), (right, high) = (scene.frame.pixel(*corner) for corner in zip(*region, strict=True))
        outline = QRectF(
            QPointF(max(left, area.left()), max(high, area.top())),
            QPointF(min(right, area.right()), min(low, area.bottom())),
        )
        for each in (pen(tint(theme.plot, HALO), 4.5), pen(QColor(theme.text), 1.75, True)):
            painter.setPen(each)
            painter.drawRect(outline)


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
    # Its name beside its first point, on a plate of the ground's colour, kept inside the plane.
    area, (x, y) = scene.frame.area, pixels[0].tolist()
    metrics = QFontMetricsF(painter.font())
    width, height = metrics.horizontalAdvance(name) + 8, metrics.height() + 1
    left = min(max(x + 5, area.left() + 1), area.right() - width - 1)
    top = min(max(y - height - 3, area.top() + 1), area.bottom() - height - 1)
    box = QRectF(left, top, width, height)
    plate(painter, box, 3, tint(theme.plot, HALO))
    painter.setPen(QColor(theme.series[1] if chosen else theme.text))
    painter.drawText(box, _CENTRE, name)


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
    area = scene.frame.area
    halo = pen(tint(theme.plot, 0.7), 3.5)
    for line in (QLineF(x, area.top(), x, area.bottom()), QLineF(area.left(), y, area.right(), y)):
        for each in (halo, pen(tint(theme.text, 0.6), 1.0)):
            painter.setPen(each)
            painter.drawLine(line)
    dot(painter, (x, y), 7.5, None, pen(tint(theme.plot, 0.7), 4.0))
    dot(painter, (x, y), 7.5, None, pen(QColor(theme.text), 1.75))
    dot(painter, (x, y), 2.75, QColor(theme.accent), pen(tint(theme.plot, 0.9), 1.0))
