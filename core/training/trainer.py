"""One training from its configuration to a finished run directory: what ``isoline train`` does.

It loads the data, runs ``core.training.loop.train``, records what comes out of it (core.training.recorder), obeys
``control.json`` (core.training.control) and ends with a report. In a training on several devices every process comes
through here; rank zero alone writes and steers, the others do as it says.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import lightning_fabric
import numpy as np
import torch

from core.config import RunConfig
from core.data.source_resolution import inherit_native_size, resolve_native_size
from core.runs.directory import RunDirectory, RunError, unwritable
from core.runs.lock import RunLock
from core.runs.metrics_log import Record, keep_metrics
from core.training.checkpoint import CheckpointError, load_checkpoint
from core.training.control import Steering
from core.training.distributed import GO, STOP, WAIT, RankFailed, Ranks, Signals, leave, together
from core.training.loop import EpochEnd, Hyperparameters, Step, TrainingError, make_fabric, train
from core.training.probe_means import make_probe
from core.training.recorder import History, Recorder
from core.training.state import TrainingState
from core.training.summary import make_report
from core.utils.atomic_write import remove_temporaries
from core.utils.versions import versions

if TYPE_CHECKING:
    from core.data.dataset import Dataset

PAUSE_POLL_S = 0.03
_MACHINE_FIELDS = ("device", "devices", "nodes", "precision")  # of TrainingConfig: may differ when a run is resumed


@dataclass(frozen=True)
class Outcome:
    """How a training ended. ``report`` is the record of ``core.training.summary.make_report`` if it came to its end."""

    status: Literal["finished", "stopped"]
    run: RunDirectory
    report: Record | None


def run_training(
    config: RunConfig,
    out: Path,
    resume: bool = False,
    on_event: Callable[[Record], None] | None = None,
    on_data: Callable[[float], None] | None = None,
) -> Outcome:
    """Train ``config`` into run folder ``out``; with ``resume``, go on with the run that is there.

    ``on_event`` gets each record of ``metrics.jsonl`` as it is written, ``on_data`` the share of the dataset that is
    ready; both on rank zero alone. SIGINT and SIGTERM end the training after its step, with a checkpoint.

    Raises ``RunError`` (folder in use, unwritable, full), ``CheckpointError``, ``core.data.dataset.DatasetError``,
    ``core.models.device.DeviceError``, and ``TrainingError`` when the loss is no longer finite. Whatever it raises, the
    last checkpoint is intact.
    """
    out = Path(out)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    with Signals() as signals, contextlib.ExitStack() as stack:
        fabric = make_fabric(config.training)
        fabric.launch()
        stack.callback(leave, fabric)
        session = _Session(config, out, resume, fabric, on_event)
        together(fabric, lambda: session.lock_folder(stack))
        together(fabric, lambda: session.load_data(on_data))  # rank zero fills the cache, the others read it
        if fabric.global_rank != 0:
            session.load_data(None)
        session.build_state()
        together(fabric, lambda: session.prepare(stack))
        return session.train(signals)


class _Session:
    """The state of one call of ``run_training`` on one rank."""

    def __init__(
        self,
        config: RunConfig,
        out: Path,
        resume: bool,
        fabric: lightning_fabric.Fabric,
        on_event: Callable[[Record], None] | None,
    ) -> None:
        self._config, self._out, self._resume, self._fabric = config, out, resume, fabric
        self._on_event = on_event
        self._lock = RunLock(out / "lock")
        self._run: RunDirectory | None = None
        self._recorder: Recorder | None = None
        self._steering: Steering | None = None
        self._dataset: Dataset
        self._state: TrainingState
        self._live = Hyperparameters.of(config)
        self._ranks = Ranks(fabric)

    def lock_folder(self, stack: contextlib.ExitStack) -> None:
        """Rank zero: make sure that the folder can be written, and that nobody else does."""
        if self._resume:
            self._run = self._resumable_run()
        elif RunDirectory.exists(self._out):
            raise RunError(f"{self._out} already holds a run. Continue it with --resume, or choose another folder.")
        try:
            self._out.mkdir(parents=True, exist_ok=True)
            stack.enter_context(self._lock)
        except OSError as error:
            raise unwritable(self._out, error) from error

    def load_data(self, on_data: Callable[[float], None] | None) -> None:
        """The dataset of the configuration."""
        from core.data.loading import load_dataset

        self._dataset = load_dataset(self._config.data, on_data)

    def build_state(self) -> None:
        """The model and its optimiser, once what the configuration leaves to the data is known."""
        self._config = resolve_native_size(self._config, self._dataset)
        self._state = TrainingState(self._config)

    def prepare(self, stack: contextlib.ExitStack) -> None:
        """Rank zero: a new run directory, or the state of the one to resume; then everything that records."""
        dataset, history, fresh = self._dataset, History(), True
        try:
            if self._run is None:
                self._run = RunDirectory.create(self._out, self._config, _metadata(dataset))
            run = self._run
            for folder in (run.path, run.checkpoints_path, run.path / "embeddings"):
                remove_temporaries(folder)
            if run.last_checkpoint_path.exists():
                _check_fingerprint(run, dataset)
                history, fresh = _restore(run, self._state), False
            else:
                _clear(run)
                run.write_probe(make_probe(dataset, self._config.data.seed))
            for name, value in history.hyperparameters.items():
                setattr(self._live, name, value)
            recorder = Recorder(
                run,
                self._lock,
                run.read_probe(),
                dataset,
                self._state,
                self._live,
                self._fabric,
                history,
                self._on_event,
            )
        except OSError as error:
            raise unwritable(self._out, error) from error
        self._recorder = stack.enter_context(contextlib.closing(recorder))
        self._steering = Steering(run, self._live, recorder.event, ignore_present=not fresh)

    def train(self, signals: Signals) -> Outcome:
        """From the present state to the end, or to a stop."""
        self._ranks.share_state(self._state, self._live)
        events = train(self._state, self._dataset, self._live, self._fabric)
        stopped = False
        try:
            if self._recorder is not None:
                self._begin(self._recorder)
            stopped = not self._steer(None, signals)
            while not stopped and (event := next(events, None)) is not None:
                if self._recorder is not None:
                    self._record(self._recorder, event)
                stopped = not self._steer(event, signals)
            if self._run is None or self._recorder is None:
                return Outcome("stopped" if stopped else "finished", RunDirectory(self._out, self._config, {}), None)
            return self._stop(self._run, self._recorder) if stopped else self._finish(self._run, self._recorder)
        except Exception as error:
            raise self._failed(error) from error

    def _begin(self, recorder: Recorder) -> None:
        device, dataset = str(self._fabric.device), self._dataset
        recorder.event(
            "started",
            pid=os.getpid(),
            device=device,
            processes=self._fabric.world_size,
            train=len(dataset.train),
            validation=len(dataset.validation),
            message=f"training on {device}" + (f" from step {self._state.step}" if self._state.step else ""),
        )
        recorder.begin()

    def _record(self, recorder: Recorder, event: Step | EpochEnd) -> None:
        assert self._steering is not None
        if self._lock.lost:
            raise RunError(f"{self._out}: another trainer has taken this run over; this one stops.")
        if isinstance(event, Step):
            recorder.step(event)
            if self._steering.single_step:
                recorder.flush_step()
                recorder.snapshot()
            self._steering.completed("step")
        else:
            recorder.epoch(event, last=event.epoch >= self._config.training.epochs)
            self._steering.completed("epoch")

    def _steer(self, event: Step | EpochEnd | None, signals: Signals) -> bool:
        """Between two steps: obey what rank zero has read. False: stop."""
        if isinstance(event, EpochEnd) and event.epoch >= self._config.training.epochs:
            return True  # nothing is left to steer
        while True:
            verdict = self._verdict(signals)
            if verdict != WAIT:
                return verdict == GO
            time.sleep(PAUSE_POLL_S)

    def _verdict(self, signals: Signals) -> float:
        verdict = GO
        if self._recorder is not None and self._steering is not None:
            self._steering.look()
            wanted = "stop" if signals.received else self._steering.verdict()
            self._show(wanted, self._recorder, self._steering)
            verdict = {"go": GO, "wait": WAIT, "stop": STOP}[wanted]
        return self._ranks.share_verdict(verdict, self._live)

    def _show(self, wanted: str, recorder: Recorder, steering: Steering) -> None:
        """Say when the training starts to wait or goes on; a single step is part of the pause."""
        if wanted == "wait" and not steering.paused:
            steering.paused = True
            recorder.pause()
        elif wanted == "wait":
            if self._lock.lost:
                raise RunError(f"{self._out}: another trainer has taken this run over; this one stops.")
            recorder.clock.pause()
            recorder.refine()
        elif wanted == "go" and steering.paused:
            recorder.clock.resume()
            if not steering.single_step:
                steering.paused = False
                recorder.resume()

    def _stop(self, run: RunDirectory, recorder: Recorder) -> Outcome:
        recorder.flush_step()
        recorder.save_checkpoint()
        recorder.snapshot()
        recorder.event("stopped", message=f"stopped at step {self._state.step}; a checkpoint is saved")
        return Outcome("stopped", run, None)

    def _finish(self, run: RunDirectory, recorder: Recorder) -> Outcome:
        continuous = self._config.data.source != "folder"  # classes are no places in a plane
        factors = run.read_probe().factors if continuous else np.empty((0, 0), np.float32)
        report = make_report(recorder.final_means(), factors, recorder.history.validation, recorder.clock.seconds())
        recorder.append(report)
        recorder.event("finished", message=f"finished after {self._state.epoch} epochs")
        return Outcome("finished", run, report)

    def _failed(self, error: Exception) -> Exception:
        """Record why the training ends, if that is still possible, and say it in a way a person can use."""
        if isinstance(error, OSError):
            shown: Exception = unwritable(self._out, error)
        elif isinstance(error, torch.OutOfMemoryError | MemoryError):
            shown = TrainingError(f"out of memory at step {self._state.step}: use a smaller batch_size or image_size.")
        elif self._recorder is None:
            return RankFailed(str(error))
        else:
            shown = error
        if self._recorder is not None and not self._lock.lost:
            for last_words in (self._recorder.flush_step, lambda: self._say_failed(shown)):
                with contextlib.suppress(OSError):  # the disk may be what failed
                    last_words()
        return shown

    def _say_failed(self, error: Exception) -> None:
        if self._recorder is not None:
            self._recorder.event("failed", message=str(error))

    def _resumable_run(self) -> RunDirectory:
        run = RunDirectory.open(self._out)
        self._config = inherit_native_size(self._config, run.config)
        if (name := _first_difference(self._config, run.config)) is not None:
            raise RunError(
                f"{name} differs from the run in {self._out}: a run is resumed with the configuration it was started "
                "with. Leave that option out, or start a new run in another folder."
            )
        return run


def _check_fingerprint(run: RunDirectory, dataset: Dataset) -> None:
    stored = run.metadata.get("dataset")
    known = stored.get("fingerprint") if isinstance(stored, dict) else None
    if known is not None and known != dataset.fingerprint:
        raise RunError(
            f"{run.path} was trained on other data: fingerprint {str(known)[:12]}, now {dataset.fingerprint[:12]}. "
            "Restore the dataset, or start a new run."
        )


def _restore(run: RunDirectory, state: TrainingState) -> History:
    """Put the last checkpoint into ``state``, and drop what was recorded after it: the history has no double steps."""
    path = run.last_checkpoint_path
    extra = load_checkpoint(path, state)
    try:
        history = History(**extra)
    except TypeError as error:
        raise CheckpointError(f"{path} was saved by another version of Isoline ({error}).") from error
    keep_metrics(run.metrics_path, lambda record: record.get("kind") != "report" and _step_of(record) <= state.step)
    for epoch in run.embedding_epochs():
        if epoch > state.epoch:
            run.embedding_path(epoch).unlink(missing_ok=True)
    return history


def _step_of(record: Record) -> int:
    step = record.get("step", 0)
    return step if isinstance(step, int) else 0


def _clear(run: RunDirectory) -> None:
    """Remove what a training left that died before its first checkpoint."""
    epochs = [run.embedding_path(epoch) for epoch in [*run.embedding_epochs(), None]]
    for path in (run.metrics_path, run.weights_path, *epochs):
        path.unlink(missing_ok=True)


def _first_difference(config: RunConfig, stored: RunConfig) -> str | None:
    """Name of the first field in which two configurations differ, the machine's own fields left out."""
    for section in dataclasses.fields(RunConfig):
        mine, theirs = getattr(config, section.name), getattr(stored, section.name)
        for entry in dataclasses.fields(mine):
            machine = section.name == "training" and entry.name in _MACHINE_FIELDS
            if not machine and getattr(mine, entry.name) != getattr(theirs, entry.name):
                return f"{section.name}.{entry.name}"
    return None


def _metadata(dataset: Dataset) -> dict[str, Any]:
    """What ``config.json`` says beside the configuration."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "dataset": {
            "fingerprint": dataset.fingerprint,
            "samples": len(dataset.images),
            "train": len(dataset.train),
            "validation": len(dataset.validation),
            "factor_names": list(dataset.factor_names),
        },
        "versions": versions(),
        "platform": platform.platform(),
    }
