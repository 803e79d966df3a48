"""Transects: lines through the parameter plane of the polar curves, and what a model makes of the images along them.

Three straight ones through the hole were published with "Zero-shot Learning with VAEs" (2021); any other line or
freehand curve serves as well. numpy at import, scipy at first use, no torch: the model comes in as a function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from core.analysis.image_metrics import excess_bce, ssim
from core.config import DataConfig
from core.data import polar_curves
from core.data.held_out import held_out
from core.data.loading import curve_parameters, curve_split

MAX_POINTS = 200
PUBLISHED_POINTS = 15
SPANS = (
    polar_curves.SCALE_RANGE[1] - polar_curves.SCALE_RANGE[0],
    polar_curves.DEPTH_RANGE[1] - polar_curves.DEPTH_RANGE[0],
)
"""The ranges of a and b: what is far in the plane is judged by them."""
_SLACK = 1e-9  # of a factor's range: what rounding may put outside the plane
_NO_LENGTH = 1e-9  # in ranges

Reconstruct = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Images uint8 (n, H, W, C) to their means mu float32 (n, d) and their reconstructions uint8 (n, H, W, C)."""


class TransectError(ValueError):
    """A transect that cannot be; the message names what is wrong and what would be right."""


@dataclass(frozen=True, eq=False)
class Transect:
    """A named sequence of points float64 (n, 2), read-only, in the plane of two factors, n from 2 to 200.

    ``stroke`` float64 (m, 2) is the line that the points were taken from, if they were; ``resampled`` follows it.
    ``plane`` names the two factors by their places. Raises ``TransectError`` for another number of points, another
    shape, or a coordinate that is not finite.
    """

    name: str
    points: np.ndarray
    stroke: np.ndarray | None = None
    plane: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        points = _polyline(self.points, self.name, "points")
        if not 2 <= len(points) <= MAX_POINTS:
            raise TransectError(f"{self.name} has {len(points)} points; a transect needs 2 to {MAX_POINTS}.")
        object.__setattr__(self, "points", points)
        if self.stroke is not None:
            object.__setattr__(self, "stroke", _polyline(self.stroke, self.name, "stroke"))

    def __len__(self) -> int:
        return len(self.points)

    @classmethod
    def published(cls, name: str, points: int = PUBLISHED_POINTS) -> Transect:
        """P1, P2 or P3, each a straight line through the centre of the published hole."""
        if name not in polar_curves.TRANSECTS:
            raise TransectError(
                f"there is no published transect {name!r}; choose one of {', '.join(polar_curves.TRANSECTS)}."
            )
        return cls.straight(name, *polar_curves.TRANSECTS[name], points)

    @classmethod
    def straight(
        cls, name: str, start: tuple[float, float], end: tuple[float, float], points: int = PUBLISHED_POINTS
    ) -> Transect:
        """Equally spaced points from ``start`` to ``end``, both included. Raises ``TransectError`` if they coincide."""
        _check_count(name, points)
        stroke = _polyline(np.array([start, end], dtype=np.float64), name, "ends")
        if np.array_equal(stroke[0], stroke[1]):
            raise TransectError(f"{name} starts and ends at {_place(stroke[0])}; choose two different places.")
        return cls(name, np.linspace(stroke[0], stroke[1], points), stroke)

    @classmethod
    def drawn(
        cls,
        name: str,
        stroke: np.ndarray,
        points: int = PUBLISHED_POINTS,
        spans: tuple[float, float] | np.ndarray = SPANS,
    ) -> Transect:
        """Points at equal distances along the polyline ``stroke`` (m, 2), both ends included.

        Distances are measured in units of each factor's range, ``spans`` (2,), so that neither factor outweighs the
        other. Raises ``TransectError`` for a stroke without length.
        """
        _check_count(name, points)
        line = _polyline(stroke, name, "stroke")
        spans = np.asarray(spans, dtype=np.float64)
        if spans.shape != (2,) or not np.isfinite(spans).all() or not (spans > 0).all():
            raise TransectError(f"{name}: spans is {spans}; it must be two ranges above 0.")
        steps = np.hypot(*(np.diff(line, axis=0) / spans).T)
        length = float(steps.sum())
        if length <= _NO_LENGTH:
            raise TransectError(f"{name} has no length; draw a longer stroke.")
        moved = np.concatenate([[True], steps > 0.0])  # repeated points have no place of their own along the line
        along = np.concatenate([[0.0], np.cumsum(steps)])[moved]
        wanted = np.linspace(0.0, along[-1], points)
        taken = np.stack([np.interp(wanted, along, line[moved, axis]) for axis in (0, 1)], axis=1)
        return cls(name, taken, line)

    def resampled(self, points: int, spans: tuple[float, float] | np.ndarray = SPANS) -> Transect:
        """The same line with another number of points."""
        line = self.points if self.stroke is None else self.stroke
        if len(line) == 2:
            other = Transect.straight(self.name, tuple(line[0]), tuple(line[1]), points)
        else:
            other = Transect.drawn(self.name, line, points, spans)
        return replace(other, plane=self.plane)

    def check_inside(self, low: np.ndarray | tuple[float, float], high: np.ndarray | tuple[float, float]) -> None:
        """Raise ``TransectError``, naming the first point outside the rectangle from ``low`` (2,) to ``high`` (2,)."""
        low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
        slack = _SLACK * (high - low)
        outside = ((self.points < low - slack) | (self.points > high + slack)).any(axis=1)
        if outside.any():
            first = int(outside.argmax())
            raise TransectError(
                f"point {first + 1} of {self.name} is at {_place(self.points[first])}, outside the plane from "
                f"{_place(low)} to {_place(high)}; keep the transect inside."
            )


