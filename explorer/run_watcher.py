"""Watches one run directory and says what is new in it: metrics, embeddings, epochs, status.

Polling by file stamps works the same for a local training and for one that a cluster writes to a shared folder,
where change notifications do not arrive. A tick without news costs a few stat calls.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from core.runs.directory import RunDirectory, RunError
from core.runs.metrics_log import MetricsTail

INTERVAL_MS = 100
STATUS_EVERY = 5


class RunWatcher(QObject):
    """Emits what a run has written since the last tick; errors of reading are emitted once each, never raised."""

    restarted = Signal()  # the metrics begin anew: a resumed training has dropped what came after its checkpoint
    records = Signal(object)  # list[dict]: new lines of metrics.jsonl
    embedding = Signal(object)  # float32 (N, d): the newest means
    epochs = Signal(object)  # tuple[int, ...]: epochs with a stored embedding
    status = Signal(str)
    failed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._run: RunDirectory | None = None
        self._tail: MetricsTail | None = None
        self._stamp: int | None = None
        self._epochs: tuple[int, ...] = ()
        self._status = ""
        self._problems: set[str] = set()  # that have been reported
        self._ticks = 0
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self.poll)

    def watch(self, run: RunDirectory | None) -> None:
        """Follow ``run`` from its first record on; None stops."""
        self._run = run
        self._tail = MetricsTail(run.metrics_path) if run is not None else None
        self._stamp, self._epochs, self._status, self._ticks = None, (), "", 0
        self._problems = set()
        if run is None:
            self._timer.stop()
            return
        self._timer.start()
        self.poll()

    def poll(self) -> None:
        """Look once."""
        if self._run is None or self._tail is None:
            return
        run, tail = self._run, self._tail
        for look in (self._look_at_status, self._look_at_means, lambda run: self._look_at_metrics(run, tail)):
            try:  # a file that cannot be read does not hide the others
                look(run)
            except (RunError, OSError) as error:
                self._report(str(error))
        self._ticks += 1

    def _report(self, problem: str) -> None:
        if problem not in self._problems:
            self._problems.add(problem)
            self.failed.emit(problem)

    def _look_at_status(self, run: RunDirectory) -> None:
        if self._ticks % STATUS_EVERY == 0:
            status = run.status()
            if status != self._status:
                self._status = status
                self.status.emit(status)

    def _look_at_means(self, run: RunDirectory) -> None:
        stamp = run.live_stamp()
        if stamp is not None and stamp != self._stamp:
            self._stamp = stamp
            self.embedding.emit(run.read_embedding(None))

    def _look_at_metrics(self, run: RunDirectory, tail: MetricsTail) -> None:
        restarts = tail.restarts
        records = tail.poll()
        if tail.restarts != restarts:
            self.restarted.emit()
        if tail.damaged:
            self._report(f"{tail.path} is damaged in places: lines that cannot be read are passed over.")
        if any(record.get("event") == "started" for record in records):
            self._status = ""  # it may end as the run had ended before, between two looks at the status
        if records:
            self.records.emit(records)
        if not self._epochs or any(record.get("kind") == "epoch" for record in records):
            epochs = tuple(run.embedding_epochs())
            if epochs != self._epochs:
                self._epochs = epochs
                self.epochs.emit(epochs)
