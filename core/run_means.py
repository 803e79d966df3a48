"""Measures the means of a run's probe set while it trains, within a share of the training's time.

``core.live_embedding`` says how a few measurements move the whole cloud; this module takes them: for free from each
training step and each validation (a hook on the model), and from a slice of samples that it encodes by itself.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import lightning_fabric
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.live_embedding import LiveEmbedding
from core.model import VAE
from core.runs import MAX_PROBE, THUMBNAIL_SIZE, ProbeSet
from core.training import EpochEnd, Step, load_images
from core.training_state import TrainingState, epoch_order

if TYPE_CHECKING:
    from core.datasets import Dataset

FEATURE_SIZE = 8
SLICE_S = 0.02
"""Seconds that a live slice may take."""
FIRST_SLICE_S = 3.0
"""Seconds for the first look, before training: enough for a few thousand small images."""
_BATCH_PIXELS = 1 << 19  # on a CPU small batches stay in its caches; measured: twice as fast as batches of 64 at 256 px
_CHUNK = 256


def make_probe(dataset: Dataset, seed: int) -> ProbeSet:
    """The samples whose means are recorded: all, or ``MAX_PROBE`` drawn with ``seed``, in file order."""
    count = len(dataset.images)
    indices = np.arange(count, dtype=np.int64)
    if count > MAX_PROBE:
        indices = np.sort(np.random.default_rng(seed).choice(count, MAX_PROBE, replace=False)).astype(np.int64)
    split = np.zeros(count, np.uint8)
    split[dataset.validation] = 1
    factors = np.ascontiguousarray(dataset.factors[indices], dtype=np.float32)
    thumbnails = _reduced(dataset, indices, THUMBNAIL_SIZE)
    return ProbeSet(indices, factors, tuple(dataset.factor_names), thumbnails, split[indices])


def _reduced(dataset: Dataset, indices: np.ndarray, size: int) -> np.ndarray:
    """Images ``indices`` averaged down to uint8 (n, size, size, C)."""
    parts = []
    for start in range(0, len(indices), _CHUNK):
        images = torch.from_numpy(np.asarray(dataset.images[indices[start : start + _CHUNK]]))
        small = F.adaptive_avg_pool2d(images.permute(0, 3, 1, 2).float(), size)
        parts.append(small.round().to(torch.uint8).permute(0, 2, 3, 1).numpy())
    return np.concatenate(parts) if parts else np.empty((0, size, size, 1), np.uint8)


class Means:
    """Keeps the means of the probe set near the present. Close it when done: it hooks the model."""

    def __init__(
        self, probe: ProbeSet, dataset: Dataset, state: TrainingState, fabric: lightning_fabric.Fabric
    ) -> None:
        self._probe, self._dataset, self._state, self._fabric = probe, dataset, state, fabric
        pooled = F.adaptive_avg_pool2d(torch.from_numpy(probe.thumbnails).permute(0, 3, 1, 2).float(), FEATURE_SIZE)
        self._live = LiveEmbedding(pooled.flatten(1).numpy(), state.model.latent_dim)
        self._place = np.full(len(dataset.images), -1, np.int64)
        self._place[probe.indices] = np.arange(len(probe.indices))
        size = state.config.data.image_size
        self._batch = _CHUNK if fabric.device.type != "cpu" else int(np.clip(_BATCH_PIXELS // size**2, 8, _CHUNK))
        self._seconds_per_image = 0.0
        self._trained: Tensor | None = None
        self._validated: list[Tensor] = []
        self._pending: list[tuple[np.ndarray, Tensor]] = []
        # Batch statistics of a training batch are not those that encode later: such means would be others.
        self._steps_count = not any(
            isinstance(m, nn.modules.batchnorm._BatchNorm) for m in state.model.encoder.modules()
        )
        self._hook = state.model.register_forward_hook(self._on_forward)

    def close(self) -> None:
        """Let go of the model."""
        self._hook.remove()

    @property
    def exact(self) -> bool:
        """Whether all means are those of the present weights."""
        return self._live.exact

    def step_done(self, step: Step) -> None:
        """Take the means that this step computed; no device synchronisation."""
        self._live.weights_changed()
        mu, self._trained = self._trained, None
        if mu is None or not self._steps_count:
            return
        state, dataset = self._state, self._dataset
        order = dataset.train[epoch_order(state.config.training.seed, step.epoch - 1, len(dataset.train))]
        batch = order[state.position - step.images : state.position][:: self._fabric.world_size]  # rank zero's share
        if len(batch) == len(mu):
            self._pending.append((batch, mu))

    def epoch_done(self, _epoch: EpochEnd) -> None:
        """Take the means that the validation computed; they are exact."""
        self._take_pending()
        self._live.carry()
        share = self._dataset.validation[:: self._fabric.world_size]
        if self._validated and sum(len(mu) for mu in self._validated) == len(share):
            self._measure(share, torch.cat(self._validated).float().cpu().numpy(), exact=True)
        self._validated.clear()

    def encode_for(self, seconds: float) -> None:
        """Encode the samples that need it most for about ``seconds``, at least one batch, at most all."""
        self._take_pending()
        deadline = time.monotonic() + seconds
        while len(places := self._live.oldest(self._slice(deadline - time.monotonic()))):
            self._encode(places)
            if time.monotonic() >= deadline:
                return

    def encode_all(self) -> np.ndarray:
        """Exact means float32 (n, d) of the whole probe set."""
        while not self._live.exact:
            self._take_pending()
            self._encode(self._live.oldest(self._batch * 8))
        return self._live.carry()

    def carried(self) -> np.ndarray:
        """Means float32 (n, d): as measured lately, the others carried along."""
        self._take_pending()
        return self._live.carry()

    def _slice(self, seconds: float) -> int:
        if self._seconds_per_image <= 0.0:
            return self._batch
        return int(np.clip(seconds / self._seconds_per_image, 4, self._batch))

    @torch.no_grad()
    def _encode(self, places: np.ndarray) -> None:
        model: VAE = self._state.model
        began, training = time.monotonic(), model.training
        model.eval()
        for start in range(0, len(places), self._batch):
            part = places[start : start + self._batch]
            images = load_images(self._dataset, self._probe.indices[part], self._fabric.device)
            with self._fabric.autocast():
                mu = model.encode(images)[0]
            self._live.measure(part, mu.float().cpu().numpy())  # waits for the device
        model.train(training)
        self._seconds_per_image = (time.monotonic() - began) / len(places)

    def _on_forward(self, model: nn.Module, _inputs: object, output: tuple[Tensor, Tensor, Tensor]) -> None:
        mu = output[1].detach()
        if model.training:
            self._trained = mu
        else:
            self._validated.append(mu)

    def _take_pending(self) -> None:
        if self._pending:
            indices = np.concatenate([batch for batch, _ in self._pending])
            mu = torch.cat([mu for _, mu in self._pending]).float().cpu().numpy()  # waits for the device
            self._pending.clear()
            self._measure(indices, mu, exact=False)

    def _measure(self, indices: np.ndarray, mu: np.ndarray, *, exact: bool) -> None:
        places = self._place[indices]
        inside = places >= 0
        self._live.measure(places[inside], mu[inside], exact=exact)
