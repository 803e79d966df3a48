"""Writes a run directory while its training goes on: records, live snapshots, epochs, checkpoints. Rank zero's alone.

Snapshots may take a small fraction of the training's time: one that took c seconds is followed by none for at least
c / ``LIVE_FRACTION``, and an epoch's means are exact only if that takes at most ``EPOCH_FRACTION`` of the epoch (the
last ones always are; the record of the epoch says which). These are the means of at most ``MAX_PROBE`` samples; the
others' are encoded between the steps (``core.training.epoch_means``), while the training is paused, and at its end.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from core.data.dataset import Dataset
from core.geometry.embedding_metrics import trustworthiness, two_nn
from core.runs.commands import fill_command
from core.runs.directory import MAX_PROBE, RunDirectory
from core.runs.lock import RunError, RunLock
from core.runs.metrics_log import MetricsWriter, Record
from core.training.checkpoint import copy_checkpoint, save_checkpoint, save_weights
from core.training.diagnosis import findings, measure
from core.training.epoch_means import EpochMeans
from core.training.explosion import Exploded, diverged
from core.training.host_copy import HostCopy
from core.training.loop import Diverged, EpochEnd, Step
from core.training.probe_embedding import EPOCH_LANDMARKS, ProbeMeans
from core.training.state import TrainingState
from core.utils.atomic_write import replace
from core.utils.text import counted

LIVE_INTERVAL_S = 1.0
LIVE_FRACTION = 0.05
EPOCH_FRACTION = 0.07
FIRST_MEANS_S = 4.0
"""Seconds that exact means may take before the training starts."""
RECORD_INTERVAL_S = 0.05
"""Steps that follow faster are not all recorded."""
RATE_WINDOW_S = 10.0
NEIGHBOURS = 12
"""Of trustworthiness."""
MAX_TRUSTWORTHINESS_SAMPLES = 5000
"""Trustworthiness compares all pairs of samples; of a larger cloud this many are drawn."""
PAUSED = (
    ', paused as it was when it was interrupted: resume it in the window, or with "state": "running" in control.json'
)
REFINE_S = 0.1
"""Seconds of encoding at a time while the training waits: commands are looked for in between."""
TELL_S = 30.0
"""Between two words on how far the means are that are encoded after the last step."""


@dataclass
class History:
    """What a training remembers beside its state; part of every checkpoint."""

    seconds: float = 0.0
    """Seconds of training so far, pauses left out."""
    best_loss: float | None = None
    best_epoch: int = 0
    validation: dict[str, float] = field(default_factory=dict)
    """Of the last epoch."""
    hyperparameters: dict[str, float] = field(default_factory=dict)
    last_epoch: Record = field(default_factory=dict)
    """Its record, which is appended after the checkpoint is saved: a training may die in between."""


class Clock:
    """Seconds of training, pauses left out, and how fast it goes."""

    def __init__(self, seconds: float) -> None:
        self._offset = seconds - time.monotonic()
        self._pause: float | None = None
        self._began: tuple[float, int] | None = None
        self._recent: deque[tuple[float, int]] = deque()

    def seconds(self) -> float:
        return (time.monotonic() if self._pause is None else self._pause) + self._offset

    def pause(self) -> None:
        if self._pause is None:
            self._pause = time.monotonic()

    def resume(self) -> None:
        if self._pause is not None:
            self._offset -= time.monotonic() - self._pause
            self._pause = None

    def rates(self, step: Step) -> tuple[float, float]:
        """(images a second lately, seconds left at the speed since the start, validations included)."""
        now = self.seconds()
        if self._began is None:  # the first step warms caches and compiles kernels: it is no measure
            self._began = (now, step.step)
        self._recent.append((now, step.images))
        while len(self._recent) > 2 and now - self._recent[0][0] > RATE_WINDOW_S:
            self._recent.popleft()
        span = now - self._recent[0][0]
        images = sum(count for _, count in self._recent) - self._recent[0][1]
        began, first = self._began
        done = step.step - first
        left = (step.total_steps - step.step) * (now - began) / done if done else math.nan
        return (images / span if span > 0 else math.nan), left


class Recorder:
    """Turns the events of one training into the files of ``run``.

    Raises ``OSError`` when an epoch's means, a checkpoint or the records before it cannot be written, and ``RunError``
    once the run was taken over or is gone. Live means and weights that cannot be written are tried again, records wait.
    """

    def __init__(
        self,
        run: RunDirectory,
        lock: RunLock,
        state: TrainingState,
        means: ProbeMeans,
        history: History,
        on_record: Callable[[Record], None] | None,
        restored: Sequence[Record] = (),
        others: EpochMeans | None = None,
    ) -> None:
        """``others`` encodes the samples after the first ``MAX_PROBE``; None: there are none."""
        self.run, self.state, self.history = run, state, history
        self.clock = Clock(history.seconds)
        self._lock, self._means, self._on_record = lock, means, on_record
        self._restored, self._others = restored, others
        self._metrics = MetricsWriter(run.metrics_path)
        self._unrecorded: Step | None = None
        self._due: Step | None = None
        self._rates = (math.nan, math.nan)
        self._recorded_at = -math.inf
        self._next_live = -math.inf
        self._live_fails = False
        self._copied: tuple[HostCopy, int, int] | None = None
        """A live snapshot that an accelerator was asked for, and the step and epoch that it is of."""
        self._epoch_began = self.clock.seconds()

    def close(self) -> None:
        """Let go of the files."""
        with contextlib.suppress(OSError):  # whoever had to know that all is written has synchronised before
            self._metrics.close()

    # records

    def append(self, record: Record) -> None:
        """Write one record and pass it on."""
        known = {name: not isinstance(value, float) or math.isfinite(value) for name, value in record.items()}
        record = {name: value if known[name] else None for name, value in record.items()}
        with contextlib.suppress(OSError):  # it waits in the writer; the next checkpoint needs it on the disk
            self._metrics.append(record)
        if self._on_record is not None:
            self._on_record(record)

    def event(self, event: str, **fields: Any) -> None:
        """Write a record of kind ``event``."""
        where = {"step": self.state.step, "epoch": self.state.epoch, "time": self.clock.seconds()}
        self.append({"kind": "event", "event": event, **where, **fields})

    def sync(self) -> None:
        """Bring all records to the disk."""
        self._metrics.sync()

    def flush_step(self) -> None:
        """Record the last step if it was passed over."""
        if self._unrecorded is not None:
            self._record(self._unrecorded)

    def _record(self, step: Step) -> None:
        """Record ``step``; waits for the device if it is not done yet."""
        self._due = None
        if step is self._unrecorded:
            self._unrecorded = None
        images_per_second, left = self._rates
        self.append(
            {
                "kind": "step",
                "step": step.step,
                "epoch": step.epoch,
                "total_steps": step.total_steps,
                "ends_epoch": step.ends_epoch,
                "time": self.clock.seconds(),
                "images_per_second": images_per_second,
                **step.losses,
                "learning_rate": step.learning_rate,
                "beta": self.state.hyperparameters.beta,
                "gamma": self.state.hyperparameters.gamma,
                "eta_seconds": left,
            }
        )
        self._recorded_at = time.monotonic()

    # what the training does

    def begin(self, dataset: Dataset, device: str, processes: int, *, paused: bool) -> None:
        """Weights and a first cloud, before the first step; the files of a resumed run stay until there are newer."""
        self.event(
            "started",
            paused=paused,
            pid=os.getpid(),
            device=device,
            processes=processes,
            train=len(dataset.train),
            validation=len(dataset.validation),
            held_out=len(dataset.held_out),
            message=f"training on {device}"
            + (f" from step {self.state.step}" if self.state.step else "")
            + (PAUSED if paused else ""),
        )
        if self._on_record is not None:
            for record in self._restored:
                self._on_record(record)
        fresh = self.state.step == 0
        if fresh:
            for line in said_of(dataset):
                self.event("data", message=line)
            if self._means.recorded < len(dataset):
                some = f"{self._means.recorded:,} of the {len(dataset):,} samples"
                self.event("data", message=f"The means of {some} are recorded, drawn at random.")
            self._save_weights()  # points can be decoded while the first means are encoded
        exact = self._means.exact_seconds <= FIRST_MEANS_S
        mu = self._means.exact() if exact else self._means.estimate(EPOCH_LANDMARKS)
        if fresh:
            self.run.write_embedding(mu, 0)
        elif self._others is not None:
            self._take_up(self._others)
        self._write_live(mu)
        self._epoch_began = self.clock.seconds()
        self._lock.moved("step", self.state.step)

    def step(self, step: Step) -> None:
        """A step is done."""
        self._check_lock()
        self._lock.moved("validation" if step.ends_epoch else "step", step.step)
        self._means.weights_changed()
        self._rates = self.clock.rates(step)
        self._unrecorded = step
        now = time.monotonic()
        if self._due is None and now - self._recorded_at >= RECORD_INTERVAL_S:
            self._due = step
        if step.ends_epoch:  # the validation that follows takes a while
            self.flush_step()
        elif self._due is not None and self._due.reading.ready:  # an accelerator is behind, and not waited for
            self._record(self._due)
        if self._copied is not None:
            if self._copied[0].ready:
                self._write_copied()
        elif now >= self._next_live:
            if self._means.on_cpu:
                self.snapshot()
            else:
                self._copy_live()
        if self._others is not None and self._others.due:
            self._encode_others(self._others)

    def epoch(self, end: EpochEnd, *, last: bool) -> None:
        """An epoch is done and validated: means, checkpoints and, last of all, the record that says so."""
        self._check_lock()
        self._lock.moved("recording", end.step)
        self.flush_step()
        self._check_weights()
        allowed = EPOCH_FRACTION * (self.clock.seconds() - self._epoch_began)
        exact = last or self._means.exact_seconds <= allowed
        mu = self._means.exact() if exact else self._means.estimate(EPOCH_LANDMARKS)
        loss = end.validation.get("loss")
        best = loss is None or self.history.best_loss is None or loss < self.history.best_loss
        if best:
            self.history.best_loss, self.history.best_epoch = loss, end.epoch
        self.history.validation = dict(end.validation)
        record = {
            "kind": "epoch",
            "epoch": end.epoch,
            "step": end.step,
            "time": self.clock.seconds(),
            "validation": end.validation,
            "best": best,
            "exact_means": exact,
        }
        self.history.last_epoch = record
        self._check_lock()
        self._keep_sound(end.suspicious)
        self.run.write_embedding(mu, end.epoch)
        self._write_live(mu)
        self.save_checkpoint()
        if best:
            copy_checkpoint(self.run.last_checkpoint_path, self.run.best_checkpoint_path)
        self.append(record)
        if self._others is not None:
            self._shorten(self._others)
            self._others.begin(end.epoch, mu if exact else None)
        self._epoch_began = self.clock.seconds()
        self._lock.moved("recording" if last else "step", end.step)

    def snapshot(self) -> None:
        """Newest weights and live means."""
        began = time.monotonic()
        self._write_live(self._means.estimate())
        cost = time.monotonic() - began
        self._next_live = began + max(LIVE_INTERVAL_S, cost / LIVE_FRACTION)

    def _copy_live(self) -> None:
        """Ask for newest weights and live means, and go on: they are written when they are there."""
        weights = {f"weights.{name}": value for name, value in self.state.model.state_dict().items()}
        copy = HostCopy({**weights, "means": self._means.landmark_means()})
        self._copied = copy, self.state.step, self.state.epoch

    def _write_copied(self) -> None:
        assert self._copied is not None
        (copy, step, epoch), self._copied = self._copied, None
        began, tensors = time.monotonic(), copy.tensors()
        mu = self._means.predict(tensors.pop("means").numpy())
        weights = {name.removeprefix("weights."): value for name, value in tensors.items()}
        self._write_live(mu, lambda: save_weights(self.run.weights_path, weights, self.state.config, step, epoch))
        cost = time.monotonic() - began
        self._next_live = began + max(LIVE_INTERVAL_S, cost / LIVE_FRACTION)

    def _encode_others(self, others: EpochMeans) -> None:
        """Between two steps: more means of the newest epoch."""
        began = time.monotonic()
        mu = others.advance()
        if mu is not None:
            self._write_others(others, mu)
        others.spent(time.monotonic() - began)

    def _write_others(self, others: EpochMeans, mu: np.ndarray) -> None:
        self._check_lock()
        self._attempt(lambda: self.run.write_embedding(mu, others.epoch), "means")

    def _shorten(self, others: EpochMeans) -> None:
        """There is a newer epoch: the one before keeps the means of the first samples."""
        if others.epoch is not None and len(others.means) > MAX_PROBE:
            self.run.write_embedding(others.means[:MAX_PROBE], others.epoch)

    def _take_up(self, others: EpochMeans) -> None:
        """Go on with the means of the last epoch, if the weights are still those of its end."""
        *before, last = self.run.embedding_epochs() or [-1]
        for epoch in before:  # a training may have died before it shortened one
            mu = self._stored(epoch, others)
            if len(mu) > MAX_PROBE:
                self.run.write_embedding(mu[:MAX_PROBE], epoch)
        if last == self.state.epoch > 0 and self.state.position == 0:
            others.begin(last, self._stored(last, others))

    def _stored(self, epoch: int, others: EpochMeans) -> np.ndarray:
        """The means (k, d) after ``epoch``, if there are more than the first ones, which may be estimates; no rows for
        a damaged file, too, which does not end a training."""
        with contextlib.suppress(RunError):
            if MAX_PROBE < self.run.recorded_count(epoch) <= others.count:
                return self.run.read_embedding(epoch)
        return np.empty((0, self.state.model.latent_dim), np.float32)

    def refine(self) -> None:
        """While nothing else is to do: bring the live means nearer to exact ones."""
        self._check_lock()
        self._lock.moved("waiting", self.state.step)
        mu = self._means.refine(REFINE_S)
        if mu is not None:
            self._write_live(mu)

    def save_checkpoint(self) -> None:
        """The whole state, as ``last``; the records of its steps reach the disk before."""
        self._check_lock()  # what came before took a while, in which this process may have been suspended
        self.sync()
        self.history.seconds = self.clock.seconds()
        self.history.hyperparameters = asdict(self.state.hyperparameters)
        save_checkpoint(self.run.last_checkpoint_path, self.state, asdict(self.history))

    def pause(self) -> None:
        """The training waits from now on."""
        self.flush_step()
        self.clock.pause()
        self.snapshot()
        self._lock.set_state("paused")
        self.event("paused")

    def resume(self) -> None:
        """The training goes on."""
        self.clock.resume()
        self._lock.moved("step", self.state.step)
        self._lock.set_state("running")
        self.event("resumed")

    def explode(self, found: Exploded, changes: dict[str, float], command: str) -> None:
        """The loss has grown beyond reason: keep what shows it, and see to it that ``last`` is the last good state.

        ``changes`` are the settings, by ``section.field``, with which the training can go on from there, and
        ``command`` does so.
        """
        self.flush_step()
        run, kept = self.run, ""
        try:
            save_checkpoint(run.exploded_checkpoint_path, self.state, asdict(self.history))
            kept = f" The weights at this moment are in {run.exploded_checkpoint_path.name}."
            if run.sound_checkpoint_path.exists():
                replace(run.sound_checkpoint_path, run.last_checkpoint_path)
        except OSError as error:
            kept = f" The weights at this moment could not be stored ({error.strerror or error})."
        self.event(
            "exploded",
            message=f"{found}{kept}",
            at_step=found.step + 1,
            loss=found.loss,
            usual=found.usual,
            gradient_norm=found.gradient_norm,
            learning_rate=found.learning_rate,
            changes=changes,
            command=command,
        )

    def end_exploded(self) -> None:
        """The training ends while its loss is beyond reason: its last good checkpoint stays."""
        self._lock.moved("recording", self.state.step)
        kept = "the last checkpoint is from before the loss grew"
        if not self.run.last_checkpoint_path.exists():
            kept = "there is no checkpoint from before the loss grew, so the run would begin again"
        self.event("stopped", message=f"stopped; {kept}")
        self.sync()

    def stop(self) -> None:
        """The training ends before its last epoch, and can be resumed."""
        self._lock.moved("recording", self.state.step)
        self.flush_step()
        self._check_weights()
        self.save_checkpoint()
        self.snapshot()
        left = "" if self._others is None else f"; {self._told_recorded(MAX_PROBE, self._others.count)}"
        self.event("stopped", message=f"stopped at step {self.state.step}; a checkpoint is saved{left}")
        self.sync()

    def finish(self, dataset: Dataset, ended: Callable[[], bool] = lambda: False) -> Record:
        """The training is complete: returns the report, which is recorded, too. Samples that are not encoded yet are
        so now, until ``ended`` says that nobody waits for that."""
        probe = self.run.read_probe().first(MAX_PROBE)
        factors = probe.factors[:, [not names for names in probe.categories]]  # classes are no places in a plane
        factors = factors[:, np.isfinite(factors).any(axis=0)]
        seen = probe.seen  # what is held out says how the model fills a gap, not what its cloud is like
        mu = self._means.exact()
        report = training_report(mu[seen], factors[seen], self.history.validation, self.clock.seconds())
        measures = measure(self.state.model, dataset, mu[seen])
        found = findings(measures, self.state.config, self.history.best_epoch)
        report |= {
            "active_dimensions": measures.active,
            "latent_signal": measures.signal.tolist(),
            "squared_error": measures.validation,
            "squared_error_training": measures.training,
            "squared_error_mean_image": measures.mean_image,
            "findings": [finding.to_json() for finding in found],
        }
        self.append(report)
        self._write_live(mu)  # whoever judges places by these means now knows what they are worth
        recorded = ""
        if self._others is not None:
            if self._others.epoch != self.state.epoch or len(self._others.means) < len(mu):
                self._others.begin(self.state.epoch, mu)
            recorded = self._complete(self._others, ended)
        self.event("finished", message=f"finished after {counted(self.state.epoch, 'epoch')}{recorded}")
        self.sync()
        return report

    def _complete(self, others: EpochMeans, ended: Callable[[], bool]) -> str:
        """Encode all samples with the last weights; returns how many are recorded, unless all are."""
        told = -math.inf
        while not others.complete and not ended():
            if time.monotonic() - told >= TELL_S:
                told = time.monotonic()
                self.event("encoding", message=f"encoding the samples: {len(others.means):,} of {others.count:,}")
            self._check_lock()
            self._lock.moved("recording", self.state.step)
            mu = others.advance(REFINE_S)
            if mu is not None and not others.complete:
                self._write_others(others, mu)
                self._write_live(mu)
        self._write_others(others, others.means)
        self._write_live(others.means)
        return "" if others.complete else f"; {self._told_recorded(len(others.means), others.count)}"

    def _told_recorded(self, done: int, count: int) -> str:
        others = f"the others by {fill_command(self.run.path)}"
        return f"{done:,} of {count:,} samples are recorded with these weights, {others}"

    def fail(self, error: Exception, **fields: Any) -> None:
        """The training ends because of ``error``: recorded if that is still possible. ``fields`` say what helps: the
        ``changes`` with which it can go on, by ``section.field``, and the ``command`` that does so."""
        if self._lock.lost:
            return
        for record in (self.flush_step, lambda: self.event("failed", message=str(error), **fields)):
            with contextlib.suppress(OSError):  # the disk may be what failed
                record()

    def _check_weights(self) -> None:
        """Raises ``Diverged`` rather than let a checkpoint hold weights from which no training could go on."""
        if not all(torch.isfinite(value).all() for value in self.state.model.state_dict().values()):
            state = self.state
            what, rate = "the weights are not finite", state.hyperparameters.learning_rate
            raise Diverged(diverged(what, state.step, state.epoch + 1, rate))

    def _keep_sound(self, suspicious: bool) -> None:
        """Keep the last checkpoint as it is while the loss is ``suspicious``: the next one may be of an explosion."""
        last, sound = self.run.last_checkpoint_path, self.run.sound_checkpoint_path
        if not suspicious:
            sound.unlink(missing_ok=True)
        elif last.exists() and not sound.exists():
            copy_checkpoint(last, sound)

    def _check_lock(self) -> None:
        if reason := self._lock.lost:
            raise RunError(reason)

    def _write_live(self, mu: np.ndarray, save: Callable[[], None] | None = None) -> None:
        """``save`` writes the weights that belong to the means; None: the newest."""
        self._copied = None  # of older ones
        if not np.isfinite(mu).all():  # a training that is diverging must not overwrite what can still be looked at
            return
        self._check_lock()

        def write() -> None:
            (save or self._save_weights)()
            self.run.write_embedding(mu)

        self._attempt(write, "live means and weights")

    def _attempt(self, write: Callable[[], None], what: str) -> None:
        """``write`` what will be tried again: a full disk, a share that is away, are perhaps so for a moment."""
        try:
            write()
        except OSError as error:
            if not self._live_fails:
                self._live_fails = True
                self.event(
                    "warning",
                    message=f"The {what} cannot be written ({error.strerror or error}). The training goes on and tries "
                    "again; until then the picture stands still.",
                )
        else:
            self._live_fails = False

    def _save_weights(self) -> None:
        state = self.state
        save_weights(self.run.weights_path, state.model.state_dict(), state.config, state.step, state.epoch)


def said_of(dataset: Dataset) -> list[str]:
    """What was done to the images, and which were skipped, in lines."""
    lines = list(dataset.notes)
    if dataset.skipped:
        named = [f"{skipped.name} ({skipped.reason})" for skipped in dataset.skipped[:3]]
        more = ", …" if len(dataset.skipped) > 3 else ""
        lines.append(f"{counted(len(dataset.skipped), 'file')} skipped: {', '.join(named)}{more}")
    return lines


def training_report(mu: np.ndarray, factors: np.ndarray, validation: dict[str, float], seconds: float) -> Record:
    """The numbers that a training ends with, as a record of kind ``report``: how good reconstructions and cloud are.

    ``mu`` float32 (n, d); ``factors`` float32 (n, F), continuous ones, F = 0 if there are none; ``validation`` as in
    ``core.training.loop.EpochEnd``. A number that cannot be had is None: excess BCE without validation samples,
    trustworthiness without factors, any of a cloud too small. Samples of which a factor is not known (NaN) have no part
    in the trustworthiness, and ``note`` says so.
    """
    record: Record = {
        "kind": "report",
        "excess_bce": validation.get("excess_bce"),
        "twonn": None,
        "twonn_low": None,
        "twonn_high": None,
        "trustworthiness_parameters_to_cloud": None,
        "trustworthiness_cloud_to_parameters": None,
        "seconds": seconds,
    }
    try:
        record["twonn"], record["twonn_low"], record["twonn_high"] = map(float, two_nn(mu))
        if factors.shape[1]:
            places = np.flatnonzero(np.isfinite(factors).all(axis=1))
            if len(places) < len(mu):
                record["note"] = (
                    f"trustworthiness without {counted(len(mu) - len(places), 'sample')} of unknown factors"
                )
            if len(places) > MAX_TRUSTWORTHINESS_SAMPLES:
                places = np.sort(np.random.default_rng(0).choice(places, MAX_TRUSTWORTHINESS_SAMPLES, replace=False))
            x, y = factors[places], mu[places]
            record["trustworthiness_parameters_to_cloud"] = float(trustworthiness(x, y, NEIGHBOURS))
            record["trustworthiness_cloud_to_parameters"] = float(trustworthiness(y, x, NEIGHBOURS))
    except ValueError as error:  # the cloud allows no such number
        record["note"] = str(error)
    return record
