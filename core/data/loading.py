"""Loading a dataset: polar curves drawn here, or images of one's own, prepared and with their labels."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config import DataConfig
from core.data import polar_curves
from core.data.cache import cached_images, fingerprint
from core.data.dataset import Dataset, DatasetError, Progress
from core.data.held_out import labels_in
from core.data.labels import LabelColumn, as_classes_note, join, label_columns, split_column
from core.data.sources.listing import located, written
from core.data.splits import Split, split
from core.data.tables import read_table
from core.utils.text import counted

if TYPE_CHECKING:
    from core.data.preparation import Prepared


def load_dataset(config: DataConfig, progress: Progress | None = None, cache: Path | None = None) -> Dataset:
    """The dataset that ``config`` describes; ``cache`` is the folder of prepared images (None: the user's).

    ``progress`` is told the share that is done, 0 to 1. Raises ``DatasetError``, ``core.config.ConfigError`` for
    settings that do not go together.
    """
    config.check_source()
    if not config.has_images:
        raise DatasetError("There are no images (data.source is none): the model was imported without any.")
    try:
        if config.drawn:
            return _curves(config, progress, cache)
        from core.data.preparation import prepare  # Pillow and file formats are needed only here

        return dataset_of(config, prepare(config, progress, cache))
    except MemoryError as error:
        what = f"{config.count} curves" if config.drawn else config.path
        advice = "data.count or data.image_size" if config.drawn else "data.image_size"
        raise DatasetError(
            f"the images of {what} at {config.image_size} × {config.image_size} × {config.channels} do not fit into "
            f"memory; reduce {advice}."
        ) from error


def with_absolute_path(config: DataConfig) -> DataConfig:
    """``config`` with the absolute paths of its files, as a run stores them."""
    if not config.path:
        return config
    labels = written(labels_file(config)) if config.labels else ""
    return dataclasses.replace(config, path=written(located(config.path)), labels=labels)


def relative_path(config: DataConfig, run: Path) -> str | None:
    """The path of the files of ``config`` from the folder of a run; None without files, or where none can be stored:
    from one drive to another, or of bytes that are no UTF-8."""
    if not config.path:
        return None
    try:
        path = os.path.relpath(located(config.path), os.path.abspath(run))
        path.encode("utf-8")
    except ValueError:
        return None
    return path


def labels_file(config: DataConfig) -> Path:
    """The table that ``config.labels`` names: as it stands, or below or beside the images, which may have moved."""
    given, images = located(config.labels), located(config.path)
    places = [folder / name for name in (config.labels, given.name) for folder in (images, images.parent)]
    return next((place for place in (given, *places) if place.is_file()), given)


def present_data(config: DataConfig, run: Path, metadata: Mapping[str, Any]) -> DataConfig:
    """``config`` of a run with the place where its files are now: as stored, or, if they are gone from there, where
    they lie as seen from the run's folder, which may have been moved together with them."""
    stored = metadata.get("dataset")
    relative = stored.get("relative_path") if isinstance(stored, dict) else None
    if not config.path or located(config.path).exists() or not isinstance(relative, str):
        return config
    moved = Path(run) / relative
    return dataclasses.replace(config, path=written(located(moved))) if moved.exists() else config


def dataset_of(config: DataConfig, prepared: Prepared) -> Dataset:
    """The dataset of images that are ``prepared`` as ``config`` says, with their labels and split.

    Raises ``DatasetError`` if there are fewer than two images, or for labels or a split that cannot be had.
    """
    count = len(prepared.images)
    if count < 2:
        left_out = "".join(f" {one.name}: {one.reason}." for one in prepared.skipped[:1])
        raise DatasetError(
            f"{config.path} holds {counted(count, 'image')} that can be read; a training needs 2 or more.{left_out}"
        )
    columns, given, group, notes = _labels(config, prepared)
    factors = np.zeros((count, 0), np.float32)
    if columns:
        factors = np.stack([label.values for label in columns], axis=1).astype(np.float32, order="C", copy=False)
    factor_names = tuple(label.name for label in columns)
    categories = tuple(label.categories for label in columns)
    parts = split(config, factors, factor_names, categories, given, prepared.groups, group)
    return Dataset(
        images=prepared.images,
        factors=factors,
        factor_names=factor_names,
        weights=np.ones(count, dtype=np.float32),
        train=parts.train,
        validation=parts.validation,
        fingerprint=fingerprint("files", prepared.fingerprint, factors),
        categories=categories,
        names=prepared.names,
        notes=(*prepared.notes, *notes, *parts.notes, *_on_both_sides(prepared.equal_to, parts)),
        skipped=prepared.skipped,
        read_as=prepared.read_as,
        held_out=parts.held_out,
    )


def _labels(
    config: DataConfig, prepared: Prepared
) -> tuple[list[LabelColumn], np.ndarray | None, np.ndarray | None, list[str]]:
    """What the files and a table know of images: labels, the split that they give uint8 (N,) if they give one, the
    value of ``config.group`` int64 (N,), below 0 where it is not known, and notes. Raises ``DatasetError``."""
    columns, notes, names = list(prepared.labels), [], prepared.names
    given, group = prepared.given_split, None
    if config.labels:
        table = read_table(labels_file(config))
        joined = join(table, names, np.arange(len(prepared.images)), config.labels_by)
        spoilt: list[str] = []
        sides = split_column(table, joined, spoilt)
        kept = config.split == "auto"
        asked = {config.group, *labels_in(config.hold_out)}  # then it is a label like any other
        passed_over = sides.name if sides is not None and kept and sides.name not in asked else ""
        found, left_out = label_columns(table, joined, config.number_labels == "auto", passed_over)
        notes += [*table.notes, *joined.notes]
        notes += [f"{table.file.name}: column {name} is left out: {reason}." for name, reason in left_out.items()]
        if kept:
            notes += spoilt
        if sides is not None:
            given = sides.sides
            if kept:
                notes.append(f"{table.file.name}: the split is given by the column {sides.name}.")
                notes += sides.notes(table, names)
        taken = {label.name for label in columns}
        for label in found:
            if label.categories and table.numbers(label.name) is not None:
                notes.append(f"{table.file.name}: {as_classes_note(label, label.name)}")
            if label.name in taken:
                notes.append(
                    f"The files have a label {label.name}, too; that of the table is called {label.name} (table)."
                )
                label = LabelColumn(f"{label.name} (table)", label.values, label.categories)
            columns.append(label)
        if config.group in table.columns:  # also one that is no label, such as names of patients with an image each
            codes = np.unique(np.append(table.texts(config.group), ""), return_inverse=True)[1] - 1.0
            group = joined.spread(codes[:-1])
    if config.group and group is None:
        known = {label.name: label.values for label in columns}
        if config.group not in known:
            there = f"there are {', '.join(known)}" if known else "these images have none; name a table in data.labels"
            raise DatasetError(f"data.group is {config.group!r}, which is no label; {there}.")
        group = np.unique(known[config.group], return_inverse=True, equal_nan=True)[1].astype(np.float64)
        group[np.isnan(known[config.group])] = np.nan
    if group is not None:
        group = np.where(np.isfinite(group), group, -1.0).astype(np.int64)
    return columns, given, group, notes


def _on_both_sides(equal_to: np.ndarray | None, parts: Split) -> list[str]:
    """What is said of validation images that are training images, too, by the places of the first of equal ones."""
    if equal_to is None:
        return []
    seen = int(np.isin(equal_to[parts.validation], equal_to[parts.train]).sum())
    if not seen:
        return []
    of = counted(len(parts.validation), "validation image")
    same = "is the same as a training image" if seen == 1 else "are the same as training images"
    return [f"{seen:,} of {of} {same}: the validation error looks better than it is."]


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


def curve_split(config: DataConfig, ab: np.ndarray) -> Split:
    """The split of a ``curves`` dataset with parameters ``ab`` (N, 2)."""
    return split(config, np.asarray(ab, dtype=np.float32), polar_curves.FACTOR_NAMES)


def petal_weights(ab: np.ndarray) -> np.ndarray:
    """2 w float32 (N,) with w = (-1.5 b - min) / range in [0, 1]: shallow petals weigh most, as published."""
    score = -1.5 * ab[:, 1]
    spread = float(np.ptp(score))
    if spread <= 0.0:
        return np.ones(len(ab), dtype=np.float32)
    return (2.0 * (score - score.min()) / spread).astype(np.float32)


def _curves(config: DataConfig, progress: Progress | None, cache: Path | None) -> Dataset:
    for name in ("labels", "group"):
        if getattr(config, name):
            raise DatasetError(
                f"data.{name} is {getattr(config, name)!r}, which curves do not have; leave it out, or name your "
                "images in data.path."
            )
    ab = curve_parameters(config)
    size = config.image_size
    recipe = fingerprint("curves", _recipe_version(config), size, ab)

    def draw() -> np.ndarray:
        return polar_curves.render(ab, size, config.geometry, progress)

    images, notes = cached_images(recipe, (len(ab), size, size), draw, cache)
    images = images[..., None]
    if config.channels == 3:
        images = np.broadcast_to(images, (*images.shape[:3], 3))
    parts = curve_split(config, ab)
    weights = petal_weights(ab) if config.weighted else np.ones(len(ab), dtype=np.float32)
    mark = fingerprint(recipe, config.channels)
    return Dataset(
        images,
        ab.astype(np.float32),
        polar_curves.FACTOR_NAMES,
        weights,
        parts.train,
        parts.validation,
        mark,
        notes=(*notes, *parts.notes),
        held_out=parts.held_out,
    )


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
