"""Named paths that are kept with a run: RUN/paths/NAME.json, one path a file.

A file holds the path (core.paths.latent_path), how many frames it is played in and at which speed, and the latents of
those frames as they were decoded when it was saved: image speed depends on what a model draws, so the latents are kept,
not computed anew. Each float32 is written so that it comes back bit for bit. Files are written whole or not at all, and
nothing in them can execute code.
"""

from __future__ import annotations

import contextlib
import json
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from core.paths.latent_path import LatentPath, PathError, is_row
from core.utils.atomic_write import write_atomic, write_new
from core.utils.untrusted import UnreadableError, read_json

SCHEMA_VERSION = 1
FOLDER = "paths"
SUFFIX = ".json"
MOST_FRAMES = 100_000
LONGEST_NAME = 100  # characters; file systems take 255 bytes

PathSpeed = Literal["latent", "image"]
SPEEDS: tuple[PathSpeed, ...] = get_args(PathSpeed)

_FORBIDDEN = '/\\:*?"<>|'  # by one file system or another: a run may be copied to any
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


class SavedPathError(ValueError):
    """A name or a file of a saved path that cannot be used; the message names it and says what would do."""


@dataclass(frozen=True, eq=False)
class SavedPath:
    """A path under a ``name``, and its frames: ``latents`` float32 (K, d), what they show, equally far apart at
    ``speed``: by latent length, or by the length of the images that were drawn then. Raises ``SavedPathError``."""

    name: str
    path: LatentPath
    speed: PathSpeed
    latents: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", checked_name(self.name))
        if self.speed not in SPEEDS:
            raise SavedPathError(f"speed is {self.speed!r}; it must be one of {', '.join(SPEEDS)}.")
        latents = np.array(self.latents, dtype=np.float32)
        if latents.ndim != 2 or not 1 <= len(latents) <= MOST_FRAMES or latents.shape[1] != self.path.dim:
            wanted = f"(K, {self.path.dim}), K from 1 to {MOST_FRAMES:,}"
            raise SavedPathError(f"latents have shape {latents.shape}; they must be {wanted}.")
        if not np.isfinite(latents).all():
            raise SavedPathError("latents hold a number that is not finite.")
        latents.flags.writeable = False
        object.__setattr__(self, "latents", latents)

    @property
    def frames(self) -> int:
        """Number of frames K."""
        return len(self.latents)

    def to_json(self) -> str:
        """The file's text."""
        value = {
            "schema": SCHEMA_VERSION,
            "name": self.name,
            "path": self.path.to_dict(),
            "frames": self.frames,
            "speed": self.speed,
            "latents": [[float(x) for x in point] for point in self.latents],
        }
        return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def checked_name(name: object) -> str:
    """``name`` without blanks at its ends, in Unicode's composed form. Raises ``SavedPathError`` if no file may be
    called so on every system."""
    if not isinstance(name, str):
        raise SavedPathError(f"the name is {name!r}; it must be text.")
    name = unicodedata.normalize("NFC", name.strip())
    if not name:
        raise SavedPathError("the path needs a name.")
    wrong = sorted({letter for letter in name if letter in _FORBIDDEN or not letter.isprintable()})
    if wrong:
        raise SavedPathError(f"the name {name!r} holds {wrong[0]!r}, which no file's name can; leave it out.")
    if name.startswith(".") or name.endswith("."):
        raise SavedPathError(f"the name {name!r} begins or ends with a dot; leave it out.")
    if len(name) > LONGEST_NAME or len(name.encode()) + len(SUFFIX) > 200:
        raise SavedPathError(f"the name {name[:20]!r}… has {len(name)} characters; use at most {LONGEST_NAME}.")
    if name.split(".")[0].strip().lower() in _DEVICES:
        raise SavedPathError(f"the name {name!r} is reserved for a device on some systems; choose another.")
    return name


def path_file(run: Path, name: str) -> Path:
    """The file of the path ``name`` in the run directory ``run``. Raises ``SavedPathError`` for what is no name."""
    folder, file = Path(run) / FOLDER, f"{checked_name(name)}{SUFFIX}"
    decomposed = folder / unicodedata.normalize("NFD", file)  # as some systems write it, and copy it elsewhere
    return decomposed if not (folder / file).exists() and decomposed.exists() else folder / file


def saved_names(run: Path) -> list[str]:
    """Names of the paths kept with ``run``, in alphabetical order; none where the folder is missing or closed."""
    try:
        files = [file.name for file in os.scandir(Path(run) / FOLDER) if file.is_file()]
    except OSError:  # there is none until the first path is saved
        return []
    names = (unicodedata.normalize("NFC", name.removesuffix(SUFFIX)) for name in files if name.endswith(SUFFIX))
    return sorted((name for name in names if _is_name(name)), key=lambda name: (name.casefold(), name))


def existing_name(run: Path, name: str) -> str | None:
    """The name under which ``name`` is taken in ``run``, upper or lower case alike (some systems do not tell them
    apart); None: it is free. Raises ``SavedPathError`` for what is no name."""
    return taken_name(saved_names(run), name)


