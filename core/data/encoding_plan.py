"""Which images are in which part, when very many are encoded: listed once, for all processes that take part.

What is listed goes to the disk part by part, so that ten million names need no more memory than one part of them, or
than the names in the largest folder. Image files are looked at when they are encoded, not before; some of them, drawn
at random, are looked at now, to find out what all have in common (``core.data.pixels.survey``).
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, unquote

import msgspec
import numpy as np

from core.config import DataConfig
from core.data.dataset import DatasetError
from core.data.latents.parts import PartsFolder
from core.data.sources.arrays import ArraySource
from core.data.sources.folder import open_pictures
from core.data.sources.listing import ListedFile, Listing, located, shown, walked
from core.data.sources.opening import ARRAYS, open_listing
from core.data.sources.pictures import is_picture
from core.data.sources.source import Blocks, ImageSource, PixelKind, Pixels, Result, Size, Skipped
from core.utils.atomic_write import write_atomic
from core.utils.text import counted

LOOKED_AT = 1000
"""Image files, drawn at random, that stand for all."""
_ARRAYS_LOOKED_AT, _ROWS_LOOKED_AT = 16, 64
"""Places in arrays, and images at each."""
_IDX = ("-ubyte", "-ubyte.gz")


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """An image file, or rows ``start`` to ``stop`` of a file with arrays: ``name`` below source number ``source``,
    empty if it is the source itself."""

    source: int
    name: str
    start: int = 0
    stop: int = 0

    @property
    def is_array(self) -> bool:
        return self.stop > 0


@dataclass
class Plan:
    """The ``images`` of all ``parts``, files or rows, and what was ``skipped``; ``sample``: some of them."""

    images: int = 0
    parts: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sample: list[Piece] = field(default_factory=list)


class Places:
    """Where the pieces below ``sources`` are, and what they are called."""

    def __init__(self, sources: Sequence[str]) -> None:
        self._sources = list(sources)
        self._roots = [located(source) for source in sources]

    def path(self, piece: Piece) -> Path:
        name = unquote(piece.name[1:], errors="surrogateescape") if piece.name[:1] == "\0" else piece.name
        return self._roots[piece.source] / name if name else self._roots[piece.source]

    def name(self, piece: Piece) -> str:
        """As it is written beside the means: below the one folder, or with the folder as it was given."""
        below = shown(os.fsdecode(unquote(piece.name[1:]))) if piece.name[:1] == "\0" else piece.name
        if not below:
            return shown(self._sources[piece.source] if len(self._sources) > 1 else self._roots[piece.source].name)
        return f"{shown(self._sources[piece.source]).rstrip('/')}/{below}" if len(self._sources) > 1 else below

    def listed(self, piece: Piece) -> ListedFile:
        """Raises ``OSError``."""
        path = self.path(piece)
        status = path.stat()
        return ListedFile(str(path), piece.name or path.name, status.st_size, status.st_mtime_ns)


def make_plan(
    folder: PartsFolder, sources: Sequence[str], data: DataConfig, per_part: int, tick: Callable[[], object]
) -> Plan:
    """List the images of ``sources`` into ``folder``, ``per_part`` in each part. ``tick`` is called now and then.

    Raises ``DatasetError`` if there are none, ``OSError``.
    """
    plan, places, random_ = Plan(), Places(sources), random.Random(0)
    part: list[Piece] = []
    size = 0
    for piece in _pieces(sources, places, data, plan):
        start = piece.start
        while True:
            taken = min(per_part - size, piece.stop - start) if piece.is_array else 1
            part.append(msgspec.structs.replace(piece, start=start, stop=start + taken) if piece.is_array else piece)
            size += taken
            start += taken
            plan.images += taken
            if len(plan.sample) < LOOKED_AT:
                plan.sample.append(part[-1])
            elif (place := random_.randrange(plan.images)) < LOOKED_AT:
                plan.sample[place] = part[-1]
            if size == per_part:
                _write(folder, plan, part)
                part, size = [], 0
                tick()
            if start >= piece.stop:
                break
    if part:
        _write(folder, plan, part)
    if not plan.images:
        first = f" ({plan.skipped[0].name}: {plan.skipped[0].reason})" if plan.skipped else ""
        raise DatasetError(f"{', '.join(map(shown, sources))}: no image file and no file with arrays was found{first}.")
    return plan


def _write(folder: PartsFolder, plan: Plan, part: list[Piece]) -> None:
    path = folder.images_path(plan.parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, msgspec.json.encode(part))
    plan.parts += 1


def _pieces(sources: Sequence[str], places: Places, data: DataConfig, plan: Plan) -> Iterator[Piece]:
    """All image files, or all arrays: of folders that hold no image file, or named themselves."""
    found: Counter[bool] = Counter()
    for number, source in enumerate(sources):
        root = located(source)
        if not root.exists():
            raise DatasetError(f"{shown(str(root))} does not exist; give a folder of images or a file with images.")
        if not root.is_dir():
            piece = Piece(number, "")
            array = not is_picture(root.suffix.lower())
            found[array] += 1
            _check_alike(found, source)
            yield _whole_array(piece, places, data) if array else piece
            continue
        arrays: list[Piece] = []
        pictures = others = 0
        for name in walked(root, plan.skipped):
            suffix = os.path.splitext(name)[1].lower()
            if is_picture(suffix):
                pictures += 1
                found[False] += 1
                yield Piece(number, _text(name))
            elif suffix in ARRAYS or ("images" in name.lower() and name.lower().endswith(_IDX)):
                arrays.append(Piece(number, _text(name)))
            else:
                others += 1
        if pictures and arrays:
            plan.notes.append(f"{counted(len(arrays), 'file')} with arrays among the images of {source} left out.")
        elif arrays:
            found[True] += 1
        _check_alike(found, source)
        if arrays and not pictures:
            yield from (_whole_array(piece, places, data) for piece in arrays)
        if others:
            plan.notes.append(f"{counted(others, 'file')} in {source} left out, by their names no images.")


def _check_alike(found: Counter[bool], source: str) -> None:
    if len(found) > 1:
        raise DatasetError(f"{source}: encode image files and arrays into folders of their own.")


def _text(name: str) -> str:
    """A file's name as JSON can hold it."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "\0" + quote(os.fsencode(name))
    return name


