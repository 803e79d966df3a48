"""The page of experiment B: its conclusions, tables and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.analysis.axis_alignment import Alignment
from core.experiments.entanglement.analysis import PENALTIES, Analysis, Cloud, Group, Model, Unknown, null_of
from core.experiments.entanglement.experiment import Options
from core.experiments.entanglement.figures import BATCH, alignment_figure, own_cloud_figure, rectangle_figure
from core.experiments.entanglement.loss_surfaces import loss_surfaces_figure
from core.experiments.entanglement.report import corrected, spread_of, why_diagonals
from core.geometry.embedding_metrics import Dimension
from core.reporting.cells import ONE_SEED, Column, Interval, Spread
from core.reporting.figures import covariance_figure, embedding_figure, loss_curves
from core.reporting.page import Page
from core.reporting.plot_style import png, svg

SVG, PNG = "image/svg+xml", "image/png"
_EMBEDDING_POINTS = 2500
_EMBEDDING_DPI = 110

SETTING = Column("setting", "setting", "The entanglement penalty and its weight γ; β only where it is not the default.")
SEED = Column("seed", "seed", "Of initialisation, order of the images and noise; the data are the same for all.")
EXCESS = Column(
    "excess",
    "excess BCE",
    "BCE(x, x̂) − BCE(x, x) of a validation image x and its reconstruction x̂, mean over pixels and images, in nats; "
    "predictions clipped to [1/512, 1 − 1/512]. 0 is a perfect copy.",
    5,
)
SPREAD = Column(
    "spread", "σ(μ)", "Size of the cloud: root of the variance of the means μ, averaged over dimensions.", 2
)
CORRELATION = Column(
    "correlation",
    "largest |r|",
    "The largest correlation, without its sign, between two active dimensions of the means μ.",
    3,
)
ACTIVE = Column(
    "active", "active", "Active dimensions: those in which the means μ vary by more than their noise, var(μᵢ) > σ².", 1
)
TWO_NN = Column(
    "two_nn",
    "TwoNN",
    "Intrinsic dimension from the ratio of each sample's two nearest distances (Facco et al. 2017). For one model in "
    "brackets: 95 % bootstrap interval over blocks of neighbouring samples.",
    2,
)
LEVINA_BICKEL = Column(
    "levina_bickel",
    "Levina-Bickel",
    "Maximum-likelihood intrinsic dimension from each sample's 20 nearest distances (Levina and Bickel 2004; the "
    "inverses are averaged). For one model in brackets: 95 % bootstrap interval as for TwoNN.",
    2,
)
ALIGNMENT = Column(
    "alignment",
    "A",
    "Alignment of the cloud's principal directions U with the latent axes, over the D active dimensions: each "
    "direction is matched with an axis (Hungarian method on U²), A = (mean of the matched − 1/D) / (1 − 1/D). 1: along "
    "the axes. For one model in brackets: 95 % bootstrap interval over samples.",
    2,
)
NULL_MEAN = Column(
    "null_mean", "by chance", "Mean A over random rotations: what a cloud scores whose orientation means nothing.", 2
)
NULL_HIGH = Column(
    "null_high",
    "95 % of chance",
    "95th percentile of A over random rotations; for several seeds, of the mean of as many. Only an A above it is more "
    "than chance.",
    2,
)
P_VALUE = Column("p", "p", "Share of random rotations (of means of as many) with an A at least as large.", 3)
CORRECTED = Column(
    "corrected", "p corrected", "The same after Holm's correction for the number of settings with a penalty.", 3
)
RANK = Column(
    "rank",
    "rank",
    "Share of random rotations of the trained cloud, about the origin, that have a lower penalty (its own; product for "
    "no penalty). 0: training found the orientation that the penalty wants; 0.5 on average: left to chance.",
    2,
)
FACTOR = Column(
    "factor_alignment",
    "A of factors",
    "The same for the mean directions in which the factors a and b move the means μ (least squares, the "
    "other factor held).",
    2,
)
FACTOR_NULL = Column("factor_null", "95 % of chance, factors", "95th percentile of that over random directions.", 2)
MINUTES = Column("minutes", "minutes", "Training time on this machine, pauses left out.", 1)


def make_page(options: Options, analysis: Analysis, report: Mapping[str, Any]) -> Page:
    """The whole page."""
    page = Page("Does an entanglement penalty orient the sheet?", _lead(analysis))
    page.section("What was found")
    page.points(report["conclusions"])
    _results(page, analysis)
    _penalties(page)
    _own_cloud(page, analysis)
    _clouds(page, analysis)
    _trainings(page, analysis)
    _settings(page, options, analysis, report)
    return page


def _lead(analysis: Analysis) -> str:
    model = analysis.models[0]
    data, seeds = model.config.data, len(analysis.plain.models)
    over = f"{seeds} seeds each" if seeds > 1 else f"{ONE_SEED} between trainings"
    return (
        "Curves R(θ) = b cos(5θ) + a have two factors, and the means μ of a VAE trained on them lie on a curved sheet. "
        "A penalty on entangled dimensions was meant to turn that sheet to the latent axes. Here it is measured "
        f"whether it does.\n\n{len(analysis.groups)} settings, {over}, all trained equally long and short: "
        f"{model.config.training.epochs} epochs of {data.count:,} images (the full set) at {data.image_size} × "
        f"{data.image_size} pixels. So the images are not the best that the model can draw, but comparable."
    )


def _results(page: Page, analysis: Analysis) -> None:
    page.section("Orientation")
    figure = svg(alignment_figure(analysis.groups))
    caption = (
        "Alignment A of each cloud (dots, with 95 % bootstrap intervals over samples; diamond: mean over seeds) beside "
        "what random rotations give: their mean, and the range from the 5th to the 95th percentile of as many. Where "
        "principal directions vary almost equally they are arbitrary, and the interval is wide."
    )
    page.figure(figure, SVG, caption, "Alignment of each setting's clouds against the range of random rotations.")
    p_values = corrected(analysis)
    rows = [_orientation_row(group, p_values) for group in analysis.groups]
    page.table(
        [SETTING, ALIGNMENT, NULL_MEAN, NULL_HIGH, P_VALUE, CORRECTED, RANK, FACTOR, FACTOR_NULL],
        rows,
        _over_seeds(analysis),
    )
    page.section("Images and shape")
    columns = [SETTING, EXCESS, SPREAD, CORRELATION, ACTIVE, TWO_NN, LEVINA_BICKEL, MINUTES]
    page.table(columns, [_shape_row(group) for group in analysis.groups], _over_seeds(analysis))
    page.section("Every model")
    columns = [SETTING, SEED, EXCESS, ALIGNMENT, P_VALUE, RANK, FACTOR, ACTIVE, TWO_NN, LEVINA_BICKEL]
    page.table(columns, [_model_row(model) for model in analysis.models], "In brackets: 95 % bootstrap intervals.")


def _over_seeds(analysis: Analysis) -> str:
    seeds = len(analysis.plain.models)
    return f"Mean ± standard deviation over {seeds} seeds." if seeds > 1 else "One seed: no interval between trainings."


def _cell(group: Group, name: str) -> object:
    """Mean and deviation over seeds; where nothing could be computed, why."""
    value = spread_of(group, name)
    if value.mean is None:
        return _why(group, name)
    # One seed is said once, in the caption.
    return value if value.std is not None else value.mean


def _why(group: Group, name: str) -> object:
    reasons = [value.why for cloud in group.clouds if isinstance(value := getattr(cloud, name, None), Unknown)]
    if not reasons:
        return "failed" if not group.clouds else None
    return _short_reason(reasons[0])


def _short_reason(why: str) -> str:
    return "too few samples" if "few" in why or "distinct points" in why else why


def _orientation_row(group: Group, p_values: Mapping[str, float]) -> dict[str, object]:
    null, form = null_of(group), group.variant.entanglement
    factor = [cloud.factor_alignment for cloud in group.clouds if isinstance(cloud.factor_alignment, Alignment)]
    return {
        "setting": group.variant.label,
        "alignment": _cell(group, "alignment"),
        "null_mean": None if null is None else null.mean,
        "null_high": None if null is None else null.high,
        "p": None if null is None else null.p_value,
        "corrected": p_values.get(group.variant.name),
        "rank": _cell(group, "product" if form == "none" else form),
        "factor_alignment": _cell(group, "factor_alignment"),
        "factor_null": float(np.mean([one.null_95 for one in factor])) if factor else None,
    }


def _shape_row(group: Group) -> dict[str, object]:
    names = ("excess", "spread", "correlation", "active", "two_nn", "levina_bickel")
    minutes = Spread.of(model.train_s / 60 for model in group.models)
    return {
        "setting": group.variant.label,
        **{name: _cell(group, name) for name in names},
        "minutes": minutes if minutes.std is not None else minutes.mean,
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
        "p": cloud.alignment.p_value if isinstance(cloud.alignment, Alignment) else None,
        "rank": cloud.ranks["product" if form == "none" else form],
        "factor_alignment": _interval(cloud.factor_alignment),
        "active": int(cloud.active.sum()),
        "two_nn": _interval(cloud.two_nn),
        "levina_bickel": _interval(cloud.levina_bickel),
    }


def _interval(value: Alignment | Dimension | Unknown) -> object:
    if isinstance(value, Unknown):
        return _short_reason(value.why)
    return Interval(value[0], value.low, value.high)


def _penalties(page: Page) -> None:
    page.section("What the penalties want")
    page.text(why_diagonals())
    caption = (
        "The penalties of a uniform square and of a rectangle of the same area, turned by an angle. Dashed: the "
        f"covariance of all samples, which is 0 for a square at every angle. Dotted: its mean over batches of {BATCH}, "
        "which is what a training step sees: the noise of so few samples keeps it above 0, and that noise, too, "
        "depends on the angle."
    )
    page.figure(svg(rectangle_figure()), SVG, caption, "Product and covariance penalties against rotation angle.")
    caption = (
        "The loss functions that train, over their arguments. Product: one sample's penalty, lowest on the axes. "
        "Covariance: that of 16 samples, fifteen of which stay; where those are uncorrelated it looks like product, "
        "where they are correlated it is lowest in the two corners whose sample cancels the others' covariance: the "
        "sign counts. Cross-entropy of a pixel: for each true value x the prediction x̂ = x costs least, but not 0, and "
        "the numbers on the diagonal are what excess BCE leaves out."
    )
    alt = "Contour plots of the product and covariance penalties and of binary cross-entropy."
    page.figure(svg(loss_surfaces_figure()), SVG, caption, alt)


def _own_cloud(page: Page, analysis: Analysis) -> None:
    page.section("Which orientation would the penalties pick?")
    cloud = next((model.cloud for model in analysis.plain.models if model.cloud is not None), None)
    if cloud is None or cloud.mu.shape[1] < 2:
        page.text("There is no cloud of two or more dimensions that was trained without a penalty.")
        return
    page.text(
        "The cloud that was trained without a penalty (first seed) is turned about the origin. Its images stay what "
        "they are, since the decoder can turn back, and so does its KL term; only the penalty changes."
    )
    caption = (
        "Each penalty of that cloud, turned in the plane of two latent dimensions at a time. Dots mark the angle that "
        "the penalty would pick; a penalty that was content with the orientation it got would have them at 0°."
    )
    page.figure(svg(own_cloud_figure(cloud.mu)), SVG, caption, "Penalties of a trained cloud against rotation angle.")
    rows = [
        {
            "form": form,
            "trained": found.trained,
            "lowest": found.lowest,
            "gain": 100.0 * (1.0 - found.lowest / found.trained) if found.trained > 0 else None,
            "rank": found.rank,
            "alignment": found.alignment,
        }
        for form in PENALTIES
        if (found := analysis.preferred.get(form)) is not None
    ]
    columns = [
        Column("form", "penalty", "Of the whole cloud, by the function that trains."),
        Column("trained", "as trained", "The penalty of the cloud as training left it.", 3),
        Column("lowest", "lowest", "The lowest penalty found among its rotations.", 3),
        Column("gain", "gain, %", "How much lower that is.", 1),
        Column(
            "rank", "rank", "Share of random rotations with a lower penalty than the orientation it was trained in.", 2
        ),
        Column(
            "alignment", "A there", "Alignment A with the axes at that lowest penalty: what the penalty asks for.", 2
        ),
    ]
    page.table(columns, rows, "The cloud trained without a penalty, first seed.")


def _clouds(page: Page, analysis: Analysis) -> None:
    page.section("The clouds from three sides")
    page.text(
        "One row of pictures a factor, coloured by it. The arrows show the mean direction in which each factor moves "
        "the means (the other held), from the cloud's centre; a curved sheet has another direction at each place."
    )
    matrices: dict[str, np.ndarray] = {}
    for group in analysis.groups:
        model = next((model for model in group.models if model.cloud is not None), None)
        if model is None or model.cloud is None:
            continue
        matrices[group.variant.label] = model.cloud.covariance
        figure = png(_embedding(model.cloud), _EMBEDDING_DPI)
        caption = f"{group.variant.label}, seed {model.seed}."
        page.figure(figure, PNG, caption, f"The cloud of means of {caption} Coloured by each factor, from three sides.")
    if matrices:
        page.section("Covariance of the means")
        caption = (
            "Covariance matrices of the same clouds, as numbers; coloured by the correlation that each entry means."
        )
        page.figure(svg(covariance_figure(matrices)), SVG, caption, "Covariance matrices of the means.")


def _embedding(cloud: Cloud) -> Any:
    rows = np.arange(len(cloud.mu))
    if len(rows) > _EMBEDDING_POINTS:
        rows = np.sort(np.random.default_rng(0).choice(len(rows), _EMBEDDING_POINTS, replace=False))
    directions = None if isinstance(cloud.directions, Unknown) else cloud.directions
    return embedding_figure(cloud.mu[rows], cloud.factors[rows], cloud.factor_names, directions)


def _trainings(page: Page, analysis: Analysis) -> None:
    page.section("The trainings")
    first = {group.variant.label: group.models[0].records for group in analysis.groups}
    caption = "Excess BCE on the validation images after each epoch, first seed of each setting."
    page.figure(svg(loss_curves(first)), SVG, caption, "Validation excess BCE against epochs.")


def _settings(page: Page, options: Options, analysis: Analysis, report: Mapping[str, Any]) -> None:
    page.section("Settings and versions")
    config = analysis.models[0].config
    training = config.training
    page.definitions(
        {
            "model": f"{config.model.preset}, d = {config.model.latent_dim}, constant σ = {config.model.sigma:g}",
            "training": f"{training.epochs} epochs, batch {training.batch_size}, {training.optimizer}, learning rate "
            f"{training.learning_rate:g}, {training.schedule}",
            "loss": f"BCE + β KL + γ penalty; β = {config.loss.beta:g} where not said otherwise, KL: {config.loss.kl}",
            **{name: _plain(value) for name, value in options.settings().items() if value is not None},
            **report["versions"],
            **report["platform"],
        }
    )


def _plain(value: object) -> object:
    return (
        ", ".join(f"{one:g}" for one in value) if isinstance(value, Sequence) and not isinstance(value, str) else value
    )
