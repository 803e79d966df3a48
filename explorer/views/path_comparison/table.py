"""The table of the comparison: names at the left, film strips, and measures, each path in a row.

The names are the vertical header, so they stay when the measures are scrolled sideways. A strip shows as many frames as
the width has room for; each is a place on its path, and pressing it goes there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PySide6.QtCore import (
    QAbstractTableModel,
    QEvent,
    QLineF,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QFrame,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QToolTip,
    QWidget,
)

from core.geometry.off_manifold import OffManifoldScore
from explorer.views.path_comparison.measures import UNKNOWN, Column, leak, make_columns
from explorer.widgets.controls import claim_keys
from explorer.widgets.elided_label import fitting
from explorer.widgets.image_conversion import Thumbnail
from explorer.widgets.off_manifold_badge import draw_verdict_bar
from explorer.widgets.painting import border, path_pen, plate, small_font
from explorer.widgets.plain_text import plain_tip
from explorer.widgets.theme import Theme, Themed, blend

if TYPE_CHECKING:
    from core.protocol.messages import PathCompared

Index = QModelIndex | QPersistentModelIndex
STRIP = 0  # the column of the frames; the measures follow
NAME_WIDTH = 138
MIN_ROW, MAX_ROW = 40, 84  # pixels
MIN_FRAMES = 4  # that a strip has room for, before the table scrolls sideways
PAD, GAP = 4, 3  # above and below a strip; between its frames
BAR = 3  # height of the bar under a frame that is not on the data
STALE = 0.35  # opacity of what is out of date
_MOVES = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}
_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


@dataclass(eq=False)
class Row:
    """``path`` is None until its answer comes; ``stale``: it is of a question before the newest."""

    kind: str
    path: PathCompared | None = None
    stale: bool = False
    images: list[Thumbnail] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """Whether there is a path."""
        return self.path is not None and len(self.path.images) > 0

    @property
    def note(self) -> str:
        """What the engine says of the path, or why there is none."""
        return self.path.note if self.path is not None else ""

    def score(self, number: int) -> OffManifoldScore:
        """How the place of frame ``number`` stands towards the data; its gap is not known."""
        if self.path is None or number >= len(self.path.off_manifold_score):
            return OffManifoldScore(math.nan, math.nan, math.nan)
        return OffManifoldScore(float(self.path.off_manifold_score[number]), self.path.threshold, math.nan)

    def frame_text(self, number: int) -> str:
        """What is known of frame ``number``."""
        parts = (f"{self.kind}, frame {number + 1} of {len(self.images)}", self.score(number).short)
        return " · ".join(filter(None, parts))


class PathTableModel(QAbstractTableModel):
    """Display, tooltip and alignment of every cell; the delegate paints strips and emphasis from ``rows``."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.rows: list[Row] = []
        self.columns: list[Column] = []
        self._target = ""

    def set_kinds(self, kinds: tuple[str, ...], target: str, stale: bool) -> None:
        """These are awaited; what was there of them stays until their answers come, faded if it is ``stale``."""
        before = {row.kind: row for row in self.rows}
        self.beginResetModel()
        self.rows = [before.get(kind) or Row(kind) for kind in kinds]
        for row in self.rows:
            row.stale = stale
        self._target = target
        self._end_reset()

    def set_path(self, path: PathCompared) -> None:
        """One of them has come; others are left out."""
        self.beginResetModel()
        images = [Thumbnail(image) for image in path.images]
        self.rows = [Row(path.kind, path, images=images) if row.kind == path.kind else row for row in self.rows]
        self._end_reset()

    def _end_reset(self) -> None:
        self.columns = make_columns([row.path for row in self.rows if row.path is not None], self._target)
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else 1 + len(self.columns)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        row, number = self.rows[index.row()], index.column() - 1
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        measured = number >= 0 and row.usable
        if role == Qt.ItemDataRole.DisplayRole:
            return self.columns[number].texts.get(row.kind, "") if measured else ""
        if role == Qt.ItemDataRole.ToolTipRole:
            if not measured or row.path is None:
                return plain_tip(row.note)
            column = self.columns[number]
            best = "Best of these. " if row.kind in column.best else ""
            names = (name for name in row.path.names if name != self._target)
            leaks = "".join(f"\n{name}: {leak(row.path, name):.2%}" for name in names)
            leaks = leaks if column.heading == ("largest", "leak") else ""
            return plain_tip(f"{row.kind}: {column.texts[row.kind]}. {best}\n{column.meaning}{leaks}")
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        across = orientation == Qt.Orientation.Horizontal
        if role == Qt.ItemDataRole.DisplayRole:
            if not across:
                return self.rows[section].kind
            return "\n".join(self.columns[section - 1].heading) if section else "frames"
        if role == Qt.ItemDataRole.TextAlignmentRole and across:
            side = Qt.AlignmentFlag.AlignRight if section else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignBottom
        if role == Qt.ItemDataRole.ToolTipRole:
            if across:
                return self.columns[section - 1].meaning if section else ""
            row = self.rows[section]
            if row.usable:
                return plain_tip(
                    f"Replace the path with this {row.kind} path, to play, edit and export it\n{row.note}".rstrip()
                )
            return plain_tip(row.note)
        return None


