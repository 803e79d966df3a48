"""What an ONNX file seems to be: decoder, encoder or both; their tensors, axes, ranges of values and mean. Each finding
has its reason and a flag that overrides it.

Found from names and shapes, from the last operators, and by trying: samples of the prior are decoded, images encoded
and decoded again under each assumption, in a process of its own (``core.models.imported.sandbox``). Nothing is decided
in silence: all of it is shown, with a picture, before a run is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.models.imported.choices import Choices, Finding
from core.models.imported.decoder_findings import DecoderFindings
from core.models.imported.encoder_findings import EncoderFindings, ImagesFor
from core.models.imported.onnx_graph import Graph, ImportedModelError, read_graph
from core.models.imported.parts import MOST_LATENTS, Part, Search
from core.models.imported.pixel_format import Placement, levels_of, placement_notes, placement_of
from core.models.imported.sandbox import Sandbox
from core.models.imported.trial import remember_tried
from core.runs.imported import OnnxModel


@dataclass(frozen=True, eq=False)
class Proposal:
    """What was found. ``files`` are the contents of the run's files by name, or the paths they are copied from.

    ``samples`` uint8 (n, S, S, C) are decoded at ``z`` float32 (n, d), which are none without a decoder.
    """

    model: OnnxModel
    latent_dim: int
    placement: Placement
    findings: tuple[Finding, ...]
    files: dict[str, bytes | Path]
    z: np.ndarray
    samples: np.ndarray


def propose(path: Path, encoder: Path | None, choices: Choices, images: ImagesFor = lambda _: None) -> Proposal:
    """Look at ``path``, a decoder, an encoder or both, and at a second file ``encoder``.

    ``images`` gives some of the model's own, which tell best how the encoder wants them. Raises
    ``ImportedModelError``.
    """
    graphs = [read_graph(path), *([] if encoder is None else [read_graph(encoder)])]
    with Sandbox(sum(graph.size for graph in graphs)) as sandbox:
        return proposal_in(sandbox, graphs, choices, images)


def proposal_in(
    sandbox: Sandbox, graphs: list[Graph], choices: Choices, images: ImagesFor = lambda _: None
) -> Proposal:
    """The same, of files that have been read, in a ``sandbox`` that stays open."""
    search = Search(graphs, choices, sandbox)
    made, read = search.roles()
    with np.errstate(over="ignore", invalid="ignore"):  # a damaged network's numbers may be anything
        decoded = None if made is None else DecoderFindings(search, made).found()
        encoded, latent_dim = None, 0 if decoded is None else decoded.z.shape[1]
        if read is not None:
            encoded, latent_dim = EncoderFindings(search, read, decoded).found(images)
    if not 1 <= latent_dim <= MOST_LATENTS:
        raise ImportedModelError(
            f"{graphs[0].path} has {latent_dim:,} latent dimensions; 1 to {MOST_LATENTS:,} can be shown."
        )
    description = encoded if decoded is None else decoded.description
    assert description is not None
    pixels = description.pixels
    placement = placement_of(pixels.height, pixels.width, pixels.channels)
    model = OnnxModel(
        decoder=None if decoded is None else decoded.description,
        encoder=encoded,
        reduction=placement.reduction,
        notes=(*placement_notes(placement), *search.notes),
    )
    for part in (model.decoder, model.encoder):
        if part is not None:
            remember_tried(part)
    z, samples = np.zeros((0, latent_dim), np.float32), np.zeros((0, *placement.shown_shape), np.uint8)
    if decoded is not None:
        z = decoded.z
        samples = np.stack([placement.shown(levels_of(image, pixels.values)) for image in decoded.samples])
    files = _files((made, "decoder.onnx"), (read, "encoder.onnx"))
    return Proposal(model, latent_dim, placement, tuple(search.findings), files, z, samples)


def _files(*parts: tuple[Part | None, str]) -> dict[str, bytes | Path]:
    """Contents or places of the files of these parts, by their names in the run."""
    files: dict[str, bytes | Path] = {}
    for part, name in parts:
        if part is None:
            continue
        files[name] = part.content if part.content is not None else part.graph.content
        for file in part.graph.data:
            beside = str(file.relative_to(part.graph.folder))
            if files.setdefault(beside, file) != file or beside in (name for _, name in parts):
                raise ImportedModelError(
                    f"{part.graph.path} keeps its weights in a file called {beside}, as does the other network. Export "
                    "them to files of different names."
                )
    return files
