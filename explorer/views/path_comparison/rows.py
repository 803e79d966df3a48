"""A row of the comparison: one kind of path, its frames as pictures, and where they stand in a strip."""

from __future__ import annotations

from dataclasses import dataclass, field

from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage, QPixmap

from core.geometry.off_manifold import OffManifoldScore
from explorer.views.path_comparison.data import NAN, ComparedPath
from explorer.widgets import image_conversion

GAP = 3  # pixels between frames


@dataclass(eq=False)
class Row:
    """``path`` is None until its answer comes; ``stale``: it is of a question before the newest."""

    kind: str
    path: ComparedPath | None = None
    stale: bool = False
    pictures: list[QImage] = field(default_factory=list)
    _drawn: dict[int, QPixmap] = field(default_factory=dict)
    _drawn_for: tuple[float, float] = (0.0, 0.0)

    def fill(self, path: ComparedPath) -> None:
        """Its answer has come."""
        self.path, self.stale = path, False
        self.pictures = [image_conversion.to_image(image) for image in path.images]
        self._drawn.clear()

    def picture(self, number: int, side: float, ratio: float) -> QPixmap:
        """Frame ``number`` scaled into a square of ``side``, kept for the next time."""
        if self._drawn_for != (side, ratio):
            self._drawn.clear()
            self._drawn_for = (side, ratio)
        if number not in self._drawn:
            image = self.pictures[number]
            target = image_conversion.place(image.size(), QRectF(0, 0, side, side), ratio)
            self._drawn[number] = image_conversion.scaled(image, target, ratio)
        return self._drawn[number]

    def score(self, number: int) -> OffManifoldScore:
        """How the place of frame ``number`` stands towards the data; its gap is not known."""
        known = self.path is not None and number < len(self.path.off_manifold_score)
        if self.path is None or not known:
            return OffManifoldScore(NAN, NAN, NAN)
        return OffManifoldScore(float(self.path.off_manifold_score[number]), self.path.threshold, NAN)

    def frame_text(self, number: int) -> str:
        """What is known of frame ``number``."""
        parts = (f"{self.kind}, frame {number + 1} of {len(self.pictures)}", self.score(number).short)
        return " · ".join(filter(None, parts))


def frames_shown(total: int, width: float, side: float) -> list[int]:
    """The frames that have room in a strip of ``width``, evenly chosen, the first and the last among them."""
    room = max(1, int((width + GAP) // (side + GAP)))
    count = min(total, room)
    if count < 2:
        return [0] if total else []
    return [round(k * (total - 1) / (count - 1)) for k in range(count)]
