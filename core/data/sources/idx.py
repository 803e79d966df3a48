"""MNIST's own files, IDX, packed by gzip or not: an array each, images and labels in files that are named alike."""

from __future__ import annotations

import gzip
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from core.data.dataset import BROKEN
from core.data.sources.members import Member

DTYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_KIND = re.compile(r"[-_.]idx\d-u?byte(\.gz)?$|\.gz$", re.I)
_LABELS = ((re.compile("images", re.I), "labels"), (re.compile("idx3", re.I), "idx1"))


@dataclass(frozen=True)
class IdxMember(Member):
    """The array of one IDX file."""

    file: Path

    def blocks(self, rows: int, first: int = 0) -> Iterator[np.ndarray]:
        with _open(self.file) as stream:
            stream.read(4 + 4 * len(self.shape))
            yield from self.streamed(stream, rows, first)


def idx_member(file: Path, name: str) -> IdxMember | None:
    """The array of ``file``; None if it is not an IDX file."""
    try:
        with _open(file) as stream:
            start = stream.read(4)
            if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in DTYPES or not 1 <= start[3] <= 4:
                return None
            lengths = stream.read(4 * start[3])
            if len(lengths) < 4 * start[3]:
                return None
    except BROKEN:
        return None
    shape = struct.unpack(f">{start[3]}I", lengths)
    dtype = np.dtype(DTYPES[start[2]])
    plain = not _is_packed(file)
    if plain and file.stat().st_size != 4 + 4 * start[3] + math.prod(shape) * dtype.itemsize:
        return None
    return IdxMember(name, shape, dtype, file)


def array_name(file: str) -> str:
    """What the array of a file is called: train-images of train-images-idx3-ubyte.gz."""
    return _KIND.sub("", file)


def labels_beside(images: Path) -> Path | None:
    """The file of labels that belongs to a file of images by its name: train-labels-idx1-ubyte of
    train-images-idx3-ubyte, packed or not."""
    name = images.name
    for pattern, word in _LABELS:
        name = pattern.sub(word, name)
    if name == images.name:
        return None
    stem = name.removesuffix(".gz")
    return next((file for file in (images.with_name(stem), images.with_name(f"{stem}.gz")) if file.is_file()), None)


def _is_packed(file: Path) -> bool:
    with open(file, "rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _open(file: Path) -> BinaryIO | gzip.GzipFile:
    return gzip.open(file) if _is_packed(file) else open(file, "rb")  # closed by who asks
