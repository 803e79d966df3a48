"""How close reconstructed images come to their originals: excess cross-entropy and structural similarity.

For finished 8-bit images, on arrays and without torch, so that the window, exports and reports measure alike;
``core.models.losses`` has the same excess for tensors in training.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

CLIP = 1.0 / 512.0  # half a grey level, as in core.models.losses
WINDOW = 11  # side of the SSIM window in pixels
_SIGMA = 1.5
_C1 = (0.01 * 255.0) ** 2
_C2 = (0.03 * 255.0) ** 2


class MeasureError(ValueError):
    """Images that cannot be compared; the message says what was given and what is wanted."""


def excess_bce(images: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    """float64 (n,): BCE(x, clip x_hat) - BCE(x, clip x) in nats, mean over pixels, clip to [1/512, 1 - 1/512].

    ``images`` x and ``reconstructions`` x_hat are uint8 (n, H, W, C), 255 meaning 1. An antialiased image's
    cross-entropy with itself is above zero; this is 0 for a perfect copy, whatever the stroke's width. Equal to
    ``core.models.losses.excess_bce``. Raises ``MeasureError`` for other types or shapes.
    """
    images, reconstructions = _check_pair(images, reconstructions)
    values = np.empty(len(images))
    for i, (image, reconstruction) in enumerate(zip(images, reconstructions, strict=True)):
        values[i] = _excess_of_levels()[image, reconstruction].mean()
    return values


@lru_cache(maxsize=1)
def _excess_of_levels() -> np.ndarray:
    """float64 (256, 256): the excess of one pixel of level x taken for level x_hat. 8-bit images know no other."""
    x = np.arange(256) / 255.0
    clipped = x.clip(CLIP, 1.0 - CLIP)
    on, off = np.log(clipped), np.log1p(-clipped)
    x = x[:, None]
    return x * (on[:, None] - on) + (1.0 - x) * (off[:, None] - off)


def ssim(images: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    """float64 (n,): structural similarity, 1 for equal images, the mean over pixels and channels.

    ``images`` and ``reconstructions`` are uint8 (n, H, W, C), both sides at least 11 pixels. Wang, Bovik, Sheikh and
    Simoncelli, "Image quality assessment: from error visibility to structural similarity", IEEE Transactions on Image
    Processing 13 (2004): Gaussian window of 11 × 11 with sigma 1.5, K1 = 0.01, K2 = 0.03, L = 255, only where the whole
    window lies inside the image. Raises ``MeasureError`` for other types or shapes.
    """
    images, reconstructions = _check_pair(images, reconstructions)
    height, width = images.shape[1:3]
    if min(height, width) < WINDOW:
        raise MeasureError(
            f"images are {height} × {width} pixels; SSIM looks through a window of {WINDOW} × {WINDOW} "
            "and needs images at least that large."
        )
    values = np.empty(len(images))
    for i, (image, reconstruction) in enumerate(zip(images, reconstructions, strict=True)):
        values[i] = _similarity(image.astype(np.float64), reconstruction.astype(np.float64)).mean()
    return values


def _similarity(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """SSIM of two images float64 (H, W, C) at each place of the window: (H - 10, W - 10, C)."""
    mean_x, mean_y = _smooth(x), _smooth(y)
    variances = (_smooth(x * x) - mean_x * mean_x) + (_smooth(y * y) - mean_y * mean_y)
    covariance = _smooth(x * y) - mean_x * mean_y
    luminance = (2.0 * mean_x * mean_y + _C1) / (mean_x * mean_x + mean_y * mean_y + _C1)
    return luminance * (2.0 * covariance + _C2) / (variances + _C2)


def _smooth(image: np.ndarray) -> np.ndarray:
    """The window's weighted mean at each place where the whole window is inside: (H - 10, W - 10, C)."""
    from scipy.ndimage import correlate1d

    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-0.5 * (offsets / _SIGMA) ** 2)
    weights /= weights.sum()
    inside = slice(WINDOW // 2, -(WINDOW // 2))
    rows = correlate1d(image, weights, axis=0)[inside]
    return correlate1d(rows, weights, axis=1)[:, inside]


def _check_pair(images: np.ndarray, reconstructions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    images, reconstructions = np.asarray(images), np.asarray(reconstructions)
    for name, array in (("images", images), ("reconstructions", reconstructions)):
        if array.dtype != np.uint8 or array.ndim != 4 or 0 in array.shape[1:]:
            raise MeasureError(f"{name} is {array.dtype} {array.shape}; it must be uint8 (n, H, W, C).")
    if images.shape != reconstructions.shape:
        raise MeasureError(
            f"images is {images.shape} and reconstructions is {reconstructions.shape}; they must have the same shape."
        )
    return images, reconstructions
