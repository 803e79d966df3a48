"""Rows, columns and scrolled panels in one call; rows that wrap, a toolbar that drops its words.

Panels are docks that a person makes narrow; a row of controls that wraps stays usable there. (superqt has such a
layout too, but importing it takes a fifth of the time in which the window shall be visible.)
"""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLayout,
    QLayoutItem,
    QScrollArea,
    QToolBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

B = TypeVar("B", bound=QBoxLayout)
Part = QWidget | QLayout | int | tuple[QWidget | QLayout, int]
"""A widget or layout, alone or with its stretch; or a number, which is an empty stretch."""
Margins = tuple[int, int, int, int]
"""Pixels left, above, right and below."""


def row(*parts: Part, spacing: int = 0, margins: Margins = (0, 0, 0, 0), parent: QWidget | None = None) -> QHBoxLayout:
    """``parts`` side by side, as the layout of ``parent`` or of no widget yet."""
    return _filled(QHBoxLayout(parent) if parent is not None else QHBoxLayout(), parts, spacing, margins)


def column(
    *parts: Part, spacing: int = 0, margins: Margins = (0, 0, 0, 0), parent: QWidget | None = None
) -> QVBoxLayout:
    """``parts`` one below the other, as the layout of ``parent`` or of no widget yet."""
    return _filled(QVBoxLayout(parent) if parent is not None else QVBoxLayout(), parts, spacing, margins)


def _filled(layout: B, parts: tuple[Part, ...], spacing: int, margins: Margins) -> B:
    layout.setSpacing(spacing)
    layout.setContentsMargins(*margins)
    for part in parts:
        item, stretch = part if isinstance(part, tuple) else (part, 0)
        if isinstance(item, int):
            layout.addStretch(item)
        elif isinstance(item, QWidget):
            layout.addWidget(item, stretch)
        else:
            layout.addLayout(item, stretch)
    return layout


class Panel(QWidget):
    """A part of the window on a ground of its own; ``shown`` follows when it has become visible."""

    shown = Signal()

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)  # else the window shows through

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.shown.emit()


def form(parent: QWidget, margins: Margins = (0, 0, 0, 0)) -> QFormLayout:
    """Rows of a caption and a field that takes the room, as the layout of ``parent``."""
    rows = QFormLayout(parent)
    rows.setContentsMargins(*margins)
    rows.setHorizontalSpacing(8)
    rows.setVerticalSpacing(6)
    rows.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return rows


def scrolled(body: QWidget, name: str) -> QScrollArea:
    """``body`` in a frameless area called ``name``, as wide as that and scrolled vertically."""
    area = QScrollArea()
    area.setObjectName(name)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(body)
    return area


class FlowLayout(QLayout):
    """Places its items left to right, centred in rows, and begins a new row where one does not fit any more.

    Items that expand share the room that their row leaves.
    """

    def __init__(self, horizontal: int = 8, vertical: int = 4) -> None:
        super().__init__()
        self._items: list[QLayoutItem] = []
        self._horizontal, self._vertical = horizontal, vertical
        self.setContentsMargins(0, 0, 0, 0)

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        heights = [max(size.height() for _, size in row) for row in self._rows(width)]
        return sum(heights) + self._vertical * max(0, len(heights) - 1)

    def setGeometry(self, rectangle: QRect) -> None:
        super().setGeometry(rectangle)
        self._place(rectangle)

    def sizeHint(self) -> QSize:
        shown = [item.sizeHint() for item in self._items if not item.isEmpty()]
        width = sum(size.width() for size in shown) + self._horizontal * max(0, len(shown) - 1)
        return QSize(width, max((size.height() for size in shown), default=0))

    def minimumSize(self) -> QSize:
        shown = [item.minimumSize() for item in self._items if not item.isEmpty()]
        return QSize(
            max((size.width() for size in shown), default=0), max((size.height() for size in shown), default=0)
        )

    def _rows(self, width: int) -> list[list[tuple[QLayoutItem, QSize]]]:
        """The items that are shown, each with its size hint: asked for once, as it costs most of an arrangement."""
        rows: list[list[tuple[QLayoutItem, QSize]]] = []
        used = 0
        for item in self._items:
            if item.isEmpty():
                continue
            size = item.sizeHint()
            needed = size.width()
            if not rows or used + self._horizontal + needed > width:
                rows.append([])
                used = -self._horizontal
            rows[-1].append((item, size))
            used += self._horizontal + needed
        return rows

    def _place(self, rectangle: QRect) -> None:
        y = rectangle.y()
        for row in self._rows(rectangle.width()):
            height = max(size.height() for _, size in row)
            expanding = [item for item, _ in row if item.expandingDirections() & Qt.Orientation.Horizontal]
            needed = sum(size.width() + self._horizontal for _, size in row) - self._horizontal
            more = max(0, rectangle.width() - needed) // max(1, len(expanding))
            x = rectangle.x()
            for item, size in row:
                if item in expanding:
                    size.setWidth(size.width() + more)
                size.setWidth(min(size.width(), rectangle.width()) if rectangle.width() > 0 else size.width())
                item.setGeometry(QRect(QPoint(x, y + (height - size.height()) // 2), size))
                x += size.width() + self._horizontal
            y += height + self._vertical


class FittingToolBar(QToolBar):
    """A toolbar whose buttons go without their words where it is too short for them: better than hidden buttons."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self._needed = 0
        self._worded: list[QToolButton] = []

    @property
    def worded(self) -> bool:
        """Whether words are shown."""
        return not self._worded

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self.worded:
            self._needed = self.sizeHint().width()
        if self.worded == (self.width() >= self._needed):
            return
        if self.worded:
            beside = Qt.ToolButtonStyle.ToolButtonTextBesideIcon
            self._worded = [each for each in self.findChildren(QToolButton) if each.toolButtonStyle() == beside]
            for button in self._worded:
                button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        else:
            for button in self._worded:
                button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            self._worded = []
