"""Work on all cores, answers in order, never more under way than memory allows."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def in_order(work: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
    """``work`` of each item, in their order, in as many threads as there are cores.

    Threads, not processes: Pillow, zlib and NumPy let go of the interpreter while they compute. ``items`` are taken
    only a little ahead of the answers. Close the iterator to give up what is left; what has begun is waited for.
    """
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    under_way: deque[Future[Answer]] = deque()
    with ThreadPoolExecutor(workers, "images") as pool:
        try:
            for item in items:
                under_way.append(pool.submit(work, item))
                if len(under_way) > workers + 2:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()
