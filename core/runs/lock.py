"""The lock of a run directory: one trainer writes a run, and anyone can see whether it is alive.

The file ``lock`` says who holds it and in which state the trainer is; a thread touches it every second (the
heartbeat), so it stays alive through a long epoch or a slow disk. A lock is stale if its process is gone (same host)
or its heart has not beaten for ``STALE_S`` seconds (any host, a shared folder included); a stale lock is taken over,
and a holder that was taken over notices and must stop writing.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
import time
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from core.utils.atomic_write import write_atomic
from core.utils.untrusted import UnreadableError, read_json

HEARTBEAT_S = 1.0
STALE_S = 30.0
WATCH_S = 2.5
"""How long an unfamiliar lock is watched before it is declared dead: clocks of two hosts may disagree."""

_MAX_LOCK = 4096

TrainerState = Literal["running", "paused"]


class RunError(RuntimeError):
    """A run directory that cannot be used as asked; the message names the file, what is wrong and what to do."""


class Holder(msgspec.Struct, frozen=True):
    """Content of ``lock``: process id and host of the trainer, its state, and a token that tells two holders apart."""

    pid: Annotated[int, msgspec.Meta(ge=1, lt=1 << 31)]
    host: str
    token: str
    state: TrainerState = "running"


_held_tokens: set[str] = set()  # of this process: a process id that was used again must not look like ourselves


def read_holder(path: Path) -> Holder | None:
    """Who holds the lock file ``path``; None if nobody does or the file says nothing readable."""
    try:
        return read_json(path, Holder, _MAX_LOCK)
    except (FileNotFoundError, NotADirectoryError, UnreadableError):
        return None


class LockReader:
    """Says whether a lock is alive, cheaply and again and again; remembers when it last saw the heart beat."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beat_ns: int | None = None
        self._seen = 0.0

    def alive(self) -> Holder | None:
        """The holder, if it lives; else None."""
        holder = read_holder(self._path)
        try:
            beat_ns = self._path.stat().st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            return None
        changed = self._beat_ns is not None and beat_ns != self._beat_ns
        if changed:
            self._seen = time.monotonic()
        self._beat_ns = beat_ns
        if holder is None or _certainly_dead(holder):
            return None
        beats = abs(time.time() - beat_ns / 1e9) < STALE_S
        beats_here = self._seen > 0.0 and time.monotonic() - self._seen < STALE_S
        return holder if beats or beats_here else None


class RunLock:
    """Holds ``path`` from ``acquire`` to ``release`` (or as a context manager)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._holder = Holder(os.getpid(), socket.gethostname(), secrets.token_hex(8))
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.lost = False
        """Another trainer has taken the lock over; stop writing."""

    def __enter__(self) -> RunLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock, a stale one included.

        Raises ``RunError`` if a living trainer has it, ``OSError`` if it cannot be written.
        """
        try:
            with open(self._path, "xb") as file:
                file.write(msgspec.json.encode(self._holder))
        except FileExistsError:
            self._take_over()
        _held_tokens.add(self._holder.token)
        self._thread = threading.Thread(target=self._beat, name="run-lock-heartbeat", daemon=True)
        self._thread.start()

    def set_state(self, state: TrainerState) -> None:
        """Show whether the trainer runs or waits."""
        with self._mutex:
            if state != self._holder.state and not self.lost:
                self._holder = msgspec.structs.replace(self._holder, state=state)
                write_atomic(self._path, msgspec.json.encode(self._holder))

    def release(self) -> None:
        """Let go; the file vanishes unless someone else took it over."""
        if self._thread is None:
            return
        self._ended.set()
        self._thread.join()
        self._thread = None
        _held_tokens.discard(self._holder.token)
        with contextlib.suppress(OSError):  # a folder that has vanished holds no lock
            if self._is_ours():
                self._path.unlink()

    def _take_over(self) -> None:
        _refuse_if_alive(self._path)
        # Two processes may find the same stale lock: whoever creates the guard may replace it, after a second look.
        guard = self._path.with_name(self._path.name + ".takeover")
        with contextlib.suppress(FileNotFoundError):
            if time.time() - guard.stat().st_mtime > STALE_S:
                guard.unlink()
        try:
            guard.touch(exist_ok=False)
        except FileExistsError as error:
            raise RunError(f"{self._path}: another trainer is taking this run over. Try again in a minute.") from error
        try:
            _refuse_if_alive(self._path)
            write_atomic(self._path, msgspec.json.encode(self._holder))
        finally:
            guard.unlink(missing_ok=True)

    def _is_ours(self) -> bool:
        holder = read_holder(self._path)
        return holder is not None and holder.token == self._holder.token

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            with self._mutex, contextlib.suppress(OSError):  # a share that is away for a while: beat when it is back
                if not self._is_ours():
                    self.lost = True
                    return
                os.utime(self._path)


def _refuse_if_alive(path: Path) -> None:
    """Raise ``RunError`` if the lock's holder lives. Returns at once where that can be known, else watches it."""
    reader = LockReader(path)
    holder = reader.alive()
    if holder is None:
        stored = read_holder(path)  # None: torn, or just being written
        if stored is None or not _certainly_dead(stored):
            time.sleep(WATCH_S)
            holder = reader.alive()
    if holder is not None:
        raise RunError(
            f"{path.parent} is being trained by process {holder.pid} on {holder.host}. "
            "Stop that training first, or choose another folder with --out."
        )


def _certainly_dead(holder: Holder) -> bool:
    if holder.host != socket.gethostname():
        return False
    if holder.pid == os.getpid():
        return holder.token not in _held_tokens
    return not process_exists(holder.pid)


def process_exists(pid: int) -> bool:
    """Whether process ``pid`` of this host is there."""
    import psutil  # here, for the window asks only when a lock is there

    return psutil.pid_exists(pid)
