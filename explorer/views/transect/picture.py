"""The picture of a transect: three rows of images, curves under them, one position that runs through both."""

from __future__ import annotations

import math

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
from PySide6.QtWidgets import QToolTip, QWidget

from explorer.views.transect.curves import CurvePainter, number
from explorer.views.transect.data import ROWS, TransectData
from explorer.views.transect.geometry import AXIS, HEADER, LEFT, Layout, arrange
from explorer.widgets import image_conversion
from explorer.widgets.theme import DARK, Theme

_KEYS = (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)
EXCESS_BCE = (
    "Excess BCE: the reconstruction's binary cross-entropy minus that of a perfect copy, mean over pixels, in nats per "
    "pixel; 0 is a perfect copy."
)
_MEANINGS = (
    f"{EXCESS_BCE}\n"
    "SSIM: structural similarity (Wang et al. 2004); 1 for identical images.\n"
    "Distance: to the nearest training sample, in the parameter plane."
)
_HINT = "Click or drag to choose a point; the arrow keys step, Home and End go to the ends."


class TransectPicture(QWidget):
    """Draws a ``TransectData``. ``position_changed`` follows a drag, ``released`` ends it."""

    position_changed = Signal(int)
    released = Signal()

    def __init__(self, data: TransectData) -> None:
        super().__init__()
        self.setObjectName("transect.picture")
        self.setAccessibleName("Images and measures along the transect")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setMinimumSize(280, 150)
        self._data, self._theme = data, DARK
        self.log = True
        self.empty = ""
        self._thumbs: dict[tuple[int, int], QPixmap] = {}
        self._thumbs_for: tuple = ()
        self._dragging = False

    def sizeHint(self) -> QSize:
        return QSize(720, 220)

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of ``theme``."""
        self._theme = theme
        self.update()

    def forget(self, numbers: list[int] | None = None) -> None:
        """Images of these points, or of all, are others now."""
        if numbers is None:
            self._thumbs.clear()
        for place in numbers or []:
            for row in range(len(ROWS)):
                self._thumbs.pop((row, place), None)
        self.update()

    def layout_now(self) -> Layout:
        """Where everything stands at this size."""
        return arrange(self.width(), self.height(), max(1, self._data.total))

    # painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(self._theme.plot))
        if self.empty or not self._data.total:
            painter.setPen(QColor(self._theme.muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(16, 8, -16, -8), flags, self.empty or "Choose a transect.")
            return
        font = painter.font()
        font.setPointSizeF(font.pointSizeF() * 0.88)
        painter.setFont(font)
        layout = self.layout_now()
        self._paint_holes(painter, layout)
        self._paint_names(painter, layout)
        self._paint_rows(painter, layout)
        curves = CurvePainter(self._data, self._theme, self.log)
        curves.paint(painter, layout, self._axis_texts())
        self._frame_holes(painter, layout)
        self._paint_position(painter, layout, curves)
        self._paint_header(painter, curves)
        if self.hasFocus():
            painter.setPen(QPen(QColor(self._theme.accent), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _paint_names(self, painter: QPainter, layout: Layout) -> None:
        ends = f"Δ ±{self._data.ends(layout.side):g}"
        painter.setPen(QColor(self._theme.muted))
        for top, name in zip(layout.tops, ("truth", "model", ends), strict=True):
            painter.drawText(QRectF(0, top, LEFT - 8, layout.side), _RIGHT, name)

    def _paint_rows(self, painter: QPainter, layout: Layout) -> None:
        ratio, ends = self.devicePixelRatioF(), self._data.ends(layout.side)
        if self._thumbs_for != (layout.side, ratio, ends):
            self._thumbs.clear()
            self._thumbs_for = (layout.side, ratio, ends)
        for place in layout.shown:
            self._paint_column(painter, layout, place, ratio)

    def _paint_column(self, painter: QPainter, layout: Layout, place: int, ratio: float) -> None:
        left, side = layout.column(place).left(), layout.side
        for row, top in enumerate(layout.tops):
            box = QRectF(left, top, side, side)
            if not self._data.known(place):
                ground = QColor(self._theme.grid)
                ground.setAlphaF(0.25)
                painter.fillRect(box, ground)
                continue
            thumb = self._thumbs.get((row, place))
            if thumb is None:
                image = image_conversion.to_image(self._data.image(row, place, side))
                thumb = self._thumbs[row, place] = image_conversion.scaled(image, _fitted(image.size(), side), ratio)
            painter.fillRect(box, QColor(self._theme.ground))
            offset = QPointF((side - thumb.width() / ratio) / 2, (side - thumb.height() / ratio) / 2)
            painter.drawPixmap(box.topLeft() + offset, thumb)

    def _hole_boxes(self, layout: Layout) -> list[QRectF]:
        boxes = []
        for first, last in self._data.holes():
            left, right = layout.x[first] - layout.half(), layout.x[last] + layout.half()
            boxes.append(QRectF(QPointF(left, layout.tops[0] - 2), QPointF(right, layout.rows_bottom + 2)))
        return boxes

    def _paint_holes(self, painter: QPainter, layout: Layout) -> None:
        """A band behind the curves: these points lie where there were no training images."""
        tint = QColor(self._theme.accent)
        tint.setAlphaF(0.10)
        for box in self._hole_boxes(layout):
            for frame, _ in layout.lanes:
                painter.fillRect(QRectF(box.left(), frame.top(), box.width(), frame.height()), tint)

    def _frame_holes(self, painter: QPainter, layout: Layout) -> None:
        accent = QColor(self._theme.accent)
        metrics = QFontMetricsF(painter.font())
        for box in self._hole_boxes(layout):
            painter.setPen(QPen(accent, 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(QRectF(round(box.left()), box.top(), round(box.width()), box.height()))
            text = "in the hole" if metrics.horizontalAdvance("in the hole") + 6 < box.width() else "hole"
            if metrics.horizontalAdvance(text) < box.width():
                painter.drawText(QRectF(box.left(), layout.bottom + 2, box.width(), AXIS - 3), _CENTRE, text)

    def _paint_position(self, painter: QPainter, layout: Layout, curves: CurvePainter) -> None:
        place = self._data.here
        if place is None:
            return
        if place not in layout.shown:
            self._paint_column(painter, layout, place, self.devicePixelRatioF())
        ink = QColor(self._theme.text)
        column = layout.column(place)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(self._theme.plot), 4))
        painter.drawRect(column)
        painter.setPen(QPen(ink, 2))
        painter.drawRect(column)
        curves.paint_position(painter, layout, place)

    def _paint_header(self, painter: QPainter, curves: CurvePainter) -> None:
        """Where the position is and what is measured there; the coloured names are the curves' legend, too."""
        texts = self._place_texts()
        metrics = QFontMetricsF(painter.font())
        legend = curves.legend(self._data.here)
        room = self.width() - 16.0
        wanted = sum(metrics.horizontalAdvance(text) + 14 for text in texts)
        while len(texts) > 1 and wanted + curves.legend_width(metrics, legend) > room:
            wanted -= metrics.horizontalAdvance(texts.pop()) + 14
        x = 8.0
        for text in texts:
            painter.setPen(QColor(self._theme.accent if text == "in the hole" else self._theme.text))
            painter.drawText(QRectF(x, 0, room, HEADER - 2), _LEFT_MIDDLE, text)
            x += metrics.horizontalAdvance(text) + 14
        curves.paint_legend(painter, legend, QRectF(x, 0, self.width() - 8 - x, HEADER - 2))

    def _place_texts(self) -> list[str]:
        data, place = self._data, self._data.here
        if place is None:
            return [f"{data.total} points"]
        texts = [f"point {place + 1} of {data.total}"]
        if data.points is not None:
            pairs = zip(data.names, data.points[place], strict=True)
            texts.append("  ".join(f"{name} {number(value)}" for name, value in pairs))
        return [*texts, "in the hole"] if data.in_hole[place] else texts

    def _axis_texts(self) -> tuple[str, str]:
        """What stands at the two ends of the horizontal axis."""
        points = self._data.points
        if points is None:
            return "1", str(self._data.total)
        names = ", ".join(self._data.names)
        first, last = (", ".join(number(value) for value in points[end]) for end in (0, -1))
        return f"({names}) = ({first})", f"({last})"

    # user input

    def event(self, event: QEvent) -> bool:
        # The window uses arrows and Home as its own keys: while the picture has the focus they move the place.
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            ours = event.key() in _KEYS and not event.modifiers()
            if ours and self._data.total:
                event.accept()
                return True
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            text = _HINT
            if self._data.total:
                layout = self.layout_now()
                rows = layout.tops[0] <= event.pos().y() <= layout.rows_bottom
                text = self._about(layout, event.pos().x()) if rows else _MEANINGS
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)

    def _about(self, layout: Layout, x: float) -> str:
        place = layout.nearest(x)
        lines = [f"point {place + 1} of {self._data.total}"]
        if self._data.points is not None:
            values = zip(self._data.names, self._data.points[place], strict=True)
            lines.append(" · ".join(f"{name} = {value:.4g}" for name, value in values))
        ends = self._data.ends(layout.side)
        lines.append(
            f"Rows: true image, reconstruction, and Δ = reconstruction − true image, from −{ends:g} (blue) to "
            f"+{ends:g} (orange) of full scale."
        )
        return "\n".join([*lines, _HINT])

    def _go(self, place: int) -> None:
        place = min(self._data.total - 1, max(0, place))
        if place != self._data.position:
            self._data.position = place
            self.update()
            self.position_changed.emit(place)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._data.total and not self.empty:
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
        if event.key() not in _KEYS or not self._data.total or self.empty:
            super().keyPressEvent(event)
            return
        here, last = self._data.position or 0, self._data.total - 1
        page = max(1, math.ceil(self._data.total / 10))
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
        if event.key() in _KEYS and not event.isAutoRepeat() and self._data.total:
            self.released.emit()
        else:
            super().keyReleaseEvent(event)


def _fitted(size: QSize, side: int) -> QRectF:
    """``size`` shrunk or enlarged to the largest rectangle in a square of ``side``."""
    fitted = size.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio)
    return QRectF(0, 0, max(1, fitted.width()), max(1, fitted.height()))


_CENTRE = Qt.AlignmentFlag.AlignCenter
_LEFT_MIDDLE = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
