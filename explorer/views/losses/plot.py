"""The plot of the loss curves: pyqtgraph's, with a second axis for the regularisers, marks, read-out and zoom.

pyqtgraph takes a third of a second to import, so this module is imported when there are curves to draw.
Curves are one pixel wide: Qt's raster engine takes over a second for a thick antialiased line of 10^5 noisy points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

import numpy as np
from pyqtgraph import (
    AxisItem,
    GraphicsScene,
    InfiniteLine,
    PlotDataItem,
    PlotItem,
    PlotWidget,
    ScatterPlotItem,
    TextItem,
    ViewBox,
)
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QKeyEvent, QMouseEvent, QPen

from core.protocol.figures import LossCurve, LossesFigure
from core.utils.text import duration_text
from explorer.views.losses.data import CURVES, REGULARISERS, LossData, PlotSettings, curve_color, smoothed
from explorer.widgets.painting import tint
from explorer.widgets.theme import Themed

_RANGE_SAMPLE = 4000  # points of a curve that decide the range of its axis
_FLAT = 12  # pixels: a drag no higher than this means a stretch of time, not a sliver of values
_LABEL_GAP = 8  # pixels between the labels of two changes
_NAMES = {"loss": "total", "kl": "KL"}  # the other curves are called as they are recorded


@dataclass
class _Curve:
    """The drawn items of one curve, and its data in the coordinates of the plot (log10 of the values on a log axis)."""

    raw: PlotDataItem
    line: PlotDataItem
    x: np.ndarray
    y: np.ndarray  # smoothed, as recorded, for the read-out


class LossPlot(Themed, PlotWidget):
    """Draws a ``LossData``. Drag or turn the wheel to zoom; a double click or Escape shows everything again."""

    zoom_changed = Signal()

    def __init__(self, data: LossData, settings: PlotSettings) -> None:
        self._box = _ZoomBox()
        axes = {side: _Axis(side) for side in ("bottom", "left", "right")}
        self._x_axis, self._left_axis, self._right_axis = axes.values()
        super().__init__(viewBox=self._box, axisItems=axes)
        self.setObjectName("losses.plot")
        self.setMinimumSize(160, 100)
        self._data, self._settings = data, settings
        self.zoomed = False
        self._home = QRectF(0, 0, 1, 1)
        self._right_home = (0.0, 1.0)
        plot = self.plotItem
        assert isinstance(plot, PlotItem)
        assert isinstance(self.sceneObj, GraphicsScene)
        plot.hideButtons()
        plot.setContentsMargins(0, 4, 8, 0)
        self._right_box = ViewBox(enableMouse=False, enableMenu=False)
        self._right_box.setZValue(self._box.zValue() - 1)  # else it would take the mouse
        self._right_box.setXLink(self._box)
        self._right_axis.linkToView(self._right_box)
        self.sceneObj.addItem(self._right_box)
        self._box.sigResized.connect(lambda: self._right_box.setGeometry(self._box.sceneBoundingRect()))
        self._box.sigRangeChanged.connect(lambda *_: self._on_range())
        self._box.sigRangeChangedManually.connect(lambda *_: self._set_zoomed(True))
        self._curves = {name: self._make_curve(name) for name in CURVES}
        self._marks: list[InfiniteLine] = []
        self._unmarked = 0  # earlier changes, which they do not show
        self._marks_colour = ""
        self._best = ScatterPlotItem(size=9)
        self._best_text = TextItem()
        self._pointer = InfiniteLine(angle=90)
        self._readout = TextItem()
        self._readout.setZValue(10)
        for item in (self._best, self._best_text, self._pointer, self._readout):
            self._box.addItem(item, ignoreBounds=True)
        self._show_pointer(False)
        self.sceneObj.sigMouseMoved.connect(self._show_readout)
        self._take_colours()

    def _make_curve(self, name: str) -> _Curve:
        box = self._right_box if name in REGULARISERS else self._box
        items = [
            PlotDataItem(
                autoDownsample=True, downsampleMethod="peak", autoDownsampleFactor=1.0, clipToView=True, antialias=fine
            )
            for fine in (False, True)
        ]
        for item in items:
            box.addItem(item)
        items[0].setZValue(-1)
        return _Curve(items[0], items[1], np.empty(0), np.empty(0))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self._take_colours()

    def _take_colours(self) -> None:
        theme = self._theme
        self.setBackground(theme.plot)
        for axis in (self._x_axis, self._left_axis, self._right_axis):
            axis.setPen(theme.grid)
            axis.setTextPen(theme.muted)
        self._left_axis.setGrid(60)
        self._right_axis.setTextPen(curve_color("kl", theme))
        for name, curve in self._curves.items():
            curve.raw.setPen(QPen(tint(curve_color(name, theme).name(), 0.3), 0))
            curve.line.setPen(QPen(curve_color(name, theme), 0))
        points = self._curves["validation"].line
        points.setSymbol("o")
        points.setSymbolSize(5)
        points.setSymbolPen(None)
        points.setSymbolBrush(curve_color("validation", theme))
        self._best.setPen(curve_color("validation", theme))
        self._best.setBrush(QColor(theme.plot))
        self._best_text.setColor(theme.text)
        self._pointer.setPen(theme.muted)
        self._readout.border = QPen(QColor(theme.border))
        self._readout.fill = QBrush(QColor(theme.raised))
        self._box.set_rubber_band(QColor(theme.accent))
        self.refresh()

    def refresh(self) -> None:
        """Data or settings changed."""
        self._x_axis.seconds = self._settings.axis == "time"
        for axis in (self._left_axis, self._right_axis):
            axis.setLogMode(y=self._settings.log)  # pyright: ignore[reportArgumentType]: its stub is wrong
        for name in CURVES:
            self._update_curve(name)
        self._update_home()
        self._update_marks()
        if not self.zoomed:
            self._box.setRange(self._home, padding=0.0)
        self._on_range()

    def _update_curve(self, name: str) -> None:
        curve, weight = self._curves[name], 0.0 if name == "validation" else self._settings.smoothing
        shown = name in self._settings.shown
        x = self._data.x(name, self._settings.axis) if shown else np.empty(0)
        raw = self._data.y(name) if shown else np.empty(0)
        curve.x, curve.y = x, smoothed(raw, weight)
        for item, y in ((curve.raw, raw if weight > 0 else np.empty(0)), (curve.line, curve.y)):
            item.setVisible(shown)
            if len(y):
                item.setData(*self._drawable(x, y))
            else:
                item.setData([], [])

    def _drawable(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What of a curve can be drawn, in the coordinates of the plot."""
        good = np.isfinite(y) & (y > 0) if self._settings.log else np.isfinite(y)
        return x[good], self._to_y(y[good])

    def _to_y(self, y: np.ndarray) -> np.ndarray:
        return np.log10(y) if self._settings.log else y

    def _update_home(self) -> None:
        """Find the range that shows everything: of the losses on the left, of the regularisers on the right."""
        left, right = ([name for name in CURVES if (name in REGULARISERS) == on_right] for on_right in (False, True))
        stretch = [(x[0], x[-1]) for curve in self._curves.values() if len(x := curve.x)]
        start, stop = min((a for a, _ in stretch), default=0.0), max((b for _, b in stretch), default=1.0)
        low, high = self._value_range(left)
        self._home = QRectF(start, low, (stop - start) or 1.0, high - low)
        self._right_home = self._value_range(right)
        used = [_NAMES.get(name, name) for name in right if self._counts(name)]
        self._right_axis.setVisible(bool(used))
        self._right_axis.setLabel(escape(", ".join(used)) + " (unweighted)")

    def _counts(self, name: str) -> bool:
        """Whether a curve is shown and has anything but zeros: the entanglement of a training without it has not."""
        return bool(np.any(np.nan_to_num(self._curves[name].y)))

    def _value_range(self, names: list[str]) -> tuple[float, float]:
        lows, highs = [], []
        for name in names:
            curve = self._curves[name]
            if not self._counts(name):
                continue
            every = max(1, len(curve.x) // _RANGE_SAMPLE)
            _, raw = self._drawable(curve.x[::every], self._data.y(name)[::every])
            _, line = self._drawable(curve.x[::every], curve.y[::every])
            if len(raw) and len(line):
                # The first steps of a training are far above everything that follows: they may leave the picture.
                lows.append(min(float(np.quantile(raw, 0.002)), float(line.min())))
                highs.append(float(np.quantile(raw, 0.995)))
        if not lows:
            return (-3.0, 0.0) if self._settings.log else (0.0, 1.0)
        low, high = min(lows), max(highs)
        pad = 0.05 * (high - low) or (0.03 if self._settings.log else 0.05 * abs(high) or 1.0)
        return low - pad, high + pad

    def _update_marks(self) -> None:
        self._update_changes()
        best, shown = self._data.best, "validation" in self._settings.shown
        for item in (self._best, self._best_text):
            item.setVisible(best is not None and shown)
        if best is None or not shown:
            return
        x, y = (float(value[best]) for value in (self._curves["validation"].x, self._curves["validation"].y))
        if self._settings.log and y <= 0.0:
            return
        place = QPointF(x, float(self._to_y(np.array(y))))
        self._best.setData([place.x()], [place.y()])
        self._best_text.setPos(place)
        self._best_text.setText(f"best {y:.4g}", self._theme.text)

    def _update_changes(self) -> None:
        """A line for each change of hyperparameters. Lines serve again: to make one takes a millisecond."""
        marks, places, colour = self._data.marks, self._data.marks_x(self._settings.axis), self._theme.warning
        if colour != self._marks_colour:
            self._remove_marks(0)
        self._remove_marks(len(marks))
        moved_on = max(0, self._data.unmarked - self._unmarked)  # those that are still marked keep their lines
        self._marks = self._marks[moved_on:] + self._marks[:moved_on]
        for line, mark, place in zip(self._marks, marks, places, strict=False):  # the others come now
            line.setValue(place)
            if line.label.format != mark.text:
                line.label.setFormat(mark.text)
        text = {"position": 0.96, "color": colour, "anchors": [(0, 0.5), (0, 0.5)]}
        made = len(self._marks)
        for mark, place in zip(marks[made:], places[made:], strict=True):
            pen = QPen(QColor(colour), 0, Qt.PenStyle.DashLine)
            self._marks.append(InfiniteLine(place, 90, pen, label=mark.text, labelOpts=text))
            self._box.addItem(self._marks[-1], ignoreBounds=True)
        self._unmarked, self._marks_colour = self._data.unmarked, colour

    def _remove_marks(self, most: int) -> None:
        """All but ``most`` of the lines."""
        for line in self._marks[most:]:
            self._box.removeItem(line)
        del self._marks[most:]

    def figure(self, title: str) -> LossesFigure:
        """What is drawn now, in the range that is seen, as plain data."""
        curves = []
        for name, curve in self._curves.items():
            if name not in self._settings.shown or not len(curve.x):
                continue
            own = name == "validation"
            raw = self._data.y(name) if self._settings.smoothing > 0.0 and not own else np.empty(0)
            called, right = _NAMES.get(name, name), name in REGULARISERS
            curves.append(LossCurve(called, curve.x, curve.y, CURVES.index(name), raw, right, own))
        axis, best, seen = self._settings.axis, self._data.best, self._box.viewRect()
        validation = self._curves["validation"]
        shown = best is not None and "validation" in self._settings.shown
        return LossesFigure(
            tuple(curves),
            axis,
            self._settings.log,
            (seen.left(), seen.right()),
            self._from_y(seen.top(), seen.bottom()),
            self._from_y(*self._right_box.viewRange()[1]),
            tuple((x, mark.text) for x, mark in zip(self._data.marks_x(axis), self._data.marks, strict=True)),
            (float(validation.x[best]), float(validation.y[best])) if shown else None,
            title,
        )

    def _from_y(self, low: float, high: float) -> tuple[float, float]:
        """Two values from the coordinates of the plot."""
        return (10.0**low, 10.0**high) if self._settings.log else (low, high)

    # the range that is seen

    def reset_zoom(self) -> None:
        """Show everything."""
        self._box.setRange(self._home, padding=0.0)
        self._set_zoomed(False)

    def _set_zoomed(self, zoomed: bool) -> None:
        self.zoomed = zoomed
        self.zoom_changed.emit()

    def _on_range(self) -> None:
        """Show the same part of the right axis as of the left one, and no two labels of changes over one another."""
        seen, home = self._box.viewRect(), self._home
        low, high = self._right_home
        shares = ((seen.top() - home.top()) / home.height(), (seen.bottom() - home.top()) / home.height())
        self._right_box.setYRange(*(low + share * (high - low) for share in shares), padding=0.0)
        free_from = -math.inf
        for line in self._marks:
            at = self._box.mapViewToDevice(QPointF(line.getXPos(), seen.top()))
            fits = at is not None and at.x() >= free_from
            line.label.setVisible(fits)
            if at is not None and fits:
                free_from = at.x() + line.label.boundingRect().width() + _LABEL_GAP
        right = self._best_text.pos().x() > seen.left() + 0.85 * seen.width()
        self._best_text.setAnchor((1, 1) if right else (0, 1))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.reset_zoom()

    def keyPressEvent(self, ev: QKeyEvent) -> None:
        if ev.key() == Qt.Key.Key_Escape and self.zoomed:
            self.reset_zoom()
        else:
            ev.ignore()  # pyqtgraph would take keys that are the window's

    # the values under the mouse

    def values_at(self, x: float) -> dict[str, float]:
        """The (smoothed) value of every shown curve at the recorded point nearest to ``x``."""
        values = {}
        for name, curve in self._curves.items():
            if len(curve.x):
                after = int(np.searchsorted(curve.x, x))
                near = min((i for i in (after - 1, after) if 0 <= i < len(curve.x)), key=lambda i: abs(curve.x[i] - x))
                if math.isfinite(curve.y[near]):
                    values[name] = float(curve.y[near])
        return values

    def _show_readout(self, at: QPointF) -> None:
        if not self._box.sceneBoundingRect().contains(at):
            self._show_pointer(False)
            return
        place, seen = self._box.mapSceneToView(at), self._box.viewRect()
        x = place.x() if self._settings.axis == "epoch" else round(place.x())
        rows = [f"<span style='color:{self._theme.muted}'>{self._settings.axis} {self._x_axis.text(x)}</span>"]
        rows += [
            f"<span style='color:{curve_color(name, self._theme).name()}'>●</span> "
            f"{escape(_NAMES.get(name, name))} {value:.4g}"
            for name, value in self.values_at(place.x()).items()
        ]
        self._readout.setHtml(f"<div style='color:{self._theme.text}'>{'<br>'.join(rows)}</div>")
        self._readout.setAnchor((1, 0) if place.x() > seen.center().x() else (0, 0))
        self._readout.setPos(place.x(), seen.bottom())
        self._pointer.setPos(place.x())
        self._show_pointer(True)

    def _show_pointer(self, shown: bool) -> None:
        self._readout.setVisible(shown)
        self._pointer.setVisible(shown)

    def leaveEvent(self, ev: QEvent) -> None:
        super().leaveEvent(ev)
        self._show_pointer(False)


class _ZoomBox(ViewBox):
    """A drag encloses what to zoom to."""

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self.setMouseMode(ViewBox.RectMode)

    def set_rubber_band(self, color: QColor) -> None:
        """The colour of the rectangle that a drag encloses."""
        self.rbScaleBox.setPen(QPen(color, 0))
        self.rbScaleBox.setBrush(tint(color.name(), 0.15))

    def showAxRect(self, ax: QRectF, **kwargs: object) -> None:
        area, seen = ax.normalized(), self.viewRect()
        if area.height() * self.height() <= _FLAT * seen.height():
            area.setTop(seen.top())
            area.setBottom(seen.bottom())
        super().showAxRect(area.intersected(seen), padding=0.0, **kwargs)

    def keyPressEvent(self, ev: object) -> None:
        ev.ignore()  # pyright: ignore[reportAttributeAccessIssue]


class _Axis(AxisItem):
    """Plain numbers, at 1, 2 and 5 times powers of ten where a log axis spans few of them; durations on request."""

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation, maxTickLength=-4, showValues=True)
        self.enableAutoSIPrefix(False)
        self.seconds = False

    def text(self, value: float) -> str:
        """``value`` as it reads on this axis."""
        if self.seconds:
            return duration_text(value)
        return f"{value:,.0f}" if value == round(value) else f"{value:.4g}"

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        if self.logMode:
            return [f"{10.0**value:.3g}" for value in values]
        return [self.text(value) for value in values]

    def logTickValues(self, minVal: float, maxVal: float, size: float, stdTicks: list) -> list:
        decades = range(math.floor(minVal), math.ceil(maxVal) + 1)
        ticks = [decade + math.log10(digit) for digit in (1, 2, 5) for decade in decades]
        ticks = [tick for tick in ticks if minVal <= tick <= maxVal]
        whole = [tick for tick in ticks if tick in decades]
        if len(ticks) * 26 <= size and len(ticks) > 1:
            return [(1.0, ticks)]
        return [(1.0, whole)] if len(whole) > 1 else stdTicks[:1]
