"""Pens, dots, halos and text, for views that paint themselves; colours come from the theme."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPainterPath, QPen, QPolygonF

from core.paths.recipe import PATH_KINDS
from core.rendering.path_colours import path_colour
from explorer.widgets.theme import Theme

Pixel = tuple[float, float]
TEXT_BORDER = 3  # pixels around a text for its halo


def tint(colour: str | QColor, alpha: float = 1.0) -> QColor:
    """``colour`` with an opacity of 0 to 1."""
    made = QColor(colour)
    made.setAlphaF(alpha)
    return made


def pen(colour: QColor, width: float, dashed: bool = False) -> QPen:
    """A round pen, ``width`` in pixels."""
    made = QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
    if dashed:
        made.setDashPattern([3.0, 3.0])
    return made


def polyline(pixels: np.ndarray) -> list[QPolygonF]:
    """``pixels`` (K, 2) as polygons, broken where they are not finite."""
    finite = np.isfinite(pixels).all(axis=1)
    runs = np.flatnonzero(np.diff(np.concatenate([[False], finite, [False]]).astype(np.int8)))
    parts = (pixels[start:end] for start, end in zip(runs[::2], runs[1::2], strict=True))
    return [QPolygonF([QPointF(x, y) for x, y in part.tolist()]) for part in parts if len(part) > 1]


def stroke_lines(painter: QPainter, polygons: Iterable[QPolygonF], pens: Iterable[QPen]) -> None:
    """Draw the same lines with each pen in turn: halo first, then ink."""
    polygons = list(polygons)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for each in pens:
        painter.setPen(each)
        for polygon in polygons:
            painter.drawPolyline(polygon)


def straight_line(painter: QPainter, ends: np.ndarray, pens: Iterable[QPen]) -> None:
    """Draw from ``ends[0]`` to ``ends[1]`` (2, 2), finite, with each pen in turn.

    Qt has a quick way for single lines with flat caps: a wide one across the window takes a sixth of what the same
    line takes as a polygon with round caps.
    """
    line = QLineF(*ends.ravel().tolist())
    for each in pens:
        each.setCapStyle(Qt.PenCapStyle.FlatCap)
        painter.setPen(each)
        painter.drawLine(line)


def dot(painter: QPainter, place: Pixel, radius: float, fill: QColor | None, outline: QPen | None = None) -> None:
    """A disc about ``place``."""
    painter.setBrush(fill if fill is not None else Qt.BrushStyle.NoBrush)
    painter.setPen(outline if outline is not None else Qt.PenStyle.NoPen)
    painter.drawEllipse(QPointF(*place), radius, radius)


def border(painter: QPainter, rect: QRect | QRectF, line: QPen) -> None:
    """The border of ``rect``."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(line)
    painter.drawRect(rect)


def plate(painter: QPainter, rect: QRectF, radius: float, fill: QColor | None, line: QPen | None = None) -> None:
    """``rect`` with round corners."""
    painter.setBrush(fill if fill is not None else Qt.BrushStyle.NoBrush)
    painter.setPen(line if line is not None else Qt.PenStyle.NoPen)
    painter.drawRoundedRect(rect, radius, radius)


def halo_text(painter: QPainter, rect: QRectF, flags: Qt.AlignmentFlag, text: str, ink: QColor, halo: QColor) -> None:
    """Text that stays legible over points: an outline of the ground's colour under it."""
    ratio = painter.device().devicePixelRatioF()
    picture = _text_picture(text, painter.font().toString(), ink.rgba(), halo.rgba(), ratio)
    width, height = picture.width() / ratio, picture.height() / ratio
    x = rect.left() - TEXT_BORDER
    if flags & Qt.AlignmentFlag.AlignHCenter:
        x = rect.center().x() - width / 2
    elif flags & Qt.AlignmentFlag.AlignRight:
        x = rect.right() - width + TEXT_BORDER
    # On whole device pixels, or resampling would blur it.
    place = QPointF(round(x * ratio) / ratio, round((rect.center().y() - height / 2) * ratio) / ratio)
    painter.drawImage(place, picture)


def empty_text(painter: QPainter, box: QRect, text: str, theme: Theme, above: int = 8) -> None:
    """What a view says in the middle of ``box`` while it has nothing to show."""
    painter.setPen(QColor(theme.muted))
    flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
    painter.drawText(box.adjusted(16, above, -16, -above), flags, text)


@lru_cache(maxsize=128)
def _text_picture(text: str, font_name: str, ink: int, halo: int, ratio: float) -> QImage:
    """Text with its halo, painted once: outlines cost 0.1 ms each, and a cloud that turns shows twenty."""
    font = QFont()
    font.fromString(font_name)
    metrics = QFontMetricsF(font)
    width = math.ceil(metrics.horizontalAdvance(text)) + 2 * TEXT_BORDER
    height = math.ceil(metrics.height()) + 2 * TEXT_BORDER
    picture = QImage(math.ceil(width * ratio), math.ceil(height * ratio), QImage.Format.Format_ARGB32_Premultiplied)
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    place = QPointF(TEXT_BORDER, TEXT_BORDER + metrics.ascent())
    outline = QPainterPath()
    outline.addText(place, font, text)
    with QPainter(picture) as painter:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font)
        painter.strokePath(outline, pen(QColor.fromRgba(halo), 3.0))
        painter.setPen(QColor.fromRgba(ink))
        painter.drawText(place, text)
    return picture


def small_font(base: QFont, points: float = -1.0, bold: bool = False) -> QFont:
    """``base`` changed by ``points`` in size."""
    made = QFont(base)
    size = base.pointSizeF()
    made.setPointSizeF(max(7.0, (size if size > 0 else 9.0) + points))
    made.setBold(bold)
    return made


def path_pen(kind: str, theme: Theme) -> QPen:
    """The line that stands for a ``kind`` beside its name; dashed if paths of that kind are straight."""
    made = pen(QColor(path_colour(kind, theme)), 2.5)
    if PATH_KINDS[kind].straight:
        made.setDashPattern([1.6, 1.6])
    return made
