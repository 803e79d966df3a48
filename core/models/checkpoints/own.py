"""A network that a person's own ``load(state)`` makes of tensors: an object with ``decode``, ``encode``, or both.

``decode`` takes z float32 (1, d), ``encode`` an image as ``decode`` returns it, and returns the mean, alone or first in
a tuple: tensors of PyTorch. ``latent_dim`` says d; without ``decode``, ``image_shape`` says (C, H, W).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from core.models.checkpoints.network import Network
from core.models.imported.onnx_graph import ImportedModelError
from core.models.imported.parts import MOST_LATENTS


class _Function(nn.Module):
    """A function of the object as a module, with the object's weights if it is a module itself."""

    def __init__(self, owner: Any, name: str) -> None:
        super().__init__()
        self.owner, self.name = owner, name

    def forward(self, given: Tensor) -> Tensor:
        result = getattr(self.owner, self.name)(given)
        result = result[0] if isinstance(result, tuple | list) else result
        return result.flatten(1) if self.name == "encode" else result


def network_of(made: Any, source: str) -> Network:
    """The network that ``made`` is, which ``load`` in ``source`` returned. Raises ``ImportedModelError``."""
    has = {name: callable(getattr(made, name, None)) for name in ("decode", "encode")}
    if not any(has.values()):
        raise ImportedModelError(
            f"{source}: load(state) returned {type(made).__name__} without decode or encode. Return an object with "
            "decode(z), which takes z (1, d) and returns an image, with encode(x), or with both."
        )
    if isinstance(made, nn.Module):
        made.cpu().float().eval()
    d = getattr(made, "latent_dim", None)
    shape = getattr(made, "image_shape", None)
    if has["decode"]:
        if not isinstance(d, int) or not 1 <= d <= MOST_LATENTS:
            raise ImportedModelError(
                f"{source}: what load(state) returned has latent_dim = {d!r}; say its latent dimensions there, 1 to "
                f"{MOST_LATENTS:,}."
            )
        shape = tuple(_called(made, "decode", torch.zeros(1, d), source).shape)
    else:
        if not isinstance(shape, tuple | list) or len(shape) != 3 or not all(isinstance(n, int) for n in shape):
            raise ImportedModelError(
                f"{source}: what load(state) returned has image_shape = {shape!r}; without decode, "
                "say there the images "
                "that encode takes: (channels, height, width)."
            )
        shape = (1, *shape)
    if has["encode"]:
        mean = _called(made, "encode", torch.zeros(shape), source)
        d = d if isinstance(d, int) else mean.numel()
        if mean.numel() != d:
            raise ImportedModelError(
                f"{source}: encode returned shape {tuple(mean.shape)} for one image; "
                f"the mean has latent_dim = {d} numbers."
            )
    parts = [_Function(made, name) if has[name] else None for name in ("decode", "encode")]
    return Network(int(d or 0), parts[0], parts[1], shape, notes=(f"Computed as load(state) in {source} says.",))


def _called(made: Any, name: str, given: Tensor, source: str) -> Tensor:
    try:
        with torch.inference_mode():
            result = getattr(made, name)(given)
    except Exception as error:  # whatever a person's function raises
        raise ImportedModelError(
            f"{source}: {name} raised {type(error).__name__} for shape {tuple(given.shape)}: {error}"
        ) from error
    result = result[0] if isinstance(result, tuple | list) else result
    if not isinstance(result, Tensor):
        raise ImportedModelError(
            f"{source}: {name} returned {type(result).__name__}; it must be a tensor of PyTorch. "
            "Functions of numpy are "
            "opened by `isoline open`."
        )
    return result
