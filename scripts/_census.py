"""What the window's process holds, counted where it should hold the same as before, and how late its event loop is."""

from __future__ import annotations

import gc
import re
import threading
from collections import Counter
from time import perf_counter
from typing import Any

import numpy as np
import psutil
from OpenGL import GL
from PySide6.QtCore import QCoreApplication, QObject, Qt, QTimer, QtMsgType, qInstallMessageHandler
from PySide6.QtGui import QOffscreenSurface, QOpenGLContext
from PySide6.QtWidgets import QApplication

MOST_NAMES = 4096  # of OpenGL's buffers and textures; drivers give the lowest that are free
BIN_MS, LONGEST_MS = 0.1, 60_000.0
INTERVAL_S = 0.005


def census(parents: list[QObject], renderer: str) -> dict[str, Any]:
    """Counts of this process: ``files`` open, ``threads``, ``objects`` of Qt below the windows, the application and
    ``parents``, ``gl`` buffers and textures (None where nothing is drawn by OpenGL), and ``python`` objects that its
    collector knows; ``types``: the last two, and threads, by type."""
    while gc.collect():
        QCoreApplication.sendPostedEvents()
    process = psutil.Process()
    kinds = Counter(f"{kind.__module__}.{kind.__qualname__}" for kind in map(type, gc.get_objects()))
    objects = Counter(qt_objects(parents))
    return {
        "files": open_files(process),
        "threads": process.num_threads(),
        "objects": objects.total(),
        "gl": gl_objects() if renderer != "software" else None,
        "python": kinds.total(),
        "types": dict(kinds + objects + Counter(f"thread {thread.name}" for thread in threading.enumerate())),
    }


def open_files(process: psutil.Process) -> int:
    """File descriptors, or handles on Windows."""
    count = getattr(process, "num_fds" if hasattr(process, "num_fds") else "num_handles")
    return int(count())


def qt_objects(parents: list[QObject]) -> list[str]:
    """Class and place of each object below the windows, shown or not, the application and ``parents``.

    From Qt's own account: ``findChildren`` would make a Python object for each, and PySide keeps those.
    """
    found: list[str] = []
    above: list[str] = []  # the names, from the root on

    def read(_mode: QtMsgType, _context: object, line: str) -> None:
        text = line.lstrip()
        depth = (len(line) - len(text)) // 4
        kind, _, name = text.partition("::")
        name = re.sub(r"(^|\s+)I?\s*(<.*)?$", "", name)  # without its geometry, and whether it is hidden
        place = next((one for one in reversed(above[:depth]) if one), "")
        above[depth:] = [name]
        found.append(f"Qt {kind} {name or f'in {place}'}")

    application = QApplication.instance()
    before = qInstallMessageHandler(read)
    try:
        for root in [*QApplication.topLevelWidgets(), *parents, *([application] if application is not None else [])]:
            if root.parent() is None:
                root.dumpObjectTree()
    finally:
        qInstallMessageHandler(before)
    return found


def gl_objects() -> int | None:
    """How many buffers and textures there are in the context that all of the window's share; None without one."""
    shared = QOpenGLContext.globalShareContext()
    if shared is None:
        return None
    context, surface = QOpenGLContext(), QOffscreenSurface()
    context.setShareContext(shared)
    surface.create()
    if not context.create() or not context.makeCurrent(surface):
        return None
    names = range(1, MOST_NAMES)
    count = sum(bool(GL.glIsBuffer(name)) + bool(GL.glIsTexture(name)) for name in names)
    context.doneCurrent()
    return count


class Lateness:
    """How late a timer of 5 ms fires: what every other event waits, too. Counted, so that hours of it take no room."""

    def __init__(self) -> None:
        self._counts = np.zeros(round(LONGEST_MS / BIN_MS) + 1, dtype=np.int64)
        self._due = perf_counter() + INTERVAL_S
        self._timer = QTimer(interval=round(INTERVAL_S * 1000))
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._fire)

    def resume(self) -> None:
        """Count from now on."""
        self._due = perf_counter() + INTERVAL_S
        self._timer.start()

    def pause(self) -> None:
        """Count no more: what follows is not the program's."""
        self._timer.stop()

    def _fire(self) -> None:
        now = perf_counter()
        late_ms = min(max(0.0, (now - self._due) * 1000), LONGEST_MS)
        self._counts[int(late_ms / BIN_MS)] += 1
        self._due = now + INTERVAL_S

    def percentiles(self) -> dict[str, float | None]:
        """Milliseconds; None before the first was counted."""
        total = self._counts.sum()
        if not total:
            return {"p50": None, "p95": None, "p99": None, "max": None}
        below = np.cumsum(self._counts) / total
        shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
        return {name: round(float(np.searchsorted(below, share) * BIN_MS), 1) for name, share in shares.items()}
