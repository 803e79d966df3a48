"""What geodesics measure images by: the samples' thumbnails at once, the decoder itself as soon as it has been asked.

A surrogate of the decoder needs some 1,760 decoded images, which are seconds of work: they are made one by one when
nothing else is to do. Until then the thumbnails that the run recorded say how far images are apart.
"""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np

from core.engine.futures import failed, in_thread
from core.geometry.decoder_surrogate import ImageMap, Landmarks, LatentMap, Surrogate, landmark_places, surrogate_of
from core.geometry.surface import Surface
from core.models.inference import Inference, decode_each
from core.paths.latent_path import pool
from core.utils.point_sets import farthest_points

THUMBNAILS = 600
"""Samples whose thumbnails the first map is fitted to."""
_CHOSEN_FROM = 4 * THUMBNAILS


def thumbnail_map(mu: np.ndarray, thumbnails: np.ndarray) -> ImageMap:
    """A smooth map through the pooled ``thumbnails`` uint8 (N, S, S, C) of samples spread over mu float (N, d).

    The identity where they are all alike, or the samples too few: then only latent length is left.
    """
    some = np.arange(0, len(mu), max(1, len(mu) // _CHOSEN_FROM))
    chosen = some[farthest_points(mu[some], THUMBNAILS)]
    places, features = mu[chosen], pool(thumbnails[chosen])
    if len(np.unique(places, axis=0)) < places.shape[1] + 2 or not _vary(features):
        return LatentMap()
    return Surrogate(places, features)


def _vary(features: np.ndarray) -> bool:
    return bool(np.ptp(features, axis=0).max(initial=0.0) > 0.0)


class DecoderMap:
    """The surrogate of ``inference`` about a surface, made slice by slice: call ``advance`` until ``ready``."""

    def __init__(self, inference: Inference, surface: Future[Surface]) -> None:
        self._inference, self._surface = inference, surface
        self._places = in_thread(self._landmarks, "landmarks")
        self._features: list[np.ndarray] = []
        self._map: Future[ImageMap] | None = None

    def _landmarks(self) -> Landmarks:
        surface = self._surface.result()
        return landmark_places(surface.samples, intrinsic=surface.intrinsic)

    @property
    def ready(self) -> bool:
        """Whether ``result`` has an answer."""
        return (self._map is not None and self._map.done()) or failed(self._places)

    def result(self) -> ImageMap:
        """The map. Raises ``core.geometry.local_fit.GeometryError`` where the samples determine none."""
        if self._map is None:
            self._places.result()
            raise RuntimeError("The landmarks have not been decoded yet.")
        return self._map.result()

    def advance(self) -> bool:
        """Decode one landmark; False while a thread is waited for, or if there is nothing left to do."""
        if self._map is not None or not self._places.done() or failed(self._places):
            return False
        chosen = self._places.result()
        (image,) = decode_each(self._inference, chosen.places[len(self._features)][None])
        self._features.append(pool(image[None])[0])
        if len(self._features) == len(chosen.places):
            features = np.stack(self._features)
            # The identity for a decoder that draws one image everywhere.
            self._map = in_thread(
                lambda: surrogate_of(chosen, features) if _vary(features) else LatentMap(), "surrogate"
            )
        return True
