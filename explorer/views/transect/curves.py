"""Painting the curves of a transect: excess BCE, SSIM and distance, each on its own scale, over the same points."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPolygonF

from explorer.views.transect.data import CURVES, TransectData
from explorer.views.transect.geometry import AXIS, LEFT, SCALE, Layout, bounds, normalised
from explorer.widgets.theme import Theme

NAMES = {"excess_bce": "excess BCE", "ssim": "SSIM", "distance": "distance"}
_DOTS = 60  # points up to which each is marked
_SPACE = 14.0  # between two entries of the legend


def number(value: float) -> str:
    """A value for reading, three digits: 0.0247, 1.25, 2."""
    return f"{value:.3g}"


class CurvePainter:
    """Draws the curves of ``data`` in the colours of ``theme``; ``log``: the excess BCE on a logarithmic scale."""

    def __init__(self, data: TransectData, theme: Theme, log: bool) -> None:
        self._data, self._theme, self._log = data, theme, log
        self._bounds = {name: bounds(name, data.curves[name], log) for name in CURVES}

    def colour(self, name: str) -> QColor:
        """The colour of curve ``name``; the first of the series is the accent, which marks the hole."""
        return QColor(self._theme.series[1 + CURVES.index(name)])

    def _logarithmic(self, name: str) -> bool:
        return self._log and name == "excess_bce"

    def _y(self, name: str, frame: QRectF) -> np.ndarray:
        """float64 (n,) pixels; NaN where nothing is known."""
        low, high = self._bounds[name]
        place = normalised(self._data.curves[name], low, high, self._logarithmic(name))
        inner = frame.adjusted(0, 4, 0, -4)
        return inner.bottom() - np.clip(place, -0.05, 1.05) * inner.height()

    def paint(self, painter: QPainter, layout: Layout, ends: tuple[str, str]) -> None:
        """Every lane, and what the ends of the horizontal axis mean."""
        for frame, names in layout.lanes:
            self._paint_frame(painter, frame, names)
            for name in reversed(names):  # the first one, the excess BCE, on top
                self._paint_curve(painter, layout, frame, name)
        below = QRectF(LEFT, layout.bottom + 2, layout.lanes[0][0].width(), AXIS - 3)
        painter.setPen(QColor(self._theme.muted))
        painter.drawText(below, _LEFT, ends[0])
        metrics = QFontMetricsF(painter.font())
        if metrics.horizontalAdvance(ends[0]) + metrics.horizontalAdvance(ends[1]) + 12 < below.width():
            painter.drawText(below, _RIGHT, ends[1])

    def _paint_frame(self, painter: QPainter, frame: QRectF, names: tuple[str, ...]) -> None:
        grid = QColor(self._theme.grid)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QPen(grid, 1))
        painter.drawLine(frame.bottomLeft(), frame.bottomRight())
        grid.setAlphaF(0.6)
        painter.setPen(QPen(grid, 1))
        painter.drawLine(frame.topLeft(), frame.topRight())
        height = QFontMetricsF(painter.font()).height()
        for place, name in enumerate(names):
            low, high = self._bounds[name]
            painter.setPen(self.colour(name))
            if place == 0:
                left, flags = 0.0, _RIGHT
            else:
                left, flags = frame.right() + 5 + (place - 1) * SCALE, _LEFT
            width = LEFT - 6.0 if place == 0 else SCALE
            # Where the frame is low, its two numbers keep clear of one another.
            painter.drawText(QRectF(left, frame.top() - 4, width, height), flags, number(high))
            painter.drawText(QRectF(left, frame.bottom() + 3 - height, width, height), flags, number(low))
            if len(names) == 1 and frame.height() > 3 * height:
                middle = QRectF(left, frame.center().y() - height / 2, width, height)
                painter.drawText(middle, flags, "log" if self._logarithmic(name) else "")

    def _paint_curve(self, painter: QPainter, layout: Layout, frame: QRectF, name: str) -> None:
        y = self._y(name, frame)
        known = np.isfinite(y)
        if not known.any():
            return
        colour = self.colour(name)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(colour, 1.6))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(np.int8), [0]])))
        for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            points = [QPointF(float(layout.x[place]), float(y[place])) for place in range(first, stop)]
            painter.drawPolyline(QPolygonF(points))
        if self._data.total <= _DOTS:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            for place in np.flatnonzero(known).tolist():
                painter.drawEllipse(QPointF(float(layout.x[place]), float(y[place])), 2.0, 2.0)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def paint_position(self, painter: QPainter, layout: Layout, place: int) -> None:
        """The vertical line at point ``place``, and a ring where it meets each curve."""
        x = float(layout.x[place])
        line = QColor(self._theme.text)
        line.setAlphaF(0.7)
        painter.setPen(QPen(line, 1))
        top = layout.rows_bottom + 1
        painter.drawLine(QPointF(round(x) + 0.5, top), QPointF(round(x) + 0.5, layout.bottom))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for frame, names in layout.lanes:
            for name in reversed(names):
                y = self._y(name, frame)[place]
                if np.isfinite(y):
                    painter.setPen(QPen(self.colour(name), 2))
                    painter.setBrush(QColor(self._theme.plot))
                    painter.drawEllipse(QPointF(x, float(y)), 3.5, 3.5)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    # the legend, with the values at the position

    def legend(self, place: int | None) -> list[tuple[str, str]]:
        """The curves' names and their texts, with the values at ``place``."""
        texts = []
        for name in CURVES:
            value = float(self._data.curves[name][place]) if place is not None else float("nan")
            texts.append((name, f"{NAMES[name]} {number(value)}" if np.isfinite(value) else NAMES[name]))
        return texts

    def legend_width(self, metrics: QFontMetricsF, legend: list[tuple[str, str]]) -> float:
        """Pixels that ``legend`` needs."""
        return sum(metrics.horizontalAdvance(text) + 12 + _SPACE for _, text in legend)

    def paint_legend(self, painter: QPainter, legend: list[tuple[str, str]], box: QRectF) -> None:
        """Names and values with a dot in each curve's colour, at the right end of ``box``."""
        metrics = QFontMetricsF(painter.font())
        x = max(box.left(), box.right() - self.legend_width(metrics, legend) + _SPACE)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for name, text in legend:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self.colour(name))
            painter.drawEllipse(QPointF(x + 4, box.center().y()), 3.5, 3.5)
            painter.setPen(QColor(self._theme.text))
            width = metrics.horizontalAdvance(text)
            painter.drawText(QRectF(x + 12, box.top(), width + 2, box.height()), _LEFT, text)
            x += 12 + width + _SPACE
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
