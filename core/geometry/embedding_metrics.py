"""Numbers that say what a cloud is like: its intrinsic dimension, and whether two clouds have the same neighbours.

All take plain arrays; numpy at import, scipy at first use, no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from core.geometry.local_fit import GeometryError, Neighbourhoods, check_points

_CHUNK_ROWS = 512
_BOOTSTRAPS = 200
_DISCARDED = 0.1  # of TwoNN's ratios, the largest
_SCALES = (1, 2, 4, 8, 16)
_SCALED = 2000  # samples by which k is chosen
_STEADY = 0.15  # of a logarithm, by which the dimensions of one scale and the next may differ
_LEAP = 0.35  # a dimension that no cloud has: the ratio leaps from a clump of near-copies to the next one


ACTIVE_SIGNAL = 0.1
"""A latent dimension with less signal than this tells no images apart: less than 0.07 bits of each."""


def latent_signal(mu: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """The variance of the means ``mu`` (n, d) over the samples, in units of the posterior ``variance`` (d,): (d,).

    What a Gaussian channel calls signal to noise. Burda, Grosse and Salakhutdinov (2016, "Importance weighted
    autoencoders", section 5.2) count a unit as active by the variance alone, above 0.01, for a prior of variance 1,
    which is the posterior's where nothing is encoded; with a constant σ the cloud has a scale of its own.
    """
    return np.asarray(mu, np.float64).var(axis=0) / np.maximum(np.asarray(variance, np.float64), 1e-300)


class Dimension(NamedTuple):
    """An intrinsic dimension and its 95 % bootstrap interval.

    The bootstrap draws blocks of neighbouring points, since near points share near neighbours: single points would give
    an interval a fifth too narrow. It says nothing of the bias downwards that a cloud's rim brings (3 % in a cube of
    2000 points).
    """

    dimension: float
    low: float
    high: float


def two_nn(points: np.ndarray | Neighbourhoods) -> Dimension:
    """Intrinsic dimension from the ratio μ = r₂/r₁ of each point's two nearest distances.

    The slope through the origin of -log(1 - F) on log μ, F the empirical distribution; the largest tenth of the ratios,
    where F is least certain, are left out. Facco, d'Errico, Rodriguez and Laio, "Estimating the intrinsic dimension of
    datasets by a minimal neighborhood information", Scientific Reports 7 (2017). Points that coincide are counted once;
    at least 10 distinct ones are needed.

    Points on a lattice, as factors with few values make them, or in clumps of near-copies have nearest neighbours that
    say nothing of the cloud. So clumps count as one point (``without_copies``), and where the two nearest tell another
    dimension than more of them, the ratio r₄ₖ/rₖ of a larger k is taken (``steady_scale``).
    """
    samples = without_copies(_distinct(points, 10))
    scale = steady_scale(samples)
    log_ratio = _log_ratios(samples, scale)
    value = _slope(log_ratio, scale)
    if not np.isfinite(value):
        raise GeometryError("every point's nearest distances are equal: their ratios give no dimension.")
    return _with_interval(value, [_slope(log_ratio[chosen], scale) for chosen in _resamples(samples.points)])


def without_copies(samples: Neighbourhoods) -> Neighbourhoods:
    """One sample of each clump of near-copies; all where there are none.

    There are clumps if the k-th and the 2k-th neighbour are so far apart that no cloud has such a dimension; they end
    in the middle between the two.
    """
    members = _spread_members(samples)
    for k in _SCALES[1:]:
        if 2 * k >= len(samples):
            break
        distances, _ = samples.of_samples(2 * k, members)
        near, far = distances[:, k - 1], distances[:, 2 * k - 1]
        inside = near > 0.0
        if inside.any() and _expected(k, 2 * k) < _LEAP * float(np.log(far[inside] / near[inside]).mean()):
            from scipy.sparse.csgraph import connected_components
            from scipy.spatial import KDTree

            reach = float(np.exp(0.5 * (np.log(near[inside]).mean() + np.log(far[inside]).mean())))
            tree = KDTree(samples.points)
            _, clump = connected_components(tree.sparse_distance_matrix(tree, reach))
            _, first = np.unique(clump, return_index=True)
            return Neighbourhoods(samples.points[first]) if len(first) >= 10 else samples
    return samples


def steady_scale(samples: Neighbourhoods) -> int:
    """The smallest k of 1, 2, 4, 8, 16 that tells the same dimension as the next; else that which differs least.

    Dimensions by r₂/r₁ for k = 1, by r₄ₖ/rₖ for others. On a lattice the first are those of its steps: near 1, which
    looks like many dimensions.
    """
    scales = [k for k in _SCALES if 16 * k <= len(samples)]
    if not scales:
        return 1
    members = _spread_members(samples)
    dimensions = [_slope(_log_ratios(samples, k, members), k) for k in scales]
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.abs(np.diff(np.log(dimensions)))
    change[~np.isfinite(change)] = np.inf
    if not len(change):
        return 1
    chance = np.where(np.arange(len(change)) == 0, 2.0 / np.sqrt(len(members)), 0.0)  # two distances scatter most
    steady = np.flatnonzero(change <= _STEADY + chance)
    return scales[int(steady[0] if len(steady) else change.argmin())]


def _spread_members(samples: Neighbourhoods) -> np.ndarray:
    return np.arange(0, len(samples), max(1, len(samples) // _SCALED))


def _log_ratios(samples: Neighbourhoods, scale: int, members: np.ndarray | None = None) -> np.ndarray:
    """float64 (n,) of the samples, or of ``members``: log r₂/r₁ for a ``scale`` of 1, else log r₄ₖ/rₖ.

    Those whose k nearest coincide with them have none.
    """
    outer = 2 if scale == 1 else 4 * scale
    distances, _ = samples.of_samples(outer, members)
    apart = distances[:, scale - 1] > 0.0
    return np.log(distances[apart, outer - 1] / distances[apart, scale - 1])


def _slope(log_ratio: np.ndarray, scale: int) -> float:
    """The dimension that log ratios float64 (N,) of a ``scale`` tell; infinite if all are 0.

    For 1 it is TwoNN's (``two_nn``). Else the mean's: its expectation is (ψ(4k) - ψ(k)) / d, see Denti, Doimo, Laio and
    Mira, "The generalized ratios intrinsic dimension estimator", Scientific Reports 12 (2022).
    """
    if scale == 1 and len(log_ratio) >= 2:
        count = len(log_ratio)
        x = np.sort(log_ratio)[: max(2, int(count * (1.0 - _DISCARDED)))]
        y = -np.log1p(-np.arange(1, len(x) + 1) / (count + 1))
        squared = float(x @ x)
        return float(x @ y) / squared if squared > 0.0 else np.inf
    mean = float(log_ratio.mean()) if len(log_ratio) else 0.0
    return _expected(scale, 4 * scale) / mean if mean > 0.0 else np.inf


def _expected(inner: int, outer: int) -> float:
    """The mean of log(r_outer / r_inner) in one dimension."""
    return float(np.sum(1.0 / np.arange(inner, outer)))


def intrinsic_dimension(samples: Neighbourhoods, most: int) -> int:
    """The dimension of the samples' surface, 1 to ``most``: TwoNN over at most 1000 of them, rounded.

    2 where fewer than 50 differ, which cannot tell. Lattices and near-copies do not mislead it, see ``two_nn``.
    It is no more than the directions in which a neighbourhood spreads: noise as wide as that fools TwoNN.
    """
    most = min(most, samples.dim)
    if len(samples) < 3 or not np.ptp(samples.points, axis=0).any():
        return min(2, most)
    told = without_copies(samples)
    nearest = 2.0
    if len(told) >= 50:
        scale = steady_scale(told)
        nearest = _slope(_log_ratios(told, scale, np.arange(0, len(told), max(1, len(told) // 1000))), scale)
    return int(np.clip(round(min(nearest, 1e3)), 1, min(most, _wide_directions(told))))


def _wide_directions(samples: Neighbourhoods) -> int:
    """Directions in which a neighbourhood spreads at least a fifth as much, in variance, as in its widest: a median."""
    members = np.arange(0, len(samples), max(1, len(samples) // 160))
    _, indices = samples.of_samples(min(64, max(len(samples) // 8, 2 * samples.dim)), members)
    near = samples.points[indices]
    offsets = near - near.mean(axis=1, keepdims=True)
    turned = np.swapaxes(offsets, 1, 2)
    # Both products have the same variances but for zeros: the smaller one.
    variances = np.linalg.eigvalsh(turned @ offsets if near.shape[2] < near.shape[1] else offsets @ turned)
    # A half disc, at a straight edge, is 0.28 as wide across as along.
    return max(1, int(np.median((variances >= 0.2 * variances[:, -1:]).sum(axis=1))))


def levina_bickel(points: np.ndarray, neighbours: int = 20) -> Dimension:
    """Maximum-likelihood intrinsic dimension of points (N, d) from each point's ``neighbours`` ≥ 3 nearest.

    Levina and Bickel, "Maximum likelihood estimation of intrinsic dimension", NIPS 2004, with MacKay and Ghahramani's
    correction: the points' *inverses* are averaged. Points that coincide are counted once.
    """
    samples = _distinct(points, neighbours + 1)
    distances, _ = samples.of_samples(neighbours)
    # Given the k-th distance the k - 1 logarithms are exponential with mean 1/dimension: their mean is unbiased.
    inverse = np.log(distances[:, -1:] / distances[:, :-1]).sum(axis=1) / (neighbours - 1)
    drawn = [float(inverse[chosen].mean()) for chosen in _resamples(samples.points, 2 * neighbours)]
    mean = float(inverse.mean())
    if mean <= 0.0 or min(drawn) <= 0.0:
        raise GeometryError("every point's nearest distances are equal (a lattice?): their ratios give no dimension.")
    return _with_interval(1.0 / mean, [1.0 / value for value in drawn])


def _resamples(points: np.ndarray, size: int = 12) -> Iterator[np.ndarray]:
    """Indices of bootstrap samples of points (N, d), drawn by blocks of at most ``size`` neighbouring ones."""
    blocks = _blocks(points, np.arange(len(points)), size)
    generator = np.random.default_rng(0)
    for _ in range(_BOOTSTRAPS):
        yield np.concatenate([blocks[i] for i in generator.integers(len(blocks), size=len(blocks))])


def _blocks(points: np.ndarray, members: np.ndarray, size: int) -> list[np.ndarray]:
    """``members`` halved along their widest dimension until none has more than ``size``."""
    if len(members) <= size:
        return [members]
    inside = points[members]
    axis = int(np.ptp(inside, axis=0).argmax())
    half = len(members) // 2
    order = np.argpartition(inside[:, axis], half)
    return _blocks(points, members[order[:half]], size) + _blocks(points, members[order[half:]], size)


def _with_interval(value: float, drawn: list[float]) -> Dimension:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Dimension(value, float(low), float(high))


def _distinct(points: np.ndarray | Neighbourhoods, least: int) -> Neighbourhoods:
    samples = points if isinstance(points, Neighbourhoods) else Neighbourhoods(points)
    distinct = np.unique(samples.points, axis=0)
    if len(distinct) < least:
        raise GeometryError(f"there are {len(distinct)} distinct points; {least} or more are needed.")
    return samples if len(distinct) == len(samples) else Neighbourhoods(distinct)


def trustworthiness(x: np.ndarray, y: np.ndarray, neighbours: int = 12) -> float:
    """Whether the neighbours in y (N, e) are neighbours in x (N, d) too: 1 if all are, about 0.5 if by chance.

    1 - 2 / (N k (2N - 3k - 1)) · Σᵢ Σⱼ (r(i, j) - k), over the points j among the k nearest of i in y but not in x; r
    is j's rank by distance from i in x. Venna and Kaski, "Neighborhood preservation in nonlinear projection methods",
    ICANN 2001. Exact for any N: distances are held for 512 points at a time. (scikit-learn's takes ten times as long
    for 5000 points, 2.1 s against 0.2 s, and memory for N² distances.) Swap x and y for continuity.
    """
    x, y = check_points(x, "x"), check_points(y, "y")
    count = len(x)
    if not 1 <= neighbours < count / 2:
        raise GeometryError(f"neighbours is {neighbours}; it must be 1 or more, and less than half of {count} points.")
    from scipy.spatial.distance import cdist

    _, near_x = Neighbourhoods(x).of_samples(neighbours)
    _, near_y = Neighbourhoods(y).of_samples(neighbours)
    penalty = 0
    for start in range(0, count, _CHUNK_ROWS):
        part = slice(start, start + _CHUNK_ROWS)
        intruder = ~(near_y[part, :, None] == near_x[part, None, :]).any(axis=2)
        rows = np.flatnonzero(intruder.any(axis=1))
        for row, distances in zip(rows, cdist(x[start + rows], x), strict=True):
            away = distances[near_y[start + row, intruder[row]]]
            # The point itself, at distance 0, counts as one nearer: that makes the count a rank from 1.
            ranks = (distances[None, :] < away[:, None]).sum(axis=1)
            penalty += int(np.maximum(ranks - neighbours, 0).sum())
    return 1.0 - 2.0 * penalty / (count * neighbours * (2.0 * count - 3.0 * neighbours - 1.0))
