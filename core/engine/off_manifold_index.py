"""Off-manifold scores of any latent place, quick enough to come with every decode."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core.geometry.local_fit import Neighbourhoods
from core.geometry.off_manifold import SCORE_NEIGHBOURS, OffManifoldDetector, verdict

_TREE_MAX_DIM = 10  # above it the samples are searched by matrix products
_ROUGH = 32  # samples found in float32, of which the nearest are chosen in float64
_FEW = 64  # places for which that is quicker


class OffManifoldScores(NamedTuple):
    """``score`` float64 (n,), off the manifold above ``threshold``; ``gap`` float64 (n,), the distance to the nearest
    sample in radii of the cloud. No entries where nothing is known."""

    score: np.ndarray
    gap: np.ndarray
    threshold: float

    @property
    def flagged(self) -> np.ndarray:
        """Which of the places are not on the data: bool (n,); none where nothing is known."""
        places = zip(self.score.tolist(), self.gap.tolist(), strict=True)
        return np.array([verdict(s, self.threshold, gap) != "on the data" for s, gap in places], dtype=bool)

    @property
    def off_share(self) -> float:
        """Share of the places that are not on the data; NaN where nothing is known."""
        return float(self.flagged.mean()) if len(self.score) else float("nan")


UNKNOWN = OffManifoldScores(np.zeros(0), np.zeros(0), float("nan"))


class OffManifoldIndex:
    """Scores places by samples mu (N, d), N ≥ 2, all finite. The cloud's radius is the root mean square distance
    of its samples from their mean. Takes some 50 ms to build for 5000 samples, 0.1 ms to ask."""

    def __init__(self, mu: np.ndarray) -> None:
        self.samples = _QuickNeighbourhoods(mu) if mu.shape[1] > _TREE_MAX_DIM else Neighbourhoods(mu)
        self.detector = OffManifoldDetector(self.samples)
        self.threshold = self.detector.threshold
        self.radius = float(np.sqrt(self.samples.points.var(axis=0).sum()))

    def at(self, z: np.ndarray) -> OffManifoldScores:
        """The scores of places z (n, d)."""
        distances, indices = self.samples.query(z, SCORE_NEIGHBOURS)
        nearest = distances[:, 0]
        away = np.where(nearest > 0.0, np.inf, 0.0)  # samples that all coincide have no radius
        gap = nearest / self.radius if self.radius > 0.0 else away
        return OffManifoldScores(self.detector.score_from(distances, indices), gap, self.threshold)


class _QuickNeighbourhoods(Neighbourhoods):
    """The same neighbours for a few places at a time: what does not depend on the place is kept, in float32."""

    def __init__(self, points: np.ndarray) -> None:
        super().__init__(points)
        self._centre = self.points.mean(axis=0)
        self._shifted = (self.points - self._centre).astype(np.float32)
        self._norms = np.einsum("nd,nd->n", self._shifted, self._shifted)

    def query(self, z: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        z = np.asarray(z, dtype=np.float64)
        if len(z) > _FEW or k > _ROUGH // 2 or len(self) <= _ROUGH:
            return super().query(z, k)
        distances, indices = np.empty((len(z), k)), np.empty((len(z), k), dtype=np.int64)
        for row, place in enumerate(z):
            rough = self._norms - 2.0 * (self._shifted @ (place - self._centre).astype(np.float32))
            near = np.argpartition(rough, _ROUGH)[:_ROUGH]
            exact = np.linalg.norm(self.points[near] - place, axis=1)
            order = np.argsort(exact, kind="stable")[:k]
            distances[row], indices[row] = exact[order], near[order]
        return distances, indices
