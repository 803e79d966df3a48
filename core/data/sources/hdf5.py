"""Arrays in HDF5 files, read only: a stack of images, or a dataset for each image, in groups as files are in folders.

What a file merely refers to, in other files, is not followed.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from h5py import h5o  # pyright: ignore[reportAttributeAccessIssue]  # compiled, and without types

from core.config import DataConfig
from core.data.dataset import BROKEN, DatasetError, Progress, broken_as
from core.data.sources.arrays import KNOWN, open_arrays, side_of_rows
from core.data.sources.folder import layout
from core.data.sources.hdf5_probe import StuckError, check_ends
from core.data.sources.listing import Listing, in_natural_order, shown
from core.data.sources.members import Member, stem_of
from core.data.sources.parallel import in_order
from core.data.sources.pictures import Header, PictureError, array_header, array_pixels
from core.data.sources.source import Blocks, ImageSource, Pixels, Result, Size, Skipped, chosen_channels
from core.data.tables import IMAGE_NAME
from core.utils.text import counted, reason

MOST_ARRAYS = 1_000_000
DEEPEST = 16
"""Groups within one another that are looked into."""
SMALLEST = 8
"""Pixels of the shorter side of an array that is taken as an image of its own: smaller ones are rather matrices."""
IMAGE_WORDS = frozenset({"image", "images", "img", "imgs", "pictures", "pixels"})
"""Names that say which of several kinds of arrays are the images; in small letters. Others, such as x, may be
classes."""
LARGEST_CHUNK = 256 << 20
"""Bytes that are unpacked at once, so that none is unpacked twice."""
_IMAGE_ATTRIBUTES = ("CLASS", "IMAGE_", "DISPLAY_", "INTERLACE_", "PALETTE", "TITLE", "VERSION")
"""How the attributes begin that HDF5's own specification of images has, which are no labels."""