def taken_name(names: Sequence[str], name: str) -> str | None:
    """As ``existing_name``, among ``names``."""
    wanted = checked_name(name).casefold()
    return next((known for known in names if known.casefold() == wanted), None)


def load_path(run: Path, name: str) -> SavedPath:
    """The path ``name`` of ``run``. Raises ``SavedPathError`` that names the file and what is wrong with it."""
    return read_saved_path(path_file(run, name))


def read_saved_path(file: Path) -> SavedPath:
    """The saved path in ``file``; whoever renames the file renames the path.

    Raises ``SavedPathError``.
    """
    file = Path(file)
    try:
        value = read_json(file)
    except FileNotFoundError as error:
        raise SavedPathError(f"{file} does not exist; give a path that was saved with a run.") from error
    except OSError as error:
        raise SavedPathError(f"{file} cannot be read ({error.strerror or error}).") from error
    except UnreadableError as error:
        raise SavedPathError(f"{file} is no saved path: {error}. Save the path again.") from error
    return _from_value(value, file)


def _from_value(value: Any, file: Path) -> SavedPath:
    wanted = ("schema", "name", "path", "frames", "speed", "latents")
    if not isinstance(value, dict) or set(value) != set(wanted):
        raise SavedPathError(f"{file} is not a saved path, which is an object of {', '.join(wanted)}.")
    if value["schema"] != SCHEMA_VERSION:
        raise SavedPathError(f"{file} has schema {value['schema']!r}; this version of Isoline reads {SCHEMA_VERSION}.")
    rows = value["latents"]
    if not isinstance(rows, list) or not all(is_row(row) for row in rows) or len({len(row) for row in rows}) > 1:
        raise SavedPathError(f"{file}: latents must be a list of points, each a list of as many numbers.")
    if value["frames"] != len(rows):
        raise SavedPathError(f"{file} names {value['frames']!r} frames and holds {len(rows)} latents; save it again.")
    try:
        path = LatentPath.from_dict(value["path"], str(file))
    except PathError as error:  # it names the file
        raise SavedPathError(str(error)) from error
    try:
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
            latents = np.array(rows, dtype=np.float32)
        return SavedPath(file.stem if _is_name(file.stem) else value["name"], path, value["speed"], latents)
    except (SavedPathError, TypeError, ValueError, OverflowError) as error:
        raise SavedPathError(f"{file}: {error}") from error


def save_path(run: Path, saved: SavedPath) -> Path:
    """Keep ``saved`` with ``run``, in place of the path that had its name; returns the file.

    Atomic. Raises ``SavedPathError``.
    """
    file = path_file(run, saved.name)
    try:
        file.parent.mkdir(exist_ok=True)
        write_atomic(file, saved.to_json().encode())
    except OSError as error:
        raise _unwritable(file, error) from error
    return file


def save_new_path(run: Path, saved: SavedPath) -> SavedPath:
    """Keep ``saved`` with ``run`` in place of nothing: under its name or, if that is taken, ``name (2)`` and so on, as
    which it is returned. Of several programs that do so at once each gets a name of its own.

    Raises ``SavedPathError``.
    """
    folder, stem, number = Path(run) / FOLDER, saved.name, 1
    try:
        folder.mkdir(exist_ok=True)
        while True:
            if existing_name(run, saved.name) is None:
                with contextlib.suppress(FileExistsError):  # another program was faster
                    write_new(path_file(run, saved.name), saved.to_json().encode())
                    return saved
            number += 1
            ending = f" ({number})"
            saved = replace(saved, name=stem[: LONGEST_NAME - len(ending)].rstrip() + ending)
    except OSError as error:
        raise _unwritable(path_file(run, saved.name), error) from error


def _unwritable(file: Path, error: OSError) -> SavedPathError:
    return SavedPathError(
        f"{file} cannot be written ({error.strerror or error}). Copy the run to a folder that can be written, or "
        "export the path instead."
    )


def rename_path(run: Path, name: str, new: str) -> Path:
    """Call the path ``name`` of ``run`` ``new``; returns its file.

    Raises ``SavedPathError``, also if another path has that name: nothing is replaced.
    """
    saved, new = load_path(run, name), checked_name(new)
    taken = existing_name(run, new)
    if taken is not None and taken != saved.name:
        raise SavedPathError(f"there is a path named {taken!r} already; choose another name, or delete that one first.")
    file = path_file(run, name)
    try:
        os.replace(file, path_file(run, new))  # from now on the file's name counts, whatever becomes of what follows
    except OSError as error:
        raise SavedPathError(f"{file} cannot be renamed ({error.strerror or error}).") from error
    return save_path(run, SavedPath(new, saved.path, saved.speed, saved.latents))


def delete_path(run: Path, name: str) -> None:
    """Remove the path ``name`` of ``run``. Raises ``SavedPathError`` if that cannot be."""
    file = path_file(run, name)
    try:
        file.unlink()
    except FileNotFoundError as error:
        raise SavedPathError(f"{file} does not exist (any more).") from error
    except OSError as error:
        raise SavedPathError(f"{file} cannot be removed ({error.strerror or error}).") from error


def _is_name(name: str) -> bool:
    try:
        return checked_name(name) == unicodedata.normalize("NFC", name)
    except SavedPathError:
        return False
