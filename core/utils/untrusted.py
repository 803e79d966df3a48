"""Reading files that anybody may have written: their size, kind and shape are checked before memory is taken.

All of it is read from one open file that is known to be a regular one: a pipe would block for ever, a device never
ends, and a name may be given to something else between two looks. Nothing read here can execute code.
"""

from __future__ import annotations

import contextlib
import io
import lzma
import math
import os
import stat
import struct
import sys
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar, overload

import msgspec
import numpy as np

T = TypeVar("T")
MEGABYTE = 1 << 20
MAX_JSON = 16 * MEGABYTE
MAX_ARRAYS = 1024 * MEGABYTE
_MAX_HEADER = 4096  # of an array in numpy's format; ours have 128 bytes

_BAD_HEADER = (
    ValueError, TypeError, KeyError, EOFError, SyntaxError, RecursionError, OverflowError, tokenize.TokenError,
)  # fmt: skip
"""What numpy raises: a header is a Python literal, which is parsed, never run."""


class UnreadableError(ValueError):
    """A file is of another kind, larger, or of another content than it may be; the message says what, not where."""


class OtherKindError(UnreadableError):
    """It is something else altogether, no damaged file of its kind: a folder, a pipe, a text instead of an archive."""


def refusal(error: BaseException) -> str:
    """What the system says where it lets a file not be read, which is no sign of damage; empty for other errors."""
    if not isinstance(error, OSError) or error.errno is None or error.filename is None:
        return ""
    return f"{os.fsdecode(error.filename)} cannot be read ({error.strerror})."


def open_regular(path: Path) -> IO[bytes]:
    """``path`` opened for reading. Raises ``OSError``, or ``UnreadableError`` if it is no regular file."""
    return _opened(path, os.O_RDONLY, "rb")


def update_regular(path: Path) -> IO[bytes]:
    """``path`` opened for reading and for writing over what is there, without a buffer: a write is one call of the
    system. Raises ``OSError``, or ``UnreadableError`` if it is no regular file."""
    return _opened(path, os.O_RDWR, "r+b", 0)


def _opened(path: Path, access: int, mode: str, buffering: int = -1) -> IO[bytes]:
    flags = access | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # opening a pipe must not wait
    try:
        descriptor = os.open(path, flags)
    except PermissionError:
        if os.name == "nt" and path.is_dir():
            raise OtherKindError("it is a folder, not a file") from None
        raise
    try:
        kind = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(kind):
            raise OtherKindError(f"it is {_kind(kind)}, not a file")
        return os.fdopen(descriptor, mode, buffering)
    except BaseException:
        os.close(descriptor)
        raise


def open_text(path: Path, encoding: str, errors: str = "strict") -> IO[str]:
    """The same as text, with the ends of lines as they are. Raises ``OSError`` or ``UnreadableError``."""
    return io.TextIOWrapper(open_regular(path), encoding, errors, newline="")


def read_bytes(path: Path, limit: int) -> bytes:
    """All of the file, of at most ``limit`` bytes. Raises ``OSError`` or ``UnreadableError``."""
    with open_regular(path) as file:
        return read_open(file, limit)


def read_open(file: IO[bytes], limit: int) -> bytes:
    """All of an open regular file, of at most ``limit`` bytes. Raises ``OSError`` or ``UnreadableError``."""
    size = os.fstat(file.fileno()).st_size
    if size > limit:
        raise UnreadableError(f"it has {size:,} bytes, and at most {limit:,} are expected")
    data = file.read(size + 1)
    if len(data) > size:
        raise UnreadableError("it grew while it was read")
    return data


@overload
def read_json(path: Path) -> Any: ...
@overload
def read_json(path: Path, type: type[T], limit: int = ...) -> T: ...
def read_json(path: Path, type: Any = Any, limit: int = MAX_JSON) -> Any:
    """The JSON file as ``type`` (see ``msgspec``). Raises ``OSError`` or ``UnreadableError``."""
    return decode_json(read_bytes(path, limit), type)


