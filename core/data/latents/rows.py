"""Latents row by row, from files of any length: what is not finite is dropped, of very many rows some are drawn.

A file is read once, in blocks, so that memory holds one block and the rows that are taken, never the whole file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.data.dataset import DatasetError
from core.utils.text import counted

if TYPE_CHECKING:
    from core.data.latents.projector import Sprite

FEWEST_DIMENSIONS, MOST_DIMENSIONS = 2, 2048
MOST_ROWS = 1_000_000_000
BLOCK_NUMBERS = 1 << 21
"""Numbers of a block: 16 MB as float64."""
_SHOWN = 8


class LatentFileError(DatasetError):
    """A file of latents that cannot be used; the message names it, what is wrong and what would be right."""


@dataclass(frozen=True, eq=False)
class LatentRows:
    """Latents float32 (n, d), finite, that ``file`` holds, and what it says of them.

    ``indices`` int64 (n,), rising, are their rows among the ``total`` of the file, from 0. ``columns`` are what else
    the file says of the n rows, numbers float64 or texts (objects), by name. ``names`` are their files or titles, n or
    none. ``images`` is the key of an array in the same file that holds an image a row; ``sprite`` a sheet of images.
    """

    file: Path
    latents: np.ndarray
    indices: np.ndarray
    total: int
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    images: str = ""
    sprite: Sprite | None = None
    notes: tuple[str, ...] = ()


class RowSample:
    """Takes rows in blocks and keeps all finite ones, or ``most`` of them, drawn at random with a fixed seed."""

    def __init__(self, file: Path, d: int, most: int) -> None:
        self._file, self._most = file, most
        self.dimensions = self._d = d
        self._random = np.random.default_rng(0)
        self._latents: list[np.ndarray] = []
        self._indices: list[np.ndarray] = []
        self._keys: list[np.ndarray] = []
        self._cells: list[np.ndarray] = []
        self._held = 0
        self.total, self._dropped = 0, 0
        self._low, self._high = np.full(d, np.inf), np.full(d, -np.inf)

    def add(self, block: np.ndarray, cells: Sequence[Sequence[Any]] | None = None) -> None:
        """The next rows: numbers (k, d) of any kind, and what else the file says of each, k tuples of one length."""
        if self.total + len(block) > MOST_ROWS:
            raise LatentFileError(
                f"{self._file} has more than {MOST_ROWS:,} rows; give a part of it, as a window shows {self._most:,}."
            )
        with np.errstate(over="ignore", invalid="ignore"):  # too large for float32: infinite, and dropped
            latents = np.asarray(block, dtype=np.float32)
        finite = np.isfinite(latents).all(axis=1)
        places = np.flatnonzero(finite)
        self._dropped += len(latents) - len(places)
        latents = latents[places]
        if len(latents):
            self._low = np.minimum(self._low, latents.min(axis=0))
            self._high = np.maximum(self._high, latents.max(axis=0))
        self._latents.append(latents)
        self._indices.append(places + self.total)
        self._keys.append(self._random.random(len(places)))
        if cells is not None:
            table = np.empty((len(cells), len(cells[0]) if len(cells) else 0), dtype=object)
            for row, values in enumerate(cells):
                table[row] = values
            self._cells.append(table[places])
        self.total += len(block)
        self._held += len(places)
        if self._held > 2 * self._most + BLOCK_NUMBERS // self._d:
            self._thin()

    def _thin(self) -> None:
        """Keep the ``most`` rows with the smallest keys, in the order of the file."""
        keys = np.concatenate(self._keys)
        chosen = np.sort(np.argpartition(keys, self._most)[: self._most]) if len(keys) > self._most else slice(None)
        self._latents = [np.concatenate(self._latents)[chosen]]
        self._indices = [np.concatenate(self._indices)[chosen]]
        self._keys = [keys[chosen]]
        if self._cells:
            self._cells = [np.concatenate(self._cells)[chosen]]
        self._held = len(self._latents[0])

    def rows(
        self, dimension_names: Sequence[str] = (), columns: Sequence[str] = (), notes: Iterable[str] = ()
    ) -> LatentRows:
        """What was taken. ``columns`` name the entries of ``cells``. Raises ``LatentFileError`` below two rows."""
        finite = self.total - self._dropped
        if finite < 2:
            raise LatentFileError(
                f"{self._file} holds {counted(finite, 'row')} of finite numbers among {self.total:,}; a latent space "
                "needs 2 or more."
            )
        self._thin()
        said = list(notes)
        if self._dropped:
            said.append(f"{counted(self._dropped, 'row')} with NaN or infinite numbers left out.")
        names = list(dimension_names) or [f"dimension {i + 1}" for i in range(self._d)]
        constant = [names[i] for i in np.flatnonzero(self._low == self._high).tolist()]
        if len(constant) == self._d:
            raise LatentFileError(f"{self._file}: all rows are the same; a latent space needs rows that differ.")
        if constant:
            more = ", …" if len(constant) > _SHOWN else ""
            said.append(f"The same in all rows: {', '.join(constant[:_SHOWN])}{more}.")
        if finite > self._most:
            said.append(f"{self._most:,} of {finite:,} rows are shown, drawn at random, in the order of the file.")
        cells = self._cells[0].T if self._cells else []
        described = {name: column.copy() for name, column in zip(columns, cells, strict=True)} if columns else {}
        return LatentRows(
            self._file, self._latents[0], self._indices[0].astype(np.int64), self.total, described, notes=tuple(said)
        )


def check_dimensions(file: Path, d: int, what: str) -> None:
    """Raise ``LatentFileError`` unless ``d`` dimensions can be shown; ``what`` holds them, such as "the array z"."""
    if not FEWEST_DIMENSIONS <= d <= MOST_DIMENSIONS:
        raise LatentFileError(
            f"{file}: {what} has {counted(d, 'dimension')}; latents have {FEWEST_DIMENSIONS} to {MOST_DIMENSIONS:,}."
        )


def block_rows(d: int) -> int:
    """How many rows of ``d`` numbers are read at once."""
    return max(1, BLOCK_NUMBERS // d)
