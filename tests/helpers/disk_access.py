"""Watching accesses to files, and slowing them: what a disk does to a window.

Python tells an audit hook of each file that is opened or made and each folder that is listed, but not of ``os.stat``,
which is wrapped. A hook cannot be taken away, so there is one for the whole session, idle while nobody watches.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

EVENTS = frozenset({"open", "os.listdir", "os.scandir", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.utime"})
EXPLORER = f"{os.sep}explorer{os.sep}"
TESTS = f"{os.sep}tests{os.sep}"

Watcher = Callable[[str], object]
_watchers: list[Watcher] = []
_hooked: list[bool] = []


def _hook(event: str, args: tuple[object, ...]) -> None:
    if _watchers and event in EVENTS:
        _tell(args[0])


def _tell(path: object) -> None:
    if isinstance(path, (str, os.PathLike)):
        name = os.fspath(path)
        for watcher in list(_watchers):
            watcher(name if isinstance(name, str) else os.fsdecode(name))


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Call ``watcher`` with the path of each access, before it happens, in the thread in which it does."""
    if not _hooked:
        _hooked.append(True)
        sys.addaudithook(_hook)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("stat", "lstat"):
            patch.setattr(os, name, _told(getattr(os, name)))
        _watchers.append(watcher)
        try:
            yield
        finally:
            _watchers.remove(watcher)


def _told(function: Callable) -> Callable:
    def call(path, *args, **options):
        _tell(path)
        return function(path, *args, **options)

    return call


def refuse_in_event_loop(folder: Path) -> Watcher:
    """Fail where the window's own code looks for what is below ``folder`` in the thread of the event loop, but for
    settings, sessions and logs, which are small and in the person's home."""

    event_loop = threading.main_thread().ident
    below = os.path.join(folder, "")

    def refuse(name: str) -> None:
        if threading.get_ident() != event_loop or not name.startswith(below):
            return
        own = (os.environ.get("ISOLINE_CONFIG"), os.environ.get("ISOLINE_LOGS"))
        if not name.startswith(tuple(filter(None, own))) and (place := _place(sys._getframe(2))):
            raise AssertionError(f"{name} is looked for in the event loop, by {place}: its disk may not answer")

    return refuse


def _place(frame: FrameType | None) -> str:
    """Where the window's code is in this stack; empty if it is not."""
    while frame is not None:
        file = frame.f_code.co_filename
        if EXPLORER in file and TESTS not in file:
            return f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


class SlowDisk:
    """Lets each access below ``folder`` take between ``least`` and ``most`` seconds, until ``recover``. ``accesses``
    counts them."""

    def __init__(self, folder: Path, least: float, most: float) -> None:
        self._folder, self._times = str(folder), (least, most)
        self._random = random.Random(1)
        self._recovered = threading.Event()
        self.accesses = 0

    def recover(self) -> None:
        """Answer at once from now on, also to what has been asked."""
        self._recovered.set()

    def __call__(self, name: str) -> None:
        if name.startswith(self._folder):
            self.accesses += 1
            self._recovered.wait(self._random.uniform(*self._times))
