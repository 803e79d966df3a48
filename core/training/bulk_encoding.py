"""Encoding very many images into parts: in batches, reading ahead, each part whole or not at all.

One process encodes one shard, a stretch of the parts (``core.data.latents.parts``), and skips those that are done; so
it may be killed at any time and started again, and any number of processes share the work without talking to one
another. The first one lists the images and looks at some of them (``prepare_parts``); the others wait for that.

Threads read and convert images ahead of the encoder, a few batches and no more; they let go of the interpreter while
they decode, as the encoder does while it computes. Means of a batch differ from those that the window computes, one
by one, by rounding; how much is measured on some of the images and said in the manifest.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import torch

from core.config import DataConfig, Precision
from core.data.dataset import DatasetError
from core.data.encoding_plan import Piece, Places, array_source, make_plan, sample_source
from core.data.latents.parts import (
    MOST_EXAMPLES,
    LeftOut,
    Manifest,
    PartFormat,
    PartRecord,
    PartsFolder,
    Settings,
)
from core.data.pixels import Survey, scaled_size
from core.data.preparation import converter
from core.data.sources.arrays import ArraySource
from core.data.sources.parallel import in_order
from core.data.sources.pictures import PictureError, read_frames, read_header, settle_pillow
from core.data.sources.source import ImageSource, PixelKind, Size
from core.models.inference import Inference, encode_images
from core.runs.directory import RunDirectory, RunError
from core.runs.imported import KEY
from core.runs.lock import RunLock
from core.training.checkpoint import newest_weights
from core.training.opening import open_inference
from core.utils.text import counted

IMAGES_PER_PART = 65_536
MOST_PART_BYTES = 64 << 20
"""Of the means of a part."""
BATCHES = (32, 128, 512)
"""Numbers of images at a time that are tried: the larger ones pay on accelerators alone."""
_TRIAL_S, _LONGEST_TRIAL_S = 0.3, 1.0
_TASK_BYTES, _TASK_FILES = 2 << 20, 16
"""What one thread reads at a time: bytes of images as the network sees them, and files."""
_AHEAD = 64
"""Of these, how many wait for the encoder."""
_COMPARED = 32
"""Images whose means are compared with those that the window computes."""
_WAIT_S = 0.5

Look = Callable[[ImageSource, DataConfig], tuple[DataConfig, Survey, np.ndarray, list[str]]]
"""What is found out about images that stand for all: how they are read, what they have in common, some of them as the
network sees them uint8 (n, S, S, C), and what is to be said."""


@dataclass
class Progress:
    """How far a shard of ``parts`` is: ``done`` images are encoded by this process, ``rows`` of them written.
    ``alone`` and ``rate`` are images a second that the encoder makes by itself, in a trial at the start, and that have
    been encoded since, reading and writing included; ``batch`` is how many at a time."""

    parts: int
    parts_done: int
    done: int = 0
    rows: int = 0
    left_out: int = 0
    alone: float = 0.0
    batch: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        return self.done / self.seconds if self.seconds > 0 else 0.0


def settings_of(model: Path, sources: Sequence[str], precision: str, kind: PartFormat, per_part: int) -> Settings:
    """What must be the same in all parts. Raises ``RunError`` or ``CheckpointError`` for a model that is none."""
    run = RunDirectory.open(model) if model.is_dir() else None
    if run is not None and run.imported is not None:
        digest = hashlib.sha256(msgspec.json.encode(run.metadata[KEY], order="sorted"))
    else:
        with open(model if run is None else newest_weights(run), "rb") as file:
            digest = hashlib.file_digest(file, "sha256")
    return Settings(str(model), digest.hexdigest(), list(sources), precision, kind, per_part)


def prepare_parts(
    folder: PartsFolder,
    settings: Settings,
    automatic: frozenset[str],
    data: DataConfig,
    exact: Inference,
    fast: Inference,
    look: Look,
) -> Manifest:
    """The manifest of ``folder``: made now, or by another process, which is waited for, or long ago; then its
    ``automatic`` settings may be others than those here, as another machine may have chosen them.

    Raises ``RunError`` if it is of other settings, ``DatasetError`` if there is nothing to encode, ``OSError``.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    lock = RunLock(folder.path / "lock")
    while not folder.manifest_path.exists():
        try:
            lock.acquire()
        except RunError:  # whoever has it lists the images
            time.sleep(_WAIT_S)
            continue
        try:
            if not folder.manifest_path.exists():
                lock.moved("starting", 0)
                _make_manifest(folder, settings, data, exact, fast, look)
        finally:
            lock.release()
    manifest = folder.manifest()
    for name in set(Settings.__struct_fields__) - automatic - {"model"}:
        before, now = getattr(manifest.settings, name), getattr(settings, name)
        if before != now:
            what = "the model has other weights now" if name == "weights" else f"{name} was {before!r} and is {now!r}"
            raise RunError(f"{folder.path} holds parts of another encoding: {what}. Choose another folder with --out.")
    return manifest


