"""How a training shows itself in a terminal: one live line, or, where output goes to a file, a line an epoch."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from core.config import RunConfig
from core.runs.commands import remedy_lines
from core.runs.metrics_log import Record
from core.utils.text import aligned

QUIET_S = 1.0
"""Between two lines about the images that are being prepared, where there is no terminal."""
_SHOWN_EVENTS = (
    "started",
    "data",
    "computation",
    "encoding",
    "paused",
    "resumed",
    "hyperparameters",
    "warning",
    "exploded",
    "stopped",
    "finished",
)


class _Console(Console):
    """Rich ends the program when its reader is gone; a training goes on."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class TrainDisplay:
    """Shows records as they are written. A context manager. Nothing it does can stop a training: when standard output
    is gone (a closed terminal, a closed pipe), it shows nothing more."""

    def __init__(self, config: RunConfig, out: Path, beginning: str = "preparing the images") -> None:
        self._out, self._beginning = out, beginning
        self._epochs = config.training.epochs
        self._squared = config.loss.reconstruction == "mse"
        self._console = _Console(file=sys.stdout, highlight=False)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._last: Record = {}
        self._report: Record | None = None
        self._silent = False
        self._told = time.monotonic()

    def __enter__(self) -> TrainDisplay:
        if self._console.is_terminal:
            text = TextColumn("{task.description}", markup=False)
            self._bar = Progress(BarColumn(bar_width=24), text, console=self._console)
            self._attempt(self._bar.start)
            self._task = self._bar.add_task(self._beginning, total=1.0)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._attempt(self._bar.stop)

    def data(self, fraction: float) -> None:
        """This fraction of the images is ready."""
        text = f"preparing the images  {fraction:.0%}"
        self._update(fraction, text)
        now = time.monotonic()
        if self._bar is None and now - self._told >= QUIET_S:
            self._told = now
            self.print(text)

    def record(self, record: Record) -> None:
        """A record of ``metrics.jsonl`` was written."""
        kind = record["kind"]
        if kind == "step":
            self._last = record
            self._update(record["step"] / record["total_steps"], self._step_text(record))
        elif kind == "epoch":
            self.print(self._epoch_text(record))
        elif kind == "event" and record["event"] in _SHOWN_EVENTS:
            message = record.get("message")
            told = message if message and message.startswith(record["event"]) else None
            self.print(told or (f"{record['event']}: {message}" if message else record["event"]))
            if record["event"] == "exploded":
                self.print(f"This command ends this training, if it still waits, and does both:\n  {record['command']}")
            if record["event"] == "finished" and self._report is not None:
                self.print(_report_text(self._report, self._squared))
                for finding in self._report["findings"]:
                    self.print("\nwarning: " + "\n".join(remedy_lines(self._out, finding)))
        elif kind == "report":
            self._report = record

    @property
    def is_terminal(self) -> bool:
        return self._bar is not None

    def print_step(self) -> None:
        """Print the present step as a line, once, where no live line shows it."""
        if self._last and self._bar is None:
            self.print(self._step_text(self._last))

    def print(self, text: str) -> None:
        """Print lines, above the live one."""
        self._attempt(lambda: self._console.print(text, markup=False, soft_wrap=True))

    def _update(self, fraction: float, text: str) -> None:
        bar, task = self._bar, self._task
        if bar is not None and task is not None:
            self._attempt(lambda: bar.update(task, completed=fraction, description=text))

    def _attempt(self, show: Any) -> None:
        if self._silent:
            return
        try:
            show()
        except OSError:
            self._silent = True
            if sys.stdout is sys.__stdout__:  # what is still in its buffer must not fail when the process ends
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _step_text(self, record: Record) -> str:
        parts = [f"epoch {record['epoch']}/{self._epochs}", f"loss {record['loss']:.5f}"]
        parts += [f"{short} {record[name]:.4g}" for short, name in (("rec", "reconstruction"), ("kl", "kl"))]
        if record["entanglement"]:
            parts.append(f"ent {record['entanglement']:.4g}")
        return "  ".join([*parts, *(["validating"] if record["ends_epoch"] else _speed(record))])

    def _epoch_text(self, record: Record) -> str:
        validation = record["validation"]
        parts = [f"epoch {record['epoch']}/{self._epochs}"]
        if self._last:
            parts.append(f"loss {self._last['loss']:.5f}")
        if validation:
            parts.append(f"validation {validation['loss']:.5f}")
            if self._squared:
                parts.append(f"squared error {validation['reconstruction']:.5f}")
            else:
                parts.append(f"excess BCE {validation['excess_bce']:.5f}")
        return "  ".join([*parts, *_speed(self._last), *(["best"] if record["best"] else [])])


def _report_text(record: Record, squared: bool) -> str:
    """The final report in a few lines: what could be had. ``squared``: the model was trained on the squared error."""
    from core.training.recorder import NEIGHBOURS  # loads torch, as the training has done

    lines: list[tuple[str, str]] = []

    def number(label: str, name: str, digits: int, more: str = "") -> None:
        if record.get(name) is not None:
            lines.append((label, f"{record[name]:.{digits}f}{more}"))

    interval = ""
    if record.get("twonn_low") is not None:
        interval = f"  (95 %: {record['twonn_low']:.2f} to {record['twonn_high']:.2f})"
    if squared:
        number("squared error, validation", "squared_error", 5)
    else:
        number("excess BCE, validation", "excess_bce", 5)
    error = record["squared_error"] if record["squared_error"] is not None else record["squared_error_training"]
    whole = record["squared_error_mean_image"]
    lines.append(("  of that of the mean image", f"{error / whole:.1%}" if whole else "not available"))
    number("intrinsic dimension, TwoNN", "twonn", 2, interval)
    neighbours = f"trustworthiness, {NEIGHBOURS} neighbours"
    number(f"{neighbours}, parameters to cloud", "trustworthiness_parameters_to_cloud", 4)
    number(f"{neighbours}, cloud to parameters", "trustworthiness_cloud_to_parameters", 4)
    lines.append(("active latent dimensions", f"{record['active_dimensions']} of {len(record['latent_signal'])}"))
    seconds = record["seconds"]
    lines.append(("training time", f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"))
    return "\n".join(aligned(lines) + ([record["note"]] if "note" in record else []))


def _speed(record: Record) -> list[str]:
    parts = []
    if record.get("images_per_second") is not None:
        parts.append(f"{record['images_per_second']:.0f} images/s")
    if (left := record.get("eta_seconds")) is not None:
        minutes, seconds = divmod(round(left), 60)
        hours, minutes = divmod(minutes, 60)
        parts.append(f"{hours}:{minutes:02d}:{seconds:02d} left" if hours else f"{minutes}:{seconds:02d} left")
    return parts
