"""The page of experiment A: figures, tables and sentences from its report and its trained models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from core.analysis.transect_export import transect_figure
from core.data import polar_curves
from core.data.loading import curve_parameters, split
from core.experiments.transects.analysis import Analysis, Measured
from core.experiments.transects.experiment import ARTICLE, DEFAULT, Options
from core.experiments.transects.hole_readouts import READOUTS
from core.experiments.transects.report import PUBLISHED, TRANSECT_NAMES
from core.reporting.cells import Column, Spread
from core.reporting.figures import dataset_figure, embedding_figure, loss_curves, svg
from core.reporting.page import Page
from core.runs.metrics_log import Record

SVG = "image/svg+xml"

EXCESS = (
    "Excess BCE: BCE(x, x̂) − BCE(x, x) of the true image x and the reconstruction x̂, mean over pixels, in nats; "
    "predictions clipped to [1/512, 1 − 1/512]. 0 is a perfect copy."
)
HOLE = Column("hole", "in the hole", f"Mean over the transect's points inside the hole. {EXCESS}", 5)
OUTSIDE = Column("outside", "outside", f"Mean over the transect's points outside the hole. {EXCESS}", 5)
WORST = Column("worst", "worst point", f"The largest value along the transect. {EXCESS}", 5)
VALIDATION = Column(
    "validation",
    "validation",
    f"Mean over the validation images, which lie outside the hole as the others do. {EXCESS}",
    5,
)
SSIM_HOLE = Column(
    "ssim_hole",
    "SSIM in the hole",
    "Structural similarity of true image and reconstruction (Wang et al. 2004: Gaussian window, σ = 1.5 pixels), mean "
    "over the points inside the hole. 1 is a perfect copy.",
    4,
)
SSIM_OUTSIDE = Column("ssim_outside", "SSIM outside", "The same, mean over the points outside the hole.", 4)
STEPS = Column("steps", "steps", "Optimisation steps, one batch each.")
MINUTES = Column("minutes", "minutes", "Training time on this machine, pauses left out.", 1)
SEED = Column("seed", "seed", "Of initialisation, order of the images and noise; the data are the same for all.")


def make_page(options: Options, analysis: Analysis, report: Mapping[str, Any]) -> Page:
    """The whole page."""
    defaults = [model for model in analysis.group(DEFAULT) if model.results]
    page = Page("Transects through a hole", "\n\n".join(_lead(report)))
    _data(page, defaults[0])
    _results(page, analysis, report)
    _transects(page, defaults[0])
    _trainings(page, analysis, defaults)
    _embedding(page, analysis, defaults[0])
    _limits(page, report)
    _ablations(page, report)
    _settings(page, options, defaults[0], report)
    return page


def _lead(report: Mapping[str, Any]) -> list[str]:
    summary = report["summary"]
    hole, outside, seeds = summary["hole_excess_bce"], summary["outside_excess_bce"], summary["seeds"]
    if outside["mean"] is None:
        return ["No model was measured."]
    interval = f"mean ± standard deviation over {seeds} seeds" if seeds > 1 else "one seed, so there is no interval"
    inside = "no point of the transects lies in the hole" if hole["mean"] is None else f"{_plus(hole)} in the hole"
    said = [
        "A model is trained on curves R(θ) = b cos(5θ) + a from which a disc in the (a, b) plane was cut out, and then "
        "asked to reconstruct the curves of that hole, along the published transects P1, P2 and P3.",
        f"Excess BCE of the default model, averaged over the three: {inside}, {_plus(outside)} outside ({interval}).",
    ]
    first = summary["transects"]["P1"]
    if first["hole_excess_bce"]["mean"]:
        times = PUBLISHED["hole_excess_bce"] / first["hole_excess_bce"]["mean"]
        more = f"{times:.0f} times as much" if times >= 2 else f"{times:.2f} times that"
        said.append(
            f"On P1 it is {_plus(first['hole_excess_bce'])} in the hole and {_plus(first['outside_excess_bce'])} "
            f"outside; the published model had {PUBLISHED['hole_excess_bce']} in the hole, {more}, and "
            f"{PUBLISHED['outside_excess_bce']} outside."
        )
        size = report["settings"]["configuration"]["data"]["image_size"]
        if size != PUBLISHED["image_size"]:
            said.append(
                f"Those images had {PUBLISHED['image_size']} × {PUBLISHED['image_size']} pixels, these have {size} × "
                f"{size}, on which a stroke covers another share: the numbers do not compare."
            )
    return said


def _data(page: Page, model: Measured) -> None:
    data = model.config.data
    ab = curve_parameters(data)
    train, validation = split(len(ab), data)
    page.section("The data")
    page.text(
        f"{data.count:,} pairs (a, b) are drawn uniformly; those within {data.hole_radius:g} of ({data.hole_a:g}, "
        f"{data.hole_b:g}) are left out. {len(train):,} images of {data.image_size} × {data.image_size} pixels are "
        f"trained on, the last {len(validation):,} kept for validation."
    )
    hole = (data.hole_a, data.hole_b, data.hole_radius)
    figure = dataset_figure(ab[train], ab[validation], hole, data.geometry)
    caption = "The samples with the hole, and the curves of a grid of parameters, those in the hole framed."
    page.figure(svg(figure), SVG, caption, "Scatter plot of the samples with a circular hole, and a grid of curves.")


def _results(page: Page, analysis: Analysis, report: Mapping[str, Any]) -> None:
    page.section("In the hole and outside")
    summary = report["summary"]
    rows = [
        {
            "model": "default",
            "transect": name,
            "hole": _spread(values["hole_excess_bce"]),
            "outside": _spread(values["outside_excess_bce"]),
            "worst": _spread(values["worst_excess_bce"]),
            "ssim_hole": _spread(values["hole_ssim"]),
            "ssim_outside": _spread(values["outside_ssim"]),
        }
        for name, values in summary["transects"].items()
    ]
    rows.append(
        {
            "model": "default",
            "transect": "mean of the three",
            "hole": _spread(summary["hole_excess_bce"]),
            "outside": _spread(summary["outside_excess_bce"]),
        }
    )
    rows.append(
        {
            "model": "published",
            "transect": "P1",
            "hole": PUBLISHED["hole_excess_bce"],
            "outside": PUBLISHED["outside_excess_bce"],
            "worst": PUBLISHED["worst_excess_bce"],
        }
    )
    rows += [row for model in analysis.group(ARTICLE) if model.results for row in _rows(model, _short(model))]
    model = Column("model", "model", "Default: Isoline's own. Published: the article's model, from its images.")
    transect = Column("transect", "transect", "A straight line of 15 equally spaced points through the (a, b) plane.")
    page.table([model, transect, HOLE, OUTSIDE, WORST, SSIM_HOLE, SSIM_OUTSIDE], rows, _over_seeds(report))
    points = ", ".join(map(str, PUBLISHED["hole_points"]))
    page.text(
        f"The published model's worst point on P1 is point {PUBLISHED['worst_point']}; the hole holds points {points} "
        "there, counted from 1."
    )
    columns = [Column("model", "seed"), Column("transect", "transect"), HOLE, OUTSIDE, WORST, SSIM_HOLE, SSIM_OUTSIDE]
    each = [row for one in analysis.group(DEFAULT) if one.results for row in _rows(one, str(one.config.training.seed))]
    if summary["seeds"] > 1:
        page.table(columns, each, "The same, seed by seed.")


def _rows(model: Measured, label: str) -> list[dict[str, Any]]:
    def mean(values: Any) -> float | None:
        return float(values.mean()) if len(values) else None

    return [
        {
            "model": label,
            "transect": name,
            "hole": result.hole_excess_bce,
            "outside": result.outside_excess_bce,
            "worst": float(result.excess_bce.max()),
            "ssim_hole": mean(result.ssim[result.in_hole]),
            "ssim_outside": mean(result.ssim[~result.in_hole]),
        }
        for name, result in model.results.items()
    ]


def _transects(page: Page, model: Measured) -> None:
    page.section("The transects")
    page.text(f"{_capital(model.planned.label)}, point by point. The images in the hole are framed.")
    for name in TRANSECT_NAMES:
        start, end = (tuple(f"{value:g}" for value in place) for place in polar_curves.TRANSECTS[name])
        caption = (
            f"{name}, from (a, b) = ({', '.join(start)}) to ({', '.join(end)}): truth, reconstruction, their signed "
            "difference; below, excess BCE, SSIM and the distance to the nearest training sample in the (a, b) plane."
        )
        alt = f"True and reconstructed curves along {name}, with the errors below."
        page.figure(svg(transect_figure(model.results[name])), SVG, caption, alt)


def _trainings(page: Page, analysis: Analysis, defaults: Sequence[Measured]) -> None:
    page.section("The trainings")
    others = analysis.group(ARTICLE)
    rows = [
        {
            "model": model.planned.label if not model.failure else f"{model.planned.label}: {model.failure}",
            "seed": model.config.training.seed,
            "steps": model.steps,
            "minutes": model.train_s / 60,
            "validation": model.validation,
        }
        for model in [*defaults, *others]
    ]
    page.table([Column("model", "model"), SEED, STEPS, MINUTES, VALIDATION], rows)
    figure = loss_curves({model.planned.label: model.records for model in defaults}, "excess_bce")
    page.figure(
        svg(figure), SVG, "Excess BCE of the validation images after each epoch.", "Falling curves of the error."
    )
    if others and not others[0].failure:
        series, images = _first_images(defaults[0], others[0])
        caption = (
            f"The first {images:,} images of the default training and of the published recipe ({others[0].steps} "
            "steps): the reconstruction term of the loss. The published one weighs its samples; the weights' mean is 1."
        )
        page.figure(
            svg(loss_curves(series, "reconstruction")), SVG, caption, "Two falling curves of the training loss."
        )


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


def _embedding(page: Page, analysis: Analysis, model: Measured) -> None:
    cloud = analysis.cloud
    page.section("The embedding from three sides")
    directions = "The arrows are the mean directions in which the factors grow." if cloud.directions is not None else ""
    figure = embedding_figure(cloud.mu, cloud.factors, cloud.names, cloud.directions)
    caption = f"The means μ of {len(cloud.mu):,} samples, {model.planned.label}, coloured by a and by b. {directions}"
    page.figure(svg(figure), SVG, caption.strip(), "The cloud of means from three sides, coloured by each factor.")


def _limits(page: Page, report: Mapping[str, Any]) -> None:
    limits = report["limits"]
    page.section("What limits the hole")
    page.points(limits["conclusions"])
    rows = []
    for readout in READOUTS:
        values = limits["readouts"][readout.key]
        cells = {name: _spread(values[name]) for name in (*TRANSECT_NAMES, "mean")}
        rows.append({"readout": readout.title, "way": readout.definition, **cells})
    rows.append(
        {"readout": "outside the hole", "way": "the encoder's mean, points outside", "mean": _spread(limits["outside"])}
    )
    columns = [
        Column("readout", "latents", "Where the latents come from that are decoded; nothing is trained any more."),
        *(Column(name, name, f"Mean over the points of {name} in the hole. {EXCESS}", 5) for name in TRANSECT_NAMES),
        Column("mean", "mean", f"Mean over P1, P2 and P3. {EXCESS}", 5),
        Column("way", "how", "How each latent is found."),
    ]
    page.table(columns, rows, f"Excess BCE in the hole, by where the latents come from. {_over_seeds(report)}")


def _ablations(page: Page, report: Mapping[str, Any]) -> None:
    ablations = report["ablations"]
    if not ablations:
        return
    page.section("What matters: ablations")
    noise, epochs, seeds = ablations[0]["noise"], ablations[0]["epochs"], report["summary"]["seeds"]
    source = (
        f"2 √2 standard deviations of the default's {seeds} seeds"
        if seeds > 1
        else "taken to be 10 %, as one seed tells nothing of the spread"
    )
    page.text(
        f"One thing is changed at a time. Every training, the reference included, has {epochs} epochs and one seed; a "
        f"change of less than {noise:.0%} in the hole says nothing ({source})."
    )
    page.points(_ablation_words(ablations))
    rows = [
        {
            "label": one["label"],
            **{name: one["hole_excess_bce"].get(name) for name in (*TRANSECT_NAMES, "mean")},
            "outside": one["outside_excess_bce"]["mean"],
            "validation": one["validation_excess_bce"],
            "change": None if one["change"] is None else 100 * one["change"],
            "minutes": one["train_s"] / 60,
            "verdict": one["verdict"],
            "tests": one["tests"],
        }
        for one in [*ablations[:1], *sorted(ablations[1:], key=_by_change)]
    ]
    columns = [
        Column("label", "changed", "The setting in which this training differs from the default."),
        *(Column(name, name, f"Mean over the points of {name} in the hole. {EXCESS}", 5) for name in TRANSECT_NAMES),
        Column("mean", "in the hole", f"Mean in the hole over P1, P2 and P3. {EXCESS}", 5),
        Column("outside", "outside", f"Mean outside the hole over P1, P2 and P3. {EXCESS}", 5),
        VALIDATION,
        Column("change", "change, %", "Of the mean in the hole, against the reference; negative is better.", 0),
        MINUTES,
        Column("verdict", "verdict", f"Whether the change is larger than {noise:.0%}, and which way."),
        Column("tests", "what it tests"),
    ]
    page.table(columns, rows, f"Excess BCE after {epochs} epochs.")


def _ablation_words(ablations: Sequence[Mapping[str, Any]]) -> list[str]:
    said = []
    for verdict, words in (
        ("helps", "Helped in the hole"),
        ("no clear difference", "Made no clear difference"),
        ("does not help", "Did not help"),
        ("diverged", "Diverged"),
    ):
        labels = [
            one["label"] + ("" if one["change"] is None else f" ({100 * one['change']:+.0f} %)")
            for one in sorted(ablations, key=_by_change)
            if one["verdict"] == verdict
        ]
        if labels:
            said.append(f"{words}: {', '.join(labels)}.")
    return said


def _by_change(ablation: Mapping[str, Any]) -> float:
    return math.inf if ablation["change"] is None else ablation["change"]


def _settings(page: Page, options: Options, model: Measured, report: Mapping[str, Any]) -> None:
    page.section("Settings")
    config = model.config
    shown = {
        "experiment": ", ".join(f"{name} {value}" for name, value in options.settings().items()),
        "network": f"{config.model.preset}, d = {config.model.latent_dim}, {config.model.variance} σ",
        "σ": f"{config.model.sigma:g}" if config.model.variance == "constant" else "learned",
        "β": f"{config.loss.beta:g}",
        "epochs": config.training.epochs,
        "batch": config.training.batch_size,
        "learning rate": f"{config.training.learning_rate:g}, {config.training.schedule}",
        "optimizer": config.training.optimizer,
        "geometry": config.data.geometry,
        **{f"version of {name}": value for name, value in report["versions"].items()},
        "platform": f"{report['platform']['system']}, {report['platform']['processors']} processors",
    }
    page.definitions(shown)


def _short(model: Measured) -> str:
    return f"{ARTICLE}, {model.steps} steps"


def _spread(values: Mapping[str, Any]) -> Spread | float | None:
    """As a table shows it: the bare number where one seed has no interval, which the caption says."""
    return values["mean"] if values["n"] < 2 else Spread(values["mean"], values["std"], values["n"])


def _over_seeds(report: Mapping[str, Any]) -> str:
    seeds = report["summary"]["seeds"]
    return f"Mean ± standard deviation over {seeds} seeds." if seeds > 1 else "One seed: no interval."


def _plus(values: Mapping[str, Any]) -> str:
    if values["mean"] is None:
        return "–"
    return f"{values['mean']:.5f}" + ("" if values["std"] is None else f" ± {values['std']:.5f}")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
