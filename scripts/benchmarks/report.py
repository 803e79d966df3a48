"""What was measured, printed and as ``docs/performance.md``: tables, the machine, and whether other programs ran."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from benchmarks.figures import Comparison, Figure, number, shown, spread

BUSY = 1.5
"""A load average above so many times what the benchmark itself uses: other programs ran."""
PAGE = "docs/performance.md"
LARGE = ("large_data", "suite")
"""Parts that take long, and are measured if they are asked for: large_data makes 22 GB of images in half an hour."""
HEADINGS = {
    "limits": "What the machine can do",
    "start": "Until the window and the first image are there",
    "click": "From a click to pixels",
    "decoder": "Decoding and encoding",
    "cloud": "The cloud",
    "paths": "Paths",
    "training": "Training",
    "beside": "Training beside other work",
    "drawing": "Drawing the polar curves",
    "page": "The shared page",
    "large_data": "Own images in large numbers",
    "suite": "The test suite",
}


@dataclass(frozen=True)
class Load:
    """How busy the machine was: its load average (None where the system has none) when the benchmark began and ended,
    and the ``cores`` that the benchmark itself used, on average."""

    start: float | None
    end: float | None
    own: float

    @property
    def busy(self) -> bool | None:
        """Whether other programs ran beside it, or before it; None where that cannot be told."""
        if self.start is None or self.end is None:
            return None
        # Its last part may keep all cores busy, whatever the others used.
        return self.end > max(BUSY * self.own, (os.cpu_count() or 1) + 0.5) or self.start > BUSY

    @property
    def text(self) -> str:
        """In a sentence."""
        if self.start is None or self.end is None:
            return "This system has no load average: whether other programs ran beside is not known."
        told = (
            f"Load average {self.start:.2f} before and {self.end:.2f} after; the benchmark itself used {self.own:.2f}"
        )
        if self.busy:
            return f"{told} cores. **Other programs ran: only the ratios mean something, and those less than usual.**"
        return f"{told} cores: nothing else of weight ran."


def load_of(content: Mapping[str, Any]) -> Load:
    """The load that a run wrote into its JSON file."""
    return Load(content["start"], content["end"], content["own"])


class LoadMeter:
    """Measures a ``Load`` from when it is made."""

    def __init__(self) -> None:
        self._began, self._used, self._start = monotonic(), _used_s(), _load()

    def read(self) -> Load:
        """Until now."""
        return Load(self._start, _load(), (_used_s() - self._used) / max(monotonic() - self._began, 1e-9))


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def _used_s() -> float:
    """Processor seconds of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def machine() -> dict[str, str | int]:
    """What this runs on."""
    import psutil
    import torch

    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [line for line in info.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    return {
        "processor": name,
        "cores": os.cpu_count() or 0,
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }


def table(figures: Sequence[Figure]) -> str:
    """In columns, for a terminal."""
    rows = [("", "measured (quartiles)", "beside", "ratio", "bar", ""), *(figure.columns for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, [*widths, 0], strict=True)).rstrip() for row in rows
    )


def comparison_table(compared: Sequence[Comparison]) -> str:
    """Former and present version, for a terminal."""
    rows = [("", "A", "B", "B/A (quartiles)")]
    for figure in compared:
        if figure.ratios:
            a, b = spread(figure.first).median, spread(figure.second).median
            rows.append((f"{figure.name}, {figure.unit}".rstrip(", "), number(a), number(b), shown(figure.ratios)))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def page(
    parts: Mapping[str, Sequence[Figure]], about: Mapping[str, object], date: str, loads: Sequence[Load], quick: bool,
    gpu: Mapping[str, Any] | None = None,
) -> str:  # fmt: skip
    """``docs/performance.md``: ``parts`` by name in order; ``loads`` are of the runs
    that measured them; ``gpu`` is what ``scripts/gpu_check.py`` wrote."""
    missed = sum(figure.verdict == "MISSED" for figures in parts.values() for figure in figures)
    barred = sum(figure.bar is not None and figure.measured for figures in parts.values() for figure in figures)
    command = f"python scripts/benchmark.py{' --quick' if quick else ''} --write-docs"
    absent = [name for name in HEADINGS if name not in (*parts, *LARGE)]
    if absent:
        command += f" --part {' '.join(parts)}"
    written = f"by `{command}`" if len(loads) == 1 else f"from {len(loads)} runs of `scripts/benchmark.py` (`--read`)"
    lines = [
        "# Performance",
        "",
        f"Written {written}, measured on {date}. Each figure stands beside a limit of the same machine, or another "
        "program at the same work, that was measured in the same turns (A B, B A, …): medians, quartiles in brackets. "
        "Bars are ones of ratios, so that they mean the same on any machine.",
        "",
        " · ".join(f"{key} {value}" for key, value in about.items()),
        "",
        *(line for load in loads for line in (load.text, "")),
        "**Not measured on a GPU.**" if gpu is None else "On a GPU: the last table.",
        "",
        f"Of {barred} bars {missed} {'is' if missed == 1 else 'are'} missed. *undecided*: the bar lies between the "
        "quartiles.",
    ]
    for name, figures in parts.items():
        lines += ["", f"## {HEADINGS.get(name, name)}", "", *markdown(figures)]
    if gpu is not None:
        lines += [
            "",
            f"## On a GPU: {gpu['card']}",
            "",
            f"By `scripts/gpu_check.py` on {gpu['date']}, torch {gpu['torch']}.",
        ]
        lines += ["", "| | measured | |", "|---|---|---|"]
        for row in gpu["rows"]:
            value = "" if row["value"] is None else f"{number(row['value'])} {row['unit']}"
            lines.append(f"| {row['name']} | {value} | {row['note']} |")
    if absent := [*absent, *(name for name in LARGE if name not in parts)]:
        lines += ["", f"Not part of this run: {', '.join(absent)} (`--part NAME`)."]
    return "\n".join(lines) + "\n"


def markdown(figures: Sequence[Figure]) -> list[str]:
    """The lines of a table."""
    rows = ["| | measured | beside | ratio | bar | |", "|---|---|---|---|---|---|"]
    for figure in figures:
        cells = [cell.replace("|", "\\|").replace("\n", " ") for cell in figure.columns]
        if figure.verdict == "MISSED":
            cells[-1] = cells[-1].replace("MISSED", "**missed**")
        rows.append(f"| {' | '.join(cells)} |".replace("|  ", "| "))
    return rows
