"""The picture of a transect: three rows of images, curves under them, one position that runs through both.

Rows and curves share their horizontal axis, so that one vertical line is one point everywhere. Every curve has a scale
of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
)
from PySide6.QtWidgets import QToolTip

from core.rendering.axes import nice_step
from core.rendering.colormaps import lut
from explorer.widgets import image_conversion
from explorer.widgets.controls import claim_keys
from explorer.widgets.image_row import EXCESS_BCE
from explorer.widgets.painting import border, dot, empty_text, polyline, stroke_lines, tint
from explorer.widgets.plain_text import plain_tip
from explorer.widgets.theme import ThemedWidget

if TYPE_CHECKING:
    from core.analysis.transect import MeasuredTransect

CURVES = ("excess_bce", "ssim", "distance")
LEFT = 62  # pixels for the rows' names and the first curve's scale
SCALE = 36  # for each further curve's scale, at the right
HEADER, AXIS, GAP = 20, 18, 2
LANE, LANE_GAP = 52, 10  # the least height of a curve of its own; between two of them
LEAST_SIDE, MOST_SIDE = 24, 120
DOTS = 60  # points up to which each is marked
NAMES = {"excess_bce": "excess BCE", "ssim": "SSIM", "distance": "distance"}
SHORT_NAMES = {"excess_bce": "BCE", "ssim": "SSIM", "distance": "dist."}  # where there is little room
ENDS = (0.05, 0.1, 0.25, 0.5, 1.0)  # of the difference's colours, in full scale
_KEYS = (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)
_MEANINGS = (
    f"{EXCESS_BCE}\n"
    "SSIM: structural similarity (Wang et al. 2004); 1 for identical images.\n"
    "Distance: to the nearest training sample, in the parameter plane."
)
_HINT = "Click or drag to choose a point; the arrow keys step, Home and End go to the ends."
_CENTRE = Qt.AlignmentFlag.AlignCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True, eq=False)
class Layout:
    """Pixels of a picture of n points.

    ``x`` float64 (n,): the middle of each point's column. ``side``: width and height of an image. ``shown``: the points
    whose images have room. ``tops``: upper edges of the rows. ``lanes``: frames with the names of the curves in each.
    """

    x: np.ndarray
    side: int
    shown: tuple[int, ...]
    tops: tuple[int, ...]
    lanes: tuple[tuple[QRectF, tuple[str, ...]], ...]

    @property
    def rows_bottom(self) -> int:
        """Lower edge of the last row."""
        return self.tops[-1] + self.side

    @property
    def bottom(self) -> float:
        """Lower edge of the last curve's frame."""
        return self.lanes[-1][0].bottom()

    def half(self) -> float:
        """Half the width of a point's own column: images packed side by side share their border."""
        if len(self.x) < 2:
            return self.side / 2 + GAP
        return min(0.5 * float(self.x[1] - self.x[0]), self.side / 2 + GAP)

    def nearest(self, x: float) -> int:
        """The point whose column is nearest to ``x``."""
        return int(np.abs(self.x - x).argmin())

    def column(self, number: int) -> QRectF:
        """The images of point ``number``, from the first row's top to the last one's bottom."""
        left = round(float(self.x[number]) - self.side / 2)
        return QRectF(left, self.tops[0], self.side, self.rows_bottom - self.tops[0])


