"""Finding the run again that a project is about, when folders have moved or another computer has it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from core.projects.project import RunReference
from core.runs.directory import RunDirectory, RunError

MOST_NEIGHBOURS = 500  # folders that are looked into beside one place


def reference(run: RunDirectory, project_file: Path | None = None, bundled: bool = False) -> RunReference:
    """What finds ``run`` again; with the way to it from the folder of ``project_file``."""
    path, relative = Path(os.path.abspath(run.path)), ""
    if project_file is not None:
        try:
            relative = Path(os.path.relpath(path, os.path.abspath(project_file.parent))).as_posix()
        except ValueError:  # on another drive
            relative = ""
    return RunReference(str(path), relative, run.fingerprint, bundled)


def find_run(wanted: RunReference, project_file: Path | None = None, places: Collection[Path] = ()) -> Path | None:
    """The folder of the ``wanted`` run; None if it is nowhere.

    It is looked for where it was, where it was seen from the project file, beside that file, and in ``places``, which
    are runs or folders of runs. A folder with another run in it is not taken for it.
    """
    looked_at: set[Path] = set()
    for folder in _candidates(wanted, project_file, places):
        if folder not in looked_at:
            looked_at.add(folder)
            try:
                if RunDirectory.exists(folder) and RunDirectory.open(folder).fingerprint == wanted.fingerprint:
                    return folder
            except (RunError, OSError):  # no run, or none that can be opened: not the wanted one
                continue
    return None


def _candidates(wanted: RunReference, project_file: Path | None, places: Collection[Path]) -> Iterator[Path]:
    name = Path(wanted.path.replace("\\", "/")).name
    if wanted.bundled:
        yield from places  # not from where another version of Isoline has it, or had
    if wanted.path:
        yield Path(wanted.path)
    beside = [] if project_file is None else [project_file.absolute().parent]
    if beside and wanted.relative:
        yield Path(os.path.normpath(beside[0] / wanted.relative))
    for place in (*beside, *places):
        yield place
        if name:
            yield place / name
        yield from _folders_in(place)


def _folders_in(place: Path) -> list[Path]:
    """The newest first: what has been moved or copied has been so lately."""
    try:
        with os.scandir(place) as entries:
            found = [(entry.stat().st_mtime, entry.path) for entry in entries if entry.is_dir()]
    except OSError:  # not there, or closed to us
        return []
    return [Path(path) for _, path in sorted(found, reverse=True)[:MOST_NEIGHBOURS]]
