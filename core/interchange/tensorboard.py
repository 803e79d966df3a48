"""A run's losses as TensorBoard shows them: scalars at their steps, from ``metrics.jsonl`` or while it is written.

A loss is called ``NAME/train`` and ``NAME/validation``, so that TensorBoard puts both in one chart; learning rate, β
and γ are below ``settings``. Times are those at which a step was made.

tensorboardX writes the files: it is small, where TensorBoard itself brings a web server along. Its record writer is
used and not its ``SummaryWriter``, which hands events to a thread: were that to fail, the training would wait forever.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from core.interchange.errors import InterchangeError, missing
from core.runs.directory import RunDirectory
from core.runs.metrics_log import Record, read_metrics
from core.utils.text import reason

LOSSES = ("loss", "reconstruction", "kl", "entanglement")
SETTINGS = ("learning_rate", "beta", "gamma")
FLUSH_S = 2.0
"""A training hands what is new to the disk at most so often, and after each epoch."""


def scalars(record: Record) -> dict[str, float]:
    """The numbers of a record of ``metrics.jsonl`` by their tags; none for a record of another kind."""
    if record.get("kind") == "step":
        found = {f"{name}/train": record.get(name) for name in LOSSES}
        found |= {f"settings/{name}": record.get(name) for name in SETTINGS}
        found |= {"speed/images_per_second": record.get("images_per_second")}
    elif record.get("kind") == "epoch" and isinstance(record.get("validation"), dict):
        found = {f"{name}/validation": value for name, value in record["validation"].items()}
    else:
        return {}
    return {tag: float(value) for tag, value in found.items() if isinstance(value, int | float)}


class EventFile:
    """The event file ``path``, in a folder that is made. Raises ``InterchangeError`` without tensorboardX, ``OSError``.

    ``first_step``: what older files in the folder hold from this step on does not count any more.
    """

    def __init__(self, path: Path, first_step: int | None = None) -> None:
        tensorboardx = _library()
        self._protocol: Any = tensorboardx.proto.event_pb2
        self._summary: Any = tensorboardx.proto.summary_pb2.Summary
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = tensorboardx.RecordWriter(str(path))
        self._flushed = time.monotonic()
        self._write(file_version="brain.Event:2", wall_time=time.time())
        if first_step is not None:
            start = self._protocol.SessionLog(status=self._protocol.SessionLog.START)
            self._write(step=first_step, wall_time=time.time(), session_log=start)

    def add(self, step: int, wall_time: float, values: dict[str, float]) -> None:
        """Write ``values`` by tag, at ``step`` and ``wall_time`` (seconds since 1970). Raises ``OSError``."""
        summary = self._summary(value=[self._summary.Value(tag=tag, simple_value=one) for tag, one in values.items()])
        self._write(step=step, wall_time=wall_time, summary=summary)

    def flush(self, every: float = 0.0) -> None:
        """Hand what is new to the disk if that was done ``every`` seconds ago or longer. Raises ``OSError``."""
        if time.monotonic() - self._flushed >= every:
            self._file.flush()
            self._flushed = time.monotonic()

    def close(self) -> None:
        """Flush and close. Raises ``OSError``; it is closed all the same."""
        self._file.close()

    def _write(self, **event: Any) -> None:
        self._file.write(self._protocol.Event(**event).SerializeToString())


class LiveScalars:
    """Writes the records of a training as they come; to be closed at its end.

    The training is worth more than its event file: the first failure to write ends the file, not the training, and
    ``warn`` gets a sentence that says so. Raises ``InterchangeError`` at once if tensorboardX is not installed.
    """

    def __init__(self, folder: Path, warn: Callable[[str], object]) -> None:
        self._folder, self._warn = folder, warn
        self._file: EventFile | None = None
        self._failed = False
        _library()

    def record(self, record: Record) -> None:
        """A record of ``metrics.jsonl`` was written."""
        if self._failed:
            return
        try:
            if record.get("event") == "started":
                name = f"events.out.tfevents.{time.time():.0f}.{os.getpid()}.isoline"
                self._file = EventFile(self._folder / name, int(record["step"]) + 1)
            elif self._file is not None and (values := scalars(record)):
                self._file.add(record["step"], time.time(), values)
                self._file.flush(0.0 if record["kind"] == "epoch" else FLUSH_S)
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """The training has ended."""
        if self._file is not None and not self._failed:
            try:
                self._file.close()
            except OSError as error:
                self._fail(error)

    def _fail(self, error: OSError) -> None:
        self._failed = True
        if self._file is not None:
            with contextlib.suppress(OSError):  # what it could not write, it cannot now
                self._file.close()
        self._warn(
            f"TensorBoard's file in {self._folder} cannot be written ({reason(error)}); the training goes on without "
            "it. Afterwards, isoline export RUN --tensorboard writes it from the run."
        )


def write_events(run: RunDirectory, folder: Path) -> Path:
    """Write what ``run`` has recorded as one event file in ``folder``, and return it.

    Raises ``InterchangeError`` without tensorboardX or if the run has recorded nothing, and ``OSError``.
    """
    recorded = [(record, values) for record in read_metrics(run.metrics_path) if (values := scalars(record))]
    if not recorded:
        raise InterchangeError(f"{run.path} has no record of its training that TensorBoard could show.")
    began = _began(run)
    path = folder / f"events.out.tfevents.{began:.0f}.isoline"  # one name: another export takes its place
    events = EventFile(path)
    try:
        for record, values in recorded:
            events.add(int(record["step"]), began + float(record.get("time") or 0.0), values)
    finally:
        events.close()
    return path


def _began(run: RunDirectory) -> float:
    """When the training began, in seconds since 1970; the age of its record, where the run does not say."""
    try:
        return datetime.fromisoformat(str(run.metadata.get("created"))).timestamp()
    except ValueError:
        return run.metrics_path.stat().st_mtime


def _library() -> Any:
    try:
        import tensorboardX
        import tensorboardX.proto.event_pb2
        import tensorboardX.proto.summary_pb2
    except ImportError as error:
        raise missing("tensorboardX", "tensorboard", "TensorBoard's files") from error
    return tensorboardX
