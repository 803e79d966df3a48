"""Latents in CSV and TSV: which columns are dimensions, which are labels, and which one names the samples.

Read line by line: a file without line ends is refused after its first 4 MiB, not when it has filled the memory.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import IO

import numpy as np

from core.data.labels import CLASS_HEADINGS, says_names
from core.data.latents.rows import LatentFileError, LatentRows, RowSample, block_rows, check_dimensions
from core.data.tables import IMAGE_NAME, INDEX, NO_SEPARATOR, is_number, is_unknown, number_of, separator_of
from core.utils.text import reason
from core.utils.untrusted import open_regular, open_text

LONGEST_LINE = 4 << 20
LOOKED_AT = 200
"""Rows by which it is decided what a column holds."""
MOST_LABELS = 64
_DIMENSION = re.compile(
    r"(mu|μ|z|latents?|dim(ension)?|emb(edding)?|pc|comp(onent)?|feat(ure)?|x|f|v)[ _.\-\[(]*\d+[\])]?", re.IGNORECASE
)
"""How columns of latents are called: z0, mu_1, dim 3, PC2."""
_ROW_NUMBERS = frozenset({"", "unnamed: 0", "row", "row_id", INDEX, "id"})
"""Headings under which programs number rows."""

Cell = str


@dataclass(frozen=True)
class Layout:
    """What the columns of a table of latents are: places of the ``dimensions`` and ``labels``, and of the ``names`` of
    samples, None if no column names them. ``headings`` are all columns' names."""

    headings: tuple[str, ...]
    dimensions: tuple[int, ...]
    labels: tuple[int, ...]
    names: int | None
    notes: tuple[str, ...]


