"""What samples near a path say of its labels: means of numbers, classes of the nearest."""

from __future__ import annotations

import numpy as np

NEIGHBOURS = 8


def labels_along(z: np.ndarray, means: np.ndarray, values: np.ndarray, classes: bool) -> np.ndarray:
    """The label at each of z (n, d), float64 (n,), by the samples ``means`` (N, d) with ``values`` (N,).

    Of a number, the mean over the 8 nearest samples of which it is known; of ``classes``, the value of the nearest of
    these. NaN where no sample is known.
    """
    from scipy.spatial import KDTree

    known = np.isfinite(means).all(axis=1) & np.isfinite(values)
    if not known.any():
        return np.full(len(z), np.nan)
    count = 1 if classes else min(NEIGHBOURS, int(known.sum()))
    _, nearest = KDTree(means[known]).query(np.asarray(z, dtype=np.float64), k=count)
    return np.asarray(values, dtype=np.float64)[known][nearest].reshape(len(z), -1).mean(axis=1)
