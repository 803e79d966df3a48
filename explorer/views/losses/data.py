"""What the loss plot knows of a run: curves by name, marks, and the best epoch, taken from metrics records."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from explorer.views.losses.series import Column, Smoother

STEP_CURVES = ("loss", "reconstruction", "kl", "entanglement")
CURVES = (*STEP_CURVES, "validation")
X_AXES = ("step", "epoch", "time")
_MARKED = {"learning_rate": "lr", "beta": "β", "gamma": "γ"}


@dataclass(frozen=True)
class Mark:
    """Something that happened at ``step``: what changed, in a few letters."""

    step: float
    time: float
    text: str


class LossData:
    """Records in, arrays out. Curves share the columns of their kind: training steps, or epochs."""

    def __init__(self) -> None:
        self._steps = {name: Column() for name in ("step", "time", *STEP_CURVES)}
        self._epochs = {name: Column() for name in ("step", "epoch", "time", "validation")}
        self.marks: list[Mark] = []
        self.best: int | None = None  # place among the epochs
        self._smoothers: dict[str, Smoother] = {}

    def clear(self) -> None:
        """Forget the run."""
        self.__init__()

    def __len__(self) -> int:
        return len(self._steps["step"]) + len(self._epochs["step"])

    def append(self, records: list[dict[str, Any]]) -> None:
        """Take the records that matter here; unknown kinds are passed over."""
        steps = [record for record in records if record.get("kind") == "step"]
        if steps:
            for name, column in self._steps.items():
                column.extend(np.array([_number(record.get(name)) for record in steps]))
        for record in records:
            if record.get("kind") == "epoch":
                self._take_epoch(record)
            elif record.get("kind") == "event" and record.get("event") == "hyperparameters":
                self._take_change(record)

    def _take_epoch(self, record: dict[str, Any]) -> None:
        validation = record.get("validation")
        value = _number(validation.get("loss")) if isinstance(validation, dict) else math.nan
        row = {"step": record.get("step"), "epoch": record.get("epoch"), "time": record.get("time", self._now())}
        for name, column in self._epochs.items():
            column.extend(np.array([value if name == "validation" else _number(row[name])]))
        curve = self._epochs["validation"].values
        self.best = int(np.nanargmin(curve)) if np.isfinite(curve).any() else None

    def _take_change(self, record: dict[str, Any]) -> None:
        changed = record.get("changed") or list(_MARKED)  # a record states all three values, and which of them are new
        values = {text: record.get(name) for name, text in _MARKED.items() if name in changed}
        parts = [f"{text} {value:.3g}" for text, value in values.items() if isinstance(value, (int, float))]
        step = _number(record.get("step"))
        self.marks.append(Mark(step, _number(record.get("time", self._now())), "  ".join(parts)))

    def _now(self) -> float:
        times = self._steps["time"].values
        return float(times[-1]) if len(times) else 0.0

    # curves

    def x(self, name: str, axis: str) -> np.ndarray:
        """The abscissa of a curve; ``axis`` is step, epoch or time (seconds)."""
        columns = self._epochs if name == "validation" else self._steps
        if axis == "time":
            return columns["time"].values
        if axis == "epoch":
            return columns["step"].values / self.steps_per_epoch
        return columns["step"].values

    def y(self, name: str) -> np.ndarray:
        """The values of a curve, as recorded."""
        return (self._epochs if name == "validation" else self._steps)[name].values

    def smoothed(self, name: str, weight: float) -> np.ndarray:
        """The values of a curve after smoothing by ``weight``; validation stays as it is."""
        values = self.y(name)
        if name == "validation" or weight <= 0:
            return values
        if name not in self._smoothers or self._smoothers[name].weight != weight:
            self._smoothers[name] = Smoother(weight)
        return self._smoothers[name].follow(values)

    @property
    def steps_per_epoch(self) -> float:
        """Optimiser steps of one epoch; 1 until an epoch has ended."""
        steps, epochs = self._epochs["step"].values, self._epochs["epoch"].values
        return float(steps[-1] / epochs[-1]) if len(steps) and epochs[-1] > 0 else 1.0

    def mark_x(self, mark: Mark, axis: str) -> float:
        """Where a mark stands on ``axis``."""
        if axis == "time":
            return mark.time
        return mark.step / self.steps_per_epoch if axis == "epoch" else mark.step


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan
