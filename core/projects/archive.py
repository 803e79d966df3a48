"""Project files (``.isoline``) and sessions: a zip of ``project.json``, ``arrays/*.npy``, and a run if it is embedded.

    about.json        a few words for lists: which run, when saved, how many steps, how the window ended
    project.json      schema version and content; the values that steps have, each once, and steps as places among them
    arrays/HASH.npy   float32, float64, int64 or uint8, named by their content, so that equal ones are stored once
    run/…             the files of the run, if it was embedded (core.projects.embedded)

Nothing in it can execute code. Files of earlier schemas are read (core.projects.migrations). No Qt, no torch.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

import core
from core.projects.edited import EDITED, Edited, Step
from core.projects.migrations import SCHEMA_VERSION, SchemaError, migrated
from core.projects.panel import Panel
from core.projects.project import (
    CameraView,
    Project,
    ProjectError,
    RunReference,
    TracedPath,
    WindowPlace,
    check,
)
from core.utils.atomic_write import atomic_file
from core.utils.text import reason
from core.utils.untrusted import MEGABYTE, Archive, OtherKindError, UnreadableError, decode_json, open_archive

SUFFIX = ".isoline"
RUN_FOLDER = "run/"
STEPS_AT_ONCE = 25  # are looked through before a pause
MAX_CONTENT = 64 * MEGABYTE
MAX_ABOUT = MEGABYTE
MAX_ARRAYS = 1024 * MEGABYTE
MAX_FILE = 64 * 1024 * MEGABYTE  # with an embedded run
_ARRAY_TYPES = ("<f4", "<f8", "<i8", "|u1")
_FIRST_DATE = (1980, 1, 1, 0, 0, 0)

Ending = Literal["", "closed", "left"]


@dataclass(frozen=True)
class About:
    """What lists say of a project or session. ``ended``: "" while its window is open, or if that was killed; "closed"
    with the window; "left" when another run was opened in it."""

    run: str = ""
    saved: str = ""
    steps: int = 0
    ended: Ending = ""
    version: str = ""


@dataclass(frozen=True)
class _File:
    """``project.json``. ``values`` by field of ``Edited``; a step is its label and a place in each of them."""

    schema: int
    run: RunReference
    values: dict[str, list[Any]]
    steps: list[tuple[str, dict[str, int]]]
    position: int
    camera: CameraView | None = None
    mode: str = "orbit"
    epoch: int | None = None
    gridlines: bool = False
    played: float = 0.0
    panels: dict[str, Panel] = field(default_factory=dict)
    window: WindowPlace | None = None
    file: str = ""
    embeds: bool = False
    trainings: list[str] = field(default_factory=list)
    second: RunReference | None = None
    traced: list[tuple[int, Any]] = field(default_factory=list)
    comparison: str = ""
    saved: int | None = None


class ProjectWriter:
    """Writes projects, and remembers what the last one held: the next costs what is new in it. For one thread.

    ``pause`` is called after each small piece of work, so that a thread beside the event loop can let that go on.
    """

    def __init__(self, pause: Callable[[], object] = lambda: None) -> None:
        self._pause = pause
        self._values: dict[int, tuple[Any, bytes, dict[str, bytes]]] = {}  # by identity: value, JSON, its arrays

    def write(
        self,
        path: Path,
        project: Project,
        *,
        ended: Ending = "",
        run_name: str = "",
        compressed: bool = False,
        add_files: Callable[[zipfile.ZipFile], None] | None = None,
    ) -> None:
        """Replace the file ``path``, whole or not at all. ``add_files`` puts further files in. Raises ``OSError``."""
        content, arrays = self.content(project)
        saved = datetime.now(UTC).isoformat(timespec="milliseconds")
        about = About(run_name, saved, len(project.steps) - 1, ended, core.__version__)
        method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
        with atomic_file(path) as file, zipfile.ZipFile(file, "w", method, compresslevel=1) as archive:
            for name, data in (("about.json", msgspec.json.encode(about)), ("project.json", content), *arrays.items()):
                archive.writestr(zipfile.ZipInfo(name, _FIRST_DATE), data, method)
                self._pause()
            if add_files is not None:
                add_files(archive)

    def content(self, project: Project) -> tuple[bytes, dict[str, bytes]]:
        """``project.json``, and the arrays by their names: equal for projects that hold the same."""
        known, self._values = self._values, {}
        arrays: dict[str, bytes] = {}

        def encoded(value: Any) -> bytes:
            entry = self._values.get(id(value)) or known.get(id(value))
            if entry is None:
                entry = _encode_value(value)
                self._pause()
            self._values[id(value)] = entry  # the value is in it, so that its identity is nobody else's meanwhile
            arrays.update(entry[2])
            return entry[1]

        places: dict[str, dict[bytes, int]] = {name: {} for name in EDITED}
        steps = []
        for step in project.steps:
            of_step = {}
            for name in EDITED:
                value = encoded(getattr(step.edited, name))
                of_step[name] = places[name].setdefault(value, len(places[name]))
            steps.append((step.label, of_step))
            if len(steps) % STEPS_AT_ONCE == 0:
                self._pause()
        values = {name: [msgspec.Raw(value) for value in found] for name, found in places.items()}
        fields = {name: getattr(project, name) for name in _PLAIN}
        traced = [(place, msgspec.Raw(encoded(value))) for place, value in project.traced]
        content = _File(SCHEMA_VERSION, project.run, values, steps, project.position, traced=traced, **fields)
        return msgspec.json.encode(content), arrays


_PLAIN = (
    *("camera", "mode", "epoch", "gridlines", "played", "panels", "window", "file", "embeds", "trainings"),
    *("second", "comparison", "saved"),
)
"""Fields of a project that are stored as they are."""


def _encode_value(value: Any) -> tuple[Any, bytes, dict[str, bytes]]:
    arrays: dict[str, bytes] = {}

    def encode_array(array: object) -> dict[str, str]:
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{type(array).__name__} cannot be kept in a project")
        stream = io.BytesIO()
        np.lib.format.write_array(stream, np.ascontiguousarray(array), (1, 0), allow_pickle=False)
        data = stream.getvalue()
        name = hashlib.blake2b(data, digest_size=16).hexdigest()
        arrays[f"arrays/{name}.npy"] = data
        return {"array": name}

    return value, msgspec.json.encode(value, enc_hook=encode_array, order="deterministic"), arrays


def read_project(path: Path) -> Project:
    """The project in file ``path``. Raises ``ProjectError`` that names the file, what is wrong, and a remedy."""
    with faults(path), open_archive(path, MAX_FILE) as archive:
        project = _project(archive)
        check(project)
    return project


def read_about(path: Path) -> About:
    """What a list says of the project in file ``path``. Raises ``ProjectError``."""
    with faults(path), open_archive(path, MAX_FILE) as archive:
        return decode_json(archive.read_bytes("about.json", MAX_ABOUT), About)


class faults:
    """Turns what reading raises into ``ProjectError`` with the file's name."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        path = self._path
        if isinstance(error, FileNotFoundError):
            raise ProjectError(f"{path} does not exist; give a project file ({SUFFIX}).") from error
        if isinstance(error, OSError):
            raise ProjectError(f"{path} cannot be read ({error.strerror or error}).") from error
        if isinstance(error, SchemaError):
            raise ProjectError(f"{path}: {error}. Open it with the version that wrote it.") from error
        if isinstance(error, OtherKindError):
            raise ProjectError(
                f"{path} is not a project: {error}. Choose a file that Isoline has saved (*{SUFFIX})."
            ) from error
        if isinstance(error, UnreadableError):
            raise ProjectError(f"{path} is damaged: {error}. Restore it from a copy.") from error


