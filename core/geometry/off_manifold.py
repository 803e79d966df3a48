"""How well the samples support a latent place: the statistic behind the off-manifold badge."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from core.geometry.local_fit import ManifoldError, Neighbourhoods

SUPPORT_NEIGHBOURS = 8
BADGE_QUANTILE = 0.99


class Support:
    """How well the samples support a place: the off-manifold badge.

    d₈ is the mean distance to the eight nearest samples (for a sample itself, the eight others). The badge's statistic
    is d₈ over the median d₈ of those eight, so it does not depend on how dense the cloud is there; it is flagged above
    the 99 % quantile of the samples' own.
    """

    def __init__(self, samples: Neighbourhoods) -> None:
        if len(samples) < 2:
            raise ManifoldError(f"support needs 2 or more samples; there are {len(samples)}.")
        self._samples = samples

    @cached_property
    def _own(self) -> tuple[np.ndarray, np.ndarray]:
        distances, indices = self._samples.of_samples(SUPPORT_NEIGHBOURS)
        return distances.mean(axis=1), indices

    @cached_property
    def threshold(self) -> float:
        """The statistic above which a place is off the manifold."""
        own, indices = self._own
        return float(np.quantile(_relative(own, own[indices]), BADGE_QUANTILE))

    @property
    def spacing(self) -> float:
        """The median d₈ of the samples: the cloud's own unit of distance."""
        return float(np.median(self._own[0]))

    def distance(self, z: np.ndarray) -> np.ndarray:
        """d₈ float64 (Q,) of z (Q, d)."""
        return self._samples.query(z, SUPPORT_NEIGHBOURS)[0].mean(axis=1)

    def statistic(self, z: np.ndarray) -> np.ndarray:
        """The badge's statistic float64 (Q,) of z (Q, d): about 1 on the manifold, more off it."""
        return self.statistic_of(*self._samples.query(z, SUPPORT_NEIGHBOURS))

    def statistic_of(self, distances: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """The same from the distances and indices (Q, k), k ≥ 8, of the nearest samples."""
        return _relative(distances[:, :SUPPORT_NEIGHBOURS].mean(axis=1), self._own[0][indices[:, :SUPPORT_NEIGHBOURS]])

    def off_manifold(self, z: np.ndarray) -> np.ndarray:
        """Whether each of z (Q, d) is flagged: bool (Q,)."""
        return self.statistic(z) > self.threshold


def _relative(distance: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    # Where eight neighbours coincide, any distance is infinitely far and none is 1.
    median = np.median(neighbours, axis=1)
    away = np.where(distance > 0.0, np.inf, 1.0)
    return np.divide(distance, median, out=away, where=median > 0.0)
