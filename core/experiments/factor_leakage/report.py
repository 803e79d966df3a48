"""The numbers of experiment C, and what they say in words: the content of its ``report.json``."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from core.config import config_to_dict
from core.data.polar_curves import FACTOR_NAMES
from core.experiments.factor_leakage.analysis import Analysis, Measured
from core.experiments.factor_leakage.experiment import NAME, Options
from core.experiments.factor_leakage.hole_crossings import BARE, CROSSINGS, KEPT, LINE
from core.experiments.factor_leakage.leakage import (
    CHANGE,
    CURVE,
    DRAWN,
    LEAST_CHANGE,
    MEAN_DIFFERENCE,
    POINTS,
    REGRESSION,
    SPHERICAL,
    STRAIGHT,
    TANGENT,
)
from core.experiments.factor_leakage.statistics import BOTH, RESAMPLES, TARGETS, Leaks, leaks_by_kind, trials_of
from core.experiments.factor_leakage.timings import CURVE as CURVE_STAGE
from core.experiments.factor_leakage.timings import GRAPH, NET, RELAXED, Stage
from core.experiments.folder import SCHEMA_VERSION
from core.utils.versions import versions

NO_SEEDS = "one model: the interval is over starts, none is over seeds"


def make_report(options: Options, analysis: Analysis) -> dict[str, Any]:
    """JSON-ready. Leaks and changes are shares of a factor's range, residuals medians of training reconstructions."""
    models = analysis.models
    trials = [model.trials for model in models]
    leak = {target: leaks_by_kind(trials, target) for target in TARGETS}
    common = {target: leaks_by_kind(trials, target, common=True) for target in TARGETS}
    summary = {
        "models": len(models),
        "starts": {target: _starts(models, target) for target in TARGETS},
        "leak": {target: _table(leaks) for target, leaks in leak.items()},
        "leak_at_common_change": {target: _table(leaks) for target, leaks in common.items()},
        "hole": {kind: found for kind in CROSSINGS if (found := hole_numbers(models, kind)) is not None},
        "times": {name: _times(stages) for name, stages in _stages(models).items()},
    }
    return {
        "schema": SCHEMA_VERSION,
        "experiment": NAME,
        "settings": {
            **options.settings(),
            "change": CHANGE,
            "least_change": LEAST_CHANGE,
            "images_a_path": POINTS,
            "bootstrap_resamples": RESAMPLES,
            "configuration": config_to_dict(models[0].config),
        },
        "versions": versions(),
        "platform": {"system": platform.platform(), "processors": os.cpu_count()},
        "conclusions": conclusions(summary),
        "summary": summary,
        "models": [_model(model) for model in models],
    }


def hole_numbers(models: Sequence[Measured], kind: str) -> dict[str, Any] | None:
    """Of one kind of path over all models: None if there is none. ``deepest`` is how far an image lies inside the
    hole's rim, as a share of its radius; 0 if none does. ``residual_beside`` is the worst image's residual in units of
    that of the trained samples about it."""
    of_kind = [(one, model.config.data) for model in models for one in model.crossings if one.kind == kind]
    found = [(one, data) for one, data in of_kind if not one.failed]
    if not found:
        return None
    inside = np.concatenate([one.in_hole for one, _ in found])
    residual = np.concatenate([one.residual for one, _ in found])
    beside = np.concatenate([one.beside for one, _ in found])
    away = [np.linalg.norm(np.subtract(one.factors, (data.hole_a, data.hole_b)), axis=1) for one, data in found]
    depths = np.concatenate([1.0 - one / data.hole_radius for one, (_, data) in zip(away, found, strict=True)])
    return {
        "pairs": len(found),
        "failed": len(of_kind) - len(found),
        "in_hole": float(inside.mean()),
        "deepest": max(float(depths.max()), 0.0),
        "pairs_clear": sum(not any(one.in_hole) for one, _ in found),
        "residual_median": float(np.median(residual)),
        "residual_p95": float(np.quantile(residual, 0.95)),
        "residual_max": float(residual.max()),
        "residual_beside": float((residual / np.maximum(beside, 1e-12)).max()),
        "residual_in_hole": float(np.median(residual[inside])) if inside.any() else None,
        "off_share": float(np.mean([one.off_share for one, _ in found])),
    }


