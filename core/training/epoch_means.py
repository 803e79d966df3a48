"""The means of more samples than an epoch's record waits for, encoded between the steps that follow it.

They are those of the weights at the epoch's end, of which the encoder is kept, so that all means of an epoch belong
together. Only so large a share of the time is spent on them as the training has set; what is not done when the next
epoch ends is given up for that of newer weights, so the newest epoch alone has more than the first samples.
"""

from __future__ import annotations

import time

import lightning_fabric
import numpy as np

from core.data.dataset import Dataset
from core.models.vae import build_model
from core.training.growing_means import GrowingMeans
from core.training.probe_embedding import SampleEncoder
from core.training.state import TrainingState
from core.training.workers import Workers

SLICE_S = 0.03
"""Seconds of encoding between two steps: a command waits no longer."""


class EpochMeans:
    """The means of the samples ``indices`` int64 (n,) after ``epoch``, None until ``begin``; ``percent`` of the time is
    spent on them."""

    def __init__(
        self,
        indices: np.ndarray,
        dataset: Dataset,
        state: TrainingState,
        fabric: lightning_fabric.Fabric,
        workers: Workers,
        percent: float,
    ) -> None:
        self._state = state
        model = build_model(state.config).to(fabric.device).requires_grad_(False).eval()
        del model.decoder  # it takes memory
        self._growing = GrowingMeans(SampleEncoder(indices, dataset, model, fabric, workers))
        self._encoder = model.encoder
        self._share = percent / 100.0
        self._next = 0.0
        self.epoch: int | None = None

    @property
    def count(self) -> int:
        """How many samples there are."""
        return self._growing.count

    @property
    def means(self) -> np.ndarray:
        """Means float32 (k, d) of the first k samples: see ``GrowingMeans.means``."""
        return self._growing.means

    @property
    def complete(self) -> bool:
        """Whether there is nothing to encode."""
        return self.epoch is None or self._growing.complete

    @property
    def due(self) -> bool:
        """Whether more may be encoded now."""
        return not self.complete and time.monotonic() >= self._next

    def begin(self, epoch: int, mu: np.ndarray | None) -> None:
        """From now on the means of the weights that the training has now, at the end of ``epoch``; those of the first
        samples are ``mu`` float32 (k, d), None: not known."""
        self._encoder.load_state_dict(self._state.model.encoder.state_dict())
        self._growing.begin(mu)
        self.epoch = epoch

    def advance(self, seconds: float = SLICE_S) -> np.ndarray | None:
        """Encode more for about ``seconds``; returns what ``GrowingMeans.advance`` does."""
        return self._growing.advance(seconds)

    def spent(self, seconds: float) -> None:
        """So long the training has waited for this just now: none for a while, so that it is no more than its share."""
        self._next = time.monotonic() + seconds * (1.0 / self._share - 1.0)
