"""Labels of images: a column of numbers or names, whether folders, arrays or a table give it; the join of a table.

A table says by file names which image a row is about. The names may be whole paths, names or stems; which column holds
them is found by matching. Only a person's word makes row i the label of image i.
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.data.splits import side_of
from core.data.tables import IMAGE_NAME, INDEX, Table, TableError
from core.utils.text import counted

LabelsBy = Literal["name", "order"]
_NAMES_SAY = re.compile(
    r"((image|img|photo|picture|sample|file)s?)?[ _-]*(file|path|name|id|image|img|frame|stem)s?[ _-]*(name|path|id)?",
    re.I,
)
"""Headings of columns that name files, even by numbers."""
CLASS_HEADINGS = frozenset(
    ("label", "labels", "class", "classes", "class_id", "label_id", "category", "species", "kind", "type", "digit")
)
"""Columns whose whole numbers, if they are few, number classes; in small letters."""
MOST_NUMBERED = 20
_SPLIT_HEADINGS = frozenset({"split", "subset", "partition", "set"})
_REPLACED = "\N{REPLACEMENT CHARACTER}"
_FRAME = re.compile(r"#\d+$")
_SHOWN = 3  # examples in a message


@dataclass(frozen=True, eq=False)
class LabelColumn:
    """One label of N images: ``values`` float32 (N,), NaN where it is not known.

    With ``categories`` it is a class, and its values are places in these names; without, it is a number.
    """

    name: str
    values: np.ndarray
    categories: tuple[str, ...] = ()


def says_names(heading: str) -> bool:
    """Whether the heading of a column, or the key of an array, says that it names images: file, image_id, filenames."""
    return _NAMES_SAY.fullmatch(heading) is not None


@dataclass(frozen=True, eq=False)
class SplitColumn:
    """The column of a table that says which of N images train (0), validate (1) or are held out (2): ``sides`` uint8
    (N,). ``silent`` are the places of those of which it says nothing: they train."""

    name: str
    sides: np.ndarray
    silent: np.ndarray

    def notes(self, table: Table, names: Sequence[str]) -> list[str]:
        """What is said of the images without an entry, which may be called ``names``."""
        if not len(self.silent):
            return []
        which = f": {_examples([names[int(place)] for place in self.silent[: _SHOWN + 1]])}" if len(names) else ""
        verb = "trains" if len(self.silent) == 1 else "train"
        images = counted(len(self.silent), "image")
        return [f"{images} without entry in the column {self.name} of {table.file.name} {verb}{which}."]


def as_classes_note(label: LabelColumn, written: str) -> str:
    """What is said of whole numbers that became the classes ``label`` because of the name ``written`` in the file."""
    return (
        f"the {len(label.categories):,} different whole numbers in {written} are taken as classes, because of its "
        "name; data.number_labels numbers keeps them numbers."
    )


class UnmatchedTable(TableError):
    """A table that names no image: its rows can be joined only by their order, if a person says so."""


@dataclass(frozen=True, eq=False)
class Join:
    """Which row of a table each image has: ``rows`` int64 (N,), -1 for none.

    ``by`` is the column that says so, "" if it is the order. ``notes`` say what was matched and what was not.
    """

    rows: np.ndarray
    by: str
    notes: tuple[str, ...] = ()

    def spread(self, values: np.ndarray) -> np.ndarray:
        """One value a row (n,) as one an image (N,), NaN where there is no row."""
        return np.where(self.rows >= 0, values[self.rows], np.nan)


def join(table: Table, names: Sequence[str], samples: np.ndarray, by: LabelsBy = "name", whole: bool = True) -> Join:
    """Which row belongs to each of N images of these ``names`` (N or none), int64 (N,) places ``samples`` in a dataset.

    By "name": a column ``index`` holds places in the dataset, else a column of file names is looked for. By "order":
    row i is about image i. ``whole``: the images are all there are, so that a row without image is worth a note.
    Raises ``UnmatchedTable`` where no column names the images, ``TableError`` for a name that two images or two rows
    have, and for an order that does not fit.
    """
    if by == "order":
        return _by_order(table, names, samples)
    if INDEX in table.columns:
        return _by_index(table, samples)
    found = _by_name(table, names, whole) if len(names) else None
    if found is None:
        like = f"file names such as {_quoted(names[:1])}" if names else "the images' places, and name it index"
        matched = "no column matches the names of the images" if names else "these images have no names"
        raise UnmatchedTable(
            f"{table.file} does not say which image each row is about: {matched}. Add a column with {like}, or set "
            'data.labels_by to "order" if row i is about image i.'
        )
    return found


def _by_order(table: Table, names: Sequence[str], samples: np.ndarray) -> Join:
    if not np.array_equal(samples, np.arange(len(samples))):
        raise TableError(
            f"{table.file} does not say which samples its rows describe, and this run shows only part of its "
            f"dataset. Add a column {INDEX} with each row's sample number."
        )
    if table.rows != len(samples):
        blank = f", and {len(table.blank)} blank rows, the first of them row {table.blank[0]}" if table.blank else ""
        raise TableError(
            f"{table.file} has {table.rows} rows{blank}; there are {len(samples)} images. Give one row per image, "
            f"or add a column with each row's file name, or a column {INDEX} with the number of its image."
        )
    notes = [f"{table.file.name}: row i is about image i, as chosen."]
    with contextlib.suppress(TableError):  # names that are unclear contradict nothing
        named = _by_name(table, names, True) if len(names) else None
        if named is not None and not np.array_equal(named.rows, samples):
            notes.append(f"The file names in its column {named.by} say otherwise; they were not used.")
    return Join(np.arange(table.rows), "", tuple(notes))


def _by_index(table: Table, samples: np.ndarray) -> Join:
    numbers = table.numbers(INDEX)
    if numbers is None:
        raise TableError(f"{table.file}, {table.trouble(INDEX)}.")
    broken = np.flatnonzero(~(numbers == np.floor(numbers)) | (numbers < 0) | (numbers > 2**53))
    if len(broken):
        row, value = table.lines[broken[0]], numbers[broken[0]]
        said = "empty" if np.isnan(value) else f"{value:g}"
        raise TableError(f"{table.file}, row {row}: {INDEX} is {said}; it must be a whole number, 0 or more.")
    order = np.argsort(numbers, kind="stable")
    known = numbers[order]
    twice = np.flatnonzero(known[1:] == known[:-1])
    if len(twice):
        raise TableError(
            f"{table.file}, row {table.lines[order[twice[0] + 1]]}: sample {known[twice[0]]:.0f} already has a row."
        )
    place = np.searchsorted(known, samples).clip(max=len(known) - 1)
    rows = np.where(known[place] == samples, order[place], -1)
    if (rows < 0).all():
        raise TableError(f"{table.file} has no row for any of the {len(samples)} samples; {INDEX} counts them from 0.")
    missing = samples[rows < 0]
    notes = [f"{table.file.name}: rows are joined by the column {INDEX}."]
    if len(missing):
        notes.append(
            f"{counted(len(missing), 'image')} without row in {table.file.name}, the first is sample {missing[0]}."
        )
    return Join(rows, INDEX, tuple(notes))


def split_column(table: Table, joined: Join, notes: list[str]) -> SplitColumn | None:
    """The column called split or the like that puts the images on two sides at least; None if there is none.

    Appends to ``notes`` the entry because of which a column that names sides is not taken.
    """
    for name in table.names:
        if name.lower() not in _SPLIT_HEADINGS or name == joined.by:
            continue
        texts = [*table.texts(name), ""]  # of no row, -1: the last
        sides = [side_of(text) if text else 0 for text in texts]
        strange = [row for row, side in enumerate(sides) if side is None]
        if strange:
            if any(text and side is not None for text, side in zip(texts, sides, strict=True)):
                notes.append(
                    f"{table.file.name}, row {table.lines[strange[0]]}: {texts[strange[0]]!r} in the column {name} is "
                    "none of train, validation and held out, so that the column does not give the split."
                )
            continue
        of_images = np.array(sides, np.uint8)[joined.rows]
        if len(np.unique(of_images)) > 1:
            silent = np.array([not text for text in texts])[joined.rows]
            return SplitColumn(name, of_images, np.flatnonzero(silent))
    return None


def label_columns(
    table: Table, joined: Join, numbered: bool = True, passed_over: str = ""
) -> tuple[list[LabelColumn], dict[str, str]]:
    """The labels that a table gives N images, and by name why other columns are none.

    Text becomes classes, those that the images have, in natural order; so do few whole numbers in a column that is
    called class or the like, if ``numbered``. A column that says nothing about these images, holds dates or ids, or an
    entry that is no number among numbers, is no label. The column ``passed_over`` is neither.
    """
    labels, left_out = [], {}
    for name in table.names:
        if name in (joined.by, passed_over):
            continue
        numbers = table.numbers(name)
        reason = table.refusal(name)
        if not reason:
            values, categories = table.classes(name) if numbers is None else _numbered(name, numbers, numbered)
            column = _column(name, joined.spread(values), categories)
            known = column.values[np.isfinite(column.values)]
            if len(known) and known.min() < known.max():
                labels.append(column)
                continue
            reason = "it is the same for all images" if len(known) else "it is empty for these images"
        left_out[name] = reason
    return labels, left_out


def _numbered(name: str, numbers: np.ndarray, numbered: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    """A column of numbers (n,), or places in the classes that they number if its ``name`` says so."""
    known = np.isfinite(numbers)
    distinct, places = np.unique(numbers[known], return_inverse=True)
    few = 1 < len(distinct) <= MOST_NUMBERED and bool((distinct == np.rint(distinct)).all())
    if not numbered or name.lower() not in CLASS_HEADINGS or not few:
        return numbers, ()
    values = np.full(len(numbers), np.nan)
    values[known] = places
    return values, tuple(f"{number:.0f}" for number in distinct)


def _column(name: str, values: np.ndarray, categories: tuple[str, ...]) -> LabelColumn:
    if categories:
        used, places = np.unique(values[np.isfinite(values)], return_inverse=True)
        values[np.isfinite(values)] = places
        categories = tuple(categories[int(place)] for place in used)
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    values[~np.isfinite(values)] = np.nan
    return LabelColumn(name, values, categories)


# by name


def _by_name(table: Table, names: Sequence[str], whole: bool) -> Join | None:
    """By the column that names most images; None if there is none."""
    index = _NameIndex(names)
    best: _Match | None = None
    for column in table.names:
        says, numeric = says_names(column), table.numbers(column) is not None
        if numeric and not says:
            continue  # 1, 2, 3 are seldom names, unless the column says so
        match = _Match(column, table.written(column), index)
        enough = 1 if says and not numeric else 0.5 * min(table.rows, len(names))  # a class may be called as a file is
        if match.count >= enough and (best is None or match.count > best.count):
            best = match
    if best is None:
        return None
    _check_ambiguous(table, best, index)
    return _joined(table, best, index, whole)


class _Match:
    """What a column's ``texts`` (n,) name: ``found`` files each, None for none; ``count`` of those that name some."""

    def __init__(self, column: str, texts: Sequence[str], index: _NameIndex) -> None:
        self.column, self.texts = column, texts
        self.found = [index.find(text) if text else None for text in texts]
        self.count = sum(files is not None for files in self.found)


