"""The clouds of experiment B, measured: alignment, covariance, dimensions, and which orientation the penalties want."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from core.analysis.axis_alignment import (
    Alignment,
    AlignmentError,
    active_dimensions,
    axis_alignment,
    factor_alignment,
    factor_directions,
    rotation_null,
)
from core.config import Entanglement, RunConfig
from core.experiments.entanglement.options import PENALTIES, Options, Variant
from core.experiments.entanglement.rotations import (
    ROTATIONS,
    Preferred,
    chance_of_ranks,
    orientation_rank,
    preferred_orientation,
)
from core.experiments.folder import ExperimentFolder
from core.experiments.options import Log, PlannedTraining
from core.experiments.training_queue import TRAINING_SHARE, failure, train_seconds
from core.geometry.embedding_metrics import Dimension, levina_bickel, two_nn
from core.geometry.local_fit import GeometryError
from core.runs.directory import RunDirectory, RunError
from core.runs.metrics_log import Record, read_metrics

_NULL_SEED = 1
_NULL_DRAWS = 20_000

T = TypeVar("T")


class Unknown(NamedTuple):
    """A number that cannot be had, and why."""

    why: str


@dataclass(frozen=True, eq=False)
class Cloud:
    """One trained model: where its samples lie, and what was measured of that.

    ``mu`` float32 (n, d); ``factors`` float32 (n, F); ``directions`` float64 (F, d), or why there are none;
    ``covariance`` float64 (d, d); ``active`` bool (d,); ``ranks`` of its orientation under each penalty
    (core.experiments.entanglement.rotations.orientation_rank).
    """

    mu: np.ndarray
    factors: np.ndarray
    factor_names: tuple[str, ...]
    directions: np.ndarray | Unknown
    covariance: np.ndarray
    active: np.ndarray
    alignment: Alignment | Unknown
    factor_alignment: Alignment | Unknown
    two_nn: Dimension | Unknown
    levina_bickel: Dimension | Unknown
    ranks: dict[Entanglement, float]

    @property
    def spread(self) -> float:
        """Root of the mean variance over dimensions: σ(μ)."""
        return float(np.sqrt(np.trace(self.covariance) / len(self.covariance)))

    @property
    def correlation(self) -> float | None:
        """The largest correlation, without its sign, between two active dimensions; None for fewer than two."""
        chosen = self.covariance[np.ix_(self.active, self.active)]
        if len(chosen) < 2:
            return None
        scale = np.sqrt(np.diag(chosen))
        return float(np.abs(chosen / np.outer(scale, scale))[np.triu_indices(len(chosen), 1)].max())


@dataclass(frozen=True, eq=False)
class Model:
    """One training of a variant, with its cloud; ``failed`` says why it has none."""

    name: str
    config: RunConfig
    variant: Variant
    seed: int
    records: Sequence[Record]
    train_s: float
    validation_excess_bce: float | None
    cloud: Cloud | None
    failed: str | None


@dataclass(frozen=True, eq=False)
class Group:
    """All seeds of one variant."""

    variant: Variant
    models: tuple[Model, ...]

    @property
    def clouds(self) -> list[Cloud]:
        """Those of the trainings that did not fail."""
        return [model.cloud for model in self.models if model.cloud is not None]

    def alignments(self) -> list[Alignment]:
        """Of the clouds that have one."""
        return [cloud.alignment for cloud in self.clouds if isinstance(cloud.alignment, Alignment)]

    def own_rank_chance(self) -> float | None:
        """Probability of ranks so low under its own penalty by chance; None for no penalty or no cloud."""
        form = self.variant.entanglement
        # The cloud's own orientation counts among those compared, so that no chance is 0.
        ranks = [(cloud.ranks[form] * ROTATIONS + 1) / (ROTATIONS + 1) for cloud in self.clouds if form != "none"]
        return chance_of_ranks(ranks) if ranks else None


@dataclass(frozen=True)
class GroupNull:
    """What the mean alignment of as many randomly turned clouds would be."""

    mean: float
    low: float
    """The 5th percentile."""
    high: float
    """The 95th percentile."""
    p_value: float
    """Share of such means that are at least the group's own, both counts plus one."""


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything that the report is made of."""

    groups: tuple[Group, ...]
    preferred: dict[Entanglement, Preferred]
    """Of the cloud without a penalty, first seed."""

    @property
    def plain(self) -> Group:
        """The setting without a penalty."""
        return self.groups[0]

    @property
    def models(self) -> list[Model]:
        """All, group by group."""
        return [model for group in self.groups for model in group.models]


def analyse(
    options: Options,
    planned: Sequence[PlannedTraining],
    runs: Sequence[RunDirectory],
    folder: ExperimentFolder,
    log: Log,
) -> Analysis:
    """Measure the ``runs`` of ``planned``. Raises ``core.experiments.folder.Stopped`` if a stop was requested."""
    log("measuring the clouds")
    variants = options.variants()
    of_name = {variant.name: variant for variant in variants}
    models: dict[str, list[Model]] = {variant.name: [] for variant in variants}
    for number, (training, run) in enumerate(zip(planned, runs, strict=True)):
        folder.check_stop()
        fraction = TRAINING_SHARE + (0.97 - TRAINING_SHARE) * number / len(planned)
        folder.report(f"measuring {training.label}", fraction)
        models[training.group].append(_model(training, of_name[training.group], run))
    groups = tuple(Group(variant, tuple(models[variant.name])) for variant in variants)
    preferred: dict[Entanglement, Preferred] = {}
    if groups[0].clouds and groups[0].clouds[0].mu.shape[1] > 1:
        folder.report("rotating the cloud trained without a penalty", 0.97)
        preferred = {form: preferred_orientation(groups[0].clouds[0].mu, form) for form in PENALTIES}
    return Analysis(groups, preferred)


def measure(mu: np.ndarray, factors: np.ndarray, names: tuple[str, ...], sigma: float) -> Cloud:
    """Measure means mu float32 (n, d), n ≥ 2, with ``factors`` float32 (n, F) and the posterior's ``sigma``."""
    active = active_dimensions(mu, sigma)
    return Cloud(
        mu=mu,
        factors=factors,
        factor_names=names,
        directions=_known(lambda: factor_directions(mu, factors)),
        covariance=np.cov(mu.astype(np.float64), rowvar=False).reshape(mu.shape[1], mu.shape[1]),
        active=active,
        alignment=_known(lambda: axis_alignment(mu, active=active)),
        factor_alignment=_known(lambda: factor_alignment(mu, factors, active=active)),
        two_nn=_known(lambda: two_nn(mu)),
        levina_bickel=_known(lambda: levina_bickel(mu)),
        ranks={form: orientation_rank(mu, form) for form in PENALTIES},
    )


