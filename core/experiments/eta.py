"""How much of an experiment's training is done, and how long the rest will take at the speed measured so far.

Trainings differ in size and in network, so shares are counted in *work*: images times the relative cost of one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.config import DataConfig, RunConfig
from core.data.loading import curve_parameters, split
from core.experiments.options import ExperimentError, PlannedTraining

IMAGE_COST = {"compact": 1.0, "article": 40.0, "article-weighted": 40.0}
"""Time of one training image in units of the compact network's, measured on a CPU; only for what was not run yet."""


def training_images(config: DataConfig) -> int:
    """Training images of a ``curves`` dataset; draws none. Raises ``core.data.dataset.DatasetError``, or
    ``ExperimentError`` for another source."""
    if not config.drawn:
        raise ExperimentError(f"data.path is {config.path!r}; experiments train on curves, which need none.")
    return len(split(len(curve_parameters(config)), config)[0])


def planned_steps(planned: PlannedTraining) -> int:
    """Optimisation steps that a training will have made at its end."""
    training = planned.config.training
    steps = training.epochs * math.ceil(training_images(planned.config.data) / training.batch_size)
    return steps if planned.max_steps is None else min(planned.max_steps, steps)


def image_cost(config: RunConfig) -> float:
    """Relative time of one training image."""
    return IMAGE_COST[config.model.preset] * (config.data.image_size / 256) ** 2


class Workload:
    """The trainings of an experiment: ``done`` after each step, ``left_seconds`` at any time."""

    def __init__(self, planned: Sequence[PlannedTraining]) -> None:
        self._steps = {training.name: planned_steps(training) for training in planned}
        self._work = {
            training.name: image_cost(training.config) * training.config.training.batch_size for training in planned
        }
        self._made = dict.fromkeys(self._steps, 0)
        self._seconds: dict[str, tuple[int, float]] = {}
        """Steps of each training that were timed, and the seconds they took."""

    def steps(self, name: str) -> int:
        """Steps of training ``name`` in all."""
        return self._steps[name]

    def done(self, name: str, steps: int) -> None:
        """Training ``name`` has made ``steps`` steps."""
        self._made[name] = min(steps, self._steps[name])

    def finished(self, name: str) -> None:
        """Training ``name`` is over, however many steps it made."""
        self._made[name] = self._steps[name]

    def timed(self, name: str, steps: int, seconds: float) -> None:
        """``steps`` of training ``name`` took ``seconds``, validations included."""
        if steps > 0 and seconds > 0:
            self._seconds[name] = (steps, seconds)

    @property
    def fraction(self) -> float:
        """Share of all work that is done."""
        total = sum(self._steps[name] * work for name, work in self._work.items())
        done = sum(self._made[name] * work for name, work in self._work.items())
        return done / total if total else 1.0

    def left_seconds(self) -> float | None:
        """Seconds of training that are left; None while nothing was measured."""
        timed = sum(steps * self._work[name] for name, (steps, _) in self._seconds.items())
        taken = sum(seconds for _, seconds in self._seconds.values())
        if not timed or not taken:
            return None
        left = 0.0
        for name, work in self._work.items():
            steps, seconds = self._seconds.get(name, (timed, taken * work))
            left += (self._steps[name] - self._made[name]) * seconds / steps
        return left