def _project(archive: Archive) -> Project:
    array_names = [name for name in archive.sizes if name.startswith("arrays/")]
    archive.check_size(array_names, MAX_ARRAYS)
    arrays: dict[str, np.ndarray] = {}

    def decode_array(kind: type, value: object) -> np.ndarray:
        if kind is not np.ndarray or not isinstance(value, dict) or not isinstance(value.get("array"), str):
            raise UnreadableError(f"{str(value)[:100]} is no reference to an array")
        name = value["array"]
        if name not in arrays:
            array = archive.read_array(f"arrays/{name}.npy", MAX_ARRAYS)
            if array.dtype.str not in _ARRAY_TYPES:
                raise UnreadableError(f"the array {name} is of {array.dtype}")
            array.setflags(write=False)
            arrays[name] = array
        return arrays[name]

    def converted(value: Any, kind: Any) -> Any:
        try:
            return msgspec.convert(value, kind, dec_hook=decode_array)
        except msgspec.ValidationError as error:
            raise UnreadableError(reason(error)) from error
        except RecursionError as error:
            raise UnreadableError("it is nested too deeply") from error

    file: _File = converted(migrated(decode_json(archive.read_bytes("project.json", MAX_CONTENT))), _File)
    values = {
        name: [getattr(converted({name: value}, Edited), name) for value in file.values.get(name, [])]
        for name in EDITED
    }
    steps = []
    for label, places in file.steps:
        for name, place in places.items():
            if name not in values or not 0 <= place < len(values[name]):
                raise UnreadableError(f"a step has value {place} of {name}, which is not there")
        steps.append(Step(label, Edited(**{name: values[name][place] for name, place in places.items()})))
    fields = {name: getattr(file, name) for name in _PLAIN}
    fields["trainings"] = tuple(file.trainings)
    fields["traced"] = tuple((place, converted(value, TracedPath)) for place, value in file.traced)
    return Project(file.run, tuple(steps), file.position, **fields)
