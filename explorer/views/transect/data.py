"""What a transect's picture is made of: images that arrive little by little, numbers, and the place looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from core.rendering.colormaps import lut

ROWS = ("truth", "model", "difference")
CURVES = ("excess_bce", "ssim", "distance")
_ENDS = (0.05, 0.1, 0.25, 0.5, 1.0)


@dataclass(eq=False)
class TransectData:
    """A transect of ``total`` points: ``curves`` float64 (n,) each, NaN where not known; ``points`` float64 (n, 2).

    ``inside`` is what points ``in_hole`` are called: the curves have a hole, other images are held out.
    """

    total: int = 0
    names: tuple[str, str] = ("", "")
    inside: str = "in the hole"
    points: np.ndarray | None = None
    in_hole: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    curves: dict[str, np.ndarray] = field(default_factory=lambda: {name: np.empty(0) for name in CURVES})
    position: int | None = None
    _originals: dict[int, np.ndarray] = field(default_factory=dict)
    _reconstructions: dict[int, np.ndarray] = field(default_factory=dict)
    _reach: dict[tuple[int, int], float] = field(default_factory=dict)

    def clear(self, total: int) -> None:
        """Forget everything; there will be ``total`` points."""
        self.total = total
        self.points = None
        self.in_hole = np.zeros(total, dtype=bool)
        self.curves = {name: np.full(total, np.nan) for name in CURVES}
        self._originals.clear()
        self._reconstructions.clear()
        self._reach.clear()

    def add_images(self, start: int, originals: np.ndarray, reconstructions: np.ndarray) -> list[int]:
        """Images uint8 (k, H, W, C) of points ``start`` onwards; those beyond the end are passed over. The numbers."""
        numbers = [start + place for place in range(len(originals)) if 0 <= start + place < self.total]
        for number in numbers:
            self._originals[number] = originals[number - start]
            self._reconstructions[number] = reconstructions[number - start]
        new = set(numbers)
        self._reach = {key: reach for key, reach in self._reach.items() if key[0] not in new}
        return numbers

    def known(self, number: int) -> bool:
        """Whether the images of point ``number`` have come."""
        return number in self._originals

    @property
    def here(self) -> int | None:
        """The position, if it is a point of this transect."""
        return self.position if self.position is not None and 0 <= self.position < self.total else None

    @property
    def complete(self) -> bool:
        """Whether the images of every point have come."""
        return self.total > 0 and len(self._originals) == self.total

    def ends(self, side: int) -> float:
        """What the ends of the difference's colours mean, in full scale: one scale for all points at this ``side``."""
        for number in self._originals:
            if (number, side) not in self._reach:
                self._reach[number, side] = float(np.abs(self._difference(number, side)).max(initial=0.0))
        reach = max((self._reach[number, side] for number in self._originals), default=0.0)
        return next(end for end in _ENDS if reach <= end + 1e-6)

    def image(self, row: int, number: int, side: int) -> np.ndarray:
        """uint8 (H, W, C) of a point that is known: the truth, the reconstruction, or the difference in colours.

        The difference, reconstruction - truth, is averaged over pixels that fall into one at ``side``: a stroke that is
        half a pixel off is no more than that.
        """
        if row < 2:
            return (self._originals, self._reconstructions)[row][number]
        place = np.clip(self._difference(number, side) / self.ends(side), -1.0, 1.0)
        return np.ascontiguousarray(lut("difference")[np.rint((place + 1.0) * 127.5).astype(np.uint8)][..., :3])

    def _difference(self, number: int, side: int) -> np.ndarray:
        """float32 (h, w) in full scale, by whole pixels no smaller than ``side``; channels are averaged."""
        difference = self._reconstructions[number].astype(np.float32) - self._originals[number].astype(np.float32)
        grey = difference.mean(axis=2) / np.float32(255.0)
        height, width = grey.shape
        pool = max(1, min(height, width) // max(1, side))
        rows, columns = height // pool, width // pool
        return grey[: rows * pool, : columns * pool].reshape(rows, pool, columns, pool).mean(axis=(1, 3))

    def holes(self) -> list[tuple[int, int]]:
        """First and last point of each stretch inside the hole."""
        edges = np.flatnonzero(np.diff(np.concatenate([[0], self.in_hole.astype(np.int8), [0]])))
        return [(int(first), int(stop) - 1) for first, stop in zip(edges[::2], edges[1::2], strict=True)]
