"""Decoding and encoding for looking at a model: numpy in, numpy out, whatever computes it.

``Inference`` is what engine, command line and Python programs ask. Ours on torch is
``core.models.network_inference.NetworkInference``; which one a run needs, ``core.training.opening`` knows. This module
imports no torch.

The same point gives the same pixels everywhere only one image at a time, on one thread: convolutions of another batch
size, or shared by another number of threads, add in another order. Measured with the ``compact`` preset, a batch of 2
or 16 moved pixels by a grey level in float32, and 1, 2 and 4 threads gave three different sets of images in both
precisions. One at a time costs little (256², bfloat16, one core: 3.4 ms an image instead of 2.9 in batches of 16). The
window's probe and paths, its exports, ``isoline decode`` and ``isoline encode`` therefore all compute by
``decode_each`` and ``encode_each``, on ``THREADS``. On one machine their images are equal bit for bit.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager

import numpy as np

THREADS = 1
NO_DECODER = "This model has no decoder, so no image can be decoded. Import it with its decoder."
NO_ENCODER = "This model has no encoder, so no image can be encoded. Import it with its encoder."


class MissingPartError(RuntimeError):
    """A model without decoder or encoder was asked for what needs one; the message says which."""


class Inference(ABC):
    """A model ready to decode and encode, or to do one of the two.

    Attributes: ``latent_dim`` d, ``image_size`` S, ``channels`` C (1 or 3); ``precision``, the type of the large
    products, as text; ``can_decode`` and ``can_encode``, whether there is a decoder and an encoder.
    """

    latent_dim: int
    image_size: int
    channels: int
    precision: str
    can_decode: bool = True
    can_encode: bool = True

    @abstractmethod
    def decode(self, z: np.ndarray) -> np.ndarray:
        """Latents (n, d) to images uint8 (n, S, S, C): the decoder's mean image, rounded to 8 bits.

        Raises ``ValueError`` for another shape, ``MissingPartError`` where there is no decoder.
        """

    @abstractmethod
    def encode(self, images: np.ndarray) -> np.ndarray:
        """Images uint8 (n, S, S, C) to the posterior's means mu, float32 (n, d).

        Raises ``ValueError`` for another type or shape, ``MissingPartError`` where there is no encoder.
        """

    def encode_batch(self, images: np.ndarray) -> np.ndarray:
        """The same, of images that are computed all at once: faster, and not bit for bit as one by one."""
        return self.encode(images)

    def fixed_threads(self) -> AbstractContextManager[None]:
        """Compute on ``THREADS`` inside, where that is not so anyway; the caller's own number returns afterwards."""
        return contextlib.nullcontext()

    def check_latents(self, z: np.ndarray) -> None:
        """Raise ``ValueError`` unless ``z`` is (n, d)."""
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"z has shape {z.shape}; this model decodes (n, {self.latent_dim}).")

    def check_images(self, images: np.ndarray) -> None:
        """Raise ``ValueError`` unless ``images`` is uint8 (n, S, S, C)."""
        wanted = (self.image_size, self.image_size, self.channels)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != wanted:
            raise ValueError(
                f"images is {images.dtype} {images.shape}; this model encodes uint8 (n, {', '.join(map(str, wanted))})."
            )

    def check_can_decode(self) -> None:
        """Raise ``MissingPartError`` where there is no decoder."""
        if not self.can_decode:
            raise MissingPartError(NO_DECODER)

    def check_can_encode(self) -> None:
        """Raise ``MissingPartError`` where there is no encoder."""
        if not self.can_encode:
            raise MissingPartError(NO_ENCODER)


class WithoutNetwork(Inference):
    """Latents alone: neither decoder nor encoder. ``image_size`` and ``channels`` are those of the images, if any."""

    can_decode = can_encode = False
    precision = "float32"

    def __init__(self, latent_dim: int, image_size: int, channels: int) -> None:
        self.latent_dim, self.image_size, self.channels = latent_dim, image_size, channels

    def decode(self, z: np.ndarray) -> np.ndarray:
        raise MissingPartError(NO_DECODER)

    def encode(self, images: np.ndarray) -> np.ndarray:
        raise MissingPartError(NO_ENCODER)


def decode_each(inference: Inference, z: np.ndarray) -> Iterator[np.ndarray]:
    """Images uint8 (H, W, C) of z float32 (n, d), in order. Raises ``MissingPartError`` where there is no decoder."""
    inference.check_can_decode()
    for point in z:
        yield inference.decode(point[None])[0]


def encode_each(inference: Inference, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Means mu float32 (d,) of images uint8 (H, W, C), in order. Raises ``MissingPartError`` without an encoder."""
    inference.check_can_encode()
    for image in images:
        yield inference.encode(np.array(image)[None])[0]  # a copy: it may be of a read-only file


def decode_images(inference: Inference, z: np.ndarray) -> np.ndarray:
    """All images uint8 (n, S, S, C) of z float32 (n, d).

    Raises ``ValueError`` for another shape, NaN or infinity, ``MissingPartError`` where there is no decoder.
    """
    inference.check_latents(z)
    if not np.isfinite(z).all():
        raise ValueError("z holds a number that is not finite.")
    size = inference.image_size
    images = np.empty((len(z), size, size, inference.channels), np.uint8)
    with inference.fixed_threads():
        for index, image in enumerate(decode_each(inference, z)):
            images[index] = image
    return images


def encode_images(inference: Inference, images: Iterable[np.ndarray]) -> np.ndarray:
    """Means mu float32 (n, d) of images uint8 (S, S, C), an array or read one by one.

    Raises ``ValueError`` for another type or shape, ``MissingPartError`` where there is no encoder.
    """
    with inference.fixed_threads():
        means = list(encode_each(inference, images))
    return np.array(means, np.float32).reshape(-1, inference.latent_dim)