def arrange(width: int, height: int, total: int) -> Layout:
    """The layout of ``total`` ≥ 1 points in ``width`` × ``height`` pixels."""
    curves = max(46.0, 0.27 * height)
    room = (height - HEADER - AXIS - 4 * GAP - 8 - curves) / 3
    tall = int(min(MOST_SIDE, max(LEAST_SIDE, room)))
    split = height - HEADER - AXIS - 3 * (tall + GAP) - 8 >= 3 * LANE + 2 * LANE_GAP
    right = 14 if split else 2 * SCALE + 4
    usable = max(1.0, width - LEFT - right)
    side = int(min(tall, (usable - GAP * (total - 1)) / total))
    step = 1  # every how many points one is shown: all of them if they stay recognisable
    if side < LEAST_SIDE:
        side = int(max(LEAST_SIDE, min(tall, 44, usable)))
        spacing = max(1e-6, (usable - side) / (total - 1))
        step = min(total, math.ceil((side + GAP) / spacing))
    x = LEFT + side / 2 + (np.arange(total) * ((usable - side) / (total - 1)) if total > 1 else np.zeros(1))
    offset = ((total - 1) % step) // 2
    tops = tuple(HEADER + row * (side + GAP) for row in range(3))
    frame = QRectF(LEFT, tops[-1] + side + 8, usable, 0.0)
    frame.setBottom(max(frame.top() + 24.0, height - AXIS))
    lanes: tuple[tuple[QRectF, tuple[str, ...]], ...] = ((frame, CURVES),)
    if split:
        lane = (frame.height() - 2 * LANE_GAP) / 3
        lanes = tuple(
            (QRectF(frame.left(), frame.top() + place * (lane + LANE_GAP), frame.width(), lane), (name,))
            for place, name in enumerate(CURVES)
        )
    return Layout(x, side, tuple(range(offset, total, step)), tops, lanes)


def bounds(name: str, values: np.ndarray, log: bool) -> tuple[float, float]:
    """Round ends of the scale of curve ``name`` with ``values`` (n,); NaN is left out.

    SSIM ends at 1 and distances begin at 0; ``log`` makes the excess BCE's ends 1, 2 or 5 times a power of ten.
    """
    finite = values[np.isfinite(values)]
    if name == "ssim":
        low = float(finite.min()) if len(finite) else 0.0
        return min(0.95, math.floor(low * 20.0) / 20.0), 1.0
    if name == "excess_bce" and log:
        finite = finite[finite > 0]
        if not len(finite):
            return 1e-4, 1e-2
        low, high = _rounded_down(float(finite.min())), nice_step(float(finite.max()), 1)
        return (low, high) if low < high else (low / 2, high * 2)
    low, high = float(finite.min(initial=0.0)), float(finite.max(initial=0.0))
    return low, nice_step(high, 1) if high > 0 else 1.0


def _rounded_down(value: float) -> float:
    """The largest 1, 2 or 5 times a power of ten up to ``value``: these are one another's reciprocals."""
    return 1.0 / nice_step(1.0 / value, 1)


def normalised(values: np.ndarray, low: float, high: float, log: bool) -> np.ndarray:
    """Where ``values`` stand between ``low`` (0) and ``high`` (1); on a log scale what is not positive is NaN."""
    values = np.asarray(values, dtype=np.float64)
    if log:
        values = np.log(np.where(values > 0.0, values, np.nan))
        low, high = math.log(low), math.log(high)
    return (values - low) / (high - low)


