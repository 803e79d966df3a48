"""Truth beside reconstruction for a number of validation samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy

from explorer.widgets import image_conversion
from explorer.widgets.controls import label, named, spin_box
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.image_row import EXCESS_BCE
from explorer.widgets.layouts import Panel, column, row, scrolled
from explorer.widgets.painting import border, empty_text
from explorer.widgets.theme import ThemedWidget

SIDE, GAP, PAD = 88, 12, 8


@dataclass
class _Pair:
    index: int
    original: QImage
    reconstruction: QImage
    excess_bce: float


class ReconstructionsView(Panel):
    """A grid of pairs. ``sample_chosen`` carries the sample's index in the dataset."""

    sample_chosen = Signal(int)
    count_changed = Signal(int)

    def __init__(self) -> None:
        super().__init__("reconstructions")
        self.grid = _Grid()
        self.grid.chosen.connect(self.sample_chosen)
        tip = "How many validation samples are shown, 1 to 500"
        self._count = spin_box("reconstructions.count", 1, 500, 20, tip)
        self._count.valueChanged.connect(self.count_changed)
        tip = f"<p>Number under each pair: its excess BCE. {EXCESS_BCE}</p>"
        self._summary = named(ElidedLabel("muted"), "reconstructions.summary", tip=tip)
        head = row(
            label("Samples", buddy=self._count), self._count, (self._summary, 1), spacing=8, margins=(8, 6, 8, 2)
        )
        column(head, (scrolled(self.grid, "reconstructions.scroll"), 1), spacing=2, parent=self)

    def set_pairs(
        self, indices: np.ndarray, originals: np.ndarray, reconstructions: np.ndarray, excess_bce: np.ndarray
    ) -> None:
        """Samples ``indices`` (n,), their images uint8 (n, H, W, C) twice, and their excess BCE (n,)."""
        self.grid.set_pairs(
            [
                _Pair(int(index), image_conversion.to_image(original), image_conversion.to_image(made), float(loss))
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


class _Grid(ThemedWidget):
    """Paints the pairs in as many columns as fit; arrow keys move, Enter chooses."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("reconstructions.grid")
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.pairs: list[_Pair] = []
        self.empty = ""
        self._hovered, self._current = -1, 0

    @property
    def samples(self) -> list[int]:
        """The samples on show."""
        return [pair.index for pair in self.pairs]

    def set_pairs(self, pairs: list[_Pair]) -> None:
        """Show these."""
        self.pairs = pairs
        self._current = min(self._current, max(0, len(pairs) - 1))
        self.updateGeometry()
        self.update()

    # geometry

    def _whole_side(self) -> int | None:
        """The side at which a pixel of a small image is a whole number of the screen's; None: images are shrunk."""
        longest = max(self.pairs[0].original.size().toTuple()) if self.pairs else SIDE
        room = SIDE * self.devicePixelRatioF()
        return round(longest * round(room / longest) / self.devicePixelRatioF()) if longest <= room else None

    def _columns(self, width: int) -> int:
        return max(1, (width - 2 * PAD + GAP) // (2 * (self._whole_side() or SIDE) + 2 + GAP))

    def _side(self, width: int) -> int:
        """Width and height of one image: about ``SIDE``; shrunk ones take more so that the columns fill the row."""
        whole, columns = self._whole_side(), self._columns(width)
        return whole or max(SIDE, ((width - 2 * PAD + GAP) // columns - GAP - 2) // 2)

    def _cell(self, width: int) -> tuple[int, int]:
        side = self._side(width)
        return 2 * side + 2 + GAP, side + self.fontMetrics().height() + GAP

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        rows = -(-len(self.pairs) // self._columns(width))
        return 2 * PAD + rows * self._cell(width)[1]

    def minimumSizeHint(self) -> QSize:
        return QSize(2 * SIDE + 2 + 2 * PAD, 60)

    def sizeHint(self) -> QSize:
        return QSize(600, self.heightForWidth(600))

    def rect_of(self, place: int) -> QRectF:
        """The cell of a pair."""
        columns, (width, height) = self._columns(self.width()), self._cell(self.width())
        line, number = divmod(place, columns)
        return QRectF(PAD + number * width, PAD + line * height, width - GAP, height - GAP)

    def _at(self, x: float, y: float) -> int:
        columns, (width, height) = self._columns(self.width()), self._cell(self.width())
        column, row = int((x - PAD) // width), int((y - PAD) // height)
        place = row * columns + column
        inside = 0 <= column < columns and row >= 0 and 0 <= place < len(self.pairs)
        return place if inside and self.rect_of(place).contains(x, y) else -1

    # painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(event.rect(), QColor(self._theme.surface))
        if not self.pairs:
            empty_text(painter, self.rect(), self.empty, self._theme)
            return
        font = painter.font()
        font.setPointSizeF(font.pointSizeF() * 0.9)
        painter.setFont(font)
        for place, pair in enumerate(self.pairs):
            box = self.rect_of(place)
            if box.intersects(QRectF(event.rect())):
                self._paint_pair(painter, place, pair, box)

    def _paint_pair(self, painter: QPainter, place: int, pair: _Pair, box: QRectF) -> None:
        ratio, side = self.devicePixelRatioF(), self._side(self.width())
        left = QRectF(box.left(), box.top(), side, side)
        right = left.translated(side + 2, 0)
        for area, image in ((left, pair.original), (right, pair.reconstruction)):
            painter.fillRect(area, QColor(self._theme.ground))
            image_conversion.draw_thumbnail(painter, image, area, ratio)
        if place == self._hovered or (self.hasFocus() and place == self._current):
            border(painter, left.united(right).adjusted(-1, -1, 1, 1), QPen(QColor(self._theme.accent), 2))
        below = QRectF(box.left(), left.bottom() + 2, box.width(), box.height() - side - 2)
        painter.setPen(QColor(self._theme.text))
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, str(pair.index))
        painter.setPen(QColor(self._theme.muted))
        painter.drawText(below, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop, f"{pair.excess_bce:.2g}")

    # hands

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._hover(self._at(event.position().x(), event.position().y()))

    def leaveEvent(self, event: QEvent) -> None:
        self._hover(-1)

    def _hover(self, place: int) -> None:
        if place != self._hovered:
            self._hovered = place
            self.setCursor(Qt.CursorShape.PointingHandCursor if place >= 0 else Qt.CursorShape.ArrowCursor)
            pair = self.pairs[place] if place >= 0 else None
            self.setToolTip(f"sample {pair.index} · excess BCE {pair.excess_bce:.3g}" if pair is not None else "")
            self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        place = self._at(event.position().x(), event.position().y())
        if event.button() == Qt.MouseButton.LeftButton and place >= 0:
            self._current = place
            self.update()
            self.chosen.emit(self.pairs[place].index)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        columns = self._columns(self.width())
        moves = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: -columns, Qt.Key.Key_Down: columns}
        key = Qt.Key(event.key())
        if self.pairs and key in moves:
            self._current = min(len(self.pairs) - 1, max(0, self._current + moves[key]))
            self.update()
        elif self.pairs and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.chosen.emit(self.pairs[self._current].index)
        else:
            super().keyPressEvent(event)
