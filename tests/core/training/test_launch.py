"""Trainings that a cluster launches: how many processes there are, and going on after a job was ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from preloaded_python import PreloadedPython

from core.cli.train import Options, defaults
from core.config import ConfigError
from core.runs.directory import RunDirectory
from core.runs.metrics_log import read_metrics
from core.training import launch
from core.training.checkpoint import read_stored
from core.training.launch import TO_BE_CONTINUED, Launch, launched
from core.training.rendezvous import is_loopback

SLURM = {"SLURM_NTASKS": "8", "SLURM_NNODES": "2", "SLURM_STEP_ID": "0", "SLURM_JOB_NAME": "isoline"}
TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "12"}
FLAGS = (
    *("--data.image-size", "32", "--data.count", "64", "--data.no-punctured", "--data.validation-fraction", "0.25"),
    *("--training.batch-size", "4", "--training.device", "cpu", "--training.precision", "float32"),
    *("--training.epochs", "8"),
)


@pytest.fixture(autouse=True)
def outside_of_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("SLURM_", "TORCHELASTIC_")):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        (SLURM, Launch("SLURM", 4, 2)),
        (TORCHRUN, Launch("torchrun", 4, 3)),
        (SLURM | TORCHRUN, Launch("torchrun", 4, 3)),
        (SLURM | {"SLURM_JOB_NAME": "interactive"}, None),
        ({"SLURM_NTASKS": "1"}, Launch("SLURM", 1, 1)),
    ],
)
def test_devices_and_nodes_follow_from_what_started_the_processes(environment, found):
    assert launched(dict(environment)) == found


def test_fabric_is_told_the_tasks_of_a_node_where_srun_does_not_say_them():
    environment = dict(SLURM)
    launched(environment)
    assert environment["SLURM_NTASKS_PER_NODE"] == "4"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SLURM_NTASKS": "4"}, "begin the command with srun"),
        (SLURM | {"SLURM_NTASKS": "5"}, "Give --ntasks-per-node"),
    ],
)
def test_tasks_that_cannot_train_together_are_refused(environment, message):
    with pytest.raises(ConfigError, match=message):
        launched(dict(environment))


def test_a_training_takes_them_over_unless_they_are_given(monkeypatch: pytest.MonkeyPatch):
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    config = defaults([]).run_config()
    assert (config.training.devices, config.training.nodes) == (4, 2)
    assert Options(devices=4).run_config().training.nodes == 2
    with pytest.raises(ConfigError, match="--devices is 3, but SLURM has started 4 processes on each of 2 nodes"):
        Options(devices=3).run_config()


def test_an_address_that_only_this_machine_reaches_is_told():
    assert is_loopback("127.0.1.1")
    assert not is_loopback("192.0.2.7")
    assert not is_loopback("no such host")


def test_what_scontrol_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert launch.requeue() == ""
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "There is no scontrol here to requeue job 12" in launch.requeue()
    program = tmp_path / "scontrol"
    program.write_text('#!/bin/sh\necho "Job is $2" >&2\nexit 1')
    program.chmod(0o755)
    assert launch.requeue() == "Job 12 was not requeued (Job is 12): start the same command again."
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "10")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert "Job 10_3 was not requeued (Job is 10_3)" in launch.requeue()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, preloaded_python: PreloadedPython) -> RunDirectory:
    """The same training, not interrupted."""
    out = tmp_path_factory.mktemp("whole") / "run"
    command = ["-P", "-m", "core.cli", "train", "--out", str(out), *FLAGS]
    subprocess.run([preloaded_python.executable, *command], check=True, capture_output=True)
    return RunDirectory.open(out)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_job_that_is_ended_goes_on_by_the_same_command_bit_for_bit(
    tmp_path: Path, preloaded_python: PreloadedPython, whole: RunDirectory, number: signal.Signals
):
    asked = tmp_path / "asked"
    program = tmp_path / "scontrol"
    program.write_text(f'#!/bin/sh\necho "$@" >> {asked}')
    program.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"}

    def start() -> subprocess.Popen[str]:
        command = ["-P", "-m", "core.cli", "train", "--requeue", "--out", str(tmp_path / "run"), *FLAGS]
        return subprocess.Popen(
            [preloaded_python.executable, *command], env=environment, stdout=subprocess.PIPE, text=True
        )

    job = start()
    metrics = tmp_path / "run" / "metrics.jsonl"
    while not (metrics.exists() and b'"kind":"step"' in metrics.read_bytes()):
        assert job.poll() is None
        time.sleep(0.005)
    job.send_signal(number)
    job.send_signal(number) if number == signal.SIGUSR1 else None  # as when a step and its processes are told
    said = job.communicate()[0]
    assert job.returncode == TO_BE_CONTINUED
    run = RunDirectory.open(tmp_path / "run")
    assert run.status() == "stopped"
    assert asked.exists() == (number == signal.SIGUSR1)
    if asked.exists():
        assert asked.read_text() == "requeue 7\n"
        assert "Job 7 is requeued." in said
    again = start()
    again.communicate()
    assert again.returncode == 0
    ends = [read_stored(one.last_checkpoint_path) for one in (run, whole)]
    assert ends[0].step == ends[1].step == 96
    assert all(torch.equal(ends[0].tensors[name], ends[1].tensors[name]) for name in ends[1].tensors)
    starts = [record for record in read_metrics(run.metrics_path) if record.get("event") == "started"]
    assert len(starts) == 2
    finished = start()
    assert "is finished" in finished.communicate()[0]
    assert finished.returncode == 0
