"""What the tour measures, from outside the code that it measures: start-up, lateness, clicks until they are painted."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from time import perf_counter

import numpy as np
from PySide6.QtCore import QPointF, Qt, QTimer

from core.protocol.messages import Decoded
from explorer.tour import input_events
from explorer.tour.runner import Director, StageFailed, Until

PAUSE_S = 0.08  # between clicks; a person is slower


def process_age() -> float:
    """Seconds since this process was started (Linux: by the kernel's account, to 10 ms; else since it imported us)."""
    if sys.platform.startswith("linux"):
        with open("/proc/self/stat", encoding="ascii", errors="replace") as stat:
            started = int(stat.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started
    return perf_counter() - _IMPORTED


_IMPORTED = perf_counter()


@contextmanager
def loop_lateness() -> Iterator[list[float]]:
    """How late a 5 ms timer fires during the block, in ms: what every other event waits too."""
    interval_s = 0.005
    late_ms: list[float] = []
    due = perf_counter() + interval_s

    def fire() -> None:
        nonlocal due
        now = perf_counter()
        late_ms.append(max(0.0, (now - due) * 1000))
        due = now + interval_s

    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(fire)
    timer.start(round(interval_s * 1000))
    yield late_ms
    timer.stop()


def percentile(values: list[float], percent: float) -> float | None:
    """A percentile of ``values`` (0-100), or None without any."""
    return float(np.percentile(values, percent)) if values else None


def visible_points(tour: Director, count: int, seed: int) -> list[QPointF]:
    """Places on the cloud's widget where points are, well inside it."""
    cloud = tour.explorer.cloud
    places = cloud.screen_positions()
    width, height = cloud.width(), cloud.height()
    inside = (places[:, 0] > 40) & (places[:, 0] < width - 140) & (places[:, 1] > 40) & (places[:, 1] < height - 40)
    chosen = np.flatnonzero(inside)
    if not len(chosen):
        raise StageFailed("no point of the cloud is on screen")
    picked = np.random.default_rng(seed).choice(chosen, size=count, replace=len(chosen) < count)
    return [QPointF(float(x), float(y)) for x, y in places[picked, :2]]


def timed_clicks(
    tour: Director, count: int, seed: int
) -> Generator[Until | float, None, tuple[list[float], list[float]]]:
    """Click ``count`` points one after another, each where it is at that moment; a cloud in training moves.

    Returns milliseconds from the press to the painted image, and those of the decodes. The decode that counts is any
    that was asked after the press: in a training the clicked sample may move before its image is there, and the newer
    place is decoded instead.
    """
    explorer, cloud, state = tour.explorer, tour.explorer.cloud, tour.explorer.state
    click_ms: list[float] = []
    decode_ms: list[float] = []
    pressed, stamp, shown, missed = 0.0, 0, 0.0, 0  # not pressed: no click waits for its image

    def on_painted() -> None:
        nonlocal shown
        shown = perf_counter()

    def on_decoded(reply: Decoded) -> None:
        """Its image has been painted by now."""
        nonlocal pressed
        if pressed and reply.stamp > stamp:
            decode_ms.append(reply.milliseconds)
            click_ms.append((shown - pressed) * 1000)
            pressed = 0.0

    painted = Until(lambda: not pressed, "the clicked point's image is painted")
    explorer.probe.decoded.connect(on_decoded)
    explorer.image.painted.connect(on_painted)
    while len(click_ms) < count:
        at = visible_points(tour, 1, seed + len(click_ms) + 1000 * missed)[0]
        input_events.move(cloud, at)
        yield 0.02
        before = state.document
        stamp, pressed = explorer.engine.last_stamp, perf_counter()
        input_events.click(cloud, at)
        if state.document is before:  # the point went elsewhere between look and click, as it can for a person
            pressed = 0.0
            missed += 1
            if missed > count:
                raise StageFailed(f"{missed} clicks on points chose none")
            continue
        yield painted
        yield PAUSE_S
    explorer.probe.decoded.disconnect(on_decoded)
    explorer.image.painted.disconnect(on_painted)
    return click_ms, decode_ms
