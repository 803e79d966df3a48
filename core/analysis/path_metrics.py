"""How good a path is: lengths, off-manifold scores, and what it changes beside the factor that it was meant to change.

Factors are read off the *decoded* images, by the dataset's own inverse where there is one, else by a regressor trained
on originals; never by the surface that steered the path. Paths are compared after the same achieved change of their
target. numpy at import, no torch: the decoder comes in as a function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from core.data.polar_curve_inverse import CurveInverse
from core.data.polar_curves import DEPTH_RANGE, FACTOR_NAMES, SCALE_RANGE
from core.geometry.local_fit import check_points
from core.geometry.off_manifold import OffManifoldDetector
from core.geometry.surface import Surface
from core.paths.latent_path import image_length_table

Decode = Callable[[np.ndarray], np.ndarray]
"""Latents float32 (n, d) to images uint8 (n, H, W, C)."""


class MeasureError(ValueError):
    """A path, a target or a truth that cannot be measured with; the message says what is wanted."""


class Reading(NamedTuple):
    """``factors`` float64 (n, F) that images show.

    ``residual`` float64 (n,): the mean square of each image less the true image of those factors, of full scale
    squared; None where nobody can draw that.
    """

    factors: np.ndarray
    residual: np.ndarray | None


class Truth(Protocol):
    """Reads factors off images. ``ranges`` float64 (F,): each factor's highest value less its lowest."""

    @property
    def names(self) -> tuple[str, ...]:
        """The factors' names, (F,)."""
        ...

    @property
    def ranges(self) -> np.ndarray:
        """The factors' ranges, float64 (F,)."""
        ...

    def read(self, images: np.ndarray) -> Reading:
        """The factors of images uint8 (n, H, W, C)."""
        ...


class CurveTruth:
    """The true inverse of polar curves: a and b, and how far each image is from the nearest curve."""

    names: tuple[str, ...] = FACTOR_NAMES

    def __init__(self, inverse: CurveInverse) -> None:
        self._inverse = inverse
        self.ranges = np.array([SCALE_RANGE[1] - SCALE_RANGE[0], DEPTH_RANGE[1] - DEPTH_RANGE[0]])

    def read(self, images: np.ndarray) -> Reading:
        """(a, b) (n, 2) of the curves nearest to images uint8 (n, H, W, C), and their residuals."""
        found = self._inverse.recover(images)
        return Reading(found.ab, found.residual)


@dataclass(frozen=True, eq=False)
class PathMeasures:
    """Measures of one path of K points.

    ``latent_length`` and ``image_length`` are sums of chords over ``image_k`` = K points; the image's in pooled cells'
    full range (``core.paths.latent_path.image_length_table``). ``off_manifold_score`` float64 (K,) is the off-manifold
    score along the path, about 1 on the data (``core.geometry.off_manifold.OffManifoldDetector``), and ``off_share``
    the share of points that are off the manifold.

    ``factors`` float64 (K, F), called ``names``, were read off the decoded images; empty without a truth. ``achieved``
    is the target's last value less its first, None without a target. ``measured_change`` is the change of the target at
    which ``leak`` was taken: of every other factor, the largest departure from its start over its range.
    ``reached`` is False where the path never achieved the change that it was to be cut at. ``residual`` float64 (K,) is
    how far each image is from the nearest true one, None where no true one can be drawn.
    """

    latent_length: float
    image_length: float
    image_k: int
    off_manifold_score: np.ndarray
    off_share: float
    names: tuple[str, ...]
    factors: np.ndarray
    achieved: float | None
    measured_change: float | None
    reached: bool
    leak: Mapping[str, float]
    residual: np.ndarray | None

    @property
    def largest_leak(self) -> float | None:
        """The leak of the factor that leaks most; None without a target, or without another factor."""
        return max(self.leak.values(), default=None)


