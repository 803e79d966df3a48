"""The gradients of a batch, computed in parts one after another: a step then needs the memory of one part.

The parts' gradients are added up, weighted by their numbers of images, so that the step is that of the whole batch, up
to rounding. Penalties that are statistics of the whole batch (covariance, dip) are taken of all its means, which are
encoded once more for that (the way of Gao et al. 2021, arXiv 2101.06983). Where a network has batch normalisation, that
and these penalties see a part at a time, and the steps differ from those of whole batches.

A part itself may be computed in pieces side by side (``core.training.workers``), which come to the same.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import lightning_fabric
import torch
from torch import Tensor, nn

from core.config import LossConfig
from core.models.losses import entanglement_loss, vae_loss
from core.training.workers import Workers
from core.utils.text import size_text

_OF_THE_BATCH = ("covariance", "dip")
_ALLOCATORS = ("can't allocate memory", "not enough memory", "std::bad_alloc", "out of memory")
"""How PyTorch's allocators say that memory is out where they raise a plain ``RuntimeError``: CPU and MPS."""


@dataclass(frozen=True)
class Part:
    """Some images of a batch on the training's device: ``images`` (n, C, H, W), ``seen`` by the encoder (with noise, if
    any), the ``noise`` (n, d) of their latents, their ``weights`` (n,), and how far each is ``moved`` (n, 2) where it
    is drawn, if any is."""

    images: Tensor
    seen: Tensor
    noise: Tensor
    weights: Tensor
    moved: Tensor | None = None


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


def memory_reason(text: str) -> str:
    """What an allocator says, on one line; of PyTorch's for the CPU only how much it was asked for."""
    asked = re.search(r"tried to allocate (\d+) bytes", text)
    return f"{size_text(int(asked[1]))} more were needed" if asked else " ".join(text.split())


def backward(
    fabric: lightning_fabric.Fabric,
    model: Any,
    parts: list[slice],
    read: Callable[[slice], Part],
    loss: LossConfig,
    beta: float,
    gamma: float,
    piece_count: Callable[[int], int],
    workers: Workers,
) -> Tensor:
    """Add the gradients of a batch's loss to those of ``model``, as ``fabric`` has set it up; ``read`` gives a part.

    A part is computed in ``piece_count`` (of its images) pieces by ``workers``. Returns the loss and its terms (4,),
    detached, in the order of ``core.models.losses.TERM_NAMES``.
    """
    count = parts[-1].stop
    pieces = [_pieces(part, piece_count(part.stop - part.start)) for part in parts]
    together = loss.entanglement in _OF_THE_BATCH and not has_batch_normalisation(model)
    together = together and sum(map(len, pieces)) > 1
    pulls, entanglement = None, None
    if together:
        places = [piece for part in pieces for piece in part]
        pulls, entanglement = _pulls_of_the_batch(fabric, model, places, read, loss, workers)
    total = torch.zeros(4, device=fabric.device)

    def value_of(place: slice) -> tuple[Tensor, Tensor]:
        """What the images at ``place`` add to the loss of the batch, and to it and its terms."""
        part = read(place)
        with fabric.autocast():
            # Only several processes need what Fabric wraps the network in, which would round the noise to bfloat16.
            network = model if fabric.world_size > 1 else model.module
            logits, mu, log_variance = network(part.seen, part.noise, part.moved)
        own = 0.0 if together else gamma
        losses = vae_loss(logits, part.images, mu, log_variance, part.weights, loss, beta, own)
        fraction = (place.stop - place.start) / count
        value = losses.loss if fraction == 1.0 else fraction * losses.loss
        if pulls is not None:
            value = value + gamma * (mu * pulls[place]).sum()
        return value, fraction * losses.stacked()

    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def gradients_of(place: slice) -> tuple[tuple[Tensor, ...], Tensor]:
        value, terms = value_of(place)
        return torch.autograd.grad(value, parameters), terms

    for part in pieces:
        if len(part) > 1:
            computed = workers.map(gradients_of, part)
            for gradients, terms in computed:  # in their order, whichever was done first
                _add_gradients(parameters, gradients)
                total += terms
            continue
        waits = fabric.world_size > 1 and part is not pieces[-1]
        with fabric.no_backward_sync(model) if waits else contextlib.nullcontext():
            value, terms = value_of(part[0])
            total += terms
            fabric.backward(value)
    if entanglement is not None:
        total[3] = entanglement
        total[0] += gamma * entanglement
    return total


def _pieces(part: slice, number: int) -> list[slice]:
    return [
        slice(part.start + piece.start, part.start + piece.stop)
        for piece in parts_of(part.stop - part.start, number, 1)
    ]


def _add_gradients(parameters: list[nn.Parameter], gradients: tuple[Tensor, ...]) -> None:
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if parameter.grad is not None:
            parameter.grad += gradient
        elif gradient.stride() == parameter.stride():
            parameter.grad = gradient
        else:  # a fused optimizer takes both for laid out alike
            parameter.grad = torch.empty_like(parameter).copy_(gradient)


def _pulls_of_the_batch(
    fabric: lightning_fabric.Fabric,
    model: Any,
    places: list[slice],
    read: Callable[[slice], Part],
    loss: LossConfig,
    workers: Workers,
) -> tuple[Tensor, Tensor]:
    """(the gradient (n, d) of a whole batch's entanglement with respect to its means, the entanglement itself)."""

    @torch.no_grad()
    def encoded(place: slice) -> tuple[Tensor, Tensor]:
        part = read(place)
        with fabric.autocast():
            return model.module.encode(part.seen)[0].float(), part.weights

    means, weights = zip(*workers.map(encoded, places), strict=True)
    mu = torch.cat(means).requires_grad_()
    entanglement = (torch.cat(weights) * entanglement_loss(mu, loss.entanglement)).mean()
    return torch.autograd.grad(entanglement, mu)[0], entanglement.detach()
