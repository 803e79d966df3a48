"""The figures of experiment C: how leak is distributed by kind of path, and what crosses the hole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

from core.data.polar_curves import DEPTH_RANGE, FACTOR_NAMES, SCALE_RANGE
from core.experiments.factor_leakage.hole_crossings import STRAIGHT_LINE, WITH_PENALTY, WITHOUT_PENALTY, Crossing
from core.experiments.factor_leakage.leakage import PATHS, Trial, values_of
from core.reporting.plot_style import ACCENT, DASHES, FONT_SIZE, INK, QUIET, SERIES, dress, legend, new_figure

FLOOR = 1e-4
"""Leaks below it, a hundredth of a per cent, are drawn there."""

_VIEW = 3.3  # of the hole's radius, to each side of its centre
_STYLES = {
    kind: (SERIES[i], DASHES[j], width)
    for kind, (i, j, width) in zip(
        PATHS, ((1, 0, 2.6), (1, 1, 1.5), (0, 0, 1.6), (2, 0, 1.6), (2, 1, 1.6), (3, 0, 1.6), (3, 1, 1.6)), strict=True
    )
}
_TITLES = {WITH_PENALTY: "with the penalty", WITHOUT_PENALTY: "without the penalty", STRAIGHT_LINE: "straight line"}


def leak_figure(models: Sequence[Mapping[str, Sequence[Trial]]]) -> Figure:
    """One panel a factor: the share of starts whose leak is at most the abscissa, by kind of path."""
    figure = new_figure(10.4, 4.2)
    for axes, target in zip(figure.subplots(1, len(FACTOR_NAMES), sharey=True), FACTOR_NAMES, strict=True):
        for kind in PATHS:
            values = np.maximum(values_of(models, target, kind), FLOOR)
            if len(values):
                colour, dash, width = _STYLES[kind]
                x, y = np.append(values[0], values), np.arange(len(values) + 1) / len(values)
                axes.step(x, y, where="post", color=colour, linestyle=dash, linewidth=width, label=kind)  # pyright: ignore[reportArgumentType]
        other = FACTOR_NAMES[1 - FACTOR_NAMES.index(target)]
        dress(axes, f"changing {target}", f"leak into {other}, fraction of its range", "fraction of starts")
        axes.set_xscale("log")
        axes.set_xlim(FLOOR, 1.5)
        axes.set_ylim(0.0, 1.0)
        axes.axhline(0.5, color=QUIET, linewidth=0.8, linestyle=(0, (2, 2)))
    lines, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=FONT_SIZE, labelcolor=INK)
    return figure


def hole_figure(crossings: Sequence[Crossing], hole: tuple[tuple[float, float], float]) -> Figure:
    """The (a, b) that the images along every path show, one panel a kind, those in the hole in the accent's colour."""
    kinds = [kind for kind in _TITLES if any(crossing.kind == kind and not crossing.failed for crossing in crossings)]
    figure = new_figure(3.1 * len(kinds) + 0.4, 4.6)
    for axes, kind in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
        axes.add_patch(Circle(hole[0], hole[1], facecolor=ACCENT, alpha=0.10, edgecolor=ACCENT, linewidth=1.2))
        for crossing in crossings:
            if crossing.kind == kind and not crossing.failed:
                _way(axes, crossing)
        dress(axes, _TITLES[kind], "scale a", "petal depth b" if kind == kinds[0] else "")
        axes.set_xlim(*_around(hole[0][0], hole[1], SCALE_RANGE))
        axes.set_ylim(*_around(hole[0][1], hole[1], DEPTH_RANGE))
        axes.set_aspect("equal")
    handles = [
        Line2D([], [], color=SERIES[0], linewidth=1.2, label="outside the hole"),
        Line2D([], [], color=ACCENT, marker="o", markersize=3, linewidth=0, label="in the hole"),
    ]
    legend(figure.axes[0], handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.08), ncols=2)
    return figure


def _way(axes: Axes, crossing: Crossing) -> None:
    ab, inside = np.array(crossing.factors), np.array(crossing.in_hole)
    axes.plot(ab[:, 0], ab[:, 1], color=SERIES[0], linewidth=0.9, alpha=0.8)
    axes.scatter(ab[inside, 0], ab[inside, 1], s=9, color=ACCENT, linewidths=0, zorder=3)


def _around(centre: float, radius: float, ends: tuple[float, float]) -> tuple[float, float]:
    return max(centre - _VIEW * radius, ends[0]), min(centre + _VIEW * radius, ends[1])
