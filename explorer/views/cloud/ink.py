"""Pens, halos and text for the overlay, in the colours of the theme."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPainterPath, QPen, QPolygonF

Pixel = tuple[float, float]


def tint(colour: str, alpha: float = 1.0) -> QColor:
    """``colour`` (#rrggbb) with an opacity of 0 to 1."""
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


def dot(painter: QPainter, place: Pixel, radius: float, fill: QColor | None, outline: QPen | None) -> None:
    """A disc about ``place``."""
    painter.setBrush(fill if fill is not None else Qt.BrushStyle.NoBrush)
    painter.setPen(outline if outline is not None else Qt.PenStyle.NoPen)
    painter.drawEllipse(QPointF(*place), radius, radius)


def halo_text(painter: QPainter, rect: QRectF, flags: Qt.AlignmentFlag, text: str, ink: QColor, halo: QColor) -> None:
    """Text that stays legible over points: an outline of the ground's colour under it."""
    metrics = QFontMetricsF(painter.font())
    width = metrics.horizontalAdvance(text)
    x = rect.left()
    if flags & Qt.AlignmentFlag.AlignHCenter:
        x = rect.center().x() - width / 2
    elif flags & Qt.AlignmentFlag.AlignRight:
        x = rect.right() - width
    y = rect.center().y() + (metrics.ascent() - metrics.descent()) / 2
    outline = QPainterPath()
    outline.addText(QPointF(x, y), painter.font(), text)
    painter.strokePath(outline, pen(halo, 3.0))
    painter.setPen(ink)
    painter.drawText(QPointF(x, y), text)


def small_font(base: QFont, points: float = -1.0, bold: bool = False) -> QFont:
    """``base`` changed by ``points`` in size."""
    made = QFont(base)
    size = base.pointSizeF()
    made.setPointSizeF(max(7.0, (size if size > 0 else 9.0) + points))
    made.setBold(bold)
    return made
