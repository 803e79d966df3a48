"""One picture of a latent cloud as it is seen from some side: box, grid, numbers, points, names and colour bar.

It is the window's cloud drawn by numpy and Pillow alone, for places without a display. Only the side from which one
looks changes from picture to picture, so that pictures in a row make a film: what jumps in the window when another wall
of the box comes to lie behind the points fades out and in here.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.rendering import pil_text
from core.rendering.axes import Box, back_faces, back_grid, count_ticks, labelled_edges, make_box, nice_step, tick_text
from core.rendering.camera import Camera, box_corners
from core.rendering.colormaps import Colorbar, lut
from core.rendering.crowd import Density, density_cell, density_colours, density_label, enlarged
from core.rendering.depth import depth_cue, fades, far_to_near, size_factors
from core.rendering.pil_text import Rect
from core.rendering.point_splatting import PAD, SOFT_LIMIT, Discs, draw_discs, mix, pack
from core.rendering.themes import DARK, Theme

if TYPE_CHECKING:
    from PIL.Image import Image

REFERENCE = 720.0  # pixels: the side for which the lengths below hold
MARGIN_SIDE, MARGIN_TOP, MARGIN_BOTTOM = 58.0, 56.0, 24.0
TICK_GAP, NAME_GAP, TICK_LENGTH = 16.0, 42.0, 4.0
TICK_FONT, NAME_FONT, TITLE_FONT, CAPTION_FONT = 13.0, 16.0, 18.0, 13.0
SMALLEST_TEXT = 0.78  # of the sizes above, however small the picture: 10 pixels stay legible
BAR_WIDTH, BAR_TOP, BORDER = 11.0, 50.0, 20.0
WEAK_LINE = 0.7  # opacity of grid lines that are neither an edge nor a zero line
ELEVATION = 27.0  # degrees above the ground from which one looks
DENSITY_STEP = 15  # degrees between the sides from which the fullest place is looked for
SUPERSAMPLING = 2  # discs are drawn twice as large and averaged, so that they glide


@dataclass(frozen=True, eq=False)
class Cloud:
    """What a picture shows.

    ``points`` float32 (N, 3), finite; ``dims`` 2 (a sheet on the ground, the third coordinate 0) or 3; ``rgba`` uint8
    (N, 4); one of ``labels`` an axis; ``title`` and ``caption`` stand at the upper left. ``density``: the colour map in
    which the points of a place are counted, instead of drawing them; empty: none.
    """

    points: np.ndarray
    rgba: np.ndarray
    labels: tuple[str, ...]
    dims: int
    colorbar: Colorbar | None = None
    title: str = ""
    caption: str = ""
    density: str = ""


class CloudPicture:
    """Draws ``cloud`` from any side, always from the same distance, ``size`` pixels square.

    ``point_size`` is a point's diameter in pixels of a picture of 720.
    """

    def __init__(self, cloud: Cloud, size: int = 720, ground: Theme = DARK, point_size: float = 5.0) -> None:
        self._cloud, self._size, self._ground, self._point_size = cloud, size, ground, point_size
        self._scale = size / REFERENCE
        self._text_scale = max(self._scale, SMALLEST_TEXT)
        low, high = cloud.points.min(axis=0), cloud.points.max(axis=0)
        self._box = make_box(low, high, cloud.dims)
        self._camera = self._fitted()
        self._colours = _packed(cloud.rgba)
        self._columns, self._most, self._colorbar = np.ascontiguousarray(cloud.points.T), 1, cloud.colorbar
        if cloud.density:  # one scale for all sides, or the colours of a film would flicker
            sides = range(0, 360, DENSITY_STEP)
            self._most = max(int(self._counts(self.camera(float(side))).max(initial=1)) for side in sides)
            colours = lut(cloud.density, ground.plot)
            self._colorbar = Colorbar(density_label("samples", self._cell), 1.0, self._most, colours, logarithmic=True)

    def draw(self, azimuth: float) -> np.ndarray:
        """The picture from ``azimuth`` degrees: uint8 (size, size, 3)."""
        from PIL import Image

        camera = self.camera(azimuth)
        image = Image.new("RGB", (self._size, self._size), self._ground.plot)
        self._draw_grid(image, camera)
        image = self._with_density(image, camera) if self._cloud.density else self._with_points(image, camera)
        self._draw_numbers(image, camera)
        self._draw_heading(image)
        if self._colorbar is not None:
            self._draw_colorbar(image, self._colorbar)
        return np.asarray(image)

    def camera(self, azimuth: float) -> Camera:
        """The camera that looks from ``azimuth`` degrees."""
        return dataclasses.replace(self._camera, azimuth=azimuth)

    def _fitted(self) -> Camera:
        """The camera that sees the box whole from every side: the eye on a circle about the box's upright axis."""
        size, box = float(self._size), self._box
        camera = Camera(box.centre, 1.0, 0.0, ELEVATION, viewport=(size, size))
        corners = box_corners(box.low, box.high)
        camera.distance = 4.0 * max(float(np.linalg.norm(corners - camera.target, axis=1).max()), 1e-6)
        text = self._text_scale
        top, bottom, side = MARGIN_TOP * text, MARGIN_BOTTOM * text, MARGIN_SIDE * text
        for _ in range(12):  # perspective makes this implicit; each round gains a digit
            sides = [dataclasses.replace(camera, azimuth=float(a)).project(corners)[0] for a in range(0, 360, 5)]
            x, y = np.concatenate(sides).T
            across, down = np.abs(x - size / 2).max() / (size / 2 - side), np.ptp(y) / (size - top - bottom)
            lift = ((y.min() + y.max()) / 2 - (top + size - bottom) / 2) / camera.pixels_per_unit
            camera.target = camera.target - [0.0, 0.0, lift / math.cos(math.radians(camera.elevation))]
            camera.distance *= float(max(across, down))
        return camera

    # box and grid

    def _draw_grid(self, image: Image, camera: Camera) -> None:
        grid = back_grid(self._box, camera)
        pixels = camera.project(grid.lines.reshape(-1, 3))[0].reshape(-1, 2, 2)
        alpha = line_strengths(grid.lines, grid.strong, self._box, camera)
        pil_text.draw_lines(image, pixels, alpha, self._ground.grid, max(1.0, self._scale))

    # points

    def _with_points(self, ground: Image, camera: Camera) -> Image:
        """``ground``, an RGB image, with the points on it, from far to near."""
        size = self._size * SUPERSAMPLING
        picture = np.zeros((size + 2 * PAD, size + 2 * PAD), dtype=np.uint32)
        below = np.asarray(ground.convert("RGBX")).view("<u4")[..., 0]
        for row, column in np.ndindex(SUPERSAMPLING, SUPERSAMPLING):
            picture[PAD + row : -PAD : SUPERSAMPLING, PAD + column : -PAD : SUPERSAMPLING] = below
        pixels, depth = camera.project(self._cloud.points)
        cue = depth_cue(camera, self._box)
        order = far_to_near(depth)
        depth = depth[order]
        radius = size_factors(depth, cue) * np.float32(max(0.5, self._point_size / 2 * self._scale) * SUPERSAMPLING)
        plot = _packed(np.array([pil_text.rgb(self._ground.plot)], dtype=np.uint8))[0]
        colours = mix(self._colours[order], plot, (fades(depth, cue) * 256).astype(np.uint32))
        x, y = (pixels[order] * SUPERSAMPLING).astype(np.float32).T
        alpha = self._cloud.rgba[order, 3]
        # In portions, or the discs would lose their soft edges.
        portion = max(1, int(SOFT_LIMIT / (4.0 * (float(radius.max(initial=1.0)) + 1.0) ** 2)))
        for start in range(0, len(order), portion):
            part = slice(start, start + portion)
            draw_discs(picture, Discs(x[part], y[part], radius[part], colours[part], alpha[part]), ground=int(plot))
        return _averaged(picture)

    @property
    def _cell(self) -> int:
        return density_cell(max(0.5, self._point_size / 2 * self._scale))

    def _counts(self, camera: Camera) -> np.ndarray:
        counted = Density((self._size, self._size), self._columns, self._cloud.rgba, camera, self._cell, shown_from=1)
        while not counted.complete:
            counted.draw_portion()
        return counted.counts

    def _with_density(self, ground: Image, camera: Camera) -> Image:
        """``ground``, an RGB image, with the numbers of points on it."""
        from PIL import Image as images

        size, counts = (self._size, self._size), self._counts(camera)
        colours, some = density_colours(counts, self._most, self._cloud.density, self._ground.plot)
        mask = enlarged(some, self._cell, size)[..., None]
        return images.fromarray(np.where(mask, enlarged(colours, self._cell, size), np.asarray(ground)))

    # numbers and names

    def _draw_numbers(self, image: Image, camera: Camera) -> None:
        edges = [edge for edge in labelled_edges(self._box, camera) if edge.axis < self._cloud.dims]
        taken: list[Rect] = []
        ground, text = self._ground, self._text_scale
        face = pil_text.font(NAME_FONT * text, bold=True)
        for edge in edges:
            x, y = (edge.start + edge.end) / 2 + edge.outward * NAME_GAP * text
            alpha, words = edge_strength(edge.axis, camera), self._cloud.labels[edge.axis]
            if alpha > 0.0:
                taken.append(pil_text.text_rect((x, y), words, face))
                pil_text.draw_text(image, (x, y), words, face, ground.text, ground.plot, alpha=alpha)
        face = pil_text.font(TICK_FONT * text)
        for edge in edges:
            alpha = edge_strength(edge.axis, camera)
            length = float(np.hypot(*(edge.end - edge.start)))
            alpha *= _ramp(length, 30.0 * text, 60.0 * text)
            marks = np.stack([edge.pixels, edge.pixels + edge.outward * TICK_LENGTH * text], axis=1)
            shown = []
            for index, (tick, pixel) in enumerate(zip(edge.ticks, edge.pixels, strict=True)):
                words = tick_text(float(tick), self._box.step)
                x, y = pixel + edge.outward * TICK_GAP * text
                rect = pil_text.text_rect((x, y), words, face)
                if alpha > 0.0 and not any(rect.overlaps(other, 3.0 * text) for other in taken):
                    taken.append(rect)
                    shown.append(index)
                    pil_text.draw_text(image, (x, y), words, face, ground.muted, ground.plot, alpha=alpha)
            if shown:
                strengths = np.full(len(shown), alpha)
                pil_text.draw_lines(image, marks[shown], strengths, ground.grid, max(1.0, self._scale))

    def _draw_heading(self, image: Image) -> None:
        text, ground = self._text_scale, self._ground
        left, room = BORDER * text, image.width * 0.62
        for words, size, bold, y, colour in (
            (self._cloud.title, TITLE_FONT, True, 29.0, ground.text),
            (self._cloud.caption, CAPTION_FONT, False, 50.0, ground.muted),
        ):
            face = pil_text.font(size * text, bold)
            words = pil_text.elided(words, face, room)
            pil_text.draw_text(image, (left, y * text), words, face, colour, ground.plot, anchor="ls")

    # colour bar

    def _draw_colorbar(self, image: Image, bar: Colorbar) -> None:
        from PIL import Image as images
        from PIL import ImageDraw

        text, ground = self._text_scale, self._ground
        right = image.width - BORDER * text
        face = pil_text.font(CAPTION_FONT * text, bold=True)
        label = pil_text.elided(bar.label, face, image.width * 0.34)
        pil_text.draw_text(image, (right, 29.0 * text), label, face, ground.text, ground.plot, anchor="rs")
        if bar.categories is not None:
            self._draw_categories(image, bar, bar.categories, right)
            return
        length, width = round(image.height * 0.27), max(6, round(BAR_WIDTH * text))
        left, top = round(right) - width, round(BAR_TOP * text)
        column = images.fromarray(np.ascontiguousarray(bar.lut[::-1, None, :3])).resize(
            (1, length), images.Resampling.BILINEAR
        )
        frame = (left - 1, top - 1, left + width, top + length)
        ImageDraw.Draw(image).rectangle(frame, outline=ground.border)
        image.paste(column.resize((width, length), images.Resampling.NEAREST), (left, top))
        most = max(2, int(length / (46 * text)))
        if bar.logarithmic:
            ticks = count_ticks(bar.high, most)
            texts = [f"{tick:,.0f}".replace(",", "\u202f") for tick in ticks]
        else:
            ticks, texts = bar_labels(bar, most)
        y = top + length - 0.5 - bar.shares(ticks) * (length - 1)
        starts = np.stack([np.full(len(ticks), left - 5.0 * text), y], axis=1)
        ends = np.stack([np.full(len(ticks), left - 1.5), y], axis=1)
        marks = np.stack([starts, ends], axis=1)
        pil_text.draw_lines(image, marks, np.ones(len(ticks)), ground.muted, max(1.0, self._scale))
        face = pil_text.font(TICK_FONT * text)
        for words, at in zip(texts, y, strict=True):
            place = (left - 9.0 * text, float(at))
            pil_text.draw_text(image, place, words, face, ground.muted, ground.plot, anchor="rm")

    def _draw_categories(self, image: Image, bar: Colorbar, names: tuple[str, ...], right: float) -> None:
        from PIL import ImageDraw

        text, ground = self._text_scale, self._ground
        face, side, step = pil_text.font(TICK_FONT * text), 12.0 * text, 22.0 * text
        room = max(1, int((image.height - 2 * BAR_TOP * text) / step))
        shown = names if len(names) <= room else (*names[: room - 1], f"and {len(names) - room + 1} more")
        for index, name in enumerate(shown):
            y = BAR_TOP * text + index * step
            if index < len(names) and name is names[index]:
                colour = tuple(bar.lut[index, :3].tolist())
                box = (right - side, y, right, y + side)
                ImageDraw.Draw(image).rounded_rectangle(box, radius=3 * text, fill=colour)
            place = (right - side - 8.0 * text, y + side / 2)
            words = pil_text.elided(name, face, image.width * 0.3)
            pil_text.draw_text(image, place, words, face, ground.muted, ground.plot, anchor="rm")