def _whole_array(piece: Piece, places: Places, data: DataConfig) -> Piece:
    return msgspec.structs.replace(piece, stop=len(array_source(places.path(piece), data)))


def array_source(path: Path, data: DataConfig) -> ArraySource:
    """The images of a file with arrays. Raises ``DatasetError``."""
    status = path.stat()
    file = ListedFile(str(path), path.name, status.st_size, status.st_mtime_ns)
    source = open_listing(Listing(path, [file]), data)
    if not isinstance(source, ArraySource):
        raise DatasetError(f"{shown(str(path))} is a {source.kind}; into parts go image files and arrays of images.")
    return source


def sample_source(plan: Plan, sources: Sequence[str], data: DataConfig) -> ImageSource:
    """The images that are looked at, as one source. Raises ``DatasetError`` if none can be read, ``OSError``."""
    places = Places(sources)
    if not plan.sample[0].is_array:
        files = [places.listed(piece) for piece in plan.sample]
        files = [replace(file, name=file.path) for file in files]  # of several folders, names may be the same
        return open_pictures(Listing(located(sources[0]), sorted(files, key=lambda file: file.path)), data)
    pixels: list[Pixels] = []
    kinds: Counter[PixelKind] = Counter()
    notes: list[str] = []
    for piece in plan.sample[:: max(1, len(plan.sample) // _ARRAYS_LOOKED_AT)]:
        source = array_source(places.path(piece), data)
        stop = min(piece.stop, piece.start + _ROWS_LOOKED_AT)
        found = [source.pixels(block) for _, block in source.numbered(piece.start, stop, 0)]
        pixels += found
        (kind,) = source.kinds
        kinds[kind] += sum(len(block.values) for block in found)
        notes += [note for note in source.notes if note not in notes]
    sizes = np.concatenate([np.broadcast_to(block.values.shape[1:3], (len(block.values), 2)) for block in pixels])
    return _ArraySample(places.path(plan.sample[0]), "arrays", sizes.astype(np.int32), kinds, notes=notes, parts=pixels)


@dataclass(eq=False)
class _ArraySample(ImageSource):
    """Some images of arrays, in memory."""

    parts: list[Pixels] = field(default_factory=list)

    def blocks(self, apply: Callable[[Pixels], Result], target: Callable[[Size], Size] | None = None) -> Blocks[Result]:
        start = 0
        for pixels in self.parts:
            yield range(start, start + len(pixels.values)), [apply(pixels)]
            start += len(pixels.values)