@dataclass(frozen=True)
class Hdf5Member(Member):
    """A dataset in an HDF5 file, by its path in it."""

    file: Path
    text: bool

    def blocks(self, rows: int, first: int = 0) -> Iterator[np.ndarray]:
        with h5py.File(self.file, "r") as file:
            dataset = file[self.name]
            assert isinstance(dataset, h5py.Dataset)
            chunk = dataset.chunks[0] if dataset.chunks else 1
            if chunk * math.prod(self.shape[1:]) * self.dtype.itemsize <= LARGEST_CHUNK:
                rows = max(chunk, rows // chunk * chunk)  # a chunk that is unpacked twice costs twice
            for start in range(first, self.shape[0], rows):
                block = dataset.asstr("utf-8", "replace") if self.text else dataset
                yield np.asarray(block[start : start + rows], dtype=str if self.text else None)


@dataclass(eq=False)
class Hdf5Pictures(ImageSource):
    """Datasets of one file, each an image, with what their shapes say, and which channels are taken of so many."""

    pictures: list[tuple[Hdf5Member, Header]] = field(default_factory=list)
    planes: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def blocks(self, apply: Callable[[Pixels], Result], target: Callable[[Size], Size] | None = None) -> Blocks[Result]:
        def convert(item: tuple[int, np.ndarray | Skipped]) -> tuple[range, list[Result] | Skipped]:
            place, content = item
            if isinstance(content, Skipped):
                return range(place, place + 1), content
            header = self.pictures[place][1]
            return range(place, place + 1), [apply(array_pixels(content, header, self.planes[header.channels]))]

        yield from in_order(convert, self._contents())

    def _contents(self) -> Iterator[tuple[int, np.ndarray | Skipped]]:
        with broken_as(lambda why: _unreadable(self.path, why)), h5py.File(self.path, "r") as file:
            for place, (member, _) in enumerate(self.pictures):
                try:
                    content = np.asarray(file[member.name])
                except BROKEN as error:
                    content = Skipped(self.names[place], f"damaged or cut off ({reason(error)})")
                yield place, content


def open_hdf5(path: Path, config: DataConfig, notes: list[str], progress: Progress | None = None) -> ImageSource:
    """The images of an HDF5 file. Raises ``DatasetError``."""
    members = hdf5_members(path, notes, progress)
    pictures = _pictures(path, members, config.array, notes)
    if not pictures:
        return open_arrays(path, "HDF5 file", [*members], config, notes)
    names = [shown(member.name) for member, _ in pictures]
    if len({name.rpartition("/")[2] for name in names}) == 1:  # 0001/image, 0002/image: the groups are what differs
        names = [name.rpartition("/")[0] for name in names]
    labels, split = layout(Listing(path), names, notes)
    _note_what_is_left(path, members, pictures, notes)
    counts = sorted({header.channels for _, header in pictures})
    planes = {count: chosen_channels(config.planes, count, shown(str(path)), notes) for count in counts}
    return Hdf5Pictures(
        path=path,
        kind="HDF5 file with an array for each image",
        sizes=np.array([header.size for _, header in pictures], dtype=np.int32),
        kinds=dict(Counter(header.kind for _, header in pictures).most_common()),
        names=tuple(names),
        labels=labels,
        given_split=split,
        notes=notes,
        pictures=pictures,
        planes=planes,
    )


def _pictures(path: Path, members: list[Hdf5Member], named: str, notes: list[str]) -> list[tuple[Hdf5Member, Header]]:
    """The ``members`` that are an image each, in natural order, of those whose path has ``named`` in it, if that is
    set; none if the images are a stack. Raises ``DatasetError`` if they are of several kinds.

    Such arrays differ in the numbers of their names, or are called as image files are: images/0001, images/0002. Those
    in a group that is ``named`` may have any names.
    """
    series: dict[tuple[str, ...], list[tuple[Hdf5Member, Header]]] = defaultdict(list)
    for member in members:
        header, key = _header(member), _alike(member.name)
        if header is not None and (f"/{named}/" in f"/{member.name}/" if named else "#" in key):
            series[key].append((member, header))

    def form(key: tuple[str, ...]) -> tuple[bool, ...]:
        return tuple(part == "#" and not named for part in key)

    counts = Counter(form(key) for key, found in series.items() for _ in found)  # a class may have a single image
    series = {key: found for key, found in series.items() if counts[form(key)] > 1}
    known = {key: found for key, found in series.items() if any(part.lower() in IMAGE_WORDS for part in key)}
    series = known if sum(map(len, known.values())) > 1 else series
    count = sum(map(len, series.values()))
    if any(member.name == named or (not named and _is_stack(member, count)) for member in members) or not series:
        return []
    kinds = [f"{'/'.join(key).replace('#', '*')} ({len(found):,})" for key, found in series.items()]
    said = ", ".join(kinds[:6]) + (", …" if len(kinds) > 6 else "")
    if name := _one_of_several(series):
        raise DatasetError(
            f"{shown(str(path))} holds several kinds of arrays that may be the images: {said}. Name one in data.array, "
            f"such as {name}."
        )
    notes.append(f"Taken as an image each: {said}.")
    return in_natural_order([picture for found in series.values() for picture in found], lambda each: each[0].name)


def _one_of_several(series: dict[tuple[str, ...], list[tuple[Hdf5Member, Header]]]) -> str:
    """What tells some arrays from others of the same image, as rgb of 1/rgb and 1/depth; "" if each has one array."""
    for end in (lambda key: len(key) - 1, lambda key: len(key) - key[::-1].index("#")):
        first: dict[tuple[str, ...], tuple[str, ...]] = {}
        for key in series:
            above = key[: end(key)] if "#" in key else ()
            if "#" in above and first.setdefault(above, key) != key:
                return series[first[above]][0][0].name.split("/")[len(above)]
    return ""


def _alike(name: str) -> tuple[str, ...]:
    """What the names of arrays that are an image each have in common: images/0001 and images/0002 are images/#."""
    parts = name.split("/")
    return tuple("#" if any(map(str.isdecimal, part)) or IMAGE_NAME.search(part) else part for part in parts)


def _is_stack(member: Hdf5Member, count: int) -> bool:
    """Whether an array holds many images: rows called images, four axes, or three that are no image with channels; if
    its name does not say so, more than the ``count`` that other arrays would give."""
    called = stem_of(member.name).rpartition("_")[2] in KNOWN
    if len(member.shape) == 2:
        return called and side_of_rows(member) > 0
    several = member.dtype.kind in "buif" and len(member.shape) in (3, 4) and _header(member) is None
    return several and (called or member.shape[0] > count)


def _header(member: Hdf5Member) -> Header | None:
    """What the array says if it may be one image."""
    try:
        header = array_header(member.shape, member.dtype)
    except PictureError:
        return None
    return header if min(header.size) >= SMALLEST else None


def _note_what_is_left(
    path: Path, members: list[Hdf5Member], pictures: list[tuple[Hdf5Member, Header]], notes: list[str]
) -> None:
    """Arrays beside the images, and attributes of them, are no labels: nothing says which row is about which image."""
    taken = {member.name for member, _ in pictures}
    left = [f"{member.name} {member.shape}" for member in members if member.name not in taken]
    table = "a table that data.labels names can give labels"
    if left:
        said = ", ".join(left[:6]) + (", …" if len(left) > 6 else "")
        are = "is" if len(left) == 1 else "are"
        notes.append(f"{counted(len(left), 'array')} {are} not taken as images or labels: {said}; {table}.")
    with broken_as(lambda why: _unreadable(path, why)), h5py.File(path, "r") as file:
        attributes = [key for key in file[pictures[0][0].name].attrs if not key.startswith(_IMAGE_ATTRIBUTES)]
    if attributes:
        notes.append(f"Attributes of the images are not read: {', '.join(attributes[:6])}; {table}.")


def hdf5_members(path: Path, notes: list[str], progress: Progress | None = None) -> list[Hdf5Member]:
    """The arrays of an HDF5 file. An exception that ``progress`` raises ends the reading. Raises ``DatasetError`` if
    the file cannot be read."""
    members: list[Hdf5Member] = []
    links: list[str] = []
    elsewhere: list[str] = []
    groups: set[int] = set()  # where they lie: a group may hold itself, or have several names

    def collect(group: h5py.Group, above: str) -> None:
        for place, key in enumerate(group):
            if progress is not None and place % 256 == 0:
                progress(0.0)
            name = f"{above}{key}"
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                links.append(name)
                continue
            item = group[key]
            if isinstance(item, h5py.Group):
                address = h5o.get_info(item.id).addr
                if address in groups:
                    links.append(name)
                elif name.count("/") < DEEPEST:
                    groups.add(address)
                    collect(item, f"{name}/")
            elif isinstance(item, h5py.Dataset) and len(members) < MOST_ARRAYS:
                if item.is_virtual or item.external:
                    elsewhere.append(name)
                    continue
                text = h5py.check_string_dtype(item.dtype) is not None
                if item.shape and (text or item.dtype.kind in "buif"):
                    dtype = np.dtype(str) if text else item.dtype
                    members.append(Hdf5Member(name, tuple(item.shape), dtype, path, text))

    try:
        check_ends(path, progress)
    except StuckError as error:
        raise DatasetError(_unreadable(path, str(error))) from error
    with broken_as(lambda why: _unreadable(path, why)), h5py.File(path, "r") as file:
        groups.add(h5o.get_info(file.id).addr)
        collect(file, "")
    if links:
        are, they = ("is", "it") if len(links) == 1 else ("are", "they")
        notes.append(
            f"{counted(len(links), 'link')} {are} not followed, such as {links[0]}: {they} may lead into other files, "
            "or to what is read already."
        )
    if elsewhere:
        lie, are = ("lies", "is") if len(elsewhere) == 1 else ("lie", "are")
        notes.append(
            f"{counted(len(elsewhere), 'array')} {lie} in other files and {are} not read, such as {elsewhere[0]}."
        )
    if len(members) == MOST_ARRAYS:
        notes.append(f"The first {MOST_ARRAYS:,} arrays are read, and no more.")
    return members


def _unreadable(path: Path, why: str) -> str:
    return f"{shown(str(path))} cannot be read as HDF5 ({why}). Write or download it again."
