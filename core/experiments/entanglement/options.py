"""Experiment B: does an entanglement penalty align the latent cloud with the latent axes?

The default model is trained on the full set without a penalty and with each of three, at several weights γ and with
several seeds, all equally long; the published β and γ beside them. Every cloud is measured: its images, its
covariance, its alignment with the axes against what random rotations give, its intrinsic dimension. Imports no torch.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from core.config import DataConfig, Entanglement, LossConfig, RunConfig, preset_config
from core.experiments.options import ExperimentError, ExperimentOptions, PlannedTraining

EPOCHS, IMAGE_SIZE = 6, 128
QUICK_EPOCHS, QUICK_COUNT = 3, 1200
PENALTIES: tuple[Entanglement, ...] = ("product", "covariance", "dip")
BETA = 3e-6
"""Ten times the default's: the penalties are compared at the KL term's weight for which they have been measured."""
ARTICLE_BETA, ARTICLE_GAMMA = 1e-3, 1e-4
"""The published experiment's weights; its penalty was ``product``."""


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
        for name in PENALTIES:
            gammas = getattr(self, name)
            if any(not gamma > 0 for gamma in gammas) or len(set(gammas)) < len(gammas):
                raise ExperimentError(f"{name} is {gammas}; its weights must be above 0 and differ.")

    def settings(self) -> dict[str, Any]:
        """JSON-ready, without the folder: what must be the same to resume."""
        return {**super().settings(), "seeds": self.seeds}  # as the folders of earlier versions have it

    def variants(self) -> list[Variant]:
        """The settings of the loss, the one without a penalty first."""
        chosen = [Variant("none", 0.0, BETA)]
        for form in PENALTIES:
            gammas: tuple[float, ...] = getattr(self, form)
            if self.quick:
                gammas = gammas[len(gammas) // 2 :][:1]
            chosen += [Variant(form, gamma, BETA) for gamma in gammas]
        if self.article:
            chosen.append(Variant("none", 0.0, ARTICLE_BETA, article=True))
            chosen.append(Variant("product", ARTICLE_GAMMA, ARTICLE_BETA, article=True))
        return chosen

    def plan(self) -> list[PlannedTraining]:
        """The trainings, in the order they are made: all settings of a seed before the next seed.

        Raises ``core.config.ConfigError`` for a bad value.
        """
        base = preset_config("compact")
        data = self.with_sizes(DataConfig(punctured=False, image_size=IMAGE_SIZE), QUICK_COUNT)
        epochs = self.epochs or (QUICK_EPOCHS if self.quick else EPOCHS)
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
            for seed in range(self.seed_count)
            for variant in self.variants()
        ]
