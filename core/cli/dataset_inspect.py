"""`isoline dataset inspect`: what a folder or file of images holds, and what was made of it, before a training."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from core.cli.progress_lines import listened_to
from core.config import SETTINGS, DataConfig, RunConfig, config_to_dict
from core.utils.text import counted

if TYPE_CHECKING:
    from core.data.inspection import Inspection, LabelSummary
    from core.training.estimate import Estimate

MOST_LINES = 12


@dataclass(frozen=True)
class Options:
    """Read all images of a folder or file and say what they are: sizes, pixels, classes and labels, the split,
    duplicates, what was skipped, turned, scaled or guessed. What is read is kept, so that a training starts at once."""

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
    import msgspec
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from core.data.export import write_contact_sheet
    from core.data.inspection import inspect, suggested_data
    from core.data.loading import load_dataset, with_absolute_path
    from core.data.suggested_settings import suggested_config
    from core.training.estimate import estimate_training
    from core.utils.atomic_write import write_atomic

    config = with_absolute_path(dataclasses.replace(options.data, source="files", path=str(options.path)))

    def settings(found: Inspection, data: DataConfig) -> DataConfig:
        return suggested_data(found, data, options.chosen)

    if options.progress == "json":
        inspection = inspect(config, listened_to(), settings=settings)
    else:
        columns = (TextColumn("reading the images"), BarColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=1.0)
            inspection = inspect(config, lambda fraction: bar.update(task, completed=fraction), settings=settings)
    suggested = suggested_config(inspection, RunConfig(data=config), options.chosen)
    estimate = None if inspection.split is None else estimate_training(suggested, inspection.split.train)
    measured = None if estimate is None else dataclasses.asdict(estimate)
    everything = inspection.to_json() | {"settings": config_to_dict(suggested) | {"estimate": measured}}
    content = msgspec.json.format(msgspec.json.encode(everything), indent=2) + b"\n"
    if options.json == Path("-"):
        sys.stdout.write(content.decode())
    else:
        if options.progress == "bar":
            console = Console(highlight=False, soft_wrap=True)
            for line in summary(inspection, suggested, estimate):
                console.print(line, markup=False)
        if options.json is not None:
            write_atomic(options.json, content)
    if options.sheet is not None:
        dataset = load_dataset(inspection.config)
        in_file_order = dataclasses.replace(dataset, factors=dataset.factors[:, :0], factor_names=(), categories=())
        write_contact_sheet(in_file_order, options.sheet)
        if options.progress == "bar":
            print(f"Contact sheet: {options.sheet}", file=sys.stderr if options.json == Path("-") else sys.stdout)
    return 0


def summary(found: Inspection, suggested: RunConfig, estimate: Estimate | None = None) -> Iterator[str]:
    """The lines that a person reads."""
    height, width = found.size
    others = f", and {counted(found.different_sizes - 1, 'other size')}" if found.different_sizes > 1 else ""
    pixels = ", ".join(f"{count:,} {kind}" if len(found.pixels) > 1 else kind for kind, count in found.pixels.items())
    colour = "in colour" if found.colour else "grey"
    yield from _aligned(
        [
            ("path", found.path),
            ("kind", found.kind),
            ("images", f"{found.images:,}, {colour}"),
            ("size", f"{height} × {width} pixels{others}"),
            ("pixels", f"{pixels}; values {found.lowest:g} to {found.highest:g}"),
            *((f"label {label.name}", _label(label)) for label in found.labels),
            *_sides(found),
            ("settings", _settings(suggested)),
            *([] if estimate is None else [("estimate", _estimate(estimate))]),
        ]
    )
    for title, lines in (
        ("Notes", list(found.notes)),
        ("Skipped", [f"{skipped.name}: {skipped.reason}" for skipped in found.skipped]),
    ):
        if lines:
            yield f"\n{title} ({len(lines):,})"
            yield from (f"  {line}" for line in lines[:MOST_LINES])
            if len(lines) > MOST_LINES:
                yield f"  … and {len(lines) - MOST_LINES:,} more; --json FILE has them all"


def _aligned(rows: list[tuple[str, str]]) -> Iterator[str]:
    width = max(len(name) for name, _ in rows)
    yield from (f"{name:<{width}}  {text}" for name, text in rows)


def _label(label: LabelSummary) -> str:
    unknown = f", {label.unknown:,} not known" if label.unknown else ""
    if label.kind == "number":
        between = "" if label.low is None else f" from {label.low:g} to {label.high:g}"
        return f"{counted(label.values, 'number')}{between}{unknown}"
    named = [f"{name} ({count:,})" for name, count in label.counts.items()]
    more = ", …" if len(named) > MOST_LINES else ""
    return f"{label.values:,} classes: {', '.join(named[:MOST_LINES])}{more}{unknown}"


def _sides(found: Inspection) -> Iterator[tuple[str, str]]:
    if found.split is not None:
        held = f", {found.split.held_out:,} held out" if found.split.held_out else ""
        yield "split", f"{found.split.train:,} to train, {found.split.validation:,} to validate{held}"


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
