"""The recorded samples nearest to a place: what is shown there where no decoder can draw an image."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.engine.context import EngineContext, Job, Send, handles
from core.engine.futures import in_thread, result_of
from core.engine.open_model import checked_latents
from core.protocol.messages import FindNearest, NearestFound

MESSAGE_IMAGES = 8  # in one message
NOTHING = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Nearest:
    """Samples near n places, nearest first: ``places`` int64 (n, k) among those recorded, ``indices`` int64 (n, k) in
    the dataset, Euclidean ``distances`` float32 (n, k); ``usual`` as of ``NearestFound``."""

    places: np.ndarray
    indices: np.ndarray
    distances: np.ndarray
    usual: float

    def described(self) -> dict[str, Any]:
        """What a file of these samples' images says of them."""
        first = self.indices[:, 0].tolist(), self.distances[:, 0].tolist()
        return {"frames": "nearest samples, not decoded", "samples": first[0], "distances": first[1]}


def nearest_samples(engine: EngineContext, z: np.ndarray, count: int) -> Generator[bool, None, Nearest]:
    """The ``count`` samples nearest to each of z float32 (n, d), in slices. Raises ``EngineError``."""
    snapshot = yield from engine.snapshots.newest()

    def find() -> Nearest:
        whole = snapshot.whole
        distances, found = whole.neighbourhoods.query(z, count)
        places, indices = whole.places[found], whole.indices[found]
        return Nearest(places, indices, distances.astype(np.float32), snapshot.usual_distance)

    return (yield from result_of(in_thread(find, "nearest samples")))


@handles(FindNearest, priority=25)
def find_nearest(request: FindNearest, engine: EngineContext, send: Send) -> Job:
    """Answer by one ``NearestFound`` at once, and one for every few images."""
    model = engine.model
    near = yield from nearest_samples(engine, checked_latents(request.z, model.inference), request.count)
    shown, first = np.unique(near.places[:, 0], return_index=True)
    order = np.argsort(first)
    shown, indices = shown[order], near.indices[first[order], 0]
    has_images = model.has_originals

    def found(image_places: np.ndarray, images: np.ndarray, final: bool) -> NearestFound:
        return NearestFound(
            places=near.places, distances=near.distances, usual=near.usual,
            image_places=image_places, images=images, final=final,
        )  # fmt: skip

    send(found(NOTHING, np.zeros((0, 0, 0, 1), np.uint8), not has_images))
    yield True
    if not has_images:
        return
    source = yield from result_of(model.samples)
    for start in range(0, len(shown), MESSAGE_IMAGES):
        part = slice(start, start + MESSAGE_IMAGES)
        send(found(shown[part], np.stack(list(source.each(indices[part]))), start + MESSAGE_IMAGES >= len(shown)))
        yield True
