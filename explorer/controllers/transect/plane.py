"""The plane that transects run through, as the open run defines it: its factors, their ranges, its samples."""

from __future__ import annotations

import math

import numpy as np

from core.analysis.transect import SPANS, published_split
from core.data import polar_curves
from explorer.state import State

Plane = tuple[int, int]
"""The factors on the two axes."""
FIRST: Plane = (0, 1)


def is_drawn(state: State) -> bool:
    """Whether images can be drawn at any place of the plane: those of curves can."""
    return state.config is not None and state.config.data.drawn


def factor_names(state: State) -> tuple[str, ...]:
    """What the factors of the open run are called."""
    if is_drawn(state):
        return polar_curves.FACTOR_NAMES
    return state.samples.factor_names if state.samples is not None else ()


def shown_plane(state: State) -> Plane:
    """The two factors that a line drawn now runs through."""
    return FIRST if is_drawn(state) or max(state.plane) >= len(factor_names(state)) else state.plane


def places(state: State, plane: Plane) -> np.ndarray:
    """The samples of the cloud in ``plane``: float64 (N, 2), no rows where the factors are not known."""
    samples = state.samples
    if samples is None or samples.factors.shape[1] <= max(plane):
        return np.empty((0, 2))
    return samples.factors[:, list(plane)].astype(np.float64)


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
        known = known[state.samples.split == 0]
    return known[np.isfinite(known).all(axis=1)]


def nearest_samples(state: State, points: np.ndarray, plane: Plane) -> np.ndarray:
    """Indices int64 (n,) into the dataset of the samples nearest to ``points`` (n, 2), in ranges; none for curves."""
    known = places(state, plane)
    if is_drawn(state) or state.samples is None or not len(known):
        return np.empty(0, dtype=np.int64)
    ranges = spans(state, plane)
    nearest = []
    for point in points:
        away = (((known - point) / ranges) ** 2).sum(axis=1)
        nearest.append(int(np.nan_to_num(away, nan=math.inf).argmin()))
    return state.samples.indices[nearest].astype(np.int64)
