"""The data's surface in latent space: neighbours, local fits, projection onto it.

The means of a VAE lie on or near a surface of few dimensions. Everything here asks the samples near a place what that
surface is like there; no network is needed, so it answers within milliseconds. numpy at import, scipy at first use.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

DEFAULT_NEIGHBOURS = 24

# scikit-learn's NearestNeighbors takes 0.3 ms for one place where this takes 0.02 (5000 samples in 3 dimensions), and
# 1.5 times as long for a curve's 33 places.
_TREE_MAX_DIM = 10  # above it a kd-tree visits nearly every leaf, and one matrix product is faster
_CHUNK_VALUES = 1 << 22  # distances held at once by the matrix product: 32 MiB
_MANY_DISTANCES = 30_000_000  # from here on scikit-learn's chunked search earns its import of a second: 7 times faster
_COMPARED = 32  # neighbours of each sample that are kept: detector, graph and penalty ask for 8, 10, 17 and 32
_INNER_NEIGHBOURS = 10  # of the first plane, which decides which sheet a place belongs to


class GeometryError(ValueError):
    """Points, labels, ends or strokes of which nothing can be computed; the message says what is wanted."""


class Neighbourhoods:
    """Nearest neighbours among fixed samples. ``points`` float64 (N, d), N ≥ 1, all finite; ``dim`` is d."""

    def __init__(self, points: np.ndarray) -> None:
        self.points = check_points(points)
        self.dim = self.points.shape[1]

    def __len__(self) -> int:
        return len(self.points)

    @cached_property
    def _tree(self) -> Any:
        return kd_tree(self.points)

    def query(self, z: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Distances float64 (Q, k) and indices int64 (Q, k) of the k nearest samples of z (Q, d), nearest first.

        k is cut to the number of samples.
        """
        z = check_points(z, "z", self.dim)
        k = min(max(int(k), 1), len(self))
        if self.dim > _TREE_MAX_DIM:
            return self._by_product(z, k)
        distances, indices = self._tree.query(z, k=np.arange(1, k + 1))
        return distances, indices.astype(np.int64, copy=False)

    @cached_property
    def _expanded(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The points' centre, the points about it (near the origin |p|² - 2 p·z loses fewer digits), and their |p|²."""
        centre = self.points.mean(axis=0)
        shifted = self.points - centre
        return centre, shifted, np.einsum("nd,nd->n", shifted, shifted)

    def _by_product(self, z: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """k nearest of z (Q, d) from |p|² - 2 p·z; distances are then recomputed exactly."""
        centre, shifted, norms = self._expanded
        if len(shifted) * len(z) > _MANY_DISTANCES:
            from sklearn.neighbors import NearestNeighbors

            search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(shifted)
            distances, indices = search.kneighbors(z - centre)
            return distances, indices.astype(np.int64, copy=False)
        distances, indices = np.empty((len(z), k)), np.empty((len(z), k), dtype=np.int64)
        step = max(1, _CHUNK_VALUES // max(len(shifted), k * self.dim))
        for start in range(0, len(z), step):
            part = z[start : start + step] - centre
            rough = norms - 2.0 * (part @ shifted.T)
            chosen = np.argpartition(rough, k - 1, axis=1)[:, :k]
            exact = np.linalg.norm(part[:, None] - shifted[chosen], axis=2)
            order = np.argsort(exact, axis=1, kind="stable")
            distances[start : start + step] = np.take_along_axis(exact, order, axis=1)
            indices[start : start + step] = np.take_along_axis(chosen, order, axis=1)
        return distances, indices

    def of_samples(self, k: int, members: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The same for every sample, or the ``members`` int (M,), without itself: (N, k) or (M, k), k at most N - 1."""
        k = min(k, len(self) - 1)
        if self.dim > _TREE_MAX_DIM and k <= _COMPARED:
            chosen = slice(None) if members is None else members
            return self._compared[0][chosen, :k], self._compared[1][chosen, :k]
        return self._of_samples(k, np.arange(len(self)) if members is None else np.asarray(members))

    @cached_property
    def _compared(self) -> tuple[np.ndarray, np.ndarray]:
        """All samples compared with all, once: in many dimensions that is what takes the time, whatever k is."""
        return self._of_samples(min(_COMPARED, len(self) - 1), np.arange(len(self)))

    def _of_samples(self, k: int, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        distances, indices = self.query(self.points[members], k + 1)
        own = indices == members[:, None]
        # Among samples that coincide a sample may be missing from its own list: then the farthest is dropped.
        own[~own.any(axis=1), -1] = True
        return distances[~own].reshape(len(members), k), indices[~own].reshape(len(members), k)


def kd_tree(points: np.ndarray) -> Any:
    """A scipy ``KDTree`` of points (N, d), built the quick way: 25 ms for 10⁵ points in three dimensions."""
    from scipy.spatial import KDTree

    return KDTree(points, balanced_tree=False, compact_nodes=False)


# Projection -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LocalFit:
    """The surface at Q places: one weighted quadratic fit gives all of it.

    ``surface`` float64 (Q, d) the places on it; ``tangent`` float64 (Q, d, q) an orthonormal basis; ``labels`` float64
    (Q, F) the samples' labels there; ``gradient`` float64 (Q, F, q), their derivatives along the tangent basis;
    ``radius`` float64 (Q,), distance to the farthest neighbour that took part.
    """

    surface: np.ndarray
    tangent: np.ndarray
    labels: np.ndarray
    gradient: np.ndarray
    radius: np.ndarray


def project(
    samples: Neighbourhoods,
    z: np.ndarray,
    neighbours: int = DEFAULT_NEIGHBOURS,
    intrinsic: int = 2,
    labels: np.ndarray | None = None,
    iterations: int = 10,
) -> LocalFit:
    """Moving-least-squares projection of z (Q, d) onto the surface of the samples.

    Around each place: a weighted plane of ``intrinsic`` dimensions (local PCA; Levin, "Mesh-independent surface
    interpolation", 2003), then over it a weighted quadratic of all coordinates and ``labels`` (N, F) at once. The
    place moves along the normal onto the quadratic, and this repeats until it rests, so projecting again changes
    nothing. A plane is reproduced exactly, a smooth surface to O(h³) of the neighbourhood's radius h. Weights vanish
    at the farthest neighbour, so the result is continuous in z. Samples of another sheet close by, which lie off the
    plane of the nearest ones, have no weight.

    With fewer samples than a quadratic needs, the fit is linear, then a mean. If ``intrinsic`` ≥ d there is no normal:
    z stays, and the labels are fitted.
    """
    z = check_points(z, "z", samples.dim)
    intrinsic = int(min(max(intrinsic, 1), samples.dim))
    table = np.zeros((len(samples), 0)) if labels is None else np.asarray(labels, dtype=np.float64)
    if table.ndim != 2 or len(table) != len(samples) or not np.isfinite(table).all():
        raise GeometryError(f"labels have shape {table.shape}; they must be finite numbers ({len(samples)}, F).")
    fit = _fit_once(samples, z, neighbours, intrinsic, table)
    for _ in range(iterations if intrinsic < samples.dim else 0):
        before = fit.surface
        fit = _fit_once(samples, before, neighbours, intrinsic, table)
        moved = np.linalg.norm(fit.surface - before, axis=1)
        if np.all(moved <= 1e-7 * fit.radius):
            break
    return fit


@dataclass(frozen=True, eq=False)
class LocalModel:
    """Q local quadratics, each over its own plane: the surface and the labels as functions of plane coordinates u.

    ``centre`` float64 (Q, d) and ``plane`` float64 (Q, d, q), orthonormal; u = planeᵀ (z - centre) / ``scale`` (Q,).
    ``coefficients`` float64 (Q, B, d + F) of the monomials of u up to ``order``, for the offset from the centre, then
    the labels. ``distances`` and ``indices`` (Q, k): the samples that took part; their weights vanish at ``radius``.
    """

    centre: np.ndarray
    plane: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    order: int
    distances: np.ndarray
    indices: np.ndarray
    radius: np.ndarray

    def coordinates(self, z: np.ndarray) -> np.ndarray:
        """u (Q, q) of the feet of z (Q, d) on the planes."""
        return (np.swapaxes(self.plane, 1, 2) @ (z - self.centre)[:, :, None])[:, :, 0] / self.scale[:, None]

    def evaluate(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The surface (Q, d) and the labels (Q, F) at u (Q, q)."""
        values, d = (_monomials(u, self.order)[:, None] @ self.coefficients)[:, 0], self.centre.shape[1]
        return self.centre + values[:, :d], values[:, d:]

    def slopes(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Their derivatives (Q, d, q) and (Q, F, q) by u."""
        slopes, d = np.swapaxes(self.coefficients, 1, 2) @ _monomial_slopes(u, self.order), self.centre.shape[1]
        return slopes[:, :d], slopes[:, d:]


def local_model(points: np.ndarray, nearest: tuple[np.ndarray, np.ndarray], q: int, table: np.ndarray) -> LocalModel:
    """The quadratics, of q dimensions, over the ``nearest`` distances and indices (Q, k + 1) of points (N, d).

    ``table`` float64 (N, F) are labels. The last neighbour only says where the weights vanish.
    """
    distances, indices = nearest
    radius = distances[:, -1]
    if distances.shape[1] > 1:
        indices, distances = indices[:, :-1], distances[:, :-1]
    near = points[indices]
    scale = np.where(radius > 0.0, radius, 1.0)
    centre, plane, weights = _plane(near, distances, scale, q)
    offsets = near - centre[:, None]
    # Coordinates on the plane in units of the radius keep the normal equations well scaled.
    u = (offsets @ plane) / scale[:, None, None]
    # 2 where the neighbours overdetermine a quadratic, 1 where they do a plane, else 0: the mean.
    count = indices.shape[1]
    order = 2 if count >= 1.5 * (1 + q + q * (q + 1) // 2) else int(count >= q + 2)
    targets = np.concatenate([offsets, table[indices]], axis=2)
    coefficients = _weighted_fit(_monomials(u, order), weights, targets, 1 + q if order else 1)
    return LocalModel(centre, plane, scale, coefficients, order, distances, indices, radius)


def _fit_once(samples: Neighbourhoods, x: np.ndarray, k: int, q: int, table: np.ndarray) -> LocalFit:
    model = local_model(samples.points, samples.query(x, k + 1), q, table)
    u = model.coordinates(x)
    surface, labels = model.evaluate(u)
    slopes, label_slopes = (by_u / model.scale[:, None, None] for by_u in model.slopes(u))
    tangent, stretch = _orthonormal(slopes, model.plane)
    # Slopes per plane coordinate become slopes per unit of length along the surface.
    gradient = np.linalg.solve(np.swapaxes(stretch, 1, 2), np.swapaxes(label_slopes, 1, 2)).swapaxes(1, 2)
    return LocalFit(x.copy() if q >= samples.dim else surface, tangent, labels, gradient, model.radius)


def _plane(near: np.ndarray, distances: np.ndarray, scale: np.ndarray, q: int) -> tuple[np.ndarray, ...]:
    """Centre (Q, d), basis (Q, d, q) and weights (Q, k) of the neighbours that belong to one sheet."""
    inner = min(_INNER_NEIGHBOURS, distances.shape[1] - 1)
    inner_scale = np.maximum(distances[:, inner], 1e-12 * scale)
    centre, basis = _weighted_pca(near, _bump(distances / inner_scale[:, None]), q)
    offsets = near - centre[:, None]
    along = offsets @ basis
    off_plane = np.sqrt(np.maximum(np.square(offsets).sum(2) - np.square(along).sum(2), 0.0))
    # A sheet bends away from its plane by r²/2R; half the radius is beyond any surface this fit can follow.
    weights = _bump(distances / scale[:, None]) * _bump(off_plane / (0.5 * scale[:, None]))
    return *_weighted_pca(near, weights, q), weights


def _bump(r: np.ndarray) -> np.ndarray:
    """A weight that is 1 at 0 and falls smoothly to 0 at 1; a tiny floor keeps a lone neighbour usable."""
    return np.maximum(1.0 - r * r, 0.0) ** 3 + 1e-12


def _weighted_pca(near: np.ndarray, weights: np.ndarray, q: int) -> tuple[np.ndarray, np.ndarray]:
    share = weights / weights.sum(axis=1, keepdims=True)
    centre = (share[:, None, :] @ near)[:, 0]
    offsets = near - centre[:, None]
    if offsets.shape[2] > 2 * offsets.shape[1] > 2 * q:  # many dimensions, fewer neighbours: their Gram matrix is small
        rows = offsets * np.sqrt(share)[:, :, None]
        _, vectors = np.linalg.eigh(rows @ np.swapaxes(rows, 1, 2))
        plane, _ = np.linalg.qr(np.swapaxes(rows, 1, 2) @ vectors[:, :, ::-1][:, :, :q])
        return centre, plane
    covariance = np.swapaxes(offsets * share[:, :, None], 1, 2) @ offsets
    _, vectors = np.linalg.eigh(covariance)
    return centre, vectors[:, :, ::-1][:, :, :q]


@lru_cache(maxsize=64)
def _pairs(q: int) -> tuple[np.ndarray, np.ndarray]:
    """All i ≤ j < q. Kept, like ``unit``, for a curve asks a thousand times, and numpy makes them in 20 µs."""
    return np.triu_indices(q)


@lru_cache(maxsize=64)
def unit(q: int) -> np.ndarray:
    """The unit matrix (q, q), not to be written to."""
    made = np.eye(q)
    made.setflags(write=False)
    return made


def _monomials(t: np.ndarray, order: int) -> np.ndarray:
    """1, tᵢ, tᵢtⱼ (i ≤ j) of t (…, q), up to ``order``: (…, B)."""
    parts = [np.ones((*t.shape[:-1], 1))]
    if order >= 1:
        parts.append(t)
    if order >= 2:
        i, j = _pairs(t.shape[-1])
        parts.append(t[..., i] * t[..., j])
    return np.concatenate(parts, axis=-1)


def _monomial_slopes(t: np.ndarray, order: int) -> np.ndarray:
    """Derivatives of the monomials at t (Q, q): (Q, B, q)."""
    count, q = t.shape
    parts = [np.zeros((count, 1, q))]
    if order >= 1:
        parts.append(np.broadcast_to(unit(q), (count, q, q)))
    if order >= 2:
        i, j = _pairs(q)
        parts.append(t[:, i, None] * unit(q)[j] + t[:, j, None] * unit(q)[i])
    return np.concatenate(parts, axis=1)


def _weighted_fit(basis: np.ndarray, weights: np.ndarray, targets: np.ndarray, linear: int) -> np.ndarray:
    """Weighted least squares, (Q, B, F): basis (Q, k, B), weights (Q, k), targets (Q, k, F).

    Only the quadratic terms are damped (by 1e-6 of the weights): where the neighbours do not determine a bend there
    is none, and linear functions are still reproduced exactly.
    """
    weighted = basis * weights[:, :, None]
    weighted = np.swapaxes(weighted, 1, 2)
    normal = weighted @ basis
    damping = np.full(basis.shape[2], 1e-12)
    damping[linear:] = 1e-6
    diagonal = np.arange(basis.shape[2])
    normal[:, diagonal, diagonal] += damping * weights.sum(axis=1)[:, None]
    return np.linalg.solve(normal, weighted @ targets)


def _orthonormal(slopes: np.ndarray, plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Basis (Q, d, q) of the columns of slopes (Q, d, q) and R (Q, q, q) with slopes = basis · R."""
    basis, stretch = np.linalg.qr(slopes)
    size = np.abs(np.diagonal(stretch, axis1=1, axis2=2))
    flat = size.min(axis=1) <= 1e-9 * np.maximum(size.max(axis=1), 1e-300)
    if flat.any():  # a mean (order 0) or coinciding samples have no slope: the plane stands in
        basis[flat] = plane[flat]
        stretch[flat] = np.eye(stretch.shape[1])
    return basis, stretch


def check_points(points: np.ndarray, name: str = "points", dim: int | None = None) -> np.ndarray:
    """points as float64 (N, d), one or more, all finite, of ``dim`` dimensions where given; else ``GeometryError``."""
    array = np.asarray(points, dtype=np.float64)
    wanted = "(N, d)" if dim is None else f"(N, {dim})"
    if array.ndim != 2 or 0 in array.shape or (dim is not None and array.shape[1] != dim):
        raise GeometryError(f"{name} have shape {array.shape}; they must be {wanted} with N of 1 or more.")
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise GeometryError(f"{name} hold a number that is not finite, in row {row}.")
    return array


def check_place(place: object, name: str, dim: int) -> np.ndarray:
    """``place``, called ``name``, as float64 (dim,), all finite; else ``GeometryError``."""
    try:
        array = np.asarray(place, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.shape != (dim,) or not np.isfinite(array).all():
        raise GeometryError(f"{name} is {place!r}; it must be {dim} finite numbers.")
    return array
