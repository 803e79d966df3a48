"""The lock of a run directory: one trainer writes a run, and anyone can see whether it is alive, and what it is at.

The file ``lock`` says who holds it, in which state the trainer is and how far it is; a thread writes it twice a second
(the heartbeat), so it stays alive through a long epoch or a slow disk. What a beat says of the main loop comes from the
main loop: a beating heart over a step that does not end is a trainer that hangs, or a slow one.

Whether a holder lives is judged by the surest sign there is:

- Its process, if it is of this start of this machine and of these process ids: it is there, perhaps stopped, or it is
  gone. The time at which it began tells it from another that got the same number.
- Else its heartbeat, as containers share a host's name and not its process ids. It is stale after ``STALE_S`` seconds,
  by the monotonic clock where that is the holder's, too; else by time stamps of the file, or seen to beat here. Where
  the host's name is this one's and there is no such process, it is ``WATCH_S``.

A stale lock is watched, then taken over: the file is replaced, never written into, while a beat is only ever written
into the file that the holder made. So a trainer that was suspended cannot take back what somebody else has by now; it
looks before it writes anything, and stops.
"""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import socket
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Annotated, Literal, NamedTuple

import msgspec

from core.utils.atomic_write import TEMPORARY_SUFFIX, atomic_file
from core.utils.text import duration_text
from core.utils.untrusted import UnreadableError, decode_json, read_bytes, update_regular

HEARTBEAT_S = 0.5
STALE_S = 30.0
SLEPT_S = 10.0
"""Who has not looked for so long was stopped, or asleep, and so perhaps was the trainer: its silence counts anew."""
WATCH_S = 2.5
"""How long a lock is watched before it is declared dead: it may be another container's, and clocks may disagree."""
WATCH_EVERY_S = 0.05
LATE_S = 5.0
"""Seconds without a beat of one's own after which somebody else may have taken the lock over."""

_MAX_LOCK = 4096
_PADDED = 1024
"""Bytes of the file: all beats are as long, so that one is written over the other at once."""
_RECENT = 0.2
"""Weight of the last step in what a step usually takes."""

TrainerState = Literal["running", "paused"]
Activity = Literal["", "starting", "step", "validation", "recording", "waiting"]
"""What the main loop of a trainer is at; empty if it does not say."""
ProcessState = Literal["here", "stopped", "gone", "unknown"]
"""A holder's process: it runs here, was stopped here (SIGSTOP, a debugger), has ended, or is none that can be seen."""


class RunError(RuntimeError):
    """A run directory that cannot be used as asked; the message names the file, what is wrong and what to do."""


class Beat(msgspec.Struct, frozen=True):
    """What the main loop of the holder is at: ``activity`` since ``since``, with ``step`` steps done, of which each
    ``usually`` takes so many seconds (0: not known yet). ``clock`` is when this was written. Both times are seconds of
    the monotonic clock of the holder's machine, which stands still while that sleeps."""

    clock: float = 0.0
    activity: str = ""
    since: float = 0.0
    step: Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)] = 0
    usually: float = 0.0


class Holder(msgspec.Struct, frozen=True):
    """Content of ``lock``: process id and host of the trainer, its state, and a token that tells two holders apart.

    ``boot`` is the present start of its machine, ``pids`` the namespace of its process id, ``began`` when its process
    did, as its system counts: together they name one process. ``inode`` is the file's own, so that a copy of the file
    is told from it. Empty where the system, or the version of Isoline that wrote it, does not tell.
    """

    pid: Annotated[int, msgspec.Meta(ge=1, lt=1 << 31)]
    host: str
    token: str
    state: TrainerState = "running"
    boot: str = ""
    pids: str = ""
    began: float = 0.0
    inode: int = 0
    beat: Beat = Beat()

    @property
    def shares_clock(self) -> bool:
        """Whether its monotonic clock is the one here."""
        return bool(self.boot) and self.boot == _boot()

    def process(self, inode: int) -> ProcessState:
        """What is known of its process, if this is the content of the file ``inode``."""
        if self.shares_clock:
            sure = bool(self.pids) and self.pids == _pids()
        else:  # systems without such numbers; where they have them, a machine of the same name or one started anew
            sure = not self.boot and not _boot() and self.host == socket.gethostname()
        if not (sure and self.began and inode == self.inode):
            return "unknown"
        if self.pid == os.getpid():
            return "here" if self.token in _held_tokens else "gone"
        found = _process(self.pid)
        if found is None or found.began not in (0.0, self.began):
            return "gone" if self.boot else "unknown"  # without a namespace it may be in another container
        if not found.began:
            return "unknown"
        return "stopped" if found.stopped else "here"


