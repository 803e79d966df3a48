"""What has been found of a large array, kept as long as the array: found in a thread, it is there at once in the event
loop."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import TypeVar

import numpy as np

LARGE = 1 << 18
"""Numbers: what is asked of fewer takes milliseconds, and is found anew."""

T = TypeVar("T")


def remembered(function: Callable[[np.ndarray], T]) -> Callable[[np.ndarray], T]:
    """``function`` of one array, which nobody may change, computed once for each that has ``LARGE`` numbers or more."""
    known: dict[int, tuple[weakref.ref[np.ndarray], T]] = {}

    @functools.wraps(function)
    def recall(array: np.ndarray) -> T:
        if array.size < LARGE:
            return function(array)
        key = id(array)
        entry = known.get(key)
        if entry is None or entry[0]() is not array:
            entry = weakref.ref(array, lambda _: known.pop(key, None)), function(array)
            known[key] = entry
        return entry[1]

    return recall
