"""Leak: how far the other factor moves while a path changes one, read off decoded images, by kind of path.

Of each start first; then what the leaks of many starts and several seeds amount to, and how far chance could move that.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.analysis.path_metrics import common_change, cut_at_change, leak
from core.data.polar_curves import FACTOR_NAMES
from core.experiments.factor_leakage.model_under_test import ModelUnderTest
from core.geometry.factor_curve import FactorCurve, factor_curve
from core.geometry.local_fit import GeometryError
from core.geometry.path_kinds import PathRequest, made
from core.geometry.surface import Surface
from core.reporting.tables import Interval

CURVE, DRAWN = "factor curve", "factor curve, labels as drawn"
TANGENT, STRAIGHT, SPHERICAL = "tangent line", "straight", "spherical"
MEAN_DIFFERENCE, REGRESSION = "mean difference", "regression"
PATHS = (CURVE, DRAWN, TANGENT, STRAIGHT, SPHERICAL, MEAN_DIFFERENCE, REGRESSION)

CHANGE = 0.4
"""Of a factor's range, asked of every path, towards the middle of the range."""
LEAST_CHANGE = 0.1
"""A start whose factor curve comes less far, beside an edge of the data, is left out for all kinds."""
POINTS = 17
"""Images along a path up to the target change."""
FARTHEST = 2.5
"""A line that has not achieved the change where it should have is followed this many times as far."""
RESAMPLES = 1000
LEVEL = 0.95
BOTH = "both"
TARGETS = (*FACTOR_NAMES, BOTH)

_OVERSHOOT = 1.25
_CLOSE = 0.99  # of the change: as good as achieved

Lines = dict[str, np.ndarray]


@dataclass(frozen=True)
class Trial:
    """One start and factor.

    ``sample`` is the start's index in the probe set, ``a`` and ``b`` its factors, ``target`` the factor to be changed
    by ``asked``. ``change`` is what the factor curve achieved by its decoded images; all kinds were cut there. A kind
    that never got there was cut where it came closest, and is not in ``reached``. ``common`` is the largest change, up
    to that, that every kind achieved, and ``common_leak`` the leak there; None and empty if it is less than
    ``LEAST_CHANGE``. Changes and leaks are shares of a factor's range. ``dropped`` says why nothing was measured.
    """

    sample: int
    a: float
    b: float
    target: str
    asked: float
    dropped: str = ""
    change: float | None = None
    leak: dict[str, float] | None = None
    reached: tuple[str, ...] = ()
    common: float | None = None
    common_leak: dict[str, float] | None = None


def measure_trial(model: ModelUnderTest, sample: int, target: int) -> Trial:
    """All kinds of path from one sample of the probe set."""
    ranges = model.truth.ranges
    a, b = model.factors[sample].tolist()
    low, high = model.surface.low[target], model.surface.high[target]
    asked = CHANGE if model.factors[sample, target] < 0.5 * (low + high) else -CHANGE
    start, name = model.mu[sample].astype(np.float64), FACTOR_NAMES[target]
    curve = _curve(model.surface, start, target, asked * ranges[target], LEAST_CHANGE * ranges[target])
    if isinstance(curve, str):
        return Trial(sample, a, b, name, asked, curve)
    near, far = _lines(model, curve, start, target)
    values = _read(model, near)
    change = float(values[CURVE][-1, target] - values[CURVE][0, target])
    if abs(change) < LEAST_CHANGE * ranges[target]:
        return Trial(sample, a, b, name, asked, "the images along the factor curve hardly change")
    short = {kind: far[kind] for kind in far if _moved(values[kind], change, target).max() < abs(change)}
    values |= {kind: np.concatenate([values[kind], more]) for kind, more in _read(model, short).items()}
    measured = {kind: leak_at(line, change, target, ranges) for kind, line in values.items()}
    every = len(values) == len(PATHS) - (model.redrawn is None)
    common, common_leak = _common(values, change, target, ranges) if every else (None, None)
    return Trial(
        sample,
        a,
        b,
        name,
        asked,
        "",
        change / float(ranges[target]),
        {kind: value for kind, (value, _) in measured.items()},
        tuple(kind for kind, (_, reached) in measured.items() if reached),
        common,
        common_leak,
    )


