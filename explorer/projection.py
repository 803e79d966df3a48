"""The projection that the display settings ask for."""

from __future__ import annotations

import numpy as np

from core.rendering.projection import Projection, along_components, along_dimensions
from explorer.state import Axes


def make_projection(axes: Axes, latent_dim: int, embedding: np.ndarray | None) -> Projection:
    """The projection that ``axes`` asks for; principal components need an ``embedding`` (N, d)."""
    if axes.principal and embedding is not None and len(embedding) > 1:
        return along_components(embedding)
    return along_dimensions(axes.dimensions, latent_dim)
