"""Tables that people keep beside their images: CSV and TSV however they were written, XLSX, Parquet, NPZ and NPY.

A column holds numbers or text. Numbers stay numbers, text becomes classes; an empty cell, NA or nan is a value that is
not known. Which row belongs to which image is the business of ``core.data.labels``. Nothing read can execute code.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from core.data.dataset import BROKEN, DatasetError
from core.utils.text import counted, reason
from core.utils.untrusted import check_characters, open_regular, read_bytes, refusal

INDEX = "index"
EXPORT_TABLE = "parameters.csv"
"""The table that ``core.data.export`` writes among the images of a folder."""
SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".parquet", ".npz", ".npy")
MOST_COLUMNS = 256
MOST_BYTES = 1 << 30
IMAGE_NAME = re.compile(r"\.(png|jpe?g|jfif|bmp|gif|tiff?|webp|pgm|ppm|pnm|avif|jp2|tga|ico|heic|dcm)$", re.IGNORECASE)
"""How the name of an image file ends."""
_NAMELESS = "column 1"  # where programs write their own numbers of the rows
_SEPARATORS = "\t;,|"
NO_SEPARATOR = "\x1f"  # of a table with a single column, where a comma belongs to the number
_LOOKED_AT = 50  # rows by which the separator is found
_UNKNOWN = frozenset(("", "na", "n/a", "#n/a", "nan", "null", "<na>"))
_MARKS = frozenset(
    ("-", "--", "---", ".", "..", "?", "*", "none", "missing", "unknown", "#div/0!", "#value!", "#ref!", "#num!")
)
"""What people and spreadsheets write among numbers where there is none; in a column of words it is a word."""
_FEW_CLASSES = 50  # so many names are classes even if most stand for a single image
_THOUSANDS = re.compile(r"\s*[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?\s*")
_GERMAN = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+")
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([T ].*)?|\d{1,2}[./]\d{1,2}[./](\d{4}|\d{2})([T ].*)?")

_UNREADABLE = (*BROKEN, MemoryError, AttributeError, IndexError)
"""What numpy and the readers of tables raise for files that are cut off or of another kind."""


class TableError(DatasetError):
    """A table that cannot be used; the message names file, column and row, and says what is wanted."""


@dataclass(frozen=True, eq=False)
class Table:
    """What a file holds: ``columns`` by name, each (n,): numbers as they are, or text as it is written (objects).

    ``lines`` int64 (n,) are the rows' numbers as an editor, or for arrays as numpy, counts them; ``blank`` those of
    empty lines between them, which are no rows. ``notes`` say what was guessed while reading.
    """

    file: Path
    columns: dict[str, np.ndarray]
    lines: np.ndarray
    blank: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Number of rows n."""
        return len(self.lines)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that can be labels: all but ``index``."""
        return tuple(name for name in self.columns if name != INDEX)

    @cached_property
    def _numbers(self) -> dict[str, np.ndarray | None]:
        return {name: _as_numbers(column) for name, column in self.columns.items()}

    def numbers(self, name: str) -> np.ndarray | None:
        """Column ``name`` float64 (n,), NaN where nothing is known; None if it holds text or an infinite number."""
        return self._numbers[name]

    def texts(self, name: str) -> np.ndarray:
        """Column ``name`` as texts (n,), "" where nothing is known; whole numbers have no decimal point."""
        column = self.columns[name]
        if column.dtype == object:
            return np.array(["" if is_unknown(text) else text.strip() for text in column], dtype=object)
        if column.dtype.kind == "f":
            return np.array(["" if math.isnan(value) else f"{value:.15g}" for value in column.tolist()], dtype=object)
        return np.array([str(value) for value in column.tolist()], dtype=object)

    def written(self, name: str) -> list[str]:
        """Column ``name`` as texts, n of them, as written: leading zeros and all that says nothing are kept."""
        column = self.columns[name]
        return [text.strip() for text in column] if column.dtype == object else self.texts(name).tolist()

    def marks(self, name: str) -> list[str]:
        """What stands for no number in column ``name`` of numbers, such as "-", by row; none if it holds words."""
        column = self.columns[name]
        if column.dtype != object or self.numbers(name) is None:
            return []
        return [text.strip() for text in column if _is_mark(text)]

    def trouble(self, name: str) -> str:
        """Why column ``name`` is no number: its first entry that is none; "" if it is one."""
        if self.numbers(name) is not None:
            return ""
        column = self.columns[name]
        if column.dtype.kind == "f":
            wrong = int(np.flatnonzero(np.isinf(column))[0])
        else:
            no_numbers = [i for i, text in enumerate(column) if not is_unknown(text) and not is_number(text)]
            wrong = next((i for i in no_numbers if not _is_mark(column[i])), no_numbers[0])  # perhaps marks alone
        said = repr(str(column[wrong])[:40])
        return f"row {self.lines[wrong]}, column {name}: the entry is {said}; it must be a finite number"

    def refusal(self, name: str) -> str:
        """Why column ``name`` is no label, neither a number nor classes; "" if it is one."""
        numbers = self.numbers(name)
        if numbers is not None:
            known = numbers[np.isfinite(numbers)]
            if not len(known):
                return "it is empty"
            if name == _NAMELESS and (np.diff(numbers) == 1).all() and numbers[0] in (0, 1):
                return "it counts the rows"
            return "it is the same in all rows" if known.min() == known.max() else ""
        texts = [text for text in self.texts(name) if text]
        different = len(set(texts))
        if different == 1:
            return "it is the same in all rows"
        if different == len(texts) or (different > _FEW_CLASSES and 2 * different > len(texts)):
            numeric = sum(map(is_number, texts))
            if 2 * numeric > len(texts):
                return self.trouble(name)
            what = "dates" if all(map(_DATE.fullmatch, texts)) else "texts"
            return f"it holds {different:,} different {what}, so they are no classes"
        return ""

    def classes(self, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """Column ``name`` as classes: places float64 (n,) in the names, NaN where nothing is known, and the names."""
        import natsort

        texts = self.texts(name)
        names = tuple(natsort.natsorted({text for text in texts if text}))
        places = {text: float(place) for place, text in enumerate(names)} | {"": math.nan}
        return np.array([places[text] for text in texts]), names


def is_unknown(text: str) -> bool:
    """Whether an entry says that nothing is known: empty, NA, nan, null."""
    return text.strip().lower() in _UNKNOWN


def read_table(file: Path) -> Table:
    """The columns of a table.

    Text is UTF-8, UTF-16 or Windows-1252, split at tabs, semicolons, commas or bars, whichever splits its rows alike,
    or as a first line ``sep=;`` says; if its first row holds a text that is no file name, it names the columns. Of an
    .xlsx, the first sheet is read. In an .npz, every array (n,) is a column and every (n, k) k of them; arrays of more
    dimensions, such as images, are left out. Raises ``TableError``.
    """
    file = Path(file)
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise TableError(f"{file} ends in {file.suffix or 'nothing'!r}; give a file that is {', '.join(SUFFIXES)}.")
    try:
        if suffix == ".xlsx":
            table = _read_workbook(file)
        elif suffix == ".parquet":
            table = _read_parquet(file)
        elif suffix in (".npz", ".npy"):
            table = _read_arrays(file)
        else:
            table = _read_text(file, "\t" if suffix == ".tsv" else None)
    except TableError:
        raise
    except FileNotFoundError as error:
        raise TableError(f"{file} does not exist.") from error
    except _UNREADABLE as error:
        damage = f"{file} cannot be read ({reason(error)}); it may be damaged or of another kind."
        raise TableError(refusal(error) or damage) from error
    if not table.names:
        raise TableError(f"{file} holds no column of values besides {INDEX!r}; give one or more.")
    if not table.rows:
        raise TableError(f"{file} holds no rows; give one per image.")
    if len(table.columns) > MOST_COLUMNS:
        raise TableError(f"{file} has {len(table.columns)} columns; at most {MOST_COLUMNS} are read.")
    return dataclasses.replace(table, notes=(*table.notes, *_told(table)))


# text


def _read_text(file: Path, separator: str | None) -> Table:
    text, notes = _decoded(file)
    skipped = 0
    said = re.match(r"sep=(.)\r?\n", text)
    if said:
        separator, skipped, text = said[1], 1, text[said.end() :]
    if separator is None:
        separator = separator_of(text)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        rows = [(reader.line_num + skipped, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise TableError(f"{file} is not a table: {error}.") from error
    if not rows:
        raise TableError(f"{file} is empty; give one row per image.")
    names, body = _header(file, rows)
    alone = len(names) == 1 and body
    written = text.splitlines() if alone else []
    blank = (
        tuple(i + skipped for i in range(body[0][0] - skipped, body[-1][0] - skipped) if not written[i - 1].strip())
        if alone and len(written) >= body[-1][0] - skipped
        else ()
    )
    columns = {}
    for i, name in enumerate(names):
        cells = [row[i] for _, row in body]
        said = _commas(cells, separator)
        if said == "thousands":
            cells = [cell.replace(",", "") for cell in cells]
        if said:
            notes.append(f"{file.name}: the commas of column {name} were read as {said} separators.")
        columns[name] = np.array(cells, dtype=object)
    return Table(file, columns, np.array([line for line, _ in body], dtype=np.int64), blank, tuple(notes))


def _told(table: Table) -> list[str]:
    """What was made of columns that are nearly numbers."""
    notes = []
    for name, column in table.columns.items():
        if column.dtype != object:
            continue
        if marks := table.marks(name):
            said = ", ".join(sorted({repr(mark) for mark in marks}))
            entries = counted(len(marks), "entry", "entries")
            notes.append(f"{table.file.name}: {entries} {said} of column {name}, of numbers, taken as not known.")
        elif table.numbers(name) is None and 2 * sum(map(is_number, column)) > len(column) and not table.refusal(name):
            notes.append(f"{table.file.name}: column {name} is read as classes, not numbers: {table.trouble(name)}.")
    return notes


def _commas(cells: list[str], separator: str) -> str:
    """What commas in a column of numbers are: "decimal", or "thousands" in a table split at commas; "" if neither."""
    with_comma = [cell for cell in cells if "," in cell]
    if not with_comma:
        return ""
    thousands = separator == "," and all(map(_THOUSANDS.fullmatch, with_comma))
    plain = [cell.replace(",", "") for cell in cells] if thousands else cells
    if not all(is_unknown(cell) or _is_mark(cell) or is_number(cell) for cell in plain):
        return ""
    return "thousands" if thousands else "decimal"


def _decoded(file: Path) -> tuple[str, list[str]]:
    """The text of a file, and what was guessed about its encoding."""
    content = read_bytes(file, MOST_BYTES)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\0" in content:  # UTF-16 without a mark: every other byte of plain text is 0
        encoding = "utf-16-le" if content[1::2].count(0) > content[::2].count(0) else "utf-16-be"
    else:
        encoding = "utf-8-sig"
    try:
        text, notes = content.decode(encoding), []
    except UnicodeDecodeError:
        try:
            if encoding != "utf-8-sig":
                raise
            text = content.decode("cp1252")
            notes = [f"{file.name} is not UTF-8; it was read as Windows-1252 (Western European)."]
        except UnicodeDecodeError as error:
            raise TableError(f"{file} is not text ({error}); save it as CSV in UTF-8.") from error
    if "\0" in text:
        raise TableError(f"{file} is not text (it holds zero bytes); save it as CSV in UTF-8.")
    return text, notes


def separator_of(text: str) -> str:
    """What splits the rows alike; else what the first row has most of; else nothing."""
    first = next((line for line in io.StringIO(text) if line.strip()), "")
    for separator in _SEPARATORS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        try:
            widths = {len(row) for row, _ in zip(reader, range(_LOOKED_AT), strict=False) if any(row)}
        except csv.Error:
            continue
        if len(widths) == 1 and widths.pop() > 1 and separator in first:
            return separator
    most = max(_SEPARATORS, key=first.count)
    return most if most in first else NO_SEPARATOR


def _header(file: Path, rows: list[tuple[int, list[str]]]) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The columns' names and the rows below them, each as long as there are names."""
    header = [cell.strip() for cell in rows[0][1]]
    named = any(cell and not is_number(cell) for cell in header) and not any(map(IMAGE_NAME.search, header))
    while named and len(header) > 1 and not header[-1] and all(_ends_empty(row, len(header)) for _, row in rows[1:]):
        header.pop()  # spreadsheets write empty columns, too
    names = _distinct(header if named else _numbered(file.stem, len(header)), file)
    body = rows[1:] if named else rows
    for line, row in body:
        while len(row) > len(names) and not row[-1].strip():
            row.pop()
        if len(row) != len(names):
            raise TableError(
                f"{file}, row {line}: it has {len(row)} entries; the first row has {len(names)}. Put an entry that "
                "holds the separator into quotes."
            )
    return names, body


