"""Weights and resumable training states in single, self-contained safetensors files.

Both kinds carry the whole configuration in their header, so one file is enough to build the model again, and a
checksum, so a damaged file is told from a sound one. Nothing in a file can execute code. ``weights`` files hold the
model alone, possibly in half precision; ``checkpoint`` files hold all of ``core.training.state.TrainingState``.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from core.config import SCHEMA_VERSION, ConfigError, RunConfig, config_from_dict, config_to_dict
from core.models.vae import VAE, build_model
from core.runs.directory import RunDirectory
from core.runs.foreign import foreign_model
from core.utils.atomic_write import TEMPORARY_SUFFIX, replace, write_atomic
from core.utils.untrusted import UnreadableError, decode_json, read_bytes

if TYPE_CHECKING:
    from core.training.state import TrainingState

MODEL_PREFIX = "model."
_METADATA_KEY = "isoline"
_CHECKSUM_KEY = "isoline_crc32"
"""CRC-32 of the text under ``_METADATA_KEY``, in hex; files of earlier versions have none, only that of the tensors."""
_MAX_HEADER = 1 << 26
_MAX_BYTES = 1 << 36


class CheckpointError(RuntimeError):
    """A file of weights that cannot be used; the message names it, what is wrong and what would be right."""


@dataclass(frozen=True)
class Stored:
    """What one file holds: its tensors as stored, the run's configuration, and how far the training was."""

    path: Path
    kind: str
    """``weights`` or ``checkpoint``."""
    tensors: dict[str, Tensor]
    config: RunConfig
    step: int
    epoch: int
    state: dict[str, Any] = field(default_factory=dict)
    """A checkpoint's plain values, as ``TrainingState.state_dict`` gave them."""
    extra: dict[str, Any] = field(default_factory=dict)
    """What the one who saved it added."""

    def model_tensors(self) -> dict[str, Tensor]:
        """The model's own tensors, under the names of ``VAE.state_dict()``."""
        if self.kind == "weights":
            return self.tensors
        return {n.removeprefix(MODEL_PREFIX): t for n, t in self.tensors.items() if n.startswith(MODEL_PREFIX)}


def save_weights(path: Path, weights: Mapping[str, Tensor], config: RunConfig, step: int = 0, epoch: int = 0) -> None:
    """Write ``weights`` (the tensors of ``VAE.state_dict()``, any float type) atomically. Raises ``OSError``."""
    _save(path, weights, {"kind": "weights", "config": config_to_dict(config), "step": step, "epoch": epoch})


def save_checkpoint(path: Path, state: TrainingState, extra: Mapping[str, Any]) -> None:
    """Write ``state`` and the JSON-ready ``extra`` atomically. Raises ``OSError``; an older file then stays."""
    tensors, values = state.state_dict()
    header = {
        "kind": "checkpoint",
        "config": config_to_dict(state.config),
        "step": state.step,
        "epoch": state.epoch,
        "state": values,
        "extra": dict(extra),
    }
    _save(path, tensors, header)


