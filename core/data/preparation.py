"""Files to training images: read, converted, scaled, counted, once; then found again in the cache.

What an image becomes depends on the whole data set (``pixels.survey``), so files whose pixels are deeper than 8 bits
or transparent are read twice. Images go to the disk in blocks; memory holds only what the threads are working on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from PIL import ImageColor

from core.config import DataConfig
from core.data.cache import ImageCache, Writer, cache_folder, fingerprint, remembered, warn_unwritable
from core.data.dataset import DatasetError, Progress
from core.data.labels import LabelColumn
from core.data.pixels import Survey, eight_bit, resized, scaled_size, survey
from core.data.sources.folder import Headers
from core.data.sources.listing import Listing, in_natural_order, listed, shown
from core.data.sources.opening import companions, open_listing
from core.data.sources.source import ImageSource, Pixels, Size, Skipped
from core.utils.text import counted

VERSION = 13
"""Of what is made of files: a change of pixels or labels must not find what was made before it."""
EXAMPLES = 8
_SURVEY_SHARE = 0.4  # of the progress, where all pixels are read twice


@dataclass(frozen=True)
class Statistics:
    """What was counted: ``duplicates`` images equal to an earlier one, with pairs of names as examples; ``constant``
    images of one level, with names."""

    duplicates: int = 0
    duplicate_examples: tuple[tuple[str, str], ...] = ()
    constant: int = 0
    constant_examples: tuple[str, ...] = ()


class Prepared(msgspec.Struct, eq=False):
    """``images`` uint8 (N, S, S, C), read-only, a memory map, and what their source says of them (see
    ``core.data.sources.source.ImageSource``), without those that could not be read. ``fingerprint`` is the sha256 hex
    of the pixels in their order; ``read_as`` is that of ``core.data.dataset.Dataset``. ``equal_to`` int64 (N,) is the
    first image that is the same as each; None if no two are. All but the images is stored beside them."""

    names: tuple[str, ...]
    labels: tuple[LabelColumn, ...]
    given_split: np.ndarray | None
    groups: np.ndarray | None
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]
    statistics: Statistics
    fingerprint: str
    read_as: dict[str, str]
    equal_to: np.ndarray | None
    images: np.ndarray


def _stored(array: np.ndarray) -> tuple[str, bytes]:
    return array.dtype.str, array.tobytes()


def _restored(_type: type, stored: object) -> np.ndarray:
    """What ``_stored`` made of an array. ``msgspec`` makes a ``ValueError`` its own error."""
    dtype, data = msgspec.convert(stored, tuple[str, bytes], strict=True)
    if not re.fullmatch("[<|][fiu][1248]", dtype):
        raise ValueError(f"no array of {dtype!r} is stored here")
    return np.frombuffer(data, dtype)


def prepare(config: DataConfig, progress: Progress | None = None, cache: Path | None = None) -> Prepared:
    """The images of ``config.path``, from the cache (None: the user's), or read and then cached.

    An exception that ``progress`` raises ends the reading and leaves nothing behind. Raises ``DatasetError``.
    """
    listing = listed(config.path, lambda: None if progress is None else progress(0.0))
    return prepare_listing(listing, config, progress, cache)


def prepare_listing(
    listing: Listing,
    config: DataConfig,
    progress: Progress | None = None,
    cache: Path | None = None,
    source: ImageSource | None = None,
    common: Survey | None = None,
) -> Prepared:
    """The same, of files that are listed already; their ``source`` and its survey ``common`` may be there, too."""
    store = ImageCache(cache_folder() if cache is None else cache)
    recipe = _recipe(listing, config)
    found = find_prepared(store, recipe)
    if found is not None:
        if progress is not None:
            progress(1.0)
        return found
    damage = store.damage
    if source is None:
        source = opened(listing, config, cache, None if progress is None else lambda _: progress(0.0))
    share = 0.0 if common is not None else _SURVEY_SHARE
    if common is None:
        common = surveyed(source, listing, config, cache, None if progress is None else lambda f: progress(share * f))
    rest = None if progress is None else lambda fraction: progress(share + (1.0 - share) * fraction)
    try:
        made = _made(store, recipe, source, config, common, rest)
    except OSError as error:
        warn_unwritable(store.folder, error)
        made = prepared_once(source, config, common, rest)
    if damage:
        made.notes = (*made.notes, damage)
    return made


def prepared_once(
    source: ImageSource, config: DataConfig, common: Survey, progress: Progress | None = None
) -> Prepared:
    """The images of ``source``, whose survey is ``common``, read now and not kept: they lie in a temporary file as long
    as they are used."""
    with tempfile.TemporaryDirectory(prefix="isoline-", ignore_cleanup_errors=True) as folder:
        try:
            return _made(ImageCache(Path(folder)), "images", source, config, common, progress)
        except OSError as error:
            raise DatasetError(
                f"the prepared images of {shown(str(source.path))} cannot be written to {folder} "
                f"({error.strerror or error}); free some space, or name a folder for them in ISOLINE_CACHE."
            ) from error


def opened(listing: Listing, config: DataConfig, cache: Path | None, progress: Progress | None = None) -> ImageSource:
    """The source of the files in ``listing``; the headers of a folder's files are read once and then kept."""

    def keep(find: Callable[[], Headers]) -> Headers:
        return remembered(cache, "headers", fingerprint(VERSION, _files(listing)), Headers, find)

    return open_listing(listing, config, progress, keep)


def surveyed(
    source: ImageSource, listing: Listing, config: DataConfig, cache: Path | None, progress: Progress | None = None
) -> Survey:
    """What the images of ``source`` have in common: as it was found before, or found now and kept in the cache."""
    settings = (config.background, config.intensity, config.frames, config.array, config.planes)
    recipe = fingerprint(VERSION, _files(listing), settings)
    return remembered(cache, "survey", recipe, Survey, lambda: survey(source, config, progress))


def _recipe(listing: Listing, config: DataConfig) -> str:
    """What decides the images: which files there are, when they were written, and the settings that reading obeys."""
    settings = (
        config.image_size,
        config.channels,
        config.resize,
        config.background,
        config.intensity,
        config.frames,
        config.array,
        config.planes,
        config.order,
        config.number_labels,
    )
    return fingerprint("files", VERSION, _files(listing), settings)


def _files(listing: Listing) -> str:
    """A hash of which files there are, and when they were written."""
    digest = hashlib.sha256()
    beside = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in companions(listing.root)]
    digest.update(repr((str(listing.root), listing.folders, beside)).encode("utf-8", "surrogateescape"))
    for file in listing.files:
        digest.update(f"{file.name}\0{file.size}\0{file.changed_ns}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _made(
    store: ImageCache,
    recipe: str,
    source: ImageSource,
    config: DataConfig,
    common: Survey,
    progress: Progress | None,
) -> Prepared:
    shape = (config.image_size, config.image_size, config.channels)
    with store.writing(recipe, len(source), shape) as writer:
        writer.finish(_read_all(source, config, common, writer, progress))
    made = find_prepared(store, recipe)
    if made is None:
        raise DatasetError(f"{store.folder} does not keep what is written to it; name another folder in ISOLINE_CACHE.")
    return made


