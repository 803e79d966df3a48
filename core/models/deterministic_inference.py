"""Decoding and encoding one image at a time on one thread, so that the same point gives the same pixels everywhere.

Convolutions of another batch size, or shared by another number of threads, add in another order: measured with the
``compact`` preset, a batch of 2 or 16 moved pixels by a grey level in float32, and 1, 2 and 4 threads gave three
different sets of images in both precisions. One at a time costs little (256², one core: 3.4 ms an image instead of 2.9
in batches of 16). The window's probe and paths, its exports, ``isoline decode`` and ``isoline encode`` therefore all
compute through these functions, on ``THREADS``. On one machine their images are equal bit for bit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import numpy as np
import torch

from core.models.inference import Inference

THREADS = 1


def decode_each(inference: Inference, z: np.ndarray) -> Iterator[np.ndarray]:
    """Images uint8 (H, W, C) of z float32 (n, d), in order."""
    for point in z:
        yield inference.decode(point[None])[0]


def encode_each(inference: Inference, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Means mu float32 (d,) of images uint8 (H, W, C), in order."""
    for image in images:
        yield inference.encode(np.array(image)[None])[0]  # a copy: it may be of a read-only file


def decode_images(inference: Inference, z: np.ndarray) -> np.ndarray:
    """All images uint8 (n, S, S, C) of z float32 (n, d). Raises ``ValueError`` for another shape, NaN or infinity."""
    inference.check_latents(z)
    if not np.isfinite(z).all():
        raise ValueError("z holds a number that is not finite.")
    size = inference.image_size
    images = np.empty((len(z), size, size, inference.channels), np.uint8)
    with _fixed_threads():
        for index, image in enumerate(decode_each(inference, z)):
            images[index] = image
    return images


def encode_images(inference: Inference, images: Iterable[np.ndarray]) -> np.ndarray:
    """Means mu float32 (n, d) of images uint8 (S, S, C), an array or read one by one.

    Raises ``ValueError`` for another type or shape.
    """
    with _fixed_threads():
        means = list(encode_each(inference, images))
    return np.array(means, np.float32).reshape(-1, inference.latent_dim)


@contextlib.contextmanager
def _fixed_threads() -> Iterator[None]:
    """Compute on ``THREADS``; the caller's own number returns afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(before)
