"""How many threads a training computes on, and into how many pieces its batches are cut.

A batch is cut where a piece is worth a thread of its own (``core.training.workers``). Batch normalisation looks at all
images of a batch at each layer: such networks are computed whole, and share each layer among PyTorch's own threads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

import torch

from core.models.vae import build_model, forward_flops
from core.training.accumulation import has_batch_normalisation, largest_part
from core.training.state import TrainingState
from core.training.workers import Workers

FLOPS_PER_THREAD = 4e9
"""Of a step that is computed whole, below which another of PyTorch's own threads gains nothing."""
LEAST_IMAGES = 6
"""Of a piece: each costs its own pass over the weights (two pieces of 8 images of 256²: 5 % more processor time than
one of 16; four pieces: 18 %)."""
LEAST_FLOPS = 2e9
"""Of a piece, forward and backward: at 64² two pieces of 8 images cost a third more than one of 16."""


def piece_count(model_flops: int, images: int) -> int:
    """Pieces of a batch of ``images`` that cost ``model_flops`` each, forward: a power of two."""
    count, work = 1, 3 * model_flops * images  # backward costs twice forward
    while images >= 2 * count * LEAST_IMAGES and work >= 2 * count * LEAST_FLOPS:
        count *= 2
    return count


def cuts_batches(state: TrainingState, processes: int, device: str) -> bool:
    """Whether batches may be cut into pieces: not where a layer looks at all images of a batch, not on accelerators,
    and not where several ``processes`` share the processors anyway."""
    return not has_batch_normalisation(state.model) and device == "cpu" and processes == 1


def piece_counter(state: TrainingState, processes: int, device: str) -> Callable[[int], int]:
    """What says into how many pieces so many images of a batch are cut: as the configuration says, or by their work."""
    if not cuts_batches(state, processes, device):
        return lambda _images: 1
    if chosen := state.config.training.pieces:
        return lambda images: min(chosen, images)
    # A twin is asked: to whoever looks into the network, an image that is counted would be one that is trained on.
    return partial(piece_count, forward_flops(build_model(state.config)))


def step_threads(state: TrainingState) -> int:
    """PyTorch's threads for a step that is computed whole: one for each ``FLOPS_PER_THREAD`` of its work, at most those
    that it has."""
    training = state.config.training
    images = largest_part(training.batch_size, training.accumulation, 1)
    work = 3 * forward_flops(build_model(state.config)) * images
    return max(1, min(torch.get_num_threads(), round(work / FLOPS_PER_THREAD)))


@contextlib.contextmanager
def training_threads(state: TrainingState, processes: int, device: str) -> Iterator[Workers]:
    """The workers of a training on ``device``; PyTorch's own number of threads is fit for it inside."""
    before = torch.get_num_threads()
    pieces = cuts_batches(state, processes, device)
    torch.set_num_threads(1 if pieces else step_threads(state))
    try:
        with Workers(before if pieces else 1) as workers:
            yield workers
    finally:
        torch.set_num_threads(before)
