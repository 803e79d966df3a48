"""When one process of a training fails, all of them end within seconds, and rank zero tells why.

Whoever fails writes the reason where the processes have met. On a CPU the connections of a process close when it ends,
and wake those that wait for it; an accelerator may wait for ever. So a thread in each process looks for a reason once a
second, and ends what does not end by itself.

A machine that is lost, or its network, closes no connection, and what waits for it would wait for minutes or for ever.
So each of these threads also leaves a beat there; rank zero, where they meet, misses those of the others, and these
miss its answers.
"""

from __future__ import annotations

import contextlib
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
"""Seconds until the reason is known for which a connection has closed, where all processes are on this machine."""
REMOTE_SETTLING_S = 6.0
"""The same of a process on another machine, whose end shows in that its beats are missing for ``MISSED_S``; the others
give rank zero, which misses them, as long again."""
MISSED_S = 2.5
SILENT_S = 16.0
"""Seconds without a sign of life after which a process counts as lost. All have ended within 30."""
LEAVING_S = 10.0
"""Seconds that rank zero, having failed, waits for the processes that it has started before it kills them."""
_KEY, _BEAT = "isoline-failure", "isoline-beat-"
_SILENT = "nothing has been heard of it for {:.0f} s; its machine or the network to it may be gone"
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
    the order of their ranks from 1; ``processes`` is how many there are on all machines. On a failure elsewhere this
    process has some seconds to end by itself; then ``give_up`` is called in a thread, to interrupt what it waits for,
    and after as many seconds again ``end``.
    """

    def __init__(
        self,
        store: Any,
        rank: int,
        children: Sequence[subprocess.Popen[Any]],
        give_up: Callable[[], None],
        end: Callable[[Failure], None],
        processes: int = 1,
    ) -> None:
        self._store, self._rank, self._children = store, rank, children
        self._beats: dict[int, tuple[bytes, float]] = {}
        self._others = range(1, processes) if rank == 0 and store is not None else range(0)
        self._began = self._answered = time.monotonic()
        self._give_up, self._end = give_up, end
        self._seen: Failure | None = None
        self._closed = threading.Event()
        self._lock = threading.Lock()  # the store answers one thread at a time
        self._thread = threading.Thread(target=self._run, name="failure-watch", daemon=True)
        self._thread.start()
        if store is not None:
            threading.Thread(target=self._run_alarm, name="failure-alarm", daemon=True).start()

    @property
    def seen(self) -> Failure | None:
        """The failure of another that the thread has seen."""
        return self._seen

    def report(self, message: str, out_of_memory: bool) -> None:
        """Tell all others that this process has failed; of several the first is told."""
        self._publish(Failure(self._rank, message[:_MOST], socket.gethostname(), out_of_memory))

    def _publish(self, failure: Failure) -> None:
        with self._lock:
            try:
                self._store.compare_set(_KEY, "", msgspec.json.encode(failure).decode())
            except torch.distributed.DistError:  # rank zero, which keeps the store, is gone, and so will be the others
                return

    def failure_of_another(self, wait_s: float = 0.0, silent_s: float | None = None) -> Failure | None:
        """The failure of another process, which may become known within ``wait_s`` seconds; of one that has given no
        sign of life for ``silent_s`` seconds, too (None: ``SILENT_S``)."""
        deadline = time.monotonic() + wait_s
        while (failure := self._look(silent_s)) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        return failure

    def close(self) -> None:
        """This process ends by itself: the thread does nothing more."""
        self._closed.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(POLL_S + SETTLING_S)

    def _look(self, silent_s: float | None = None) -> Failure | None:
        reported = self._reported()
        if reported is not None:
            return reported if reported.rank != self._rank else None
        for number, child in enumerate(self._children, start=1):
            if status := child.poll():
                return Failure(number, _ended(status), socket.gethostname())
        return self._silent(SILENT_S if silent_s is None else silent_s)

    def _beat(self) -> None:
        """Say that this process is there."""
        if self._store is not None:
            # Of a store that is gone, _reported says so.
            with self._lock, contextlib.suppress(torch.distributed.DistError):
                self._store.set(f"{_BEAT}{self._rank}", f"{time.monotonic()} {socket.gethostname()}")
            self._answered = time.monotonic()

    def _silent(self, silent_s: float) -> Failure | None:
        """Rank zero's: who has given no sign of life for too long."""
        now = time.monotonic()
        for rank in self._others:
            key = f"{_BEAT}{rank}"
            with self._lock:
                try:
                    beat = self._store.get(key) if self._store.check([key]) else b""
                except torch.distributed.DistError:
                    return None
            before, since = self._beats.get(rank, (b"", self._began))
            if beat != before:
                self._beats[rank] = beat, now
            elif now - since > silent_s:
                failure = Failure(rank, _SILENT.format(now - since), beat.decode().partition(" ")[2])
                self._publish(failure)
                return failure
        return None

    def _run_alarm(self) -> None:
        """End this process when rank zero, where all meet, does not answer; not even itself, if its machine has lost
        its network. The thread that asks may be waiting for the answer, so this is one of its own."""
        while not self._closed.wait(POLL_S):
            if time.monotonic() - self._answered > SILENT_S:
                self._fail(Failure(0, _SILENT.format(SILENT_S)))
                return

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
        self._beat()
        while not self._closed.wait(POLL_S):
            self._beat()
            failure = self._look()
            if failure is not None:
                self._fail(failure)
                return

    def _fail(self, failure: Failure) -> None:
        """Let this process end by itself, else interrupt what it waits for, else end it."""
        self._seen = failure
        grace = SHORT_GRACE_S if self._rank else GRACE_S
        if self._closed.wait(grace):
            return
        # It may itself wait for what is gone.
        threading.Thread(target=self._give_up, name="failure-give-up", daemon=True).start()
        if not self._closed.wait(grace):
            self._end(failure)


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
    if rank == 0 or failure.rank == 0:  # else rank zero says it
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
