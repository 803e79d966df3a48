"""How far a place has left the data: zero among the samples, rising into gaps, past edges and off the surface.

The badge's statistic (``core.manifold.Support``) judges a place, but jumps from neighbour to neighbour, so that no
descent can follow it. This one is continuous and has slopes, which relaxing a geodesic needs. numpy at import.
"""

from __future__ import annotations

from math import gamma, pi, sqrt
from typing import NamedTuple

import numpy as np

from core.manifold import SUPPORT_NEIGHBOURS, Neighbourhoods

NEIGHBOURS = 2 * SUPPORT_NEIGHBOURS  # hardly farther than the badge looks, and chance counts for less

_FREE_SHARE = 0.5  # of e at a straight edge of the data
_DEEP_QUANTILE = 0.25  # of the samples' own e: places deeper in the data are rare
_SMOOTHINGS = 2  # passes of a median over neighbours: the usual distances beside a gap then do not tell of the gap


class Departure:
    """x(z) = max(e(z) / t - 1, 0), where e tells in two ways that the ``samples`` have stayed behind:

        e² = (|z - m| / c r)² + (max(D / r - 1, 0) / (2^(1/q) - 1))².

    m is the weighted mean of the 16 nearest samples, D the mean of their distances, and r what D usually is
    thereabouts, so that density does not matter. Among the samples m is at z, and D is r. Off the surface, past an edge
    and beside a gap the samples lie on one side, and m stays behind; within a gap they are far, whatever their sides.
    At a straight edge of evenly spread data, of ``intrinsic`` dimensions q, half a ball holds the neighbours: |z - m|
    is c r and D is 2^(1/q) r, so that both parts are 1. The level t is ``free``, half of the √2 of that edge, unless
    another is asked for; hence x is 0 inside, 1 on the very edge, and large in a gap.

    A gap is noticed where it is wider than the samples' distances. Where it tapers to a point, e tells of it only on
    its very rim, and no more than chance does elsewhere. ``deep`` is the lower quartile of the samples' own e: a
    level for paths that are known to lean on a gap.

    The weights (1 - (distance / last distance)²)² fall to 0 at the last neighbour: the plain mean of a fixed number
    jumps where one sample takes another's place.
    """

    def __init__(self, samples: Neighbourhoods, intrinsic: int) -> None:
        self.samples = samples
        distances, indices = samples.of_samples(NEIGHBOURS + 1)
        usual = distances.mean(axis=1)
        for _ in range(_SMOOTHINGS):
            usual = np.median(usual[indices], axis=1)
        # Samples that coincide keep no distance; then a part of the cloud's size stands in.
        self._usual = np.maximum(usual, max(1e-6 * sqrt(float(samples.points.var(axis=0).sum())), 1e-300))
        self._intrinsic = min(intrinsic, samples.dim)
        self._offset = _edge_offset(intrinsic)
        self._emptiness = 2.0 ** (1.0 / intrinsic) - 1.0
        self.own = self._parts(samples.points, distances, indices).e  # e of every sample, without itself
        self.free = max(_FREE_SHARE * sqrt(2.0), float(np.median(self.own)))
        self.deep = min(self.free, max(float(np.quantile(self.own, _DEEP_QUANTILE)), 1e-9))

    def of_samples(self) -> np.ndarray:
        """x of the samples themselves, which are not their own neighbours: float64 (N,)."""
        return np.maximum(self.own / self.free - 1.0, 0.0)

    def usual_distance(self, z: np.ndarray) -> np.ndarray:
        """r float64 (n,): how far the 16 nearest usually are near z (n, d), on average."""
        return self._parts(z, *self.samples.query(z, NEIGHBOURS + 1)).usual

    def empty(self, z: np.ndarray) -> np.ndarray:
        """Whether the samples are farther from z (n, d) than from a straight edge of the data: bool (n,).

        Of the two parts this one hardly feels a bend of the surface.
        """
        return self._parts(z, *self.samples.query(z, NEIGHBOURS + 1)).empty > 1.0

    def along_surface(self, z: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Unit vectors (n, d): directions (n, d) less what leads off the nearest samples' plane; 0 if all does."""
        near = self.samples.points[self.samples.query(z, NEIGHBOURS + 1)[1]]
        offsets = near - near.mean(axis=1, keepdims=True)
        plane = np.linalg.eigh(np.swapaxes(offsets, 1, 2) @ offsets)[1][:, :, -self._intrinsic :]
        along = (plane @ (np.swapaxes(plane, 1, 2) @ directions[:, :, None]))[:, :, 0]
        length = np.linalg.norm(along, axis=1, keepdims=True)
        return np.divide(along, length, out=np.zeros_like(along), where=length > 0.0)

    def value(self, z: np.ndarray) -> np.ndarray:
        """x float64 (n,) of z (n, d)."""
        return np.maximum(self._parts(z, *self.samples.query(z, NEIGHBOURS + 1)).e / self.free - 1.0, 0.0)

    def value_and_slope(self, z: np.ndarray, free: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """x float64 (n,) of z (n, d) and its derivatives by z float64 (n, d), zero where x is.

        ``free`` (n,) are the levels t; left out, ``self.free``.
        """
        free = np.full(len(z), self.free) if free is None else free
        distances, indices = self.samples.query(z, NEIGHBOURS + 1)
        parts = self._parts(z, distances, indices)
        near, usual, r = self.samples.points[indices], self._usual[indices], parts.usual
        slope = np.zeros_like(z)
        outside = parts.e > free
        if not outside.any():
            return np.zeros(len(z)), slope
        # e de = behind d(behind) + empty d(empty); the effect of each on e, per unit of |z - m|, r and D:
        behind, empty = parts.behind / parts.e, parts.empty / parts.e
        by_away = behind / (self._offset * r)
        by_mean_distance = empty / (self._emptiness * r)
        by_usual = -(behind * parts.behind + empty * (parts.empty + (parts.empty > 0.0) / self._emptiness)) / r
        unit = parts.away / np.maximum(np.linalg.norm(parts.away, axis=1), 1e-300)[:, None]
        # m and r move by Σ d(weight) (theirs - mean), where
        # d(weight) = -4 fall / last² (z - sample - share (z - last sample)) dz / sum of the weights
        effect = ((near + (parts.away - z)[:, None]) @ unit[:, :, None])[:, :, 0] * -by_away[:, None]
        effect += by_usual[:, None] * (usual - r[:, None])
        last = np.maximum(distances[:, -1:], 1e-300)
        share = np.square(distances / last)
        fall = np.maximum(1.0 - share, 0.0)
        pull = effect * (-4.0 * fall / np.square(last)) / (np.square(fall) + 1e-12).sum(axis=1, keepdims=True)
        slope += by_away[:, None] * unit
        slope += pull.sum(axis=1)[:, None] * z - (pull[:, None] @ near)[:, 0]
        slope -= (pull * share).sum(axis=1)[:, None] * (z - near[:, -1])
        # D moves by the mean of the unit vectors from its samples
        towards = 1.0 / np.maximum(distances, 1e-300)
        towards /= towards.shape[1]
        slope += by_mean_distance[:, None] * (towards.sum(axis=1)[:, None] * z - (towards[:, None] @ near)[:, 0])
        x = np.maximum(parts.e / free - 1.0, 0.0)
        return x, slope * (outside / free)[:, None]

    def _parts(self, z: np.ndarray, distances: np.ndarray, indices: np.ndarray) -> _Parts:
        last = np.maximum(distances[:, -1:], 1e-300)
        weights = np.square(np.maximum(1.0 - np.square(distances / last), 0.0)) + 1e-12
        weights /= weights.sum(axis=1, keepdims=True)
        away = z - (weights[:, None] @ self.samples.points[indices])[:, 0]
        usual = (weights * self._usual[indices]).sum(axis=1)
        behind = np.linalg.norm(away, axis=1) / (self._offset * usual)
        empty = np.maximum(distances.mean(axis=1) / usual - 1.0, 0.0) / self._emptiness
        return _Parts(away, usual, behind, empty, np.hypot(behind, empty))


class _Parts(NamedTuple):
    """z - m (n, d); r (n,); the two parts of e and e itself (n,)."""

    away: np.ndarray
    usual: np.ndarray
    behind: np.ndarray
    empty: np.ndarray
    e: np.ndarray


def _edge_offset(q: int) -> float:
    """c = |z - m| / r at a straight edge of evenly spread data of q dimensions.

    There half a ball holds the neighbours, so it is 2^(1/q) wider than usual, and r is q / (q + 1) of the usual ball's
    radius; m is the weighted mean of that half: the mean cosine over a half sphere times a ratio of two beta integrals.
    """
    cosine = gamma(0.5 * q) / (sqrt(pi) * gamma(0.5 * (q + 1)))
    along = _beta(0.5 * (q + 1), 3.0) / _beta(0.5 * q, 3.0)
    return float(2.0 ** (1.0 / q) * cosine * along * (q + 1) / q)


def _beta(a: float, b: float) -> float:
    return gamma(a) * gamma(b) / gamma(a + b)
