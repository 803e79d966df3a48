"""`isoline dataset allow`: let a run that was not made here read the images and labels that it names."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True)
class Options:
    """Let a run read the images and labels that it names, which it may not unless it was made on this computer.

    You are told which files or folders these are, and asked."""

    run: tyro.conf.Positional[Path]
    """The run folder."""
    yes: bool = False
    """Do not ask."""


def run(options: Options) -> int:
    """Ask, and keep the answer; returns 0. Raises ``NotAllowedError`` for a no, ``NotKeptError``, ``RunError``."""
    from core.data.allowed_files import NotAllowedError, allow, unallowed
    from core.runs.directory import RunDirectory

    found = RunDirectory.open(options.run)
    places = unallowed(found)
    if not places:
        print(f"{found.path} reads nothing that it may not.")
        return 0
    print(f"{found.path} wants to read\n" + "\n".join(f"  {place}" for place in places), file=sys.stderr)
    if not options.yes:
        if not sys.stdin.isatty():
            raise NotAllowedError(f"{found.path} was not allowed it: run this in a terminal, where you are asked, or "
                                  "with --yes.")  # fmt: skip
        print("Allow it? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise NotAllowedError(f"{found.path} was not allowed it.")
    allow(found)
    print(f"{found.path} may read it from now on.")
    return 0
