"""Exporting a path: its images are decoded in slices, then written in a thread."""

from __future__ import annotations

import numpy as np

from core.engine.context import EngineContext, Job, Send, handles
from core.engine.export_writer import ExportWriter
from core.engine.open_model import checked_latents
from core.models.deterministic_inference import decode_each
from core.protocol.messages import Export, Exported, ExportProgress

DECODED_SHARE = 0.8  # of the progress; the rest is writing the file


@handles(Export, priority=130)
def export(request: Export, engine: EngineContext, send: Send) -> Job:
    """Answer by several ``ExportProgress`` and an ``Exported``."""
    model = engine.model.inference
    z = checked_latents(request.z, model)
    frames = np.empty((len(z), model.image_size, model.image_size, model.channels), np.uint8)
    for i, image in enumerate(decode_each(model, z)):
        frames[i] = image
        send(ExportProgress(fraction=DECODED_SHARE * (i + 1) / len(z)))
        yield True
    while engine.writer is not None and engine.writer.is_alive():
        yield False  # one that was cancelled and is still leaving: it may be of the same file
    writer = engine.writer = ExportWriter(request, frames, z)
    writer.start()
    reported = 0.0
    try:
        while writer.is_alive():
            yield False
            if writer.fraction >= reported + 0.05:
                reported = writer.fraction
                send(ExportProgress(fraction=DECODED_SHARE + (1.0 - DECODED_SHARE) * reported))
    finally:
        writer.cancel()  # nothing to one that has finished; else this job was dropped
    if writer.error is not None:
        raise writer.error
    send(Exported(path=request.path))
