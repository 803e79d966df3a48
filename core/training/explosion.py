"""A loss that grows beyond reason, found while the training can still go back: not only when it is no number any more.

A loss is beyond reason when it is more than ``training.loss_limit`` times what it usually was, for ``STREAK`` steps on
end. What is usual is the median of the last steps that were not beyond reason; before there are enough of them, the
loss of the first step. So the batches of an ordinary training, which differ among one another, never are: one of them
may be far worse than most, but not so many one after another. Where β, γ or the learning rate is changed by hand, the
loss means something else from there on, and what was usual is learned anew.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import dataclass

STREAK = 20
WINDOW = 200
"""Steps whose median is what is usual."""
LEAST = 20
"""Steps that it takes to know that."""
UNTRAINED = 0.1
"""Of the first loss: what is less is not called an explosion, however small the median has become."""


@dataclass(frozen=True)
class Exploded:
    """What was found; the step is not done. Who takes the next event lets it be done, if its loss is a number."""

    step: int
    """Steps done."""
    epoch: int
    """The epoch that it is in, from 1."""
    what: str
    """Such as "the loss" or "the validation loss"."""
    loss: float
    usual: float
    """The median of the losses before, NaN if there are none."""
    gradient_norm: float
    """Before clipping; NaN if it is not known."""
    learning_rate: float

    @property
    def finite(self) -> bool:
        """Whether the loss is a number."""
        return math.isfinite(self.loss)

    def __str__(self) -> str:
        if not self.finite:
            return diverged(f"{self.what} is {self.loss}", self.step, self.epoch, self.learning_rate)
        times = f", {self.loss / self.usual:,.0f} times its usual {self.usual:.3g}" if self.usual > 0.0 else ""
        what = f"{self.what} is {self.loss:.3g}{times}, and has been too large for {STREAK} steps,"
        return _gone_wrong(what, self.step, self.epoch, "it explodes", self.learning_rate)


def diverged(what: str, step: int, epoch: int, learning_rate: float) -> str:
    """The sentences that say that ``what`` is no number any more, after ``step`` steps, in ``epoch``."""
    return _gone_wrong(what, step, epoch, "the weights have diverged", learning_rate)


def _gone_wrong(what: str, step: int, epoch: int, why: str, learning_rate: float) -> str:
    return (
        f"{what} at step {step + 1} (epoch {epoch}): {why}, most likely because the learning rate "
        f"({learning_rate:.3g} here) is too high. Go back to the last checkpoint with a lower one and gradient "
        "clipping."
    )


class LossGuard:
    """Follows the losses of a training's steps. ``limit`` as in the configuration; 0: only numbers are asked for."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._first = math.nan
        self._usual: deque[float] = deque(maxlen=WINDOW)
        self._streak = 0
        self._settings: object = None

    def reset(self) -> None:
        """Learn anew what is usual."""
        self._usual.clear()
        self._first, self._streak = math.nan, 0

    def under(self, settings: object) -> bool:
        """The steps from now on are made with these ``settings``; whether they are others than before, which resets."""
        changed = self._settings is not None and settings != self._settings
        if changed:
            self.reset()
        self._settings = settings
        return changed

    @property
    def suspicious(self) -> bool:
        """Whether the last loss was beyond reason."""
        return self._streak > 0

    @property
    def usual(self) -> float:
        """What a loss usually is; NaN if nothing is known."""
        return statistics.median(self._usual) if len(self._usual) >= LEAST else self._first

    def explodes(self, loss: float) -> bool:
        """Whether it does with the ``loss`` of one more step."""
        if not math.isfinite(loss):
            return True
        if math.isnan(self._first):
            self._first = loss
        if self._limit > 0.0 and loss > max(self._limit * self.usual, UNTRAINED * self._first):
            self._streak += 1
        else:
            self._streak = 0
            self._usual.append(loss)
        return self._streak >= STREAK
