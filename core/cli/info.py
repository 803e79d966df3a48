"""`isoline info`: show the contents of a run folder and the progress of its training, without loading torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import tyro

from core.config import DataConfig, RunConfig
from core.runs.commands import fill_command, remedy_lines, resume_command
from core.runs.directory import RunDirectory, RunError
from core.runs.imported import ImportedModel
from core.runs.metrics_log import MetricsTail, read_records
from core.utils.text import aligned, counted

MOST_LINES = 10  # of notes, and of skipped files
_TURNS = ("failed", "exploded", "resumed", "started")


class _Skipped(msgspec.Struct):
    name: str
    reason: str


class _Dataset(msgspec.Struct):
    samples: int
    train: int = 0
    validation: int = 0
    held_out: int = 0
    factor_names: list[str] = []
    notes: list[str] = []
    skipped: list[_Skipped] = []


class _Continued(msgspec.Struct):
    epoch: int
    when: str
    changes: dict[str, dict[str, Any]]


class _Metadata(msgspec.Struct):
    """What the metadata of a run may hold; there may be more, and there may be none."""

    created: str = "unknown"
    dataset: _Dataset | None = None
    history: list[_Continued] = []


@dataclass(frozen=True)
class Options:
    """Say what a run folder holds."""

    run: Annotated[Path, tyro.conf.Positional]
    """The run folder."""


def run(options: Options) -> int:
    """Print the summary; returns 0."""
    directory = RunDirectory.open(options.run)
    rows = [("run", str(directory.path)), ("status", directory.status())]
    if directory.imported is None:
        rows += _settings(directory.config)
    else:
        rows += _imported(directory.config, directory.imported)
    try:
        metadata = msgspec.convert(directory.metadata, _Metadata)
    except msgspec.ValidationError as error:
        metadata = _Metadata()
        rows.append(("damaged", f"what {directory.path / 'config.json'} says of images and history: {error}"))
    rows += _images(metadata.dataset)
    rows += _samples(directory)
    if not directory.weights_path.is_file() and directory.imported is None:
        instead = "those of a checkpoint are used" if directory.can_be_opened else "no image can be decoded"
        rows.append(("missing", f"{directory.weights_path.name}: {instead}"))
    if directory.imported is None:
        rows += _progress(directory, metadata.history)
    files = [file.stat() for file in directory.path.rglob("*") if file.is_file()]
    size = sum({entry.st_ino: entry.st_size for entry in files}.values())  # last and best may be one file
    rows += [("created", metadata.created), ("size on disk", f"{size / 1e6:.1f} MB")]
    print("\n".join(aligned(rows)))
    return 0


def _data(data: DataConfig) -> str:
    hole = f", hole of radius {data.hole_radius:g} at ({data.hole_a:g}, {data.hole_b:g})" if data.punctured else ""
    images = f"{counted(data.count, 'curve')}, {data.geometry} geometry{hole}" if data.drawn else data.path
    return f"{images or 'no images'}; {data.image_size} px, {counted(data.channels, 'channel')}"


def _imported(config: RunConfig, model: ImportedModel) -> list[tuple[str, str]]:
    """Of a model that was not trained here: what it is, and what was found out about it."""
    parts = [name for name, there in (("decoder", model.has_decoder), ("encoder", model.has_encoder)) if there]
    what = f"imported {model.network}, {' and '.join(parts) or 'neither decoder nor encoder'}"
    rows = [("data", _data(config.data)), ("model", f"{what}, d = {config.model.latent_dim}")]
    return rows + list(zip(("import notes", *[""] * len(model.notes)), model.notes, strict=False))


def _settings(config: RunConfig) -> list[tuple[str, str]]:
    data, model, loss, training = config.data, config.model, config.loss, config.training
    sigma = f"sigma {model.sigma:g}" if model.variance == "constant" else "learned variance"
    entanglement = f" + {loss.gamma:g} {loss.entanglement} entanglement" if loss.entanglement != "none" else ""
    return [
        ("data", _data(data)),
        ("model", f"{model.preset}, d = {model.latent_dim}, {sigma}"),
        ("loss", f"{loss.reconstruction} + {loss.beta:g} KL ({loss.kl}){entanglement}"),
        (
            "training",
            f"{counted(training.epochs, 'epoch')}, batch {training.batch_size}, {training.optimizer}, "
            f"{training.schedule} learning rate {training.learning_rate:g}, seed {training.seed}",
        ),
    ]


def _images(dataset: _Dataset | None) -> list[tuple[str, str]]:
    """What a run keeps of its images: how many each side has, their labels, and what was done to them."""
    if dataset is None:
        return []
    sides = [(dataset.train, "to train"), (dataset.validation, "to validate"), (dataset.held_out, "held out")]
    split = ", ".join(f"{count:,} {words}" for count, words in sides if count)
    rows = [("images", f"{dataset.samples:,}{f': {split}' if split else ''}")]
    if dataset.factor_names:
        rows.append(("labels", ", ".join(dataset.factor_names)))
    skipped = [f"{file.name}: {file.reason}" for file in dataset.skipped]
    for title, lines in (("notes", dataset.notes), ("skipped", skipped)):
        more = [f"… and {len(lines) - MOST_LINES:,} more"] if len(lines) > MOST_LINES else []
        rows += zip((title, *[""] * MOST_LINES), [*lines[:MOST_LINES], *more], strict=False)
    return rows


def _samples(directory: RunDirectory) -> list[tuple[str, str]]:
    """How many samples are recorded, or why they cannot be shown."""
    if not os.path.lexists(directory.probe_path):
        return []
    try:
        probe, mu = directory.read_probe(), directory.newest_embedding()
        directory.samples_of(probe, mu)
        epochs = directory.embedding_epochs()
        grown = directory.recorded_count(epochs[-1]) if epochs else 0
    except RunError as error:
        return [("samples", str(error))]
    if len(mu) == len(probe.indices):
        return [("samples", f"{len(mu):,}")]
    rows = [("samples", f"{len(mu):,} of {len(probe.indices):,} recorded so far with the newest weights")]
    if grown > len(mu):
        rows.append(("", f"{grown:,} with those of epoch {epochs[-1]}"))
    if directory.status() not in ("running", "paused"):
        rows.append(("", f"the others by {fill_command(directory.path)}"))
    return rows


def _progress(directory: RunDirectory, history: list[_Continued]) -> list[tuple[str, str]]:
    tail = MetricsTail(directory.metrics_path)
    records = read_records(tail)
    steps = [record for record in records if record.get("kind") == "step"]
    epochs = [record for record in records if record.get("kind") == "epoch"]
    done = f"{len(epochs)} of {counted(directory.config.training.epochs, 'epoch')}"
    if steps:
        done += f", {counted(steps[-1].get('step') or 0, 'step')}, {(steps[-1].get('time') or 0.0) / 60:.1f} min"
    rows = [("progress", done)]
    scored = [
        record for record in epochs if isinstance(record.get("validation"), dict) and record["validation"].get("loss")
    ]
    if scored:
        best = min(scored, key=lambda record: record["validation"]["loss"])
        values = ", ".join(f"{name} {value:.5f}" for name, value in best["validation"].items() if value is not None)
        rows.append(("best validation", f"epoch {best['epoch']}: {values}"))
    report = next((record for record in reversed(records) if record.get("kind") == "report"), None)
    if report is not None and report.get("twonn") is not None:
        rows.append(("intrinsic dimension", f"{report['twonn']:.2f} (TwoNN)"))
    failed = next((record for record in reversed(records) if record.get("event") in _TURNS), {})
    if failed.get("event") in ("failed", "exploded"):
        rows.append((str(failed["event"]), str(failed.get("message", ""))))
        if isinstance(changes := failed.get("changes"), dict) and changes:
            rows.append(("", f"  {resume_command(directory.path, changes)}"))
    if report is not None and report.get("active_dimensions") is not None:
        rows.append(("active dimensions", f"{report['active_dimensions']} of {directory.config.model.latent_dim}"))
    for finding in (report or {}).get("findings", []):
        rows += zip(("warning", "", ""), remedy_lines(directory.path, finding), strict=False)
    for entry in history:
        changes = ", ".join(f"{name} {value.get('from')} to {value.get('to')}" for name, value in entry.changes.items())
        rows.append(("changed", f"after epoch {entry.epoch}, {entry.when}: {changes}"))
    if tail.damaged:
        lines = counted(tail.damaged, "line")
        rows.append(("damaged", f"{lines} of {tail.path.name}: no record of a training, passed over"))
    return rows