@dataclass(frozen=True)
class Pulse:
    """A holder that lives, as one looks at it.

    ``silent_s`` are seconds since its last beat: a trainer whose heart misses several is stopped, or its disk is away.
    ``busy_s`` are seconds for which its main loop had been at ``holder.beat.activity`` at that beat, None if that is
    not known: compare it with ``holder.beat.usually``.
    """

    holder: Holder
    process: ProcessState
    silent_s: float
    busy_s: float | None


_held_tokens: set[str] = set()  # of this process: a process id that was used again must not look like ourselves


def read_holder(path: Path) -> Holder | None:
    """Who holds the lock file ``path``; None if nobody does or the file says nothing readable."""
    for _ in range(2):  # a beat may be written just now
        try:
            return decode_json(read_bytes(path, _MAX_LOCK), Holder)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except UnreadableError:
            continue
    return None


class LockReader:
    """Says whether a lock is alive, cheaply and again and again; remembers when it last saw the heart beat."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: tuple[int, Beat] | None = None
        self._first = self._seen = 0.0
        self._looked: float | None = None
        self._awake = -math.inf  # since when it has looked again and again

    def alive(self) -> Holder | None:
        """The holder, if it lives; else None."""
        pulse = self.pulse()
        return None if pulse is None else pulse.holder

    def pulse(self, now: float | None = None) -> Pulse | None:
        """The holder, if it lives, and how it is; else None. ``now`` is the present by the clock that stamps the file,
        seconds since 1970; None: by the clock here."""
        holder = read_holder(self._path)
        try:
            file = self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        present = time.monotonic()
        beat = file.st_mtime_ns, holder.beat if holder is not None else Beat()
        if self._last is None:
            self._first = present
        elif beat != self._last:
            self._seen = present
        self._last = beat
        if holder is None:
            return None
        silent = present - (self._seen or self._first)
        process = holder.process(file.st_ino)
        if holder.beat.clock and (holder.shares_clock or process in ("here", "stopped")):
            silent = max(0.0, present - holder.beat.clock)
        if self._looked is not None and present - self._looked > SLEPT_S:
            self._awake = present
        self._looked = present
        silent = min(silent, present - self._awake)
        busy = max(0.0, holder.beat.clock - holder.beat.since) if holder.beat.activity else None
        pulse = Pulse(holder, process, silent, busy)
        if process != "unknown":
            return None if process == "gone" else pulse
        patience = WATCH_S if _is_missing(holder) else STALE_S
        if self._seen and present - self._seen < patience:
            return pulse
        if holder.shares_clock and holder.beat.clock:
            return pulse if abs(present - holder.beat.clock) < patience else None
        return pulse if abs((time.time() if now is None else now) - file.st_mtime) < patience else None

    def watch(self) -> Holder | None:
        """The holder, if its heart beats within ``WATCH_S`` from now, or its process is here."""
        self.pulse()
        self._seen = 0.0
        end = time.monotonic() + WATCH_S
        while time.monotonic() < end:
            time.sleep(WATCH_EVERY_S)
            pulse = self.pulse()
            if pulse is not None and (self._seen or pulse.process != "unknown"):
                return pulse.holder
        return None


class RunLock:
    """Holds ``path`` from ``acquire`` to ``release`` (or as a context manager)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        pid, host, token = os.getpid(), socket.gethostname(), secrets.token_hex(8)
        here = _process(pid)
        self._holder = Holder(pid, host, token, "running", _boot(), _pids(), here.began if here else 0.0)
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._looked = _clocks()
        self._at: tuple[Activity, float, int] = ("", 0.0, 0)
        self._usually = 0.0
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
        self._look()  # a process that was stopped while it made the file may have lost it meanwhile
        if self._loss:
            raise RunError(self._loss)
        _held_tokens.add(self._holder.token)
        self._thread = threading.Thread(target=self._beat, name="run-lock-heartbeat", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> str:
        """Why the lock is no longer held, and nothing may be written; empty while it is.

        A process that was suspended, or a computer that slept, looks at once, not at the next beat: whatever else its
        clocks did, one of them has moved on.
        """
        late = any(abs(now - then) > LATE_S for now, then in zip(_clocks(), self._looked, strict=True))
        if late and self._mutex.acquire(blocking=False):  # else the heart beats now
            try:
                with contextlib.suppress(OSError):
                    self._look()
            finally:
                self._mutex.release()
        return self._loss

    def moved(self, activity: Activity, step: int) -> None:
        """The main loop begins something, ``step`` steps being done: the next beat says so. Costs next to nothing."""
        now = time.monotonic()
        before, since, done = self._at
        if activity == before == "step" and step == done + 1:
            took = now - since
            self._usually += _RECENT * (took - self._usually) if self._usually else took
        self._at = activity, now, step

    def set_state(self, state: TrainerState) -> None:
        """Show whether the trainer runs or waits."""
        with self._mutex:
            if state != self._holder.state and not self._loss:
                self._holder = msgspec.structs.replace(self._holder, state=state)
                with contextlib.suppress(OSError, UnreadableError):  # shown with a later beat
                    self._write()

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
                self._fill(file)
        except FileExistsError:
            return False
        return True

    def _take_over(self) -> bool:
        import filelock  # here, for a window that only looks needs none

        stale = _watch_until_stale(self._path)
        if stale is None:
            return False
        # Two processes may find the same stale lock: whoever has the guard may replace it, after a second look. The
        # system lets go of the guard of a process that dies, so that no clock has to tell whether it is an old one.
        guard = self._path.with_name(self._path.name + ".takeover")
        try:
            with filelock.FileLock(guard, timeout=0):
                if _identity(self._path) != stale:
                    raise RunError(f"{self._path}: another trainer has just taken this run over. Stop it first.")
                with atomic_file(self._path) as file:
                    self._fill(file)
                with contextlib.suppress(OSError):
                    guard.unlink()
        except filelock.Timeout as error:
            raise RunError(f"{self._path}: another trainer is taking this run over. Try again in a minute.") from error
        return True

    def _owner(self) -> str:
        holder = read_holder(self._path)
        return "" if holder is None else holder.token

    def _fill(self, file: IO[bytes]) -> None:
        """Make ``file`` the one of this holder."""
        self._holder = msgspec.structs.replace(self._holder, inode=os.fstat(file.fileno()).st_ino)
        file.write(self._content())

    def _content(self) -> bytes:
        activity, since, step = self._at
        beat = Beat(time.monotonic(), activity, since, step, self._usually)
        return msgspec.json.encode(msgspec.structs.replace(self._holder, beat=beat)).ljust(_PADDED)

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            # A share that is away for a while: beat when it is back.
            with self._mutex, contextlib.suppress(OSError, UnreadableError):
                self._look()
                if self._loss:
                    return
                self._write()

    def _write(self) -> None:
        """Write a beat into the file, if it is still the one of this holder."""
        with update_regular(self._path) as file:
            if _decoded(file.read(_MAX_LOCK)) == self._holder.token:
                file.seek(0)
                file.write(self._content())

    def _look(self) -> None:
        """Notice that the lock is another's, or gone."""
        self._looked = _clocks()
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


def _decoded(data: bytes) -> str:
    """The token in the content of a lock; empty if it has none."""
    try:
        return decode_json(data, Holder).token
    except UnreadableError:
        return ""


def _watch_until_stale(path: Path) -> _Identity | None:
    """Raise ``RunError`` if the lock's holder lives: at once where that can be known, else the lock is watched.

    Returns which lock is stale, see ``_identity``; None if there is none any more.
    """
    reader, found = LockReader(path), _identity(path)
    pulse = reader.pulse(_present_of(path.parent))
    holder = pulse.holder if pulse is not None else read_holder(path)
    state = "unknown" if holder is None or found is None else holder.process(found.inode)
    if holder is None or (state == "unknown" and (pulse is None or _is_missing(holder))):
        holder = reader.watch()  # torn, or just being written; silent for long; or perhaps in another container
    elif pulse is None:
        holder = None
    if holder is not None:
        sign = ""
        if pulse is not None and pulse.process == "stopped":
            sign = " It was stopped (as by Ctrl+Z): let it go on with kill -CONT, or end it."
        elif pulse is not None and pulse.silent_s > STALE_S:
            silent = duration_text(pulse.silent_s)
            sign = f" It has given no sign of life for {silent}, but it is there: end it if it hangs."
        raise RunError(
            f"{path.parent} is being trained by process {holder.pid} on {holder.host}. "
            f"Stop that training first, or choose another folder with --out.{sign}"
        )
    return found if path.exists() else None


def _present_of(folder: Path) -> float | None:
    """The present by the clock that stamps files in ``folder``, perhaps a file server's; None if it cannot be told."""
    with contextlib.suppress(OSError), tempfile.NamedTemporaryFile(dir=folder, suffix=TEMPORARY_SUFFIX) as file:
        file.write(b"\0")
        file.flush()
        return os.fstat(file.fileno()).st_mtime
    return None


class _Identity(NamedTuple):
    """What tells a lock from another one, and from itself after a beat."""

    token: str
    inode: int
    stamp_ns: int


def _identity(path: Path) -> _Identity | None:
    """Which lock ``path`` is now; None if it is gone."""
    holder = read_holder(path)
    try:
        file = path.stat()
    except FileNotFoundError:
        return None
    return _Identity("" if holder is None else holder.token, file.st_ino, file.st_mtime_ns)


def _is_missing(holder: Holder) -> bool:
    """Whether it names this host, and a process that is not here: dead, or in another container."""
    if holder.host != socket.gethostname():
        return False
    if holder.pid == os.getpid():
        return holder.token not in _held_tokens
    found = _process(holder.pid)
    return found is None or (0.0 not in (found.began, holder.began) and found.began != holder.began)


def process_exists(pid: int) -> bool:
    """Whether process ``pid`` of this host is there, and has not ended."""
    return _process(pid) is not None


@dataclass(frozen=True)
class _Process:
    """A process of this host: when it ``began``, by whatever clock, 0 if that may not be seen."""

    began: float
    stopped: bool = False


def _process(pid: int) -> _Process | None:
    """Process ``pid``; None if it is not there or has ended, also if nobody has taken note of its end."""
    if sys.platform == "linux":
        return _linux_process(pid)
    import psutil  # here, for the window asks only when a lock is there

    try:
        process = psutil.Process(pid)
        status = process.status()
        return None if status == psutil.STATUS_ZOMBIE else _Process(process.create_time(), status == "stopped")
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return _Process(0.0)


def _linux_process(pid: int) -> _Process | None:
    """The same on Linux, where it began in clock ticks since the machine was started, which no change of the time
    moves. Source: proc_pid_stat(5)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:  # another user's, and /proc hides those
            pass
        return _Process(0.0)
    state, began = fields[0], float(fields[19])
    return None if state in b"ZXx" else _Process(began, state in b"Tt")


def _clocks() -> tuple[float, float]:
    """Two clocks that both go on while the computer sleeps; the first can be set, the second cannot."""
    asleep_too = getattr(time, "CLOCK_BOOTTIME", None)
    return time.time(), time.monotonic() if asleep_too is None else time.clock_gettime(asleep_too)


@lru_cache(maxsize=1)
def _boot() -> str:
    """What names the present start of this machine, containers on it included; empty where nothing does."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _pids() -> str:
    """What names the namespace of the process ids here; empty where nothing does."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
