"""What the window's process holds, counted where it should hold the same as before."""

from __future__ import annotations

import ctypes
import gc
import re
import sys
import threading
from collections import Counter
from typing import Any

import psutil
from OpenGL import GL
from PySide6.QtCore import QCoreApplication, QObject, QtMsgType, qInstallMessageHandler
from PySide6.QtGui import QOffscreenSurface, QOpenGLContext
from PySide6.QtWidgets import QApplication

MOST_NAMES = 4096  # of OpenGL's buffers and textures; drivers give the lowest that are free


def census(parents: list[QObject], renderer: str) -> dict[str, Any]:
    """Counts of this process: ``files`` open, ``threads``, ``objects`` of Qt below the windows, the application and
    ``parents``, ``gl`` buffers and textures (None where nothing is drawn by OpenGL), and ``python`` objects that its
    collector knows; ``memory``: ``resident``, and what of it is known, as
    ``memory`` has it; ``types``: Qt's and Python's objects, and threads, by type."""
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
        "memory": {"resident": round(process.memory_info().rss / 1e6, 1), **memory()},
        "types": dict(kinds + objects + Counter(f"thread {thread.name}" for thread in threading.enumerate())),
    }


def open_files(process: psutil.Process) -> int:
    """File descriptors, or handles on Windows."""
    count = getattr(process, "num_fds" if hasattr(process, "num_fds") else "num_handles")
    return int(count())


class _Mallinfo2(ctypes.Structure):
    """glibc's: malloc.h."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


def memory() -> dict[str, float]:
    """Megabytes: ``asked``, of malloc and not freed; ``freed``, what malloc keeps for later (both with glibc 2.33 or
    newer alone); ``python``, of Python's small objects, at 64 bytes each; ``files``, pages of files and libraries that
    are mapped (Linux alone)."""
    found = {"python": sys.getallocatedblocks() * 64 / 1e6}
    if sys.platform == "linux":
        mallinfo2 = getattr(ctypes.CDLL(None), "mallinfo2", None)
        if mallinfo2 is not None:
            mallinfo2.restype = _Mallinfo2
            info = mallinfo2()
            found |= {"asked": (info.uordblks + info.hblkhd) / 1e6, "freed": info.fordblks / 1e6}
        found["files"] = psutil.Process().memory_info().shared / 1e6
    return {name: round(value, 1) for name, value in found.items()}


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
