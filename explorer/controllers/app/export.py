"""Exporting the open run for other programs, by ``isoline export``."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path

from shiboken6 import isValid

from core.runs.directory import RunDirectory
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.app.task import TaskController
from explorer.controllers.controller import Context
from explorer.controllers.processes import isoline_command
from explorer.views.export import ExportDialog
from explorer.widgets.dialogs import ask_folder

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


class ExportController(TaskController[ExportDialog]):
    """Exports formats of the open run into a folder."""

    DONE = "exported"

    def __init__(
        self, context: Context, open_run: OpenRun, command: Callable[[list[str]], list[str]] = export_command
    ) -> None:
        super().__init__(context, open_run, command)

    def _make_dialog(self, run: RunDirectory) -> ExportDialog:
        self._target = self._settings.runs_folder.parent / "Isoline exports" / run.path.name
        dialog = ExportDialog(self._window, run.path.name, self._target)
        self._files.drop()
        self._files.read(partial(obstacles, run), partial(self._on_looked, dialog))
        dialog.folder_requested.connect(self._ask_folder)
        return dialog

    def _on_looked(self, dialog: ExportDialog, found: dict[str, str]) -> None:
        if isValid(dialog):
            dialog.set_obstacles(found)

    def _ask_folder(self) -> None:
        ask_folder(self._window, "model_folder", "Export into folder", self._set_folder, self._target)

    def _set_folder(self, folder: str) -> None:
        self._target = Path(folder)
        if dialog := self._shown():
            dialog.set_folder(self._target)

    def _start(self, run: RunDirectory) -> None:
        if dialog := self._shown():
            self._run([str(run.path), "--out", str(self._target), *(f"--{name}" for name in dialog.formats)])
