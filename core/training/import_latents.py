"""A run directory of latents that were made elsewhere, with neither decoder nor encoder.

Images, labels and file names are optional. Row i of the latents finds its image and its labels by name where it has a
name, else by order. All of that is read first, and the run is made at the end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from core.config import DataConfig, LabelsBy, ModelConfig, RunConfig
from core.data.allowed_files import allow_new
from core.data.dataset import Dataset, Progress
from core.data.inspection import inspect
from core.data.labels import Join, LabelColumn, UnmatchedTable, join, label_columns, split_column
from core.data.latents.opening import read_latent_rows
from core.data.latents.rows import LatentFileError, LatentRows
from core.data.loading import load_dataset, relative_path, with_absolute_path
from core.data.reading import read_images
from core.data.sources.listing import located
from core.data.tables import Table, read_table
from core.runs.directory import DEFAULT_ROWS, MAX_PROBE, MAX_SAMPLES, THUMBNAIL_SIZE, ProbeSet, RunDirectory
from core.runs.fresh import made_beside
from core.runs.imported import KEY, LatentsOnly, stored_form
from core.training.run_metadata import dataset_metadata, run_metadata
from core.utils.atomic_write import atomic_file
from core.utils.text import counted

_CHUNK = 256
_BLANK_SIZE = 32
"""Pixels that the configuration names where there are no images."""


@dataclass(frozen=True)
class LatentSource:
    """What is imported: the latents in ``path``, their array, column or tensor ``key``; ``labels``, a table that says
    more about them; ``files``, a table or text that names them, a row a sample; and images, as ``data`` says, whose
    settings in ``chosen`` stay as they are, whatever the images are like. Of more than ``rows`` rows so many are taken,
    drawn at random."""

    path: Path
    key: str = ""
    labels: str = ""
    labels_by: LabelsBy = "name"
    files: str = ""
    data: DataConfig = field(default_factory=DataConfig)
    chosen: frozenset[str] = frozenset()
    rows: int = DEFAULT_ROWS


@dataclass(frozen=True, eq=False)
class LatentSamples:
    """The n rows that are shown: ``indices`` int64 (n,) into the dataset, or into the file without one."""

    latents: np.ndarray
    indices: np.ndarray
    names: tuple[str, ...]
    labels: list[LabelColumn]
    split: np.ndarray
    notes: list[str]


def import_latents(source: LatentSource, out: Path, progress: Progress = lambda share: None) -> RunDirectory:
    """Make a run of latents in folder ``out``, which must not hold one.

    Raises ``core.data.dataset.DatasetError`` and ``RunError``; nothing is left behind then.
    """
    out = Path(out).absolute()
    rows = read_rows(source)
    progress(0.2)
    with made_beside(out) as fresh:
        data, moved = _image_data(source, rows, fresh, out)
        dataset = None
        if data is not None:
            chosen = {f"data.{name}" for name, value in dataclasses.asdict(data).items() if value != _DEFAULT[name]}
            data = inspect(data, chosen | source.chosen, lambda share: progress(0.2 + 0.6 * share)).config
            dataset = load_dataset(data)
        samples = shuffled_first(read_samples(source, rows, dataset))
        probe = probe_of(samples, dataset, lambda share: progress(0.8 + 0.2 * share))
        d = samples.latents.shape[1]
        # Its posterior variance, if it has one, is no constant σ of ours.
        model = ModelConfig(latent_dim=d, variance="learned")
        if data is None or dataset is None:
            shown = DataConfig(source="none", image_size=_BLANK_SIZE)
            described = {"samples": rows.total, "factor_names": list(probe.factor_names), "notes": []}
        else:
            shown = dataclasses.replace(data, path=str(moved)) if moved is not None else data
            relative = f"model/{moved.name}" if moved is not None else relative_path(data, out)
            described = dataset_metadata(dataset, relative)
            # Which of them a model was trained on is not known. Labels of the latents' own file have notes already.
            others = ("alidation", "are taken as classes") if rows.images else ("alidation",)
            notes = [note for note in dataset.notes if not any(other in note for other in others)]
            described |= {"train": 0, "validation": 0, "held_out": 0, "notes": notes}
        about = {KEY: stored_form(LatentsOnly(notes=tuple(samples.notes)))}
        config, metadata = RunConfig(data=shown, model=model), run_metadata(described) | about
        allow_new(RunDirectory(out, config, metadata))
        run = RunDirectory.create(fresh, config, metadata)
        run.write_probe(probe)
        run.write_embedding(samples.latents)
    return RunDirectory.open(out)


def read_rows(source: LatentSource) -> LatentRows:
    """The rows that ``source`` names. Raises ``core.data.dataset.DatasetError``."""
    if not 2 <= source.rows <= MAX_SAMPLES:
        raise LatentFileError(f"--rows is {source.rows:,}; it must be 2 to {MAX_SAMPLES:,}.")
    return read_latent_rows(located(source.path), source.rows, source.key)


def shuffled_first(samples: LatentSamples) -> LatentSamples:
    """``samples`` with ``MAX_PROBE`` of them first, drawn at random, where there are more: see ``ProbeSet``."""
    count = len(samples.latents)
    if count <= MAX_PROBE:
        return samples
    first = np.zeros(count, dtype=bool)
    first[np.random.default_rng(0).choice(count, MAX_PROBE, replace=False)] = True
    order = np.concatenate([np.flatnonzero(first), np.flatnonzero(~first)])
    names = tuple(np.array(samples.names, dtype=object)[order]) if samples.names else ()
    labels = [dataclasses.replace(label, values=label.values[order]) for label in samples.labels]
    notes = [
        *samples.notes,
        f"All {count:,} are shown. Curves, distances and dimensions are found from {MAX_PROBE:,} of them, drawn at "
        "random.",
    ]
    return LatentSamples(samples.latents[order], samples.indices[order], names, labels, samples.split[order], notes)


_DEFAULT = dataclasses.asdict(DataConfig())


def _image_data(
    source: LatentSource, rows: LatentRows, fresh: Path, out: Path
) -> tuple[DataConfig | None, Path | None]:
    """Where the images are, None if there are none, and where they will be if the run keeps them itself."""
    data = dataclasses.replace(source.data, labels="", hold_out="", group="", source="files")
    if data.path:
        return with_absolute_path(data), None
    if rows.images:
        return with_absolute_path(dataclasses.replace(data, path=str(rows.file), array=rows.images)), None
    if rows.sprite is not None:
        file = fresh / "model" / "images.npy"
        file.parent.mkdir()
        with atomic_file(file) as stream:
            np.save(stream, rows.sprite.tiles(rows.total), allow_pickle=False)
        return dataclasses.replace(data, path=str(file)), out / "model" / file.name
    return None, None


def read_samples(source: LatentSource, rows: LatentRows, dataset: Dataset | None) -> LatentSamples:
    """The rows that are shown, with their names and labels, and those images of ``dataset`` that are theirs.

    Raises ``core.data.dataset.DatasetError``.
    """
    notes = [f"Latents of {rows.file.name}: {counted(rows.total, 'row')}.", *rows.notes]
    names = _names_of(source, rows, notes)
    samples = LatentSamples(rows.latents, rows.indices, names, [], np.zeros(len(rows.latents), np.uint8), notes)
    inline = Table(rows.file, dict(rows.columns), rows.indices + 1)
    samples = _labelled(samples, inline, Join(np.arange(len(rows.latents)), ""), source)
    if source.labels:
        table = read_table(located(source.labels))
        samples = _labelled(samples, table, _join_labels(source, table, rows, names, notes), source)
        notes += table.notes
    return samples if dataset is None else _with_images(samples, rows, dataset)


def _names_of(source: LatentSource, rows: LatentRows, notes: list[str]) -> tuple[str, ...]:
    """The samples' names: of the file that was given for them, else those that the latents came with."""
    if not source.files:
        return rows.names
    table = read_table(located(source.files))
    if table.rows != rows.total:
        raise LatentFileError(
            f"{table.file} names {table.rows:,} samples; {rows.file} has {rows.total:,} rows. Give one name a row."
        )
    texts = [name for name in table.columns if table.numbers(name) is None]
    if not texts:
        raise LatentFileError(f"{table.file} holds numbers alone; give a column of file names.")
    column = next((name for name in texts if name.lower() in ("file", "files", "filename", "path", "name")), texts[0])
    notes.append(f"The samples are named by the column {column} of {table.file.name}.")
    return tuple(np.array(table.written(column), dtype=object)[rows.indices])


