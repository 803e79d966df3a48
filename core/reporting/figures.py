"""The figures of experiment reports, as matplotlib figures; ``svg`` and ``png`` make files of them.

Import this module only where a report is made: matplotlib takes half a second.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from matplotlib.patheffects import AbstractPathEffect, withStroke

from core.data import polar_curves
from core.rendering.projection import axis_name
from core.reporting.plot_style import (
    ACCENT,
    DASHES,
    DIVERGING,
    FONT_SIZE,
    INK,
    QUIET,
    SEQUENTIAL,
    SERIES,
    bare,
    colour_bar,
    dress,
    legend,
    new_figure,
)
from core.runs.metrics_log import Record

_LOSS_NAMES = {
    "excess_bce": "excess BCE, validation",
    "loss": "loss, training",
    "reconstruction": "reconstruction, training",
}
_MAX_CURVE_POINTS = 400  # a line of a loss plot: more are averaged in blocks
_ARROW = 0.42  # length of a factor's arrow, in spans of the cloud, where there is room for it
_ARROW_ROOM = 0.8  # how far out an arrow may end, of what is seen: its name stands beyond it
_THUMBNAILS = (7, 5)  # of a dataset's figure: values of a, values of b


def loss_curves(
    series: Mapping[str, Sequence[Record]], key: Literal["excess_bce", "loss", "reconstruction"] = "excess_bce"
) -> Figure:
    """One line a run, on logarithmic axes of loss, over epochs.

    ``series`` maps a label to the records of a ``metrics.jsonl``. ``excess_bce`` is the validation's, after each epoch;
    the others are the training's, of the steps, averaged in blocks where there are many.
    """
    figure = new_figure(9.0, 3.6)
    axes = figure.subplots()
    drawn = 0
    for index, (label, records) in enumerate(series.items()):
        x, y = _validation(records) if key == "excess_bce" else _training(records, key)
        keep = np.isfinite(y) & (y > 0)
        if not keep.any():
            continue
        colour, dash = SERIES[index % len(SERIES)], DASHES[index // len(SERIES) % len(DASHES)]
        marker = "o" if key == "excess_bce" and len(x) <= 30 else None
        axes.plot(
            x[keep], y[keep], color=colour, linestyle=dash, linewidth=1.3, marker=marker, markersize=3, label=label
        )
        drawn += 1
    dress(axes, x="epoch", y=_LOSS_NAMES[key])
    if drawn:
        axes.set_yscale("log")
        legend(axes, loc="center left", bbox_to_anchor=(1.01, 0.5), ncols=1 + drawn // 15)
    else:
        axes.text(0.5, 0.5, "no values recorded", transform=axes.transAxes, ha="center", color=QUIET)
    return figure


def _validation(records: Sequence[Record]) -> tuple[np.ndarray, np.ndarray]:
    epochs = [(r["epoch"], (r.get("validation") or {}).get("excess_bce")) for r in records if r.get("kind") == "epoch"]
    pairs = [(x, y) for x, y in epochs if y is not None]
    return _columns(pairs)


def _training(records: Sequence[Record], key: str) -> tuple[np.ndarray, np.ndarray]:
    steps = [(r["step"], r.get(key)) for r in records if r.get("kind") == "step"]
    ends = [(r["step"], r["epoch"]) for r in records if r.get("kind") == "epoch" and r["epoch"] > 0]
    an_epoch = (
        ends[-1][0] / ends[-1][1]
        if ends
        else next((r["step"] / r["epoch"] for r in reversed(records) if r.get("kind") == "step"), 1.0)
    )
    x, y = _columns([(step / an_epoch, value) for step, value in steps if value is not None])
    block = math.ceil(len(x) / _MAX_CURVE_POINTS)
    if block > 1:
        whole = len(x) // block * block
        x, y = x[:whole].reshape(-1, block).mean(axis=1), y[:whole].reshape(-1, block).mean(axis=1)
    return x, y


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    array = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def dataset_figure(
    train: np.ndarray,
    validation: np.ndarray,
    hole: tuple[float, float, float] | None = None,
    geometry: polar_curves.Geometry = "article",
) -> Figure:
    """The parameter plane with every sample, and the images that it stands for.

    ``train`` and ``validation`` float (n, 2) of (a, b); ``hole`` (a, b, radius) is drawn as a circle. The images are
    drawn afresh at equally spaced (a, b), those inside the hole framed.
    """
    figure = new_figure(10.5, 4.6)
    plane, pictures = figure.subplots(1, 2, width_ratios=(1.0, 1.28))
    for samples, colour, label in ((train, SERIES[0], "training"), (validation, SERIES[4], "validation")):
        samples = np.asarray(samples, dtype=np.float64).reshape(-1, 2)
        size = float(np.clip(9000 / max(len(samples), 1), 1.5, 9.0))
        where = samples[:, 0], samples[:, 1]
        plane.scatter(*where, s=size, color=colour, linewidths=0, rasterized=True, label=f"{label}, {len(samples):,}")
    if hole is not None:
        plane.add_patch(Circle(hole[:2], hole[2], fill=False, edgecolor=ACCENT, linewidth=1.6, label="the hole"))
    dress(plane, "The samples", "scale a", "petal depth b")
    plane.set_aspect("equal")
    legend(
        plane,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.06),
        ncols=3,
        handletextpad=0.4,
        columnspacing=1.2,
        markerscale=2.5,
    )
    _thumbnails(pictures, hole, geometry)
    return figure


def _thumbnails(axes: Axes, hole: tuple[float, float, float] | None, geometry: polar_curves.Geometry) -> None:
    scales, depths = _THUMBNAILS
    ab, size = polar_curves.grid(scales, depths), 96
    gap = 4
    images = polar_curves.render(ab, size, geometry).reshape(scales, depths, size, size)
    pitch = size + gap
    mosaic = np.full((depths * pitch - gap, scales * pitch - gap), 255, dtype=np.uint8)
    inside = np.zeros(len(ab), dtype=bool) if hole is None else polar_curves.inside_hole(ab, hole[:2], hole[2])
    for index, framed in enumerate(inside):
        column, row = divmod(index, depths)
        top, left = (depths - 1 - row) * pitch, column * pitch  # b grows upwards, as in the plane
        mosaic[top : top + size, left : left + size] = images[column, row]
        if framed:
            corners = (left - 0.5, top - 0.5)
            axes.add_patch(Rectangle(corners, size, size, fill=False, edgecolor=ACCENT, linewidth=1.8, zorder=3))
    axes.imshow(mosaic, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    dress(axes, "Their images", "scale a", "petal depth b", grid=False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    centre = (np.arange(max(_THUMBNAILS)) + 0.5) * pitch - 0.5 * gap
    axes.set_xticks(centre[:scales], [f"{a:g}" for a in np.linspace(*polar_curves.SCALE_RANGE, scales)])
    axes.set_yticks(centre[:depths], [f"{b:g}" for b in np.linspace(*polar_curves.DEPTH_RANGE, depths)[::-1]])
    axes.tick_params(length=0)


def embedding_figure(
    mu: np.ndarray,
    factors: np.ndarray,
    names: Sequence[str],
    directions: np.ndarray | None = None,
) -> Figure:
    """The cloud of means from three sides: dimensions 1-2, 1-3 and 2-3, one row a factor, coloured by it.

    ``mu`` float (n, d), of which the three dimensions of the largest variance are drawn if d > 3; ``factors`` float
    (n, F) with their ``names``; ``directions`` float (F, d), unit vectors drawn from the cloud's centre: along each the
    factor grows.
    """
    mu = np.asarray(mu, dtype=np.float64)
    factors = np.asarray(factors, dtype=np.float64).reshape(len(mu), -1)
    shown = np.sort(np.argsort(-mu.var(axis=0), kind="stable")[:3])
    sides = list(combinations(shown, 2))
    rows = max(len(names), 1)
    figure = new_figure(3.3 * max(len(sides), 1) + 1.0, 2.9 * rows)
    grid = figure.subplots(rows, max(len(sides), 1), squeeze=False)
    centre, reach = mu.mean(axis=0), 0.5 * float(np.ptp(mu, axis=0).max()) * 1.06
    arrows = None if directions is None else _fitting(np.asarray(directions), mu, shown, reach)
    for row in range(rows):
        colours = factors[:, row] if row < factors.shape[1] else np.zeros(len(mu))
        dots = None
        for axes, side in zip(grid[row], sides or [(shown[0], shown[0])], strict=True):
            dots = _side(axes, mu, side, colours, len(sides) > 0)
            if sides:
                _square(axes, mu, side, reach)
                if arrows is not None:
                    _arrows(axes, centre, arrows, names, side, reach)
        if row < len(names):
            colour_bar(figure, dots, grid[row].tolist(), names[row])
    return figure


def _side(axes: Axes, mu: np.ndarray, side: tuple[int, int], colours: np.ndarray, two: bool) -> Any:
    x, y = mu[:, side[0]], mu[:, side[1]] if two else colours
    size = float(np.clip(12000 / max(len(mu), 1), 1.5, 12.0))
    dots = axes.scatter(x, y, c=colours, s=size, cmap=SEQUENTIAL, linewidths=0, rasterized=True)
    dress(axes, x=axis_name(side[0]), y=axis_name(side[1]) if two else "factor")
    return dots


def _square(axes: Axes, mu: np.ndarray, side: tuple[int, int], reach: float) -> None:
    """The same scale on every side: the cloud must not look stretched."""
    middle = 0.5 * (mu.min(axis=0) + mu.max(axis=0))
    axes.set_xlim(middle[side[0]] - reach, middle[side[0]] + reach)
    axes.set_ylim(middle[side[1]] - reach, middle[side[1]] + reach)
    axes.set_aspect("equal")


def _fitting(directions: np.ndarray, mu: np.ndarray, shown: np.ndarray, reach: float) -> np.ndarray:
    """``directions`` (F, d), all made as long as one another and so that their ends are on every side's picture."""
    middle = 0.5 * (mu.min(axis=0) + mu.max(axis=0))
    ahead = np.sign(directions) * (mu.mean(axis=0) - middle)
    room = (_ARROW_ROOM * reach - ahead) / np.maximum(np.abs(directions), 1e-12)
    return directions * min(2.0 * reach * _ARROW, float(room[:, shown].min(initial=np.inf)))


