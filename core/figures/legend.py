"""What the colours of samples mean, in a column at the right of a page: a colour bar, or the classes that are shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from core.figures.style import Style, axes_at, elided, text_width, write
from core.protocol.figures import Colouring
from core.rendering.axes import bar_ticks, count_ticks, tick_text
from core.rendering.class_colours import class_colours
from core.rendering.colormaps import MISSING, Colorbar, lut

WIDEST = 15.0  # heights of text that a name may take
BAR = 0.9  # of a height of text, the width of the bar
LONGEST = 16.0  # heights of text, of the bar
MOST_TICKS = 6


@dataclass(frozen=True)
class _Entry:
    place: int  # -1: not known
    name: str
    count: int


def column_width(colouring: Colouring, style: Style) -> float:
    """The width of the column, with a margin at its right; 0 where all samples are alike."""
    if not len(colouring.values) and not colouring.density:
        return 0.0
    name = min(text_width(colouring.name, style.size, bold=True), WIDEST * style.size)
    if colouring.classes:
        entries = _entries(colouring)
        names = max((text_width(entry.name, style.small) for entry in entries), default=0.0)
        counts = max((text_width(f"{entry.count:,}", style.small) for entry in entries), default=0.0)
        body = min(names, WIDEST * style.size) + counts + 2.6 * style.size
    else:
        _, texts = _ticks(colouring, MOST_TICKS)
        body = BAR * style.size + max(text_width(text, style.small) for text in texts) + 0.8 * style.size
    return max(name, body) + 1.2 * style.size


def draw(figure: Figure, page: Axes, colouring: Colouring, width: float, height: float, style: Style) -> None:
    """The column on a page of ``width`` × ``height`` points."""
    column = column_width(colouring, style)
    if not column:
        return
    left, top, size = width - column, 1.5 * style.size, style.size
    name = elided(colouring.name, column - size, size, bold=True)
    write(page, left, top, name, style, ha="left", fontweight="bold")
    if colouring.classes:
        _draw_classes(page, colouring, left, top + 1.7 * size, column - 1.2 * size, height, style)
        return
    length = min(LONGEST * size, height - 5.0 * size)
    if length < 2.0 * size:
        return
    axes = axes_at(figure, left, top + 1.4 * size, BAR * size, length)
    colours = lut(colouring.colormap, style.theme.plot)
    axes.imshow(colours[:, None], extent=(0, 1, 0, 1), aspect="auto", origin="lower", interpolation="bilinear")
    axes.set_xticks([])
    axes.yaxis.tick_right()
    most = int(np.clip(length / (1.8 * style.small), 2, MOST_TICKS))
    ticks, texts = _ticks(colouring, most)
    bar = Colorbar(colouring.name, colouring.low, colouring.high, colours, logarithmic=colouring.density)
    axes.set_yticks(bar.shares(ticks), texts)
    axes.tick_params(labelsize=style.small, colors=style.theme.muted, length=2.0, width=0.6, pad=1.5)
    for spine in axes.spines.values():
        spine.set(color=style.theme.border, linewidth=0.5)


def _ticks(colouring: Colouring, most: int) -> tuple[np.ndarray, list[str]]:
    """Values to mark on the bar, ``most`` at most, and their texts."""
    if colouring.density:
        ticks = count_ticks(colouring.high, most)
        return ticks, [f"{tick:,.0f}" for tick in ticks]
    ticks, step = bar_ticks(colouring.low, colouring.high, most)
    return ticks, [tick_text(float(tick), step) for tick in ticks]


def _entries(colouring: Colouring) -> list[_Entry]:
    """The classes that are shown and have samples, and those whose class is not known."""
    known = colouring.values[np.isfinite(colouring.values)].astype(np.int64)
    counts = np.bincount(known, minlength=len(colouring.classes)).tolist()
    entries = [
        _Entry(place, name, counts[place])
        for place, name in enumerate(colouring.classes)
        if counts[place] and place not in colouring.hidden
    ]
    unknown = len(colouring.values) - len(known)
    if unknown and -1 not in colouring.hidden:
        entries.append(_Entry(-1, colouring.unknown, unknown))
    return entries


def _draw_classes(
    page: Axes, colouring: Colouring, left: float, top: float, width: float, height: float, style: Style
) -> None:
    """A row a class, with its number of samples; how many more there are, where the page ends."""
    entries, step, size = _entries(colouring), 1.45 * style.small, style.small
    room = max(1, int((height - top) / step))
    shown = entries if len(entries) <= room else entries[: room - 1]
    inks = class_colours(len(colouring.classes), style.theme.plot)[:, :3] / 255.0
    missing = np.array(MISSING) / 255.0
    for row, entry in enumerate(shown):
        y = top + row * step
        ink = missing if entry.place < 0 else inks[entry.place]
        box = FancyBboxPatch(
            (left, y - 0.36 * size), 0.72 * size, 0.72 * size, boxstyle=f"round,pad=0,rounding_size={0.15 * size}"
        )
        box.set(facecolor=ink, edgecolor="none")
        page.add_patch(box)
        count = f"{entry.count:,}"
        room_left = width - 1.2 * size - text_width(count, size) - 0.8 * size
        name = elided(entry.name, room_left, size)
        write(page, left + 1.2 * size, y, name, style, ha="left", fontsize=size)
        write(page, left + width, y, count, style, ha="right", fontsize=size, color=style.theme.muted)
    if len(shown) < len(entries):
        more = f"and {len(entries) - len(shown)} more"
        y = top + len(shown) * step
        write(page, left + 1.2 * size, y, more, style, ha="left", fontsize=size, color=style.theme.muted)
