"""The cloud as the window's camera sees it: box, points, path, probe and what colours mean, as vectors.

The camera is the window's own; the page shows what its viewport shows of the cloud, in one scale, so that two points of
the window's picture are as far apart here as there, times that scale. Points are drawn from far to near.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator
from msgspec import structs

from core.figures import legend
from core.figures.style import (
    PIXEL,
    TITLE,
    Drawing,
    Style,
    axes_at,
    dress,
    new_figure,
    sheet,
    text_width,
    write,
    write_title,
)
from core.paths.recipe import PATH_KINDS
from core.protocol.figures import CloudFigure, Eye, Gridlines
from core.rendering.axes import Box, back_grid, labelled_edges, make_box, tick_text
from core.rendering.camera import Camera, box_corners
from core.rendering.crowd import Density, density_cell, density_colours, density_label
from core.rendering.depth import depth_cue, fades, far_to_near, size_factors
from core.rendering.path_colours import path_colour
from core.rendering.point_colours import point_colours
from core.rendering.themes import THEMES

VECTOR_POINTS = 10_000
"""Points that are drawn as vectors, at most: an SVG of so many has 4 MB, and programs that open it become slow."""
RIM, RIM_WIDTH = 0.78, 0.11  # brightness of a disc's rim, which keeps it apart from the next; width, of its diameter
LEAST_DIAMETER = 0.5  # points
TICK_GAP, NAME_GAP = 1.3, 3.1  # heights of text from an edge of the box to its numbers and its name
ROOM = 4.0  # heights of text around the box for these
FLATTEST, TALLEST = 0.35, 1.4  # height over width of a page that has no height of its own
PATH, HALO = 2.25, 5.5  # pixels of the window
KIND, KIND_HALO = 1.6, 3.6
FAMILY_SERIES = (3, 4)  # of the theme: the colours of the two families of gridlines
GRID_WEAK = 0.7


def _disc() -> Path:
    """A circle of four curves, within 0.03 % of a true one; matplotlib's own has eight, and files twice the size."""
    pull = 4.0 / 3.0 * (np.sqrt(2.0) - 1.0)
    quarter = np.array([(1.0, pull), (pull, 1.0), (0.0, 1.0)])
    turns = [np.array([[0, 1], [-1, 0]]), -np.eye(2), np.array([[0, -1], [1, 0]])]
    curves = np.concatenate([quarter, *(quarter @ turn for turn in turns)])
    return Path(np.concatenate([[(1.0, 0.0)], curves]), [Path.MOVETO] + [Path.CURVE4] * 12)


DISC = _disc()


@dataclass(frozen=True)
class Placement:
    """From the viewport's pixels to the page, in points from its upper left corner: ``scale`` · pixel + ``shift``."""

    scale: float
    shift: tuple[float, float]

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        return np.asarray(pixels, dtype=np.float64) * self.scale + self.shift


def camera_of(eye: Eye) -> Camera:
    """The window's camera."""
    return Camera(np.array(eye.target), eye.distance, eye.azimuth, eye.elevation, eye.flat, eye.viewport)


def box_of(figure: CloudFigure) -> Box:
    """The box around all points, as in the window: a hidden class does not shrink it."""
    finite = figure.points[np.isfinite(figure.points).all(axis=1)]
    low, high = (finite.min(axis=0), finite.max(axis=0)) if len(finite) else (np.full(3, -1.0), np.full(3, 1.0))
    return make_box(low, high, figure.dims)


def window_density(figure: CloudFigure) -> tuple[int, np.ndarray]:
    """Pixels of the side of the window's cells, and the number of samples in each, uint32 (rows, columns)."""
    width, height = figure.eye.viewport
    count, cell = len(figure.points), density_cell(figure.point_size / 2)
    alpha = point_colours(figure.colouring, count, THEMES["dark"])
    columns = np.ascontiguousarray(figure.points.T, dtype=np.float32)
    counted = Density((round(width), round(height)), columns, alpha, camera_of(figure.eye), cell)
    while not counted.complete:
        counted.draw_portion()
    return cell, counted.counts


