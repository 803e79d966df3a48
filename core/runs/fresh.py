"""A run that is made at once, such as one of an imported model: whole in its place, or not at all."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from core.runs.directory import RunDirectory, RunError, unwritable


@contextlib.contextmanager
def made_beside(out: Path) -> Iterator[Path]:
    """A folder beside ``out`` that becomes ``out`` when the block ends, and vanishes when the block raises.

    Raises ``RunError`` if ``out`` holds a run, or anything else, or cannot be written.
    """
    out = Path(out)
    if RunDirectory.exists(out):
        raise RunError(f"{out} already holds a run. Choose another folder with --out.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out} exists and is not empty. Choose another folder with --out.")
    fresh = out.with_name(f".{out.name}.importing")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        yield fresh
        if out.exists():
            out.rmdir()
        fresh.rename(out)
    except OSError as error:
        raise unwritable(out, error) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
