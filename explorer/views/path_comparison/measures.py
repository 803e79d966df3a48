"""The columns of the comparison: what each measure is called, how it reads, and which path is best in it.

What reads alike counts as equal, so a difference too small to be written wins nothing; and a measure in which all are
equal has no winner. Where only some paths can be compared fairly, only they compete; each column's text says which.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from core.geometry.off_manifold import times
from core.paths.recipe import JOINING

if TYPE_CHECKING:
    from core.protocol.messages import PathCompared

MOST_LEAKS = 3  # columns; with more other factors there is one column of the largest leak
UNAIMED = (*JOINING, "isoline")  # they lead to the end in any case, or on until the data end
UNKNOWN = "–"

_READ_BY = {
    "curves": "recovered from the decoded images by the curves' exact inverse",
    "regressor": "estimated from the decoded images by a regressor not used to find the paths",
}
Value = Callable[["PathCompared"], float]
"""A measure of a path; NaN where it is not known, or does not compete."""


@dataclass(frozen=True)
class Column:
    """One measure: two lines of heading, what it means, its text for each kind of path, and the ``best`` kinds."""

    heading: tuple[str, str]
    meaning: str
    texts: Mapping[str, str]
    best: frozenset[str]


def make_columns(paths: Sequence[PathCompared], target: str) -> list[Column]:
    """The columns for these paths, where ``target`` is the factor that was to change ("": none)."""
    paths = [path for path in paths if len(path.images)]

    def column(
        heading: tuple[str, str],
        meaning: str,
        value: Value,
        text: Callable[[PathCompared], str],
        competing: Value | None = None,
    ) -> Column:
        """``competing``: what is to be least, if that is not the ``value``."""
        texts = {path.kind: UNKNOWN if math.isnan(value(path)) else text(path) for path in paths}
        return Column(heading, meaning, texts, winners({p.kind: (competing or value)(p) for p in paths}, texts))

    usual = max((path.image_k for path in paths), default=0)
    threshold = next((path.threshold for path in paths if not math.isnan(path.threshold)), math.nan)
    columns = [
        column(
            ("latent", "length"),
            "Latent length: from start to end along the path, in units of latent space. No best value is marked: the "
            "straight line is always the shortest.",
            lambda path: path.latent_length,
            lambda path: f"{path.latent_length:.3g}",
            lambda _: math.nan,
        ),
        column(
            ("image len.", f"K = {usual}"),
            "Image length: change of the decoded image from frame to frame, summed over K frames (K: number of "
            "frames), pooled to 16 × 16 cells, in units of a cell's full brightness; a different K is shown beside its "
            "value. Lowest is best, among the paths that reach the same end.",
            lambda path: path.image_length,
            lambda path: f"{path.image_length:.3g}" + (f" ({path.image_k})" if path.image_k not in (0, usual) else ""),
            lambda path: path.image_length if path.kind in JOINING else math.nan,
        ),
        column(
            ("off", "the data"),
            "Off the data: percentage of the path's points that the badge marks as extrapolating or off. Lowest is "
            "best.",
            lambda path: path.off_share,
            lambda path: _percent(path.off_share),
        ),
        column(
            ("largest", "distance"),
            "Distance: at the path's point farthest from the data, the mean distance to the 8 nearest samples, divided "
            "by the median of the same distance for those samples; about 1× among the samples"
            + ("" if math.isnan(threshold) else f", flagged above {times(threshold)}")
            + ". Lowest is best.",
            largest_score,
            lambda path: times(largest_score(path)),
        ),
    ]
    read = next((_READ_BY[path.truth] for path in paths if path.truth in _READ_BY), "")
    if read and target:
        reached = (path.achieved for path in paths if path.kind in JOINING and not math.isnan(path.achieved))
        wanted = next(reached, math.nan)
        columns.append(
            column(
                ("change", f"of {target}"),
                f"Change of {target} from start to end of the path, {read}. Closest to the difference between the two "
                "ends is best, among the paths that are not made to reach the end.",
                lambda path: path.achieved,
                lambda path: f"{path.achieved:+.3g}".replace("-", "−"),
                lambda path: math.nan if path.kind in UNAIMED else abs(path.achieved - wanted),
            )
        )
    if read:
        names = [name for name in next((path.names for path in paths if path.names), ()) if name != target]
        tail = (
            f"{read}: its largest deviation from its initial value, as a percentage of its range, up to the change "
            + (f"of {target} " if target else "")
            + "that all paths achieve. Lowest is best."
        )
        leaks: list[tuple[tuple[str, str], str, Value]]
        leaks = [(("leak into", name), f"Leak into {name}, {tail}", partial(leak, name=name)) for name in names]
        if len(names) > MOST_LEAKS:
            about = f"Leak into the factor that changes most besides {target or 'none'}, {tail}"
            leaks = [(("largest", "leak"), about, largest_leak)]
        for heading, meaning, value in leaks:
            columns.append(column(heading, meaning, value, lambda path, value=value: _percent(value(path), 1)))
    if any(not math.isnan(path.residual) for path in paths):
        columns.append(
            column(
                ("residual", "× 10⁻³"),
                "Residual: mean squared difference between the worst frame and the nearest true curve, in 10⁻³ of full "
                "scale squared. Lowest is best.",
                lambda path: path.residual,
                lambda path: f"{1000 * path.residual:.2g}",
            )
        )
    return columns


def largest_score(path: PathCompared) -> float:
    """The score of the place that is farthest from the data; NaN where none is known."""
    return _largest(path.off_manifold_score)


def leak(path: PathCompared, name: str) -> float:
    """The leak into the factor ``name``; NaN where it is not known."""
    return float(path.leaks[path.names.index(name)]) if name in path.names else math.nan


def largest_leak(path: PathCompared) -> float:
    """The leak of the factor that leaks most; NaN where none is known."""
    return _largest(path.leaks)


def _largest(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.max()) if len(known) else math.nan


def winners(values: Mapping[str, float], texts: Mapping[str, str]) -> frozenset[str]:
    """The kinds with the least of ``values``; what reads alike is equal. None where fewer than two are known, or all
    are equal."""
    known = {kind: value for kind, value in values.items() if not math.isnan(value)}
    if len(known) < 2:
        return frozenset()
    least = min(known, key=lambda kind: known[kind])
    best = frozenset(kind for kind in known if texts[kind] == texts[least])
    return best if len(best) < len(known) else frozenset()


def _percent(fraction: float, decimals: int = 0) -> str:
    """A fraction for reading: "12 %"; small ones keep ``decimals``; what is not 0 never reads as 0."""
    least = 10.0**-decimals
    if 0.0 < fraction * 100 < least / 2:
        return f"< {least / 2:g} %"
    return f"{fraction * 100:.{decimals if fraction < 0.1 else 0}f} %"
