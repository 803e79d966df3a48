"""From labels to factors: what the files know of their images, joined by a table, and the split that follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.config import DataConfig
from core.data.dataset import DatasetError
from core.data.held_out import labels_in
from core.data.labels import LabelColumn, as_classes_note, join, label_columns, split_column
from core.data.sources.listing import located
from core.data.splits import Split, split
from core.data.tables import read_table


@dataclass(frozen=True, eq=False)
class Labelled:
    """What is known of N images: ``factors`` float32 (N, F) and their names and classes, the split, and ``notes``."""

    factors: np.ndarray
    factor_names: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]
    split: Split
    notes: tuple[str, ...]


def labelled(
    config: DataConfig,
    count: int,
    names: Sequence[str] = (),
    labels: Sequence[LabelColumn] = (),
    given: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> Labelled:
    """The factors and the split of ``count`` images of these ``names``, with the ``labels`` that their source knows.

    ``given`` and ``groups`` are those of ``core.data.sources.source.ImageSource``. Raises ``DatasetError``.
    """
    columns, notes = list(labels), []
    group = None
    if config.labels:
        table = read_table(labels_file(config))
        joined = join(table, names, np.arange(count), config.labels_by)
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
    factors = np.stack([label.values for label in columns], axis=1) if columns else np.zeros((count, 0), np.float32)
    factor_names = tuple(label.name for label in columns)
    categories = tuple(label.categories for label in columns)
    parts = split(config, factors, factor_names, categories, given, groups, group)
    return Labelled(
        np.ascontiguousarray(factors, dtype=np.float32), factor_names, categories, parts, (*notes, *parts.notes)
    )


def labels_file(config: DataConfig) -> Path:
    """The table that ``config.labels`` names: as it stands, or below or beside the images, which may have moved."""
    given, images = located(config.labels), located(config.path)
    places = [folder / name for name in (config.labels, given.name) for folder in (images, images.parent)]
    return next((place for place in (given, *places) if place.is_file()), given)