def difference(measured: MeasuredTransect, number: int, side: int) -> np.ndarray:
    """Reconstruction - truth of one point, float32 (h, w) in full scale, averaged over channels and over the pixels
    that fall into one at ``side``: a stroke that is half a pixel off is no more than that."""
    grey = (measured.reconstructions[number].astype(np.float32) - measured.originals[number]).mean(axis=2) / 255.0
    height, width = grey.shape
    pool = max(1, min(height, width) // max(1, side))
    rows, columns = height // pool, width // pool
    return grey[: rows * pool, : columns * pool].reshape(rows, pool, columns, pool).mean(axis=(1, 3))


def hole_stretches(in_hole: np.ndarray) -> list[tuple[int, int]]:
    """First and last point of each stretch inside the hole, of ``in_hole`` bool (n,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], in_hole.astype(np.int8), [0]])))
    return [(int(first), int(stop) - 1) for first, stop in zip(edges[::2], edges[1::2], strict=True)]


class TransectPicture(ThemedWidget):
    """Draws a ``MeasuredTransect``. ``position_changed`` follows a drag, ``released`` ends it."""

    position_changed = Signal(int)
    released = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("transect.picture")
        self.setAccessibleName("Images and measures along the transect")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setMinimumSize(280, 150)
        self.measured: MeasuredTransect | None = None
        self.position: int | None = None
        self.log = True
        self.empty = ""
        self._reach: dict[tuple[int, int], float] = {}  # of a point's difference, by its number and the side
        self._thumbs: dict[tuple[int, int], QPixmap] = {}
        self._thumbs_for: tuple = ()
        self._dragging = False
        claim_keys(self, lambda event: event.key() in _KEYS and not event.modifiers() and self.total > 0)

    def sizeHint(self) -> QSize:
        return QSize(720, 220)

    def set_measured(self, measured: MeasuredTransect | None, changed: Sequence[int] | None = None) -> None:
        """Draw ``measured``; None: nothing. Only the images of the points ``changed`` are others; None: of all."""
        self.measured = measured
        if changed is None:
            self._thumbs.clear()
            self._reach.clear()
        else:
            self._thumbs = {key: thumb for key, thumb in self._thumbs.items() if key[1] not in changed}
            self._reach = {key: reach for key, reach in self._reach.items() if key[0] not in changed}
        self.update()

    def set_position(self, position: int | None) -> None:
        """Mark point ``position``; None: no point."""
        self.position = position
        self.update()

    @property
    def total(self) -> int:
        """Number of points; 0 without a transect."""
        return len(self.measured.transect) if self.measured is not None else 0

    def ends(self, measured: MeasuredTransect, side: int) -> float:
        """What the ends of the difference's colours mean, in full scale: one scale for all points at this ``side``."""
        known = [(number, side) for number in np.flatnonzero(measured.known).tolist()]
        for key in known:
            if key not in self._reach:
                self._reach[key] = float(np.abs(difference(measured, *key)).max(initial=0.0))
        reach = max((self._reach[key] for key in known), default=0.0)
        return next(end for end in ENDS if reach <= end + 1e-6)

    def layout_now(self) -> Layout:
        """Where everything stands at this size."""
        return arrange(self.width(), self.height(), max(1, self.total))

    # painting

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.fillRect(self.rect(), QColor(self._theme.plot))
            measured = self.measured
            if self.empty or measured is None:
                empty_text(painter, self.rect(), self.empty or "Choose a transect.", self._theme)
                return
            font = painter.font()
            font.setPointSizeF(font.pointSizeF() * 0.88)
            painter.setFont(font)
            layout = self.layout_now()
            holes = _hole_boxes(measured, layout)
            for box in holes:  # a band behind the curves: these points lie where there were no training images
                for frame, _ in layout.lanes:
                    band = QRectF(box.left(), frame.top(), box.width(), frame.height())
                    painter.fillRect(band, tint(self._theme.accent, 0.10))
            self._paint_rows(painter, layout, measured)
            for frame, names in layout.lanes:
                self._paint_frame(painter, frame, names, measured)
                for name in reversed(names):  # the first one, the excess BCE, on top
                    self._paint_curve(painter, layout, frame, name, measured)
            self._paint_captions(painter, layout, holes, measured)
            place = self.position if self.position is not None and self.position < self.total else None
            if place is not None:
                self._paint_position(painter, layout, place, measured)
            self._paint_header(painter, place, measured)
            if self.hasFocus():
                border(painter, self.rect().adjusted(0, 0, -1, -1), QPen(QColor(self._theme.accent), 1))

    def _paint_rows(self, painter: QPainter, layout: Layout, measured: MeasuredTransect) -> None:
        ratio, ends = self.devicePixelRatioF(), self.ends(measured, layout.side)
        painter.setPen(QColor(self._theme.muted))
        for top, name in zip(layout.tops, ("truth", "model", f"Δ ±{ends:g}"), strict=True):
            painter.drawText(QRectF(0, top, LEFT - 8, layout.side), _RIGHT, name)
        if self._thumbs_for != (layout.side, ratio, ends):
            self._thumbs.clear()
            self._thumbs_for = (layout.side, ratio, ends)
        for place in layout.shown:
            self._paint_column(painter, layout, place, measured)

    def _paint_column(self, painter: QPainter, layout: Layout, place: int, measured: MeasuredTransect) -> None:
        left, side, ratio = layout.column(place).left(), layout.side, self.devicePixelRatioF()
        for row, top in enumerate(layout.tops):
            box = QRectF(left, top, side, side)
            if not measured.known[place]:
                painter.fillRect(box, tint(self._theme.grid, 0.25))
                continue
            thumb = self._thumbs.get((row, place))
            if thumb is None:
                image = image_conversion.to_image(self._pixels(measured, row, place, side))
                fitted = image.size().scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio).expandedTo(QSize(1, 1))
                thumb = image_conversion.scaled(image, QRectF(QPointF(), fitted), ratio)
                self._thumbs[row, place] = thumb
            painter.fillRect(box, QColor(self._theme.ground))
            offset = QPointF((side - thumb.width() / ratio) / 2, (side - thumb.height() / ratio) / 2)
            painter.drawPixmap(box.topLeft() + offset, thumb)

    def _pixels(self, measured: MeasuredTransect, row: int, place: int, side: int) -> np.ndarray:
        """uint8 (H, W, C) of a point: the truth, the reconstruction, or the difference in colours."""
        if row < 2:
            return (measured.originals, measured.reconstructions)[row][place]
        shares = np.clip(difference(measured, place, side) / self.ends(measured, side), -1.0, 1.0)
        return np.ascontiguousarray(lut("difference")[np.rint((shares + 1.0) * 127.5).astype(np.uint8)][..., :3])

    def _paint_captions(
        self, painter: QPainter, layout: Layout, holes: list[QRectF], measured: MeasuredTransect
    ) -> None:
        """A frame around the images of each hole, named under the curves, and what the ends of that axis mean."""
        metrics = QFontMetricsF(painter.font())
        below = QRectF(LEFT, layout.bottom + 2, layout.lanes[0][0].width(), AXIS - 3)
        left, right = below.right(), below.left()  # where the names begin and end
        for box in holes:
            border(
                painter,
                QRectF(round(box.left()), box.top(), round(box.width()), box.height()),
                QPen(QColor(self._theme.accent), 2),
            )
            inside = measured.inside
            text = inside if metrics.horizontalAdvance(inside) + 6 < box.width() else inside.removeprefix("in the ")
            width = metrics.horizontalAdvance(text)
            if width < box.width():
                painter.drawText(QRectF(box.left(), below.top(), box.width(), below.height()), _CENTRE, text)
                left, right = min(left, box.center().x() - width / 2), max(right, box.center().x() + width / 2)
        painter.setPen(QColor(self._theme.muted))
        names, points = ", ".join(measured.axes), measured.transect.points
        first, last = (", ".join(_three_digits(value) for value in points[end]) for end in (0, -1))
        first = _first_that_fits((f"({names}) = ({first})", f"({first})"), metrics, left - below.left() - 8)
        painter.drawText(below, _LEFT, first)
        right = max(right, below.left() + metrics.horizontalAdvance(first))
        painter.drawText(below, _RIGHT, _first_that_fits((f"({last})",), metrics, below.right() - right - 8))

    def _colour(self, name: str) -> QColor:
        """The colour of curve ``name``; the first of the series is the accent, which marks the hole."""
        return QColor(self._theme.series[1 + CURVES.index(name)])

    def _logarithmic(self, name: str) -> bool:
        return self.log and name == "excess_bce"

    def _y(self, name: str, frame: QRectF, measured: MeasuredTransect) -> np.ndarray:
        """float64 (n,) pixels; NaN where nothing is known."""
        values = getattr(measured, name)
        place = normalised(values, *bounds(name, values, self.log), self._logarithmic(name))
        inner = frame.adjusted(0, 4, 0, -4)
        return inner.bottom() - np.clip(place, -0.05, 1.05) * inner.height()

    def _paint_frame(
        self, painter: QPainter, frame: QRectF, names: tuple[str, ...], measured: MeasuredTransect
    ) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QPen(QColor(self._theme.grid), 1))
        painter.drawLine(frame.bottomLeft(), frame.bottomRight())
        painter.setPen(QPen(tint(self._theme.grid, 0.6), 1))
        painter.drawLine(frame.topLeft(), frame.topRight())
        height = QFontMetricsF(painter.font()).height()
        for place, name in enumerate(names):
            low, high = bounds(name, getattr(measured, name), self.log)
            painter.setPen(self._colour(name))
            if place == 0:
                left, flags = 0.0, _RIGHT
            else:
                left, flags = frame.right() + 5 + (place - 1) * SCALE, _LEFT
            width = LEFT - 6.0 if place == 0 else SCALE
            # Where the frame is low, its two numbers keep clear of one another.
            painter.drawText(QRectF(left, frame.top() - 4, width, height), flags, _three_digits(high))
            painter.drawText(QRectF(left, frame.bottom() + 3 - height, width, height), flags, _three_digits(low))
            if len(names) == 1 and frame.height() > 3 * height:
                middle = QRectF(left, frame.center().y() - height / 2, width, height)
                painter.drawText(middle, flags, "log" if self._logarithmic(name) else "")

    def _paint_curve(
        self, painter: QPainter, layout: Layout, frame: QRectF, name: str, measured: MeasuredTransect
    ) -> None:
        y = self._y(name, frame, measured)
        known = np.isfinite(y)
        if not known.any():
            return
        colour, pixels = self._colour(name), np.stack([layout.x, y], axis=1)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        stroke_lines(painter, polyline(pixels), [QPen(colour, 1.6)])
        if self.total <= DOTS:
            for place in pixels[known].tolist():
                dot(painter, place, 2.0, colour)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _paint_position(self, painter: QPainter, layout: Layout, place: int, measured: MeasuredTransect) -> None:
        """A frame around the images of point ``place``, a line under them, and a ring where it meets each curve."""
        if place not in layout.shown:
            self._paint_column(painter, layout, place, measured)
        column = layout.column(place)
        border(painter, column, QPen(QColor(self._theme.plot), 4))
        painter.setPen(QPen(QColor(self._theme.text), 2))
        painter.drawRect(column)
        x = float(layout.x[place])
        painter.setPen(QPen(tint(self._theme.text, 0.7), 1))
        top = layout.rows_bottom + 1
        painter.drawLine(QPointF(round(x) + 0.5, top), QPointF(round(x) + 0.5, layout.bottom))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for frame, names in layout.lanes:
            for name in reversed(names):
                y = self._y(name, frame, measured)[place]
                if np.isfinite(y):
                    dot(painter, (x, float(y)), 3.5, QColor(self._theme.plot), QPen(self._colour(name), 2))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _paint_header(self, painter: QPainter, place: int | None, measured: MeasuredTransect) -> None:
        """Where the position is and what is measured there; the coloured names are the curves' legend, too."""
        metrics = QFontMetricsF(painter.font())
        texts, values = [f"{self.total} points"], {}
        if place is not None:
            pairs = zip(measured.axes, measured.transect.points[place], strict=True)
            where = "  ".join(f"{name} {_three_digits(value)}" for name, value in pairs)
            texts = [f"point {place + 1} of {self.total}", where]
            texts += [measured.inside] * bool(measured.in_hole[place])
            here = ((name, getattr(measured, name)[place]) for name in CURVES)
            values = {name: f" {_three_digits(value)}" for name, value in here if np.isfinite(value)}
        choices = [(texts[:count], NAMES) for count in range(len(texts), 0, -1)]
        choices.append(([texts[0].removeprefix("point ")], SHORT_NAMES))
        legend, legend_width = NAMES, 0.0
        for texts, names in choices:  # the first that fits, else the shortest
            legend = {name: text + values.get(name, "") for name, text in names.items()}
            legend_width = sum(metrics.horizontalAdvance(text) + 26 for text in legend.values())
            if sum(metrics.horizontalAdvance(text) + 14 for text in texts) + legend_width <= self.width() - 16:
                break
        x = 8.0
        for text in texts:
            painter.setPen(QColor(self._theme.accent if text == measured.inside else self._theme.text))
            painter.drawText(QRectF(x, 0, self.width(), HEADER - 2), _LEFT, text)
            x += metrics.horizontalAdvance(text) + 14
        x = max(x, self.width() + 6 - legend_width)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for name, text in legend.items():
            dot(painter, (x + 4, HEADER / 2 - 1), 3.5, self._colour(name))
            painter.setPen(QColor(self._theme.text))
            width = metrics.horizontalAdvance(text)
            painter.drawText(QRectF(x + 12, 0, width + 2, HEADER - 2), _LEFT, text)
            x += 26 + width
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    # user input

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            text = _HINT
            if self.measured is not None:
                layout = self.layout_now()
                rows = layout.tops[0] <= event.pos().y() <= layout.rows_bottom
                text = self._about(layout, event.pos().x(), self.measured) if rows else _MEANINGS
            QToolTip.showText(event.globalPos(), plain_tip(text), self)
            return True
        return super().event(event)

    def _about(self, layout: Layout, x: float, measured: MeasuredTransect) -> str:
        place, ends = layout.nearest(x), self.ends(measured, layout.side)
        pairs = zip(measured.axes, measured.transect.points[place], strict=True)
        where = " · ".join(f"{name} = {value:.4g}" for name, value in pairs)
        rows = (
            f"Rows: true image, reconstruction, and Δ = reconstruction − true image, from −{ends:g} (blue) to "
            f"+{ends:g} (orange) of full scale."
        )
        return f"point {place + 1} of {self.total}\n{where}\n{rows}\n{_HINT}"

    def _go(self, place: int) -> None:
        place = min(self.total - 1, max(0, place))
        if place != self.position:
            self.set_position(place)
            self.position_changed.emit(place)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.total and not self.empty:
            self._dragging = True
            self._go(self.layout_now().nearest(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._dragging:
            self._go(self.layout_now().nearest(event.position().x()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._dragging:
            self._dragging = False
            self.released.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() not in _KEYS or not self.total or self.empty:
            super().keyPressEvent(event)
            return
        here, last = self.position or 0, self.total - 1
        page = max(1, math.ceil(self.total / 10))
        moves = {
            Qt.Key.Key_Left: here - 1,
            Qt.Key.Key_Right: here + 1,
            Qt.Key.Key_PageUp: here - page,
            Qt.Key.Key_PageDown: here + page,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: last,
        }
        self._go(moves[Qt.Key(event.key())])

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() in _KEYS and not event.isAutoRepeat() and self.total:
            self.released.emit()
        else:
            super().keyReleaseEvent(event)


def _hole_boxes(measured: MeasuredTransect, layout: Layout) -> list[QRectF]:
    boxes = []
    for first, last in hole_stretches(measured.in_hole):
        left, right = layout.x[first] - layout.half(), layout.x[last] + layout.half()
        boxes.append(QRectF(QPointF(left, layout.tops[0] - 2), QPointF(right, layout.rows_bottom + 2)))
    return boxes


def _three_digits(value: float) -> str:
    """A value for reading: 0.0247, 1.25, 2."""
    return f"{value:.3g}"


def _first_that_fits(texts: tuple[str, ...], metrics: QFontMetricsF, room: float) -> str:
    return next((text for text in texts if metrics.horizontalAdvance(text) <= room), "")
