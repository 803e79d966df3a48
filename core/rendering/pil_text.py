"""Lines and text for pictures that are drawn without a window, by Pillow: antialiased, and placed between pixels.

A picture that turns must not jitter, so neither a line nor a letter is rounded to whole pixels. Pillow is imported when
something is drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

OVERSAMPLING = 4  # lines are drawn this many times larger and averaged: 16 shades of an edge
HALO = 0.9  # opacity of the outline in the ground's colour under a text


def rgb(colour: str) -> tuple[int, int, int]:
    """``#rrggbb`` as three numbers of 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


@lru_cache(maxsize=32)
def font(size: float, bold: bool = False) -> FreeTypeFont:
    """DejaVu Sans, which has Greek letters and subscripts, ``size`` pixels high. matplotlib brings it along."""
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def draw_lines(image: Image, ends: np.ndarray, alpha: np.ndarray, colour: str, width: float) -> None:
    """Draw straight lines onto an RGB image.

    ``ends`` float64 (n, 2, 2) pixels (x, y) from start to end; ``alpha`` float64 (n,), 0 to 1; ``width`` in pixels.
    Where lines cross, the more opaque one is seen.
    """
    from PIL import Image as images
    from PIL import ImageDraw

    seen = np.flatnonzero((alpha > 0.0) & np.isfinite(ends).all(axis=(1, 2)))
    if not len(seen):
        return
    # Only the part of the picture that the lines reach is drawn: the mask is sixteen times as large.
    places = ends[seen].reshape(-1, 2)
    low = np.clip(np.floor(places.min(axis=0) - width - 1), 0, image.size).astype(int)
    high = np.clip(np.ceil(places.max(axis=0) + width + 1), 0, image.size).astype(int)
    if (high <= low).any():
        return
    mask = images.new("L", tuple(((high - low) * OVERSAMPLING).tolist()))
    pen = ImageDraw.Draw(mask)
    thick = max(1, round(width * OVERSAMPLING))
    for index in seen[np.argsort(alpha[seen], kind="stable")]:
        inner = (ends[index] - low) * OVERSAMPLING
        pen.line(inner.ravel().tolist(), fill=round(float(alpha[index]) * 255), width=thick)
    image.paste(colour, (int(low[0]), int(low[1])), mask.reduce(OVERSAMPLING))


@dataclass(frozen=True)
class Rect:
    """A rectangle in pixels that a text takes."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Rect, gap: float = 0.0) -> bool:
        """Whether the two share a place, or lie less than ``gap`` pixels beside each other."""
        beside = self.left - gap < other.right and other.left < self.right + gap
        return beside and self.top < other.bottom and other.top < self.bottom


def text_rect(place: tuple[float, float], text: str, face: FreeTypeFont, anchor: str = "mm") -> Rect:
    """The rectangle of ``text`` at ``place``; ``anchor`` is two letters of Pillow's, such as "mm": about the middle."""
    left, top, right, bottom = face.getbbox(text, anchor=anchor)
    return Rect(place[0] + left, place[1] + top, place[0] + right, place[1] + bottom)


def draw_text(
    image: Image,
    place: tuple[float, float],
    text: str,
    face: FreeTypeFont,
    ink: str,
    halo: str,
    anchor: str = "mm",
    alpha: float = 1.0,
) -> None:
    """Draw ``text`` onto an RGB image, with an outline in the ``halo`` colour so that it stays legible over points."""
    from PIL import Image as images
    from PIL import ImageDraw

    if alpha <= 0.0 or not all(map(math.isfinite, place)):
        return
    border = max(1, round(face.size / 6))
    rect = text_rect(place, text, face, anchor)
    left, top = math.floor(rect.left) - border - 1, math.floor(rect.top) - border - 1
    size = (math.ceil(rect.right) + border + 1 - left, math.ceil(rect.bottom) + border + 1 - top)
    inner = (place[0] - left, place[1] - top)
    for colour, stroke, share in ((halo, border, alpha * HALO), (ink, 0, alpha)):
        mask = images.new("L", size)
        ImageDraw.Draw(mask).text(inner, text, fill=round(255 * share), font=face, anchor=anchor, stroke_width=stroke)
        image.paste(colour, (left, top), mask)


def elided(text: str, face: FreeTypeFont, room: float) -> str:
    """``text``, cut with an ellipsis where it would be wider than ``room`` pixels."""
    if face.getlength(text) <= room:
        return text
    while text and face.getlength(text + "…") > room:
        text = text[:-1].rstrip()
    return text + "…"