def _counted(figure: CloudFigure) -> CloudFigure:
    """``figure``, whose colouring says of a density what is counted and up to how many."""
    colouring = figure.colouring
    if not colouring.density:
        return figure
    cell, counts = window_density(figure)
    what = "samples" if colouring.selected is None else "selected"
    name, most = density_label(what, cell), float(counts.max(initial=1))
    return structs.replace(figure, colouring=structs.replace(colouring, name=name, low=1.0, high=most))


def seen_rectangle(figure: CloudFigure) -> tuple[float, float, float, float]:
    """What the page shows of the viewport, in its pixels: left, top, right, bottom of the box as far as it is seen."""
    width, height = figure.eye.viewport
    box = box_of(figure)
    corners = camera_of(figure.eye).project(box_corners(box.low, box.high))[0]
    if not np.isfinite(corners).all():
        return 0.0, 0.0, width, height
    (left, top), (right, bottom) = (
        np.maximum(corners.min(axis=0), 0.0),
        np.minimum(corners.max(axis=0), (width, height)),
    )
    return (left, top, right, bottom) if left < right and top < bottom else (0.0, 0.0, width, height)


def natural_height(figure: CloudFigure, width: float, style: Style) -> float:
    """The height at which the cloud fills a page of this ``width``."""
    figure = _counted(figure)
    left, top, right, bottom = seen_rectangle(figure)
    if figure.dims < 3:
        left, top, right, bottom = 0.0, 0.0, *figure.eye.viewport
    sides, ends = _room(figure, style)
    inner = max(width - sides - legend.column_width(figure.colouring, style), 0.3 * width)
    return float(np.clip(inner * (bottom - top) / (right - left) + ends, FLATTEST * width, TALLEST * width))


def placement(figure: CloudFigure, width: float, height: float, style: Style) -> Placement:
    """How the viewport lies on a page of ``width`` × ``height`` points; for three dimensions."""
    left, top, right, bottom = seen_rectangle(figure)
    sides, ends = _room(figure, style)
    title = style.size * TITLE if figure.title else 0.0
    inner = max(width - sides - legend.column_width(figure.colouring, style), 0.3 * width)
    inner_height = max(height - ends, 0.3 * height)
    scale = min(inner / (right - left), inner_height / (bottom - top))
    x = sides / 2 + inner / 2 - scale * (left + right) / 2
    y = title + (height - title) / 2 - scale * (top + bottom) / 2
    return Placement(float(scale), (float(x), float(y)))


def _room(figure: CloudFigure, style: Style) -> tuple[float, float]:
    """What numbers and names take beside, and above and below, with the title."""
    return 2 * ROOM * style.size, (ROOM + 1.2) * style.size + (style.size * TITLE if figure.title else 0.0)


def draw(figure: CloudFigure, width: float, height: float, style: Style) -> Drawing:
    """The figure on a page of ``width`` × ``height`` points."""
    made = Drawing(new_figure(width, height, style))
    figure = _counted(figure)
    page = sheet(made.figure)
    write_title(page, figure.title, style, width - legend.column_width(figure.colouring, style))
    (_draw_box if figure.dims == 3 else _draw_flat)(made, page, figure, width, height, style)
    legend.draw(made.figure, page, figure.colouring, width, height, style)
    return made


# three dimensions


def _draw_box(made: Drawing, page: Axes, figure: CloudFigure, width: float, height: float, style: Style) -> None:
    camera, box = camera_of(figure.eye), box_of(figure)
    place = placement(figure, width, height, style)
    grid = back_grid(box, camera)
    marks = _Marks(page, figure, place, style)
    marks.grid(grid.lines, grid.strong)
    _draw_labels(page, figure, box, camera, place, style)
    _draw_contents(made, marks, box)


