"""What all figures of a report share: their colours, their axes, and how they become bytes. matplotlib, no pyplot."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#1f2328"
QUIET = "#6b747d"
GRID = "#e3e7eb"
ACCENT = "#d5532b"
SERIES = ("#0b6e99", "#d5532b", "#3a8f5c", "#8a5fa8", "#c08a1e", "#5b6670", "#c4558b", "#2aa3a3")
"""Told apart by people with any colour vision, in this order; lines repeat it with other dashes."""
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
SEQUENTIAL = "viridis"
DIVERGING = "RdBu_r"
FONT_SIZE = 9.0
RASTER_DPI = 200  # of what is many thousand dots inside a vector picture


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure of ``width`` × ``height`` inches that lays itself out."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def dress(axes: Axes, title: str = "", x: str = "", y: str = "", grid: bool = True) -> None:
    """Quiet frame, ticks and grid; title and names of the axes."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(QUIET)
        axes.spines[side].set_linewidth(0.8)
    axes.tick_params(labelsize=FONT_SIZE - 1, colors=QUIET, labelcolor=INK, width=0.8, length=3)
    if title:
        axes.set_title(title, fontsize=FONT_SIZE + 0.5, color=INK, loc="left")
    axes.set_xlabel(x, fontsize=FONT_SIZE, color=INK)
    axes.set_ylabel(y, fontsize=FONT_SIZE, color=INK)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(True, color=GRID, linewidth=0.7)


def bare(axes: Axes) -> None:
    """No frame and no ticks: for pictures."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def colour_bar(figure: Figure, mappable: Any, axes: Any, label: str) -> Any:
    """A narrow colour bar with its name, beside ``axes``; returns it."""
    bar = figure.colorbar(mappable, ax=axes, fraction=0.046, pad=0.02, aspect=24)
    bar.set_label(label, fontsize=FONT_SIZE, color=INK)
    bar.ax.tick_params(labelsize=FONT_SIZE - 1, colors=QUIET, labelcolor=INK, width=0.8, length=3)
    bar.outline.set_visible(False)  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]
    return bar


def legend(axes: Axes, **where: Any) -> None:
    """A legend without a frame."""
    axes.legend(**{"frameon": False, "fontsize": FONT_SIZE - 0.5, "labelcolor": INK, **where})


def svg(figure: Figure) -> bytes:
    """The figure as an SVG file: vectors, dots of scatter plots excepted."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", dpi=RASTER_DPI, metadata={"Date": None})
    return buffer.getvalue()


def png(figure: Figure, dpi: float = 150) -> bytes:
    """The figure as a PNG file of ``dpi`` pixels an inch."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
