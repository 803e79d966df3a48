"""Starting Isoline's own commands as processes that outlive the window, and reading what they wrote."""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtCore import QProcess

LOG_TAIL = 1200  # characters


def isoline_command(*arguments: str) -> list[str]:
    """The command line of ``isoline`` with ``arguments``."""
    # -P: a folder named core where the program was started must not be taken for Isoline's.
    return [sys.executable, "-P", "-m", "core.cli", *arguments]


def start_detached(command: list[str], log: Path) -> str:
    """Start ``command``, whose output goes to ``log``; why it could not be started, empty if it was."""
    process = QProcess()
    process.setProgram(command[0])
    process.setArguments(command[1:])
    process.setStandardOutputFile(str(log))
    process.setStandardErrorFile(str(log), QProcess.OpenModeFlag.Append)
    process.setStandardInputFile(QProcess.nullDevice())
    return "" if process.startDetached() else process.errorString()


def log_tail(log: Path) -> str:
    """The end of what a process wrote; empty if it wrote nothing."""
    try:
        return log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:].strip()
    except OSError:
        return ""
