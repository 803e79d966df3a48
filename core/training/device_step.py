"""A whole training step as a fixed sequence of operations on fixed buffers, which a CUDA graph repeats as one launch.

At batch 16 a step on a GPU is some hundreds of kernels of a few microseconds, which Python starts one by one more
slowly than they run. So all of it, from gathering the batch among the images that lie on the device to the optimizer,
is captured once by ``torch.cuda.graph`` and replayed. Explicit capture rather than ``torch.compile``: no compiler and
no minute of compiling, the very kernels of the plain step, and one place that says what is captured. What changes from
step to step (which images, the noise, learning rate, β and γ) is written into the buffers in between; nothing in a step
reads a value back, so the processor runs ahead of the device.

Networks and losses are those of the plain step, and so is the result: on a CPU bit for bit (its test), if batches are
not cut there. Noise on the images is drawn on the device, by a generator that is set for each step from (seed, step,
rank); a GPU draws other numbers than a CPU. None of this has been measured on a GPU.
"""

from __future__ import annotations

import contextlib
import math
import os
import warnings
from collections.abc import Iterator

import lightning_fabric
import numpy as np
import torch
from torch import Tensor

from core.data.dataset import Dataset
from core.data.reading import read_ahead, read_images
from core.models.losses import vae_loss
from core.training.readings import Reading, Readings
from core.training.state import TrainingState, input_noise_seed, step_noise

MEMORY_FRACTION = 0.5
"""Of the device's free memory, which the images may fill; the rest is for the steps."""
UPLOAD_BYTES = 64 << 20
WARM_STEPS = 3
"""Ordinary steps before the capture: by then kernels are chosen and memory is laid out."""
WIDTH = 5
"""Numbers that a step gives: the loss, its three terms, the norm of the gradients."""


@contextlib.contextmanager
def kernels_for(deterministic: bool, device: torch.device) -> Iterator[None]:
    """Inside, a GPU takes kernels that add up in a fixed order, or, if not ``deterministic``, the fastest ones."""
    if device.type == "cpu":
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read by the first product; else cuBLAS refuses
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    torch.backends.cudnn.benchmark = not deterministic
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark = benchmark


def fits(device: torch.device, dataset: Dataset) -> bool:
    """Whether the images may lie in the device's memory."""
    free = math.inf
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    elif device.type == "mps":
        free = torch.mps.recommended_max_memory()
    return dataset.images.nbytes <= MEMORY_FRACTION * free


def place_of_images(device: torch.device, dataset: Dataset) -> str:
    """Where a training on ``device`` has its images, for a person."""
    size = f"{dataset.images.nbytes / 2**20:,.0f} MiB"
    if fits(device, dataset):
        return f"all images lie in the memory of {device} ({size})"
    return f"the images are too many for the memory of {device} ({size}): each batch is copied there"


