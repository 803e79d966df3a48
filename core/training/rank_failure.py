"""When one process of a training fails, all of them end within seconds, and rank zero tells why.

Whoever fails writes the reason where the processes have met. On a CPU the connections of a process close when it ends,
and wake those that wait for it; an accelerator may wait for ever. So a thread in each process looks for a reason once a
second, and ends what does not end by itself.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import torch

POLL_S = 1.0
GRACE_S = 4.0
"""Seconds for rank zero, which has a record to write, to come out of waiting by itself, and again once its collectives
were given up."""
SHORT_GRACE_S = 1.0
"""The same of other ranks, which have nothing to write."""
SETTLING_S = 3.0
"""Seconds until the reason is known for which a connection has closed."""
LEAVING_S = 10.0
"""Seconds that rank zero, having failed, waits for the processes that it has started before it kills them."""
_KEY = "isoline-failure"
_MOST = 2000  # characters of a message


class Failure(msgspec.Struct, frozen=True):
    """What ended the process of one rank."""

    rank: int
    message: str
    host: str = ""
    out_of_memory: bool = False

    @property
    def where(self) -> str:
        """The rank, and its host if it may be another."""
        return (
            f"rank {self.rank} on {self.host}" if self.host not in ("", socket.gethostname()) else f"rank {self.rank}"
        )

    def __str__(self) -> str:
        return f"{self.where} of this training failed: {self.message}"


class FailureWatch:
    """One process's look-out for the failure of another; a thread from the beginning to ``close``.

    ``store`` is where all meet (None: they have not yet); ``children`` are the processes that this one has started, in
    the order of their ranks from 1. On a failure elsewhere this process has some seconds to end by itself; then
    ``give_up`` is called in the thread, to interrupt what it waits for, and after as many seconds again ``end``.
    """

    def __init__(
        self,
        store: Any,
        rank: int,
        children: Sequence[subprocess.Popen[Any]],
        give_up: Callable[[], None],
        end: Callable[[Failure], None],
    ) -> None:
        self._store, self._rank, self._children = store, rank, children
        self._give_up, self._end = give_up, end
        self._seen: Failure | None = None
        self._closed = threading.Event()
        self._lock = threading.Lock()  # the store answers one thread at a time
        self._thread = threading.Thread(target=self._run, name="failure-watch", daemon=True)
        self._thread.start()

    @property
    def seen(self) -> Failure | None:
        """The failure of another that the thread has seen."""
        return self._seen

    def report(self, message: str, out_of_memory: bool) -> None:
        """Tell all others that this process has failed; of several the first is told."""
        failure = Failure(self._rank, message[:_MOST], socket.gethostname(), out_of_memory)
        with self._lock:
            try:
                self._store.compare_set(_KEY, "", msgspec.json.encode(failure).decode())
            except torch.distributed.DistError:  # rank zero, which keeps the store, is gone, and so will be the others
                return

    def failure_of_another(self, wait_s: float = 0.0) -> Failure | None:
        """The failure of another process, which may become known within ``wait_s`` seconds."""
        deadline = time.monotonic() + wait_s
        while (failure := self._look()) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        return failure

    def close(self) -> None:
        """This process ends by itself: the thread does nothing more."""
        self._closed.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(POLL_S + SETTLING_S)

    def _look(self) -> Failure | None:
        reported = self._reported()
        if reported is not None:
            return reported if reported.rank != self._rank else None
        for number, child in enumerate(self._children, start=1):
            if status := child.poll():
                return Failure(number, _ended(status), socket.gethostname())
        return None

    def _reported(self) -> Failure | None:
        if self._store is None:
            return None
        with self._lock:
            try:
                if not self._store.check([_KEY]):
                    return None
                return msgspec.json.decode(self._store.get(_KEY), type=Failure)
            except torch.distributed.DistError:
                return Failure(0, "its process has ended") if self._rank else None

    def _run(self) -> None:
        while not self._closed.wait(POLL_S):
            failure = self._look()
            if failure is None:
                continue
            self._seen = failure
            grace = SHORT_GRACE_S if self._rank else GRACE_S
            if self._closed.wait(grace):
                return
            self._give_up()
            if not self._closed.wait(grace):
                self._end(failure)
            return


def _ended(status: int) -> str:
    """What the exit status of a process says."""
    if status > 0:
        return f"its process ended with status {status}; what it wrote above may say why"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    why = ", as the system does when memory is full" if name == "SIGKILL" else ""
    return f"its process was ended by {name}{why}"


def end_process(failure: Failure, rank: int, children: Sequence[subprocess.Popen[Any]]) -> None:
    """End this process, which waits for one that has failed and does not wake, and those that it has started."""
    if rank == 0:
        print(f"error: {failure}", file=sys.stderr, flush=True)
    for child in children:
        child.kill()
    os._exit(1)


def await_children(children: Sequence[subprocess.Popen[Any]]) -> None:
    """Wait until the processes that were started have ended, and kill what has not after ``LEAVING_S`` seconds."""
    deadline = time.monotonic() + LEAVING_S
    for child in children:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
