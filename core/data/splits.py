"""Which images train, which validate, and which are held out on purpose.

Images of one's own are drawn at random: as many of each class, those of one group (a patient, a plate, a video) all on
one side. A split that the files give is respected. The published curves keep their own: the last ones validate.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.config import DataConfig
from core.data.dataset import DatasetError
from core.data.held_out import asked_for
from core.utils.text import counted

PUBLISHED_FULL = 501 / 5000
PUBLISHED_PUNCTURED = 211 / 4510
"""Shares of validation images in the published splits: 4499 + 501 and 4299 + 211."""
FRACTION = 0.1
"""Share of validation images, if none is set."""
TRAINING_WORDS = frozenset({"train", "training", "trn", "tr"})
VALIDATION_WORDS = frozenset(
    {"val", "valid", "validation", "dev", "test", "testing", "tst", "t10k", "eval", "evaluation", "holdout"}
)
HELD_OUT_WORD = "held out"
"""Names of folders, words in the names of arrays and entries of tables that say which part of a data set something is;
in small letters. See ``side_of``."""
MOST_IN_A_FILE = 0.5  # of the images: the frames of a larger file cannot be kept together
_SHOWN = 8  # classes in a note


@dataclass(frozen=True, eq=False)
class Split:
    """Sorted places int64 of the images of each part; ``notes`` say how they were chosen."""

    train: np.ndarray
    validation: np.ndarray
    held_out: np.ndarray
    notes: tuple[str, ...] = ()


def side_of(word: str) -> int | None:
    """0 if ``word`` says that something trains, 1 if it validates, 2 if it is held out; None if it says none of it.

    Held out, held-out and held_out are the same.
    """
    word = re.sub(r"[\s_-]+", " ", word.strip().casefold())
    return 0 if word in TRAINING_WORDS else 1 if word in VALIDATION_WORDS else 2 if word == HELD_OUT_WORD else None


def published_split(count: int, config: DataConfig) -> tuple[np.ndarray, np.ndarray]:
    """(train, validation) int64 indices: the last fraction, at least one sample, is kept for validation."""
    fraction = config.validation_fraction
    if fraction is None:
        fraction = PUBLISHED_PUNCTURED if config.drawn and config.punctured else PUBLISHED_FULL
    validation = min(max(round(count * fraction), 1), count - 1)
    return np.arange(count - validation, dtype=np.int64), np.arange(count - validation, count, dtype=np.int64)


def split(
    config: DataConfig,
    factors: np.ndarray,
    names: Sequence[str],
    categories: Sequence[tuple[str, ...]] = (),
    given: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    group: np.ndarray | None = None,
) -> Split:
    """Divide N images with ``factors`` (N, F), which are called ``names`` and have the classes ``categories``.

    ``given`` uint8 (N,) is 0 for training, 1 for validation and 2 for held out where the files say so; ``groups`` (N,)
    is the file of each frame, ``group`` (N,) the value of ``config.group``, below 0 where it is not known. What is held
    out is in neither part. Raises ``DatasetError`` where too little is left.
    """
    count = len(factors)
    inside = asked_for(config, names, categories).contains(factors, names)
    notes = []
    if config.hold_out:
        if not inside.any():
            raise DatasetError(f"data.hold_out is {config.hold_out!r}, and no image is like that.")
        notes.append(f"{counted(int(inside.sum()), 'image')} held out: {config.hold_out}.")
    if given is not None and config.split == "auto" and (given == 2).any():
        notes.append(f"{counted(int((given == 2).sum()), 'image')} held out, as the files say.")
        inside = inside | (given == 2)
    elif given is not None and (used := int(((given == 2) & ~inside).sum())):
        are = "is" if used == 1 else "are"
        notes.append(
            f"{counted(used, 'image')} that the files hold out {are} used, as data.split is {config.split}; data.split "
            f"auto keeps {'it' if used == 1 else 'them'} out."
        )
    left = np.flatnonzero(~inside).astype(np.int64)
    if len(left) < 2:
        why = f"data.hold_out is {config.hold_out!r} and leaves" if config.hold_out else "The files hold out all but"
        raise DatasetError(f"{why} {counted(len(left), 'image')} of {count}; hold out fewer.")
    if config.drawn or config.split == "last":
        train, validation = published_split(len(left), config)
        if not config.drawn:
            notes.append("The last images in the order of the files validate.")
        return Split(left[train], left[validation], np.flatnonzero(inside).astype(np.int64), tuple(notes))
    kept = factors[left]
    mask, said = _given(config, None if given is None else given[left], given is not None and bool((given == 2).any()))
    notes += said
    drawn = mask is None
    if drawn:
        column = next((i for i, classes in enumerate(categories) if classes and names[i] != config.group), None)
        classes = np.zeros(len(left)) if column is None else kept[:, column]
        units, by = _units(config, left, groups, group)
        mask, share = _drawn(config, classes, units)
        evenly = "" if column is None else f", in proportion to {names[column]}"
        notes.append(f"Validation images are drawn at random{evenly}{by} (data.seed {config.seed}).")
        if share:
            notes.append(share)
    notes += _missing(kept, names, categories, mask, config.group if drawn else "")
    return Split(left[~mask], left[mask], np.flatnonzero(inside).astype(np.int64), tuple(notes))


def _given(config: DataConfig, given: np.ndarray | None, some_held_out: bool) -> tuple[np.ndarray | None, list[str]]:
    """Which images validate by the files' own split, None if there is none to keep; and what is said about it."""
    if given is None or config.split != "auto":
        return None, []
    mask = given != 0
    if mask.all() or not mask.any():
        side = "validation" if mask.all() else "training"
        beside = " beside those held out" if some_held_out else ""
        return None, [f"The split that the files give has only {side} images{beside}; it was not used."]
    unused = [] if config.validation_fraction is None else ["data.validation_fraction was not used."]
    return mask, ["The split that the files give was kept.", *unused]