def images_on(device: torch.device, dataset: Dataset) -> Tensor | None:
    """All images uint8 (N, H, W, C) on ``device``; None if they would fill too much of its free memory."""
    images = dataset.images
    if not fits(device, dataset):
        return None
    resident = torch.empty(images.shape, dtype=torch.uint8, device=device)
    rows = max(1, UPLOAD_BYTES // max(1, images.nbytes // max(1, len(images))))
    for start in range(0, len(images), rows):
        places = np.arange(start, min(start + rows, len(images)))
        resident[start : start + len(places)] = torch.from_numpy(read_images(images, places)).to(device)
    return resident


class DeviceSteps:
    """The steps of a training in one process on ``fabric``'s device; batches are not divided (accumulation 1).

    ``optimizer`` steps the parameters of ``state.model``, which lie on the device. From here on its learning rate is a
    tensor of the device's.
    """

    def __init__(self, state: TrainingState, dataset: Dataset, fabric: lightning_fabric.Fabric) -> None:
        self.device = fabric.device
        self._state, self._dataset, self._fabric = state, dataset, fabric
        self._readings = Readings(self.device, WIDTH)
        self._settings = torch.zeros(3, device=self.device)
        self._generator = torch.Generator(self.device)
        self.resident = images_on(self.device, dataset)
        self._weights = torch.from_numpy(dataset.weights).to(self.device)
        for group in state.optimizer.param_groups:
            group["lr"] = self._settings[0]
        self._batches: dict[int, _Batch] = {}
        self._stream = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None

    def run(self, mine: np.ndarray, ahead: np.ndarray, rate: float, beta: float, gamma: float) -> Reading:
        """Do a step on the images ``mine`` (n,) of the dataset; those ``ahead`` are wanted next. Returns its numbers,
        ``WIDTH`` of them, before the device has them."""
        state, seed = self._state, self._state.config.training.seed
        batch = self._batches.get(len(mine))
        if batch is None:
            batch = self._batches[len(mine)] = _Batch(len(mine), self)
        noise = step_noise(seed, state.step, self._fabric.global_rank, (len(mine), state.config.model.latent_dim))
        self._send(torch.from_numpy(mine), batch.indices)
        self._send(noise, batch.noise)
        places = state.places(self._fabric.global_rank, len(mine))
        if places is not None and batch.moved is not None:
            self._send(places, batch.moved)
        self._send(torch.tensor([rate, beta, gamma]), self._settings)
        if self.resident is None:
            self._send(torch.from_numpy(read_images(self._dataset.images, mine)), batch.pixels)
            read_ahead(self._dataset.images, ahead)
        if state.config.training.input_noise > 0:
            self._generator.manual_seed(input_noise_seed(seed, state.step, self._fabric.global_rank))
        batch.step()
        return self._readings.take(batch.result)

    def _send(self, values: Tensor, buffer: Tensor) -> None:
        """Copy to the device without waiting; PyTorch keeps pinned memory until it has been read."""
        pinned = values.pin_memory() if self.device.type == "cuda" else values
        buffer.copy_(pinned, non_blocking=True)

    def compute(self, batch: _Batch) -> None:
        """The operations of a step; none of them reads a value back. Fills ``batch.result``."""
        state, config = self._state, self._state.config
        pixels = batch.pixels if self.resident is None else self.resident.index_select(0, batch.indices)
        images = pixels.permute(0, 3, 1, 2).float().div_(255.0)
        seen = images
        if config.training.input_noise > 0:
            drawn = torch.randn(images.shape, generator=self._generator, device=self.device)
            seen = images + config.training.input_noise * drawn
        state.optimizer.zero_grad(set_to_none=True)
        with self._fabric.autocast():
            logits, mu, log_variance = state.model(seen, batch.noise, batch.moved)
        _, beta, gamma = self._settings.unbind()
        weights = self._weights.index_select(0, batch.indices)
        losses = vae_loss(logits, images, mu, log_variance, weights, config.loss, beta, gamma)
        losses.loss.backward()
        parameters = [parameter for parameter in state.model.parameters() if parameter.grad is not None]
        if config.training.clip > 0:
            norm = torch.nn.utils.clip_grad_norm_(parameters, config.training.clip, error_if_nonfinite=False)
        else:
            norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        state.optimizer.step()
        batch.result.copy_(torch.cat([losses.stacked(), norm.detach()[None]]))


class _Batch:
    """The buffers of steps of ``size`` images, and their graph once there is one.

    An epoch's last batch is mostly smaller than the others, and rare: its steps stay ordinary ones until it has been
    met ``WARM_STEPS`` times.
    """

    def __init__(self, size: int, steps: DeviceSteps) -> None:
        device, (_, *shape) = steps.device, steps._dataset.images.shape
        self.indices = torch.zeros(size, dtype=torch.int64, device=device)
        self.noise = torch.zeros(size, steps._state.config.model.latent_dim, device=device)
        moves = any(steps._state.farthest)
        self.moved = torch.zeros(size, 2, dtype=torch.int64, device=device) if moves else None
        self.pixels = torch.zeros(0 if steps.resident is not None else size, *shape, dtype=torch.uint8, device=device)
        self.result = torch.zeros(WIDTH, device=device)
        self._steps = steps
        self._done = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._plain = steps._stream is None

    def step(self) -> None:
        """One step, by the graph if there is one."""
        stream = self._steps._stream
        if self._plain or stream is None:
            self._steps.compute(self)
            return
        if self._graph is None and self._done >= WARM_STEPS:
            self._capture()
        self._done += 1
        if self._graph is not None:
            self._graph.replay()
        else:  # on a stream of its own, as the capture will be
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                self._steps.compute(self)
            torch.cuda.current_stream().wait_stream(stream)

    def _capture(self) -> None:
        """Capture a step, which does none. Where that is not possible, say so and go on with ordinary ones."""
        graph, groups = torch.cuda.CUDAGraph(), self._steps._state.optimizer.param_groups
        for group in groups:  # else the optimizer refuses; ordinary steps with it would make it warn
            group["capturable"] = True
        try:
            graph.register_generator_state(self._steps._generator)
            self._steps._state.optimizer.zero_grad(set_to_none=True)
            # Other threads of this process may use CUDA meanwhile.
            with torch.cuda.graph(graph, stream=self._steps._stream, capture_error_mode="thread_local"):
                self._steps.compute(self)
        except RuntimeError as error:
            torch.cuda.synchronize()
            self._plain = True
            warnings.warn(
                f"the step could not be captured as a CUDA graph, and is launched kernel by kernel: {error}",
                RuntimeWarning,
                stacklevel=2,
            )
        else:
            self._graph = graph
        finally:
            for group in groups:
                group["capturable"] = False
