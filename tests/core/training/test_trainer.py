"""A whole training as `isoline train` runs it: what it writes, how it is steered, and what it survives."""

from __future__ import annotations

import dataclasses
import math
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from preloaded_python import PreloadedPython

from core.cli.main import main
from core.config import DataConfig, LossConfig, ModelConfig, RunConfig, TrainingConfig, config_to_dict
from core.data.loading import load_dataset
from core.data.source_resolution import with_native_size
from core.models.network_inference import NetworkInference
from core.runs.directory import Control, RunDirectory, RunError
from core.runs.lock import RunLock
from core.runs.metrics_log import read_metrics
from core.training.checkpoint import load_model, read_stored, save_checkpoint
from core.training.control import Steering
from core.training.loop import TrainingError, make_fabric, train
from core.training.probe_embedding import ProbeMeans
from core.training.resume import present_config
from core.training.state import TrainingState
from core.training.trainer import Outcome, run_training

CONFIG = RunConfig(
    data=DataConfig(image_size=32, count=64, punctured=False, validation_fraction=0.25),
    training=TrainingConfig(epochs=2, batch_size=8, precision="float32", device="cpu"),
)
STEPS = 6  # of an epoch


def longer(epochs: int = 2000) -> RunConfig:
    return dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, epochs=epochs))


def events(run: RunDirectory, name: str) -> list[dict]:
    return [record for record in read_metrics(run.metrics_path) if record.get("event") == name]


def steps(run: RunDirectory) -> list[dict]:
    return [record for record in read_metrics(run.metrics_path) if record.get("kind") == "step"]


