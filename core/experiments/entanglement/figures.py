"""The figures of experiment B: penalties against rotation, alignment against chance, the loss functions as surfaces.

Imports torch and matplotlib: only where a report is made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from core.config import Entanglement
from core.experiments.entanglement.analysis import Group, null_of
from core.experiments.entanglement.options import PENALTIES
from core.experiments.entanglement.rotations import by_angle, plane_rotation, thinned, uniform_rectangle
from core.models.losses import CLIP, entanglement_loss, reconstruction_loss
from core.rendering.projection import axis_name
from core.reporting.plot_style import (
    ACCENT,
    DASHES,
    FONT_SIZE,
    INK,
    QUIET,
    SEQUENTIAL,
    SERIES,
    colour_bar,
    dress,
    legend,
    new_figure,
)

BATCH = 16  # of the default training
_RATIO = 3.0
_DEGREES = np.linspace(0.0, 90.0, 31)
_OWN_DEGREES = np.linspace(-45.0, 45.0, 31)


def rectangle_figure() -> Figure:
    """``product`` and ``covariance`` of a uniform square and of a 3:1 rectangle of the same area, by rotation angle."""
    figure = new_figure(10.0, 4.2)
    for axes, ratio, title in zip(figure.subplots(1, 2), (1.0, _RATIO), ("a square", "a 3:1 rectangle"), strict=True):
        points = uniform_rectangle(ratio)
        curves: list[tuple[str, np.ndarray]] = [
            ("product", by_angle(points, _DEGREES, "product")),
            ("covariance, of all samples", by_angle(points, _DEGREES, "covariance")),
            (f"covariance, mean over batches of {BATCH}", by_angle(points, _DEGREES, "covariance", batch=BATCH)),
        ]
        for (label, values), colour, dash in zip(curves, SERIES, DASHES, strict=False):
            axes.plot(_DEGREES, values, color=colour, linestyle=dash, linewidth=1.6, label=label)
        dress(axes, title, "rotation, degrees", "penalty")
        axes.set_xticks(range(0, 91, 15))
        top = max(float(values.max()) for _, values in curves)
        axes.set_ylim(-0.04 * top, 1.36 * top)
        _shapes(axes, ratio)
    _shared_legend(figure, 3)
    return figure


def _shared_legend(figure: Figure, columns: int) -> None:
    """One legend below all panels, which show the same lines."""
    lines, labels = figure.axes[0].get_legend_handles_labels()
    where = {"loc": "outside lower center", "ncols": columns}
    figure.legend(lines, labels, **where, frameon=False, fontsize=FONT_SIZE, labelcolor=INK)


def _shapes(axes: Axes, ratio: float) -> None:
    """The turned rectangle above the curves, at 0, 45 and 90 degrees, with the axes."""
    half = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * (np.sqrt(ratio), 1.0 / np.sqrt(ratio))
    for degrees in (0.0, 45.0, 90.0):
        inset = axes.inset_axes((degrees / 90.0 * 0.86, 0.78, 0.14, 0.22))
        turned = half @ plane_rotation(2, (0, 1), degrees).T
        inset.axhline(0, color=QUIET, linewidth=0.6)
        inset.axvline(0, color=QUIET, linewidth=0.6)
        inset.add_patch(Polygon(turned, facecolor=SERIES[0], alpha=0.25, edgecolor=SERIES[0], linewidth=1.0))
        inset.set_xlim(-2.1, 2.1)
        inset.set_ylim(-2.1, 2.1)
        inset.set_aspect("equal")
        inset.set_axis_off()


def own_cloud_figure(mu: np.ndarray) -> Figure:
    """Each penalty of a trained cloud mu (n, d), turned in each plane of two dimensions (of the first three).

    At 0° the cloud is as it was trained.
    """
    points = thinned(mu)
    planes = list(combinations(range(min(points.shape[1], 3)), 2))
    figure = new_figure(10.6, 3.7)
    for axes, form in zip(figure.subplots(1, len(PENALTIES)), PENALTIES, strict=True):
        for plane, colour, dash in zip(planes, SERIES, DASHES, strict=False):
            _turned(axes, points, form, plane, colour, dash)
        axes.axvline(0.0, color=INK, linewidth=0.9, linestyle=(0, (2, 2)))
        dress(axes, f"{form}, of the whole cloud", "rotation, degrees", "penalty" if form == PENALTIES[0] else "")
        axes.set_xticks(range(-45, 46, 15))
    figure.axes[0].annotate(
        "as trained",
        (0.0, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(4, -10),
        textcoords="offset points",
        fontsize=FONT_SIZE - 1,
        color=INK,
    )
    _shared_legend(figure, len(planes))
    return figure


def _turned(
    axes: Axes, points: np.ndarray, form: Entanglement, plane: tuple[int, int], colour: str, dash: object
) -> None:
    values = by_angle(points, _OWN_DEGREES, form, plane)
    label = f"turned in {axis_name(plane[0])}, {axis_name(plane[1])}; dot: the lowest penalty"
    axes.plot(_OWN_DEGREES, values, color=colour, linestyle=dash, linewidth=1.5, label=label)  # pyright: ignore[reportArgumentType]
    lowest = int(values.argmin())
    axes.scatter([_OWN_DEGREES[lowest]], [values[lowest]], s=26, color=colour, zorder=3)


def alignment_figure(groups: Sequence[Group]) -> Figure:
    """Alignment of every cloud, one row a setting, over what the mean of as many random rotations gives (5 to 95 %)."""
    shown = [group for group in groups if group.alignments()]
    figure = new_figure(9.0, 0.8 + 0.34 * max(len(shown), 2))
    axes = figure.subplots()
    for row, group in enumerate(shown):
        null, values = null_of(group), [alignment.value for alignment in group.alignments()]
        if null is not None:
            axes.barh(row, null.high - null.low, left=null.low, height=0.62, color=QUIET, alpha=0.18, linewidth=0)
            axes.plot([null.mean] * 2, [row - 0.31, row + 0.31], color=QUIET, linewidth=1.2)
        for alignment in group.alignments():
            axes.plot([alignment.low, alignment.high], [row, row], color=SERIES[0], linewidth=1.0, alpha=0.55)
        axes.scatter(values, [row] * len(values), s=18, color=SERIES[0], zorder=3, linewidths=0)
        if len(values) > 1:
            axes.scatter([float(np.mean(values))], [row], s=46, marker="D", color=ACCENT, zorder=4, linewidths=0)
    axes.set_yticks(range(len(shown)), [group.variant.label for group in shown])
    axes.invert_yaxis()
    axes.set_xlim(-0.02, 1.02)
    dress(axes, x="alignment A with the axes")
    axes.grid(False, axis="y")
    return figure


_EXTENT = 2.0
_POINTS = 81
_LOWEST_BCE = 0.02  # of the colours: below it lie only the corners (0, 0) and (1, 1)
_REST = 15  # other samples of the batch whose covariance is shown


def loss_surfaces_figure() -> Figure:
    """Four surfaces: the product and the covariance penalty over the place (μᵢ, μⱼ) of one sample, the covariance of a
    batch with one sample moved, and the pixel's cross-entropy over (x, x̂).
    """
    figure = new_figure(10.4, 8.2)
    panels = figure.subplots(2, 2)
    places = np.linspace(-_EXTENT, _EXTENT, _POINTS)
    _penalty(figure, panels[0, 0], places, sample_surface(places), "product: |μᵢ μⱼ| of one sample")
    for axes, slanted, title in (
        (panels[0, 1], False, "covariance of 16 samples: one moves, the others uncorrelated"),
        (panels[1, 0], True, "covariance of 16 samples: one moves, the others correlated"),
    ):
        rest = rest_of_batch(slanted)
        surface = batch_surface(places, rest, "covariance")
        _penalty(figure, axes, places, surface, title)
        axes.scatter(rest[:, 0], rest[:, 1], s=12, color="white", edgecolors=INK, linewidths=0.6, label="the others")
        legend(axes, loc="upper left", labelcolor="white", handletextpad=0.2)
    _cross_entropy(figure, panels[1, 1])
    return figure


def sample_surface(places: np.ndarray) -> np.ndarray:
    """``product`` of single samples at (μᵢ, μⱼ): float64 (n, n), rows μⱼ, columns μᵢ, both from ``places`` (n,)."""
    mu = torch.from_numpy(_grid(places))
    return entanglement_loss(mu, "product").reshape(len(places), len(places)).numpy()


def batch_surface(places: np.ndarray, rest: np.ndarray, form: Entanglement) -> np.ndarray:
    """Penalty ``form`` of a batch of ``rest`` float64 (m, 2) and one sample at (μᵢ, μⱼ): float64 (n, n) as above."""
    others = torch.from_numpy(rest)
    values = [
        entanglement_loss(torch.cat([others, place[None]]), form).mean() for place in torch.from_numpy(_grid(places))
    ]
    return torch.stack(values).reshape(len(places), len(places)).numpy()


def rest_of_batch(slanted: bool) -> np.ndarray:
    """float64 (15, 2) centred samples: on a circle, where their covariance is 0, or along a slanted ellipse."""
    angle = 2.0 * math.pi * np.arange(_REST) / _REST
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1) * 1.2
    if not slanted:
        return circle
    turned = circle * (1.15, 0.45)
    half = math.sqrt(0.5)
    return turned @ np.array([[half, half], [-half, half]])


def cross_entropy_surface(values: np.ndarray) -> np.ndarray:
    """A pixel's binary cross-entropy, as ``core.models.losses.reconstruction_loss`` has it: float64 (n, n).

    Rows are the prediction x̂, clipped to [1/512, 1 - 1/512], columns the truth x, both from ``values`` (n,).
    """
    estimate = torch.from_numpy(values).clamp(CLIP, 1.0 - CLIP)
    logits = torch.logit(estimate)[:, None].expand(len(values), len(values))
    truth = torch.from_numpy(values)[None, :].expand(len(values), len(values)).float()
    flat = reconstruction_loss(logits.reshape(-1, 1, 1, 1), truth.reshape(-1, 1, 1, 1), "bce")
    return flat.reshape(len(values), len(values)).numpy()


def _grid(places: np.ndarray) -> np.ndarray:
    i, j = np.meshgrid(places, places)
    return np.stack([i.ravel(), j.ravel()], axis=1)


def _penalty(figure: Figure, axes: Axes, places: np.ndarray, surface: np.ndarray, title: str) -> None:
    filled = axes.contourf(places, places, surface, levels=24, cmap=SEQUENTIAL)
    lines = np.linspace(surface.min(), surface.max(), 9)[1:-1]  # not the lowest: where it is 0 a line would be noise
    axes.contour(places, places, surface, levels=lines, colors="white", linewidths=0.4, alpha=0.6)
    dress(axes, title, "μᵢ", "μⱼ", grid=False)
    axes.set_aspect("equal")
    colour_bar(figure, filled, axes, "penalty")


def _cross_entropy(figure: Figure, axes: Axes) -> None:
    values = np.linspace(0.0, 1.0, 129)
    surface = cross_entropy_surface(values)
    levels = np.geomspace(_LOWEST_BCE, float(surface.max()), 24)
    filled = axes.contourf(values, values, np.maximum(surface, levels[0]), levels=levels, cmap=SEQUENTIAL, norm="log")
    axes.contour(values, values, surface, levels=levels[::3], colors="white", linewidths=0.4, alpha=0.6)
    axes.plot(values, values, color="white", linewidth=1.4, linestyle=(0, (5, 2)))
    dress(
        axes, "cross-entropy of a pixel; dashed: x̂ = x, the minimum for each x", "truth x", "prediction x̂", grid=False
    )
    axes.set_aspect("equal")
    for x in (0.1, 0.25, 0.5, 0.75):
        low = float(cross_entropy_surface(np.array([x]))[0, 0])
        axes.scatter([x], [x], s=14, color="white", zorder=3)
        offset = {"xytext": (7, -10), "textcoords": "offset points"}
        axes.annotate(f"{low:.2f}", (x, x), **offset, color="white", fontsize=FONT_SIZE - 0.5)
    bar = colour_bar(figure, filled, axes, "BCE (logarithmic)")
    marks = [value for value in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0) if value <= surface.max()]
    bar.set_ticks(marks, labels=[f"{value:g}" for value in marks])
    bar.minorticks_off()
