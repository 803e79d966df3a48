"""Frames of a film as they are shown: enlarged or reduced, with lines of text below. numpy and Pillow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from core.protocol.figures import FrameLook, Scaling
from core.rendering import pil_text
from core.utils.text import shortened

MOST_BYTES = 4 << 30  # frames are kept in memory until the file is written
LEAST_CAPTIONED = 96  # pixels of width, below which no line can be read
TEXT_SHARE, LEAST_TEXT = 1 / 18, 11.0  # height of the text, of the frame's width; at least so many pixels
GROUND, INK = 17, 235  # levels of the band below a frame, and of its text


class FrameError(ValueError):
    """Frames that cannot be shown as asked; the message says what would do."""


def scaled(image: np.ndarray, room: tuple[int, int], scaling: Scaling) -> np.ndarray:
    """``image`` uint8 (H, W, C) as large as fits into ``room`` (width, height) pixels.

    "nearest" makes each pixel a whole number of pixels, so that none looks larger than another; "bicubic" interpolates.
    What is too large is reduced smoothly.
    """
    from PIL import Image

    rows, columns = image.shape[:2]
    fit = min(room[0] / columns, room[1] / rows)
    if fit >= 1.0 and scaling == "nearest":
        return image.repeat(int(fit + 1e-6), axis=0).repeat(int(fit + 1e-6), axis=1)
    size = max(1, round(columns * fit)), max(1, round(rows * fit))
    method = Image.Resampling.BICUBIC if fit >= 1.0 else Image.Resampling.LANCZOS
    planes = [Image.fromarray(image[..., c]).resize(size, method) for c in range(image.shape[2])]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def dressed_frames(
    frames: np.ndarray,
    look: FrameLook,
    captions: Sequence[Sequence[str]] = (),
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """``frames`` uint8 (n, H, W, C) as uint8 (n, h, w, C): scaled to ``look.size`` pixels on the longer side and, with
    ``captions`` (lines of text, n of them), with a dark band below.

    "nearest" enlarges by whole numbers, so the longer side may be a little less than asked for. Raises ``FrameError``.
    """
    count, height, width, channels = frames.shape
    if captions and len(captions) != count:
        raise FrameError(f"there are {len(captions)} captions for {count} frames; expected one each.")
    size = look.size or max(height, width)
    side = scaled(frames[0], (size, size), look.scaling).shape[:2]
    lines = max(map(len, captions), default=0)
    text = max(LEAST_TEXT, side[1] * TEXT_SHARE)
    if lines and side[1] < LEAST_CAPTIONED:
        raise FrameError(
            f"captions below frames of {side[1]} pixels could not be read; choose a size of {LEAST_CAPTIONED} or more."
        )
    band = round(lines * text * 1.4 + text * 0.6) if lines else 0
    needed = count * (side[0] + band) * side[1] * channels
    if needed > MOST_BYTES:
        raise FrameError(
            f"{count} frames of {side[1]} × {side[0] + band} pixels need {needed / 2**30:.1f} GiB of memory; at most "
            f"{MOST_BYTES >> 30} are allowed. Choose a smaller size or fewer frames."
        )
    if not look.size and not band:
        return frames
    made = np.full((count, side[0] + band, side[1], channels), GROUND, dtype=np.uint8)
    for number, frame in enumerate(frames):
        made[number, : side[0]] = scaled(frame, (size, size), look.scaling)
        if band:
            made[number, side[0] :] = _band(captions[number], side[1], band, text)[..., None]
        if progress is not None:
            progress((number + 1) / count)
    return made


def _band(lines: Sequence[str], width: int, height: int, text: float) -> np.ndarray:
    """uint8 (height, width): lines of text in their middle."""
    from PIL import Image, ImageDraw

    image = Image.new("L", (width, height), GROUND)
    draw, face = ImageDraw.Draw(image), pil_text.font(text)
    for number, line in enumerate(lines):
        words = shortened(line, lambda short: face.getlength(short) <= width - text)
        draw.text((width / 2, text * (1.0 + 1.4 * number)), words, fill=INK, font=face, anchor="mm")
    return np.asarray(image)