def _join_labels(source: LatentSource, table: Table, rows: LatentRows, names: Sequence[str], notes: list[str]) -> Join:
    """Which row of ``table`` each sample has: by name or index, else by order where the numbers of rows are equal."""
    whole = len(rows.indices) == rows.total
    if source.labels_by == "name":
        try:
            joined = join(table, names, rows.indices, "name", whole)
            notes += joined.notes
            return joined
        except UnmatchedTable:
            if table.rows != rows.total:
                raise
    joined = join(table, (), np.arange(rows.total), "order")
    notes.append(f"{table.file.name}: row i is about row i of {rows.file.name}.")
    return Join(joined.rows[rows.indices], "")


def _labelled(samples: LatentSamples, table: Table, joined: Join, source: LatentSource) -> LatentSamples:
    """``samples`` with the labels of ``table`` added, and its split, if it says one."""
    if not table.columns:
        return samples
    notes, known = samples.notes, {label.name for label in samples.labels}
    sides = split_column(table, joined, notes)
    labels, left_out = label_columns(
        table, joined, source.data.number_labels == "auto", "" if sides is None else sides.name
    )
    for label in labels:
        name = label.name if label.name not in known else f"{label.name} ({table.file.name})"
        samples.labels.append(dataclasses.replace(label, name=name))
        if label.categories and table.numbers(label.name) is not None:
            notes.append(f"The whole numbers of {label.name} are taken as classes, because of its name.")
    notes += [f"{table.file.name}: column {name} is left out: {why}." for name, why in left_out.items()]
    if sides is None:
        return samples
    notes.append(f"{table.file.name}: the split is given by the column {sides.name}.")
    return dataclasses.replace(samples, split=sides.sides)