def _curve(surface: Surface, start: np.ndarray, target: int, asked: float, least: float) -> FactorCurve | str:
    """The factor curve, ``POINTS`` points over what it reaches of the change asked for; why there is none."""
    steps = np.linspace(0.0, 1.0, POINTS)
    try:
        label = float(surface.labels_at(start[None])[0, target])
        curve = factor_curve(surface, start, target, label + steps * asked)
        if len(curve.points) < 2 or abs(curve.achieved) < least:
            return curve.stopped or "the factor hardly changes"
        if len(curve.points) < POINTS:
            curve = factor_curve(surface, start, target, label + steps * curve.achieved)
        return curve if len(curve.points) > 1 else curve.stopped
    except GeometryError as error:
        return str(error)


def _lines(model: ModelUnderTest, curve: FactorCurve, start: np.ndarray, target: int) -> tuple[Lines, Lines]:
    """Places along every kind, and, of the straight ones that may be followed farther, places beyond."""
    surface = model.surface
    origin, end, step = curve.points[0], curve.points[-1], curve.achieved / (POINTS - 1)
    near = {CURVE: curve.points}
    if model.redrawn is not None:
        least = LEAST_CHANGE * model.truth.ranges[target]
        drawn = _curve(model.redrawn, start, target, curve.achieved, least)
        if not isinstance(drawn, str):
            near[DRAWN] = drawn.points
    count, most = round(_OVERSHOOT * (POINTS - 1)), round(FARTHEST * (POINTS - 1))
    label = float(surface.labels_at(start[None])[0, target])
    request = PathRequest(surface, origin, end, FACTOR_NAMES[target], points=POINTS)
    for kind in (STRAIGHT, SPHERICAL):
        with contextlib.suppress(GeometryError):  # opposite ends: there is no one arc between them
            near[kind] = made(kind, request).points
    request = dataclasses.replace(request, values=label + np.arange(most + 1) * step)
    lines = {kind: made(kind, request).points for kind in (TANGENT, MEAN_DIFFERENCE, REGRESSION)}
    near |= {kind: line[: count + 1] for kind, line in lines.items()}
    return near, {kind: line[count + 1 :] for kind, line in lines.items()}


def _read(model: ModelUnderTest, lines: Lines) -> Lines:
    """(a, b) along each of the lines, as their images show them."""
    if not lines:
        return {}
    factors, _ = model.read(np.concatenate(list(lines.values())))
    ends = np.cumsum([len(line) for line in lines.values()])[:-1]
    return dict(zip(lines, np.split(factors, ends), strict=True))


def _moved(values: np.ndarray, change: float, target: int) -> np.ndarray:
    """How far the target of ``values`` (K, F) has moved from its start, in the direction of ``change``: (K,)."""
    return np.sign(change) * (values[:, target] - values[0, target])


def leak_at(values: np.ndarray, change: float, target: int, ranges: np.ndarray) -> tuple[float, bool]:
    """Leak along ``values`` (K, 2) at ``change``, or where the path came closest to it; whether it got there."""
    moved = _moved(values, change, target)
    within = cut_at_change(values, change, target) if moved.max() >= abs(change) else values[: int(moved.argmax()) + 1]
    other = leak(within, ranges, target)[1 - target]
    return float(other), bool(moved.max() >= _CLOSE * abs(change))


def _common(
    values: Lines, change: float, target: int, ranges: np.ndarray
) -> tuple[float | None, dict[str, float] | None]:
    """The largest change that every kind achieves, at most ``change``, in ranges, and every kind's leak there."""
    shared = common_change([values[CURVE], *values.values()], target)
    shared = np.sign(change) * min(abs(shared), abs(change)) if shared * change > 0.0 else 0.0
    if abs(shared) < LEAST_CHANGE * ranges[target]:
        return None, None
    leaks = {kind: leak_at(line, float(shared), target, ranges)[0] for kind, line in values.items()}
    return float(shared / ranges[target]), leaks


def chosen_samples(count: int, total: int, target: int) -> np.ndarray:
    """Indices int (n,) of ``count`` of ``total`` samples, or of all, different for each target, the same every time."""
    return np.sort(np.random.default_rng([target, total]).permutation(total)[:count])


# of many starts


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
