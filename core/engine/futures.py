"""Values that a thread of their own works out, while the engine goes on answering.

What takes longer than decoding one image must not keep the probe waiting. numpy and scipy let go of the interpreter
in their large products, so a decode hardly notices such a thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from time import perf_counter
from typing import Any, Generic, TypeVar

T = TypeVar("T")

EAGER_S = 0.1  # for so long a job waits in short slices of its own, so that a quick value is passed on at once
_SLICE_S = 0.002


class Later(Generic[T]):
    """What ``make`` returns or raises, worked out in a thread that starts now."""

    def __init__(self, make: Callable[[], T], name: str) -> None:
        self._make: Callable[[], T] | None = make
        self._value: list[T] = []
        self._error: Exception | None = None
        self.began = perf_counter()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether ``result`` has an answer, be it an error."""
        return not self._thread.is_alive()

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return self.ready and self._error is not None

    def wait(self, seconds: float) -> None:
        """Let the thread work for so long, or until it is ready."""
        self._thread.join(seconds)

    def result(self) -> T:
        """The value, waited for; raises what ``make`` raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._value[0]

    def _run(self) -> None:
        make, self._make = self._make, None  # what it holds can go when it is done
        _WORKING.add(self)
        try:
            if make is not None:
                self._value.append(make())
        except Exception as error:  # whatever it is, the job that waits for the value must hear of it
            self._error = error
        finally:
            _WORKING.discard(self)


class Stream(Generic[T]):
    """What an iterator gives, worked out in a thread that starts now; ``close`` it to have no more."""

    def __init__(self, values: Iterator[T], name: str) -> None:
        self._found: deque[T] = deque()
        self._new = threading.Event()
        self._closed = False
        self._work = Later(lambda: self._run(values), name)

    def close(self) -> None:
        """Stop after the value that is being worked out."""
        self._closed = True

    def next(self) -> Generator[bool, None, T | None]:
        """The next value, in slices; None after the last one. Raises what the iterator raised."""
        began = perf_counter()
        while not self._found:
            if self._work.ready and not self._found:
                self._work.result()
                return None
            self._new.clear()
            if perf_counter() - began < EAGER_S:
                self._new.wait(_SLICE_S)
                yield True
            else:
                yield False
        return self._found.popleft()

    def _run(self, values: Iterator[T]) -> None:
        for value in values:
            self._found.append(value)
            self._new.set()
            if self._closed:
                return


_WORKING: set[Later[Any]] = set()


def working() -> bool:
    """Whether any value is being worked out."""
    return bool(_WORKING)


def awaited(later: Later[T]) -> Generator[bool, None, T]:
    """The value, in slices."""
    while not later.ready:
        if perf_counter() - later.began < EAGER_S:
            later.wait(_SLICE_S)
            yield True
        else:
            yield False
    return later.result()