def _ends_empty(row: Sequence[str], length: int) -> bool:
    return len(row) < length or not any(cell.strip() for cell in row[length - 1 :])


# spreadsheets and arrays


def _read_workbook(file: Path) -> Table:
    try:
        import openpyxl
    except ImportError as error:
        raise _missing(file, "openpyxl") from error

    with open_regular(file) as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about styles and print areas, which are not read
        book = openpyxl.load_workbook(stream, read_only=True, data_only=True, keep_links=False)
        try:
            sheet, others = book.worksheets[0], [sheet.title for sheet in book.worksheets[1:]]
            cells = [(i, list(row)) for i, row in enumerate(sheet.iter_rows(values_only=True), 1)]
        finally:
            book.close()
    rows = [(line, row) for line, row in cells if any(value is not None for value in row)]
    if not rows:
        raise TableError(f"{file}: its first sheet, {sheet.title!r}, is empty; give one row per image.")
    width = max(max((i + 1 for i, value in enumerate(row) if value is not None)) for _, row in rows)
    texts = [(line, [_cell(value) for value in (*row, *[None] * width)[:width]]) for line, row in rows]
    names, body = _header(file, texts)
    first = rows[len(rows) - len(body) :]
    columns = {name: _column([row[i] if i < len(row) else None for _, row in first]) for i, name in enumerate(names)}
    notes = (f"{file.name}: the sheet {sheet.title!r} was read, not {', '.join(others)}.",) if others else ()
    return Table(file, columns, np.array([line for line, _ in body], dtype=np.int64), (), notes)


