"""The tensors of another program's file by name: safetensors, or what torch.save wrote, by ``weights_only``."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from core.models.imported.onnx_graph import ImportedModelError
from core.runs.foreign import foreign_model

Made = TypeVar("Made", bound=torch.nn.Module)
STATES = ("state_dict", "model_state_dict", "model", "net", "network", "params")
"""Keys below which training programs save the tensors, the usual first."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of the file at ``path`` on the CPU. Raises ``ImportedModelError``; no code of the file is run."""
    path = Path(path)
    foreign = foreign_model(path)
    if foreign is not None and foreign.kind == "code":
        raise ImportedModelError(str(foreign))
    if path.suffix.lower() == ".safetensors":
        try:
            return safetensors.torch.load_file(path)
        except (safetensors.SafetensorError, OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
            raise ImportedModelError(f"{path} cannot be read ({error}). Copy it again.") from error
    _check_archive(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old files, about classes of torch's own
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ImportedModelError(f"{path} cannot be read ({error.strerror or error}).") from error
    except pickle.UnpicklingError as error:
        raise ImportedModelError(
            f"{path} holds more than tensors, and was not loaded: what else there is could run code "
            f"({_refused(error)}). In the program that made it save the tensors alone, "
            "torch.save(model.state_dict(), …), or export the model to ONNX."
        ) from error
    except Exception as error:  # a damaged file can make torch raise anything
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise ImportedModelError(f"{path} cannot be read ({why}); it may be damaged, or of another kind.") from error
    return _state(path, content)


def _check_archive(path: Path) -> None:
    """Raise ``ImportedModelError`` for an archive that unpacks to more than it holds."""
    if not path.is_file():
        raise ImportedModelError(f"{path} does not exist, or is no file.")
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            compressed = [info for info in archive.infolist() if info.compress_type != zipfile.ZIP_STORED]
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
        raise ImportedModelError(f"{path} cannot be read ({error}). Copy it again.") from error
    if compressed:
        raise ImportedModelError(f"{path} is a compressed archive, which PyTorch does not write; it is not opened.")


def _refused(error: pickle.UnpicklingError) -> str:
    """The name that torch did not allow, out of its long message."""
    words = str(error).split()
    if "GLOBAL" in words[:-1]:
        return f"it asks for {words[words.index('GLOBAL') + 1]}"
    return "it asks for more than torch allows"


def _state(path: Path, content: Any) -> dict[str, Tensor]:
    """The tensors of what a training program saved: itself, or below one of the usual keys."""
    candidates = [content]
    if isinstance(content, Mapping):
        candidates += [content[key] for key in STATES if key in content]
        candidates += [value for key, value in content.items() if key not in STATES and isinstance(value, Mapping)]
    for candidate in candidates:
        if not isinstance(candidate, Mapping):
            continue
        found = {str(name): value for name, value in candidate.items() if isinstance(value, Tensor)}
        if found and len(found) == len(candidate):
            _check_tensors(path, found)
            return found
    raise ImportedModelError(f"{path} holds no mapping from names to tensors. Save what model.state_dict() returns.")


def _check_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise ImportedModelError(f"{path}: {name} states {tuple(tensor.shape)}, more than the file holds of it.")


def built(make: Callable[[], Made], tensors: Mapping[str, Tensor], path: Path) -> tuple[Made, list[str]]:
    """What ``make`` makes, with its ``tensors`` in float32, and the names of those that it has no place for.

    Memory for it is taken only when all fit. Raises ``ImportedModelError`` that names the first tensor that is missing,
    of another shape or type, or not finite.
    """
    with torch.device("meta"):
        wanted = make().state_dict()
    for name, value in wanted.items():
        if name not in tensors:
            raise ImportedModelError(f"{path} has no tensor {name} {tuple(value.shape)}, which its settings ask for.")
        found = tensors[name]
        if found.shape != value.shape:
            raise ImportedModelError(
                f"{path}: {name} has shape {tuple(found.shape)}; its settings ask for {tuple(value.shape)}."
            )
        if not found.is_floating_point() or found.is_sparse or found.is_quantized:
            raise ImportedModelError(
                f"{path}: {name} is of type {found.dtype}; weights must be floating-point numbers."
            )
        if not torch.isfinite(found).all():
            raise ImportedModelError(f"{path}: {name} holds NaN or infinity; the training has diverged.")
    network = make()
    network.load_state_dict({name: tensors[name].float() for name in wanted})
    return network, [name for name in tensors if name not in wanted]