def copy_checkpoint(source: Path, target: Path) -> None:
    """Make ``target`` the same file as ``source``, atomically and, where links exist, at no cost."""
    if target.exists() and target.samefile(source):  # renaming one link over another does nothing, by POSIX
        return
    temporary = target.with_name(f".{target.name}.link{TEMPORARY_SUFFIX}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)  # ``source`` is only ever replaced, never written into
    except OSError:  # a file system without hard links
        write_atomic(target, source.read_bytes())
    else:
        replace(temporary, target)


def load_model(path: Path) -> tuple[VAE, RunConfig]:
    """The model (CPU, float32, evaluation mode) and configuration of a run directory or a safetensors file.

    A run directory gives its newest weights, or those of its last checkpoint. Raises ``CheckpointError``, or
    ``core.runs.directory.RunError`` for a folder that is no run.
    """
    path = Path(path)
    if path.is_dir():
        run = RunDirectory.open(path)
        stored, config = read_stored(newest_weights(run)), run.config
    else:
        stored = read_stored(path)
        config = stored.config
    model = build_model(config)
    model.load_state_dict(fitting_weights(stored, model))
    return model.eval(), config


def newest_weights(run: RunDirectory) -> Path:
    """The file with the newest weights of a run. Raises ``CheckpointError`` if it has none (yet)."""
    if run.imported is not None:
        raise CheckpointError(f"{run.path} holds an imported model ({run.network}), which has no weights of Isoline's.")
    for path in (run.weights_path, run.last_checkpoint_path, run.best_checkpoint_path):
        if path.is_file():
            return path
    raise CheckpointError(f"{run.path} has no weights yet; wait until its training has made a step.")


def fitting_weights(stored: Stored, model: VAE) -> dict[str, Tensor]:
    """The tensors of ``stored`` in the types of ``model``'s own, ready for its ``load_state_dict``.

    Raises ``CheckpointError`` that names the first tensor that is missing, of another shape, too many, or not finite.
    """
    tensors, wanted = stored.model_tensors(), model.state_dict()
    about = f"{stored.path} does not fit this architecture (preset {model.preset}, d = {model.latent_dim}, "
    about += f"{model.image_size} px, {model.channels} channels): "
    advice = " Load it with the configuration it was trained with."
    for name, value in wanted.items():
        if name not in tensors:
            raise CheckpointError(f"{about}it has no tensor {name} {tuple(value.shape)}.{advice}")
        if tensors[name].shape != value.shape:
            shapes = f"has shape {tuple(tensors[name].shape)}, wanted is {tuple(value.shape)}"
            raise CheckpointError(f"{about}its tensor {name} {shapes}.{advice}")
        if not torch.isfinite(tensors[name]).all():
            raise CheckpointError(f"{stored.path} holds NaN or infinity in {name}; use a checkpoint from before that.")
    for name in tensors:
        if name not in wanted:
            raise CheckpointError(f"{about}it has a tensor {name} {tuple(tensors[name].shape)} too many.{advice}")
    return {name: tensors[name].to(value.dtype) for name, value in wanted.items()}


def load_checkpoint(path: Path, state: TrainingState) -> dict[str, Any]:
    """Put the training state of file ``path`` into ``state``; returns the ``extra`` that was saved with it.

    Raises ``CheckpointError`` and changes nothing if it is damaged or belongs to another configuration.
    """
    from core.training.state import TrainingStateError

    stored = read_stored(path)
    if stored.kind != "checkpoint":
        raise CheckpointError(f"{path} holds weights only; a training resumes from a file in checkpoints/.")
    try:
        state.load_state_dict(stored.tensors, stored.state)
    except TrainingStateError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return stored.extra


def read_stored(path: Path) -> Stored:
    """Read and check a whole file. Raises ``CheckpointError`` if it is missing, damaged or not Isoline's."""
    path = Path(path)
    try:
        data = read_bytes(path, _MAX_BYTES)
    except UnreadableError as error:
        raise _damaged(path, str(error)) from error
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist; give a run folder or a .safetensors file.") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror or error}).") from error
    try:
        header = _read_header(path, data)
    except CheckpointError as error:
        foreign = foreign_model(path)
        if foreign is not None:  # it is sound, but another program's
            raise CheckpointError(str(foreign)) from error
        raise
    try:
        tensors = safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise _damaged(path, str(error)) from error
    if header.get("crc32") != _checksum(tensors):
        raise _damaged(path, "its checksum is wrong")
    try:
        config = config_from_dict(header.get("config"), path)
    except ConfigError as error:
        raise CheckpointError(str(error)) from error
    kind, step, epoch = header.get("kind"), header.get("step"), header.get("epoch")
    state, extra = header.get("state", {}), header.get("extra", {})
    if not (isinstance(step, int) and isinstance(epoch, int) and isinstance(state, dict) and isinstance(extra, dict)):
        raise _damaged(path, "its header is incomplete")
    if kind not in ("weights", "checkpoint"):
        raise CheckpointError(f"{path} is of kind {kind!r}; it must be weights or checkpoint.")
    return Stored(path, kind, tensors, config, step, epoch, state, extra)


def _read_header(path: Path, data: bytes) -> dict[str, Any]:
    if len(data) < 8:
        raise _damaged(path, f"it has only {len(data)} bytes")
    (size,) = struct.unpack_from("<Q", data)
    if size > min(len(data) - 8, _MAX_HEADER):
        raise _damaged(path, "its header is cut off, or it is no safetensors file")
    try:
        entries = decode_json(data[8 : 8 + size])
        metadata = entries.get("__metadata__", {}) if isinstance(entries, dict) else {}
        text = metadata.get(_METADATA_KEY) if isinstance(metadata, dict) else None
        if isinstance(text, str) and metadata.get(_CHECKSUM_KEY, _text_checksum(text)) != _text_checksum(text):
            raise _damaged(path, "the checksum of its header is wrong")
        header = decode_json(text) if isinstance(text, str) else None
    except UnreadableError as error:
        raise _damaged(path, f"in its header: {error}") from error
    if not isinstance(header, dict):
        raise CheckpointError(
            f"{path} is a safetensors file, but not one of Isoline's: its header holds no configuration."
        )
    if header.get("schema") != SCHEMA_VERSION:
        raise CheckpointError(
            f"{path} has schema version {header.get('schema')!r}; this version of Isoline reads {SCHEMA_VERSION}. "
            "Open it with the version that wrote it."
        )
    return header


def _save(path: Path, tensors: Mapping[str, Tensor], header: dict[str, Any]) -> None:
    plain = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    text = msgspec.json.encode({"schema": SCHEMA_VERSION, **header, "crc32": _checksum(plain)}).decode()
    write_atomic(path, safetensors.torch.save(plain, {_METADATA_KEY: text, _CHECKSUM_KEY: _text_checksum(text)}))


def _text_checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def _checksum(tensors: Mapping[str, Tensor]) -> int:
    """CRC-32 over names and bytes, in the order of names."""
    value = 0
    for name in sorted(tensors):
        value = zlib.crc32(name.encode(), value)
        flat = tensors[name].reshape(-1)
        if flat.numel():
            value = zlib.crc32(flat.view(torch.uint8).numpy().data, value)
    return value


def _damaged(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"{path} is damaged or truncated ({why}). Restore it from a copy, or use another checkpoint."
    )
