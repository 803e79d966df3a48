"""The parameter plane as the open run defines it: its factors, their ranges, its samples.

For curves it is the plane that they are drawn from. For other images any two factors or attributes make one, classes
among them, whose places are the numbers of their names.
"""

from __future__ import annotations

import numpy as np

from core.analysis.transect import SPANS, in_hole, published_split
from core.data import polar_curves
from core.runs.split import HELD_OUT, TRAINING
from explorer.controllers.cloud import color_targets
from explorer.controllers.requirements import MEASURE, OPENING, READ_ATTRIBUTES
from explorer.state import State

Plane = tuple[int, int]
"""The factors on the two axes."""
FIRST: Plane = (0, 1)


def is_drawn(state: State) -> bool:
    """Whether images can be drawn at any place of the plane: those of curves can."""
    return state.config is not None and state.config.data.drawn


def factor_names(state: State) -> tuple[str, ...]:
    """What can be on the axes: the factors of the open run, and its attributes."""
    return polar_curves.FACTOR_NAMES if is_drawn(state) else color_targets.names(state)


def missing_factors(state: State, purpose: str) -> str:
    """Why the samples have no place in a plane of two factors; empty if they have one. ``purpose`` as above."""
    if state.config is None:
        return OPENING if state.reading else f"Open a run to {purpose}."
    names = factor_names(state)
    if len(names) >= 2:
        return ""
    if state.samples is None:
        return "Waiting for the samples of the open run."
    known = f"one ({names[0]})" if names else "none"
    without = state.model is not None and not state.model.has_originals
    return f"Needs two known factors; these samples have {known}. {READ_ATTRIBUTES if without else MEASURE}"


def shown_plane(state: State) -> Plane:
    """The two factors on the axes: those chosen, if the open run has them, else two, numbers before classes."""
    names = factor_names(state)
    if is_drawn(state) or len(names) < 2:
        return FIRST
    if state.plane is not None and len(set(state.plane)) == 2 and max(state.plane) < len(names):
        return state.plane
    x, y = sorted(sorted(range(len(names)), key=lambda axis: bool(color_targets.categories(state, names[axis])))[:2])
    return x, y


def places(state: State, plane: Plane) -> np.ndarray:
    """The samples of the cloud in ``plane``: float64 (N, 2), no rows where the factors are not known."""
    samples, names = state.samples, color_targets.names(state)
    if samples is None or len(names) <= max(plane):
        return np.empty((0, 2))
    columns = [color_targets.values(state, names[axis]) for axis in plane]
    return np.stack([np.full(len(samples.indices), np.nan) if c is None else c for c in columns], axis=1, dtype=float)


def spans(state: State, plane: Plane) -> np.ndarray:
    """The ranges of the two factors, float64 (2,): what is far in the plane is judged by them."""
    known = places(state, plane)
    known = known[np.isfinite(known).all(axis=1)]
    if is_drawn(state) or not len(known):
        return np.array(SPANS)
    ranges = np.ptp(known, axis=0)
    return np.where(ranges > 0.0, ranges, 1.0)


def training_places(state: State, plane: Plane) -> np.ndarray:
    """The training samples in ``plane``, float64 (m, 2): every one of a run of curves, else those of the cloud.

    Raises ``core.data.dataset.DatasetError`` if the run's hole leaves too few.
    """
    if state.config is not None and is_drawn(state):
        return published_split(state.config.data)
    known = places(state, plane)
    if state.samples is not None and len(known):
        known = known[state.samples.split == TRAINING]
    return known[np.isfinite(known).all(axis=1)]


def held_out_points(state: State, points: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """Whether each of ``points`` (n, 2) is held out of the training on purpose: bool (n,).

    Of curves that is a matter of place; of other images, of the sample that stands for the point, by ``nearest`` (n,).
    """
    if state.config is not None and is_drawn(state):
        return in_hole(points, state.config.data)
    if state.samples is None or not len(nearest):
        return np.zeros(len(points), dtype=bool)
    return state.samples.split[nearest] == HELD_OUT


def nearest_samples(state: State, points: np.ndarray, plane: Plane) -> np.ndarray:
    """Positions int64 (n,) of the samples nearest to ``points`` float64 (n, 2), each factor in units of its range; no
    entries where no sample has a place in ``plane``."""
    known = places(state, plane)
    if not np.isfinite(known).all(axis=1).any():
        return np.empty(0, dtype=np.int64)
    known, points = known / spans(state, plane), points / spans(state, plane)
    # One by one: all at once would fill the memory.
    found = [int(np.nanargmin(((known - point) ** 2).sum(axis=1))) for point in points]
    return np.array(found, dtype=np.int64)
