"""Where no decoder can draw a place, the samples nearest to it are shown: one large, and how far each is."""

from __future__ import annotations

import numpy as np

from core.protocol.messages import NearestFound
from explorer.controllers.cloud import color_targets
from explorer.state import State
from explorer.views.image import ImageView, Neighbour

SHOWN = 3
"""Nearest samples that are shown."""


def show_nearest(
    state: State, view: ImageView, found: NearestFound, row: int, image: np.ndarray | None, where: str = ""
) -> None:
    """Show in ``view`` the samples near place ``row`` of ``found``.

    ``image`` uint8 (H, W, C) is that of the nearest one, None where it has none; ``where`` says what place it is.
    """
    samples = state.samples
    if samples is None or found.places.max(initial=-1) >= len(samples.indices):
        return
    places, distances = found.places[row].tolist(), found.distances[row].tolist()
    neighbours = [
        Neighbour(
            samples.thumbnails[place] if image is not None and place < len(samples.thumbnails) else None,
            color_targets.sample_name(samples, place),
            distance,
            described(state, place),
        )
        for place, distance in zip(places, distances, strict=True)
    ]
    nearest = neighbours[0]
    word = "nearest" if where else "Nearest"
    text = f"{word} sample: {nearest.name}, distance {nearest.distance:.3g}" if nearest.distance else nearest.name
    view.set_nearest(image, f"{where} · {text}" if where else text, neighbours, found.usual)


def described(state: State, place: int) -> tuple[tuple[str, str], ...]:
    """What is known of a sample, factors and attributes, each by its name."""
    known = [(name, color_targets.values(state, name)) for name in color_targets.names(state)]
    return tuple(
        (name, color_targets.said(float(values[place]), color_targets.categories(state, name)))
        for name, values in known
        if values is not None
    )


def image_of(found: NearestFound, place: int) -> np.ndarray | None:
    """The image of the sample ``place`` that came with ``found``, if it did."""
    at = np.flatnonzero(found.image_places == place)
    return found.images[at[0]] if len(at) else None
