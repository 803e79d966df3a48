"""How close reconstructed images come to their originals: excess cross-entropy and structural similarity.

For finished 8-bit images, on arrays and without torch, so that the window, exports and reports measure alike;
``core.models.losses`` has the same excess for tensors in training.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

CLIP = 1.0 / 512.0  # half a grey level, as in core.models.losses
WINDOW = 11  # side of the SSIM window in pixels


class ImagePairError(ValueError):
    """Images that cannot be compared; the message says what was given and what is wanted."""


def excess_bce(images: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    """float64 (n,): BCE(x, clip x_hat) - BCE(x, clip x) in nats, mean over pixels, clip to [1/512, 1 - 1/512].

    ``images`` x and ``reconstructions`` x_hat are uint8 (n, H, W, C), 255 meaning 1. An antialiased image's
    cross-entropy with itself is above zero; this is 0 for a perfect copy, whatever the stroke's width. Equal to
    ``core.models.losses.excess_bce``.
    """
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
    window lies inside the image. Raises ``ImagePairError`` for smaller ones.
    """
    height, width = images.shape[1:3]
    if min(height, width) < WINDOW:
        raise ImagePairError(
            f"images are {height} × {width} pixels; SSIM uses a window of {WINDOW} × {WINDOW} "
            "and needs images at least that large."
        )
    from skimage.metrics import structural_similarity

    as_published = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255.0}
    pairs = zip(images.astype(np.float64), reconstructions.astype(np.float64), strict=True)
    return np.array([structural_similarity(x, y, channel_axis=-1, **as_published) for x, y in pairs])
