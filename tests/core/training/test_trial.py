"""How a training computes fastest: what is tried, what is taken, and that it stays so."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from core.config import DataConfig, ModelConfig, RunConfig, TrainingConfig
from core.runs.directory import Control, RunDirectory
from core.runs.metrics_log import read_metrics
from core.training import trial
from core.training.checkpoint import load_model
from core.training.trainer import run_training
from core.training.trial import choose_computation

CONFIG = RunConfig(
    DataConfig(image_size=32, count=48, punctured=False, validation_fraction=0.0),
    training=TrainingConfig(epochs=2, batch_size=16, device="cpu"),
)
LONG = 10**8  # images: a training that is worth a trial


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads, and bfloat16 in hardware."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    for module in ("core.training.trial", "core.models.device"):
        monkeypatch.setattr(f"{module}.fast_bfloat16", lambda device: device == "cpu")


class Clock:
    """In place of the real one: milliseconds of a step by precision and pieces; and what was measured."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ms: dict[tuple[str, int], float] = {}
        self.asked: list[tuple[str, int]] = []
        monkeypatch.setattr(trial, "step_seconds", self._measure)

    def _measure(self, config: RunConfig, steps: int, longest_s: float) -> float:
        self.asked.append(chosen(config))
        return self.ms[self.asked[-1]] / 1000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def chosen(config: RunConfig) -> tuple[str, int]:
    return config.training.precision, config.training.pieces


def with_training(**values: object) -> RunConfig:
    return dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, **values))


@pytest.mark.parametrize(
    ("ms", "best"),
    [
        ({("bfloat16", 1): 10, ("float32", 1): 9.5, ("bfloat16", 2): 6, ("float32", 2): 6}, ("bfloat16", 2)),
        ({("bfloat16", 1): 10, ("float32", 1): 8, ("bfloat16", 2): 9, ("float32", 2): 9}, ("float32", 1)),
        ({("bfloat16", 1): 10, ("float32", 1): 9.1, ("bfloat16", 2): 9.1, ("float32", 2): 9.1}, ("bfloat16", 1)),
    ],
    ids=["pieces", "another number type", "no gain but chance"],
)
def test_what_is_a_tenth_faster_is_taken(ms: dict[tuple[str, int], float], best: tuple[str, int], clock: Clock):
    clock.ms = ms
    config, said = choose_computation(CONFIG, LONG)
    assert chosen(config) == best
    assert said.startswith(f"Computes in {best[0]}, batches {'in 2 pieces' if best[1] > 1 else 'whole'}. ")


def test_what_a_person_has_set_is_kept(clock: Clock):
    clock.ms = {("float32", 1): 2.0, ("float32", 2): 1.0}
    config, _ = choose_computation(with_training(precision="float32"), LONG)
    assert chosen(config) == ("float32", 2)
    assert choose_computation(with_training(pieces=1), LONG) == (with_training(pieces=1), "")


def test_a_short_training_and_one_whose_batches_are_never_cut_try_nothing(clock: Clock):
    assert choose_computation(CONFIG, 48) == (CONFIG, "")
    article = dataclasses.replace(CONFIG, model=ModelConfig(preset="article-weighted"), data=DataConfig(image_size=64))
    assert choose_computation(article, LONG) == (article, "")
    assert clock.asked == []


def test_no_more_is_tried_once_the_time_is_up(clock: Clock):
    clock.ms = {("bfloat16", 1): 5000.0}
    config, said = choose_computation(CONFIG, LONG)
    assert clock.asked == [("bfloat16", 1)]
    assert chosen(config) == ("bfloat16", 1)
    assert said.endswith("batches whole 3.")


def test_what_was_chosen_is_in_the_run_and_holds_when_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
):
    monkeypatch.setattr(trial, "LEAST_FLOPS", 0.0)
    clock.ms = {("bfloat16", 1): 2.0, ("float32", 1): 2.0, ("bfloat16", 2): 2.0, ("float32", 2): 1.0}
    whole = run_training(CONFIG, tmp_path / "whole").run
    assert chosen(whole.config) == chosen(RunDirectory.open(whole.path).config) == ("float32", 2)
    (record,) = (record for record in read_metrics(whole.metrics_path) if record.get("event") == "computation")
    assert record["message"].startswith("Computes in float32, batches in 2 pieces. ")

    def stop(record: dict) -> None:
        if record["kind"] == "step" and record["step"] == 4:
            RunDirectory.open(tmp_path / "run").write_control(Control(7, "stopped"))

    monkeypatch.setattr("core.training.recorder.RECORD_INTERVAL_S", 0.0)
    run_training(CONFIG, tmp_path / "run", on_event=stop)
    run_training(CONFIG, tmp_path / "run", resume=True)
    weights, others = (
        load_model(path / "weights.safetensors")[0].state_dict() for path in (whole.path, tmp_path / "run")
    )
    assert all(torch.equal(weight, others[name]) for name, weight in weights.items())
