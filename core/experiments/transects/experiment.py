"""Experiment A: does a model draw the curves of a hole that it never saw? Transects through it, measured.

The default model is trained on the punctured set with several seeds; changed ones, all equally short, show what
matters (core.experiments.transects.ablations); the published recipe runs for a few hundred steps beside them. Every
model is measured along the published transects P1, P2 and P3, against the true images. Importing this imports no torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config import DataConfig, RunConfig, preset_config
from core.experiments.folder import ExperimentError, ExperimentFolder, Planned, check_seeds
from core.experiments.transects import ablations

NAME = "transects"

DEFAULT, ABLATION, ARTICLE = "default", "ablation", "article-weighted"
"""Groups of trainings."""

QUICK_SIZE, QUICK_COUNT, QUICK_EPOCHS, QUICK_ABLATION_EPOCHS, QUICK_ARTICLE_STEPS = 32, 1500, 4, 2, 20

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """Train on the punctured set, measure along P1, P2 and P3, in the hole and outside, and write a report.

    Run again with the same options, it goes on where it stopped.
    """

    out: Path
    """The experiment's folder; it is made if it is not there."""
    seeds: int = 3
    """Trainings of the default model, with seeds 0, 1, 2, …"""
    quick: bool = False
    """A small version of everything, to see that it works: 32 × 32 images, few epochs, one seed."""
    article_steps: int = 200
    """Steps of the published recipe, which is slow; 0 leaves it out."""
    ablations: bool = True
    """Also train changed models for a few epochs, to see what matters."""
    epochs: int | None = None
    """Passes over the training images of the default model; empty: its own default."""
    image_size: int | None = None
    """Height and width of an image in pixels; empty: 256."""
    hole_a: float = DataConfig.hole_a
    """The hole's centre, scale a."""
    hole_b: float = DataConfig.hole_b
    """The hole's centre, petal depth b."""
    hole_radius: float = DataConfig.hole_radius
    """The hole's radius in the (a, b) plane."""

    def __post_init__(self) -> None:
        check_seeds(self.seeds)
        if self.article_steps < 0:
            raise ExperimentError(f"article_steps is {self.article_steps}; it must be 0 or more.")

    def settings(self) -> dict[str, Any]:
        """JSON-ready, without the folder: what must be the same to go on."""
        values = dataclasses.asdict(self)
        del values["out"]
        return {**values, "seeds": self.seed_count}

    @property
    def seed_count(self) -> int:
        """How many seeds there are."""
        return 1 if self.quick else self.seeds


def plan(options: Options) -> list[Planned]:
    """The trainings, in the order they are made. Raises ``core.config.ConfigError`` for a bad value."""
    planned = [_default(options, seed) for seed in range(options.seed_count)]
    if options.ablations:
        planned += [_ablation(options, one) for one in (ablations.REFERENCE, *chosen_ablations(options))]
    if options.article_steps:
        planned.append(_article(options))
    return planned


def chosen_ablations(options: Options) -> list[ablations.Ablation]:
    """The changes that are tried."""
    if not options.quick:
        return list(ablations.ABLATIONS)
    return [one for one in ablations.ABLATIONS if one.name in ablations.QUICK]


def run(options: Options, say: Say) -> dict[str, Any]:
    """Train, measure, and write ``report.html`` and ``report.json``; returns the latter's content.

    ``say`` gets lines for a person. Raises ``core.experiments.folder.Stopped``, ``ExperimentError`` (folder of other
    options), ``core.data.dataset.DatasetError`` (a hole that leaves nothing), and what a training raises.
    """
    planned = plan(options)
    folder = ExperimentFolder(options.out)
    with folder.begin(NAME, options.settings()):
        folder.report("starting", 0.0)
        from core.experiments.training_queue import train_all
        from core.experiments.transects.analysis import analyse
        from core.experiments.transects.page import make_page
        from core.experiments.transects.report import make_report
        from core.reporting.page import write_report

        runs = train_all(planned, folder, say)
        analysis = analyse(planned, runs, folder, say)
        folder.check_stop()
        folder.report("writing the report", 0.99)
        report = make_report(options, analysis)
        write_report(folder.path, make_page(options, analysis, report), report)
        say(f"report: {folder.html_path}")
    return report


def _base(options: Options, epochs: int, quick_epochs: int, base: RunConfig) -> RunConfig:
    """``base`` with the data and the length that ``options`` ask for."""
    data = dataclasses.replace(
        base.data,
        punctured=True,
        hole_a=options.hole_a,
        hole_b=options.hole_b,
        hole_radius=options.hole_radius,
        image_size=options.image_size or (QUICK_SIZE if options.quick else base.data.image_size),
        count=QUICK_COUNT if options.quick else base.data.count,
    )
    length = quick_epochs if options.quick else epochs
    return dataclasses.replace(base, data=data, training=dataclasses.replace(base.training, epochs=length))


def _default(options: Options, seed: int) -> Planned:
    compact = preset_config("compact")
    epochs = options.epochs or compact.training.epochs
    config = _base(options, epochs, options.epochs or QUICK_EPOCHS, compact)
    return Planned(f"default-{seed}", _seeded(config, seed), f"default, seed {seed}", DEFAULT)


def _ablation(options: Options, ablation: ablations.Ablation) -> Planned:
    config = _base(options, ablations.EPOCHS, QUICK_ABLATION_EPOCHS, preset_config("compact"))
    config = ablations.with_changes(config, ablation.changes)
    return Planned(f"ablation-{ablation.name}", config, f"ablation: {ablation.label}", ABLATION, required=False)


def _article(options: Options) -> Planned:
    steps = min(options.article_steps, QUICK_ARTICLE_STEPS) if options.quick else options.article_steps
    published = preset_config("article-weighted")
    config = _base(options, published.training.epochs, published.training.epochs, published)
    return Planned(ARTICLE, config, "article-weighted, as published", ARTICLE, max_steps=steps, required=False)


def _seeded(config: RunConfig, seed: int) -> RunConfig:
    """Another seed of the training; the data stay the same."""
    return dataclasses.replace(config, training=dataclasses.replace(config.training, seed=seed))
