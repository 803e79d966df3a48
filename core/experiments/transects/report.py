"""The report of experiment A: its numbers, what they say, and the figures and rows of ``page.html``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.analysis.transect_export import transect_figure
from core.data import polar_curves
from core.data.loading import curve_parameters, curve_split
from core.experiments.transects.analysis import Analysis, Measured
from core.experiments.transects.hole_readouts import READOUTS
from core.experiments.transects.options import (
    ABLATION,
    ABLATIONS,
    ARTICLE,
    DEFAULT,
    REFERENCE,
    Ablation,
    Options,
)
from core.reporting.figures import dataset_figure, embedding_figure, loss_curves
from core.reporting.page import paragraphs, render_page
from core.reporting.plot_style import svg
from core.reporting.tables import Spread
from core.runs.metrics_log import Record
from core.training.schedule import steps_left

PUBLISHED: dict[str, Any] = {
    "transect": "P1",
    "image_size": 256,
    "hole_excess_bce": 0.0247,
    "outside_excess_bce": 0.0093,
    "worst_excess_bce": 0.0363,
    "worst_point": 8,
    "hole_points": [6, 7, 8, 9, 10],
    "clip": [1 / 512, 1 - 1 / 512],
}
"""The published model along P1; points are counted from 1."""

_ONE_SEED_NOISE = 0.1
"""With one seed, a relative difference below this is not spoken of: two seeds may well differ by as much."""
_LEAST_NOISE = 0.03

TRANSECT_NAMES = ("P1", "P2", "P3")


def make_report(options: Options, analysis: Analysis) -> dict[str, Any]:
    """JSON-ready. All errors are excess BCE, in nats per pixel."""
    defaults = [model for model in analysis.group(DEFAULT) if model.results]
    return {
        **options.report_head(analysis.group(DEFAULT)[0].config),
        "models": [_model(model) for model in analysis.models],
        "summary": {
            "seeds": len(defaults),
            "transects": {
                name: {
                    measure: Spread.of(errors_along(model)[name][measure] for model in defaults)
                    for measure in (
                        "hole_excess_bce",
                        "outside_excess_bce",
                        "worst_excess_bce",
                        "hole_ssim",
                        "outside_ssim",
                    )
                }
                for name in TRANSECT_NAMES
            },
            "hole_excess_bce": Spread.of(mean_over(model.hole) for model in defaults),
            "outside_excess_bce": Spread.of(mean_over(model.outside) for model in defaults),
            "validation_excess_bce": Spread.of(model.validation for model in defaults),
            "train_s": Spread.of(model.train_s for model in defaults),
            "published": PUBLISHED,
        },
        "limits": _limits(defaults),
        "ablations": _ablations(analysis, noise_of(defaults)),
    }


def errors_along(model: Measured) -> dict[str, dict[str, float | None]]:
    """By transect: means in the hole and outside, and the worst point; None where there is no point."""

    def mean(values: np.ndarray) -> float | None:
        return float(values.mean()) if len(values) else None

    return {
        name: {
            "hole_excess_bce": result.hole_excess_bce,
            "outside_excess_bce": result.outside_excess_bce,
            "worst_excess_bce": float(result.excess_bce.max()),
            "hole_ssim": mean(result.ssim[result.in_hole]),
            "outside_ssim": mean(result.ssim[~result.in_hole]),
        }
        for name, result in model.results.items()
    }


def mean_over(values: Mapping[str, float | None]) -> float | None:
    """Over the transects that have a value."""
    known = [value for value in values.values() if value is not None]
    return float(np.mean(known)) if known else None


def noise_of(defaults: Sequence[Measured]) -> float:
    """Relative difference in the hole that two single trainings need before one may be called better.

    Twice the standard deviation of a difference, 2 √2 sd / mean over the default's seeds, at least 3 %; 10 % where one
    seed tells nothing.
    """
    spread = Spread.of(mean_over(model.hole) for model in defaults)
    if spread.mean is None or spread.std is None or spread.mean <= 0:
        return _ONE_SEED_NOISE
    return max(2.0 * float(np.sqrt(2.0)) * spread.std / spread.mean, _LEAST_NOISE)


def _model(model: Measured) -> dict[str, Any]:
    return {
        "name": model.planned.name,
        "label": model.planned.label,
        "group": model.planned.group,
        "seed": model.config.training.seed,
        "steps": model.steps,
        "train_s": model.train_s,
        "failure": model.failure,
        "validation_excess_bce": model.validation,
        "hole_excess_bce": model.hole,
        "outside_excess_bce": model.outside,
        "points": {
            name: {
                "a": result.transect.points[:, 0],
                "b": result.transect.points[:, 1],
                "excess_bce": result.excess_bce,
                "ssim": result.ssim,
                "distance": result.distance,
                "in_hole": result.in_hole,
            }
            for name, result in model.results.items()
        },
    }


def _limits(defaults: Sequence[Measured]) -> dict[str, Any]:
    readouts: dict[str, dict[str, Spread]] = {}
    for readout in READOUTS:
        values = [model.limits.get(readout.key, {}) for model in defaults]
        readouts[readout.key] = {
            **{name: Spread.of(by_transect.get(name) for by_transect in values) for name in TRANSECT_NAMES},
            "mean": Spread.of(mean_over(by_transect) for by_transect in values),
        }
    outside = Spread.of(mean_over(model.outside) for model in defaults)
    means = {key: values["mean"].mean for key, values in readouts.items()}
    return {"readouts": readouts, "outside": outside, "conclusions": limit_conclusions(means, outside.mean)}


def limit_conclusions(means: Mapping[str, float | None], outside: float | None) -> list[str]:
    """Sentences from the mean errors of the readouts (see ``core.experiments.transects.hole_readouts``) and outside the
    hole."""
    readouts = {readout.key: means.get(readout.key) for readout in READOUTS}
    return paragraphs("experiments/transects/conclusions.txt", **readouts, outside=outside)


def _ablations(analysis: Analysis, noise: float) -> list[dict[str, Any]]:
    known = {f"ablation-{ablation.name}": ablation for ablation in (REFERENCE, *ABLATIONS)}
    models = [model for model in analysis.group(ABLATION) if model.planned.name in known]
    reference = next((model for model in models if known[model.planned.name] is REFERENCE), None)
    base = None if reference is None else mean_over(reference.hole)
    rows = []
    for model in models:
        ablation, hole = known[model.planned.name], mean_over(model.hole)
        change = None if hole is None or not base or ablation is REFERENCE else hole / base - 1.0
        rows.append(
            {
                "name": ablation.name,
                "label": ablation.label,
                "tests": ablation.tests,
                "changes": dict(ablation.changes),
                "epochs": model.config.training.epochs,
                "steps": model.steps,
                "train_s": model.train_s,
                "validation_excess_bce": model.validation,
                "hole_excess_bce": {**model.hole, "mean": hole},
                "outside_excess_bce": {**model.outside, "mean": mean_over(model.outside)},
                "change": change,
                "noise": noise,
                "verdict": "diverged" if model.failure else _verdict(ablation, change, noise),
                "failure": model.failure,
            }
        )
    return rows


def _verdict(ablation: Ablation, change: float | None, noise: float) -> str:
    if ablation is REFERENCE:
        return "the reference"
    if change is None:
        return "not measured"
    if abs(change) <= noise:
        return "no clear difference"
    return "helps" if change < 0 else "does not help"


# the page


def make_page(analysis: Analysis, report: Mapping[str, Any]) -> str:
    """The whole page, as HTML."""
    defaults = [model for model in analysis.group(DEFAULT) if model.results]
    articles = analysis.group(ARTICLE)
    first, cloud = defaults[0], analysis.cloud
    data = first.config.data
    ab = curve_parameters(data)
    parts = curve_split(data, ab)
    train, validation = parts.train, parts.validation
    hole = (data.hole_a, data.hole_b, data.hole_radius)
    figures = {
        "dataset": svg(dataset_figure(ab[train], ab[validation], hole, data.geometry)),
        "losses": svg(loss_curves({model.planned.label: model.records for model in defaults}, "excess_bce")),
        "cloud": svg(embedding_figure(cloud.mu, cloud.factors, cloud.names, cloud.directions)),
        **{name: svg(transect_figure(first.results[name])) for name in TRANSECT_NAMES},
    }
    images = 0
    if articles and not articles[0].failure:
        series, images = _first_images(first, articles[0])
        figures["first_losses"] = svg(loss_curves(series, "reconstruction"))
    summary, limits = report["summary"], report["limits"]
    mean = {"hole_excess_bce": summary["hole_excess_bce"], "outside_excess_bce": summary["outside_excess_bce"]}
    ablations = [
        *report["ablations"][:1],
        *sorted(report["ablations"][1:], key=lambda row: math.inf if row["change"] is None else row["change"]),
    ]
    return render_page(
        "experiments/transects/page.html",
        report=report,
        published=PUBLISHED,
        figures=figures,
        first=first,
        article=articles[0] if articles else None,
        data=data,
        train_count=len(train),
        validation_count=len(validation),
        cloud=cloud,
        first_images=images,
        transects={name: polar_curves.TRANSECTS[name] for name in TRANSECT_NAMES},
        result_rows=[
            *({"model": "default", "transect": name, **errors} for name, errors in summary["transects"].items()),
            {"model": "default", "transect": "mean of the three", **mean},
            {"model": "published", **PUBLISHED},
            *(row for model in articles for row in _rows(model, f"{ARTICLE}, {model.steps} steps")),
        ],
        seed_rows=[row for model in defaults for row in _rows(model, str(model.config.training.seed))],
        trainings=[
            {
                "model": model.planned.label + (f": {model.failure}" if model.failure else ""),
                "seed": model.config.training.seed,
                "steps": model.steps,
                "train_s": model.train_s,
                "validation_excess_bce": model.validation,
            }
            for model in (*defaults, *articles)
        ],
        readout_rows=[
            *(
                {
                    "latents": way.title,
                    "how": way.definition,
                    "hole_excess_bce": limits["readouts"][way.key],
                }
                for way in READOUTS
            ),
            {
                "latents": "outside the hole",
                "how": "the encoder's mean, points outside",
                "hole_excess_bce": {"mean": limits["outside"]},
            },
        ],
        ablations=ablations,
        ablation_findings=_findings(ablations),
    )


def _rows(model: Measured, label: str) -> list[dict[str, Any]]:
    return [{"model": label, "transect": name, **errors} for name, errors in errors_along(model).items()]


def _findings(ablations: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each verdict that an ablation has."""
    findings = []
    for verdict, words in (
        ("helps", "Helped in the hole"),
        ("no clear difference", "Made no clear difference"),
        ("does not help", "Did not help"),
        ("diverged", "Diverged"),
    ):
        labels = [
            row["label"] + ("" if row["change"] is None else f" ({100 * row['change']:+.0f} %)")
            for row in ablations
            if row["verdict"] == verdict
        ]
        if labels:
            findings.append(f"{words}: {', '.join(labels)}.")
    return findings


def _first_images(default: Measured, article: Measured) -> tuple[dict[str, list[Record]], int]:
    """The records of two trainings as far as both have seen the same number of images, and that number."""
    images = article.steps * article.config.training.batch_size
    series = {}
    for model in (default, article):
        batch = model.config.training.batch_size
        an_epoch = steps_left(len(curve_split(model.config.data, curve_parameters(model.config.data)).train), batch)
        steps = [r for r in model.records if r.get("kind") == "step" and r["step"] * batch <= images]
        # Where an epoch ends must be known, even if the training did not get that far.
        series[model.planned.label] = [*steps, {"kind": "epoch", "epoch": 1, "step": an_epoch}]
    return series, images
