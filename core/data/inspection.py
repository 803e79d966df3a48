"""What a folder or file of images holds, and what a training would make of it: said before one is started."""

from __future__ import annotations

import dataclasses
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.config import DataConfig
from core.data.dataset import Dataset, Progress
from core.data.labels import LabelColumn
from core.data.loading import dataset_of
from core.data.preparation import Statistics, common_sizes, opened, prepare_listing, surveyed
from core.data.sources.listing import listed, shown
from core.data.sources.source import Skipped

SMALLEST, LARGEST = 8, 128
"""Image sizes that are suggested: larger images train for long on a computer without a GPU."""
MOST_SIZES = 20
MOST_CLASSES = 200
_LOOK_SHARE = 0.3  # of the progress


@dataclass(frozen=True)
class LabelSummary:
    """One label: a class with the ``counts`` of its names (those of most images first, at most 200), or a number from
    ``low`` to ``high``; ``values`` different ones in all, ``unknown`` images without."""

    name: str
    kind: str
    values: int
    unknown: int
    low: float | None = None
    high: float | None = None
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SplitSummary:
    """How many images each side holds, and of which classes, by the name of the side."""

    train: int
    validation: int
    held_out: int = 0
    classes: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Inspection:
    """What is known of a data set. ``images`` can be read; ``sizes`` are (height, width, images), the commonest first;
    ``pixels`` counts images by what a pixel is; ``colour`` says whether any shows one; ``lowest`` and ``highest`` are
    the values of pixels as the files have them, of those that were looked at. ``config`` are the settings with which
    the images were prepared."""

    path: str
    kind: str
    images: int
    sizes: tuple[tuple[int, int, int], ...]
    different_sizes: int
    pixels: dict[str, int]
    colour: bool
    lowest: float
    highest: float
    labels: tuple[LabelSummary, ...]
    split: SplitSummary
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]
    statistics: Statistics
    config: DataConfig

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of most images."""
        return self.sizes[0][:2]

    @property
    def channels(self) -> int:
        """3 if the images show colour, else 1."""
        return 3 if self.colour else 1

    @property
    def classes(self) -> dict[str, int]:
        """Images of each class of the first label that is one; empty if there is none."""
        return next((label.counts for label in self.labels if label.kind == "class"), {})

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and texts."""
        return {
            "path": self.path,
            "kind": self.kind,
            "images": self.images,
            "size": list(self.size),
            "sizes": [{"height": height, "width": width, "images": count} for height, width, count in self.sizes],
            "different_sizes": self.different_sizes,
            "channels": self.channels,
            "pixels": self.pixels,
            "values": [self.lowest, self.highest],
            "classes": self.classes,
            "labels": [dataclasses.asdict(label) for label in self.labels],
            "split": dataclasses.asdict(self.split),
            "duplicates": {
                "images": self.statistics.duplicates,
                "examples": [list(pair) for pair in self.statistics.duplicate_examples],
            },
            "constant": {"images": self.statistics.constant, "examples": list(self.statistics.constant_examples)},
            "skipped": [dataclasses.asdict(skipped) for skipped in self.skipped],
            "notes": list(self.notes),
        }


def inspect(
    config: DataConfig, chosen: Container[str] = (), progress: Progress | None = None, cache: Path | None = None
) -> Inspection:
    """Everything about the images at ``config.path``, all files read.

    They are prepared with the image size and the channels that most of them have, unless these are among the
    ``chosen`` settings (by ``section.field``); a training with the same ones finds its images ready. Raises
    ``DatasetError``; an exception that ``progress`` raises ends the reading.
    """

    def share(low: float, high: float) -> Progress:
        return lambda done: None if progress is None else progress(low + (high - low) * done)

    listing = listed(config.path, lambda: share(0.0, 0.0)(0.0))
    source = opened(listing, config, cache, share(0.0, 0.1))
    common = surveyed(source, listing, config, cache, share(0.1, _LOOK_SHARE))
    sizes = common_sizes(source.sizes)
    side = min(sizes[0][:2]) if config.resize == "crop" else max(sizes[0][:2])
    suggested = {"image_size": min(max(side, SMALLEST), LARGEST), "channels": 3 if common.colour else 1}
    config = dataclasses.replace(config, **{k: v for k, v in suggested.items() if f"data.{k}" not in chosen})
    prepared = prepare_listing(listing, config, share(_LOOK_SHARE, 1.0), cache, source, common)
    dataset = dataset_of(config, prepared)
    labels = [
        LabelColumn(name, values, categories)
        for name, values, categories in zip(dataset.factor_names, dataset.factors.T, dataset.categories, strict=True)
    ]
    return Inspection(
        path=shown(str(source.path)),
        kind=source.kind,
        images=len(dataset),
        sizes=tuple(sizes[:MOST_SIZES]),
        different_sizes=len(sizes),
        pixels={str(kind): count for kind, count in source.kinds.items()},
        colour=common.colour,
        lowest=common.lowest,
        highest=common.highest,
        labels=tuple(map(_summary, labels)),
        split=_split(dataset, labels),
        skipped=dataset.skipped,
        notes=dataset.notes,
        statistics=prepared.statistics,
        config=config,
    )


def _summary(label: LabelColumn) -> LabelSummary:
    known = label.values[~np.isnan(label.values)]
    distinct, counts = np.unique(known, return_counts=True)
    unknown = len(label.values) - len(known)
    if not label.categories:
        low, high = (float(known.min()), float(known.max())) if len(known) else (None, None)
        return LabelSummary(label.name, "number", len(distinct), unknown, low, high)
    order = np.argsort(-counts, kind="stable")[:MOST_CLASSES] if len(distinct) > MOST_CLASSES else range(len(distinct))
    by_name = {label.categories[int(distinct[i])]: int(counts[i]) for i in order}
    return LabelSummary(label.name, "class", len(distinct), unknown, counts=by_name)


def _split(dataset: Dataset, labels: list[LabelColumn]) -> SplitSummary:
    sides = {"train": dataset.train, "validation": dataset.validation}
    held_out = dataset.held_out
    if len(held_out):
        sides["held_out"] = held_out
    classes = next((label for label in labels if label.categories), None)
    by_side = {}
    if classes is not None:
        for side, indices in sides.items():
            part = LabelColumn(classes.name, classes.values[indices], classes.categories)
            by_side[side] = _summary(part).counts
    return SplitSummary(len(dataset.train), len(dataset.validation), len(held_out), by_side)
