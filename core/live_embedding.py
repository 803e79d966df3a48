"""The cloud while it trains, for a few per cent of the training's time.

Encoding thousands of images every second would cost more than the training itself. But each training step computes
the means of its own batch anyway, and the encoder changes smoothly: between two looks, neighbouring samples move
alike. So the samples measured since the last look give a displacement field (an affine map, fitted, and what it leaves
over, averaged over the nearest measured samples), and the others are carried along with it until their turn comes.
A sample that was never measured yet is placed among those that look like it.
"""

from __future__ import annotations

import numpy as np

NEIGHBOURS = 8
REFERENCES = 1024
"""Most measured samples among which one that was never measured is placed."""
_RIDGE = 1e-4


class LiveEmbedding:
    """Means of n samples in d dimensions, measured bit by bit.

    ``features`` float32 (n, k) says which samples look alike (small thumbnails). ``carry`` is called at each look.
    """

    def __init__(self, features: np.ndarray, dimension: int, seed: int = 0) -> None:
        count = len(features)
        self._features = np.ascontiguousarray(features, dtype=np.float32)
        self._generator = np.random.default_rng(seed)
        self._mu = np.zeros((count, dimension), np.float32)
        self._known = np.zeros(count, bool)
        self._measured = np.zeros((count, dimension), np.float32)
        self._fresh = np.zeros(count, bool)
        self._age = np.full(count, np.iinfo(np.int64).max // 2, np.int64)
        self._exact = np.zeros(count, bool)
        self._look_alikes: tuple[int, np.ndarray] | None = None

    @property
    def started(self) -> bool:
        """Whether anything was measured."""
        return bool(self._known.any() or self._fresh.any())

    @property
    def exact(self) -> bool:
        """Whether every sample was measured since the weights last changed."""
        return bool(self._exact.all())

    def weights_changed(self) -> None:
        """What was measured so far belongs to older weights."""
        self._exact[:] = False

    def measure(self, places: np.ndarray, mu: np.ndarray, *, exact: bool = True) -> None:
        """Samples ``places`` int64 (m,) have means mu (m, d); ``exact`` if measured with the present weights."""
        self._measured[places] = mu
        self._fresh[places] = True
        if exact:
            self._exact[places] = True

    def oldest(self, count: int) -> np.ndarray:
        """Places of up to ``count`` samples that most need measuring; none once all are exact."""
        waiting = np.flatnonzero(~self._exact)
        if len(waiting) <= count:
            return waiting
        # Equal ages in random order: the displacement field needs samples from everywhere.
        urgency = self._age[waiting] + self._generator.random(len(waiting))
        return np.sort(waiting[np.argpartition(urgency, -count)[-count:]])

    def carry(self) -> np.ndarray:
        """Bring every sample to the present; returns mu float32 (n, d), a copy. Measured samples are as measured."""
        guides = np.flatnonzero(self._fresh & self._known)
        stale = np.flatnonzero(self._known & ~self._fresh)
        if len(guides) and len(stale):
            moved = self._measured[guides] - self._mu[guides]
            self._mu[stale] += displacement(self._mu[guides], moved, self._mu[stale])
        self._mu[self._fresh] = self._measured[self._fresh]
        self._known |= self._fresh
        self._age += 1
        self._age[self._fresh] = 0
        self._fresh[:] = False
        unknown = np.flatnonzero(~self._known)
        if len(unknown) and self._known.any():
            self._mu[unknown] = self._mu[self._alike(unknown)].mean(axis=1)
        return self._mu.copy()

    def _alike(self, unknown: np.ndarray) -> np.ndarray:
        """Places (m, k) of the measured samples whose features are nearest to those of the ``unknown`` (m,)."""
        known = np.flatnonzero(self._known)
        if self._look_alikes is not None and self._look_alikes[0] == len(known):
            return self._look_alikes[1]
        if len(known) > REFERENCES:
            known = np.sort(self._generator.choice(known, REFERENCES, replace=False))
        k = min(NEIGHBOURS, len(known))
        references = self._features[known]
        lengths = (references**2).sum(axis=1)
        found = np.empty((len(unknown), k), np.int64)
        for start in range(0, len(unknown), 4096):
            part = unknown[start : start + 4096]
            # Squared distances up to a constant of the row: one matrix product.
            distances = lengths - 2.0 * (self._features[part] @ references.T)
            found[start : start + len(part)] = known[np.argpartition(distances, k - 1, axis=1)[:, :k]]
        self._look_alikes = (int(self._known.sum()), found)
        return found


def displacement(guides: np.ndarray, moved: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How ``points`` (n, d) move when ``guides`` (m, d) move by ``moved`` (m, d); float32 (n, d).

    An affine map by ridge regression, plus its residuals averaged over the nearest guides with inverse square
    distances; an affine motion is reproduced (up to the ridge), and no point moves farther than the farthest guide.
    """
    from scipy.spatial import KDTree

    count, dimension = guides.shape
    centre = guides.mean(axis=0)
    mean = moved.mean(axis=0)
    linear = np.zeros((dimension, dimension), np.float64)
    if count >= 4 * (dimension + 1):
        x = (guides - centre).astype(np.float64)
        gram = x.T @ x
        gram += _RIDGE * (np.trace(gram) / dimension + 1e-12) * np.eye(dimension)
        linear = np.linalg.solve(gram, x.T @ (moved - mean))
    residual = moved - mean - (guides - centre) @ linear
    found = KDTree(guides).query(points, k=min(NEIGHBOURS, count))
    distances, near = (np.reshape(part, (len(points), -1)) for part in found)
    nearness = 1.0 / (distances**2 + 1e-12)
    nearness /= nearness.sum(axis=1, keepdims=True)
    shift = mean + (points - centre) @ linear + (nearness[..., None] * residual[near]).sum(axis=1)
    farthest = float(np.linalg.norm(moved, axis=1).max())
    lengths = np.linalg.norm(shift, axis=1, keepdims=True)
    return (shift * np.minimum(1.0, farthest / np.maximum(lengths, 1e-30))).astype(np.float32)
