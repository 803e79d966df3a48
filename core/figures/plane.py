"""The parameter plane as on screen: samples at their true factors, holes, transects, the cursor."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse, Rectangle
from matplotlib.ticker import MaxNLocator

from core.figures import legend
from core.figures.cloud import DISC, VECTOR_POINTS
from core.figures.style import TITLE, Drawing, Style, axes_at, dress, new_figure, sheet, text_width, write, write_title
from core.protocol.figures import PlaneFigure
from core.rendering.point_colours import point_colours
from core.runs.split import HELD_OUT, TRAINING

SHARE = 0.28  # of the plane that all discs together may cover
SMALLEST, LARGEST = 1.2, 4.6  # points, diameter
RING, THIN_RING = 0.3, 0.14  # width of the rings of validation and of held-out samples, of their diameter


def _margins(figure: PlaneFigure, style: Style) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the plane."""
    top = TITLE if figure.title else 1.0
    left = 5.0 + (4.0 if figure.classes[1] else 0.0)
    right = legend.column_width(figure.colouring, style) + 1.5 * style.size
    return left * style.size, (top + 1.6) * style.size, right, 4.2 * style.size


def natural_height(figure: PlaneFigure, width: float, style: Style) -> float:
    """The height at which the plane has the shape that it has on screen, within limits."""
    left, top, right, bottom = _margins(figure, style)
    inner = max(width - left - right, 0.3 * width)
    return float(np.clip(inner / max(figure.aspect, 1e-3), 0.35 * width, width)) + top + bottom


def draw(figure: PlaneFigure, width: float, height: float, style: Style) -> Drawing:
    """The figure on a page of ``width`` × ``height`` points."""
    made = Drawing(new_figure(width, height, style))
    page = sheet(made.figure)
    write_title(page, figure.title, style, width - legend.column_width(figure.colouring, style))
    left, top, right, bottom = _margins(figure, style)
    inner = max(width - left - right, 0.3 * width), max(height - top - bottom, 0.3 * height)
    axes = axes_at(made.figure, left, top, *inner)
    axes.set_xlim(figure.low[0], figure.high[0])
    axes.set_ylim(figure.low[1], figure.high[1])
    dress(axes, style)
    _ticks(axes, figure, style)
    _draw_samples(made, axes, figure, inner[0] * inner[1], style)
    _draw_regions(axes, figure, style)
    _draw_transects(axes, figure, style)
    _draw_cursor(axes, figure, style)
    _draw_splits(page, figure, left, top - 1.0 * style.size, style)
    legend.draw(made.figure, page, figure.colouring, width, height, style)
    return made


def _ticks(axes: Axes, figure: PlaneFigure, style: Style) -> None:
    for axis, names, label, name in (
        (axes.xaxis, figure.classes[0], axes.set_xlabel, figure.names[0]),
        (axes.yaxis, figure.classes[1], axes.set_ylabel, figure.names[1]),
    ):
        if names:
            axis.set_ticks(range(len(names)), names)
        else:
            axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        label(name, fontsize=style.size, color=style.theme.text, labelpad=2.5)


def _draw_samples(made: Drawing, axes: Axes, figure: PlaneFigure, area: float, style: Style) -> None:
    """Training samples are discs, validation samples rings, held-out ones thin rings."""
    rgba = point_colours(figure.colouring, len(figure.xy), style.theme) / 255.0
    rgba[:, 3] *= figure.colouring.opacity
    seen = np.isfinite(figure.xy).all(axis=1) & (rgba[:, 3] > 0.0)
    seen &= ((figure.xy >= figure.low) & (figure.xy <= figure.high)).all(axis=1)
    order = np.flatnonzero(seen)
    if not len(order):
        return
    diameter = float(np.clip(2 * math.sqrt(SHARE * area / (math.pi * len(order))), SMALLEST, LARGEST))
    split = figure.split[order]
    width = np.select([split == TRAINING, split == HELD_OUT], [0.0, THIN_RING], RING) * diameter
    faces = np.where((split == TRAINING)[:, None], rgba[order], [0.0, 0.0, 0.0, 0.0])
    raster = len(order) > VECTOR_POINTS
    drawn = axes.scatter(
        *figure.xy[order].T,
        s=(diameter - width) ** 2,
        c=faces,
        edgecolors=rgba[order].tolist(),
        linewidths=width.tolist(),
        marker=DISC,
    )
    drawn.set(rasterized=raster, zorder=2, gid="points")
    made.notes.append(
        f"{len(order):,} points: more than {VECTOR_POINTS:,}, so in SVG and PDF they are one image of {style.dpi} dpi."
        if raster
        else f"{len(order):,} points; in SVG and PDF as vectors (up to {VECTOR_POINTS:,})."
    )


def _draw_splits(page: Axes, figure: PlaneFigure, left: float, y: float, style: Style) -> None:
    """What discs and rings are, above the plane; only of the parts that there are."""
    kinds = [
        (0, "training", 0.0),
        (1, "validation", RING),
        (int(HELD_OUT), "held out", THIN_RING),
    ]
    there = [kind for kind in kinds if (figure.split == kind[0]).any()]
    if len(there) < 2:
        return
    x, size, diameter = left, style.size, 0.55 * style.size
    for _, name, ring in there:
        ink = style.theme.muted
        face = "none" if ring else ink
        page.scatter(
            [x + diameter / 2], [y], s=(diameter * (1 - ring)) ** 2, c=face, edgecolors=ink, linewidths=ring * diameter
        )
        write(page, x + size, y, name, style, ha="left", fontsize=style.small, color=ink)
        x += size + text_width(name, style.small) + 1.2 * size


def _draw_regions(axes: Axes, figure: PlaneFigure, style: Style) -> None:
    theme = style.theme
    for x, y, radius, dashed in figure.holes:
        for colour, width in ((theme.plot, 2.8), (theme.text, 1.1)):
            ring = Ellipse((x, y), 2 * radius, 2 * radius, fill=False, edgecolor=colour, linewidth=width, zorder=3)
            ring.set_linestyle((0, (3, 2)) if dashed else "-")
            axes.add_patch(ring)
    for (left, right), (low, high) in figure.regions:
        left, low = max(left, figure.low[0]), max(low, figure.low[1])
        right, high = min(right, figure.high[0]), min(high, figure.high[1])
        for colour, width in ((theme.plot, 2.8), (theme.text, 1.1)):
            box = Rectangle(
                (left, low), right - left, high - low, fill=False, edgecolor=colour, linewidth=width, zorder=3
            )
            box.set_linestyle((0, (3, 2)))
            axes.add_patch(box)


def _draw_transects(axes: Axes, figure: PlaneFigure, style: Style) -> None:
    theme = style.theme
    order = sorted(range(len(figure.transects)), key=lambda number: number == figure.chosen)
    for number in order:
        name, points = figure.transects[number]
        chosen = number == figure.chosen
        ink, width = (theme.series[1], 1.4) if chosen else (theme.muted, 0.8)
        axes.plot(*points.T, color=theme.plot, linewidth=width + 1.8, zorder=4)
        axes.plot(*points.T, color=ink, linewidth=width, zorder=4.1)
        if chosen:
            axes.scatter(*points.T, s=9, c=ink, edgecolors=theme.plot, linewidths=0.5, zorder=4.2)
        box = {"facecolor": theme.plot, "alpha": 0.85, "edgecolor": "none", "pad": 1.0}
        inside = points[0][0] < figure.low[0] + 0.9 * (figure.high[0] - figure.low[0])
        axes.annotate(
            name,
            tuple(points[0]),
            xytext=(3.0 if inside else -3.0, 3.0),
            textcoords="offset points",
            bbox=box,
            ha="left" if inside else "right",
            fontsize=style.small,
            color=ink,
            zorder=5,
            annotation_clip=True,
        )


def _draw_cursor(axes: Axes, figure: PlaneFigure, style: Style) -> None:
    theme = style.theme
    if len(figure.cursor):
        x, y = figure.cursor[0].tolist()
        for line, place in ((axes.axvline, x), (axes.axhline, y)):
            line(place, color=theme.plot, linewidth=2.0, zorder=5.9)
            line(place, color=theme.muted, linewidth=0.6, zorder=6)
        axes.scatter([x], [y], s=64, facecolors="none", edgecolors=theme.plot, linewidths=2.4, zorder=6.1)
        axes.scatter([x], [y], s=64, facecolors="none", edgecolors=theme.text, linewidths=1.0, zorder=6.2)
        axes.scatter([x], [y], s=10, c=theme.accent, edgecolors=theme.plot, linewidths=0.5, zorder=6.3)
    elif 0 <= figure.sample < len(figure.xy):
        axes.scatter(
            *figure.xy[[figure.sample]].T, s=40, facecolors="none", edgecolors=theme.accent, linewidths=1.3, zorder=6
        )