def _draw_contents(made: Drawing, marks: _Marks, box: Box) -> None:
    """Points and all that lies over them; ``box`` is where the probe's guides end."""
    marks.gridlines()
    marks.points(made)
    marks.probe(box)
    marks.curves()
    marks.transect()
    marks.sample()


def _draw_labels(page: Axes, figure: CloudFigure, box: Box, camera: Camera, place: Placement, style: Style) -> None:
    """Numbers along the outer edges of the box, and the axes' names farther out."""
    taken: list[tuple[float, float, float, float]] = []

    def free(x: float, y: float, text: str, size: float) -> bool:
        half = text_width(text, size) / 2 + 0.25 * size
        rect = (x - half, y - 0.6 * size, x + half, y + 0.6 * size)
        if any(rect[0] < o[2] and o[0] < rect[2] and rect[1] < o[3] and o[1] < rect[3] for o in taken):
            return False
        taken.append(rect)
        return True

    edges = [
        edge for edge in labelled_edges(box, camera) if np.hypot(*(edge.end - edge.start)) * place.scale > style.size
    ]
    for edge in edges:
        middle, gap = place((edge.start + edge.end) / 2), NAME_GAP
        x, y = (middle + edge.outward * gap * style.size).tolist()
        while not free(x, y, figure.labels[edge.axis], style.size) and gap < 8.0:
            gap += 1.2
            x, y = (middle + edge.outward * gap * style.size).tolist()
        write(page, x, y, figure.labels[edge.axis], style, fontweight="bold")
    for edge in edges:
        for tick, pixel in zip(edge.ticks, edge.pixels, strict=True):
            at, text = place(pixel), tick_text(float(tick), box.step)
            x, y = (at + edge.outward * TICK_GAP * style.size).tolist()
            if free(x, y, text, style.small):
                end = at + edge.outward * 0.35 * style.size
                page.plot(*zip(at, end, strict=True), color=style.theme.grid, linewidth=0.6, zorder=1)
                write(page, x, y, text, style, fontsize=style.small, color=style.theme.muted)


