"""Experiment B: does an entanglement penalty turn the sheet of means to the latent axes?

The default model is trained on the full set without a penalty and with each of three, at several weights γ and with
several seeds, all equally long; the published β and γ beside them. Every cloud is measured: its images, its
covariance, its alignment with the axes against what random rotations give, its intrinsic dimension. Importing this
imports no torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config import DataConfig, Entanglement, LossConfig, RunConfig, preset_config
from core.experiments.folder import ExperimentError, ExperimentFolder, Planned, check_seeds

NAME = "entanglement"

EPOCHS, IMAGE_SIZE = 6, 128
QUICK_EPOCHS, QUICK_SIZE, QUICK_COUNT = 3, 32, 1200
ARTICLE_BETA, ARTICLE_GAMMA = 1e-3, 1e-4
"""The published experiment's weights; its penalty was ``product``."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """Train with and without an entanglement penalty, measure how the clouds lie, and write a report.

    Run again with the same options, it goes on where it stopped.
    """

    out: Path
    """The experiment's folder; it is made if it is not there."""
    seeds: int = 3
    """Trainings of each setting, with seeds 0, 1, 2, …"""
    quick: bool = False
    """A small version of everything, to see that it works: 32 × 32 images, few epochs, one seed, one γ a penalty."""
    epochs: int | None = None
    """Passes over the training images, the same for all; empty: 6."""
    image_size: int | None = None
    """Height and width of an image in pixels; empty: 128."""
    product: tuple[float, ...] = (1e-5, 1e-4, 1e-3)
    """Weights γ of the penalty |μᵢ μⱼ|, the article's."""
    covariance: tuple[float, ...] = (1e-5, 1e-4, 1e-3)
    """Weights γ of the penalty |cov(μᵢ, μⱼ)|."""
    dip: tuple[float, ...] = (1e-5, 1e-4, 1e-3)
    """Weights γ of DIP-VAE-I."""
    article: bool = True
    """Also train with the published β, with and without the published penalty."""

    def __post_init__(self) -> None:
        check_seeds(self.seeds)
        for name in ("product", "covariance", "dip"):
            gammas = getattr(self, name)
            if any(not gamma > 0 for gamma in gammas) or len(set(gammas)) < len(gammas):
                raise ExperimentError(f"{name} is {gammas}; its weights must be above 0 and differ.")

    def settings(self) -> dict[str, Any]:
        """JSON-ready, without the folder: what must be the same to go on."""
        values = dataclasses.asdict(self)
        del values["out"]
        return values


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


def plan(options: Options) -> list[Planned]:
    """The trainings, in the order they are made: all settings of a seed before the next seed.

    Raises ``core.config.ConfigError`` for a bad value.
    """
    seeds = 1 if options.quick else options.seeds
    return [_planned(options, variant, seed) for seed in range(seeds) for variant in variants(options)]


def run(options: Options, say: Say) -> dict[str, Any]:
    """Train, measure, and write ``report.html`` and ``report.json``; returns the latter's content.

    ``say`` gets lines for a person. Raises ``core.experiments.folder.Stopped``, ``ExperimentError`` (folder of other
    options), and what a training raises.
    """
    planned = plan(options)
    folder = ExperimentFolder(options.out)
    with folder.begin(NAME, options.settings()):
        folder.report("starting", 0.0)
        from core.experiments.entanglement.analysis import analyse
        from core.experiments.entanglement.page import make_page
        from core.experiments.entanglement.report import make_report
        from core.experiments.training_queue import train_all
        from core.reporting.page import write_report

        runs = train_all(planned, folder, say)
        analysis = analyse(variants(options), planned, runs, folder, say)
        folder.check_stop()
        folder.report("writing the report", 0.98)
        report = make_report(options, analysis)
        write_report(folder.path, make_page(options, analysis, report), report)
        say(f"report: {folder.html_path}")
    return report


def _planned(options: Options, variant: Variant, seed: int) -> Planned:
    base = preset_config("compact")
    quick = options.quick
    config = RunConfig(
        DataConfig(
            punctured=False,
            image_size=options.image_size or (QUICK_SIZE if quick else IMAGE_SIZE),
            count=QUICK_COUNT if quick else DataConfig.count,
        ),
        base.model,
        LossConfig(entanglement=variant.entanglement, beta=variant.beta, gamma=variant.gamma),
        dataclasses.replace(base.training, epochs=options.epochs or (QUICK_EPOCHS if quick else EPOCHS), seed=seed),
    )
    # A penalty may be too strong to train with: that is a result, too.
    required = variant.entanglement == "none"
    label = f"{variant.label}, seed {seed}"
    return Planned(f"{variant.name}-seed{seed}", config, label, variant.name, required=required)
