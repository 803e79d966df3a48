"""The net of factor curves over the sheet of a latent cloud: a picture of what a model has learned about two factors.

Means are scattered and a little noisy; the sheet is what one would draw through them: a mesh of a smooth map from the
two factors to latent space, left out where there are no samples, as in a hole of the data. It is shaded by a light at
the eye's shoulder and coloured by one factor; the samples lie on it as fine dots.
Each family of lines, along which one factor keeps its value, has its own colour, and every line that value at its end.
All is painted from far to near, so that the sheet hides what is behind it. numpy and Pillow, no window.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.geometry.factor_curve import Gridline
from core.rendering import pil_text
from core.rendering.camera import Camera, broadside
from core.rendering.projection import Projection, along_components, along_dimensions

if TYPE_CHECKING:
    from PIL.Image import Image

SIZE = (1600, 1000)
SIDE_SIZE = (760, 640)
GROUND, TEXT = "#0e1116", "#e6e8eb"
CASING = (8, 10, 14)  # of a line, so that it stands out from the sheet
FAMILY_COLOURS = ("#ffb454", "#8ed8ff")
"""Of the lines on which the first factor is constant, and of those on which the second is."""

_SHEET_MAP = np.array(
    [[0x2B, 0x1F, 0x55], [0x2B, 0x4A, 0x7D], [0x1D, 0x6F, 0x7C], [0x2F, 0x8F, 0x6B], [0xB4, 0xB8, 0x54]]
)
_OVERSAMPLING = 3
_LINE, _CASING, _DOT = 3.1, 6.2, 0.9  # widths and radius in pixels of the large picture
_LIFT = 0.014  # of the cloud's size: how far lines and dots are in front of the sheet they lie on
_AMBIENT = 0.48
_MARGINS = (90.0, 62.0, 90.0, 62.0)
_SEARCH_SIZE = (640, 400)
_LABEL_FONT, _LEGEND_FONT = 19.0, 22.0
CELLS = (200, 250)  # along the first and the second factor
_NEAREST = 48  # samples that a vertex is fitted to
_SMOOTHING = 3e-3
_BLUR = 1.6  # usual distances between samples, over which they are counted
_SPARSE = 0.3  # of the usual count: where fewer samples are, there is no sheet


@dataclass(frozen=True, eq=False)
class Mesh:
    """``places`` float64 (q, 4, d), the corners of each quadrilateral, and ``factors`` (q, 2) of its middle."""

    places: np.ndarray
    factors: np.ndarray


@dataclass(frozen=True, eq=False)
class GridlineScene:
    """What the pictures show, in view coordinates.

    ``points`` float32 (N, 3); ``mesh`` the sheet, its places (q, 4, 3); ``lines`` (m, 3) arrays, ``families`` the index
    of the factor that is constant on each, ``values`` its value; ``names`` of the two factors; ``axes`` of the view.
    """

    points: np.ndarray
    mesh: Mesh
    lines: list[np.ndarray]
    families: list[int]
    values: list[float]
    names: tuple[str, ...]
    axes: tuple[str, ...]


def gridline_scene(
    mu: np.ndarray,
    factors: np.ndarray,
    names: Sequence[str],
    lines: Sequence[Gridline],
    cells: tuple[int, int] = CELLS,
) -> GridlineScene:
    """The scene of samples mu (N, d), d of 2 or more, with their two ``factors`` (N, 2) and the net's ``lines``.

    The sheet is a mesh of ``cells``, at most.
    """
    mu = np.asarray(mu, dtype=np.float64)
    view: Projection = along_dimensions(range(mu.shape[1]), mu.shape[1]) if mu.shape[1] <= 3 else along_components(mu)
    mesh = fit_mesh(mu, factors, cells)
    return GridlineScene(
        points=view.to_view(mu),
        mesh=Mesh(view.to_view(mesh.places).astype(np.float64), mesh.factors),
        lines=[view.to_view(line.points).astype(np.float64) for line in lines],
        families=[list(names).index(line.family) for line in lines],
        values=[line.value for line in lines],
        names=tuple(names),
        axes=view.labels,
    )


def fit_mesh(mu: np.ndarray, factors: np.ndarray, cells: tuple[int, int] = CELLS) -> Mesh:
    """The sheet through mu (N, d) of samples with ``factors`` (N, 2), N of 4 or more.

    A thin-plate spline through the 48 nearest samples in the plane of the factors, each scaled to its range, a little
    smoothed. Quadrilaterals where there are hardly any samples are left out.
    """
    from scipy.interpolate import RBFInterpolator

    factors = np.asarray(factors, dtype=np.float64)
    low, span = factors.min(axis=0), np.maximum(np.ptp(factors, axis=0), 1e-12)
    scaled = (factors - low) / span
    unique, members = np.unique(scaled, axis=0, return_index=True)
    if len(unique) < 4:
        return Mesh(np.empty((0, 4, mu.shape[1])), np.empty((0, 2)))
    one, two = (np.linspace(0.0, 1.0, count + 1) for count in cells)
    grid = np.stack(np.meshgrid(one, two, indexing="ij"), axis=-1)
    near = _populated(unique, cells)
    spline = RBFInterpolator(
        unique, np.asarray(mu, dtype=np.float64)[members], min(_NEAREST, len(unique)), smoothing=_SMOOTHING
    )
    places = np.full((*grid.shape[:2], mu.shape[1]), np.nan)
    places[near] = spline(grid[near])
    corners = [slice(None, -1), slice(1, None)]
    around = ((0, 0), (1, 0), (1, 1), (0, 1))
    quads = np.stack([places[corners[i], corners[j]] for i, j in around], axis=2)
    middles = np.mean([grid[corners[i], corners[j]] for i, j in around], axis=0)
    whole = np.isfinite(quads).all(axis=(2, 3))
    return Mesh(quads[whole], low + span * middles[whole])


def _populated(scaled: np.ndarray, cells: tuple[int, int]) -> np.ndarray:
    """Whether samples (N, 2), in the unit square, are about each vertex: bool (cells + 1 each)."""
    from scipy.ndimage import gaussian_filter

    shape = np.array(cells) + 1
    count = np.zeros(shape)
    row, column = np.rint(scaled * cells).astype(np.int64).T
    np.add.at(count, (row, column), 1.0)
    apart = _BLUR * shape / max(np.sqrt(len(scaled)), 1.0)
    density = gaussian_filter(count, apart, mode="reflect")
    return density >= _SPARSE * np.median(density)


def draw_gridlines(
    scene: GridlineScene, side: tuple[float, float], size: tuple[int, int] = SIZE, legend: bool = True
) -> np.ndarray:
    """The picture uint8 (height, width, 3) of ``size`` (width, height), from ``side``: azimuth, elevation, degrees."""
    from PIL import Image

    camera = _camera(scene, size, *side)
    scale = _scale(size)
    image = Image.new("RGB", (size[0] * _OVERSAMPLING, size[1] * _OVERSAMPLING), GROUND)
    _paint(image, scene, camera, scale)
    image = image.reduce(_OVERSAMPLING)
    _draw_values(image, scene, camera, scale)
    if legend:
        _draw_legend(image, scene, scale)
    return np.asarray(image)


def draw_sides(scene: GridlineScene, side: tuple[float, float], size: tuple[int, int] = SIDE_SIZE) -> np.ndarray:
    """Three pictures side by side, each a third of a turn from the next, the first from ``side``."""
    turned = [(side[0] + turn, side[1]) for turn in (0.0, 120.0, 240.0)]
    return np.concatenate([draw_gridlines(scene, view, size, legend=view is turned[0]) for view in turned], axis=1)


def png_bytes(picture: np.ndarray) -> bytes:
    """A PNG file of uint8 (height, width, 3)."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _scale(size: tuple[int, int]) -> float:
    """Of lengths in the picture; letters and lines of a small one stay legible."""
    return max(min(size[0] / SIZE[0], size[1] / SIZE[1]), 0.62)