def _arrows(
    axes: Axes, centre: np.ndarray, arrows: np.ndarray, names: Sequence[str], side: tuple[int, int], reach: float
) -> None:
    halo: list[AbstractPathEffect] = [withStroke(linewidth=2.6, foreground="white")]
    start = centre[list(side)]
    for whole, name in zip(arrows, names, strict=True):
        step = whole[list(side)]
        if float(np.hypot(*step)) < 0.03 * reach:  # it points at the reader
            continue
        end = start + step
        arrow = axes.annotate(
            "",
            xy=tuple(end),
            xytext=tuple(start),
            arrowprops={"arrowstyle": "-|>", "color": ACCENT, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0},
        )
        if arrow.arrow_patch is not None:
            arrow.arrow_patch.set_path_effects(halo)
        place = start + step * (1.0 + 0.14 * reach / float(np.hypot(*step)))
        label = axes.text(
            place[0], place[1], name, color=ACCENT, fontsize=FONT_SIZE + 1, ha="center", va="center", weight="bold"
        )
        label.set_path_effects(halo)


def covariance_figure(matrices: Mapping[str, np.ndarray]) -> Figure:
    """Covariance matrices (d, d) of means, by their titles, as numbers, coloured by correlation."""
    columns = min(4, len(matrices))
    rows = math.ceil(len(matrices) / columns)
    figure = new_figure(2.35 * columns + 0.9, 2.5 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    image = None
    for axes, (title, matrix) in zip(grid.flat, matrices.items(), strict=False):
        image = _matrix(axes, np.asarray(matrix, dtype=np.float64))
        axes.set_title(title, fontsize=FONT_SIZE, color=INK)
    for axes in grid.flat[len(matrices) :]:
        axes.set_axis_off()
    colour_bar(figure, image, grid.ravel().tolist(), "correlation")
    return figure


def _matrix(axes: Axes, matrix: np.ndarray) -> Any:
    dimensions = len(matrix)
    scale = np.sqrt(np.diag(matrix))
    # A dimension that does not vary correlates with nothing.
    correlation = matrix / np.where(scale > 0, scale, 1.0)[:, None] / np.where(scale > 0, scale, 1.0)
    image = axes.imshow(correlation, cmap=DIVERGING, vmin=-1.0, vmax=1.0)
    bare(axes)
    labels = [axis_name(i) for i in range(dimensions)]
    if dimensions <= 12:
        axes.set_xticks(range(dimensions), labels, fontsize=FONT_SIZE - 1, color=INK)
        axes.set_yticks(range(dimensions), labels, fontsize=FONT_SIZE - 1, color=INK)
        axes.tick_params(length=0)
    if dimensions <= 6:
        for i, j in np.ndindex(dimensions, dimensions):
            ink = "white" if abs(correlation[i, j]) > 0.6 else INK
            text = f"{matrix[i, j]:.3g}".replace("-", "−")
            axes.text(j, i, text, ha="center", va="center", fontsize=FONT_SIZE - 1, color=ink)
    return image
