"""A loss that grows beyond reason pauses the training, which goes back with a lower rate; an ordinary one never."""

from __future__ import annotations

import dataclasses
import math
import shlex
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.cli.main import main
from core.config import ConfigError, DataConfig, RunConfig, TrainingConfig
from core.runs.directory import RunDirectory
from core.runs.metrics_log import Record, read_metrics
from core.training import loop
from core.training.checkpoint import read_stored
from core.training.explosion import LEAST, STREAK, LossGuard
from core.training.loop import TrainingError
from core.training.trainer import run_training

RESOURCES = Path(__file__).resolve().parents[3] / "resources"
STEPS = 10  # an epoch
CONFIG = RunConfig(
    data=DataConfig(image_size=32, count=50, punctured=False, validation_fraction=0.2),
    training=TrainingConfig(
        epochs=8, batch_size=4, precision="float32", device="cpu", clip=0.0, schedule="constant", learning_rate=1e-3
    ),
)


def found(losses: list[float], limit: float = 10.0) -> int | None:
    """At which of ``losses`` the guard finds an explosion."""
    guard = LossGuard(limit)
    return next((index for index, loss in enumerate(losses) if guard.explodes(loss)), None)


# what is an explosion, and what is none


def test_a_loss_far_above_its_median_for_long_is_one():
    usual = [0.1 + 0.01 * math.sin(i) for i in range(100)]
    assert found([*usual, *[2.0] * STREAK]) == 100 + STREAK - 1
    assert found([*usual, *[2.0] * (STREAK - 1), *usual]) is None
    assert found([*usual, *[0.9] * 500]) is None, "nine times is within reason"
    assert found([*usual, *([2.0] * (STREAK - 1) + [0.1]) * 20]) is None


def test_an_explosion_from_the_beginning_is_measured_by_the_first_loss():
    assert found([0.7, *[50.0] * STREAK]) == STREAK
    assert found([0.7] * (LEAST - 1) + [50.0] * STREAK) == LEAST - 1 + STREAK - 1


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_what_is_no_number_is_one_at_once_also_without_a_limit(loss: float):
    assert found([0.5, 0.4, loss]) == 2
    assert found([0.5, 0.4, loss], limit=0.0) == 2
    assert found([0.5, *[1e9] * 100], limit=0.0) is None


def test_a_loss_that_is_still_far_below_the_first_one_is_none():
    assert found([0.5, *[1e-7] * 100, *[1e-3] * 100]) is None


def test_after_a_change_of_settings_it_is_learned_anew():
    guard = LossGuard(10.0)
    assert not guard.under((1e-3, 1e-6))
    assert not any(guard.explodes(0.1) for _ in range(100))
    assert guard.under((1e-3, 1.0))
    assert not any(guard.explodes(7.0) for _ in range(100))


@pytest.mark.parametrize("seed", range(5))
def test_heavy_tails_and_falling_losses_are_none(seed: int):
    random = np.random.default_rng(seed)
    falling = 0.7 * np.exp(-np.arange(3000) / 200) + 1e-3
    assert found((falling * random.lognormal(0.0, 1.0, 3000)).tolist()) is None


def test_the_recorded_trainings_are_none():
    """Those of the bundled models, thinned as they are."""
    recorded = sorted(RESOURCES.rglob("metrics.jsonl"))
    assert recorded
    for path in recorded:
        losses = [record["loss"] for record in read_metrics(path) if record["kind"] == "step"]
        assert len(losses) > 100
        assert found(losses) is None, path


@pytest.mark.parametrize("value", [0.5, 1.0, -1.0, math.nan])
def test_a_limit_that_the_usual_loss_breaks_is_refused(value: float):
    with pytest.raises(ConfigError, match=r"training\.loss_limit is .*; it must be 0, or more than 1"):
        TrainingConfig(loss_limit=value)


# a training that explodes


class Growth:
    """Makes the losses a million times larger while it is ``on``: from the step after ``at`` on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.on, self._at = at == 0, at
        backward = loop.backward

        def growing(*given: Any) -> torch.Tensor:
            return backward(*given) * (1e6 if self.on else 1.0)

        monkeypatch.setattr(loop, "backward", growing)

    def record(self, record: Record) -> None:
        if record["kind"] == "step" and record["step"] == self._at:
            self.on = True


def events(run: RunDirectory, name: str) -> list[Record]:
    return [record for record in read_metrics(run.metrics_path) if record.get("event") == name]


@pytest.fixture
def prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step is recorded."""
    monkeypatch.setattr("core.training.recorder.RECORD_INTERVAL_S", 0.0)


