"""The lock of a run directory: one trainer writes a run, and anyone can see whether it is alive.

The file ``lock`` says who holds it and in which state the trainer is; a thread touches it every second (the
heartbeat), so it stays alive through a long epoch or a slow disk. A lock is stale if its heart has not beaten for
``STALE_S`` seconds (any host, a shared folder included), or for ``WATCH_S`` if it names this host and a process that is
not here: containers share a host's name, not its process ids, so a heart that beats is believed before the list of
processes. A stale lock is taken over, and a holder that was taken over notices and must stop writing.
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
"""How long a lock is watched before it is declared dead: it may be another container's, and clocks may disagree."""
WATCH_EVERY_S = 0.05
LATE_S = 5.0
"""Seconds without a beat of one's own after which somebody else may have taken the lock over."""

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
        if holder is None:
            return None
        patience = WATCH_S if _is_missing(holder) else STALE_S
        beats = abs(time.time() - beat_ns / 1e9) < patience
        beats_here = self._seen > 0.0 and time.monotonic() - self._seen < patience
        return holder if beats or beats_here else None

    def watch(self) -> Holder | None:
        """The holder, if its heart beats within ``WATCH_S`` from now."""
        self.alive()
        self._seen = 0.0
        end = time.monotonic() + WATCH_S
        while time.monotonic() < end:
            time.sleep(WATCH_EVERY_S)
            holder = self.alive()
            if self._seen and holder is not None:
                return holder
        return None


class RunLock:
    """Holds ``path`` from ``acquire`` to ``release`` (or as a context manager)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._holder = Holder(os.getpid(), socket.gethostname(), secrets.token_hex(8))
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._looked = time.time()
        self._unwritten = False  # the state could not be written: tried again at the next beat
        self._loss = ""

    def __enter__(self) -> RunLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock, a stale one included.

        Raises ``RunError`` if a living trainer has it, ``OSError`` if it cannot be written.
        """
        while not (self._create() or self._take_over()):  # it was released while it was watched
            pass
        _held_tokens.add(self._holder.token)
        self._thread = threading.Thread(target=self._beat, name="run-lock-heartbeat", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> str:
        """Why the lock is no longer held, and nothing may be written; empty while it is.

        A process that was suspended, or a computer that slept, looks at once, not at the next beat.
        """
        if abs(time.time() - self._looked) > LATE_S and self._mutex.acquire(blocking=False):  # else the heart beats now
            try:
                with contextlib.suppress(OSError):
                    self._look()
            finally:
                self._mutex.release()
        return self._loss

    def set_state(self, state: TrainerState) -> None:
        """Show whether the trainer runs or waits."""
        with self._mutex:
            if state != self._holder.state and not self._loss:
                self._holder = msgspec.structs.replace(self._holder, state=state)
                self._unwritten = True
                with contextlib.suppress(OSError):
                    self._write_state()

    def release(self) -> None:
        """Let go; the file vanishes unless someone else took it over."""
        if self._thread is None:
            return
        self._ended.set()
        self._thread.join()
        self._thread = None
        _held_tokens.discard(self._holder.token)
        with contextlib.suppress(OSError):  # a folder that has vanished holds no lock
            if self._owner() == self._holder.token:
                self._path.unlink()

    def _create(self) -> bool:
        try:
            with open(self._path, "xb") as file:
                file.write(msgspec.json.encode(self._holder))
        except FileExistsError:
            return False
        return True

    def _take_over(self) -> bool:
        stale = _watch_until_stale(self._path)
        if stale is None:
            return False
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
            if _identity(self._path) != stale:
                raise RunError(f"{self._path}: another trainer has just taken this run over. Stop it first.")
            write_atomic(self._path, msgspec.json.encode(self._holder))
            return True
        finally:
            guard.unlink(missing_ok=True)

    def _owner(self) -> str:
        holder = read_holder(self._path)
        return "" if holder is None else holder.token

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            with self._mutex, contextlib.suppress(OSError):  # a share that is away for a while: beat when it is back
                self._look()
                if self._loss:
                    return
                if self._unwritten:
                    self._write_state()
                os.utime(self._path)

    def _write_state(self) -> None:
        write_atomic(self._path, msgspec.json.encode(self._holder))
        self._unwritten = False

    def _look(self) -> None:
        """Notice that the lock is another's, or gone."""
        self._looked = time.time()
        holder, folder = read_holder(self._path), self._path.parent
        if holder is not None and holder.token == self._holder.token:
            return
        if holder is not None:
            who = f"process {holder.pid} on {holder.host}"
            self._loss = f"{folder}: another trainer ({who}) has taken this run over; this one stops."
        elif not folder.is_dir():
            self._loss = f"{folder} is gone: it was deleted or moved. This training stops."
        else:
            self._loss = (
                f"{folder}: the file {self._path.name} was removed or damaged, so another training may begin here; "
                "this one stops. Continue it with --resume."
            )


def _watch_until_stale(path: Path) -> tuple[str, int] | None:
    """Raise ``RunError`` if the lock's holder lives: at once where that can be known, else the lock is watched.

    Returns which lock is stale, see ``_identity``; None if there is none any more.
    """
    reader, found = LockReader(path), _identity(path)
    holder = reader.alive()
    if holder is None or _is_missing(holder):  # None: torn, or just being written, or silent for long
        holder = reader.watch()
    if holder is not None:
        raise RunError(
            f"{path.parent} is being trained by process {holder.pid} on {holder.host}. "
            "Stop that training first, or choose another folder with --out."
        )
    return found if path.exists() else None


def _identity(path: Path) -> tuple[str, int] | None:
    """Token and last beat of the lock; None if it is gone."""
    holder = read_holder(path)
    try:
        return ("" if holder is None else holder.token), path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _is_missing(holder: Holder) -> bool:
    """Whether it names this host, and a process that is not here: dead, or in another container."""
    if holder.host != socket.gethostname():
        return False
    if holder.pid == os.getpid():
        return holder.token not in _held_tokens
    return not process_exists(holder.pid)


def process_exists(pid: int) -> bool:
    """Whether process ``pid`` of this host is there."""
    import psutil  # here, for the window asks only when a lock is there

    return psutil.pid_exists(pid)
