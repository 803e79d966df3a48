"""Choosing attributes by name: which measures to take of the images, or which columns of a file to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QGridLayout,
    QWidget,
)

from explorer.widgets.controls import label, named, push_button
from explorer.widgets.dialogs import ok_and_cancel
from explorer.widgets.layouts import column, row, scrolled


@dataclass(frozen=True)
class AttributeChoice:
    """A row: its ``name``, what it is, whether it is chosen to begin with, and whether it can be."""

    name: str
    text: str = ""
    chosen: bool = False
    possible: bool = True


class ChoiceDialog(QDialog):
    """Asks which of several things are wanted; ``chosen`` tells their names, one or more, in the order of the rows."""

    chosen = Signal(object)  # tuple[str, ...]

    def __init__(
        self, title: str, intro: str, verb: str, choices: Sequence[AttributeChoice], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("dialog.choice")
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._boxes = {choice.name: self._box(choice) for choice in choices}
        buttons, self._accept = ok_and_cancel(self, verb, self._on_accepted)
        every = [
            push_button(f"dialog.choice.{text.lower()}", text, "", partial(self._check, checked))
            for text, checked in (("All", True), ("None", False))
        ]
        for button in every:
            button.setAutoDefault(False)
        last = row(*every, 1, buttons, spacing=6)
        parts = (label(intro, "muted", wrap=True), (self._rows(choices), 1), last)
        column(*parts, spacing=12, margins=(16, 16, 16, 16), parent=self)
        self._show()

    def _box(self, choice: AttributeChoice) -> QCheckBox:
        box = named(QCheckBox(choice.name.replace("&", "&&")), f"dialog.choice.{choice.name}")
        box.setChecked(choice.chosen and choice.possible)
        box.setEnabled(choice.possible)
        box.setToolTip(choice.text)
        box.setAccessibleDescription(choice.text)
        box.toggled.connect(lambda _: self._show())
        return box

    def _rows(self, choices: Sequence[AttributeChoice]) -> QWidget:
        rows = QWidget()
        grid = QGridLayout(rows)
        grid.setContentsMargins(0, 0, 8, 0)
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        for place, choice in enumerate(choices):
            text = label(choice.text, "muted")
            text.setEnabled(choice.possible)
            grid.addWidget(self._boxes[choice.name], place, 0)
            grid.addWidget(text, place, 1)
        grid.setRowStretch(len(choices), 1)
        area = scrolled(rows, "dialog.choice.rows")
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        return area

    def _check(self, checked: bool) -> None:
        for box in self._boxes.values():
            box.setChecked(checked and box.isEnabled())

    @property
    def names(self) -> tuple[str, ...]:
        """What is checked."""
        return tuple(name for name, box in self._boxes.items() if box.isChecked())

    def _show(self) -> None:
        self._accept.setEnabled(bool(self.names))

    def _on_accepted(self) -> None:
        names = self.names
        if names:
            self.accept()
            self.chosen.emit(names)