def group_null(alignments: Sequence[Alignment], dimensions: Sequence[int]) -> GroupNull | None:
    """The null of the mean of ``alignments``, whose clouds have ``dimensions`` active ones; None for none."""
    if not alignments:
        return None
    generator = np.random.default_rng(_NULL_SEED)
    means = np.mean([generator.choice(rotation_null(d), _NULL_DRAWS) for d in dimensions], axis=0)
    own = float(np.mean([alignment.value for alignment in alignments]))
    p_value = (1 + int((means >= own).sum())) / (1 + len(means))
    low, high = np.quantile(means, [0.05, 0.95])
    return GroupNull(float(means.mean()), float(low), float(high), p_value)


def null_of(group: Group) -> GroupNull | None:
    """``group_null`` of a group's clouds."""
    clouds = [cloud for cloud in group.clouds if isinstance(cloud.alignment, Alignment)]
    return group_null(group.alignments(), [int(cloud.active.sum()) for cloud in clouds])


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction of p-values for their number, in their order (Scandinavian Journal of Statistics 6, 1979)."""
    order = np.argsort(p_values, kind="stable")
    steps = np.minimum(np.asarray(p_values)[order] * np.arange(len(order), 0, -1), 1.0)
    corrected = np.empty(len(order))
    corrected[order] = np.maximum.accumulate(steps)
    return corrected.tolist()


def _model(planned: PlannedTraining, variant: Variant, run: RunDirectory) -> Model:
    config, records = run.config, read_metrics(run.metrics_path)
    failed = failure(run)
    cloud = None
    if failed is None:
        try:
            probe = run.read_probe()
            mu = run.read_embedding(run.embedding_epochs()[-1])
            cloud = measure(mu, probe.factors, probe.factor_names, config.model.sigma)
        except (RunError, IndexError, AlignmentError) as error:
            failed = str(error)
    excess = [record.get("excess_bce") for record in records if record.get("kind") == "report"]
    return Model(
        planned.name,
        config,
        variant,
        config.training.seed,
        records,
        train_seconds(run),
        excess[-1] if excess else None,
        cloud,
        failed,
    )


def _known(compute: Callable[[], T]) -> T | Unknown:
    try:
        return compute()
    except (AlignmentError, GeometryError) as error:
        return Unknown(str(error))
