"""Arrays in HDF5 files, read only. What a file merely refers to, in other files, is not followed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from core.data.dataset import broken_as
from core.data.sources.listing import shown
from core.data.sources.members import Member

MOST_ARRAYS = 1000
LARGEST_CHUNK = 256 << 20
"""Bytes that are unpacked at once, so that none is unpacked twice."""


@dataclass(frozen=True)
class Hdf5Member(Member):
    """A dataset in an HDF5 file, by its path in it."""

    file: Path
    text: bool

    def blocks(self, rows: int) -> Iterator[np.ndarray]:
        with h5py.File(self.file, "r") as file:
            dataset = file[self.name]
            assert isinstance(dataset, h5py.Dataset)
            chunk = dataset.chunks[0] if dataset.chunks else 1
            if chunk * math.prod(self.shape[1:]) * self.dtype.itemsize <= LARGEST_CHUNK:
                rows = max(chunk, rows // chunk * chunk)  # a chunk that is unpacked twice costs twice
            for start in range(0, self.shape[0], rows):
                block = dataset.asstr("utf-8", "replace") if self.text else dataset
                yield np.asarray(block[start : start + rows], dtype=str if self.text else None)


def hdf5_members(path: Path, notes: list[str]) -> list[Member]:
    """The arrays of an HDF5 file. Raises ``DatasetError`` if it cannot be read."""
    members: list[Member] = []
    place = shown(str(path))
    broken = broken_as(lambda why: f"{place} cannot be read as HDF5 ({why}). Write or download it again.")
    with broken, h5py.File(path, "r") as file:
        _collect(file, "", path, members, notes)
    return members


def _collect(group: h5py.Group, above: str, path: Path, members: list[Member], notes: list[str]) -> None:
    for key in group:
        name = f"{above}{key}"
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            notes.append(f"{name} is a link, perhaps into another file, and is not followed.")
            continue
        item = group[key]
        if isinstance(item, h5py.Group):
            if name.count("/") < 16:  # deeper only by a group that holds itself
                _collect(item, f"{name}/", path, members, notes)
        elif isinstance(item, h5py.Dataset) and len(members) < MOST_ARRAYS:
            if item.is_virtual or item.external:
                notes.append(f"{name} lies in other files and is not read.")
                continue
            text = h5py.check_string_dtype(item.dtype) is not None
            if item.shape and (text or item.dtype.kind in "buif"):
                dtype = np.dtype(str) if text else item.dtype
                members.append(Hdf5Member(name, tuple(item.shape), dtype, path, text))
