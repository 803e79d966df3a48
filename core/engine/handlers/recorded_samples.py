"""The samples that a run recorded: their intrinsic dimension, and attributes, given or measured on each original image.

Measuring takes seconds to minutes, so it comes after everything else, one image a slice.
"""

from __future__ import annotations

import math

import numpy as np

from core.analysis.informative_dimensions import informative_dimensions
from core.data.image_attributes import MEASURES, chosen_measures, measure_image
from core.engine.context import EngineContext, Job, Send, handles
from core.engine.futures import in_thread, result_of
from core.engine.open_model import EngineError
from core.engine.snapshot import NO_ATTRIBUTES, Attributes
from core.geometry.embedding_metrics import two_nn
from core.protocol.messages import (
    AttributesMeasured,
    AttributesProgress,
    DimensionEstimated,
    EstimateDimension,
    FindInformative,
    InformativeFound,
    MeasureAttributes,
    SetAttributes,
)
from core.runs.directory import MAX_PROBE, RunDirectory

PROGRESS_STEP = 0.01  # between two messages about progress


@handles(SetAttributes, priority=10)
def set_attributes(request: SetAttributes, engine: EngineContext, send: Send) -> Job:
    """Have these attributes from now on, in place of those before.

    Raises ``EngineError`` unless they fit the run's recorded samples and factors.
    """
    model, names, values = engine.model, request.names, np.asarray(request.values, dtype=np.float64)
    if names and values.shape != (model.recorded_samples, len(names)):
        raise EngineError(
            f"values of the attributes have shape {values.shape}; they must be ({model.recorded_samples}, "
            f"{len(names)}), one row a recorded sample and one column a name."
        )
    known = (*model.factor_names, *names)
    twice = next((name for i, name in enumerate(known) if name in known[:i]), None)
    if twice is not None:
        raise EngineError(f"{twice!r} names two attributes or factors; give each its own name.")
    attributes = Attributes(names, np.where(np.isfinite(values), values, np.nan)) if names else NO_ATTRIBUTES
    engine.snapshots.set_attributes(attributes)
    yield True


@handles(MeasureAttributes, priority=150)
def measure_attributes(request: MeasureAttributes, engine: EngineContext, send: Send) -> Job:
    """Answer by several ``AttributesProgress`` and an ``AttributesMeasured``."""
    measures = chosen_measures(request.names)
    run = engine.model.run
    if run is None:
        raise EngineError(
            "A weights file has no recorded samples to measure. Open the folder of the run it belongs to."
        )
    indices = yield from result_of(in_thread(lambda: _samples(run), "attributes"))
    source = yield from result_of(engine.model.samples)
    values = np.empty((len(indices), len(measures)))
    reported = 0.0
    for i, index in enumerate(indices):
        image = source.image(int(index))
        yield True
        values[i] = measure_image(image, measures)
        if (i + 1) / len(indices) >= reported + PROGRESS_STEP:
            reported = (i + 1) / len(indices)
            send(AttributesProgress(fraction=reported))
        yield True
    send(AttributesMeasured(names=tuple(measure.name for measure in measures), values=values))


def _samples(run: RunDirectory) -> np.ndarray:
    """Places in the dataset int64 (N,) of the recorded samples; what measuring imports has been imported then."""
    measure_image(np.eye(5, dtype=np.uint8)[..., None] * 255, MEASURES)
    return run.read_probe().indices


@handles(FindInformative, priority=110)
def find_informative(request: FindInformative, engine: EngineContext, send: Send) -> Job:
    """Answer by ``InformativeFound``."""
    snapshot = yield from engine.snapshots.newest()
    recorded = engine.model.recorded_samples  # of very many the last ones may not be encoded yet
    if not min(recorded, MAX_PROBE) <= len(request.values) <= recorded:
        raise EngineError(
            f"{len(request.values)} values were given for {recorded} recorded samples; give one for each."
        )
    values = request.values[snapshot.places]
    found = yield from result_of(
        in_thread(lambda: informative_dimensions(snapshot.mu, values, request.classes), "informative dimensions")
    )
    send(InformativeFound(**found._asdict()))


@handles(EstimateDimension, priority=130)
def estimate_dimension(request: EstimateDimension, engine: EngineContext, send: Send) -> Job:
    """Answer by ``DimensionEstimated``."""
    snapshot = yield from engine.snapshots.newest_or_none()
    try:
        if snapshot is None:
            raise ValueError("no means are recorded")
        estimate = yield from result_of(in_thread(lambda: two_nn(snapshot.geometry), "dimension"))
        send(DimensionEstimated(**estimate._asdict(), samples=len(snapshot.geometry)))
    except ValueError as error:
        send(DimensionEstimated(dimension=math.nan, low=math.nan, high=math.nan, note=str(error)))
    yield True
