"""Opening the model to look at, and a second one, and comparing the two at one input.

The models may differ in image size, channels and geometry. Each encodes the input in the form that it was trained on;
only what the second made is brought to the first's size, so that their images can be laid over each other.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from core.engine.context import EngineContext, Job, Send, handles
from core.engine.handlers.transect import draw_curve, original_at
from core.engine.open_model import EngineError, checked_latents, excess_of, open_model, reconstructed
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
        preset=model.network_name,
        precision=inference.precision,
        can_decode=inference.can_decode,
        can_encode=inference.can_encode,
        has_originals=model.has_originals,
        unallowed=model.unallowed,
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
        preset=model.network_name,
        can_decode=model.inference.can_decode,
        can_encode=model.inference.can_encode,
    )
    send(loaded)


@handles(CompareModels, priority=60)
def compare_models(request: CompareModels, engine: EngineContext, send: Send) -> Job:
    """Answer by one ``ModelsCompared``."""
    first, second = engine.model, engine.second
    one, other = first.inference, second.inference  # the weights of now, for both halves of the picture
    if request.index < 0 and request.factors.size == 0:
        if one.latent_dim != other.latent_dim:
            raise EngineError(
                f"the two models have {one.latent_dim} and {other.latent_dim} latent dimensions, so they share no "
                "latent points; compare them on the same image or the same parameters."
            )
        first_mu = second_mu = checked_latents(request.z.reshape(1, -1), one)[0]
        image = next(decode_each(one, first_mu[None]))
        yield True
        other_image = next(decode_each(other, second_mu[None]))
        yield True
        original, losses = np.zeros((0, 0, one.channels), np.uint8), (float("nan"), float("nan"))
    else:
        data, other_data = first.config.data, second.config.data
        original, factors = yield from original_at(first, request.factors, request.index)
        if data.drawn and other_data.drawn:
            # A sample stays the picture that it is: the first's drawing at the second's size.
            same = replace(data, image_size=other_data.image_size, channels=other_data.channels)
            given = draw_curve(other_data if request.index < 0 else same, factors)
        else:
            given = fit_image(original, other_data.image_size, other_data.channels)
        yield True
        first_mu, image = yield from reconstructed(one, original)
        second_mu, other_image = yield from reconstructed(other, given)
        losses = excess_of(original, image), excess_of(given, other_image)
    compared = ModelsCompared(
        original=original,
        first=image,
        second=fit_image(other_image, one.image_size, one.channels),
        first_mu=first_mu,
        second_mu=second_mu,
        first_excess_bce=losses[0],
        second_excess_bce=losses[1],
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
