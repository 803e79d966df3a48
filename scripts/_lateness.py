"""How late the event loop is, during which action of the walk, and in which lines of the program."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from time import perf_counter, sleep, thread_time
from types import FrameType

import numpy as np
from PySide6.QtCore import Qt, QTimer

BIN_MS, LONGEST_MS = 0.1, 60_000.0
INTERVAL_S = 0.005
LATE_MS = 25.0
HELD_S, LOOK_S = 0.02, 0.005  # a loop that is late by so much is looked into, so often
STOOD_STILL_S = 10.0  # nothing holds the loop and this thread, too, for so long
MOST_PLACES = 2000  # that are told apart: what is kept in memory would look like a leak
PROGRAM = Path(__file__).resolve().parent.parent
CALLERS = 3  # that are named with the line in which the loop is held, beside what began it


class Delays:
    """How often each delay occurred, so that hours of them take no room."""

    def __init__(self) -> None:
        self._counts = np.zeros(round(LONGEST_MS / BIN_MS) + 1, dtype=np.int64)

    def add(self, ms: float) -> None:
        """Count one, in milliseconds."""
        self._counts[int(min(ms, LONGEST_MS) / BIN_MS)] += 1

    def percentiles(self) -> dict[str, float | None]:
        """Milliseconds; None before the first was counted."""
        total = self._counts.sum()
        if not total:
            return {"p50": None, "p95": None, "p99": None, "max": None}
        below = np.cumsum(self._counts) / total
        shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
        return {name: round(float(np.searchsorted(below, share) * BIN_MS), 1) for name, share in shares.items()}


class Lateness:
    """How late a timer of 5 ms fires: what every other event waits, too.

    ``late``: by the clock. ``computing``: what of that the loop's own thread computed; the rest it waited, for other
    threads and, on a busy machine, for the processor. ``doing`` names what goes on; what is late is counted by it.
    """

    def __init__(self, doing: Callable[[], str]) -> None:
        self._doing = doing
        self.late, self.computing = Delays(), Delays()
        self._fired: Counter[str] = Counter()
        self._late: Counter[str] = Counter()
        self._computing: Counter[str] = Counter()
        self._longest: dict[str, float] = {}
        self._held: dict[tuple[str, str], tuple[float, float]] = {}  # seconds by the clock, and of computing
        self._loop = threading.get_ident()
        self._begin()
        self._counting = False
        self._timer = QTimer(interval=round(INTERVAL_S * 1000))
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._fire)

    def watch(self) -> None:
        """From now on, note in a thread where the loop is held for longer than ``HELD_S``; and count nothing as late
        when the process stood still."""
        if sys.platform != "win32":
            signal.signal(signal.SIGCONT, lambda *_: self._begin())
        threading.Thread(target=self._look, name="lateness", daemon=True).start()

    def resume(self) -> None:
        """Count from now on."""
        self._begin()
        self._timer.start()
        self._counting = True

    def pause(self) -> None:
        """Count no more: what follows is not the program's."""
        self._counting = False
        self._timer.stop()

    def _begin(self) -> None:
        self._due, self._computed = perf_counter() + INTERVAL_S, thread_time()

    def _fire(self) -> None:
        late_ms = max(0.0, (perf_counter() - self._due) * 1000)
        computing_ms = min(late_ms, (thread_time() - self._computed) * 1000)
        doing = self._doing()
        self.late.add(late_ms)
        self.computing.add(computing_ms)
        self._fired[doing] += 1
        self._late[doing] += late_ms > LATE_MS
        self._computing[doing] += computing_ms > LATE_MS
        self._longest[doing] = max(self._longest.get(doing, 0.0), late_ms)
        self._begin()

    def _look(self) -> None:
        looked, computed = perf_counter(), self._thread_time()
        while True:
            sleep(LOOK_S)
            before, looked = looked, perf_counter()
            computed_before, computed = computed, self._thread_time()
            stood_still = looked - before > STOOD_STILL_S
            if self._counting and not stood_still and looked - self._due > HELD_S:
                where = place(sys._current_frames().get(self._loop))
                if len(self._held) >= MOST_PLACES and where not in self._held:
                    where = (where[0], "other lines")
                seconds, computing = self._held.get(where, (0.0, 0.0))
                since = looked - max(before, self._due)
                self._held[where] = seconds + since, computing + min(since, computed - computed_before)

    def _thread_time(self) -> float:
        """What the loop's thread has computed; Unix alone can tell another thread."""
        clock = getattr(time, "pthread_getcpuclockid", None)
        return 0.0 if clock is None else time.clock_gettime(clock(self._loop))

    def by_action(self) -> list[dict[str, str | float]]:
        """For each action that was late: how often its timer ``fired``, how often ``late`` by more than ``LATE_MS``,
        how often it was by ``computing`` alone, and the longest, ``max_ms``; those that were late most often first."""
        return [
            {
                "action": name,
                "fired": self._fired[name],
                "late": late,
                "computing": self._computing[name],
                "max_ms": round(self._longest[name], 1),
            }
            for name, late in self._late.most_common()
            if late
        ]

    def held(self, most: int) -> list[str]:
        """The ``most`` handlers in which the loop was found longest while it was late by more than ``HELD_S``, with the
        place in which it was longest: by the clock, and how much of that it computed."""
        places: dict[str, dict[str, tuple[float, float]]] = {}
        for (handler, where), seconds in self._held.copy().items():
            places.setdefault(handler, {})[where] = seconds
        sums = {handler: np.sum([*within.values()], axis=0) for handler, within in places.items()}
        lines = []
        for handler, (seconds, computing) in sorted(sums.items(), key=lambda one: -one[1][0])[:most]:
            where, (part, computed) = max(places[handler].items(), key=lambda one: one[1])
            whole = f"{seconds:.2f} s ({computing:.2f} computing) in {handler}"
            lines.append(f"{whole}, {part:.2f} ({computed:.2f}) of them in {where}")
        return lines


def place(frame: FrameType | None) -> tuple[str, str]:
    """Where the program is in ``frame``: its outermost line, of a handler of some event; and the innermost ones with
    what they have called. Quick, for the event loop waits meanwhile."""
    called, lines = "", []
    while frame is not None:
        kind, form = _named(frame.f_code.co_filename, frame.f_code.co_name)
        if kind == "program":
            lines.append((form, frame.f_lineno))
        elif kind != "walk" and not lines and not called:
            called = form.format(frame.f_lineno)
        frame = frame.f_back
    texts = [form.format(line) for form, line in lines]
    return texts[-1] if texts else called, " < ".join([*([called] if called else []), *texts[:CALLERS]])


@cache
def _named(file: str, function: str) -> tuple[str, str]:
    """Whether a function is of the program or of the walk's own hands; its name, with room for the line. A plain tuple:
    anything else would look like a leak."""
    path = Path(file)
    if path.is_relative_to(PROGRAM / "explorer" / "tour"):
        return "walk", ""
    if path.is_relative_to(PROGRAM / "core") or path.is_relative_to(PROGRAM / "explorer"):
        return "program", f"{path.relative_to(PROGRAM).as_posix()}:{{}} {function}"
    return "other", f"{path.name}:{{}} {function}"
