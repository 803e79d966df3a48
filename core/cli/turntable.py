"""`isoline turntable`: a run's embedding turning once, as a film, without a display."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from core.cli.progress import reporter
from core.rendering.turntable import Film, Look, check_suffix, export_turntable, make_cloud
from core.runs.directory import RunDirectory


@dataclass(frozen=True)
class Options:
    """Film the embedding of a run turning once about its upright axis, coloured by a factor, with labelled axes."""

    run: Annotated[Path, tyro.conf.Positional]
    """The run folder."""
    out: Path
    """Output file; its name ends in .mp4 or .gif."""
    film: tyro.conf.OmitArgPrefixes[Film]
    look: Annotated[Look, tyro.conf.OmitArgPrefixes, tyro.conf.UseAppendAction]
    epoch: int | None = None
    """Epoch to show (0: before training). Default: the newest."""
    progress: Literal["bar", "json", "none"] = "bar"
    """json: for other programs, one line {"progress": 0.42} per percent; closing standard input then cancels."""


def run(options: Options) -> int:
    """Draw and write; returns 0. Raises ``TurntableError``, ``RunError`` or ``ExportError``."""
    check_suffix(options.out)
    cloud = make_cloud(RunDirectory.open(options.run), options.look, options.epoch)
    with reporter(options.progress, "turntable") as report:
        export_turntable(options.out, cloud, options.film, options.look, report)
    if options.progress != "json":
        print(f"{options.out}  {options.out.stat().st_size / 1e6:.1f} MB")
    return 0