def read_text(file: Path, most: int) -> LatentRows:
    """A ``.csv``, ``.tsv`` or ``.txt`` file. Raises ``LatentFileError``."""
    encoding = _encoding(file)
    try:
        return _read(file, most, encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8-sig":
            raise LatentFileError(f"{file} is not text ({reason(error)}); save it as CSV in UTF-8.") from error
        found = _read(file, most, "cp1252")
        note = f"{file.name} is not UTF-8; it was read as Windows-1252 (Western European)."
        return replace(found, notes=(note, *found.notes))


def _encoding(file: Path) -> str:
    with open_regular(file) as stream:
        start = stream.read(1 << 16)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\0" in start:
        raise LatentFileError(f"{file} is not text (it holds zero bytes); save it as CSV in UTF-8.")
    return "utf-8-sig"


def lines_of(file: Path, stream: IO[str]) -> Iterator[str]:
    """The lines of a text. Raises ``LatentFileError`` for one longer than ``LONGEST_LINE``."""
    number = 0
    while line := stream.readline(LONGEST_LINE):
        number += 1
        if len(line) >= LONGEST_LINE:
            raise LatentFileError(
                f"{file}, line {number}: it is longer than {LONGEST_LINE >> 20} MiB; give a line for each sample."
            )
        yield line


def _read(file: Path, most: int, encoding: str) -> LatentRows:
    with open_text(file, encoding) as stream:
        lines = lines_of(file, stream)
        start = list(islice(lines, LOOKED_AT))
        separator = "\t" if file.suffix.lower() == ".tsv" else separator_of("".join(start))
        if separator == NO_SEPARATOR and any(len(line.split()) > 1 for line in start[-1:]):
            separator = " "  # numpy.savetxt
        reader = csv.reader(chain(start, lines), delimiter=separator, skipinitialspace=True)
        try:
            rows = ((reader.line_num, row) for row in reader if any(cell.strip() for cell in row))
            first = list(islice(rows, LOOKED_AT))
            if not first:
                raise LatentFileError(f"{file} is empty; give a row for each sample.")
            named = _is_header(first[0][1], [row for _, row in first[1:]])
            headings = _headings(first[0][1], named)
            body = first[1:] if named else first
            layout = columns_of(file, headings, [row for _, row in body], named)
            return _rows(file, layout, chain(body, rows), most)
        except csv.Error as error:
            raise LatentFileError(f"{file}, line {reader.line_num}: it is not a table ({error}).") from error


def _is_header(row: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Whether a first row names columns: it holds words beside nothing but whole numbers, or counts the columns from 0
    above rows with fractions."""
    cells = [cell.strip() for cell in row]
    known = [number for number in map(number_of, cells) if number is not None]
    if any(map(IMAGE_NAME.search, cells)) or any(number != int(number) for number in known):
        return False
    if len(known) < sum(map(bool, cells)):
        return True
    fractions = any(number != int(number) for cells in others for number in map(number_of, cells) if number is not None)
    return len(known) > 1 and known == list(range(len(known))) and fractions


def _headings(row: Sequence[str], named: bool) -> tuple[str, ...]:
    if not named:
        return tuple(f"column {i + 1}" for i in range(len(row)))
    return tuple(cell.strip() or ("" if i == 0 else f"column {i + 1}") for i, cell in enumerate(row))


def columns_of(file: Path, headings: Sequence[str], rows: Sequence[Sequence[str]], named: bool) -> Layout:
    """What each column is, by its heading and its entries in ``rows``. Raises ``LatentFileError``."""
    if not rows:
        raise LatentFileError(f"{file} has a first row that names columns, and no other; give a row for each sample.")
    full = [row for row in rows if len(row) == len(headings)]
    columns = [[row[i] for row in full] for i in range(len(headings))]
    numeric = [i for i, cells in enumerate(columns) if _holds_numbers(cells)]
    notes: list[str] = []
    called = [i for i in numeric if _DIMENSION.fullmatch(headings[i])] if named else []
    if len(called) >= 2:
        dimensions = called
    else:
        counters = [i for i in numeric if named and headings[i].lower() in _ROW_NUMBERS and _counts(columns[i])]
        classes = [i for i in numeric if named and headings[i].lower() in CLASS_HEADINGS]
        dimensions = [i for i in numeric if i not in counters and i not in classes]
        if counters:
            notes.append(f"The column {headings[counters[0]] or '1'} numbers the rows and is no dimension.")
        if classes:
            notes.append(f"Because of its name, {headings[classes[0]]} is a label and no dimension.")
    others = [i for i in range(len(headings)) if i not in dimensions]
    names = _names_column(headings, columns, [i for i in others if i not in numeric])
    labels = [i for i in others if i != names and not (headings[i].lower() in _ROW_NUMBERS and _counts(columns[i]))]
    if len(labels) > MOST_LABELS:
        notes.append(f"Of {len(labels)} columns of labels the first {MOST_LABELS} are read.")
    what = ", ".join(headings[i] for i in dimensions[:4]) + (", …" if len(dimensions) > 4 else "")
    check_dimensions(file, len(dimensions), f"the table (columns of numbers: {what or 'none'})")
    end = "" if what.endswith("…") else "."
    notes.insert(0, f"{len(dimensions)} dimensions: {what}{end}" if named else "No row names the columns.")
    if names is not None:
        notes.append(f"The samples are named by the column {headings[names]}.")
    return Layout(tuple(headings), tuple(dimensions), tuple(labels[:MOST_LABELS]), names, tuple(notes))


def _holds_numbers(cells: Sequence[str]) -> bool:
    known = [cell for cell in cells if not is_unknown(cell)]
    return bool(known) and all(map(is_number, known))


def _counts(cells: Sequence[str]) -> bool:
    numbers = [number_of(cell) for cell in cells]
    return all(number is not None and number == i + (numbers[0] or 0) for i, number in enumerate(numbers))


def _names_column(headings: Sequence[str], columns: Sequence[Sequence[str]], texts: Sequence[int]) -> int | None:
    """The column of file names: its entries end as image files do, or its heading says so and no entry comes twice."""
    files = [i for i in texts if columns[i] and all(IMAGE_NAME.search(cell.strip()) for cell in columns[i])]
    called = [i for i in texts if says_names(headings[i]) and len(set(columns[i])) == len(columns[i])]
    return next(iter([*files, *called]), None)


def _rows(file: Path, layout: Layout, rows: Iterator[tuple[int, list[str]]], most: int) -> LatentRows:
    dimensions, wanted = layout.dimensions, [*layout.labels, *([] if layout.names is None else [layout.names])]
    d, width = len(dimensions), len(layout.headings)
    pick = _picker(dimensions, width)
    sample = RowSample(file, d, most)
    size = block_rows(d)
    block: list[list[float]] = []
    cells: list[list[str]] = []
    for line, row in rows:
        while len(row) > width and not row[-1].strip():
            row.pop()
        if len(row) != width:
            raise LatentFileError(
                f"{file}, row {line}: it has {len(row)} entries; the first row has {width}. Put an entry that holds "
                "the separator into quotes."
            )
        try:
            block.append(list(map(float, pick(row))))
        except ValueError:
            block.append([_number(file, line, layout.headings[i], row[i]) for i in dimensions])
        cells.append([sys.intern(row[i].strip()) for i in wanted])
        if len(block) == size:
            sample.add(np.array(block), cells)
            block, cells = [], []
    if block:
        sample.add(np.array(block), cells)
    headings = [layout.headings[i] or "column 1" for i in wanted]
    keys = [f"{place} {name}" for place, name in enumerate(headings)]  # two columns may have one heading
    found = sample.rows([layout.headings[i] for i in dimensions], keys, layout.notes)
    columns = {}
    for place, name in list(enumerate(headings))[: len(layout.labels)]:
        columns[name if name not in columns else f"{name} ({place + 1})"] = found.columns[keys[place]]
    names = () if layout.names is None else tuple(found.columns[keys[-1]])
    return replace(found, columns=columns, names=names)


def _picker(places: Sequence[int], width: int) -> Callable[[list[str]], Sequence[str]]:
    if len(places) == width:
        return lambda row: row
    if places[-1] - places[0] + 1 == len(places):
        return lambda row: row[places[0] : places[-1] + 1]
    return lambda row: [row[i] for i in places]


def _number(file: Path, line: int, heading: str, cell: str) -> float:
    """A number however it is written; NaN where nothing is known. Raises ``LatentFileError``."""
    if is_unknown(cell):
        return float("nan")
    number = number_of(cell)
    if number is None:
        raise LatentFileError(
            f"{file}, row {line}, column {heading}: the entry is {cell[:40]!r}; it must be a number, or empty."
        )
    return number
