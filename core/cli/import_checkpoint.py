"""`isoline import` of tensors that another program saved: rebuilt as a network, and from there on as ONNX."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.cli.consent import ask
from core.data.loading import load_dataset, with_absolute_path
from core.exploring.consent import Program, ProgramError, read_program
from core.runs.foreign import IMPORTABLE, Foreign, foreign_model

REBUILT = 0.2
"""Share of the work that this is taken for."""
MOST_MAPS = 2000
"""Images of whose maps the principal components are taken, evenly chosen if there are more."""

if TYPE_CHECKING:
    from core.cli.import_model import Options
    from core.models.checkpoints.network import Network
    from core.models.imported.choices import Finding


def checkpoint_at(path: Path) -> Foreign | None:
    """What is to be rebuilt at ``path``; None if it is something else. Raises ``ImportedModelError`` for code."""
    from core.models.imported.onnx_graph import ImportedModelError

    foreign = foreign_model(path)
    if foreign is not None and foreign.kind in ("code", "keras", "hdf5", "program"):
        raise ImportedModelError(str(foreign))
    return foreign if foreign is not None and foreign.kind in IMPORTABLE else None


def program_for(options: Options, foreign: Foreign) -> Program | None:
    """The Python file that computes with the tensors, once its person has said yes to it; None where none is needed.

    Raises ``ImportedModelError``, ``ProgramError``.
    """
    from core.models.imported.onnx_graph import ImportedModelError

    for flag, value, kind in (("--model", options.program, "tensors"), ("--maps", options.maps, "diffusers")):
        if value is not None and foreign.kind != kind:
            raise ImportedModelError(f"{foreign.path} is {foreign.what}, so {flag} cannot be used; leave it out.")
    if foreign.kind != "tensors":
        return None
    if options.program is None:
        raise ImportedModelError(str(foreign))
    program = read_program(options.program)
    ask(program, options.yes)
    return program


@contextlib.contextmanager
def as_onnx(
    options: Options, foreign: Foreign, program: Program | None, report: Callable[[float], None]
) -> Iterator[tuple[Options, tuple[Finding, ...], tuple[str, ...]]]:
    """``options`` for the ONNX files that the tensors have become, which vanish at the end; what was decided on the
    way, and what to note. ``program`` is what ``program_for`` returned.

    Raises ``ImportedModelError``, ``ProgramError``, ``core.data.dataset.DatasetError``.
    """
    from core.models.checkpoints.network import write_onnx
    from core.models.imported.onnx_graph import ImportedModelError

    if options.encoder is not None:
        raise ImportedModelError(f"{options.model} holds its encoder, too, so --encoder cannot be used; leave it out.")
    network = _network(options, foreign, program, report)
    with tempfile.TemporaryDirectory(prefix="isoline-") as folder:
        files = write_onnx(network, Path(folder), foreign.path.resolve().stem)
        origin = foreign.path.resolve().name
        note = f"{origin}: rebuilt and exported to ONNX, which differs by {files.difference:.0e} at most."
        first, second = (files.decoder, files.encoder) if files.decoder is not None else (files.encoder, None)
        assert first is not None
        try:
            yield dataclasses.replace(options, model=first, encoder=second), network.findings, (note, *network.notes)
        except ImportedModelError as error:
            text = str(error)
            for file in (first, second):
                text = text.replace(str(file), f"{options.model}, exported to ONNX,")
            raise ImportedModelError(text) from error


def _network(options: Options, foreign: Foreign, program: Program | None, report: Callable[[float], None]) -> Network:
    if program is not None:
        return _own_network(foreign.path, program)
    if foreign.kind == "diffusers":
        return _diffusers_network(options, foreign.path, report)
    from core.models.checkpoints.pythae import read_pythae

    return read_pythae(foreign.path)


def _diffusers_network(options: Options, folder: Path, report: Callable[[float], None]) -> Network:
    """The AutoencoderKL in ``folder``, whose maps are taken as ``options`` say."""
    from core.models.checkpoints.diffusers import flattened, pooled, principal, read_diffusers
    from core.models.imported.onnx_graph import ImportedModelError

    size = options.choices.size
    if size is not None and size[0] != size[1]:
        said = options.choices.image_size
        raise ImportedModelError(f"--image-size is {said}; an AutoencoderKL is opened for squares here.")
    saved = read_diffusers(folder, None if size is None else size[0])
    if options.maps != "pca":
        return pooled(saved) if options.maps == "pooled" else flattened(saved)
    path = options.images or options.data.path
    if not path:
        raise ImportedModelError("--maps pca needs images, of whose maps the components are: name them with --images.")
    channels = saved.config.in_channels
    data = dataclasses.replace(
        options.data, path=path, source="files", labels="", image_size=saved.side, channels=3 if channels == 3 else 1
    )
    images = load_dataset(with_absolute_path(data), lambda share: None).images
    chosen = np.unique(np.linspace(0, len(images) - 1, min(MOST_MAPS, len(images))).astype(np.int64))
    pixels = (np.array(images[index], np.float32).transpose(2, 0, 1) / 127.5 - 1.0 for index in chosen)
    return principal(saved, pixels, len(chosen), options.components, report)


def _own_network(path: Path, program: Program) -> Network:
    """What ``load(state)`` of the person's ``program`` makes of the tensors."""
    from core.exploring.program import called, run_program
    from core.models.checkpoints.own import network_of
    from core.models.checkpoints.tensors import read_tensors

    tensors = read_tensors(path)
    load = run_program(program).get("load")
    if not callable(load):
        raise ProgramError(
            f"{program.path} defines no load(state): it gets the tensors by name and returns an object with decode(z), "
            "encode(x), or both."
        )
    return network_of(called(program, load, "load", tensors), str(program.path))
