"""Going on with a run: which settings may differ, and what a change does to the training and to its record."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from core.config import LIVE_SETTINGS, RESUME_SETTINGS, SETTINGS, RunConfig, with_values
from core.data.dataset import Dataset
from core.runs.directory import RunDirectory, RunError
from core.runs.metrics_log import Record, read_metrics
from core.training.checkpoint import read_stored
from core.training.schedule import Cycle, learning_rate
from core.training.state import Hyperparameters, TrainingState

Changes = dict[str, tuple[Any, Any]]
"""What differs: name as ``section.field`` to (value before, value now)."""

MACHINE_SETTINGS = (
    "training.accumulation",
    "training.encoding_percent",
    "training.precision",
    "training.pieces",
    "training.device",
    "training.devices",
    "training.nodes",
)
SAFE_RATE = 1e-3
"""A learning rate that a diverged training goes on with at most."""


@dataclass(frozen=True)
class Acknowledged:
    """What the trainers of a run have said in its records that they do."""

    hyperparameters: dict[str, float] = field(default_factory=dict)
    """The live ones that were changed, by the names of ``core.training.state.Hyperparameters``."""
    sequence: int = 0
    """Of the last command."""
    paused: bool = False
    """Whether training waits. A training that has ended in order does not."""


def acknowledged(records: Iterable[Record]) -> Acknowledged:
    """What ``records``, all of a run's in order, acknowledge. They lead: no checkpoint has a value that they lack."""
    values: dict[str, float] = {}
    sequence, paused = 0, False
    for record in records:
        match record.get("event"):
            case "hyperparameters":
                for setting in LIVE_SETTINGS:
                    value = record.get(setting.field.name)
                    if isinstance(value, int | float) and not isinstance(value, bool) and setting.accepts(value):
                        values[setting.field.name] = float(value)
            case "control":
                sequence, paused = record.get("sequence", 0), record.get("state") == "paused"
            case "started":
                paused = record.get("paused") is True
            case "stopped" | "finished" | "failed":
                paused = False
    return Acknowledged(values, sequence, paused)


def present_config(run: RunDirectory) -> RunConfig:
    """The configuration that ``run`` would go on with: its own, the hyperparameters of its last checkpoint and those
    acknowledged since. Raises ``CheckpointError`` if the checkpoint is damaged, ``OSError``, ``RunError``."""
    stored: dict[str, Any] = {}
    if run.last_checkpoint_path.exists():
        stored |= read_stored(run.last_checkpoint_path).extra.get("hyperparameters", {})
    stored |= acknowledged(read_metrics(run.metrics_path)).hyperparameters
    live = {setting.name: stored.get(setting.field.name) for setting in RESUME_SETTINGS}
    return with_values(run.config, {name: value for name, value in live.items() if value is not None})


def carried_over(
    dropped: Iterable[Record], state: TrainingState, seconds: float, before: Mapping[str, float], changes: Changes
) -> list[Record]:
    """The records of a run that goes on from ``state`` of what it acknowledged in those ``dropped``, which are of later
    steps, and of ``changes``: the last command, and the values that differ from those known ``before``; and of losses
    that had grown beyond reason."""
    where = {"step": state.step, "epoch": state.epoch, "time": seconds}
    dropped = list(dropped)
    commands = [record for record in dropped if record.get("event") == "control"]
    exploded = [record for record in dropped if record.get("event") == "exploded"]
    carried = [record | where for record in [*exploded, *commands[-1:]]]
    live = dataclasses.asdict(state.hyperparameters)
    now = {name: value for name, value in live.items() if value != before.get(name)}
    now |= {name.partition(".")[2]: value for name, (_, value) in changes.items()}
    if now:
        text = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in now.items())
        event = {"kind": "event", "event": "hyperparameters", **where}
        carried.append(event | {"message": text, "changed": sorted(now)} | live | now)
    return carried


def differences(before: RunConfig, now: RunConfig) -> Changes:
    """The settings in which two configurations differ, in the order of the form."""
    values = (
        (name, getattr(getattr(before, setting.section), setting.field.name),
         getattr(getattr(now, setting.section), setting.field.name))
        for name, setting in SETTINGS.items()
    )  # fmt: skip
    return {name: (one, other) for name, one, other in values if one != other}


