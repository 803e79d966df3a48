"""Arrays in files, by name: shape and type from their headers, content in blocks. Nothing read can execute code."""

from __future__ import annotations

import io
import math
import re
import tempfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from core.data.dataset import DatasetError, broken_as
from core.data.sources.listing import shown
from core.data.splits import TRAINING_WORDS, VALIDATION_WORDS
from core.utils.untrusted import check_characters, open_regular, read_array_header

MAX_READ = 1 << 30
"""Bytes of an array of labels that are read at once."""


def words_of(name: str) -> list[str]:
    """Those of a name such as x_train, train-images or train/images, in small letters."""
    return re.split(r"[_/\-. ]+", name.lower().lstrip("/"))


def split_word(name: str) -> str:
    """The word of ``name`` that says which part it is, "" if none does."""
    return next((word for word in words_of(name) if word in TRAINING_WORDS | VALIDATION_WORDS), "")


def stem_of(name: str) -> str:
    """``name`` without that word."""
    return "_".join(word for word in words_of(name) if word not in TRAINING_WORDS | VALIDATION_WORDS)


def is_validation(name: str) -> bool:
    return split_word(name) in VALIDATION_WORDS


@dataclass(frozen=True)
class Member(ABC):
    """One array: its name in the file, "" if the file is the array."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype

    def __str__(self) -> str:
        return f"{self.name or 'the array'} is {self.dtype} {self.shape}"

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @abstractmethod
    def blocks(self, rows: int, first: int = 0) -> Iterator[np.ndarray]:
        """The array in blocks of at most ``rows`` along its first axis, from row ``first`` on. May raise any of
        ``BROKEN``."""

    def streamed(self, stream: IO[bytes] | io.BufferedIOBase, rows: int, first: int = 0) -> Iterator[np.ndarray]:
        """The same, of an array whose content follows in ``stream``."""
        row = math.prod(self.shape[1:]) * self.dtype.itemsize
        if first:
            stream.seek(first * row, io.SEEK_CUR)
        for start in range(first, self.shape[0], rows):
            count = min(rows, self.shape[0] - start)
            content = stream.read(count * row)
            if len(content) != count * row:
                raise EOFError(f"{self.name} is cut off")
            block = np.frombuffer(content, self.dtype).reshape(count, *self.shape[1:])
            check_characters(block)
            yield block

    def read(self) -> np.ndarray:
        """All of it. Raises ``DatasetError`` if it is too large, or any of ``BROKEN``."""
        if self.bytes > MAX_READ:
            raise DatasetError(f"{self}, too large for labels.")
        parts = list(self.blocks(max(1, self.shape[0]) if self.shape else 1))
        return parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else np.empty(self.shape, self.dtype)


@dataclass(frozen=True)
class MappedMember(Member):
    """An array that lies in a file as it is: an ``.npy`` file."""

    file: Path
    offset: int
    order: str

    def blocks(self, rows: int, first: int = 0) -> Iterator[np.ndarray]:
        if not math.prod(self.shape):
            return
        if self.order != "F" and self.shape:  # pages of a map would count as memory of this process
            with open_regular(self.file) as stream:
                stream.seek(self.offset)
                yield from self.streamed(stream, rows, first)
            return
        yield from _copied(np.memmap(self.file, self.dtype, "r", self.offset, self.shape, "F"), rows, first)


@dataclass(frozen=True)
class ZippedMember(Member):
    """An array in an ``.npz`` file, read as a stream."""

    file: Path
    order: str

    def blocks(self, rows: int, first: int = 0) -> Iterator[np.ndarray]:
        with (
            open_regular(self.file) as file,
            zipfile.ZipFile(file) as archive,
            archive.open(f"{self.name}.npy") as stream,
        ):
            read_array_header(stream)
            if self.order == "F":
                yield from self._unordered(stream, rows, first)
                return
            yield from self.streamed(stream, rows, first)

    def _unordered(self, stream: IO[bytes], rows: int, first: int) -> Iterator[np.ndarray]:
        """Blocks of an array whose last axis varies slowest: through a temporary file, as all of it is needed."""
        with tempfile.TemporaryFile() as copy:
            while part := stream.read(1 << 22):
                copy.write(part)
            copy.flush()
            yield from _copied(np.memmap(copy, self.dtype, "r", 0, self.shape, "F"), rows, first)


def _copied(array: np.ndarray, rows: int, first: int) -> Iterator[np.ndarray]:
    for start in range(first, len(array), rows):
        block = np.array(array[start : start + rows])
        check_characters(block)
        yield block


def npy_members(file: Path) -> list[Member]:
    """The array of an ``.npy`` file. Raises ``DatasetError``."""
    with _reading(file, "numpy.save"), open_regular(file) as stream:
        shape, fortran, dtype = read_array_header(stream)
        member = MappedMember("", tuple(shape), dtype, file, stream.tell(), "F" if fortran else "C")
        if dtype.hasobject:
            raise DatasetError(
                f"{shown(str(file))} holds Python objects, which are not read, as reading them may run code. Save the "
                "images as numbers where they were made: numpy.save(file, numpy.stack(images))."
            )
        if file.stat().st_size < member.offset + member.bytes:
            raise ValueError("the file is cut off")
        return [member]


def npz_members(file: Path, notes: list[str]) -> list[Member]:
    """The arrays of an ``.npz`` file; what is none, or holds Python objects, goes into ``notes``."""
    members: list[Member] = []
    with _reading(file, "numpy.savez"), open_regular(file) as opened, zipfile.ZipFile(opened) as archive:
        for info in archive.infolist():
            name, dot, _ = info.filename.rpartition(".npy")
            if not dot or info.filename != f"{name}.npy":
                notes.append(f"{info.filename} in the archive is no array and is not read.")
                continue
            with archive.open(info) as stream:
                shape, fortran, dtype = read_array_header(stream)
                if dtype.hasobject:
                    notes.append(
                        f"{name} holds Python objects and is not read, as that may run code. Texts are read if they "
                        f"are saved as such: {name}.astype(str)."
                    )
                    continue
                member = ZippedMember(name, tuple(shape), dtype, file, "F" if fortran and len(shape) > 1 else "C")
                if member.bytes != info.file_size - stream.tell():
                    raise ValueError(f"{name} is {dtype} {tuple(shape)}, but has {info.file_size:,} bytes")
                members.append(member)
    return members


def _reading(file: Path, writer: str) -> AbstractContextManager[None]:
    kind = file.suffix.lstrip(".").upper() or "an array"
    return broken_as(lambda why: f"{shown(str(file))} cannot be read as {kind} ({why}). Write it again with {writer}.")
