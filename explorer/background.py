"""Work that may wait for a disk, in threads beside the event loop: a network folder may stall for minutes.

Whoever reads or writes files has a ``Background``, which does one thing after another and hands each result back in the
event loop, in that order. The threads end with the process: nobody waits for a disk that does not answer, apart from
``finish_writing`` for a moment.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, Signal

from explorer.garbage import collect_in_event_loop
from explorer.weak_callback import weak_callback

T = TypeVar("T")


class Background:
    """Does what it is given, one after another. To be made and used in the event loop's thread.

    ``then`` gets the result of ``work``, ``failed`` its exception, if it is one of ``errors`` (``RunError`` and
    ``OSError`` if none are named); any other is raised in the event loop. Methods (also in a ``functools.partial``) are
    held weakly, and not called once their object is gone.
    """

    def __init__(self, *errors: type[Exception]) -> None:
        if not errors:
            from core.runs.directory import RunError  # only here: the window is painted without

            errors = (RunError, OSError)
        self._errors = errors
        self._lane = _Lane()
        use_event_loop()

    def read(
        self,
        work: Callable[[], T],
        then: Callable[[T], object],
        failed: Callable[[Exception], object] | None = None,
    ) -> None:
        """Do ``work``, whose result is wanted until ``drop``."""
        self._lane.add(_Task(work, then, failed, self._errors, wanted_for_good=False))

    def write(
        self,
        work: Callable[[], T],
        then: Callable[[T], object] | None = None,
        failed: Callable[[Exception], object] | None = None,
    ) -> None:
        """Do ``work`` whatever comes, and report it. At its end the window waits a moment for it."""
        self._lane.add(_Task(work, then, failed, self._errors, wanted_for_good=True))

    def drop(self) -> None:
        """Nobody wants the results of what is being read any more. What comes next does not wait for it."""
        self._lane.drop()
        self._lane = _Lane()

    @property
    def busy(self) -> bool:
        """Whether a result is still to come."""
        return self._lane.open > 0


class _Task:
    """One piece of work, done in a thread, and reported in the event loop."""

    def __init__(
        self,
        work: Callable[[], Any],
        then: Callable[[Any], object] | None,
        failed: Callable[[Any], object] | None,
        errors: tuple[type[Exception], ...],
        wanted_for_good: bool,
    ) -> None:
        self._work, self._errors = work, errors
        self._then, self._failed = weak_callback(then), None if failed is None else weak_callback(failed)
        self.wanted_for_good, self.dropped = wanted_for_good, False
        self._result: Any = None
        self.error: Exception | None = None
        self.done = threading.Event()
        if wanted_for_good:
            _writing.append(self)

    def run(self) -> None:
        if not self.dropped:
            try:
                self._result = self._work()
            except Exception as error:  # it belongs to whoever gave the work
                self.error = error
        self.done.set()

    def report(self) -> None:
        if self.wanted_for_good and self in _writing:
            _writing.remove(self)
        if self.dropped:
            return
        if self.error is None:
            self._then(self._result)
        elif self._failed is not None and isinstance(self.error, self._errors):
            self._failed(self.error)
        else:
            raise self.error


MOST_IDLE = 4
"""How many threads wait for work. To start one holds up the event loop until the system has let it run, for 0.8 ms and
more, and a run that is opened has six things read."""
IDLE = "isoline-idle"
"""The name of a thread that waits for work."""

_idle: list[SimpleQueue[Callable[[], None]]] = []  # where each of them waits


def _run_in_thread(work: Callable[[], None]) -> None:
    """Do ``work`` in a thread that is idle, or in a new one."""
    if _idle:  # the event loop's thread alone takes from it
        _idle.pop().put(work)
        return
    wanted: SimpleQueue[Callable[[], None]] = SimpleQueue()
    wanted.put(work)
    threading.Thread(target=_work_on, args=(wanted,), daemon=True).start()


def _work_on(wanted: SimpleQueue[Callable[[], None]]) -> None:
    thread = threading.current_thread()
    while True:
        thread.name = IDLE
        work = wanted.get()
        thread.name = "isoline-background"
        work()
        del work  # it would keep whoever gave it
        if len(_idle) >= MOST_IDLE:
            return
        _idle.append(wanted)


class _Lane:
    """Tasks in the order in which they were given; a thread is at them while there are any."""

    def __init__(self) -> None:
        self._tasks: deque[_Task] = deque()
        self._all: list[_Task] = []  # that have not been reported; of the event loop's thread alone
        self._lock = threading.Lock()
        self._working = False

    @property
    def open(self) -> int:
        return len(self._all)

    def add(self, task: _Task) -> None:
        self._all.append(task)
        with self._lock:
            self._tasks.append(task)
            idle, self._working = not self._working, True
        if idle:
            _run_in_thread(self._run)

    def drop(self) -> None:
        for task in self._all:
            task.dropped = not task.wanted_for_good

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._tasks:
                    self._working = False
                    return
                task = self._tasks.popleft()
            task.run()
            call_in_event_loop(lambda task=task: self._report(task))

    def _report(self, task: _Task) -> None:
        self._all.remove(task)
        task.report()


_writing: list[_Task] = []


def finish_writing(seconds: float) -> None:
    """Wait until everything has been written, for ``seconds`` at most, and print what was not: the window closes."""
    end = monotonic() + seconds
    for task in list(_writing):
        if not task.done.wait(max(0.0, end - monotonic())):
            print(
                "isoline: a file could not be written before the window closed: its disk does not answer",
                file=sys.stderr,
            )
        elif task.error is not None:
            print(f"isoline: {task.error}", file=sys.stderr)
    _writing.clear()


class _Courier(QObject):
    """Lives in the event loop's thread and calls there what threads hand it, one function an event."""

    _arrived = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._calls: deque[Callable[[], object]] = deque()
        self._arrived.connect(self._call, Qt.ConnectionType.QueuedConnection)

    def take(self, function: Callable[[], object]) -> None:
        self._calls.append(function)
        self._arrived.emit()

    def _call(self) -> None:
        self._calls.popleft()()


_couriers: list[_Courier] = []


def use_event_loop() -> None:
    """To be called in the event loop's thread, before threads have anything called there."""
    if not _couriers:
        _couriers.append(_Courier())
    collect_in_event_loop()


def call_in_event_loop(function: Callable[[], object]) -> None:
    """Have the event loop call ``function``, after what it was given before. From any thread."""
    _couriers[0].take(function)
