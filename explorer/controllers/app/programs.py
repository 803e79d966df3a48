"""Models in Python files: asked about before anything of them is run, then opened in a window of their own.

The command ``isoline open`` runs the file, in a process that is neither this window nor its engine.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from core.exploring.consent import Program, ProgramError, read_program
from explorer.controllers.app.consent import with_consent
from explorer.controllers.controller import Context, Controller
from explorer.controllers.processes import Detached, isoline_command, log_tail, start_detached
from explorer.widgets.dialogs import ask_file


class ProgramsController(Controller):
    """Asks for the file and for the yes, and says why a program that was started has failed."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._logs: tempfile.TemporaryDirectory[str] | None = None  # made by the first: a window may be killed
        self._started: list[tuple[Path, Path, Detached]] = []  # file, log, process
        self._window.program_dropped.connect(self.choose)

    def ask(self) -> None:
        """Ask for a Python file."""
        ask_file(self._window, "program", "Open Python model", "Python files (*.py)", self.choose)

    def choose(self, path: str) -> None:
        """Open the file at ``path``, at once if a person has said yes to it as it is now."""
        work, errors = partial(read_program, Path(path)), (ProgramError, OSError)
        self._choices.look(path, work, self._on_read, self._on_failed, errors, f"Looking at {path} …")

    def _on_failed(self, error: Exception) -> None:
        self.error_occurred.emit(str(error))

    def _on_read(self, program: Program) -> None:
        with_consent(self._window, program, lambda: self._start(program), self.error_occurred.emit)

    def _start(self, program: Program) -> None:
        if self._logs is None:
            self._logs = tempfile.TemporaryDirectory(prefix="isoline-", ignore_cleanup_errors=True)
        log = Path(self._logs.name, f"{len(list(Path(self._logs.name).iterdir()))}.log")
        try:
            process = start_detached(isoline_command("open", str(program.path)), log)
        except OSError as error:
            self.error_occurred.emit(f"{program.path} could not be started: {error}.")
            return
        self._started.append((program.path, log, process))
        self._state.message = f"{program.path.name} opens in a window of its own"

    def tick(self) -> None:
        """Say why a program has failed; one whose window was closed says nothing."""
        for started in list(self._started):
            path, log, process = started
            if process.alive:
                continue
            self._started.remove(started)
            _, failed, why = log_tail(log).rpartition("isoline open: error: ")
            if failed:
                self.error_occurred.emit(why)
            elif "Traceback" in log_tail(log):
                self.error_occurred.emit(f"{path} has ended: {log_tail(log).splitlines()[-1]}")

    def shut_down(self) -> None:
        """Leave the windows of programs open, and remove their logs."""
        if self._logs is not None:
            self._logs.cleanup()
