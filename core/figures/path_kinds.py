"""The comparison of kinds of path: a row each, with its line's colour, its frames, and its measures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from core.figures import film
from core.figures.style import (
    TITLE,
    Drawing,
    Style,
    elided,
    new_figure,
    sheet,
    show_image,
    text_width,
    verdict_bar,
    write,
    write_title,
)
from core.paths.recipe import PATH_KINDS
from core.protocol.figures import KindRow, KindsFigure
from core.rendering.path_colours import path_colour

MARGIN, GAP = 1.0, 0.25  # heights of text
SWATCH = 2.0
HEAD = 3.4  # heights of text, of the two lines of headings
LEAST_ROW = 2.2  # heights of text
LEAST_FRAME = 3.4  # heights of text: smaller frames give way to fewer
STRIP_SHARE = 0.35  # of the width that the strips take at least


def _names_width(figure: KindsFigure, style: Style) -> float:
    return max(text_width(row.kind, style.size) for row in figure.rows) + (SWATCH + 1.4) * style.size


def _columns(figure: KindsFigure, style: Style) -> list[float]:
    """The widths of the measures."""
    widths = []
    for column, heading in enumerate(figure.headings):
        texts = [text_width(row.texts[column], style.small, True) for row in figure.rows if column < len(row.texts)]
        widths.append(max(*(text_width(line, style.small) for line in heading), *texts, 0.0) + 1.2 * style.size)
    return widths


def _frames(row: KindRow, count: int) -> list[int]:
    """The frames of a path that are drawn, both ends among them."""
    if len(row.images) <= count:
        return list(range(len(row.images)))
    return np.unique(np.linspace(0, len(row.images) - 1, count).round().astype(int)).tolist()


@dataclass(frozen=True)
class _Layout:
    """``left`` edge and ``width`` of the strips, ``count`` and ``side`` of their frames; the right ``edges`` of the
    measures, of which the page has room for ``shown``."""

    left: float
    width: float
    count: int
    side: float
    edges: np.ndarray
    shown: int


def _layout(figure: KindsFigure, width: float, style: Style) -> _Layout:
    size, columns = style.size, _columns(figure, style)
    left = MARGIN * size + _names_width(figure, style)
    strip = max(width - left - sum(columns) - MARGIN * size, STRIP_SHARE * width)
    edges = left + strip + np.cumsum(columns)
    longest = max((len(row.images) for row in figure.rows), default=1)
    room = strip - 0.8 * size
    count = min(max(1, longest), figure.frames, max(3, int((room + GAP * size) / ((LEAST_FRAME + GAP) * size))))
    return _Layout(left, strip, count, (room - (count - 1) * GAP * size) / count, edges, int((edges < width).sum()))


def natural_height(figure: KindsFigure, width: float, style: Style) -> float:
    """The height that the rows need."""
    side = max(_layout(figure, width, style).side, LEAST_ROW * style.size)
    head = (TITLE if figure.title else 0.6) + HEAD
    return (head + MARGIN) * style.size + len(figure.rows) * (side + 0.9 * style.size)


def draw(figure: KindsFigure, width: float, height: float, style: Style) -> Drawing:
    """The figure on a page of ``width`` × ``height`` points."""
    made, size = Drawing(new_figure(width, height, style)), style.size
    page = sheet(made.figure)
    top = (write_title(page, figure.title, style, width) or 0.6 * size) + HEAD * size
    layout = _layout(figure, width, style)
    left, side, edges, shown = layout.left, layout.side, layout.edges, layout.shown
    if shown < len(edges):
        missing = ", ".join(" ".join(heading) for heading in figure.headings[shown:])
        made.notes.append(f"The page is too narrow for {missing}: left out. Make it wider, or the text smaller.")
    for heading, right in zip(figure.headings[:shown], edges, strict=False):
        for line, text in enumerate(heading):
            y = top - (2.2 - 1.2 * line) * size
            write(page, right, y, text, style, ha="right", fontsize=style.small, color=style.theme.muted)
    pitch = max((height - top - MARGIN * size) / len(figure.rows), 1.0)
    for number, row in enumerate(figure.rows):
        y = top + number * pitch
        page.add_line(Line2D([MARGIN * size, width - MARGIN * size], [y, y], color=style.theme.grid, linewidth=0.5))
        _draw_name(page, row, y + pitch / 2, style)
        if not len(row.images):
            note = elided(row.note or "no path", width - left - MARGIN * size, style.small)
            write(page, left, y + pitch / 2, note, style, ha="left", fontsize=style.small, color=style.theme.muted)
            continue
        room = min(side, pitch - 0.9 * size)
        for place, frame in enumerate(_frames(row, layout.count)):
            x, upper = left + place * (side + GAP * size), y + (pitch - room) / 2 - 0.1 * size
            first, last = show_image(page, row.images[frame], x, upper, side, room, style, figure.scaling)
            if frame < len(row.verdicts):
                verdict_bar(page, row.verdicts[frame], first, last, upper + room + 0.3 * size, style)
        measured = zip(row.texts[:shown], row.best, edges, strict=False)
        for text, best, right in measured:
            weight, ink = ("bold", style.theme.text) if best else ("normal", style.theme.muted)
            write(
                page, right, y + pitch / 2, text, style, ha="right", fontsize=style.small, fontweight=weight, color=ink
            )
    if any(verdict not in ("", "on the data") for row in figure.rows for verdict in row.verdicts):
        made.notes.append(film.MEANING)
    made.notes.append("Bold: the best of its column.")
    return made


def _draw_name(page: Axes, row: KindRow, y: float, style: Style) -> None:
    size = style.size
    dash = (0, (3.0, 2.0)) if PATH_KINDS[row.kind].straight else "-"  # pyright: ignore[reportArgumentType]
    stroke = Line2D([MARGIN * size, (MARGIN + SWATCH) * size], [y, y], linewidth=1.8, linestyle=dash)
    stroke.set_color(path_colour(row.kind, style.theme))
    page.add_line(stroke)
    write(page, (MARGIN + SWATCH + 0.7) * size, y, row.kind, style, ha="left")