def conclusions(summary: Mapping[str, Any]) -> list[str]:
    """What the experiment found, one sentence or a few to each point."""
    said = [_lead(summary), _lines(summary), _ends(summary), _drawn(summary), _common(summary), _hole(summary)]
    return [text for text in [*said, _speed(summary)] if text]


def _lead(summary: Mapping[str, Any]) -> str:
    table = summary["leak"][BOTH]
    curve, vector = table.get(CURVE), table.get(MEAN_DIFFERENCE)
    if curve is None or vector is None:
        return "No start could be measured: nothing can be said about leak."
    by_factor = [
        f"{_percent(one[CURVE]['median'])} for {name}"
        for name in FACTOR_NAMES
        if CURVE in (one := summary["leak"][name])
    ]
    return (
        f"{_verdict(vector)} While a factor curve changes one factor, the other moves by "
        f"{_percent(curve['median'])} of its range (median of {curve['n']} starts; {', '.join(by_factor)}); along the "
        f"mean-difference vector, for the same change, by {_percent(vector['median'])}: {_times_text(vector)}"
        f"{_seeds(summary)}."
    )


def _verdict(vector: Mapping[str, Any]) -> str:
    low, high = vector["ratio"]["low"], vector["ratio"]["high"]
    if low is None or high is None:
        return "There are too few starts to say whether a curve leaks less than a straight line."
    if low > 1.0:
        return "A curve leaks less than a straight line."
    return "A curve leaks more than a straight line." if high < 1.0 else "It cannot be told whether a curve leaks less."


def _lines(summary: Mapping[str, Any]) -> str:
    table = summary["leak"][BOTH]
    parts = [
        f"{text} {_percent(table[kind]['median'])} ({_times_text(table[kind])})"
        for kind, text in ((TANGENT, "the tangent line"), (REGRESSION, "the regression vector"))
        if kind in table and CURVE in table
    ]
    short = [
        f"{kind} in {1.0 - table[kind]['reached']:.0%} of the starts"
        for kind in (TANGENT, MEAN_DIFFERENCE, REGRESSION)
        if kind in table and table[kind]["reached"] is not None and table[kind]["reached"] < 0.995
    ]
    text = f"Other lines that one can follow from a start alone: {'; '.join(parts)}." if parts else ""
    if short:
        text += (
            f" Not all of them achieve the change at all: {', '.join(short)} never do and are judged where they come "
            "closest, which flatters them."
        )
    return text


def _ends(summary: Mapping[str, Any]) -> str:
    table = summary["leak"][BOTH]
    parts = [
        f"{text} {_percent(table[kind]['median'])} ({_times_text(table[kind])})"
        for kind, text in ((STRAIGHT, "the straight line"), (SPHERICAL, "spherical interpolation"))
        if kind in table and CURVE in table
    ]
    if not parts:
        return ""
    return (
        "Lines that are told where the factor curve ends, so that both factors are right there, still leak on the way: "
        f"{'; '.join(parts)}."
    )


def _drawn(summary: Mapping[str, Any]) -> str:
    table = summary["leak"][BOTH]
    if DRAWN not in table or CURVE not in table:
        return ""
    ratio = table[DRAWN]["ratio"]
    if ratio["high"] is not None and ratio["high"] < 1.0:
        verdict = "part of what a factor curve still leaks is that the decoder does not quite draw the samples' labels"
    elif ratio["low"] is not None and ratio["low"] > 1.0:
        verdict = "the labels of what is drawn are worse guides than the samples' own"
    else:
        verdict = "it cannot be told that this helps"
    return (
        "Led by the labels of what the decoder draws instead of the samples' own, a factor curve leaks "
        f"{_percent(table[DRAWN]['median'])} ({_times_text(table[DRAWN])}): {verdict}."
    )


def _common(summary: Mapping[str, Any]) -> str:
    table = summary["leak_at_common_change"][BOTH]
    if CURVE not in table or MEAN_DIFFERENCE not in table:
        return ""
    return (
        f"Over the {table[CURVE]['n']} starts from which every kind of path achieves at least {LEAST_CHANGE:.0%} of "
        f"the range, all cut at the very same change, the medians are {_percent(table[CURVE]['median'])} for the "
        f"factor curve and {_percent(table[MEAN_DIFFERENCE]['median'])} for the mean-difference vector "
        f"({_times_text(table[MEAN_DIFFERENCE])})."
    )