def _camera(scene: GridlineScene, size: tuple[int, int], azimuth: float, elevation: float) -> Camera:
    """The camera that sees the points fill the frame, but for its margins."""
    camera = Camera(azimuth=azimuth, elevation=elevation, viewport=(float(size[0]), float(size[1])))
    left, top, right, bottom = (margin * _scale(size) for margin in _MARGINS)
    camera.fit(scene.points.min(axis=0), scene.points.max(axis=0), (left, top, right, bottom))
    room = np.array([size[0] - left - right, size[1] - top - bottom])
    for _ in range(8):  # perspective makes this implicit
        pixels, _ = camera.project(scene.points)
        first, last = pixels.min(axis=0), pixels.max(axis=0)
        camera.distance *= float(((last - first) / room).max())
        camera.pan(*(np.array([left, top]) + 0.5 * room - 0.5 * (first + last)).tolist())
    return camera


def _paint(image: Image, scene: GridlineScene, camera: Camera, scale: float) -> None:
    """Sheet, dots and lines, from far to near."""
    from PIL import ImageDraw as drawing

    pen = drawing.Draw(image)
    lift = _LIFT * float(np.ptp(scene.points, axis=0).max())
    shapes: list[tuple[float, int, object, tuple[int, int, int]]] = []
    quads, depth = _projected(camera, scene.mesh.places.reshape(-1, 3))
    quads, depth = quads.reshape(-1, 8), depth.reshape(-1, 4).mean(axis=1)
    faded = _fade(camera, depth, scene)
    shades = _blend(_lit(scene, camera), faded)
    shapes += [(d, 0, q, tuple(c)) for d, q, c in zip(depth.tolist(), quads.tolist(), shades.tolist(), strict=True)]
    dots, far = _projected(camera, scene.points)
    pale = _blend(np.full((len(far), 3), 205.0), np.clip(_fade(camera, far, scene) + 0.45, 0.0, 1.0))
    shapes += [
        (d - 0.6 * lift, 1, p, tuple(c)) for d, p, c in zip(far.tolist(), dots.tolist(), pale.tolist(), strict=True)
    ]
    for line, family in zip(scene.lines, scene.families, strict=True):
        path = _dense(line)
        pixels, far = _projected(camera, path)
        middle = 0.5 * (far[1:] + far[:-1])
        tint = np.tile(np.array(pil_text.rgb(FAMILY_COLOURS[family]), dtype=np.float64), (len(middle), 1))
        tint = _blend(tint, 0.75 * _fade(camera, middle, scene))
        ends = np.hstack([pixels[:-1], pixels[1:]])
        for d, e, c in zip(middle.tolist(), ends.tolist(), tint.tolist(), strict=True):
            shapes.append((d - lift, 2, e, CASING))
            shapes.append((d - 2.6 * lift, 3, e, tuple(c)))
    radius, line, casing = (v * scale * _OVERSAMPLING for v in (_DOT, _LINE, _CASING))
    for _, kind, place, colour in sorted(shapes, key=lambda shape: -shape[0]):
        ink_colour = tuple(round(v) for v in colour)
        if kind == 0:
            pen.polygon(place, fill=ink_colour)  # pyright: ignore[reportArgumentType]
        elif kind == 1:
            x, y = place  # pyright: ignore[reportGeneralTypeIssues]
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink_colour)
        else:
            x0, y0, x1, y1 = place  # pyright: ignore[reportGeneralTypeIssues]
            width = line if kind == 3 else casing
            pen.line((x0, y0, x1, y1), fill=ink_colour, width=max(1, round(width)))
            for x, y in ((x0, y0), (x1, y1)):  # round joins
                pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=ink_colour)


