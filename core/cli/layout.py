"""`isoline layout`: lay the cloud of a run out by UMAP or PaCMAP, and keep that with the run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from core.analysis.layouts import Method
from core.cli.progress import reporter
from core.utils.text import counted


@dataclass(frozen=True)
class Options:
    """Lay the latent cloud of a run out in three dimensions by UMAP or PaCMAP (the extra "umap"). The window shows it
    at once then. Distances and straight lines in a layout are not those of latent space."""

    run: Annotated[Path, tyro.conf.Positional]
    """The run folder."""
    method: Method = "umap"
    """umap or pacmap."""
    epochs: Literal["newest", "all"] = "newest"
    """newest: the newest means; all: those of every stored epoch, too, each aligned with the one after it."""
    progress: Literal["bar", "json"] = "bar"
    """bar: a bar in the terminal; json: a line on standard output for every percent, for a program that closes this
    one's standard input to cancel."""


def run(options: Options) -> int:
    """Make the layouts that are missing; returns 0. Raises ``LayoutError`` and ``RunError``."""
    from core.analysis.layouts import lay_out_run
    from core.runs.directory import RunDirectory

    directory = RunDirectory.open(options.run)
    # At once, for a layout takes long and hears nothing meanwhile.
    with reporter(options.progress, "laying out the cloud", at_once=True) as report:
        made = lay_out_run(directory, options.method, options.epochs == "all", report)
    if options.progress == "bar":
        print(f"{counted(made, 'layout')} made; {directory.path / 'layouts'} has them.")
    return 0
