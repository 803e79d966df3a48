"""A measured number beside what it is compared with, and what follows from both: ratio, spread, verdict, growth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import Any, NamedTuple


class Spread(NamedTuple):
    """The median of some values, and their quartiles."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles, interpolated between values. Raises ``ValueError`` without any."""
    if not values:
        raise ValueError("there are no values; a spread needs one or more.")
    return Spread(median(values), quantile(values, 0.25), quantile(values, 0.75))


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0 to 1) of ``values`` lie, interpolated between two."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def growth(sizes: Sequence[float], times: Sequence[float]) -> float:
    """The exponent p of the power of the size that fits ``times`` best: 1 is linear (least squares of logarithms)."""
    x, y = [math.log(size) for size in sizes], [math.log(time) for time in times]
    middle_x, middle_y = sum(x) / len(x), sum(y) / len(y)
    covariance = sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True))
    return covariance / sum((a - middle_x) ** 2 for a in x)


@dataclass(frozen=True)
class Figure:
    """One measured number, and the ``bar`` of its ratio to what the same turns measured ``beside`` it.

    ``values`` and ``references`` come from turns that were taken alternately: the k-th of both belong together. Without
    ``beside`` the bar is one of the value itself, which then is a share, a size or a count, never a time. At most (or,
    with ``at_least``, at least) the bar is wanted.
    """

    name: str
    unit: str
    values: tuple[float, ...] = ()
    beside: str = ""
    references: tuple[float, ...] = ()
    bar: float | None = None
    at_least: bool = False
    note: str = ""
    """Why there is no value, or what must be known to read it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(map(float, self.values)))
        object.__setattr__(self, "references", tuple(map(float, self.references)))

    @property
    def measured(self) -> bool:
        """Whether there is a value, and a reference if one is wanted."""
        return bool(self.values) and bool(self.references or not self.beside)

    @property
    def ratios(self) -> tuple[float, ...]:
        """Value by reference of each turn; of all with all where the turns do not correspond. Empty: nothing to
        compare."""
        if not self.measured or not self.beside:
            return ()
        if len(self.values) == len(self.references):
            return tuple(value / reference for value, reference in zip(self.values, self.references, strict=True))
        middle = median(self.references)
        return tuple(value / middle for value in self.values)

    @property
    def verdict(self) -> str:
        """How it stands to its bar: ok, MISSED, or undecided where the bar lies between the quartiles of the turns."""
        if not self.measured:
            return "not measured"
        if self.bar is None:
            return ""
        middle, low, high = spread(self.ratios or self.values)
        if low < self.bar < high:
            return "undecided"
        return "ok" if (middle >= self.bar if self.at_least else middle <= self.bar) else "MISSED"

    @property
    def columns(self) -> tuple[str, ...]:
        """Name, value, what it is beside, ratio, bar, verdict: as text for a table."""
        if not self.measured:
            note = f": {self.note}" if self.note else ""
            return self.name, "", self.beside, "", "", f"{self.verdict}{note}"
        value = f"{shown(self.values)} {self.unit}".rstrip()
        beside = f"{self.beside}, {number(median(self.references))} {self.unit}".rstrip() if self.beside else ""
        bar = "" if self.bar is None else f"{'≥' if self.at_least else '≤'} {self.bar:g}"
        verdict = "; ".join(filter(None, (self.verdict, self.note)))
        return self.name, value, beside, shown(self.ratios) if self.ratios else "", bar, verdict

    def plain(self) -> dict[str, Any]:
        """For JSON, with ratio and verdict."""
        ratio = spread(self.ratios)._asdict() if self.ratios else None
        value = spread(self.values)._asdict() if self.values else None
        return {**asdict(self), "value": value, "ratio": ratio, "verdict": self.verdict}


NAMES = tuple(Figure.__dataclass_fields__)


def figure_of(content: dict[str, Any]) -> Figure:
    """The figure that ``Figure.plain`` gave."""
    return Figure(**{name: content[name] for name in NAMES if name in content})


def number(value: float) -> str:
    """``value`` to three digits, or whole."""
    if not math.isfinite(value) or value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def shown(values: Sequence[float]) -> str:
    """The median, and the quartiles in brackets if there are several values."""
    middle, low, high = spread(values)
    return number(middle) if len(values) < 3 else f"{number(middle)} ({number(low)}–{number(high)})"


@dataclass(frozen=True)
class Comparison:
    """A figure of two versions that took turns: the medians of each turn, A's and B's."""

    name: str
    unit: str
    first: tuple[float, ...] = field(default=())
    second: tuple[float, ...] = field(default=())

    @property
    def ratios(self) -> tuple[float, ...]:
        """B by A, turn by turn."""
        return tuple(b / a for a, b in zip(self.first, self.second, strict=True) if a)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "ratio": spread(self.ratios)._asdict() if self.ratios else None}


def comparisons(rounds: Sequence[tuple[Sequence[Figure], Sequence[Figure]]]) -> list[Comparison]:
    """What each pair of runs measured of the same figures, in the order of the first; others are left out."""
    found: dict[tuple[str, str], Comparison] = {}
    for first, second in rounds:
        others = {(figure.name, figure.unit): figure for figure in second if figure.values}
        seen = set()
        for figure in first:
            key = figure.name, figure.unit
            if not figure.values or key not in others or key in seen:
                continue  # a figure stands in several lines, beside one thing each
            seen.add(key)
            before = found.get(key, Comparison(*key))
            a, b = median(figure.values), median(others[key].values)
            found[key] = replace(before, first=(*before.first, a), second=(*before.second, b))
    return list(found.values())
