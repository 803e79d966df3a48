"""Taking turns: whatever is compared is measured alternately, because a machine drifts by more than things differ."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from time import perf_counter

SHORTEST_S = 0.002
"""A turn of something quicker calls it again and again, so that the clock and the loop do not count."""
MOST_CALLS = 1000
LONG_S = 1.0

Times = dict[str, tuple[float, ...]]
"""Milliseconds of one call, for each turn."""


def turns(actions: Mapping[str, Callable[[], object]], rounds: int, shortest_s: float = SHORTEST_S) -> Times:
    """Call ``actions`` in turns (A B C, C B A, …), after a first call of each that is not counted."""
    calls: dict[str, int] = {}
    for name, action in actions.items():
        seconds = _seconds(action, 1)
        if seconds < LONG_S:  # the first call loads what is loaded once
            seconds = _seconds(action, 1)
        calls[name] = max(1, min(MOST_CALLS, math.ceil(shortest_s / max(seconds, 1e-9))))
    times: dict[str, list[float]] = {name: [] for name in actions}
    names = list(actions)
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            times[name].append(1000.0 * _seconds(actions[name], calls[name]) / calls[name])
    return {name: tuple(taken) for name, taken in times.items()}


def _seconds(action: Callable[[], object], calls: int) -> float:
    begun = perf_counter()
    for _ in range(calls):
        action()
    return perf_counter() - begun


def rates(milliseconds: tuple[float, ...], amount: float) -> tuple[float, ...]:
    """``amount`` a second, of times for that amount."""
    return tuple(1000.0 * amount / time for time in milliseconds)


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Compute with ``count`` threads of torch inside."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
