"""The report of experiment B: its numbers, what they say, and the figures and rows of ``page.html``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from core.analysis.axis_alignment import Alignment
from core.experiments.entanglement.analysis import (
    Analysis,
    Cloud,
    Group,
    Model,
    Unknown,
    holm,
    null_of,
)
from core.experiments.entanglement.figures import (
    BATCH,
    alignment_figure,
    loss_surfaces_figure,
    own_cloud_figure,
    rectangle_figure,
)
from core.experiments.entanglement.options import ARTICLE_BETA, ARTICLE_GAMMA, PENALTIES, Options
from core.experiments.entanglement.rotations import by_angle, diagonal_crossover, uniform_rectangle
from core.geometry.embedding_metrics import Dimension
from core.reporting.figures import covariance_figure, embedding_figure, loss_curves
from core.reporting.page import paragraphs, render_page
from core.reporting.plot_style import png, svg
from core.reporting.tables import ONE_SEED, Interval, Spread

SIGNIFICANT = 0.05
MEASURES = ("excess", "spread", "correlation", "alignment", "factor_alignment", "active", "two_nn", "levina_bickel")
"""What ``spread_of`` tells of every group."""


def make_report(options: Options, analysis: Analysis) -> dict[str, Any]:
    """JSON-ready. Excess BCE in nats per pixel."""
    return {
        **options.report_head(analysis.models[0].config),
        "models": [_model(model) for model in analysis.models],
        "summary": {
            "variants": [_group(group) for group in analysis.groups],
            "preferred_orientations": analysis.preferred,
        },
        "conclusions": conclusions(analysis),
    }


def corrected(analysis: Analysis) -> dict[str, float]:
    """The p-value of each penalised variant's mean alignment, by its name, corrected for their number (Holm)."""
    nulls = {group.variant.name: null_of(group) for group in _penalised(analysis)}
    return _holm({name: null.p_value for name, null in nulls.items() if null is not None})


def _holm(p_values: dict[str, float]) -> dict[str, float]:
    return dict(zip(p_values, holm(list(p_values.values())), strict=True))


def conclusions(analysis: Analysis) -> list[str]:
    """What the experiment found, one sentence or a few to each point."""
    p_values = corrected(analysis)
    ranks = {group.variant.name: group.own_rank_chance() for group in _penalised(analysis)}
    chances = _holm({name: chance for name, chance in ranks.items() if chance is not None})
    base = spread_of(analysis.plain, "excess")

    def row(group: Group) -> dict[str, Any]:
        name, form = group.variant.name, group.variant.entanglement
        p_value, excess = p_values.get(name), spread_of(group, "excess")
        return {
            "gamma": f"{group.variant.gamma:g}",
            "clouds": len(group.clouds),
            "alignment": spread_of(group, "alignment"),
            "null": null_of(group),
            "p": p_value,
            "aligned": p_value is not None and p_value < SIGNIFICANT,
            "turned": p_value is not None and chances.get(name, 1.0) < SIGNIFICANT,
            "rank": spread_of(group, "product" if form == "none" else form),
            "excess": excess,
            "compared": _compared(excess, base),
            "spread": spread_of(group, "spread").text(2),
        }

    own = [group for group in _penalised(analysis) if not group.variant.article]
    penalties = {form: [row(group) for group in own if group.variant.entanglement == form] for form in PENALTIES}
    article = {group.variant.entanglement: group for group in analysis.groups if group.variant.article}
    return paragraphs(
        "experiments/entanglement/conclusions.txt",
        plain=row(analysis.plain),
        penalties={form: rows for form, rows in penalties.items() if rows},
        why_diagonals=why_diagonals(),
        preferred=analysis.preferred,
        article={form: row(group) for form, group in article.items()}
        if len(article) == 2 and all(group.clouds for group in article.values())
        else None,
        dimensions=[
            (group.variant.label, mean)
            for group in analysis.groups
            if (mean := spread_of(group, "two_nn").mean) is not None
        ],
        failed=[f"{model.name} ({model.failed})" for model in analysis.models if model.failed],
        SIGNIFICANT=SIGNIFICANT,
        ONE_SEED=ONE_SEED,
        ARTICLE_BETA=ARTICLE_BETA,
        ARTICLE_GAMMA=ARTICLE_GAMMA,
    )


