"""16-bit colour, which Pillow reads only to 8 bits: FFmpeg decodes all of it."""

from __future__ import annotations

import numpy as np


def deep_colour(path: str) -> np.ndarray:
    """uint16 (H, W, 3), or (H, W, 4) with alpha, of a PNG or TIFF file. Raises what PyAV raises, or ``ValueError``."""
    import av  # a large library, needed for few files

    with open(path, "rb") as stream, av.open(stream, mode="r") as file:
        frame = next(file.decode(video=0))
        return frame.to_ndarray(format="rgba64le" if "a" in frame.format.name.removeprefix("gray") else "rgb48le")
