"""What the colours of classes mean, over the cloud: a list that hides what is clicked, and scrolls where it is long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QEnterEvent,
    QGuiApplication,
    QIcon,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPixmap,
    QWheelEvent,
)
from PySide6.QtWidgets import QFrame, QToolButton, QTreeWidget, QTreeWidgetItem, QWidget

from explorer.widgets.controls import claim_keys, named
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.layouts import column, row
from explorer.widgets.painting import pen, plate, small_font, tint
from explorer.widgets.plain_text import plain_tip
from explorer.widgets.theme import Themed

SWATCH, PAD = 11, 8  # pixels
NARROWEST, WIDEST = 96, 240
CHOOSE = (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter)
ALONE = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier
GESTURES = "Click: hide or show. Ctrl or Alt + click: show it alone. Double-click: show all."


@dataclass(frozen=True)
class LegendEntry:
    """A class: its ``place`` among its kind (-1: those whose class is not known), colour (red, green, blue), number of
    samples, and whether these are hidden. ``also``: how many more it has that show a class above it."""

    place: int
    name: str
    colour: tuple[int, int, int]
    count: int
    hidden: bool = False
    also: int = 0


class Legend(Themed, QFrame):
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
        self.entries: tuple[LegendEntry, ...] = ()
        self._items: list[QTreeWidgetItem] = []
        self._title = named(ElidedLabel(), "cloud.legend.title")
        self._all = named(QToolButton(), "cloud.legend.all", "show all", "Show all classes again")
        self._all.clicked.connect(self.all_requested)
        self.rows = _Rows()
        self.rows.itemClicked.connect(self._on_clicked)
        self.rows.itemDoubleClicked.connect(self.all_requested)
        self.rows.chosen.connect(self._choose)
        self._head = row((self._title, 1), self._all, margins=(PAD // 2, 0, 0, 0))
        column(self._head, (self.rows, 1), margins=(PAD // 2, PAD // 2, PAD // 2, PAD // 2), parent=self)
        self.hide()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            for item, entry in zip(self._items, self.entries, strict=True):
                item.setIcon(0, self._swatch(entry))
        return super().event(event)

    def set_entries(self, title: str, entries: Sequence[LegendEntry]) -> None:
        """Show ``entries`` of the label ``title``; none: nothing at all."""
        self._title.setFont(small_font(self.font(), 0.0, bold=True))
        for widget in (self._all, self.rows):
            widget.setFont(small_font(self.font()))
        self._title.setMinimumHeight(self._all.sizeHint().height())  # so that no row moves when it appears
        if title != self._title.text() or len(entries) != len(self.entries):
            self.rows.clear()
            self._items = [QTreeWidgetItem(self.rows) for _ in entries]
            self.rows.setCurrentIndex(self.rows.model().index(0, 0))
        self.entries = tuple(entries)
        self._title.setText(title)
        self._all.setVisible(any(entry.hidden for entry in entries))
        total = sum(entry.count for entry in entries)
        for item, entry in zip(self._items, entries, strict=True):
            item.setText(0, entry.name)
            item.setIcon(0, self._swatch(entry))
            quiet = entry.hidden or entry.place < 0
            item.setForeground(0, QColor(self._theme.muted if quiet else self._theme.text))
            item.setText(1, f"{entry.count:,}")
            item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            item.setForeground(1, tint(self._theme.muted, 0.6 if entry.hidden else 1.0))
            share = f"{entry.count:,} of {total:,} samples ({entry.count / max(1, total):.1%})"
            also = f"; {entry.also:,} more have the colour of a group above" if entry.also else ""
            state = ", hidden" if entry.hidden else ""
            item.setData(0, Qt.ItemDataRole.AccessibleTextRole, f"{entry.name}: {share}{also}{state}. {GESTURES}")
            for number in (0, 1):
                item.setToolTip(number, plain_tip(f"{entry.name}: {share}{also}\n{GESTURES}"))
        self.setVisible(bool(entries))

    def _swatch(self, entry: LegendEntry) -> QIcon:
        ratio = self.devicePixelRatioF()
        picture = QPixmap(QSize(SWATCH, SWATCH) * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        colour = QColor(*entry.colour)
        with QPainter(picture) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            inset = 0.75 if entry.hidden else 0.0
            box = QRectF(0, 0, SWATCH, SWATCH).adjusted(inset, inset, -inset, -inset)
            plate(painter, box, 3, None if entry.hidden else colour, pen(colour, 1.5) if entry.hidden else None)
        return QIcon(picture)

    def sizeHint(self) -> QSize:
        head = self._head.sizeHint()
        listed = self.rows.sizeHintForColumn(0) + self.rows.sizeHintForColumn(1)
        wanted = max(head.width(), listed + self.rows.verticalScrollBar().sizeHint().width())
        height = head.height() + len(self.entries) * max(0, self.rows.sizeHintForRow(0)) + PAD
        return QSize(min(max(NARROWEST, wanted + PAD), WIDEST), height)

    def row_rect(self, number: int) -> QRect:
        """Where a row is, -1: what shows all; empty if it is scrolled away."""
        if number < 0:
            return self._all.geometry()
        rows = self.rows.viewport()
        seen = self.rows.visualItemRect(self._items[number]) & rows.rect()
        return QRect(rows.mapTo(self, seen.topLeft()), seen.size())

    def _on_clicked(self, item: QTreeWidgetItem) -> None:
        self._choose(item, bool(QGuiApplication.keyboardModifiers() & ALONE))

    def _choose(self, item: QTreeWidgetItem, alone: bool) -> None:
        place = self.entries[self._items.index(item)].place
        (self.isolated if alone else self.toggled).emit(place)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        event.accept()  # the cloud beneath is not meant

    def enterEvent(self, event: QEnterEvent) -> None:
        self.entered.emit()


class _Rows(QTreeWidget):
    """Names with their colours, and numbers. Up and Down go from row to row."""

    chosen = Signal(QTreeWidgetItem, bool)
    """Space or Return: to be hidden or shown, or to be shown alone."""

    def __init__(self) -> None:
        super().__init__()
        named(self, "cloud.legend.rows", accessible="Classes of the points")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSelectionMode(QTreeWidget.SelectionMode.NoSelection)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(True)
        self.setHeaderHidden(True)
        self.setColumnCount(2)
        self.setIconSize(QSize(SWATCH, SWATCH))
        self.header().setStretchLastSection(False)
        self.header().setMinimumSectionSize(0)
        self.header().setSectionResizeMode(0, self.header().ResizeMode.Stretch)
        self.header().setSectionResizeMode(1, self.header().ResizeMode.ResizeToContents)
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor)
        claim_keys(self, lambda event: event.key() in CHOOSE and not event.modifiers())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        item = self.currentItem()
        if event.key() in CHOOSE and item is not None:
            self.chosen.emit(item, event.key() != Qt.Key.Key_Space)
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll where there is more than fits; else the wheel means the cloud."""
        super().wheelEvent(event)
        event.setAccepted(self.verticalScrollBar().maximum() > 0)
