"""Threads that compute pieces of a batch side by side, each on one thread of PyTorch.

PyTorch's own threads share each layer and wait for one another at its end, hundreds of times a step, without sleeping:
beside a busy process most of a step is such waits. Here a thread takes some images through all layers, forward and
back, so that they meet once a step, asleep; whoever is held up holds up its own images. How a batch is cut depends on
the batch alone and the pieces are added up in their order: the result is the same bit for bit on any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from types import TracebackType
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


class Workers:
    """``count`` threads, from ``__enter__`` to ``__exit__``; with one, the caller's own thread does all of the work."""

    def __init__(self, count: int = 1) -> None:
        self.count = count
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Workers:
        if self.count > 1:
            self._pool = ThreadPoolExecutor(self.count, "pieces", initializer=_compute_alone)
        return self

    def __exit__(self, _kind: object, _error: BaseException | None, _trace: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """``function`` of each item, in their order. Raises what the first that failed raised, once all have ended."""
        items = list(items)
        if self._pool is None or len(items) < 2:
            return [function(item) for item in items]
        futures = [self._pool.submit(function, item) for item in items]
        wait(futures)
        return [future.result() for future in futures]


def _compute_alone() -> None:
    torch.set_num_threads(1)
    torch.set_autocast_cache_enabled(False)  # it is one for all threads: a piece would use what another one has made
