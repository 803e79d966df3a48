"""Measuring the original image of every recorded sample, so that images without labels have something to follow.

It takes seconds to minutes, so it comes after everything else, one image a slice.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from core.data.image_attributes import MEASURES, chosen_measures, measure_image
from core.engine.futures import Later, awaited
from core.engine.open_model import EngineError, Job, OpenModel
from core.protocol.messages import AttributesMeasured, AttributesProgress, MeasureAttributes, Reply
from core.runs.directory import RunDirectory

TOLD_SHARE = 0.01  # between two messages about progress

Send = Callable[[Reply], None]


def measure_attributes(request: MeasureAttributes, model: OpenModel, send: Send) -> Job:
    """Answer ``request`` by several ``AttributesProgress`` and an ``AttributesMeasured``."""
    measures = chosen_measures(request.names)
    path = Path(model.path)
    if not path.is_dir():
        raise EngineError(
            "A weights file has no recorded samples to measure. Open the folder of the run it belongs to."
        )
    indices = yield from awaited(Later(lambda: _samples(path), "attributes"))
    source = model.source()
    while not source.ready():
        yield False
    values = np.empty((len(indices), len(measures)))
    told = 0.0
    for i, index in enumerate(indices):
        image = source.image(int(index))
        yield True
        values[i] = measure_image(image, measures)
        if (i + 1) / len(indices) >= told + TOLD_SHARE:
            told = (i + 1) / len(indices)
            send(AttributesProgress(stamp=request.stamp, fraction=told))
        yield True
    send(AttributesMeasured(stamp=request.stamp, names=tuple(measure.name for measure in measures), values=values))


def _samples(path: Path) -> np.ndarray:
    """Places in the dataset int64 (N,) of the recorded samples; what measuring imports has been imported then."""
    measure_image(np.eye(5, dtype=np.uint8)[..., None] * 255, MEASURES)
    return RunDirectory.open(path).read_probe().indices