def _polyline(points: np.ndarray, name: str, what: str) -> np.ndarray:
    """A read-only float64 copy (n, 2) with finite coordinates."""
    try:
        line = np.array(points, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TransectError(f"{name}: {what} must be numbers (n, 2): {error}.") from error
    if line.ndim != 2 or line.shape[1] != 2 or not len(line):
        raise TransectError(f"{name}: {what} has shape {line.shape}; it must be (n, 2), two factors per point.")
    finite = np.isfinite(line).all(axis=1)
    if not finite.all():
        first = int((~finite).argmax())
        raise TransectError(f"{name}: {what} {first + 1} is at {_place(line[first])}; coordinates must be finite.")
    line.setflags(write=False)
    return line


def _check_count(name: str, points: int) -> None:
    if not 2 <= points <= MAX_POINTS:
        raise TransectError(f"{name}: points is {points}; a transect needs 2 to {MAX_POINTS}.")


def _place(point: np.ndarray) -> str:
    return f"({point[0]:g}, {point[1]:g})"


def published_transects() -> tuple[Transect, ...]:
    """P1, P2 and P3, 15 points each."""
    return tuple(Transect.published(name) for name in polar_curves.TRANSECTS)


def in_hole(points: np.ndarray, config: DataConfig) -> np.ndarray:
    """Whether each (a, b) of (n, 2) is held out of the curves of ``config``, in the hole or on purpose: bool (n,)."""
    if not config.drawn:
        return np.zeros(len(points), dtype=bool)
    return held_out(config, polar_curves.FACTOR_NAMES).contains(points, polar_curves.FACTOR_NAMES)


def nearest_distance(points: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Euclidean distance in the plane from each of ``points`` (n, 2) to the nearest of ``training`` (m, 2): (n,)."""
    from scipy.spatial import KDTree

    training = np.asarray(training, dtype=np.float64)
    if training.ndim != 2 or training.shape[1] != 2 or not len(training):
        raise TransectError(f"training has shape {training.shape}; it must be (m, 2) with one or more samples.")
    distance, _ = KDTree(training).query(np.asarray(points, dtype=np.float64))
    return distance


def published_split(config: DataConfig) -> np.ndarray:
    """(a, b) float64 (m, 2) of the training samples of a ``curves`` dataset. Draws no image.

    Raises ``TransectError`` for another source, ``core.data.dataset.DatasetError`` if the hole leaves too few.
    """
    _check_curves(config)
    ab = curve_parameters(config)
    return ab[curve_split(config, ab).train]


@dataclass(frozen=True, eq=False)
class TransectResult:
    """What a model makes of the images along a transect of n points.

    ``originals`` and ``reconstructions`` uint8 (n, H, W, C); ``mu`` float32 (n, d); ``excess_bce`` (nats a pixel),
    ``ssim`` and ``distance`` (in the plane, to the nearest training sample) float64 (n,); ``in_hole`` bool (n,).
    ``axes`` are the two factors of the plane. Where images cannot be drawn, ``indices`` int64 (n,) are those of the
    dataset that stand for the points, and ``files`` their files; no entries where there are none.
    """

    transect: Transect
    originals: np.ndarray
    reconstructions: np.ndarray
    mu: np.ndarray
    excess_bce: np.ndarray
    ssim: np.ndarray
    distance: np.ndarray
    in_hole: np.ndarray
    axes: tuple[str, str] = field(default=polar_curves.FACTOR_NAMES, kw_only=True)
    indices: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64), kw_only=True)
    files: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        optional = ("indices", "files")
        for name in ("originals", "reconstructions", "mu", "excess_bce", "ssim", "distance", "in_hole", *optional):
            count = len(getattr(self, name))
            if count != len(self.transect) and (count or name not in optional):
                raise TransectError(
                    f"{name} has {count} entries; {self.transect.name} has {len(self.transect)} points, one entry each."
                )

    @property
    def inside(self) -> str:
        """What a point that is held out is called: the curves have a hole."""
        return "held out" if len(self.indices) else "in the hole"

    @property
    def hole_excess_bce(self) -> float | None:
        """Mean excess BCE of the points in the hole, None where none is."""
        return _mean(self.excess_bce[self.in_hole])

    @property
    def outside_excess_bce(self) -> float | None:
        """Mean excess BCE of the points outside the hole, None where none is."""
        return _mean(self.excess_bce[~self.in_hole])


@dataclass(frozen=True, eq=False)
class MeasuredTransect(TransectResult):
    """A transect of which not every point is measured: ``known`` bool (n,), NaN and zeros where it is not."""

    known: np.ndarray


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def measure(transect: Transect, data: DataConfig, training: np.ndarray, reconstruct: Reconstruct) -> TransectResult:
    """Draw the curves along ``transect``, have them reconstructed, and compare.

    ``data`` is the configuration of the model's ``curves`` dataset (size, channels, geometry, hole), ``training``
    (m, 2) the factors of its training samples. Raises ``TransectError`` for another source.
    """
    _check_curves(data)
    grey = polar_curves.render(transect.points, data.image_size, data.geometry)[..., None]
    originals = np.repeat(grey, data.channels, axis=-1)
    mu, reconstructions = reconstruct(originals)
    return TransectResult(
        transect,
        originals,
        reconstructions,
        np.asarray(mu, dtype=np.float32),
        excess_bce(originals, reconstructions),
        ssim(originals, reconstructions),
        nearest_distance(transect.points, training),
        in_hole(transect.points, data),
    )


def _check_curves(config: DataConfig) -> None:
    if not config.drawn:
        raise TransectError(
            f"the run was trained on {config.path}; images along a transect can be drawn for curves only. Open a run "
            "that was trained on curves."
        )
