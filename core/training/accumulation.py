"""The gradients of a batch, computed in parts one after another: a step then needs the memory of one part.

The parts' gradients are added up, weighted by their numbers of images, so that the step is that of the whole batch, up
to rounding. Penalties that are statistics of the whole batch (covariance, dip) are taken of all its means, which are
encoded once more for that (the way of Gao et al. 2021, arXiv 2101.06983). Where a network has batch normalisation, that
and these penalties see a part at a time, and the steps differ from those of whole batches.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import lightning_fabric
import torch
from torch import Tensor, nn

from core.config import LossConfig
from core.models.losses import entanglement_loss, vae_loss

_OF_THE_BATCH = ("covariance", "dip")
_ALLOCATORS = ("can't allocate memory", "not enough memory", "std::bad_alloc", "out of memory")
"""How PyTorch's allocators say that memory is out where they raise a plain ``RuntimeError``: CPU and MPS."""


@dataclass(frozen=True)
class Part:
    """Some images of a batch on the training's device: ``images`` (n, C, H, W), ``seen`` by the encoder (with noise, if
    any), the ``noise`` (n, d) of their latents, and their ``weights`` (n,)."""

    images: Tensor
    seen: Tensor
    noise: Tensor
    weights: Tensor


def has_batch_normalisation(model: nn.Module) -> bool:
    """Whether a layer of ``model`` looks at more than one image at a time."""
    return any(isinstance(layer, nn.BatchNorm2d) for layer in model.modules())


def least_part(model: nn.Module) -> int:
    """Fewest images of a part: batch normalisation cannot learn from one."""
    return 2 if has_batch_normalisation(model) else 1


def parts_of(count: int, accumulation: int, least: int) -> list[slice]:
    """``count`` images in ``accumulation`` parts, nearly equal ones, or in fewer of at least ``least`` images."""
    number = max(1, min(accumulation, count // least))
    edges = [place * count // number for place in range(number + 1)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def largest_part(count: int, accumulation: int, least: int) -> int:
    """Images of the largest part."""
    return max(part.stop - part.start for part in parts_of(count, accumulation, least))


def more_parts(count: int, accumulation: int, least: int) -> int | None:
    """The fewest parts of ``count`` images that are at most half as large as now; None if they cannot be."""
    half = largest_part(count, accumulation, least) // 2
    numbers = range(accumulation + 1, count // least + 1)
    return next((number for number in numbers if largest_part(count, number, least) <= half), None)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that memory is out: the device's, or the computer's."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _ALLOCATORS)


def backward(
    fabric: lightning_fabric.Fabric,
    model: Any,
    parts: list[slice],
    read: Callable[[slice], Part],
    loss: LossConfig,
    beta: float,
    gamma: float,
) -> Tensor:
    """Add the gradients of a batch's loss to those of ``model``, as ``fabric`` has set it up; ``read`` gives a part.

    Returns the loss and its terms (4,), detached, in the order of ``core.models.losses.TERM_NAMES``.
    """
    together = len(parts) > 1 and loss.entanglement in _OF_THE_BATCH and not has_batch_normalisation(model)
    pulls, entanglement = _pulls_of_the_batch(fabric, model, parts, read, loss) if together else (None, None)
    total = torch.zeros(4, device=fabric.device)
    for place in parts:
        share = (place.stop - place.start) / parts[-1].stop
        waits = fabric.world_size > 1 and place is not parts[-1]
        with fabric.no_backward_sync(model) if waits else contextlib.nullcontext():
            part = read(place)
            logits, mu, log_variance = model(part.seen, part.noise)
            own = 0.0 if together else gamma
            losses = vae_loss(logits, part.images, mu, log_variance, part.weights, loss, beta, own)
            total += share * losses.stacked()
            value = losses.loss if len(parts) == 1 else share * losses.loss
            if pulls is not None:
                value = value + gamma * (mu * pulls[place]).sum()
            fabric.backward(value)
    if entanglement is not None:
        total[3] = entanglement
        total[0] += gamma * entanglement
    return total


def _pulls_of_the_batch(
    fabric: lightning_fabric.Fabric, model: Any, parts: list[slice], read: Callable[[slice], Part], loss: LossConfig
) -> tuple[Tensor, Tensor]:
    """(the gradient (n, d) of a whole batch's entanglement with respect to its means, the entanglement itself)."""
    means, weights = [], []
    with torch.no_grad(), fabric.autocast():
        for place in parts:
            part = read(place)
            means.append(model.module.encode(part.seen)[0].float())
            weights.append(part.weights)
    mu = torch.cat(means).requires_grad_()
    entanglement = (torch.cat(weights) * entanglement_loss(mu, loss.entanglement)).mean()
    return torch.autograd.grad(entanglement, mu)[0], entanglement.detach()