def _read_all(
    source: ImageSource, config: DataConfig, common: Survey, writer: Writer, progress: Progress | None
) -> bytes:
    """Write every image that can be read; returns what is stored with them."""
    side, channels = config.image_size, config.channels
    as_network_sees = converter(config, common)

    def convert(pixels: Pixels) -> tuple[np.ndarray, list[bytes], np.ndarray]:
        """Images (n, S, S, C), the hash of each, and which are of one level."""
        images = as_network_sees(pixels)
        flat = images.reshape(len(images), -1)
        hashes = [hashlib.blake2b(image.data, digest_size=16).digest() for image in flat]
        return images, hashes, flat.min(axis=1) == flat.max(axis=1)

    def target(size: Size) -> Size:
        return scaled_size(size, side, config.resize)

    kept, hashes = np.zeros(len(source), dtype=bool), []
    constant: list[np.ndarray] = []
    skipped = list(source.skipped)
    with contextlib.closing(source.blocks(convert, target)) as blocks:
        for places, results in blocks:
            if isinstance(results, Skipped):
                skipped.append(results)
            else:
                kept[places.start : places.stop] = True
                for images, marks, same in results:
                    writer.append(images)
                    hashes += marks
                    constant.append(same)
            if progress is not None:
                progress(places.stop / len(source))
    if not hashes:
        raise DatasetError(
            f"{shown(str(source.path))} holds no image that can be read: {counted(len(skipped), 'file')} skipped, the "
            f"first, {skipped[0].name}, because it is {skipped[0].reason}."
        )
    skipped = in_natural_order(skipped, lambda one: one.name)
    names = tuple(name for name, keep in zip(source.names, kept, strict=True) if keep) if source.names else ()
    first: dict[bytes, int] = {}
    equal_to = np.array([first.setdefault(mark, index) for index, mark in enumerate(hashes)], dtype="<i8")
    statistics = _statistics(equal_to, np.concatenate(constant), names)
    about = Prepared(
        names=names,
        labels=tuple(LabelColumn(label.name, label.values[kept], label.categories) for label in source.labels),
        given_split=None if source.given_split is None else source.given_split[kept],
        groups=None if source.groups is None else source.groups[kept],
        skipped=tuple(skipped),
        notes=(*source.notes, *pixel_notes(source, config, common), *_repeated(statistics)),
        statistics=statistics,
        fingerprint=fingerprint(side, channels, hashlib.sha256(b"".join(hashes)).hexdigest()),
        read_as=_read_as(source, config, common),
        equal_to=equal_to if statistics.duplicates else None,
        images=np.empty(0, np.uint8),
    )
    return msgspec.msgpack.encode(about, enc_hook=_stored)


def converter(config: DataConfig, common: Survey) -> Callable[[Pixels], np.ndarray]:
    """What makes images uint8 (n, S, S, C), as the network sees them, of pixels; may run in several threads at once."""
    margin, channels = _margin(config, common), config.channels

    def convert(pixels: Pixels) -> np.ndarray:
        images = resized(eight_bit(pixels, common, channels), config.image_size, config.resize, margin)
        return np.ascontiguousarray(np.repeat(images, channels, axis=-1) if images.shape[-1] < channels else images)

    return convert


