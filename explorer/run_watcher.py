"""Watches one run directory and says what is new in it: metrics, embeddings, epochs, status.

Polling by file stamps works the same for a local training and for one that a cluster writes to a shared folder,
where change notifications do not arrive. A tick without news costs a few stat calls. A thread does it, for a disk may
take seconds to answer any of them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from time import monotonic
from weakref import WeakMethod

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from core.rendering.projection import along_components
from core.runs.directory import MAY_READ, RunDirectory, RunError
from core.runs.lock import Pulse
from core.runs.metrics_log import MetricsTail
from core.utils.point_sets import most_central, value_ranges
from core.utils.remembered import LARGE
from core.utils.text import duration_text
from core.utils.untrusted import refusal
from explorer.background import call_in_event_loop, use_event_loop

INTERVAL_MS = 100
PULSE_EVERY, STATUS_EVERY = 2, 5  # looks
CLOCK_MS = 1000
SLOW_S = 3.0  # a look that takes longer is told of
MOST_DRAWN = 3  # dimensions, that need no components

News = tuple[str, object]
"""The name of a signal of ``RunWatcher``, and what it carries; or ``behind``, whether more records are there already
than those that come next."""


@dataclass(frozen=True)
class ModelFiles:
    """Which files of a run's model are there: the newest weights, the checkpoint to go on from, and whether anything
    at all can be opened."""

    weights: bool
    last_checkpoint: bool
    openable: bool


def ready_means(run: RunDirectory, epoch: int | None) -> np.ndarray:
    """The means float32 (N, d) after ``epoch``, None: the newest, ``prepare``d. Raises ``RunError`` or ``OSError``."""
    means = run.read_embedding(epoch)
    prepare(means)
    return means


def prepare(means: np.ndarray) -> None:
    """Find, for a thread, what is asked of means float32 (N, d) before they are drawn, and takes seconds if there are
    many of many dimensions."""
    if means.size >= LARGE and len(means) > 1:
        value_ranges(means)
        most_central(means)
        if means.shape[1] > MOST_DRAWN:
            along_components(means)


class RunFollower:
    """Looks at ``run`` again and again, from its first record on. Knows no threads."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._tail = MetricsTail(run.metrics_path)
        self._stamp: int | None = None
        self._last: tuple[int, int | None] | None = None  # the newest epoch and its stamp
        self._epochs: tuple[int, ...] | None = None
        self._status = ""
        self._pulse: Pulse | None = None
        self._files: ModelFiles | None = None
        self._problems: set[str] = set()  # that have been reported
        self._looks = 0

    def look(self, whole: bool = True) -> Iterator[News]:
        """What is new since the last look, in order. Problems of reading are news, once each; none is raised.

        ``whole``: also what is not looked for each time, the status and the trainer's pulse.
        """
        parts = [self._means_news, self._metrics_news]
        if whole or self._looks % PULSE_EVERY == 0:
            parts.insert(0, self._pulse_news)
        if whole or self._looks % STATUS_EVERY == 0:
            parts.insert(0, self._status_news)
        for part in parts:
            try:  # a file that cannot be read does not hide the others
                yield from part()
            except (RunError, OSError) as error:
                yield from self._problem(_words(error))
        self._looks += 1

    def _problem(self, text: str) -> Iterator[News]:
        if text not in self._problems:
            self._problems.add(text)
            yield "failed", text

    def _status_news(self) -> Iterator[News]:
        status = self._run.status()
        yield from self._files_news()
        if status != self._status:
            self._status = status
            yield "status", status
            yield from self._missing_means_news(status)

    def _missing_means_news(self, status: str) -> Iterator[News]:
        """A training that has ended has left its newest means; else those of its last epoch are shown, if there are."""
        run = self._run
        has_samples = os.path.lexists(run.probe_path)
        if status in ("running", "paused", "gone") or not has_samples or run.live_stamp() is not None:
            return
        live, epochs = run.embedding_path(None), run.embedding_epochs()
        if epochs:
            yield "embedding", run.read_embedding(epochs[-1])
            yield from self._problem(
                f"{live} is missing; the means of epoch {epochs[-1]} are shown, the last that are stored. Restore that "
                "file from a copy of the run."
            )
        elif status in ("finished", "stopped"):
            yield from self._problem(
                f"{live.parent} holds no latent means, so there is no cloud to show. Restore it from a copy of the run."
            )

    def _pulse_news(self) -> Iterator[News]:
        pulse = self._run.pulse()
        if pulse is not None or self._pulse is not None:
            yield "pulse", pulse
        self._pulse = pulse

    def _files_news(self) -> Iterator[News]:
        run = self._run
        files = ModelFiles(run.weights_path.is_file(), run.last_checkpoint_path.is_file(), run.can_be_opened)
        if files != self._files:
            self._files = files
            yield "files", files

    def _means_news(self) -> Iterator[News]:
        stamp = self._run.live_stamp()
        if stamp is not None and stamp != self._stamp:
            self._stamp = stamp
            if self._files is None or not self._files.openable:  # the weights have come with the means
                yield from self._files_news()
            yield "embedding", self._run.read_embedding(None)
        if self._epochs:
            last = self._epochs[-1], self._run.embedding_stamp(self._epochs[-1])
            if last != self._last:
                self._last = last
                yield "recorded", (last[0], self._run.recorded_count(last[0]))

    def _metrics_news(self) -> Iterator[News]:
        """Records of a long file in parts: who shows them holds up nothing else, and they take little room."""
        tail, more, behind = self._tail, True, False
        started, epoch_ended = False, self._epochs is None
        while more:
            restarts = tail.restarts
            records = tail.poll()
            if tail.restarts != restarts:
                yield "restarted", None
            if tail.damaged:
                yield from self._problem(
                    f"{tail.path} is damaged in places: lines that cannot be read are passed over, so curves may have "
                    "gaps. Restore it from a copy of the run."
                )
            starts = any(record.get("event") == "started" for record in records)
            if starts and self._looks:  # a run that goes on may have other settings
                try:
                    yield "reopened", RunDirectory.open(self._run.path)
                except (RunError, OSError) as error:
                    yield from self._problem(_words(error))
            more = tail.behind
            if records or behind:
                yield "behind", more
                yield "records", records
            behind = more
            started = started or starts
            epoch_ended = epoch_ended or any(record.get("kind") == "epoch" for record in records)
        if epoch_ended:
            epochs = tuple(self._run.embedding_epochs())
            if epochs != (self._epochs or ()):
                yield "epochs", epochs
            self._epochs = epochs or None
        if started:
            self._status = ""  # it may end as the run had ended before, between two looks at the status
            yield from self._status_news()


