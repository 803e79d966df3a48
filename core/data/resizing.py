"""Images of any size as squares of one size: fit with a margin, crop, or stretch.

Shrinking averages, enlarging is bilinear, both as Pillow does it.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from core.config import Resize
from core.data.sources.source import Size

_GAP = 3.0  # a shrinking by more than this first averages whole pixels, which is faster and hardly differs


def scaled_size(size: Size, side: int, how: Resize) -> Size:
    """(height, width) to which an image of ``size`` is scaled on its way to a square of ``side``."""
    if how == "stretch":
        return side, side
    shorter, longer = sorted(size)
    scale = side / (longer if how == "fit" else shorter)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def resized(images: np.ndarray, side: int, how: Resize, margin: np.ndarray | None = None) -> np.ndarray:
    """uint8 (n, side, side, C) of images uint8 (n, H, W, C), C = 1 or 3.

    fit: all of the image, centred, the rest filled with ``margin`` uint8 (C,), or with the median of the image's own
    outermost pixels; crop: the central square; stretch: all of the image, its proportions changed.
    """
    count, height, width, channels = images.shape
    if (height, width) == (side, side):
        return images
    target = (side, side) if how == "crop" else scaled_size((height, width), side, how)
    box = _central_square(height, width) if how == "crop" else None
    if target == (side, side):
        out = np.empty((count, side, side, channels), dtype=np.uint8)
        inside = out
    else:
        out = np.empty((count, side, side, channels), dtype=np.uint8)
        out[:] = (border_level(images) if margin is None else np.broadcast_to(margin, (count, channels)))[:, None, None]
        top, left = (side - target[0]) // 2, (side - target[1]) // 2
        inside = out[:, top : top + target[0], left : left + target[1]]
    for image, place in zip(images, inside, strict=True):
        picture = Image.fromarray(image[..., 0] if channels == 1 else image)
        gap = _GAP if height > 2 * _GAP * target[0] and width > 2 * _GAP * target[1] else None
        scaled = picture.resize((target[1], target[0]), Image.Resampling.BILINEAR, box, reducing_gap=gap)
        place[:] = np.asarray(scaled).reshape(*target, channels)
    return out


def _central_square(height: int, width: int) -> tuple[float, float, float, float]:
    shorter = min(height, width)
    left, top = (width - shorter) / 2, (height - shorter) / 2
    return left, top, left + shorter, top + shorter


def border_level(images: np.ndarray) -> np.ndarray:
    """Median uint8 (n, C) of the outermost pixels of images uint8 (n, H, W, C)."""
    edges = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
    return np.median(np.concatenate(edges, axis=1), axis=1).astype(np.uint8)