def _with_images(samples: LatentSamples, rows: LatentRows, dataset: Dataset) -> LatentSamples:
    """Those of ``samples`` that have an image, by name or by order, with the labels that the images have."""
    notes, count = samples.notes, len(dataset)
    matched = _by_name(samples, rows, dataset) if samples.names and dataset.names else None
    if matched is None:
        if count != rows.total or dataset.skipped:
            skipped = f", and {counted(len(dataset.skipped), 'file')} that cannot be read" if dataset.skipped else ""
            named = "" if samples.names else ", or name the samples: in a column, or with --files"
            raise LatentFileError(
                f"{rows.file} has {counted(rows.total, 'row')}; there are {counted(count, 'image')}{skipped}. Give one "
                f"image for each row, in their order{named}."
            )
        matched = samples.indices
        notes.append("Image i is that of row i: by their order.")
    there = np.flatnonzero(matched >= 0)
    if len(there) < 2:
        raise LatentFileError(f"{rows.file}: fewer than two of its samples have an image. Check the names.")
    if len(there) < len(matched):
        notes.append(f"{counted(len(matched) - len(there), 'row')} without image left out.")
    images = matched[there]
    labels = [dataclasses.replace(label, values=label.values[there]) for label in samples.labels]
    taken = {label.name for label in labels}
    of_images = zip(dataset.factor_names, dataset.factors.T, dataset.categories, strict=True)
    for name, values, categories in () if rows.images else of_images:  # arrays of one file have been read as labels
        if name not in taken:
            labels.append(LabelColumn(name, values[images], categories))
    names = tuple(dataset.names[image] for image in images) if dataset.names else samples.names
    return LatentSamples(samples.latents[there], images, names, labels, samples.split[there], notes)


def _by_name(samples: LatentSamples, rows: LatentRows, dataset: Dataset) -> np.ndarray | None:
    """The image of each sample int64 (n,), -1 for none; None if the names match none."""
    table = Table(rows.file, {"file": np.array(samples.names, dtype=object)}, rows.indices + 1)
    try:
        joined = join(table, dataset.names, np.arange(len(dataset)), "name", len(rows.indices) == rows.total)
    except UnmatchedTable:
        samples.notes.append("The names of the samples are not those of the images, which were taken by their order.")
        return None
    matched = np.full(len(samples.indices), -1, np.int64)
    has_row = joined.rows >= 0
    matched[joined.rows[has_row]] = np.flatnonzero(has_row)
    samples.notes.extend(joined.notes)
    return matched


def probe_of(samples: LatentSamples, dataset: Dataset | None, progress: Progress) -> ProbeSet:
    """What a run records of ``samples``; thumbnails are black without a ``dataset``, and there are ``MAX_PROBE`` at
    most."""
    count, labels = min(len(samples.indices), MAX_PROBE), samples.labels
    if dataset is None:
        thumbnails = np.zeros((count, THUMBNAIL_SIZE, THUMBNAIL_SIZE, 1), np.uint8)
    else:
        from core.models.thumbnails import thumbnails_of  # torch, which latents without images do not need

        parts = []
        for start in range(0, count, _CHUNK):
            part = samples.indices[start : min(start + _CHUNK, count)]
            parts.append(thumbnails_of(read_images(dataset.images, part)))
            progress(min(1.0, (start + _CHUNK) / count))
        thumbnails = np.concatenate(parts)
    factors = np.stack([label.values for label in labels], axis=1) if labels else np.zeros((len(samples.indices), 0))
    return ProbeSet(
        np.ascontiguousarray(samples.indices, np.int64),
        np.ascontiguousarray(factors, np.float32),
        tuple(label.name for label in labels),
        thumbnails,
        samples.split,
        tuple(label.categories for label in labels),
        samples.names,
    )


def new_latents_name(path: Path) -> str:
    """Name for the folder of a run of the latents in ``path``: date, time and file."""
    return f"{datetime.now():%Y-%m-%d %H-%M-%S} latents {path.stem[:40]}"
