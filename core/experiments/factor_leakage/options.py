"""Options of the experiment "curves", and the trainings that it plans. Imports no torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from core.config import preset_config
from core.experiments.options import ExperimentError, ExperimentOptions, PlannedTraining

DEFAULT = "default"
"""The group of its trainings."""

QUICK_SIZE, QUICK_COUNT, QUICK_EPOCHS, QUICK_STARTS, QUICK_PAIRS = 32, 2000, 10, 20, 6
PAIRS = 30
MAX_STARTS = 10_000


@dataclass(frozen=True)
class Options(ExperimentOptions):
    """Train on images with a hole, change a factor along curves and straight lines, measure how the other one changes.

    By default the model's 16 epochs of 256 × 256 pixels. Run again with the same options, it resumes where it stopped;
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


def plan(options: Options) -> list[PlannedTraining]:
    """The trainings, in the order they are made. Raises ``core.config.ConfigError`` for a bad value."""
    if options.model:
        return []
    compact, quick = preset_config("compact"), options.quick
    data = dataclasses.replace(
        compact.data,
        punctured=True,
        image_size=options.image_size or (QUICK_SIZE if quick else compact.data.image_size),
        count=QUICK_COUNT if quick else compact.data.count,
    )
    epochs = options.epochs or (QUICK_EPOCHS if quick else compact.training.epochs)
    planned = []
    for seed in range(options.seed_count):
        training = dataclasses.replace(compact.training, epochs=epochs, seed=seed)
        config = dataclasses.replace(compact, data=data, training=training)
        planned.append(PlannedTraining(f"default-{seed}", config, f"default, seed {seed}", DEFAULT))
    return planned
