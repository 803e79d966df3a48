"""`isoline import`: a run of a model that was trained elsewhere and exported to ONNX, or of latents alone."""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from core.cli.import_checkpoint import REBUILT, as_onnx, checkpoint_at, program_for
from core.cli.import_latents import run_latents
from core.cli.progress import reporter, write_findings
from core.config import DataConfig
from core.data.latents.opening import holds_latents
from core.models.imported.choices import Choices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core.models.imported.choices import Finding
    from core.runs.directory import RunDirectory
    from core.training.import_model import Look


@dataclass(frozen=True)
class Options:
    """Make a run of a model in an ONNX file, which the window opens like any other: a decoder, an encoder, or both.
    Of a folder that pythae or diffusers saved, or of a PyTorch or safetensors file of tensors.
    Or of latents alone: NPY, NPZ, CSV, TSV, Parquet, or the files of TensorBoard's projector.

    What the file holds is found from its network and by trying it: names, axes, ranges of values, the mean. All of it
    is printed with its reason, and a picture of what comes out is kept in the run; every finding has a flag that says
    otherwise. --dry-run makes no run."""

    model: tyro.conf.Positional[Path]
    """An ONNX file: a decoder, an encoder, or an autoencoder with both. A folder that pythae saved, or diffusers of an
    AutoencoderKL; a PyTorch or safetensors file of tensors, with --model. Or a file of latents, or the folder of
    TensorBoard's projector."""
    encoder: Path | None = None
    """The encoder, if it is a file of its own."""
    program: Annotated[Path | None, tyro.conf.arg(name="model")] = None
    """For a PyTorch or safetensors file of tensors alone: a Python file of yours that defines load(state), which gets
    them by name and returns an object with latent_dim and decode(z), encode(x), or both. It is run only after you have
    said yes to it."""
    yes: str | None = None
    """For scripts, which cannot be asked: run the file of --model if this is its SHA-256."""
    maps: Literal["flattened", "pooled", "pca"] | None = None
    """For an AutoencoderKL of diffusers, whose latent is a map. flattened: all its numbers, up to 2,048; the default.
    pca: coordinates along the principal components of the maps of --images. pooled: each channel's mean, from which
    nothing is decoded."""
    components: int = 16
    """For --maps pca: how many components."""
    images: str = ""
    """A folder or file of images to encode: the same as --data.path."""
    latents: Path | None = None
    """Latents (n, d) from a .npy, .npz (key latents) or .csv file: of the images in their order, or, without images,
    of samples that are shown as they are decoded."""
    labels: str = ""
    """A table that says more about the images or latents: the same as --data.labels. Without images, row i is about
    latent i."""
    key: str = ""
    """Of a file of latents with several arrays, columns of lists or tensors, the one that is meant."""
    files: str = ""
    """A table or text with a file name for each row of latents, by which images and labels are found."""
    out: Path | None = None
    """The run folder to make. Default: one below runs/, named by date and file."""
    samples: int = 2000
    """Without images and latents, so many latents are drawn from the prior, a standard normal distribution."""
    rows: int = 1_000_000
    """Of a file of latents alone with more rows than this, so many are taken, drawn at random."""
    dry_run: bool = False
    """Look and print, and make no run."""
    json: Path | None = None
    """Write the findings as JSON into this file, too; - for standard output instead of the summary."""
    sheet: Path | None = None
    """Write a PNG picture of what comes out: samples of the prior, decoded; images above what is made of them."""
    progress: Literal["bar", "json"] = "bar"
    """bar: a bar in the terminal; json: a line on standard output for every percent, for a program that closes this
    one's standard input to cancel, and no summary."""
    choices: Annotated[Choices, tyro.conf.arg(name="")] = field(default_factory=Choices)
    data: DataConfig = field(default_factory=DataConfig)


