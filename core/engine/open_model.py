"""A model that the engine holds, and what every job does with one: check, encode, decode, measure.

The engine holds one model to look at and perhaps a second to compare it with; both are opened, followed and asked the
same way.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from core.analysis.image_metrics import excess_bce
from core.config import RunConfig
from core.engine.futures import in_thread
from core.engine.sample_source import Samples, read_samples
from core.engine.weight_watcher import NewWeights, WeightsFollower
from core.models.inference import Inference, decode_each, encode_each
from core.models.vae import build_model
from core.runs.directory import RunDirectory, RunError
from core.training.checkpoint import fitting_weights, newest_weights, read_stored


class EngineError(RuntimeError):
    """A request that cannot be answered now; the message is for a person."""


@dataclass(eq=False)
class OpenModel:
    """A run or a weights file that has been opened.

    ``inference`` holds its newest weights, of training step ``step``; ``run`` is None for a weights file. The run keeps
    the means of ``recorded_samples`` samples, whose factors are ``factor_names``.
    """

    path: str
    inference: Inference
    config: RunConfig
    step: int
    run: RunDirectory | None
    factor_names: tuple[str, ...]
    recorded_samples: int
    follower: WeightsFollower | None

    @cached_property
    def samples(self) -> Future[Samples]:
        """The run's images."""
        return in_thread(lambda: read_samples(self.config.data), "dataset")

    def poll_weights(self) -> NewWeights | None:
        """What is new about the weights since the last call, if anything; newer ones are in use from now on."""
        renewed = None if self.follower is None else self.follower.poll()
        if renewed is not None and renewed.inference is not None:
            self.inference, self.step = renewed.inference, renewed.step
        return renewed


def open_model(path: str) -> Generator[bool, None, OpenModel]:
    """Read ``path``, a run directory or a weights file, in slices.

    Raises ``CheckpointError``, ``RunError`` or ``ConfigError`` that name the file.
    """
    place = Path(path)
    run = RunDirectory.open(place) if place.is_dir() else None
    stamp = run.weights_stamp() if run is not None else None  # before reading: what comes later is news
    stored = read_stored(newest_weights(run) if run is not None else place)
    yield True
    config = run.config if run is not None else stored.config
    model = build_model(config)
    model.load_state_dict(fitting_weights(stored, model))
    yield True
    inference = Inference(model)
    yield True
    for _ in decode_each(inference, np.zeros((1, model.latent_dim), np.float32)):
        yield True  # the first decode is slow: now, not under the hand
    names, count = _recorded(run)
    follower = None if run is None else WeightsFollower(run, model, inference, stamp)
    return OpenModel(path, inference, config, stored.step, run, names, count, follower)


def _recorded(run: RunDirectory | None) -> tuple[tuple[str, ...], int]:
    """Factor names and number of the samples that the run recorded."""
    if run is None or not run.probe_path.exists():
        return (), 0
    try:
        probe = run.read_probe()
    except RunError as error:  # the window reads them too and reports it; the model is none the worse
        print(f"engine: {error}", file=sys.stderr)
        return (), 0
    return probe.factor_names, len(probe.indices)


def reconstructed(model: Inference, original: np.ndarray) -> Generator[bool, None, tuple[np.ndarray, np.ndarray]]:
    """mu float32 (d,) and its image, of ``original`` uint8 (H, W, C): two slices."""
    mu = next(encode_each(model, [original]))
    yield True
    image = next(decode_each(model, mu[None]))
    yield True
    return mu, image


def checked_latents(z: np.ndarray, model: Inference) -> np.ndarray:
    """A writable float32 copy of z (n, d). Raises ``EngineError`` if ``model`` cannot decode it."""
    if z.ndim != 2 or z.shape[1] != model.latent_dim or len(z) == 0:
        raise EngineError(f"z has shape {z.shape}; this model decodes (n, {model.latent_dim}), n at least 1.")
    if not np.isfinite(z).all():
        raise EngineError("z holds a number that is not finite.")
    return np.array(z, dtype=np.float32)  # a copy: what came in a message is read-only


def excess_of(original: np.ndarray, image: np.ndarray) -> float:
    """Excess BCE of one uint8 (H, W, C) pair."""
    return float(excess_bce(original[None], image[None])[0])