def bar_labels(bar: Colorbar, count: int) -> tuple[np.ndarray, list[str]]:
    """Values float64 (n,) to mark on the bar, and their texts: both ends, and about ``count`` round ones between."""
    span = bar.high - bar.low
    if span <= 0:
        return np.array([bar.low]), [f"{bar.low:.3g}".replace("-", "−")]
    step = nice_step(span, count)
    inner = np.arange(np.ceil(bar.low / step), np.floor(bar.high / step) + 1) * step
    inner = inner[(inner - bar.low > 0.3 * step) & (bar.high - inner > 0.3 * step)]
    ends = [tick_text(value, step / 10) for value in (bar.low, bar.high)]
    texts = [ends[0], *(tick_text(float(tick), step) for tick in inner), ends[1]]
    return np.concatenate([[bar.low], inner, [bar.high]]), texts


def line_strengths(lines: np.ndarray, strong: np.ndarray, box: Box, camera: Camera) -> np.ndarray:
    """Opacity float64 (n,), 0 to 1, of the grid lines (n, 2, 3) of the faces behind the points.

    A wall fades away before the opposite one takes its place, which is when the eye passes it edge-on.
    """
    behind, near = back_faces(box, camera), box.step * 1e-6
    wall_x, wall_y = face_strengths(camera)
    on = np.abs(lines - behind).max(axis=1) < near  # (n, 3): whether it lies in that face
    at_x, at_y, on_floor = on[:, 0], on[:, 1], on[:, 2]
    weak, gain = WEAK_LINE, 1.0 - WEAK_LINE
    edge = weak + gain * np.where(at_x, wall_x, np.where(at_y, wall_y, 0.0))  # an edge where floor and wall meet
    zero = strong & ~(at_x | at_y | on_floor) | (strong & (on.sum(axis=1) == 1))
    on_wall_x, on_wall_y = wall_x * (weak + gain * (at_y * wall_y)), wall_y * (weak + gain * (at_x * wall_x))
    upright = np.maximum(np.where(at_x, on_wall_x, 0.0), np.where(at_y, on_wall_y, 0.0))
    upright = np.where(zero, np.where(at_x, wall_x, wall_y), upright)
    return np.where(on_floor, np.where(zero, 1.0, np.where(strong, edge, weak)), upright)