def check_resumable(run: RunDirectory, config: RunConfig) -> None:
    """Raises ``RunError`` if ``run`` cannot go on with ``config``, was imported, or has no checkpoint to go on from."""
    run.check_trainable()
    free = {setting.name for setting in RESUME_SETTINGS}
    for name in differences(run.config, config):
        if name not in free:
            raise RunError(
                f"{name} differs from the run in {run.path}: a run is resumed with the configuration it was started "
                f"with, apart from {', '.join(setting.name for setting in RESUME_SETTINGS)}. Leave that option out, or "
                "start a new run in another folder."
            )
    trained = run.status() in ("finished", "stopped") or any(
        record.get("kind") == "epoch" for record in read_metrics(run.metrics_path)
    )
    if trained and not run.last_checkpoint_path.exists():  # to begin again would remove what is there
        raise RunError(
            f"{run.path} has no {run.last_checkpoint_path.name} in {run.checkpoints_path.name}/, so its training "
            "cannot go on. Restore that file from a copy of the run, or start a new run in another folder."
        )


def apply_changes(run: RunDirectory, state: TrainingState, before: RunConfig, train: int) -> Changes:
    """Let ``state``, just restored from the last checkpoint of ``run`` or new, go on with its own configuration, where
    the run would have gone on with ``before``; returns what changes. ``train`` counts the training images.

    With another number of epochs the schedule begins a new cycle here; another learning rate scales the one it is in.
    Raises ``RunError`` if no epoch is left in which a change could act.
    """
    free = {setting.name for setting in RESUME_SETTINGS}
    changes = {name: change for name, change in differences(before, state.config).items() if name in free}
    done, epochs = state.epoch, state.config.training.epochs
    if done > epochs:
        raise RunError(
            f"training.epochs is {epochs}, and {done} epochs of {run.path} are done; it must be {done} or more."
        )
    idle = [name for name in changes if name not in MACHINE_SETTINGS]
    if idle and "training.epochs" not in changes and done == epochs:
        raise RunError(
            f"all {epochs} epochs of {run.path} are done, so another value of {', '.join(idle)} would change nothing. "
            f"Add epochs with --training.epochs {2 * epochs}."
        )
    if "training.epochs" in changes and state.step > 0:
        place = done + state.position / train
        if state.cycle.start < place:  # else a training that died since has begun it here
            rate = learning_rate(before.training, before.training.learning_rate, place, state.cycle)
            state.cycle = Cycle(place, rate)
    state.hyperparameters = Hyperparameters.of(state.config)
    return changes


def check_same_data(run: RunDirectory, dataset: Dataset) -> None:
    """Raise ``RunError`` if ``run`` was trained on other images than ``dataset``."""
    stored = run.metadata.get("dataset")
    known = stored.get("fingerprint") if isinstance(stored, dict) else None
    if known is not None and known != dataset.fingerprint:
        raise RunError(
            f"{run.path} was trained on other data: fingerprint {str(known)[:12]}, now {dataset.fingerprint[:12]}. "
            "Restore the dataset, or start a new run."
        )


def record_changes(run: RunDirectory, state: TrainingState, changes: Changes) -> RunDirectory:
    """Rewrite ``config.json`` with the configuration of ``state``, and the values before in ``metadata["history"]``:
    a list of ``{"when", "epoch", "step", "changes": {name: {"from", "to"}}}``. Returns the run as it is then."""
    entry = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "epoch": state.epoch,
        "step": state.step,
        "changes": {name: {"from": one, "to": other} for name, (one, other) in changes.items()},
    }
    history = run.metadata.get("history")
    entries = [*(history if isinstance(history, list) else []), entry]
    return run.rewrite(state.config, run.metadata | {"history": entries})


def remedy(live: Hyperparameters, saved: float | None, clip: float) -> dict[str, float]:
    """Settings with which a diverged training goes on from its last checkpoint: a tenth of the learning rate, or the
    one ``saved`` there if that was lower, at most ``SAFE_RATE``; and gradient clipping."""
    rate = min(live.learning_rate / 10.0, SAFE_RATE)
    if saved is not None and saved < live.learning_rate:
        rate = min(rate, saved)
    return {"training.learning_rate": float(f"{rate:.2g}")} | ({"training.clip": 1.0} if not 0.0 < clip <= 1.0 else {})
