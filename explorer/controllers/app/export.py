"""Exporting the open run for other programs, by the very command that a person would type, in a process of its own."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QDesktopServices
from shiboken6 import isValid

from core.runs.directory import RunDirectory
from explorer.controllers.app.session import Session
from explorer.controllers.controller import Context, Controller
from explorer.controllers.processes import STOP_MS, Command, isoline_command
from explorer.views.export import ExportDialog
from explorer.widgets.dialogs import ask_folder, show_dialog

EXTRAS = {"parquet": ("pyarrow", "tables"), "tensorboard": ("tensorboardX", "tensorboard")}
"""By format: the package that it needs, and the extra of Isoline that installs it."""


def export_command(arguments: list[str]) -> list[str]:
    """The command line that exports a run; ``arguments`` are those of ``isoline export``."""
    return isoline_command("export", *arguments, "--progress", "json")


def obstacles(run: RunDirectory) -> dict[str, str]:
    """Why formats cannot be written of ``run`` here, by the names of their flags."""
    missing = {
        name: f'Needs {package}, which is not installed: pip install "isoline[{extra}]"'
        for name, (package, extra) in EXTRAS.items()
        if importlib.util.find_spec(package) is None
    }
    if not run.metrics_path.exists():
        missing["tensorboard"] = "This run has no record of its training"
    if run.imported is not None:
        missing["safetensors"] = f"Not of an imported model ({run.network}), which has no weights of Isoline's network"
        if not any(run.model_path.rglob("*.onnx")):
            missing["onnx"] = f"Not of this run ({run.network}), which has no ONNX files"
    return missing


class ExportController(Controller):
    """Shows the dialog and exports, one run at a time; ``exported`` carries the folder."""

    exported = Signal(str)

    def __init__(
        self, context: Context, session: Session, command: Callable[[list[str]], list[str]] = export_command
    ) -> None:
        super().__init__(context)
        self._session, self._command = session, command
        self._dialog: ExportDialog | None = None
        self._running: Command | None = None
        self._folder = Path()

    def ask(self) -> None:
        """Show the dialog; while an export is under way, the one that shows how far it is."""
        run = self._session.run
        if run is None:
            self.refused.emit("No run is open that could be exported. Open a run, or start a training.")
            return
        if self._running is not None and (dialog := self._shown()):
            dialog.raise_()
            dialog.activateWindow()
            return
        self._folder = self._settings.runs_folder.parent / "Isoline exports" / run.path.name
        self._dialog = dialog = ExportDialog(self._window, run.path.name, self._folder, obstacles(run))
        dialog.folder_requested.connect(self._ask_folder)
        dialog.start_requested.connect(lambda: self._export(run.path))
        dialog.cancelled.connect(self.cancel)
        dialog.finished.connect(lambda _: self.cancel())
        dialog.open_requested.connect(self._open_folder)
        show_dialog(self._window, dialog)

    def cancel(self) -> None:
        """Give the export up; the folder stays as it was. Returns at once."""
        if self._running is not None:
            self._running.cancel()

    def shut_down(self) -> None:
        """The window closes: end the process. Returns when it is gone."""
        running, self._running = self._running, None
        if running is not None:
            running.stop(STOP_MS)

    def _ask_folder(self) -> None:
        ask_folder(self._window, "model_folder", "Export into folder", self._set_folder, self._folder)

    def _set_folder(self, folder: str) -> None:
        self._folder = Path(folder)
        if dialog := self._shown():
            dialog.set_folder(self._folder)

    def _export(self, run: Path) -> None:
        dialog = self._shown()
        if dialog is None:
            return
        if self._running is not None:
            dialog.show_result("", "The export that was given up is still ending: try again in a moment.", failed=True)
            return
        arguments = [str(run), "--out", str(self._folder), *(f"--{name}" for name in dialog.formats)]
        dialog.show_result("")
        dialog.set_busy(True)
        self._running = running = Command(self._command(arguments), self)
        running.progress.connect(dialog.set_progress)
        running.finished.connect(self._on_finished)

    def _open_folder(self) -> None:
        if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._folder.absolute()))):
            self.refused.emit(f"The system knows no program that opens {self._folder}.")

    def _shown(self) -> ExportDialog | None:
        """The dialog, if a person has not closed it."""
        return self._dialog if self._dialog is not None and isValid(self._dialog) else None

    def _on_finished(self, failure: str) -> None:
        running, self._running = self._running, None
        assert running is not None  # it was the one that finished
        remarks, cancelled = running.remarks, running.cancelled
        running.stop()
        dialog = self._shown()
        if dialog is not None:
            dialog.set_busy(False)
            if not failure:
                dialog.show_result(str(self._folder), remarks)
            elif not cancelled:
                dialog.show_result("", failure, failed=True)
        if not failure:
            self.exported.emit(str(self._folder))
