"""`isoline dataset inspect`: what a folder or file of images holds, and what was made of it, before a training."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from core.cli.progress import reporter, write_findings
from core.config import SETTINGS, DataConfig, LossConfig, ModelConfig, RunConfig, TrainingConfig, config_to_dict
from core.utils.text import aligned, counted

if TYPE_CHECKING:
    from core.data.inspection import Inspection, LabelSummary
    from core.training.estimate import Estimate

MOST_LINES = 12


@dataclass(frozen=True)
class Options:
    """Read all images of a folder or file and say what they are: sizes, pixels, classes and labels, the split,
    duplicates, what was skipped, turned, scaled or guessed. What is read is kept, so that a training starts at once.
    The time that a training takes is measured with the settings below, and those that follow from the images."""

    path: tyro.conf.Positional[Path]
    """A folder of images, an image file with several frames, or a file with arrays (NPZ, NPY, HDF5, IDX)."""
    json: Path | None = None
    """Write everything as JSON into this file, too; - for standard output instead of the summary."""
    sheet: Path | None = None
    """Write a contact sheet, a PNG file with up to 160 of the images, as they were prepared."""
    progress: Literal["bar", "json"] = "bar"
    """bar: a bar in the terminal; json: a line on standard output for every percent, for a program that closes this
    one's standard input to cancel, and no summary."""
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    chosen: tyro.conf.Suppress[frozenset[str]] = frozenset()


def chosen_settings(arguments: list[str]) -> frozenset[str]:
    """The settings, by ``section.field``, whose flags are among ``arguments``."""
    flags = {argument.partition("=")[0].removeprefix("--").replace("-", "_") for argument in arguments}
    return frozenset(name for name in SETTINGS if name in flags or name.replace(".", ".no_") in flags)


def defaults(arguments: list[str]) -> Options:
    """The defaults that flags override, and which settings have flags."""
    return Options(tyro.MISSING, chosen=chosen_settings(arguments))


def run(options: Options) -> int:
    """Inspect and print; returns 0. Raises ``DatasetError``, ``OSError`` if a file cannot be written."""
    from core.data.export import write_contact_sheet
    from core.data.loading import load_dataset, with_absolute_path
    from core.data.suggested_settings import settings_from_images

    data = with_absolute_path(dataclasses.replace(options.data, source="files", path=str(options.path)))
    with reporter(options.progress, "reading the images") as report:
        config = RunConfig(data, options.model, options.loss, options.training)
        suggested, inspection = settings_from_images(config, options.chosen, report)
    # Not before: it loads torch, seconds in which nothing would be read yet, or refused.
    from core.training.estimate import estimate_training

    estimate = estimate_training(suggested, inspection.split.train)
    settings = config_to_dict(suggested) | {"estimate": dataclasses.asdict(estimate)}
    everything = inspection.to_json() | {"settings": settings}
    if options.json != Path("-") and options.progress == "bar":
        print("\n".join(summary(inspection, suggested, estimate)))
    if options.json is not None:
        write_findings(options.json, everything)
    if options.sheet is not None:
        dataset = load_dataset(inspection.config)
        in_file_order = dataclasses.replace(dataset, factors=dataset.factors[:, :0], factor_names=(), categories=())
        write_contact_sheet(in_file_order, options.sheet)
        if options.progress == "bar":
            print(f"Contact sheet: {options.sheet}", file=sys.stderr if options.json == Path("-") else sys.stdout)
    return 0


def summary(inspection: Inspection, suggested: RunConfig, estimate: Estimate | None = None) -> Iterator[str]:
    """The lines that a person reads."""
    height, width = inspection.size
    others = f", and {counted(inspection.different_sizes - 1, 'other size')}" if inspection.different_sizes > 1 else ""
    pixels = ", ".join(
        f"{count:,} {kind}" if len(inspection.pixels) > 1 else kind for kind, count in inspection.pixels.items()
    )
    colour = "in colour" if inspection.colour else "grey"
    split = inspection.split
    held_out = f", {split.held_out:,} held out" if split.held_out else ""
    rows = [
        ("path", inspection.path),
        ("kind", inspection.kind),
        ("images", f"{inspection.images:,}, {colour}"),
        ("size", f"{height} × {width} pixels{others}"),
        ("pixels", f"{pixels}; values {inspection.lowest:g} to {inspection.highest:g}"),
        *((f"label {label.name}", _label(label)) for label in inspection.labels),
        ("split", f"{split.train:,} to train, {split.validation:,} to validate{held_out}"),
        ("settings", _settings(suggested)),
        *([] if estimate is None else [("estimate", _estimate(estimate))]),
    ]
    yield from aligned(rows)
    for title, lines in (
        ("Notes", list(inspection.notes)),
        ("Skipped", [f"{skipped.name}: {skipped.reason}" for skipped in inspection.skipped]),
    ):
        if lines:
            yield f"\n{title} ({len(lines):,})"
            yield from (f"  {line}" for line in lines[:MOST_LINES])
            if len(lines) > MOST_LINES:
                yield f"  … and {len(lines) - MOST_LINES:,} more; --json FILE has them all"


def _label(label: LabelSummary) -> str:
    unknown = f", {label.unknown:,} not known" if label.unknown else ""
    if label.kind == "number":
        between = "" if label.low is None else f" from {label.low:g} to {label.high:g}"
        return f"{counted(label.values, 'number')}{between}{unknown}"
    named = [f"{name} ({count:,})" for name, count in label.counts.items()]
    more = ", …" if len(named) > MOST_LINES else ""
    return f"{label.values:,} classes: {', '.join(named[:MOST_LINES])}{more}{unknown}"


def _settings(config: RunConfig) -> str:
    data, training = config.data, config.training
    channels = "colour" if data.channels == 3 else "grey"
    size = f"image size {data.image_size} × {data.image_size}, {channels}, {data.resize}"
    length = f"{counted(training.epochs, 'epoch')} in batches of {training.batch_size}"
    return f"{size}; {length}; d = {config.model.latent_dim}, β = {config.loss.beta:g}"


def _estimate(estimate: Estimate) -> str:
    seconds, rate = estimate.seconds, estimate.images_per_second
    length = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    return f"{length} on this machine at {rate:,.0f} images/s, {estimate.memory_bytes / 2**30:.1f} GB of memory"
