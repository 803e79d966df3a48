"""Images as the network sees them, kept on disk and shared by all runs, found again by what defines them.

An entry is two files named by the hash of its recipe: the images as ``.npy``, read as a memory map, and a record beside
it with what else is known about them, a checksum of each block of the images, and one of the record itself: a torn or
altered file, or a bit that a disk has flipped, is noticed, and the entry is made again. The record is written last: an
entry without it does not exist. Each use touches the record; when the folder grows beyond its bound
(``ISOLINE_CACHE_GB``), the entries that were not used for longest go, never one that a living process has open.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import random
import shutil
import time
import warnings
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import msgspec
import numpy as np

from core.data.dataset import DatasetError
from core.utils.atomic_write import TEMPORARY_SUFFIX, atomic_file, write_atomic
from core.utils.untrusted import (
    MEGABYTE,
    UnreadableError,
    open_regular,
    read_array_header,
    read_bytes,
    read_open,
)  # fmt: skip
from core.utils.user_folders import CACHE_BOUND_VARIABLE, DEFAULT_CACHE_GB

Known = TypeVar("Known")
_ABANDONED_S = 24 * 3600.0  # older than that, a temporary file has lost its writer
_FORGOTTEN_S = 90 * 24 * 3600.0
_BLOCK = 4 << 20  # bytes of a file that have a checksum of their own
_CHECKED = 8 << 30
"""Bytes of a file that are checked each time it is found: of larger ones other blocks each time, and both ends.

3 GB that lie in memory take a second, else as long as the disk needs, for which the first epoch then need not wait."""
_MOST_RECORD = 4096 * MEGABYTE
_OF_EARLIER_VERSIONS = b"\xa4seal"
"""What their records have, in place of checksums of blocks."""
_SHARING_VIOLATION = 32  # what Windows answers to whoever removes a file that is open


class _Record(msgspec.Struct):
    """What stands beside the images: their shape, the file's bytes and checksums, and what the writer adds.

    ``sums`` are CRC-32, four bytes each, of its blocks; ``check`` that of all else here.
    """

    shape: tuple[int, ...]
    size: int
    sums: bytes
    about: msgspec.Raw
    check: int = 0

    def checksum(self) -> int:
        """What ``check`` must be."""
        return zlib.crc32(msgspec.msgpack.encode((self.shape, self.size, self.sums, bytes(self.about))))


class _Remembered(msgspec.Struct, array_like=True):
    """A small record: what was found, and its CRC-32."""

    check: int
    content: msgspec.Raw


@dataclass(frozen=True, eq=False)
class Cached:
    """An entry: ``images`` uint8, read-only, a memory map; ``about`` the MessagePack that was stored with them."""

    images: np.ndarray
    about: bytes


@dataclass(frozen=True)
class Leftover:
    """What emptying the cache left: whether images are ``in_use``, and ``error``, why others could not be removed."""

    in_use: bool = False
    error: OSError | None = None


def cache_folder() -> Path:
    """The user's cache folder for Isoline; ``ISOLINE_CACHE`` moves it."""
    import platformdirs  # not for those who only ask for a fingerprint

    return Path(os.environ.get("ISOLINE_CACHE") or platformdirs.user_cache_dir("isoline", appauthor=False))


def cache_bound() -> int:
    """Bytes that the cache may take: ``ISOLINE_CACHE_GB``, 50 if it is not set. Raises ``DatasetError``."""
    text = os.environ.get(CACHE_BOUND_VARIABLE) or str(DEFAULT_CACHE_GB)
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = math.nan
    if not 0.0 <= gigabytes < math.inf:
        raise DatasetError(f"{CACHE_BOUND_VARIABLE} is {text!r}; it must be a number of gigabytes, such as 50.")
    return int(gigabytes * 1e9)


