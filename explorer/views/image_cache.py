"""The image cache: how much disk space it takes, how much it may, and a button that empties it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QSpinBox, QWidget

from explorer.widgets.controls import label, named, push_button, set_silently
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.layouts import column, row

MOST_GB = 100_000
WIDTH = 460
_ABOUT = (
    "Images are prepared for training once and kept on disk, where all runs share them. When the cache is full, those "
    "that were not used for longest are removed; they are prepared again when they are needed."
)
_LIMIT = (
    "Disk space that prepared images may take. Trainings and inspections of images started from now on keep to it; the "
    "run open in this window does after Isoline has been started again."
)


class ImageCacheDialog(QDialog):
    """Shows the cache; ``limit_changed`` carries gigabytes."""

    limit_changed = Signal(int)
    empty_requested = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("dialog.cache")
        self.setWindowTitle("Image cache")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._usage = named(ElidedLabel(), "dialog.cache.usage")
        self._limit = named(QSpinBox(), "dialog.cache.limit", "Limit", _LIMIT)
        self._limit.setRange(1, MOST_GB)
        self._limit.setSuffix(" GB")
        self._limit.setStepType(QSpinBox.StepType.AdaptiveDecimalStepType)
        self._limit.valueChanged.connect(self.limit_changed)
        tip = "Remove all prepared images but those in use; your own files stay as they are"
        self._empty = push_button("dialog.cache.empty", "Empty the cache", tip, self.empty_requested)
        self._empty.setAutoDefault(False)
        self._note = label("", "muted", "dialog.cache.note", wrap=True)
        self._obstacle = ""
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.button(QDialogButtonBox.StandardButton.Close).setIcon(QIcon())  # some platforms have one, in black
        buttons.rejected.connect(self.reject)
        limit = row(label("&Limit", buddy=self._limit), self._limit, 1, spacing=8)
        parts = (label(_ABOUT, "muted", wrap=True), self._usage, limit, self._note, 1, row(self._empty, 1, buttons))
        column(*parts, spacing=12, margins=(16, 16, 16, 16), parent=self)
        self.setMinimumWidth(WIDTH)

    def set_usage(self, folder: str, taken: int) -> None:
        """Where the cache is, and the bytes that it takes."""
        size = f"{taken / 1e9:.1f} GB" if taken >= 1e9 else f"{taken / 1e6:.1f} MB"
        self._usage.setText(f"{size} in use in {folder}" if taken else f"Empty: {folder}")
        self._empty.setEnabled(taken > 0)

    def set_busy(self, text: str) -> None:
        """What is being done; until ``set_usage`` the cache cannot be emptied."""
        self._usage.setText(text)
        self._empty.setEnabled(False)

    def set_limit(self, gigabytes: int, obstacle: str = "") -> None:
        """The limit, and why it cannot be changed here; empty: it can."""
        set_silently(self._limit.setValue, gigabytes)
        self._limit.setEnabled(not obstacle)
        self._obstacle = obstacle
        self.set_note("")

    def set_note(self, text: str) -> None:
        """Why the cache is not empty; below it stands why the limit cannot be changed. Empty for nothing."""
        self._note.setText("\n".join(note for note in (text, self._obstacle) if note))
        self._note.setVisible(bool(self._note.text()))
