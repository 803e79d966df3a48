"""The last resort: what escapes everywhere else is shown once, can be copied as a report, and is logged.

Errors that a person can mend are told where they arise. What arrives here is a mistake of the program's own: an
exception in a slot, a painting, a thread or a destructor, or a critical message of Qt. The window goes on.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from PySide6.QtCore import QObject, Qt, QtMsgType, Signal, qInstallMessageHandler

import core
from core.utils.user_folders import log_folder

LOG, LOG_BYTES, OLD_LOGS = "isoline.log", 256_000, 2
LONGEST = 200  # characters of a message in the notice
WHERE = "The report says where; Help > Report a problem saves it."
DISPLAY_LOST = (
    "The connection to the display was lost, so the window is gone. Trainings go on. Start Isoline again to continue."
)
DISPLAY_LOST_STATUS = 3

_critical = (QtMsgType.QtCriticalMsg, QtMsgType.QtFatalMsg)
_DISPLAY_LOST = re.compile(r"The (X11|Wayland) connection (broke|experienced a fatal error)")


@dataclass(frozen=True)
class Fault:
    """A mistake of the program: a ``text`` for a person, and the ``report`` for whoever mends it."""

    text: str
    report: str


class FaultCatcher(QObject):
    """From ``install`` to ``uninstall``, takes what nobody has caught. Each kind of fault is reported once.

    ``occurred`` gives a ``Fault`` from the event loop, whichever thread it happened in.
    """

    occurred = Signal(object)
    display_lost = Signal()
    """The display has gone away: the last chance to put things away, without touching the window. The process ends when
    this returns, because Qt would end it at once, in the middle of whatever it does."""
    _caught = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._known: set[object] = set()
        self._lock = threading.Lock()
        self._before: tuple[Any, ...] = ()
        # Never at once: it may be in the middle of a painting.
        self._caught.connect(self.occurred, Qt.ConnectionType.QueuedConnection)

    def install(self) -> None:
        """Take what escapes from now on; it is also printed, as before."""
        qt = qInstallMessageHandler(self._on_qt_message)
        self._before = sys.excepthook, threading.excepthook, sys.unraisablehook, qt
        sys.excepthook, threading.excepthook = self._on_exception, self._on_thread_exception
        sys.unraisablehook = self._on_unraisable

    def uninstall(self) -> None:
        """Leave it to whoever took it before."""
        sys.excepthook, threading.excepthook, sys.unraisablehook, qt = self._before
        qInstallMessageHandler(qt)

    def _on_exception(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.__excepthook__(kind, error, trace)
        if isinstance(error, Exception):
            self._take_exception(error)

    def _on_thread_exception(self, args: threading.ExceptHookArgs) -> None:
        threading.__excepthook__(args)
        if isinstance(args.exc_value, Exception):
            self._take_exception(args.exc_value)

    def _on_unraisable(self, args: sys.UnraisableHookArgs) -> None:
        sys.__unraisablehook__(args)
        if isinstance(args.exc_value, Exception):
            self._take_exception(args.exc_value)

    def _on_qt_message(self, mode: QtMsgType, context: object, message: str) -> None:
        if sys.stderr is not None:
            sys.stderr.write(f"{message}\n")
        if _DISPLAY_LOST.match(message):
            self._end()
        if mode in _critical:
            self._take(message, message, f"Qt: {message}")

    def _end(self) -> None:
        """The display is gone."""
        try:
            self.display_lost.emit()
        finally:
            write_log(f"{versions()}\n\n{DISPLAY_LOST}")
            print(f"isoline: {DISPLAY_LOST}", file=sys.stderr, flush=True)
            os._exit(DISPLAY_LOST_STATUS)  # destructors of Qt and OpenGL would talk to the display

    def _take_exception(self, error: Exception) -> None:
        root: BaseException = error
        while root.__cause__ is not None:
            root = root.__cause__
        frames = traceback.extract_tb(root.__traceback__)
        place = (frames[-1].filename, frames[-1].lineno) if frames else None
        message = f"{type(root).__name__}: {root}" if str(root) else type(root).__name__
        self._take((type(root), place), message, "".join(traceback.format_exception(error)))

    def _take(self, key: object, message: str, details: str) -> None:
        with self._lock:
            if key in self._known:
                return
            self._known.add(key)
            short = message.splitlines()[0] if message else ""
            short = short if len(short) <= LONGEST else f"{short[:LONGEST]}…"
            text = f"Isoline made a mistake and goes on ({short}). {WHERE}"
            report = f"{versions()}\n\n{details}".replace(str(Path.home()), "~")
            write_log(report)
        self._caught.emit(Fault(text, report))


def versions() -> str:
    """What a report needs to know of this computer."""
    import numpy as np
    import PySide6

    return (
        f"Isoline {core.__version__}, Python {platform.python_version()}, PySide6 {PySide6.__version__}, "
        f"numpy {np.__version__}, {platform.platform()}"
    )


def logged() -> str:
    """The log with its older parts, oldest first; empty where nothing went wrong. Raises ``OSError``."""
    folder = log_folder()
    files = [*(folder / f"{LOG}.{number}" for number in range(OLD_LOGS, 0, -1)), folder / LOG]
    return "".join(file.read_text("utf-8", "replace") for file in files if file.exists())


def write_log(report: str) -> None:
    """Append ``report`` to the log, whose older parts go; no more than a line on standard error if it cannot be."""
    import logging.handlers  # here: most windows have nothing to log

    try:
        folder = log_folder()
        folder.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            folder / LOG, maxBytes=LOG_BYTES, backupCount=OLD_LOGS, encoding="utf-8", delay=True
        )
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        handler.emit(logging.LogRecord("isoline", logging.ERROR, "", 0, report, None, None))
        handler.close()
    except OSError as error:
        print(f"isoline: the log cannot be written: {error}", file=sys.stderr)
