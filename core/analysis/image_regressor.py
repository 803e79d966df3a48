"""Factors read off images by regression, for data whose images have no true inverse.

It learns from the samples' own original images and their labels and knows nothing of latents, so it can judge what was
steered in latent space. How well it reads images that it has not seen is part of it: a change smaller than its error
says nothing. numpy at import, scikit-learn at first use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.analysis.path_metrics import Reading
from core.paths.latent_path import pool

_COMPONENTS = 48  # of the pooled images
_MOST = 4000  # originals that it is fitted on; a kernel matrix of 128 MB
_JUDGED = 0.1  # share of the originals that it is judged on
_WIDTHS = (0.03, 0.1, 0.3, 1.0, 3.0)  # of the kernel, per mean square of the codes
_RIDGES = (1e-6, 1e-4, 1e-2)


class ImageRegressor:
    """Gaussian kernel ridge regression of labels (N, F), called ``names``, on pooled images' main components.

    Fitted on original ``images`` uint8 (N, H, W, C), N of 40 or more, at most 4000 of them drawn by ``seed``. A tenth
    chooses the kernel's width and ridge, and a further tenth takes no part: ``r2`` float64 (F,) is the share of each
    label's variance there that is explained, ``error`` float64 (F,) the median absolute error over each label's range.
    A leak below ``error`` says nothing.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray, names: Sequence[str], seed: int = 0) -> None:
        from sklearn.decomposition import PCA

        images, table = np.asarray(images), np.asarray(labels, dtype=np.float64)
        order = np.random.default_rng(seed).permutation(len(images))[:_MOST]
        pooled, table = pool(images[order]), table[order]
        part = max(4, round(_JUDGED * len(order)))
        judged, chosen, fitted = slice(0, part), slice(part, 2 * part), slice(2 * part, None)
        self.names = tuple(names)
        self.ranges = np.where(np.ptp(table, axis=0) > 0.0, np.ptp(table, axis=0), 1.0)
        self._mean = table[fitted].mean(axis=0)
        self._pca = PCA(min(_COMPONENTS, len(order) - 2 * part, pooled.shape[1]), svd_solver="full")
        self._pca.fit(pooled[fitted])
        codes = self._pca.transform(pooled)
        size = float(np.sqrt(np.square(codes[fitted]).sum(axis=1).mean()))
        self._scale = size if size > 0.0 else 1.0
        codes /= self._scale
        targets = (table - self._mean) / self.ranges
        self._model = _best(codes, targets, fitted, chosen)
        missed = self._model.predict(codes[judged]).reshape(part, -1) - targets[judged]
        variance = targets[judged].var(axis=0)
        explained = 1.0 - np.square(missed).mean(axis=0) / np.where(variance > 0.0, variance, 1.0)
        self.r2 = np.where(variance > 0.0, explained, 0.0)
        self.error = np.median(np.abs(missed), axis=0)

    def read(self, images: np.ndarray) -> Reading:
        """Labels (n, F) of images uint8 (n, H, W, C); there is no residual."""
        codes = self._pca.transform(pool(np.asarray(images))) / self._scale
        return Reading(self._model.predict(codes).reshape(len(codes), -1) * self.ranges + self._mean, None)


def _best(codes: np.ndarray, targets: np.ndarray, fitted: slice, chosen: slice) -> Any:
    """The ridge regression fitted on one part that reads the chosen part best."""
    from sklearn.kernel_ridge import KernelRidge

    def error(trial: KernelRidge) -> float:
        missed = trial.predict(codes[chosen]).reshape(-1, targets.shape[1]) - targets[chosen]
        return float(np.square(missed).mean())

    trials = (KernelRidge(kernel="rbf", gamma=gamma, alpha=ridge) for gamma in _WIDTHS for ridge in _RIDGES)  # pyright: ignore[reportArgumentType]
    return min((trial.fit(codes[fitted], targets[fitted]) for trial in trials), key=error)