def until(look: Callable[[], Any], what: str, seconds: float = 300.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A training that ran to its end without a word from outside; not to be changed."""
    return run_training(CONFIG, tmp_path_factory.mktemp("finished") / "run")


def arguments(config: RunConfig, out: Path, *flags: str) -> list[str]:
    """Those of `isoline`, to train ``config``."""
    out.parent.mkdir(parents=True, exist_ok=True)
    request = out.parent / f"{out.name}-request.json"
    request.write_bytes(msgspec.json.encode(config_to_dict(config)))
    return ["train", "--config", str(request), "--out", str(out), *flags]


class Trainer:
    """`isoline train` in a process of its own, steered through its run directory."""

    def __init__(self, python: PreloadedPython, config: RunConfig, out: Path, *flags: str, preamble: str = "") -> None:
        program = f"{preamble}\nimport sys\nfrom core.cli.main import main\nsys.exit(main(sys.argv[1:]))"
        command = [python.executable, "-c", program, *arguments(config, out, *flags)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.out = out
        self._python, self._sequence = python, 0

    @property
    def pid(self) -> int:
        return self._python.process_id(self.process.pid)

    @property
    def run(self) -> RunDirectory:
        return RunDirectory.open(self.out)

    def until_step(self, step: int) -> None:
        until(lambda: self._alive() and RunDirectory.exists(self.out), "the run directory")
        until(lambda: self._alive() and any(record["step"] >= step for record in steps(self.run)), f"step {step}")

    def command(self, **fields: Any) -> None:
        """Send a command and wait until it is acknowledged."""
        self._sequence += 1
        self.run.write_control(Control(sequence=self._sequence, **fields))
        until(lambda: any(e["sequence"] == self._sequence for e in events(self.run, "control")), "an acknowledgement")

    def end(self) -> tuple[int, str]:
        output, _ = self.process.communicate(timeout=300)
        return self.process.returncode, output

    def _alive(self) -> bool:
        if self.process.poll() is not None:
            pytest.fail(f"the trainer ended: {self.end()}")
        return True


@pytest.fixture
def train_here(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """`isoline train` in this process, which need not load torch again: its exit status, and what it printed."""

    def train(config: RunConfig, out: Path, *flags: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(arguments(config, out, *flags))
        return code, "".join(capsys.readouterr())

    return train


@pytest.fixture
def start(tmp_path: Path, preloaded_python: PreloadedPython) -> Iterator[Callable[..., Trainer]]:
    """Starts trainers, and leaves none behind."""
    started: list[Trainer] = []

    def begin(config: RunConfig, out: Path | None = None, *flags: str, preamble: str = "") -> Trainer:
        started.append(Trainer(preloaded_python, config, out or tmp_path / "run", *flags, preamble=preamble))
        return started[-1]

    yield begin
    for trainer in started:
        trainer.process.kill()
        trainer.process.communicate()


# what it writes


def test_a_finished_training_leaves_all_of_a_run_directory(finished: Outcome):
    run = finished.run
    assert finished.status == "finished"
    assert run.status() == "finished"
    assert RunDirectory.open(run.path).config == with_native_size(CONFIG, "full")  # it was left to be found
    assert run.embedding_epochs() == [0, 1, 2]
    assert not run.lock_path.exists()
    assert read_stored(run.last_checkpoint_path).epoch == 2
    assert read_stored(run.weights_path).step == 2 * STEPS
    assert not list(run.path.rglob("*.writing"))


def test_every_step_epoch_and_event_is_told_in_order(finished: Outcome):
    records = read_metrics(finished.run.metrics_path)
    assert records[0]["event"] == "started"
    assert [record["kind"] for record in records[-2:]] == ["report", "event"]
    assert records[-1]["event"] == "finished"
    epochs = [record for record in records if record["kind"] == "epoch"]
    assert [record["epoch"] for record in epochs] == [1, 2]
    assert {"loss", "reconstruction", "kl", "entanglement", "excess_bce"} <= epochs[0]["validation"].keys()
    numbers = [record["step"] for record in records if record["kind"] == "step"]
    assert numbers == sorted(set(numbers))
    assert {STEPS, 2 * STEPS} <= set(numbers), "the last step of an epoch is always recorded"
    last = next(record for record in reversed(records) if record["kind"] == "step")
    wanted = {"time", "images_per_second", "loss", "learning_rate", "beta", "gamma", "eta_seconds", "total_steps"}
    assert wanted <= last.keys()


def test_the_means_are_those_of_the_weights_beside_them(finished: Outcome):
    run = finished.run
    model, _ = load_model(run.path)
    dataset = load_dataset(CONFIG.data)
    mu = NetworkInference(model, "cpu", "float32").encode(np.array(dataset.images))
    np.testing.assert_allclose(run.read_embedding(), mu, atol=1e-4)
    np.testing.assert_array_equal(run.read_embedding(), run.read_embedding(2))


def test_the_probe_set_is_the_dataset_in_file_order(finished: Outcome):
    probe, dataset = finished.run.read_probe(), load_dataset(CONFIG.data)
    np.testing.assert_array_equal(probe.indices, np.arange(64))
    np.testing.assert_array_equal(probe.factors, dataset.factors)
    np.testing.assert_array_equal(np.flatnonzero(probe.split), dataset.validation)
    np.testing.assert_array_equal(probe.thumbnails, dataset.images)  # of 32 px: no reduction


def test_the_report_says_how_well_it_went(finished: Outcome):
    report = finished.report
    assert report is not None
    last = [r for r in read_metrics(finished.run.metrics_path) if r["kind"] == "epoch"][-1]
    assert report["excess_bce"] == pytest.approx(last["validation"]["excess_bce"])
    assert 0 < report["twonn_low"] <= report["twonn"] <= report["twonn_high"]
    assert 0 <= report["trustworthiness_parameters_to_cloud"] <= 1
    assert 0 <= report["trustworthiness_cloud_to_parameters"] <= 1


def test_looking_on_does_not_change_the_training(finished: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, value in (("LIVE_INTERVAL_S", 0.0), ("LIVE_FRACTION", 1e9)):
        monkeypatch.setattr(f"core.training.recorder.{name}", value)  # a snapshot after every step
    assert same_weights(run_training(CONFIG, tmp_path / "run").run, finished.run)


def test_on_an_accelerator_live_snapshots_are_written_once_they_have_crossed_over(
    finished: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The weights and means are those of the step at which they were asked for, and the training goes on meanwhile."""
    from core.training import recorder
    from core.training.host_copy import HostCopy

    written: list[tuple[int, dict[str, torch.Tensor]]] = []

    class Late(HostCopy):
        looks = 0

        @property
        def ready(self) -> bool:
            self.looks += 1
            return self.looks > 2

    save = recorder.save_weights
    monkeypatch.setattr(recorder, "HostCopy", Late)
    monkeypatch.setattr(recorder.ProbeMeans, "on_cpu", False)
    monkeypatch.setattr(recorder, "LIVE_INTERVAL_S", 0.0)
    monkeypatch.setattr(recorder, "LIVE_FRACTION", 1e9)

    def saved(path: Path, weights: dict[str, torch.Tensor], config: RunConfig, step: int, epoch: int) -> None:
        written.append((step, {name: value.clone() for name, value in weights.items()}))
        save(path, weights, config, step, epoch)

    monkeypatch.setattr(recorder, "save_weights", saved)
    run = run_training(CONFIG, tmp_path / "run").run
    assert same_weights(run, finished.run)
    live = [(step, weights) for step, weights in written if step > 0]
    assert live[0][0] == 1, "asked for at the first step, written some steps later"
    again = TrainingState(run.config)
    next(iter(train(again, load_dataset(run.config.data), make_fabric(CONFIG.training))))
    assert all(torch.equal(live[0][1][name], value) for name, value in again.model.state_dict().items())


def test_the_network_is_on_its_device_before_the_first_means_are_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from core.models.vae import VAE
    from core.training.recorder import ProbeMeans

    done: list[str] = []
    move, encode = VAE.to, ProbeMeans._encode
    monkeypatch.setattr(VAE, "to", lambda self, *a, **k: done.append(f"to {[*a, *k]}") or move(self, *a, **k))
    monkeypatch.setattr(ProbeMeans, "_encode", lambda self, places: done.append("encode") or encode(self, places))
    run_training(CONFIG, tmp_path / "run")
    assert "to [device(type='cpu')]" in done[: done.index("encode")]


def test_where_encoding_takes_too_long_landmarks_stand_in_but_the_last_means_are_exact(
    finished: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("core.training.recorder.EPOCH_FRACTION", "core.training.recorder.FIRST_MEANS_S"):
        monkeypatch.setattr(name, 0.0)
    monkeypatch.setattr("core.training.recorder.EPOCH_LANDMARKS", 48)
    run = run_training(CONFIG, tmp_path / "run").run
    told = [record["exact_means"] for record in read_metrics(run.metrics_path) if record["kind"] == "epoch"]
    assert told == [False, True]
    assert run.embedding_epochs() == [0, 1, 2]
    np.testing.assert_array_equal(run.read_embedding(2), finished.run.read_embedding(2))
    exact, found = finished.run.read_embedding(1), run.read_embedding(1)
    size = np.linalg.norm(exact - exact.mean(axis=0), axis=1).mean()
    assert np.linalg.norm(found - exact, axis=1).mean() < 0.2 * size


def same_weights(one: RunDirectory, other: RunDirectory) -> bool:
    first, second = (read_stored(run.last_checkpoint_path) for run in (one, other))
    assert first.tensors.keys() == second.tensors.keys()
    return first.step == second.step and all(torch.equal(t, second.tensors[n]) for n, t in first.tensors.items())


# interrupted and resumed


def test_a_killed_training_resumes_and_equals_an_uninterrupted_one(
    tmp_path: Path,
    start: Callable[..., Trainer],
    train_here: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("core.runs.lock.WATCH_S", 0.2)
    config = longer(4)
    whole = run_training(config, tmp_path / "whole").run
    # The kill comes from within, in the middle of the third epoch, without any chance to tidy up.
    kill = f"""
import os, signal, core.training.recorder as r
step = r.Recorder.step
def die(self, done):
    step(self, done)
    if done.step == {2 * STEPS + 3}:
        os.kill(os.getpid(), signal.SIGKILL)
r.Recorder.step = die
"""
    killed = start(config, tmp_path / "run", preamble=kill)
    assert killed.end()[0] == -signal.SIGKILL
    run = killed.run
    until(lambda: run.status() == "interrupted", "the end of its heart")
    assert max(record["step"] for record in steps(run)) >= 2 * STEPS
    assert read_stored(run.last_checkpoint_path).step == 2 * STEPS
    with open(run.metrics_path, "ab") as file:
        file.write(b'{"kind": "st')

    code, output = train_here(config, run.path, "--resume")
    assert code == 0, output
    assert run.status() == "finished"
    assert same_weights(run, whole)
    assert run.embedding_epochs() == [0, 1, 2, 3, 4]
    numbers = [record["step"] for record in steps(run)]
    assert numbers == sorted(set(numbers)), "no step is told twice"


def test_the_records_before_a_checkpoint_and_an_acknowledgement_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A power cut loses what was written after the last fsync."""
    where = tmp_path / "run" / "metrics.jsonl"
    on_disk = 0
    synced: list[bool] = []
    fsync, save, verdict = os.fsync, save_checkpoint, Steering.verdict

    def noted_fsync(descriptor: int) -> None:
        nonlocal on_disk
        fsync(descriptor)
        if where.exists() and os.path.samestat(os.fstat(descriptor), where.stat()):
            on_disk = where.stat().st_size

    def noted_save(*arguments: Any) -> None:
        synced.append(on_disk == where.stat().st_size)
        save(*arguments)

    def noted_verdict(steering: Steering) -> str:
        commanded = steering._run.control_stamp() != steering._stamp
        found = verdict(steering)
        if commanded:
            synced.append(on_disk == where.stat().st_size)
        return found

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr("core.training.recorder.save_checkpoint", noted_save)
    monkeypatch.setattr(Steering, "verdict", noted_verdict)

    def steer(record: dict) -> None:
        if record["kind"] == "epoch" and record["epoch"] == 1:
            RunDirectory.open(tmp_path / "run").steer(beta=0.25)

    run_training(CONFIG, tmp_path / "run", on_event=steer)
    assert synced == [True, True, True]


def test_a_training_killed_before_its_first_checkpoint_begins_again(finished: Outcome, tmp_path: Path):
    run = RunDirectory.create(tmp_path / "run", CONFIG, {})
    run.metrics_path.write_bytes(b'{"kind": "step", "step": 3}\n')
    run.write_embedding(np.zeros((64, 3), np.float32), 0)
    (run.checkpoints_path / ".last.safetensors.1-ab.writing").write_bytes(b"half")
    again = run_training(CONFIG, run.path, resume=True)
    assert same_weights(again.run, finished.run)
    assert steps(run)[0]["step"] == 1
    assert not list(run.path.rglob("*.writing"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_a_checkpoint(tmp_path: Path, number: signal.Signals):
    def interrupt(record: dict) -> None:
        if record["kind"] == "step" and record["step"] > STEPS:
            os.kill(os.getpid(), number)

    handler = signal.getsignal(number)
    outcome = run_training(longer(), tmp_path / "run", on_event=interrupt)
    run = outcome.run
    assert outcome.status == "stopped"
    assert run.status() == "stopped"
    last = steps(run)[-1]["step"]
    assert read_stored(run.last_checkpoint_path).step == last == read_stored(run.weights_path).step
    assert signal.getsignal(number) is handler


def test_a_stopped_training_resumes_from_the_middle_of_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = longer(3)
    whole = run_training(config, tmp_path / "whole").run

    def stop(record: dict) -> None:
        if record["kind"] == "step" and record["step"] == STEPS + 2:
            RunDirectory.open(tmp_path / "run").write_control(Control(7, "stopped"))

    monkeypatch.setattr("core.training.recorder.RECORD_INTERVAL_S", 0.0)
    stopped = run_training(config, tmp_path / "run", on_event=stop)
    assert stopped.status == "stopped"
    assert read_stored(stopped.run.last_checkpoint_path).step == STEPS + 2
    resumed = run_training(config, tmp_path / "run", resume=True)
    assert resumed.status == "finished", "the old command is not obeyed again"
    assert same_weights(resumed.run, whole)


def test_another_configuration_does_not_resume(finished: Outcome):
    other = dataclasses.replace(CONFIG, loss=LossConfig(kl="textbook"))
    with pytest.raises(RunError, match=r"loss\.kl differs from the run"):
        run_training(other, finished.run.path, resume=True)


def test_a_damaged_checkpoint_is_named_and_nothing_is_changed(finished: Outcome, tmp_path: Path):
    from core.training.checkpoint import CheckpointError

    shutil.copytree(finished.run.path, tmp_path / "run")
    run = RunDirectory.open(tmp_path / "run")
    data = run.last_checkpoint_path.read_bytes()
    run.last_checkpoint_path.write_bytes(data[: len(data) // 2])
    before = run.metrics_path.read_bytes()
    with pytest.raises(CheckpointError, match=r"last\.safetensors is damaged or truncated"):
        run_training(CONFIG, run.path, resume=True)
    assert run.metrics_path.read_bytes() == before
    assert not run.lock_path.exists()


# steered


def processor_seconds(pid: int) -> float:
    """User and system time of a process, on Linux; 0 elsewhere."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rests(pid: int) -> bool:
    """Whether it needs next to no processor time now; in a pause it first brings the means up to date."""
    spent = processor_seconds(pid)
    time.sleep(0.5)
    return processor_seconds(pid) - spent < 0.1


def beat_of(run: RunDirectory) -> tuple[str, int, float]:
    pulse = run.pulse()
    assert pulse is not None
    beat = pulse.holder.beat
    return beat.activity, beat.step, beat.usually


def test_it_pauses_steps_runs_an_epoch_resumes_and_stops(start: Callable[..., Trainer]):
    trainer = start(longer())
    trainer.until_step(2)
    run = trainer.run
    assert run.status() == "running"

    trainer.command(state="paused")
    until(lambda: run.status() == "paused", "the pause")
    paused_at = steps(run)[-1]["step"]
    until(lambda: rests(trainer.process.pid), "a pause that costs no processor time")
    until(lambda: beat_of(run)[:2] == ("waiting", paused_at), "a heartbeat that says that it waits")
    assert beat_of(run)[2] > 0.0, "and how long a step takes"
    assert steps(run)[-1]["step"] == paused_at

    for number in (1, 2):
        trainer.command(state="paused", advance="step")
        until(lambda number=number: steps(run)[-1]["step"] == paused_at + number, "one step")
    time.sleep(0.3)
    assert steps(run)[-1]["step"] == paused_at + 2
    until(lambda: read_stored(run.weights_path).step == paused_at + 2, "the newest weights can be looked at")

    count = len([r for r in read_metrics(run.metrics_path) if r["kind"] == "epoch"])
    trainer.command(state="paused", advance="epoch")
    until(lambda: len([r for r in read_metrics(run.metrics_path) if r["kind"] == "epoch"]) > count, "an epoch")
    until(lambda: run.status() == "paused", "the pause after the epoch")
    epoch_end = steps(run)[-1]["step"]
    assert epoch_end % STEPS == 0
    time.sleep(0.2)
    assert steps(run)[-1]["step"] == epoch_end

    trainer.command(state="running")
    until(lambda: steps(run)[-1]["step"] > epoch_end + 1, "the training going on")
    trainer.command(state="stopped")
    assert trainer.end()[0] == 0
    assert run.status() == "stopped"


def test_live_hyperparameters_are_taken_over_and_kept_when_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.training.recorder.RECORD_INTERVAL_S", 0.0)
    config = longer(3)

    def steer(record: dict) -> None:
        run = RunDirectory.open(tmp_path / "run")
        if record["kind"] == "step" and record["step"] == 3:
            run.write_control(Control(1, learning_rate=1e-3, beta=0.25, gamma=0.5))
        if record["kind"] == "step" and record["step"] == 8:
            run.write_control(Control(2, "stopped", beta=0.25))

    run = run_training(config, tmp_path / "run", on_event=steer).run
    told = {record["step"]: record for record in steps(run)}
    assert told[3]["beta"] == config.loss.beta
    assert (told[4]["beta"], told[4]["gamma"]) == (0.25, 0.5), "within one step"
    (change,) = events(run, "hyperparameters")
    assert (change["step"], change["beta"], change["sequence"]) == (3, 0.25, 1)
    assert [e["sequence"] for e in events(run, "control")] == [1, 2]
    run_training(present_config(run), run.path, resume=True)
    assert steps(run)[-1]["beta"] == 0.25


def test_what_a_killed_training_has_acknowledged_holds_when_it_is_resumed(
    start: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
):
    """Whatever stands in control.json by then, and also if it is killed once more before its next checkpoint."""
    trainer = start(longer(), preamble="import core.training.recorder as r\nr.Recorder.epoch = lambda *_, **__: None")
    trainer.until_step(1)
    trainer.command(state="running", beta=0.25)
    trainer.command(state="paused", learning_rate=1e-4)
    run = trainer.run
    until(lambda: run.status() == "paused", "the pause")
    trainer.process.kill()
    trainer.end()
    run.control_path.unlink()
    monkeypatch.setattr("core.runs.lock.WATCH_S", 0.2)

    def resumed(steer: Callable[[dict], None]) -> Outcome:
        return run_training(present_config(run), run.path, resume=True, on_event=steer)

    class Killed(BaseException):
        pass

    def kill(record: dict) -> None:
        if record.get("event") == "paused":
            raise Killed

    with pytest.raises(Killed):
        resumed(kill)
    assert events(run, "started")[-1]["message"].startswith("training on cpu, paused as it was")

    def go_on(record: dict) -> None:
        if record.get("event") == "paused":
            run.write_control(dataclasses.replace(run.read_control(), sequence=9, state="running"))
        elif record["kind"] == "step":
            os.kill(os.getpid(), signal.SIGTERM)

    assert resumed(go_on).status == "stopped"
    assert [event["sequence"] for event in events(run, "control")] == [2, 9]
    (told,) = events(run, "hyperparameters")
    assert (told["changed"], told["beta"], told["learning_rate"]) == (["beta", "learning_rate"], 0.25, 1e-4)
    first = steps(run)[0]
    assert (first["step"], first["beta"]) == (1, 0.25)
    assert first["learning_rate"] <= 1e-4
    assert events(RunDirectory.open(run.path), "started")[-1]["paused"]


def test_a_malformed_command_is_a_warning_and_the_training_goes_on(tmp_path: Path):
    def disturb(record: dict) -> None:
        if record["kind"] == "epoch" and record["epoch"] == 1:
            (tmp_path / "run" / "control.json").write_text("{stop!")

    outcome = run_training(CONFIG, tmp_path / "run", on_event=disturb)
    assert outcome.status == "finished"
    (warning,) = events(outcome.run, "warning")
    assert "control.json is not a command" in warning["message"]


# refused and failed


def unstable(learning_rate: float) -> RunConfig:
    """The published encoder normalises nothing: with weights of a thousand its means overflow."""
    training = dataclasses.replace(
        CONFIG.training, learning_rate=learning_rate, optimizer="adam", clip=0.0, schedule="constant", epochs=50
    )
    return dataclasses.replace(CONFIG, model=ModelConfig(preset="article"), training=training)


def test_two_trainers_never_write_one_run(start: Callable[..., Trainer], train_here: Callable[..., tuple[int, str]]):
    first = start(longer())
    first.until_step(1)
    code, output = train_here(longer(), first.out, "--resume")
    assert code == 2
    assert f"is being trained by process {first.pid} on" in output
    assert "Traceback" not in output
    assert first.process.poll() is None


def test_who_lost_the_lock_stops_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    locks: list[RunLock] = []
    acquire = RunLock.acquire
    monkeypatch.setattr(RunLock, "acquire", lambda self: (locks.append(self), acquire(self))[1])

    def lose(record: dict) -> None:
        if record["kind"] == "step":
            locks[0]._loss = "another trainer has taken this run over"

    with pytest.raises(RunError, match="another trainer has taken this run over"):
        run_training(CONFIG, tmp_path / "run", on_event=lose)


def test_who_lost_the_lock_while_it_measured_an_epoch_writes_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As one that was suspended there, while another trainer took the run over."""
    locks: list[RunLock] = []
    acquire = RunLock.acquire
    monkeypatch.setattr(RunLock, "acquire", lambda self: (locks.append(self), acquire(self))[1])
    exact, asked = ProbeMeans.exact, []

    def slept(self: ProbeMeans) -> object:
        asked.append("before the first step" if not asked else "at the epoch's end")
        if len(asked) > 1:
            locks[0]._loss = "another trainer has taken this run over"
        return exact(self)

    monkeypatch.setattr(ProbeMeans, "exact", slept)
    monkeypatch.setattr("core.training.recorder.EPOCH_FRACTION", math.inf)
    with pytest.raises(RunError, match="another trainer has taken this run over"):
        run_training(CONFIG, tmp_path / "run")
    run = RunDirectory.open(tmp_path / "run")
    assert run.embedding_epochs() == [0]
    assert not run.last_checkpoint_path.exists()


@pytest.mark.parametrize("noticed", ["by its lock", "by a file"])
def test_a_training_whose_run_is_deleted_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noticed: str):
    monkeypatch.setattr("core.runs.lock.LATE_S", 0.0 if noticed == "by its lock" else 300.0)
    monkeypatch.setattr("core.runs.lock.HEARTBEAT_S", 300.0)
    run = tmp_path / "run"

    def delete(record: dict) -> None:
        if record["kind"] == "step" and run.exists():
            shutil.rmtree(run)

    with pytest.raises(RunError, match=r"run is gone: it was deleted or moved"):
        run_training(CONFIG, run, on_event=delete)
    assert not run.exists()


def test_a_diverging_training_fails_clearly_and_keeps_its_best_checkpoint(tmp_path: Path):
    def spoil(record: dict) -> None:
        if record["kind"] == "epoch":
            RunDirectory.open(tmp_path / "run").write_control(Control(1, learning_rate=1e3))

    with pytest.raises(TrainingError, match="learning rate"):
        run_training(unstable(1e-4), tmp_path / "run", on_event=spoil)
    run = RunDirectory.open(tmp_path / "run")
    assert run.status() == "failed"
    assert "learning rate" in events(run, "failed")[0]["message"]
    load_model(run.best_checkpoint_path)
    load_model(run.path)


def test_a_diverging_training_has_its_exit_status_once_nobody_decides(
    tmp_path: Path, train_here: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("core.cli.train.DECISION_S", 0.05)
    code, output = train_here(unstable(1e3), tmp_path / "run")
    assert code == 1
    assert "isoline train: error: the loss is" in output
    assert "exploded: the loss is" in output
    assert "Traceback" not in output
    assert RunDirectory.open(tmp_path / "run").status() == "failed"


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_drawn(tmp_path: Path):
    (tmp_path / "file").touch()
    drawn: list[float] = []
    with pytest.raises(RunError, match="cannot be written"):
        run_training(CONFIG, tmp_path / "file" / "run", on_data=drawn.append)
    assert drawn == []


def test_a_full_disk_ends_it_clearly_and_the_last_checkpoint_is_intact(
    start: Callable[..., Trainer], train_here: Callable[..., tuple[int, str]]
):
    # After the first epoch no file may grow beyond a few bytes: every write fails as on a full disk (EFBIG).
    full = """
import resource, signal, core.training.recorder as r
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
epoch = r.Recorder.epoch
def fill(self, end, *, last):
    epoch(self, end, last=last)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
r.Recorder.epoch = fill
"""
    trainer = start(longer(3), preamble=full)
    code, output = trainer.end()
    assert code == 2, output
    assert "cannot be written (File too large)" in output
    assert "Traceback" not in output
    run = trainer.run
    assert read_stored(run.last_checkpoint_path).step == STEPS
    load_model(run.path)
    code, output = train_here(longer(3), run.path, "--resume")
    assert code == 0, output


def test_live_means_that_cannot_be_written_for_a_moment_are_a_warning(
    finished: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("core.training.recorder.LIVE_INTERVAL_S", 0.0)
    monkeypatch.setattr("core.training.recorder.LIVE_FRACTION", 1e9)
    write = RunDirectory.write_embedding
    failures = iter([False, True, True, True, False, True])

    def full(self: RunDirectory, mu: np.ndarray, epoch: int | None = None) -> None:
        if epoch is None and next(failures, False):
            raise OSError(28, "No space left on device")
        write(self, mu, epoch)

    monkeypatch.setattr(RunDirectory, "write_embedding", full)
    run = run_training(CONFIG, tmp_path / "run").run
    warnings = [event["message"] for event in events(run, "warning")]
    assert len(warnings) == 2, "once each time"
    assert "cannot be written (No space left on device). The training goes on" in warnings[0]
    assert same_weights(run, finished.run)
    np.testing.assert_array_equal(run.read_embedding(), finished.run.read_embedding())


def test_it_can_run_outside_the_main_thread(tmp_path: Path):
    found: list[Outcome] = []
    thread = threading.Thread(target=lambda: found.append(run_training(CONFIG, tmp_path / "run")))
    thread.start()
    thread.join()
    assert found[0].status == "finished"
