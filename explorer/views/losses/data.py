"""What the loss plot knows of a run: curves by name, changed hyperparameters, and the best epoch, from its metrics."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from PySide6.QtGui import QColor

from explorer.widgets.theme import Theme

STEP_CURVES = ("loss", "reconstruction", "kl", "entanglement")
CURVES = (*STEP_CURVES, "validation")
REGULARISERS = frozenset(("kl", "entanglement"))
"""Recorded before β and γ multiply them, so on another scale than the loss: they have an axis of their own."""
X_AXES = ("step", "epoch", "time")
MOST_MARKS = 50
_HYPERPARAMETERS = {"learning_rate": "lr", "beta": "β", "gamma": "γ"}
_RESUME = {"epochs": "epochs", "batch_size": "batch", "clip": "clip", "device": "device", "precision": "precision"}


def curve_color(name: str, theme: Theme) -> QColor:
    """The colour of the curve ``name``."""
    return QColor(theme.series[CURVES.index(name) % len(theme.series)])


@dataclass
class PlotSettings:
    """How the curves are drawn; ``axis`` is step, epoch or time, ``smoothing`` 0 to 0.999."""

    shown: set[str] = field(default_factory=lambda: set(CURVES))
    log: bool = True
    smoothing: float = 0.9
    axis: str = "step"


@dataclass(frozen=True)
class Mark:
    """Hyperparameters that changed at ``step`` (and ``time``, seconds): their new values, as text."""

    step: float
    time: float
    text: str


class LossData:
    """Records in, arrays out. Curves share the columns of their kind: training steps, or epochs."""

    def __init__(self) -> None:
        self._steps = {name: array("d") for name in ("step", "time", *STEP_CURVES)}
        self._epochs = {name: array("d") for name in ("step", "epoch", "time", "validation")}
        self._marks: list[Mark] = []
        self.best: int | None = None  # index of the epoch with the least validation loss

    def clear(self) -> None:
        """Forget the run."""
        self.__init__()

    def __len__(self) -> int:
        return len(self._steps["step"]) + len(self._epochs["step"])

    def append(self, records: list[dict[str, Any]]) -> None:
        """Take the steps, epochs and changed hyperparameters among ``records``; other kinds are skipped."""
        for record in records:
            if not isinstance(record.get("step"), (int, float)):
                continue
            kind = record.get("kind")
            if kind == "step":
                for name, column in self._steps.items():
                    column.append(_number(record.get(name)))
            elif kind == "epoch":
                self._append_epoch(record)
            elif kind == "event" and record.get("event") == "hyperparameters":
                self._append_change(record)

    def _append_epoch(self, record: dict[str, Any]) -> None:
        validation = record.get("validation")
        values = {
            "step": record.get("step"),
            "epoch": record.get("epoch"),
            "time": record.get("time", self._last_time),
            "validation": validation.get("loss") if isinstance(validation, dict) else None,
        }
        for name, column in self._epochs.items():
            column.append(_number(values[name]))
        curve = self._epochs["validation"]
        if math.isfinite(curve[-1]) and (self.best is None or curve[-1] < curve[self.best]):
            self.best = len(curve) - 1

    def _append_change(self, record: dict[str, Any]) -> None:
        # A record holds all three hyperparameters; "changed" says which values are new, those of a resumed run, too.
        changed = record.get("changed") or list(_HYPERPARAMETERS)
        values = {text: record.get(name) for name, text in (_RESUME | _HYPERPARAMETERS).items() if name in changed}
        parts = [f"{text} {_shown(value)}" for text, value in values.items() if value is not None]
        time = _number(record.get("time", self._last_time))
        self._marks.append(Mark(_number(record.get("step")), time, "  ".join(parts)))

    @property
    def marks(self) -> list[Mark]:
        """The changed hyperparameters; of very many the newest, of which the first says so."""
        if not self.unmarked:
            return self._marks
        first, *others = self._marks[-MOST_MARKS:]
        return [replace(first, text=f"{self.unmarked:,} earlier changes are not marked · {first.text}"), *others]

    @property
    def unmarked(self) -> int:
        """How many earlier changes are not among ``marks``."""
        return max(0, len(self._marks) - MOST_MARKS)

    @property
    def _last_time(self) -> float:
        return self._steps["time"][-1] if self._steps["time"] else 0.0

    def x(self, name: str, axis: str) -> np.ndarray:
        """The abscissa of a curve, float64 (n,); ``axis`` is step, epoch or time (seconds)."""
        columns = self._epochs if name == "validation" else self._steps
        values = np.array(columns["time" if axis == "time" else "step"])
        return self._epochs_at(values) if axis == "epoch" else values

    def y(self, name: str) -> np.ndarray:
        """The values of a curve as recorded, float64 (n,); NaN where there is none."""
        return np.array((self._epochs if name == "validation" else self._steps)[name])

    def _epochs_at(self, steps: np.ndarray) -> np.ndarray:
        """Epochs done after ``steps`` (n,) optimiser steps: an epoch has fewer where the batches are larger. Beyond the
        last epoch as in it; the steps themselves until one has ended."""
        ends, epochs = (np.array([0.0, *self._epochs[name]]) for name in ("step", "epoch"))
        if len(ends) < 2 or ends[-1] <= ends[-2]:
            return steps
        beyond = np.maximum(steps - ends[-1], 0.0) * (epochs[-1] - epochs[-2]) / (ends[-1] - ends[-2])
        return np.interp(steps, ends, epochs) + beyond

    def marks_x(self, axis: str) -> list[float]:
        """The abscissas of the marks."""
        if axis == "time":
            return [mark.time for mark in self.marks]
        steps = np.array([mark.step for mark in self.marks])
        return (self._epochs_at(steps) if axis == "epoch" else steps).tolist()


def smoothed(values: np.ndarray, weight: float) -> np.ndarray:
    """Exponential moving average of ``values`` (n,), corrected for its start (as in Adam: Kingma & Ba 2015, eq. 4).

    y_t = (1 - w) sum_k w^k x_(t-k) / (1 - w^(t+1)) with ``weight`` w in [0, 1). Values that are not finite are skipped:
    the average stays where it was; NaN before the first finite one.
    """
    if weight <= 0.0:
        return values
    finite = np.isfinite(values)
    known = values[finite]
    average = np.empty(len(known) + 1)
    average[0] = math.nan
    # s_t = w s_(t-1) + x_t as a cumulative sum of x_t / w^t, in blocks short enough that w^-t stays finite.
    # (scipy.signal.lfilter does the same, but its import takes longer than everything else in this panel.)
    size = max(1, min(len(known), int(-200.0 / math.log10(weight))))
    decay, carry = weight ** np.arange(1.0, size + 1.0), 0.0
    growth = 1.0 / decay
    for start in range(0, len(known), size):
        part = known[start : start + size]
        sums = (carry + np.cumsum(part * growth[: len(part)])) * decay[: len(part)]
        average[1 + start : 1 + start + len(part)] = sums
        carry = float(sums[-1])
    average[1:] *= 1.0 - weight
    average[1 : 1 + size] /= 1.0 - decay
    return average[np.cumsum(finite)]


def _shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan
