"""Image files: all below a folder, with the classes and the split that its sub-folders say, or the frames of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core.config import DataConfig
from core.data.dataset import DatasetError, Progress
from core.data.labels import LabelColumn, join, split_column
from core.data.sources.listing import ListedFile, Listing, shown
from core.data.sources.parallel import in_order
from core.data.sources.pictures import (
    NO_IMAGE,
    Header,
    PictureError,
    is_picture,
    read_frames,
    read_header,
    settle_pillow,
)
from core.data.sources.source import Blocks, ImageSource, PixelKind, Pixels, Result, Size, Skipped, chosen_channels
from core.data.splits import side_of
from core.data.tables import EXPORT_TABLE, TableError, read_table
from core.utils.text import counted

_HEADERS = 64  # files whose headers one task reads
_FILES, _FRAMES, _PIXELS = 8, 8, 2_000_000  # at most in one task: cancelling waits for it


@dataclass(frozen=True)
class Headers:
    """What the headers of files say, and what is wrong with the others, by their paths below the folder."""

    known: dict[str, Header]
    faults: dict[str, str]


@dataclass(eq=False)
class PictureSource(ImageSource):
    """Image files; ``files`` with their headers in natural order, ``first`` int64 the place of each one's first
    frame, ``taken`` the frames of each that are taken, ``planes`` the channels that a person chose."""

    files: list[tuple[ListedFile, Header]] = field(default_factory=list)
    first: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    taken: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    planes: str = ""

    def blocks(self, apply: Callable[[Pixels], Result], target: Callable[[Size], Size] | None = None) -> Blocks[Result]:
        settle_pillow()

        def read(task: list[tuple[int, range]]) -> list[tuple[range, list[Result] | Skipped]]:
            return [answer for file, frames in task for answer in self._read(file, frames, apply, target)]

        for answers in in_order(read, self._tasks()):
            yield from answers

    def _tasks(self) -> Iterator[list[tuple[int, range]]]:
        """Files, or parts of one with many frames, that are read by one thread one after the other."""
        task, pixels = [], 0
        for index, (_, header) in enumerate(self.files):
            for start in range(0, self.taken[index], _FRAMES):
                task.append((index, range(start, min(start + _FRAMES, self.taken[index]))))
                pixels += header.size[0] * header.size[1] * len(task[-1][1])
                if len(task) >= _FILES or pixels >= _PIXELS:
                    yield task
                    task, pixels = [], 0
        if task:
            yield task

    def _read(
        self, index: int, frames: range, apply: Callable[[Pixels], Result], target: Callable[[Size], Size] | None
    ) -> list[tuple[range, list[Result] | Skipped]]:
        (file, header), first = self.files[index], int(self.first[index])
        results: list[Result] = []
        failed: list[tuple[range, list[Result] | Skipped]] = []
        try:
            for pixels in read_frames(file, header, frames, self.planes, target):
                results.append(apply(pixels))
        except PictureError as error:
            missing = frames[len(results) :]
            name = file.shown if self.taken[index] == 1 else f"{file.shown}#{missing[0]}"
            more = f"; so are the {len(missing) - 1} frames after it" if len(missing) > 1 else ""
            failed = [(_places(first, missing), Skipped(name, f"{error}{more}"))]
        done = frames[: len(results)]
        return ([(_places(first, done), results)] if results else []) + failed


def _places(first: int, frames: range) -> range:
    return range(first + frames.start, first + frames.stop)


def open_pictures(
    listing: Listing,
    config: DataConfig,
    progress: Progress | None = None,
    keep: Callable[[Callable[[], Headers]], Headers] | None = None,
) -> PictureSource:
    """The image files of ``listing``, whose headers ``keep`` may know from before.

    Raises ``DatasetError`` if none can be read.
    """
    settle_pillow()
    alone = listing.root.is_file()
    arrays = not any(is_picture(file.suffix) for file in listing.files)  # each file may be one image

    def may_be_picture(file: ListedFile) -> bool:
        return alone or is_picture(file.suffix) or (arrays and file.suffix == ".npy")

    pictures = [file for file in listing.files if may_be_picture(file) or not file.suffix]

    def read() -> Headers:
        return _read_headers(pictures, progress)

    headers = read() if keep is None else keep(read)
    skipped, notes, files = list(listing.skipped), list(listing.notes), []
    for file in pictures:
        header = headers.known.get(file.name)
        if header is not None:
            files.append((file, header))
        elif may_be_picture(file):
            skipped.append(Skipped(file.shown, headers.faults.get(file.name, NO_IMAGE)))
    if not files:
        raise DatasetError(_nothing_readable(listing, skipped))
    known = {id(file) for file, _ in files} | {id(file) for file in pictures if may_be_picture(file)}
    others = Counter(file.suffix or "without suffix" for file in listing.files if id(file) not in known)
    if others:
        said = ", ".join(f"{count:,} {suffix}" for suffix, count in others.most_common(6))
        count = sum(others.values())
        notes.append(f"{counted(count, 'file')} left out that {'are' if count > 1 else 'is'} no image: {said}.")
    tables = [file.shown for file in listing.files if file.suffix in (".csv", ".tsv", ".xlsx", ".parquet")]
    if tables:
        notes.append(f"A table lies among the images, {tables[0]}; it gives labels if data.labels names it.")
    by_channels = Counter(header.channels for _, header in files)
    for channels in sorted(by_channels):
        place = f"{shown(str(listing.root))}: {counted(by_channels[channels], 'image')}"
        chosen_channels(config.planes, channels, place, notes)
    turned = sum(header.turned for _, header in files)
    if turned:
        notes.append(f"{counted(turned, 'image')} turned upright as EXIF says.")

    held = np.array([header.frames for _, header in files], dtype=np.int64)
    taken = held if config.frames == "all" else np.ones_like(held)
    notes += _frame_notes(held, config.frames)
    mixed = [(file, header.tiff.left_out) for file, header in files if header.tiff is not None and header.tiff.left_out]
    if mixed:
        pages = counted(sum(count for _, count in mixed), "page")
        notes.append(
            f"{pages} of {counted(len(mixed), 'TIFF file')} left out, of another size or type than the first page, "
            f"such as in {mixed[0][0].shown}; save them as files of their own."
        )
    first = np.concatenate([[0], np.cumsum(taken)[:-1]])
    owner = np.repeat(np.arange(len(files)), taken)
    labels, split = layout(listing, [file.name for file, _ in files], notes)
    if split is None:
        split = _exported_split(listing, [file.shown for file, _ in files], notes)
    return PictureSource(
        path=listing.root,
        kind="image file" if alone else "folder of image files",
        sizes=np.array([header.size for _, header in files], dtype=np.int32)[owner],
        kinds=_kinds(files, taken),
        names=tuple(_names(files, taken)),
        labels=[LabelColumn(label.name, label.values[owner], label.categories) for label in labels],
        given_split=None if split is None else split[owner],
        groups=owner if len(owner) > len(files) else None,
        skipped=skipped,
        notes=notes,
        files=files,
        first=first,
        taken=taken,
        planes=config.planes,
    )


def _read_headers(files: list[ListedFile], progress: Progress | None) -> Headers:
    """The headers of ``files``, read on all cores."""
    headers = Headers({}, {})

    def read(part: list[ListedFile]) -> int:
        for file in part:
            try:
                headers.known[file.name] = read_header(file.path, file.suffix)
            except PictureError as error:
                headers.faults[file.name] = str(error)
        return len(part)

    done = 0
    for count in in_order(read, (files[i : i + _HEADERS] for i in range(0, len(files), _HEADERS))):
        done += count
        if progress is not None:
            progress(done / len(files))
    return headers


def _nothing_readable(listing: Listing, skipped: list[Skipped]) -> str:
    root = shown(str(listing.root))
    if not skipped:
        kinds = Counter(file.suffix or "without suffix" for file in listing.files)
        held = ", ".join(f"{count:,} {suffix}" for suffix, count in kinds.most_common(6))
        return f"{root} holds no image file{f' (it holds {held})' if held else ''}; give a folder with images."
    first = skipped[0]
    if len(skipped) == 1:
        where = "" if listing.root.is_file() else f" {first.name}:"
        if first.reason == NO_IMAGE and listing.root.is_file() and not is_picture(listing.root.suffix.lower()):
            return (
                f"{root} is no image that can be read, nor a file with arrays (NPZ, NPY, HDF5, IDX); convert it to PNG "
                "or TIFF, or give a folder with images."
            )
        return f"{root} holds no image that can be read:{where} {first.reason}."
    return (
        f"{root} holds no image that can be read: all {len(skipped):,} files are skipped, the first, {first.name}, "
        f"because it is {first.reason}."
    )


def _frame_notes(held: np.ndarray, frames: str) -> list[str]:
    several = held > 1
    if not several.any():
        return []
    files, more = counted(int(several.sum()), "file"), int((held - 1).sum())
    if frames == "all":
        return [f"{files} with several frames: each of the {int(held[several].sum()):,} frames is an image."]
    return [f"{files} with several frames: the first is taken, {counted(more, 'frame')} not (data.frames is first)."]


def _names(files: list[tuple[ListedFile, Header]], taken: np.ndarray) -> Iterator[str]:
    for (file, _), count in zip(files, taken, strict=True):
        if count == 1:
            yield file.shown
        else:
            yield from (f"{file.shown}#{frame}" for frame in range(count))


def layout(listing: Listing, names: list[str], notes: list[str]) -> tuple[list[LabelColumn], np.ndarray | None]:
    """The class of each file, by its first folder, and the split, by folders train and val or test, around the classes
    or within them."""
    parts = [name.split("/") for name in names]
    depth = 0
    while len({part[depth] for part in parts}) == 1 and all(len(part) > depth + 2 for part in parts):
        depth += 1  # one folder around everything, as archives are packed
    split = None
    level = _split_level(parts, depth)
    if level is not None:
        split = np.array([side_of(part[level]) or 0 if len(part) > level + 1 else 0 for part in parts], np.uint8)
        folders = {part[level] for part in parts if len(part) > level + 1}
        used = sorted(folders, key=lambda folder: (side_of(folder) or 0, folder))
        train, aside, out = np.bincount(split, minlength=3).tolist()
        notes.append(
            f"The split is given by the folders {' and '.join(map(shown, used))}: {train:,} files to train, "
            f"{aside:,} to validate{f', {out:,} held out' if out else ''}."
        )
        depth += level == depth
    folder_of = [part[depth] if len(part) > depth + 1 and depth != level else None for part in parts]
    classes = list(dict.fromkeys(folder for folder in folder_of if folder is not None))
    if len(classes) < 2:
        return [], split
    place = {folder: float(index) for index, folder in enumerate(_natural(classes))}
    values = np.array([np.nan if folder is None else place[folder] for folder in folder_of], dtype=np.float32)
    unknown = folder_of.count(None)
    if unknown:
        notes.append(f"{counted(unknown, 'file')} beside the class folders: class not known.")
    lowest = max(depth, -1 if level is None else level)
    inner = next((name for name, part in zip(names, parts, strict=True) if len(part) > lowest + 2), None)
    if inner is not None:
        folder = shown(inner.rpartition("/")[0])
        notes.append(f"Folders within those of the classes, such as {folder}, are no classes of their own.")
    levels = {folder.rstrip("/").split("/")[depth] for folder in listing.folders if folder.count("/") == depth + 1}
    empty = _natural(levels - set(classes)) if split is None else []
    if empty:
        said = ", ".join(shown(folder) for folder in empty[:6]) + (", …" if len(empty) > 6 else "")
        notes.append(f"No images in the folder{'s' if len(empty) > 1 else ''} {said}: no class is made of it.")
    return [LabelColumn("class", values, tuple(map(shown, place)))], split


def _exported_split(listing: Listing, names: list[str], notes: list[str]) -> np.ndarray | None:
    """The split in the table of a folder that Isoline exported, so that what a run held out is not trained on."""
    table = next((file for file in listing.files if file.name == EXPORT_TABLE), None)
    if table is None:
        return None
    reasons: list[str] = []
    try:
        content = read_table(Path(table.path))
        column = split_column(content, join(content, names, np.arange(len(names))), reasons)
    except TableError as error:  # damaged by hand, or another's table, which happens to be called so
        reasons.append(str(error).replace(table.path, EXPORT_TABLE))
    else:
        if column is not None:
            notes.append(f"The split is given by the column {column.name} of {EXPORT_TABLE}.")
            notes += column.notes(content, names)
            return column.sides
        reasons.append("no column puts images on two sides, such as train and validation.")
    notes.append(f"{EXPORT_TABLE} was not used for the split: {reasons[0]}")
    return None


def _split_level(parts: list[list[str]], depth: int) -> int | None:
    """At which level from ``depth`` on all folders are for training, for validation or held out, the first being there
    and one of the others."""
    for level in range(depth, max(map(len, parts)) - 1):
        sides = {side_of(part[level]) for part in parts if len(part) > level + 1}
        if None not in sides and 0 in sides and len(sides) > 1:
            return level
    return None


def _natural(names: list[str] | set[str]) -> list[str]:
    from natsort import natsorted

    return natsorted(names, key=shown)


def _kinds(files: list[tuple[ListedFile, Header]], taken: np.ndarray) -> dict[PixelKind, int]:
    kinds: Counter[PixelKind] = Counter()
    for (_, header), count in zip(files, taken, strict=True):
        kinds[header.kind] += int(count)
    return dict(kinds.most_common())
