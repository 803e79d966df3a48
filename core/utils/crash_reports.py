"""Where a process was when a signal ended it, such as a segmentation fault in a graphics driver.

No handler in Python can run then, so the interpreter is given an open file in the folder for logs, one a process. It
stays empty if all goes well. The next window takes what was written, and removes the files of processes that are gone.
"""

from __future__ import annotations

import faulthandler
import os
import re
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from core.utils.untrusted import UnreadableError, open_regular
from core.utils.user_folders import log_folder

LONGEST = 64_000  # bytes of a report: threads by the dozen, each with all its calls
MOST = 5  # reports that are taken; older ones go unread
_NAME = re.compile(r"crash-([a-z]+)-(\d+)\.txt")
_open: list[IO[str]] = []  # for as long as the process lives: the interpreter knows but the number


@dataclass(frozen=True)
class CrashReport:
    """How ``process``, "window" or "engine", ended: ``fault`` in the words of the interpreter, and where it was."""

    process: str
    when: datetime
    fault: str
    text: str


def watch_for_crashes(process: str) -> None:
    """Have it written down if a signal ends this process. No more than a line on standard error if it cannot be."""
    try:
        folder = log_folder()
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / f"crash-{process}-{os.getpid()}.txt", "w", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        print(f"isoline: crashes are not written down: {error}", file=sys.stderr)
        return
    _open.append(file)
    faulthandler.enable(file)


def take_crash_reports() -> list[CrashReport]:
    """The reports of processes that are gone, oldest first; their files are removed."""
    found = []
    folder = log_folder()
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except OSError:  # there is none yet
        return []
    for match in filter(None, map(_NAME.fullmatch, names)):
        if _is_alive(int(match[2])):
            continue
        path = folder / match[0]
        try:
            report = _read(path, match[1])
            path.unlink()
        except (OSError, UnreadableError) as error:
            print(f"isoline: {path} cannot be taken: {error}", file=sys.stderr)
            continue
        if report is not None:
            found.append(report)
    return sorted(found, key=lambda report: report.when)[-MOST:]


def _read(path: Path, process: str) -> CrashReport | None:
    with open_regular(path) as file:
        text = file.read(LONGEST).decode("utf-8", "replace").replace(str(Path.home()), "~")
        when = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime)
    if not text.strip():
        return None
    fault = text.splitlines()[0].removeprefix("Fatal Python error: ")
    return CrashReport(process, when, fault, text)


def _is_alive(pid: int) -> bool:
    import psutil  # here: a window that finds no files needs none

    return psutil.pid_exists(pid)
