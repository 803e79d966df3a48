"""What the engine does for each request, as generators: each ``yield`` ends a slice.

A job yields True after it did something and False while it waits for something outside, such as files being read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from core import path_export
from core.checkpoint import CheckpointError, fitting_weights, newest_weights, read_stored
from core.config import ConfigError, RunConfig
from core.datasets import DatasetError
from core.devices import DeviceError
from core.engine_samples import Samples, samples_of
from core.inference import Inference
from core.losses import excess_bce
from core.model import build_model
from core.path_frames import decode_slices
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

POLL_S = 0.2
PAIR_SLICE = 2
SCORE_SLICE = 4


class EngineError(RuntimeError):
    """A request that cannot be answered now; the message is for a person."""


EXPECTED = (
    EngineError,
    CheckpointError,
    RunError,
    DatasetError,
    ConfigError,
    DeviceError,
    OSError,
    ValueError,
    path_export.ExportError,
)

Job = Generator[bool, None, None]


class Jobs:
    """The loaded model and what can be done with it."""

    def __init__(self, send: Callable[[Reply], None]) -> None:
        self._send = send
        self.following = True
        self._inference: Inference | None = None
        self._config: RunConfig | None = None
        self._samples: Samples | None = None
        self._run: RunDirectory | None = None
        self._stamp: int | None = None
        self._step = 0
        self._polled = 0.0
        self._broken = ""

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
        file = newest_weights(run) if run is not None else path
        stamp = run.weights_stamp() if run is not None else None
        stored = read_stored(file)
        config = run.config if run is not None else stored.config
        model = build_model(config)
        model.load_state_dict(fitting_weights(stored, model))
        inference = Inference(model)
        yield True
        inference.decode(
            np.zeros((1, inference.latent_dim), dtype=np.float32)
        )  # the first decode is slow: now, not later
        self._inference, self._config, self._samples = inference, config, None
        self._run, self._stamp, self._step, self._broken = run, stamp, stored.step, ""
        self._send(self._loaded(request, config, inference))

    def _loaded(self, request: Load, config: RunConfig, inference: Inference) -> Loaded:
        names: tuple[str, ...] = ()
        count = 0
        if self._run is not None and self._run.probe_path.exists():
            probe = self._run.read_probe()
            names, count = probe.factor_names, len(probe.indices)
        return Loaded(
            stamp=request.stamp,
            path=request.path,
            latent_dim=inference.latent_dim,
            image_size=inference.image_size,
            channels=inference.channels,
            step=self._step,
            samples=count,
            factor_names=names,
            preset=config.model.preset,
            precision=str(inference.dtype).removeprefix("torch."),
        )

    def poll_weights(self) -> None:
        """Look for newer weights a few times a second. Unreadable ones are reported once; the old ones stay."""
        now = perf_counter()
        if not self.following or self._run is None or self._inference is None or now - self._polled < POLL_S:
            return
        self._polled = now
        stamp = self._run.weights_stamp()
        if stamp is None or stamp == self._stamp:
            return
        try:
            stored = read_stored(self._run.weights_path)
            with torch.device("meta"):
                like = build_model(self._run.config)
            self._inference.reload(fitting_weights(stored, like))
        except (CheckpointError, RunError, OSError, RuntimeError) as error:
            if str(error) != self._broken:
                self._broken = str(error)
                self._send(Failed(request="Follow", message=f"New weights were not taken over: {error}"))
            return
        self._stamp, self._step, self._broken = stamp, stored.step, ""
        self._send(WeightsChanged(step=stored.step))

    # single images

    def _decode(self, request: Decode) -> Job:
        model = self._model()
        begun = perf_counter()
        image = model.decode(_latents(request.z[None], model))[0]
        milliseconds = (perf_counter() - begun) * 1000
        self._send(Decoded(stamp=request.stamp, z=request.z, image=image, milliseconds=milliseconds))
        yield True

    def _inspect(self, request: Inspect) -> Job:
        model, source = self._model(), self._source()
        while not source.ready():
            yield False
        original = source.image(request.index)[None]
        mu = model.encode(original)
        yield True
        image = model.decode(mu)
        self._send(
            Inspected(
                stamp=request.stamp,
                index=request.index,
                original=original[0],
                reconstruction=image[0],
                mu=mu[0],
                factors=source.factors(request.index),
                excess_bce=float(_excess(original, image)[0]),
            )
        )
        yield True

    # many images

    def _reconstruct(self, request: Reconstruct) -> Job:
        model, source = self._model(), self._source()
        while not source.ready():
            yield False
        indices = source.validation()[: max(0, request.count)]
        shape = (len(indices), model.image_size, model.image_size, model.channels)
        originals, images = np.empty(shape, np.uint8), np.empty(shape, np.uint8)
        for start in range(0, len(indices), PAIR_SLICE):
            part = slice(start, start + PAIR_SLICE)
            originals[part] = np.stack([source.image(int(index)) for index in indices[part]])
            images[part] = model.decode(model.encode(originals[part]))
            yield True
        self._send(
            Reconstructed(
                stamp=request.stamp,
                indices=indices,
                originals=originals,
                reconstructions=images,
                excess_bce=_excess(originals, images),
                step=self._step,
            )
        )

    def _score(self, request: Score) -> Job:
        model, source = self._model(), self._source()
        while not source.ready():
            yield False
        for start in range(0, len(request.indices), SCORE_SLICE):
            originals = np.stack([source.image(int(index)) for index in request.indices[start : start + SCORE_SLICE]])
            yield True
            losses = _excess(originals, model.decode(model.encode(originals)))
            total = len(request.indices)
            self._send(Scored(stamp=request.stamp, start=start, total=total, excess_bce=losses))
            yield True

    def _decode_path(self, request: DecodePath) -> Job:
        model = self._model()
        z = _latents(request.z, model)
        for start, images in decode_slices(model, z):
            self._send(PathFrames(stamp=request.stamp, start=start, total=len(z), images=images))
            yield True

    def _export(self, request: Export) -> Job:
        model = self._model()
        z = _latents(request.z, model)
        frames = np.empty((len(z), model.image_size, model.image_size, model.channels), np.uint8)
        for start, images in decode_slices(model, z):
            frames[start : start + len(images)] = images
            self._send(ExportProgress(stamp=request.stamp, fraction=0.9 * (start + len(images)) / len(z)))
            yield True
        # Compression takes long and lets go of the interpreter: in a thread, so that the probe is served meanwhile.
        writer = _Writer(request, frames, z)
        writer.start()
        try:
            while writer.is_alive():
                yield False
        finally:
            writer.cancelled.set()  # this job was dropped, or it is done and nobody asks any more
            writer.join()
        if writer.error is not None:
            raise writer.error
        self._send(Exported(stamp=request.stamp, path=request.path))


class _Writer(threading.Thread):
    """Writes an export's file; ``error`` says why it could not."""

    def __init__(self, request: Export, frames: np.ndarray, z: np.ndarray) -> None:
        super().__init__(name="export", daemon=True)
        self._request, self._frames, self._z = request, frames, z
        self.cancelled = threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        request = self._request
        try:
            path_export.export_path(
                request.path,
                request.format,  # pyright: ignore[reportArgumentType]  # checked there
                self._frames,
                self._z,
                request.fps,
                metadata=request.metadata,
                cancelled=self.cancelled.is_set,
            )
        except (path_export.ExportError, OSError, MemoryError) as error:
            self.error = error


def _latents(z: np.ndarray, model: Inference) -> np.ndarray:
    if z.ndim != 2 or z.shape[1] != model.latent_dim or len(z) == 0:
        raise EngineError(f"z has shape {z.shape}; this model decodes (n, {model.latent_dim}), n at least 1.")
    if not np.isfinite(z).all():
        raise EngineError("z holds a number that is not finite.")
    return np.array(z, dtype=np.float32)  # a copy: what came in a message is read-only


def _excess(originals: np.ndarray, images: np.ndarray) -> np.ndarray:
    """float32 (n,) from uint8 (n, H, W, C)."""
    pair = [torch.from_numpy(array.astype(np.float32) / 255.0) for array in (originals, images)]
    return excess_bce(pair[0], pair[1]).numpy()
