"""The loss functions as surfaces, computed by the very functions that train: what each of them wants.

Imports torch and matplotlib: only where a report is made.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from core.config import Entanglement
from core.models.losses import CLIP, entanglement_loss, reconstruction_loss
from core.reporting.plot_style import FONT_SIZE, INK, SEQUENTIAL, colour_bar, dress, legend, new_figure

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
