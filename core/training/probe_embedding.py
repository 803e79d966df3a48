"""The means of a run's probe set while it trains: exact where there is time, else estimated from landmarks.

Encoding thousands of images every second would cost more than is fair, but the encoder is a smooth function of the
image. So a few dozen landmarks, spread evenly over the samples, are encoded, and the other means are interpolated: the
last exact ones, displaced by a spline through the landmarks' displacements (polyharmonic, kernel r, with an affine
part; Duchon 1977). The spline's coordinates are what the images look like (principal components of small thumbnails)
and the last exact means themselves, so it works from the first step on, and nothing accumulates.

Measured on the punctured curves (128 px), error relative to the cloud's size with 96 landmarks: 0.16 within the first
100 steps, 0.05 at the end of the first epoch, 0.02 from the third on; carrying the samples along from estimate to
estimate by their latent neighbours instead went astray by half its size.
"""

from __future__ import annotations

import contextlib
import time

import lightning_fabric
import numpy as np
import torch
from scipy.interpolate import RBFInterpolator
from torch import Tensor

from core.data.dataset import Dataset
from core.data.reading import read_images
from core.models.thumbnails import thumbnails_of
from core.paths.latent_path import pool
from core.runs.directory import HELD_OUT, MAX_PROBE, VALIDATION, ProbeSet
from core.training.loop import load_images
from core.training.state import TrainingState
from core.training.workers import Workers
from core.utils.point_sets import farthest_points, principal_axes

ESTIMATE_S = 0.03
"""Seconds that encoding the landmarks of one live estimate may take."""
LANDMARKS = (48, 96, 192)
EPOCH_LANDMARKS = 384
"""For the means of an epoch, where encoding all of them would take too long."""
_BATCH_PIXELS = 1 << 19  # on a CPU small batches stay in its caches; measured: twice as fast as batches of 64 at 256 px
_CHUNK = 256
MAX_FEATURES = 12
MAX_BASE = 6


def make_probe(dataset: Dataset, seed: int) -> ProbeSet:
    """The samples whose means are recorded: all, or ``MAX_PROBE`` drawn with ``seed``, in file order."""
    count = len(dataset.images)
    indices = np.arange(count, dtype=np.int64)
    if count > MAX_PROBE:
        indices = np.sort(np.random.default_rng(seed).choice(count, MAX_PROBE, replace=False)).astype(np.int64)
    split = np.zeros(count, np.uint8)
    split[dataset.validation] = VALIDATION
    split[dataset.held_out] = HELD_OUT
    factors = np.ascontiguousarray(dataset.factors[indices], dtype=np.float32)
    names = tuple(dataset.names[index] for index in indices) if dataset.names else ()
    thumbnails = _thumbnails(dataset, indices)
    return ProbeSet(
        indices, factors, tuple(dataset.factor_names), thumbnails, split[indices], dataset.categories, names
    )


def _thumbnails(dataset: Dataset, indices: np.ndarray) -> np.ndarray:
    """Images ``indices`` averaged down to uint8 (n, 32, 32, C)."""
    starts = range(0, len(indices), _CHUNK)
    return np.concatenate([thumbnails_of(read_images(dataset.images, indices[i : i + _CHUNK])) for i in starts])


