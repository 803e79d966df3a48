"""The panel: the form at the left, the experiments at the right, newest first."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from explorer.views.experiments.form import ExperimentForm
from explorer.views.experiments.row import ExperimentItem, ExperimentRow
from explorer.widgets.controls import label, named
from explorer.widgets.theme import DARK, Theme

FORM_WIDTH = 292


class ExperimentsView(QWidget):
    """Starts experiments and shows what becomes of them. It runs nothing and reads no file.

    ``action_requested`` carries cancel, resume, watch, report or folder, and the key of the ``ExperimentItem``;
    ``shown`` is emitted when the panel comes on screen.
    """

    start_requested = Signal(str, int, bool)
    action_requested = Signal(str, str)
    shown = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("experiments")
        self.setAutoFillBackground(True)  # else the window shows through
        self._theme, self._blocked = DARK, ""
        self._rows: dict[str, ExperimentRow] = {}
        self._form = ExperimentForm()
        self._form.setFixedWidth(FORM_WIDTH)
        self._form.start_requested.connect(self.start_requested)
        left = named(QScrollArea(), "experiments.form.scroll")
        left.setFrameShape(QFrame.Shape.NoFrame)
        left.setWidgetResizable(True)
        left.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        left.setWidget(self._form)
        left.setFixedWidth(FORM_WIDTH)
        line = named(QFrame(), "experiments.divider")
        line.setFixedWidth(1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(left)
        layout.addWidget(line)
        layout.addWidget(self._make_list(), 1)
        self.set_folder("")
        self.set_theme(DARK)
        self.set_items([])

    def _make_list(self) -> QStackedWidget:
        self._body = named(QWidget(), "experiments.list")
        self._column = QVBoxLayout(self._body)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addStretch(1)
        scroll = named(QScrollArea(), "experiments.scroll")
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self._body)
        self._empty = label("", "muted", "experiments.empty")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._empty.setContentsMargins(24, 0, 24, 0)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._empty)
        self._stack.addWidget(scroll)
        return self._stack

    # setters

    def set_items(self, items: Sequence[ExperimentItem]) -> None:
        """The experiments, in the order in which they are listed; rows that stay keep focus and open log."""
        wanted = {item.key: item for item in items}
        for key in [key for key in self._rows if key not in wanted]:
            row = self._rows.pop(key)
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
        for place, item in enumerate(wanted.values()):
            row = self._rows.get(item.key)
            if row is None:
                row = self._rows[item.key] = self._make_row(item)
                self._column.insertWidget(place, row)
            elif self._column.indexOf(row) != place:
                self._column.removeWidget(row)
                self._column.insertWidget(place, row)
            if row.item != item:
                row.set_item(item)
        self._stack.setCurrentIndex(1 if wanted else 0)

    def _make_row(self, item: ExperimentItem) -> ExperimentRow:
        row = ExperimentRow(item)
        row.set_theme(self._theme)
        row.set_blocked(self._blocked)
        row.action_requested.connect(self.action_requested)
        return row

    def set_folder(self, folder: str) -> None:
        """Where experiments are written and looked for."""
        where = f"\n{folder}" if folder else ""
        self._empty.setText(f"No experiments yet. Choose one on the left and press Start.{where}")

    def set_blocked(self, reason: str) -> None:
        """Why nothing can be started or resumed now; empty: it can."""
        self._blocked = reason
        self._form.set_blocked(reason)
        for row in self._rows.values():
            row.set_blocked(reason)

    def set_choice(self, name: str, seeds: int, quick: bool) -> None:
        """Fill the form; emits nothing."""
        self._form.set_choice(name, seeds, quick)

    def row(self, key: str) -> ExperimentRow:
        """The row of an experiment; ``KeyError`` if it is not listed."""
        return self._rows[key]

    @property
    def listed(self) -> list[str]:
        """The keys of the experiments on show, from the top."""
        return sorted(self._rows, key=lambda key: self._column.indexOf(self._rows[key]))

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of ``theme``."""
        self._theme = theme
        self.setStyleSheet(
            f'QFrame[objectName="experiments.divider"] {{ background: {theme.border}; }}'
            f'QFrame[objectName="experiments.row"] {{ border: none; border-bottom: 1px solid {theme.border}; }}'
        )
        for row in self._rows.values():
            row.set_theme(theme)

    # Qt events

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.shown.emit()
