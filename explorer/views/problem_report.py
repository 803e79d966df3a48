"""Report a problem: what goes into the file, each part shown as it will be, before it is saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import QDialog, QListWidget, QListWidgetItem, QPlainTextEdit, QWidget

from explorer.widgets.controls import label, named
from explorer.widgets.dialogs import ok_and_cancel
from explorer.widgets.layouts import column, row

SIZE = QSize(820, 520)
LIST_WIDTH = 300
_ABOUT = (
    "A file for whoever helps you. It holds what is checked here and nothing else: no images, no latents, no weights. "
    "Look at each part: a message may quote the name of a file. Isoline sends nothing: it is saved where you say, "
    "and is yours to pass on."
)


class Part(Protocol):
    """A part of a report."""

    @property
    def title(self) -> str: ...
    @property
    def text(self) -> str: ...


class ProblemReportDialog(QDialog):
    """Lists ``parts`` with a check box each, and shows the text of the current one. ``save_requested`` carries the
    places of those that are checked."""

    save_requested = Signal(object)

    def __init__(self, parent: QWidget, parts: Sequence[Part]) -> None:
        super().__init__(parent)
        self.setObjectName("dialog.problem")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Report a problem")
        self._parts = parts
        self._list = named(QListWidget(), "dialog.problem.parts", accessible="Parts of the report")
        self._list.setFixedWidth(LIST_WIDTH)
        self._list.setSpacing(2)
        for part in parts:
            item = QListWidgetItem(part.title, self._list)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked)
        self._text = named(QPlainTextEdit(), "dialog.problem.text", accessible="Text of the part")
        self._text.setReadOnly(True)
        self._text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._buttons, self._save = ok_and_cancel(self, "Save as zip…", self._on_save)
        self._list.currentRowChanged.connect(self._show_part)
        self._list.itemChanged.connect(lambda _: self._save.setEnabled(bool(self.checked())))
        self._list.setCurrentRow(0)
        about = label(_ABOUT, "muted", wrap=True)
        body = row(self._list, (self._text, 1), spacing=8)
        column(about, (body, 1), self._buttons, spacing=12, margins=(16, 16, 16, 16), parent=self)
        self.resize(SIZE)

    def checked(self) -> tuple[int, ...]:
        """The places of the parts that are to be saved."""
        items = [self._list.item(number) for number in range(self._list.count())]
        return tuple(i for i, item in enumerate(items) if item.checkState() == Qt.CheckState.Checked)

    def _show_part(self, number: int) -> None:
        self._text.setPlainText(self._parts[number].text if number >= 0 else "")

    def _on_save(self) -> None:
        self.save_requested.emit(self.checked())