class ProbeMeans:
    """The means of the probe set, now. Call ``weights_changed`` when they do."""

    def __init__(
        self,
        probe: ProbeSet,
        dataset: Dataset,
        state: TrainingState,
        fabric: lightning_fabric.Fabric,
        workers: Workers,
    ) -> None:
        self._probe, self._dataset, self._state, self._fabric = probe, dataset, state, fabric
        self._workers = workers
        self._live = LiveEmbedding(probe.thumbnails, state.model.latent_dim)
        size = state.config.data.image_size
        self._batch = _CHUNK if fabric.device.type != "cpu" else int(np.clip(_BATCH_PIXELS // size**2, 8, _CHUNK))
        self._landmarks = 0
        self._seconds_per_image = 0.0
        self._refined = np.empty((len(probe.indices), state.model.latent_dim), np.float32)
        self._refined_count = 0

    @property
    def on_cpu(self) -> bool:
        """Whether they are computed by the processor, which then waits for them in any case."""
        return self._fabric.device.type == "cpu"

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

    def estimate(self, landmarks: int | None = None) -> np.ndarray:
        """Means float32 (n, d) from ``landmarks`` encoded samples; None: as many as take about ``ESTIMATE_S``."""
        return self._live.predict(self._encode(self._live.landmarks(landmarks or self._affordable())))

    def landmark_means(self) -> Tensor:
        """The means float32 (k, d) of the samples that an estimate is made of, on the device that computes them; it is
        not waited for. ``predict`` makes the estimate of them, unless ``exact`` comes before."""
        places, model = self._live.landmarks(self._affordable()), self._state.model
        starts, training = range(0, len(places), self._batch), model.training
        model.eval()
        means = torch.cat([self._means_of(places[start : start + self._batch]) for start in starts])
        model.train(training)
        return means

    def predict(self, mu: np.ndarray) -> np.ndarray:
        """Means float32 (n, d), from those of ``landmark_means``."""
        return self._live.predict(mu)

    def _affordable(self) -> int:
        if not self._landmarks:
            affordable = ESTIMATE_S / max(self._speed(), 1e-9)
            self._landmarks = max((n for n in LANDMARKS if n <= affordable), default=LANDMARKS[0])
        return self._landmarks

    def refine(self, seconds: float) -> np.ndarray | None:
        """Encode more of the samples for about ``seconds``: the exact means once all are done, else None."""
        count = len(self._refined)
        deadline = time.monotonic() + seconds
        together = self._batch * self._workers.count
        while self._refined_count < count and time.monotonic() < deadline:
            places = np.arange(self._refined_count, min(self._refined_count + together, count))
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

    def _speed(self) -> float:
        """Seconds per image."""
        if self._seconds_per_image <= 0.0:
            places = np.arange(min(self._batch * self._workers.count, len(self._probe.indices)))
            for _ in range(2):  # the first time kernels are chosen and memory is taken
                self._encode(places)
        return self._seconds_per_image

    def _encode(self, places: np.ndarray) -> np.ndarray:
        mu = np.empty((len(places), self._state.model.latent_dim), np.float32)
        began = time.monotonic()

        def encode(start: int) -> None:
            part = places[start : start + self._batch]
            mu[start : start + len(part)] = self._means_of(part).cpu().numpy()  # waits for the device

        training = self._state.model.training
        self._state.model.eval()
        self._workers.map(encode, range(0, len(places), self._batch))
        self._state.model.train(training)
        self._seconds_per_image = (time.monotonic() - began) / max(len(places), 1)
        return mu

    @torch.no_grad()
    def _means_of(self, places: np.ndarray) -> Tensor:
        images = load_images(self._dataset, self._probe.indices[places], self._fabric.device)
        with self._fabric.autocast():
            return self._state.model.encode(images)[0].float()


class LiveEmbedding:
    """Means of n samples from those of a few landmarks.

    ``thumbnails`` uint8 (n, S, S, C) with S a multiple of 16. Deterministic.
    """

    def __init__(self, thumbnails: np.ndarray, dimension: int) -> None:
        self._features = principal_components(pool(thumbnails), MAX_FEATURES)
        self._base = np.zeros((len(thumbnails), dimension), np.float32)
        self._landmarks = np.empty(0, np.int64)
        self._weights = np.empty((len(thumbnails), 0), np.float32)

    def rebase(self, mu: np.ndarray) -> None:
        """mu float32 (n, d) are the exact means now. New landmarks are chosen for the next estimate."""
        self._base = mu
        self._landmarks = np.empty(0, np.int64)

    def landmarks(self, count: int) -> np.ndarray:
        """Places int64 (k,) of k = min(count, n) landmarks, the same until ``rebase`` or another ``count``."""
        count = min(count, len(self._features))
        if len(self._landmarks) != count:
            coordinates = self._coordinates(count)
            self._landmarks = farthest_points(coordinates, count)
            self._weights = spline_weights(coordinates, self._landmarks)
        return self._landmarks

    def predict(self, mu: np.ndarray) -> np.ndarray:
        """All means float32 (n, d), given those of the last ``landmarks``, mu (k, d); these come out as they are."""
        places = self._landmarks
        moved = np.asarray(mu - self._base[places], dtype=np.float32)
        estimate = self._base + self._weights @ moved
        estimate[places] = mu
        return estimate

    def _coordinates(self, count: int) -> np.ndarray:
        """(n, c) coordinates, few enough for ``count`` landmarks; features and base weigh the same."""
        parts = [_unit_scale(self._features[:, : int(np.clip(count // 6, 1, MAX_FEATURES))])]
        if self._base.any():
            parts.append(_unit_scale(principal_components(self._base, int(np.clip(count // 12, 1, MAX_BASE)))))
        return np.concatenate(parts, axis=1)


def principal_components(x: np.ndarray, count: int) -> np.ndarray:
    """x (n, k) in its first ``count`` principal directions: float64 (n, min(count, k))."""
    mean, _, axes = principal_axes(x)
    return (x - mean) @ axes[:, :count]


def spline_weights(points: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """float32 (n, k) with which values at the ``landmarks`` (k,) of points (n, c) are interpolated at all points.

    Reproduces affine functions, or constant ones if there are too few landmarks or directions for that. A small ridge
    keeps the weights bounded where landmarks nearly coincide.
    """
    knots, count = points[landmarks], len(landmarks)
    for degree in (1, 0) if count >= 2 * (points.shape[1] + 1) else (0,):
        # The identity for values gives the weights themselves, so that an estimate is one product of matrices.
        with contextlib.suppress(np.linalg.LinAlgError):  # landmarks on a line leave the affine part undetermined
            spline = RBFInterpolator(knots, np.eye(count), kernel="linear", degree=degree, smoothing=1e-3)
            return spline(points).astype(np.float32)
    raise ValueError(f"no spline goes through {count} landmarks in {points.shape[1]} dimensions.")


def _unit_scale(x: np.ndarray) -> np.ndarray:
    size = float(x.std())
    return x / size if size > 0.0 else x
