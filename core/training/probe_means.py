"""Measures the means of a run's probe set while it trains: exactly where there is time, else by landmarks.

``core.training.live_embedding`` says how a few encoded samples give the whole cloud; this module encodes them, and
knows how long that takes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import lightning_fabric
import numpy as np
import torch
import torch.nn.functional as F

from core.models.vae import VAE
from core.runs.directory import MAX_PROBE, THUMBNAIL_SIZE, ProbeSet
from core.training.live_embedding import LiveEmbedding
from core.training.loop import load_images
from core.training.state import TrainingState

if TYPE_CHECKING:
    from core.data.dataset import Dataset

LOOK_S = 0.03
"""Seconds that encoding the landmarks of one look may take."""
LANDMARKS = (48, 96, 192)
EPOCH_LANDMARKS = 384
"""For the means of an epoch, where encoding all of them would take too long."""
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
    return ProbeSet(indices, factors, tuple(dataset.factor_names), _thumbnails(dataset, indices), split[indices])


def _thumbnails(dataset: Dataset, indices: np.ndarray) -> np.ndarray:
    """Images ``indices`` averaged down to uint8 (n, 32, 32, C)."""
    thumbnails = np.empty((len(indices), THUMBNAIL_SIZE, THUMBNAIL_SIZE, dataset.images.shape[3]), np.uint8)
    for start in range(0, len(indices), _CHUNK):
        images = torch.from_numpy(dataset.images[indices[start : start + _CHUNK]])
        small = F.adaptive_avg_pool2d(images.permute(0, 3, 1, 2).float(), THUMBNAIL_SIZE)
        thumbnails[start : start + _CHUNK] = small.round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return thumbnails


class Means:
    """The means of the probe set, now. Tell it when the weights change (``weights_changed``)."""

    def __init__(
        self, probe: ProbeSet, dataset: Dataset, state: TrainingState, fabric: lightning_fabric.Fabric
    ) -> None:
        self._probe, self._dataset, self._state, self._fabric = probe, dataset, state, fabric
        self._live = LiveEmbedding(probe.thumbnails, state.model.latent_dim)
        size = state.config.data.image_size
        self._batch = _CHUNK if fabric.device.type != "cpu" else int(np.clip(_BATCH_PIXELS // size**2, 8, _CHUNK))
        self._landmarks = 0
        self._seconds_per_image = 0.0
        self._refined = np.empty((len(probe.indices), state.model.latent_dim), np.float32)
        self._refined_count = 0

    def weights_changed(self) -> None:
        """What was encoded for ``refine`` belongs to older weights."""
        self._refined_count = 0

    @property
    def exact_seconds(self) -> float:
        """How long ``exact`` will take."""
        return self._speed() * len(self._probe.indices)

    def exact(self) -> np.ndarray:
        """Means float32 (n, d), each sample encoded."""
        mu = self._encode(np.arange(len(self._probe.indices)))
        self._rebase(mu)
        return mu

    def look(self) -> np.ndarray:
        """Means float32 (n, d) from a few landmarks, in about ``LOOK_S``."""
        if not self._landmarks:
            affordable = LOOK_S / max(self._speed(), 1e-9)
            self._landmarks = max((n for n in LANDMARKS if n <= affordable), default=LANDMARKS[0])
        return self._from_landmarks(self._landmarks)

    def careful_look(self) -> np.ndarray:
        """Means float32 (n, d) from ``EPOCH_LANDMARKS``."""
        return self._from_landmarks(EPOCH_LANDMARKS)

    def refine(self, seconds: float) -> np.ndarray | None:
        """Encode more of the samples for about ``seconds``: the exact means once all are done, else None."""
        count = len(self._refined)
        deadline = time.monotonic() + seconds
        while self._refined_count < count and time.monotonic() < deadline:
            places = np.arange(self._refined_count, min(self._refined_count + self._batch, count))
            self._refined[places] = self._encode(places)
            self._refined_count += len(places)
            if self._refined_count == count:
                mu = self._refined.copy()
                self._rebase(mu)
                return mu
        return None

    def _rebase(self, mu: np.ndarray) -> None:
        self._landmarks = 0
        if np.isfinite(mu).all():
            self._live.rebase(mu)

    def _from_landmarks(self, count: int) -> np.ndarray:
        return self._live.predict(self._encode(self._live.landmarks(count)))

    def _speed(self) -> float:
        """Seconds per image."""
        if self._seconds_per_image <= 0.0:
            some = np.arange(min(self._batch, len(self._probe.indices)))
            for _ in range(2):  # the first time kernels are chosen and memory is taken
                self._encode(some)
        return self._seconds_per_image

    @torch.no_grad()
    def _encode(self, places: np.ndarray) -> np.ndarray:
        model: VAE = self._state.model
        mu = np.empty((len(places), model.latent_dim), np.float32)
        began, training = time.monotonic(), model.training
        model.eval()
        for start in range(0, len(places), self._batch):
            part = places[start : start + self._batch]
            images = load_images(self._dataset, self._probe.indices[part], self._fabric.device)
            with self._fabric.autocast():
                found = model.encode(images)[0]
            mu[start : start + len(part)] = found.float().cpu().numpy()  # waits for the device
        model.train(training)
        self._seconds_per_image = (time.monotonic() - began) / max(len(places), 1)
        return mu
