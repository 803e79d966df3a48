"""Training from the window: starts the very command a person would type, and steers it through ``control.json``.

The trainer is a process of its own that outlives the window. All that is known about it is read from its run
directory, so a run that something else started is steered just the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
from PySide6.QtCore import Signal

from core.config import LIVE_SETTINGS, SETTINGS, RunConfig, config_to_dict, unsettled, with_values
from core.data.allowed_files import NotAllowedError, allowed_data
from core.runs.commands import flags
from core.runs.directory import RunDirectory, RunError, new_run_name
from core.utils.text import sentence
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.controller import Context, Controller
from explorer.controllers.processes import Detached, isoline_command, log_tail, start_detached
from explorer.controllers.requirements import OPENING
from explorer.run_watcher import ModelFiles
from explorer.views.losses import LossesView
from explorer.views.training import Advice, TrainingView
from explorer.weak_callback import ignore

NICENESS = 10
LOG = "trainer.log"
LOOK_S = 0.25  # between two looks at what a trainer that has just been started says
_DECISIONS = frozenset(("exploded", "resumed", "started"))
"""Events by which a loss explodes, and by which it is decided what follows."""
_PREPARING = re.compile(r"preparing the images +(\d+)%")


@dataclass
class _Starting:
    """A trainer that has been started and has not begun yet: its run folder, when it was, the run that was open then,
    and its process, None until that is there."""

    run: Path
    since: float
    beside: Path | None
    process: Detached | None = None
    looked: float = 0.0


@dataclass(frozen=True)
class _Look:
    """What can be seen of a trainer that has been started: whether it lives, has made its run, and what it wrote."""

    alive: bool
    exists: bool
    log: str


class TrainingController(Controller):
    """Binds training form, live controls and loss plots to the run that is open."""

    launched = Signal(object)
    """Path: the folder of a training that has been started."""
    recent_changed = Signal()

    def __init__(self, context: Context, open_run: OpenRun, view: TrainingView, losses: LossesView) -> None:
        super().__init__(context)
        self._open_run, self._view, self._losses = open_run, view, losses
        self._files, self._looks = self._background(), self._background()
        self._images = self._background(NotAllowedError, OSError)
        self._starting: _Starting | None = None
        self._stopping: Path | None = None  # the run that was asked to stop
        self._live: dict[str, float] = {}
        self._status = "idle"  # what the watcher said of the open run
        self._done = 0  # epochs of the open run
        self._encoding = ""  # what was said last of how far the samples are, after the last step
        self._has_checkpoint: bool | None = None  # None: not known yet
        self._failure: dict[str, Any] = {}  # the record of how its training failed, if it did
        self._exploded: dict[str, Any] = {}  # the record of how its loss exploded, until it is decided what follows
        self._report: dict[str, Any] = {}  # the record of how it ended, if it has
        self._news: set[str] = set()  # events that have been read since they were last shown
        view.start_requested.connect(self.start)
        view.continue_requested.connect(self.go_on)
        view.fresh_requested.connect(self.start_anew)
        view.pause_requested.connect(lambda: self._steer(state="paused"))
        view.resume_requested.connect(lambda: self._steer(state="running"))
        view.step_requested.connect(lambda: self._steer(state="paused", advance="step"))
        view.epoch_requested.connect(lambda: self._steer(state="paused", advance="epoch"))
        view.stop_requested.connect(self.stop)
        view.hyperparameters_changed.connect(lambda values: self._steer(**values))
        self._watcher.restarted.connect(self._forget_records)
        self._watcher.records.connect(self._on_records)
        self._watcher.files.connect(self._on_files)
        self._watcher.status.connect(self._on_status)
        open_run.opened.connect(self._on_opened)
        self._state.events.training.connect(self._show_state)
        self._when((self._state.events.config, self._state.events.reading), self._show_no_losses)
        self._show_no_losses()

    @property
    def _run_is_imported(self) -> bool:
        run = self._open_run.run
        return run is not None and run.imported is not None

    @property
    def active(self) -> bool:
        """Whether the open run is being trained now."""
        return self._state.is_training

    def start(self, config: RunConfig) -> None:
        """Start a training in a new run folder and open it as soon as it is there."""
        if self.active:
            self.refused.emit("A training is running. Stop it before starting another.")
            return
        run = self._settings.runs_folder / new_run_name(config)
        request = run / "request.json"

        def prepare() -> None:
            try:
                run.mkdir(parents=True)
                request.write_bytes(msgspec.json.encode(config_to_dict(config)))
            except OSError as error:
                reason = error.strerror or error
                raise RunError(
                    f"{run} cannot be written ({reason}). Choose another folder in File > Runs folder."
                ) from error

        self._launch(run, f"Starting {run.name} …", "--config", str(request), prepare=prepare)

    def go_on(self, values: dict[str, Any]) -> None:
        """Train the open run further from its last checkpoint, with other settings by ``section.field``."""
        run = self._open_run.run
        if run is None or (self.active and not self._exploded):  # one that has exploded is ended by the new trainer
            self.refused.emit("A training is running. Stop it before continuing one.")
            return
        self._launch(run.path, f"Continuing {run.path.name} …", "--resume", *flags(values))

    def _launch(self, run: Path, message: str, *arguments: str, prepare: Callable[[], object] = lambda: None) -> None:
        """Start a trainer of the folder ``run``, after ``prepare``."""
        command = isoline_command("train", "--out", str(run), "--nice", str(NICENESS), *arguments)
        before = self._state.training
        opened = self._open_run.run
        self._starting = starting = _Starting(run, monotonic(), None if opened is None else opened.path)
        self._state.training = "starting"
        self._state.message = message

        def launch() -> Detached:
            prepare()
            try:
                return start_detached(command, run / LOG)
            except OSError as error:
                raise RunError(f"The trainer could not be started: {error}.") from error

        def fail(error: Exception) -> None:
            if self._starting is starting:
                self._starting = None
                self._state.training = before
            self.error_occurred.emit(str(error))

        def launched(process: Detached) -> None:
            starting.process = process
            self.launched.emit(run)

        self._files.write(launch, launched, fail)

    def start_anew(self, values: dict[str, Any]) -> None:
        """Start a training with the settings of the open run, apart from ``values`` by ``section.field``."""
        run = self._open_run.run
        if run is not None:
            config = with_values(unsettled(run.config), values)
            self._images.read(partial(allowed_data, run), lambda _: self.start(config), self._on_refused)

    def _on_refused(self, error: Exception) -> None:
        self.error_occurred.emit(str(error))

    @property
    def _continuing(self) -> bool:
        """Whether the open run is about to go on."""
        run = self._open_run.run
        return self._starting is not None and run is not None and self._starting.run == run.path

    def tick(self) -> None:
        """Look for the run directory of a training that was just started; one that goes on says so in its records.

        Reading images can take long: the training has failed when its process is gone, and not before.
        """
        starting, now = self._starting, monotonic()
        if starting is None or starting.process is None or self._looks.busy or now - starting.looked < LOOK_S:
            return
        starting.looked = now
        self._looks.read(partial(_look_at, starting.process, starting.run), partial(self._on_look, starting))

    def _on_look(self, starting: _Starting, look: _Look) -> None:
        if self._starting is not starting:
            return
        if not self._continuing and look.exists:
            self._show_started(starting)
        elif look.alive:
            read = _PREPARING.findall(look.log)
            if read:
                self._view.set_preparation(int(read[-1]) / 100, monotonic() - starting.since)
        else:  # a short training that has gone on may be over
            self._watcher.look(partial(self._on_trainer_gone, starting, look.log))

    def _show_started(self, starting: _Starting) -> None:
        """Open its run, unless a person has opened another one since."""
        if self._choices.pending:
            return  # until it is known what that is
        self._starting = None
        opened = self._open_run.run
        if opened is None or starting.beside in (None, opened.path):
            self._open_run.open(starting.run)
            return
        self._state.training = self._status
        self._settings.add_recent_run(starting.run)
        self.recent_changed.emit()
        self._state.message = f"{starting.run.name} is being trained. It is in File > Open recent"

    def _on_trainer_gone(self, starting: _Starting, log: str) -> None:
        """Its process is gone, and its records do not say that it had begun."""
        if self._starting is not starting:
            return
        self._state.training = self._status if self._continuing else "failed"
        self._starting = None
        # Why the trainer gave up, without the command's name before it.
        reason = log.rpartition("isoline train: error:")[2].strip() or "Its process ended without a word."
        self.error_occurred.emit(f"The training did not start. {reason}")

    def stop(self) -> None:
        """Ask the trainer to stop after its step; it saves a checkpoint first."""
        self._steer(self._on_told_to_stop, state="stopped")

    def _on_told_to_stop(self, run: RunDirectory) -> None:
        self._stopping = run.path
        self._state.training = "stopping"

    def pause_or_resume(self) -> None:
        """The toolbar's toggle."""
        if self._state.training == "running":
            self._steer(state="paused")
        elif self._state.training == "paused":
            self._steer(state="running")

    def step(self) -> None:
        """One optimiser step, then pause."""
        self._steer(state="paused", advance="step")

    def _steer(self, then: Callable[[RunDirectory], object] = ignore, **fields: object) -> None:
        """Write a command for the trainer of the open run; ``then`` gets that run, if it is still open."""
        run = self._open_run.run
        if run is None:
            return

        def written(_: object) -> None:
            self._view.set_refusal("")
            if self._open_run.run is not None and self._open_run.run.path == run.path:
                then(run)

        def failed(error: Exception) -> None:
            self._view.set_refusal(str(error))
            self.error_occurred.emit(str(error))

        self._files.write(partial(run.steer, **fields), written, failed)

    # what the run says

    def _forget_records(self) -> None:
        self._losses.clear()
        self._live, self._failure, self._exploded, self._report, self._done = {}, {}, {}, {}, 0
        self._encoding = ""
        self._news.clear()

    def _on_files(self, files: ModelFiles) -> None:
        self._has_checkpoint = files.last_checkpoint
        if not self.active:
            self._show_ending()

    def _on_opened(self, run: RunDirectory) -> None:
        self._forget_records()
        self._stopping, self._has_checkpoint, self._status = None, None, "idle"
        self._view.set_refusal("")
        if self._state.training != "starting":
            self._state.training = "idle"  # until the watcher tells what this run does
        # What that run has found out does not bind the next training, of other images perhaps, on another computer.
        # What the run may not read, a training on it may not either, until a person chooses it.
        self._view.form.set_config(unsettled(run.config), images=not self._open_run.unallowed)
        self._view.set_live(run.config.training.learning_rate, run.config.loss.beta, run.config.loss.gamma)
        self._show_ending()

    def _on_records(self, records: list[dict]) -> None:
        behind = self._watcher.behind
        self._losses.append(records, more=behind)
        steps = [record for record in records if record.get("kind") == "step"]
        config = self._state.config
        if steps and config is not None:
            self._view.set_progress(steps[-1], config.training.epochs)
        warnings = [str(record.get("message", "")) for record in records if record.get("event") == "warning"]
        if warnings:
            self._state.message = warnings[-1]
        for record in records:
            if record.get("kind") == "event":
                self._on_event(record)
            elif record.get("kind") == "epoch":
                self._done = int(record.get("epoch") or 0)
            elif record.get("kind") == "report":
                self._report = record
        if not behind:
            self._show_turns()

    def _show_turns(self) -> None:
        """What has become of the training by its newest record."""
        if not self.active:
            self._show_ending()
        news, self._news = self._news, set()
        if _DECISIONS & news:
            self._show_state(self._state.training)
            if not self._exploded:
                self.succeeded.emit()  # it goes on: what was said of its explosion, or of how it failed, is over
            else:
                self.error_occurred.emit(f"The training has paused: {self._exploded.get('message', '')}")
        if self._failure and "failed" in news:
            self._show_state(self._state.training)
            self.error_occurred.emit(f"The training failed: {self._failure.get('message', '')}")

    def _on_event(self, record: dict) -> None:
        event = str(record.get("event"))
        self._news.add(event)
        if event in _DECISIONS:
            self._exploded = record if event == "exploded" else {}
        if event == "started":
            self._failure, self._report = {}, {}
            if self._continuing:
                self._starting = None  # its status follows
        elif event == "hyperparameters":
            config = self._state.config
            if config is not None:
                values = {
                    "learning_rate": config.training.learning_rate,
                    "beta": config.loss.beta,
                    "gamma": config.loss.gamma,
                    **self._live,
                }
                values.update({name: float(record[name]) for name in values if record.get(name) is not None})
                self._live = values
                self._view.set_live(values["learning_rate"], values["beta"], values["gamma"])
        elif event == "encoding" and self.active:
            self._encoding = self._state.message = sentence(str(record.get("message", "")))
        elif event == "finished" and self._state.message == self._encoding:
            self._state.message = ""
        elif event == "failed":
            self._failure = record  # told once it is known that the run has not gone on since

    def _show_ending(self) -> None:
        """Whether the open run can go on, with which settings, and what is wrong with it."""
        run, config = self._open_run.run, self._state.config
        if run is None or config is None:
            self._view.set_continuable(None)
            return
        config = with_values(
            config,
            {s.name: self._live[s.field.name] for s in LIVE_SETTINGS if s.field.name in self._live},
        )
        trained = self._done > 0 or self._state.training in ("finished", "stopped")
        obstacle = ""
        if self._run_is_imported:
            obstacle = "This model was imported, not trained here, so it cannot be trained further."
        elif trained and self._has_checkpoint is False:
            obstacle = "This run was handed on without its checkpoints, so it cannot be trained further."
        self._view.set_continuable(config, self._done, obstacle)
        advice = []
        where = "Continue from the last checkpoint" if self._done else "Begin again"
        if self._state.training == "interrupted" and self._has_checkpoint:
            advice.append(Advice("", "Continue from the last checkpoint"))
        if changes := (self._failure or self._exploded).get("changes"):
            text = "" if self._failure else sentence(str(self._exploded.get("message", "")))
            advice.append(Advice(text, f"{where} with {_named(changes)}", changes))
        for finding in self._report.get("findings", []):
            text, remedy = str(finding.get("message", "")), str(finding.get("remedy", ""))
            changes = finding.get("changes") or {}
            advice.append(Advice(f"{text} {remedy}", _action(remedy) if changes else "", changes, finding.get("fresh")))
        self._view.set_advice(advice)

    def _on_status(self, status: str) -> None:
        self._status = status
        if self._starting is not None and not (self._continuing and status in ("running", "paused")):
            return
        self._starting = None
        stopping = self._open_run.run is not None and self._stopping == self._open_run.run.path
        if stopping and status in ("running", "paused"):
            return  # its last step is not done yet
        if stopping and status == "stopped":
            self._state.message = "Training stopped; a checkpoint is saved"
        self._stopping = None
        self._state.training = status

    def _show_state(self, training: str) -> None:
        imported = training == "finished" and self._run_is_imported
        message = str(self._failure.get("message", "")) if training == "failed" else ""
        if training == "interrupted" and self._has_checkpoint is not None:
            there = self._has_checkpoint
            message = "it goes on from its last checkpoint" if there else "it has no checkpoint and would begin again"
        if training == "paused" and self._exploded:
            message = "the loss has exploded; go back, resume it as it is, or stop"
        self._view.set_state("imported" if imported else training, message)
        self._show_no_losses()
        if not self.active or self._exploded:
            self._show_ending()
        else:
            self._view.set_advice([])

    def _show_no_losses(self) -> None:
        if self._state.reading:
            self._losses.set_empty(OPENING)
        elif self._state.is_training:
            self._losses.set_empty("Waiting for the first training steps.")
        elif self._state.config is None:
            self._losses.set_empty("Open a run, or start a training, to see its losses.")
        elif self._run_is_imported:
            self._losses.set_empty("Needs a run with recorded losses; this model was imported without any.")
        elif self._losses.has_curves:
            self._losses.set_empty(OPENING)  # they are there, and drawn once the image is
        else:
            self._losses.set_empty("Needs a run with recorded losses; this one has none.")


def _named(changes: Mapping[str, Any]) -> str:
    """The first of some settings by ``section.field``, with its value; the others go without saying."""
    name, value = next(iter(changes.items()))
    label = SETTINGS[name].row.label.lower() if name in SETTINGS else name
    return f"{label} {value:g}" if isinstance(value, int | float) else f"{label} {value}"


def _look_at(process: Detached, run: Path) -> _Look:
    alive = process.alive  # before the folder is looked at: it may write it and end at once
    return _Look(alive, RunDirectory.exists(run), log_tail(run / LOG))


def _action(remedy: str) -> str:
    """The last sentence of a remedy, which says what to do, as a button has it."""
    return remedy.rstrip(".").rpartition(". ")[2]