def face_strengths(camera: Camera) -> tuple[float, float]:
    """How far, 0 to 1, the walls across the first and the second axis are from being seen edge-on."""
    azimuth = math.radians(camera.azimuth)
    return _ramp(abs(math.cos(azimuth)), 0.03, 0.2), _ramp(abs(math.sin(azimuth)), 0.03, 0.2)


def edge_strength(axis: int, camera: Camera) -> float:
    """Opacity of the numbers of ``axis``: none at the moment in which they change over to another edge."""
    wall_x, wall_y = face_strengths(camera)
    return (wall_y, wall_x, min(wall_x, wall_y))[axis]


def _ramp(value: float, low: float, high: float) -> float:
    """0 up to ``low``, 1 from ``high`` on, smooth between."""
    share = min(max((value - low) / (high - low), 0.0), 1.0)
    return share * share * (3.0 - 2.0 * share)


def _packed(rgb: np.ndarray) -> np.ndarray:
    """uint8 (n, 3 or 4) as uint32 (n,) whose bytes Pillow reads as red, green, blue and a fourth of no meaning."""
    return pack(rgb[:, 2::-1])


def _averaged(picture: np.ndarray) -> Image:
    """The inner part of packed colours uint32 (k size + 2 PAD, …) as an RGB image, each pixel the mean of k × k."""
    from PIL import Image

    height, width = picture.shape
    image = Image.frombuffer("RGBX", (width, height), picture.astype("<u4", copy=False), "raw", "RGBX", 0, 1)
    return image.reduce(SUPERSAMPLING, box=(PAD, PAD, width - PAD, height - PAD)).convert("RGB")