@pytest.mark.usefixtures("prompt")
def test_it_pauses_keeps_the_evidence_and_goes_back_with_the_command_that_it_names(tmp_path: Path):
    config = dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, learning_rate=1e3, epochs=4))
    folder = tmp_path / "run"
    outcomes: list[str] = []
    thread = threading.Thread(
        target=lambda: outcomes.append(run_training(config, folder, patience_s=300.0).status), daemon=True
    )
    thread.start()
    deadline = time.monotonic() + 120
    while not (RunDirectory.exists(folder) and events(RunDirectory.open(folder), "exploded")):
        assert thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    run = RunDirectory.open(folder)
    (evidence,) = events(run, "exploded")
    while run.status() != "paused":
        time.sleep(0.02)
    assert evidence["loss"] is None or evidence["loss"] > 10 * evidence["usual"]
    assert evidence["learning_rate"] == 1e3
    assert evidence["gradient_norm"] is None or evidence["gradient_norm"] > 0
    assert evidence["changes"] == {"training.learning_rate": 1e-3, "training.clip": 1.0}
    assert read_stored(run.exploded_checkpoint_path).step == evidence["at_step"] - 1

    program, *arguments = shlex.split(evidence["command"])
    assert program == "isoline"
    assert main(arguments) == 0
    thread.join(60)
    assert outcomes == ["stopped"]
    assert run.status() == "finished"
    last = [record for record in read_metrics(run.metrics_path) if record["kind"] == "epoch"][-1]
    assert last["epoch"] == 4
    assert last["validation"]["loss"] < 1.0
    assert len(events(run, "exploded")) == 1, "the evidence stays, though the steps are dropped"


GROWS = 2 * STEPS + 5
"""Steps after which it grows in the tests below: for more steps than an epoch has until it is found."""


@pytest.mark.usefixtures("prompt")
def test_the_last_good_checkpoint_is_the_one_from_before_the_loss_grew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    growth = Growth(monkeypatch, GROWS)
    with pytest.raises(TrainingError, match=r"(?s)times its usual .* it explodes.*--training\.learning-rate 0\.0001"):
        run_training(CONFIG, tmp_path / "run", on_event=growth.record)
    run = RunDirectory.open(tmp_path / "run")
    assert read_stored(run.last_checkpoint_path).step == 2 * STEPS
    assert not run.sound_checkpoint_path.exists()
    assert read_stored(run.exploded_checkpoint_path).step == GROWS + STREAK - 1
    growth.on = False
    assert run_training(run.config, run.path, resume=True).status == "finished"
    told = [record["epoch"] for record in read_metrics(run.metrics_path) if record["kind"] == "epoch"]
    assert told == list(range(1, CONFIG.training.epochs + 1))


@pytest.mark.usefixtures("prompt")
@pytest.mark.parametrize(("state", "ends", "checkpoint"), [("running", "finished", 80), ("stopped", "stopped", 20)])
def test_it_may_go_on_as_it_is_or_stop_and_keep_its_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, ends: str, checkpoint: int
):
    growth = Growth(monkeypatch, GROWS)

    def decide(record: Record) -> None:
        growth.record(record)
        if record.get("event") == "paused":
            growth.on = False
            RunDirectory.open(tmp_path / "run").steer(state=state)

    outcome = run_training(CONFIG, tmp_path / "run", on_event=decide, patience_s=300.0)
    assert outcome.status == outcome.run.status() == ends
    assert len(events(outcome.run, "exploded")) == 1
    if state == "stopped":
        assert events(outcome.run, "stopped")[0]["message"].endswith("is from before the loss grew")
    assert read_stored(outcome.run.last_checkpoint_path).step == checkpoint
    assert not outcome.run.sound_checkpoint_path.exists()


def test_without_a_limit_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    Growth(monkeypatch, 5)
    training = dataclasses.replace(CONFIG.training, loss_limit=0.0, epochs=4)
    assert run_training(dataclasses.replace(CONFIG, training=training), tmp_path / "run").status == "finished"


def test_if_nobody_decides_in_time_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    backward = loop.backward
    monkeypatch.setattr(loop, "backward", lambda *given: backward(*given) * math.nan)
    with pytest.raises(TrainingError, match=r"the loss is nan at step 1 .*This command does both"):
        run_training(CONFIG, tmp_path / "run", patience_s=0.05)
    run = RunDirectory.open(tmp_path / "run")
    assert run.status() == "failed"
    assert events(run, "failed")[0]["changes"]["training.clip"] == 1.0
