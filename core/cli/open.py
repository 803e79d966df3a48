"""`isoline open`: the window on a run, or on a person's own Python file once they have said yes to it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from core.cli.consent import ask
from core.cli.progress import progress_bar
from core.exploring.consent import ProgramError, read_program
from core.projects.archive import SUFFIX, read_about
from core.runs.directory import RunDirectory, folder_of


@dataclass(frozen=True)
class Options:
    """Open the window on a run folder, on a project file, or on a model in a Python file that defines decode(z);
    optionally also encode(x), images, labels, files, latents, latent_dim, axes and values, as for isoline.explore.

    A Python file is run only after you have said yes to it, and asked about again when it has changed."""

    path: tyro.conf.Positional[Path]
    """A run folder, a file of weights in one, a project (.isoline), or a .py file."""
    yes: str | None = None
    """For scripts, which cannot be asked: run the file if this is its SHA-256."""
    out: Path | None = None
    """Of a .py file: the run folder to keep what is shown in. Default: a temporary one."""


def run(options: Options) -> int:
    """Open the window, and return when it has been closed: 0, or what it returned.

    Raises ``ProgramError``, ``RunError``, ``ProjectError``.
    """
    if options.path.suffix.lower() == ".py":
        return _open_program(options)
    if options.yes is not None or options.out is not None:
        raise ProgramError(f"{options.path} is no Python file, so --yes and --out cannot be used; leave them out.")
    if options.path.suffix.lower() == SUFFIX:
        read_about(options.path)  # what is no project is said here, not in a window
        return _open_window(options.path)
    folder = folder_of(options.path)
    if folder != options.path:
        print(f"{options.path} belongs to the run {folder}, which is opened with its newest weights.")
    return _open_window(RunDirectory.open(folder).path)


def _open_window(path: Path) -> int:
    return subprocess.run([sys.executable, "-P", "-m", "explorer", str(path)], check=False).returncode


def _open_program(options: Options) -> int:
    from core.exploring.program import view_of

    program = read_program(options.path)
    ask(program, options.yes)
    with progress_bar("asking the program for its samples") as report:
        view = view_of(program, options.out, report)
    print("\n".join(f"note: {note}" for note in view.notes), flush=True)
    try:
        view.wait()
    except KeyboardInterrupt:
        view.close()
        raise
    return 0
