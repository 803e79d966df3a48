"""What all figures share: themes, units, text, and pictures in them. Lengths are points, 72 an inch, unless said."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from core.protocol.figures import Page, Scaling
from core.rendering.film_frames import scaled
from core.rendering.themes import DARK, LIGHT, Theme
from core.reporting import plot_style

POINTS_PER_CM = 72.0 / 2.54
PIXEL = 0.6
"""Points that a stroke of one pixel in the window is wide on paper."""
TITLE = 2.4
"""Heights of text that a page's title takes."""
PRINT = Theme(
    name="print",
    window="#ffffff",
    surface="#ffffff",
    raised="#ffffff",
    border="#9aa1a8",
    text=plot_style.INK,
    muted="#4b535b",
    accent=plot_style.SERIES[0],
    accent_text="#ffffff",
    warning="#8a5a00",
    danger="#b3261e",
    plot="#ffffff",
    grid="#cdd2d7",
    ground="#ffffff",
    series=plot_style.SERIES,
)
"""White ground, dark ink, and colours that people with any colour vision tell apart."""
THEMES = {theme.name: theme for theme in (DARK, LIGHT, PRINT)}
VERDICT_COLOURS = {"extrapolating": "warning", "off the data": "danger"}
"""The theme's colour of a bar under a frame that is not on the data."""
_SETTINGS: Any = {
    "font.family": "DejaVu Sans",  # has Greek letters and subscripts; matplotlib brings it along
    "pdf.fonttype": 42,  # TrueType: text stays text, and journals refuse type 3
    "svg.fonttype": "none",  # text stays text; the font is put into the file afterwards
    "svg.hashsalt": "isoline",  # equal figures make equal files
    "text.parse_math": False,  # a class may be called $5
    "axes.unicode_minus": True,
}


@contextlib.contextmanager
def settings() -> Iterator[None]:
    """matplotlib's settings for our figures, while one is made or written."""
    with matplotlib.rc_context(_SETTINGS):
        yield


@dataclass(frozen=True)
class Style:
    """How a page is drawn: ``theme``; ``size`` of most text; ``dpi`` of pictures inside it."""

    theme: Theme
    size: float
    dpi: int

    @property
    def small(self) -> float:
        """The size of numbers along axes and below images."""
        return self.size * 0.9

    @property
    def line(self) -> float:
        """From one line of text to the next."""
        return self.size * 1.4


@dataclass
class Drawing:
    """A figure, and ``notes`` on what a person should know of it."""

    figure: Figure
    notes: list[str] = field(default_factory=list)


def style_of(page: Page) -> Style:
    """The style that ``page`` asks for."""
    return Style(THEMES[page.theme], page.font, page.dpi)


def new_figure(width: float, height: float, style: Style) -> Figure:
    """An empty sheet of ``width`` × ``height`` points."""
    return Figure(figsize=(width / 72.0, height / 72.0), facecolor=style.theme.plot)


def sheet(figure: Figure) -> Axes:
    """Axes over the whole of ``figure``, in points from its upper left corner, y downwards, without a frame."""
    width, height = (float(side) * 72.0 for side in figure.get_size_inches())
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0.0, width)
    axes.set_ylim(height, 0.0)
    axes.set_axis_off()
    return axes


def axes_at(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes whose frame is this rectangle, in points from the upper left corner."""
    whole_width, whole_height = (float(side) * 72.0 for side in figure.get_size_inches())
    place = left / whole_width, 1.0 - (top + height) / whole_height, width / whole_width, height / whole_height
    axes = figure.add_axes(place)
    axes.patch.set_visible(False)
    return axes


def dress(axes: Axes, style: Style, grid: bool = True) -> None:
    """Quiet frame, ticks and grid in the theme's colours."""
    theme = style.theme
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set(color=theme.muted, linewidth=0.6)
    axes.tick_params(labelsize=style.small, colors=theme.muted, labelcolor=theme.text, width=0.6, length=2.5, pad=2.0)
    axes.tick_params(which="minor", width=0.4, length=1.5, colors=theme.muted)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(True, color=theme.grid, linewidth=0.4)


@lru_cache(maxsize=4)
def _font(bold: bool) -> FontProperties:
    return FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")


def text_width(text: str, size: float, bold: bool = False) -> float:
    """How wide ``text`` is."""
    if not text:
        return 0.0
    face = _font(bold).copy()
    face.set_size(size)
    return float(text_to_path.get_text_width_height_descent(text, face, False)[0])


def elided(text: str, room: float, size: float, bold: bool = False) -> str:
    """``text``, cut with an ellipsis where it would be wider than ``room``."""
    if text_width(text, size, bold) <= room:
        return text
    while text and text_width(text + "…", size, bold) > room:
        text = text[:-1].rstrip()
    return text + "…"


def write(axes: Axes, x: float, y: float, text: str, style: Style, **how: Any) -> None:
    """Text on a ``sheet`` at a point, about its middle unless ``how`` (matplotlib's names) says otherwise."""
    how = {"ha": "center", "va": "center_baseline", "fontsize": style.size, "color": style.theme.text, **how}
    axes.text(x, y, text, **how)


def write_title(axes: Axes, title: str, style: Style, width: float) -> float:
    """The ``title`` at the upper left of a ``sheet``; the height that it takes, 0 without one."""
    if not title:
        return 0.0
    size = style.size * 1.2
    words = elided(title, width - 2 * style.size, size, bold=True)
    write(axes, style.size, style.size * 1.3, words, style, ha="left", fontsize=size, fontweight="bold")
    return TITLE * style.size


def show_image(
    axes: Axes, image: np.ndarray, left: float, top: float, width: float, height: float, style: Style, scaling: Scaling
) -> tuple[float, float]:
    """``image`` uint8 (H, W, 1 or 3) in the middle of a rectangle of a ``sheet``, on the grid of the page's pixels.

    Returns its left and right edge.
    """
    pixel = 72.0 / style.dpi
    room = max(1, round(width / pixel)), max(1, round(height / pixel))
    picture = scaled(image, room, scaling)
    high, wide = picture.shape[:2]
    x = (round(left / pixel) + (room[0] - wide) // 2) * pixel
    y = (round(top / pixel) + (room[1] - high) // 2) * pixel
    limits = axes.get_xlim(), axes.get_ylim()
    rgb = np.broadcast_to(picture, (high, wide, 3))
    extent = (x, x + wide * pixel, y + high * pixel, y)
    axes.imshow(rgb, extent=extent, aspect="auto", interpolation="nearest", zorder=2)
    axes.set(xlim=limits[0], ylim=limits[1])
    return x, x + wide * pixel


def verdict_bar(axes: Axes, verdict: str, left: float, right: float, y: float, style: Style) -> None:
    """The bar under a frame that is not on the data: dashed where the decoder guesses, whole off the data."""
    if verdict not in VERDICT_COLOURS:
        return
    colour = getattr(style.theme, VERDICT_COLOURS[verdict])
    dash = (0, (2.0, 1.5)) if verdict == "extrapolating" else "-"
    axes.plot([left, right], [y, y], color=colour, linewidth=1.6, linestyle=dash, solid_capstyle="butt", zorder=3)