@lru_cache
def why_diagonals() -> str:
    """Why ``product`` prefers diagonals, measured on the spot."""
    square, degrees = uniform_rectangle(), np.array([0.0, 45.0])
    straight, diagonal = by_angle(square, degrees, "product")
    covariance = float(by_angle(square, np.linspace(0.0, 90.0, 19), "covariance").max())
    return (
        "product prefers diagonals because it is not a covariance: |μᵢ μⱼ| is averaged sample by sample, without the "
        "sign that would let samples cancel. It is small where samples lie near an axis, and a square turned by 45° "
        f"has its corners, its farthest samples, on the axes. A uniform square of side 2 costs {straight:.3f} with its "
        f"sides along the axes and {diagonal:.3f} at 45°; its covariance is {covariance:.3f} at every angle. "
        f"A rectangle has a lower penalty along the axes only from a side ratio of {diagonal_crossover():.2f} on."
    )


def spread_of(group: Group, name: str) -> Spread:
    """Mean and standard deviation over a group's seeds of one of ``MEASURES`` or of the rank under a penalty."""
    if name == "excess":
        return Spread.of(model.validation_excess_bce for model in group.models)
    return Spread.of(_of_cloud(cloud, name) for cloud in group.clouds)


def _of_cloud(cloud: Cloud, name: str) -> float | None:
    if name in cloud.ranks:
        return cloud.ranks[name]  # pyright: ignore[reportArgumentType]
    if name == "active":
        return float(cloud.active.sum())
    value = getattr(cloud, name)
    if isinstance(value, Unknown):
        return None
    return float(value[0]) if isinstance(value, Alignment | Dimension) else value


def _penalised(analysis: Analysis) -> list[Group]:
    return [group for group in analysis.groups if group.variant.entanglement != "none"]


def _compared(value: Spread, base: Spread) -> str:
    """How two means compare; intervals are mean ± standard deviation."""
    if value.mean is None or base.mean is None or base.mean <= 0:
        return "not comparable"
    times = f"{value.mean / base.mean:.2f} times"
    if value.std is None or base.std is None:
        return f"{times}; {ONE_SEED}"
    apart = abs(value.mean - base.mean) > value.std + base.std
    return times if apart else f"{times}, within the seeds' spread"


def _model(model: Model) -> dict[str, Any]:
    loss, cloud = model.config.loss, model.cloud
    values: dict[str, Any] = {
        "name": model.name,
        "entanglement": loss.entanglement,
        "gamma": loss.gamma,
        "beta": loss.beta,
        "seed": model.seed,
        "train_s": model.train_s,
        "validation_excess_bce": model.validation_excess_bce,
        "failed": model.failed,
    }
    if cloud is not None:
        values |= {
            "samples": len(cloud.mu),
            "spread": cloud.spread,
            "covariance": cloud.covariance,
            "alignment": _estimate(cloud.alignment),
            "factor_alignment": _estimate(cloud.factor_alignment),
            "active_dimensions": int(cloud.active.sum()),
            "two_nn": _estimate(cloud.two_nn),
            "levina_bickel": _estimate(cloud.levina_bickel),
            "orientation_rank": dict(cloud.ranks),
        }
    return values


def _estimate(value: Alignment | Dimension | Unknown) -> dict[str, Any]:
    """Under its own names, with ``value`` for the number; null with ``why`` where it cannot be had."""
    if isinstance(value, Unknown):
        return {"value": None, "why": value.why}
    fields = value._asdict()
    return {"value": fields.pop("dimension"), **fields} if "dimension" in fields else fields


def _group(group: Group) -> dict[str, Any]:
    return {
        "name": group.variant.name,
        "entanglement": group.variant.entanglement,
        "gamma": group.variant.gamma,
        "beta": group.variant.beta,
        "seeds": len(group.models),
        **{("validation_excess_bce" if name == "excess" else name): spread_of(group, name) for name in MEASURES},
        "orientation_rank": {form: spread_of(group, form) for form in PENALTIES},
        "alignment_null": null_of(group),
    }


# the page

_EMBEDDING_POINTS = 2500
_EMBEDDING_DPI = 110


