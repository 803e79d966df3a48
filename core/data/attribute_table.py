"""A person's own values for the samples of a run: columns of a CSV file, or arrays of an NPZ or NPY file.

Row i belongs to sample i, unless a column or array named ``index`` says which sample each row is about; samples are
numbered as in the dataset, as in the CSV that the window exports. Nothing read can execute code.
"""

from __future__ import annotations

import csv
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

INDEX = "index"
SUFFIXES = (".csv", ".npz", ".npy")
MOST_COLUMNS = 256
_SEPARATORS = ",;\t"
_DECIMAL_COMMA = ", with a decimal point"

_UNREADABLE = (
    OSError, EOFError, ValueError, TypeError, KeyError, SyntaxError, OverflowError, RecursionError, MemoryError,
    NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error, tokenize.TokenError,
)  # fmt: skip
"""What numpy and zipfile raise for files that are cut off, of another kind, or hold Python objects."""


class AttributeFileError(ValueError):
    """A file whose values cannot be used; the message names file, column and row, and says what is wanted."""


@dataclass(frozen=True, eq=False)
class AttributeTable:
    """What a file holds: ``columns`` by name, text or numbers (n,), one entry a row; ``index`` is one of them, or not.

    ``lines`` int64 (n,) are the rows' numbers as an editor, or for arrays as numpy, counts them; ``blank`` those of
    empty lines between them, which are no rows.
    """

    file: Path
    columns: dict[str, np.ndarray]
    lines: np.ndarray
    blank: tuple[int, ...] = ()

    @property
    def rows(self) -> int:
        """Number of rows n."""
        return len(self.lines)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that can be attributes: all but ``index``."""
        return tuple(name for name in self.columns if name != INDEX)

    @property
    def numeric(self) -> tuple[str, ...]:
        """Those whose every entry is a finite number."""
        return tuple(name for name in self.names if _first_wrong(self.columns[name]) is None)

    def values(self, names: Sequence[str], samples: np.ndarray) -> np.ndarray:
        """float64 (N, A): columns ``names`` for the ``samples`` int64 (N,), which are places in the dataset.

        Raises ``AttributeFileError`` for text, for what is not finite, and where rows and samples do not fit.
        """
        unknown = [name for name in names if name not in self.names]
        if unknown or not names:
            said = f"no column {unknown[0]!r}" if unknown else "none of the columns was chosen"
            raise AttributeFileError(f"{self.file}: {said}; there are {', '.join(self.names)}.")
        rows = self._rows_of(samples)
        return np.stack([self._numbers(name)[rows] for name in names], axis=1)

    def _rows_of(self, samples: np.ndarray) -> np.ndarray:
        if INDEX in self.columns:
            return self._rows_by_index(samples)
        if not np.array_equal(samples, np.arange(len(samples))):
            raise AttributeFileError(
                f"{self.file} does not say which samples its rows describe, and this run shows only part of its "
                f"dataset. Add a column {INDEX} with each row's sample number."
            )
        if self.rows != len(samples):
            blank = f", and {len(self.blank)} blank rows, the first of them row {self.blank[0]}" if self.blank else ""
            raise AttributeFileError(
                f"{self.file} has {self.rows} rows{blank}; the run has {len(samples)} samples. Give one row per "
                "sample, "
                f"or add a column {INDEX} with the number of each row's sample."
            )
        return np.arange(self.rows)

    def _rows_by_index(self, samples: np.ndarray) -> np.ndarray:
        numbers = self._numbers(INDEX)
        broken = np.flatnonzero((numbers != np.floor(numbers)) | (numbers < 0) | (numbers > 2**53))
        if len(broken):
            row, value = self.lines[broken[0]], numbers[broken[0]]
            raise AttributeFileError(
                f"{self.file}, row {row}: {INDEX} is {value:g}; it must be a whole number, 0 or more."
            )
        order = np.argsort(numbers, kind="stable")
        known = numbers[order]
        twice = np.flatnonzero(known[1:] == known[:-1])
        if len(twice):
            raise AttributeFileError(
                f"{self.file}, row {self.lines[order[twice[0] + 1]]}: sample {known[twice[0]]:.0f} already has a row."
            )
        place = np.searchsorted(known, samples).clip(max=len(known) - 1)
        missing = samples[known[place] != samples]
        if len(missing):
            raise AttributeFileError(
                f"{self.file} has no row for {len(missing)} of the run's {len(samples)} samples; the first is sample "
                f"{missing[0]}. Give each a row."
            )
        return order[place]

    def _numbers(self, name: str) -> np.ndarray:
        """The column float64 (rows,). Raises ``AttributeFileError`` for its first entry that is no finite number."""
        trouble = self.trouble(name)
        if trouble:
            raise AttributeFileError(f"{self.file}, {trouble}.")
        return self.columns[name].astype(np.float64)

    def trouble(self, name: str) -> str:
        """What is wrong with a column's first entry that is no finite number; "" if all are."""
        column = self.columns[name]
        wrong = _first_wrong(column)
        if wrong is None:
            return ""
        said = repr(str(column[wrong])[:40]) if str(column[wrong]).strip() else "empty"
        comma = _DECIMAL_COMMA if _has_decimal_comma(str(column[wrong])) else ""
        row = f"row {self.lines[wrong]}, column {name}"
        return f"{row}: the entry is {said}; it must be a finite number{comma}"


