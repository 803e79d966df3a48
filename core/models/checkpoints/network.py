"""A network that was rebuilt from tensors, and its form as ONNX files, each compared with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

import core
from core.models.imported.choices import Finding
from core.models.imported.onnx_graph import LARGEST_FILE, ImportedModelError
from core.models.imported.sandbox_worker import session_of
from core.models.onnx_export import exported

TOLERANCE = 1e-4
"""Largest difference to ONNX Runtime, as a share of the largest number (or of 1, if that is more)."""
_COMPARED = 8


@dataclass(frozen=True, eq=False)
class Network:
    """``decoder`` from z (1, d) to an image, ``encoder`` from an image ``image_shape`` to the mean (1, d), one of them
    at least. ``values`` of the images, "0 to 1" or "-1 to 1", None where they are to be found. ``findings`` say what
    was decided and by which flag otherwise, ``notes`` what was left out."""

    latent_dim: int
    decoder: nn.Module | None
    encoder: nn.Module | None
    image_shape: tuple[int, ...]
    values: str | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class OnnxFiles:
    """The files that were written, and ``difference``, how far ONNX Runtime is from PyTorch at most."""

    decoder: Path | None
    encoder: Path | None
    difference: float


def write_onnx(network: Network, folder: Path, name: str) -> OnnxFiles:
    """Write ``name``.decoder.onnx and ``name``.encoder.onnx into ``folder``. Raises ``ImportedModelError``."""
    decoder = encoder = None
    difference = 0.0
    if network.decoder is not None:
        decoder = folder / f"{name}.decoder.onnx"
        shape = (1, network.latent_dim)
        difference = _written(network.decoder, shape, "z", "image", network.values, decoder)
    if network.encoder is not None:
        encoder = folder / f"{name}.encoder.onnx"
        shape = network.image_shape
        difference = max(difference, _written(network.encoder, shape, "image", "mean", network.values, encoder))
    return OnnxFiles(decoder, encoder, difference)


def _written(module: nn.Module, shape: tuple[int, ...], given: str, made: str, values: str | None, path: Path) -> float:
    module = module.cpu().float().eval().requires_grad_(False)
    size = sum(tensor.numel() * 4 for tensor in module.state_dict().values())
    if size >= LARGEST_FILE:
        raise ImportedModelError(f"The {path.stem} has {size / 2**30:.1f} GiB of weights; an ONNX file holds 2 GiB.")
    generator = torch.Generator().manual_seed(0)
    examples = [torch.rand(shape, generator=generator) for _ in range(_COMPARED)]
    expected = [_result(module, example, path.stem) for example in examples]
    try:
        model = exported(module, examples[0], given, [made], batch_is_free=False)
    except Exception as error:  # torch's exporter raises whatever its parts do
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ImportedModelError(f"PyTorch cannot export the {path.stem} to ONNX: {first.strip()}") from error
    if values is not None:
        onnx.helper.set_model_props(model, {"isoline_version": core.__version__, "value_range": values})
    path.write_bytes(model.SerializeToString())
    session = session_of(str(path))
    largest = 0.0
    for example, wanted in zip(examples, expected, strict=True):
        (found,) = session.run([made], {given: example.numpy()})
        scale = max(1.0, float(np.abs(wanted).max()))
        largest = max(largest, float(np.abs(np.asarray(found) - wanted).max()) / scale)
    if not largest <= TOLERANCE:
        raise ImportedModelError(
            f"ONNX Runtime does not compute what the {path.stem} does: they differ by {largest:.1e}, allowed is "
            f"{TOLERANCE:.0e}. Another version of torch or onnxruntime may."
        )
    return largest


def _result(module: nn.Module, example: Tensor, name: str) -> np.ndarray:
    with torch.inference_mode():
        result = module(example)
    if not isinstance(result, Tensor) or not torch.isfinite(result).all():
        raise ImportedModelError(f"The {name} does not return one tensor of finite numbers.")
    return result.numpy()
