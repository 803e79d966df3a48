"""Asking for a film of the cloud, and showing how far it is: the turntable's file dialog and its progress."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from explorer.controllers.cloud.turntable import TurntableController
from explorer.widgets.dialogs import ProgressDialog, save_dialog

FILTERS = {"mp4": "MP4 video (*.mp4)", "gif": "GIF (*.gif)"}


class Filming(QObject):
    """Binds the turntable to the window: a name to write to, then a progress with Cancel. Neither blocks the window."""

    def __init__(self, window: QWidget, turntable: TurntableController) -> None:
        super().__init__(window)
        self._window, self._turntable = window, turntable
        self._progress: ProgressDialog | None = None
        turntable.progress.connect(self._on_progress)
        turntable.finished.connect(self._on_finished)

    def ask(self) -> None:
        """Ask for a file name; its ending decides the format."""
        dialog = save_dialog(self._window, "film", "Film the cloud", "cloud.mp4", FILTERS)
        dialog.fileSelected.connect(self.start)
        dialog.show()

    def start(self, path: str) -> None:
        """Begin the film; the turntable reports what is wrong."""
        if self._turntable.export(path):
            text = f"Filming the cloud: {Path(path).name}"
            self._progress = ProgressDialog(self._window, "filming", "Film the cloud", text)
            self._progress.canceled.connect(self._turntable.cancel)

    def _on_progress(self, fraction: float) -> None:
        if self._progress is not None:
            self._progress.setValue(round(100 * fraction))

    def _on_finished(self) -> None:
        progress, self._progress = self._progress, None
        if progress is not None:
            progress.end()
