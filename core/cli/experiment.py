"""`isoline experiment`: run one of the published experiments and write its report, or resume it."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from core.cli.slurm import Options as SlurmOptions
from core.cli.slurm import batch_script
from core.cli.workers import worker_environment
from core.experiments.entanglement.options import Options as EntanglementOptions
from core.experiments.factor_leakage.options import Options as CurveOptions
from core.experiments.folder import ExperimentFolder, Progress, Stopped, read_progress
from core.experiments.options import ExperimentError, Log, PlannedTraining
from core.experiments.runner import TrainFirst
from core.experiments.runner import run as run_experiment
from core.experiments.transects.options import Options as TransectOptions
from core.training.launch import TO_BE_CONTINUED, requeue
from core.utils.process_priority import lower_priority

POLL_S = 0.5
"""Seconds between progress updates."""

Experiment = (
    Annotated[TransectOptions, tyro.conf.subcommand("transects")]
    | Annotated[EntanglementOptions, tyro.conf.subcommand("entanglement")]
    | Annotated[CurveOptions, tyro.conf.subcommand("curves")]
)


@dataclass(frozen=True)
class Options:
    """Train, measure and report one of the published experiments, or resume it."""

    experiment: tyro.conf.OmitArgPrefixes[tyro.conf.OmitSubcommandPrefixes[Experiment]]
    cluster: Literal["local", "slurm"] = "local"
    """Where the trainings run: local, on this machine; slurm: each as a job, queued by sbatch, for which this command
    waits; if it is ended, the jobs go on, and the same command waits for them again."""
    workers: int = 1
    """On this machine: so many trainings at a time, each in a process of its own, with its share of the processors, or
    a GPU."""
    job: str = ""
    """For slurm: flags of `isoline slurm` for each job, such as --job="--gpus 1 --time 4:00:00"."""
    nice: int = 0
    """Niceness, 0 to 19: higher values give this process a lower priority (where the system supports it)."""


def run(options: Options) -> int:
    """Run the experiment; returns 0 when it is done or was stopped, ``core.training.launch.TO_BE_CONTINUED`` after
    SIGUSR1."""
    if options.workers < 1:
        raise ExperimentError(f"--workers is {options.workers}; it must be 1 or more.")
    if options.job and options.cluster != "slurm":
        raise ExperimentError("--job is for --cluster slurm; leave it out.")
    lower_priority(options.nice)
    chosen = options.experiment
    with _display(chosen.out) as log:
        try:
            run_experiment(chosen, log, _train_first(options, log))
        except Stopped as stop:
            log("stopped; run the same command again to resume")
            if stop.args[:1] == ("SIGUSR1",):  # the time of a cluster's job is nearly up
                log(requeue())
                return TO_BE_CONTINUED
    return 0


def _train_first(options: Options, log: Log) -> TrainFirst | None:
    """What trains in other processes, if that was asked for."""
    if options.cluster == "slurm":
        job = tyro.cli(SlurmOptions, prog="--job", args=[*shlex.split(options.job), "train"])

        def script(arguments: Sequence[str], name: str) -> str:
            return batch_script(dataclasses.replace(job, command=tuple(arguments), name=name))

        script(["train", "--out", "run"], "isoline")  # what the flags say is looked at before anything is done

        def train_in_jobs(planned: Sequence[PlannedTraining], folder: ExperimentFolder) -> None:
            from core.experiments.jobs import train_in_slurm

            train_in_slurm(planned, folder, log, script)

        return train_in_jobs
    if options.workers == 1:
        return None

    def train_beside(planned: Sequence[PlannedTraining], folder: ExperimentFolder) -> None:
        from core.experiments.jobs import train_in_workers

        train_in_workers(planned, folder, log, options.workers, lambda i: worker_environment(i, options.workers))

    return train_beside


@contextlib.contextmanager
def _display(out: Path) -> Iterator[Log]:
    """Gives a function that prints a line; in a terminal, a progress bar stays below the lines.

    The bar follows ``progress.json`` in ``out`` as any other watcher does.
    """
    console = Console(file=sys.stdout, highlight=False)

    def log(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    if not console.is_terminal:
        yield log
        return
    with Bar(BarColumn(bar_width=24), TextColumn("{task.description}", markup=False), console=console) as bar:
        task, ended = bar.add_task("starting", total=1.0), threading.Event()

        def follow() -> None:
            while not ended.wait(POLL_S):
                if (progress := read_progress(out)) is not None:
                    bar.update(task, completed=progress.fraction, description=describe(progress))

        thread = threading.Thread(target=follow, name="experiment-display", daemon=True)
        thread.start()
        try:
            yield log
        finally:
            ended.set()
            thread.join()


def describe(progress: Progress) -> str:
    """One line: what is being done, the fraction done, the time left."""
    parts = [f"{progress.fraction:.0%}", progress.message]
    if progress.eta_seconds is not None:
        minutes = round(progress.eta_seconds / 60)
        left = f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
        parts.append(f"{left} of training left" if minutes else "less than a minute of training left")
    return "  ".join(parts)
