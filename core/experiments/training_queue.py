"""The trainings of an experiment, one after another: finished ones are left as they are, begun ones resume.

Trainings differ in size and in network, so the share that is done, and the time left at the speed measured so far, are
counted in *work*: images times the relative cost of one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections import Counter
from collections.abc import Sequence

from core.config import DataConfig, RunConfig, TrainingConfig
from core.data.loading import curve_parameters, curve_split
from core.data.source_resolution import inherit_native_size
from core.experiments.folder import ExperimentFolder, Stopped
from core.experiments.options import ExperimentError, Log, PlannedTraining
from core.runs.directory import RunDirectory, RunError
from core.runs.metrics_log import Record, read_metrics
from core.training.loop import TrainingError
from core.training.schedule import steps_left
from core.training.trainer import run_training

TRAINING_SHARE = 0.92
"""Of an experiment's progress; the rest is the analysis."""


def train_all(planned: Sequence[PlannedTraining], folder: ExperimentFolder, log: Log) -> list[RunDirectory]:
    """Train what is not trained yet, inside ``folder.begin``; returns the runs in the order of ``planned``.

    A training that is not ``required`` may diverge: its run is then returned as failed. Raises ``Stopped``,
    ``ExperimentError`` for a run of another configuration, and what ``core.training.trainer.run_training`` raises.
    """
    twice = [name for name, count in Counter(training.name for training in planned).items() if count > 1]
    if twice:
        raise ExperimentError(f"two trainings are named {twice[0]!r}; each needs a folder of its own.")
    workload = Workload(planned)  # the data of all are looked at before the first training begins
    complete = {training.name: run for training in planned if (run := complete_run(training, folder)) is not None}
    for name, run in complete.items():
        workload.timed(name, last_step(run), train_seconds(run))
        workload.done(name, workload.steps[name])
    runs = []
    for number, training in enumerate(planned, start=1):
        place = f"{number} of {len(planned)}"
        if training.name in complete:
            log(f"{training.label} ({place}): trained already")
            runs.append(complete[training.name])
            continue
        folder.check_stop()
        runs.append(_Training(training, folder, workload, place, log).run())
        workload.done(training.name, workload.steps[training.name])
    return runs


def last_step(run: RunDirectory) -> int:
    """Steps that a run has made and recorded."""
    return max((int(record["step"]) for record in read_metrics(run.metrics_path) if "step" in record), default=0)


def train_seconds(run: RunDirectory) -> float:
    """Seconds of training, pauses left out: the final report's, or those of the last record."""
    seconds = 0.0
    for record in read_metrics(run.metrics_path):
        value = record.get("seconds") if record.get("kind") == "report" else record.get("time")
        if record.get("kind") in ("report", "step", "epoch") and isinstance(value, int | float):
            seconds = max(seconds, float(value))
    return seconds


def failure(run: RunDirectory) -> str | None:
    """Why the training of ``run`` diverged; None if it did not."""
    if run.status() != "failed":
        return None
    messages = [record.get("message") for record in read_metrics(run.metrics_path) if record.get("event") == "failed"]
    return str(messages[-1]) if messages else "failed"


class _Training:
    """One training in progress: forwards its progress, and stops it when that is wanted."""

    def __init__(
        self, planned: PlannedTraining, folder: ExperimentFolder, workload: Workload, place: str, log: Log
    ) -> None:
        self._planned, self._folder, self._workload, self._log = planned, folder, workload, log
        self._title = f"{planned.label} ({place})"
        self._path = folder.run_path(planned.name)
        self._mutex = threading.Lock()
        self._steerable = False
        self._stopping = False
        self._enough = False
        self._first: Record | None = None

    def run(self) -> RunDirectory:
        """Train to the end. Raises ``Stopped`` when it was stopped before."""
        resume = RunDirectory.exists(self._path)
        self._log(f"{self._title}: {'resuming' if resume else 'training'}")
        self._report("preparing the images")
        if resume:  # a command to stop that came before the first checkpoint would stop the training again
            RunDirectory.open(self._path).steer(state="running")
        try:
            with self._folder.on_stop(self._stop):
                outcome = run_training(
                    self._planned.config,
                    self._path,
                    resume,
                    self._record,
                    lambda fraction: self._report(f"preparing the images, {fraction:.0%}"),
                )
        except TrainingError as error:
            if self._planned.required:
                raise TrainingError(f"{self._title}: {error}") from error
            self._log(f"{self._title}: {error}")
            return RunDirectory.open(self._path)
        finally:
            with self._mutex:
                self._steerable = False
        if outcome.status == "stopped" and not self._enough:
            raise Stopped(outcome.signal)
        run = outcome.run
        text = f"{self._title}: {last_step(run)} steps in {train_seconds(run) / 60:.1f} min"
        epochs = [record for record in read_metrics(run.metrics_path) if record.get("kind") == "epoch"]
        if epochs and (validation := epochs[-1]["validation"]):
            text += f", excess BCE {validation['excess_bce']:.5f}"
        self._log(text)
        return run

    def _record(self, record: Record) -> None:
        if record.get("event") == "started":
            with self._mutex:
                self._steerable = True
        if record["kind"] != "step":
            return
        step, name, limit = int(record["step"]), self._planned.name, self._planned.max_steps
        self._workload.done(name, step)
        if self._first is None:  # the first step of a session warms caches: it is no measure
            self._first = record
        else:
            self._workload.timed(name, step - self._first["step"], record["time"] - self._first["time"])
        speed = record.get("images_per_second")
        self._report(f"step {step} of {self._workload.steps[name]}" + (f", {speed:.3g} images/s" if speed else ""))
        if limit is not None and step >= limit:
            self._enough = True
            self._stop()

    def _report(self, text: str) -> None:
        fraction = TRAINING_SHARE * self._workload.fraction
        self._folder.report(f"{self._title}: {text}", fraction, self._planned.name, self._workload.left_seconds())

    def _stop(self) -> None:
        """Have the training save a checkpoint and end, once it looks for commands; from any thread."""
        with self._mutex:
            if not self._steerable or self._stopping:
                return
            with contextlib.suppress(RunError):  # a network drive that is away: asked again at the next beat
                RunDirectory.open(self._path).steer(state="stopped")
                self._stopping = True