def _read_parquet(file: Path) -> Table:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise _missing(file, "pyarrow") from error

    try:
        with open_regular(file) as stream:
            found = pyarrow.parquet.read_table(stream)
    except pyarrow.ArrowException as error:
        raise TableError(f"{file} cannot be read as Parquet ({error}).") from error
    types = pyarrow.types
    plain = [field.name for field in found.schema if not types.is_nested(field.type) and not types.is_null(field.type)]
    left_out = [name for name in found.column_names if name not in plain]
    names = _distinct([str(name) for name in plain], file)
    columns = {name: _column(found.column(place).to_pylist()) for name, place in zip(names, plain, strict=True)}
    notes = (f"{file.name}: {', '.join(left_out)} left out: lists and structures are no labels.",) if left_out else ()
    return Table(file, columns, np.arange(found.num_rows), (), notes)


def _missing(file: Path, package: str) -> TableError:
    return TableError(
        f"{file} cannot be read without {package}, which is not installed. Save the table as CSV, or install Isoline "
        f'with its extra "tables": pip install "isoline[tables]".'
    )


def _column(values: list[Any]) -> np.ndarray:
    """Numbers if all that is known is one, else texts."""
    if all(value is None or isinstance(value, bool | int | float) for value in values):
        return np.array([math.nan if value is None else float(value) for value in values], dtype=np.float64)
    return np.array([_cell(value) for value in values], dtype=object)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def _read_arrays(file: Path) -> Table:
    columns: dict[str, np.ndarray] = {}
    with open_regular(file) as stream:  # opened here: numpy leaves a broken archive open
        array = np.load(stream, allow_pickle=False)
        arrays = array if isinstance(array, np.lib.npyio.NpzFile) else {file.stem: array}
        for name in arrays:
            array = arrays[name]
            if not isinstance(array, np.ndarray):  # numpy hands out a member that is no .npy file as its bytes
                raise TableError(f"{file}: {name} is not an array; write the file again with numpy.savez.")
            check_characters(array)
            columns.update(_columns_of(name, array))
            if len(columns) > MOST_COLUMNS:
                raise TableError(f"{file}: more than {MOST_COLUMNS} columns; keep only those you need.")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {length}" for name, length in list(lengths.items())[:8])
        raise TableError(f"{file}: the arrays are of different lengths ({said}); give one entry per image in each.")
    return Table(file, columns, np.arange(next(iter(lengths.values()), 0)))


