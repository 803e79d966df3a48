"""Steering a paused training: each step and epoch that is asked for is made, by however many programs at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.config import DataConfig, RunConfig, TrainingConfig
from core.runs.directory import Control, RunDirectory
from core.runs.metrics_log import Record
from core.training.recorder import Recorder
from core.training.trainer import run_training

CONFIG = RunConfig(
    data=DataConfig(image_size=32, count=30, punctured=False, validation_fraction=0.2),
    training=TrainingConfig(epochs=8, batch_size=8, precision="float32", device="cpu"),
)
STEPS = 3  # an epoch
LEFT = STEPS - 1  # of the first epoch, after the step at which it is paused


def ask(*advances: str) -> Callable[[RunDirectory], None]:
    def steer(run: RunDirectory) -> None:
        for advance in advances:
            run.steer(state="paused", advance=advance)

    return steer


def by_hand(run: RunDirectory) -> None:
    """As a program that knows nothing of counts."""
    run.write_control(Control(run.read_control().sequence + 1, "paused", "step"))


def and_tune(run: RunDirectory) -> None:
    run.steer(state="paused", advance="epoch")
    run.steer(learning_rate=1e-4)


def then_pause(run: RunDirectory) -> None:
    run.steer(state="paused", advance="step")
    run.steer(state="paused")


@pytest.mark.parametrize(
    ("commands", "steps"),
    [
        (ask("step"), 1),
        (ask("step", "step"), 2),
        (ask("step", "step", "step"), 3),
        (ask("epoch"), LEFT),
        (ask("epoch", "epoch"), LEFT + STEPS),
        (ask("epoch", "step"), LEFT + 1),
        (by_hand, 1),
        (and_tune, LEFT),
        (then_pause, 1),
    ],
    ids=[
        *("one", "two windows", "three", "an epoch", "two epochs", "an epoch and a step"),
        *("by hand", "and a rate", "then a pause"),
    ],
)
def test_whatever_is_asked_for_between_two_looks_is_done(
    tmp_path: Path, commands: Callable[[RunDirectory], None], steps: int, monkeypatch: pytest.MonkeyPatch
):
    """The trainer looks once a step: all the commands of a list are in the file before it does."""
    monkeypatch.setattr("core.training.recorder.RECORD_INTERVAL_S", 0.0)
    pauses: list[int] = []

    def steer(record: Record) -> None:
        run = RunDirectory.open(tmp_path / "run")
        if record["kind"] == "step" and record["step"] == 1:
            run.steer(state="paused")
        elif record.get("event") == "paused" and not pauses:
            pauses.append(record["step"])
            commands(run)

    def stop(recorder: Recorder) -> None:  # called when it waits and nothing is left to do
        pauses.append(recorder.state.step)
        recorder.run.steer(state="stopped")

    monkeypatch.setattr(Recorder, "refine", stop)
    assert run_training(CONFIG, tmp_path / "run", on_event=steer).status == "stopped"
    assert pauses[-1] - pauses[0] == steps