class _Marks:
    """Draws what is in the box, on a ``page`` in points; nothing outside what the window shows."""

    def __init__(self, page: Axes, figure: CloudFigure, place: Placement, style: Style) -> None:
        self._page, self._figure, self._style, self._theme = page, figure, style, style.theme
        self._camera, self._placement = camera_of(figure.eye), place
        self._low, self._size = place(np.zeros(2)), np.array(figure.eye.viewport) * place.scale
        self._window = Rectangle(tuple(self._low), *self._size, transform=page.transData)
        self._diameters = np.zeros(len(figure.points))
        self._next_line = (1.5 + (TITLE if figure.title else 0.0)) * style.size

    def _place(self, points: np.ndarray) -> np.ndarray:
        return self._placement(self._camera.project(np.asarray(points, dtype=np.float64))[0])

    def points(self, made: Drawing) -> None:
        """The samples, from far to near."""
        figure, style = self._figure, self._style
        if figure.colouring.density:
            self._density(made)
            return
        pixels, depth = self._camera.project(figure.points)
        places, cue = self._placement(pixels), depth_cue(self._camera, box_of(figure))
        nominal = figure.point_size * self._placement.scale
        self._diameters = np.maximum(nominal * size_factors(depth, cue), LEAST_DIAMETER)
        rgba = point_colours(figure.colouring, len(places), style.theme) / 255.0
        rgba[:, 3] *= figure.colouring.opacity
        ground = np.array(list(bytes.fromhex(style.theme.plot[1:]))) / 255.0
        rgba[:, :3] += (ground - rgba[:, :3]) * np.nan_to_num(fades(depth, cue))[:, None]
        seen = np.isfinite(places).all(axis=1) & (rgba[:, 3] > 0.0)
        seen &= ((places >= self._low - 8.0) & (places <= self._low + self._size + 8.0)).all(axis=1)
        order = np.flatnonzero(seen)
        if figure.dims == 3:
            order = order[far_to_near(depth[order])]
        if not len(order):
            return
        raster = len(order) > VECTOR_POINTS
        sizes = self._diameters[order]
        drawn = self._page.scatter(
            *places[order].T,
            s=sizes**2,
            c=rgba[order],
            edgecolors=(rgba[order] * (RIM, RIM, RIM, 1.0)).tolist(),
            linewidths=(sizes * RIM_WIDTH).tolist(),
            marker=DISC,
            rasterized=raster,
            zorder=2,
        )
        drawn.set_gid("points")
        drawn.set_clip_path(self._window)
        count = f"{len(order):,} points"
        made.notes.append(
            f"{count}: more than {VECTOR_POINTS:,}, so in SVG and PDF they are one image of {style.dpi} dpi; axes and "
            "text are vectors."
            if raster
            else f"{count}; in SVG and PDF as vectors (up to {VECTOR_POINTS:,})."
        )

    def _density(self, made: Drawing) -> None:
        """How many samples there are in each cell, as large as in the window."""
        figure, size = self._figure, tuple(round(side) for side in self._camera.viewport)
        colouring, ground = figure.colouring, self._style.theme.plot
        cell, counts = window_density(figure)
        colours, some = density_colours(counts, int(colouring.high), colouring.colormap, ground)
        rgba = np.dstack([colours, np.where(some, 255, 0).astype(np.uint8)])
        right, bottom = counts.shape[1] * cell, counts.shape[0] * cell
        (x0, y0), (x1, y1) = self._placement(np.array([[0, 0], [right, bottom]]))
        drawn = self._page.imshow(
            rgba, extent=(x0, x1, y1, y0), origin="upper", interpolation="nearest", aspect="auto", zorder=2
        )
        drawn.set_gid("points")
        drawn.set_clip_path(self._window)
        made.notes.append(
            f"{int(counts.sum()):,} points, counted in cells of {cell} × {cell} of the window's {size[0]} × {size[1]} "
            "pixels; in SVG and PDF they are one image."
        )

    def grid(self, ends: np.ndarray, strong: np.ndarray) -> None:
        """The grid: straight lines (n, 2, 3)."""
        places = self._place(ends.reshape(-1, 3)).reshape(-1, 2, 2)
        seen = np.isfinite(places).all(axis=(1, 2))
        alpha = np.where(strong[seen], 1.0, GRID_WEAK)
        made = LineCollection([*places[seen]], colors=self._theme.grid, alpha=alpha, linewidths=0.5, zorder=0.5)
        self._page.add_collection(made, autolim=False)
        made.set_clip_path(self._window)

    def _line(self, places: np.ndarray, colour: str, width: float, z: float, dashed: bool = False) -> None:
        """A line through ``places`` (K, 2), ``width`` in the window's pixels."""
        style = (0, (3.0, 2.5)) if dashed else "-"
        (made,) = self._page.plot(*places.T, color=colour, linewidth=width * PIXEL, linestyle=style, zorder=z)
        made.set(solid_capstyle="round", solid_joinstyle="round", dash_capstyle="butt")
        made.set_clip_path(self._window)

    def _discs(self, places: np.ndarray, radius: float, fill: str, edge: str, width: float, z: float) -> None:
        """Discs of ``radius`` pixels of the window about ``places`` (n, 2)."""
        places = places[np.isfinite(places).all(axis=1)]
        size, width = (2 * radius * PIXEL) ** 2, width * PIXEL
        made = self._page.scatter(*places.T, s=size, c=fill, edgecolors=edge, linewidths=width, zorder=z)
        made.set_clip_path(self._window)

    def gridlines(self) -> None:
        """Lines of constant factor: what is behind the cloud thin and faint, values at their ends, a legend."""
        lines = self._figure.gridlines
        if lines is None or self._figure.dims < 2:
            return
        places = self._place(lines.points)
        inks = [self._theme.series[index] for index in FAMILY_SERIES]
        for line, (start, stop) in enumerate(zip(lines.starts[:-1], lines.starts[1:], strict=True)):
            part, behind = places[start:stop], lines.behind[start:stop]
            ink = inks[int(lines.family[line]) % 2]
            hidden = np.minimum(behind[:-1], behind[1:])
            bounds = np.concatenate([[0], np.flatnonzero(np.diff(hidden.astype(np.int8))) + 1, [len(hidden)]])
            for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
                if last <= first:
                    continue
                piece = part[first : last + 1]
                if hidden[first]:
                    self._line(piece, _mixed(ink, self._theme.plot), 1.0, 3.0)
                else:
                    self._line(piece, self._theme.plot, 3.5, 3.1)
                    self._line(piece, ink, 1.7, 3.2)
        self._values(lines, places, inks)

    def _values(self, lines: Gridlines, places: np.ndarray, inks: list[str]) -> None:
        style = self._style
        for row, name in enumerate(lines.names):
            self._explain(f"constant {name}", inks[row % 2])
        taken: list[np.ndarray] = []
        for family in range(len(lines.names)):
            mine = np.flatnonzero(lines.family == family)
            known = np.unique(lines.values[mine])
            step = float(np.diff(known).min()) if len(known) > 1 else max(abs(float(known[0])), 1e-3)
            for value in known:
                ends = [
                    (end, inner)
                    for line in mine[lines.values[mine] == value]
                    for end, inner in _line_ends(int(lines.starts[line]), int(lines.starts[line + 1]))
                    if not lines.behind[end] and np.isfinite(places[[end, inner]]).all()
                ]
                for end, inner in ends:
                    way = places[end] - places[inner]
                    length = float(np.hypot(*way))
                    at = places[end] + (way / length if length > 0.0 else np.array([0.0, -1.0])) * 1.3 * style.size
                    if all(np.abs((at - other) / (2.6, 1.2)).max() > style.small for other in taken):
                        taken.append(at)
                        text = tick_text(float(value), 0.1 * step)
                        x, y = at.tolist()
                        box = {"facecolor": self._theme.plot, "alpha": 0.75, "edgecolor": "none", "pad": 0.6}
                        ink = inks[family % 2]
                        write(self._page, x, y, text, style, fontsize=style.small, color=ink, zorder=6, bbox=box)
                        break

    def _explain(self, name: str, colour: str, dashed: bool = False) -> None:
        """A line of the list at the upper left: what lines of a ``colour`` are."""
        size, y = self._style.size, self._next_line
        dashes = (0, (3.0, 2.0)) if dashed else "-"
        self._page.plot([size, 3 * size], [y, y], color=colour, linewidth=1.6, linestyle=dashes, zorder=6)
        write(self._page, 3.6 * size, y, name, self._style, ha="left", fontsize=self._style.small)
        self._next_line += 1.5 * size

    def probe(self, box: Box) -> None:
        """Guides along the axes to the faces of the ``box``, and a ring about the place itself."""
        figure = self._figure
        if not len(figure.probe):
            return
        probe = np.asarray(figure.probe[0], dtype=np.float64)
        for axis in range(max(figure.dims, 2)):
            if figure.dims == 1 and axis == 0:
                continue  # the axis itself is no guide; the line across it marks the place
            ends = np.repeat(probe[None], 2, axis=0)
            ends[0, axis], ends[1, axis] = min(box.low[axis], probe[axis]), max(box.high[axis], probe[axis])
            places = self._place(ends)
            if np.isfinite(places).all():
                self._line(places, self._theme.plot, 3.0, 3.4)
                self._line(places, _mixed(self._theme.text, self._theme.plot, 0.65), 1.0, 3.5)
        at = self._place(probe[None])
        self._discs(at, 8.5, "none", self._theme.plot, 4.0, 3.6)
        self._discs(at, 8.5, "none", self._theme.text, 1.75, 3.7)
        self._discs(at, 3.0, self._theme.accent, self._theme.plot, 1.0, 3.8)

    def curves(self) -> None:
        """Kinds of path that are compared, each in its colour; the path itself with its points and its marker."""
        theme, figure = self._theme, self._figure
        for curve in figure.curves:
            places = self._place(curve.points)
            colour = path_colour(curve.kind, theme) if curve.kind else theme.accent
            straight = bool(curve.kind) and PATH_KINDS[curve.kind].straight
            self._line(places, theme.plot, KIND_HALO if curve.kind else HALO, 4.0)
            self._line(places, colour, KIND if curve.kind else PATH, 4.1, straight)
            if curve.kind:
                self._explain(curve.kind, colour, straight)
        if len(figure.control):
            places = self._place(figure.control)
            self._discs(places, 6.0, theme.plot, "none", 0.0, 4.2)
            self._discs(places, 4.5, theme.plot, theme.accent, 1.75, 4.3)
        if len(figure.marker):
            places = self._place(figure.marker)
            self._discs(places, 8.0, theme.plot, "none", 0.0, 4.4)
            self._discs(places, 6.0, theme.accent, theme.text, 1.75, 4.5)

    def transect(self) -> None:
        """A transect's means; those in the hole in the accent's colour."""
        figure = self._figure
        if not len(figure.transect):
            return
        theme, places = self._theme, self._place(figure.transect)
        self._line(places, theme.plot, 4.5, 4.0)
        self._line(places, theme.series[1], 1.75, 4.1)
        inside = figure.in_hole.astype(bool)
        for which, colour in ((~inside, theme.series[1]), (inside, theme.accent)):
            self._discs(places[which], 3.0, colour, theme.plot, 1.0, 4.2)

    def sample(self) -> None:
        """A ring about the chosen sample."""
        figure = self._figure
        if not 0 <= figure.sample < len(figure.points):
            return
        at = self._place(figure.points[[figure.sample]])
        radius = float(self._diameters[figure.sample]) / 2 / PIXEL + 4.5
        self._discs(at, radius, "none", self._theme.plot, 4.75, 4.6)
        self._discs(at, radius, "none", self._theme.accent, 2.25, 4.7)


