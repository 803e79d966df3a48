"""Painting loss curves: axes, envelopes, marks, read-out, zoom.

Qt's raster engine draws a thick antialiased line of 10^5 noisy points in over a second. Here every curve is thinned to
two points a pixel column first, and kept until data, range or size change, so a frame costs a few milliseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget
from shiboken6 import VoidPtr

from explorer.views.losses.data import CURVES, LossData
from explorer.views.losses.series import envelope, linear_ticks, log_ticks
from explorer.widgets.controls import duration
from explorer.widgets.theme import DARK, Theme

LEFT, TOP, RIGHT, BOTTOM = 58, 22, 26, 24
_SAMPLE = 4000  # points of a curve that decide the range of the axis
NO_CURVES = "Loss curves appear here once a run is open or a training has started."
AWAITED = "The loss curves begin with the first steps of the training."
_DRAG = 4  # pixels before a press becomes a zoom


@dataclass
class PlotSettings:
    """How the curves are drawn; ``axis`` is step, epoch or time, ``smoothing`` 0 to 0.999."""

    shown: set[str] = field(default_factory=lambda: set(CURVES))
    log: bool = True
    smoothing: float = 0.9
    axis: str = "step"


class LossPlot(QWidget):
    """Draws a ``LossData``. Drag zooms, double click or Escape shows everything again."""

    zoom_changed = Signal()

    def __init__(self, data: LossData, settings: PlotSettings) -> None:
        super().__init__()
        self.setObjectName("losses.plot")
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(160, 100)
        self._data, self._settings, self._theme = data, settings, DARK
        self.awaited = False
        self.zoom: tuple[float, float, float, float] | None = None  # x low, x high, y low, y high, in data units
        self._press: QPointF | None = None
        self._mouse: QPointF | None = None
        self._lines: list[tuple[str, QPolygonF, bool]] = []
        self._bounds = (0.0, 1.0, 0.0, 1.0)
        self._stale = True

    def sizeHint(self) -> QSize:
        return QSize(600, 200)

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of ``theme``."""
        self._theme = theme
        self.update()

    def refresh(self) -> None:
        """Data or settings changed."""
        self._stale = True
        self.update()

    def reset_zoom(self) -> None:
        """Show everything."""
        self.zoom = None
        self.refresh()
        self.zoom_changed.emit()

    # geometry

    def _frame(self) -> QRectF:
        return QRectF(LEFT, TOP, max(1, self.width() - LEFT - RIGHT), max(1, self.height() - TOP - BOTTOM))

    def _visible(self) -> list[str]:
        return [name for name in CURVES if name in self._settings.shown and len(self._data.y(name))]

    def _find_bounds(self) -> tuple[float, float, float, float]:
        if self.zoom is not None:
            return self.zoom
        axis, lows, highs, starts, stops = self._settings.axis, [], [], [], []
        for name in self._visible():
            x, y = self._data.x(name, axis), self._data.y(name)
            every = max(1, len(y) // _SAMPLE)
            some, kept = y[::every], self._data.smoothed(name, self._settings.smoothing)[::every]
            good = np.isfinite(some) & ((some > 0) | (not self._settings.log))
            if good.any():
                # The first steps of a training are far above all that follows: they may leave the picture.
                lows.append(float(min(np.quantile(some[good], 0.002), np.nanmin(kept[good]))))
                highs.append(float(np.quantile(some[good], 0.995)))
                starts.append(float(x[0]))
                stops.append(float(x[-1]))
        if not lows:
            return 0.0, 1.0, 1e-3 if self._settings.log else 0.0, 1.0
        left, right, low, high = min(starts), max(stops), min(lows), max(highs)
        if right <= left:
            right = left + 1.0
        if self._settings.log:
            low, high = max(low, 1e-12), max(high, 1e-12)
            pad = max(1.08, (high / low) ** 0.05)
            return left, right, low / pad, high * pad
        pad = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
        return left, right, low - pad, high + pad

    def _to_x(self, x: np.ndarray | float) -> np.ndarray:
        left, right, _, _ = self._bounds
        frame = self._frame()
        return frame.left() + (np.asarray(x) - left) / (right - left) * frame.width()

    def _to_y(self, y: np.ndarray | float) -> np.ndarray:
        _, _, low, high = self._bounds
        frame, value = self._frame(), np.asarray(y, dtype=np.float64)
        if self._settings.log:
            low, high = math.log(low), math.log(high)
            value = np.log(np.maximum(value, 1e-300))
        # Far outside the frame Qt's clipping loses precision: keep lines near it.
        share = np.clip((value - low) / (high - low), -10.0, 11.0)
        return frame.bottom() - share * frame.height()

    def _from_pixel(self, at: QPointF) -> tuple[float, float]:
        left, right, low, high = self._bounds
        frame = self._frame()
        across = min(1.0, max(0.0, (at.x() - frame.left()) / frame.width()))
        up = min(1.0, max(0.0, (frame.bottom() - at.y()) / frame.height()))
        y = low * (high / low) ** up if self._settings.log else low + up * (high - low)
        return left + across * (right - left), y

    def _prepare(self) -> None:
        """Thin the curves for this size and range."""
        self._bounds = self._find_bounds()
        left, right, _, _ = self._bounds
        columns = max(2, int(self._frame().width()))
        weight, axis = self._settings.smoothing, self._settings.axis
        self._lines = []
        for name in self._visible():
            x, raw = self._data.x(name, axis), self._data.y(name)
            smoothable = weight > 0 and name != "validation"
            if smoothable:
                self._lines.append((name, self._polygon(*envelope(x, raw, left, right, columns)), True))
            kept = self._data.smoothed(name, weight)
            # A smoothed curve has no peaks to keep, and half as many points stroke twice as fast.
            fine = columns // 2 if smoothable else columns
            self._lines.append((name, self._polygon(*envelope(x, kept, left, right, fine)), False))
        self._stale = False

    def _polygon(self, x: np.ndarray, y: np.ndarray) -> QPolygonF:
        if self._settings.log:
            x, y = x[y > 0], y[y > 0]
        polygon = QPolygonF()
        polygon.resize(len(x))
        if len(x):
            # Written in place, two float64 a point: a list of QPointF takes twenty times as long.
            memory = VoidPtr(polygon.data(), len(x) * 16, True)  # pyright: ignore[reportCallIssue]
            points = np.frombuffer(memory, dtype=np.float64).reshape(-1, 2)  # pyright: ignore
            points[:, 0], points[:, 1] = self._to_x(x), self._to_y(y)
        return polygon

    # painting

    def resizeEvent(self, event: object) -> None:
        self._stale = True

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(self._theme.plot))
        if not len(self._data):
            painter.setPen(QColor(self._theme.muted))
            text = AWAITED if self.awaited else NO_CURVES
            painter.drawText(self.rect().adjusted(16, 8, -16, -8), _CENTRE | Qt.TextFlag.TextWordWrap, text)
            return
        if self._stale:
            self._prepare()
        font = painter.font()
        font.setPointSizeF(font.pointSizeF() * 0.9)
        painter.setFont(font)
        self._paint_grid(painter)
        painter.save()
        painter.setClipRect(self._frame())
        for name, polygon, faint in self._lines:
            colour = self.colour(name)
            colour.setAlphaF(0.28 if faint else 1.0)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, not faint)
            painter.setPen(QPen(colour, 1.0 if faint else 1.6))
            if faint:
                painter.drawPolyline(polygon)
            else:  # as single lines: stroking a thick polyline, with its joins, takes twenty times as long
                points = polygon.toList()
                painter.drawLines([QLineF(one, other) for one, other in pairwise(points)])
            if name == "validation":
                painter.setBrush(colour)
                for point in polygon.toList() if polygon.size() <= 200 else []:
                    painter.drawEllipse(point, 2.2, 2.2)
        painter.restore()
        self._paint_marks(painter)
        self._paint_best(painter)
        self._paint_zoom(painter)
        self._paint_readout(painter)

    def colour(self, name: str) -> QColor:
        """The colour of a curve."""
        return QColor(self._theme.series[CURVES.index(name) % len(self._theme.series)])

    def _paint_grid(self, painter: QPainter) -> None:
        frame, (left, right, low, high) = self._frame(), self._bounds
        many_y, many_x = max(2, int(frame.height() / 34)), max(2, int(frame.width() / 110))
        ticks = log_ticks(low, high, many_y) if self._settings.log else linear_ticks(low, high, many_y)
        grid, muted = QColor(self._theme.grid), QColor(self._theme.muted)
        grid.setAlphaF(0.6)
        for value in ticks:
            y = round(float(self._to_y(value))) + 0.5
            painter.setPen(QPen(grid, 1))
            painter.drawLine(QPointF(frame.left(), y), QPointF(frame.right(), y))
            painter.setPen(muted)
            painter.drawText(QRectF(0, y - 9, LEFT - 6, 18), _RIGHT, f"{value:.3g}")
        for value in linear_ticks(left, right, many_x):
            x = round(float(self._to_x(value))) + 0.5
            painter.setPen(QPen(grid, 1))
            painter.drawLine(QPointF(x, frame.bottom()), QPointF(x, frame.bottom() + 4))
            painter.setPen(muted)
            painter.drawText(QRectF(x - 50, frame.bottom() + 4, 100, 18), _CENTRE, self._x_text(value))
        painter.setPen(QPen(QColor(self._theme.grid), 1))
        painter.drawLine(frame.bottomLeft(), frame.bottomRight())

    def _x_text(self, value: float) -> str:
        if self._settings.axis == "time":
            return duration(value)
        return f"{value:,.0f}" if value == round(value) else f"{value:.4g}"

    def _paint_marks(self, painter: QPainter) -> None:
        frame, metrics = self._frame(), QFontMetricsF(painter.font())
        busy_until = -1e9
        for mark in self._data.marks:
            x = float(self._to_x(self._data.mark_x(mark, self._settings.axis)))
            if not frame.left() <= x <= frame.right():
                continue
            painter.setPen(QPen(QColor(self._theme.warning), 1, Qt.PenStyle.DashLine))
            painter.drawLine(QPointF(x, frame.top()), QPointF(x, frame.bottom()))
            width = metrics.horizontalAdvance(mark.text)
            start = min(x + 3, self.width() - width - 4)
            if start >= busy_until:
                painter.setPen(QColor(self._theme.warning))
                painter.drawText(QRectF(start, 3, width + 2, TOP - 4), _LEFT, mark.text)
                busy_until = start + width + 8

    def _paint_best(self, painter: QPainter) -> None:
        best = self._data.best
        if best is None or "validation" not in self._visible():
            return
        frame = self._frame()
        x = float(self._to_x(self._data.x("validation", self._settings.axis)[best]))
        y = float(self._to_y(self._data.y("validation")[best]))
        if not frame.contains(QPointF(x, y)):
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self.colour("validation"), 1.6))
        painter.setBrush(QColor(self._theme.plot))
        painter.drawEllipse(QPointF(x, y), 4.5, 4.5)
        painter.setPen(QColor(self._theme.text))
        text = f"best {self._data.y('validation')[best]:.4g}"
        width = QFontMetricsF(painter.font()).horizontalAdvance(text) + 2
        left = x - 8 - width if x + 8 + width > frame.right() else x + 8
        painter.drawText(QRectF(left, y - 20, width, 16), _LEFT, text)

    def _paint_zoom(self, painter: QPainter) -> None:
        if self._press is None or self._mouse is None or not self._dragging():
            return
        colour = QColor(self._theme.accent)
        painter.setPen(QPen(colour, 1))
        colour.setAlphaF(0.15)
        painter.setBrush(colour)
        painter.drawRect(QRectF(self._press, self._mouse).normalized().intersected(self._frame()))

    def _paint_readout(self, painter: QPainter) -> None:
        """The values under the mouse."""
        if self._mouse is None or self._press is not None or not self._frame().contains(self._mouse):
            return
        x, _ = self._from_pixel(self._mouse)
        rows: list[tuple[str, QColor | None]] = [
            (f"{self._settings.axis} {self._x_text(round(x) if self._settings.axis != 'epoch' else x)}", None)
        ]
        for name, value in self.values_at(x).items():
            rows.append((f"{name}  {value:.4g}", self.colour(name)))
        metrics = QFontMetricsF(painter.font())
        width = max(metrics.horizontalAdvance(text) for text, _ in rows) + 28
        height = len(rows) * metrics.height() + 10
        frame = self._frame()
        left = self._mouse.x() + 12
        if left + width > frame.right():
            left = self._mouse.x() - 12 - width
        box = QRectF(left, frame.top() + 6, width, height)
        line = QColor(self._theme.muted)
        line.setAlphaF(0.7)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QPen(line, 1))
        painter.drawLine(QPointF(self._mouse.x(), frame.top()), QPointF(self._mouse.x(), frame.bottom()))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(self._theme.border), 1))
        painter.setBrush(QColor(self._theme.raised))
        painter.drawRoundedRect(box, 5, 5)
        for number, (text, colour) in enumerate(rows):
            top = box.top() + 5 + number * metrics.height()
            if colour is not None:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(colour)
                painter.drawEllipse(QPointF(box.left() + 11, top + metrics.height() / 2), 3.5, 3.5)
            painter.setPen(QColor(self._theme.text if colour is not None else self._theme.muted))
            indent = 20 if colour is not None else 8
            painter.drawText(QRectF(box.left() + indent, top, width, metrics.height()), _LEFT, text)

    def values_at(self, x: float) -> dict[str, float]:
        """The (smoothed) value of every visible curve at the recorded point nearest to ``x``."""
        found = {}
        for name in self._visible():
            xs = self._data.x(name, self._settings.axis)
            after = int(np.searchsorted(xs, x))
            near = min((i for i in (after - 1, after) if 0 <= i < len(xs)), key=lambda i: abs(xs[i] - x))
            value = float(self._data.smoothed(name, self._settings.smoothing)[near])
            if math.isfinite(value):
                found[name] = value
        return found

    # hands

    def _dragging(self) -> bool:
        moved = self._mouse - self._press if self._mouse is not None and self._press is not None else QPointF()
        return abs(moved.x()) > _DRAG or abs(moved.y()) > _DRAG

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and len(self._data):
            self._press = self._mouse = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._mouse = event.position()
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._mouse = event.position()
        if self._press is not None and self._dragging():
            (x0, y0), (x1, y1) = self._from_pixel(self._press), self._from_pixel(self._mouse)
            _, _, low, high = self._bounds
            # A drag that is flat means "this stretch of time", not "this sliver of values".
            flat = abs(self._mouse.y() - self._press.y()) <= 3 * _DRAG
            y_low, y_high = (low, high) if flat else (min(y0, y1), max(y0, y1))
            if x0 != x1 and y_low < y_high:
                self.zoom = (min(x0, x1), max(x0, x1), y_low, y_high)
                self.zoom_changed.emit()
        self._press = None
        self.refresh()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._press = None
        self.reset_zoom()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.zoom is not None:
            self.reset_zoom()
        else:
            super().keyPressEvent(event)

    def leaveEvent(self, event: object) -> None:
        self._mouse = None
        self.update()


_CENTRE = Qt.AlignmentFlag.AlignCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