def fingerprint(*parts: object) -> str:
    """sha256 hex of a recipe; arrays count by dtype, shape and content."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).data)
        else:
            digest.update(repr(part).encode("utf-8", "surrogateescape"))
        digest.update(b"\0")
    return digest.hexdigest()


class ImageCache:
    """The entries of one folder (None: the user's)."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = cache_folder() if folder is None else folder
        self.damage = ""
        """What was wrong with the entry that was looked for last, in a sentence; empty if nothing was."""

    def _files(self, recipe: str) -> tuple[Path, Path]:
        return self.folder / f"images-{recipe[:32]}.npy", self.folder / f"images-{recipe[:32]}.record"

    def find(self, recipe: str) -> Cached | None:
        """The entry of ``recipe``, kept from now on as long as its images live; None if there is none, or it is
        damaged, which ``damage`` then says."""
        file, record_file = self._files(recipe)
        self.damage = ""
        try:
            hold = open_regular(record_file)  # stays open as long as the images are used
        except (OSError, UnreadableError):
            return None
        content = b""
        try:
            _share(hold)
            content = read_open(hold, _MOST_RECORD)
            record = msgspec.msgpack.decode(content, type=_Record)
            if record.check != record.checksum():
                raise ValueError("the checksum of what is known about them is wrong")
            images = _mapped(file, record)
            with contextlib.suppress(OSError):  # of a cache that can only be read nothing is ever removed
                os.utime(record_file)
        except (OSError, ValueError, RecursionError, msgspec.MsgspecError) as error:
            hold.close()
            # One that was removed just now, or is of an earlier version, is not damaged.
            if not isinstance(error, FileNotFoundError) and _OF_EARLIER_VERSIONS not in content:
                self.damage = (
                    f"The prepared images in the cache were damaged ({error}), so they were made anew; if that happens "
                    "again, the disk may be failing."
                )
            return None
        weakref.finalize(images.base, hold.close)
        return Cached(images, bytes(record.about))

    @contextlib.contextmanager
    def writing(self, recipe: str, count: int, shape: tuple[int, ...]) -> Iterator[Writer]:
        """A place for at most ``count`` images of ``shape``; ``finish`` it within the block, else nothing stays.

        Raises ``DatasetError`` if they do not fit on the disk or into the bound of the cache, ``OSError``.
        """
        file, record_file = self._files(recipe)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._remove_abandoned()
        self._make_room(count * math.prod(shape))
        with contextlib.ExitStack() as stack:
            stream = stack.enter_context(atomic_file(file))
            _share(stream)
            writer = Writer(stream, count, shape)
            record_file.unlink(missing_ok=True)  # of a damaged entry: what it says must not meet the new images
            yield writer
            if writer.about is None:
                raise ValueError("the images were not finished")
        size = file.stat().st_size
        with open(file, "rb", buffering=0) as stream:
            sums = _sums(stream, range(_blocks(size)))
        record = _Record((writer.count, *shape), size, sums, msgspec.Raw(writer.about))
        record.check = record.checksum()
        with atomic_file(record_file) as stream:
            stream.write(msgspec.msgpack.encode(record))

    @property
    def size(self) -> int:
        """Bytes that the images take, also those that are being written or whose writer was killed."""
        return sum(size for _, size, _, _ in self._entries()) + sum(size for _, size in self._unfinished())

    def clear(self) -> Leftover:
        """Remove everything but the images that a living process has open or is writing."""
        in_use, failure = False, None
        written = [(file, record) for _, _, file, record in self._entries()]
        for file, record in [*written, *((file, file) for file, _ in self._unfinished())]:
            try:
                if file == record and _writer_lives(file):
                    in_use = True
                else:
                    _remove(file, record)
            except OSError as error:
                if isinstance(error, BlockingIOError) or getattr(error, "winerror", 0) == _SHARING_VIOLATION:
                    in_use = True
                else:
                    failure = error
        for file in self.folder.glob("*-*.msgpack"):
            with contextlib.suppress(OSError):
                file.unlink()
        return Leftover(in_use, failure)

    def _unfinished(self) -> list[tuple[Path, int]]:
        """Files of images that are being written, or were when their writer was killed, and their bytes."""
        files = []
        for file in self.folder.glob(f".images-*{TEMPORARY_SUFFIX}"):
            with contextlib.suppress(OSError):  # gone since
                files.append((file, file.stat().st_size))
        return files

    def _entries(self) -> list[tuple[float, int, Path, Path]]:
        """When each entry was used, its bytes, its images and its record; first the one that was not for longest."""
        entries = []
        for file in self.folder.glob("images-*.npy"):
            with contextlib.suppress(OSError):  # gone since
                record = file.with_suffix(".record")
                used = (record if record.exists() else file).stat().st_mtime
                entries.append((used, file.stat().st_size, file, record))
        return sorted(entries)

    def _make_room(self, needed: int) -> None:
        bound = cache_bound()
        if needed > bound:
            raise DatasetError(
                f"the prepared images take {needed / 1e9:.1f} GB, and the cache may take {bound / 1e9:g}; "
                f"allow it more ({CACHE_BOUND_VARIABLE}, or File, Image cache in the window), "
                "or reduce data.image_size."
            )
        entries = self._entries()
        taken = sum(size for _, size, _, _ in entries)
        for _, size, file, record in entries:
            free = shutil.disk_usage(self.folder).free
            if taken + needed <= bound and needed < free:
                break
            with contextlib.suppress(OSError):  # in use
                _remove(file, record)
                taken -= size
        free = shutil.disk_usage(self.folder).free
        if needed >= free:
            raise DatasetError(
                f"the prepared images take {needed / 1e9:.1f} GB, and {self.folder} has {free / 1e9:.1f} GB free; free "
                "some space, name another folder in ISOLINE_CACHE, or reduce data.image_size."
            )

    def _remove_abandoned(self) -> None:
        """Delete what a process that was killed while writing left behind, hundreds of megabytes each, and small
        records that nobody asked for in months."""
        for pattern, age in ((f".*{TEMPORARY_SUFFIX}", _ABANDONED_S), ("*-*.msgpack", _FORGOTTEN_S)):
            for leftover in self.folder.glob(pattern):
                with contextlib.suppress(OSError):
                    if time.time() - leftover.stat().st_mtime > age:
                        leftover.unlink()


class Writer:
    """Takes images in blocks and writes them as one ``.npy`` file; none of them stays in memory."""

    def __init__(self, file: IO[bytes], most: int, shape: tuple[int, ...]) -> None:
        self._file, self._shape, self.count = file, shape, 0
        self.about: bytes | None = None
        file.write(_header((most, *shape)))

    def append(self, images: np.ndarray) -> None:
        """Add images uint8 (n, *shape)."""
        self._file.write(np.ascontiguousarray(images).data)
        self.count += len(images)

    def finish(self, about: bytes) -> None:
        """All are there; ``about`` is MessagePack to store with them."""
        self._file.seek(0)
        self._file.write(_header((self.count, *self._shape)))
        self.about = about


def remembered(folder: Path | None, kind: str, recipe: str, type_: type[Known], find: Callable[[], Known]) -> Known:
    """What ``find`` found for ``recipe`` before, or finds now: a small record in the cache (None: the user's)."""
    folder = cache_folder() if folder is None else folder
    file = folder / f"{kind}-{recipe[:32]}.msgpack"
    with contextlib.suppress(OSError, msgspec.MsgspecError, UnreadableError, RecursionError):
        kept = msgspec.msgpack.decode(read_bytes(file, 256 * MEGABYTE), type=_Remembered)
        if kept.check != zlib.crc32(bytes(kept.content)):
            raise UnreadableError("its checksum is wrong")
        stored = msgspec.msgpack.decode(kept.content, type=type_)
        with contextlib.suppress(OSError):  # of a cache that can only be read nothing is ever removed
            os.utime(file)
        return stored
    known = find()
    with contextlib.suppress(OSError, UnicodeEncodeError):  # without it, the next one looks again
        folder.mkdir(parents=True, exist_ok=True)
        content = msgspec.msgpack.encode(known)
        write_atomic(file, msgspec.msgpack.encode(_Remembered(zlib.crc32(content), msgspec.Raw(content))))
    return known


def cached_images(
    recipe: str, shape: tuple[int, ...], make: Callable[[], np.ndarray], folder: Path | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """(images uint8 ``shape``, read-only, from the cache, or from ``make`` which then fills it; notes).

    A note says that the cache was damaged. A cache that cannot be written costs a warning and the time to draw again,
    nothing else.
    """
    cache = ImageCache(folder)
    cached = cache.find(recipe)
    if cached is not None and cached.images.shape == shape:
        return cached.images, ()
    notes = (cache.damage,) if cache.damage else ()
    images = make()
    try:
        with cache.writing(recipe, len(images), shape[1:]) as writer:
            writer.append(images)
            writer.finish(msgspec.msgpack.encode(None))
        if (cached := cache.find(recipe)) is not None:
            return cached.images, notes  # from the file, so that the drawn copy leaves the memory
    except (OSError, DatasetError) as error:
        warn_unwritable(cache.folder, error)
    images.flags.writeable = False
    return images, notes


def warn_unwritable(folder: Path, error: Exception) -> None:
    """Say that the cache cannot be used, which costs time only."""
    reason = (error.strerror or error) if isinstance(error, OSError) else error
    warnings.warn(
        f"the image cache {folder} cannot be written ({reason}); images are prepared anew each time. Free some space, "
        "or name another folder in ISOLINE_CACHE.",
        stacklevel=3,
    )


def _header(shape: tuple[int, ...]) -> bytes:
    """That of an ``.npy`` file uint8 ``shape``, 128 bytes whatever the number of images."""
    text = repr({"descr": "|u1", "fortran_order": False, "shape": shape})
    return b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + text.encode().ljust(117) + b"\n"


def _blocks(size: int) -> int:
    """How many blocks a file of ``size`` bytes has."""
    return -(-size // _BLOCK)


def _sums(stream: IO[bytes], blocks: Iterable[int]) -> bytes:
    """The CRC-32 of some blocks of an open file, four bytes each. Raises ``OSError``."""
    sums = bytearray()
    for block in blocks:
        stream.seek(block * _BLOCK)
        sums += zlib.crc32(stream.read(_BLOCK)).to_bytes(4, "little")
    return bytes(sums)


def _mapped(file: Path, record: _Record) -> np.ndarray:
    """The images that ``record`` is about, as a memory map. Raises ``ValueError`` if they are others, ``OSError``."""
    with open_regular(file) as stream:
        _check_blocks(stream, record)
        stream.seek(0)
        shape, fortran, dtype = read_array_header(stream)
        start = stream.tell()
        if fortran or dtype != np.uint8 or shape != record.shape or min(shape, default=0) < 1:
            raise ValueError("the file is another one")
        if start + math.prod(shape) != record.size:
            raise ValueError("the file is cut off")
        return np.memmap(stream, np.uint8, "r", start, shape)


def _check_blocks(stream: IO[bytes], record: _Record) -> None:
    """Raises ``ValueError`` if the open file is not the one that ``record`` is about, ``OSError``."""
    if (size := os.fstat(stream.fileno()).st_size) != record.size:
        raise ValueError(f"their file has {size:,} bytes, and must have {record.size:,}")
    count = _blocks(size)
    if len(record.sums) != 4 * count:
        raise ValueError("their file has other blocks")
    blocks = list(range(count))
    if size > _CHECKED:
        blocks = sorted({0, count - 1, *random.SystemRandom().sample(blocks, _CHECKED // _BLOCK)})
    found = _sums(stream, blocks)
    for place, block in enumerate(blocks):
        if found[4 * place : 4 * place + 4] != record.sums[4 * block : 4 * block + 4]:
            raise ValueError(f"the checksum of block {block + 1} of {count} is wrong")


def _share(file: IO[bytes]) -> None:
    """Mark the open ``file`` as in use, for as long as it is open. Windows needs no mark: it removes no open file."""
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(file, fcntl.LOCK_SH)


def _writer_lives(file: Path) -> bool:
    """Whether the process that its name says is writing the temporary ``file`` is there, if it is one of this host."""
    import psutil  # not for those who only read

    pid = file.name.removesuffix(TEMPORARY_SUFFIX).rpartition(".")[2].partition("-")[0]
    return pid.isdecimal() and psutil.pid_exists(int(pid))


def _remove(file: Path, record: Path) -> None:
    """Remove an entry. Raises ``OSError``: ``BlockingIOError``, or what Windows says, if somebody has it open."""
    with contextlib.ExitStack() as stack:
        if record.exists():
            stream = stack.enter_context(open(record, "rb"))
            with contextlib.suppress(ImportError):
                import fcntl

                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.unlink(missing_ok=True)
    record.unlink(missing_ok=True)
    file.with_suffix(".sha256").unlink(missing_ok=True)  # the seal of an earlier version
