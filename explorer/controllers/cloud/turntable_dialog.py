"""Asking for a film of the cloud, and showing how far it is: the turntable's file dialog and its progress."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QFileDialog, QProgressDialog, QWidget

from explorer.controllers.cloud.turntable import TurntableController

FILTERS = {"mp4": "MP4 video (*.mp4)", "gif": "GIF (*.gif)"}


class Filming(QObject):
    """Binds the turntable to the window: a name to write to, then a progress with Cancel that blocks nothing."""

    def __init__(self, window: QWidget, turntable: TurntableController) -> None:
        super().__init__(window)
        self._window, self._turntable = window, turntable
        self._progress: QProgressDialog | None = None
        turntable.progress.connect(self._on_progress)
        turntable.finished.connect(self._on_finished)

    def ask(self) -> None:
        """Ask for a file name; its ending decides the format."""
        dialog = QFileDialog(self._window, "Film the cloud", str(Path.home()))
        dialog.setObjectName("dialog.film")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters(list(FILTERS.values()))
        dialog.setDefaultSuffix("mp4")
        dialog.selectFile("cloud.mp4")
        dialog.filterSelected.connect(
            lambda chosen: dialog.setDefaultSuffix(next(kind for kind, text in FILTERS.items() if text == chosen))
        )
        dialog.fileSelected.connect(self.start)
        dialog.open()

    def start(self, path: str) -> None:
        """Begin the film; what is wrong is told by the turntable."""
        if not self._turntable.export(path):
            return
        progress = QProgressDialog(f"Filming the cloud: {Path(path).name}", "Cancel", 0, 100, self._window)
        progress.setObjectName("dialog.filming")
        progress.setWindowTitle("Film the cloud")
        progress.setWindowModality(Qt.WindowModality.NonModal)
        progress.setMinimumDuration(0)
        progress.setAutoClose(False)
        progress.setAutoReset(False)
        progress.canceled.connect(self._turntable.cancel)
        progress.setValue(0)
        progress.show()
        self._progress = progress

    def _on_progress(self, share: float) -> None:
        if self._progress is not None:
            self._progress.setValue(round(100 * share))

    def _on_finished(self) -> None:
        progress, self._progress = self._progress, None
        if progress is not None:
            progress.canceled.disconnect()  # closing it would cancel what has ended
            progress.close()
            progress.deleteLater()
