"""What is known of each sample: the factors of the data, then the attributes that were measured or read from a file.

All of them can colour the cloud; what is a number can also be changed along a path, which a class cannot. The groups
that a person has made can colour it, too.
"""

from __future__ import annotations

import numpy as np

from core.paths.labels import labels_along
from core.projects.edited import Attributes, Group
from core.rendering.class_colours import UNKNOWN
from core.rendering.point_colours import SPLIT
from core.runs.directory import MAX_PROBE, SPLIT_NAMES, ProbeSet
from explorer.state import State

GROUPS = "groups"
"""What the groups that a person has made are called as a colouring; a factor of this name goes before them."""
NO_GROUP = "in no group"


def names(state: State) -> tuple[str, ...]:
    """Names of factors and attributes, in this order; empty while nothing is known about the samples."""
    factors = state.samples.factor_names if state.samples is not None else ()
    attributes = state.attributes.names if state.attributes is not None else ()
    return (*factors, *attributes)


def numbers(state: State) -> tuple[str, ...]:
    """The names of those that are numbers, which a path can change."""
    found: dict[str, bool] = {}
    for known in (state.samples, state.attributes):
        if known is not None:
            for name, classes_of_it in zip(_names(known), known.categories, strict=True):
                found.setdefault(name, not classes_of_it)
    return tuple(name for name, number in found.items() if number)


def categories(state: State, name: str) -> tuple[str, ...]:
    """The names of the values of ``name`` if it is a class; none for a number and for what is not known."""
    for known in (state.samples, state.attributes):
        if known is not None and name in (names := _names(known)):
            return known.categories[names.index(name)]
    return ()


def _names(known: ProbeSet | Attributes) -> tuple[str, ...]:
    return known.factor_names if isinstance(known, ProbeSet) else known.names


def by_groups(state: State, name: str) -> bool:
    """Whether the colouring ``name`` is that by a person's groups."""
    return name == GROUPS and GROUPS not in names(state)


def classes(state: State, name: str) -> tuple[str, ...]:
    """The names of what colours the points if it is a class, training and validation among them."""
    if by_groups(state, name):
        return tuple(group.name for group in state.groups)
    return SPLIT_NAMES if name == SPLIT else categories(state, name)


def unknown(state: State, name: str) -> str:
    """What the samples are called whose class of ``name`` is not known."""
    return NO_GROUP if by_groups(state, name) else UNKNOWN


def sample_name(samples: ProbeSet, place: int) -> str:
    """What a sample is called: by its file, or by its number in the dataset."""
    return samples.names[place] if samples.names else f"Sample {int(samples.indices[place])}"


def said(value: float, categories: tuple[str, ...], digits: int = 4) -> str:
    """One value in words: the name of a class, a number of so many digits, or "unknown"."""
    if not np.isfinite(value):
        return UNKNOWN
    if categories:
        return categories[int(value)] if 0 <= value < len(categories) else UNKNOWN
    return f"{value:.{digits}g}"


def values(state: State, name: str) -> np.ndarray | None:
    """The target ``name`` of every sample, float (N,), NaN where it is undefined; None where there is none such."""
    samples, attributes = state.samples, state.attributes
    if samples is not None and name == SPLIT:
        return samples.split.astype(np.float32)
    if samples is not None and name in samples.factor_names:
        return samples.factors[:, samples.factor_names.index(name)]
    if attributes is not None and name in attributes.names:
        known = attributes.values if samples is None else attributes.values[: len(samples.indices)]
        return known[:, attributes.names.index(name)]
    if samples is not None and name == GROUPS and state.groups:
        return _groups(state.groups, len(samples.indices))
    return None


def _groups(groups: tuple[Group, ...], count: int) -> np.ndarray:
    """The first group of each of ``count`` samples, float32 (N,); NaN for one in none."""
    first = np.full(count, np.nan, dtype=np.float32)
    for place, group in reversed(tuple(enumerate(groups))):
        first[group.positions[group.positions < count]] = place
    return first


def also_before(groups: tuple[Group, ...]) -> list[int]:
    """How many samples of each group are in one before it, too, whose colour they have."""
    before, counts = np.empty(0, dtype=np.int64), []
    for group in groups:
        counts.append(int(np.isin(group.positions, before).sum()))
        before = np.union1d(before, group.positions)
    return counts


def label_texts(state: State, z: np.ndarray) -> list[list[str]]:
    """For each of z (n, d) the name and value of every label, as the samples nearby have them."""
    texts: list[list[str]] = [[] for _ in z]
    means = state.embedding
    if means is None or means.shape[1] != z.shape[1]:
        return texts
    for name in names(state):
        known, classes = values(state, name), categories(state, name)
        if known is None or len(known) != len(means):
            continue
        some = slice(MAX_PROBE)  # of more samples, which would hold up the event loop, the first are drawn at random
        for lines, value in zip(texts, labels_along(z, means[some], known[some], bool(classes)).tolist(), strict=True):
            lines.append(f"{name} {said(value, classes, 3)}")
    return texts
