"""`isoline share`: a run as one HTML file that works offline, with the decoder running in the page."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from core.cli.progress import reporter
from core.sharing.contents import PageChoice


@dataclass(frozen=True)
class Options:
    """Write a run as one HTML file to hand on: the cloud, its images and saved paths, and the decoder itself. The file
    opens by double click, needs no server and asks nothing of any network. It holds labels, small pictures and names
    of the samples, unless you leave these out."""

    run: Annotated[Path, tyro.conf.Positional]
    """The run folder."""
    page: tyro.conf.OmitArgPrefixes[PageChoice]
    out: Path | None = None
    """The page to write, an .html file. Default: the run's name in the present folder."""
    progress: Literal["bar", "json", "none"] = "bar"
    """json: for other programs, one line {"progress": 0.42} per percent; closing standard input then cancels."""


def run(options: Options) -> int:
    """Write the page; returns 0. Raises ``ShareError``, ``RunError`` or ``CheckpointError``."""
    from core.sharing.page import write_page

    out = options.out or Path(f"{options.run.resolve().name}.html")
    with reporter(options.progress, "share") as report:
        page = write_page(options.run, out, options.page, report)
    for remark in page.remarks:
        print(f"left out: {remark}", file=sys.stderr)
    if options.progress != "json":
        print(f"{page.path}  {page.size / 1e6:.1f} MB")
    return 0
