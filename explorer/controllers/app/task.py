"""What a dialog asks for, done by the very command that a person would type, in a process of its own, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QDesktopServices
from shiboken6 import isValid

from core.runs.directory import RunDirectory
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.controller import Context, Controller
from explorer.controllers.processes import STOP_MS, Command
from explorer.widgets.dialogs import show_dialog
from explorer.widgets.task_dialog import TaskDialog

D = TypeVar("D", bound=TaskDialog)


class TaskController(Controller, Generic[D]):
    """Shows the dialog and runs the command; ``exported`` carries the file or folder that was written.

    A subclass says what is ``DONE`` to a run, and has ``_make_dialog`` and ``_start``, which calls ``_run``.
    """

    exported = Signal(str)
    DONE = ""

    def __init__(self, context: Context, open_run: OpenRun, command: Callable[[list[str]], list[str]]) -> None:
        """``command`` makes the command line of the arguments of ``_run``."""
        super().__init__(context)
        self._open_run, self._command = open_run, command
        self._dialog: D | None = None
        self._running: Command | None = None
        self._target = Path()
        self._files = self._background(OSError)

    def ask(self) -> None:
        """Show the dialog; while something is being written, the one that shows how far it is."""
        run = self._open_run.run
        if run is None:
            self.refused.emit(f"No run is open that could be {self.DONE}. Open a run, or start a training.")
            return
        if self._running is not None:
            if dialog := self._shown():
                dialog.raise_()
                dialog.activateWindow()
            else:
                self.refused.emit(f"{self._target.name} is still being given up. Try again in a moment.")
            return
        self._dialog = dialog = self._make_dialog(run)
        dialog.start_requested.connect(lambda: self._start(run))
        dialog.cancelled.connect(self.cancel)
        dialog.finished.connect(lambda _: self.cancel())
        dialog.open_requested.connect(self._open)
        show_dialog(self._window, dialog)

    def cancel(self) -> None:
        """Give up what is being written; nothing of it is left. Returns at once."""
        if self._running is not None:
            self._running.cancel()

    def shut_down(self) -> None:
        """The window closes: end the process."""
        self._end()

    def _make_dialog(self, run: RunDirectory) -> D:
        raise NotImplementedError

    def _start(self, run: RunDirectory) -> None:
        """The dialog's button was pressed."""
        raise NotImplementedError

    def _run(self, arguments: list[str]) -> None:
        """Have it done; one that was given up may still be ending."""
        if self._running is not None:
            self._fail("What was given up is still ending: try again in a moment.")
            return
        if dialog := self._shown():
            dialog.show_result()
            dialog.set_busy(True)
        self._running = running = Command(self._command(arguments), self)
        running.progress.connect(self._on_progress)
        running.finished.connect(self._on_finished)

    def _end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.stop(STOP_MS)

    def _open(self) -> None:
        if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._target.absolute()))):
            self.refused.emit(f"The system knows no program that opens {self._target}.")

    def _on_written(self, target: Path, remarks: str, size: int | None) -> None:
        if dialog := self._shown():
            dialog.show_result(target, remarks, size)
        self.exported.emit(str(target))

    def _shown(self) -> D | None:
        """The dialog, if a person has not closed it."""
        return self._dialog if self._dialog is not None and isValid(self._dialog) else None

    def _fail(self, reason: str) -> None:
        if dialog := self._shown():
            dialog.show_failure(reason)
        else:
            self.error_occurred.emit(f"{self._target.name} could not be written: {reason}")

    def _on_progress(self, fraction: float) -> None:
        if dialog := self._shown():
            dialog.set_progress(fraction)

    def _on_finished(self, failure: str) -> None:
        running = self._running
        assert running is not None  # it was the one that finished
        remarks, cancelled = running.remarks, running.cancelled
        self._end()
        if dialog := self._shown():
            dialog.set_busy(False)
        if not failure:
            written = partial(self._on_written, self._target, remarks)
            self._files.write(partial(_size_of, self._target), written, lambda _: written(None))
        elif not cancelled:
            self._fail(failure)


def _size_of(target: Path) -> int:
    """Bytes of a file that was written; for a thread. Raises ``OSError``."""
    return target.stat().st_size
