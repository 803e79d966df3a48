"""Writes a run directory while its training goes on: records, live snapshots, epochs, checkpoints. Rank zero's alone.

Looking is paid for out of a small share of the training's time: a live snapshot that took c seconds is followed by
none for at least c / ``LIVE_SHARE``, and an epoch's means are exact only if that takes at most ``EPOCH_SHARE`` of the
epoch (the last ones always are; the record of the epoch says which).
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import lightning_fabric
import numpy as np

from core.runs.directory import ProbeSet, RunDirectory
from core.runs.lock import RunLock
from core.runs.metrics_log import MetricsWriter, Record
from core.training.checkpoint import copy_checkpoint, save_checkpoint, save_weights
from core.training.loop import EpochEnd, Hyperparameters, Step
from core.training.probe_means import Means
from core.training.state import TrainingState

if TYPE_CHECKING:
    from core.data.dataset import Dataset

LIVE_INTERVAL_S = 1.0
LIVE_SHARE = 0.05
EPOCH_SHARE = 0.07
FIRST_LOOK_S = 4.0
"""Seconds that exact means may take before the training starts."""
RECORD_INTERVAL_S = 0.05
"""Steps that follow faster are not all recorded: reading a loss makes an accelerator wait."""
RATE_WINDOW_S = 10.0
REFINE_S = 0.1
"""Seconds of encoding at a time while the training waits: commands are looked for in between."""


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
    """Turns the events of one training into the files of ``run``. Raises ``OSError`` when one cannot be written."""

    def __init__(
        self,
        run: RunDirectory,
        lock: RunLock,
        probe: ProbeSet,
        dataset: Dataset,
        state: TrainingState,
        live: Hyperparameters,
        fabric: lightning_fabric.Fabric,
        history: History,
        on_record: Callable[[Record], None] | None,
    ) -> None:
        self._run, self._lock, self._state, self._live = run, lock, state, live
        self.history = history
        self.clock = Clock(history.seconds)
        self._on_record = on_record
        self._metrics = MetricsWriter(run.metrics_path)
        self._means = Means(probe, dataset, state, fabric)
        self._unrecorded: Step | None = None
        self._rates = (math.nan, math.nan)
        self._recorded_at = -math.inf
        self._next_live = -math.inf
        self._epoch_began = self.clock.seconds()

    def close(self) -> None:
        """Let go of the files."""
        self._metrics.close()

    # records

    def append(self, record: Record) -> None:
        """Write one record and pass it on."""
        record = {name: _json_number(value) for name, value in record.items()}
        self._metrics.append(record)
        if self._on_record is not None:
            self._on_record(record)

    def event(self, event: str, **fields: Any) -> None:
        """Write a record of kind ``event``."""
        where = {"step": self._state.step, "epoch": self._state.epoch, "time": self.clock.seconds()}
        self.append({"kind": "event", "event": event, **where, **fields})

    def flush_step(self) -> None:
        """Record the last step if it was passed over."""
        step, self._unrecorded = self._unrecorded, None
        if step is not None:
            images_per_second, left = self._rates
            self.append(
                {
                    "kind": "step",
                    "step": step.step,
                    "epoch": step.epoch,
                    "total_steps": step.total_steps,
                    "time": self.clock.seconds(),
                    "images_per_second": images_per_second,
                    **step.losses,  # waits for the device
                    "learning_rate": step.learning_rate,
                    "beta": self._live.beta,
                    "gamma": self._live.gamma,
                    "eta_seconds": left,
                }
            )
            self._recorded_at = time.monotonic()

    # what the training does

    def begin(self) -> None:
        """Weights and a first cloud, before the first step; the files of a resumed run stay until there are newer."""
        fresh = self._state.step == 0
        if fresh:
            self._save_weights()  # points can be decoded while the first means are encoded
        mu = self._means.exact() if self._means.exact_seconds <= FIRST_LOOK_S else self._means.careful_look()
        if fresh:
            self._run.write_embedding(mu, 0)
        self._write_live(mu)
        self._epoch_began = self.clock.seconds()

    def step(self, step: Step) -> None:
        """A step is done."""
        self._means.weights_changed()
        self._rates = self.clock.rates(step)
        self._unrecorded = step
        now = time.monotonic()
        if now - self._recorded_at >= RECORD_INTERVAL_S:
            self.flush_step()
        if now >= self._next_live:
            self.snapshot()

    def epoch(self, end: EpochEnd, *, last: bool) -> None:
        """An epoch is done and validated: means, checkpoints and, last of all, the record that says so."""
        self.flush_step()
        allowed = EPOCH_SHARE * (self.clock.seconds() - self._epoch_began)
        exact = last or self._means.exact_seconds <= allowed
        mu = self._means.exact() if exact else self._means.careful_look()
        loss = end.validation.get("loss")
        best = loss is None or self.history.best_loss is None or loss < self.history.best_loss
        if best:
            self.history.best_loss, self.history.best_epoch = loss, end.epoch
        self.history.validation = dict(end.validation)
        self._run.write_embedding(mu, end.epoch)
        self._write_live(mu)
        self.save_checkpoint()
        if best:
            copy_checkpoint(self._run.last_checkpoint_path, self._run.best_checkpoint_path)
        self.append(
            {
                "kind": "epoch",
                "epoch": end.epoch,
                "step": end.step,
                "time": self.clock.seconds(),
                "validation": end.validation,
                "best": best,
                "exact_means": exact,
            }
        )
        self._epoch_began = self.clock.seconds()

    def snapshot(self) -> None:
        """Newest weights and live means."""
        began = time.monotonic()
        self._write_live(self._means.look())
        cost = time.monotonic() - began
        self._next_live = began + max(LIVE_INTERVAL_S, cost / LIVE_SHARE)

    def refine(self) -> None:
        """While nothing else is to do: bring the live means nearer to exact ones."""
        mu = self._means.refine(REFINE_S)
        if mu is not None:
            self._write_live(mu)

    def save_checkpoint(self) -> None:
        """The whole state, as ``last``."""
        self.history.seconds = self.clock.seconds()
        self.history.hyperparameters = asdict(self._live)
        save_checkpoint(self._run.last_checkpoint_path, self._state, asdict(self.history))

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
        self._lock.set_state("running")
        self.event("resumed")

    def final_means(self) -> np.ndarray:
        """Exact means of the probe set."""
        return self._means.exact()

    def _write_live(self, mu: np.ndarray) -> None:
        if np.isfinite(mu).all():  # a training that is diverging must not overwrite what can still be looked at
            self._save_weights()
            self._run.write_embedding(mu)

    def _save_weights(self) -> None:
        state = self._state
        save_weights(self._run.weights_path, state.model.state_dict(), state.config, state.step, state.epoch)


def _json_number(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
