"""What the comparison shows of one path: its frames and its measures."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

NAN = float("nan")


@dataclass(frozen=True, eq=False)
class ComparedPath:
    """A path of a ``kind`` of core.paths.recipe, decoded and measured; what is not known is NaN.

    ``images`` uint8 (m, H, W, C), m = 0: there is no such path, and ``note`` says why. ``off_manifold_score``
    float64 (m,), flagged above ``threshold``; ``off_share`` the share of its places that are flagged.
    ``image_length`` was measured on ``image_k`` frames. ``achieved``: by how much the target changed on the images;
    ``leaks`` float64 (F,) of the factors ``names``: each one's greatest change, as a share of its range, the target's
    own NaN. ``truth`` says what read the factors: "curves", "regressor" or "" (nothing). ``residual``: mean square
    against the nearest true curve, of the worst frame.
    """

    kind: str
    images: np.ndarray
    off_manifold_score: np.ndarray
    threshold: float = NAN
    latent_length: float = NAN
    image_length: float = NAN
    image_k: int = 0
    off_share: float = NAN
    achieved: float = NAN
    leaks: np.ndarray = field(default_factory=lambda: np.empty(0))
    names: tuple[str, ...] = ()
    truth: str = ""
    residual: float = NAN
    note: str = ""

    @property
    def missing(self) -> bool:
        """Whether there is no such path."""
        return len(self.images) == 0

    @property
    def largest_score(self) -> float:
        """The score of the place that is farthest from the data; NaN where none is known."""
        known = self.off_manifold_score[~np.isnan(self.off_manifold_score)]
        return float(known.max()) if len(known) else NAN

    def leak(self, name: str) -> float:
        """The leak into the factor ``name``; NaN where it is not known."""
        known = name in self.names and len(self.leaks) == len(self.names)
        return float(self.leaks[self.names.index(name)]) if known else NAN