class PathTable(QTableView):
    """Rows of paths. Setters are silent.

    ``frame_chosen`` carries kind and number of the frame that was pressed, dragged to or reached by an arrow key,
    ``frame_released`` follows when the hand lets go; ``path_chosen`` the kind whose name was clicked; ``row_hovered``
    the kind under the mouse, "" for none.
    """

    frame_chosen = Signal(str, int)
    frame_released = Signal()
    path_chosen = Signal(str)
    row_hovered = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("path_kinds.table")
        self.setAccessibleName("Kinds of path, their frames and measures")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setShowGrid(False)
        self.setSelectionMode(QTableView.SelectionMode.NoSelection)
        self.setVerticalScrollMode(QTableView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QTableView.ScrollMode.ScrollPerPixel)
        self.setCornerButtonEnabled(False)
        self.viewport().setMouseTracking(True)
        self.current = ""  # the kind of the document's path
        self.mark: tuple[str, int] | None = None  # the frame at which the probe is
        self.hovered: tuple[int, int] = (-1, -1)  # row and frame under the mouse
        self._dragged: tuple[int, int] = (-1, -1)
        self.paths = PathTableModel(self)
        self.setModel(self.paths)
        self.setItemDelegate(_CellDelegate(self))
        self.setVerticalHeader(_NameHeader(self))
        heading = self.horizontalHeader()
        heading.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        heading.setSectionsClickable(False)
        heading.setHighlightSections(False)
        heading.setFont(small_font(self.font()))
        self.paths.modelReset.connect(self._layout)
        claim_keys(self, lambda event: bool(self.rows) and not event.modifiers() and event.key() in (*_MOVES, *_ENTER))

    def sizeHint(self) -> QSize:
        return QSize(700, 180)

    # setters

    @property
    def rows(self) -> list[Row]:
        """The rows on show."""
        return self.paths.rows

    def set_kinds(self, kinds: tuple[str, ...], target: str, stale: bool = True) -> None:
        """These are awaited; what was there of them stays until their answers come, faded if it is ``stale``."""
        self.hovered = (-1, -1)
        self.paths.set_kinds(kinds, target, stale)

    def set_path(self, path: PathCompared) -> None:
        """One of them has come; others are left out."""
        self.paths.set_path(path)

    def clear(self) -> None:
        """No rows."""
        self.mark = None
        if self.rows:
            self.set_kinds((), "")

    def set_current(self, kind: str) -> None:
        """The kind that the document's path has; "": none of these."""
        self.current = kind
        self._repaint()

    def set_mark(self, kind: str, number: int) -> None:
        """Frame outlined because the probe is there; number -1: none."""
        self.mark = (kind, number) if number >= 0 else None
        self._repaint()

    def _repaint(self) -> None:
        self.viewport().update()
        self.verticalHeader().viewport().update()

    # geometry

    def _layout(self, again: bool = True) -> None:
        """All rows alike and as high as lets all be seen, within limits; the strips take what the measures leave."""
        width = self.viewport().width()
        height = self.viewport().height() // max(1, len(self.rows))
        self.verticalHeader().setDefaultSectionSize(max(MIN_ROW, min(MAX_ROW, height)))
        measures = range(STRIP + 1, self.paths.columnCount())
        small, bold = QFontMetricsF(small_font(self.font())), QFontMetricsF(small_font(self.font(), 0.0, bold=True))
        for column in measures:
            measure = self.paths.columns[column - 1]
            widths = [small.horizontalAdvance(line) for line in measure.heading]
            widths += [bold.horizontalAdvance(text) for text in measure.texts.values()]
            self.setColumnWidth(column, round(max(widths)) + 12)
        if self.paths.columnCount():
            rest = width - sum(self.columnWidth(column) for column in measures)
            self.setColumnWidth(STRIP, max(MIN_FRAMES * (self.side + GAP), rest))
        self.clearSpans()
        for number, row in enumerate(self.rows):
            if row.path is not None and not row.usable and len(measures):
                self.setSpan(number, STRIP, 1, self.paths.columnCount())  # the reason takes the whole row
        self.updateGeometries()  # the scroll bars, at once: one that appears takes some of the width
        if again and self.viewport().width() != width:
            self._layout(again=False)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._layout()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._layout()

    @property
    def side(self) -> int:
        """Width and height of a frame."""
        return self.verticalHeader().defaultSectionSize() - 2 * PAD - BAR - 2

    def frames_of(self, row: int) -> list[int]:
        """The frames of a row that have room, evenly chosen, the first and the last among them."""
        total, room = len(self.rows[row].images), (self.columnWidth(STRIP) + GAP) // (self.side + GAP)
        count = min(total, max(1, room))
        if count < 2:
            return [0] if total else []
        return [round(k * (total - 1) / (count - 1)) for k in range(count)]

    def cell_rect(self, row: int, column: int) -> QRectF:
        """Where a cell stands in the viewport."""
        return QRectF(self.visualRect(self.paths.index(row, column)))

    def frame_rect(self, row: int, number: int) -> QRectF:
        """Where frame ``number`` of a row stands in the viewport; empty if it has no room."""
        shown, strip = self.frames_of(row), self.cell_rect(row, STRIP)
        if number not in shown:
            return QRectF()
        step: float = self.side + GAP
        if 1 < len(shown) < len(self.rows[row].images):  # those of a path that all fit stand close together
            step = (self.columnWidth(STRIP) - GAP - self.side) / (len(shown) - 1)
        return QRectF(round(strip.left() + step * shown.index(number)), strip.top() + PAD, self.side, self.side)

    def frame_at(self, at: QPointF) -> tuple[int, int]:
        """Row and frame under a place of the viewport; -1 for what there is not."""
        row = self.rowAt(round(at.y()))
        for number in self.frames_of(row) if row >= 0 else []:
            if self.frame_rect(row, number).adjusted(-GAP / 2, -PAD, GAP / 2, PAD + BAR).contains(at):
                return row, number
        return row, -1

    # hands

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._drag(self.frame_at(event.position()))
        event.accept()

    def _drag(self, frame: tuple[int, int]) -> None:
        if frame[1] >= 0 and frame != self._dragged:
            self._dragged = frame
            self.frame_chosen.emit(self.rows[frame[0]].kind, frame[1])

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        frame = self.frame_at(event.position())
        if self._dragged[1] >= 0 and event.buttons() & Qt.MouseButton.LeftButton:
            self._drag(frame)
        self.set_hovered(*frame)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        dragged, self._dragged = self._dragged, (-1, -1)
        if event.button() == Qt.MouseButton.LeftButton and dragged[1] >= 0:
            self.frame_released.emit()
        event.accept()

    def set_hovered(self, row: int, number: int = -1) -> None:
        """The mouse is over a row, or over one of its frames."""
        before, self.hovered = self.hovered, (row, number)
        if before == self.hovered:
            return
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor if number >= 0 else Qt.CursorShape.ArrowCursor)
        if before[0] != row:
            self.row_hovered.emit(self.rows[row].kind if row >= 0 else "")
        self._repaint()

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Leave:
            self.set_hovered(-1)
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            text = self.tooltip_at(event.pos())
            QToolTip.showText(event.globalPos(), plain_tip(text), self.viewport())
            return True
        return super().viewportEvent(event)

    def tooltip_at(self, at: QPoint) -> str:
        """What is said of the frame or the measure at a place of the viewport."""
        row, number = self.frame_at(QPointF(at))
        if number >= 0:
            return f"{self.rows[row].frame_text(number)}\nClick to move the probe there."
        return str(self.indexAt(at).data(Qt.ItemDataRole.ToolTipRole) or "")

    # keys

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if self.rows and key in _MOVES:
            self._move(*_MOVES[key])
        elif self.mark is not None and key in _ENTER:
            self.path_chosen.emit(self.mark[0])
        else:
            super().keyPressEvent(event)

    def _move(self, down: int, along: int) -> None:
        """From the marked frame to the next one that has room, or to the one above or below it."""
        usable = [number for number, row in enumerate(self.rows) if row.usable]
        if not usable:
            return
        marked = [number for number in usable if self.mark is not None and self.rows[number].kind == self.mark[0]]
        row, frame = usable[0], 0
        if marked and self.mark is not None:
            row = usable[min(len(usable) - 1, max(0, usable.index(marked[0]) + down))]
            shown = self.frames_of(row)
            nearest = min(range(len(shown)), key=lambda place: abs(shown[place] - self.mark[1]))  # pyright: ignore
            frame = shown[min(len(shown) - 1, max(0, nearest + along))]
        self.scrollTo(self.paths.index(row, STRIP))
        self.frame_chosen.emit(self.rows[row].kind, frame)
        self.frame_released.emit()


