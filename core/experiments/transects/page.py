"""The page of experiment A: its figures and rows; its words are in ``page.html``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from core.analysis.transect_export import transect_figure
from core.data import polar_curves
from core.data.loading import curve_parameters, split
from core.experiments.transects.analysis import Analysis, Measured
from core.experiments.transects.hole_readouts import READOUTS
from core.experiments.transects.options import ARTICLE, DEFAULT
from core.experiments.transects.report import PUBLISHED, TRANSECT_NAMES, errors_along
from core.reporting.figures import dataset_figure, embedding_figure, loss_curves, svg
from core.reporting.page import render_page
from core.runs.metrics_log import Record


def make_page(analysis: Analysis, report: Mapping[str, Any]) -> str:
    """The whole page, as HTML."""
    defaults = [model for model in analysis.group(DEFAULT) if model.results]
    articles = analysis.group(ARTICLE)
    first, cloud = defaults[0], analysis.cloud
    data = first.config.data
    ab = curve_parameters(data)
    train, validation = split(len(ab), data)
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
    ablations = [*report["ablations"][:1], *sorted(report["ablations"][1:], key=_by_change)]
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


def _by_change(ablation: Mapping[str, Any]) -> float:
    return math.inf if ablation["change"] is None else ablation["change"]


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
        an_epoch = math.ceil(len(split(len(curve_parameters(model.config.data)), model.config.data)[0]) / batch)
        steps = [r for r in model.records if r.get("kind") == "step" and r["step"] * batch <= images]
        # Where an epoch ends must be known, even if the training did not get that far.
        series[model.planned.label] = [*steps, {"kind": "epoch", "epoch": 1, "step": an_epoch}]
    return series, images
