"""How long a training would take here, and how much memory: measured on a few steps of it."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass

import numpy as np
import psutil
import torch

from core.config import RunConfig
from core.data.dataset import Dataset
from core.training.loop import Step, make_fabric, train
from core.training.state import TrainingState
from core.training.threads import training_threads

STEPS = 6
"""Steps that are timed, after two that warm caches."""
LONGEST_S = 4.0


@dataclass(frozen=True)
class Estimate:
    """``seconds`` of the whole training, at ``images_per_second``, and the ``memory_bytes`` of its process."""

    seconds: float
    images_per_second: float
    memory_bytes: int


def estimate_training(config: RunConfig, images: int) -> Estimate:
    """Train a few steps on random pixels and extrapolate to ``images`` training images. Raises ``DeviceError``."""
    batch = min(config.training.batch_size, images)  # as the training does
    config = dataclasses.replace(config, training=dataclasses.replace(config.training, batch_size=batch))
    rate = batch / step_seconds(config, STEPS, LONGEST_S)
    memory = psutil.Process().memory_info().rss
    if torch.cuda.is_available():
        memory = max(memory, torch.cuda.max_memory_reserved())
    return Estimate(config.training.epochs * images / rate, rate, memory)


def step_seconds(config: RunConfig, steps: int, longest_s: float) -> float:
    """The median time of ``steps`` steps of ``config``, on random pixels, after two that warm caches; of fewer, at
    least one, where all together took ``longest_s`` before. Raises ``DeviceError``."""
    size, channels, batch = config.data.image_size, config.data.channels, config.training.batch_size
    count = batch * (steps + 2)
    pixels = np.random.default_rng(0).integers(0, 256, (count, size, size, channels), np.uint8)
    everything = np.arange(count, dtype=np.int64)
    empty = np.empty(0, np.int64)
    dataset = Dataset(pixels, np.empty((count, 0), np.float32), (), np.ones(count, np.float32), everything, empty, "")
    state = TrainingState(config)
    fabric, times = make_fabric(config.training), []
    with training_threads(state, fabric.world_size, fabric.device.type) as workers:
        began = time.perf_counter()
        for event in train(state, dataset, fabric, workers):
            if not isinstance(event, Step):
                break
            _ = event.losses  # waits for the device
            times.append(time.perf_counter())
            if times[-1] - began > longest_s and len(times) > 1:
                break
    return float(np.median(np.diff(times)[1 if len(times) > 2 else 0 :]))
