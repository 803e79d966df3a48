"""`isoline import` of latents alone, with the flags of ``core.cli.import_model``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.progress import reporter, write_findings
from core.data.dataset import DatasetError
from core.utils.text import counted

if TYPE_CHECKING:
    from core.cli.import_model import Options
    from core.runs.directory import RunDirectory


def run_latents(options: Options) -> int:
    """Read the latents, print what was found, and make the run; returns 0. Raises ``DatasetError`` and ``RunError``."""
    from core.training.import_latents import LatentSource, import_latents, new_latents_name, read_rows, read_samples

    _check_flags(options)
    data = dataclasses.replace(options.data, path=options.images or options.data.path)
    labels = options.labels or data.labels
    source = LatentSource(options.model, options.key, labels, data.labels_by, options.files, data, rows=options.rows)
    silent = options.json == Path("-") or options.progress == "json"
    made = None
    with reporter(options.progress, "importing the latents") as report:
        if options.dry_run:
            # Images are matched when they are read, by the import.
            read = read_samples(source, read_rows(source), None)
            found = {
                "latent_dim": read.latents.shape[1],
                "shown": len(read.latents),
                "labels": [label.name for label in read.labels],
                "notes": read.notes,
            }
        else:
            made = import_latents(source, options.out or Path("runs", new_latents_name(options.model)), report)
            found = _found(made)
    if not silent:
        print("\n".join(_summary(found)))
    if options.json is not None:
        about = {"name": new_latents_name(options.model), "run": None if made is None else str(made.path)}
        write_findings(options.json, {"decoder": False, "encoder": False, **found, **about})
    if not silent and made is not None:
        print(f"\nImported to {made.path}")
    return 0


_OF_MODELS = ("encoder", "latents", "sheet", "program", "maps")
"""Flags that say something of a network, beside its choices."""


def _check_flags(options: Options) -> None:
    given = [name for name in _OF_MODELS if getattr(options, name) is not None]
    given += [name for name, value in vars(options.choices).items() if value]
    if given:
        flags = ", ".join(f"--{'model' if name == 'program' else name.replace('_', '-')}" for name in given)
        raise DatasetError(f"{options.model} holds latents and no network, so {flags} cannot be used; leave it out.")


def _found(made: RunDirectory) -> dict[str, Any]:
    probe = made.read_probe()
    notes = [] if made.imported is None else list(made.imported.notes)
    return {
        "latent_dim": made.config.model.latent_dim,
        "shown": len(probe.indices),
        "images": made.config.data.has_images,
        "labels": list(probe.factor_names),
        "notes": [*notes, *made.metadata["dataset"]["notes"]],
    }


def _summary(found: dict[str, Any]) -> Iterator[str]:
    images = {True: "with their images, ", False: "without images, ", None: ""}[found.get("images")]
    yield f"{counted(found['shown'], 'sample')}, {images}{found['latent_dim']} latent dimensions, no decoder"
    if found.get("labels"):
        yield f"  labels: {', '.join(found['labels'])}"
    yield from (f"  note: {note}" for note in found["notes"])