@overload
def decode_json(data: bytes | str) -> Any: ...
@overload
def decode_json(data: bytes | str, type: type[T]) -> T: ...
def decode_json(data: bytes | str, type: Any = Any) -> Any:
    """``data`` as ``type``. JSON has no NaN and no infinity. Raises ``UnreadableError``, for deep nesting as well."""
    try:
        return msgspec.json.decode(data, type=type)
    except msgspec.ValidationError as error:
        raise UnreadableError(str(error)) from error
    except RecursionError as error:
        raise UnreadableError("its JSON is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise UnreadableError(f"it is not valid JSON: {error}") from error


def read_array(path: Path, limit: int) -> np.ndarray:
    """The array of a ``.npy`` file, of at most ``limit`` bytes. Raises ``OSError`` or ``UnreadableError``."""
    with open_regular(path) as file:
        return _array(file, os.fstat(file.fileno()).st_size, limit)


def read_numpy(path: Path, limit: int = MAX_ARRAYS) -> np.ndarray | dict[str, np.ndarray]:
    """What the ``.npy`` or ``.npz`` file holds, told by its first bytes, of at most ``limit`` bytes.

    Raises ``OSError`` or ``UnreadableError``.
    """
    with open_regular(path) as file:
        archive = file.read(len(_ZIP)) == _ZIP
    return read_arrays(path, limit) if archive else read_array(path, limit)


def read_arrays(path: Path, limit: int = MAX_ARRAYS, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of a ``.npz`` file that are called one of ``names`` (None: all), of at most ``limit`` bytes together.

    Raises ``OSError`` or ``UnreadableError``.
    """
    with open_archive(path, limit) as archive:
        members = {name.removesuffix(".npy"): name for name in archive.sizes if name.endswith(".npy")}
        wanted = {key: name for key, name in members.items() if names is None or key in names}
        archive.check_size(wanted.values(), limit)
        return {key: archive.read_array(name, limit) for key, name in wanted.items()}


_ZIP = b"PK\x03\x04"
MAX_LISTING = 4 * MEGABYTE
"""Bytes of the list of files in an archive: some 50,000 files, which take half a second."""
_END_RECORD, _LOCATOR = struct.Struct("<4s4H2LH"), struct.Struct("<4sLQL")
_LARGE_RECORD = struct.Struct("<4sQ2H2L4Q")
_BAD_ARCHIVE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, NotImplementedError, RuntimeError, EOFError,
    ValueError,
)  # fmt: skip
"""What zipfile raises: a wrong checksum, an unknown method, a password, a member cut off, a bad offset."""


class Archive:
    """An open zip file. ``sizes`` are those of its files when unpacked, by name. Methods raise ``UnreadableError``."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self.sizes: dict[str, int] = {}
        for info in file.infolist():
            if not info.is_dir():
                if info.filename in self.sizes:
                    raise UnreadableError(f"its archive has two files called {info.filename!r}")
                self.sizes[info.filename] = info.file_size

    def is_link(self, name: str) -> bool:
        """Whether it would become a symbolic link, or anything else that is no file, where it is unpacked."""
        mode = self._file.getinfo(name).external_attr >> 16
        return bool(stat.S_IFMT(mode)) and not stat.S_ISREG(mode)

    def check_size(self, names: Iterable[str], limit: int) -> None:
        """Raise ``UnreadableError`` if files take more than ``limit`` bytes together."""
        total = sum(self.sizes[name] for name in names)
        if total > limit:
            raise UnreadableError(f"it unpacks to {total:,} bytes, and at most {limit:,} are expected")

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """One of its files, which gives no more bytes than its size."""
        with _damage_of_archives():
            if name not in self.sizes:
                raise UnreadableError(f"its archive has no {name}")
            with self._file.open(name) as member:
                yield member

    def read_array(self, name: str, limit: int) -> np.ndarray:
        """The array of a ``.npy`` file."""
        with self.open(name) as member:
            return _array(member, self.sizes[name], limit)

    def read_bytes(self, name: str, limit: int) -> bytes:
        """All of a file."""
        self.check_size([name] if name in self.sizes else [], limit)
        with self.open(name) as member:
            return member.read()


@contextlib.contextmanager
def open_archive(path: Path, limit: int) -> Iterator[Archive]:
    """The zip file, of about ``limit`` bytes at most. Raises ``OSError`` or ``UnreadableError``."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit + MEGABYTE:
            raise UnreadableError(f"it has {size:,} bytes, and at most {limit:,} are expected")
        begins = file.read(len(_ZIP))
        listing = _listing_size(file, size)
        if listing > MAX_LISTING:
            raise UnreadableError(
                f"the list of its files takes {listing:,} bytes; at most {MAX_LISTING:,} are expected"
            )
        try:
            with _damage_of_archives():
                archive = zipfile.ZipFile(file)
        except UnreadableError as error:
            if begins[:2] != _ZIP[:2]:
                raise OtherKindError("it is no zip archive" if begins else "it is empty") from error
            raise
        with archive:
            yield Archive(archive)


def _listing_size(file: IO[bytes], size: int) -> int:
    """How many bytes a zip file says that the list of its files has, before zipfile reads all of it; 0 if it is none.

    From the record at its end (APPNOTE 4.3.16), or the one for large files that a locator before that leads to.
    """
    file.seek(max(0, size - _END_RECORD.size - 0xFFFF))  # a comment may follow it
    tail = file.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or place + _END_RECORD.size > len(tail):
        return 0
    listing = _END_RECORD.unpack_from(tail, place)[-3]
    locator = place - _LOCATOR.size
    if locator >= 0 and tail.startswith(b"PK\x06\x07", locator):
        file.seek(min(_LOCATOR.unpack_from(tail, locator)[2], size))
        record = file.read(_LARGE_RECORD.size)
        if len(record) == _LARGE_RECORD.size:
            return max(listing if listing < 0xFFFFFFFF else 0, _LARGE_RECORD.unpack(record)[-2])
    return listing


@contextlib.contextmanager
def _damage_of_archives() -> Iterator[None]:
    try:
        yield
    except UnreadableError:
        raise
    except _BAD_ARCHIVE as error:
        raise UnreadableError(f"its archive is damaged: {error}") from error


def read_array_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """(shape, whether in Fortran order, dtype) of an array in numpy's format. Raises ``UnreadableError``."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of headers that Python 2 wrote
            version = np.lib.format.read_magic(file)
            if version == (1, 0):
                return np.lib.format.read_array_header_1_0(file, _MAX_HEADER)
            if version == (2, 0):
                return np.lib.format.read_array_header_2_0(file, _MAX_HEADER)
    except _BAD_HEADER as error:
        raise UnreadableError(f"its header is damaged: {' '.join(str(error).split())[:200]}") from error
    raise UnreadableError(f"it is of numpy's format {'.'.join(map(str, version))}, which is not known")


def _array(file: IO[bytes], size: int, limit: int) -> np.ndarray:
    shape, fortran, dtype = read_array_header(file)
    if dtype.hasobject:
        raise UnreadableError("it holds Python objects, which are not read, as that may run code")
    if dtype.subdtype is not None or dtype.names is not None or not dtype.itemsize:
        raise UnreadableError(f"its elements are of an unknown type, {dtype}")
    count = math.prod(shape)
    expected = count * dtype.itemsize
    if any(side < 0 for side in shape) or expected > limit:
        raise UnreadableError(f"it is an array of {dtype} {shape}, and at most {limit:,} bytes are expected")
    if file.tell() + expected != size:
        raise UnreadableError(f"its {size:,} bytes do not hold {dtype} {shape}")
    data = bytearray()
    while len(data) < expected and (part := file.read(min(expected - len(data), MEGABYTE))):
        data += part
    if len(data) != expected:
        raise UnreadableError("it is cut off")
    flat = np.frombuffer(data, dtype, count)
    check_characters(flat)
    return flat.reshape(shape, order="F" if fortran else "C")


def check_characters(texts: np.ndarray) -> None:
    """Raise ``UnreadableError`` for an array of texts with what is no character: Python cannot make strings of them."""
    if texts.dtype.kind == "U":
        codes = np.ascontiguousarray(texts).reshape(-1).view(np.dtype(np.uint32).newbyteorder(texts.dtype.byteorder))
        if (codes > sys.maxunicode).any():
            raise UnreadableError("its texts hold what is no character")


def _kind(mode: int) -> str:
    kinds = [(stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket")]
    return next((name for test, name in kinds if test(mode)), "a device")
