"""Labels in the arrays that lie beside images: classes, numbers, texts, and the split."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from core.data.dataset import broken_as
from core.data.labels import CLASS_HEADINGS, MOST_NUMBERED, LabelColumn, as_classes_note, says_names
from core.data.sources.listing import shown
from core.data.sources.members import Member, split_word, stem_of
from core.data.tables import IMAGE_NAME
from core.utils.text import counted, sentence

CLASS_KEYS = frozenset({"y", "label", "labels", "target", "targets", "class", "classes", "latents_classes"})
"""Arrays whose integers, one an image, number classes."""
CLASS_WORDS = CLASS_HEADINGS | {"shape"}
"""Names of factors whose few integers number classes."""
NAME_KEYS = (
    "latents_names",
    "factor_names",
    "label_names",
    "names",
    "target_names",
    "class_names",
    "categories",
)
MANY = 1000
"""Different integers that may be classes if no number between them is missing; else ``MOST_NUMBERED``."""
MOST_COLUMNS = 64
SIDES = ("train", "validation", "held_out")
"""Arrays of the places of images that train, validate or are held out, or of a truth value for each image."""
DSPRITES = ("color", "shape", "scale", "orientation", "posX", "posY")
SHAPES_3D = ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")
"""The columns of published data sets, which keep these names where they are not read."""
_KNOWN_CLASSES = {
    (DSPRITES, "shape"): {1: "square", 2: "ellipse", 3: "heart"},
    (SHAPES_3D, "shape"): {0: "cube", 1: "cylinder", 2: "sphere", 3: "capsule"},
}


def labels_of(
    path: Path, images: Sequence[Member], members: Sequence[Member], count: int, numbered: bool, notes: list[str]
) -> tuple[list[LabelColumn], tuple[str, ...], np.ndarray | None]:
    """The labels of ``count`` images in ``members``, the images' names if there are some, and uint8 (N,) which train
    (0), validate (1) or are held out (2) if arrays say so. ``numbered``: integers may number classes.

    Appends to ``notes`` what is turned or left out. Raises ``DatasetError`` for a damaged file.
    """
    beside = {member.name: member for member in members if member not in images}
    place = shown(str(path))
    with broken_as(lambda why: f"{place} is damaged in its labels ({why}). Write or download it again."):
        columns, names = _columns(images, beside, count, numbered, notes)
        return columns, names, _split(beside, count, notes)


def _columns(
    images: Sequence[Member], beside: dict[str, Member], count: int, numbered: bool, notes: list[str]
) -> tuple[list[LabelColumn], tuple[str, ...]]:
    """The labels, and the names of the images: texts of which no two are the same are no classes."""
    arrays = dict(_joined(images, beside, count, notes))
    names: tuple[str, ...] = ()
    for key, found in _all_different(arrays):
        del arrays[key]
        if not names and _names_images(key, found):
            names = found
            notes.append(f"The images have the names in {key}.")
        else:
            notes.append(f"Not taken as a label: {key}, which holds {count:,} different texts.")
    if "latents_values" in arrays:
        arrays.pop("latents_classes", None)  # the same, numbered
    texts = {
        name: _texts(member.read())
        for name, member in beside.items()
        if _last(name) in NAME_KEYS and member.dtype.kind in "SU"
    }
    columns: list[LabelColumn] = []
    for key, array in arrays.items():
        heads = next((found for found in texts.values() if array.ndim == 2 and len(found) == array.shape[1]), None)
        if array.ndim == 1:
            classes = next((found for found in texts.values() if len(found) > 1), None)
            may_be_class = numbered and (_is_class(key) or _last(key).lower() in CLASS_WORDS)
            column = _column(_plain_name(key, arrays), array, may_be_class, classes, notes, key)
            columns.append(column)
        elif numbered and _is_one_hot(key, array):
            notes.append(f"{key} has one 1 in each row of {array.shape[1]}: it is taken as a class.")
            columns.append(_column("class", array.argmax(axis=1), True, heads, notes))
        else:
            columns += _factors(key, array, heads, numbered, notes)
    constant = [column for column in columns if len(np.unique(column.values[~np.isnan(column.values)])) < 2]
    if constant:
        said = ", ".join(column.name for column in constant)
        notes.append(f"{'Labels that are' if len(constant) > 1 else 'A label that is'} the same for all: {said}.")
    return _once([column for column in columns if column not in constant]), names


def _once(columns: list[LabelColumn]) -> list[LabelColumn]:
    """Labels of different names: of two that say the same, as numbers and as texts, the one that names its classes."""
    once: dict[str, LabelColumn] = {}
    for column in columns:
        other, name, number = once.get(column.name), column.name, 2
        if other is not None and _say_the_same(column, other):
            once[name] = max(column, other, key=lambda one: (len(one.categories) > 0, not _are_numbers(one.categories)))
            continue
        while name in once:
            name, number = f"{column.name} ({number})", number + 1
        once[name] = LabelColumn(name, column.values, column.categories)
    return list(once.values())


def _say_the_same(one: LabelColumn, other: LabelColumn) -> bool:
    known = ~np.isnan(one.values)
    if not np.array_equal(known, ~np.isnan(other.values)):
        return False
    pairs = np.unique(np.stack([one.values[known], other.values[known]]), axis=1).shape[1]
    return pairs == len(np.unique(one.values[known])) == len(np.unique(other.values[known]))


def _are_numbers(texts: Sequence[str]) -> bool:
    return all(text.lstrip("-").isdecimal() for text in texts)


def _all_different(arrays: dict[str, np.ndarray]) -> list[tuple[str, tuple[str, ...]]]:
    """Arrays of texts of which no two are the same, if they are too many to be classes or name images."""
    found = []
    for key, array in arrays.items():
        if array.ndim == 1 and array.dtype.kind in "SU":
            texts = tuple(_texts(array))
            if len(set(texts)) == len(texts) and (len(texts) > MOST_NUMBERED or _names_images(key, texts)):
                found.append((key, texts))
    return found


def _names_images(key: str, texts: Sequence[str]) -> bool:
    return says_names(_last(key)) or all(map(IMAGE_NAME.search, texts))


def _joined(
    images: Sequence[Member], beside: dict[str, Member], count: int, notes: list[str]
) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays with an entry for each image, (N,) or (N, F), by name; y_train and y_test as y."""
    used: set[str] = set()
    if len(images) > 1:
        for stem, partners in _split_like(images, beside).items():
            used |= {part.name for part in partners}
            fits = [part.shape[:1] for part in partners] == [part.shape[:1] for part in images]
            if fits and _is_label(partners[0]):
                yield stem, _as_column(stem, np.concatenate([part.read() for part in partners]))
    left = []
    for name, member in beside.items():
        of_images = _last(name) == "names" and member.shape == (count,)
        if name in used or (_last(name) in NAME_KEYS and not of_images) or name in SIDES:
            continue
        pixels = len(member.shape) == 2 and member.shape[1] == math.prod(images[0].shape[1:])
        if member.shape[:1] == (count,) and len(images) == 1 and _is_label(member) and not pixels:
            yield name, _as_column(name, member.read())
        else:
            left.append(f"{name} {member.shape}")
    if left:
        said = ", ".join(left[:6]) + (", …" if len(left) > 6 else "")
        notes.append(f"Not taken as labels of {counted(count, 'image')}: {said}.")


