"""Options of the experiment "transects", and the trainings that it plans. Imports no torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from core.config import DataConfig, RunConfig, preset_config
from core.experiments.options import ExperimentError, ExperimentOptions, PlannedTraining
from core.experiments.transects import ablations

DEFAULT, ABLATION, ARTICLE = "default", "ablation", "article-weighted"
"""Groups of trainings."""

QUICK_SIZE, QUICK_COUNT, QUICK_EPOCHS, QUICK_ABLATION_EPOCHS, QUICK_ARTICLE_STEPS = 32, 1500, 4, 2, 20


@dataclass(frozen=True)
class Options(ExperimentOptions):
    """Train on images with a hole in their parameter plane, measure inside and outside it along P1, P2 and P3.

    By default the model's 16 epochs of 256 × 256 pixels. Run again with the same options, it resumes where it stopped.
    """

    name: ClassVar[str] = "transects"

    article_steps: int = 200
    """Steps of the published recipe, which is slow; 0 leaves it out."""
    ablations: bool = True
    """Also train changed models for a few epochs, to see what matters."""
    hole_a: float = DataConfig.hole_a
    """The hole's centre, scale a."""
    hole_b: float = DataConfig.hole_b
    """The hole's centre, petal depth b."""
    hole_radius: float = DataConfig.hole_radius
    """The hole's radius in the (a, b) plane."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.article_steps < 0:
            raise ExperimentError(f"article_steps is {self.article_steps}; it must be 0 or more.")


def plan(options: Options) -> list[PlannedTraining]:
    """The trainings, in the order they are made. Raises ``core.config.ConfigError`` for a bad value."""
    quick, compact = options.quick, preset_config("compact")

    def config(base: RunConfig, epochs: int, seed: int = 0) -> RunConfig:
        data = dataclasses.replace(
            base.data,
            punctured=True,
            hole_a=options.hole_a,
            hole_b=options.hole_b,
            hole_radius=options.hole_radius,
            image_size=options.image_size or (QUICK_SIZE if quick else base.data.image_size),
            count=QUICK_COUNT if quick else base.data.count,
        )
        return dataclasses.replace(
            base, data=data, training=dataclasses.replace(base.training, epochs=epochs, seed=seed)
        )

    epochs = options.epochs or (QUICK_EPOCHS if quick else compact.training.epochs)
    planned = [
        PlannedTraining(f"default-{seed}", config(compact, epochs, seed), f"default, seed {seed}", DEFAULT)
        for seed in range(options.seed_count)
    ]
    if options.ablations:
        base = config(compact, QUICK_ABLATION_EPOCHS if quick else ablations.EPOCHS)
        tried = [ablation for ablation in ablations.ABLATIONS if not quick or ablation.name in ablations.QUICK]
        planned += [
            PlannedTraining(
                f"ablation-{ablation.name}",
                ablations.with_changes(base, ablation.changes),
                f"ablation: {ablation.label}",
                ABLATION,
                required=False,
            )
            for ablation in (ablations.REFERENCE, *tried)
        ]
    if options.article_steps:
        steps = min(options.article_steps, QUICK_ARTICLE_STEPS) if quick else options.article_steps
        published = preset_config("article-weighted")
        article = config(published, published.training.epochs)
        label = "article-weighted, as published"
        planned.append(PlannedTraining(ARTICLE, article, label, ARTICLE, max_steps=steps, required=False))
    return planned