class RunWatcher(QObject):
    """Emits what a run has written since the last look; errors of reading are emitted once each, never raised."""

    restarted = Signal(object)  # the metrics begin anew: a resumed training has dropped what came after its checkpoint
    reopened = Signal(object)  # RunDirectory: a training has begun, perhaps with other settings
    records = Signal(object)  # list[dict]: new lines of metrics.jsonl
    embedding = Signal(object)  # float32 (N, d): the newest means
    epochs = Signal(object)  # tuple[int, ...]: epochs with a stored embedding
    recorded = Signal(object)  # (epoch, N): the newest epoch has the means of so many samples by now
    files = Signal(object)  # ModelFiles
    status = Signal(str)
    pulse = Signal(object)  # Pulse: how the trainer is, as long as it lives; None: it has ended
    failed = Signal(str)
    stalled = Signal(str)  # the disk takes long to answer: how long by now; empty: it has answered

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        use_event_loop()
        self._watch: _Watch | None = None
        self._threads: list[_Watch] = []  # what the present one is; not ``self``, which it ends with
        self.destroyed.connect(partial(_end_all, self._threads))
        self._stalled = False
        self.behind = False  # more records are there already than those that are being emitted
        self._clock = QTimer(self, interval=CLOCK_MS)
        self._clock.timeout.connect(self._look_at_clock)

    def watch(self, run: RunDirectory | None) -> None:
        """Follow ``run`` from its first record on; None stops. Returns at once."""
        _end_all(self._threads)
        self._watch, self.behind = None, False
        self._clock.stop()
        self._tell_stalled("")
        if run is not None:
            self._watch = _Watch(run, WeakMethod(self._emit))
            self._threads.append(self._watch)
            self._clock.start()

    def look(self, then: Callable[[], object]) -> None:
        """Look now, and call ``then`` once all that is new by now has been emitted; at once if nothing is watched."""
        if self._watch is None:
            then()
        else:
            self._watch.look(then)

    def _emit(self, watch: _Watch, news: News) -> None:
        name, value = news
        if watch is not self._watch:
            return
        if name == "behind":
            self.behind = bool(value)
        else:
            getattr(self, name).emit(value)

    def _look_at_clock(self) -> None:
        seconds = self._watch.looking_s if self._watch is not None else 0.0
        self._tell_stalled(duration_text(seconds) if seconds > SLOW_S else "")

    def _tell_stalled(self, text: str) -> None:
        if text or self._stalled:
            self._stalled = bool(text)
            self.stalled.emit(text)


