"""Sharing a run as a page: what the page holds, how far it is, and then how large it is and a link that opens it."""

from __future__ import annotations

import html
from pathlib import Path

from PySide6.QtWidgets import QCheckBox, QLineEdit, QPlainTextEdit, QPushButton, QWidget

from core.sharing.contents import PageChoice
from explorer.widgets.controls import label, named
from explorer.widgets.layouts import column
from explorer.widgets.task_dialog import TaskDialog

WIDTH = 480
NOTES_HEIGHT = 84
_ABOUT = (
    "One HTML file that opens by double click, on a telephone too, and needs no network: the cloud, its images, the "
    "saved paths, and the decoder itself. Everyone you give it to can read what it holds."
)
_DECODER = "The page decodes wherever its reader moves the probe. The runtime for it takes 5 MB."
_PICTURES = "Small pictures of the samples, 32 × 32 pixels, shown beside the points"
_NAMES = "The samples' names: for images from files their paths below the folder"


class ShareDialog(TaskDialog):
    """Asks what the page holds; ``start_requested`` when its file is to be chosen."""

    def __init__(self, parent: QWidget, title: str) -> None:
        write = named(QPushButton("Write page…"), "dialog.share.write", tip="Choose the file and write it")
        super().__init__(parent, "share", write, "Stop writing; no file is left")
        self._result.setToolTip("Open the page in the browser; its size on disk")
        self.setWindowTitle("Share")
        self._title = named(QLineEdit(title), "dialog.share.title", tip="Heading of the page", accessible="Title")
        self._notes = named(QPlainTextEdit(), "dialog.share.notes", tip="Text below the cloud", accessible="Notes")
        self._notes.setPlaceholderText("What to look for, how the images were made, whom to ask")
        self._notes.setTabChangesFocus(True)
        self._notes.setFixedHeight(NOTES_HEIGHT)
        self._decoder = self._check("decoder", "The decoder", _DECODER)
        self._pictures = self._check("pictures", "Pictures of the samples", _PICTURES)
        self._names = self._check("names", "Names of the samples", _NAMES)
        captions = []
        for text, field in (("&Title", self._title), ("&Notes", self._notes)):
            caption = label(text, "muted")
            caption.setBuddy(field)
            captions.append(column(caption, field, spacing=4))
        choices = column(self._decoder, self._pictures, self._names, spacing=6)
        parts = (label(_ABOUT, "muted", wrap=True), *captions, choices, self._progress, self._result, self._remarks)
        column(*parts, 1, self._buttons, spacing=12, margins=(16, 16, 16, 16), parent=self)
        self.setMinimumWidth(WIDTH)
        self.set_busy(False)
        self.show_result()

    def choice(self) -> PageChoice:
        """What the page is to hold."""
        return PageChoice(
            self._title.text().strip(),
            self._notes.toPlainText().strip(),
            self._decoder.isChecked(),
            self._pictures.isChecked(),
            self._names.isChecked(),
        )

    def set_busy(self, busy: bool) -> None:
        """Whether a page is being written: nothing can be chosen meanwhile."""
        super().set_busy(busy)
        for field in (self._title, self._notes, self._decoder, self._pictures, self._names, self._start):
            field.setEnabled(not busy)

    def _link(self, target: Path, size: int | None) -> str:
        return f'<a href="page">{html.escape(target.name)}</a>' + ("" if size is None else f", {size / 1e6:.1f} MB")

    def _check(self, name: str, text: str, tip: str) -> QCheckBox:
        box = named(QCheckBox(text), f"dialog.share.{name}", tip=tip)
        box.setChecked(True)
        return box
