"""Asking for the yes to a person's Python file, in a terminal."""

from __future__ import annotations

import sys

from core.exploring.consent import WARNING, Program, ProgramError, allow, has_changed, is_allowed


def ask(program: Program, yes: str | None) -> None:
    """Return if a person has said yes to ``program``, now or earlier. Raises ``ProgramError`` if not."""
    if yes is not None and yes.lower() != program.sha256:
        raise ProgramError(f"--yes is {yes}; the SHA-256 of {program.path} is {program.sha256}. It was not run.")
    if yes is not None or is_allowed(program):
        return
    changed = "It has changed since you said yes to it. " if has_changed(program) else ""
    if not sys.stdin.isatty():
        raise ProgramError(
            f"{program.path} is a Python program that nobody has said yes to, and was not run. {changed}Run the "
            f"command in a terminal, where you are asked, or with --yes {program.sha256}"
        )
    print(f"{program.described}\n{changed}{WARNING}", file=sys.stderr)
    print("Run it? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ProgramError(f"{program.path} was not run.")
    allow(program)