class _NameHeader(Themed, QHeaderView):
    """The kinds: a line in the colour that each has in the cloud, its name, and a note. A click takes the path."""

    def __init__(self, table: PathTable) -> None:
        super().__init__(Qt.Orientation.Vertical, table)
        self._table = table
        self.setFixedWidth(NAME_WIDTH)
        self.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.setMinimumSectionSize(MIN_ROW)
        self.viewport().setMouseTracking(True)

        self.setSectionsClickable(True)
        self.sectionClicked.connect(self._on_clicked)

    def _on_clicked(self, row: int) -> None:
        if self._table.rows[row].usable:
            self._table.path_chosen.emit(self._table.rows[row].kind)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        row = self.logicalIndexAt(event.position().toPoint())
        usable = row >= 0 and self._table.rows[row].usable
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor if usable else Qt.CursorShape.ArrowCursor)
        self._table.set_hovered(row)

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Leave:
            self._table.set_hovered(-1)
        return super().viewportEvent(event)

    def paintSection(self, painter: QPainter, rect: QRect, logicalIndex: int) -> None:
        table, theme = self._table, self._theme
        row, box = table.rows[logicalIndex], QRectF(rect)
        hovered, current = table.hovered[0] == logicalIndex, row.kind == table.current
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(box, _ground(theme, hovered))
        if current:
            painter.fillRect(QRectF(0, box.top() + 3, 3, box.height() - 7), QColor(theme.accent))
        below = "the path" if current else row.note if row.usable else ""
        middle = box.center().y() - (7.5 if below else 0.5)
        painter.setPen(path_pen(row.kind, theme))
        painter.drawLine(QLineF(10, middle, 26, middle))
        font = small_font(self.font(), 0.0, bold=current)
        font.setUnderline(row.usable and hovered and table.hovered[1] < 0 and self.underMouse())
        ink = QColor(theme.text if row.usable else theme.muted)
        _write(painter, font, ink, QRectF(32, middle - 10, box.width() - 35, 20), row.kind)
        if below:
            area = QRectF(32, middle + 7, box.width() - 35, 17)
            _write(painter, small_font(self.font()), QColor(theme.muted), area, below)
        _rule(painter, theme, box)
        painter.restore()


