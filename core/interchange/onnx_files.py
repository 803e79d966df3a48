"""A trained model as encoder.onnx and decoder.onnx, each compared with the model before anybody gets it; or the files
of one that was imported."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.interchange.errors import InterchangeError

if TYPE_CHECKING:
    from core.models.vae import VAE
    from core.runs.directory import RunDirectory

ENCODER, DECODER = "encoder.onnx", "decoder.onnx"
COMPARED = 64
"""Images and latents."""
TOLERANCE = 1e-4
ERRORS = 3
"""ONNX Runtime's level for errors alone: its warnings, of devices that are not there, say nothing about the files."""
_BATCH = 8


@dataclass(frozen=True)
class Parity:
    """How far ONNX Runtime's numbers are from the model's, at most, over ``compared`` samples.

    ``images`` in brightness, of 1; ``mean`` and ``log_variance`` as shares of the largest one (or of 1, if that is
    more).
    """

    compared: int
    images: float
    mean: float
    log_variance: float

    @property
    def holds(self) -> bool:
        """Whether all are within ``TOLERANCE``; NaN is not."""
        return all(value <= TOLERANCE for value in (self.images, self.mean, self.log_variance))

    def __str__(self) -> str:
        return (
            f"images differ by {self.images:.1e}, means by {self.mean:.1e}, log-variances by {self.log_variance:.1e} "
            f"(largest of {self.compared}; allowed: {TOLERANCE:.0e})"
        )


def latents_to_compare(latents: np.ndarray | None, latent_dim: int) -> np.ndarray:
    """Float32 (COMPARED, d): drawn from the run's own ``latents`` (n, d), from N(0, 1) where it has recorded none."""
    rng = np.random.default_rng(0)
    if latents is None or not len(latents):
        return rng.standard_normal((COMPARED, latent_dim), np.float32)
    return latents[rng.choice(len(latents), COMPARED, replace=len(latents) < COMPARED)]


def write_onnx(network: VAE, z: np.ndarray, folder: Path, on_progress: Callable[[float], None]) -> Parity:
    """Write both files into ``folder`` if they compute what ``network`` does; returns how exactly.

    Compared are the images at ``z`` float32 (n, d), and the means and log-variances of those images. Raises
    ``InterchangeError`` and writes nothing if they differ by more than ``TOLERANCE``, and ``OSError``.
    """
    from core.models.onnx_export import decoder_onnx, encoder_onnx

    encoder = encoder_onnx(network)
    on_progress(0.4)
    decoder = decoder_onnx(network)
    on_progress(0.8)
    parity = compared(network, encoder, decoder, z)
    if not parity.holds:
        raise InterchangeError(
            f"ONNX Runtime does not compute what the model does: {parity}. Nothing was written; another version of "
            "torch, onnxscript or onnxruntime may."
        )
    (folder / ENCODER).write_bytes(encoder)
    (folder / DECODER).write_bytes(decoder)
    return parity


def copy_imported(run: RunDirectory, folder: Path) -> None:
    """Copy the ONNX files of a ``run`` whose model was imported, with the files of their weights.

    Raises ``InterchangeError`` if it has none, and ``OSError``.
    """
    if not any(run.model_path.rglob("*.onnx")):
        raise InterchangeError(f"{run.path} holds {run.network}; it has no ONNX file to export. Leave that format out.")
    shutil.copytree(run.model_path, folder, dirs_exist_ok=True)


def compared(network: VAE, encoder: bytes, decoder: bytes, z: np.ndarray) -> Parity:
    """How the two ONNX files differ from ``network`` in float32, at ``z`` float32 (n, d) and on its images there."""
    import torch

    decode, encode = _session(decoder), _session(encoder)
    pairs: list[list[tuple[np.ndarray, np.ndarray]]] = [[], [], []]  # images, means, log-variances; ours and theirs
    for start in range(0, len(z), _BATCH):
        part = z[start : start + _BATCH]
        with torch.inference_mode():
            images = torch.sigmoid(network.decode_logits(torch.from_numpy(part)))
            posterior = [heads.numpy() for heads in network.encode(images)]
        ours = [images.numpy(), *posterior]
        theirs = [*decode.run(None, {"z": part}), *encode.run(None, {"images": ours[0]})]
        for found, mine, other in zip(pairs, ours, theirs, strict=True):
            found.append((mine, np.asarray(other)))
    differences = []
    for found in pairs:
        mine, other = (np.concatenate(values) for values in zip(*found, strict=True))
        differences.append(float(np.abs(mine - other).max() / max(1.0, float(np.abs(mine).max()))))
    return Parity(len(z), *differences)


def _session(content: bytes):
    import onnxruntime

    onnxruntime.set_default_logger_severity(ERRORS)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
