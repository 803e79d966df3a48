"""The images that the foreign models were trained on: a soft blob at a place (x, y), its width the same."""

from __future__ import annotations

import numpy as np

SIZE = 16


def blobs(count: int, seed: int = 0, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (count, 16, 16, channels) and the places float32 (count, 2) of their blobs, 0 to 1.

    In colour the background is dark blue and the blob reddish, so that exchanged channels would show.
    """
    places = np.random.default_rng(seed).uniform(0.2, 0.8, (count, 2)).astype(np.float32)
    grid = (np.arange(SIZE, dtype=np.float32) + 0.5) / SIZE
    across = np.square(grid[None, :] - places[:, :1])[:, None, :]
    down = np.square(grid[None, :] - places[:, 1:])[:, :, None]
    light = np.exp(-(across + down) / 0.03)[..., None]
    if channels == 3:
        light = light * np.array([1.0, 0.5, 0.1], np.float32) + (1.0 - light) * np.array([0.0, 0.1, 0.3], np.float32)
    return np.rint(255.0 * light).astype(np.uint8), places