def read_attributes(file: Path) -> AttributeTable:
    """The columns of a .csv, .npz or .npy file.

    A .csv is split at commas, semicolons or tabs, whichever its first row has most of; if that row holds a text, it
    names the columns. In an .npz, every array (n,) is a column and every (n, k) k of them; arrays of more dimensions,
    such as images, are left out. Raises ``AttributeFileError``.
    """
    file = Path(file)
    if file.suffix.lower() not in SUFFIXES:
        raise AttributeFileError(
            f"{file} ends in {file.suffix or 'nothing'!r}; give a file that is {', '.join(SUFFIXES)}."
        )
    try:
        table = _read_csv(file) if file.suffix.lower() == ".csv" else _read_arrays(file)
    except AttributeFileError:
        raise
    except FileNotFoundError as error:
        raise AttributeFileError(f"{file} does not exist.") from error
    except _UNREADABLE as error:
        raise AttributeFileError(f"{file} cannot be read ({error}); it may be damaged or of another kind.") from error
    if not table.names:
        raise AttributeFileError(f"{file} holds no column of values besides {INDEX!r}; give one or more.")
    if not table.rows:
        raise AttributeFileError(f"{file} holds no rows; give one per sample.")
    if len(table.columns) > MOST_COLUMNS:
        raise AttributeFileError(f"{file} has {len(table.columns)} columns; at most {MOST_COLUMNS} are read.")
    return table


def _read_csv(file: Path) -> AttributeTable:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise AttributeFileError(f"{file} is not UTF-8 text ({error}); save it as CSV in UTF-8.") from error
    written = text.splitlines()
    first = next((line for line in written if line.strip()), "")
    separator = max(_SEPARATORS, key=first.count)
    try:
        reader = csv.reader(written, delimiter=separator)
        rows = [(reader.line_num, row) for row in reader if any(row)]
    except csv.Error as error:
        raise AttributeFileError(f"{file} is not a table: {error}.") from error
    if not rows:
        raise AttributeFileError(f"{file} is empty; give one row per sample.")
    header = [cell.strip() for cell in rows[0][1]]
    named = any(cell and not _is_number(cell) for cell in header)
    names = _distinct(header if named else _numbered(file.stem, len(header)), file)
    body = rows[1:] if named else rows
    for line, row in body:
        if len(row) != len(names):
            hint = ""
            if separator == "," and _has_decimal_comma(",".join(row)):
                hint = f" If each is a number, write it{_DECIMAL_COMMA}."
            raise AttributeFileError(
                f"{file}, row {line}: it has {len(row)} entries; the first row has {len(names)}.{hint}"
            )
    columns = {name: np.array([row[i] for _, row in body], dtype=np.str_) for i, name in enumerate(names)}
    lines = [line for line, _ in body]
    alone = len(names) == 1 and lines
    blank = tuple(i for i in range(lines[0], lines[-1]) if not written[i - 1].strip()) if alone else ()
    return AttributeTable(file, columns, np.array(lines, dtype=np.int64), blank)


def _read_arrays(file: Path) -> AttributeTable:
    columns: dict[str, np.ndarray] = {}
    with open(file, "rb") as stream:  # opened here: numpy leaves a broken archive open
        array = np.load(stream, allow_pickle=False)
        arrays = array if isinstance(array, np.lib.npyio.NpzFile) else {file.stem: array}
        for name in arrays:
            array = arrays[name]
            if not isinstance(array, np.ndarray):  # numpy hands out a member that is no .npy file as its bytes
                raise AttributeFileError(f"{file}: {name} is not an array; write the file again with numpy.savez.")
            columns.update(_columns_of(name, array))
            if len(columns) > MOST_COLUMNS:
                raise AttributeFileError(f"{file}: more than {MOST_COLUMNS} columns; keep only those you need.")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {length}" for name, length in list(lengths.items())[:8])
        raise AttributeFileError(
            f"{file}: the arrays are of different lengths ({said}); give one entry per sample in each."
        )
    return AttributeTable(file, columns, np.arange(next(iter(lengths.values()), 0)))


def _columns_of(name: str, array: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    if array.dtype.kind not in "biufUS" or array.ndim not in (1, 2):
        return
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    if array.ndim == 1:
        yield name, array
        return
    for column, part in zip(array.T, _numbered(name, array.shape[1]), strict=True):
        yield part, column


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}{i + 1}" for i in range(count)]


def _distinct(names: list[str], file: Path) -> list[str]:
    named = [name or f"column {i + 1}" for i, name in enumerate(names)]
    named = [INDEX if name.lower() == INDEX else name for name in named]
    twice = next((name for i, name in enumerate(named) if name in named[:i]), None)
    if twice is not None:
        raise AttributeFileError(f"{file}: two columns are named {twice!r}; give each its own name.")
    return named


def _first_wrong(column: np.ndarray) -> int | None:
    """The first row whose entry is no finite number."""
    if column.dtype.kind in "US":
        return next((i for i, entry in enumerate(column) if not _is_finite(str(entry))), None)
    wrong = np.flatnonzero(~np.isfinite(column))
    return int(wrong[0]) if len(wrong) else None


def _has_decimal_comma(text: str) -> bool:
    return not _is_number(text) and text.count(",") == 1 and _is_number(text.replace(",", "."))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_finite(text: str) -> bool:
    return _is_number(text) and math.isfinite(float(text))
