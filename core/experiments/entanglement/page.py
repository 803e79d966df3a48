"""The page of experiment B: its figures and rows; its words are in ``page.html``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from core.analysis.axis_alignment import Alignment
from core.experiments.entanglement.analysis import PENALTIES, Analysis, Cloud, Group, Model, Unknown, null_of
from core.experiments.entanglement.figures import BATCH, alignment_figure, own_cloud_figure, rectangle_figure
from core.experiments.entanglement.loss_surfaces import loss_surfaces_figure
from core.experiments.entanglement.report import corrected, spread_of, why_diagonals
from core.geometry.embedding_metrics import Dimension
from core.reporting.figures import covariance_figure, embedding_figure, loss_curves
from core.reporting.page import render_page
from core.reporting.plot_style import png, svg
from core.reporting.tables import Interval, Spread

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
        orientation_rows=[_orientation_row(group, p_values) for group in analysis.groups],
        shape_rows=[_shape_row(group) for group in analysis.groups],
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


def _orientation_row(group: Group, p_values: Mapping[str, float]) -> dict[str, object]:
    form = group.variant.entanglement
    factor = [cloud.factor_alignment for cloud in group.clouds if isinstance(cloud.factor_alignment, Alignment)]
    return {
        "setting": group.variant.label,
        "alignment": _cell(group, "alignment"),
        "null": null_of(group),
        "corrected": p_values.get(group.variant.name),
        "rank": _cell(group, "product" if form == "none" else form),
        "factor_alignment": _cell(group, "factor_alignment"),
        "factor_null": float(np.mean([one.null_95 for one in factor])) if factor else None,
    }


def _shape_row(group: Group) -> dict[str, object]:
    names = ("excess", "spread", "correlation", "active", "two_nn", "levina_bickel")
    return {
        "setting": group.variant.label,
        **{name: _cell(group, name) for name in names},
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
