"""The sheet that the means of a data set with two factors form, as a fine mesh of quadrilaterals. No Qt, no torch.

Means are scattered and a little noisy; the mesh is what one would draw through them: a smooth map from the two factors
to latent space, fitted to the samples around each place and left out where there are none, as in a hole of the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CELLS = (200, 250)  # along the first and the second factor

_NEAREST = 48  # samples that a vertex is fitted to
_SMOOTHING = 3e-3
_BLUR = 1.6  # usual distances between samples, over which they are counted
_SPARSE = 0.3  # of the usual count: where fewer samples are, there is no sheet


@dataclass(frozen=True, eq=False)
class Mesh:
    """``places`` float64 (q, 4, d), the corners of each quadrilateral, and ``factors`` (q, 2) of its middle."""

    places: np.ndarray
    factors: np.ndarray


def fit_mesh(mu: np.ndarray, factors: np.ndarray, cells: tuple[int, int] = CELLS) -> Mesh:
    """The sheet through mu (N, d) of samples with ``factors`` (N, 2), N of 4 or more.

    A thin-plate spline through the 48 nearest samples in the plane of the factors, each scaled to its range, a little
    smoothed. Quadrilaterals where there are hardly any samples are left out.
    """
    from scipy.interpolate import RBFInterpolator

    factors = np.asarray(factors, dtype=np.float64)
    low, span = factors.min(axis=0), np.maximum(np.ptp(factors, axis=0), 1e-12)
    scaled = (factors - low) / span
    unique, members = np.unique(scaled, axis=0, return_index=True)
    if len(unique) < 4:
        return Mesh(np.empty((0, 4, mu.shape[1])), np.empty((0, 2)))
    one, two = (np.linspace(0.0, 1.0, count + 1) for count in cells)
    grid = np.stack(np.meshgrid(one, two, indexing="ij"), axis=-1)
    near = _populated(unique, cells)
    spline = RBFInterpolator(
        unique, np.asarray(mu, dtype=np.float64)[members], min(_NEAREST, len(unique)), smoothing=_SMOOTHING
    )
    places = np.full((*grid.shape[:2], mu.shape[1]), np.nan)
    places[near] = spline(grid[near])
    corners = [slice(None, -1), slice(1, None)]
    around = ((0, 0), (1, 0), (1, 1), (0, 1))
    quads = np.stack([places[corners[i], corners[j]] for i, j in around], axis=2)
    middles = np.mean([grid[corners[i], corners[j]] for i, j in around], axis=0)
    whole = np.isfinite(quads).all(axis=(2, 3))
    return Mesh(quads[whole], low + span * middles[whole])


def _populated(scaled: np.ndarray, cells: tuple[int, int]) -> np.ndarray:
    """Whether samples (N, 2), in the unit square, are about each vertex: bool (cells + 1 each)."""
    from scipy.ndimage import gaussian_filter

    shape = np.array(cells) + 1
    count = np.zeros(shape)
    row, column = np.rint(scaled * cells).astype(np.int64).T
    np.add.at(count, (row, column), 1.0)
    apart = _BLUR * shape / max(np.sqrt(len(scaled)), 1.0)
    density = gaussian_filter(count, apart, mode="reflect")
    return density >= _SPARSE * np.median(density)
