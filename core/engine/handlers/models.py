"""Opening the model to look at, and a second one, and comparing the two at one input.

The models may differ in image size, channels and geometry. Each encodes the input in the form that it was trained on;
only what the second made is brought to the first's size, so that their images can be laid over each other.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np
from PIL import Image

from core.config import DataConfig
from core.engine.context import EngineContext, Job, Send, handles
from core.engine.handlers.transect import draw_curve, original_at
from core.engine.open_model import EngineError, OpenModel, checked_latents, excess_of, open_model, reconstructed
from core.models.inference import decode_each
from core.protocol.messages import CompareModels, Load, Loaded, LoadSecond, ModelsCompared, SecondLoaded


@handles(Load, priority=0)
def load(request: Load, engine: EngineContext, send: Send) -> Job:
    """Answer by ``Loaded``; the model that was open stays if this one cannot be read."""
    model = yield from open_model(request.path)
    engine.open(model)
    inference = model.inference
    loaded = Loaded(
        path=request.path,
        latent_dim=inference.latent_dim,
        image_size=inference.image_size,
        channels=inference.channels,
        step=model.step,
        samples=model.recorded_samples,
        factor_names=model.factor_names,
        preset=model.config.model.preset,
        precision=str(inference.dtype).removeprefix("torch."),
    )
    send(loaded)


@handles(LoadSecond, priority=50)
def load_second(request: LoadSecond, engine: EngineContext, send: Send) -> Job:
    """Answer by ``SecondLoaded``; the first model goes on as it is."""
    if not request.path:
        engine.open_second(None)
        send(SecondLoaded(path="", latent_dim=0, image_size=0, channels=0, preset=""))
        return
    model = yield from open_model(request.path)
    engine.open_second(model)
    loaded = SecondLoaded(
        path=model.path,
        latent_dim=model.inference.latent_dim,
        image_size=model.inference.image_size,
        channels=model.inference.channels,
        preset=model.config.model.preset,
    )
    send(loaded)


@handles(CompareModels, priority=60)
def compare_models(request: CompareModels, engine: EngineContext, send: Send) -> Job:
    """Answer by one ``ModelsCompared``."""
    first, second = engine.model, engine.second
    if request.index < 0 and request.factors.size == 0:
        yield from _compare_latent(request, first, second, send)
        return
    one, other = first.inference, second.inference  # the weights of now, for both halves of the picture
    original, factors = yield from original_at(first, request.factors, request.index)
    given = yield from _for_second(request, original, factors, first.config.data, second.config.data)
    first_mu, image = yield from reconstructed(one, original)
    second_mu, other_image = yield from reconstructed(other, given)
    compared = ModelsCompared(
        original=original,
        first=image,
        second=fit_image(other_image, one.image_size, one.channels),
        first_mu=first_mu,
        second_mu=second_mu,
        first_excess_bce=excess_of(original, image),
        second_excess_bce=excess_of(given, other_image),
    )
    send(compared)


def _for_second(
    request: CompareModels, original: np.ndarray, factors: np.ndarray, first: DataConfig, second: DataConfig
) -> Generator[bool, None, np.ndarray]:
    """The input as the second model takes it: drawn at its size where that can be, else ``original`` resized."""
    if first.drawn and second.drawn:
        # A sample stays the picture that it is: the first's drawing at the second's size.
        same = replace(first, image_size=second.image_size, channels=second.channels)
        drawing = second if request.index < 0 else same
        given = draw_curve(drawing, factors)
    else:
        given = fit_image(original, second.image_size, second.channels)
    yield True
    return given


def _compare_latent(request: CompareModels, first: OpenModel, second: OpenModel, send: Send) -> Job:
    one, other = first.inference, second.inference
    if one.latent_dim != other.latent_dim:
        raise EngineError(
            f"the two models have {one.latent_dim} and {other.latent_dim} latent dimensions, so they share no "
            "latent points; compare them on the same image or the same parameters."
        )
    z = checked_latents(request.z.reshape(1, -1), one)
    image = next(decode_each(one, z))
    yield True
    other_image = next(decode_each(other, z))
    yield True
    compared = ModelsCompared(
        original=np.zeros((0, 0, one.channels), np.uint8),
        first=image,
        second=fit_image(other_image, one.image_size, one.channels),
        first_mu=z[0],
        second_mu=z[0],
        first_excess_bce=float("nan"),
        second_excess_bce=float("nan"),
    )
    send(compared)


def fit_image(image: np.ndarray, size: int, channels: int) -> np.ndarray:
    """``image`` uint8 (H, W, C) as uint8 (size, size, channels): bilinear, grey by luma; itself where it fits."""
    if image.shape == (size, size, channels):
        return image
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    picture = picture.convert("L" if channels == 1 else "RGB")
    if picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(picture).reshape(size, size, channels)
