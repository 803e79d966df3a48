"""How a training computes fastest on this machine's CPU: tried for a moment at its beginning, and kept in its run.

The weights depend on the number type and on how a batch is cut (``core.training.threads``), in the last digits only. So
the choice is made once, for a training that takes long enough, and written into ``config.json``: what goes on with the
run computes alike. A short training is not worth a trial; it follows the rules alone, and so gives the same weights
each time.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator

import torch

from core.config import RunConfig
from core.models.device import fast_bfloat16, resolve_device, resolve_precision
from core.models.vae import forward_flops
from core.training.accumulation import largest_part
from core.training.estimate import step_seconds
from core.training.state import TrainingState
from core.training.threads import cuts_batches, piece_counter

LONGEST_S = 2.0
"""Of all trials of a training."""
LEAST_FLOPS = 6e12
"""Of a training that is tried: a minute or more, on processors of today."""
STEPS = 8
LONGEST_TRIAL_S = 0.5
GAIN = 0.9
"""Share of a step's time that another way may take to be taken: what differs by less is as likely chance."""


def choose_computation(config: RunConfig, images: int) -> tuple[RunConfig, str]:
    """``config`` with the precision and the pieces of a batch in which a training on ``images`` images is fastest here,
    where these are left to the machine, and a line that says so; "" where nothing was tried.

    For a training of one process.
    """
    training = config.training
    state = TrainingState(config)
    batch = min(training.batch_size, images)
    part = largest_part(batch, training.accumulation, 1)
    flops = 3.0 * forward_flops(state.model) * images * training.epochs
    if training.pieces or flops < LEAST_FLOPS or not cuts_batches(state, 1, resolve_device(training.device)):
        return config, ""
    began = time.perf_counter()
    tried: dict[tuple[str, int], float] = {}

    def seconds(way: tuple[str, int]) -> float:
        """A step's; infinite once the time is up."""
        if way not in tried:
            left = LONGEST_S - (time.perf_counter() - began)
            if tried and left < max(tried.values()):
                return float("inf")
            tried[way] = step_seconds(_computed(config, *way), STEPS, min(LONGEST_TRIAL_S, left))
        return tried[way]

    precision = str(resolve_precision(training.precision, "cpu")).removeprefix("torch.")
    usual = precision, piece_counter(state, 1, "cpu")(part)
    best = usual
    for way in _ways(usual, part, choose_precision=training.precision == "auto" and fast_bfloat16("cpu")):
        if seconds(way) < GAIN * seconds(best):
            best = way
    rates = ", ".join(f"{_text(*way)} {batch / time_:,.0f}" for way, time_ in tried.items())
    said = f"Computes {_text(*best)}. Images a second in a short trial on this computer: {rates}."
    return _computed(config, *best), said


def inherit_computation(config: RunConfig, stored: RunConfig) -> RunConfig:
    """``config`` with the precision and the pieces that were chosen for ``stored``, where its own are left to the
    machine; of a training of one process, as those that choose are."""
    training = config.training
    if training.devices * training.nodes > 1:
        return config
    precision = stored.training.precision if training.precision == "auto" else training.precision
    return _computed(config, precision, training.pieces or stored.training.pieces)


def _ways(usual: tuple[str, int], images: int, choose_precision: bool) -> Iterator[tuple[str, int]]:
    """What is tried, the likeliest first: number types, then pieces for each of PyTorch's threads."""
    precision, pieces = usual
    yield usual
    others = [other for other in ("bfloat16", "float32") if choose_precision and other != precision]
    yield from ((other, pieces) for other in others)
    numbers = {
        1,
        *(2**power for power in range(1, 11) if 2**power <= min(2 * torch.get_num_threads() - 1, images // 2)),
    }
    for number in sorted(numbers - {pieces}, key=lambda number: abs(number - pieces)):
        yield from ((kind, number) for kind in (precision, *others))


def _computed(config: RunConfig, precision: str, pieces: int) -> RunConfig:
    training = dataclasses.replace(config.training, precision=precision, pieces=pieces)  # pyright: ignore[reportArgumentType]
    return dataclasses.replace(config, training=training)


def _text(precision: str, pieces: int) -> str:
    return f"in {precision}, batches in {pieces} pieces" if pieces > 1 else f"in {precision}, batches whole"
