"""A model that the engine holds, its samples and newest weights, and what every job does with one.

The engine holds one model to look at and perhaps a second to compare it with; both are opened, followed and asked the
same way. Reading, checking and rearranging weights takes tens of milliseconds, about once a second while a model is
trained: a thread does it, and the old ones decode until the new ones are ready. Curves are drawn alone, in
milliseconds, exactly as the training saw them; other images are read whole, in a thread, so that decoding never waits
for a disk.
"""

from __future__ import annotations

import copy
import sys
import traceback
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from time import perf_counter

import numpy as np

from core.analysis.image_metrics import excess_bce
from core.config import DataConfig, RunConfig
from core.data.allowed_files import NotAllowedError, allowed_data, unallowed
from core.data.dataset import DatasetError
from core.data.loading import curve_parameters, curve_split, image_at, load_dataset
from core.engine.futures import in_thread, result_of
from core.models.inference import Inference, decode_each, encode_each
from core.models.network_inference import NetworkInference
from core.models.vae import VAE, build_model
from core.runs.directory import RunDirectory, RunError
from core.training.checkpoint import CheckpointError, fitting_weights, newest_weights, read_stored
from core.training.opening import imported_inference
from core.utils.untrusted import refusal

KEPT_BYTES = 32 << 20  # of drawn curves: the same few are asked for again whenever the weights change
POLL_S = 0.2  # between two looks at the weights
RETRY_S = 1.0  # of a file that was no good and has not changed: a network folder may deliver it late


class EngineError(RuntimeError):
    """A request that cannot be answered now; the message is for a person."""


@dataclass(frozen=True, eq=False)
class Samples:
    """``images`` gives sample i as uint8 (H, W, C); ``all_factors`` float32 (N, F); ``validation`` int64: the
    validation samples, in file order."""

    images: Callable[[int], np.ndarray]
    all_factors: np.ndarray
    validation: np.ndarray

    def image(self, index: int) -> np.ndarray:
        """Sample ``index`` as uint8 (H, W, C). Raises ``DatasetError`` if there is none."""
        self._check(index)
        return self.images(index)

    def each(self, indices: np.ndarray) -> Iterator[np.ndarray]:
        """The samples ``indices`` (n,), as ``image`` gives each."""
        return (self.image(int(index)) for index in indices)

    def factors(self, index: int) -> np.ndarray:
        """Its factors float32 (F,). Raises ``DatasetError`` if there is no such sample."""
        self._check(index)
        return self.all_factors[index]

    def _check(self, index: int) -> None:
        count = len(self.all_factors)
        if not 0 <= index < count:
            raise DatasetError(f"sample {index} does not exist; this dataset has samples 0 to {count - 1}.")