def _check_ambiguous(table: Table, match: _Match, index: _NameIndex) -> None:
    ambiguous = [(row, files) for row, files in enumerate(match.found) if files is not None and len(files) > 1]
    if ambiguous:
        row, files = ambiguous[0]
        may = _quoted(index.files[file] for file in files[:_SHOWN]) + (" …" if len(files) > _SHOWN else "")
        raise TableError(
            f"{table.file}, row {table.lines[row]}: {match.texts[row]!r} may be {may}; "
            f"{counted(len(ambiguous), 'row')} as unclear. Write the paths below the folder into column "
            f"{match.column}."
        )


def _joined(table: Table, match: _Match, index: _NameIndex, whole: bool) -> Join:
    rows = np.full(index.count, -1, dtype=np.int64)
    given: dict[int, int] = {}  # the row of each file
    for precise in (False, True):  # a row about one frame wins over one about its whole file
        for row, files in enumerate(match.found):
            if files is None or index.is_frame[files[0]] != precise:
                continue
            if files[0] in given:
                raise TableError(
                    f"{table.file}, row {table.lines[row]}: {match.texts[row]!r} already has row "
                    f"{table.lines[given[files[0]]]}. Keep one row for each image."
                )
            given[files[0]] = row
            rows[index.images[files[0]]] = row
    name = table.file.name
    notes = [f"{name}: {counted(int((rows >= 0).sum()), 'image')} joined by the column {match.column}."]
    padded = [
        (text, index.files[files[0]])
        for text, files in zip(match.texts, match.found, strict=True)
        if files is not None and text.isdecimal() and text not in index.files[files[0]].split("/")[-1].split(".")
    ]
    if padded:
        text, file = padded[0]
        notes.append(f"{name}: numbers are taken as those of the files, such as {text} for {file}.")
    absent = [match.texts[row] for row, files in enumerate(match.found) if files is None]
    if absent and whole:
        notes.append(f"{counted(len(absent), 'row')} of {name} without image: {_examples(absent)}.")
    alone = [index.names[image] for image in np.flatnonzero(rows < 0).tolist()]
    if alone:
        notes.append(f"{counted(len(alone), 'image')} without row in {name}: {_examples(alone)}.")
    return Join(rows, match.column, tuple(notes))


