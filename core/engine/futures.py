"""Values that a thread of their own computes, while the engine goes on answering.

What takes longer than decoding one image must not keep the probe waiting. numpy and scipy let go of the interpreter
in their large products, so a decode hardly notices such a thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, wait
from time import perf_counter
from typing import Any, TypeVar

T = TypeVar("T")

EAGER_S = 0.1  # for so long a handler waits in short slices of its own, so that a quick value is passed on at once
_SLICE_S = 0.002
_RUNNING: set[Future[Any]] = set()


def in_thread(compute: Callable[[], T], name: str) -> Future[T]:
    """What ``compute`` returns or raises, in a daemon thread that starts now.

    A thread each, for one may wait for another's value, which would lock up a pool; and the engine ends without them.
    """
    future: Future[T] = Future()
    _RUNNING.add(future)

    def run() -> None:
        try:
            future.set_result(compute())
        except Exception as error:  # whatever it is, the handler that waits for the value must hear of it
            future.set_exception(error)
        finally:
            _RUNNING.discard(future)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def any_running() -> bool:
    """Whether any value is being computed."""
    return bool(_RUNNING)


def failed(future: Future[Any]) -> bool:
    """Whether there is an error in place of a value."""
    return future.done() and future.exception() is not None


def result_of(future: Future[T]) -> Generator[bool, None, T]:
    """The value, in slices; raises what its computation raised."""
    began = perf_counter()
    while not future.done():
        if perf_counter() - began < EAGER_S:
            wait([future], _SLICE_S)
            yield True
        else:
            yield False
    return future.result()