def run(options: Options) -> int:
    """Look, print, and make the run; returns 0.

    Raises ``ImportedModelError``, ``DatasetError``, ``LatentsError``, ``RunError``, ``OSError``.
    """
    if holds_latents(options.model):
        return run_latents(options)
    from core.models.imported.onnx_graph import ImportedModelError

    checkpoint = checkpoint_at(options.model)
    if checkpoint is not None:
        program = program_for(options, checkpoint)
        with (
            reporter(options.progress, "importing the model") as report,
            as_onnx(options, checkpoint, program, lambda done: report(REBUILT * done)) as (given, findings, notes),
        ):
            later = 1.0 - REBUILT
            return _run_onnx(given, checkpoint.path, lambda done: report(REBUILT + later * done), findings, notes)
    for flag, value in (("--model", options.program), ("--maps", options.maps)):
        if value is not None:
            raise ImportedModelError(f"{options.model} is no file of tensors, so {flag} cannot be used; leave it out.")
    with reporter(options.progress, "importing the model") as report:
        return _run_onnx(options, options.model, report)


def _run_onnx(
    options: Options,
    origin: Path,
    report: Callable[[float], None],
    findings: tuple[Finding, ...] = (),
    notes: tuple[str, ...] = (),
) -> int:
    """The same of ONNX files that were made of ``origin``, as ``findings`` and ``notes`` say."""
    from core.training.import_model import Samples, import_model, look_at, new_import_name

    data, name = options.data, new_import_name(origin.resolve())
    data = dataclasses.replace(data, path=options.images or data.path, labels=options.labels or data.labels)
    samples = Samples(data, options.latents, options.samples)
    silent = options.json == Path("-") or options.progress == "json"
    whole = 1.0 if options.dry_run else 0.3
    look = look_at(options.model, options.encoder, options.choices, samples, lambda done: report(whole * done))
    look = look.preceded_by(findings, notes)
    made, shown = None, ""
    if not silent:
        print("\n".join(summary(look)))
    if not options.dry_run:
        out = options.out or Path("runs", name)
        made = import_model(look, samples, out, lambda done: report(whole + (1.0 - whole) * done))
    if options.sheet is not None:
        shown = _write_sheet(options.sheet, look)
    if options.json is not None:
        write_findings(options.json, description(look, made) | {"name": name, "sheet": shown})
    if not silent and made is not None:
        print(f"\nImported to {made.path}")
    return 0


def _write_sheet(target: Path, look: Look) -> str:
    """Write the picture of what comes out; returns what it shows."""
    from core.training.import_model import stored_inference, write_sheet

    model = look.proposal.model
    if look.dataset is None or not (model.has_decoder and model.has_encoder):
        return write_sheet(look, target)
    with tempfile.TemporaryDirectory(prefix="isoline-", dir=target.parent) as folder:
        return write_sheet(look, target, stored_inference(look, Path(folder)))


def summary(look: Look) -> Iterator[str]:
    """The lines that a person reads."""
    proposal = look.proposal
    parts = [name for name, there in _parts(look).items() if there]
    yield f"{' and '.join(parts)}, {proposal.latent_dim} latent dimensions"
    width = max(len(finding.subject) for finding in proposal.findings)
    for finding in proposal.findings:
        yield f"  {finding.subject:<{width}}  {finding.value}  ({finding.reason}; {finding.flag})"
    for note in (*proposal.model.notes, *(() if look.dataset is None else look.dataset.notes)):
        yield f"  note: {note}"


def _parts(look: Look) -> dict[str, bool]:
    return {"decoder": look.proposal.model.has_decoder, "encoder": look.proposal.model.has_encoder}


def description(look: Look, made: RunDirectory | None) -> dict[str, Any]:
    """The findings as JSON has them."""
    proposal, data = look.proposal, look.config.data
    return {
        **_parts(look),
        "latent_dim": proposal.latent_dim,
        "image_size": data.image_size,
        "channels": data.channels,
        "images": 0 if look.dataset is None else len(look.dataset),
        "findings": [dataclasses.asdict(finding) for finding in proposal.findings],
        "notes": [*proposal.model.notes, *(() if look.dataset is None else look.dataset.notes)],
        "run": None if made is None else str(made.path),
    }
