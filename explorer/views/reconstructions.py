"""Truth beside reconstruction for a number of validation samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QFrame, QListWidget, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from explorer.widgets.controls import label, named, spin_box
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.image_conversion import Thumbnail
from explorer.widgets.image_row import EXCESS_BCE
from explorer.widgets.layouts import Panel, column, row
from explorer.widgets.painting import border, empty_text, small_font
from explorer.widgets.theme import Themed

SIDE, GAP, PAD = 88, 12, 8
Index = QModelIndex | QPersistentModelIndex


@dataclass
class _Pair:
    index: int
    original: Thumbnail
    reconstruction: Thumbnail
    excess_bce: float


class ReconstructionsView(Panel):
    """A grid of pairs. ``sample_chosen`` carries the sample's index in the dataset."""

    sample_chosen = Signal(int)
    count_changed = Signal(int)

    def __init__(self) -> None:
        super().__init__("reconstructions")
        self.grid = _Grid()
        for chosen in (self.grid.itemClicked, self.grid.itemActivated):
            chosen.connect(lambda _: self.sample_chosen.emit(self.grid.samples[self.grid.currentRow()]))
        tip = "How many validation samples are shown, 1 to 500"
        self._count = spin_box("reconstructions.count", 1, 500, 20, tip)
        self._count.valueChanged.connect(self.count_changed)
        tip = f"<p>Number under each pair: its excess BCE. {EXCESS_BCE}</p>"
        self._summary = named(ElidedLabel("muted"), "reconstructions.summary", tip=tip)
        head = row(
            label("Samples", buddy=self._count), self._count, (self._summary, 1), spacing=8, margins=(8, 6, 8, 2)
        )
        column(head, (self.grid, 1), spacing=2, parent=self)

    def set_pairs(
        self, indices: np.ndarray, originals: np.ndarray, reconstructions: np.ndarray, excess_bce: np.ndarray
    ) -> None:
        """Samples ``indices`` (n,), their images uint8 (n, H, W, C) twice, and their excess BCE (n,)."""
        self.grid.set_pairs(
            [
                _Pair(int(index), Thumbnail(original), Thumbnail(made), float(loss))
                for index, original, made, loss in zip(indices, originals, reconstructions, excess_bce, strict=True)
            ]
        )
        if len(excess_bce):
            mean = float(np.mean(excess_bce))
            self._summary.set_texts(
                f"left: original · right: reconstruction · mean excess BCE {mean:.2g}", f"mean excess BCE {mean:.2g}"
            )
        else:
            self._summary.setText("")

    def set_empty(self, text: str) -> None:
        """No pairs; ``text`` says what is needed for some."""
        self.grid.empty = text
        self.grid.set_pairs([])
        self._summary.setText("")


class _Grid(Themed, QListWidget):
    """The pairs in as many columns as fit; arrow keys move, Enter chooses."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("reconstructions.grid")
        self.setAccessibleName("Validation samples and their reconstructions")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setViewMode(QListWidget.ViewMode.IconMode)
        self.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.setMovement(QListWidget.Movement.Static)
        self.setSelectionMode(QListWidget.SelectionMode.NoSelection)
        self.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self.setViewportMargins(PAD - GAP // 2, PAD, 0, 0)
        self.setMouseTracking(True)
        self.setItemDelegate(_PairDelegate(self))
        self.pairs: list[_Pair] = []
        self.empty = ""
        self.side = SIDE
        self.entered.connect(lambda _: self.viewport().setCursor(Qt.CursorShape.PointingHandCursor))
        self.viewportEntered.connect(lambda: self.viewport().unsetCursor())

    @property
    def samples(self) -> list[int]:
        """The samples on show."""
        return [pair.index for pair in self.pairs]

    def set_pairs(self, pairs: list[_Pair]) -> None:
        """Show these."""
        self.pairs = pairs
        if len(pairs) != self.count():  # else those that come while a training goes on would be scrolled to the top
            self.clear()
            self.addItems([""] * len(pairs))
            self.setCurrentRow(0)
        for number, pair in enumerate(pairs):
            text = f"sample {pair.index} · excess BCE {pair.excess_bce:.3g}"
            for role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
                self.model().setData(self.model().index(number, 0), text, role)
        self._fit()
        self.viewport().update()

    def _fit(self) -> None:
        """Find the side of an image, about ``SIDE``: a pixel of a small one is a whole number of the screen's; those
        that are shrunk take more so that the columns fill the row."""
        longest = max(self.pairs[0].original.size().toTuple()) if self.pairs else SIDE
        ratio = self.devicePixelRatioF()
        room = self.width() - PAD - self.verticalScrollBar().sizeHint().width()  # whether it is there or not
        small = longest <= SIDE * ratio
        side = round(longest * round(SIDE * ratio / longest) / ratio) if small else SIDE
        columns = max(1, room // (2 * side + 2 + GAP))
        self.side = side if small else max(SIDE, (room // columns - GAP - 2) // 2)
        self.setGridSize(QSize(2 * self.side + 2 + GAP, self.side + self.fontMetrics().height() + GAP))

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._fit()
        super().resizeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self.pairs:
            with QPainter(self.viewport()) as painter:
                empty_text(painter, self.viewport().rect(), self.empty, self._theme)


class _PairDelegate(Themed, QStyledItemDelegate):
    """Paints a pair with its sample's number and loss below."""

    def __init__(self, grid: _Grid) -> None:
        super().__init__(grid)
        self._grid = grid

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return self._grid.gridSize() - QSize(GAP - 2, GAP - 2)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        pair, side, ratio = self._grid.pairs[index.row()], self._grid.side, self._grid.devicePixelRatioF()
        box = QRectF(option.rect).adjusted(1, 1, -1, -1)  # pyright: ignore[reportAttributeAccessIssue]
        left = QRectF(box.left(), box.top(), side, side)
        right = left.translated(side + 2, 0)
        for area, image in ((left, pair.original), (right, pair.reconstruction)):
            painter.fillRect(area, QColor(self._theme.ground))
            image.draw(painter, area, ratio)
        if option.state & (QStyle.StateFlag.State_MouseOver | QStyle.StateFlag.State_HasFocus):  # pyright: ignore[reportAttributeAccessIssue]
            border(painter, left.united(right).adjusted(-1, -1, 1, 1), QPen(QColor(self._theme.accent), 2))
        painter.setFont(small_font(self._grid.font()))
        below = QRectF(box.left(), left.bottom() + 2, box.width(), box.height() - side - 2)
        for flag, colour, text in (
            (Qt.AlignmentFlag.AlignLeft, self._theme.text, str(pair.index)),
            (Qt.AlignmentFlag.AlignRight, self._theme.muted, f"{pair.excess_bce:.2g}"),
        ):
            painter.setPen(QColor(colour))
            painter.drawText(below, flag | Qt.AlignmentFlag.AlignTop, text)
