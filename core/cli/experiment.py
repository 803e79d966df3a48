"""`isoline experiment`: run one of the published experiments and write its report, or resume it."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from core.experiments.entanglement.options import Options as EntanglementOptions
from core.experiments.factor_leakage.options import Options as CurveOptions
from core.experiments.folder import Progress, Stopped, read_progress
from core.experiments.options import Log
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
    nice: int = 0
    """Niceness, 0 to 19: higher values give this process a lower priority (where the system supports it)."""


def run(options: Options) -> int:
    """Run the experiment; returns 0 when it is done or was stopped, ``core.training.launch.TO_BE_CONTINUED`` after
    SIGUSR1."""
    lower_priority(options.nice)
    chosen = options.experiment
    with _display(chosen.out) as log:
        try:
            run_experiment(chosen, log)
        except Stopped as stop:
            log("stopped; run the same command again to resume")
            if stop.args[:1] == ("SIGUSR1",):  # the time of a cluster's job is nearly up
                log(requeue())
                return TO_BE_CONTINUED
    return 0


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
