"""What the engine does for each request, as generators: each ``yield`` ends a slice.

A job yields True after it did something and False while it waits for something outside, such as files being read. No
slice is longer than the work on one image, so the probe never waits for more than that. What concerns the parameter
plane is in ``core.engine.handlers.transect``, two models at once in ``core.engine.handlers.compare_models``.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np
from msgspec import structs

from core.config import ConfigError
from core.data.dataset import DatasetError
from core.data.image_attributes import ImageAttributeError
from core.engine.handlers.attributes import measure_attributes
from core.engine.handlers.compare_models import NOTHING, compare_at, other_loaded
from core.engine.handlers.compare_paths import compare_paths
from core.engine.handlers.export import ExportWriter
from core.engine.handlers.trace_path import CURVE_ERRORS, lay_net, trace_path
from core.engine.handlers.transect import locate, measure_transect
from core.engine.open_model import EngineError, Job, OpenModel, checked_latents, excess_of, open_model, reconstructed
from core.engine.snapshot import Sheets, checked_attributes, sheets_of
from core.models.deterministic_inference import decode_each
from core.models.device import DeviceError
from core.models.inference import Inference
from core.paths.export import ExportError
from core.protocol.messages import (
    CompareAt,
    ComparePaths,
    Decode,
    Decoded,
    DecodePath,
    Export,
    Exported,
    ExportProgress,
    Failed,
    Inspect,
    Inspected,
    LayNet,
    Load,
    Loaded,
    LoadOther,
    Locate,
    MeasureAttributes,
    MeasureTransect,
    OtherChanged,
    PathFrames,
    Reconstruct,
    Reconstructed,
    Reply,
    Request,
    Score,
    Scored,
    SetAttributes,
    TracePath,
    WeightsChanged,
)
from core.runs.directory import RunError
from core.training.checkpoint import CheckpointError

MESSAGE_IMAGES = 4  # of a path, in one message
MESSAGE_SCORES = 16
DECODED_SHARE = 0.8  # of an export's progress; the rest is writing the file
CLOSE_S = 0.5

EXPECTED = (
    EngineError,
    CheckpointError,
    RunError,
    DatasetError,
    ConfigError,
    DeviceError,
    ExportError,
    ImageAttributeError,
    OSError,
    *CURVE_ERRORS,
)
"""Errors that are answers: their message says all. Any other is a fault of the engine and gets a traceback as well."""


class Jobs:
    """The loaded models and what can be done with them. ``send`` takes each reply."""

    def __init__(self, send: Callable[[Reply], None]) -> None:
        self._send = send
        self.following = True
        self._first: OpenModel | None = None
        self._second: OpenModel | None = None
        self._sheets: Sheets | None = None
        self._writer: ExportWriter | None = None

    def start(self, request: Request) -> Job:
        """The job that answers ``request``; nothing is done before its first ``next``."""
        makers: dict[type, Callable[..., Job]] = {
            Load: self._load,
            Decode: self._decode,
            Locate: self._locate,
            LoadOther: self._load_other,
            CompareAt: self._compare,
            Inspect: self._inspect,
            Reconstruct: self._reconstruct,
            Score: self._score,
            DecodePath: self._decode_path,
            MeasureTransect: self._measure,
            Export: self._export,
            TracePath: self._trace,
            LayNet: self._lay_net,
            ComparePaths: self._compare_paths,
            SetAttributes: self._set_attributes,
            MeasureAttributes: self._measure_attributes,
        }
        return makers[type(request)](request)

    def close(self) -> None:
        """Let an export that is being written remove its file."""
        if self._writer is not None:
            self._writer.cancel()
            self._writer.join(CLOSE_S)

    def _open(self) -> OpenModel:
        if self._first is None:
            raise EngineError("No model is loaded. Open a run first.")
        return self._first

    def _model(self) -> Inference:
        return self._open().inference

    # loading

    def _load(self, request: Load) -> Job:
        first = yield from open_model(request.path)
        self._first, self._sheets = first, sheets_of(first)
        self.following = True
        inference = first.inference
        loaded = Loaded(
            stamp=request.stamp,
            path=request.path,
            latent_dim=inference.latent_dim,
            image_size=inference.image_size,
            channels=inference.channels,
            step=first.step,
            samples=first.recorded,
            factor_names=first.factor_names,
            preset=first.config.model.preset,
            precision=str(inference.dtype).removeprefix("torch."),
        )
        self._send(loaded)

    def _load_other(self, request: LoadOther) -> Job:
        """Open or close the second model; the first goes on as it is."""
        if not request.path:
            self._second = None
            self._send(structs.replace(NOTHING, stamp=request.stamp))
            return
        second = yield from open_model(request.path)
        self._second = second
        self._send(other_loaded(second, request.stamp))

    def poll_weights(self) -> None:
        """Take over newer weights of either model once they are ready."""
        if not self.following:
            return
        if self._sheets is not None:
            self._sheets.poll()
        for model, changed in ((self._first, WeightsChanged), (self._second, OtherChanged)):
            renewed = None if model is None else model.poll_weights()
            if renewed is None:
                continue
            if model is self._first and self._sheets is not None and renewed.inference is not None:
                self._sheets.renewed(renewed.inference)
            if renewed.inference is None:
                self._send(Failed(request="Follow", message=renewed.trouble))
            else:
                self._send(changed(step=renewed.step))

    # the parameter plane, and two models at once

    def _locate(self, request: Locate) -> Job:
        yield from locate(request, self._open(), self._send)

    def _measure(self, request: MeasureTransect) -> Job:
        yield from measure_transect(request, self._open(), self._send)

    def _compare(self, request: CompareAt) -> Job:
        first = self._open()
        if self._second is None:
            raise EngineError("There is no second model to compare with. Choose a run in Compare.")
        yield from compare_at(request, first, self._second, self._send)

    # curved paths

    def _curved(self) -> tuple[OpenModel, Sheets]:
        opened = self._open()
        if self._sheets is None:
            raise EngineError("No model is loaded. Open a run first.")
        return opened, self._sheets

    def _trace(self, request: TracePath) -> Job:
        yield from trace_path(request, *self._curved(), self._send)

    def _lay_net(self, request: LayNet) -> Job:
        yield from lay_net(request, self._curved()[1], self._send)

    def _compare_paths(self, request: ComparePaths) -> Job:
        yield from compare_paths(request, *self._curved(), self._send)

    def _set_attributes(self, request: SetAttributes) -> Job:
        opened, sheets = self._curved()
        sheets.set_attributes(checked_attributes(request, opened))
        yield True

    def _measure_attributes(self, request: MeasureAttributes) -> Job:
        yield from measure_attributes(request, self._open(), self._send)

    @property
    def ahead(self) -> bool:
        """Whether something could be worked out that will be needed."""
        return self._sheets is not None and self._sheets.busy

    def work_ahead(self) -> bool:
        """A slice of it; False if nothing was done."""
        return self._sheets is not None and self._sheets.work_ahead()

    # single images

    def _decode(self, request: Decode) -> Job:
        model = self._model()
        z = checked_latents(request.z.reshape(1, -1), model)
        begun = perf_counter()
        image = next(decode_each(model, z))
        milliseconds = (perf_counter() - begun) * 1000
        score, gap, threshold = self._curved()[1].off_manifold_score_at(z[0])
        decoded = Decoded(
            stamp=request.stamp,
            z=request.z,
            image=image,
            milliseconds=milliseconds,
            off_manifold_score=score,
            threshold=threshold,
            gap=gap,
        )
        self._send(decoded)
        yield True

    def _inspect(self, request: Inspect) -> Job:
        opened = self._open()
        model, source = opened.inference, opened.source()
        while not source.ready():
            yield False
        original = source.image(request.index)
        factors = source.factors(request.index)
        yield True
        mu, image = yield from reconstructed(model, original)
        inspected = Inspected(
            stamp=request.stamp,
            index=request.index,
            original=original,
            reconstruction=image,
            mu=mu,
            factors=factors,
            excess_bce=excess_of(original, image),
        )
        self._send(inspected)

    # many images

    def _reconstruct(self, request: Reconstruct) -> Job:
        opened = self._open()
        model, source = opened.inference, opened.source()
        step = opened.step
        while not source.ready():
            yield False
        indices = source.validation()[: max(0, request.count)]
        shape = (len(indices), model.image_size, model.image_size, model.channels)
        originals, images = np.empty(shape, np.uint8), np.empty(shape, np.uint8)
        losses = np.empty(len(indices), np.float32)
        for i, index in enumerate(indices):
            originals[i] = source.image(int(index))
            yield True
            _, images[i] = yield from reconstructed(model, originals[i])
            losses[i] = excess_of(originals[i], images[i])
        answer = Reconstructed(
            stamp=request.stamp,
            indices=indices,
            originals=originals,
            reconstructions=images,
            excess_bce=losses,
            step=step,
        )
        self._send(answer)

    def _score(self, request: Score) -> Job:
        opened = self._open()
        model, source = opened.inference, opened.source()
        while not source.ready():
            yield False
        total = len(request.indices)
        for start in range(0, total, MESSAGE_SCORES):
            losses = []
            for index in request.indices[start : start + MESSAGE_SCORES]:
                original = source.image(int(index))
                yield True
                _, image = yield from reconstructed(model, original)
                losses.append(excess_of(original, image))
            found = np.array(losses, np.float32)
            self._send(Scored(stamp=request.stamp, start=start, total=total, excess_bce=found))

    def _decode_path(self, request: DecodePath) -> Job:
        model = self._model()
        z = checked_latents(request.z, model)
        for start in range(0, len(z), MESSAGE_IMAGES):
            images = []
            for image in decode_each(model, z[start : start + MESSAGE_IMAGES]):
                images.append(image)
                yield True
            sheets = self._curved()[1]
            scores = yield from sheets.off_manifold_scores_when_known(z[start : start + MESSAGE_IMAGES])
            frames = PathFrames(
                stamp=request.stamp,
                start=start,
                total=len(z),
                images=np.stack(images),
                off_manifold_score=scores.score,
                gap=scores.gap,
                threshold=scores.threshold,
            )
            self._send(frames)

    def _export(self, request: Export) -> Job:
        model = self._model()
        z = checked_latents(request.z, model)
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
