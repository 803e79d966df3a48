"""A folder of means in parts, as ``isoline encode`` writes it of very many images; and its rows read again.

    manifest.json            once: the model, the images, the settings, how many parts there are
    images/000000.json       once: which images are in each part
    parts/000000.parquet     a part, when it is done: columns latents (a list of d numbers) and file. Or, without
                             Parquet, 000000.npy, float32 (n, d), and the names in 000000.files.json
    done/000000.json         after it: how many rows it has, and which images were left out

Each file is written whole or not at all, and a part counts once its record in ``done`` is there: so whoever encodes
may be killed at any time, and any number of processes on any number of machines may write parts of one folder.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from core.data.dataset import BROKEN
from core.data.latents.rows import LatentFileError, LatentRows, RowSample, block_rows, check_dimensions
from core.data.sources.members import npy_members
from core.utils.atomic_write import atomic_file, write_atomic
from core.utils.text import counted, reason
from core.utils.untrusted import UnreadableError, open_regular, read_json, refusal

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
MOST_EXAMPLES = 20
"""Images that a part's record names of those that were left out."""
_MOST_NAMES = 1 << 30  # bytes
_KIND = "isoline encoded parts"
PartFormat = Literal["parquet", "npy"]
NO_PYARROW = (
    'Parquet needs pyarrow, which is not installed: pip install "isoline[tables]". Or write NPY parts: --format npy.'
)


class Settings(msgspec.Struct, frozen=True):
    """What must be the same in all parts of a folder: ``weights`` is a hash of the model's files; ``sources`` are the
    places of the images."""

    model: str
    weights: str
    sources: list[str]
    precision: str
    format: PartFormat
    images_per_part: int


class Manifest(msgspec.Struct, frozen=True):
    """``images`` counts files, or rows of arrays; ``latent_dim`` is d. ``data`` is how images are read (the settings of
    ``core.config.DataConfig``), ``common`` what they have in common (``core.data.pixels.Survey``), and ``deep`` says
    whether that holds for pixels of more than 8 bits, too. ``notes`` say what was found, for a person."""

    settings: Settings
    images: int
    parts: int
    latent_dim: int
    data: dict[str, Any]
    common: dict[str, Any]
    deep: bool
    made: str
    notes: list[str] = []
    kind: str = _KIND
    schema: int = SCHEMA_VERSION


class LeftOut(msgspec.Struct, frozen=True):
    """Images of a part that could not be read: one by ``name``, and why."""

    name: str
    reason: str


class PartRecord(msgspec.Struct, frozen=True):
    """A part that is done: its ``rows``, the images ``left_out`` (all are counted, the first are named), and the
    ``seconds`` that it took."""

    rows: int
    left_out: int = 0
    examples: list[LeftOut] = []
    seconds: float = 0.0


