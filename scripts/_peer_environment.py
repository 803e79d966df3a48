"""Programs that Isoline is compared with and that are no dependency of it: each in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path


def peer_python(folder: Path, packages: Sequence[str], *, install: bool) -> Path | None:
    """The Python of the environment ``folder`` with ``packages``; None if it was not made and may not be.

    ``install``: make it if it is not there, by pip. Raises ``subprocess.CalledProcessError`` if that fails.
    """
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not (folder / "ready").exists():
        if not install:
            return None
        print(f"installing {', '.join(packages)} in {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
        (folder / "ready").touch()
    return python
