"""`isoline export`: a trained run in the formats of other programs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from core.cli.progress import reporter


@dataclass(frozen=True)
class Options:
    """Write a trained run in the formats of other programs: give one or more of the flags for formats."""

    run: Annotated[Path, tyro.conf.Positional]
    """The run folder."""
    out: Path | None = None
    """The folder to write into. Not given: one of the run's name below exports/. Files of an earlier export there are
    replaced, others stay."""
    onnx: bool = False
    """encoder.onnx and decoder.onnx, for ONNX Runtime in any language, or in a web page. Both are compared with the
    model and written only if they compute the same."""
    safetensors: bool = False
    """weights.safetensors, config.json and a model card, README.md: a folder that Isoline opens, in the form of a
    repository on Hugging Face. It holds no images and no paths of files."""
    projector: bool = False
    """A folder "projector" for TensorBoard's Embedding Projector: latents, labels and thumbnails."""
    parquet: bool = False
    """latents.parquet: file, labels, split and latents z0, z1, … of each recorded sample. Needs pyarrow
    (pip install "isoline[tables]")."""
    tensorboard: bool = False
    """A folder "tensorboard" with the losses, learning rate, beta and gamma as scalars. Needs tensorboardX
    (pip install "isoline[tensorboard]"). isoline train --tensorboard writes them during the training."""
    progress: Literal["bar", "json", "none"] = "bar"
    """json: for other programs, one line {"progress": 0.42} per percent; closing standard input then cancels."""


def run(options: Options) -> int:
    """Write, and print what was written; returns 0.

    Raises ``InterchangeError``, ``RunError`` or ``CheckpointError``.
    """
    from core.interchange.export import FORMATS, Format, export_run
    from core.runs.directory import RunDirectory

    directory = RunDirectory.open(options.run)
    out = options.out or Path("exports") / directory.path.resolve().name
    formats: list[Format] = [name for name in FORMATS if getattr(options, name)]
    with reporter(options.progress, "export") as report:
        result = export_run(directory, formats, out, report)
    for file in result.files:
        print(f"{out / file}  {_size((out / file).stat().st_size)}")
    for note in result.notes:
        print(note, file=sys.stderr)  # where the window reads what should be known
    return 0


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
