"""What experiment C measures of its models, kept part by part, and the picture of their first net."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import core
from core.data.polar_curves import FACTOR_NAMES
from core.experiments.factor_leakage.experiment import DEFAULT, NAME, Options
from core.experiments.factor_leakage.hole_crossings import Crossing, cross
from core.experiments.factor_leakage.leakage import (
    CHANGE,
    FARTHEST,
    LEAST_CHANGE,
    POINTS,
    LeakBench,
    Trial,
    chosen_samples,
)
from core.experiments.factor_leakage.model_under_test import REDRAWN, Subject
from core.experiments.factor_leakage.timings import Stage, time_stages
from core.experiments.folder import ExperimentError, ExperimentFolder, Planned
from core.experiments.result_cache import KeptParts, fingerprint
from core.experiments.training_queue import TRAINING_SHARE
from core.geometry.factor_curve import gridlines
from core.geometry.surface import FactorError
from core.rendering.gridline_image import NetScene, best_side, draw_net, draw_sides, net_scene, png_bytes
from core.runs.directory import RunDirectory

Say = Callable[[str], None]

DRAWN_LINES = 9
"""Lines of each family in the pictures."""

_SHARES = (("trials-a", 0.40), ("trials-b", 0.40), ("hole", 0.15), ("times", 0.05))


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
    net_words: str = field(default="")


def trained_runs(planned: Sequence[Planned], runs: Sequence[RunDirectory]) -> list[Subject]:
    """The experiment's own trainings as subjects."""
    return [
        Subject(one.name, one.label, run, one.config.training.seed)
        for one, run in zip(planned, runs, strict=True)
        if one.group == DEFAULT
    ]


def given_runs(options: Options) -> list[Subject]:
    """The runs that ``--model`` names. Raises ``core.runs.directory.RunError``, or ``ExperimentError`` if one is
    unfit."""
    subjects = []
    for number, path in enumerate(options.models):
        run = RunDirectory.open(Path(path))
        seed = run.config.training.seed
        subjects.append(Subject(f"model-{number}", f"{Path(path).name}, seed {seed}", run, seed))
    geometries = {(one.config.data.geometry, one.config.data.image_size) for one in subjects}
    if len(geometries) > 1:
        raise ExperimentError(
            "model names runs of different images (" + ", ".join(f"{g} {s}²" for g, s in sorted(geometries)) + "); "
            "measure them in experiments of their own."
        )
    return subjects


def analyse(options: Options, subjects: Sequence[Subject], folder: ExperimentFolder, say: Say) -> Analysis:
    """Measure every model. Raises ``core.experiments.folder.Stopped`` when that is asked for in between."""
    begun = 0.0 if options.model else TRAINING_SHARE
    models = []
    for number, subject in enumerate(subjects):
        base = begun + (0.98 - begun) * number / len(subjects)
        progress = _Progress(folder, say, subject.label, base, (0.98 - begun) / len(subjects))
        models.append(_measure(options, subject, folder, progress))
    folder.check_stop()
    folder.report("drawing the net", 0.98)
    scene, words = _scene(subjects[0])
    side = best_side(scene)
    return Analysis(models, png_bytes(draw_net(scene, side)), png_bytes(draw_sides(scene, side)), words)


class _Progress:
    """Tells the folder what is being measured, and stops when that is asked for."""

    def __init__(self, folder: ExperimentFolder, say: Say, label: str, base: float, share: float) -> None:
        self._folder, self._say, self._label, self._base, self._share = folder, say, label, base, share

    def part(self, text: str, part: str, count: int) -> Callable[[object], None]:
        """What a part of ``count`` steps calls before each, with its number or what it is about."""
        self._folder.check_stop()
        self._say(f"{self._label}: {text}")
        before = sum(share for name, share in _SHARES[: [name for name, _ in _SHARES].index(part)])
        share = dict(_SHARES)[part]

        def tell(step: object) -> None:
            self._folder.check_stop()
            done = step / max(count, 1) if isinstance(step, int) else 0.0
            place = f"{step + 1} of {count}" if isinstance(step, int) else str(step)
            fraction = self._base + self._share * (before + share * done)
            self._folder.report(f"{self._label}: {text}, {place}", fraction)

        return tell


def _measure(options: Options, subject: Subject, folder: ExperimentFolder, progress: _Progress) -> Measured:
    kept = KeptParts(folder.path, subject.name, _fingerprint(options, subject))
    starts, pairs = options.start_count, options.pair_count

    def trials(target: int) -> list[Trial]:
        name = FACTOR_NAMES[target]
        samples = chosen_samples(starts, len(subject.mu), target)
        tell = progress.part(f"changing {name} along every kind of path", f"trials-{name}", len(samples))
        return LeakBench(subject).trials(target, samples, tell)

    return Measured(
        subject.name,
        subject.label,
        subject.seed,
        str(subject.path),
        subject.config,
        trials={
            name: kept.get(f"trials-{name}", list[Trial], lambda k=k: trials(k)) for k, name in enumerate(FACTOR_NAMES)
        },
        crossings=kept.get(
            "hole", list[Crossing], lambda: cross(subject, pairs, progress.part("across the hole", "hole", pairs))
        ),
        stages=kept.get(
            "times",
            list[Stage],
            lambda: time_stages(subject, options.quick, progress.part("timing every stage", "times", 1)),
        ),
        description=kept.get("surface", dict[str, Any], subject.description),
    )


def _fingerprint(options: Options, subject: Subject) -> str:
    """Of the model's means and of all that the measurements depend on."""
    settings = {
        "experiment": NAME,
        "version": core.__version__,
        "starts": options.start_count,
        "pairs": options.pair_count,
        "quick": options.quick,
        "paths": [CHANGE, LEAST_CHANGE, POINTS, FARTHEST, REDRAWN],
        "image_size": subject.config.data.image_size,
        "geometry": subject.config.data.geometry,
    }
    return fingerprint({"mu": subject.mu, "factors": subject.factors}, settings)


def _scene(subject: Subject) -> tuple[NetScene, str]:
    """The first model's cloud with its net, and words about it."""
    try:
        lines = gridlines(subject.surface, DRAWN_LINES)
    except FactorError as error:
        return net_scene(subject.mu, subject.factors, FACTOR_NAMES, []), str(error)
    words = f"{len({(line.family, line.value) for line in lines})} lines of {len(subject.mu):,} samples"
    return net_scene(subject.mu, subject.factors, FACTOR_NAMES, lines), words
