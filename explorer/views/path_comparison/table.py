"""The table of the comparison: a row for each kind of path, with its name, its film strip and its measures.

The heading stays on top and the names stay at the left while the rest is scrolled. A strip shows as many frames as the
width has room for; each is a place on its path, and pressing it goes there.
"""

from __future__ import annotations

from typing import NamedTuple

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetricsF, QKeyEvent, QMouseEvent, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QWidget

from explorer.views.path_comparison.data import ComparedPath
from explorer.views.path_comparison.measures import Column, make_columns
from explorer.views.path_comparison.painting import BAR, Look, paint_table
from explorer.views.path_comparison.rows import GAP, Row, frames_shown
from explorer.widgets.painting import small_font
from explorer.widgets.theme import DARK, Theme

NAME_WIDTH = 138
LEAST_ROW, MOST_ROW = 40, 84  # pixels
PAD = 4  # above and below a strip
LEAST_FRAMES = 4  # that a strip has room for, before the table scrolls sideways
CELL_PAD = 6
_MOVES = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}
_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class Spot(NamedTuple):
    """What is under the mouse: ``part`` is "name", "frame", "strip", "cell", "heading" or ""; -1 where it has none."""

    part: str = ""
    row: int = -1
    number: int = -1
    column: int = -1


class PathTable(QAbstractScrollArea):
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
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.viewport().setMouseTracking(True)
        self.rows: list[Row] = []
        self.columns: list[Column] = []
        self.theme: Theme = DARK
        self._target = ""
        self._current = ""
        self._mark: tuple[str, int] | None = None
        self._hover = Spot()
        self._held = Spot()

    def sizeHint(self) -> QSize:
        return QSize(700, 180)

    # setters

    def set_kinds(self, kinds: tuple[str, ...], target: str, stale: bool = True) -> None:
        """These are awaited; what was there of them stays until their answers come, faded if it is ``stale``."""
        before = {row.kind: row for row in self.rows}
        self.rows = [before.get(kind) or Row(kind) for kind in kinds]
        for row in self.rows:
            row.stale = stale
        self._target = target
        self._hover = Spot()
        self._measure()

    def set_path(self, path: ComparedPath) -> None:
        """One of them has come; others are left out."""
        for row in self.rows:
            if row.kind == path.kind:
                row.fill(path)
        self._measure()

    def clear(self) -> None:
        """No rows."""
        self.rows = []
        self._mark = None
        self._measure()

    def set_current(self, kind: str) -> None:
        """The kind that the document's path has; "": none of these."""
        self._current = kind
        self.viewport().update()

    def set_mark(self, kind: str, number: int) -> None:
        """Frame outlined because the probe is there; number -1: none."""
        self._mark = (kind, number) if number >= 0 else None
        self.viewport().update()

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of ``theme``."""
        self.theme = theme
        self.viewport().update()

    def _measure(self) -> None:
        self.columns = make_columns([row.path for row in self.rows if row.path is not None], self._target)
        self._layout()

    # geometry, in pixels of the viewport

    @property
    def heading_height(self) -> int:
        """Height of the heading: two lines."""
        return round(2 * QFontMetricsF(small_font(self.font())).height()) + 7

    @property
    def row_height(self) -> int:
        """All rows are alike: as high as lets all be seen, within limits."""
        room = self.viewport().height() - self.heading_height
        return max(LEAST_ROW, min(MOST_ROW, room // max(1, len(self.rows))))

    @property
    def side(self) -> int:
        """Width and height of a frame."""
        return self.row_height - 2 * PAD - BAR - 2

    @property
    def column_widths(self) -> list[int]:
        """Width of each measure."""
        heading, text = QFontMetricsF(small_font(self.font())), QFontMetricsF(small_font(self.font(), 0.0, bold=True))
        return [
            round(
                max(
                    *(heading.horizontalAdvance(line) for line in column.heading),
                    *(text.horizontalAdvance(each) for each in column.texts.values()),
                )
                + 2 * CELL_PAD
            )
            for column in self.columns
        ]

    @property
    def strip_width(self) -> int:
        """Width of the strips: what names and measures leave, but never less than some frames."""
        rest = self.viewport().width() - NAME_WIDTH - sum(self.column_widths) - CELL_PAD
        return max(LEAST_FRAMES * (self.side + GAP) - GAP, rest)

    def top_of(self, row: int) -> int:
        """Upper edge of a row."""
        return self.heading_height + row * self.row_height - self.verticalScrollBar().value()

    @property
    def strip_left(self) -> int:
        """Left edge of the strips."""
        return NAME_WIDTH - self.horizontalScrollBar().value()

    def frame_rect(self, row: int, number: int) -> QRectF:
        """Where frame ``number`` of a row stands; empty if it has no room."""
        shown = self.frames_of(row)
        if number not in shown:
            return QRectF()
        left = self.strip_left + self._step(len(shown), len(self.rows[row].pictures)) * shown.index(number)
        return QRectF(round(left), self.top_of(row) + PAD, self.side, self.side)

    def _step(self, shown: int, total: int) -> float:
        """From one frame to the next; those of a path that all fit stand close together."""
        close = self.side + GAP
        if shown < 2 or shown == total:
            return close
        return (self.strip_width - self.side) / (shown - 1)

    def frames_of(self, row: int) -> list[int]:
        """The frames of a row that have room."""
        return frames_shown(len(self.rows[row].pictures), self.strip_width, self.side)

    def name_rect(self, row: int) -> QRectF:
        """Where the name of a row stands."""
        return QRectF(0, self.top_of(row), NAME_WIDTH, self.row_height)

    def cell_rect(self, row: int, column: int) -> QRectF:
        """Where a measure of a row stands."""
        left = self.strip_left + self.strip_width + CELL_PAD + sum(self.column_widths[:column])
        return QRectF(left, self.top_of(row), self.column_widths[column], self.row_height)

    def _layout(self) -> None:
        view, across, down = self.viewport(), self.horizontalScrollBar(), self.verticalScrollBar()
        whole = NAME_WIDTH + self.strip_width + CELL_PAD + sum(self.column_widths)
        across.setPageStep(view.width())
        across.setSingleStep(40)
        across.setRange(0, max(0, whole - view.width()))
        room = view.height() - self.heading_height
        down.setPageStep(max(1, room))
        down.setSingleStep(self.row_height)
        down.setRange(0, max(0, len(self.rows) * self.row_height - room))
        view.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._layout()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._layout()

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        self.viewport().update()

    def spot_at(self, x: float, y: float) -> Spot:
        """What stands at a place of the viewport."""
        if y < self.heading_height:
            return Spot("heading", column=self._column_at(x))
        row = int((y - self.heading_height + self.verticalScrollBar().value()) // self.row_height)
        if not 0 <= row < len(self.rows):
            return Spot()
        if x < NAME_WIDTH:
            return Spot("name", row)
        for number in self.frames_of(row):
            if self.frame_rect(row, number).adjusted(-GAP / 2, -PAD, GAP / 2, PAD + BAR).contains(x, y):
                return Spot("frame", row, number)
        column = self._column_at(x)
        return Spot("cell", row, column=column) if column >= 0 else Spot("strip", row)

    def _column_at(self, x: float) -> int:
        if x < NAME_WIDTH:
            return -1
        rects = (self.cell_rect(0, column) for column in range(len(self.columns)))
        return next((place for place, rect in enumerate(rects) if rect.left() <= x < rect.right()), -1)

    # painting

    def paintEvent(self, event: QPaintEvent) -> None:
        look = Look(self._current, self._mark, self._hover.row, self._hover.part, self._hover.number)
        paint_table(self, look)

    # hands

    def mousePressEvent(self, event: QMouseEvent) -> None:
        event.accept()
        if event.button() != Qt.MouseButton.LeftButton:
            return
        self._held = self.spot_at(event.position().x(), event.position().y())
        if self._held.part == "frame":
            self.frame_chosen.emit(self.rows[self._held.row].kind, self._held.number)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        spot = self.spot_at(event.position().x(), event.position().y())
        dragged = self._held.part == "frame" and bool(event.buttons() & Qt.MouseButton.LeftButton)
        if dragged and spot.part == "frame" and spot != self._held:
            self._held = spot
            self.frame_chosen.emit(self.rows[spot.row].kind, spot.number)
        self._set_hover(spot)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.accept()
        if event.button() != Qt.MouseButton.LeftButton:
            return
        held, self._held = self._held, Spot()
        if held.part == "frame":
            self.frame_released.emit()
        elif held.part == "name" and self.spot_at(event.position().x(), event.position().y()) == held:
            self._choose_path(held.row)

    def _choose_path(self, row: int) -> None:
        if self._usable(row):
            self.path_chosen.emit(self.rows[row].kind)

    def _usable(self, row: int) -> bool:
        path = self.rows[row].path if 0 <= row < len(self.rows) else None
        return path is not None and not path.missing

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Leave:
            self._set_hover(Spot())
        return super().viewportEvent(event)

    def _set_hover(self, spot: Spot) -> None:
        if spot == self._hover:
            return
        before, self._hover = self._hover, spot
        self.viewport().setToolTip(self._tip(spot))
        hand = spot.part == "frame" or (spot.part == "name" and self._usable(spot.row))
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor if hand else Qt.CursorShape.ArrowCursor)
        if spot.row != before.row:
            self.row_hovered.emit(self.rows[spot.row].kind if spot.row >= 0 else "")
        self.viewport().update()

    def _tip(self, spot: Spot) -> str:
        if spot.part == "heading":
            return self.columns[spot.column].meaning if spot.column >= 0 else ""
        if spot.row < 0:
            return ""
        row = self.rows[spot.row]
        note = row.path.note if row.path is not None else ""
        if spot.part == "frame":
            return f"{row.frame_text(spot.number)}\nPress: the probe goes there."
        if spot.part == "name" and self._usable(spot.row):
            return f"Make this {row.kind} path the path, to play, edit and export it" + (f"\n{note}" if note else "")
        if spot.part == "cell" and row.path is not None and not row.path.missing:
            return self._cell_tip(row.path, self.columns[spot.column])
        return note

    def _cell_tip(self, path: ComparedPath, column: Column) -> str:
        best = "Best of these. " if path.kind in column.best else ""
        leaks = ""
        if column.heading == ("largest", "leak"):
            known = (name for name in path.names if name != self._target)
            leaks = "\n" + "\n".join(f"{name}: {path.leak(name):.2%}" for name in known)
        return f"{path.kind}: {column.texts[path.kind]}. {best}\n{column.meaning}{leaks}"

    # keys

    def event(self, event: QEvent) -> bool:
        """Claim the arrow keys before the window's shortcuts do."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            ours = not event.modifiers() and event.key() in (*_MOVES, *_ENTER)
            if self.rows and ours:
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if self.rows and key in _MOVES:
            self._move(*_MOVES[key])
        elif self._mark is not None and key in _ENTER:
            self._choose_path(self._row_of(self._mark[0]))
        else:
            super().keyPressEvent(event)

    def _row_of(self, kind: str) -> int:
        return next((place for place, row in enumerate(self.rows) if row.kind == kind), -1)

    def _move(self, down: int, along: int) -> None:
        """From the marked frame to the next one that has room, or to the one above or below it."""
        filled = [place for place in range(len(self.rows)) if self._usable(place)]
        if not filled:
            return
        row = self._row_of(self._mark[0]) if self._mark is not None else -1
        if row not in filled or self._mark is None:
            row, number = filled[0], 0
        else:
            number = self._mark[1]
            row = filled[min(len(filled) - 1, max(0, filled.index(row) + down))]
            shown = self.frames_of(row)
            nearest = min(range(len(shown)), key=lambda place: abs(shown[place] - number))
            number = shown[min(len(shown) - 1, max(0, nearest + along))]
        self._reveal(row)
        self.frame_chosen.emit(self.rows[row].kind, number)
        self.frame_released.emit()

    def _reveal(self, row: int) -> None:
        bar, room = self.verticalScrollBar(), self.viewport().height() - self.heading_height
        top = row * self.row_height
        bar.setValue(min(top, max(bar.value(), top + self.row_height - room)))
