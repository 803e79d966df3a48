"""A run inside a project file: what opening and decoding need of it, to hand to somebody who has no such folder."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from core.paths.saved_paths import FOLDER as SAVED_PATHS
from core.projects.archive import RUN_FOLDER, faults
from core.projects.project import ProjectError
from core.runs.directory import RunDirectory, RunError, unwritable
from core.utils.untrusted import MEGABYTE, Archive, UnreadableError, open_archive, open_regular

MAX_RUN = 32 * 1024 * MEGABYTE
MOST_FILES = 10_000
_SINGLE = ("config.json", "probe.npz", "weights.safetensors", "metrics.jsonl")
_CHECKPOINTS = ("checkpoints/last.safetensors", "checkpoints/best.safetensors")
_FOLDERS = {"embeddings": ".npy", SAVED_PATHS: ".json", "layouts": ".npz", "model": ""}
"""Folders whose files belong to it, by the ending that these must have."""
_FORBIDDEN = set('/\\:*?"<>|')  # by one file system or another
_COMPRESSIBLE = (".json", ".jsonl")


def embedded_files(run: RunDirectory, epoch: int | None = None) -> dict[str, Path]:
    """What goes into the file, by the name below the run's folder: configuration, samples, newest means and those of
    ``epoch``, weights (if there are none, a checkpoint) or the imported model, losses, saved paths and layouts."""
    names = list(_SINGLE)
    if run.imported is None and not run.weights_path.is_file():
        names += [next((name for name in _CHECKPOINTS if (run.path / name).is_file()), "")]
    epochs = run.embedding_epochs()
    newest = None if run.live_stamp() is not None or not epochs else epochs[-1]
    wanted = {newest, epoch} if epoch in epochs else {newest}
    names += [run.embedding_path(number).relative_to(run.path).as_posix() for number in wanted]
    for folder, ending in _FOLDERS.items():
        if folder != "embeddings":
            found = sorted(path for path in (run.path / folder).rglob("*") if path.name.endswith(ending))
            names += [path.relative_to(run.path).as_posix() for path in found]
    files = {name: run.path / name for name in names if name}
    return {name: path for name, path in files.items() if _belongs(name) and path.is_file() and not path.is_symlink()}


def embedded_size(run: RunDirectory, epoch: int | None = None) -> int:
    """Bytes that the embedded run takes, about."""
    return sum(path.stat().st_size for path in embedded_files(run, epoch).values())


def add_run(archive: zipfile.ZipFile, run: RunDirectory, epoch: int | None = None) -> None:
    """Put the run into an ``archive`` that is being written. Raises ``OSError``, ``UnreadableError``."""
    for name, path in embedded_files(run, epoch).items():
        info = zipfile.ZipInfo(RUN_FOLDER + name, (1980, 1, 1, 0, 0, 0))
        info.compress_type = zipfile.ZIP_DEFLATED if path.suffix in _COMPRESSIBLE else zipfile.ZIP_STORED
        with open_regular(path) as source, archive.open(info, "w", force_zip64=True) as member:
            shutil.copyfileobj(source, member, MEGABYTE)


def has_run(path: Path) -> bool:
    """Whether a run is in the project file ``path``. Raises ``ProjectError``."""
    with faults(path), open_archive(path, MAX_RUN) as archive:
        return RUN_FOLDER + "config.json" in archive.sizes


def unpack_run(path: Path, folder: Path, name: str) -> Path:
    """Write the run in the project file ``path`` to a new folder in ``folder``, called ``name`` or, if that is taken,
    ``name (2)`` and so on; returns it. It is there whole or not at all, and nothing is written over.

    Raises ``ProjectError``, also for a run that cannot be opened.
    """
    with faults(path), open_archive(path, MAX_RUN) as archive:
        members = _members(archive)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder) as temporary:
                whole = Path(temporary) / "run"
                for member, below in members.items():
                    target = whole / below
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(member) as source, open(target, "xb") as file:
                        shutil.copyfileobj(source, file, MEGABYTE)
                try:
                    RunDirectory.open(whole)
                except RunError as error:
                    raise UnreadableError(f"the run in it cannot be opened: {error}") from error
                return _moved(whole, folder, name)
        except OSError as error:
            raise ProjectError(str(unwritable(folder, error))) from error


def _members(archive: Archive) -> dict[str, PurePosixPath]:
    """The files of the run, and where they go below its folder."""
    members = {name: name[len(RUN_FOLDER) :] for name in archive.sizes if name.startswith(RUN_FOLDER)}
    if RUN_FOLDER + "config.json" not in members:
        raise UnreadableError("no run is embedded in it")
    if len(members) > MOST_FILES:
        raise UnreadableError(f"the run in it has {len(members):,} files, and at most {MOST_FILES:,} are expected")
    archive.check_size(members, MAX_RUN)
    for member, below in members.items():
        if archive.is_link(member) or not _belongs(below):
            raise UnreadableError(f"{member!r} is no file of a run")
    if len({below.casefold() for below in members.values()}) < len(members):
        raise UnreadableError("two files of the run have names that some systems cannot tell apart")
    return {member: PurePosixPath(below) for member, below in members.items()}


def _belongs(below: str) -> bool:
    """Whether ``below``, a path below the run's folder, is that of a file of a run, and can be written anywhere."""
    parts = below.split("/")
    for part in parts:
        if not part or part != part.strip(". ") or not part.isprintable() or set(part) & _FORBIDDEN:
            return False
    if below in (*_SINGLE, *_CHECKPOINTS):
        return True
    return len(parts) > 1 and parts[0] in _FOLDERS and parts[-1].endswith(_FOLDERS[parts[0]])


def _moved(whole: Path, folder: Path, name: str) -> Path:
    name = "".join(letter for letter in name if letter.isprintable() and letter not in _FORBIDDEN).strip(". ")[:80]
    for number in range(1, 10_000):
        target = folder / ((name or "run") + (f" ({number})" if number > 1 else ""))
        if not os.path.lexists(target):
            os.rename(whole, target)
            return target
    raise UnreadableError(f"{folder} has too many runs called {name}")
