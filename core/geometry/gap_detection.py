"""Where a factor curve has left the data: a gap told from a spot that is sparse by chance.

The off-manifold score asks eight samples: one place in a hundred is doubtful, and a curve looks at hundreds. Where it
doubts, sixteen are asked, among the labels if these tell one place from another. An encoder that saw nothing in a gap
of the data often draws its rims together, so that a gap may be two samples wide among the latents, no more than a
sparse spot; among the labels it is as wide as it is in the data. numpy at import.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.geometry.local_fit import Neighbourhoods
from core.geometry.off_manifold import OffManifoldDetector
from core.geometry.off_manifold_penalty import SmoothOffManifoldScore

DOUBT = 0.8  # of the threshold: below it a place is on the manifold
CERTAIN = 2.5  # of it: above it a place is off the data, whatever the labels say

_LEVEL = 1.0  # of x, which is 0 at a straight edge of the data
_SEEN = 0.95  # of the samples must not lie in a gap of the labels, or the labels cannot tell


class Gaps:
    """Gaps among ``samples`` (N, d), a surface of ``intrinsic`` dimensions q, and their labels ``table`` (N, F).

    A place is in a gap, or outside of the data, if the off-manifold score is above 2.5 times its threshold, or above
    0.8 of it and x > 1, x as ``core.geometry.off_manifold_penalty.SmoothOffManifoldScore`` has it. That is the labels'
    x if they tell one place from another: then there are q of them, and of those that the local fits ``predicted`` (n,
    F) for some samples that they have not seen, 95 % have x ≤ 1, which repeated labels have not. Else it is the
    latents'.
    """

    def __init__(
        self,
        samples: Neighbourhoods,
        intrinsic: int,
        detector: OffManifoldDetector,
        table: np.ndarray,
        predicted: np.ndarray,
    ) -> None:
        self._detector = detector
        self.asks_labels = False
        """Whether the labels tell gaps."""
        if table.shape[1] >= intrinsic and len(predicted):
            self._score = SmoothOffManifoldScore(Neighbourhoods(table), intrinsic)
            self.asks_labels = bool(np.mean(self._score.value(predicted) <= _LEVEL) >= _SEEN)
        if not self.asks_labels:
            self._score = SmoothOffManifoldScore(samples, intrinsic)

    def contains(self, score: np.ndarray, ask: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Whether each of Q places, with ``score`` (Q,), is in a gap: bool (Q,).

        Of the doubtful ones, given by their numbers int (n,), ``ask`` returns places (n, d) and labels (n, F).
        """
        inside = np.zeros(len(score), dtype=bool)
        doubtful = np.flatnonzero(score > DOUBT * self._detector.threshold)
        if len(doubtful):
            z, labels = ask(doubtful)
            beyond = self._score.value(labels if self.asks_labels else z) > _LEVEL
            inside[doubtful] = beyond | (score[doubtful] > CERTAIN * self._detector.threshold)
        return inside
