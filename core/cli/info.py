"""`isoline info`: show the contents of a run folder and the progress of its training, without loading torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from core.config import DataConfig, RunConfig
from core.runs.commands import remedy_lines, resume_command
from core.runs.directory import RunDirectory
from core.runs.imported import ImportedModel
from core.runs.metrics_log import Record, read_metrics
from core.utils.text import aligned, counted

MOST_LINES = 10  # of notes, and of skipped files


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
    rows += _images(directory.metadata.get("dataset"))
    if directory.imported is None:
        rows += _progress(directory, read_metrics(directory.metrics_path))
    files = [file.stat() for file in directory.path.rglob("*") if file.is_file()]
    size = sum({entry.st_ino: entry.st_size for entry in files}.values())  # last and best may be one file
    rows += [("created", str(directory.metadata.get("created", "unknown"))), ("size on disk", f"{size / 1e6:.1f} MB")]
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


def _images(dataset: Any) -> list[tuple[str, str]]:
    """What a run keeps of its images: how many each side has, their labels, and what was done to them."""
    if not isinstance(dataset, dict) or "samples" not in dataset:
        return []
    sides = [("train", "to train"), ("validation", "to validate"), ("held_out", "held out")]
    split = ", ".join(f"{dataset[key]:,} {said}" for key, said in sides if dataset.get(key))
    rows = [("images", f"{dataset['samples']:,}{f': {split}' if split else ''}")]
    if dataset.get("factor_names"):
        rows.append(("labels", ", ".join(dataset["factor_names"])))
    skipped = [f"{one['name']}: {one['reason']}" for one in dataset.get("skipped", [])]
    for title, lines in (("notes", dataset.get("notes", [])), ("skipped", skipped)):
        more = [f"… and {len(lines) - MOST_LINES:,} more"] if len(lines) > MOST_LINES else []
        rows += zip((title, *[""] * MOST_LINES), [*lines[:MOST_LINES], *more], strict=False)
    return rows


def _progress(directory: RunDirectory, records: list[Record]) -> list[tuple[str, str]]:
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
    failed = next((record for record in reversed(records) if record.get("event") in ("failed", "started")), {})
    if failed.get("event") == "failed":
        rows.append(("failed", str(failed.get("message", ""))))
        if failed.get("command"):
            rows.append(("", f"  {resume_command(directory.path, failed['changes'])}"))
    if report is not None and report.get("active_dimensions") is not None:
        rows.append(("active dimensions", f"{report['active_dimensions']} of {directory.config.model.latent_dim}"))
    for finding in (report or {}).get("findings", []):
        rows += zip(("warning", "", ""), remedy_lines(directory.path, finding), strict=False)
    for entry in directory.metadata.get("history", []):
        changes = ", ".join(f"{name} {change['from']} to {change['to']}" for name, change in entry["changes"].items())
        rows.append(("changed", f"after epoch {entry['epoch']}, {entry['when']}: {changes}"))
    return rows
