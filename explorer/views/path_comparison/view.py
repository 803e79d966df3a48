"""The panel that compares kinds of path: what is compared, by what target, and the table of what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QMenu,
    QStackedWidget,
    QToolButton,
    QWidget,
    QWidgetAction,
)

from core.paths.recipe import JOINING, PATH_KINDS, RECIPE_KINDS
from explorer.views.path_comparison.table import PathTable
from explorer.widgets.controls import label, named, set_choices, set_role, set_silently, tool_button
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.layouts import Panel, column, row
from explorer.widgets.painting import path_pen
from explorer.widgets.theme import Theme, Themed

SWATCH = QSize(20, 12)


class PathKindsView(Themed, Panel):
    """Compares kinds of path between the same ends; ``table`` holds the paths. Setters are silent.

    ``kinds_chosen`` carries the checked kinds in order, ``target_chosen`` a factor's name; ``shown`` follows when it
    becomes visible.
    """

    kinds_chosen = Signal(tuple)
    target_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__("path_kinds")
        self.table = PathTable()
        self._empty = label("", "muted", "path_kinds.empty", wrap=True, align=Qt.AlignmentFlag.AlignCenter)
        self._empty.setContentsMargins(24, 4, 24, 8)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.table)
        self._pages.addWidget(self._empty)
        column(self._make_head(), (self._pages, 1), spacing=2, margins=(0, 4, 0, 0), parent=self)
        self._show_swatches()
        self.set_kinds(())
        self.set_targets((), "")
        self.set_empty("")

    def _make_head(self) -> QHBoxLayout:
        tip = "Which kinds of path are compared"
        self._choose = tool_button(
            "path_kinds.choose", "Kinds", tip, "Kinds of path that are compared", drawing="kinds"
        )
        self._choose.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._choose.setMenu(self._make_menu())
        self._target = named(QComboBox(), "path_kinds.target", accessible="Factor that changes")
        self._target.setMinimumWidth(72)
        self._target.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self._target.textActivated.connect(self.target_chosen)
        caption = label("changing", "muted", buddy=self._target)
        self.message = named(ElidedLabel("muted"), "path_kinds.message")
        return row(self._choose, caption, self._target, (self.message, 1), spacing=6, margins=(8, 0, 8, 0))

    def _make_menu(self) -> QMenu:
        """Check boxes that leave the menu open, so that several can be changed at once."""
        menu = named(QMenu(self), "path_kinds.menu")
        body = named(QWidget(), "path_kinds.boxes")
        boxes = column(spacing=5, margins=(10, 6, 14, 8), parent=body)
        self._boxes: dict[str, QCheckBox] = {}
        for heading, kinds in (
            ("Between both ends", JOINING),
            ("From the start, changing the factor", [kind for kind in RECIPE_KINDS if kind not in JOINING]),
        ):
            if self._boxes:
                boxes.addSpacing(6)
            boxes.addWidget(label(heading, "muted"))
            for kind in kinds:
                box = named(QCheckBox(kind.capitalize()), f"path_kinds.kind.{kind}")
                box.setIconSize(SWATCH)
                box.toggled.connect(self._on_toggled)
                boxes.addWidget(box)
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
            set_silently(box.setChecked, kind in kinds)
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
        set_choices(self._target, names or ["no factor"], chosen)
        self._target.setEnabled(bool(names))
        self._target.setToolTip(
            "The factor that paths change: its achieved change, and the leak into all others, are measured"
            if names
            else "No factor is known. Measure the images, or load attributes from a file, in the Samples panel."
        )

    def set_message(self, text: str, role: str = "muted") -> None:
        """What is going on, or (in the role "error") what is wrong."""
        self.message.setText(text)
        set_role(self.message, role)

    def set_empty(self, text: str) -> None:
        """Say in place of the table why there is none and what to do; "": there is one."""
        self._empty.setText(text)
        self._pages.setCurrentIndex(1 if text else 0)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self._show_swatches()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._show_swatches()
        return super().event(event)

    def _show_swatches(self) -> None:
        for kind, box in self._boxes.items():
            box.setIcon(_swatch(kind, self._theme, self.devicePixelRatioF()))

    # what is on show

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that are checked, in order; those that cannot be compared now are among them."""
        return tuple(kind for kind, box in self._boxes.items() if box.isChecked())

    @property
    def empty(self) -> str:
        """What stands in place of the table; "": the table."""
        return self._empty.text() if self._pages.currentIndex() == 1 else ""


def _swatch(kind: str, theme: Theme, ratio: float) -> QIcon:
    """The line that the kind has in the cloud."""
    picture = QPixmap(SWATCH * ratio)
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    with QPainter(picture) as painter:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(path_pen(kind, theme))
        painter.drawLine(2, SWATCH.height() // 2, SWATCH.width() - 2, SWATCH.height() // 2)
    return QIcon(picture)
