"""Opening the model to look at, and a second one to compare it with."""

from __future__ import annotations

from core.engine.context import EngineContext, Job, Send, handles
from core.engine.open_model import open_model
from core.protocol.messages import Load, Loaded, LoadSecond, SecondLoaded


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