def _hole(summary: Mapping[str, Any]) -> str:
    hole = summary["hole"]
    if KEPT not in hole or BARE not in hole:
        return "The data have no hole that geodesics could be sent across."
    kept, bare = hole[KEPT], hole[BARE]
    clear = (
        "all samples of all geodesics stay out of the hole"
        if kept["in_hole"] == 0.0
        else f"{kept['in_hole']:.1%} of the samples of the geodesics lie in the hole, the deepest "
        f"{kept['deepest']:.0%} of its radius inside the rim ({kept['pairs_clear']} of {kept['pairs']} paths "
        "are clear of it)"
    )
    line = f", of a straight line {hole[LINE]['in_hole']:.0%}" if LINE in hole else ""
    return (
        f"Between opposite sides of the hole, {clear}; their images are {kept['residual_median']:.2f} times as far "
        f"from a true curve as a usual training reconstruction (median; 95 % below {kept['residual_p95']:.2f}, worst "
        f"{kept['residual_max']:.2f}; the worst of all against the trained samples about it "
        f"{kept['residual_beside']:.2f}). Without the penalty on leaving the data {bare['in_hole']:.0%} of the samples "
        f"lie in the hole{line}, the badge flags {bare['off_share']:.0%} of the places (with it "
        f"{kept['off_share']:.0%}), and the worst image is {bare['residual_max']:.2f} times as far from a true curve."
    )


def _speed(summary: Mapping[str, Any]) -> str:
    times = summary["times"]
    stages = [
        (times[name], text)
        for name, text in (
            (GRAPH, "a geodesic's first answer"),
            (RELAXED, "a relaxed one"),
            (CURVE_STAGE, "a factor curve"),
            (NET, "the net"),
        )
        if name in times
    ]
    if not stages:
        return ""
    used = ", ".join(f"{text} {one['cpu_median_ms']:.0f} ms ({one['cpu_p95_ms']:.0f})" for one, text in stages)
    clock = ", ".join(f"{one['median_ms']:.0f} ({one['p95_ms']:.0f})" for one, _ in stages)
    return (
        f"On one core each stage takes, in processor time with the 95th percentile in brackets: {used}. By the clock, "
        f"with all else that this machine did meanwhile: {clock} ms."
    )


def _percent(estimate: Mapping[str, float | None]) -> str:
    value = estimate["value"]
    if value is None:
        return "–"
    interval = ""
    if estimate["low"] is not None and estimate["high"] is not None:
        interval = f" [{100 * estimate['low']:.2g}, {100 * estimate['high']:.2g}]"
    return f"{100 * value:.2g} %{interval}"


def _times_text(kind: Mapping[str, Any]) -> str:
    ratio = kind["ratio"]
    if ratio["value"] is None:
        return "no ratio"
    text = f"{_sig(ratio['value'])} times as much"
    if ratio["low"] is not None:
        text += f" [{_sig(ratio['low'])}, {_sig(ratio['high'])}]"
    return text


def _sig(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _seeds(summary: Mapping[str, Any]) -> str:
    models = summary["models"]
    if models == 1:
        return f" (in brackets 95 % bootstrap intervals; {NO_SEEDS})"
    return f" (in brackets 95 % bootstrap intervals over starts and {models} models)"


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


def _table(leaks: Mapping[str, Leaks]) -> dict[str, Any]:
    return {
        kind: {
            "n": one.n,
            "reached": one.reached,
            "median": one.median._asdict(),
            "p90": one.p90,
            "ratio": one.ratio._asdict(),
        }
        for kind, one in leaks.items()
    }


def _stages(models: Sequence[Measured]) -> dict[str, list[Stage]]:
    found: dict[str, list[Stage]] = {}
    for model in models:
        for stage in model.stages:
            if stage.wall_ms:
                found.setdefault(stage.name, []).append(stage)
    return found


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


def _model(model: Measured) -> dict[str, Any]:
    return {
        "name": model.name,
        "label": model.label,
        "seed": model.seed,
        "run": model.run,
        "surface": model.description,
        "trials": {target: [asdict(trial) for trial in trials] for target, trials in model.trials.items()},
        "crossings": [asdict(crossing) for crossing in model.crossings],
        "times": [asdict(stage) for stage in model.stages],
    }