class _NameIndex:
    """Finds images by what a table calls them: a path, a name or a stem.

    ``files`` are the distinct files and the frames of those that hold several (``is_frame``); ``images`` of each its
    places among the images.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names, self.count = names, len(names)
        self.files: list[str] = []
        self.images: list[list[int]] = []
        self.is_frame: list[bool] = []
        known: dict[str, int] = {}
        for place, name in enumerate(names):
            whole = _FRAME.sub("", name)
            framed = whole != name and IMAGE_NAME.search(whole) is not None
            for file, frame in ((name, True), (whole, False)) if framed else ((name, False),):
                if file not in known:
                    known[file] = len(self.files)
                    self.files.append(file)
                    self.images.append([])
                    self.is_frame.append(frame)
                self.images[known[file]].append(place)
        self._replaced = any(_REPLACED in name for name in names)
        self._exact = _Paths(map(_exact, self.files))
        self._numbered: dict[int, list[int]] = {}
        for place, file in enumerate(self.files):
            if (stem := _stem(file.rpartition("/")[2])).isdecimal():
                self._numbered.setdefault(int(stem), []).append(place)
        self._loose: _Paths | None = None

    def find(self, text: str) -> tuple[int, ...] | None:
        """The files that ``text`` may be; None if there is none."""
        found = self._exact.find(_exact(text))
        if found is None:
            if self._loose is None:
                self._loose = _Paths(map(self._loosely, self.files))
            found = self._loose.find(self._loosely(text))
        if found is None and text.isdecimal():  # spreadsheets take the zeros away that names of files begin with
            found = tuple(self._numbered.get(int(text), ())) or None
        return found

    def _loosely(self, text: str) -> str:
        """Upper and lower case alike; and, where names are no UTF-8, all letters that may be what was replaced."""
        key = _exact(text).casefold()
        return re.sub(r"[^\x00-\x7f]", _REPLACED, key) if self._replaced else key


class _Paths:
    """Finds paths of which another is the end, or that are the end of another, with or without suffix."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._whole: dict[str, list[int]] = {}
        self._ends: dict[str, list[int]] = {}
        for place, path in enumerate(paths):
            for way in {path, _stem(path)}:
                self._whole.setdefault(way, []).append(place)
                for end in _ends(way):
                    self._ends.setdefault(end, []).append(place)

    def find(self, path: str) -> tuple[int, ...] | None:
        for way in dict.fromkeys((path, _stem(path))):
            found = self._ends.get(way) or next((self._whole[end] for end in _ends(way) if end in self._whole), None)
            if found is not None:
                return tuple(found)
        return None


def _exact(text: str) -> str:
    """A path with forward slashes, letters composed as most systems write them."""
    return unicodedata.normalize("NFC", text.strip().replace("\\", "/")).removeprefix("./")


def _ends(path: str) -> Iterator[str]:
    """a/b/c, b/c, c"""
    while True:
        yield path
        _, slash, path = path.partition("/")
        if not slash:
            return


def _stem(path: str) -> str:
    return IMAGE_NAME.sub("", path)


def _quoted(texts: Iterable[str]) -> str:
    return " or ".join(repr(text) for text in texts)


def _examples(texts: Sequence[str]) -> str:
    return ", ".join(texts[:_SHOWN]) + (", …" if len(texts) > _SHOWN else "")
