"""The dialog that lists keys and gestures."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QIcon, QTextDocument
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFrame, QTextBrowser, QWidget

from explorer.widgets.controls import named
from explorer.widgets.layouts import column

SHARE_OF_SCREEN = 0.7  # that its text takes at most


class KeyboardShortcuts(QDialog):
    """``keys``: each key or gesture, and what it does. Its text is laid out once: a label or a message box lays out
    text like this again and again, 40 ms of the event loop."""

    def __init__(self, keys: list[tuple[str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("box.keys")
        self.setWindowTitle("Keyboard shortcuts")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        cell = "<td style='padding:2px 24px 2px 0; vertical-align:middle'>"
        rows = "".join(f"<tr>{cell}<b>{key}</b></td><td>{text}</td></tr>" for key, text in keys)
        text = named(QTextBrowser(), "box.keys.text", accessible="Keyboard shortcuts")
        text.setFrameShape(QFrame.Shape.NoFrame)
        text.setHtml(f"<table>{rows}</table>")
        page = QTextDocument()  # that of the browser is as wide as its viewport, which is not there yet
        page.setDefaultFont(text.font())
        page.setHtml(text.toHtml())
        whole = page.size().toSize() + QSize(text.verticalScrollBar().sizeHint().width() + 8, 8)
        text.setMinimumSize(whole.boundedTo(self.screen().availableSize() * SHARE_OF_SCREEN))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.button(QDialogButtonBox.StandardButton.Close).setIcon(QIcon())  # some platforms have one, in black
        buttons.rejected.connect(self.reject)
        column((text, 1), buttons, spacing=12, margins=(16, 16, 16, 16), parent=self)
