"""What a run says of its imported networks, held against limits, and each network tried before it is opened.

A run directory may come from anybody, with a ``config.json`` whose hashes fit a file that crashes ONNX Runtime, never
ends or takes all memory. So a network that this computer has not tried yet is tried in a process of its own (``core.
models.imported.sandbox``), as at the import, before it is run where the window is served. Those that passed are kept as
empty files in the cache folder, named by a digest of file, tensors and version of ONNX Runtime.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from pathlib import Path

import msgspec
import numpy as np

from core.data.cache import cache_folder
from core.models.imported.onnx_graph import ImportedModelError, read_graph
from core.models.imported.pixel_format import MOST_PIXELS, layouts_of, limits, placement_of
from core.models.imported.sandbox import Sandbox
from core.runs.imported import OnnxDecoder, OnnxEncoder, OnnxModel, Tensor

MOST_NUMBERS = 4 * MOST_PIXELS**2
"""Numbers that one tensor may have."""
_TYPES = re.compile("float(16|32|64)|u?int(8|16|32|64)|bool")


def check_description(model: OnnxModel, latent_dim: int, shown: tuple[int, int, int]) -> None:
    """Raise ``ImportedModelError`` unless ``model`` is as an import writes it, for images ``shown`` (S, S, C)."""
    for part in (model.decoder, model.encoder):
        if part is not None and not _is_possible(part, model.reduction, latent_dim, shown):
            raise ImportedModelError(
                f"what config.json says of {part.file} does not go together: its tensors, its images or its latent "
                "dimensions are none that can be shown. Restore it, or import the model again."
            )


def _is_possible(part: OnnxDecoder | OnnxEncoder, reduction: int, latent_dim: int, shown: tuple[int, int, int]) -> bool:
    vector = part.latent if isinstance(part, OnnxDecoder) else part.mean
    for tensor in (vector, part.image, *(tensor for tensor, _ in part.fixed)):
        possible = _TYPES.fullmatch(tensor.dtype) and min(tensor.shape, default=1) >= 1
        if not possible or _count(tensor) > MOST_NUMBERS:
            return False
    numbers = int(_count(vector))
    fits = numbers == latent_dim if isinstance(part, OnnxDecoder) else 0 <= part.start <= numbers - latent_dim
    pixels = part.pixels
    try:
        limits(pixels.values)
    except ValueError:
        return False
    size = pixels.height, pixels.width, pixels.channels
    if not fits or (pixels.axes, *size) not in layouts_of(part.image.shape, size[:2]):
        return False
    placement = placement_of(*size)
    return max(size[:2]) <= MOST_PIXELS and (placement.shown_shape, placement.reduction) == (shown, reduction)


def _count(tensor: Tensor) -> float:
    return float(np.prod(tensor.shape, dtype=float))


def ensure_tried(folder: Path, part: OnnxDecoder | OnnxEncoder) -> None:
    """Try the network ``part`` in ``folder`` unless it has passed here before. Raises ``ImportedModelError``.

    Its files are what ``part`` says, and its description has been checked.
    """
    if _mark(part).exists():
        return
    path = folder / part.file
    graph = read_graph(path)
    given = part.latent if isinstance(part, OnnxDecoder) else part.image
    feeds = {tensor.name: np.full(tensor.shape, number, tensor.dtype) for tensor, number in ((given, 0), *part.fixed)}
    with Sandbox(graph.size) as sandbox:
        try:
            sandbox.attempt("network", graph.model, path, feeds)
        except ImportedModelError as error:
            raise ImportedModelError(f"{path} {error}") from error
    remember_tried(part)


def remember_tried(part: OnnxDecoder | OnnxEncoder) -> None:
    """Note that the network has passed. A cache that cannot be written is no fault: it is tried again."""
    mark = _mark(part)
    with contextlib.suppress(OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def _mark(part: OnnxDecoder | OnnxEncoder) -> Path:
    import onnxruntime

    told = msgspec.json.encode([msgspec.structs.replace(part, source=""), onnxruntime.__version__])
    return cache_folder() / "networks" / hashlib.sha256(told).hexdigest()
