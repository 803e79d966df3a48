"""Decoding a path in small slices, always the same ones, so that a path's frames are the same bits everywhere.

Convolutions of another batch size may sum in another order, and a bit may differ. The window, an export and the
command line therefore all decode a path through this function.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.inference import Inference

SLICE = 4


def decode_slices(inference: Inference, z: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (start, images uint8 (n, H, W, C)) for z float32 (N, d), n at most ``SLICE``, in order."""
    for start in range(0, len(z), SLICE):
        yield start, inference.decode(z[start : start + SLICE])
