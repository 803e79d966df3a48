"""What the options of every experiment have in common, and a training that an experiment plans. Imports no torch."""

from __future__ import annotations

import dataclasses
import os
import platform
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from core.config import DataConfig, RunConfig, config_to_dict
from core.utils.versions import versions

SCHEMA_VERSION = 1
"""Of the files in an experiment's folder."""
QUICK_SIZE = 32
"""Height and width of a quick experiment's images in pixels."""
MAX_SEEDS = 100

Log = Callable[[str], None]
"""Gets lines for a person."""


class ExperimentError(RuntimeError):
    """An experiment that cannot run as asked; the message names the file or option, its value and what to do."""


@dataclass(frozen=True)
class ExperimentOptions(ABC):
    """Options of every experiment. Raises ``ExperimentError`` unless there are 1 to 100 seeds."""

    name: ClassVar[str]
    """Of the experiment, on the command line and in its folder."""

    out: Path
    """The experiment's folder; it is created if it does not exist."""
    seeds: int = 3
    """Trainings of each model, with seeds 0, 1, 2, …"""
    quick: bool = False
    """A small, fast version of everything, to check that it works: one seed, 32 × 32 images, few epochs."""
    epochs: int | None = None
    """Passes over the training images; empty: the experiment's own default."""
    image_size: int | None = None
    """Height and width of an image in pixels; empty: the experiment's own default."""

    def __post_init__(self) -> None:
        if not 1 <= self.seeds <= MAX_SEEDS:
            raise ExperimentError(f"seeds is {self.seeds}; it must be 1 to {MAX_SEEDS}.")

    @property
    def seed_count(self) -> int:
        """How many seeds there are."""
        return 1 if self.quick else self.seeds

    @abstractmethod
    def plan(self) -> list[PlannedTraining]:
        """The trainings, in the order they are made. Raises ``core.config.ConfigError`` for a bad value."""

    def settings(self) -> dict[str, Any]:
        """JSON-ready, without the folder: what must be the same to resume."""
        values = dataclasses.asdict(self)
        del values["out"]
        return {**values, "seeds": self.seed_count}

    def report_head(self, config: RunConfig) -> dict[str, Any]:
        """What every report begins with, JSON-ready: schema, experiment, settings, versions and platform.

        ``config`` is that of the first model.
        """
        return {
            "schema": SCHEMA_VERSION,
            "experiment": self.name,
            "settings": {**self.settings(), "configuration": config_to_dict(config)},
            "versions": versions(),
            "platform": {"system": platform.platform(), "processors": os.cpu_count()},
        }

    def with_sizes(self, data: DataConfig, quick_count: int) -> DataConfig:
        """``data`` with the image size that was asked for; a quick experiment's is small, of ``quick_count`` images."""
        return dataclasses.replace(
            data,
            image_size=self.image_size or (QUICK_SIZE if self.quick else data.image_size),
            count=quick_count if self.quick else data.count,
        )


@dataclass(frozen=True)
class PlannedTraining:
    """One training of an experiment."""

    name: str
    """Its folder below ``runs/``."""
    config: RunConfig
    label: str
    """What reports and progress call it."""
    group: str
    """Trainings of one group differ in their seed alone."""
    max_steps: int | None = None
    """Stop after about this many steps, with a checkpoint; None: train all epochs."""
    required: bool = True
    """False: a training that diverges is a result, and the experiment continues without it."""
