"""Attributes of the samples: given by the window, or measured on the original image of every recorded sample.

Measuring takes seconds to minutes, so it comes after everything else, one image a slice.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.data.image_attributes import MEASURES, chosen_measures, measure_image
from core.engine.context import EngineContext, Job, Send, handles
from core.engine.futures import in_thread, result_of
from core.engine.open_model import EngineError, loaded_source
from core.engine.snapshot import checked_attributes
from core.protocol.messages import AttributesMeasured, AttributesProgress, MeasureAttributes, SetAttributes
from core.runs.directory import RunDirectory

PROGRESS_STEP = 0.01  # between two messages about progress


@handles(SetAttributes, priority=10)
def set_attributes(request: SetAttributes, engine: EngineContext, send: Send) -> Job:
    """Have these attributes from now on, in place of those before."""
    engine.snapshots.set_attributes(checked_attributes(request, engine.model))
    yield True


@handles(MeasureAttributes, priority=150)
def measure_attributes(request: MeasureAttributes, engine: EngineContext, send: Send) -> Job:
    """Answer by several ``AttributesProgress`` and an ``AttributesMeasured``."""
    measures = chosen_measures(request.names)
    path = Path(engine.model.path)
    if not path.is_dir():
        raise EngineError(
            "A weights file has no recorded samples to measure. Open the folder of the run it belongs to."
        )
    indices = yield from result_of(in_thread(lambda: _samples(path), "attributes"))
    source = yield from loaded_source(engine.model)
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


def _samples(path: Path) -> np.ndarray:
    """Places in the dataset int64 (N,) of the recorded samples; what measuring imports has been imported then."""
    measure_image(np.eye(5, dtype=np.uint8)[..., None] * 255, MEASURES)
    return RunDirectory.open(path).read_probe().indices