def make_page(analysis: Analysis, report: Mapping[str, Any]) -> str:
    """The whole page, as HTML."""
    clouds = [model for group in analysis.groups if (model := _first_with_cloud(group)) is not None]
    plain = _first_with_cloud(analysis.plain)
    own = plain.cloud if plain is not None and plain.cloud is not None and plain.cloud.mu.shape[1] > 1 else None
    matrices = {model.variant.label: model.cloud.covariance for model in clouds if model.cloud is not None}
    p_values = corrected(analysis)
    return render_page(
        "experiments/entanglement/page.html",
        report=report,
        config=analysis.models[0].config,
        group_count=len(analysis.groups),
        seeds=len(analysis.plain.models),
        batch=BATCH,
        why_diagonals=why_diagonals(),
        figures={
            "alignment": svg(alignment_figure(analysis.groups)),
            "rectangle": svg(rectangle_figure()),
            "losses": svg(loss_surfaces_figure()),
            "own_cloud": svg(own_cloud_figure(own.mu)) if own is not None else None,
            "clouds": {
                f"{model.variant.label}, seed {model.seed}.": _embedding(model.cloud)
                for model in clouds
                if model.cloud is not None
            },
            "covariance": svg(covariance_figure(matrices)) if matrices else None,
            "trainings": svg(loss_curves({group.variant.label: group.models[0].records for group in analysis.groups})),
        },
        setting_rows=[_setting_row(group, p_values) for group in analysis.groups],
        model_rows=[_model_row(model) for model in analysis.models],
        preferred_rows=[
            {
                "form": form,
                "orientation": preferred,
                "gain": 1.0 - preferred.lowest / preferred.trained if preferred.trained > 0 else None,
            }
            for form in PENALTIES
            if (preferred := analysis.preferred.get(form)) is not None
        ],
    )


def _first_with_cloud(group: Group) -> Model | None:
    return next((model for model in group.models if model.cloud is not None), None)


def _embedding(cloud: Cloud) -> bytes:
    rows = np.arange(len(cloud.mu))
    if len(rows) > _EMBEDDING_POINTS:
        rows = np.sort(np.random.default_rng(0).choice(len(rows), _EMBEDDING_POINTS, replace=False))
    directions = None if isinstance(cloud.directions, Unknown) else cloud.directions
    return png(embedding_figure(cloud.mu[rows], cloud.factors[rows], cloud.factor_names, directions), _EMBEDDING_DPI)


def _cell(group: Group, name: str) -> Spread | str:
    """Mean and deviation over seeds; where nothing could be computed, why."""
    value = spread_of(group, name)
    if value.mean is None:
        if not group.clouds:
            return "failed"
        for cloud in group.clouds:
            if isinstance(unknown := getattr(cloud, name, None), Unknown):
                return _short_reason(unknown.why)
    return value


def _short_reason(why: str) -> str:
    return "too few samples" if "few" in why or "distinct points" in why else why


def _setting_row(group: Group, p_values: Mapping[str, float]) -> dict[str, object]:
    form = group.variant.entanglement
    factor = [cloud.factor_alignment for cloud in group.clouds if isinstance(cloud.factor_alignment, Alignment)]
    return {
        "setting": group.variant.label,
        **{name: _cell(group, name) for name in MEASURES},
        "null": null_of(group),
        "corrected": p_values.get(group.variant.name),
        "rank": _cell(group, "product" if form == "none" else form),
        "factor_null": float(np.mean([alignment.null_95 for alignment in factor])) if factor else None,
        "train_s": Spread.of(model.train_s for model in group.models),
    }


def _model_row(model: Model) -> dict[str, object]:
    row: dict[str, object] = {"setting": model.variant.label, "seed": model.seed, "excess": model.validation_excess_bce}
    cloud = model.cloud
    if cloud is None:
        return {**row, "alignment": f"no cloud: {model.failed}"}
    form = model.variant.entanglement
    return {
        **row,
        "alignment": _interval(cloud.alignment),
        "null": cloud.alignment,
        "rank": cloud.ranks["product" if form == "none" else form],
        "factor_alignment": _interval(cloud.factor_alignment),
        "active": int(cloud.active.sum()),
        "two_nn": _interval(cloud.two_nn),
        "levina_bickel": _interval(cloud.levina_bickel),
    }


def _interval(value: Alignment | Dimension | Unknown) -> Interval | str:
    return _short_reason(value.why) if isinstance(value, Unknown) else Interval(value[0], value.low, value.high)
