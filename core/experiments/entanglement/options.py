"""Options of the experiment "entanglement", and the trainings that it plans. Imports no torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from core.config import DataConfig, Entanglement, LossConfig, RunConfig, preset_config
from core.experiments.options import ExperimentError, ExperimentOptions, PlannedTraining

EPOCHS, IMAGE_SIZE = 6, 128
QUICK_EPOCHS, QUICK_SIZE, QUICK_COUNT = 3, 32, 1200
ARTICLE_BETA, ARTICLE_GAMMA = 1e-3, 1e-4
"""The published experiment's weights; its penalty was ``product``."""


@dataclass(frozen=True)
class Options(ExperimentOptions):
    """Train with and without an entanglement penalty, and measure how the latent clouds are oriented.

    By default 6 epochs of 128 × 128 pixels. Run again with the same options, it resumes where it stopped.
    """

    name: ClassVar[str] = "entanglement"

    product: tuple[float, ...] = (1e-5, 1e-4, 1e-3)
    """Weights γ of the penalty |μᵢ μⱼ|, the article's."""
    covariance: tuple[float, ...] = (1e-5, 1e-4, 1e-3)
    """Weights γ of the penalty |cov(μᵢ, μⱼ)|."""
    dip: tuple[float, ...] = (1e-5, 1e-4, 1e-3)
    """Weights γ of DIP-VAE-I."""
    article: bool = True
    """Also train with the published β, with and without the published penalty."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("product", "covariance", "dip"):
            gammas = getattr(self, name)
            if any(not gamma > 0 for gamma in gammas) or len(set(gammas)) < len(gammas):
                raise ExperimentError(f"{name} is {gammas}; its weights must be above 0 and differ.")

    def settings(self) -> dict[str, Any]:
        """JSON-ready, without the folder: what must be the same to resume."""
        return {**super().settings(), "seeds": self.seeds}  # as the folders of earlier versions have it


@dataclass(frozen=True)
class Variant:
    """One setting of the loss; its trainings differ in their seed alone."""

    entanglement: Entanglement
    gamma: float
    beta: float
    article: bool = False

    @property
    def name(self) -> str:
        """Unique, fit for a folder."""
        weight = "" if self.entanglement == "none" else f"-{self.gamma:g}"
        return f"{'article-' if self.article else ''}{self.entanglement}{weight}"

    @property
    def label(self) -> str:
        """For a person."""
        weight = "" if self.entanglement == "none" else f", γ = {self.gamma:g}"
        return f"{self.entanglement}{weight}{f', β = {self.beta:g}' if self.article else ''}"


def variants(options: Options) -> list[Variant]:
    """The settings, the one without a penalty first."""
    beta = LossConfig.beta
    chosen = [Variant("none", 0.0, beta)]
    forms: tuple[tuple[Entanglement, tuple[float, ...]], ...] = (
        ("product", options.product),
        ("covariance", options.covariance),
        ("dip", options.dip),
    )
    for form, gammas in forms:
        if options.quick:
            gammas = gammas[len(gammas) // 2 :][:1]
        chosen += [Variant(form, gamma, beta) for gamma in gammas]
    if options.article:
        chosen.append(Variant("none", 0.0, ARTICLE_BETA, article=True))
        chosen.append(Variant("product", ARTICLE_GAMMA, ARTICLE_BETA, article=True))
    return chosen


def plan(options: Options) -> list[PlannedTraining]:
    """The trainings, in the order they are made: all settings of a seed before the next seed.

    Raises ``core.config.ConfigError`` for a bad value.
    """
    base, quick = preset_config("compact"), options.quick
    data = DataConfig(
        punctured=False,
        image_size=options.image_size or (QUICK_SIZE if quick else IMAGE_SIZE),
        count=QUICK_COUNT if quick else DataConfig.count,
    )
    epochs = options.epochs or (QUICK_EPOCHS if quick else EPOCHS)
    return [
        PlannedTraining(
            f"{variant.name}-seed{seed}",
            RunConfig(
                data,
                base.model,
                LossConfig(entanglement=variant.entanglement, beta=variant.beta, gamma=variant.gamma),
                dataclasses.replace(base.training, epochs=epochs, seed=seed),
            ),
            f"{variant.label}, seed {seed}",
            variant.name,
            # A penalty may be too strong to train with: that is a result, too.
            required=variant.entanglement == "none",
        )
        for seed in range(options.seed_count)
        for variant in variants(options)
    ]