def _is_label(member: Member) -> bool:
    if member.dtype.kind not in "buifSU" or len(member.shape) not in (1, 2):
        return False
    return len(member.shape) == 1 or 1 <= member.shape[1] <= MOST_COLUMNS


def _as_column(name: str, array: np.ndarray) -> np.ndarray:
    """Classes and texts (N, 1) as (N,)."""
    return array[:, 0] if array.shape[1:] == (1,) and (array.dtype.kind in "SU" or _is_class(name)) else array


def _split_like(images: Sequence[Member], beside: dict[str, Member]) -> dict[str, list[Member]]:
    """Arrays in as many parts as the images and named like them: y_train and y_test beside x_train and x_test, as y."""
    parts = [split_word(part.name) for part in images]
    stems: dict[str, dict[str, Member]] = {}
    for name, member in beside.items():
        stems.setdefault(stem_of(name), {})[split_word(name)] = member
    return {stem: [found[part] for part in parts] for stem, found in stems.items() if set(parts) <= set(found)}


def _is_class(key: str) -> bool:
    return _last(key.lower()) in CLASS_KEYS


def _last(key: str) -> str:
    """The name of an array without the groups that it lies in."""
    return key.rpartition("/")[2]


def _factors(
    key: str, array: np.ndarray, names: list[str] | None, numbered: bool, notes: list[str]
) -> Iterator[LabelColumn]:
    known = None
    if names is None and array.dtype.kind in "iuf" and array.shape[1] == 6:
        known = _published(array)
        if known is not None:
            names = list(known)
            notes.append(f"{key} has the values of a published data set, whose columns are {', '.join(known)}.")
    if names is None:
        stem, width = "factor" if key.startswith("latents") else _last(key), array.shape[1]
        names = [stem] if width == 1 and stem != "factor" else [f"{stem}{i + 1}" for i in range(width)]
    for name, column in zip(names, array.T, strict=True):
        classes = _KNOWN_CLASSES.get((known, name)) if known and numbered else None
        if classes is not None:
            values = np.searchsorted(sorted(classes), column).astype(np.float32)
            yield LabelColumn(name, values, tuple(classes[number] for number in sorted(classes)))
        else:
            yield _column(name, column, numbered and name.lower() in CLASS_WORDS, None, notes)