def complete_run(planned: PlannedTraining, folder: ExperimentFolder) -> RunDirectory | None:
    """The run of ``planned`` if nothing is left to train. Raises ``ExperimentError`` if it was configured otherwise."""
    path = folder.run_path(planned.name)
    if not RunDirectory.exists(path):
        return None
    run = RunDirectory.open(path)
    if _comparable(run.config) != _comparable(inherit_native_size(planned.config, run.config)):
        raise ExperimentError(
            f"{path} was trained with other settings than this experiment asks for. Remove that folder to train it "
            "again, or choose another folder with --out."
        )
    status = run.status()
    if status == "finished" or (status == "failed" and not planned.required):
        return run
    enough = planned.max_steps is not None and status == "stopped" and last_step(run) >= planned.max_steps
    return run if enough else None


def _comparable(config: RunConfig) -> RunConfig:
    """``config`` without where it is trained, and without the name of the source, which the path implies."""
    plain = TrainingConfig()
    training = dataclasses.replace(
        config.training, device=plain.device, devices=plain.devices, nodes=plain.nodes, precision=plain.precision
    )
    return dataclasses.replace(config, data=dataclasses.replace(config.data, source="auto"), training=training)


# how much is left

IMAGE_COST = {"compact": 1.0, "article": 40.0, "article-weighted": 40.0}
"""Time of one training image in units of the compact network's, measured on a CPU; only for what was not run yet."""


def training_images(config: DataConfig) -> int:
    """Training images of a ``curves`` dataset; draws none. Raises ``core.data.dataset.DatasetError``, or
    ``ExperimentError`` for another source."""
    if not config.drawn:
        raise ExperimentError(f"data.path is {config.path!r}; experiments train on curves, which need none.")
    return len(curve_split(config, curve_parameters(config)).train)


def planned_steps(planned: PlannedTraining) -> int:
    """Optimisation steps that a training will have made at its end."""
    training = planned.config.training
    steps = training.epochs * steps_left(training_images(planned.config.data), training.batch_size)
    return steps if planned.max_steps is None else min(planned.max_steps, steps)


def image_cost(config: RunConfig) -> float:
    """Relative time of one training image."""
    return IMAGE_COST[config.model.preset] * (config.data.image_size / 256) ** 2


class Workload:
    """The trainings of an experiment: ``done`` after each step, ``left_seconds`` at any time."""

    def __init__(self, planned: Sequence[PlannedTraining]) -> None:
        self.steps = {training.name: planned_steps(training) for training in planned}
        """Steps of each training in all, by its name."""
        self._work = {
            training.name: image_cost(training.config) * training.config.training.batch_size for training in planned
        }
        self._made = dict.fromkeys(self.steps, 0)
        self._seconds: dict[str, tuple[int, float]] = {}
        """Steps of each training that were timed, and the seconds they took."""

    def done(self, name: str, steps: int) -> None:
        """Training ``name`` has made ``steps`` steps."""
        self._made[name] = min(steps, self.steps[name])

    def timed(self, name: str, steps: int, seconds: float) -> None:
        """``steps`` of training ``name`` took ``seconds``, validations included."""
        if steps > 0 and seconds > 0:
            self._seconds[name] = (steps, seconds)

    @property
    def fraction(self) -> float:
        """Share of all work that is done."""
        total = sum(self.steps[name] * work for name, work in self._work.items())
        done = sum(self._made[name] * work for name, work in self._work.items())
        return done / total if total else 1.0

    def left_seconds(self) -> float | None:
        """Seconds of training that are left; None while nothing was measured."""
        timed = sum(steps * self._work[name] for name, (steps, _) in self._seconds.items())
        taken = sum(seconds for _, seconds in self._seconds.values())
        if not timed:
            return None
        left = 0.0
        for name, work in self._work.items():
            steps, seconds = self._seconds.get(name, (timed, taken * work))
            left += (self.steps[name] - self._made[name]) * seconds / steps
        return left
