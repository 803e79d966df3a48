"""`isoline dataset`: export the training images."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from core.config import DataConfig
from core.utils.text import counted


@dataclass(frozen=True)
class Options:
    """Write a dataset as NPZ (dSprites keys) or as PNG files with a table, and a contact sheet beside it."""

    out: Path
    """Output: an .npz file or, for png, a folder."""
    format: Literal["auto", "npz", "png"] = "auto"
    """auto: npz if --out ends in .npz, else png."""
    overwrite: bool = False
    """Replace an earlier export; other files in the folder are kept."""
    data: DataConfig = field(default_factory=DataConfig)


def run(options: Options) -> int:
    """Draw or read the images and write them; returns 0."""
    from core.cli.progress import progress_bar
    from core.data.dataset import DatasetError
    from core.data.export import export_npz, export_png, write_contact_sheet
    from core.data.loading import load_dataset

    out = options.out.resolve()
    kind = options.format if options.format != "auto" else ("npz" if out.suffix == ".npz" else "png")
    if kind == "npz" and out.suffix != ".npz":
        raise DatasetError(f"--out is {out}; an NPZ file's name ends in .npz.")
    if out.is_dir() if kind == "npz" else out.is_file():
        raise DatasetError(f"--out is {out}, which is a {'folder' if kind == 'npz' else 'file'}; choose another name.")
    # Beside the folder, not in it: who trains on the folder wants no contact sheet among the images.
    sheet = out.with_name(f"{out.stem if kind == 'npz' else out.name}-sheet.png")
    for target in (out, sheet):
        if not options.overwrite and (target.is_file() or (target.is_dir() and any(target.iterdir()))):
            raise DatasetError(f"{target} already exists; choose another name or pass --overwrite.")
    with progress_bar("reading the images") as report:
        dataset = load_dataset(options.data, report)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if kind == "npz":
            export_npz(dataset, out)
        else:
            with progress_bar("writing the images") as report:
                export_png(dataset, out, report)
        write_contact_sheet(dataset, sheet)
    except OSError as error:
        raise DatasetError(f"{out} cannot be written ({error.strerror or error}); choose another place.") from error
    split = f"{len(dataset.train)} training, {len(dataset.validation)} validation"
    split += f", {len(dataset.held_out)} held out" if len(dataset.held_out) else ""
    print(f"{counted(len(dataset), 'image')} ({split}) in {out}")
    print(f"Contact sheet: {sheet}")
    return 0
