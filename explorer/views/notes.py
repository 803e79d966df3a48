"""Notes on the open run: plain text, with an undo of its own while one types."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import QFrame, QPlainTextEdit

from explorer.widgets.controls import named, set_silently
from explorer.widgets.layouts import Panel, column

EMPTY = "Write down what you see in this run: the note is kept with your work and in project files."
NO_RUN = "Open a run to write notes on it."


class NotesView(Panel):
    """A field to write in."""

    edited = Signal(str)
    """The whole text, at every change."""
    left = Signal()
    """The keyboard has gone elsewhere."""

    def __init__(self) -> None:
        super().__init__("notes")
        self._field = _Field()
        self._field.textChanged.connect(lambda: self.edited.emit(self._field.toPlainText()))
        self._field.left.connect(self.left)
        column((self._field, 1), parent=self)
        self.set_open(False)

    def set_text(self, text: str) -> None:
        """Show ``text``; the cursor stays where it is if that is there already."""
        if text != self._field.toPlainText():
            set_silently(self._field.setPlainText, text)

    def set_open(self, run: bool) -> None:
        """Whether there is a run to write about."""
        self._field.setEnabled(run)
        self._field.setPlaceholderText(EMPTY if run else NO_RUN)


class _Field(QPlainTextEdit):
    left = Signal()

    def __init__(self) -> None:
        super().__init__()
        named(self, "notes.text", tip="Plain text about the open run", accessible="Notes on the open run")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setTabChangesFocus(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.left.emit()