class PartsFolder:
    """The files of one such folder."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.manifest_path = self.path / MANIFEST

    def manifest(self) -> Manifest:
        """What the folder holds. Raises ``LatentFileError`` if it is no such folder, or damaged."""
        try:
            found = read_json(self.manifest_path, Manifest)
        except (OSError, UnreadableError) as error:
            raise LatentFileError(f"{self.manifest_path} cannot be read ({error}).") from error
        if (found.kind, found.schema) != (_KIND, SCHEMA_VERSION):
            raise LatentFileError(f"{self.manifest_path} is of another kind or version of Isoline ({found.schema}).")
        return found

    def begin(self, manifest: Manifest) -> None:
        """Write the manifest, once the images are listed. Raises ``OSError``."""
        content = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
        (self.path / "parts").mkdir(exist_ok=True)
        write_atomic(self.manifest_path, content)

    def images_path(self, part: int) -> Path:
        return self.path / "images" / f"{part:06d}.json"

    def part_path(self, part: int, kind: PartFormat) -> Path:
        return self.path / "parts" / f"{part:06d}.{kind}"

    def record_path(self, part: int) -> Path:
        return self.path / "done" / f"{part:06d}.json"

    def names_path(self, part: int) -> Path:
        return self.path / "parts" / f"{part:06d}.files.json"

    def record(self, part: int) -> PartRecord | None:
        """What is said of a part that is done; None if it is not. Raises ``LatentFileError`` if that is damaged."""
        path = self.record_path(part)
        try:
            return read_json(path, PartRecord)
        except FileNotFoundError:
            return None
        except (OSError, UnreadableError) as error:
            damage = f"{path} is damaged ({error}); delete it, and encode again."
            raise LatentFileError(refusal(error) or damage) from error

    def done(self, parts: int) -> list[int]:
        """Which of ``parts`` are done, by the names of their records, so that a damaged count makes no long search."""
        numbers = [int(file.stem) for file in self.record_path(0).parent.glob("*.json") if file.stem.isdecimal()]
        return sorted(number for number in numbers if number < parts)

    def write_part(self, part: int, kind: PartFormat, latents: np.ndarray, names: Sequence[str]) -> None:
        """Write a part: latents float32 (n, d) and the n names of its images. Raises ``OSError``."""
        path = self.part_path(part, kind)
        if kind == "npy":
            write_atomic(self.names_path(part), msgspec.json.encode(list(names)))
            with atomic_file(path) as file:
                np.save(file, latents, allow_pickle=False)
            return
        import pyarrow
        import pyarrow.parquet

        lists = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(latents.reshape(-1)), latents.shape[1])
        table = pyarrow.table({"latents": lists, "file": pyarrow.array(names, pyarrow.string())})
        with atomic_file(path) as file:
            pyarrow.parquet.write_table(table, file, use_dictionary=False)

    def finish_part(self, part: int, record: PartRecord) -> None:
        """Say that a part is written. Raises ``OSError``."""
        write_atomic(self.record_path(part), msgspec.json.encode(record))


def is_parts(path: Path) -> bool:
    """Whether ``path`` is such a folder, by what is in it."""
    return (path / MANIFEST).is_file() and (path / "parts").is_dir()


def read_parts(path: Path, most: int) -> LatentRows:
    """The rows of the parts that are done, all or ``most`` of them; a note says which parts are missing.

    Rows are read part by part, their names for those that are taken alone. Raises ``LatentFileError``.
    """
    folder = PartsFolder(path)
    manifest = folder.manifest()
    d, kind = manifest.latent_dim, manifest.settings.format
    check_dimensions(folder.manifest_path, d, "the folder")
    sample = RowSample(folder.path, d, most)
    first, done, left_out = [], [], 0
    for part in folder.done(manifest.parts):
        record = folder.record(part)
        if record is None:  # deleted just now
            continue
        done.append(part)
        first.append(sample.total)
        left_out += record.left_out
        if record.rows:
            _add(folder, part, kind, record.rows, sample)
    missing = manifest.parts - len(done)
    if not done:
        raise LatentFileError(f"{folder.path}: none of its {counted(manifest.parts, 'part')} is encoded yet.")
    notes = [f"{counted(len(done), 'part')} of images that {Path(manifest.settings.model).name} has encoded."]
    if missing:
        notes.append(f"{missing:,} of {counted(manifest.parts, 'part')} not encoded yet: their images are missing.")
    if left_out:
        notes.append(f"{counted(left_out, 'image')} left out that could not be read; see the folder done.")
    found = sample.rows(notes=notes)
    names = np.empty(len(found.indices), object)
    of_part = np.searchsorted(np.array(first), found.indices, side="right") - 1
    for place in np.unique(of_part).tolist():
        chosen = of_part == place
        names[chosen] = _names(folder, done[place], kind, found.indices[chosen] - first[place])
    return replace(found, names=tuple(names.tolist()))


def _add(folder: PartsFolder, part: int, kind: PartFormat, rows: int, sample: RowSample) -> None:
    path, before = folder.part_path(part, kind), sample.total
    with _sound(folder, part):
        for block in _blocks(path, kind, sample.dimensions):
            sample.add(block)
        if sample.total - before != rows:
            raise ValueError(f"it has {sample.total - before:,} rows; its record says {rows:,}")


def _blocks(path: Path, kind: PartFormat, d: int) -> Iterator[np.ndarray]:
    """The latents (k, d) of one part."""
    size = block_rows(d)
    if kind == "npy":
        (member,) = npy_members(path)
        if len(member.shape) != 2 or member.shape[1] != d or member.dtype.kind != "f":
            raise ValueError(f"{member}; it must be (n, {d})")
        yield from member.blocks(size)
        return
    with open_regular(path) as stream:
        for batch in _parquet().ParquetFile(stream).iter_batches(size, columns=["latents"]):
            from pyarrow import types

            lists = batch.column(0)
            is_list = types.is_fixed_size_list(lists.type) or types.is_list(lists.type)
            if not is_list or not types.is_floating(lists.type.value_type):
                raise ValueError(f"the column latents is of type {lists.type}; it must be of lists of {d} numbers")
            yield lists.flatten().to_numpy(zero_copy_only=False).reshape(-1, d)


def _names(folder: PartsFolder, part: int, kind: PartFormat, rows: np.ndarray) -> list[str]:
    """The names of the images of ``rows`` of one part."""
    with _sound(folder, part):
        if kind == "npy":
            names = read_json(folder.names_path(part), list[str], _MOST_NAMES)
            return [names[row] for row in rows.tolist()]
        with open_regular(folder.part_path(part, kind)) as stream:
            column = _parquet().ParquetFile(stream).read(columns=["file"]).column(0)
            return column.take(rows).to_pylist()


def _parquet() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise LatentFileError(NO_PYARROW) from error
    return pyarrow.parquet


@contextlib.contextmanager
def _sound(folder: PartsFolder, part: int) -> Iterator[None]:
    try:
        yield
    except LatentFileError:
        raise
    except (*BROKEN, LookupError, UnreadableError) as error:  # pyarrow's are among them
        damage = (
            f"part {part} of {folder.path} is damaged ({reason(error)}). Delete {folder.record_path(part)} and run the "
            "same isoline encode again."
        )
        cause = error.__cause__ or error  # DatasetError says of a file what the system said
        raise LatentFileError(refusal(cause) or damage) from error
