"""`isoline dataset`: write the images that a training would see."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from core.config import DataConfig


@dataclass(frozen=True)
class Options:
    """Write a dataset as NPZ (dSprites keys) or as PNG files with a table, with a contact sheet."""

    out: Path
    """An .npz file, or for png a folder."""
    format: Literal["auto", "npz", "png"] = "auto"
    """auto: npz if --out ends in .npz, else png."""
    overwrite: bool = False
    """Replace what is there."""
    data: DataConfig = field(default_factory=DataConfig)


def run(options: Options) -> int:
    """Draw or read the images and write them; returns 0."""
    from rich.progress import Progress

    from core.dataset_export import export_npz, export_png, write_contact_sheet
    from core.datasets import DatasetError, load_dataset

    out = options.out
    kind = options.format if options.format != "auto" else ("npz" if out.suffix == ".npz" else "png")
    if kind == "npz" and out.suffix != ".npz":
        raise DatasetError(f"--out is {out}; an NPZ file's name ends in .npz.")
    if not options.overwrite and (out.is_file() or (out.is_dir() and any(out.iterdir()))):
        raise DatasetError(f"{out} is there already; choose another name or give --overwrite.")
    sheet = out.with_name(f"{out.stem}-sheet.png") if kind == "npz" else out / "contact-sheet.png"
    with Progress() as bar:
        task = bar.add_task("Images", total=1.0)
        dataset = load_dataset(options.data, lambda share: bar.update(task, completed=share))
        bar.update(task, completed=1.0)
        task = bar.add_task("Writing", total=1.0)
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            if kind == "npz":
                export_npz(dataset, out)
            else:
                export_png(dataset, out, lambda share: bar.update(task, completed=share))
            write_contact_sheet(dataset, sheet)
        except OSError as error:
            raise DatasetError(f"{out} cannot be written ({error.strerror or error}); choose another place.") from error
        bar.update(task, completed=1.0)
    print(f"{len(dataset)} images ({len(dataset.train)} training, {len(dataset.validation)} validation) in {out}")
    print(f"Contact sheet: {sheet}")
    return 0
