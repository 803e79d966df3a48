"""Our own networks, fast, for looking at a model.

The decoder is rewritten exactly where that saves work (core.models.article_fused) and kept in the memory layout that
the convolutions want. How many threads compute is the business of the process that owns this object.

``compact`` computes in float32: bfloat16 would save 0.8 of 3.9 ms for an image of 256² and move pixels by up to 6 grey
levels. On a GPU with CUDA it computes in float16, which has three bits more: of the bundled model's images it moves one
pixel of 600, by one grey level. The article's networks compute in bfloat16 where the device multiplies it in hardware:
115 ms instead of 257.

On a GPU one image is some fifty kernels of microseconds, started more slowly than they run. So the decoder of a single
image is captured as a CUDA graph once the same weights have decoded a few. Many images go in large batches, and each
batch is fetched while the next one is computed. Not measured on a GPU.
"""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections import deque
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
DEVICE_BATCH = 256
"""The same on a GPU."""
FETCHED = 2
"""Batches of a GPU that are computed or on their way before one is waited for."""
CAPTURE_AFTER = 4
"""Single images with the same weights: while a model is trained and nobody drags, a capture would not pay."""


class NetworkInference(Inference):
    """A ``VAE`` ready to decode and encode. Later changes of ``model`` are not seen: give new weights to ``reload``.

    Attributes: those of ``Inference``, ``device``, ``dtype`` (of the large products). Raises
    ``core.models.device.DeviceError`` for a device that is not there.
    """

    def __init__(self, model: VAE, device: Device = "auto", precision: Precision = "auto") -> None:
        resolved = resolve_device(device)
        self.device = torch.device(resolved)
        self.dtype = resolve_precision(precision, resolved)
        if precision == "auto" and isinstance(model.decoder, CompactDecoder):
            self.dtype = torch.float16 if resolved == "cuda" else torch.float32
        on_cpu = resolved == "cpu"
        self._batches = (DECODE_BATCH, ENCODE_BATCH) if on_cpu else (DEVICE_BATCH, DEVICE_BATCH)
        self._ahead = 0 if on_cpu else FETCHED
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
        if len(z) == 1 and self._single is not None:
            return self._single.decode(z)
        images = np.empty((len(z), self.image_size, self.image_size, self.channels), np.uint8)
        batch, _ = self._batches
        on_the_way: deque[tuple[int, _Fetched]] = deque()
        for start in range(0, len(z), batch):
            part = self._sent(z[start : start + batch])
            on_the_way.append((start, _Fetched(levels_of(self._decoder, part))))
            if len(on_the_way) > self._ahead:
                _store(images, *on_the_way.popleft())
        for start, fetched in on_the_way:
            _store(images, start, fetched)
        return images

    @torch.inference_mode()
    def encode(self, images: np.ndarray) -> np.ndarray:
        """Images uint8 (n, S, S, C) to the posterior's means mu, float32 (n, d)."""
        self.check_images(images)
        mu = np.empty((len(images), self.latent_dim), np.float32)
        _, batch = self._batches
        on_the_way: deque[tuple[int, _Fetched]] = deque()
        for start in range(0, len(images), batch):
            part = self._sent(np.ascontiguousarray(images[start : start + batch]))
            pixels = part.permute(0, 3, 1, 2).to(self.dtype).div_(255.0)
            heads = self._encoder(pixels)[:, : self.latent_dim]  # a log-variance head comes after the mean
            on_the_way.append((start, _Fetched(heads.float())))
            if len(on_the_way) > self._ahead:
                _store(mu, *on_the_way.popleft())
        for start, fetched in on_the_way:
            _store(mu, start, fetched)
        return mu

    def _sent(self, values: np.ndarray) -> Tensor:
        """``values`` on the device, without waiting for what it is computing."""
        tensor = torch.from_numpy(values)
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)

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
        self._single = _SingleImage(self._decoder, self) if self.device.type == "cuda" else None

    def _placed(self, module: Network) -> Network:
        convert(module, self.device, self.dtype).eval().requires_grad_(False)
        return module


def levels_of(decoder: CompactDecoder | FusedArticleDecoder, z: Tensor) -> Tensor:
    """Latents (n, d) to images uint8 (n, S, S, C) on their device."""
    levels = decoder.brightness(z).mul_(255.0).round_().to(torch.uint8)
    return levels.permute(0, 2, 3, 1)


class _Fetched:
    """A result on its way from the device to the host."""

    def __init__(self, values: Tensor) -> None:
        self._event: torch.cuda.Event | None = None
        self._values = values
        if values.device.type == "cuda":
            self._values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self._values.copy_(values, non_blocking=True)
            self._event = torch.cuda.Event()
            self._event.record()

    def array(self) -> np.ndarray:
        """The result; waits for it, and for nothing that was given to the device after it."""
        if self._event is not None:
            self._event.synchronize()
        return self._values.cpu().numpy()


def _store(results: np.ndarray, start: int, fetched: _Fetched) -> None:
    values = fetched.array()
    results[start : start + len(values)] = values


class _SingleImage:
    """The decoding of one image with fixed buffers: launched as ordinary kernels, then as a graph.

    Engine and exports decode in one thread; new weights come with another object.
    """

    def __init__(self, decoder: CompactDecoder | FusedArticleDecoder, inference: NetworkInference) -> None:
        self._decoder = decoder
        on_cuda = inference.device.type == "cuda"
        size = inference.image_size
        self._given = torch.zeros(1, inference.latent_dim, pin_memory=on_cuda)
        self._z = torch.zeros(1, inference.latent_dim, device=inference.device)
        self._levels = torch.zeros(1, size, size, inference.channels, dtype=torch.uint8, device=inference.device)
        self._image = torch.zeros(self._levels.shape, dtype=torch.uint8, pin_memory=on_cuda)
        self._stream: torch.cuda.Stream | None = None
        if on_cuda:
            self._stream = torch.cuda.Stream(inference.device)
            self._stream.wait_stream(torch.cuda.current_stream(inference.device))  # the weights come by that one
        self._graph: torch.cuda.CUDAGraph | None = None
        self._decoded = 0

    def decode(self, z: np.ndarray) -> np.ndarray:
        """z float32 (1, d) to the image uint8 (1, S, S, C)."""
        self._given.copy_(torch.from_numpy(z))
        if self._stream is None:
            self._compute()
            return self._image.numpy().copy()
        with torch.cuda.stream(self._stream):
            if self._decoded == CAPTURE_AFTER:
                self._capture()
            self._decoded += 1
            if self._graph is None:
                self._compute()
            else:
                self._graph.replay()
        self._stream.synchronize()
        return self._image.numpy().copy()

    def _compute(self) -> None:
        self._z.copy_(self._given, non_blocking=True)
        self._levels.copy_(levels_of(self._decoder, self._z))
        self._image.copy_(self._levels, non_blocking=True)

    def _capture(self) -> None:
        """Where it is not possible, images are decoded as before, and a warning says so."""
        graph = torch.cuda.CUDAGraph()
        try:
            # Newer weights are placed by another thread meanwhile.
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                self._compute()
        except RuntimeError as error:
            torch.cuda.synchronize()
            warnings.warn(f"decoding could not be captured as a CUDA graph: {error}", RuntimeWarning, stacklevel=2)
        else:
            self._graph = graph
