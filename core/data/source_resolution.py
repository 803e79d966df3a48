"""The size that images really have: the smallest from which a bilinear enlargement gives them back.

Plots and scans are often enlarged before they are published, as the article's were, from 172 × 229 to 256 × 256. What
a pixel then shows depends on where it lies between the pixels of the original, a pattern that differs from place to
place, that a convolution cannot know, and that it learns by heart wherever it has examples, but not in a hole of the
data. So the compact decoder draws at the native size and enlarges as the data were. numpy only.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from core.config import FULL, RunConfig
from core.data.dataset import Dataset

SAMPLE = 64  # images looked at
TOLERANCE = 1.0  # grey levels, in every pixel: rounding to 8 bits is half of one
LARGEST = 0.95  # of the image size: what was enlarged by less is hardly worth telling
_RANK = 0.5  # grey levels (root mean square) below which an independent direction may be rounding


def enlargement(native: int, size: int) -> np.ndarray:
    """Bilinear enlargement of a line, float64 (size, native), rows adding up to 1; pixel centres at half pixels.

    The convention of Pillow, OpenCV and PyTorch (``align_corners=False``) for enlargements, edges repeated.
    """
    place = np.clip((np.arange(size) + 0.5) * native / size - 0.5, 0.0, native - 1.0)
    return np.maximum(1.0 - np.abs(place[:, None] - np.arange(native)), 0.0)


def native_size(images: np.ndarray) -> tuple[int, int]:
    """(height, width) from which images uint8 (N, H, W, C) were enlarged; (H, W) if they were not.

    A size is accepted if the least-squares image of that size, enlarged, meets every pixel of up to 64 images spread
    over all within a grey level. Images that show nothing tell nothing: (H, W).
    """
    chosen = np.unique(np.linspace(0, len(images) - 1, min(SAMPLE, len(images))).round().astype(int))
    sample = np.moveaxis(np.asarray(images[chosen], dtype=np.float64), 3, 1)
    height, width = sample.shape[2:]
    rows = np.moveaxis(sample, 2, 0).reshape(height, -1)
    columns = np.moveaxis(sample, 3, 0).reshape(width, -1)
    return _native(rows), _native(columns)


def resolve_native_size(config: RunConfig, dataset: Dataset) -> RunConfig:
    """``config`` with its native size found from the training images, where it is "auto"."""
    if config.model.native_size != "auto" or config.model.preset != "compact":
        return config
    native = native_size(dataset.images[np.sort(dataset.train)[:: max(1, len(dataset.train) // SAMPLE)]])
    size = config.data.image_size
    return with_native_size(config, FULL if native == (size, size) else f"{native[0]}x{native[1]}")


def inherit_native_size(config: RunConfig, stored: RunConfig) -> RunConfig:
    """``config`` with the native size that was found for ``stored``, if its own is "auto"."""
    return with_native_size(config, stored.model.native_size) if config.model.native_size == "auto" else config


def with_native_size(config: RunConfig, native: str) -> RunConfig:
    """``config`` with another ``model.native_size``."""
    return dataclasses.replace(config, model=dataclasses.replace(config.model, native_size=native))


def _native(lines: np.ndarray) -> int:
    """The smallest length from which lines (size, n) were enlarged along their first axis; size if there is none."""
    size = len(lines)
    if not np.ptp(lines) > 0.0:
        return size
    products = lines @ lines.T
    # Lines of a length have no more independent directions than that; blank margins can only lower their number.
    spread = np.sqrt(np.maximum(np.linalg.eigvalsh(products), 0.0) / lines.shape[1])
    for native in range(max(2, int((spread > _RANK).sum())), int(LARGEST * size) + 1):
        enlarge = enlargement(native, size)
        residual = np.eye(size) - enlarge @ np.linalg.solve(enlarge.T @ enlarge, enlarge.T)
        missed = np.einsum("ij,ji->", residual, products) / lines.size
        if missed < TOLERANCE**2 and np.abs(residual @ lines).max() <= TOLERANCE:
            return native
    return size
