"""Going on with a run that has stopped, failed, died or finished: for longer, at another rate, batch size or beta."""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from preloaded_python import PreloadedPython

from core.cli.main import main
from core.config import DataConfig, RunConfig, TrainingConfig, with_values
from core.runs.commands import resume_command
from core.runs.directory import Control, RunDirectory, RunError
from core.runs.metrics_log import Record, read_metrics
from core.training.checkpoint import read_stored
from core.training.loop import TrainingError
from core.training.resume import differences, present_config, remedy
from core.training.state import Hyperparameters
from core.training.trainer import run_training

CONFIG = RunConfig(
    data=DataConfig(image_size=32, count=40, punctured=False, validation_fraction=0.2),
    training=TrainingConfig(epochs=2, batch_size=8, precision="float32", device="cpu"),
)
STEPS = 4  # of an epoch


@pytest.fixture(scope="module", autouse=True)
def every_step_is_recorded():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.training.recorder.RECORD_INTERVAL_S", 0.0)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; not to be changed."""
    return run_training(CONFIG, tmp_path_factory.mktemp("trained") / "run").run.path


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> RunDirectory:
    """A copy of it."""
    return RunDirectory.open(shutil.copytree(trained, tmp_path / "run"))


def changed(run: RunDirectory, **values: Any) -> RunConfig:
    """What ``run`` would go on with, apart from these: ``training_epochs=4``."""
    return with_values(present_config(run), {name.replace("_", ".", 1): value for name, value in values.items()})


def records(run: RunDirectory, kind: str, event: str | None = None) -> list[Record]:
    return [r for r in read_metrics(run.metrics_path) if r.get("kind") == kind and r.get("event") == event]


