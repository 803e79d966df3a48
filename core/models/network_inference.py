"""Our own networks, fast, for looking at a model.

The decoder is rewritten exactly where that saves work (core.models.article_fused) and kept in the memory layout that
the convolutions want. How many threads compute is the business of the process that owns this object.

``compact`` computes in float32: bfloat16 would save 0.8 of 3.9 ms for an image of 256² and move pixels by up to 6 grey
levels. The article's networks compute in bfloat16 where the device multiplies it in hardware: 115 ms instead of 257.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from core.config import Device, Precision
from core.models.article import ArticleDecoder
from core.models.article_fused import FusedArticleDecoder
from core.models.compact import CompactDecoder
from core.models.device import resolve_device, resolve_precision
from core.models.inference import THREADS, Inference
from core.models.layers import convert
from core.models.vae import VAE

Network = TypeVar("Network", bound=nn.Module)

ENCODE_BATCH = 32
DECODE_BATCH = 16


class NetworkInference(Inference):
    """A ``VAE`` ready to decode and encode. Later changes of ``model`` are not seen: give new weights to ``reload``.

    Attributes: those of ``Inference``, ``device``, ``dtype`` (of the large products). Raises
    ``core.models.device.DeviceError`` for a device that is not there.
    """

    def __init__(self, model: VAE, device: Device = "auto", precision: Precision = "auto") -> None:
        resolved = resolve_device(device)
        self.device = torch.device(resolved)
        if precision == "auto" and isinstance(model.decoder, CompactDecoder):
            precision = "float32"
        self.dtype = resolve_precision(precision, resolved)
        self.precision = str(self.dtype).removeprefix("torch.")
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
            levels = self._decoder.brightness(part).mul_(255.0).round_().to(torch.uint8)
            images[start : start + len(part)] = levels.permute(0, 2, 3, 1).cpu().numpy()  # waits for the device
        return images

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Images uint8 (n, S, S, C) to the posterior's means mu, float32 (n, d)."""
        self.check_images(images)
        mu = np.empty((len(images), self.latent_dim), np.float32)
        for start in range(0, len(images), ENCODE_BATCH):
            mu[start : start + ENCODE_BATCH] = self.encode_batch(images[start : start + ENCODE_BATCH])
        return mu

    @torch.inference_mode()
    def encode_batch(self, images: np.ndarray) -> np.ndarray:
        """The same of images that are computed all at once."""
        part = torch.from_numpy(np.ascontiguousarray(images)).to(self.device)
        pixels = part.permute(0, 3, 1, 2).to(self.dtype).div_(255.0)
        heads = self._encoder(pixels)[:, : self.latent_dim]  # a log-variance head comes after the mean
        return heads.float().cpu().numpy()  # waits for the device

    @contextlib.contextmanager
    def fixed_threads(self) -> Iterator[None]:
        """Compute on ``THREADS``; the caller's own number returns afterwards."""
        before = torch.get_num_threads()
        torch.set_num_threads(THREADS)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def _prepare(self) -> None:
        decoder = self._model.decoder
        decoder = FusedArticleDecoder(decoder) if isinstance(decoder, ArticleDecoder) else copy.deepcopy(decoder)
        self._decoder = self._placed(decoder)
        self._encoder = self._placed(copy.deepcopy(self._model.encoder))

    def _placed(self, module: Network) -> Network:
        convert(module, self.device, self.dtype).eval().requires_grad_(False)
        return module
