"""`isoline dataset locate`: tell a run where its images lie now, if they are those that it was trained on."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

if TYPE_CHECKING:
    from core.config import DataConfig
    from core.runs.directory import RunDirectory


@dataclass(frozen=True)
class Options:
    """Tell a run where its images lie now. They are read, and must be those that it was trained on."""

    run: tyro.conf.Positional[Path]
    """The run folder."""
    path: tyro.conf.Positional[Path]
    """The folder or file of its images."""
    progress: Literal["none", "json"] = "none"
    """json: a line on standard output for every percent, for a program that closes this one's standard input to
    cancel."""


def run(options: Options) -> int:
    """Compare and write it down; returns 0. Raises ``RunError`` or ``DatasetError`` where that cannot be."""
    from core.cli.progress import cancellable_lines
    from core.data.allowed_files import allow_new
    from core.data.loading import load_dataset, relative_path
    from core.runs.directory import RunDirectory, RunError

    found = RunDirectory.open(options.run)
    if not found.config.data.has_images:
        raise RunError(f"{found.path} holds a model that was imported without images; there are none to locate.")
    if found.config.data.drawn:
        raise RunError(f"{found.path} was trained on polar curves, which are drawn; it needs no images.")
    if found.status() in ("running", "paused"):
        raise RunError(f"{found.path} is being trained. Wait for it to end, or stop it.")
    data = _moved(found, options.path)
    dataset = load_dataset(data, cancellable_lines() if options.progress == "json" else None)
    stored = found.metadata.get("dataset")
    stored = stored if isinstance(stored, dict) else {}
    # Versions that kept no notes computed their fingerprints from other arrays: of these the number must do.
    mark, known = ("fingerprint", dataset.fingerprint) if "notes" in stored else ("samples", len(dataset))
    if stored.get(mark, known) != known:
        counts = (
            "" if stored.get("samples") == len(dataset) else f" ({len(dataset):,} instead of {stored['samples']:,})"
        )
        raise RunError(f"{options.path} holds other images than {found.path} was trained on{counts}. Choose theirs.")
    metadata = {**found.metadata, "dataset": {**stored, "relative_path": relative_path(data, found.path)}}
    config = dataclasses.replace(found.config, data=data)
    allow_new(RunDirectory(found.path, config, metadata))
    found.rewrite(config, metadata)
    if options.progress == "none":
        print(f"{found.path}: images at {data.path}")
    return 0


def _moved(run: RunDirectory, path: Path) -> DataConfig:
    """The data of ``run`` with images at ``path``; a table of labels that is gone is looked for where it lay beside
    them, and so is one that the run may not read. Raises ``NotAllowedError`` if that is not beside ``path``."""
    from core.data.allowed_files import allowed_data, unallowed
    from core.data.sources.listing import located, stored_place, written

    here, data = located(path), run.config.data
    if data.labels:
        before = stored_place(data.labels)
        labels = Path(os.path.normpath(here / os.path.relpath(before, stored_place(data.path))))
        if str(before) in unallowed(run):
            if not labels.is_relative_to(here.parent):
                allowed_data(run)
            data = dataclasses.replace(data, labels=written(labels))
        elif not before.exists() and labels.exists():
            data = dataclasses.replace(data, labels=written(labels))
    return dataclasses.replace(data, path=written(here))
