"""A trained run in the formats that were asked for: all of them, or nothing at all."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from core.interchange import latents_table, model_card, onnx_files, projector, tensorboard
from core.interchange.errors import InterchangeError
from core.interchange.samples import read_samples
from core.runs.directory import RunDirectory, RunError
from core.utils.atomic_write import replace
from core.utils.text import reason

Format = Literal["onnx", "safetensors", "projector", "parquet", "tensorboard"]
FORMATS: tuple[Format, ...] = get_args(Format)
PARQUET = "latents.parquet"
Report = Callable[[float], None]
"""Takes shares from 0 to 1."""


@dataclass(frozen=True)
class Export:
    """What was written: paths in the folder, and what should be known about them, in sentences."""

    files: tuple[Path, ...]
    notes: tuple[str, ...]


def export_run(run: RunDirectory, formats: Sequence[Format], out: Path, on_progress: Report | None = None) -> Export:
    """Write ``run`` in ``formats`` into folder ``out``, which is made; files of an earlier export are replaced.

    Everything is written beside its place first, so that whatever fails leaves ``out`` as it was. ``on_progress`` gets
    shares from 0 to 1, and may raise to give up. Raises ``InterchangeError``, ``core.runs.directory.RunError`` and
    ``core.training.checkpoint.CheckpointError``.
    """
    if not formats:
        raise InterchangeError(f"no format is chosen; choose one or more of {', '.join(FORMATS)}.")
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        if "safetensors" in formats:
            model_card.check_replaceable(out, run)
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".isoline-export-", dir=out) as place:
            stage = Path(place)
            notes = _write(run, formats, stage, on_progress or (lambda _: None))
            files = sorted(path.relative_to(stage) for path in stage.rglob("*") if path.is_file())
            for file in files:
                (out / file.parent).mkdir(parents=True, exist_ok=True)
                replace(stage / file, out / file)
        return Export(tuple(files), tuple(notes))
    except OSError as error:
        advice = "Free some space, or choose another folder."
        raise InterchangeError(f"{out} cannot be written ({error.strerror or reason(error)}). {advice}") from error
    finally:
        for folder in made:
            with contextlib.suppress(OSError):  # it holds what was written, or was never made
                folder.rmdir()


def _write(run: RunDirectory, formats: Sequence[Format], stage: Path, on_progress: Report) -> list[str]:
    """Write into the empty folder ``stage``; returns the notes."""
    chosen: list[Format] = [name for name in FORMATS if name in formats]
    total, done = sum(_WRITERS[name][0] for name in chosen), 0
    notes: list[str] = []
    for name in chosen:
        seconds, write = _WRITERS[name]

        def report(share: float, before: int = done, seconds: int = seconds) -> None:
            on_progress((before + share * seconds) / total)

        report(0.0)
        notes += write(run, stage, formats, report)
        done += seconds
    on_progress(1.0)
    return notes


def _onnx(run: RunDirectory, stage: Path, _: Sequence[Format], report: Report) -> list[str]:
    from core.training.checkpoint import load_model

    if run.imported is not None:
        onnx_files.copy_imported(run, stage)
        return ["The ONNX files are those that were imported, unchanged."]
    network = load_model(run.path)[0]
    try:
        latents = run.read_embedding()
    except RunError:  # none are recorded: a model that was handed on
        latents = None
    z = onnx_files.latents_to_compare(latents, network.latent_dim)
    return [f"Compared with ONNX Runtime, {onnx_files.write_onnx(network, z, stage, report)}."]


def _safetensors(run: RunDirectory, stage: Path, formats: Sequence[Format], _: Report) -> list[str]:
    if run.imported is not None:
        raise InterchangeError(
            f"{run.path} holds an imported model ({run.network}), which has no weights of Isoline's own network; "
            "safetensors with a model card are written of models that Isoline trained. Leave that format out."
        )
    model_card.write_model(run, stage, "onnx" in formats)
    return [f"{model_card.CARD} states no licence: choose one before you publish the model."]


def _projector(run: RunDirectory, stage: Path, _: Sequence[Format], __: Report) -> list[str]:
    return projector.write_projector(read_samples(run), stage / "projector")


def _parquet(run: RunDirectory, stage: Path, _: Sequence[Format], __: Report) -> list[str]:
    latents_table.write_parquet(read_samples(run), stage / PARQUET)
    return []


def _tensorboard(run: RunDirectory, stage: Path, _: Sequence[Format], __: Report) -> list[str]:
    tensorboard.write_events(run, stage / "tensorboard")
    return []


_WRITERS: dict[Format, tuple[int, Callable[[RunDirectory, Path, Sequence[Format], Report], list[str]]]] = {
    "onnx": (8, _onnx),
    "safetensors": (1, _safetensors),
    "projector": (1, _projector),
    "parquet": (1, _parquet),
    "tensorboard": (2, _tensorboard),
}
"""By format: about how many seconds it takes, and what writes it into a folder and returns notes."""
