"""The folder of one experiment: its trainings, its options, how far it is, its report. It imports no torch.

    options.json    once: schema version, name of the experiment, its options; resuming needs the same ones
    runs/NAME       the run directory of each training (core.runs.directory)
    progress.json   about once a second: what is being done, the share that is done, the time left
    stop            made by whoever wants it to stop: the running training saves a checkpoint, the experiment ends
    report.html     the report, one self-contained page, and the same numbers in report.json
    lock            held while the experiment runs (core.runs.lock)

Like a run directory it is an interface: a window and a terminal follow an experiment by ``read_progress`` alone.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import msgspec

from core.experiments.options import SCHEMA_VERSION, ExperimentError
from core.runs.lock import STALE_S, LockReader, RunLock, process_exists
from core.utils.atomic_write import remove_temporaries, write_atomic
from core.utils.untrusted import UnreadableError, read_json

BEAT_S = 0.7
"""Seconds between two looks for ``stop`` and two writings of ``progress.json``."""

State = Literal["running", "finished", "stopped", "failed"]


class Stopped(BaseException):
    """The experiment was stopped: by ``stop``, a signal, whose name is then its argument, or by stopping its training.

    Like ``KeyboardInterrupt`` no ``Exception``, so that nothing which handles errors takes it for one.
    """


@dataclass(frozen=True)
class Progress:
    """Content of ``progress.json``."""

    schema: int
    experiment: str
    state: State
    message: str
    """What is being done, or how it ended, for a person."""
    fraction: float
    """Share of the whole that is done, 0 to 1."""
    run: str | None
    """Folder of the run in training, relative to the experiment's; None between trainings."""
    eta_seconds: float | None
    """Seconds of training that are left, over all trainings; None: not known yet."""
    pid: int
    host: str
    updated: float
    """Unix time of writing."""


def read_progress(path: Path) -> Progress | None:
    """How the experiment in folder ``path`` stands; None if there is none, or its file cannot be understood."""
    try:
        stored = read_json(Path(path) / "progress.json", Progress)
    except (OSError, UnreadableError):
        return None
    return stored if stored.schema == SCHEMA_VERSION else None


