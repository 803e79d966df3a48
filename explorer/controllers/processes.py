"""Starting Isoline's own commands as processes that outlive the window, and reading what they wrote."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LOG_TAIL = 1200  # characters
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
    done = subprocess.run(launch, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        raise OSError(done.stderr.strip().rpartition("\n")[2] or f"status {done.returncode}")
    return Detached(int(done.stdout))


def log_tail(log: Path) -> str:
    """The end of what a process wrote; empty if it wrote nothing."""
    try:
        return log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:].strip()
    except OSError:
        return ""