def _columns_of(name: str, array: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    if array.dtype.kind not in "biufUS" or array.ndim not in (1, 2):
        return
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    if array.dtype.kind == "U":
        array = array.astype(object)
    if array.ndim == 1:
        yield name, array
        return
    for column, part in zip(array.T, _numbered(name, array.shape[1]), strict=True):
        yield part, column


# names and numbers


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}{i + 1}" for i in range(count)]


def _distinct(names: list[str], file: Path) -> list[str]:
    named = [name or (f"column {i + 1}" if i else _NAMELESS) for i, name in enumerate(names)]
    named = [INDEX if name.lower() == INDEX else name for name in named]
    twice = next((name for i, name in enumerate(named) if name in named[:i]), None)
    if twice is not None:
        raise TableError(f"{file}: two columns are named {twice!r}; give each its own name.")
    return named


def _as_numbers(column: np.ndarray) -> np.ndarray | None:
    if column.dtype != object:
        numbers = column.astype(np.float64)
        return None if np.isinf(numbers).any() else numbers
    numbers, marks = np.full(len(column), math.nan), 0
    for i, text in enumerate(column):
        if _is_mark(text):
            marks += 1
        elif not is_unknown(text):
            number = number_of(text)
            if number is None:
                return None
            numbers[i] = number
    return numbers if not marks or np.isfinite(numbers).sum() > marks else None


def _is_mark(text: str) -> bool:
    return text.strip().lower() in _MARKS


def number_of(text: str) -> float | None:
    """The finite number that a text writes, with a decimal point or a decimal comma; None if it writes none."""
    text = text.strip()
    if text.count(",") == 1:
        text = (text.replace(".", "") if _GERMAN.fullmatch(text) else text).replace(",", ".")
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def is_number(text: str) -> bool:
    return number_of(text) is not None
