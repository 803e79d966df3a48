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
    "curves": "read off the decoded images by the curves' true inverse",
    "regressor": "read off the decoded images by a regressor that did not steer the paths",
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
        "Latent length: from start to end along the path, in units of latent space. Without a winner: the straight "
        "line is always the shortest, wherever it leads."
    )
    return Column(("latent", "length"), meaning, texts, frozenset())


def _image_length(paths: Sequence[ComparedPath]) -> Column:
    texts = _texts(paths, lambda path: path.image_length, lambda value: f"{value:.3g}")
    frames = {path.kind: path.image_k for path in paths if path.image_k}
    usual = max(frames.values(), default=0)
    texts |= {kind: f"{texts[kind]} ({count})" for kind, count in frames.items() if count != usual}
    meaning = (
        "Image length: how far the image moves from frame to frame, on K frames pooled to 16 × 16 cells, in units of a "
        "cell's full brightness; another K stands beside its value. Least is best, among the paths that join both "
        "ends: only they lead to the same place."
    )
    joining = [path for path in paths if path.kind in JOINING]
    best = winners({path.kind: path.image_length for path in joining}, texts)
    return Column(("image len.", f"K = {usual}"), meaning, texts, best)


def _off_share(paths: Sequence[ComparedPath]) -> Column:
    texts = _texts(paths, lambda path: path.off_share, _percent)
    meaning = "Off the data: share of the path's places that the badge marks as extrapolating or off. Least is best."
    return Column(("off", "the data"), meaning, texts, winners({path.kind: path.off_share for path in paths}, texts))


def _largest_distance(paths: Sequence[ComparedPath]) -> Column:
    texts = _texts(paths, lambda path: path.largest_score, times)
    threshold = next((path.threshold for path in paths if not math.isnan(path.threshold)), math.nan)
    meaning = (
        "Distance: of the place that is farthest from the data, the mean distance to the eight nearest samples over "
        "what it usually is for those eight; about 1× among the samples"
        + ("" if math.isnan(threshold) else f", flagged above {times(threshold)}")
        + ". Least is best."
    )
    best = winners({path.kind: path.largest_score for path in paths}, texts)
    return Column(("largest", "distance"), meaning, texts, best)


def _achieved(paths: Sequence[ComparedPath], target: str, read: str) -> Column:
    texts = _texts(paths, lambda path: path.achieved, lambda value: f"{value:+.3g}".replace("-", "−"))
    wanted = next((path.achieved for path in paths if path.kind in JOINING and not math.isnan(path.achieved)), math.nan)
    missed = {path.kind: abs(path.achieved - wanted) for path in paths if path.kind not in UNAIMED}
    meaning = (
        f"Achieved change of {target}, {read}. Best is what comes nearest to the change between both ends, among the "
        "paths that do not lead there anyway."
    )
    best = winners(missed, texts)
    return Column(("change", f"of {target}"), meaning, texts, best)


def _leaks(paths: Sequence[ComparedPath], target: str, read: str) -> list[Column]:
    names = [name for name in next((path.names for path in paths if path.names), ()) if name != target]
    tail = (
        f"{read}: its greatest departure from where it began, as a share of its range, up to the change "
        + (f"of {target} " if target else "")
        + "that all paths achieve. Least is best."
    )
    if len(names) <= MOST_LEAKS:
        return [
            _leak(paths, ("leak into", name), f"Leak into {name}, {tail}", partial(ComparedPath.leak, name=name))
            for name in names
        ]
    largest = f"Leak into the factor that changes most beside {target or 'none'}, {tail}"
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
        "Residual, × 10⁻³ of full scale²: mean square of the worst frame against the nearest true curve. Least is best."
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
