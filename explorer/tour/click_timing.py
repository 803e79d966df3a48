"""Timing clicks: from the mouse press on a point to its decoded image painted on screen."""

from __future__ import annotations

from time import perf_counter

import numpy as np
from PySide6.QtCore import QPointF

from core.protocol.messages import Decoded
from explorer.tour import input_events
from explorer.tour.runner import Director, Stage, StageFailed, Until

PAUSE_S = 0.08  # between clicks; a person is slower


class ClickTimer:
    """Follows one click at a time: pressed, decoded, its image painted.

    The decode that counts is any that was asked after the press: in a training the clicked sample may move before its
    image is there, and the newer place is decoded instead.
    """

    def __init__(self, tour: Director) -> None:
        self._tour = tour
        self._pressed = 0.0
        self._stamp = 0
        self._decoded = False
        self.milliseconds: list[float] = []
        self.decode_ms: list[float] = []
        tour.explorer.probe.decoded.connect(self._on_decoded)
        tour.explorer.image.painted.connect(self._on_painted)

    def begin(self) -> None:
        """The button goes down now."""
        self._decoded, self._stamp, self._pressed = False, self._tour.explorer.engine.last_stamp, perf_counter()

    def forget(self) -> None:
        """The click hit nothing."""
        self._pressed = 0.0

    @property
    def waiting(self) -> bool:
        """Whether the image has not been painted yet."""
        return self._pressed > 0

    def _on_decoded(self, reply: Decoded) -> None:
        if self._pressed and reply.stamp > self._stamp:
            self._decoded = True
            self.decode_ms.append(reply.milliseconds)

    def _on_painted(self) -> None:
        if self._decoded and self._pressed:
            self.milliseconds.append((perf_counter() - self._pressed) * 1000)
            self._pressed = 0.0
            self._decoded = False

    def close(self) -> None:
        """Stop listening."""
        self._tour.explorer.probe.decoded.disconnect(self._on_decoded)
        self._tour.explorer.image.painted.disconnect(self._on_painted)


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


def timed_clicks(tour: Director, timer: ClickTimer, count: int, seed: int) -> Stage:
    """Click ``count`` points one after another, each where it is at that moment; a cloud in training moves."""
    cloud, state = tour.explorer.cloud, tour.explorer.state
    missed = 0
    while len(timer.milliseconds) < count:
        place = visible_points(tour, 1, seed + len(timer.milliseconds) + 1000 * missed)[0]
        input_events.move(cloud, place)
        yield 0.02
        before = state.document
        timer.begin()
        input_events.click(cloud, place)
        if state.document is before:  # the point went elsewhere between look and click, as it can for a person
            timer.forget()
            missed += 1
            if missed > count:
                raise StageFailed(f"{missed} clicks on points chose none")
            continue
        yield Until(lambda: not timer.waiting, "the clicked point's image is painted", 10.0)
        yield PAUSE_S
