"""What a data set holds out on purpose, to see how a model fills a gap: a class, a range, or a region of its labels.

``data.hold_out`` says it of any images: ``species=cat``, ``x=0.2:0.4``, ``x=0.2:0.4, y=1:2`` (where both hold), several
of these separated by ``;``. Of the polar curves, the hole is such a region, too; its curves are not even drawn.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.config import DataConfig
from core.data.dataset import DatasetError
from core.data.polar_curves import FACTOR_NAMES, inside_hole

_TOKEN = re.compile(r'"[^"]*"|[^"]')
_CLOSE = 1e-6  # of a number and its float32


@dataclass(frozen=True)
class Box:
    """Where each of some factors is within a range, ends included: ``ranges`` by the factor's name."""

    ranges: dict[str, tuple[float, float]]

    @property
    def factors(self) -> tuple[str, ...]:
        return tuple(self.ranges)

    def contains(self, values: np.ndarray) -> np.ndarray:
        """bool (N,) for values (N, k) of ``factors``; a value that is not known lies in no range."""
        low, high = np.array(list(self.ranges.values())).T
        low, high = low - _CLOSE * np.abs(low), high + _CLOSE * np.abs(high)
        return ((values >= low) & (values <= high)).all(axis=1)


@dataclass(frozen=True)
class Disc:
    """Where two ``factors`` are within ``radius`` of ``centre``."""

    factors: tuple[str, str]
    centre: tuple[float, float]
    radius: float

    def contains(self, values: np.ndarray) -> np.ndarray:
        """bool (N,) for values (N, 2)."""
        return inside_hole(values, self.centre, self.radius)


@dataclass(frozen=True)
class HeldOut:
    """A union of regions of labels. It is false where nothing is held out."""

    regions: tuple[Box | Disc, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.regions)

    def boxes(self, names: Sequence[str]) -> tuple[Box, ...]:
        """The ranges of nothing else than ``names``."""
        return tuple(region for region in self.regions if isinstance(region, Box) and set(region.factors) <= set(names))

    def contains(self, factors: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Whether samples of ``factors`` (N, F), which are called ``names``, lie in it: bool (N,).

        A region of a factor that is not among ``names`` contains none: not enough is known.
        """
        factors = np.asarray(factors, dtype=np.float64)
        inside = np.zeros(len(factors), dtype=bool)
        for region in self.regions:
            if set(region.factors) <= set(names):
                inside |= region.contains(factors[:, [list(names).index(name) for name in region.factors]])
        return inside


def held_out(config: DataConfig, names: Sequence[str], categories: Sequence[tuple[str, ...]] = ()) -> HeldOut:
    """All that is in no training image of ``config``: the hole of the curves, and what ``data.hold_out`` asks for.

    ``names`` and ``categories`` are those of the samples' factors. Raises ``DatasetError`` as ``asked_for`` does.
    """
    hole = ()
    if config.drawn and config.punctured:
        hole = (Disc(FACTOR_NAMES, (config.hole_a, config.hole_b), config.hole_radius),)
    return HeldOut((*hole, *asked_for(config, names, categories).regions))


def asked_for(config: DataConfig, names: Sequence[str], categories: Sequence[tuple[str, ...]] = ()) -> HeldOut:
    """The regions of ``data.hold_out``.

    Raises ``DatasetError`` for a text that says nothing, and for a factor or a class that there is not.
    """
    known = dict(zip(names, categories or ((),) * len(names), strict=True))
    return HeldOut(tuple(_box(text, known) for text in _parts(config.hold_out, ";")))


def labels_in(text: str) -> set[str]:
    """The names of the labels in the text of ``data.hold_out``."""
    return {_parts(condition, "=")[0] for region in _parts(text, ";") for condition in _parts(region, ",")}


def _box(text: str, known: dict[str, tuple[str, ...]]) -> Box:
    ranges = {}
    for condition in _parts(text, ","):
        name, *values = _parts(condition, "=")
        if len(values) != 1 or not values[0]:
            raise DatasetError(
                f"data.hold_out is {text!r}; it must be a class or ranges, such as species=cat or x=0.2:0.4, y=1:2."
            )
        if name not in known:
            there = f"there are {', '.join(known)}" if known else "these images have none"
            raise DatasetError(f"data.hold_out names {name!r}, which is no label; {there}.")
        if name in ranges:
            raise DatasetError(
                f"data.hold_out asks twice for {name} in {text!r}; put a semicolon between alternatives."
            )
        ranges[name] = _range(name, values[0], known[name])
    return Box(ranges)


def _range(name: str, text: str, categories: tuple[str, ...]) -> tuple[float, float]:
    if categories:
        if text not in categories:
            raise DatasetError(f"data.hold_out: {name} has no class {text!r}; its classes are {', '.join(categories)}.")
        place = float(categories.index(text))
        return place, place
    ends = text.split(":")
    try:
        low, high = (float(end) if end.strip() else None for end in (ends[0], ends[-1]))
        if len(ends) > 2 or (low is None and high is None):
            raise ValueError
    except ValueError:
        raise DatasetError(
            f"data.hold_out: {name} is a number, so {text!r} must be one, or a range such as 0.2:0.4 or 0.2:."
        ) from None
    low, high = -math.inf if low is None else low, math.inf if high is None else high
    if not low <= high:
        raise DatasetError(f"data.hold_out: the range {text} of {name} is empty; its first end must be the lower one.")
    return low, high


def _parts(text: str, separator: str) -> list[str]:
    """``text`` split at ``separator`` outside of quotes, blank parts left out; the sides of = lose their quotes."""
    parts = [""]
    for token in _TOKEN.findall(text):
        if token == separator:
            parts.append("")
        else:
            parts[-1] += token
    stripped = [part.strip() for part in parts]
    if separator == "=":
        return [part[1:-1] if len(part) > 1 and part[0] == part[-1] == '"' else part for part in stripped]
    return [part for part in stripped if part]
