"""Where the batches of an epoch end, and the learning rate at each place of a training. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.config import TrainingConfig

FIRST_FACTOR = 1.0 / 25.0
"""Where a one-cycle schedule begins, in units of its peak."""
LAST_FACTOR = 1e-4


@dataclass(frozen=True)
class Cycle:
    """The stretch of a training that its schedule spans: from ``start``, in epochs, to the last epoch.

    A training has one, from 0. A training to which epochs are added has another from there, which begins at the
    learning ``rate`` of that moment (None: at the schedule's own) and warms up over the added epochs.
    """

    start: float = 0.0
    rate: float | None = None


def learning_rate(config: TrainingConfig, peak: float, epochs: float, cycle: Cycle) -> float:
    """The learning rate after ``epochs`` epochs, of which a part may be done.

    One-cycle (Smith and Topin 2017, arXiv 1708.07120), with cosine flanks: up to ``peak`` for the share
    ``config.warmup`` of the cycle, then down to almost zero. A cycle that begins at a higher rate than ``peak`` begins
    at ``peak``.
    """
    if config.schedule == "constant":
        return peak
    progress = (epochs - cycle.start) / (config.epochs - cycle.start)
    if progress < config.warmup:
        start = FIRST_FACTOR if cycle.rate is None else min(cycle.rate / peak, 1.0)
        end, fraction = 1.0, progress / config.warmup
    else:
        start, end, fraction = 1.0, LAST_FACTOR, min((progress - config.warmup) / (1.0 - config.warmup), 1.0)
    return peak * (end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * fraction)))


def fewest(batch: int, processes: int = 1) -> int:
    """Fewest images of a step: two for each process, because batch normalisation cannot learn from one.

    ``batch`` is the images of a step on all processes together. Who chooses one image a process gets one.
    """
    return processes * min(2, batch // processes)


def next_batch(left: int, batch: int, processes: int = 1) -> int:
    """Images of the next step of an epoch of which ``left`` images are left: ``batch``, or all of them where fewer than
    ``fewest`` would remain for the step after."""
    return left if left < batch + fewest(batch, processes) else batch


def steps_left(left: int, batch: int, processes: int = 1) -> int:
    """Steps that ``left`` images of an epoch make."""
    return max(0, (left - fewest(batch, processes)) // batch) + 1 if left > 0 else 0
