"""The cloud while it trains, for a few per cent of the training's time.

Encoding thousands of images every second would cost more than is fair, but the encoder is a smooth function of the
image. So a few dozen landmarks, spread evenly over the samples, are encoded, and the other means are interpolated: the
last exact ones, displaced by a spline through the landmarks' displacements (polyharmonic, kernel r, with an affine
part; Duchon 1977). The spline's coordinates are what the images look like (principal components of small thumbnails)
and the last exact means themselves, so it works from the first step on, and nothing accumulates.

Measured on the punctured curves (128 px), error relative to the cloud's size with 96 landmarks: 0.16 within the first
100 steps, 0.05 at the end of the first epoch, 0.02 from the third on; carrying the samples along from look to look by
their latent neighbours instead went astray by half its size.
"""

from __future__ import annotations

import numpy as np

FEATURE_SIZE = 16
"""Side of the thumbnails that say which samples look alike."""
MAX_FEATURES = 12
MAX_BASE = 6
_RIDGE = 1e-3
_CHUNK = 4096


class LiveEmbedding:
    """Means of n samples from those of a few landmarks.

    ``thumbnails`` uint8 (n, S, S, C) with S a multiple of 16. Deterministic.
    """

    def __init__(self, thumbnails: np.ndarray, dimension: int) -> None:
        self._features = principal_components(_pooled(thumbnails), MAX_FEATURES)
        self._base = np.zeros((len(thumbnails), dimension), np.float32)
        self._landmarks = np.empty(0, np.int64)
        self._weights = np.empty((len(thumbnails), 0), np.float32)

    def rebase(self, mu: np.ndarray) -> None:
        """mu float32 (n, d) are the exact means now. New landmarks are chosen at the next look."""
        self._base = mu
        self._landmarks = np.empty(0, np.int64)

    def landmarks(self, count: int) -> np.ndarray:
        """Places int64 (k,) of k = min(count, n) landmarks, the same until ``rebase`` or another ``count``."""
        count = min(count, len(self._features))
        if len(self._landmarks) != count:
            coordinates = self._coordinates(count)
            self._landmarks = spread(coordinates, count)
            self._weights = spline_weights(coordinates, self._landmarks)
        return self._landmarks

    def predict(self, mu: np.ndarray) -> np.ndarray:
        """All means float32 (n, d), given those of the last ``landmarks``, mu (k, d); these come out as they are."""
        places = self._landmarks
        moved = np.asarray(mu - self._base[places], dtype=np.float32)
        found = self._base + self._weights @ moved
        found[places] = mu
        return found

    def _coordinates(self, count: int) -> np.ndarray:
        """(n, c) coordinates, few enough for ``count`` landmarks; features and base weigh the same."""
        parts = [_unit_scale(self._features[:, : int(np.clip(count // 6, 1, MAX_FEATURES))])]
        if self._base.any():
            parts.append(_unit_scale(principal_components(self._base, int(np.clip(count // 12, 1, MAX_BASE)))))
        return np.concatenate(parts, axis=1)


def principal_components(x: np.ndarray, count: int) -> np.ndarray:
    """x (n, k) in its first ``count`` principal directions: float64 (n, min(count, k))."""
    centred = np.asarray(x, dtype=np.float64) - x.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)  # rising eigenvalues
    return centred @ directions[:, ::-1][:, :count]


def spread(points: np.ndarray, count: int) -> np.ndarray:
    """Indices int64 (count,) of points (n, c), each the farthest from all before (Gonzalez 1985)."""
    chosen = np.empty(count, np.int64)
    distances = ((points - points.mean(axis=0)) ** 2).sum(axis=1)
    for i in range(count):
        chosen[i] = distances.argmax()
        from_chosen = ((points - points[chosen[i]]) ** 2).sum(axis=1)
        distances = from_chosen if i == 0 else np.minimum(distances, from_chosen)
        distances[chosen[i]] = -1.0  # among points that coincide, each is chosen once
    return chosen


def spline_weights(points: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """float32 (n, k) with which values at the ``landmarks`` (k,) of points (n, c) are interpolated at all points.

    Reproduces affine functions (constant ones if there are too few landmarks for that); a small ridge keeps landmarks
    that nearly coincide from shouting at each other.
    """
    knots = points[landmarks]
    count = len(knots)
    affine = count >= 2 * (points.shape[1] + 1)

    def rows(x: np.ndarray) -> np.ndarray:
        squared = (x**2).sum(axis=1)[:, None] + (knots**2).sum(axis=1) - 2.0 * x @ knots.T
        parts = [-np.sqrt(np.maximum(squared, 0.0)), np.ones((len(x), 1))]
        return np.concatenate([*parts, x] if affine else parts, axis=1)

    upper = rows(knots)
    upper[:, :count] += _RIDGE * np.eye(count)
    polynomial = upper[:, count:]
    system = np.block([[upper], [polynomial.T, np.zeros((polynomial.shape[1],) * 2)]])
    inverse = np.linalg.pinv(system)[:, :count]  # symmetric; pinv: points on a line leave the affine part undetermined
    weights = np.empty((len(points), count), np.float32)
    for start in range(0, len(points), _CHUNK):
        weights[start : start + _CHUNK] = rows(points[start : start + _CHUNK]) @ inverse
    return weights


def _pooled(thumbnails: np.ndarray) -> np.ndarray:
    """Block means of the thumbnails, float32 (n, 16 x 16 x C) in [0, 1]."""
    count, side, _, channels = thumbnails.shape
    block = side // FEATURE_SIZE
    shape = (count, FEATURE_SIZE, block, FEATURE_SIZE, block, channels)
    return (thumbnails.reshape(shape).mean(axis=(2, 4), dtype=np.float32) / 255.0).reshape(count, -1)


def _unit_scale(x: np.ndarray) -> np.ndarray:
    size = float(x.std())
    return x / size if size > 0.0 else x
