"""Loading a dataset: polar curves drawn here, or images of one's own, prepared and with their labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.config import DataConfig
from core.data import polar_curves
from core.data.cache import cached_images, fingerprint
from core.data.dataset import Dataset, DatasetError, Progress
from core.utils.text import counted

PUBLISHED_FULL = 501 / 5000
PUBLISHED_PUNCTURED = 211 / 4510
"""Shares of validation images in the published splits: 4499 + 501 and 4299 + 211."""


def load_dataset(config: DataConfig, progress: Progress | None = None, cache: Path | None = None) -> Dataset:
    """The dataset that ``config`` describes; ``cache`` is the folder of prepared images (None: the user's).

    ``progress`` is told the share that is done, 0 to 1. Raises ``DatasetError``.
    """
    try:
        return _curves(config, progress, cache) if config.drawn else _from_files(config, progress, cache)
    except MemoryError as error:
        what = f"{config.count} curves" if config.drawn else config.path
        advice = "data.count or data.image_size" if config.drawn else "data.image_size"
        raise DatasetError(
            f"the images of {what} at {config.image_size} × {config.image_size} × {config.channels} do not fit into "
            f"memory; reduce {advice}."
        ) from error


def _from_files(config: DataConfig, progress: Progress | None, cache: Path | None) -> Dataset:
    from core.data.preparation import prepare  # Pillow and file formats are needed only here

    prepared = prepare(config, progress, cache)
    count = len(prepared.images)
    if count < 2:
        held = counted(count, "image")
        raise DatasetError(f"{config.path} holds {held} that can be read; a training needs 2 or more.")
    labels = prepared.labels
    factors = np.stack([label.values for label in labels], axis=1) if labels else np.zeros((count, 0), np.float32)
    train, validation = split(count, config)
    return Dataset(
        images=prepared.images,
        factors=np.ascontiguousarray(factors),
        factor_names=tuple(label.name for label in labels),
        weights=np.ones(count, dtype=np.float32),
        train=train,
        validation=validation,
        fingerprint=fingerprint("files", prepared.fingerprint, factors),
        categories=tuple(label.categories for label in labels),
        names=prepared.names,
        notes=prepared.notes,
        skipped=prepared.skipped,
    )


def curve_parameters(config: DataConfig) -> np.ndarray:
    """(a, b) float64 (N, 2) of a ``curves`` dataset in file order, those in the hole left out. Draws no image.

    Raises ``DatasetError`` if the hole leaves fewer than two.
    """
    ab = polar_curves.draw_parameters(config.count, config.seed)
    if config.punctured:
        ab = ab[~polar_curves.inside_hole(ab, (config.hole_a, config.hole_b), config.hole_radius)]
    if len(ab) < 2:
        raise DatasetError(
            f"the hole of radius {config.hole_radius:g} around ({config.hole_a:g}, {config.hole_b:g}) leaves {len(ab)} "
            f"of {config.count} samples; make data.hole_radius smaller or data.count larger."
        )
    return ab


def split(count: int, config: DataConfig) -> tuple[np.ndarray, np.ndarray]:
    """(train, validation) int64 indices: the last fraction, at least one sample, is kept for validation."""
    fraction = config.validation_fraction
    if fraction is None:
        fraction = PUBLISHED_PUNCTURED if config.drawn and config.punctured else PUBLISHED_FULL
    validation = min(max(round(count * fraction), 1), count - 1)
    return np.arange(count - validation, dtype=np.int64), np.arange(count - validation, count, dtype=np.int64)


def petal_weights(ab: np.ndarray) -> np.ndarray:
    """2 w float32 (N,) with w = (-1.5 b - min) / range in [0, 1]: shallow petals weigh most, as published."""
    score = -1.5 * ab[:, 1]
    spread = float(np.ptp(score))
    if spread <= 0.0:
        return np.ones(len(ab), dtype=np.float32)
    return (2.0 * (score - score.min()) / spread).astype(np.float32)


def _curves(config: DataConfig, progress: Progress | None, cache: Path | None) -> Dataset:
    ab = curve_parameters(config)
    size = config.image_size
    recipe = fingerprint("curves", _recipe_version(config), size, ab)

    def draw() -> np.ndarray:
        return polar_curves.render(ab, size, config.geometry, progress)

    images = cached_images(recipe, (len(ab), size, size), draw, cache)[..., None]
    if config.channels == 3:
        images = np.broadcast_to(images, (*images.shape[:3], 3))
    train, validation = split(len(ab), config)
    weights = petal_weights(ab) if config.weighted else np.ones(len(ab), dtype=np.float32)
    mark = fingerprint(recipe, config.channels)
    return Dataset(images, ab.astype(np.float32), polar_curves.FACTOR_NAMES, weights, train, validation, mark)


def _recipe_version(config: DataConfig) -> tuple:
    """What else decides the pixels: another stroke or scale must not find old images."""
    article = (
        polar_curves.CANVAS,
        polar_curves.CANVAS_UNIT,
        polar_curves.CANVAS_CENTRE,
        polar_curves.CANVAS_STROKE,
        polar_curves.REDUCED,
    )
    square = (polar_curves.SQUARE_REACH, polar_curves.SQUARE_STROKE)
    return (1, config.geometry, polar_curves.CURVE_SAMPLES, article if config.geometry == "article" else square)


def image_at(config: DataConfig, ab: np.ndarray, index: int) -> np.ndarray:
    """Image uint8 (H, W, C) of sample ``index`` of a ``curves`` dataset, drawn alone; equal to the dataset's."""
    a, b = (float(value) for value in ab[index])
    image = polar_curves.render_one(a, b, config.image_size, config.geometry)[..., None]
    return np.repeat(image, config.channels, axis=-1)
