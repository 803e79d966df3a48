"""The page of experiment C: its figures and rows; its words are in ``page.html``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.experiments.factor_leakage.analysis import Analysis
from core.experiments.factor_leakage.figures import FLOOR, hole_figure, leak_figure
from core.experiments.factor_leakage.hole_crossings import STRAIGHT_LINE, WITH_PENALTY, WITHOUT_PENALTY
from core.experiments.factor_leakage.leakage import (
    CURVE,
    DRAWN,
    FARTHEST,
    MEAN_DIFFERENCE,
    REGRESSION,
    SPHERICAL,
    STRAIGHT,
    TANGENT,
)
from core.experiments.factor_leakage.report import NO_SEEDS
from core.experiments.factor_leakage.statistics import BOTH, RESAMPLES, Leaks
from core.experiments.factor_leakage.timings import CURVE as CURVE_STAGE
from core.experiments.factor_leakage.timings import GRAPH, GRAPH_BUILT, NET, RELAXED, SURFACE
from core.reporting.page import render_page
from core.reporting.plot_style import svg

PATH_MEANINGS = {
    CURVE: "follows the surface of the samples so that one label changes and the other keeps its value",
    DRAWN: "the same, guided by the labels of the decoded images, as the model's own encoder reads them",
    TANGENT: "the straight line that touches the factor curve at the start",
    STRAIGHT: "the straight line to the place with the changed label, which is the factor curve's end",
    SPHERICAL: "spherical interpolation about the cloud's mean to the same end",
    MEAN_DIFFERENCE: "from the start along the vector from the mean of the samples below the factor's median to that "
    "of those above it",
    REGRESSION: "from the start along the gradient of the least-squares plane through the factor's values",
}
HOLE_MEANINGS = {
    WITH_PENALTY: "shortest in image space, with a penalty on leaving the data",
    WITHOUT_PENALTY: "the same without the penalty: the decoder alone decides",
    STRAIGHT_LINE: "straight in latent space",
}
STAGE_MEANINGS = {
    SURFACE: "neighbours, and the choice of their number by leave-one-out error",
    GRAPH_BUILT: "its edges weighted by image distance",
    GRAPH: "the neighbour graph's shortest path",
    RELAXED: "the first answer and its relaxation, until a further step would save less than 0.1 %",
    CURVE_STAGE: "33 places over 40 % of the factor's range",
    NET: "seven of each family",
}


def make_page(analysis: Analysis, report: Mapping[str, Any]) -> str:
    """The whole page, as HTML."""
    summary, first = report["summary"], analysis.models[0]
    data, hole = first.config.data, summary["hole"]
    resampled = f"95 % bootstrap intervals of {RESAMPLES:,} resamples"
    models = summary["models"]
    return render_page(
        "experiments/factor_leakage/page.html",
        report=report,
        summary=summary,
        first=first,
        net_caption=analysis.net_caption,
        intervals=f"{resampled}, {NO_SEEDS}." if models == 1 else f"{resampled} over starts and {models} models.",
        floor=FLOOR,
        farthest=FARTHEST,
        figures={
            "leak": svg(leak_figure([model.trials for model in analysis.models])),
            "net": analysis.picture,
            "sides": analysis.sides,
            "hole": svg(hole_figure(first.crossings, ((data.hole_a, data.hole_b), data.hole_radius))) if hole else None,
        },
        leak_rows={target: _leak_rows(leaks) for target, leaks in summary["leak"].items()},
        common_rows=_leak_rows(summary["leak_at_common_change"][BOTH]),
        hole_rows=[{"kind": kind, **numbers} for kind, numbers in hole.items()],
        hole_meanings={kind: HOLE_MEANINGS[kind] for kind in hole},
        time_rows=[
            {"stage": stage, "way": STAGE_MEANINGS[stage], **numbers} for stage, numbers in summary["times"].items()
        ],
        model_rows=[{"label": model.label, **model.description} for model in analysis.models],
    )


def _leak_rows(table: Mapping[str, Leaks]) -> list[dict[str, Any]]:
    return [
        {**vars(leaks), "kind": kind, "way": PATH_MEANINGS[kind], "ratio": 1.0 if kind == CURVE else leaks.ratio}
        for kind, leaks in table.items()
    ]
