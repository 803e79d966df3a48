"""Thumbnails of images, made alike where a run is recorded and where the engine reads its images."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from core.runs.directory import THUMBNAIL_SIZE


def thumbnails_of(images: np.ndarray) -> np.ndarray:
    """images uint8 (n, H, W, C) averaged down to uint8 (n, 32, 32, C)."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    small = F.adaptive_avg_pool2d(pixels, THUMBNAIL_SIZE)
    return small.round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
