"""How good a path is: its lengths, and what it changes beside the factor that it was meant to change.

Factors are read off the *decoded* images, by the dataset's own inverse where there is one, else by a regressor trained
on originals; never by the surface that steered the path. Paths are compared after the same achieved change of their
target. numpy at import, no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from core.data.polar_curve_inverse import CurveInverse
from core.data.polar_curves import DEPTH_RANGE, FACTOR_NAMES, SCALE_RANGE
from core.paths.latent_path import image_length_table


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
    """Measures of one path of K points; what is not known is NaN.

    ``latent_length`` and ``image_length`` are sums of chords over the K points; the image's in pooled cells' full range
    (``core.paths.latent_path.image_length_table``). ``achieved`` is the target's last value less its first, as the
    images show it. ``leaks`` float64 (F,): of every other factor, the largest change from its start over its range, up
    to the change of the target that paths are compared at. ``residual`` is how far the worst image is from the nearest
    true one.
    """

    latent_length: float
    image_length: float
    achieved: float
    leaks: np.ndarray
    residual: float


def measure(
    points: np.ndarray,
    images: np.ndarray,
    reading: Reading,
    ranges: np.ndarray,
    target: int | None = None,
    change: float | None = None,
) -> PathMeasures:
    """Measure the path points (K, d), K ≥ 2, by its decoded ``images`` and what a truth reads off them.

    ``ranges`` (F,) are the truth's. ``target`` is the column of the factor that the path was to change. With
    ``change``, leaks are taken up to where the target has changed by so much, as ``cut_at_change`` says, so that paths
    can be compared: see ``common_change``. A path that hardly changes its target, or the other way, has no leaks.
    """
    achieved, leaks = float("nan"), np.full(len(ranges), np.nan)
    if target is not None:
        achieved = achieved_change(reading.factors, target)
        along = 1.0 if change is None else np.sign(change) * np.sign(achieved)
        if along > 0.0 and changes_enough(reading.factors, ranges, target):
            within = reading.factors if change is None else cut_at_change(reading.factors, change, target)
            leaks = leak(within, ranges, target)
    return PathMeasures(
        latent_length=float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum()),
        image_length=image_length_table(images).length,
        achieved=achieved,
        leaks=leaks,
        residual=float(np.max(reading.residual)) if reading.residual is not None else float("nan"),
    )


def achieved_change(factors: np.ndarray, target: int) -> float:
    """The target's last value less its first, of factors (K, F) along a path."""
    return float(factors[-1, target] - factors[0, target])


def changes_enough(factors: np.ndarray, ranges: np.ndarray, target: int) -> bool:
    """Whether a path changes its target by 2 % of the range: one that does less is not compared by its leak."""
    return abs(achieved_change(factors, target)) > 0.02 * float(ranges[target])


def leak(factors: np.ndarray, ranges: np.ndarray, target: int) -> np.ndarray:
    """max over the path of |factor - its start| / its range, of factors (K, F): float64 (F,), the target's NaN."""
    moved = np.abs(factors - factors[0]).max(axis=0) / np.where(ranges > 0.0, ranges, 1.0)
    moved[target] = np.nan
    return moved


def common_change(paths: Sequence[np.ndarray], target: int = 0) -> float:
    """The largest change of the target that all of the paths' factors (K, F) achieve somewhere.

    Its sign is that of the first path's total change; 0 where some path never moves that way.
    """
    moved = [values[:, target] - values[0, target] for values in paths]
    sign = 1.0 if moved[0][-1] >= 0.0 else -1.0
    return sign * min(float(np.max(sign * path)) for path in moved)


def cut_at_change(values: np.ndarray, change: float, target: int = 0) -> np.ndarray:
    """values (K, F) along a path up to where the ``target`` column has first changed by ``change``.

    The last row is interpolated to be exactly there. All of them, where it never is. ``change`` is not 0.
    """
    column = values[:, target]
    moved = np.sign(change) * (column - column[0])
    reached = np.flatnonzero(moved >= abs(change))
    if not len(reached):
        return values
    after = int(reached[0])
    share = (abs(change) - moved[after - 1]) / (moved[after] - moved[after - 1])
    end = values[after - 1] + share * (values[after] - values[after - 1])
    return np.concatenate([values[:after], end[None]])
