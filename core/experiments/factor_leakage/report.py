"""The report of experiment C: its numbers, what they say, and the figures and rows of ``page.html``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.data.polar_curves import FACTOR_NAMES
from core.experiments.factor_leakage.analysis import Analysis, Measured
from core.experiments.factor_leakage.figures import FLOOR, hole_figure, leak_figure
from core.experiments.factor_leakage.hole_crossings import CROSSINGS, STRAIGHT_LINE, WITH_PENALTY, WITHOUT_PENALTY
from core.experiments.factor_leakage.leakage import (
    CHANGE,
    CURVE,
    DRAWN,
    FARTHEST,
    LEAST_CHANGE,
    MEAN_DIFFERENCE,
    POINTS,
    REGRESSION,
    SPHERICAL,
    STRAIGHT,
    TANGENT,
)
from core.experiments.factor_leakage.options import Options
from core.experiments.factor_leakage.statistics import BOTH, RESAMPLES, TARGETS, Leaks, leaks_by_kind, trials_of
from core.experiments.factor_leakage.timings import CURVE as CURVE_STAGE
from core.experiments.factor_leakage.timings import GRAPH, GRAPH_BUILT, NET, RELAXED, SURFACE, Stage
from core.reporting.page import render_page
from core.reporting.plot_style import svg
from core.reporting.tables import Interval

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
    both = summary["leak"][BOTH]
    paragraphs = [
        _curve_against_vector(summary),
        *((_lines(both), _ends(both), _redrawn(both)) if CURVE in both else ()),
        _at_common_change(summary["leak_at_common_change"][BOTH]),
        _hole(summary["hole"]),
        _speed(summary["times"]),
    ]
    return [text for text in paragraphs if text]


def _curve_against_vector(summary: Mapping[str, Any]) -> str:
    table = summary["leak"][BOTH]
    if CURVE not in table or MEAN_DIFFERENCE not in table:
        return "No start could be measured: nothing can be said about leak."
    curve, vector = table[CURVE], table[MEAN_DIFFERENCE]
    by_factor = [
        f"{_percent(leaks[CURVE].median)} for {name}"
        for name in FACTOR_NAMES
        if CURVE in (leaks := summary["leak"][name])
    ]
    models = summary["models"]
    over = NO_SEEDS if models == 1 else f"over starts and {models} models"
    return (
        f"{_verdict(vector)} While a factor curve changes one factor, the other moves by "
        f"{_percent(curve.median)} of its range (median of {curve.n} starts; {', '.join(by_factor)}); along the "
        f"mean-difference vector, for the same change, by {_percent(vector.median)}: {_ratio(vector)} "
        f"(in brackets 95 % bootstrap intervals{'; ' if models == 1 else ' '}{over})."
    )


def _verdict(vector: Leaks) -> str:
    low, high = vector.ratio.low, vector.ratio.high
    if low is None or high is None:
        return "There are too few starts to say whether a curve leaks less than a straight line."
    if low > 1.0:
        return "A curve leaks less than a straight line."
    return (
        "A curve leaks more than a straight line."
        if high < 1.0
        else "The measurements do not show whether a curve leaks less."
    )


def _list(table: Mapping[str, Leaks], names: Mapping[str, str]) -> str:
    """The leaks of the kinds in ``names`` that were measured."""
    return "; ".join(
        f"{name} {_percent(table[kind].median)} ({_ratio(table[kind])})"
        for kind, name in names.items()
        if kind in table
    )


def _lines(table: Mapping[str, Leaks]) -> str:
    lines = _list(table, {TANGENT: "the tangent line", REGRESSION: "the regression vector"})
    short = [
        f"{kind} in {1.0 - reached:.0%} of the starts"
        for kind in (TANGENT, MEAN_DIFFERENCE, REGRESSION)
        if kind in table and (reached := table[kind].reached) is not None and reached < 0.995
    ]
    text = f"Other straight lines that need nothing but a start: {lines}." if lines else ""
    if short:
        text += (
            f" Not all of them ever reach the change: {', '.join(short)} never do. Their leak is taken where they come "
            "closest, which flatters them."
        )
    return text


def _ends(table: Mapping[str, Leaks]) -> str:
    lines = _list(table, {STRAIGHT: "the straight line", SPHERICAL: "spherical interpolation"})
    if not lines:
        return ""
    return f"Paths to the end of the factor curve, where both factors are right, still leak on the way: {lines}."


def _redrawn(table: Mapping[str, Leaks]) -> str:
    if DRAWN not in table:
        return ""
    ratio = table[DRAWN].ratio
    if ratio.high is not None and ratio.high < 1.0:
        verdict = "part of what a factor curve still leaks is that the decoder does not quite draw the samples' labels"
    elif ratio.low is not None and ratio.low > 1.0:
        verdict = "the labels of the decoded images are worse guides than the samples' own"
    else:
        verdict = "there is no evidence that this helps"
    return (
        "Guided by the labels of the decoded images instead of the samples' own, a factor curve leaks "
        f"{_percent(table[DRAWN].median)} ({_ratio(table[DRAWN])}): {verdict}."
    )


def _at_common_change(table: Mapping[str, Leaks]) -> str:
    if CURVE not in table or MEAN_DIFFERENCE not in table:
        return ""
    return (
        f"Over the {table[CURVE].n} starts from which every kind of path changes the factor by at least "
        f"{LEAST_CHANGE:.0%} of its range, all cut at the same change, the medians are {_percent(table[CURVE].median)} "
        f"for the factor curve and {_percent(table[MEAN_DIFFERENCE].median)} for the mean-difference vector "
        f"({_ratio(table[MEAN_DIFFERENCE])})."
    )


def _hole(hole: Mapping[str, Mapping[str, Any]]) -> str:
    if WITH_PENALTY not in hole or WITHOUT_PENALTY not in hole:
        return "The data have no hole for geodesics to cross."
    geodesic, bare = hole[WITH_PENALTY], hole[WITHOUT_PENALTY]
    clear = (
        "every image along every geodesic stays out of the hole"
        if geodesic["in_hole"] == 0.0
        else f"{geodesic['in_hole']:.1%} of the images along the geodesics lie in the hole, the deepest "
        f"{geodesic['deepest']:.0%} of its radius inside the rim ({geodesic['pairs_clear']} of {geodesic['pairs']} "
        "paths are clear of it)"
    )
    line = f", of a straight line {hole[STRAIGHT_LINE]['in_hole']:.0%}" if STRAIGHT_LINE in hole else ""
    return (
        f"Between opposite sides of the hole, {clear}; they are {geodesic['residual_median']:.2f} times as far "
        f"from a true curve as a usual training reconstruction (median; 95 % below {geodesic['residual_p95']:.2f}, "
        f"worst {geodesic['residual_max']:.2f}; the worst relative to the training samples around it "
        f"{geodesic['residual_beside']:.2f}). Without the penalty on leaving the data {bare['in_hole']:.0%} of the "
        f"images lie in the hole{line}, {bare['off_share']:.0%} of the places count as off the data (with the penalty "
        f"{geodesic['off_share']:.0%}), and the worst image is {bare['residual_max']:.2f} times as far from a true "
        "curve."
    )


def _speed(times: Mapping[str, Mapping[str, float]]) -> str:
    names = {
        GRAPH: "a geodesic's first answer",
        RELAXED: "a relaxed one",
        CURVE_STAGE: "a factor curve",
        NET: "the net",
    }
    stages = [(times[stage], name) for stage, name in names.items() if stage in times]
    if not stages:
        return ""
    cpu = ", ".join(f"{name} {stage['cpu_median_ms']:.0f} ms ({stage['cpu_p95_ms']:.0f})" for stage, name in stages)
    wall = ", ".join(f"{stage['median_ms']:.0f} ({stage['p95_ms']:.0f})" for stage, _ in stages)
    return (
        f"On one core each stage takes, in processor time with the 95th percentile in brackets: {cpu}. In wall-clock "
        f"time, including whatever else ran on this machine: {wall} ms."
    )


def _percent(median: Interval) -> str:
    if median.value is None:
        return "–"
    ends = "" if median.low is None or median.high is None else f" [{100 * median.low:.2g}, {100 * median.high:.2g}]"
    return f"{100 * median.value:.2g} %{ends}"


def _ratio(leaks: Leaks) -> str:
    def number(value: float) -> str:
        return f"{value:.0f}" if value >= 10 else f"{value:.2g}"

    ratio = leaks.ratio
    if ratio.value is None:
        return "no ratio"
    ends = "" if ratio.low is None or ratio.high is None else f" [{number(ratio.low)}, {number(ratio.high)}]"
    return f"{number(ratio.value)} times as much{ends}"


def _starts(models: Sequence[Measured], target: str) -> dict[str, Any]:
    trials = trials_of([model.trials for model in models], target)
    changes = [abs(trial.change) for trial in trials if trial.change is not None]
    reasons: dict[str, int] = {}
    for trial in trials:
        if trial.dropped:
            reasons[trial.dropped] = reasons.get(trial.dropped, 0) + 1
    return {
        "all": len(trials),
        "measured": len(changes),
        "dropped": reasons,
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
