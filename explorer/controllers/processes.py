"""Starting Isoline's own commands: as processes that outlive the window, or for it, with their progress."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
from PySide6.QtCore import QObject, QProcess, QTimer, Signal
from PySide6.QtGui import QPixmap

from explorer.settings import Settings, process_environment

LOG_TAIL = 1200  # characters
STOP_MS = 1500  # a command that is told to end has so long before it is made to
KILL_S = 0.1  # that the window waits at its end for one that was killed
CANCEL_MS = 10_000  # one that is asked to has so long, while nobody waits for it
_LAUNCH = """
import subprocess, sys
with open(sys.argv[1], "wb") as log:
    command = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
print(command.pid)
"""
"""Run by a process that ends at once, so that nobody has to wait for the command when it ends."""


def isoline_command(*arguments: str) -> list[str]:
    """The command line of ``isoline`` with ``arguments``."""
    # -P: a folder named core where the program was started must not be taken for Isoline's.
    return [sys.executable, "-P", "-m", "core.cli", *arguments]


def read_findings(folder: Path, failure: str) -> tuple[dict[str, Any] | None, QPixmap, str]:
    """What a command that looks at files has written into ``folder``, found.json and sheet.png, unless there was a
    ``failure``; and why there is nothing, empty if there is."""
    sheet = QPixmap()
    if failure:
        return None, sheet, failure
    try:
        found = msgspec.json.decode((folder / "found.json").read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError) as error:
        return None, sheet, f"what was found could not be read ({error})"
    sheet.load(str(folder / "sheet.png"))
    return found, sheet, ""


class Detached:
    """A process that was started, and may outlive this one."""

    def __init__(self, pid: int) -> None:
        import psutil  # here, for a window that starts nothing has no use for it

        try:
            self._process = psutil.Process(pid)
        except psutil.NoSuchProcess:  # it has ended already
            self._process = None

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet."""
        import psutil

        try:
            return self._process is not None and self._process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def start_detached(command: list[str], log: Path) -> Detached:
    """Start ``command``, whose output goes to ``log``. Raises ``OSError`` if it cannot be started."""
    launch = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(log), *command]
    environment = {**os.environ, **Settings().variables}
    done = subprocess.run(launch, capture_output=True, text=True, errors="replace", check=False, env=environment)
    if done.returncode != 0:
        raise OSError(done.stderr.strip().rpartition("\n")[2] or f"status {done.returncode}")
    return Detached(int(done.stdout))


def log_tail(log: Path) -> str:
    """The end of what a process wrote; empty if it wrote nothing."""
    try:
        return log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:].strip()
    except OSError:
        return ""


def finish_commands(seconds: float) -> None:
    """Wait until all that were stopped have ended, for ``seconds`` at most; then by force. The window closes."""
    end = monotonic() + seconds
    for command in list(_ending):
        if not command.wait(end - monotonic()):
            command.kill()
    end = monotonic() + KILL_S
    for command in list(_ending):
        command.wait(end - monotonic())


class Command(QObject):
    """One of Isoline's commands with ``--progress json``, run for the window. It lives until it ends or is stopped."""

    progress = Signal(float)
    """The share that is done, 0 to 1."""
    finished = Signal(str)
    """It has ended, by itself or because it was cancelled: why it failed, in words; empty if it did not."""

    def __init__(self, command: list[str], parent: QObject) -> None:
        super().__init__(parent)
        self._lines = self._errors = b""
        self._then: Callable[[], object] | None = None
        self.cancelled = False
        self._process = process = QProcess(self)
        process.setProcessEnvironment(process_environment())
        process.setProgram(command[0])
        process.setArguments(command[1:])
        process.readyReadStandardOutput.connect(self._read)
        process.readyReadStandardError.connect(self._read_errors)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        process.start()

    @property
    def remarks(self) -> str:
        """What it has written to standard error so far: why it failed, or what a person should know anyway."""
        return self._errors.decode(errors="replace").strip()

    def cancel(self) -> None:
        """Ask it to end, and let it tidy up; by force if it does not. Returns at once: ``finished`` comes later."""
        if not self.cancelled:
            self.cancelled = True
            self._process.closeWriteChannel()
            QTimer.singleShot(CANCEL_MS, self, self._process.kill)

    def stop(self, patience_ms: int = 0, then: Callable[[], object] = lambda: None) -> None:
        """End it without a word; it may take ``patience_ms`` to tidy up. Returns at once; ``then`` is called when it is
        gone."""
        self.blockSignals(True)
        self._then = then
        process = self._process
        if process.state() == QProcess.ProcessState.NotRunning:
            self._let_go()
            return
        self.setParent(None)  # whoever started it may be gone before it is
        _ending.append(self)
        process.finished.connect(self._let_go)
        process.closeWriteChannel()
        if patience_ms:
            QTimer.singleShot(patience_ms, self, process.terminate)
        else:
            process.terminate()
        QTimer.singleShot(patience_ms + STOP_MS, self, process.kill)

    def wait(self, seconds: float) -> bool:
        """Wait until it has ended, for ``seconds`` at most; whether it has."""
        process = self._process
        return process.state() == QProcess.ProcessState.NotRunning or process.waitForFinished(
            max(0, round(1000 * seconds))
        )

    def kill(self) -> None:
        """End it by force."""
        self._process.kill()

    def _let_go(self, *_: object) -> None:
        then, self._then = self._then, None
        if self in _ending:
            _ending.remove(self)
        if then is not None:
            then()
        self.deleteLater()

    def _read(self) -> None:
        self._lines += bytes(self._process.readAllStandardOutput().data())
        *whole, self._lines = self._lines.split(b"\n")
        for line in whole:
            try:
                message = msgspec.json.decode(line, type=dict[str, float])
            except msgspec.MsgspecError:
                continue  # words for a person
            if "progress" in message and not self.cancelled:
                self.progress.emit(message["progress"])

    def _read_errors(self) -> None:
        self._errors += bytes(self._process.readAllStandardError().data())

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:  # it never finishes
            reason = f"the command could not be started: {self._process.errorString()}"
            QTimer.singleShot(0, self, lambda: self.finished.emit(reason))  # starting may fail before anybody listens

    def _on_finished(self, code: int, status: QProcess.ExitStatus) -> None:
        self._read()
        self._read_errors()
        if code == 0 and status == QProcess.ExitStatus.NormalExit:
            self.finished.emit("")
            return
        # What went wrong, without the command's name before it.
        reason = self.remarks.rpartition(": error: ")[2]
        self.finished.emit(reason or f"the process ended with status {code} without a message")


_ending: list[Command] = []
"""Those that were stopped and have not ended yet."""
