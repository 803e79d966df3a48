"""`isoline import` of tensors that another program saved: rebuilt as a network, and from there on as ONNX."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli.consent import ask
from core.exploring.consent import ProgramError, read_program
from core.runs.foreign import IMPORTABLE, Foreign, foreign_model

if TYPE_CHECKING:
    from core.cli.import_model import Options
    from core.models.checkpoints.network import Network


def checkpoint_at(path: Path) -> Foreign | None:
    """What is to be rebuilt at ``path``; None if it is something else. Raises ``ImportedModelError`` for code."""
    from core.models.imported.onnx_graph import ImportedModelError

    foreign = foreign_model(path)
    if foreign is not None and foreign.kind in ("code", "keras", "program", "diffusers"):
        raise ImportedModelError(str(foreign))
    return foreign if foreign is not None and foreign.kind in IMPORTABLE else None


@contextlib.contextmanager
def as_onnx(options: Options, foreign: Foreign) -> Iterator[tuple[Options, tuple[str, ...]]]:
    """``options`` for the ONNX files that the tensors have become, which vanish at the end; and what to note.

    Raises ``ImportedModelError``, ``ProgramError``, ``core.data.dataset.DatasetError``.
    """
    from core.models.checkpoints.network import write_onnx
    from core.models.imported.onnx_graph import ImportedModelError

    if options.encoder is not None:
        raise ImportedModelError(f"{options.model} holds its encoder, too, so --encoder cannot be used; leave it out.")
    network = _network(options, foreign)
    with tempfile.TemporaryDirectory(prefix="isoline-") as folder:
        files = write_onnx(network, Path(folder), options.model.resolve().stem)
        note = f"{options.model.name}: rebuilt and exported to ONNX, which differs by {files.difference:.0e} at most."
        first, second = (files.decoder, files.encoder) if files.decoder is not None else (files.encoder, None)
        assert first is not None
        given = dataclasses.replace(
            options,
            model=first,
            encoder=second,
            layout=options.layout or network.layout,
            range=options.range or network.values,
            encoder_range=options.encoder_range or network.values,
        )
        try:
            yield given, (note, *network.notes)
        except ImportedModelError as error:
            text = str(error)
            for file in (first, second):
                text = text.replace(str(file), f"{options.model}, exported to ONNX,")
            raise ImportedModelError(text) from error


def _network(options: Options, foreign: Foreign) -> Network:
    from core.models.imported.onnx_graph import ImportedModelError

    if foreign.kind in ("state", "safetensors"):
        if options.program is None:
            raise ImportedModelError(str(foreign))
        return _own_network(options, options.program)
    if options.program is not None:
        raise ImportedModelError(f"{foreign.path} is {foreign.what}, so --model cannot be used; leave it out.")
    from core.models.checkpoints.pythae import read_pythae

    return read_pythae(foreign.path)


def _own_network(options: Options, path: Path) -> Network:
    """What the person's ``load(state)`` makes of the tensors, once they have said yes to it."""
    from core.exploring.program import called, run_program
    from core.models.checkpoints.own import network_of
    from core.models.checkpoints.tensors import read_tensors

    tensors = read_tensors(options.model)
    program = read_program(path)
    ask(program, options.yes)
    load = run_program(program).get("load")
    if not callable(load):
        raise ProgramError(
            f"{program.path} defines no load(state): it gets the tensors by name and returns an object with decode(z), "
            "encode(x), or both."
        )
    return network_of(called(program, load, "load", tensors), str(program.path))
