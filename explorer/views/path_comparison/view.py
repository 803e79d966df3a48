"""The panel that compares kinds of path: what is compared, by what target, and the table of what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap, QShowEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QMenu,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
    QWidgetAction,
)

from core.paths.recipe import JOINING, PATH_KINDS, RECIPE_KINDS
from explorer.views.path_comparison.data import ComparedPath
from explorer.views.path_comparison.table import PathTable
from explorer.widgets.controls import label, named, set_role
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.icons import icon
from explorer.widgets.painting import pen
from explorer.widgets.path_colors import path_colour
from explorer.widgets.theme import DARK, Theme

SWATCH = QSize(20, 12)


class PathKindsView(QWidget):
    """Compares kinds of path between the same ends. Setters are silent.

    ``kinds_chosen`` carries the checked kinds in order, ``target_chosen`` a factor's name; ``frame_chosen``,
    ``frame_released``, ``path_chosen`` and ``row_hovered`` are the table's; ``shown`` follows when it becomes visible.
    """

    kinds_chosen = Signal(tuple)
    target_chosen = Signal(str)
    frame_chosen = Signal(str, int)
    frame_released = Signal()
    path_chosen = Signal(str)
    row_hovered = Signal(str)
    shown = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("path_kinds")
        self.setAutoFillBackground(True)  # else the window shows through
        self.table = PathTable()
        for mine, its in (
            (self.frame_chosen, self.table.frame_chosen),
            (self.frame_released, self.table.frame_released),
            (self.path_chosen, self.table.path_chosen),
            (self.row_hovered, self.table.row_hovered),
        ):
            its.connect(mine)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(self._make_head())
        self._empty = label("", "muted", "path_kinds.empty")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._empty.setContentsMargins(24, 4, 24, 8)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.table)
        self._pages.addWidget(self._empty)
        layout.addWidget(self._pages, 1)
        self.set_theme(DARK)
        self.set_kinds(())
        self.set_targets((), "")
        self.set_empty("")

    def _make_head(self) -> QHBoxLayout:
        head = QHBoxLayout()
        head.setContentsMargins(8, 0, 8, 0)
        head.setSpacing(6)
        self._choose = named(QToolButton(), "path_kinds.choose", "Kinds")
        self._choose.setToolTip("Which kinds of path are compared")
        self._choose.setAccessibleName("Kinds of path that are compared")
        self._choose.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._choose.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._choose.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._choose.setMenu(self._make_menu())
        self._target = named(QComboBox(), "path_kinds.target")
        self._target.setAccessibleName("Factor that changes")
        self._target.setMinimumWidth(72)
        self._target.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self._target.textActivated.connect(self.target_chosen)
        caption = label("changing", "muted")
        caption.setBuddy(self._target)
        self._message = named(ElidedLabel(), "path_kinds.message")
        self._message.setProperty("role", "muted")
        head.addWidget(self._choose)
        head.addWidget(caption)
        head.addWidget(self._target)
        head.addWidget(self._message, 1)
        return head

    def _make_menu(self) -> QMenu:
        """Check boxes that leave the menu open, so that several can be changed at once."""
        menu = named(QMenu(self), "path_kinds.menu")
        body = named(QWidget(), "path_kinds.boxes")
        column = QVBoxLayout(body)
        column.setContentsMargins(10, 6, 14, 8)
        column.setSpacing(5)
        self._boxes: dict[str, QCheckBox] = {}
        for heading, kinds in (
            ("Between both ends", JOINING),
            ("From the start, changing the factor", [kind for kind in RECIPE_KINDS if kind not in JOINING]),
        ):
            if self._boxes:
                column.addSpacing(6)
            column.addWidget(label(heading, "muted"))
            for kind in kinds:
                box = named(QCheckBox(kind.capitalize()), f"path_kinds.kind.{kind}")
                box.setIconSize(SWATCH)
                box.toggled.connect(self._on_toggled)
                column.addWidget(box)
                self._boxes[kind] = box
        action = QWidgetAction(menu)
        action.setDefaultWidget(body)
        menu.addAction(action)
        return menu

    def _on_toggled(self) -> None:
        self._show_count()
        self.kinds_chosen.emit(self.kinds)

    def _show_count(self) -> None:
        compared = [box for box in self._boxes.values() if box.isChecked() and box.isEnabled()]
        self._choose.setText(f"{len(compared)} of {len(self._boxes)} kinds")

    # setters

    def set_kinds(self, kinds: Sequence[str]) -> None:
        """Which boxes are checked."""
        for kind, box in self._boxes.items():
            with QSignalBlocker(box):
                box.setChecked(kind in kinds)
        self._show_count()

    def set_reasons(self, reasons: Mapping[str, str]) -> None:
        """Why some kinds cannot be compared now; the others can."""
        for kind, box in self._boxes.items():
            reason = reasons.get(kind, "")
            box.setEnabled(not reason)
            box.setToolTip(reason or PATH_KINDS[kind].description)
        self._show_count()

    def set_targets(self, names: Sequence[str], chosen: str) -> None:
        """The factors that can change; none: the box says so."""
        with QSignalBlocker(self._target):
            self._target.clear()
            self._target.addItems(list(names) or ["no factor"])
            self._target.setCurrentText(chosen)
        self._target.setEnabled(bool(names))
        self._target.setToolTip(
            "The factor that paths change: its achieved change, and the leak into all others, are measured"
            if names
            else "No factor is known. Measure the images, or load attributes from a file, in the Samples panel."
        )

    def set_rows(self, kinds: tuple[str, ...], target: str, stale: bool = True) -> None:
        """These are awaited, with measures for ``target``; what was there of them stays, faded if it is ``stale``."""
        self.table.set_kinds(kinds, target, stale)

    def set_path(self, path: ComparedPath) -> None:
        """One of them has come."""
        self.table.set_path(path)

    def clear(self) -> None:
        """No rows."""
        self.table.clear()

    def set_message(self, text: str, role: str = "muted") -> None:
        """What is going on, or (in the role "error") what is wrong."""
        self._message.setText(text)
        set_role(self._message, role)

    def set_empty(self, text: str) -> None:
        """Say in place of the table why there is none and what to do; "": there is one."""
        self._empty.setText(text)
        self._pages.setCurrentIndex(1 if text else 0)

    def set_current(self, kind: str) -> None:
        """The kind that the document's path has; "": none."""
        self.table.set_current(kind)

    def set_mark(self, kind: str, number: int) -> None:
        """The frame at which the probe is; number -1: none."""
        self.table.set_mark(kind, number)

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of ``theme``."""
        self.table.set_theme(theme)
        self._choose.setIcon(icon("kinds", theme))
        for kind, box in self._boxes.items():
            box.setIcon(_swatch(kind, theme, self.devicePixelRatioF()))

    # what is on show

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that are checked, in order; those that cannot be compared now are among them."""
        return tuple(kind for kind, box in self._boxes.items() if box.isChecked())

    @property
    def message(self) -> str:
        """The line beside the controls."""
        return self._message.text()

    @property
    def empty(self) -> str:
        """What stands in place of the table; "": the table."""
        return self._empty.text() if self._pages.currentIndex() == 1 else ""

    def showEvent(self, event: QShowEvent) -> None:
        """Somebody looks: what was not asked for while nobody did can be asked now."""
        super().showEvent(event)
        self.shown.emit()


def _swatch(kind: str, theme: Theme, ratio: float) -> QIcon:
    """The line that the kind has in the cloud."""
    picture = QPixmap(SWATCH * ratio)
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    stroke = pen(QColor(path_colour(kind, theme)), 2.5)
    if PATH_KINDS[kind].straight:
        stroke.setDashPattern([1.6, 1.6])
    painter.setPen(stroke)
    painter.drawLine(2, SWATCH.height() // 2, SWATCH.width() - 2, SWATCH.height() // 2)
    painter.end()
    return QIcon(picture)
