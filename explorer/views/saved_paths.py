"""Asking for a path's name: a small window that says while one types whether the name will do."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from explorer.widgets.controls import label, named, set_role

WIDTH = 380

NameValidator = Callable[[str], tuple[bool, str]]
"""Whether a name can be taken, and what to say about it ("": nothing)."""


class NameDialog(QDialog):
    """Asks for a name; ``chosen`` tells it. ``validate`` is asked at every keystroke."""

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
        self._field = named(QLineEdit(name), "dialog.name.field")
        self._field.setAccessibleName("Name of the path")
        self._field.setMaxLength(120)
        self._field.selectAll()
        caption = label("Name")
        caption.setBuddy(self._field)
        self._message: QLabel = named(QLabel(), "dialog.name.message")
        self._message.setWordWrap(True)
        self._message.setMinimumHeight(
            2 * self._message.fontMetrics().lineSpacing()
        )  # else the window jumps as one types
        self._message.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self._accept = self._buttons.button(QDialogButtonBox.StandardButton.Ok)
        named(self._accept, "dialog.name.accept", verb)
        for button in self._buttons.buttons():
            button.setIcon(QIcon())  # some platforms would put a picture on it that no theme of ours knows
        self._buttons.accepted.connect(self._on_accepted)
        self._buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(8)
        for widget in (caption, self._field, self._message, self._buttons):
            layout.addWidget(widget)
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
