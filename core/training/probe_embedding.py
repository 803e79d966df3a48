"""The means of a run's samples while it trains: exact where there is time, else estimated from landmarks.

Of very many samples all this is about the first ``MAX_PROBE``; the others are encoded while the training waits, and
between its steps (``core.training.growing_means``).

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
from core.models.vae import VAE
from core.paths.latent_path import pool
from core.runs.directory import MAX_PROBE, ProbeSet
from core.runs.split import HELD_OUT, VALIDATION
from core.training.growing_means import GrowingMeans
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


def sample_order(count: int, seed: int, most: int = MAX_PROBE) -> np.ndarray:
    """Which of ``count`` samples are recorded, int64 (min(count, most),), in the order in which they are encoded.

    All in file order; of more than ``MAX_PROBE`` parts of so many, each drawn with ``seed`` and then in file order, so
    that any number of whole parts is a fair sample, and is read from the disk forwards.
    """
    if count <= MAX_PROBE:
        return np.arange(count, dtype=np.int64)
    random, left = np.random.default_rng(seed), np.ones(count, bool)
    drawn = [random.choice(count, MAX_PROBE, replace=False)]
    if most > MAX_PROBE:
        left[drawn[0]] = False
        others = random.permutation(np.flatnonzero(left))[: most - MAX_PROBE]
        drawn += np.split(others, range(MAX_PROBE, len(others), MAX_PROBE))
    return np.concatenate([np.sort(part) for part in drawn]).astype(np.int64)


def make_probe(dataset: Dataset, seed: int, most: int = MAX_PROBE) -> ProbeSet:
    """The samples whose means are recorded: all, or ``most`` of them, in the order of ``sample_order``."""
    count = len(dataset.images)
    indices = sample_order(count, seed, most)
    split = np.zeros(count, np.uint8)
    split[dataset.validation] = VALIDATION
    split[dataset.held_out] = HELD_OUT
    factors = np.ascontiguousarray(dataset.factors[indices], dtype=np.float32)
    names = tuple(dataset.names[index] for index in indices) if dataset.names else ()
    thumbnails = _thumbnails(dataset, indices[:MAX_PROBE])
    return ProbeSet(
        indices, factors, tuple(dataset.factor_names), thumbnails, split[indices], dataset.categories, names
    )


def _thumbnails(dataset: Dataset, indices: np.ndarray) -> np.ndarray:
    """Images ``indices`` averaged down to uint8 (n, 32, 32, C)."""
    starts = range(0, len(indices), _CHUNK)
    return np.concatenate([thumbnails_of(read_images(dataset.images, indices[i : i + _CHUNK])) for i in starts])


class SampleEncoder:
    """Means of the samples ``indices`` int64 (n,) of a dataset by ``model``, whatever its weights are then."""

    def __init__(
        self,
        indices: np.ndarray,
        dataset: Dataset,
        model: VAE,
        fabric: lightning_fabric.Fabric,
        workers: Workers,
    ) -> None:
        self.indices, self.model, self.latent_dim = indices, model, model.latent_dim
        self._dataset, self._fabric, self._workers = dataset, fabric, workers
        size = model.image_size
        self.batch = int(np.clip(_BATCH_PIXELS // size**2, 8, _CHUNK)) if self.on_cpu else _CHUNK
        self.together = self.batch * workers.count
        """Images that are encoded at a time."""
        self.seconds_per_image = 0.0
        """Of the last call."""

    @property
    def on_cpu(self) -> bool:
        return self._fabric.device.type == "cpu"

    def __call__(self, places: np.ndarray) -> np.ndarray:
        """Means float32 (k, d) of the samples at ``places`` int64 (k,) of ``indices``."""
        mu = np.empty((len(places), self.latent_dim), np.float32)
        began = time.monotonic()

        def encode(start: int) -> None:
            part = places[start : start + self.batch]
            mu[start : start + len(part)] = self.means_of(part).cpu().numpy()  # waits for the device

        training = self.model.training
        self.model.eval()
        self._workers.map(encode, range(0, len(places), self.batch))
        self.model.train(training)
        self.seconds_per_image = (time.monotonic() - began) / max(len(places), 1)
        return mu

    @torch.no_grad()
    def means_of(self, places: np.ndarray) -> Tensor:
        """The same of one batch, on the device, which is not waited for; the model is in evaluation mode."""
        images = load_images(self._dataset, self.indices[places], self._fabric.device)
        with self._fabric.autocast():
            return self.model.encode(images)[0].float()


class ProbeMeans:
    """The means of the first ``MAX_PROBE`` samples of ``probe``, now; those of all by ``refine`` alone. Call
    ``weights_changed`` when the weights of the training have changed."""

    def __init__(
        self,
        probe: ProbeSet,
        dataset: Dataset,
        state: TrainingState,
        fabric: lightning_fabric.Fabric,
        workers: Workers,
    ) -> None:
        self._encoder = SampleEncoder(probe.indices, dataset, state.model, fabric, workers)
        self._live = LiveEmbedding(probe.thumbnails, state.model.latent_dim)
        self._count = len(probe.thumbnails)
        self._landmarks = 0
        self._growing = GrowingMeans(self._encoder)

    @property
    def recorded(self) -> int:
        """How many samples the run records in the end."""
        return len(self._encoder.indices)

    @property
    def on_cpu(self) -> bool:
        """Whether they are computed by the processor, which then waits for them in any case."""
        return self._encoder.on_cpu

    def weights_changed(self) -> None:
        """What was encoded for ``refine`` belongs to older weights."""
        self._growing.begin()

    @property
    def exact_seconds(self) -> float:
        """How long ``exact`` will take."""
        return self._speed() * self._count

    def exact(self) -> np.ndarray:
        """Means float32 (n, d), each of the n samples encoded."""
        mu = self._encode(np.arange(self._count))
        self._rebase(mu)
        return mu

    def estimate(self, landmarks: int | None = None) -> np.ndarray:
        """Means float32 (n, d) from ``landmarks`` encoded samples; None: as many as take about ``ESTIMATE_S``."""
        return self._live.predict(self._encode(self._live.landmarks(landmarks or self._affordable())))

    def landmark_means(self) -> Tensor:
        """The means float32 (k, d) of the samples that an estimate is made of, on the device that computes them; it is
        not waited for. ``predict`` makes the estimate of them, unless ``exact`` comes before."""
        places, encoder = self._live.landmarks(self._affordable()), self._encoder
        starts, training = range(0, len(places), encoder.batch), encoder.model.training
        encoder.model.eval()
        means = torch.cat([encoder.means_of(places[start : start + encoder.batch]) for start in starts])
        encoder.model.train(training)
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
        """Encode more of the samples for about ``seconds``. The exact means float32 (k, d) once all are done, and of
        very many samples those of the first k whenever so many more are done that they are worth recording; else None.
        They change with the next call."""
        mu = self._growing.advance(seconds)
        if mu is not None and len(mu) == self._count:
            self._rebase(mu.copy())
        return mu

    def _rebase(self, mu: np.ndarray) -> None:
        self._landmarks = 0
        if np.isfinite(mu).all():
            self._live.rebase(mu)

    def _speed(self) -> float:
        """Seconds per image."""
        if self._encoder.seconds_per_image <= 0.0:
            places = np.arange(min(self._encoder.together, self._count))
            for _ in range(2):  # the first time kernels are chosen and memory is taken
                self._encode(places)
        return self._encoder.seconds_per_image

    def _encode(self, places: np.ndarray) -> np.ndarray:
        return self._encoder(places)


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