def _units(
    config: DataConfig, left: np.ndarray, groups: np.ndarray | None, group: np.ndarray | None
) -> tuple[np.ndarray, str]:
    """What is kept together: a number for each image of ``left``, equal within a unit; and in words."""
    alone, by = np.arange(len(left)), ""
    units = alone
    if groups is not None:
        _, units = np.unique(groups[left], return_inverse=True)
        largest = np.bincount(units).max()
        if largest > max(1, MOST_IN_A_FILE * len(left)):
            units, by = alone, "; frames of one file are on both sides, for one file has most of them"
        elif largest > 1:
            by = ", the frames of a file on one side"
    if config.group:
        assert group is not None, "whoever sets data.group has looked for its values"
        values = group[left]
        _, units = np.unique(np.where(values >= 0, values, values.max() + 1 + units), return_inverse=True)
        if units.max() == 0:
            raise DatasetError(f"data.group is {config.group!r}, and all images are of one; leave it out.")
        by = f", the images of each {config.group} on one side"
    return units, by


def _drawn(config: DataConfig, classes: np.ndarray, units: np.ndarray) -> tuple[np.ndarray, str]:
    """Which of n images validate, bool (n,); and a note if their share is far from what is wanted.

    ``classes`` (n,) are evenly drawn, NaN being one of them; images of one of ``units`` (n,) stay together.
    """
    count = len(classes)
    fraction = FRACTION if config.validation_fraction is None else config.validation_fraction
    wanted = min(max(round(count * fraction), 1), count - 1)
    _, codes = np.unique(classes, return_inverse=True, equal_nan=True)
    random = np.random.default_rng(config.seed)
    if units.max() + 1 == count:
        return _drawn_singly(codes, wanted, random), ""
    mask = _drawn_together(codes, units, wanted, random)
    share = int(mask.sum())
    far = not 0.5 * wanted <= share <= 2.0 * wanted
    return mask, f"{share:,} of {count:,} images validate, for groups are kept together." if far else ""


def _drawn_singly(codes: np.ndarray, wanted: int, random: np.random.Generator) -> np.ndarray:
    """``wanted`` images, of each class its share (largest remainders), a whole class only where others do not suffice:
    where most classes have a single image."""
    counts = np.bincount(codes)
    quota = wanted * counts / len(codes)
    take = np.floor(quota).astype(np.int64)
    remainders = np.where(take < counts - 1, quota - take, -1.0)
    tied = random.permutation(len(counts))
    most = tied[np.argsort(-remainders[tied], kind="stable")][: wanted - int(take.sum())]
    take[most[remainders[most] >= 0.0]] += 1
    short = wanted - int(take.sum())
    if short > 0:
        take[tied[counts[tied] == 1][:short]] = 1
    order = random.permutation(len(codes))
    by_class = order[np.argsort(codes[order], kind="stable")]
    rank = np.arange(len(codes)) - (np.cumsum(counts) - counts)[codes[by_class]]
    mask = np.zeros(len(codes), dtype=bool)
    mask[by_class] = rank < take[codes[by_class]]
    return mask


def _drawn_together(codes: np.ndarray, units: np.ndarray, wanted: int, random: np.random.Generator) -> np.ndarray:
    """Whole units, in random order, each taken if that brings the classes' counts nearer to their shares."""
    classes, count = int(codes.max()) + 1, int(units.max()) + 1
    sizes = np.bincount(units)
    order = np.argsort(units, kind="stable")
    members = np.split(order, np.cumsum(sizes)[:-1])
    missing = wanted * np.bincount(codes) / len(codes)
    taken = np.zeros(count, dtype=bool)
    for unit in random.permutation(count):
        held = np.bincount(codes[members[unit]], minlength=classes)
        if (held * (2.0 * missing - held)).sum() > 0.0:
            taken[unit], missing = True, missing - held
    if not taken.any():
        taken[sizes.argmin()] = True
    elif taken.all():
        taken[sizes.argmax()] = False
    return taken[units]


def _missing(
    factors: np.ndarray, names: Sequence[str], categories: Sequence[tuple[str, ...]], mask: np.ndarray, group: str
) -> list[str]:
    """Classes of which one side has no image; of those of ``group``, each is on one side because it was asked for."""
    notes = []
    for name, classes, values in zip(names, categories or ((),) * len(names), factors.T, strict=True):
        if name == group:
            continue
        known = np.isfinite(values)
        there = set(values[known].astype(int).tolist()) if classes else set()
        for side, chosen in (("training", ~mask), ("validation", mask)):
            absent = there - set(values[known & chosen].astype(int).tolist())
            if absent:
                shown = ", ".join([classes[place] for place in sorted(absent)[:_SHOWN]])
                notes.append(f"No {side} image of {name} {shown}{', …' if len(absent) > _SHOWN else ''}.")
    return notes
