"""What experiment A measures of its trained models: errors along the transects, what limits the hole, the cloud."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from core.analysis.axis_alignment import AlignmentError, factor_directions
from core.analysis.image_metrics import excess_bce
from core.analysis.transect import TransectResult, measure, published_split, published_transects
from core.config import RunConfig
from core.data import polar_curves
from core.data.loading import load_dataset
from core.experiments.folder import ExperimentFolder
from core.experiments.options import Log, PlannedTraining
from core.experiments.training_queue import TRAINING_SHARE, failure, last_step, train_seconds
from core.experiments.transects.hole_readouts import read_out
from core.experiments.transects.options import DEFAULT, Options
from core.models.inference import Inference
from core.models.network_inference import NetworkInference
from core.runs.directory import RunDirectory
from core.runs.metrics_log import Record, read_metrics
from core.training.checkpoint import load_model

_VALIDATION_CHUNK = 32


@dataclass(frozen=True, eq=False)
class Measured:
    """One training and what was measured of it; nothing was if it diverged (``failure`` says how)."""

    planned: PlannedTraining
    records: list[Record]
    steps: int
    train_s: float
    failure: str | None = None
    validation: float | None = None
    """Excess BCE of the validation images."""
    results: dict[str, TransectResult] = field(default_factory=dict)
    """By the names of the transects."""
    limits: dict[str, dict[str, float]] = field(default_factory=dict)
    """See ``core.experiments.transects.hole_readouts``; of the default models."""

    @property
    def config(self) -> RunConfig:
        return self.planned.config

    @property
    def hole(self) -> dict[str, float | None]:
        """Mean excess BCE in the hole, by transect."""
        return {name: result.hole_excess_bce for name, result in self.results.items()}

    @property
    def outside(self) -> dict[str, float | None]:
        """Mean excess BCE outside the hole, by transect."""
        return {name: result.outside_excess_bce for name, result in self.results.items()}


@dataclass(frozen=True, eq=False)
class Cloud:
    """Means float32 (n, d) of the recorded samples with their factors (n, 2), and the factors' directions (2, d).

    ``directions`` is None where a cloud has collapsed so far that a factor moves nothing.
    """

    mu: np.ndarray
    factors: np.ndarray
    names: tuple[str, ...]
    directions: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Analysis:
    """All that the report is made of: the measured models in the order of the plan, the first default's cloud."""

    models: list[Measured]
    cloud: Cloud

    def group(self, name: str) -> list[Measured]:
        """The models of one group."""
        return [model for model in self.models if model.planned.group == name]


def analyse(
    _options: Options,
    planned: Sequence[PlannedTraining],
    runs: Sequence[RunDirectory],
    folder: ExperimentFolder,
    log: Log,
) -> Analysis:
    """Measure every run. Raises ``core.experiments.folder.Stopped`` when a stop is requested in between."""
    models = []
    for number, (training, run) in enumerate(zip(planned, runs, strict=True)):
        folder.check_stop()
        text = f"measuring {training.label} along the transects ({number + 1} of {len(planned)})"
        folder.report(text, TRAINING_SHARE + (0.98 - TRAINING_SHARE) * number / len(planned))
        log(text)
        models.append(measure_run(training, run, folder.check_stop))
    first = next(run for training, run in zip(planned, runs, strict=True) if training.group == DEFAULT)
    return Analysis(models, _cloud(first))


def measure_run(planned: PlannedTraining, run: RunDirectory, check_stop: Callable[[], None]) -> Measured:
    """One run along P1, P2 and P3, with the newest weights, in float32, as 8-bit images."""
    records = read_metrics(run.metrics_path)
    steps, seconds = last_step(run), train_seconds(run)
    if (why := failure(run)) is not None:
        return Measured(planned, records, steps, seconds, failure=why)
    model, config = load_model(run.path)
    inference = NetworkInference(model, device="cpu", precision="float32")

    def reconstruct(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mu = inference.encode(images)
        return mu, inference.decode(mu)

    training = published_split(config.data)
    results = {}
    for transect in published_transects():
        check_stop()
        results[transect.name] = measure(transect, config.data, training, reconstruct)
    limits = {}
    if planned.group == DEFAULT:
        check_stop()
        limits = read_out(model, inference, config.data, training_means(run), results, check_stop)
    validation = _recorded_validation(records)
    if validation is None:
        validation = _validation(inference, config, check_stop)
    return Measured(planned, records, steps, seconds, None, validation, results, limits)


def training_means(run: RunDirectory) -> tuple[np.ndarray, np.ndarray]:
    """(a, b) float64 (m, 2) of the recorded training samples, and their newest means float32 (m, d)."""
    probe = run.read_probe()
    trained = probe.split == 0
    return probe.factors[trained].astype(np.float64), run.read_embedding()[trained]


def _cloud(run: RunDirectory) -> Cloud:
    probe, mu = run.read_probe(), run.read_embedding()
    try:
        directions = factor_directions(mu, probe.factors)
    except AlignmentError:
        directions = None
    return Cloud(mu, probe.factors, polar_curves.FACTOR_NAMES, directions)


def _recorded_validation(records: Sequence[Record]) -> float | None:
    """Excess BCE of the validation images after the last epoch; None if none was finished."""
    for record in reversed(records):
        if record.get("kind") == "epoch":
            value = (record.get("validation") or {}).get("excess_bce")
            return None if value is None else float(value)
    return None


def _validation(inference: Inference, config: RunConfig, check_stop: Callable[[], None]) -> float:
    """Excess BCE of the validation images, measured here: of a run that was stopped within its first epoch."""
    dataset = load_dataset(config.data)
    values = []
    for start in range(0, len(dataset.validation), _VALIDATION_CHUNK):
        check_stop()
        images = dataset.images[dataset.validation[start : start + _VALIDATION_CHUNK]]
        values.append(excess_bce(images, inference.decode(inference.encode(images))))
    return float(np.concatenate(values).mean())
