"""What is found of large arrays is found once, and forgotten with them."""

from __future__ import annotations

import gc
import weakref

import numpy as np

from core.utils.remembered import LARGE, remembered


class Total:
    def __init__(self, value: float) -> None:
        self.value = value


def test_what_is_found_of_a_large_array_is_found_once_and_goes_with_it():
    calls: list[int] = []

    @remembered
    def total(array: np.ndarray) -> Total:
        """Sum."""
        calls.append(len(array))
        return Total(float(array.sum()))

    large, other, small = np.ones(LARGE, np.uint8), np.full(LARGE, 2, np.uint8), np.ones(3)
    assert [total(array).value for array in (large, other, large)] == [LARGE, 2 * LARGE, LARGE]
    assert len(calls) == 2
    found = weakref.ref(total(large))
    del large
    gc.collect()
    assert found() is None
    assert total(other).value == 2 * LARGE
    assert (total(small).value, total(small).value) == (3.0, 3.0)
    assert len(calls) == 4, "small arrays may be changed"
    assert total.__doc__ == "Sum."
