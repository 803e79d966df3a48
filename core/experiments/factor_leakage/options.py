"""Experiment C: does following a factor's curve change one factor and leave the other, where a straight line does not?

The default model is trained on the punctured set with several seeds. From the same starting points every kind of path
raises or lowers one factor by the same amount, and what the other factor did meanwhile, its leak, is read off the
decoded images with the dataset's own inverse. Geodesics are sent across the hole; all stages are timed; the net of
factor curves is drawn. Imports no torch.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from core.config import preset_config
from core.experiments.options import ExperimentError, ExperimentOptions, PlannedTraining

QUICK_COUNT, QUICK_EPOCHS, QUICK_STARTS, QUICK_PAIRS = 2000, 10, 20, 6
PAIRS = 30
MAX_STARTS = 10_000


@dataclass(frozen=True)
class Options(ExperimentOptions):
    """Train on images with a hole, change a factor along curves and straight lines, measure how the other one changes.

    By default the model's 34 epochs of 256 × 256 pixels. Run again with the same options, it resumes where it stopped;
    the measurements of a model are stored as well.
    """

    name: ClassVar[str] = "curves"

    starts: int = 200
    """Starting points of each factor, the same for all models and kinds of path; at most 20 if quick."""
    model: tuple[Path, ...] = ()
    """Measure these trained runs instead of training any."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.starts <= MAX_STARTS:
            raise ExperimentError(f"starts is {self.starts}; it must be 2 to {MAX_STARTS}.")
        if len(set(self.models)) < len(self.model):
            raise ExperimentError(f"model is {' '.join(self.models)}; each run can be measured only once.")

    @property
    def models(self) -> tuple[str, ...]:
        """The trained runs, as absolute paths."""
        return tuple(str(Path(path).resolve()) for path in self.model)

    @property
    def start_count(self) -> int:
        """How many starting points there are."""
        return min(self.starts, QUICK_STARTS) if self.quick else self.starts

    @property
    def pair_count(self) -> int:
        """How many pairs of places on opposite sides of the hole."""
        return QUICK_PAIRS if self.quick else PAIRS

    def settings(self) -> dict[str, Any]:
        """JSON-ready, without the folder: what must be the same to resume."""
        return {**super().settings(), "starts": self.start_count, "model": list(self.models) or None}

    def plan(self) -> list[PlannedTraining]:
        if self.model:
            return []
        compact = preset_config("compact")
        data = dataclasses.replace(self.with_sizes(compact.data, QUICK_COUNT), punctured=True)
        epochs = self.epochs or (QUICK_EPOCHS if self.quick else compact.training.epochs)
        planned = []
        for seed in range(self.seed_count):
            training = dataclasses.replace(compact.training, epochs=epochs, seed=seed)
            config = dataclasses.replace(compact, data=data, training=training)
            planned.append(PlannedTraining(f"default-{seed}", config, f"default, seed {seed}", "default"))
        return planned
