"""Fast decoding and encoding for looking at a model: numpy in, numpy out.

The decoder is rewritten exactly where that saves work (core.models.article_fused), kept in the memory layout that the
convolutions want, and computed in bfloat16 where the device multiplies it in hardware. How many threads compute is
the business of the process that owns this object.

The same point gives the same pixels everywhere only one image at a time, on one thread: convolutions of another batch
size, or shared by another number of threads, add in another order. Measured with the ``compact`` preset, a batch of 2
or 16 moved pixels by a grey level in float32, and 1, 2 and 4 threads gave three different sets of images in both
precisions. One at a time costs little (256², one core: 3.4 ms an image instead of 2.9 in batches of 16). The window's
probe and paths, its exports, ``isoline decode`` and ``isoline encode`` therefore all compute by ``decode_each`` and
``encode_each``, on ``THREADS``. On one machine their images are equal bit for bit.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from core.config import Device, Precision
from core.models.article import ArticleDecoder
from core.models.article_fused import FusedArticleDecoder
from core.models.device import resolve_device, resolve_precision
from core.models.layers import convert
from core.models.vae import VAE

ENCODE_BATCH = 32
DECODE_BATCH = 16
THREADS = 1


class Inference:
    """A model ready to decode and encode. Later changes of ``model`` are not seen: give new weights to ``reload``.

    Attributes: ``latent_dim`` d, ``image_size`` S, ``channels`` C, ``device``, ``dtype`` (of the large products).
    Raises ``core.models.device.DeviceError`` for a device that is not there.
    """

    def __init__(self, model: VAE, device: Device = "auto", precision: Precision = "auto") -> None:
        resolved = resolve_device(device)
        self.device = torch.device(resolved)
        self.dtype = resolve_precision(precision, resolved)
        self.latent_dim = model.latent_dim
        self.image_size = model.image_size
        self.channels = model.channels
        self._model = copy.deepcopy(model).cpu().float().eval().requires_grad_(False)
        self._prepare()

    def reload(self, tensors: dict[str, Tensor]) -> None:
        """Take over newer weights of the same architecture: the tensors of ``VAE.state_dict()``, any float type.

        Raises ``RuntimeError`` (naming the tensors) when they don't fit; the old weights then stay.
        """
        fresh = copy.deepcopy(self._model)
        fresh.load_state_dict(tensors)
        self._model = fresh
        self._prepare()

    @torch.inference_mode()
    def decode(self, z: np.ndarray) -> np.ndarray:
        """Latents (n, d) to images uint8 (n, S, S, C): the decoder's mean image, rounded to 8 bits."""
        z = np.asarray(z, dtype=np.float32)
        self.check_latents(z)
        images = np.empty((len(z), self.image_size, self.image_size, self.channels), np.uint8)
        for start in range(0, len(z), DECODE_BATCH):
            part = torch.from_numpy(z[start : start + DECODE_BATCH]).to(self.device)
            levels = torch.sigmoid(self._decoder(part).float()).mul_(255.0).round_().to(torch.uint8)
            images[start : start + len(part)] = levels.permute(0, 2, 3, 1).cpu().numpy()  # waits for the device
        return images

    @torch.inference_mode()
    def encode(self, images: np.ndarray) -> np.ndarray:
        """Images uint8 (n, S, S, C) to the posterior's means mu, float32 (n, d)."""
        self.check_images(images)
        mu = np.empty((len(images), self.latent_dim), np.float32)
        for start in range(0, len(images), ENCODE_BATCH):
            part = torch.from_numpy(np.ascontiguousarray(images[start : start + ENCODE_BATCH])).to(self.device)
            pixels = part.permute(0, 3, 1, 2).to(self.dtype).div_(255.0)
            heads = self._encoder(pixels)[:, : self.latent_dim]  # a log-variance head comes after the mean
            mu[start : start + len(part)] = heads.float().cpu().numpy()  # waits for the device
        return mu

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

    def _prepare(self) -> None:
        decoder: nn.Module = self._model.decoder
        decoder = FusedArticleDecoder(decoder) if isinstance(decoder, ArticleDecoder) else copy.deepcopy(decoder)
        self._decoder = self._placed(decoder)
        self._encoder = self._placed(copy.deepcopy(self._model.encoder))

    def _placed(self, module: nn.Module) -> nn.Module:
        return convert(module, self.device, self.dtype).eval().requires_grad_(False)


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
