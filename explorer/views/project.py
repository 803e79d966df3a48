"""Saving a project: what goes into the file, and how much that takes."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QDialog, QWidget

from core.utils.text import size_text
from explorer.widgets.controls import label, named
from explorer.widgets.dialogs import ok_and_cancel
from explorer.widgets.layouts import column

WIDTH = 480
_ABOUT = (
    "A project holds what you made and arranged: camera, colours, selection, groups, attributes, the path, notes, and "
    "all steps that can be undone."
)
_EMBED = (
    "With the model the project opens on any computer. In it are the configuration, the samples with their small "
    "pictures, the newest means, weights, losses and saved paths; not the images that it was trained on, only "
    "where they were."
)


class SaveProjectDialog(QDialog):
    """Asks whether the model goes in; ``chosen`` when the file is to be named. ``run``: its folder, "" for the bundled
    model."""

    chosen = Signal(bool)
    """Whether the model goes in."""

    def __init__(self, parent: QWidget, run: str, model_bytes: int, embeds: bool) -> None:
        super().__init__(parent)
        self.setObjectName("dialog.project")
        self.setWindowTitle("Save project")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        text = f"&Put the model into the file ({size_text(model_bytes)})"
        self._embeds = named(QCheckBox(text), "dialog.project.embeds", tip=_EMBED)
        self._embeds.setChecked(embeds)
        self._what = label("", "muted", "dialog.project.what", wrap=True)
        self._reference = (
            f"Without the model the project refers to its run, {run}, which has to be on the computer that opens it."
            if run
            else "Without the model the project refers to the bundled model, which comes with this version of Isoline."
        )
        self._embeds.toggled.connect(lambda _: self._show())
        buttons, _ = ok_and_cancel(self, "Choose file…", self._on_accepted)
        parts = label(_ABOUT, "muted", wrap=True), column(self._embeds, self._what, spacing=6)
        column(*parts, 1, buttons, spacing=12, margins=(16, 16, 16, 16), parent=self)
        self.setMinimumWidth(WIDTH)
        self._show()

    def _show(self) -> None:
        self._what.setText(_EMBED if self._embeds.isChecked() else self._reference)

    def _on_accepted(self) -> None:
        embeds = self._embeds.isChecked()
        self.accept()
        self.chosen.emit(embeds)