def _make_manifest(
    folder: PartsFolder, settings: Settings, data: DataConfig, exact: Inference, fast: Inference, look: Look
) -> None:
    plan = make_plan(folder, settings.sources, data, settings.images_per_part, lambda: None)
    source = sample_source(plan, settings.sources, data)
    data, common, images, notes = look(source, data)
    notes = [*plan.notes, *notes, _difference(np.array(images[:: -(-len(images) // _COMPARED)]), exact, fast)]
    if plan.skipped:
        notes.append(f"{counted(len(plan.skipped), 'folder')} left out: {plan.skipped[0].reason}.")
    manifest = Manifest(
        settings=settings,
        images=plan.images,
        parts=plan.parts,
        latent_dim=exact.latent_dim,
        data=dataclasses.asdict(data),
        common=dataclasses.asdict(common),
        deep=any(kind.bits > 8 for kind in source.kinds) or ":" in data.intensity,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        notes=notes,
    )
    folder.begin(manifest)


def _difference(images: np.ndarray, exact: Inference, fast: Inference) -> str:
    """How far means in batches are from those that the window computes."""
    window, batch = encode_images(exact, images), fast.encode_batch(images)
    largest = float(np.abs(window - batch).max())
    how = f"Means are computed in batches, in {fast.precision}"
    if not largest:
        return f"{how}: of {counted(len(images), 'image')} those of the window are the same."
    spread = float(window.std(axis=0).max())
    share = f", {largest / spread:.2g} of the standard deviation of the widest dimension" if spread > 0 else ""
    return f"{how}: of {counted(len(images), 'image')} those of the window differ by at most {largest:.2g}{share}."


def open_encoder(model: Path, device: Any, precision: Precision) -> tuple[Inference, Inference, Any]:
    """(what computes as the window does, what computes in batches, the configuration). Raises what ``open_inference``
    does, and ``MissingPartError`` for a model without encoder."""
    exact, config = open_inference(model)
    exact.check_can_encode()
    if precision == "auto":
        from core.models.device import resolve_device, resolve_precision

        bfloat16 = str(resolve_precision("auto", resolve_device(device))).endswith("bfloat16")
        precision = "bfloat16" if bfloat16 else "float32"
    fast, _ = open_inference(model, device, precision)
    return exact, fast, config


def parts_of_shard(parts: int, shard: int, shards: int) -> range:
    """The parts of shard number ``shard``, from 1, of ``shards``: a stretch of the ``parts``."""
    return range(parts * (shard - 1) // shards, parts * shard // shards)


def encode_shard(
    folder: PartsFolder,
    manifest: Manifest,
    fast: Inference,
    shard: tuple[int, int],
    batch: int | None,
    report: Callable[[Progress], None],
    stopped: Callable[[], bool] = lambda: False,
) -> Progress:
    """Encode the parts of ``shard`` (number, of how many) that are not done; ``batch`` images at a time, None: as many
    as are fastest. Ends early, after a few images, once ``stopped`` says so.

    Raises ``OSError`` where parts cannot be written, ``DatasetError`` for a damaged array.
    """
    for name in ("parts", "done"):
        (folder.path / name).mkdir(exist_ok=True)
    mine = parts_of_shard(manifest.parts, *shard)
    todo = [part for part in mine if folder.record(part) is None]
    progress = Progress(len(mine), len(mine) - len(todo))
    if not todo:
        return progress
    encoder, threads = _Encoder(fast, batch, progress), torch.get_num_threads()
    part = _Part(folder, manifest)
    with _Ahead(_read(folder, manifest, todo)) as stream:
        began = time.monotonic()
        for item in stream:
            if stopped():
                break
            if not progress.batch and len(item.images):
                stream.await_ahead()  # the encoder alone is measured while nobody reads
                encoder.try_batches(item.images)
                began = time.monotonic()
            part.names += item.names
            part.left_out += item.left_out
            part.means += encoder.encode(item.images, item.ends_part)
            if item.ends_part:
                part.write(item.part)
                progress.parts_done += 1
                progress.rows += len(part.names)
                progress.left_out += len(part.left_out)
                part = _Part(folder, manifest)
            progress.seconds = time.monotonic() - began
            report(progress)
    torch.set_num_threads(threads)
    return progress


@dataclass(frozen=True, eq=False)
class _Read:
    """Images uint8 (n, S, S, C) that were read, their n names, and what could not be read."""

    part: int
    images: np.ndarray
    names: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    ends_part: bool = False


class _Part:
    """What was encoded of a part so far."""

    def __init__(self, folder: PartsFolder, manifest: Manifest) -> None:
        self._folder, self._manifest, self._began = folder, manifest, time.monotonic()
        self.names: list[str] = []
        self.left_out: list[LeftOut] = []
        self.means: list[np.ndarray] = []

    def write(self, part: int) -> None:
        means = np.concatenate([np.empty((0, self._manifest.latent_dim), np.float32), *self.means])
        self._folder.write_part(part, self._manifest.settings.format, means, self.names)
        seconds = time.monotonic() - self._began
        record = PartRecord(len(means), len(self.left_out), self.left_out[:MOST_EXAMPLES], round(seconds, 3))
        self._folder.finish_part(part, record)


class _Encoder:
    """Gathers images into batches and encodes them."""

    def __init__(self, fast: Inference, batch: int | None, progress: Progress) -> None:
        self._fast, self._batch, self._progress = fast, batch, progress
        self._waiting: list[np.ndarray] = []

    def try_batches(self, images: np.ndarray) -> None:
        """Find out how many images at a time, and on how many threads, are fastest, and how fast the encoder is then
        by itself. Two threads that wait for each other beside a busy process are slower than one."""
        progress, threads = self._progress, torch.get_num_threads()
        chosen = threads
        for count in sorted({1, threads}):
            torch.set_num_threads(count)
            for size in BATCHES if self._batch is None else (self._batch,):
                if progress.alone and size / progress.alone > _LONGEST_TRIAL_S:
                    break
                trial = np.resize(images, (size, *images.shape[1:]))
                self._encode(trial)  # warms caches, and chooses kernels
                began, done, seconds = time.monotonic(), 0, 0.0
                while not done or seconds < _TRIAL_S:
                    self._encode(trial)
                    done += size
                    seconds = time.monotonic() - began
                if done / seconds > progress.alone:
                    progress.alone, progress.batch, chosen = done / seconds, size, count
        torch.set_num_threads(chosen)

    def encode(self, images: np.ndarray, at_once: bool) -> list[np.ndarray]:
        """Means (k, d) of images that came before, and of these once there are enough, or ``at_once``."""
        self._waiting.append(images)
        count = sum(map(len, self._waiting))
        size = count if at_once else count // max(1, self._progress.batch) * self._progress.batch
        if not size:
            if at_once:
                self._waiting = []
            return []
        together = np.concatenate(self._waiting)
        self._waiting = [together[size:]]
        self._progress.done += size
        step = self._progress.batch
        return [self._encode(together[start : min(start + step, size)]) for start in range(0, size, step)]

    def _encode(self, images: np.ndarray) -> np.ndarray:
        return self._fast.encode_batch(images)


class _Ahead:
    """What ``items`` gives, read by a thread a few items ahead. Iterate within a ``with`` block."""

    def __init__(self, items: Iterator[_Read]) -> None:
        self._items = items
        self._queue: queue.Queue[_Read | BaseException | None] = queue.Queue(_AHEAD)
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._read, name="images-ahead", daemon=True)

    def __enter__(self) -> _Ahead:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        while self._thread.is_alive():  # it may wait for a place in the queue
            with contextlib.suppress(queue.Empty):
                self._queue.get(timeout=0.05)
        self._thread.join()

    def __iter__(self) -> Iterator[_Read]:
        while (item := self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def await_ahead(self) -> None:
        """Wait until as much is read as may be."""
        while self._thread.is_alive() and not self._queue.full():
            time.sleep(0.01)

    def _read(self) -> None:
        try:
            for item in self._items:
                if self._left.is_set():
                    return
                self._queue.put(item)
            self._queue.put(None)
        except BaseException as error:  # raised where the items are awaited
            self._queue.put(error)
        finally:
            cast(Any, self._items).close()  # waits for what its threads are at


def _read(folder: PartsFolder, manifest: Manifest, parts: Sequence[int]) -> Iterator[_Read]:
    """The images of ``parts``, in order, read by several threads; an item that ends each part."""
    settle_pillow()
    data = DataConfig(**manifest.data)
    side, channels = data.image_size, data.channels
    common = msgspec.convert(manifest.common, Survey)
    convert, places = converter(data, common), Places(manifest.settings.sources)
    several = max(1, min(_TASK_FILES, _TASK_BYTES // (side * side * channels)))

    def target(size: Size) -> Size:
        return scaled_size(size, side, data.resize)

    def unlike(kind: PixelKind) -> str:
        """Why pixels of this kind cannot be read as the others are; empty if they can."""
        deep = kind.bits > 8 and not manifest.deep
        if deep or (kind.alpha and common.background is None):
            return f"{kind}, which none of the images was that were looked at first; encode such images separately"
        return ""

    def read_files(part: int, pieces: Sequence[Piece]) -> _Read:
        images, names, left_out = [], [], []
        for piece in pieces:
            name = places.name(piece)
            try:
                file = places.listed(piece)
                header = read_header(file.path, file.suffix)
                if reason := unlike(header.kind):
                    raise PictureError(reason)
                frames = range(header.frames if data.frames == "all" else 1)
                for frame, pixels in zip(frames, read_frames(file, header, frames, data.planes, target), strict=True):
                    images.append(convert(pixels))
                    names.append(name if len(frames) == 1 else f"{name}#{frame}")
            except (PictureError, DatasetError, OSError) as error:
                left_out.append(LeftOut(name, str(error)))
        return _Read(part, np.concatenate(images) if images else nothing, names, left_out)

    def read_block(part: int, piece: Piece, source: ArraySource, start: int, block: np.ndarray) -> _Read:
        (kind,) = source.kinds
        names = [f"{places.name(piece)}#{row}" for row in range(start, start + len(block))]
        if reason := unlike(kind):
            return _Read(part, nothing, [], [LeftOut(name, reason) for name in names])
        return _Read(part, convert(source.pixels(block)), names)

    def tasks() -> Iterator[Callable[[], _Read]]:
        opened: tuple[Path, ArraySource] | None = None
        for part in parts:
            pieces = msgspec.json.decode(folder.images_path(part).read_bytes(), type=list[Piece])
            files = [piece for piece in pieces if not piece.is_array]
            for start in range(0, len(files), several):
                yield partial(read_files, part, files[start : start + several])
            for piece in pieces if not files else ():
                path = places.path(piece)
                if opened is None or opened[0] != path:
                    opened = path, array_source(path, data)
                for start, block in opened[1].numbered(piece.start, piece.stop, side * side * channels):
                    yield partial(read_block, part, piece, opened[1], start, block)
            yield partial(_Read, part, nothing, ends_part=True)

    nothing = np.empty((0, side, side, channels), np.uint8)
    return in_order(lambda task: task(), tasks())
