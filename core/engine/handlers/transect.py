"""Places of the parameter plane: the true image there, what the model makes of it, and where it lands in latent space.

Curves are drawn at any place. Data without a generator is asked for its nearest sample, which the window chooses.
"""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future
from functools import lru_cache

import numpy as np

from core.analysis.image_metrics import WINDOW, ssim
from core.analysis.transect import MAX_POINTS
from core.config import DataConfig
from core.data.polar_curves import render_one
from core.engine.context import EngineContext, Job, Send, handles
from core.engine.futures import in_thread, result_of
from core.engine.open_model import EngineError, OpenModel, excess_of, reconstructed
from core.models.inference import Inference
from core.protocol.messages import EncodeFactors, FactorsEncoded, MeasureTransect, TransectMeasured

MESSAGE_POINTS = 4  # of a transect, in one message
FARTHEST = 20.0  # |a| and |b| of a curve that is drawn: ten times the plane's, where an image still takes milliseconds


def draw_curve(config: DataConfig, factors: np.ndarray) -> np.ndarray:
    """The curve at ``factors`` (a, b) as a dataset of ``config`` draws it: uint8 (H, W, C).

    Raises ``EngineError`` unless the factors are two finite numbers, none beyond ``FARTHEST``.
    """
    if factors.shape != (2,) or not np.isfinite(factors).all():
        raise EngineError(f"factors are {factors.tolist()}; a curve has two, a and b, both finite numbers.")
    if np.abs(factors).max() > FARTHEST:
        raise EngineError(
            f"the curve at a = {factors[0]:g}, b = {factors[1]:g} is too large to draw; keep a and b between "
            f"{-FARTHEST:g} and {FARTHEST:g}."
        )
    image = render_one(float(factors[0]), float(factors[1]), config.image_size, config.geometry)[..., None]
    return np.repeat(image, config.channels, axis=-1)


def original_at(
    model: OpenModel, factors: np.ndarray, index: int
) -> Generator[bool, None, tuple[np.ndarray, np.ndarray]]:
    """The true image uint8 (H, W, C) at a place, and its factors float32 (F,); in slices.

    ``index`` ≥ 0 is a sample of the dataset; otherwise the curve at ``factors`` is drawn. Raises ``EngineError`` where
    nothing draws one, ``DatasetError`` for a sample that does not exist.
    """
    if index < 0:
        if not model.config.data.drawn:
            raise EngineError(
                f"the images of {model.config.data.path} are not drawn from factors; ask for the nearest sample."
            )
        image = draw_curve(model.config.data, factors)
        yield True
        return image, factors.astype(np.float32)
    source = yield from result_of(model.samples)
    image = source.image(index)
    yield True
    return image, source.factors(index)


@lru_cache(maxsize=1)
def _loading_of_measures() -> Future[np.ndarray]:
    """Structural similarity loads part of scipy when it is first computed: in a thread, for decoding must go on."""
    blank = np.zeros((1, WINDOW, WINDOW, 1), np.uint8)
    return in_thread(lambda: ssim(blank, blank), "measures")


@handles(EncodeFactors, priority=40)
def encode_factors(request: EncodeFactors, engine: EngineContext, send: Send) -> Job:
    """Answer by one ``FactorsEncoded``."""
    model = engine.model
    yield from result_of(_loading_of_measures())
    drawn = model.config.data.drawn
    original, factors = yield from original_at(model, request.factors, -1 if drawn else _sample(request.index))
    known = None if drawn else (yield from model.known_mean(request.index))
    _, image, mu, excess, similarity = yield from _measured(model.inference, original, known)
    encoded = FactorsEncoded(
        factors=factors,
        index=request.index,
        original=original,
        reconstruction=image,
        mu=mu,
        excess_bce=excess,
        ssim=similarity,
    )
    send(encoded)
    yield True


@handles(MeasureTransect, priority=100)
def measure_transect(request: MeasureTransect, engine: EngineContext, send: Send) -> Job:
    """Answer by one ``TransectMeasured`` every few points, in order."""
    model = engine.model
    points, indices = _places(request, model.config.data)
    yield from result_of(_loading_of_measures())
    inference = model.inference  # one set of weights for all, whatever a training writes meanwhile
    for start in range(0, len(points), MESSAGE_POINTS):
        measures = []
        for place, index in zip(points[start : start + MESSAGE_POINTS], indices[start:], strict=False):
            original, _ = yield from original_at(model, place, int(index))
            known = None if index < 0 else (yield from model.known_mean(int(index)))
            measures.append((yield from _measured(inference, original, known)))
        originals, images, mu, excess, similarity = zip(*measures, strict=True)
        measured = TransectMeasured(
            start=start,
            total=len(points),
            originals=np.stack(originals),
            reconstructions=np.stack(images),
            mu=np.stack(mu),
            excess_bce=np.array(excess, np.float64),
            ssim=np.array(similarity, np.float64),
            final=start + len(measures) >= len(points),
        )
        send(measured)


Measured = tuple[np.ndarray, np.ndarray, np.ndarray, float, float]


def _measured(model: Inference, original: np.ndarray, known: np.ndarray | None) -> Generator[bool, None, Measured]:
    """Original, reconstruction, mu, excess BCE and SSIM, in slices. ``known`` is mu where it is known."""
    mu, image = yield from reconstructed(model, original, known)
    excess, similarity = excess_of(original, image), float(ssim(original[None], image[None])[0])
    yield True
    return original, image, mu, excess, similarity


def _places(request: MeasureTransect, config: DataConfig) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, F) and, for each, the sample to take (-1: drawn). Raises ``EngineError`` for what is no transect."""
    points, indices = request.points, request.indices
    if points.ndim != 2 or not 2 <= len(points) <= MAX_POINTS:
        raise EngineError(f"points has shape {points.shape}; a transect has 2 to {MAX_POINTS} points (n, F).")
    if not np.isfinite(points).all():
        raise EngineError("points holds a number that is not finite.")
    if config.drawn:
        return points, np.full(len(points), -1, np.int64)
    if indices.shape != (len(points),):
        raise EngineError(
            f"indices has shape {indices.shape}; the images of {config.path} are not drawn from factors, so each of "
            f"the {len(points)} points needs its nearest sample."
        )
    return points, np.array([_sample(int(index)) for index in indices], np.int64)


def _sample(index: int) -> int:
    if index < 0:
        raise EngineError(f"index is {index}; this data has no generator, so the nearest sample is needed: 0 or more.")
    return index