def cli_with(python: str, preamble: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, after ``preamble``."""
    program = f"{preamble}\nimport sys\nfrom core.cli.main import main\nsys.exit(main(sys.argv[1:]))"
    command = [python, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_finished_run_is_extended_and_says_so(run: RunDirectory):
    outcome = run_training(changed(run, training_epochs=4), run.path, resume=True)
    assert outcome.status == "finished"
    assert outcome.run.config.training.epochs == RunDirectory.open(run.path).config.training.epochs == 4
    assert read_stored(run.last_checkpoint_path).step == 4 * STEPS
    assert run.embedding_epochs() == [0, 1, 2, 3, 4]
    steps = records(run, "step")
    assert [step["step"] for step in steps] == list(range(1, 4 * STEPS + 1))
    assert {step["total_steps"] for step in steps[2 * STEPS :]} == {4 * STEPS}
    assert [step["step"] for step in steps if step["ends_epoch"]] == [STEPS, 2 * STEPS, 3 * STEPS, 4 * STEPS]
    assert len(records(run, "report")) == 1

    (mark,) = records(run, "event", "hyperparameters")
    assert (mark["step"], mark["changed"], mark["epochs"]) == (2 * STEPS, ["epochs"], 4)
    (entry,) = RunDirectory.open(run.path).metadata["history"]
    assert entry["when"]
    assert (entry["epoch"], entry["step"]) == (2, 2 * STEPS)
    assert entry["changes"] == {"training.epochs": {"from": 2, "to": 4}}


def test_the_rate_goes_on_from_where_it_was(run: RunDirectory):
    run_training(changed(run, training_epochs=6), run.path, resume=True)
    rates = [step["learning_rate"] for step in records(run, "step")]
    before, after = rates[: 2 * STEPS], rates[2 * STEPS :]
    assert after[0] < before[-1], "neither back to the peak nor to a twenty-fifth of it"
    assert max(after) == pytest.approx(CONFIG.training.learning_rate, rel=0.2)
    assert after[-1] < 0.1 * max(after)


def test_rate_batch_size_beta_and_gamma_change_together(run: RunDirectory):
    config = changed(
        run, training_epochs=3, training_learning_rate=1e-4, training_batch_size=4, loss_beta=0.5, loss_gamma=0.1
    )
    run_training(config, run.path, resume=True)
    last = records(run, "step")[-1]
    assert (last["beta"], last["gamma"]) == (0.5, 0.1)
    assert max(step["learning_rate"] for step in records(run, "step")[2 * STEPS :]) <= 1e-4
    assert last["step"] == last["total_steps"] == 2 * STEPS + 2 * STEPS  # 32 images in batches of 4
    (entry,) = RunDirectory.open(run.path).metadata["history"]
    assert entry["changes"]["loss.beta"] == {"from": CONFIG.loss.beta, "to": 0.5}
    assert present_config(RunDirectory.open(run.path)) == RunDirectory.open(run.path).config == config


def test_each_change_is_kept_in_the_history(run: RunDirectory):
    for epochs in (3, 4):
        run = run_training(changed(run, training_epochs=epochs), run.path, resume=True).run
    told = [entry["changes"]["training.epochs"] for entry in RunDirectory.open(run.path).metadata["history"]]
    assert told == [{"from": 2, "to": 3}, {"from": 3, "to": 4}]
    assert [mark["epochs"] for mark in records(run, "event", "hyperparameters")] == [3, 4]


def test_an_extended_training_that_is_interrupted_equals_one_that_is_not(
    run: RunDirectory,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    preloaded_python: PreloadedPython,
):
    """Killed in the first epoch after it was extended, and resumed without naming the changes again."""
    whole = RunDirectory.open(shutil.copytree(run.path, tmp_path / "whole"))
    flags = ("--training.epochs", "4", "--training.learning-rate", "5e-4", "--loss.beta", "0.01")
    run_training(
        changed(whole, training_epochs=4, training_learning_rate=5e-4, loss_beta=0.01), whole.path, resume=True
    )
    kill = f"""
import os, signal, core.training.recorder as r
step = r.Recorder.step
def die(self, done):
    step(self, done)
    if done.step == {2 * STEPS + 2}:
        os.kill(os.getpid(), signal.SIGKILL)
r.Recorder.step = die
"""
    killed = cli_with(preloaded_python.executable, kill, "train", "--resume", "--out", str(run.path), *flags)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    monkeypatch.setattr("core.runs.lock.WATCH_S", 0.0)
    assert run.status() == "interrupted"
    assert main(["train", "--resume", "--out", str(run.path)]) == 0
    assert "epoch 4/4" in capsys.readouterr().out
    first, second = (read_stored(r.last_checkpoint_path) for r in (run, whole))
    assert first.step == second.step == 4 * STEPS
    assert all(torch.equal(value, second.tensors[name]) for name, value in first.tensors.items())
    assert len(RunDirectory.open(run.path).metadata["history"]) == 1
    assert len(records(run, "event", "hyperparameters")) == 1


def test_what_was_changed_while_it_ran_stays_and_can_be_changed_back(tmp_path: Path):
    def steer(record: Record) -> None:
        if record["kind"] == "step" and record["step"] == 2:
            RunDirectory.open(tmp_path / "run").write_control(Control(1, "stopped", beta=0.25))

    run = run_training(CONFIG, tmp_path / "run", on_event=steer).run
    assert present_config(run).loss.beta == 0.25
    assert main(["train", "--resume", "--out", str(run.path), "--loss.beta", str(CONFIG.loss.beta)]) == 0
    assert records(run, "step")[-1]["beta"] == CONFIG.loss.beta


def test_old_commands_do_not_come_back_with_the_next_one(run: RunDirectory):
    """The window keeps what stands in the file where it says nothing new: neither the stop nor the old rate may."""
    run.write_control(Control(8, "stopped", learning_rate=0.5))

    def pause(record: Record) -> None:
        if record["kind"] == "step" and record["step"] == 2 * STEPS + 1:
            run.write_control(dataclasses.replace(run.read_control(), sequence=9, gamma=0.25))

    outcome = run_training(changed(run, training_epochs=3), run.path, resume=True, on_event=pause)
    assert outcome.status == "finished"
    last = records(run, "step")[-1]
    assert last["gamma"] == 0.25
    assert last["learning_rate"] < CONFIG.training.learning_rate


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"training_epochs": 1}, r"training\.epochs is 1, and 2 epochs of .* are done; it must be 2 or more"),
        ({"loss_beta": 0.5}, r"all 2 epochs .* are done.*loss\.beta would change nothing.*--training\.epochs 4"),
        ({"training_seed": 5}, r"training\.seed differs from the run in .*training\.epochs"),
        ({"model_latent_dim": 5}, r"model\.latent_dim differs"),
        ({"loss_entanglement": "dip"}, r"loss\.entanglement differs"),
    ],
)
def test_what_cannot_go_on_is_refused_and_nothing_is_changed(run: RunDirectory, values: dict[str, Any], reason: str):
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match=reason):
        run_training(changed(run, **values), run.path, resume=True)
    assert before == {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


def test_a_run_without_its_checkpoint_is_not_begun_again_over_what_is_left(run: RunDirectory):
    shutil.rmtree(run.checkpoints_path)
    with pytest.raises(RunError, match=r"no last\.safetensors in checkpoints/, so its training cannot go on"):
        run_training(changed(run, training_epochs=4), run.path, resume=True)
    assert run.weights_path.exists()


def test_another_device_is_a_change_like_the_others(run: RunDirectory):
    run_training(changed(run, training_epochs=3, training_device="auto"), run.path, resume=True)
    (mark,) = records(run, "event", "hyperparameters")
    assert mark["device"] == "auto"


# a training that diverges


def diverging(folder: Path, at_epoch: int) -> tuple[Path, str]:
    """A run whose learning rate was raised too far after ``at_epoch`` epochs, or from the
    beginning; and what its error says."""
    training = dataclasses.replace(
        CONFIG.training, learning_rate=1e-4 if at_epoch else 1e3, optimizer="adam", clip=0.0, schedule="constant",
        epochs=6,
    )  # fmt: skip
    config = dataclasses.replace(CONFIG, training=training)

    def spoil(record: Record) -> None:
        if record["kind"] == "epoch" and record["epoch"] == at_epoch:
            RunDirectory.open(folder / "run").write_control(Control(1, learning_rate=1e3))

    with pytest.raises(TrainingError) as failed:
        run_training(config, folder / "run", on_event=spoil)
    return folder / "run", str(failed.value)


@pytest.mark.parametrize("at_epoch", [0, 1])
def test_the_command_that_a_diverged_training_names_works(
    tmp_path: Path, at_epoch: int, capsys: pytest.CaptureFixture[str]
):
    folder, message = diverging(tmp_path / "with space", at_epoch)
    run = RunDirectory.open(folder)
    (failed,) = records(run, "event", "failed")
    command = message.splitlines()[-1].strip()
    assert failed["command"] == command
    assert failed["changes"]["training.clip"] == 1.0
    assert main(["info", str(folder)]) == 0
    assert command in capsys.readouterr().out
    program, *arguments = shlex.split(command)
    assert program == "isoline"
    assert main(arguments) == 0
    assert run.status() == "finished"
    assert (
        max(step["learning_rate"] for step in records(run, "step")[-STEPS:])
        == failed["changes"]["training.learning_rate"]
    )


@pytest.mark.parametrize(
    ("live", "saved", "clip", "rate"),
    [(2e-3, 2e-3, 0.0, 2e-4), (5.0, 5.0, 0.0, 1e-3), (1e3, 1e-4, 0.0, 1e-4), (2e-3, None, 1.0, 2e-4)],
)
def test_the_remedy_is_a_tenth_of_the_rate_or_the_one_that_worked(live: float, saved: float | None, clip: float, rate):
    values = remedy(Hyperparameters(live, 0.0, 0.0), saved, clip)
    assert values.pop("training.learning_rate") == rate
    assert values == ({} if clip else {"training.clip": 1.0})


def test_weights_that_are_not_finite_never_replace_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from core.training.recorder import Recorder

    step = Recorder.step

    def spoil(self: Recorder, done: Any) -> None:
        step(self, done)
        if done.step == STEPS + 1:
            next(self.state.model.parameters()).data.fill_(float("nan"))
            os.kill(os.getpid(), signal.SIGTERM)  # a stop saves a checkpoint

    monkeypatch.setattr(Recorder, "step", spoil)
    with pytest.raises(TrainingError, match="weights are not finite"):
        run_training(CONFIG, tmp_path / "run")
    stored = read_stored(tmp_path / "run" / "checkpoints" / "last.safetensors")
    assert stored.step == STEPS
    assert all(torch.isfinite(value).all() for value in stored.tensors.values())


def test_a_command_is_quoted_for_the_shell_and_its_numbers_are_exact():
    assert resume_command(Path("my run"), {"training.learning_rate": 2e-4, "training.epochs": 40}) == (
        "isoline train --resume --out 'my run' --training.learning-rate 0.0002 --training.epochs 40"
    )
    (value,) = shlex.split(resume_command(Path("r"), {"loss.beta": 1 / 3}))[-1:]
    assert float(value) == 1 / 3


def test_differences_are_those_of_the_settings():
    other = with_values(CONFIG, {"training.epochs": 9, "loss.beta": 0.5})
    assert differences(CONFIG, other) == {"loss.beta": (CONFIG.loss.beta, 0.5), "training.epochs": (2, 9)}
    assert differences(CONFIG, CONFIG) == {}
