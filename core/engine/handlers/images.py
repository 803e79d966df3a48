"""Images of the open model: decoded from latent points, and beside the originals of its samples."""

from __future__ import annotations

from time import monotonic, perf_counter

import numpy as np

from core.engine.context import EngineContext, Job, Send, handles
from core.engine.futures import result_of
from core.engine.open_model import checked_latents, excess_of, reconstructed
from core.models.inference import decode_each
from core.models.thumbnails import thumbnails_of
from core.protocol.messages import (
    Decode,
    Decoded,
    DecodePath,
    EncodeSample,
    FindThumbnail,
    LossesMeasured,
    MeasureLosses,
    PathFrames,
    ReconstructValidation,
    SampleEncoded,
    ThumbnailFound,
    ValidationReconstructed,
)

MESSAGE_IMAGES = 4  # of a path, in one message
MESSAGE_LOSSES = 16


@handles(Decode, priority=20)
def decode(request: Decode, engine: EngineContext, send: Send) -> Job:
    """Answer by ``Decoded``."""
    model = engine.model.inference
    z = checked_latents(request.z.reshape(1, -1), model)
    began, begun = monotonic(), perf_counter()
    image = next(decode_each(model, z))
    milliseconds = (perf_counter() - begun) * 1000
    scores = engine.snapshots.off_manifold_scores(z)
    decoded = Decoded(
        z=request.z,
        image=image,
        milliseconds=milliseconds,
        began=began,
        off_manifold_score=float(scores.score[0]) if len(scores.score) else float("nan"),
        threshold=scores.threshold,
        gap=float(scores.gap[0]) if len(scores.gap) else float("nan"),
        doubt=scores.doubt,
    )
    send(decoded)
    yield True


@handles(EncodeSample, priority=70)
def encode_sample(request: EncodeSample, engine: EngineContext, send: Send) -> Job:
    """Answer by ``SampleEncoded``."""
    model = engine.model.inference
    source = yield from result_of(engine.model.samples)
    original = source.image(request.index)
    factors = source.factors(request.index)
    yield True
    known = yield from engine.model.known_mean(request.index)
    mu, image = yield from reconstructed(model, original, known)
    encoded = SampleEncoded(
        index=request.index,
        original=original,
        reconstruction=image,
        mu=mu,
        factors=factors,
        excess_bce=excess_of(original, image),
    )
    send(encoded)


@handles(FindThumbnail, priority=75)
def find_thumbnail(request: FindThumbnail, engine: EngineContext, send: Send) -> Job:
    """Answer by ``ThumbnailFound``."""
    source = yield from result_of(engine.model.samples)
    send(ThumbnailFound(index=request.index, image=thumbnails_of(np.array(source.image(request.index))[None])[0]))
    yield True


@handles(ReconstructValidation, priority=120)
def reconstruct_validation(request: ReconstructValidation, engine: EngineContext, send: Send) -> Job:
    """Answer by one ``ValidationReconstructed`` with all images, of one set of weights."""
    model, step = engine.model.inference, engine.model.step
    source = yield from result_of(engine.model.samples)
    indices = source.validation[: max(0, request.count)]
    shape = (len(indices), model.image_size, model.image_size, model.channels)
    originals, images = np.empty(shape, np.uint8), np.empty(shape, np.uint8)
    losses = np.empty(len(indices), np.float32)
    for i, index in enumerate(indices):
        originals[i] = source.image(int(index))
        yield True
        known = yield from engine.model.known_mean(int(index))
        _, images[i] = yield from reconstructed(model, originals[i], known)
        losses[i] = excess_of(originals[i], images[i])
    send(
        ValidationReconstructed(
            indices=indices, originals=originals, reconstructions=images, excess_bce=losses, step=step
        )
    )


@handles(MeasureLosses, priority=140)
def measure_losses(request: MeasureLosses, engine: EngineContext, send: Send) -> Job:
    """Answer by one ``LossesMeasured`` for every few samples, in order."""
    model = engine.model.inference
    source = yield from result_of(engine.model.samples)
    total = len(request.indices)
    for start in range(0, total, MESSAGE_LOSSES):
        losses = []
        for index in request.indices[start : start + MESSAGE_LOSSES]:
            original = source.image(int(index))
            yield True
            known = yield from engine.model.known_mean(int(index))
            _, image = yield from reconstructed(model, original, known)
            losses.append(excess_of(original, image))
        final = start + len(losses) >= total
        send(LossesMeasured(start=start, total=total, excess_bce=np.array(losses, np.float32), final=final))


@handles(DecodePath, priority=90)
def decode_path(request: DecodePath, engine: EngineContext, send: Send) -> Job:
    """Answer by one ``PathFrames`` for every few images, in order."""
    model = engine.model.inference
    z = checked_latents(request.z, model)
    for start in range(0, len(z), MESSAGE_IMAGES):
        part = z[start : start + MESSAGE_IMAGES]
        images = []
        for image in decode_each(model, part):
            images.append(image)
            yield True
        scores = yield from engine.snapshots.off_manifold_scores_when_known(part)
        frames = PathFrames(
            start=start,
            total=len(z),
            images=np.stack(images),
            off_manifold_score=scores.score,
            gap=scores.gap,
            threshold=scores.threshold,
            doubt=scores.doubt,
            final=start + len(part) >= len(z),
        )
        send(frames)
