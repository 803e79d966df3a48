"""Images in arrays: which of a file's arrays they are, how their axes lie, which of their channels are taken."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core.config import DataConfig
from core.data.dataset import DatasetError, broken_as
from core.data.sources.array_labels import labels_of
from core.data.sources.listing import shown
from core.data.sources.members import Member, is_validation, stem_of
from core.data.sources.parallel import in_order
from core.data.sources.pictures import MAX_PIXELS
from core.data.sources.source import (
    Blocks,
    ImageSource,
    PixelKind,
    Pixels,
    Result,
    Size,
    Skipped,
    bytes_of_alpha,
    chosen_channels,
    taken,
)

KNOWN = ("imgs", "images", "image", "img", "x", "data", "pictures", "frames", "pixels", "arr_0")
"""Names that say that an array holds the images, the surest first; in small letters."""
_BLOCK = 2 << 20  # bytes
_ALPHA_LOOKED_AT = 64  # images


@dataclass(frozen=True)
class Axes:
    """How an array becomes images: ``kind`` is NHW, NHWC, NCHW or rows (each row the pixels of a square image);
    ``height``, ``width`` and ``channels`` of the images in it."""

    kind: str
    height: int
    width: int
    channels: int

    def images(self, block: np.ndarray) -> np.ndarray:
        """(n, H, W, C) of a block of the array."""
        if self.kind == "NCHW":
            return np.moveaxis(block, 1, -1)
        return block.reshape(len(block), self.height, self.width, self.channels)


@dataclass(eq=False)
class ArraySource(ImageSource):
    """Images in arrays that follow one another (train and test), all of one shape and type; ``opaque`` is the value of
    their fourth channel where it is transparency and an image is opaque, else 0."""

    parts: tuple[Member, ...] = ()
    axes: Axes = field(default_factory=lambda: Axes("NHW", 0, 0, 1))
    planes: tuple[int, ...] = (0,)
    opaque: float = 0.0

    def numbered(self, first: int, stop: int, becomes: int) -> Iterator[tuple[int, np.ndarray]]:
        """Blocks of the arrays' images ``first`` to ``stop``, each with the place of its first one; ``becomes`` bytes
        are made of each image. Raises ``DatasetError`` for what is damaged."""
        for start, block in self._numbered(becomes, first):
            if start + len(block) >= stop:
                yield start, block[: stop - start]
                return
            yield start, block

    def blocks(self, apply: Callable[[Pixels], Result], target: Callable[[Size], Size] | None = None) -> Blocks[Result]:
        def convert(numbered: tuple[int, np.ndarray]) -> tuple[range, list[Result] | Skipped]:
            start, block = numbered
            return range(start, start + len(block)), [apply(self.pixels(block))]

        # Small images that become large ones must not fill the memory either.
        height, width = (0, 0) if target is None else target((self.axes.height, self.axes.width))
        yield from in_order(convert, self._numbered(height * width * 3))

    def _numbered(self, becomes: int = 0, first: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        start, part = 0, self.parts[0]

        def cut_off(why: str) -> str:
            where = f"{part.name or 'its array'} after {start:,} images"
            return f"{shown(str(self.path))} is damaged or cut off in {where} ({why}). Write or download it again."

        with broken_as(cut_off):
            for part in self.parts:
                row = max(math.prod(part.shape[1:]) * part.dtype.itemsize, becomes)
                skip = min(max(0, first - start), part.shape[0])
                start += skip
                if skip == part.shape[0]:
                    continue
                for block in part.blocks(max(1, _BLOCK // max(1, row)), skip):
                    yield start, block
                    start += len(block)

    def pixels(self, block: np.ndarray) -> Pixels:
        """What a block of the array shows."""
        images = self.axes.images(block)
        if images.dtype.byteorder not in "=|":
            images = images.astype(images.dtype.newbyteorder("="))
        alpha = bytes_of_alpha(images[..., 3], self.opaque) if self.opaque else None
        return Pixels(taken(images, self.planes), alpha)


def open_arrays(path: Path, kind: str, members: list[Member], config: DataConfig, notes: list[str]) -> ArraySource:
    """The images among ``members`` and the labels beside them. Raises ``DatasetError``."""
    parts, split = _image_parts(path, members, config.array)
    first = parts[0]
    axes = _axes(path, first, notes)
    count = sum(part.shape[0] for part in parts)
    if not count:
        raise DatasetError(f"{shown(str(path))} holds no image: {first}.")
    if axes.height * axes.width * axes.channels * first.dtype.itemsize > MAX_PIXELS * 8:
        raise DatasetError(f"{shown(str(path))}: {first}; that is more than {MAX_PIXELS * 8 / 1e9:g} GB an image.")
    source = ArraySource(
        path=path,
        kind=kind,
        sizes=np.broadcast_to(np.array([axes.height, axes.width], np.int32), (count, 2)),
        kinds={},
        parts=parts,
        axes=axes,
    )
    if axes.channels == 4 and not config.planes:
        source.opaque = _opaque_value(axes.images(next(source._numbered())[1])[:_ALPHA_LOOKED_AT, ..., 3])
    if source.opaque:
        source.planes = (0, 1, 2)
        notes.append("The fourth channel is taken as transparency.")
    else:
        source.planes = chosen_channels(config.planes, axes.channels, shown(str(path)), notes)
    depth = 1 if first.dtype.kind == "b" else 8 * first.dtype.itemsize
    kind_ = PixelKind(depth, len(source.planes) > 1, source.opaque > 0, first.dtype.kind == "f")
    source.kinds = {kind_: count}
    if len(parts) > 1:
        names = [f"{part.name} ({part.shape[0]:,})" for part in parts]
        notes.append(f"Images are {', '.join(names[:-1])} and {names[-1]}: the split is given by their names.")
    source.labels, source.names, given = labels_of(path, parts, members, count, config.number_labels == "auto", notes)
    source.given_split = split if split is not None else given
    source.notes = notes
    return source


def _image_parts(path: Path, members: list[Member], named: str) -> tuple[tuple[Member, ...], np.ndarray | None]:
    """The arrays of the images, one after the other, and uint8 (N,) which are for validation, if names say so."""
    place = shown(str(path))
    if named:
        chosen = [member for member in members if member.name == named]
        if not chosen:
            raise DatasetError(f"{place} has no array {named!r} (data.array); it holds {_listed(members)}.")
        return (chosen[0],), None
    candidates = [member for member in members if member.dtype.kind in "buif" and len(member.shape) in (3, 4)]
    if not candidates:
        candidates = [member for member in members if side_of_rows(member)]
    if not candidates:
        raise DatasetError(
            f"{place} holds {_listed(members)}; none of it is images, numbers (N, H, W), (N, H, W, C) or (N, C, H, W). "
            f"{_remedy(members)}"
        )
    series = _series(candidates)
    if len(series) > 1:
        known = next(filter(None, (_called(name, series) for name in KNOWN)), [])
        if len(known) != 1:
            raise DatasetError(
                f"{place} holds several arrays that may be the images: {_listed(candidates)}. Name one in data.array."
            )
        series = {known[0]: series[known[0]]}
    parts = next(iter(series.values()))
    if len({(part.shape[1:], part.dtype) for part in parts}) > 1:
        raise DatasetError(
            f"{place}: {_listed([*parts])} differ in shape or type and cannot follow one another. Name one in "
            "data.array."
        )
    if len(parts) == 1:
        return parts, None
    aside = [is_validation(part.name) for part in parts]
    return parts, np.repeat(np.array(aside, np.uint8), [part.shape[0] for part in parts])


def _remedy(members: list[Member]) -> str:
    """How what a file holds becomes images."""
    if any(member.dtype.kind in "buif" and len(member.shape) == 2 for member in members):
        return "If each array is one image, save them as one: numpy.savez('images.npz', images=numpy.stack([...]))."
    return "Save them as numbers: numpy.savez('images.npz', images=...)."


def _called(name: str, stems: Iterable[str]) -> list[str]:
    """Those of ``stems`` that are ``name``, or else that end in it."""
    return [stem for stem in stems if stem == name] or [stem for stem in stems if stem.endswith(f"_{name}")]


def _series(candidates: list[Member]) -> dict[str, tuple[Member, ...]]:
    """Arrays by their name without "train", "test" and the like; those for training first."""
    series: dict[str, list[Member]] = defaultdict(list)
    for member in candidates:
        series[stem_of(member.name)].append(member)
    return {stem: tuple(sorted(parts, key=lambda part: is_validation(part.name))) for stem, parts in series.items()}


def _listed(members: list[Member]) -> str:
    said = [f"{member.name or 'an array'} {member.dtype} {member.shape}" for member in members[:8]]
    return ", ".join(said) + (", …" if len(members) > 8 else "") if said else "no array"


def side_of_rows(member: Member) -> int:
    """The side of square images whose pixels are the rows of ``member``, grey or colour; 0 if they are not."""
    if member.dtype.kind not in "buif" or len(member.shape) != 2:
        return 0
    for channels in (1, 3):
        side = math.isqrt(member.shape[1] // channels)
        if side >= 8 and side * side * channels == member.shape[1]:
            return side
    return 0


def _axes(path: Path, member: Member, notes: list[str]) -> Axes:
    shape = member.shape
    refusal = f"{shown(str(path))}: {member}; it must be (N, H, W), (N, H, W, C) or (N, C, H, W)."
    if member.dtype.kind not in "buif":
        raise DatasetError(f"{shown(str(path))}: {member}; images must be numbers.")
    if side := side_of_rows(member):
        channels = shape[1] // side**2
        if channels == 3:
            raise DatasetError(
                f"{refusal} Rows of {shape[1]:,} numbers may be colour images, but do not say in which order: reshape "
                "them before saving."
            )
        notes.append(f"Each row of {shape[1]:,} numbers is taken as an image of {side} × {side}.")
        return Axes("rows", side, side, 1)
    if len(shape) == 3 and min(shape[1:]) > 4:
        return Axes("NHW", shape[1], shape[2], 1)
    if len(shape) == 3 and shape[2] <= 4 < shape[1]:
        raise DatasetError(f"{refusal} If it is one image, save several of them as one array.")
    if len(shape) == 3 and min(shape[1:]) > 0:
        return Axes("NHW", shape[1], shape[2], 1)
    if len(shape) != 4 or min(shape[1:]) < 1:
        raise DatasetError(refusal)
    _, second, third, last = shape
    if last <= 4 or (last < min(second, third) and second > 4):
        return Axes("NHWC", second, third, last)
    if second <= 4 or second < min(third, last):
        if second > 1:
            notes.append(f"{member}: the second axis is taken as channels.")
        return Axes("NCHW", third, last, second)
    raise DatasetError(f"{refusal} Which axis is the channels cannot be told.")


def _opaque_value(values: np.ndarray) -> float:
    """The value of an opaque pixel if ``values`` of a channel look like transparency, mostly all or none; else 0."""
    highest = float(values.max())
    if values.dtype.kind in "bf":
        full = 1.0 if highest <= 1.0 else 255.0
    else:
        full = 255.0 if highest <= 255 else float(np.iinfo(values.dtype).max)
    extreme = np.count_nonzero((values == full) | (values == 0))
    return full if highest == full and extreme >= values.size / 2 else 0.0
