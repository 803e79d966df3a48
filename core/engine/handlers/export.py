"""Exporting a path: its images are decoded in slices, or those of the nearest samples taken, then written in a thread.

Compression takes long and lets go of the interpreter, so decoding goes on.
"""

from __future__ import annotations

import json
import threading

import numpy as np

from core.engine.context import EngineContext, Job, Send, handles
from core.engine.futures import in_thread, result_of
from core.engine.handlers.nearest import nearest_samples
from core.engine.open_model import EngineError, checked_latents
from core.models.inference import decode_each
from core.paths.export import export_path
from core.protocol.messages import Export, Exported, ExportProgress
from core.rendering.film_frames import dressed_frames

DECODED_SHARE = 0.8  # of the progress; the rest is writing the file
DRESSED_SHARE = 0.3  # of that rest: scaling the frames


@handles(Export, priority=130)
def export(request: Export, engine: EngineContext, send: Send) -> Job:
    """Answer by several ``ExportProgress`` and an ``Exported``."""
    model = engine.model.inference
    z = checked_latents(request.z, model)
    frames = np.empty((len(z), model.image_size, model.image_size, model.channels), np.uint8)
    metadata = request.metadata
    if model.can_decode:
        images = decode_each(model, z)
    else:
        nearest = yield from nearest_samples(engine, z, 1)
        images = (yield from result_of(engine.model.samples)).each(nearest.indices[:, 0])
        metadata = json.dumps(json.loads(metadata) | nearest.described())
    for i, image in enumerate(images):
        frames[i] = image
        send(ExportProgress(fraction=DECODED_SHARE * (i + 1) / len(z)))
        yield True
    while engine.writer is not None and not engine.writer.done():
        yield False  # one that was cancelled and is still leaving: it may be of the same file
    cancelled, written = threading.Event(), [0.0]

    def note(fraction: float) -> None:
        if cancelled.is_set():
            raise EngineError("The export was cancelled.")
        written.append(fraction)

    def write() -> None:
        shown = frames
        if request.format != "npz":
            shown = dressed_frames(frames, request.look, request.captions, lambda done: note(DRESSED_SHARE * done))
        export_path(
            request.path,
            request.format,  # pyright: ignore[reportArgumentType]  # checked there
            shown,
            z,
            request.fps,
            metadata=metadata,
            progress=lambda done: note(DRESSED_SHARE + (1.0 - DRESSED_SHARE) * done),
        )

    writer = engine.writer = in_thread(write, "export")
    reported = 0.0
    try:
        while not writer.done():
            yield False
            if written[-1] >= reported + 0.05:
                reported = written[-1]
                send(ExportProgress(fraction=DECODED_SHARE + (1.0 - DECODED_SHARE) * reported))
    finally:
        cancelled.set()  # nothing to one that has finished; else this job was dropped
    writer.result()
    send(Exported(path=request.path))
