"""Whether a latent place lies on the samples' manifold: the score, the detector that computes it, the verdict in words.

The numbers come with every decode (``core.protocol.messages.Decoded``, ``PathFrames``); here they become words, in one
place for window, film strip and reports.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from core.geometry.local_fit import GeometryError, Neighbourhoods

SCORE_NEIGHBOURS = 8
FAR_GAP = 0.5
"""Distance to the nearest sample, in radii of the cloud, beyond which a place is off the data."""

Verdict = Literal["on the data", "extrapolating", "off the data"]
MEANING: dict[Verdict, str] = {
    "on the data": "On the data: as close to its neighbours as samples are to each other.",
    "extrapolating": "Extrapolating: farther from its nearest samples than 99 % of the samples are from theirs, so the "
    "image is a guess.",
    "off the data": "Off the data: the nearest sample is farther away than half the cloud's radius, so no sample "
    "supports the image.",
}


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


class OffManifoldDetector:
    """Scores places by their distance to ``samples``, relative to how dense these are there.

    d₈ is the mean distance to the eight nearest samples (for a sample itself, the eight others). The score is d₈ over
    the median d₈ of those eight, so it does not depend on the cloud's density; a place is off the manifold where it
    exceeds ``threshold``, the 99 % quantile of the samples' own. ``spacing`` is the median d₈ of the samples, the
    cloud's own unit of distance; ``radius`` the root mean square distance of the samples from their mean. Takes
    some 50 ms to build for 5000 samples, 0.1 ms to ask. Raises ``GeometryError`` for fewer than 2 samples.
    """

    def __init__(self, samples: Neighbourhoods) -> None:
        if len(samples) < 2:
            raise GeometryError(f"the off-manifold score needs 2 or more samples; there are {len(samples)}.")
        self._samples = samples
        distances, indices = samples.of_samples(SCORE_NEIGHBOURS)
        self._own = distances.mean(axis=1)
        self.threshold = float(np.quantile(_relative(self._own, self._own[indices]), 0.99))
        self.spacing = float(np.median(self._own))
        self.radius = float(np.sqrt(samples.points.var(axis=0).sum()))

    def score(self, z: np.ndarray) -> np.ndarray:
        """Float64 (Q,) of z (Q, d): about 1 on the manifold, more off it."""
        return self.score_from(*self._samples.query(z, SCORE_NEIGHBOURS))

    def score_from(self, distances: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """The same from the distances and indices (Q, k), k ≥ 8, of the nearest samples."""
        return _relative(distances[:, :SCORE_NEIGHBOURS].mean(axis=1), self._own[indices[:, :SCORE_NEIGHBOURS]])

    def at(self, z: np.ndarray) -> OffManifoldScores:
        """All that is known of places z (n, d)."""
        distances, indices = self._samples.query(z, SCORE_NEIGHBOURS)
        nearest = distances[:, 0]
        away = np.where(nearest > 0.0, np.inf, 0.0)  # samples that all coincide have no radius
        gap = nearest / self.radius if self.radius > 0.0 else away
        return OffManifoldScores(self.score_from(distances, indices), gap, self.threshold)

    def off_manifold(self, z: np.ndarray) -> np.ndarray:
        """Whether each of z (Q, d) is off the manifold: bool (Q,)."""
        return self.score(z) > self.threshold


def _relative(distance: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    # Where eight neighbours coincide, any distance is infinitely far and none is 1.
    median = np.median(neighbours, axis=1)
    away = np.where(distance > 0.0, np.inf, 1.0)
    return np.divide(distance, median, out=away, where=median > 0.0)


def verdict(score: float, threshold: float, gap: float) -> Verdict | None:
    """What a place's numbers say; None where nothing is known (``score`` or ``threshold`` is not a number).

    ``score`` and ``threshold`` are an ``OffManifoldDetector``'s; ``gap`` is the distance to the nearest sample in radii
    of the cloud, off the data above 0.5.
    """
    if gap > FAR_GAP:
        return "off the data"
    if math.isnan(score) or math.isnan(threshold):
        return None
    return "extrapolating" if score > threshold else "on the data"


@dataclass(frozen=True)
class OffManifoldScore:
    """A decoded place's off-manifold score, with the numbers behind its verdict (see ``verdict``) and its words."""

    score: float
    threshold: float
    gap: float

    @property
    def verdict(self) -> Verdict | None:
        """None where nothing is known."""
        return verdict(self.score, self.threshold, self.gap)

    @property
    def short(self) -> str:
        """The verdict with its score: "extrapolating · 2.1× spacing"; "" where nothing is known."""
        return f"{self.verdict} · {times(self.score)} spacing" if self.verdict is not None else ""

    @property
    def explanation(self) -> str:
        """What the verdict means, and its numbers, each with its definition; "" where nothing is known."""
        if self.verdict is None:
            return ""
        gap = "Distance to the nearest sample: unknown."
        if math.isfinite(self.gap):
            gap = (
                f"Nearest sample: {self.gap:.2g} cloud radii away (radius: root mean square distance of the samples "
                f"from their mean); off the data above {FAR_GAP:g}."
            )
        return "\n".join(
            (
                MEANING[self.verdict],
                f"Spacing: {times(self.score)} = mean distance to the 8 nearest samples, divided by the median of the "
                "same distance for those samples. About 1× among the samples.",
                f"Extrapolating above {times(self.threshold)}: 99 % of the samples are below.",
                gap,
            )
        )


def off_share(scores: Iterable[OffManifoldScore | None]) -> float | None:
    """Share, 0 to 1, of places that are not on the data, among those of which anything is known; None if of none."""
    verdicts = [score.verdict for score in scores if score is not None and score.verdict is not None]
    return sum(verdict != "on the data" for verdict in verdicts) / len(verdicts) if verdicts else None


def times(score: float) -> str:
    """A score for reading: "0.93×", "14×", "∞×" (where the samples about it coincide)."""
    if math.isnan(score):
        return "unknown"
    if math.isinf(score):
        return "∞×"
    return f"{score:.2f}×" if score < 9.995 else f"{score:,.0f}×"
