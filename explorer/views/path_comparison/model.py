"""The model of the comparison's table: a row for each kind of path, its strip of frames, then a column a measure."""

from __future__ import annotations

from dataclasses import dataclass, field

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, QRectF, Qt
from PySide6.QtGui import QImage, QPixmap

from core.geometry.off_manifold import OffManifoldScore
from explorer.views.path_comparison.data import NAN, ComparedPath
from explorer.views.path_comparison.measures import Column, make_columns
from explorer.widgets import image_conversion

Index = QModelIndex | QPersistentModelIndex
STRIP = 0  # the column of the frames; the measures follow


@dataclass(eq=False)
class Row:
    """``path`` is None until its answer comes; ``stale``: it is of a question before the newest."""

    kind: str
    path: ComparedPath | None = None
    stale: bool = False
    images: list[QImage] = field(default_factory=list)
    _scaled: dict[int, QPixmap] = field(default_factory=dict)
    _scaled_for: tuple[float, float] = (0.0, 0.0)

    @property
    def usable(self) -> bool:
        """Whether there is a path."""
        return self.path is not None and not self.path.missing

    @property
    def note(self) -> str:
        """What the engine says of the path, or why there is none."""
        return self.path.note if self.path is not None else ""

    def fill(self, path: ComparedPath) -> None:
        """Its answer has come."""
        self.path, self.stale = path, False
        self.images = [image_conversion.to_image(image) for image in path.images]
        self._scaled.clear()

    def picture(self, number: int, side: float, ratio: float) -> QPixmap:
        """Frame ``number`` scaled into a square of ``side``, kept for the next time."""
        if self._scaled_for != (side, ratio):
            self._scaled.clear()
            self._scaled_for = (side, ratio)
        if number not in self._scaled:
            image = self.images[number]
            target = image_conversion.place(image.size(), QRectF(0, 0, side, side), ratio)
            self._scaled[number] = image_conversion.scaled(image, target, ratio)
        return self._scaled[number]

    def score(self, number: int) -> OffManifoldScore:
        """How the place of frame ``number`` stands towards the data; its gap is not known."""
        if self.path is None or number >= len(self.path.off_manifold_score):
            return OffManifoldScore(NAN, NAN, NAN)
        return OffManifoldScore(float(self.path.off_manifold_score[number]), self.path.threshold, NAN)

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
        self._measure()
        self.endResetModel()

    def set_path(self, path: ComparedPath) -> None:
        """One of them has come; others are left out."""
        self.beginResetModel()
        for row in self.rows:
            if row.kind == path.kind:
                row.fill(path)
        self._measure()
        self.endResetModel()

    def _measure(self) -> None:
        self.columns = make_columns([row.path for row in self.rows if row.path is not None], self._target)

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
            return self._cell_tooltip(row, self.columns[number]) if measured else row.note
        return None

    def _cell_tooltip(self, row: Row, column: Column) -> str:
        best = "Best of these. " if row.kind in column.best else ""
        leaks = ""
        if column.heading == ("largest", "leak") and row.path is not None:
            names = (name for name in row.path.names if name != self._target)
            leaks = "\n" + "\n".join(f"{name}: {row.path.leak(name):.2%}" for name in names)
        return f"{row.kind}: {column.texts[row.kind]}. {best}\n{column.meaning}{leaks}"

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
                return f"Replace the path with this {row.kind} path, to play, edit and export it\n{row.note}".rstrip()
            return row.note
        return None
