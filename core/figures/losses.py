"""Loss curves as on screen: the same curves, smoothing, scale and range, changed hyperparameters, the best epoch."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from core.figures.style import Drawing, Style, axes_at, dress, elided, new_figure, sheet, text_width, write, write_title
from core.protocol.figures import LossCurve, LossesFigure
from core.utils.text import duration_text

LEAST_HEIGHT = 20.0  # heights of text
ASPECT = 0.5  # height over width of a page that has no height of its own
MOST_POINTS = 4_000  # of a curve in the file: of more, the least and greatest of each stretch are drawn
RAW_ALPHA = 0.3
_FEW_DECADES = 1.5  # of a logarithmic axis: then 2 and 5 have numbers, too


def natural_height(figure: LossesFigure, width: float, style: Style) -> float:
    """Half as high as wide, but with room for the curves."""
    return max(ASPECT * width, LEAST_HEIGHT * style.size)


def draw(figure: LossesFigure, width: float, height: float, style: Style) -> Drawing:
    """The figure on a page of ``width`` × ``height`` points."""
    made, size = Drawing(new_figure(width, height, style)), style.size
    page = sheet(made.figure)
    top = write_title(page, figure.title, style, width) or 0.8 * size
    right_curves = [curve for curve in figure.curves if curve.right and np.any(np.nan_to_num(curve.y))]
    top += _legend(page, figure, width, top, style)
    left, below, right = 5.2 * size, 4.0 * size, (5.2 if right_curves else 1.5) * size
    inner = max(width - left - right, 0.3 * width), max(height - top - below, 0.25 * height)
    axes = axes_at(made.figure, left, top, *inner)
    other = axes.twinx() if right_curves else None
    thinned = 0
    for curve in figure.curves:
        if curve.right and other is None:
            continue
        thinned += _draw_curve(axes if other is None or not curve.right else other, curve, figure, style)
    dress(axes, style)
    _scale(axes, figure.y_range, figure.log, inner[1], style)
    axes.set_xlim(*figure.x_range)
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10], integer=figure.axis == "step"))
    name = "time" if figure.axis == "time" else figure.axis
    if figure.axis == "time":
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: duration_text(max(0.0, value), round_zeros=True)))
    axes.set_xlabel(name, fontsize=size, color=style.theme.text, labelpad=2.5)
    axes.set_ylabel("loss", fontsize=size, color=style.theme.text, labelpad=2.5)
    if other is not None:
        axes.set_zorder(other.get_zorder() + 1)  # as on screen; and the words upon it must not be crossed out
        for ground in (axes.patch, other.patch):
            ground.set_visible(False)  # matplotlib shows that of the lower one of a pair, in white
        dress(other, style, grid=False)
        other.spines["left"].set_visible(False)
        other.spines["right"].set(visible=True, color=style.theme.muted, linewidth=0.6)
        other.tick_params(axis="y", right=True, labelright=True)
        _scale(other, figure.right_range, figure.log, inner[1], style)
        names = ", ".join(curve.name for curve in right_curves)
        other.set_ylabel(f"{names} (unweighted)", fontsize=size, color=style.theme.text, labelpad=3.0)
    _draw_marks(axes, figure, inner[0], style)
    if thinned:
        made.notes.append(
            f"Curves of more than {MOST_POINTS:,} points are drawn by the least and greatest value of each stretch."
        )
    return made


def _legend(page: Axes, figure: LossesFigure, width: float, top: float, style: Style) -> float:
    """A line of names beside strokes of their colours, in as many rows as they need; the height that these take."""
    size, x, row = style.size, 5.2 * style.size, 0
    for curve in figure.curves:
        name = elided(curve.name, width / 2, style.small)
        wide = 2.2 * size + text_width(name, style.small) + 1.4 * size
        if x + wide > width and x > 5.2 * size:
            x, row = 5.2 * size, row + 1
        y = top + (row + 0.5) * style.line
        colour = style.theme.series[curve.series % len(style.theme.series)]
        page.add_line(
            Line2D(
                [x, x + 1.6 * size],
                [y, y],
                color=colour,
                linewidth=1.4,
                marker="o" if curve.dots else "",
                markersize=2.5,
            )
        )
        write(page, x + 2.1 * size, y, name, style, ha="left", fontsize=style.small)
        x += wide
    return (row + 1) * style.line + 0.6 * size


def _draw_curve(axes: Axes, curve: LossCurve, figure: LossesFigure, style: Style) -> bool:
    """Whether it was thinned out."""
    colour = style.theme.series[curve.series % len(style.theme.series)]
    thinned = False
    for y, alpha, width in ((curve.raw, RAW_ALPHA, 0.5), (curve.y, 1.0, 1.1)):
        if not len(y):
            continue
        known = np.isfinite(y) & ((y > 0.0) | (not figure.log))
        x, values, fewer = extremes(curve.x[known], y[known], MOST_POINTS)
        thinned |= fewer
        dots = {"marker": "o", "markersize": 2.5} if curve.dots and alpha == 1.0 and len(x) <= 60 else {}
        axes.plot(x, values, color=colour, alpha=alpha, linewidth=width, solid_joinstyle="round", **dots)
    return thinned


def extremes(x: np.ndarray, y: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """At most ``most`` of the points (n,), and whether that is fewer: of each stretch its least and its greatest."""
    if len(x) <= most:
        return x, y, False
    bounds = np.linspace(0, len(x), most // 2 + 1).astype(np.int64)
    kept = np.concatenate([np.sort([a + int(y[a:b].argmin()), a + int(y[a:b].argmax())]) for a, b in pairwise(bounds)])
    return x[kept], y[kept], True


def _scale(axes: Axes, limits: tuple[float, float], log: bool, height: float, style: Style) -> None:
    low, high = limits
    if log:
        axes.set_yscale("log")
        few = math.log10(high / low) < _FEW_DECADES
        axes.yaxis.set_major_locator(LogLocator(10.0, subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=12))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}".replace("-", "−")))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(max(2, int(height / (3 * style.size))), steps=[1, 2, 5, 10]))
    axes.set_ylim(low, high)


def _draw_marks(axes: Axes, figure: LossesFigure, span: float, style: Style) -> None:
    theme, free_from = style.theme, -math.inf
    low, high = figure.x_range
    for place, text in figure.marks:
        if not low <= place <= high:
            continue
        axes.axvline(place, color=theme.warning, linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)
        at = (place - low) / (high - low) * span
        if at >= free_from:
            axes.annotate(
                text,
                (place, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(2.0, -1.0),
                va="top",
                textcoords="offset points",
                fontsize=style.small,
                color=theme.warning,
                annotation_clip=False,
            )
            free_from = at + text_width(text, style.small) + style.size
    if figure.best is not None and low <= figure.best[0] <= high:
        place, value = figure.best
        validation = next((curve for curve in figure.curves if curve.dots), None)
        colour = theme.series[validation.series % len(theme.series)] if validation is not None else theme.text
        axes.plot([place], [value], marker="o", markersize=5, markerfacecolor=theme.plot, markeredgecolor=colour)
        near_end = place > low + 0.85 * (high - low)
        axes.annotate(
            f"best {value:.4g}",
            (place, value),
            xytext=(-4.0 if near_end else 4.0, 4.0),
            textcoords="offset points",
            ha="right" if near_end else "left",
            va="bottom",
            fontsize=style.small,
            color=theme.text,
        )
