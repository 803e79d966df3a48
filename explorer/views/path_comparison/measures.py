"""The columns of the comparison: what each measure is called, how it reads, and which path is best in it.

What reads alike counts as equal, so a difference too small to be written wins nothing; and a measure in which all are
equal has no winner. Where only some paths can be compared fairly, only they compete; each column's text says which.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from core.geometry.off_manifold import times
from core.paths.recipe import JOINING
from explorer.views.path_comparison.data import ComparedPath

MOST_LEAKS = 3  # columns; with more other factors there is one column of the largest leak
UNAIMED = (*JOINING, "isoline")  # they lead to the end in any case, or on until the data end
UNKNOWN = "–"

_READ_BY = {
    "curves": "recovered from the decoded images by the curves' exact inverse",
    "regressor": "estimated from the decoded images by a regressor not used to find the paths",
}


@dataclass(frozen=True)
class Column:
    """One measure: two lines of heading, what it means, its text for each kind of path, and the ``best`` kinds."""

    heading: tuple[str, str]
    meaning: str
    texts: Mapping[str, str]
    best: frozenset[str]


def make_columns(paths: Sequence[ComparedPath], target: str) -> list[Column]:
    """The columns for these paths, where ``target`` is the factor that was to change ("": none)."""
    paths = [path for path in paths if not path.missing]
    columns = [_latent_length(paths), _image_length(paths), _off_share(paths), _largest_distance(paths)]
    read = next((_READ_BY[path.truth] for path in paths if path.truth in _READ_BY), "")
    if read and target:
        columns.append(_achieved(paths, target, read))
    if read:
        columns += _leaks(paths, target, read)
    if any(not math.isnan(path.residual) for path in paths):
        columns.append(_residual(paths))
    return columns


def _latent_length(paths: Sequence[ComparedPath]) -> Column:
    texts = _texts(paths, lambda path: path.latent_length, lambda value: f"{value:.3g}")
    meaning = (
        "Latent length: from start to end along the path, in units of latent space. No best value is marked: the "
        "straight line is always the shortest."
    )
    return Column(("latent", "length"), meaning, texts, frozenset())


def _image_length(paths: Sequence[ComparedPath]) -> Column:
    texts = _texts(paths, lambda path: path.image_length, lambda value: f"{value:.3g}")
    frames = {path.kind: path.image_k for path in paths if path.image_k}
    usual = max(frames.values(), default=0)
    texts |= {kind: f"{texts[kind]} ({count})" for kind, count in frames.items() if count != usual}
    meaning = (
        "Image length: change of the decoded image from frame to frame, summed over K frames (K: number of frames), "
        "pooled to 16 × 16 cells, in units of a cell's full brightness; a different K is shown beside its value. "
        "Lowest is best, among the paths that reach the same end."
    )
    joining = [path for path in paths if path.kind in JOINING]
    best = winners({path.kind: path.image_length for path in joining}, texts)
    return Column(("image len.", f"K = {usual}"), meaning, texts, best)


def _off_share(paths: Sequence[ComparedPath]) -> Column:
    texts = _texts(paths, lambda path: path.off_share, _percent)
    meaning = (
        "Off the data: percentage of the path's points that the badge marks as extrapolating or off. Lowest is best."
    )
    return Column(("off", "the data"), meaning, texts, winners({path.kind: path.off_share for path in paths}, texts))


def _largest_distance(paths: Sequence[ComparedPath]) -> Column:
    texts = _texts(paths, lambda path: path.largest_score, times)
    threshold = next((path.threshold for path in paths if not math.isnan(path.threshold)), math.nan)
    meaning = (
        "Distance: at the path's point farthest from the data, the mean distance to the 8 nearest samples, divided by "
        "the median of the same distance for those samples; about 1× among the samples"
        + ("" if math.isnan(threshold) else f", flagged above {times(threshold)}")
        + ". Lowest is best."
    )
    best = winners({path.kind: path.largest_score for path in paths}, texts)
    return Column(("largest", "distance"), meaning, texts, best)


def _achieved(paths: Sequence[ComparedPath], target: str, read: str) -> Column:
    texts = _texts(paths, lambda path: path.achieved, lambda value: f"{value:+.3g}".replace("-", "−"))
    wanted = next((path.achieved for path in paths if path.kind in JOINING and not math.isnan(path.achieved)), math.nan)
    missed = {path.kind: abs(path.achieved - wanted) for path in paths if path.kind not in UNAIMED}
    meaning = (
        f"Change of {target} from start to end of the path, {read}. Closest to the difference between the two ends is "
        "best, among the paths that are not made to reach the end."
    )
    best = winners(missed, texts)
    return Column(("change", f"of {target}"), meaning, texts, best)


def _leaks(paths: Sequence[ComparedPath], target: str, read: str) -> list[Column]:
    names = [name for name in next((path.names for path in paths if path.names), ()) if name != target]
    tail = (
        f"{read}: its largest deviation from its initial value, as a percentage of its range, up to the change "
        + (f"of {target} " if target else "")
        + "that all paths achieve. Lowest is best."
    )
    if len(names) <= MOST_LEAKS:
        return [
            _leak(paths, ("leak into", name), f"Leak into {name}, {tail}", partial(ComparedPath.leak, name=name))
            for name in names
        ]
    largest = f"Leak into the factor that changes most besides {target or 'none'}, {tail}"
    return [_leak(paths, ("largest", "leak"), largest, largest_leak)]


def _leak(
    paths: Sequence[ComparedPath],
    heading: tuple[str, str],
    meaning: str,
    value: Callable[[ComparedPath], float],
) -> Column:
    texts = _texts(paths, value, lambda share: _percent(share, 1))
    return Column(heading, meaning, texts, winners({path.kind: value(path) for path in paths}, texts))


def largest_leak(path: ComparedPath) -> float:
    """The leak of the factor that leaks most; NaN where none is known."""
    known = path.leaks[~np.isnan(path.leaks)]
    return float(known.max()) if len(known) else math.nan


def _residual(paths: Sequence[ComparedPath]) -> Column:
    texts = _texts(paths, lambda path: path.residual, lambda value: f"{1000 * value:.2g}")
    meaning = (
        "Residual: mean squared difference between the worst frame and the nearest true curve, in 10⁻³ of full scale "
        "squared. Lowest is best."
    )
    best = winners({path.kind: path.residual for path in paths}, texts)
    return Column(("residual", "× 10⁻³"), meaning, texts, best)


def winners(values: Mapping[str, float], texts: Mapping[str, str]) -> frozenset[str]:
    """The kinds with the least of ``values``; what reads alike is equal. None where fewer than two are known, or all
    are equal."""
    known = {kind: value for kind, value in values.items() if not math.isnan(value)}
    if len(known) < 2:
        return frozenset()
    least = min(known, key=lambda kind: known[kind])
    best = frozenset(kind for kind in known if texts[kind] == texts[least])
    return best if len(best) < len(known) else frozenset()


def _texts(
    paths: Sequence[ComparedPath], value: Callable[[ComparedPath], float], read: Callable[[float], str]
) -> dict[str, str]:
    values = {path.kind: value(path) for path in paths}
    return {kind: UNKNOWN if math.isnan(number) else read(number) for kind, number in values.items()}


def _percent(share: float, decimals: int = 0) -> str:
    """A share for reading: "12 %"; small ones keep ``decimals``; what is not 0 never reads as 0."""
    least = 10.0**-decimals
    if 0.0 < share * 100 < least / 2:
        return f"< {least / 2:g} %"
    return f"{share * 100:.{decimals if share < 0.1 else 0}f} %"