def _margin(config: DataConfig, common: Survey) -> np.ndarray | None:
    """What margins are filled with, uint8 (C,); None: with each image's own border."""
    if config.background != "auto":
        colour = ImageColor.getrgb(config.background)[:3]
    elif common.background is not None:
        colour = common.background
    else:
        return None
    red, green, blue = colour
    return np.array([round(0.299 * red + 0.587 * green + 0.114 * blue)] if config.channels == 1 else colour, np.uint8)


def like(config: DataConfig, read_as: Mapping[str, str], source: ImageSource) -> DataConfig:
    """``config`` that reads the images of ``source`` as those were read that ``read_as`` is about."""
    settings = dict(read_as)
    high = settings.get("intensity", "").partition(":")[2]
    if high and not _is_deep(source) and (config.intensity == "auto" or float(high) > 255):
        del settings["intensity"]  # it is about numbers that 8 bits do not have
    return dataclasses.replace(config, **settings)  # pyright: ignore[reportArgumentType]  # texts, all of them


def _is_deep(source: ImageSource) -> bool:
    return any(kind.bits > 8 for kind in source.kinds)


def _read_as(source: ImageSource, config: DataConfig, common: Survey) -> dict[str, str]:
    settings = {}
    if common.background is not None and config.background == "auto":
        settings["background"] = "white" if common.background[0] else "black"  # found are only these
    if _is_deep(source):
        settings["intensity"] = f"{common.low!r}:{common.high!r}"
    elif config.intensity in ("range", "percentiles"):
        settings["intensity"] = f"{common.low8!r}:{common.high8!r}"
    return settings


def pixel_notes(source: ImageSource, config: DataConfig, common: Survey) -> list[str]:
    """What is done to values, size and colour."""
    notes = [*common.notes]
    side = config.image_size
    sizes = common_sizes(source.sizes)
    height, width, _ = sizes[0]
    if {(height, width) for height, width, _ in sizes} != {(side, side)}:
        size = f"{height} × {width}"
        which = f"Images of {size}" if len(sizes) == 1 else f"Images of {len(sizes):,} sizes, most often {size},"
        square = all(height == width for height, width, _ in sizes)
        how = {"fit": "padded to squares and", "crop": "cropped to squares and", "stretch": "stretched to squares and"}
        notes.append(f"{which} {'are' if square else f'are {how[config.resize]}'} scaled to {side} × {side}.")
    if common.colour and config.channels == 1:
        notes.append("Colour is left out: data.channels is 1.")
    if config.channels == 3 and not any(kind.colour for kind in source.kinds):
        notes.append("Grey images get three equal channels: data.channels is 3.")
    return notes


def _repeated(statistics: Statistics) -> list[str]:
    """What is worth a look, as such images teach nothing."""
    notes = []
    if statistics.duplicates:
        first, second = statistics.duplicate_examples[0]
        notes.append(f"{counted(statistics.duplicates, 'image')} the same as another, such as {second} and {first}.")
    if statistics.constant:
        example = statistics.constant_examples[0]
        notes.append(f"{counted(statistics.constant, 'image')} of one level, such as {example}.")
    return notes


def common_sizes(sizes: np.ndarray) -> list[tuple[int, int, int]]:
    """(height, width, images) of each different size in ``sizes`` int32 (N, 2), the commonest first."""
    numbers, counts = np.unique(sizes[:, 0].astype(np.int64) << 32 | sizes[:, 1], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [(int(numbers[i] >> 32), int(numbers[i] & 0xFFFFFFFF), int(counts[i])) for i in order]


def _statistics(equal_to: np.ndarray, constant: np.ndarray, names: tuple[str, ...]) -> Statistics:
    def name(index: int) -> str:
        return names[index] if names else str(index)

    later = np.flatnonzero(equal_to != np.arange(len(equal_to)))
    pairs = [(int(equal_to[index]), int(index)) for index in later[:EXAMPLES]]
    return Statistics(
        duplicates=len(later),
        duplicate_examples=tuple((name(one), name(other)) for one, other in pairs),
        constant=int(constant.sum()),
        constant_examples=tuple(name(index) for index in np.flatnonzero(constant)[:EXAMPLES].tolist()),
    )


def find_prepared(store: ImageCache, recipe: str) -> Prepared | None:
    """The entry of ``recipe``. None if there is none, or what is stored beside its images does not belong to them."""
    cached = store.find(recipe)
    if cached is None:
        return None
    try:
        found = msgspec.msgpack.decode(cached.about, type=Prepared, dec_hook=_restored)
    except (msgspec.MsgspecError, RecursionError):
        return None
    found.images = cached.images
    count = len(found.images)
    per_image = [found.given_split, found.groups, found.equal_to, *(label.values for label in found.labels)]
    if (found.names and len(found.names) != count) or any(x is not None and x.shape != (count,) for x in per_image):
        return None
    return found
