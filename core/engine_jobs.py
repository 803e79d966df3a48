"""What the engine does for each request, as generators: each ``yield`` ends a slice.

A job yields True after it did something and False while it waits for something outside, such as files being read. No
slice is longer than the work on one image, so the probe never waits for more than that.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from core.checkpoint import CheckpointError, fitting_weights, newest_weights, read_stored
from core.config import ConfigError, RunConfig
from core.datasets import DatasetError
from core.devices import DeviceError
from core.engine_export import ExportWriter
from core.engine_samples import Samples, samples_of
from core.engine_weights import WeightsFollower
from core.inference import Inference
from core.losses import excess_bce
from core.model import build_model
from core.path_export import ExportError
from core.protocol import (
    Decode,
    Decoded,
    DecodePath,
    Export,
    Exported,
    ExportProgress,
    Failed,
    Inspect,
    Inspected,
    Load,
    Loaded,
    PathFrames,
    Reconstruct,
    Reconstructed,
    Reply,
    Request,
    Score,
    Scored,
    WeightsChanged,
)
from core.runs import RunDirectory, RunError
from core.single_images import decode_each, encode_each

MESSAGE_IMAGES = 4  # of a path, in one message
MESSAGE_SCORES = 16
DECODED_SHARE = 0.8  # of an export's progress; the rest is writing the file
CLOSE_S = 0.5


class EngineError(RuntimeError):
    """A request that cannot be answered now; the message is for a person."""


EXPECTED = (EngineError, CheckpointError, RunError, DatasetError, ConfigError, DeviceError, ExportError, OSError)
"""Errors that are answers: their message says all. Any other is a fault of the engine and gets a traceback as well."""

Job = Generator[bool, None, None]


class Jobs:
    """The loaded model and what can be done with it. ``send`` takes each reply."""

    def __init__(self, send: Callable[[Reply], None]) -> None:
        self._send = send
        self.following = True
        self._inference: Inference | None = None
        self._config: RunConfig | None = None
        self._samples: Samples | None = None
        self._follower: WeightsFollower | None = None
        self._step = 0
        self._writer: ExportWriter | None = None

    def start(self, request: Request) -> Job:
        """The job that answers ``request``; nothing is done before its first ``next``."""
        makers: dict[type, Callable[..., Job]] = {
            Load: self._load,
            Decode: self._decode,
            Inspect: self._inspect,
            Reconstruct: self._reconstruct,
            Score: self._score,
            DecodePath: self._decode_path,
            Export: self._export,
        }
        return makers[type(request)](request)

    def close(self) -> None:
        """Let an export that is being written remove its file."""
        if self._writer is not None:
            self._writer.cancel()
            self._writer.join(CLOSE_S)

    def _model(self) -> Inference:
        if self._inference is None:
            raise EngineError("No model is loaded. Open a run first.")
        return self._inference

    def _source(self) -> Samples:
        if self._samples is None:
            if self._config is None:
                raise EngineError("No model is loaded. Open a run first.")
            self._samples = samples_of(self._config.data)
        return self._samples

    # loading

    def _load(self, request: Load) -> Job:
        path = Path(request.path)
        run = RunDirectory.open(path) if path.is_dir() else None
        stamp = run.weights_stamp() if run is not None else None  # before reading: what comes later is news
        stored = read_stored(newest_weights(run) if run is not None else path)
        config = run.config if run is not None else stored.config
        model = build_model(config)
        model.load_state_dict(fitting_weights(stored, model))
        yield True
        inference = Inference(model)
        for _ in decode_each(inference, np.zeros((1, model.latent_dim), np.float32)):
            yield True  # the first decode is slow: now, not under the hand
        names, count = _recorded(run)
        self._inference, self._config, self._samples, self._step = inference, config, None, stored.step
        self._follower = None if run is None else WeightsFollower(run, model, inference, stamp)
        self.following = True
        loaded = Loaded(
            stamp=request.stamp,
            path=request.path,
            latent_dim=inference.latent_dim,
            image_size=inference.image_size,
            channels=inference.channels,
            step=stored.step,
            samples=count,
            factor_names=names,
            preset=config.model.preset,
            precision=str(inference.dtype).removeprefix("torch."),
        )
        self._send(loaded)

    def poll_weights(self) -> None:
        """Take over newer weights once they are ready."""
        if not self.following or self._follower is None:
            return
        renewed = self._follower.poll()
        if renewed is None:
            return
        if renewed.inference is None:
            self._send(Failed(request="Follow", message=renewed.trouble))
            return
        self._inference, self._step = renewed.inference, renewed.step
        self._send(WeightsChanged(step=renewed.step))

    # single images

    def _decode(self, request: Decode) -> Job:
        model = self._model()
        z = _latents(request.z.reshape(1, -1), model)
        begun = perf_counter()
        image = next(decode_each(model, z))
        milliseconds = (perf_counter() - begun) * 1000
        self._send(Decoded(stamp=request.stamp, z=request.z, image=image, milliseconds=milliseconds))
        yield True

    def _inspect(self, request: Inspect) -> Job:
        model, source = self._model(), self._source()
        while not source.ready():
            yield False
        original = source.image(request.index)
        factors = source.factors(request.index)
        yield True
        mu, image = yield from _reconstructed(model, original)
        inspected = Inspected(
            stamp=request.stamp,
            index=request.index,
            original=original,
            reconstruction=image,
            mu=mu,
            factors=factors,
            excess_bce=_excess(original, image),
        )
        self._send(inspected)

    # many images

    def _reconstruct(self, request: Reconstruct) -> Job:
        model, source = self._model(), self._source()
        step = self._step
        while not source.ready():
            yield False
        indices = source.validation()[: max(0, request.count)]
        shape = (len(indices), model.image_size, model.image_size, model.channels)
        originals, images = np.empty(shape, np.uint8), np.empty(shape, np.uint8)
        losses = np.empty(len(indices), np.float32)
        for i, index in enumerate(indices):
            originals[i] = source.image(int(index))
            yield True
            _, images[i] = yield from _reconstructed(model, originals[i])
            losses[i] = _excess(originals[i], images[i])
        reconstructed = Reconstructed(
            stamp=request.stamp,
            indices=indices,
            originals=originals,
            reconstructions=images,
            excess_bce=losses,
            step=step,
        )
        self._send(reconstructed)

    def _score(self, request: Score) -> Job:
        model, source = self._model(), self._source()
        while not source.ready():
            yield False
        total = len(request.indices)
        for start in range(0, total, MESSAGE_SCORES):
            losses = []
            for index in request.indices[start : start + MESSAGE_SCORES]:
                original = source.image(int(index))
                yield True
                _, image = yield from _reconstructed(model, original)
                losses.append(_excess(original, image))
            found = np.array(losses, np.float32)
            self._send(Scored(stamp=request.stamp, start=start, total=total, excess_bce=found))

    def _decode_path(self, request: DecodePath) -> Job:
        model = self._model()
        z = _latents(request.z, model)
        for start in range(0, len(z), MESSAGE_IMAGES):
            images = []
            for image in decode_each(model, z[start : start + MESSAGE_IMAGES]):
                images.append(image)
                yield True
            self._send(PathFrames(stamp=request.stamp, start=start, total=len(z), images=np.stack(images)))

    def _export(self, request: Export) -> Job:
        model = self._model()
        z = _latents(request.z, model)
        frames = np.empty((len(z), model.image_size, model.image_size, model.channels), np.uint8)
        for i, image in enumerate(decode_each(model, z)):
            frames[i] = image
            self._send(ExportProgress(stamp=request.stamp, fraction=DECODED_SHARE * (i + 1) / len(z)))
            yield True
        while self._writer is not None and self._writer.is_alive():
            yield False  # one that was cancelled and is still leaving: it may be of the same file
        writer = self._writer = ExportWriter(request, frames, z)
        writer.start()
        told = 0.0
        try:
            while writer.is_alive():
                yield False
                if writer.fraction >= told + 0.05:
                    told = writer.fraction
                    share = DECODED_SHARE + (1.0 - DECODED_SHARE) * told
                    self._send(ExportProgress(stamp=request.stamp, fraction=share))
        finally:
            writer.cancel()  # nothing to one that has finished; else this job was dropped
        if writer.error is not None:
            raise writer.error
        self._send(Exported(stamp=request.stamp, path=request.path))


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


def _reconstructed(model: Inference, original: np.ndarray) -> Generator[bool, None, tuple[np.ndarray, np.ndarray]]:
    """mu float32 (d,) and its image, of ``original`` uint8 (H, W, C): two slices."""
    mu = next(encode_each(model, [original]))
    yield True
    image = next(decode_each(model, mu[None]))
    yield True
    return mu, image


def _latents(z: np.ndarray, model: Inference) -> np.ndarray:
    if z.ndim != 2 or z.shape[1] != model.latent_dim or len(z) == 0:
        raise EngineError(f"z has shape {z.shape}; this model decodes (n, {model.latent_dim}), n at least 1.")
    if not np.isfinite(z).all():
        raise EngineError("z holds a number that is not finite.")
    return np.array(z, dtype=np.float32)  # a copy: what came in a message is read-only


def _excess(original: np.ndarray, image: np.ndarray) -> float:
    """Excess BCE of one uint8 (H, W, C) pair."""
    pair = [torch.from_numpy(array[None].astype(np.float32) / 255.0) for array in (original, image)]
    return float(excess_bce(pair[0], pair[1])[0])