def read_samples(config: DataConfig, fingerprint: str | None = None) -> Samples:
    """The samples that ``config`` describes, read if they are files, which must have ``fingerprint`` if it is known.

    Raises ``DatasetError``, also for a hole that swallows everything.
    """
    if config.drawn:
        ab = curve_parameters(config)
        kept = lru_cache(max(1, KEPT_BYTES // (config.image_size**2 * config.channels)))
        validation = curve_split(config, ab).validation
        return Samples(kept(partial(image_at, config, ab)), ab.astype(np.float32), validation)
    try:
        dataset = load_dataset(config)
        if fingerprint is not None and fingerprint != dataset.fingerprint:
            raise DatasetError(f"{config.path} no longer holds what the model was trained on. Restore it.")
    except Exception as error:  # whatever it is, whoever asks for an image must hear of it
        if not isinstance(error, (DatasetError, OSError)):
            traceback.print_exception(error)
        reason = refusal(error) or str(error) or type(error).__name__
        raise DatasetError(f"The images of this run cannot be shown: {reason} Decoding works without them.") from error
    return Samples(lambda index: np.asarray(dataset.images[index]), dataset.factors, dataset.validation)


def _drawn_samples(weights: str, config: DataConfig) -> Samples:
    """Those of a file of weights without its run, for which nobody can have agreed that files are read."""
    if not config.drawn:
        raise NotAllowedError(f"{weights} is a file of weights; open the folder of its run to see its images.")
    return read_samples(config)


@dataclass(eq=False)
class OpenModel:
    """A run or a weights file that has been opened.

    ``inference`` holds its newest weights, of training step ``step``, for the ``network``, which is None for an
    imported model: its weights stay as they are. ``run`` is None for a weights file. The run keeps the means of
    ``recorded_samples`` samples, whose factors are ``factor_names``. ``stamp`` is ``RunDirectory.weights_stamp()`` of
    the weights.
    """

    path: str
    inference: Inference
    config: RunConfig
    step: int
    run: RunDirectory | None
    factor_names: tuple[str, ...]
    recorded_samples: int
    network: VAE | None
    stamp: int | None

    def __post_init__(self) -> None:
        self._reading: Future[tuple[Inference, int] | str | None] | None = None
        self._next_look = 0.0
        self._failed_stamp: int | None = None
        self._failed_at = 0.0
        self._reported = ""

    @property
    def network_name(self) -> str:
        """What its network is called, as ``RunDirectory.network``."""
        return self.config.model.preset if self.run is None else self.run.network

    @cached_property
    def unallowed(self) -> tuple[str, ...]:
        """The places that the run would read its images from and may not (``core.data.allowed_files``)."""
        return () if self.run is None else unallowed(self.run)

    @property
    def has_originals(self) -> bool:
        """Whether the samples' own images may be read."""
        return self.config.data.has_images and not self.unallowed

    @cached_property
    def samples(self) -> Future[Samples]:
        """The run's images."""
        run = self.run
        if run is None:
            return in_thread(lambda: _drawn_samples(self.path, self.config.data), "dataset")
        stored = run.metadata.get("dataset")
        # Versions that kept no notes computed their fingerprints from other arrays.
        known = stored.get("fingerprint") if isinstance(stored, dict) and "notes" in stored else None
        return in_thread(lambda: read_samples(allowed_data(run), known), "dataset")

    @cached_property
    def _recorded_means(self) -> Future[tuple[np.ndarray, np.ndarray]]:
        run = self.run
        if run is None:
            return in_thread(lambda: (np.zeros(0, np.int64), np.zeros((0, 1), np.float32)), "means")
        return in_thread(lambda: (run.read_probe().indices, run.newest_embedding()), "means")

    def known_mean(self, index: int) -> Generator[bool, None, np.ndarray | None]:
        """mu float32 (d,) of sample ``index``, as the run recorded it, where no encoder tells it; None: one does.

        Raises ``EngineError`` for a sample that was not recorded.
        """
        if self.inference.can_encode:
            return None
        indices, means = yield from result_of(self._recorded_means)
        places = np.flatnonzero(indices == index)
        if not len(places):
            raise EngineError(
                f"Sample {index} has no recorded latent, and this model has no encoder that could tell it."
            )
        return means[places[0]]

    def poll_weights(self) -> str | None:
        """Whether anything is new about the weights since the last call: "" if newer ones are in use from now on.

        A text says why newer ones cannot be used; it comes once, the old ones stay, and the file is tried again. None:
        nothing is new. Cheap: call it between slices of work.
        """
        if self._reading is not None:
            if not self._reading.done():
                return None
            news, self._reading = self._reading.result(), None
            if isinstance(news, tuple):
                self.inference, self.step = news
                return ""
            return news
        now, network = perf_counter(), self.network
        if self.run is None or network is None or now < self._next_look:
            return None
        self._next_look = now + POLL_S
        try:
            stamp = self.run.weights_stamp()
        except OSError:  # a network folder that is away for a moment; the next look will tell
            return None
        if stamp is None or stamp == self.stamp or (stamp == self._failed_stamp and now < self._failed_at + RETRY_S):
            return None
        file = self.run.weights_path
        self._reading = in_thread(lambda: self._newer(file, stamp, network), "weights")
        return None

    def _newer(self, file: Path, stamp: int, network: VAE) -> tuple[Inference, int] | str | None:
        try:
            stored = read_stored(file)
            renewed = copy.copy(self.inference)  # reload replaces its parts; those of the one in use are not touched
            assert isinstance(renewed, NetworkInference)
            renewed.reload(fitting_weights(stored, network))
        except Exception as error:  # whatever it is, the old weights go on and a person hears of it
            if not isinstance(error, (CheckpointError, OSError)):
                traceback.print_exception(error)
            self._failed_stamp, self._failed_at = stamp, perf_counter()
            text = f"New weights could not be loaded; the previous ones remain in use: {error}"
            reported, self._reported = self._reported, text
            return text if text != reported else None
        self.stamp, self._reported = stamp, ""
        return renewed, stored.step


def open_model(path: str) -> Generator[bool, None, OpenModel]:
    """Read ``path``, a run directory or a weights file, in slices.

    Raises ``CheckpointError``, ``RunError`` or ``ConfigError`` that name the file.
    """
    place = Path(path)
    run = RunDirectory.open(place) if place.is_dir() else None
    if run is not None and run.imported is not None:
        imported = run
        # In a thread: a network that was imported elsewhere is tried first, which may take seconds.
        inference = yield from result_of(in_thread(lambda: imported_inference(imported), "imported model"))
        yield from _first_image(inference)
        return OpenModel(path, inference, run.config, 0, run, *_recorded(run), None, None)
    stamp = run.weights_stamp() if run is not None else None  # before reading: what comes later is news
    stored = read_stored(newest_weights(run) if run is not None else place)
    yield True
    config = run.config if run is not None else stored.config
    model = build_model(config)
    model.load_state_dict(fitting_weights(stored, model))
    yield True
    inference = NetworkInference(model)
    yield from _first_image(inference)
    return OpenModel(path, inference, config, stored.step, run, *_recorded(run), model, stamp)


def _first_image(inference: Inference) -> Generator[bool, None, None]:
    """Decode once, for the first time is slow: now, not under the hand."""
    yield True
    if inference.can_decode:
        for _ in decode_each(inference, np.zeros((1, inference.latent_dim), np.float32)):
            yield True


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


def reconstructed(
    model: Inference, original: np.ndarray, known: np.ndarray | None = None
) -> Generator[bool, None, tuple[np.ndarray, np.ndarray]]:
    """mu float32 (d,) and its image, of ``original`` uint8 (H, W, C): two slices. ``known`` is mu where it is known."""
    mu = next(encode_each(model, [original])) if known is None else known
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