class ExperimentFolder:
    """One experiment on disk. ``begin`` makes this process the one that runs it."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.runs_path = self.path / "runs"
        self.options_path = self.path / "options.json"
        self.progress_path = self.path / "progress.json"
        self.stop_path = self.path / "stop"
        self.report_path = self.path / "report.json"
        self.html_path = self.path / "report.html"
        self._lock = LockReader(self.path / "lock")
        self._progress: Progress | None = None
        self._mutex = threading.Lock()
        self._writing = threading.Lock()
        self._on_stop: Callable[[], None] | None = None

    def run_path(self, name: str) -> Path:
        """The run directory of the training ``name``."""
        return self.runs_path / name

    def abandoned(self, progress: Progress) -> bool:
        """Whether ``progress`` says ``running``, but its process is gone without a word: it is not here, and the heart
        of the folder's lock has stopped, which beats on for one in another container."""
        if progress.state != "running":
            return False
        if progress.host == socket.gethostname():
            with contextlib.suppress(OSError):  # a lock that cannot be read says nothing
                return not process_exists(progress.pid) and self._lock.alive() is None
            return False
        return time.time() - progress.updated > STALE_S

    # running it

    @contextlib.contextmanager
    def begin(self, experiment: str, options: Mapping[str, Any]) -> Iterator[ExperimentFolder]:
        """Run ``experiment`` with JSON-ready ``options`` here: what the block raises becomes the state it ends with.

        SIGTERM, SIGINT and SIGUSR1 raise ``Stopped`` inside the block (a training in progress saves its checkpoint).
        Raises ``ExperimentError`` if the folder belongs to another experiment or other options, or is unwritable, and
        ``core.runs.lock.RunError`` if a living process runs it already.
        """
        with contextlib.ExitStack() as stack:
            try:
                self.runs_path.mkdir(parents=True, exist_ok=True)
                stack.enter_context(RunLock(self.path / "lock"))
                remove_temporaries(self.path)
                self._settle_options(experiment, options)
                self.stop_path.unlink(missing_ok=True)
                here = os.getpid(), socket.gethostname()
                self._progress = Progress(
                    SCHEMA_VERSION, experiment, "running", "starting", 0.0, None, None, *here, updated=0.0
                )
                self._write()
            except OSError as error:
                raise ExperimentError(
                    f"{self.path} cannot be written ({error.strerror or error}). Choose a writable folder with --out."
                ) from error
            stack.enter_context(_signals_stop())
            stack.enter_context(self._heartbeat())
            try:
                yield self
            except (Stopped, KeyboardInterrupt) as reason:
                self._end("stopped", "stopped; run the same command again to resume")
                raise reason if isinstance(reason, Stopped) else Stopped() from reason
            except Exception as error:
                self._end("failed", str(error) or type(error).__name__)
                raise
            self._end("finished", "finished")

    def report(
        self, message: str, fraction: float | None = None, run: str | None = None, eta_seconds: float | None = None
    ) -> None:
        """Say what is being done; ``fraction`` never falls, None keeps it. ``run`` is a name below ``runs/``."""
        with self._mutex:
            if self._progress is None:
                return
            done = self._progress.fraction
            if fraction is not None and math.isfinite(fraction):
                done = min(max(fraction, done), 1.0)
            self._progress = replace(
                self._progress,
                message=message,
                fraction=done,
                run=None if run is None else f"{self.runs_path.name}/{run}",
                eta_seconds=eta_seconds if eta_seconds is not None and math.isfinite(eta_seconds) else None,
            )

    @property
    def stop_requested(self) -> bool:
        """Whether the file ``stop`` is there."""
        return self.stop_path.exists()

    def request_stop(self) -> None:
        """Ask whoever runs the experiment to stop; trainings save a checkpoint first."""
        self.stop_path.touch()

    def check_stop(self) -> None:
        """Raise ``Stopped`` if a stop was requested: call it between two parts of an analysis."""
        if self.stop_requested:
            raise Stopped

    @contextlib.contextmanager
    def on_stop(self, callback: Callable[[], None]) -> Iterator[None]:
        """Within the block, ``callback`` is called from another thread about once a second while ``stop`` exists."""
        with self._mutex:
            self._on_stop = callback
        try:
            yield
        finally:
            with self._mutex:
                self._on_stop = None

    # inside

    def _settle_options(self, experiment: str, options: Mapping[str, Any]) -> None:
        """Write ``options.json``, or make sure that it says the same."""
        wanted = {"schema": SCHEMA_VERSION, "experiment": experiment, "options": msgspec.to_builtins(dict(options))}
        path = self.options_path
        if not path.exists():
            write_atomic(path, msgspec.json.format(msgspec.json.encode(wanted), indent=2) + b"\n")
            return
        try:
            stored = read_json(path)
        except UnreadableError as error:
            raise ExperimentError(f"{path} is damaged: {error}. Choose another folder with --out.") from error
        if not isinstance(stored, dict) or not isinstance(stored.get("options"), dict):
            raise ExperimentError(f"{path} is not the options of an experiment. Choose another folder with --out.")
        if stored.get("schema") != SCHEMA_VERSION:
            raise ExperimentError(
                f"{path} has schema version {stored.get('schema')!r}; this version of Isoline reads {SCHEMA_VERSION}. "
                "Resume it with the version that started it, or choose another folder with --out."
            )
        if stored.get("experiment") != experiment:
            raise ExperimentError(
                f"{self.path} holds the experiment {stored.get('experiment')!r}, not {experiment!r}. "
                "Choose another folder with --out."
            )
        before, now = stored["options"], msgspec.json.decode(msgspec.json.encode(wanted["options"]))
        for name in sorted(before.keys() | now.keys()):
            if before.get(name) != now.get(name):
                raise ExperimentError(
                    f"{name} is {now.get(name)!r}, but the experiment in {self.path} was started with "
                    f"{before.get(name)!r}. Resume it with the same options, or choose another folder with --out."
                )

    @contextlib.contextmanager
    def _heartbeat(self) -> Iterator[None]:
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(BEAT_S):
                with contextlib.suppress(OSError):  # a share that is away for a while; a full disk ends the training
                    self._write()
                with self._mutex:
                    callback = self._on_stop
                if callback is not None and self.stop_requested:
                    callback()

        thread = threading.Thread(target=beat, name="experiment-heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _write(self) -> None:
        with self._writing:  # whoever reports need not wait for the disk, but the last word is written last
            with self._mutex:
                progress = self._progress
            if progress is not None:
                content = msgspec.json.encode(replace(progress, updated=time.time()))
                write_atomic(self.progress_path, content + b"\n")

    def _end(self, state: State, message: str) -> None:
        with self._mutex:
            if self._progress is not None:
                fraction_done = 1.0 if state == "finished" else self._progress.fraction
                self._progress = replace(
                    self._progress, state=state, message=message, fraction=fraction_done, run=None, eta_seconds=None
                )
        with contextlib.suppress(OSError):  # the disk may be what failed; the error itself is on its way
            self._write()


@contextlib.contextmanager
def _signals_stop() -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGUSR1 into ``Stopped``. A training in progress catches them, and ends after its
    step."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Stopped(signal.Signals(number).name)

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():  # Python allows it there alone
        for number in filter(None, (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGUSR1", None))):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
