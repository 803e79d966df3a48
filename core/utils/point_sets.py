"""What is asked of a set of points in many places: its principal axes, what lies between them, and a few
members spread over them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core.utils.remembered import remembered

_EXACT_DIMENSIONS = 256
_EXTRA, _ITERATIONS = 13, 6  # directions beside those that are sought, and how often they are turned towards them


class PrincipalAxes(NamedTuple):
    """``mean`` float64 (k,); ``variances`` float64 (m,), falling; ``axes`` float64 (k, m), one unit vector a column."""

    mean: np.ndarray
    variances: np.ndarray
    axes: np.ndarray


def principal_axes(points: np.ndarray) -> PrincipalAxes:
    """The principal axes of points (n, k), n of 1 or more: the eigenvectors of their covariance.

    scikit-learn's ``PCA`` gives the same, but its import takes a second, where this is needed before the first image.
    """
    mean = points.mean(axis=0, dtype=np.float64)
    centred = points - mean
    variances, axes = np.linalg.eigh(centred.T @ centred / len(points))  # rising
    return PrincipalAxes(mean, variances[::-1], axes[:, ::-1])


def leading_axes(points: np.ndarray, count: int) -> tuple[PrincipalAxes, float]:
    """The first ``count`` principal axes of points (n, k), and the variance of all.

    In more than 256 dimensions by subspace iteration from random directions (Halko, Martinsson and Tropp, "Finding
    structure with randomness", 2011, algorithm 4.4; the same every time), in float32: seconds for 20,000 points in
    2,048 dimensions become tenths. Where variances differ little, axes are as arbitrary as they are in themselves.
    """
    if points.shape[1] <= _EXACT_DIMENSIONS:
        mean, variances, axes = principal_axes(points)
        return PrincipalAxes(mean, variances[:count], axes[:, :count]), float(variances.sum())
    mean = points.mean(axis=0, dtype=np.float64)
    centred = np.asarray(points, np.float32) - mean.astype(np.float32)
    basis = np.random.default_rng(0).standard_normal((points.shape[1], count + _EXTRA)).astype(np.float32)
    for _ in range(_ITERATIONS):
        basis, _ = np.linalg.qr(centred.T @ (centred @ basis))
    along = (centred @ basis).astype(np.float64)
    variances, turn = np.linalg.eigh(along.T @ along / len(points))  # rising
    axes, _ = np.linalg.qr(basis @ turn[:, ::-1][:, :count])  # orthonormal in float64, too
    total = float(np.square(centred).sum(dtype=np.float64)) / len(points)
    return PrincipalAxes(mean, variances[::-1][:count], axes), total


@remembered
def value_ranges(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The least and the greatest value and the 1st and 99th percentile of points (n, k), n at least 1: (k,) each."""
    low, high = np.quantile(points, (0.01, 0.99), axis=0)
    return points.min(axis=0), points.max(axis=0), low, high


@remembered
def most_central(points: np.ndarray) -> int:
    """Which of points (n, k), n at least 1, is nearest to their mean."""
    return int(((points - points.mean(axis=0)) ** 2).sum(axis=1).argmin())


def interpolated(at: np.ndarray, places: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points float64 (K, k) at the numbers ``at`` (K,), linear between ``points`` (n, k) at rising ``places`` (n,)."""
    return np.stack([np.interp(at, places, column) for column in points.T], axis=1)


def nearest_on_polyline(line: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the polyline through ``line`` (K, d), K of 2 or more, comes nearest to each of ``points`` (n, d): on which
    segment int64 (n,), at which share of it, 0 to 1, and how far away, float64 (n,) each.

    Segments with an end that is not a number are passed over; without any other the distance is NaN.
    """
    along = np.diff(line, axis=0)
    squared = np.maximum(np.einsum("td,td->t", along, along), 1e-300)
    offset = points[:, None] - line[:-1]
    share = np.clip(np.einsum("ntd,td->nt", offset, along) / squared, 0.0, 1.0)
    distance = np.linalg.norm(offset - share[:, :, None] * along, axis=2)
    best = np.where(np.isnan(distance), np.inf, distance).argmin(axis=1)
    every = np.arange(len(points))
    return best, share[every, best], distance[every, best]


def farthest_points(points: np.ndarray, count: int, first: int | None = None) -> np.ndarray:
    """Indices int64 of ``count`` of points (n, k), or of all, each the farthest from those before it.

    Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985. The ``first``
    one is the farthest from their mean where none is given. Of points that coincide, each is chosen once.
    """
    chosen = np.empty(min(count, len(points)), dtype=np.int64)
    if first is None:
        first = int(np.square(points - points.mean(axis=0)).sum(axis=1).argmax())
    distance = np.full(len(points), np.inf)
    for i in range(len(chosen)):
        chosen[i] = distance.argmax() if i else first
        offsets = points - points[chosen[i]]
        np.minimum(distance, np.einsum("nk,nk->n", offsets, offsets), out=distance)
        distance[chosen[i]] = -1.0
    return chosen
