"""Frames of a path side by side, with what stands below each: its place along the path, values of labels."""

from __future__ import annotations

import math

from core.figures.style import (
    TITLE,
    Drawing,
    Style,
    new_figure,
    sheet,
    show_image,
    text_width,
    verdict_bar,
    write,
    write_title,
)
from core.protocol.figures import FilmFigure
from core.utils.text import shortened

MARGIN, GAP = 1.0, 0.35  # heights of text, around and between frames
BAR = 0.5  # heights of text below a frame, for the bar of one that is not on the data
SAMPLES = "The model has no decoder: the frames are the samples nearest to the path."
MEANING = "Bars below frames: dashed where the decoder extrapolates, whole off the data."


def _grid(figure: FilmFigure, width: float, style: Style) -> tuple[int, int, float, float]:
    """Columns, rows, and the sides of a frame on a page of this ``width``."""
    columns = max(1, min(figure.columns, len(figure.images)))
    side = (width - 2 * MARGIN * style.size - (columns - 1) * GAP * style.size) / columns
    ratio = figure.images.shape[1] / figure.images.shape[2]
    return columns, math.ceil(len(figure.images) / columns), side, side * ratio


def _below(figure: FilmFigure, style: Style) -> float:
    """The height of what stands below each frame."""
    lines = max((len(caption) for caption in figure.captions), default=0)
    bar = BAR * style.size if _doubted(figure) else 0.0
    return lines * style.small * 1.3 + bar + 0.3 * style.size


def _doubted(figure: FilmFigure) -> bool:
    return any(verdict not in ("", "on the data") for verdict in figure.verdicts)


def natural_height(figure: FilmFigure, width: float, style: Style) -> float:
    """The height that the rows need."""
    _, rows, _, high = _grid(figure, width, style)
    title = TITLE if figure.title or figure.of_samples else MARGIN
    return (title + MARGIN) * style.size + rows * (high + _below(figure, style)) + (rows - 1) * GAP * style.size


def draw(figure: FilmFigure, width: float, height: float, style: Style) -> Drawing:
    """The figure on a page of ``width`` × ``height`` points; frames shrink where the page is too low."""
    made, size = Drawing(new_figure(width, height, style)), style.size
    page = sheet(made.figure)
    title = " · ".join(filter(None, (figure.title, "nearest samples" if figure.of_samples else "")))
    top = write_title(page, title, style, width) or MARGIN * size
    columns, rows, wide, high = _grid(figure, width, style)
    below = _below(figure, style)
    pitch = min(high + below + GAP * size, (height - top) / rows)
    for number, image in enumerate(figure.images):
        row, column = divmod(number, columns)
        x, y = MARGIN * size + column * (wide + GAP * size), top + row * pitch
        room = max(1.0, pitch - below - GAP * size)
        left, right = show_image(page, image, x, y, wide, room, style, figure.scaling)
        bottom = y + room
        if figure.verdicts:
            verdict_bar(page, figure.verdicts[number], left, right, bottom + 0.35 * size, style)
        bottom += (BAR if _doubted(figure) else 0.0) * size
        for line, text in enumerate(figure.captions[number] if figure.captions else ()):
            words = shortened(text, lambda short: text_width(short, style.small) <= wide)
            place = bottom + (line + 0.65) * style.small * 1.3
            write(page, x + wide / 2, place, words, style, fontsize=style.small, color=style.theme.muted)
    if figure.of_samples:
        made.notes.append(SAMPLES)
    if _doubted(figure):
        made.notes.append(MEANING)
    return made
