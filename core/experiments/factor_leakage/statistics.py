"""What the leaks of many starts and several seeds amount to: medians, ratios, and how far chance could move them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.data.polar_curves import FACTOR_NAMES
from core.experiments.factor_leakage.leakage import CURVE, PATHS, Trial
from core.reporting.tables import Interval

RESAMPLES = 1000
LEVEL = 0.95
BOTH = "both"
TARGETS = (*FACTOR_NAMES, BOTH)


@dataclass(frozen=True)
class Leaks:
    """Of one kind of path: ``n`` leaks, of which ``reached`` (share) got to the change.

    ``median`` with its 95 % bootstrap interval, the 90th percentile ``p90``, and the ``ratio`` of the median to the
    factor curve's over the same starts, with its interval.
    """

    n: int
    reached: float | None
    median: Interval
    p90: float | None
    ratio: Interval


def leaks_by_kind(
    models: Sequence[Mapping[str, Sequence[Trial]]], target: str, common: bool = False
) -> dict[str, Leaks]:
    """``Leaks`` of every kind that was measured, for ``target``, a factor's name or "both".

    ``models`` are each seed's trials by target, of the same starts. ``common``: at the change that every kind achieves.
    The bootstrap draws starts, in common for all seeds, and the seeds themselves, both with replacement.
    """
    tables = _tables(models, target, common)
    kinds = [kind for kind in PATHS if np.isfinite(tables[kind]).any()]
    draws = {kind: _resampled(tables[kind]) for kind in kinds}
    leaks = {}
    for kind in kinds:
        values = tables[kind][np.isfinite(tables[kind])]
        ratio = Interval(None, None, None)
        if CURVE in draws:
            paired = np.isfinite(tables[kind]) & np.isfinite(tables[CURVE])
            if paired.any():
                middle = np.median(tables[kind][paired]) / max(np.median(tables[CURVE][paired]), 1e-12)
                ratio = _estimate(float(middle), draws[kind] / np.maximum(draws[CURVE], 1e-12))
        reached = [kind in trial.reached for trial in trials_of(models, target) if trial.leak and kind in trial.leak]
        leaks[kind] = Leaks(
            len(values),
            float(np.mean(reached)) if reached and not common else None,
            _estimate(float(np.median(values)), draws[kind]),
            float(np.quantile(values, 0.9)),
            ratio,
        )
    return leaks


def values_of(models: Sequence[Mapping[str, Sequence[Trial]]], target: str, kind: str) -> np.ndarray:
    """All leaks of a kind, float64 (n,), sorted."""
    table = _tables(models, target, common=False)[kind]
    return np.sort(table[np.isfinite(table)])


def trials_of(models: Sequence[Mapping[str, Sequence[Trial]]], target: str) -> list[Trial]:
    """The trials of all models for a target, or for both."""
    names = FACTOR_NAMES if target == BOTH else (target,)
    return [trial for model in models for name in names for trial in model[name]]


def _tables(models: Sequence[Mapping[str, Sequence[Trial]]], target: str, common: bool) -> dict[str, np.ndarray]:
    """Leaks (seeds, starts) of every kind, "not a number" where there is none."""
    rows = [trials_of([model], target) for model in models]
    width = max(map(len, rows), default=0)
    tables = {kind: np.full((len(rows), width), np.nan) for kind in PATHS}
    for row, trials in enumerate(rows):
        for column, trial in enumerate(trials):
            for kind, value in ((trial.common_leak if common else trial.leak) or {}).items():
                tables[kind][row, column] = value
    return tables


def _resampled(table: np.ndarray) -> np.ndarray:
    """Medians float64 (RESAMPLES,) of redrawn tables; the draws are the same for every table of one shape."""
    generator = np.random.default_rng(0)
    seeds, starts = table.shape
    medians = np.empty(RESAMPLES)
    for index in range(RESAMPLES):
        rows, columns = generator.integers(seeds, size=seeds), generator.integers(starts, size=starts)
        drawn = table[np.ix_(rows, columns)]
        known = drawn[np.isfinite(drawn)]
        medians[index] = np.median(known) if len(known) else np.nan
    return medians


def _estimate(value: float, draws: np.ndarray) -> Interval:
    known = draws[np.isfinite(draws)]
    if len(known) < 2:
        return Interval(value, None, None)
    low, high = np.quantile(known, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return Interval(value, float(low), float(high))
