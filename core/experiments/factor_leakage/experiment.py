"""Experiment C: does following a factor's curve change one factor and leave the other, where a straight line does not?

The default model is trained on the punctured set with several seeds. From the same starting points every kind of path
raises or lowers one factor by the same amount, and what the other factor did meanwhile, its leak, is read off the
decoded images with the dataset's own inverse. Geodesics are sent across the hole; all stages are timed; the net of
factor curves is drawn. Importing this imports no torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config import preset_config
from core.experiments.folder import ExperimentError, ExperimentFolder, Planned, check_seeds

NAME = "curves"
DEFAULT = "default"
"""The group of its trainings."""

PICTURE = "gridlines.png"
"""The net of factor curves over the first model's cloud, in the experiment's folder.

``resources/pictures/gridlines.png`` is that of ``isoline experiment curves --model resources/model --out FOLDER``.
"""

QUICK_SIZE, QUICK_COUNT, QUICK_EPOCHS, QUICK_STARTS, QUICK_PAIRS = 32, 2000, 10, 20, 6
PAIRS = 30
MAX_STARTS = 10_000

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """Train on the punctured set, follow factors along curves and along lines, and write a report.

    Run again with the same options, it goes on where it stopped; what was measured of a model is kept as well.
    """

    out: Path
    """The experiment's folder; it is made if it is not there."""
    seeds: int = 3
    """Trainings of the default model, with seeds 0, 1, 2, …"""
    starts: int = 200
    """Starting points of each factor, the same for all models and kinds of path."""
    quick: bool = False
    """A small version of everything, to see that it works: 32 × 32 images, few epochs, one seed, 20 starts."""
    model: tuple[Path, ...] = ()
    """Measure these trained runs instead of training any."""
    epochs: int | None = None
    """Passes over the training images; empty: the default model's own."""
    image_size: int | None = None
    """Height and width of an image in pixels; empty: 256."""

    def __post_init__(self) -> None:
        check_seeds(self.seeds)
        if not 2 <= self.starts <= MAX_STARTS:
            raise ExperimentError(f"starts is {self.starts}; it must be 2 to {MAX_STARTS}.")
        if len(set(self.models)) < len(self.model):
            raise ExperimentError(f"model is {' '.join(self.models)}; a run can be measured once only.")

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
        """JSON-ready, without the folder: what must be the same to go on."""
        values = dataclasses.asdict(self)
        del values["out"]
        seeds = 1 if self.quick else self.seeds
        return {**values, "seeds": seeds, "starts": self.start_count, "model": list(self.models) or None}


def plan(options: Options) -> list[Planned]:
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
    for seed in range(1 if quick else options.seeds):
        training = dataclasses.replace(compact.training, epochs=epochs, seed=seed)
        config = dataclasses.replace(compact, data=data, training=training)
        planned.append(Planned(f"default-{seed}", config, f"default, seed {seed}", DEFAULT))
    return planned


def run(options: Options, say: Say) -> dict[str, Any]:
    """Train, measure, and write ``report.html``, ``report.json`` and ``gridlines.png``; returns the report's content.

    ``say`` gets lines for a person. Raises ``core.experiments.folder.Stopped``, ``ExperimentError`` (folder of other
    options, a run that cannot be measured), ``core.runs.directory.RunError`` (no such run), and what a training raises.
    """
    planned = plan(options)
    folder = ExperimentFolder(options.out)
    with folder.begin(NAME, options.settings()):
        folder.report("starting", 0.0)
        from core.experiments.factor_leakage.analysis import analyse, given_runs, trained_runs
        from core.experiments.factor_leakage.page import make_page
        from core.experiments.factor_leakage.report import make_report
        from core.experiments.training_queue import train_all
        from core.reporting.page import write_report
        from core.utils.atomic_write import write_atomic

        subjects = given_runs(options) if options.model else trained_runs(planned, train_all(planned, folder, say))
        analysis = analyse(options, subjects, folder, say)
        folder.check_stop()
        folder.report("writing the report", 0.99)
        report = make_report(options, analysis)
        write_atomic(folder.path / PICTURE, analysis.picture)
        write_report(folder.path, make_page(options, analysis, report), report)
        say(f"report: {folder.html_path}")
    return report