class _CellDelegate(Themed, QStyledItemDelegate):
    """Paints the strips, and the measures with the best of each column emphasised."""

    def __init__(self, table: PathTable) -> None:
        super().__init__(table)
        self._table = table

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        table, theme = self._table, self._theme
        row, box = table.rows[index.row()], QRectF(option.rect)  # pyright: ignore[reportAttributeAccessIssue]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setClipRect(box)
        painter.fillRect(box, _ground(theme, table.hovered[0] == index.row()))
        painter.setOpacity(STALE if row.stale and row.path is not None else 1.0)
        if row.path is None:
            if index.column() == STRIP:
                _write(painter, table.font(), QColor(theme.muted), box, "…")
        elif not row.usable:
            painter.setPen(QColor(theme.muted))
            painter.setFont(small_font(table.font(), -0.5))
            painter.drawText(box.adjusted(0, 2, -8, -2), int(_LEFT) | int(Qt.TextFlag.TextWordWrap), row.note)
        elif index.column() == STRIP:
            self._paint_strip(painter, index.row(), row)
        else:
            self._paint_measure(painter, box, index, row)
        painter.setOpacity(1.0)
        _rule(painter, theme, box)
        painter.restore()

    def _paint_strip(self, painter: QPainter, number: int, row: Row) -> None:
        table, theme, ratio = self._table, self._theme, self._table.devicePixelRatioF()
        for frame in table.frames_of(number):
            box = table.frame_rect(number, frame)
            row.images[frame].draw(painter, box, ratio)
            verdict = row.score(frame).verdict
            if verdict is not None:
                bar = QRectF(box.left(), box.bottom() + 2, box.width(), BAR)
                draw_verdict_bar(painter, theme, verdict, bar.toRect())
            marked, hovered = table.mark == (row.kind, frame), table.hovered == (number, frame)
            if marked or hovered:
                outline = QPen(QColor(theme.accent), 2) if marked else QPen(QColor(theme.muted), 1)
                outline.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
                border(painter, box.adjusted(-0.5, -0.5, 0.5, 0.5), outline)

    def _paint_measure(self, painter: QPainter, box: QRectF, index: Index, row: Row) -> None:
        table, theme, text = self._table, self._theme, str(index.data())
        best = row.kind in table.paths.columns[index.column() - 1].best
        font = small_font(table.font(), 0.0, bold=best)
        if best:
            metrics = QFontMetricsF(font)
            width, height = metrics.horizontalAdvance(text) + 10, metrics.height() + 4
            plate(
                painter,
                QRectF(box.right() - width - 1, box.center().y() - height / 2, width, height),
                4,
                blend(theme.accent, theme.surface, 0.22),
                QPen(QColor(theme.accent), 1),
            )
        ink = QColor(theme.muted if text == UNKNOWN else theme.text)
        _write(painter, font, ink, box.adjusted(0, 0, -6, 0), text, _RIGHT)


def _ground(theme: Theme, hovered: bool) -> QColor:
    return blend(theme.text, theme.surface, 0.05) if hovered else QColor(theme.surface)


def _rule(painter: QPainter, theme: Theme, box: QRectF) -> None:
    painter.setPen(QPen(QColor(theme.border), 1))
    painter.drawLine(QLineF(box.left(), box.bottom() - 0.5, box.right(), box.bottom() - 0.5))


def _write(
    painter: QPainter, font: QFont, ink: QColor, box: QRectF, text: str, flags: Qt.AlignmentFlag = _LEFT
) -> None:
    painter.setFont(font)
    painter.setPen(ink)
    painter.drawText(box, flags, fitting((text,), QFontMetricsF(font), box.width()))
