"""Exporting the open run for other programs: which formats, into which folder, how far it is, and what came of it."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QLabel, QPushButton, QWidget

from explorer.widgets.controls import label, named
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.layouts import column, row
from explorer.widgets.task_dialog import TaskDialog

WIDTH = 520
INDENT = 24  # pixels from a check box's edge to its text, about
FORMATS = {
    "onnx": (
        "ONNX",
        "encoder.onnx and decoder.onnx, for ONNX Runtime in any language or a web page; compared with the model first",
    ),
    "safetensors": (
        "Weights with a model card",
        "A folder that Isoline opens, in the form of a repository on Hugging Face; no images, no paths of files",
    ),
    "projector": ("Embedding Projector", "Latents, labels and thumbnails for TensorBoard"),
    "parquet": ("Parquet table", "File, labels, split and latents of each recorded sample"),
    "tensorboard": ("TensorBoard scalars", "Losses, learning rate, β and γ at their steps"),
}
"""By the name of the command's flag: what it is called, and what it writes."""


class ExportDialog(TaskDialog):
    """Asks for formats and a folder; ``folder_requested`` for another one."""

    folder_requested = Signal()

    def __init__(self, parent: QWidget, run: str, folder: Path) -> None:
        """``run`` names the run. ``set_obstacles`` follows."""
        export = named(QPushButton("Export"), "dialog.model.export", tip="Write the chosen formats")
        super().__init__(parent, "model", export, "Stop; the folder stays as it was")
        self._result.setToolTip("Open the folder")
        self.setWindowTitle(f"Export {run}")
        self._boxes: dict[str, QCheckBox] = {}
        self._abouts: dict[str, QLabel] = {}
        formats = column()
        for name, (title, meaning) in FORMATS.items():
            box = self._boxes[name] = named(QCheckBox(title), f"dialog.model.{name}")
            box.setToolTip(meaning)
            box.toggled.connect(lambda _: self._refresh())
            about = self._abouts[name] = label(meaning, "muted", wrap=True)
            formats.addWidget(box)
            formats.addLayout(row((about, 1), margins=(INDENT, 0, 0, 8)))
        self._folder = named(ElidedLabel(), "dialog.model.folder")
        self._choose = named(QPushButton("Folder…"), "dialog.model.choose", tip="Choose the folder to write into")
        self._choose.setAutoDefault(False)
        self._choose.clicked.connect(self.folder_requested)
        place = row(label("Folder"), (self._folder, 1), self._choose, spacing=8)
        outcome = column(self._progress, self._result, self._remarks, spacing=6)
        column(formats, place, outcome, 1, self._buttons, spacing=12, margins=(16, 16, 16, 16), parent=self)
        self.setMinimumWidth(WIDTH)
        self.resize(WIDTH, 0)
        self._obstacles: Mapping[str, str] = {}
        self._busy = False
        self._boxes["onnx"].setChecked(True)
        self.set_folder(folder)
        self.set_busy(False)
        self.show_result()

    def set_obstacles(self, obstacles: Mapping[str, str]) -> None:
        """Why formats cannot be written, by their names."""
        self._obstacles = obstacles
        for name, text in obstacles.items():
            self._boxes[name].setChecked(False)
            self._boxes[name].setToolTip(text)
            self._abouts[name].setText(text)
        self._refresh()
        self._grow()

    @property
    def formats(self) -> list[str]:
        """The names of the formats that are chosen."""
        return [name for name, box in self._boxes.items() if box.isChecked()]

    def set_folder(self, folder: Path) -> None:
        """The folder to write into."""
        self._folder.setText(str(folder))

    def set_busy(self, busy: bool) -> None:
        """Whether an export is under way: nothing can be chosen meanwhile."""
        super().set_busy(busy)
        self._busy = busy
        self._refresh()

    def _link(self, target: Path, size: int | None) -> str:
        return f'Written to <a href="folder">{html.escape(str(target))}</a>'

    def _refresh(self) -> None:
        for name, box in self._boxes.items():
            box.setEnabled(not self._busy and name not in self._obstacles)
        self._choose.setEnabled(not self._busy)
        self._start.setEnabled(bool(self.formats))
