"""How many dimensions the latent cloud really has."""

from __future__ import annotations

import math

from core.engine.context import EngineContext, Job, Send, handles
from core.engine.futures import in_thread, result_of
from core.geometry.embedding_metrics import two_nn
from core.protocol.messages import DimensionEstimated, EstimateDimension


@handles(EstimateDimension, priority=130)
def estimate_dimension(request: EstimateDimension, engine: EngineContext, send: Send) -> Job:
    """Answer by ``DimensionEstimated``."""
    snapshot = yield from engine.snapshots.newest_or_none()
    try:
        if snapshot is None:
            raise ValueError("no means are recorded")
        estimate = yield from result_of(in_thread(lambda: two_nn(snapshot.mu), "dimension"))
        send(DimensionEstimated(dimension=estimate.dimension, low=estimate.low, high=estimate.high))
    except ValueError as error:
        send(DimensionEstimated(dimension=math.nan, low=math.nan, high=math.nan, note=str(error)))
    yield True
