"""A dialog that sets something up, has it done elsewhere, and shows how far it is and what came of it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QHBoxLayout, QProgressBar, QPushButton, QWidget

from explorer.widgets.controls import label, named, set_role
from explorer.widgets.layouts import row


class TaskDialog(QDialog):
    """``start_requested`` when it is to be done, ``cancelled`` when what is under way is given up, ``open_requested``
    for what was written. A subclass lays out its own fields, ``_progress``, ``_result``, ``_remarks`` and ``_buttons``,
    and has ``_link``."""

    start_requested = Signal()
    cancelled = Signal()
    open_requested = Signal()

    def __init__(self, parent: QWidget, name: str, start: QPushButton, cancel_tip: str) -> None:
        super().__init__(parent)
        self.setObjectName(f"dialog.{name}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._progress = named(QProgressBar(), f"dialog.{name}.progress", accessible="Progress")
        self._progress.setRange(0, 100)
        self._result = label("", name=f"dialog.{name}.result", wrap=True)
        self._result.setTextFormat(Qt.TextFormat.RichText)
        self._result.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self._result.linkActivated.connect(lambda _: self.open_requested.emit())
        self._remarks = label("", "muted", f"dialog.{name}.remarks", wrap=True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.button(QDialogButtonBox.StandardButton.Close).setIcon(QIcon())  # some platforms have one, in black
        self._start = start
        start.setDefault(True)
        start.clicked.connect(self.start_requested)
        self._cancel = named(QPushButton("Cancel"), f"dialog.{name}.cancel", tip=cancel_tip)
        self._cancel.clicked.connect(self.cancelled)
        for button in (start, self._cancel):
            buttons.addButton(button, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        self._buttons: QHBoxLayout = row(buttons)

    def set_busy(self, busy: bool) -> None:
        """Whether it is under way: nothing can be chosen meanwhile."""
        self._progress.setVisible(busy)
        self._progress.setValue(0)
        self._cancel.setVisible(busy)
        self._start.setVisible(not busy)
        self._grow()

    def set_progress(self, share: float) -> None:
        """How much is done, 0 to 1."""
        self._progress.setValue(round(100 * share))

    def show_result(self, target: Path | None = None, remarks: str = "", size: int | None = None) -> None:
        """The file or folder that was written, None for none yet, and what should be known about it; bytes of a file,
        None if they are not known."""
        self._show("" if target is None else self._link(target, size), remarks, "muted")

    def show_failure(self, reason: str) -> None:
        """Why nothing was written."""
        self._show("", reason, "error")

    def _link(self, target: Path, size: int | None) -> str:
        """What was written, rich text with a link."""
        raise NotImplementedError

    def _show(self, link: str, remarks: str, role: str) -> None:
        self._result.setText(link)
        self._result.setVisible(bool(link))
        set_role(self._remarks, role)
        self._remarks.setText(remarks)
        self._remarks.setVisible(bool(remarks))
        self._grow()

    def _grow(self) -> None:
        """Make room for lines that have been added; wrapped ones would be cut off instead."""
        if (layout := self.layout()) is not None:
            layout.activate()
            self.resize(self.width(), max(self.height(), layout.heightForWidth(self.width())))
