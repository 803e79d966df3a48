"""Experiment A: does a model draw the curves of a hole that it never saw? Transects through it, measured.

The default model is trained on the punctured set with several seeds; changed ones, all equally short, show what
matters (``ABLATIONS``: edit it to try more); the published recipe runs for a few hundred steps beside them. Every
model is measured along the published transects P1, P2 and P3, against the true images. Imports no torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from core.config import DataConfig, RunConfig, preset_config, with_values
from core.experiments.options import ExperimentError, ExperimentOptions, PlannedTraining

DEFAULT, ABLATION, ARTICLE = "default", "ablation", "article-weighted"
"""Groups of trainings."""

QUICK_COUNT, QUICK_EPOCHS, QUICK_ABLATION_EPOCHS, QUICK_ARTICLE_STEPS = 1500, 4, 2, 20


ABLATION_EPOCHS = 6
"""Of every ablation and of the reference."""


@dataclass(frozen=True)
class Ablation:
    """One change of the default configuration."""

    name: str
    """Of its run's folder, after ``ablation-``."""
    label: str
    tests: str
    """What it tests, for the report."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Settings by their names, such as ``{"model.sigma": 0.05}``."""


REFERENCE = Ablation("reference", "default", "the reference: the default configuration, unchanged")

ABLATIONS = (
    Ablation(
        "full-size",
        "decoder at full resolution",
        "draws all pixels instead of enlarging a smaller image: do enlargement artefacts limit quality in the hole?",
        {"model.native_size": "full"},
    ),
    Ablation(
        "sigma-0.03",
        "σ = 0.03",
        "less noise: does the blur it causes limit quality in the hole?",
        {"model.sigma": 0.03},
    ),
    Ablation(
        "translation-0",
        "drawn in place",
        "draws every image in its place: does it help the hole that strokes are drawn at all places between cells?",
        {"training.translation": 0},
    ),
    Ablation("beta-1e-4", "β = 1e-4", "a stronger KL term and so a smaller cloud", {"loss.beta": 1e-4}),
    Ablation("latent-2", "d = 2", "as many dimensions as factors: the surface must lie flat", {"model.latent_dim": 2}),
)

QUICK_ABLATIONS = ("sigma-0.03", "latent-2")
"""Names of those that a quick experiment tries."""


@dataclass(frozen=True)
class Options(ExperimentOptions):
    """Train on images with a hole in their parameter plane, measure inside and outside it along P1, P2 and P3.

    By default the model's 34 epochs of 256 × 256 pixels. Run again with the same options, it resumes where it stopped.
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

    def plan(self) -> list[PlannedTraining]:
        quick, compact = self.quick, preset_config("compact")

        def config(base: RunConfig, epochs: int, seed: int = 0) -> RunConfig:
            data = dataclasses.replace(
                self.with_sizes(base.data, QUICK_COUNT),
                punctured=True,
                hole_a=self.hole_a,
                hole_b=self.hole_b,
                hole_radius=self.hole_radius,
            )
            return dataclasses.replace(
                base, data=data, training=dataclasses.replace(base.training, epochs=epochs, seed=seed)
            )

        epochs = self.epochs or (QUICK_EPOCHS if quick else compact.training.epochs)
        planned = [
            PlannedTraining(f"default-{seed}", config(compact, epochs, seed), f"default, seed {seed}", DEFAULT)
            for seed in range(self.seed_count)
        ]
        if self.ablations:
            base = config(compact, QUICK_ABLATION_EPOCHS if quick else ABLATION_EPOCHS)
            tried = [ablation for ablation in ABLATIONS if not quick or ablation.name in QUICK_ABLATIONS]
            planned += [
                PlannedTraining(
                    f"ablation-{ablation.name}",
                    with_values(base, ablation.changes),
                    f"ablation: {ablation.label}",
                    ABLATION,
                    required=False,
                )
                for ablation in (REFERENCE, *tried)
            ]
        if self.article_steps:
            steps = min(self.article_steps, QUICK_ARTICLE_STEPS) if quick else self.article_steps
            published = preset_config("article-weighted")
            article = config(published, published.training.epochs)
            label = "article-weighted, as published"
            planned.append(PlannedTraining(ARTICLE, article, label, ARTICLE, max_steps=steps, required=False))
        return planned
