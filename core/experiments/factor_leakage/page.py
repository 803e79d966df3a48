"""The page of experiment C: its conclusions, figures and tables, and what each number means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.experiments.factor_leakage.analysis import Analysis, Measured
from core.experiments.factor_leakage.experiment import Options
from core.experiments.factor_leakage.figures import FLOOR, hole_figure, leak_figure
from core.experiments.factor_leakage.hole_crossings import BARE, KEPT, LINE
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
from core.experiments.factor_leakage.report import NO_SEEDS
from core.experiments.factor_leakage.statistics import BOTH, RESAMPLES, TARGETS
from core.experiments.factor_leakage.timings import CURVE as CURVE_STAGE
from core.experiments.factor_leakage.timings import GRAPH, GRAPH_BUILT, NET, RELAXED, SURFACE
from core.reporting.cells import Column, Interval
from core.reporting.page import Page
from core.reporting.plot_style import svg

SVG, PNG = "image/svg+xml", "image/png"

LEAK = (
    "Leak: the largest departure of the other factor from its value at the start, along the path, as a share of that "
    "factor's range; read off the decoded images with the dataset's own inverse, which took no part in steering."
)
PATH_MEANINGS = {
    CURVE: "follows the surface of the samples so that one label changes and the other keeps its value",
    DRAWN: "the same, led by the labels of what the decoder draws, as its own encoder reads them",
    TANGENT: "the straight line that touches the factor curve at the start",
    STRAIGHT: "the straight line to the place with the changed label, which is the factor curve's end",
    SPHERICAL: "spherical interpolation about the cloud's mean to the same end",
    MEAN_DIFFERENCE: "from the start along the vector from the mean of the samples below the factor's median to that "
    "of those above it",
    REGRESSION: "from the start along the gradient of the least-squares plane through the factor's values",
}
HOLE_MEANINGS = {
    KEPT: "shortest in image space, leaving the data costs",
    BARE: "the same with the penalty set to zero: what the decoder alone would do",
    LINE: "straight in latent space",
}
STAGE_MEANINGS = {
    SURFACE: "neighbours, and the choice of their number by leave-one-out error",
    GRAPH_BUILT: "its edges weighted by image distance",
    GRAPH: "the neighbour graph's shortest path",
    RELAXED: "that and its relaxation, until another step would save less than a thousandth",
    CURVE_STAGE: "33 places over 40 % of the factor's range",
    NET: "seven of each family",
}

KIND = Column("kind", "path", "How the path is laid from its start.")
WAY = Column("way", "how", "What the path follows.")
N = Column("n", "n", "Leaks measured: starts that could be measured, over all models.")
MEDIAN = Column("median", "median leak, %", f"{LEAK} In brackets the median's 95 % bootstrap interval.", 2)
P90 = Column("p90", "90th percentile, %", f"Nine of ten starts leak less. {LEAK}", 2)
RATIO = Column(
    "ratio",
    "× factor curve",
    "The median leak over that of the factor curve, over the same starts; in brackets its 95 % bootstrap interval.",
    1,
)
REACHED = Column(
    "reached",
    "gets there, %",
    "Starts from which the path achieves the factor curve's change, to 1 %, by its decoded images. Where it never "
    f"does, within {FARTHEST:g} times the length that it should need, its leak is taken where it comes closest, which "
    "flatters it.",
    0,
)


def make_page(options: Options, analysis: Analysis, report: Mapping[str, Any]) -> Page:
    """The whole page."""
    page = Page("Curves and lines through latent space", _lead_text())
    page.section("What was found")
    page.points(report["conclusions"])
    _leaks(page, analysis, report)
    _net(page, analysis)
    _hole(page, analysis, report)
    _times(page, report)
    _models(page, analysis)
    _settings(page, options, analysis, report)
    return page


def _lead_text() -> str:
    return (
        "Latent arithmetic follows straight lines: add a vector, and one factor of the image is meant to change. Here "
        "curves are followed instead, which run along the surface of the samples so that one label changes and the "
        "other is held. Does a curve leak less, and by what factor?\n\n"
        "Every kind of path starts at the same place and is cut where its images have changed the factor by the same "
        "amount. What the images show is recovered by the dataset's own inverse: the curve R(θ) = b cos(5θ) + a whose "
        "drawing is nearest. It has no part in laying any path."
    )


def _leaks(page: Page, analysis: Analysis, report: Mapping[str, Any]) -> None:
    summary = report["summary"]
    page.section("Leak by kind of path")
    for target, other in (("a", "b"), ("b", "a")):
        starts = summary["starts"][target]
        page.text(
            f"Changing {target}: {starts['measured']} of {starts['all']} starts could be measured"
            + _dropped(starts)
            + "."
            f" The change asked for is {CHANGE:.0%} of the range of {target}, towards its middle"
            + (
                f"; the median achieved is {starts['change_median']:.1%}, and {starts['full_change']:.0%} of the "
                f"starts achieve all of it. What moves meanwhile is {other}."
                if starts["change_median"] is not None
                else "."
            )
        )
    figure = leak_figure([model.trials for model in analysis.models])
    caption = (
        f"The share of starts whose leak is at most the value below, by kind of path. {LEAK} Values below {FLOOR:g} "
        "are drawn there; the dashed line is the median."
    )
    page.figure(
        svg(figure), SVG, caption, "Step curves that rise from left to right, the factor curve far to the left."
    )
    for target in TARGETS:
        rows = _rows(summary["leak"][target])
        page.table([KIND, N, MEDIAN, P90, RATIO, REACHED, WAY], rows, f"{_target(target)} {_intervals(summary)}")
    common = summary["leak_at_common_change"][BOTH]
    if common:
        page.text(
            "Stricter still: only starts from which every kind achieves at least "
            f"{LEAST_CHANGE:.0%} of the range, all kinds cut at the largest change that all of them achieve."
        )
        page.table(
            [KIND, N, MEDIAN, P90, RATIO], _rows(common), f"Both factors, at the common change. {_intervals(summary)}"
        )


def _dropped(starts: Mapping[str, Any]) -> str:
    reasons = starts["dropped"]
    if not reasons:
        return ""
    listed = "; ".join(f"{reason}: {count}" for reason, count in sorted(reasons.items(), key=lambda one: -one[1]))
    return f" (left out for every kind, since no factor curve comes {LEAST_CHANGE:.0%} of the range far: {listed})"


def _rows(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "kind": kind,
            "n": one["n"],
            "median": _interval(one["median"], 100.0),
            "p90": 100.0 * one["p90"],
            "ratio": _interval(one["ratio"], 1.0) if kind != CURVE else 1.0,
            "reached": None if one["reached"] is None else 100.0 * one["reached"],
            "way": PATH_MEANINGS[kind],
        }
        for kind, one in table.items()
    ]


def _interval(estimate: Mapping[str, float | None], unit: float) -> Interval | float | None:
    value, low, high = (estimate[name] for name in ("value", "low", "high"))
    if value is None:
        return None
    return unit * value if low is None or high is None else Interval(unit * value, unit * low, unit * high)


def _target(target: str) -> str:
    return "Both factors together." if target == BOTH else f"Changing {target}."


def _intervals(summary: Mapping[str, Any]) -> str:
    models = summary["models"]
    how = f"95 % bootstrap intervals of {RESAMPLES:,} resamples"
    return f"{how}, {NO_SEEDS}." if models == 1 else f"{how} over starts and {models} models."


def _net(page: Page, analysis: Analysis) -> None:
    page.section("The net of factor curves")
    label = analysis.models[0].label
    page.figure(
        analysis.picture,
        PNG,
        f"{label}: {analysis.net_words}. The sheet of means, coloured by a, and on it the lines along which one "
        "factor keeps its value, from the samples' labels alone; lines bear their values. The sheet is left open where "
        "the data have a hole.",
        "A curved sheet with two families of curved lines across it.",
    )
    page.figure(
        analysis.sides,
        PNG,
        "The same from three sides, each a third of a turn on.",
        "The sheet and its net from three sides.",
    )


def _hole(page: Page, analysis: Analysis, report: Mapping[str, Any]) -> None:
    hole = report["summary"]["hole"]
    if not hole:
        return
    page.section("Across the hole")
    first = analysis.models[0]
    data = first.config.data
    page.text(
        f"No image within {data.hole_radius:g} of (a, b) = ({data.hole_a:g}, {data.hole_b:g}) was trained on. Pairs "
        "of samples on opposite sides of that hole are joined, and the images along the way are asked which curve they "
        "show."
    )
    figure = hole_figure(first.crossings, ((data.hole_a, data.hole_b), data.hole_radius))
    page.figure(
        svg(figure),
        SVG,
        f"{first.label}: (a, b) that the images along every path show, by the dataset's own inverse.",
        "Paths in the plane of a and b around or across a circular hole.",
    )
    rows = [
        {
            "kind": kind,
            "pairs": found["pairs"],
            "in_hole": 100.0 * found["in_hole"],
            "deepest": 100.0 * found["deepest"],
            "clear": found["pairs_clear"],
            "median": found["residual_median"],
            "p95": found["residual_p95"],
            "worst": found["residual_max"],
            "beside": found["residual_beside"],
            "inside": found["residual_in_hole"],
            "off": 100.0 * found["off_share"],
        }
        for kind, found in hole.items()
    ]
    residual = (
        "Mean square of an image less the nearest true curve, over pixels, in units of its median over decoded samples "
        "of the training set: 1 is as good as usual."
    )
    columns = [
        Column("kind", "path", "How the two samples are joined; 33 places each."),
        Column("pairs", "pairs", "Pairs of samples that were joined, over all models."),
        Column("in_hole", "in the hole, %", "Images of a curve inside the hole, by the dataset's own inverse.", 1),
        Column("deepest", "deepest, %", "How far inside the rim the deepest image is, of the hole's radius.", 1),
        Column("clear", "clear pairs", "Pairs of whose path no image lies in the hole."),
        Column("median", "residual", f"Median. {residual}", 2),
        Column("p95", "95 % below", f"95th percentile. {residual}", 2),
        Column("worst", "worst", f"Largest of all. {residual}", 2),
        Column("beside", "worst locally", "Largest mean square of an image less the nearest true curve, in units of "
               "its median over the 8 decoded training samples nearest in a and b: a decoder is not everywhere "
               "equally good.", 2),
        Column("inside", "in the hole", f"Median over the images in the hole. {residual}", 2),
        Column("off", "beyond the data, %", "Places that the badge flags: farther from the 8 nearest samples, in units "
               "of what is usual there, than 99 % of the samples are.", 1),
    ]  # fmt: skip
    page.table(columns, rows, "Paths between opposite sides of the hole.")
    page.definitions({kind: HOLE_MEANINGS[kind] for kind in hole})


def _times(page: Page, report: Mapping[str, Any]) -> None:
    times = report["summary"]["times"]
    page.section("How long it takes")
    rows = [{"stage": name, **found, "way": STAGE_MEANINGS.get(name, "")} for name, found in times.items()]
    how = "On one thread of this machine, other programs running as they did."
    columns = [
        Column("stage", "stage", "What is computed."),
        Column("n", "n", "Repetitions, over all models."),
        Column("median_ms", "median, ms", f"By the clock. {how}", 1),
        Column("p95_ms", "95 % within, ms", f"95th percentile, by the clock. {how}", 1),
        Column("cpu_median_ms", "processor, ms", f"Median of this process's processor time. {how}", 1),
        Column("cpu_p95_ms", "95 %, ms", f"95th percentile of this process's processor time. {how}", 1),
        Column("way", "what", "What the stage does."),
    ]
    page.table(columns, rows, f"{how} Decoding the images is not in it.")


def _models(page: Page, analysis: Analysis) -> None:
    page.section("The models and their surfaces")
    columns = [
        Column("label", "model"),
        Column("samples", "samples", "Means that the surface is laid through."),
        Column("dimension", "dimension", "Of the surface: the TwoNN estimate, rounded."),
        Column(
            "neighbours",
            "neighbours",
            "Samples of a local fit: the largest number whose leave-one-out error of labels and places is within 5 % "
            "of the least.",
        ),
        Column(
            "surrogate",
            "stand-in's error, %",
            "Of the interpolated pooled images that geodesics are relaxed with, on held-out samples, relative to the "
            "images' spread.",
            1,
        ),
        Column(
            "usual",
            "usual residual",
            "Median mean square, of full scale squared, between a decoded training sample and the nearest true curve.",
            5,
        ),
    ]
    page.table(columns, [_surface_row(model) for model in analysis.models])


def _surface_row(model: Measured) -> dict[str, Any]:
    found = model.description
    error = found["surrogate_error"]
    return {
        "label": model.label,
        "samples": found["samples"],
        "dimension": found["intrinsic_dimension"],
        "neighbours": found["neighbours"],
        "surrogate": None if error is None else 100.0 * error,
        "usual": found["usual_residual"],
    }


def _settings(page: Page, options: Options, analysis: Analysis, report: Mapping[str, Any]) -> None:
    page.section("Settings")
    config = analysis.models[0].config
    shown = {
        "experiment": ", ".join(f"{name} {value}" for name, value in options.settings().items() if value is not None),
        "images a path": f"{POINTS} up to the change asked for",
        "network": f"{config.model.preset}, d = {config.model.latent_dim}, {config.model.variance} σ",
        "β": f"{config.loss.beta:g}",
        "epochs": config.training.epochs,
        "images": f"{config.data.image_size} × {config.data.image_size}, geometry {config.data.geometry}",
        **{f"version of {name}": value for name, value in report["versions"].items()},
        "platform": f"{report['platform']['system']}, {report['platform']['processors']} processors",
    }
    page.definitions(shown)
