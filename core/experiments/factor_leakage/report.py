"""The report of experiment C: its numbers, what they say, and the figures and rows of ``page.html``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.data.polar_curves import FACTOR_NAMES
from core.experiments.factor_leakage.analysis import Analysis, Measured
from core.experiments.factor_leakage.figures import FLOOR, hole_figure, leak_figure
from core.experiments.factor_leakage.hole_crossings import CROSSINGS, STRAIGHT_LINE, WITH_PENALTY, WITHOUT_PENALTY
from core.experiments.factor_leakage.leakage import (
    BOTH,
    CHANGE,
    CURVE,
    DRAWN,
    FARTHEST,
    LEAST_CHANGE,
    MEAN_DIFFERENCE,
    POINTS,
    REGRESSION,
    RESAMPLES,
    SPHERICAL,
    STRAIGHT,
    TANGENT,
    TARGETS,
    Leaks,
    leaks_by_kind,
    trials_of,
)
from core.experiments.factor_leakage.options import Options
from core.experiments.factor_leakage.timings import CURVE as CURVE_STAGE
from core.experiments.factor_leakage.timings import GRAPH, GRAPH_BUILT, NET, RELAXED, SURFACE, Stage
from core.reporting.page import paragraphs, render_page
from core.reporting.plot_style import svg

NO_SEEDS = "one model: the interval is over starts, not over seeds"


def make_report(options: Options, analysis: Analysis) -> dict[str, Any]:
    """JSON-ready. Leaks and changes are shares of a factor's range, residuals medians of training reconstructions."""
    models = analysis.models
    trials = [model.trials for model in models]
    summary = {
        "models": len(models),
        "starts": {target: _starts(models, target) for target in TARGETS},
        "leak": {target: leaks_by_kind(trials, target) for target in TARGETS},
        "leak_at_common_change": {target: leaks_by_kind(trials, target, common=True) for target in TARGETS},
        "hole": {kind: numbers for kind in CROSSINGS if (numbers := hole_numbers(models, kind)) is not None},
        "times": {name: _times(stages) for name, stages in _stages(models).items()},
    }
    head = options.report_head(models[0].config)
    head["settings"] |= {
        "change": CHANGE,
        "least_change": LEAST_CHANGE,
        "images_a_path": POINTS,
        "bootstrap_resamples": RESAMPLES,
    }
    return {
        **head,
        "conclusions": conclusions(summary),
        "summary": summary,
        "models": [
            {
                "name": model.name,
                "label": model.label,
                "seed": model.seed,
                "run": model.run,
                "surface": model.description,
                "trials": model.trials,
                "crossings": model.crossings,
                "times": model.stages,
            }
            for model in models
        ],
    }


def hole_numbers(models: Sequence[Measured], kind: str) -> dict[str, Any] | None:
    """Of one kind of path over all models: None if there is none. ``deepest`` is how far an image lies inside the
    hole's rim, as a share of its radius; 0 if none does. ``residual_beside`` is the worst image's residual in units of
    that of the trained samples about it."""
    of_kind = [(path, model.config.data) for model in models for path in model.crossings if path.kind == kind]
    paths = [(path, data) for path, data in of_kind if not path.failed]
    if not paths:
        return None
    inside = np.concatenate([path.in_hole for path, _ in paths])
    residual = np.concatenate([path.residual for path, _ in paths])
    beside = np.concatenate([path.beside for path, _ in paths])
    depths = np.concatenate(
        [
            1.0 - np.linalg.norm(np.subtract(path.factors, (data.hole_a, data.hole_b)), axis=1) / data.hole_radius
            for path, data in paths
        ]
    )
    return {
        "pairs": len(paths),
        "failed": len(of_kind) - len(paths),
        "in_hole": float(inside.mean()),
        "deepest": max(float(depths.max()), 0.0),
        "pairs_clear": sum(not any(path.in_hole) for path, _ in paths),
        "residual_median": float(np.median(residual)),
        "residual_p95": float(np.quantile(residual, 0.95)),
        "residual_max": float(residual.max()),
        "residual_beside": float((residual / np.maximum(beside, 1e-12)).max()),
        "residual_in_hole": float(np.median(residual[inside])) if inside.any() else None,
        "off_share": float(np.mean([path.off_share for path, _ in paths])),
    }


def conclusions(summary: Mapping[str, Any]) -> list[str]:
    """What the experiment found, one sentence or a few to each point."""
    both, times = summary["leak"][BOTH], summary["times"]
    stages = {
        GRAPH: "a geodesic's first answer",
        RELAXED: "a relaxed one",
        CURVE_STAGE: "a factor curve",
        NET: "the net",
    }
    return paragraphs(
        "experiments/factor_leakage/conclusions.txt",
        models=summary["models"],
        leak=summary["leak"],
        both=both,
        common=summary["leak_at_common_change"][BOTH],
        hole=summary["hole"],
        short=[
            f"{kind} in {1.0 - reached:.0%} of the starts"
            for kind in (TANGENT, MEAN_DIFFERENCE, REGRESSION)
            if kind in both and (reached := both[kind].reached) is not None and reached < 0.995
        ],
        stages=[(name, times[stage]) for stage, name in stages.items() if stage in times],
        FACTOR_NAMES=FACTOR_NAMES,
        LEAST_CHANGE=LEAST_CHANGE,
        NO_SEEDS=NO_SEEDS,
    )


def _starts(models: Sequence[Measured], target: str) -> dict[str, Any]:
    trials = trials_of([model.trials for model in models], target)
    changes = [abs(trial.change) for trial in trials if trial.change is not None]
    return {
        "all": len(trials),
        "measured": len(changes),
        "dropped": Counter(trial.dropped for trial in trials if trial.dropped),
        "change_median": float(np.median(changes)) if changes else None,
        "change_least": min(changes, default=None),
        "full_change": float(np.mean(np.array(changes) > 0.975 * CHANGE)) if changes else None,
    }


def _stages(models: Sequence[Measured]) -> dict[str, list[Stage]]:
    stages: dict[str, list[Stage]] = {}
    for model in models:
        for stage in model.stages:
            if stage.wall_ms:
                stages.setdefault(stage.name, []).append(stage)
    return stages


def _times(stages: Sequence[Stage]) -> dict[str, float | int]:
    wall = np.concatenate([stage.wall_ms for stage in stages])
    used = np.concatenate([stage.cpu_ms for stage in stages])
    return {
        "n": len(wall),
        "median_ms": float(np.median(wall)),
        "p95_ms": float(np.quantile(wall, 0.95)),
        "cpu_median_ms": float(np.median(used)),
        "cpu_p95_ms": float(np.quantile(used, 0.95)),
    }


# the page

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
