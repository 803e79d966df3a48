"""A transect: rows of truth, reconstruction and signed difference, and below them, on the same axis, what was measured.

Each value stands below its image; the points in the hole are framed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from msgspec import structs

from core.figures.style import Drawing, Style, dress, new_figure, text_width
from core.protocol.figures import TransectFigure
from core.rendering.colormaps import lut
from core.rendering.film_frames import scaled

_MARKED = 60  # points of a curve: more are drawn without dots
_ENDS = (0.1, 0.25, 0.5, 1.0)  # of the colours of a difference, so that two figures are often comparable
_CLIPPED = 0.005  # share of pixels that may lie beyond them
_LONGEST = 24  # characters of a factor's name

HINTED = 0.94  # of the width is used: in pixels, letters are up to 5 % wider than their outlines

# heights of text
MARGIN, LEFT, RIGHT = 1.0, 15.6, 6.8
_TITLE, _LABEL, _GAP, _PANEL, _TICKS = 4.8, 1.9, 1.0, 6.4, 5.0
_LEAST_PANEL, _LEAST_IMAGE = 2.5, 2.2
LARGEST_IMAGE = 11.2


@dataclass(frozen=True)
class _Strip:
    """How points become places along the shared axis.

    ``slots`` float64 (c,) are the middles of the images, each ``slot`` points wide; in points of the page, ``image`` is
    an image's side, ``left`` and ``width`` are those of the axes, ``panel`` is a curve's height; ``reach`` the two ends
    of the axis.
    """

    slots: np.ndarray
    slot: float
    image: float
    left: float
    width: float
    panel: float
    reach: tuple[float, float]


def _note(figure: TransectFigure, width: float, size: float) -> list[str]:
    """What stands below the name, in lines that fit the page; long names of factors are shortened to that end."""
    inside = figure.in_hole.astype(bool)
    groups = ((inside, f" {figure.inside}"), (~inside, " outside")) if inside.any() else ((~inside, ""),)
    means = ", ".join(f"{figure.excess_bce[which].mean():.4f}{where}" for which, where in groups if which.any())
    first, last = figure.points[0], figure.points[-1]
    ends = f"({first[0]:.4g}, {first[1]:.4g}) to ({last[0]:.4g}, {last[1]:.4g})"
    lines: list[str] = []
    room = HINTED * width - 2 * size
    for longest in range(_LONGEST, 2, -3):
        x, y = (_shortened(name, longest) for name in figure.axes)
        parts = [f"{len(figure.points)} points, ({x}, {y}) = {ends}", f"mean excess BCE {means}"]
        side = figure.originals.shape[1]
        if side < figure.whole:
            parts.append(f"images cropped to {side}² of {figure.whole}² pixels")
        lines = [parts[0]]
        for part in parts[1:]:
            joined = f"{lines[-1]}   ·   {part}"
            if text_width(joined, size) <= room:
                lines[-1] = joined
            else:
                lines.append(part)
        if all(text_width(line, size) <= room for line in lines):
            break
    return lines


def _shortened(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _heading(figure: TransectFigure, width: float, size: float) -> float:
    """The height of name and note."""
    return (_TITLE + _LABEL + 1.4 * (len(_note(figure, width, size)) - 1)) * size


def _fixed(figure: TransectFigure, width: float, size: float) -> float:
    """The height of all but images and curves."""
    return _heading(figure, width, size) + (3 * _GAP + _TICKS) * size


def _inner(width: float, style: Style) -> float:
    return max(width - (LEFT + RIGHT) * style.size, 0.3 * width)


def _columns(figure: TransectFigure, width: float, style: Style) -> np.ndarray:
    """Which of the images have room, int64: all, or some in equal steps where all would be too small to be seen."""
    room = max(2, int(_inner(width, style) / (_LEAST_IMAGE * style.size)))
    count = len(figure.shown)
    if count <= room:
        return np.arange(count)
    even = next((c for c in range(room, room // 2, -1) if c > 1 and (count - 1) % (c - 1) == 0), room)
    return np.rint(np.linspace(0, count - 1, even)).astype(np.int64)


def _image_side(figure: TransectFigure, width: float, style: Style) -> float:
    return min(_inner(width, style) / len(figure.shown), LARGEST_IMAGE * style.size)


def natural_height(figure: TransectFigure, width: float, style: Style) -> float:
    """The height at which images fill their columns."""
    seen = _seen(figure, width, style)
    return _fixed(seen, width, style.size) + 3 * (_image_side(seen, width, style) + _PANEL * style.size)


def _seen(figure: TransectFigure, width: float, style: Style) -> TransectFigure:
    """``figure`` with the images that have room."""
    chosen = _columns(figure, width, style)
    if len(chosen) == len(figure.shown):
        return figure
    return structs.replace(
        figure,
        shown=figure.shown[chosen],
        originals=figure.originals[chosen],
        reconstructions=figure.reconstructions[chosen],
    )


def _strip(figure: TransectFigure, width: float, height: float, style: Style) -> _Strip:
    count, columns, size = len(figure.points), len(figure.shown), style.size
    slots = np.linspace(1.0, count, columns)
    slot = (count - 1) / (columns - 1)
    inner, fixed = _inner(width, style), _fixed(figure, width, style.size)
    free = max(height - fixed - 3 * _LEAST_PANEL * size, 0.3 * height)
    image = min(_image_side(figure, width, style), free / 3)
    panel = max((height - fixed - 3 * image) / 3, _LEAST_PANEL * size)
    middle, half = 0.5 * (1 + count), 0.5 * inner / image * slot
    return _Strip(slots, slot, image, LEFT * size, inner, panel, (middle - half, middle + half))


def draw(figure: TransectFigure, width: float, height: float, style: Style) -> Drawing:
    """The figure on a page of ``width`` × ``height`` points.

    The difference is reconstruction - truth, channels averaged, 1 is full scale.
    """
    made, figure = Drawing(new_figure(width, height, style)), _seen(figure, width, style)
    strip = _strip(figure, width, height, style)
    page = _Page(made.figure, figure, strip, style)
    page.title()
    top = height - _heading(figure, width, style.size)
    rows = []
    for place, (name, image, colours) in enumerate(page.rows()):
        bottom = top - (place + 1) * strip.image
        axes = page.axes(bottom, strip.image)
        page.name_row(name, bottom + 0.5 * strip.image)
        page.draw_row(axes, image)
        if colours is not None:
            page.colour_bar(bottom, colours)
        rows.append(axes)
    page.frame_hole(rows)
    page.curves(top - 3 * strip.image)
    if len(figure.shown) < len(figure.points):
        made.notes.append(f"Images of {len(figure.shown)} of {len(figure.points)} points; the curves have all of them.")
    return made


@dataclass(frozen=True)
class _Page:
    """Draws the parts of a transect; ``bottom`` and ``height`` are points from the lower edge of the page."""

    sheet: Figure
    figure: TransectFigure
    strip: _Strip
    style: Style

    @property
    def _size(self) -> tuple[float, float]:
        width, height = self.sheet.get_size_inches() * 72.0
        return float(width), float(height)

    @property
    def _hole(self) -> str:
        return self.style.theme.series[1]

    def axes(self, bottom: float, height: float) -> Axes:
        """Axes over the whole width of the strip."""
        width, whole = self._size
        axes = self.sheet.add_axes((self.strip.left / width, bottom / whole, self.strip.width / width, height / whole))
        axes.set_facecolor(self.style.theme.plot)
        axes.set_xlim(*self.strip.reach)
        return axes

    def title(self) -> None:
        """Name, ends of the line, and mean error."""
        figure, size, theme = self.figure, self.style.size, self.style.theme
        width, height = self._size
        left = MARGIN * size / width
        name = self.sheet.text(left, 1 - 0.8 * size / height, figure.name, fontsize=1.45 * size, color=theme.text)
        name.set(va="top", fontweight="bold", parse_math=False)
        words = "\n".join(_note(figure, width, size))
        note = self.sheet.text(left, 1 - 3.05 * size / height, words, fontsize=size, color=theme.muted)
        note.set(va="top", parse_math=False, linespacing=1.15)

    def _write_names(self, text: Text, write: Callable[[str, str], str]) -> None:
        """Set ``text`` to what ``write`` makes of the factors' names, as short as the page needs them."""
        for longest in range(_LONGEST, 2, -3):
            x, y = (_shortened(name, longest) for name in self.figure.axes)
            text.set_text(write(x, y))
            extent = text.get_window_extent()
            if self.sheet.bbox.x0 <= extent.x0 and extent.x1 <= self.sheet.bbox.x1:
                break

    def name_row(self, name: str, middle: float) -> None:
        """``name`` in the column at the left, ``middle`` points above the bottom."""
        (width, height), style = self._size, self.style
        place = MARGIN * style.size / width, middle / height
        text = self.sheet.text(*place, name, fontsize=style.size, color=style.theme.text, va="center")
        text.set(linespacing=1.25, parse_math=False)

    def rows(self) -> list[tuple[str, np.ndarray, ScalarMappable | None]]:
        """Name, image (h, c · w, 3 or 4) and the colours' meaning of each row."""
        figure = self.figure
        originals, reconstructions = figure.originals, figure.reconstructions
        difference = (reconstructions.astype(np.float32) - originals.astype(np.float32)).mean(axis=3) / 255.0
        largest = np.quantile(np.abs(difference), 1.0 - _CLIPPED)
        ends = next(end for end in _ENDS if largest <= end)
        colours = ScalarMappable(Normalize(-ends, ends), ListedColormap(lut("difference") / 255.0))
        painted = np.stack([colours.to_rgba(one, bytes=True)[..., :3] for one in difference])
        return [
            ("truth", self._side_by_side(originals), None),
            ("reconstruction", self._side_by_side(reconstructions), None),
            ("reconstruction − truth", self._side_by_side(painted), colours),
        ]

    def _side_by_side(self, images: np.ndarray) -> np.ndarray:
        side = max(images.shape[1], round(self.strip.image / 72.0 * self.style.dpi))
        row = np.concatenate([scaled(image, (side, side), self.figure.scaling) for image in images], axis=1)
        return np.broadcast_to(row, (*row.shape[:2], 3))

    def draw_row(self, axes: Axes, image: np.ndarray) -> None:
        """A row of images on its axes."""
        strip = self.strip
        left, right = strip.slots[0] - 0.5 * strip.slot, strip.slots[-1] + 0.5 * strip.slot
        axes.imshow(image, extent=(left, right, 0.0, 1.0), aspect="auto", interpolation="antialiased")
        axes.set(xlim=strip.reach, ylim=(0.0, 1.0), xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.patch.set_visible(False)

    def colour_bar(self, bottom: float, colours: ScalarMappable) -> None:
        """What the colours of the difference mean, beside them."""
        (width, height), strip, style = self._size, self.strip, self.style
        images = len(strip.slots) * strip.image
        left = strip.left + 0.5 * (strip.width + images) + 0.8 * style.size
        high = max(0.88 * strip.image, 2.9 * style.size)  # three numbers must have room
        place = left / width, (bottom + 0.06 * strip.image) / height, 0.7 * style.size / width, high / height
        axes = self.sheet.add_axes(place)
        bar = self.sheet.colorbar(colours, cax=axes)
        low, most = colours.get_clim()
        bar.set_ticks([low, 0.0, most], labels=[f"≤ −{most:g}", "0", f"≥ {most:g}"] if most < 1 else ["−1", "0", "1"])
        axes.tick_params(labelsize=0.83 * style.size, colors=style.theme.muted, labelcolor=style.theme.text)
        axes.tick_params(width=0.6, length=2.5)
        bar.outline.set_visible(False)  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]

    def frame_hole(self, rows: list[Axes]) -> None:
        """One frame around the three images of neighbouring points in the hole, and its name above."""
        strip, size = self.strip, self.style.size
        for first, last in _runs(self.figure.in_hole[self.figure.shown]):
            left, right = strip.slots[first] - 0.5 * strip.slot, strip.slots[last] + 0.5 * strip.slot
            frame = Rectangle((left, 0.0), right - left, float(len(rows)), fill=False, edgecolor=self._hole)
            frame.set(clip_on=False, zorder=5, joinstyle="miter", linewidth=0.2 * size)
            rows[-1].add_patch(frame)  # in units of its own height: up to the top of the first row
            middle = 0.5 * (left + right)
            rows[0].annotate(
                self.figure.inside,
                (middle, 1.0),
                xytext=(0.0, 0.35 * size),
                textcoords="offset points",
                fontsize=size,
                color=self._hole,
                ha="center",
                va="bottom",
                annotation_clip=False,
            )

    def curves(self, top: float) -> None:
        """A panel for each measure, from ``top`` downwards."""
        figure, strip = self.figure, self.strip
        plane = ", ".join(figure.axes)
        plane = f"in the ({plane}) plane" if len(plane) <= 12 else "in the plane shown"
        measures = (
            ("excess BCE\n(nats per pixel)", figure.excess_bce, 0.0, None),
            ("SSIM\n(1: equal images)", figure.ssim, None, 1.0),
            (f"distance to nearest\ntraining sample\n({plane})", figure.distance, 0.0, None),
        )
        for place, (name, values, low, high) in enumerate(measures):
            bottom = top - (place + 1) * (_GAP * self.style.size + strip.panel)
            axes = self.axes(bottom, strip.panel)
            self.name_row(name, bottom + 0.5 * strip.panel)
            self._curve(axes, values)
            _set_ends(axes, values, low, high)
            self._mark_points(axes, labelled=place == len(measures) - 1)

    def _curve(self, axes: Axes, values: np.ndarray) -> None:
        x, ink, inside = np.arange(1, len(values) + 1), self.style.theme.series[0], self.figure.in_hole
        for first, last in _runs(inside):
            axes.axvspan(x[first] - 0.5, x[last] + 0.5, color=self._hole, alpha=0.1, linewidth=0)
        axes.plot(x, values, color=ink, linewidth=0.15 * self.style.size, zorder=3)
        if len(values) <= _MARKED:
            colours = [self._hole if hole else ink for hole in inside]
            axes.scatter(x, values, s=0.17 * self.style.size**2, color=colours, zorder=4)
        dress(axes, self.style)
        axes.yaxis.set_major_locator(MaxNLocator(3, min_n_ticks=3))

    def _mark_points(self, axes: Axes, labelled: bool) -> None:
        """Ticks below the images: the point's number, and its place in the plane, where they have room."""
        figure, strip, style = self.figure, self.strip, self.style
        axes.set_xticks(figure.shown + 1)
        axes.set_xlim(*strip.reach)
        if not labelled:
            axes.tick_params(axis="x", labelbottom=False)
            return
        places = figure.points[figure.shown]
        texts = [*map(str, figure.shown + 1)], *(_plain(places[:, axis]) for axis in (0, 1))
        widest = max(text_width(text, style.small) for lines in texts for text in lines) + 0.4 * style.size
        every = int(np.ceil(widest / strip.image))
        labels = ["\n".join(lines) if i % every == 0 else "" for i, lines in enumerate(zip(*texts, strict=True))]
        axes.set_xticklabels(labels)
        names = axes.annotate(
            "",
            (0.0, 0.0),
            xytext=(-0.7 * style.size, -0.75 * style.size),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=style.small,
            color=style.theme.muted,
            ha="right",
            va="top",
        )
        names.set_parse_math(False)
        self._write_names(names, lambda x, y: f"point\n{x}\n{y}")


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of each run of true entries."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(after) - 1) for first, after in edges.reshape(-1, 2)]


def _set_ends(axes: Axes, values: np.ndarray, low: float | None, high: float | None) -> None:
    """A little room around the values; ``low`` and ``high`` are where the measure itself ends."""
    least, greatest = float(values.min()), float(values.max())
    least = least if low is None else min(low, least)
    greatest = greatest if high is None else max(high, greatest)
    room = 0.12 * (greatest - least) or 0.05
    axes.set_ylim(least - (room if low is None else 0.04 * room), greatest + room)


def _plain(values: np.ndarray) -> list[str]:
    """All with the same number of decimals, enough to tell a short transect's points apart."""
    decimals = 2 if np.ptp(values) > 0.1 or np.ptp(values) == 0 else 4
    return [f"{value:.{decimals}f}" for value in values]