def _projected(camera: Camera, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pixels, depth = camera.project(places)
    return pixels * _OVERSAMPLING, depth


def _dense(line: np.ndarray, count: int = 240) -> np.ndarray:
    """The polyline (m, 3) through a smooth interpolation, at ``count`` places of equal length."""
    from scipy.interpolate import CubicSpline

    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    moves = np.concatenate([[True], np.diff(along) > 0.0])
    if moves.sum() < 3:
        return line
    return CubicSpline(along[moves], line[moves])(np.linspace(0.0, along[-1], count))


def _lit(scene: GridlineScene, camera: Camera) -> np.ndarray:
    """Colours float64 (q, 3) of the sheet, two-sided: a light up and to the left of the eye, with a small shine."""
    places, axes = scene.mesh.places, camera.axes()
    normal = np.cross(places[:, 2] - places[:, 0], places[:, 3] - places[:, 1])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    to_eye = camera.eye() - places.mean(axis=1)
    to_eye /= np.linalg.norm(to_eye, axis=1, keepdims=True)
    normal *= np.where((normal * to_eye).sum(axis=1) < 0.0, -1.0, 1.0)[:, None]
    light = axes.T @ np.array([-0.45, 0.6, 0.66])
    diffuse = np.clip(normal @ light, 0.0, 1.0)
    half = light + to_eye
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    shine = np.clip((normal * half).sum(axis=1), 0.0, 1.0) ** 28
    values = scene.mesh.factors[:, 0]
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    place = (values - low) / max(high - low, 1e-12) * (len(_SHEET_MAP) - 1)
    base = np.stack([np.interp(place, np.arange(len(_SHEET_MAP)), channel) for channel in _SHEET_MAP.T], axis=1)
    return np.clip(base * (_AMBIENT + 0.78 * diffuse)[:, None] + 70.0 * shine[:, None], 0.0, 255.0)


def _fade(camera: Camera, depth: np.ndarray, scene: GridlineScene) -> np.ndarray:
    """How far float64 (n,) things at ``depth`` fade into the ground."""
    reach = camera.depth(scene.points)
    near, far = float(reach.min()), float(reach.max())
    return 0.45 * np.clip((depth - near) / max(far - near, 1e-12), 0.0, 1.0)


def _blend(rgb: np.ndarray, share: np.ndarray) -> np.ndarray:
    ground = np.array(pil_text.rgb(GROUND), dtype=np.float64)
    return rgb + (ground - rgb) * share[:, None]


def _draw_values(image: Image, scene: GridlineScene, camera: Camera, scale: float) -> None:
    """Each line's value beyond an end that is seen, beside the sheet rather than on it, where there is room."""
    buffer = _DepthBuffer(scene, camera)
    face = pil_text.font(_LABEL_FONT * scale)
    places: list[tuple[bool, tuple[float, float], str, int]] = []
    for line, family, value in zip(scene.lines, scene.families, scene.values, strict=True):
        path = _dense(line)
        pixels, depth = camera.project(path)
        found = []
        for end, inner in ((-1, -8), (0, 7)):
            if len(path) < 16 or buffer.occludes(pixels[[end]], depth[[end]])[0]:
                continue
            outward = pixels[end] - pixels[inner]
            outward = outward / max(float(np.hypot(*outward)), 1e-9)
            x, y = pixels[end] + outward * 26.0 * scale
            words = f"{value:.2f}".replace("-", "−")
            found.append((bool(buffer.covers(np.array([[x, y]]))[0]), (float(x), float(y)), words, family))
        places += sorted(found)[:1]
    taken: list[pil_text.Rect] = []
    for _, place, words, family in sorted(places):  # those beside the sheet first
        rect = pil_text.text_rect(place, words, face)
        inside = min(rect.left, rect.top, image.width - rect.right, image.height - rect.bottom) > 0
        if inside and not any(rect.overlaps(other, 5.0 * scale) for other in taken):
            taken.append(rect)
            pil_text.draw_text(image, place, words, face, FAMILY_COLOURS[family], GROUND)


class _DepthBuffer:
    """The depth of the nearest part of the sheet on a coarse raster, from which it is told what the sheet hides."""

    _CELLS = 130  # across the picture

    def __init__(self, scene: GridlineScene, camera: Camera) -> None:
        from scipy.ndimage import minimum_filter

        width, height = camera.viewport
        self._cell = width / self._CELLS
        depth = np.full((int(height / self._cell) + 1, self._CELLS + 1), np.inf)
        self._margin = 0.05 * float(np.ptp(scene.points, axis=0).max())
        if len(scene.mesh.places):
            pixels, far = camera.project(scene.mesh.places.reshape(-1, 3))
            place, inside = self._cells(pixels, depth.shape)
            np.minimum.at(depth, tuple(place[:, inside]), far[inside])
        self._own, self._depth = depth, minimum_filter(depth, 3)

    def occludes(self, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Whether the sheet lies clearly in front of what is at pixels (n, 2) and depth (n,): bool (n,)."""
        return self._read(self._depth, pixels) < depth - self._margin

    def covers(self, pixels: np.ndarray) -> np.ndarray:
        """Whether any of the sheet is seen at pixels (n, 2): bool (n,)."""
        return np.isfinite(self._read(self._own, pixels))

    def _read(self, raster: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        place, inside = self._cells(pixels, raster.shape)
        depth = np.full(len(pixels), np.inf)
        depth[inside] = raster[tuple(place[:, inside])]
        return depth

    def _cells(self, pixels: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        place = np.floor(pixels[:, ::-1] / self._cell).astype(np.int64).T
        row, column = (place >= 0) & (place < np.array(shape)[:, None])
        return place, row & column


def best_side(scene: GridlineScene) -> tuple[float, float]:
    """Azimuth and elevation in degrees from which the seen parts of the net's lines are longest in the picture."""
    best, most = broadside(scene.points), 0.0
    paths = [_dense(line, 60) for line in scene.lines]
    starts = np.concatenate([path[:-1] for path in paths]) if paths else np.empty((0, 3))
    ends = np.concatenate([path[1:] for path in paths]) if paths else np.empty((0, 3))
    for elevation in (16.0, 28.0):
        for azimuth in np.arange(0.0, 360.0, 15.0):
            camera = _camera(scene, _SEARCH_SIZE, float(azimuth), elevation)
            pixels, depth = camera.project(starts)
            length = np.linalg.norm(camera.project(ends)[0] - pixels, axis=1)
            seen = float(length[~_DepthBuffer(scene, camera).occludes(pixels, depth)].sum())
            if seen > most:
                best, most = (float(azimuth), elevation), seen
    return best


def _draw_legend(image: Image, scene: GridlineScene, scale: float) -> None:
    """At the upper left: a stroke of each family's colour, and which factor is constant there."""
    face = pil_text.font(_LEGEND_FONT * scale)
    for row, name in enumerate(scene.names[:2]):
        x, y = 44.0 * scale, (52.0 + 36.0 * row) * scale
        colour = FAMILY_COLOURS[row]
        ends = np.array([[[x, y], [x + 44.0 * scale, y]]])
        pil_text.draw_lines(image, ends, np.ones(1), colour, 4.0 * scale)
        pil_text.draw_text(image, (x + 58.0 * scale, y), f"{name} constant", face, TEXT, GROUND, "lm")
