"""The trainings of an experiment in processes of their own: several on this machine, or jobs of SLURM.

Each is one ``isoline train --requeue`` in its own run directory, so that what was ended goes on where it was, and the
window shows the runs as any others. In the experiment's folder, ``jobs`` has the configuration of each, what it has
printed, and for SLURM its script and the number of its job: whoever runs the experiment may be ended meanwhile, and
does not queue a job twice. submitit was not taken for that: on the node it unpickles what it is to run.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from core.config import config_to_dict
from core.experiments.folder import ExperimentFolder
from core.experiments.options import ExperimentError, Log, PlannedTraining
from core.experiments.training_queue import TRAINING_SHARE, complete_run
from core.utils.atomic_write import write_atomic
from core.utils.text import counted

POLL_S = 0.2
SLURM_POLL_S = 10.0
_COMMAND_S = 60.0

Environment = Callable[[int], dict[str, str]]
"""The environment of worker number i, from 0."""
Script = Callable[[Sequence[str], str], str]
"""The batch script of a command, and the name of its job."""


def train_in_workers(
    planned: Sequence[PlannedTraining], folder: ExperimentFolder, log: Log, workers: int, environment: Environment
) -> None:
    """Train what is not trained yet in ``workers`` processes at a time, inside ``folder.begin``.

    Trainings that end early on purpose (``max_steps``) are left to ``train_all``. Raises ``Stopped``, once all have
    saved their checkpoints, and ``ExperimentError`` for a required training that fails.
    """
    waiting = _waiting(planned, folder)
    number = counted(len(waiting), "training")
    log(f"{number} in {counted(min(workers, len(waiting)), 'process', 'processes')} at a time")
    running: dict[int, tuple[PlannedTraining, subprocess.Popen[bytes]]] = {}
    done, todo = 0, list(waiting)
    try:
        while todo or running:
            folder.check_stop()
            for worker in range(workers):
                if todo and worker not in running:
                    training = todo.pop(0)
                    running[worker] = training, _start(training, folder, environment(worker))
                    log(f"{training.label}: training")
            for worker, (training, process) in list(running.items()):
                if process.poll() is not None:
                    del running[worker]
                    _check_ended(training, folder)
                    done += 1
                    log(f"{training.label}: trained ({done} of {len(waiting)})")
            text = ", ".join(training.label for training, _ in running.values())
            folder.report(f"training {text}", TRAINING_SHARE * done / max(1, len(planned)))
            time.sleep(POLL_S)
    finally:
        for _, process in running.values():
            process.terminate()
        for _, process in running.values():
            process.wait()


def train_in_slurm(
    planned: Sequence[PlannedTraining], folder: ExperimentFolder, log: Log, script: Script, poll_s: float = SLURM_POLL_S
) -> None:
    """Queue a job for each training that is not trained yet, and wait until all are done, inside ``folder.begin``.

    Raises ``Stopped``, the jobs then go on, and ``ExperimentError`` where SLURM does not take a job, or one has ended
    without finishing its training.
    """
    for program in ("sbatch", "squeue"):
        if shutil.which(program) is None:
            raise ExperimentError(f"--cluster is slurm, and there is no {program} here; run it where jobs are queued.")
    waiting = _waiting(planned, folder)
    for training in waiting:
        job = _job(training, folder)
        if job is None or not _is_queued(job):
            job = _submit(training, folder, script)
            log(f"{training.label}: queued as job {job}")
        else:
            log(f"{training.label}: is job {job} already")
    left = list(waiting)
    while left:
        folder.check_stop()
        for training in list(left):
            if complete_run(training, folder) is not None:
                left.remove(training)
                log(f"{training.label}: trained ({len(waiting) - len(left)} of {len(waiting)})")
            elif (job := _job(training, folder)) is None or not _is_queued(job):
                _check_ended(training, folder)
        share = TRAINING_SHARE * (len(waiting) - len(left)) / max(1, len(planned))
        folder.report(f"{len(left)} of {counted(len(waiting), 'job')} left", share)
        if left:
            time.sleep(poll_s)


def _waiting(planned: Sequence[PlannedTraining], folder: ExperimentFolder) -> list[PlannedTraining]:
    waiting = [one for one in planned if one.max_steps is None and complete_run(one, folder) is None]
    for training in waiting:
        path = _file(training, folder, ".json")
        path.parent.mkdir(exist_ok=True)
        write_atomic(path, msgspec.json.encode(config_to_dict(training.config)))
    return waiting


def _file(training: PlannedTraining, folder: ExperimentFolder, suffix: str) -> Path:
    return folder.path / "jobs" / f"{training.name}{suffix}"


def _arguments(training: PlannedTraining, folder: ExperimentFolder) -> list[str]:
    config, out = _file(training, folder, ".json"), folder.run_path(training.name)
    return ["train", "--requeue", "--config", str(config.absolute()), "--out", str(out.absolute())]


def _start(training: PlannedTraining, folder: ExperimentFolder, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "core.cli", *_arguments(training, folder)]
    with open(_file(training, folder, ".log"), "ab") as output:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )


def _check_ended(training: PlannedTraining, folder: ExperimentFolder) -> None:
    """Raise ``ExperimentError`` if a training has ended and is not complete."""
    if complete_run(training, folder) is None:
        path = _file(training, folder, ".log")
        said = path.read_text("utf-8", "replace").strip().splitlines()[-1:] if path.exists() else []
        why = f" It said last: {said[0][:300]}" if said else ""
        raise ExperimentError(f"{training.label} has ended and is not finished; see {path}.{why}")


def _job(training: PlannedTraining, folder: ExperimentFolder) -> str | None:
    """The number of its job, if one was queued."""
    path = _file(training, folder, ".job")
    text = path.read_text("ascii", "replace").strip() if path.exists() else ""
    return text if text.isdecimal() else None


def _submit(training: PlannedTraining, folder: ExperimentFolder, script: Script) -> str:
    path = _file(training, folder, ".sbatch")
    write_atomic(path, script(_arguments(training, folder), f"isoline-{training.name}").encode())
    done = _run(["sbatch", "--parsable", f"--output={_file(training, folder, '.log').absolute()}", str(path)])
    job = done.stdout.strip().partition(";")[0]
    if done.returncode or not job.isdecimal():
        why = " ".join((done.stderr or done.stdout).split())[:300]
        raise ExperimentError(f"sbatch has not taken {path}: {why}. Change what --job says, and try again.")
    write_atomic(_file(training, folder, ".job"), job.encode())
    return job


def _is_queued(job: str) -> bool:
    """Whether a job waits or runs; a controller that does not answer just now is taken for a yes."""
    done = _run(["squeue", "--noheader", "--jobs", job, "--format", "%T"])
    if done.returncode:
        return "Invalid job id" not in done.stderr
    return bool(done.stdout.strip())


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_COMMAND_S)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"{shlex.join(command)} did not answer")
