"""What experiment C measures of its models, stored part by part, and the picture of their first net."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import core
from core.data.cache import fingerprint, remembered
from core.data.polar_curves import FACTOR_NAMES
from core.experiments.factor_leakage.hole_crossings import Crossing, cross
from core.experiments.factor_leakage.leakage import (
    CHANGE,
    FARTHEST,
    LEAST_CHANGE,
    POINTS,
    Trial,
    chosen_samples,
    measure_trial,
)
from core.experiments.factor_leakage.model_under_test import REDRAWN, ModelUnderTest
from core.experiments.factor_leakage.options import Options
from core.experiments.factor_leakage.timings import Stage, time_stages
from core.experiments.folder import ExperimentFolder
from core.experiments.options import ExperimentError, Log, PlannedTraining
from core.experiments.training_queue import TRAINING_SHARE
from core.geometry.factor_curve import gridlines
from core.geometry.local_fit import GeometryError
from core.rendering.gridline_image import (
    GridlineScene,
    best_side,
    draw_gridlines,
    draw_sides,
    gridline_scene,
    png_bytes,
)
from core.runs.directory import RunDirectory
from core.utils.atomic_write import write_atomic

PICTURE = "gridlines.png"
"""The net of factor curves over the first model's cloud, in the experiment's folder.

``resources/pictures/gridlines.png`` is that of ``isoline experiment curves --model resources/model --out FOLDER``.
"""
DRAWN_LINES = 9
"""Lines of each family in the pictures."""

_SHARES = {"trials-a": 0.40, "trials-b": 0.40, "hole": 0.15, "times": 0.05}
"""Of each part in the time that a model takes, in the order in which they are measured."""

T = TypeVar("T")


@dataclass(frozen=True)
class Measured:
    """One model: ``description`` of its surface, trials by target, crossings of the hole, times of the stages."""

    name: str
    label: str
    seed: int
    run: str
    config: Any
    description: dict[str, Any]
    trials: dict[str, list[Trial]]
    crossings: list[Crossing]
    stages: list[Stage]


@dataclass(frozen=True, eq=False)
class Analysis:
    """All models, and of the first the net of factor curves: the emblem's picture and one from three sides, PNG."""

    models: list[Measured]
    picture: bytes
    sides: bytes
    net_caption: str


def given_models(options: Options) -> list[ModelUnderTest]:
    """The runs that ``--model`` names. Raises ``core.runs.directory.RunError``, or ``ExperimentError`` if one is
    unfit."""
    models = []
    for number, path in enumerate(options.models):
        run = RunDirectory.open(Path(path))
        seed = run.config.training.seed
        models.append(ModelUnderTest(f"model-{number}", f"{Path(path).name}, seed {seed}", run, seed))
    geometries = {(model.config.data.geometry, model.config.data.image_size) for model in models}
    if len(geometries) > 1:
        raise ExperimentError(
            "model names runs of different images (" + ", ".join(f"{g} {s}²" for g, s in sorted(geometries)) + "); "
            "measure them in experiments of their own."
        )
    return models


def analyse(
    options: Options,
    planned: Sequence[PlannedTraining],
    runs: Sequence[RunDirectory],
    folder: ExperimentFolder,
    log: Log,
) -> Analysis:
    """Measure the runs of ``planned``, or those that the options name, and draw ``PICTURE``.

    Raises ``core.experiments.folder.Stopped`` when a stop is requested in between, and what ``given_models`` raises.
    """
    models = given_models(options) or [
        ModelUnderTest(training.name, training.label, run, training.config.training.seed)
        for training, run in zip(planned, runs, strict=True)
    ]
    start = 0.0 if options.model else TRAINING_SHARE
    fraction = (0.98 - start) / len(models)
    measured = [_measure(options, model, folder, log, start + fraction * i, fraction) for i, model in enumerate(models)]
    folder.check_stop()
    folder.report("drawing the gridlines", 0.98)
    scene, caption = _scene(models[0])
    side = best_side(scene)
    picture = png_bytes(draw_gridlines(scene, side))
    write_atomic(folder.path / PICTURE, picture)
    return Analysis(measured, picture, png_bytes(draw_sides(scene, side)), caption)


def _measure(
    options: Options, model: ModelUnderTest, folder: ExperimentFolder, log: Log, start: float, share: float
) -> Measured:
    """``start`` and ``share``: where in the experiment's progress this model begins, and how much of it it is."""
    recipe = _recipe(options, model)
    parts = list(_SHARES)

    def progress(part: str, text: str, count: int) -> Callable[[object], None]:
        """What a part of ``count`` steps calls before each, with its number or what it is about."""
        folder.check_stop()
        log(f"{model.label}: {text}")
        before = sum(_SHARES[name] for name in parts[: parts.index(part)])

        def report(step: object) -> None:
            folder.check_stop()
            done = step / max(count, 1) if isinstance(step, int) else 0.0
            place = f"{step + 1} of {count}" if isinstance(step, int) else str(step)
            folder.report(f"{model.label}: {text}, {place}", start + share * (before + _SHARES[part] * done))

        return report

    def trials(target: int) -> list[Trial]:
        name = FACTOR_NAMES[target]
        samples = chosen_samples(options.start_count, len(model.mu), target)
        report = progress(f"trials-{name}", f"changing {name} along every kind of path", len(samples))
        trials = []
        for number, sample in enumerate(samples):
            report(number)
            trials.append(measure_trial(model, int(sample), target))
        return trials

    def crossings() -> list[Crossing]:
        return cross(model, options.pair_count, progress("hole", "across the hole", options.pair_count))

    def stages() -> list[Stage]:
        return time_stages(model, options.quick, progress("times", "timing every stage", 1))

    def part(name: str, kind: type[T], measure: Callable[[], T]) -> T:
        """What was measured before a long analysis was stopped, or is measured now."""
        return remembered(folder.path / "measures", f"{model.name}-{name}", recipe, kind, measure)

    return Measured(
        model.name,
        model.label,
        model.seed,
        str(model.run.path),
        model.config,
        trials={
            name: part(f"trials-{name}", list[Trial], lambda k=k: trials(k)) for k, name in enumerate(FACTOR_NAMES)
        },
        crossings=part("hole", list[Crossing], crossings),
        stages=part("times", list[Stage], stages),
        description=part("surface", dict[str, Any], model.description),
    )


def _recipe(options: Options, model: ModelUnderTest) -> str:
    """A hash of the model's means and of all that the measurements depend on."""
    settings = (options.name, options.start_count, options.pair_count, options.quick)
    paths = (CHANGE, LEAST_CHANGE, POINTS, FARTHEST, REDRAWN)
    images = (model.config.data.image_size, model.config.data.geometry)
    return fingerprint(core.__version__, settings, paths, images, model.mu, model.factors)


def _scene(model: ModelUnderTest) -> tuple[GridlineScene, str]:
    """The first model's cloud with its net, and a caption for it."""
    try:
        lines = gridlines(model.surface, DRAWN_LINES)
    except GeometryError as error:
        return gridline_scene(model.mu, model.factors, FACTOR_NAMES, []), str(error)
    caption = f"{len({(line.family, line.value) for line in lines})} lines of {len(model.mu):,} samples"
    return gridline_scene(model.mu, model.factors, FACTOR_NAMES, lines), caption
