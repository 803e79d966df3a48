"""What the colours of classes mean, over the cloud: a list that hides what is clicked, and scrolls where it is long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QEnterEvent,
    QFontMetricsF,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QToolTip, QWidget

from explorer.widgets.controls import WheelNotches, claim_keys
from explorer.widgets.painting import pen, plate, small_font, tint
from explorer.widgets.theme import ThemedWidget

SWATCH, GAP, PAD = 11.0, 7.0, 8.0  # pixels
NARROWEST, WIDEST = 96.0, 240.0
CHOOSE = (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter)
SHOW_ALL = "show all"
GESTURES = "Click: hide or show. Ctrl or Alt + click: show it alone. Double-click: show all."


@dataclass(frozen=True)
class LegendEntry:
    """A class: its ``place`` among its kind (-1: those whose class is not known), colour (red, green, blue), number of
    samples, and whether these are hidden."""

    place: int
    name: str
    colour: tuple[int, int, int]
    count: int
    hidden: bool = False


class Legend(ThemedWidget):
    """The classes of the points, one a row, below what they are classes of. It changes nothing by itself."""

    toggled = Signal(int)
    """The place of a class that is to be hidden, or shown again; -1: points whose class is not known."""
    isolated = Signal(int)
    """The place of a class that is to be shown alone."""
    all_requested = Signal()
    entered = Signal()
    """The mouse has come from the cloud."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("cloud.legend")
        self.setAccessibleName("Classes of the points")
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.title, self.entries = "", ()
        self._first = 0  # the row that is on top
        self._under: int | None = None  # the row under the mouse; -1: the title
        self._current = 0  # the row that the keyboard has
        self._doubled = False
        self._notches = WheelNotches()
        claim_keys(self, lambda event: event.key() in CHOOSE and not event.modifiers())
        self.hide()

    # setters

    def set_entries(self, title: str, entries: Sequence[LegendEntry]) -> None:
        """Show ``entries`` of the label ``title``; none: nothing at all."""
        if title != self.title or len(entries) != len(self.entries):
            self._first = self._current = 0
        self.title, self.entries = title, tuple(entries)
        self.setVisible(bool(entries))
        listed = ", ".join(f"{e.name}, {e.count}" + (", hidden" if e.hidden else "") for e in entries)
        self.setAccessibleDescription(f"{title}: {listed}. {GESTURES}")
        self.update()

    @property
    def hides(self) -> bool:
        """Whether any class is hidden."""
        return any(entry.hidden for entry in self.entries)

    # geometry

    def _row_height(self) -> float:
        return max(18.0, QFontMetricsF(small_font(self.font())).height() + 4.0)

    def sizeHint(self) -> QSize:
        metrics, bold = QFontMetricsF(small_font(self.font())), QFontMetricsF(small_font(self.font(), 0.0, bold=True))
        names = max((metrics.horizontalAdvance(entry.name) for entry in self.entries), default=0.0)
        counts = max((metrics.horizontalAdvance(f"{entry.count:,}") for entry in self.entries), default=0.0)
        wanted = max(SWATCH + 3 * GAP + names + counts, bold.horizontalAdvance(self.title))
        if self.hides:
            wanted = max(wanted, bold.horizontalAdvance(self.title) + 2 * GAP + metrics.horizontalAdvance(SHOW_ALL))
        width = min(max(NARROWEST, wanted + 2 * PAD), WIDEST)
        return QSize(round(width), round((len(self.entries) + 1) * self._row_height() + PAD))

    def _rows(self) -> int:
        """How many rows there is room for."""
        return max(1, int((self.height() - PAD) / self._row_height()) - 1)

    def _scroll(self, rows: int) -> None:
        self._first = max(0, min(self._first + rows, len(self.entries) - self._rows()))
        self.update()

    def row_rect(self, row: int) -> QRectF:
        """Where a row is drawn, -1: the title; an empty rectangle if it is scrolled away."""
        height = self._row_height()
        shown = row - self._first if row >= 0 else -1
        if row >= 0 and not 0 <= shown < self._rows():
            return QRectF()
        return QRectF(PAD / 2, PAD / 2 + (shown + 1) * height, self.width() - PAD, height)

    def _row_at(self, at: QPointF) -> int | None:
        rows = range(self._first, min(len(self.entries), self._first + self._rows()))
        return next((row for row in (-1, *rows) if self.row_rect(row).contains(at)), None)

    # painting

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = self._theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        plate(painter, QRectF(self.rect()), 6, tint(theme.plot, 0.86))
        self._draw_title(painter)
        painter.setFont(small_font(self.font()))
        for row in range(self._first, min(len(self.entries), self._first + self._rows())):
            self._draw_row(painter, row)
        rows, count = self._rows(), len(self.entries)
        if count > rows:  # how far it is scrolled
            track = QRectF(self.width() - 4.0, self.row_rect(self._first).top(), 2.0, rows * self._row_height())
            length = max(16.0, track.height() * rows / count)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.border))
            top = track.top() + (track.height() - length) * self._first / (count - rows)
            painter.drawRoundedRect(QRectF(track.left(), top, 2.0, length), 1, 1)
        painter.end()

    def _draw_title(self, painter: QPainter) -> None:
        theme, rect = self._theme, self.row_rect(-1).adjusted(PAD / 2, 0, -PAD / 2, 0)
        left, middle = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignVCenter
        room = rect.width()
        if self.hides:
            font = small_font(self.font())
            font.setUnderline(self._under == -1)
            painter.setFont(font)
            painter.setPen(QColor(theme.accent))
            painter.drawText(rect, Qt.AlignmentFlag.AlignRight | middle, SHOW_ALL)
            room -= QFontMetricsF(font).horizontalAdvance(SHOW_ALL) + GAP
        bold = small_font(self.font(), 0.0, bold=True)
        painter.setFont(bold)
        painter.setPen(QColor(theme.text))
        title = QFontMetricsF(bold).elidedText(self.title, Qt.TextElideMode.ElideRight, room)
        painter.drawText(rect, left | middle, title)

    def _draw_row(self, painter: QPainter, row: int) -> None:
        theme, entry, rect = self._theme, self.entries[row], self.row_rect(row)
        if row == self._under:
            plate(painter, rect, 4, tint(theme.text, 0.09))
        if self.hasFocus() and row == self._current:
            plate(painter, rect.adjusted(0.5, 0.5, -0.5, -0.5), 4, None, pen(QColor(theme.accent), 1.0))
        inner = rect.adjusted(PAD / 2, 0, -PAD / 2, 0)
        colour, side = QColor(*entry.colour), SWATCH - (1.5 if entry.hidden else 0.0)
        swatch = QRectF(inner.left() + (SWATCH - side) / 2, inner.center().y() - side / 2, side, side)
        plate(painter, swatch, 3, None if entry.hidden else colour, pen(colour, 1.5) if entry.hidden else None)
        middle, metrics = Qt.AlignmentFlag.AlignVCenter, QFontMetricsF(painter.font())
        count = f"{entry.count:,}"
        painter.setPen(tint(theme.muted, 0.6 if entry.hidden else 1.0))
        painter.drawText(inner, Qt.AlignmentFlag.AlignRight | middle, count)
        text = inner.adjusted(SWATCH + GAP, 0, -metrics.horizontalAdvance(count) - GAP, 0)
        painter.setPen(QColor(theme.muted) if entry.hidden or entry.place < 0 else QColor(theme.text))
        name = metrics.elidedText(entry.name, Qt.TextElideMode.ElideMiddle, text.width())
        painter.drawText(text, Qt.AlignmentFlag.AlignLeft | middle, name)

    # hands

    def _choose(self, row: int, alone: bool) -> None:
        if row < 0:
            self.all_requested.emit()
        elif alone:
            self.isolated.emit(self.entries[row].place)
        else:
            self.toggled.emit(self.entries[row].place)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        event.accept()  # the cloud beneath is not meant

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        row, doubled = self._row_at(event.position()), self._doubled
        self._doubled = False
        if event.button() == Qt.MouseButton.LeftButton and row is not None and not doubled:
            held = event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier)
            self._choose(row, bool(held))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._doubled = True  # its release is no click
        if event.button() == Qt.MouseButton.LeftButton:
            self.all_requested.emit()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._set_under(self._row_at(event.position()))

    def _set_under(self, row: int | None) -> None:
        if row != self._under:
            self._under = row
            clickable = row is not None and (row >= 0 or self.hides)
            self.setCursor(Qt.CursorShape.PointingHandCursor if clickable else Qt.CursorShape.ArrowCursor)
            self.update()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll where there is more than fits; else the wheel means the cloud."""
        if len(self.entries) <= self._rows():
            event.ignore()
            return
        self._scroll(-self._notches.turn(event.angleDelta().y()))
        self._set_under(self._row_at(event.position()))
        event.accept()

    def enterEvent(self, event: QEnterEvent) -> None:
        self.entered.emit()

    def leaveEvent(self, event: QEvent) -> None:
        self._set_under(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Up and Down go from row to row, Space hides or shows, Return shows it alone."""
        steps = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}
        if event.key() in steps and self.entries:
            self._current = max(0, min(self._current + steps[Qt.Key(event.key())], len(self.entries) - 1))
            self._scroll(min(0, self._current - self._first) + max(0, self._current - self._first - self._rows() + 1))
        elif event.key() in CHOOSE and self.entries:
            self._choose(self._current, event.key() != Qt.Key.Key_Space)
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        """Tell a row's whole name."""
        if isinstance(event, QHelpEvent):
            row = self._row_at(QPointF(event.pos()))
            if row is not None:
                total = sum(entry.count for entry in self.entries)
                about = self.title
                if row >= 0:
                    entry = self.entries[row]
                    about = f"{entry.name}: {entry.count:,} of {total:,} samples ({entry.count / max(1, total):.1%})"
                QToolTip.showText(event.globalPos(), f"{about}\n{GESTURES}", self)
            return True
        return super().event(event)