class _Watch:
    """The thread that looks at one run until ``end``."""

    def __init__(self, run: RunDirectory, emit: WeakMethod[Callable[[_Watch, News], object]]) -> None:
        self._follower, self._emit_method = RunFollower(run), emit
        self._ended = False
        self._since: float | None = None  # when the look that goes on began
        self._wake = threading.Event()
        self._emitted = threading.Event()
        self._asked: list[Callable[[], object]] = []  # called after the next look
        threading.Thread(target=self._run, name="isoline-watcher", daemon=True).start()

    @property
    def looking_s(self) -> float:
        """For how many seconds the look that goes on has lasted; 0 between two looks."""
        since = self._since
        return 0.0 if since is None else monotonic() - since

    def look(self, then: Callable[[], object]) -> None:
        self._asked.append(then)
        self._wake.set()

    def end(self) -> None:
        self._ended = True
        self._wake.set()
        self._emitted.set()

    def _run(self) -> None:
        while not self._ended:
            self._wake.clear()
            asked = len(self._asked)
            self._since = monotonic()
            for item in self._follower.look(whole=asked > 0):
                self._since = None  # the disk has answered
                if isinstance(item[1], np.ndarray):
                    prepare(item[1])
                self._in_event_loop(lambda item=item: self._emit(item))
                if self._ended:
                    return
                self._since = monotonic()
            self._since = None
            if asked:
                self._in_event_loop(lambda asked=asked: self._after_look(asked))
            self._wake.wait(INTERVAL_MS / 1000)

    def _in_event_loop(self, function: Callable[[], object]) -> None:
        """Have it called there, and wait before more is read: the event loop may be slower than the disk."""

        def call() -> None:
            try:
                function()
            finally:
                self._emitted.set()

        self._emitted.clear()
        if not self._ended:
            call_in_event_loop(call)
            self._emitted.wait()

    def _emit(self, news: News) -> None:
        emit = self._emit_method()
        if emit is not None and not self._ended:
            emit(self, news)

    def _after_look(self, asked: int) -> None:
        due, self._asked = self._asked[:asked], self._asked[asked:]
        for then in due:
            if not self._ended:
                then()


def _words(error: Exception) -> str:
    """What a problem of reading is, for a person."""
    refused = refusal(error)
    return f"{refused} {MAY_READ}" if refused else str(error)


def _end_all(watches: list[_Watch], *_: object) -> None:
    while watches:
        watches.pop().end()
