"""`isoline experiment`: train, measure and report one of the published experiments, or resume it."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

from core.experiments.entanglement import experiment as entanglement
from core.experiments.factor_leakage import experiment as factor_leakage
from core.experiments.folder import Progress, Stopped, read_progress
from core.experiments.transects import experiment as transects
from core.utils.process_priority import lower_priority

POLL_S = 0.5
"""Seconds between two readings of the experiment's progress."""

Experiment = (
    Annotated[transects.Options, tyro.conf.subcommand("transects")]
    | Annotated[entanglement.Options, tyro.conf.subcommand("entanglement")]
    | Annotated[factor_leakage.Options, tyro.conf.subcommand("curves")]
)


@dataclass(frozen=True)
class Options:
    """Train, measure and report one of the published experiments, or resume it."""

    experiment: tyro.conf.OmitArgPrefixes[tyro.conf.OmitSubcommandPrefixes[Experiment]]
    nice: int = 0
    """Lower the priority to favour other programs: the larger, the lower (where the system has priorities)."""


def run(options: Options) -> int:
    """Run the experiment; returns 0 when it is done or was stopped."""
    lower_priority(options.nice)
    chosen = options.experiment
    with _Display(chosen.out) as display:
        try:
            if isinstance(chosen, transects.Options):
                transects.run(chosen, display.log)
            elif isinstance(chosen, entanglement.Options):
                entanglement.run(chosen, display.log)
            else:
                factor_leakage.run(chosen, display.log)
        except Stopped:
            display.log("stopped; run the same command again to resume")
    return 0


def exit_status(error: Exception) -> int:
    """1 if a training failed, 2 if the experiment was refused."""
    return 1 if type(error).__name__ == "TrainingError" else 2


class _Display:
    """Lines of an experiment on the console, and below them, in a terminal, a progress bar.

    A context manager. It follows ``progress.json`` as any other watcher does.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._console = Console(file=sys.stdout, highlight=False)
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> _Display:
        if self._console.is_terminal:
            text = TextColumn("{task.description}", markup=False)
            self._bar = Bar(BarColumn(bar_width=24), text, console=self._console)
            self._task = self._bar.add_task("starting", total=1.0)
            self._bar.start()
            self._thread = threading.Thread(target=self._follow, name="experiment-display", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        if self._bar is not None:
            self._bar.stop()

    def log(self, text: str) -> None:
        """Print a line, above the progress bar."""
        self._console.print(text, markup=False, soft_wrap=True)

    def _follow(self) -> None:
        while not self._ended.wait(POLL_S):
            progress = read_progress(self._out)
            if progress is not None and self._bar is not None and self._task is not None:
                self._bar.update(self._task, completed=progress.fraction, description=describe(progress))


def describe(progress: Progress) -> str:
    """One line: what is being done, the share, the time left."""
    parts = [f"{progress.fraction:.0%}", progress.message]
    if progress.eta_seconds is not None:
        minutes = round(progress.eta_seconds / 60)
        left = f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
        parts.append(f"{left} of training left" if minutes else "less than a minute of training left")
    return "  ".join(parts)
