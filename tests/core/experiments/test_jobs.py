"""The trainings of an experiment in processes of their own, on one machine and as jobs of SLURM."""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from core.cli.main import main
from core.config import DataConfig, RunConfig, TrainingConfig
from core.experiments.folder import ExperimentFolder
from core.experiments.jobs import train_in_slurm, train_in_workers
from core.experiments.options import ExperimentError, PlannedTraining
from core.runs.directory import RunDirectory

TINY = RunConfig(
    data=DataConfig(image_size=32, count=40, punctured=False),
    training=TrainingConfig(epochs=1, batch_size=16, device="cpu", precision="float32"),
)
PLANNED = [
    PlannedTraining(f"seed-{seed}", dataclasses.replace(
        TINY, training=dataclasses.replace(TINY.training, seed=seed)
    ), f"seed {seed}", "tiny") for seed in (0, 1)
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> ExperimentFolder:
    return ExperimentFolder(tmp_path / "experiment")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A SLURM of which only the commands are there; its jobs run at once, and ``queue`` has a file for each."""
    queue, programs = tmp_path / "queue", tmp_path / "programs"
    queue.mkdir()
    programs.mkdir()
    scripts = {
        "sbatch": f"for last; do :; done; n=$(ls {tmp_path}/numbers 2>/dev/null | wc -l)\n"
        f"mkdir -p {tmp_path}/numbers/$n\n"
        f'touch {queue}/$n; (bash "$last" >/dev/null 2>&1; rm {queue}/$n) </dev/null >/dev/null 2>&1 &\necho "$n;here"',
        "squeue": f"[ ! -e {queue}/$3 ] || echo RUNNING",
    }
    for name, text in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return tmp_path / "numbers"


def test_trainings_run_side_by_side_each_in_its_run_directory(folder, preloaded_python, monkeypatch):
    monkeypatch.setattr("sys.executable", preloaded_python.executable)
    said: list[str] = []
    with folder.begin("tiny", {}):
        train_in_workers(PLANNED, folder, said.append, 2, lambda worker: dict(os.environ))
        assert said[0] == "2 trainings in 2 processes at a time"
        assert said[-1].endswith("trained (2 of 2)")
        said.clear()
        train_in_workers(PLANNED, folder, said.append, 2, lambda worker: dict(os.environ))
    for training in PLANNED:
        run = RunDirectory.open(folder.run_path(training.name))
        assert run.status() == "finished"
        assert run.config.training == training.config.training
    assert said == ["0 trainings in 0 processes at a time"], "what is trained is left as it is"


def test_a_training_that_fails_is_told_with_what_it_said_last(folder, tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho no space left >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    said = r"seed 0 has ended and is not finished.* It said last: no space left"
    with pytest.raises(ExperimentError, match=said), folder.begin("tiny", {}):
        train_in_workers(PLANNED, folder, lambda text: None, 1, lambda worker: dict(os.environ))


def test_jobs_are_queued_once_and_waited_for(folder, slurm, preloaded_python):
    def script(arguments: Sequence[str], name: str) -> str:
        return f"#!/bin/bash\n{preloaded_python.executable} -P -m core.cli {shlex.join(arguments)}\n"

    said: list[str] = []
    with folder.begin("tiny", {}):
        (folder.path / "jobs").mkdir()
        (folder.path / "jobs" / "seed-1.job").write_text("99")  # of a job that is gone, without a word
        train_in_slurm(PLANNED, folder, said.append, script, poll_s=0.05)
    assert said[:2] == ["seed 0: queued as job 0", "seed 1: queued as job 1"]
    assert len(list(slurm.iterdir())) == 2
    assert all(RunDirectory.open(folder.run_path(one.name)).status() == "finished" for one in PLANNED)


def test_a_job_that_ends_without_finishing_is_told(folder, slurm):
    said = r"seed 0 has ended and is not finished; see .*seed-0\.log"
    with pytest.raises(ExperimentError, match=said), folder.begin("tiny", {}):
        train_in_slurm(PLANNED[:1], folder, lambda text: None, lambda *_: "#!/bin/bash\nexit 3\n", poll_s=0.05)


def test_what_the_command_line_cannot_do_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    out = ["transects", "--quick", "--out", str(tmp_path / "o")]
    assert main(["experiment", "--workers", "0", *out]) == 2
    assert "--workers is 0" in capsys.readouterr().err
    assert main(["experiment", "--job=--gpus 1", *out]) == 2
    assert "--job is for --cluster slurm" in capsys.readouterr().err
    assert main(["experiment", "--cluster", "slurm", "--job=--time soon", *out]) == 2
    assert "--time is 'soon'" in capsys.readouterr().err
    assert main(["experiment", "--cluster", "slurm", *out]) == 2
    assert "there is no sbatch here" in capsys.readouterr().err