def _published(array: np.ndarray) -> tuple[str, ...] | None:
    distinct = [set(np.unique(column[:: max(1, len(column) // 10_000)]).tolist()) for column in array.T]
    if len(distinct[0]) == 1 and distinct[1] == {1, 2, 3} and max(distinct[4] | distinct[5]) <= 1:
        return DSPRITES
    if distinct[4] == {0, 1, 2, 3} and max(distinct[0] | distinct[1] | distinct[2]) < 1 and len(distinct[3]) <= 8:
        return SHAPES_3D
    return None


def _column(
    name: str, array: np.ndarray, may_be_class: bool, classes: list[str] | None, notes: list[str], written: str = ""
) -> LabelColumn:
    """One column: text and truth values are classes; integers are if ``may_be_class`` and there are few of them.
    ``written`` is its name in the file, if that is another."""
    if array.dtype.kind in "SU":
        from natsort import natsorted

        texts = _texts(array)
        known = natsorted({text for text in texts if text})
        place = {text: float(index) for index, text in enumerate(known)}
        return LabelColumn(name, np.array([place.get(text, np.nan) for text in texts], np.float32), tuple(known))
    if array.dtype.kind == "b":
        return LabelColumn(name, array.astype(np.float32), ("false", "true"))
    values = array.astype(np.float32)
    infinite = int(np.isinf(values).sum())
    if infinite:
        notes.append(f"{counted(infinite, 'infinite value')} of {name} taken as not known.")
        values[np.isinf(values)] = np.nan
    known_values = values[~np.isnan(values)]
    whole = known_values.size > 0 and bool((known_values == np.rint(known_values)).all())
    if not may_be_class or not whole:
        return LabelColumn(name, values)
    distinct = np.unique(known_values).astype(int)
    gapless = distinct[0] in (0, 1) and len(distinct) == distinct[-1] - distinct[0] + 1
    if len(distinct) > MOST_NUMBERED and not (gapless and len(distinct) <= MANY and 2 * len(distinct) <= len(values)):
        return LabelColumn(name, values)
    if classes is not None and distinct[0] >= 0 and distinct[-1] < len(classes):
        return LabelColumn(name, values, tuple(classes))
    places = np.where(np.isnan(values), np.nan, np.searchsorted(distinct, np.nan_to_num(values)))
    label = LabelColumn(name, places.astype(np.float32), tuple(map(str, distinct)))
    notes.append(sentence(as_classes_note(label, written or name)))
    return label


def _is_one_hot(key: str, array: np.ndarray) -> bool:
    if not _is_class(key) or array.dtype.kind not in "buif" or array.shape[1] < 2:
        return False
    return bool(((array == 0) | (array == 1)).all() and (array.sum(axis=1) == 1).all())


def _plain_name(key: str, keys: Iterable[str]) -> str:
    """What a label is called: without the groups that it lies in, if no other one has that name."""
    if _is_class(key):
        return "class"
    return _last(key) if [_last(other) for other in keys].count(_last(key)) == 1 else key


def _texts(array: np.ndarray) -> list[str]:
    if array.dtype.kind == "S":
        return [text.decode("utf-8", "replace").strip() for text in array.ravel().tolist()]
    return [str(text).strip() for text in array.ravel().tolist()]


def _split(beside: dict[str, Member], count: int, notes: list[str]) -> np.ndarray | None:
    """The split that arrays called as in ``SIDES`` make, uint8 (N,): the place of each image's side there.

    They hold the numbers of images, as Isoline's own exports do, or say of each image whether it is on that side; of
    the latter, one is enough.
    """
    parts = [beside[name] for name in SIDES if name in beside]
    split = np.zeros(count, dtype=np.uint8)
    if not parts:
        return None
    if all(part.dtype.kind in "biu" and len(part.shape) == 1 for part in parts):
        sides = [part.read() for part in parts]
        masks = [side.shape == (count,) and count > 2 and {0, 1} >= set(np.unique(side)[:3].tolist()) for side in sides]
        places = [np.flatnonzero(side) if mask else side for side, mask in zip(sides, masks, strict=True)]
        if len(parts) == 1 and masks[0]:
            part, places = parts[0], [*places, np.setdiff1d(np.arange(count), places[0])]
            names = [part.name, "validation" if part.name == "train" else "train"]
        else:
            names = [part.name for part in parts]
        together = np.concatenate(places).astype(np.int64)
        if len(names) > 1 and np.array_equal(np.sort(together), np.arange(count)):
            split[together] = np.repeat([SIDES.index(name) for name in names], [len(place) for place in places])
            return split
    said = ", ".join(f"{part.name} {part.shape}" for part in parts)
    notes.append(
        f"Not taken as the split: {said}; train, validation and held_out must hold the number of each image once, "
        "counted from 0, or whether each image is on that side."
    )
    return None
