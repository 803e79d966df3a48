"""What the tour measures, from outside the code that it measures."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import numpy as np
from PySide6.QtCore import QObject, Qt, QTimer


def process_age() -> float:
    """Seconds since this process was started (Linux: by the kernel's account, to 10 ms; else since it imported us)."""
    if sys.platform.startswith("linux"):
        with open("/proc/self/stat", encoding="ascii", errors="replace") as stat:
            started = int(stat.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started
    return perf_counter() - _IMPORTED


_IMPORTED = perf_counter()


class LoopLateness(QObject):
    """How late a 5 ms timer fires, in ms: what every other event waits too."""

    INTERVAL_MS = 5

    def __init__(self) -> None:
        super().__init__()
        self.late_ms: list[float] = []
        self._due = 0.0
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(self.INTERVAL_MS)
        self._timer.timeout.connect(self._fire)

    def start(self) -> None:
        """Begin a measurement."""
        self.late_ms = []
        self._due = perf_counter() + self.INTERVAL_MS / 1000
        self._timer.start()

    def stop(self) -> None:
        """End it."""
        self._timer.stop()

    def _fire(self) -> None:
        now = perf_counter()
        self.late_ms.append(max(0.0, (now - self._due) * 1000))
        self._due = now + self.INTERVAL_MS / 1000


class Rate:
    """Events a second over the time of a ``with`` block."""

    def __init__(self) -> None:
        self.count = 0
        self.per_second = self.seconds = 0.0

    def hit(self, *_: object) -> None:
        """One event."""
        self.count += 1

    @contextmanager
    def measure(self) -> Iterator[Rate]:
        """Time the block."""
        self.count, begun = 0, perf_counter()
        yield self
        self.seconds = perf_counter() - begun
        self.per_second = self.count / self.seconds


def percentile(values: list[float], share: float) -> float | None:
    """A percentile of ``values`` (0-100), or None without any."""
    return float(np.percentile(values, share)) if values else None
