"""Which files outside its own folder a run may have read: those that somebody here trained it on, chose or allowed.

The configuration of a run names its images and labels by their places, and a run may come from anybody: opened without
a question, it could have any folder listed and read. So a place is read only if it was agreed to for that very run.
Training, importing and locating agree by themselves, because a person has named the images then; else window and
command line ask. The answers are kept in ``allowed_files.json`` beside the other settings, by the run's fingerprint, so
that a run may be moved and go on. Who owns its files tells nothing, as what a person has unpacked is theirs.

Nothing here looks at a place before it is allowed: even that would have a computer connect to a stranger's server.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path
from typing import Any, Protocol

import msgspec

from core.config import DataConfig, RunConfig
from core.data.dataset import DatasetError
from core.data.loading import present_data
from core.data.sources.listing import stored_place, written
from core.utils.atomic_write import write_atomic
from core.utils.text import listed
from core.utils.untrusted import UnreadableError, read_json
from core.utils.user_folders import config_folder

PATIENCE_S = 2.0
"""How long an answer waits for another program's to be written."""


class Run(Protocol):
    """What of a ``core.runs.directory.RunDirectory`` matters here."""

    @property
    def path(self) -> Path: ...
    @property
    def config(self) -> RunConfig: ...
    @property
    def metadata(self) -> dict[str, Any]: ...
    @property
    def fingerprint(self) -> str: ...


class NotAllowedError(DatasetError):
    """A run names images that nobody here has allowed it to read; nothing was read."""


class NotKeptError(RuntimeError):
    """An answer that cannot be written down; the message names the file."""


class _Answers(msgspec.Struct):
    """``runs``: places by a run's fingerprint. ``earlier``: the runs of versions that did not ask have been allowed."""

    runs: dict[str, list[str]] = {}
    earlier: bool = False


def unallowed(run: Run) -> tuple[str, ...]:
    """The places that ``run`` would read and may not, for a person; empty if there are none."""
    places = _places(run)
    if not places:
        return ()
    known = _read().runs.get(run.fingerprint, [])
    return tuple(dict.fromkeys(str(place) for entry, place in places.items() if entry not in known))


def allowed_data(run: Run) -> DataConfig:
    """Where the images of ``run`` are now, as ``present_data`` finds them. Raises ``NotAllowedError``."""
    refused = unallowed(run)
    if refused:
        raise NotAllowedError(
            f"{run.path} wants to read {listed(refused)}, which nobody has allowed it here; a run may come from "
            f'anybody. If you trust it, allow it in the panel Image, or by: isoline dataset allow "{run.path}"'
        )
    data = run.config.data
    path, labels = (written(stored_place(text)) if text else "" for text in (data.path, data.labels))
    return present_data(dataclasses.replace(data, path=path, labels=labels), run.path, run.metadata)


def allow_new(run: Run) -> None:
    """Let ``run``, which is about to be written, read what its person has just named for it.

    Before it is written, so that nobody can find it without its leave. If the answer cannot be kept, whoever opens the
    run is asked.
    """
    with contextlib.suppress(NotKeptError):
        allow(run)


def allow(*runs: Run, earlier: bool = False) -> None:
    """Let ``runs`` read what they name from now on. Raises ``NotKeptError``.

    ``earlier``: they are those that lay in a person's own folder for runs when a version first asked, made or put there
    when nothing did; this is done once.
    """
    runs = tuple(run for run in runs if _places(run))
    if not runs and not earlier:
        return
    import filelock  # here, with asyncio: window and engine only read answers when they start

    file = _file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(file.with_suffix(".lock"), timeout=PATIENCE_S):
            answers = _read()
            for run in runs:
                known = answers.runs.get(run.fingerprint, [])
                answers.runs[run.fingerprint] = list(dict.fromkeys((*known, *_places(run))))
            answers.earlier |= earlier
            write_atomic(file, msgspec.json.format(msgspec.json.encode(answers), indent=2) + b"\n")
    except filelock.Timeout as error:
        raise NotKeptError(f"{file} is being written by another program; try again.") from error
    except OSError as error:
        raise NotKeptError(f"{file} cannot be written ({error.strerror or error}), so the yes is not kept.") from error


def has_earlier() -> bool:
    """Whether the runs of versions that did not ask have been allowed (``allow`` with ``earlier``)."""
    return _read().earlier


def _places(run: Run) -> dict[str, Path]:
    """The places that ``run`` names, by how they are kept: absolute, or as seen from the run, which may be moved
    together with its images. A file in the run's folder needs no leave; a folder does, for its links may lead away."""
    data = run.config.data
    if not data.path:
        return {}
    named = [str(stored_place(text)) for text in (data.path, data.labels) if text]
    stored = run.metadata.get("dataset")
    relative = stored.get("relative_path") if isinstance(stored, dict) else None
    if isinstance(relative, str):
        named.append(relative)
    folder = Path(os.path.abspath(run.path))
    places = {text: Path(os.path.normpath(folder / text)) for text in named}
    return {text: place for text, place in places.items() if not _is_own_file(place, folder)}


def _is_own_file(place: Path, folder: Path) -> bool:
    if not place.is_relative_to(folder):
        return False
    real = Path(os.path.realpath(place))
    return real.is_relative_to(os.path.realpath(folder)) and not real.is_dir()


def _read() -> _Answers:
    """A file that is missing or damaged has no answers, so all is asked again."""
    try:
        return read_json(_file(), _Answers)
    except (OSError, UnreadableError):
        return _Answers()


def _file() -> Path:
    return config_folder() / "allowed_files.json"
