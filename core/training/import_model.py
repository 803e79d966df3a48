"""A run directory of a model that was not trained here: its files, its samples and their latents.

The latents are those of images that the model encodes, those of a file, or drawn from the prior; where there are no
images, the samples are shown as what the decoder makes of them. The run is made beside its place and moved there when
it is whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from PIL import Image

from core.config import DataConfig, ModelConfig, RunConfig
from core.data.allowed_files import allow_new
from core.data.dataset import Dataset
from core.data.latents.opening import read_latent_rows
from core.data.loading import load_dataset, relative_path, with_absolute_path
from core.data.sources.listing import located
from core.models.imported.choices import Choices, Finding
from core.models.imported.onnx_graph import ImportedModelError
from core.models.imported.onnx_inference import OnnxInference
from core.models.imported.pixel_format import Placement
from core.models.imported.proposal import Proposal, propose
from core.models.inference import Inference
from core.runs.directory import MAX_PROBE, ProbeSet, RunDirectory
from core.runs.fresh import made_beside
from core.runs.imported import KEY, stored_form
from core.runs.split import TRAINING
from core.training.import_latents import LatentSource, probe_of, read_samples
from core.training.run_metadata import dataset_metadata, run_metadata
from core.utils.atomic_write import atomic_file
from core.utils.text import counted, sentence

PRIOR = "The latents are drawn from the prior, a standard normal distribution: there are no images beside them."
SHEET = "contact-sheet.png"
LOOKED_AT = 64
"""Images that are looked at to find out how the encoder wants them."""
_SHEET_COLUMNS, _GAP = 8, 1
_LEAST_SHOWN = 64  # pixels of an image in the sheet: smaller ones are enlarged by a whole factor

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Samples:
    """Where the samples of an imported run come from: images, as ``data`` says, whose latents are encoded or come from
    the file ``latents``; without images that file alone; without either, ``count`` drawn from the prior."""

    data: DataConfig
    latents: Path | None = None
    count: int = 2000


@dataclass(frozen=True, eq=False)
class Look:
    """What a model seems to be, and what it will show: the images, if there are any, read for its size."""

    proposal: Proposal
    config: RunConfig
    dataset: Dataset | None

    def preceded_by(self, findings: tuple[Finding, ...], notes: tuple[str, ...]) -> Look:
        """The same with ``findings`` and ``notes`` of how its files were made, before its own."""
        found = self.proposal
        model = msgspec.structs.replace(found.model, notes=(*notes, *found.model.notes))
        return replace(self, proposal=replace(found, model=model, findings=(*findings, *found.findings)))


def look_at(path: Path, encoder: Path | None, choices: Choices, samples: Samples, progress: Progress) -> Look:
    """Read the model and its images, and find out how they go together; nothing is written.

    Raises ``ImportedModelError``, ``core.data.dataset.DatasetError``.
    """
    read: list[Dataset] = []

    def data_for(square: Placement) -> DataConfig:
        return replace(samples.data, image_size=square.side, channels=3 if square.shown_channels == 3 else 1)

    def images_for(square: Placement) -> np.ndarray | None:
        if not samples.data.path:
            return None
        if not read:
            read.append(load_dataset(with_absolute_path(replace(data_for(square), source="files")), progress))
        return np.asarray(read[0].images[:: max(1, len(read[0]) // LOOKED_AT)][:LOOKED_AT])

    proposal = propose(path, encoder, choices, images_for)
    data = data_for(proposal.placement)
    if not data.path:
        return Look(proposal, _config(proposal, replace(data, source="none", labels="")), None)
    if proposal.model.encoder is None and samples.latents is None:
        raise ImportedModelError(
            f"{path} has no encoder, so the latents of the images in {data.path} are not known. Name its encoder with "
            "--encoder, or a file with their latents with --latents."
        )
    images_for(proposal.placement)
    return Look(proposal, _config(proposal, with_absolute_path(replace(data, source="files"))), read[0])


def _config(proposal: Proposal, data: DataConfig) -> RunConfig:
    # Its posterior variance, if it has one, is no constant σ of ours.
    return RunConfig(data=data, model=ModelConfig(latent_dim=proposal.latent_dim, variance="learned"))


def import_model(look: Look, samples: Samples, out: Path, progress: Progress) -> RunDirectory:
    """Make the run in folder ``out``, which must not hold one.

    Raises ``ImportedModelError``, ``RunError`` and ``core.data.dataset.DatasetError``; nothing is left behind then.
    """
    out = Path(out).absolute()
    with made_beside(out) as fresh:
        proposal, config, data = look.proposal, look.config, look.config.data
        inference = stored_inference(look, fresh / "model")
        with inference.fixed_threads():
            mu, probe, notes = _recorded(inference, look, samples, progress)
        if not np.isfinite(mu).all():
            raise ImportedModelError("The encoder makes latents of the images that are not finite; it is unusable.")
        described: dict[str, Any] = {"samples": len(mu), "factor_names": list(probe.factor_names), "notes": []}
        if look.dataset is not None:
            described = dataset_metadata(look.dataset, relative_path(data, out))
            notes.append("Which images the model was trained on is not known; which of them validate is chosen here.")
        described["notes"] = [*described["notes"], *notes]
        about = {KEY: stored_form(proposal.model)}
        metadata = run_metadata(described) | about
        allow_new(RunDirectory(out, config, metadata))
        run = RunDirectory.create(fresh, config, metadata)
        run.write_probe(probe)
        run.write_embedding(np.ascontiguousarray(mu, np.float32))
        write_sheet(look, fresh / SHEET, inference)
    return RunDirectory.open(out)


def stored_inference(look: Look, folder: Path) -> OnnxInference:
    """The model of ``look`` from its files, which are copied to the new ``folder``. Raises ``OSError``."""
    for name, content in look.proposal.files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            shutil.copyfile(content, target)
    proposal, data = look.proposal, look.config.data
    return OnnxInference(folder, proposal.model, proposal.latent_dim, data.image_size, data.channels)


def _recorded(
    inference: Inference, look: Look, samples: Samples, progress: Progress
) -> tuple[np.ndarray, ProbeSet, list[str]]:
    """Latents (n, d) of the samples, what is recorded of them, and notes."""
    dataset = look.dataset
    if samples.latents is not None:
        return _of_file(inference, look, samples, samples.latents, progress)
    if dataset is not None:
        from core.training.probe_embedding import make_probe  # torch, which looking at a model does not need

        probe = make_probe(dataset, 0)
        mu = np.empty((len(probe.indices), inference.latent_dim), np.float32)
        for place, index in enumerate(probe.indices):
            mu[place] = inference.encode(np.array(dataset.images[index])[None])[0]
            progress((place + 1) / len(mu))
        return mu, probe, []
    if not inference.can_decode:
        raise ImportedModelError(
            "The model has an encoder alone: it needs images to encode. Name them with --images, or its decoder."
        )
    if samples.data.labels:
        raise ImportedModelError(f"{samples.data.labels} can say nothing of latents that are drawn from the prior.")
    if not 2 <= samples.count <= MAX_PROBE:
        raise ImportedModelError(f"--samples is {samples.count}; it must be 2 to {MAX_PROBE:,}.")
    mu = np.random.default_rng(0).standard_normal((samples.count, inference.latent_dim)).astype(np.float32)
    indices = np.arange(len(mu), dtype=np.int64)
    thumbnails = _decoded_thumbnails(inference, mu, progress)
    split = np.full(len(mu), TRAINING, np.uint8)
    return mu, ProbeSet(indices, np.zeros((len(mu), 0), np.float32), (), thumbnails, split), [PRIOR]


def _of_file(
    inference: Inference, look: Look, samples: Samples, path: Path, progress: Progress
) -> tuple[np.ndarray, ProbeSet, list[str]]:
    """The samples whose latents a file holds, beside their images or as they are decoded."""
    rows = read_latent_rows(located(path), MAX_PROBE)
    if rows.latents.shape[1] != inference.latent_dim:
        raise ImportedModelError(
            f"{path} holds latents of {rows.latents.shape[1]} dimensions; the model has {inference.latent_dim}."
        )
    labels = "" if look.dataset is not None else samples.data.labels  # the images have them already
    found = read_samples(LatentSource(path, labels=labels, data=samples.data), rows, look.dataset)
    probe = probe_of(found, look.dataset, progress if look.dataset is not None else lambda _: None)
    if look.dataset is None and inference.can_decode:
        probe = replace(probe, thumbnails=_decoded_thumbnails(inference, found.latents, progress))
    return found.latents, probe, found.notes


def _decoded_thumbnails(inference: Inference, mu: np.ndarray, progress: Progress) -> np.ndarray:
    """What the decoder makes of each of ``mu`` (n, d), small: samples without images are shown so."""
    from core.models.thumbnails import thumbnails_of  # as above

    thumbnails = []
    for place, point in enumerate(mu):
        thumbnails.append(thumbnails_of(inference.decode(point[None]))[0])
        progress((place + 1) / len(mu))
    return np.stack(thumbnails)


def new_import_name(path: Path) -> str:
    """Name for the folder of a run of the model in file ``path``: date, time, format and file."""
    return f"{datetime.now():%Y-%m-%d %H-%M-%S} ONNX {path.stem[:40]}"


# what comes out, for a person to look at


def write_sheet(look: Look, target: Path, inference: Inference | None = None) -> str:
    """Write a picture to judge the findings by, and return what it shows: samples of the prior, decoded; images, with
    ``inference`` above what is made of them. Without any nothing is written, and the text is empty.

    Raises ``OSError``.
    """
    samples, said = look.proposal.samples, []
    rows = [samples[start : start + _SHEET_COLUMNS] for start in range(0, len(samples), _SHEET_COLUMNS)]
    if rows:
        said.append(f"{counted(len(samples), 'sample')} of the prior, decoded")
    if look.dataset is not None:
        some = np.unique(np.linspace(0, len(look.dataset) - 1, _SHEET_COLUMNS).astype(np.int64))
        originals = np.stack([np.array(look.dataset.images[index]) for index in some])
        rows.append(originals)
        said.append(counted(len(originals), "image"))
        if inference is not None and inference.can_encode and inference.can_decode:
            rows.append(np.concatenate([inference.decode(inference.encode(image[None])) for image in originals]))
            said[-1] += ", each above what the model makes of it"
    if not rows:
        return ""
    channels, factor = rows[0].shape[3], max(1, -(-_LEAST_SHOWN // rows[0].shape[1]))
    rows = [images.repeat(factor, axis=1).repeat(factor, axis=2) for images in rows]
    side = rows[0].shape[1]
    columns = max(map(len, rows))
    sheet = np.full((len(rows) * (side + _GAP) - _GAP, columns * (side + _GAP) - _GAP, channels), 128, np.uint8)
    for row, images in enumerate(rows):
        for column, image in enumerate(images):
            top, left = row * (side + _GAP), column * (side + _GAP)
            sheet[top : top + side, left : left + side] = image
    with atomic_file(target) as file:
        Image.fromarray(sheet[..., 0] if channels == 1 else sheet).save(file, format="PNG")
    return f"{sentence('; below, '.join(said))}."