def measure(
    points: np.ndarray,
    decode: Decode,
    detector: OffManifoldDetector,
    surface: Surface | None = None,
    truth: Truth | None = None,
    target: int | str | None = None,
    change: float | None = None,
    images: np.ndarray | None = None,
) -> PathMeasures:
    """Measure the path points (K, d), K ≥ 2; ``images`` are its decoded frames, if they are there already.

    ``truth`` reads factors off them. ``target``, by name or column, is the truth's factor that the path was to change.
    Without a truth, the ``surface``'s own labels along the path stand in where a surface is given: those say what was
    steered for, so their leak flatters, and there is no residual. With ``change``, leak is taken up to where the target
    has changed by so much, as ``cut_at_change`` says, so that paths can be compared; see ``common_change``.

    Raises ``MeasureError`` for a path of one point, a target that is not among the factors, or a change of 0.
    """
    points = check_points(points, "points")
    if len(points) < 2:
        raise MeasureError("the path has 1 point; measures need 2 or more.")
    frames = decode(points.astype(np.float32)) if images is None else images
    if len(frames) != len(points):
        raise MeasureError(f"there are {len(frames)} images for {len(points)} points; give one a point.")
    names, ranges, reading = _read(points, frames, surface, truth)
    column = None if target is None else _column(names, target)
    achieved, taken, reached, leaks = None, None, True, {}
    if column is not None:
        values = reading.factors
        achieved = float(values[-1, column] - values[0, column])
        within = values if change is None else cut_at_change(values, change, column)
        taken = float(within[-1, column] - within[0, column])
        reached = change is None or abs(taken - change) <= 1e-9 * abs(change)
        leaks = leak(within, ranges, names, column)
    return PathMeasures(
        latent_length=float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum()),
        image_length=image_length_table(frames).length,
        image_k=len(points),
        off_manifold_score=detector.score(points),
        off_share=float(detector.off_manifold(points).mean()),
        names=names,
        factors=reading.factors,
        achieved=achieved,
        measured_change=taken,
        reached=reached,
        leak=leaks,
        residual=reading.residual,
    )


def leak(factors: np.ndarray, ranges: np.ndarray, names: Sequence[str], target: int) -> dict[str, float]:
    """max over the path of |factor - its start| / its range for all of factors (K, F) but the target."""
    moved = np.abs(factors - factors[0]).max(axis=0) / np.where(ranges > 0.0, ranges, 1.0)
    return {name: float(moved[i]) for i, name in enumerate(names) if i != target}


def common_change(paths: Sequence[np.ndarray], target: int = 0) -> float:
    """The largest change of the target that all of the paths' factors (K, F) or (K,) achieve somewhere.

    Its sign is that of the first path's total change; 0 where some path never moves that way. Raises ``MeasureError``
    for no paths at all.
    """
    if not paths:
        raise MeasureError("there are no paths; a common change needs 1 or more.")
    moved = [values[:, target] - values[0, target] for values in map(_table, paths)]
    sign = 1.0 if moved[0][-1] >= 0.0 else -1.0
    return sign * min(float(np.max(sign * path)) for path in moved)


def cut_at_change(values: np.ndarray, change: float, target: int = 0) -> np.ndarray:
    """values (K, F) or (K,) along a path up to where the ``target`` column has first changed by ``change``.

    The last row is interpolated to be exactly there. All of them, where it never is. Raises ``MeasureError`` for a
    change of 0 or one that is not finite.
    """
    if not np.isfinite(change) or change == 0.0:
        raise MeasureError(f"change is {change}; it must be a number other than 0, in the target's own unit.")
    values = np.asarray(values, dtype=np.float64)
    column = _table(values)[:, target]
    moved = np.sign(change) * (column - column[0])
    reached = np.flatnonzero(moved >= abs(change))
    if not len(reached):
        return values
    after = int(reached[0])
    share = (abs(change) - moved[after - 1]) / (moved[after] - moved[after - 1])
    end = values[after - 1] + share * (values[after] - values[after - 1])
    return np.concatenate([values[:after], end[None]])


def _table(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    return values[:, None] if values.ndim == 1 else values


def _read(
    points: np.ndarray, frames: np.ndarray, surface: Surface | None, truth: Truth | None
) -> tuple[tuple[str, ...], np.ndarray, Reading]:
    """Names, ranges and values of the factors along the path."""
    if truth is not None:
        return tuple(truth.names), np.asarray(truth.ranges, dtype=np.float64), truth.read(frames)
    if surface is not None:
        return surface.names, surface.high - surface.low, Reading(surface.labels_at(points), None)
    return (), np.zeros(0), Reading(np.zeros((len(points), 0)), None)


def _column(names: tuple[str, ...], target: int | str) -> int:
    if isinstance(target, str) and target in names:
        return names.index(target)
    if isinstance(target, int | np.integer) and 0 <= target < len(names):
        return int(target)
    known = ", ".join(names) or "none: give a truth or a surface with labels"
    raise MeasureError(f"target is {target!r}; the factors are {known}.")
