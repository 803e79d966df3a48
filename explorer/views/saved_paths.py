"""Asking for a path's name: a small window that says while one types whether the name will do."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QLineEdit, QWidget

from explorer.widgets.controls import label, named, set_role
from explorer.widgets.dialogs import ok_and_cancel
from explorer.widgets.layouts import column

WIDTH = 380

NameValidator = Callable[[str], tuple[bool, str]]
"""Whether a name can be taken, and what to say about it ("": nothing)."""


class NameDialog(QDialog):
    """Asks for a name; ``chosen`` carries it. ``validate`` is asked at every keystroke."""

    chosen = Signal(str)

    def __init__(
        self, title: str, verb: str, name: str, validate: NameValidator, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("dialog.name")
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(WIDTH)
        self._validate = validate
        self._field = named(QLineEdit(name), "dialog.name.field", accessible="Name of the path")
        self._field.setMaxLength(120)
        self._field.selectAll()
        caption = label("Name", buddy=self._field)
        top_left = Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft
        self._message = label("", "", "dialog.name.message", wrap=True, align=top_left)
        two_lines = 2 * self._message.fontMetrics().lineSpacing()
        self._message.setMinimumHeight(two_lines)  # else the window jumps as one types
        buttons, self._accept = ok_and_cancel(self, verb, self._on_accepted)
        column(caption, self._field, self._message, buttons, spacing=8, margins=(16, 16, 16, 16), parent=self)
        self._field.textChanged.connect(lambda _: self._show())
        self._show()

    def _show(self) -> None:
        allowed, text = self._validate(self._field.text())
        self._accept.setEnabled(allowed)
        set_role(self._message, "muted" if allowed else "warning")
        self._message.setText(text)

    def _on_accepted(self) -> None:
        name = self._field.text()
        if self._validate(name)[0]:
            self.accept()
            self.chosen.emit(name)
