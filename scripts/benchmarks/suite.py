"""How long the whole test suite takes, as ``scripts/test.py`` runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from time import perf_counter

from benchmarks.figures import Figure
from benchmarks.processes import TAIL, ProgramFailed, environment

ARGUMENTS = ("-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")


def figures(quick: bool, tree: Path) -> list[Figure]:
    """Seconds of one run. Raises ``ProgramFailed`` if a test fails."""
    begun = perf_counter()
    command = [sys.executable, "-m", "pytest", *ARGUMENTS]
    done = subprocess.run(command, cwd=tree, env=environment(tree), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ProgramFailed(f"the suite failed: {(done.stdout + done.stderr)[-TAIL:]}")
    return [Figure("test suite", "s", (perf_counter() - begun,))]