def _mixed(colour: str, ground: str, share: float = 0.5) -> str:
    """``share`` of a colour over a ground."""
    pairs = zip(bytes.fromhex(colour[1:]), bytes.fromhex(ground[1:]), strict=True)
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)


def _line_ends(start: int, stop: int) -> list[tuple[int, int]]:
    """The two ends of a line, each with a point a little before it."""
    return [] if stop - start < 2 else [(stop - 1, max(start, stop - 5)), (start, min(stop - 1, start + 4))]


# one and two dimensions


def _draw_flat(made: Drawing, page: Axes, figure: CloudFigure, width: float, height: float, style: Style) -> None:
    """The map between ordinary axes, over what the window shows of it."""
    camera = camera_of(figure.eye)
    view_width, view_height = figure.eye.viewport
    low, high = camera.unproject((0.0, view_height), 0.0), camera.unproject((view_width, 0.0), 0.0)
    above = (TITLE if figure.title else 1.0) * style.size
    left, right, below = 5.0 * style.size, 1.5 * style.size, 4.0 * style.size
    inner = max(width - left - right - legend.column_width(figure.colouring, style), 0.3 * width)
    inner_height = max(height - above - below, 0.3 * height)
    scale = min(inner / view_width, inner_height / view_height)
    x, y = left + (inner - scale * view_width) / 2, above + (inner_height - scale * view_height) / 2
    axes = axes_at(made.figure, x, y, scale * view_width, scale * view_height)
    axes.set_zorder(-1)  # grid below the points
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    dress(axes, style)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.set_xlabel(figure.labels[0], fontsize=style.size, color=style.theme.text, fontweight="bold")
    if figure.dims == 2:
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.set_ylabel(figure.labels[1], fontsize=style.size, color=style.theme.text, fontweight="bold")
    else:
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        made.notes.append("One latent dimension: points are spread upwards only so that they can be told apart.")
    marks = _Marks(page, figure, Placement(float(scale), (float(x), float(y))), style)
    _draw_contents(made, marks, Box(low, high, 1.0))
