"""What the cloud shows: points, colours, probe, path and marks, with the camera that looks at them.

The canvas, the overlay and the gestures share one scene. It knows nothing of Qt; who changes it asks for a redraw.
Positions that come in and go out are those of the caller; with one dimension the points are spread sideways for display
(a beeswarm), which nobody outside sees.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from core.rendering.axes import Box, back_grid, flat_grid, make_box
from core.rendering.camera import Camera, broadside, zoom_limits
from core.rendering.colormaps import Colorbar
from core.rendering.point_colours import plain_colour
from core.rendering.themes import Theme
from core.utils.point_sets import nearest_on_polyline
from explorer.views.cloud.screen_points import ScreenPoints, project_points

Awaited = Literal["", "run", "training"]
"""What points come from that are not there yet."""
MARGINS_3D = (56.0, 36.0, 56.0, 48.0)  # pixels for tick numbers and names: left, top, right, bottom
MARGINS_FLAT = (64.0, 32.0, 64.0, 56.0)
CAMERA_REACH = 1000.0  # home distances
SWARM_HEIGHT = 0.16  # half the height of a one-dimensional cloud, as a share of its length


@dataclass(frozen=True, eq=False)
class TransectMark:
    """A transect's means: ``points`` float64 (n, 3), NaN where not known; ``in_hole`` bool (n,); the ``position``
    that is looked at; ``thumbnails`` uint8 (n, h, w, C) or None."""

    points: np.ndarray
    in_hole: np.ndarray
    position: int | None
    thumbnails: np.ndarray | None
    drawn: dict[tuple[int, float], object] = field(default_factory=dict, compare=False)  # pictures as they are drawn


@dataclass(frozen=True, eq=False)
class GridlinesMark:
    """The gridlines: line i is points[starts[i]:starts[i + 1]], where factor names[family[i]] is values[i].

    ``points`` float64 (P, 3); ``starts`` int64 (L + 1,); ``family`` int64 (L,); ``values`` float64 (L,).
    """

    names: tuple[str, ...]
    points: np.ndarray
    starts: np.ndarray
    family: np.ndarray
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class KindsMark:
    """Kinds of path that are compared: (kind, float64 (K, 3)) each, and the kind that comes ``forward`` ("": none)."""

    curves: tuple[tuple[str, np.ndarray], ...]
    forward: str = ""


@dataclass(eq=False)
class Scene:
    """The state of one cloud view.

    ``points`` float32 (N, 3) as given; ``colors`` uint8 (N, 4) or None, where an alpha of 0 hides a point; ``curve``
    float64 (K, 3), ``control`` float64 (M, 3). ``hover`` and ``selected`` are indices of points. ``stroke`` and
    ``lasso`` are pixels (S, 2).
    """

    camera: Camera = field(default_factory=Camera)
    awaited: Awaited = ""  # while there are no points: what some will come from by themselves
    dims: int = 3
    labels: tuple[str, ...] = ("μ₁", "μ₂", "μ₃")
    points: np.ndarray = field(default_factory=lambda: np.empty((0, 3), dtype=np.float32))
    colors: np.ndarray | None = None
    point_size: float = 5.0
    opacity: float = 1.0
    thumbnails: np.ndarray | None = None
    late_thumbnail: tuple[int, np.ndarray] | None = None  # of a point that has none among these
    hover_label: Callable[[int], str] | None = None
    colorbar: Colorbar | None = None
    legend_width: float = 0.0  # pixels at the right that a list of classes takes
    hover: int | None = None
    selected: int | None = None
    probe: np.ndarray | None = None
    probe_axis: int | None = None
    curve: np.ndarray | None = None
    control: np.ndarray | None = None
    selected_control: int | None = None
    hover_control: int | None = None
    snapping: bool = False  # control points that are dragged jump onto points
    ghost: np.ndarray | None = None
    marker: np.ndarray | None = None
    preview: np.ndarray | None = None
    transect: TransectMark | None = None
    gridlines: GridlinesMark | None = None
    kinds: KindsMark | None = None
    stroke: np.ndarray | None = None
    lasso: np.ndarray | None = None
    moving: bool = False
    left_view: bool = False  # the cloud has outgrown a view that a person chose
    box: Box = field(default_factory=lambda: make_box(np.full(3, -1.0), np.full(3, 1.0)))
    columns: np.ndarray = field(default_factory=lambda: np.empty((3, 0), dtype=np.float32))
    version: int = 0
    color_version: int = 0
    density: str = ""  # the colour map of a picture that counts points; empty: they are drawn one and all
    density_of: str = "samples"  # what is counted
    density_counted: tuple[int, int] = (1, 1)  # pixels of the side of its cells, and points in the fullest one
    _bounds: tuple[np.ndarray, np.ndarray] | None = None
    _hidden: tuple[tuple[int, int], np.ndarray | None] = ((-1, -1), None)
    _screen: ScreenPoints | None = None
    _screen_key: tuple | None = None
    fitted: tuple[np.ndarray, np.ndarray] | None = None  # bounds at the last fit; None: another cloud comes next
    _framed: np.ndarray = field(default_factory=lambda: np.full(4, np.nan))
    home_distance: float = 4.0

    def look(self) -> tuple:
        """All that axes and colour bar depend on; equal looks draw alike."""
        box, bar = self.box, self.colorbar
        shape = (self.dims, self.labels, box.low.tobytes(), box.high.tobytes(), box.step)
        return self.camera.key(), shape, bar and (bar.label, bar.low, bar.high, bar.lut.tobytes(), bar.logarithmic)

    @property
    def count(self) -> int:
        """Number of points, N."""
        return self.columns.shape[1]

    def set_points(self, points: np.ndarray) -> None:
        """Replace the points, float32 (N, 3); rows that are not finite are not drawn."""
        points = np.ascontiguousarray(points, dtype=np.float32)
        if points.ndim != 2 or points.shape[1] != 3:
            raise ValueError(f"points have shape {points.shape}; the cloud needs (N, 3).")
        self.points = points
        self._display()

    def set_dims(self, labels: tuple[str, ...], dims: int) -> None:
        """Name the axes and say how many there are, 1 to 3."""
        if dims not in (1, 2, 3) or len(labels) < dims:
            raise ValueError(f"dims is {dims} with labels {labels}; wanted 1, 2 or 3 and a label for each.")
        self.labels, self.dims = tuple(labels), dims
        self.camera.flat = dims < 3
        self._display()

    def _display(self) -> None:
        columns = self.points.T.copy()
        missing = np.flatnonzero(~np.isfinite(columns).all(axis=0))
        columns[:, missing] = np.nan
        if self.dims == 1:
            columns[1] = beeswarm(columns[0])
            columns[2] = 0.0
        elif self.dims == 2:
            columns[2] = 0.0
            columns[2, missing] = np.nan
        else:
            self.points = columns.T  # the same numbers: they are stored once
        self.columns = columns
        self.version += 1
        self._bounds = None
        low, high = self.bounds()
        self.box = make_box(low, high, self.dims)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest displayed coordinate of the finite points, float64 (3,) each; ±1 without points."""
        if self._bounds is None:
            low, high = self.columns.min(axis=1, initial=np.inf), self.columns.max(axis=1, initial=-np.inf)
            if np.isnan(low).any():
                low, high = np.fmin.reduce(self.columns, axis=1), np.fmax.reduce(self.columns, axis=1)
            low, high = low.astype(np.float64), high.astype(np.float64)
            known = bool(np.isfinite(low).all())
            self._bounds = (low, high) if known else (np.full(3, -1.0), np.full(3, 1.0))
        return self._bounds

    def screen(self) -> ScreenPoints:
        """The points in widget pixels, projected anew only when the camera or the points have changed.

        Projecting on the CPU takes 0.02 ms for 5000 points and 8 ms for a million: quicker and simpler than reading
        identifiers back from a GPU.
        """
        hidden = self.hidden()
        key = (self.camera.key(), self.version, self.color_version if hidden is not None else None)
        if self._screen is None or key != self._screen_key:
            screen = project_points(self.columns, self.camera)
            if hidden is not None:
                screen.x[hidden] = screen.y[hidden] = np.nan
            self._screen, self._screen_key = screen, key
        return self._screen

    def hidden(self) -> np.ndarray | None:
        """Which points are neither drawn nor picked, bool (N,); None: all are."""
        key = self.version, self.color_version
        if self._hidden[0] != key:
            hidden = None
            if self.colors is not None and len(self.colors) == self.count:
                hidden = self.colors[:, 3] == 0
            self._hidden = key, hidden if hidden is not None and hidden.any() else None
        return self._hidden[1]

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Where ``points`` (n, 3) are drawn, float64 (n, 2); not numbers where they cannot be seen."""
        return self.camera.project(points)[0]

    def pixel(self, point: np.ndarray) -> tuple[float, float]:
        """Where ``point`` (3,) is drawn; not numbers where it cannot be seen."""
        x, y = self.pixels(point[None])[0].tolist()
        return x, y

    def place(self, index: int) -> np.ndarray:
        """Where point ``index`` is drawn, float64 (3,)."""
        return self.columns[:, index].astype(np.float64)

    def true_place(self, index: int) -> np.ndarray:
        """Where point ``index`` really is, float64 (3,)."""
        return self.flatten(self.points[index].astype(np.float64))

    def flatten(self, xyz: np.ndarray) -> np.ndarray:
        """``xyz`` with the coordinates of axes that do not exist set to 0."""
        xyz = np.array(xyz, dtype=np.float64)
        xyz[..., self.dims :] = 0.0
        return xyz

    def point_radius(self) -> float:
        """Radius in pixels at the target's depth."""
        return max(0.5, self.point_size / 2)

    def rgba(self, theme: Theme) -> np.ndarray:
        """Colours uint8 (N, 4) with the opacity in their alpha; the plain one where no colours fit the points."""
        colors = self.colors
        if colors is None or len(colors) != self.count:
            colors = np.tile(plain_colour(theme), (self.count, 1))
        if self.opacity < 1.0:
            colors = colors.copy()
            colors[:, 3] = (colors[:, 3] * self.opacity + 0.5).astype(np.uint8)
        return colors

    def grid(self, ratio: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """The grid's lines that are seen, float64 (n, 2, 2) pixels times ``ratio``; which are strong, bool (n,)."""
        grid = back_grid(self.box, self.camera) if self.dims == 3 else flat_grid(self.camera, self.dims)[0]
        pixels = self.pixels(grid.lines.reshape(-1, 3)).reshape(-1, 2, 2) * ratio
        seen = np.isfinite(pixels).all(axis=(1, 2)) & (self.count > 0)
        pixels = pixels[seen]
        return (pixels if self.dims == 3 else np.floor(pixels) + 0.5), grid.strong[seen]

    def fit(self, orient: bool) -> None:
        """Show the whole cloud; with ``orient`` also turn its broad side to the eye."""
        if orient and self.dims == 3:
            self.camera.azimuth, self.camera.elevation = broadside(self.points)
        low, high = self.bounds()
        bar = max(72.0 if self.colorbar is not None or self.density else 0.0, self.legend_width)
        if self.dims == 3:
            left, top, right, bottom = MARGINS_3D
            self.camera.fit(self.box.low, self.box.high, (left, top, right + bar / 2, bottom))
        else:
            left, top, right, bottom = MARGINS_FLAT
            span = np.maximum(high - low, self.box.step)
            middle = (low + high) / 2
            self.camera.fit(middle - span * 0.52, middle + span * 0.52, (left, top, right + bar, bottom))
        self.home_distance = self.camera.distance
        self.fitted = low, high
        self.set_frame(self.frame())

    def limit_camera(self) -> None:
        """Keep the camera where the cloud can be come back to, and where pixels are numbers: at most ``CAMERA_REACH``
        home distances from the middle of the cloud, and within the limits of zooming."""
        camera, reach = self.camera, CAMERA_REACH * self.home_distance
        low, high = self.fitted if self.fitted is not None else self.bounds()
        offset = camera.target - (low + high) / 2
        if not (np.isfinite(offset).all() and math.isfinite(camera.distance)):
            self.fit(orient=False)
            return
        beyond = float(np.abs(offset).max()) / reach
        if beyond > 1.0:
            camera.target = (low + high) / 2 + offset / beyond
        camera.distance = float(np.clip(camera.distance, *zoom_limits(self.home_distance)))

    def outgrown(self) -> bool:
        """Whether the bounding box has left that of the last fit by a twentieth of its size, or fills half of it."""
        low, high = self.bounds()
        if self.fitted is None:
            return True
        old_low, old_high = self.fitted
        size, old_size = float(np.linalg.norm(high - low)), float(np.linalg.norm(old_high - old_low))
        beyond = np.maximum(old_low - low, high - old_high).max()
        return bool(beyond > 0.05 * old_size or size < 0.5 * old_size)

    def reframed(self) -> bool:
        """Whether the camera has been moved or zoomed since the last fit. Turning it frames the same cloud."""
        return not np.array_equal(self.frame(), self._framed)

    def frame(self) -> np.ndarray:
        """What the camera frames: its target and distance, float64 (4,)."""
        return np.array([*self.camera.target, self.camera.distance])

    def set_frame(self, frame: np.ndarray) -> None:
        """Frame what ``frame()`` has given; it counts as a fit."""
        self.camera.target, self.camera.distance = frame[:3].copy(), float(frame[3])
        self._framed = frame


def beeswarm(x: np.ndarray) -> np.ndarray:
    """Sideways offsets float32 (N,) that spread points of one coordinate ``x`` (N,) into the shape of their density.

    Points of one of up to 160 bins are stacked about the axis in the order of their index, so that a point keeps its
    place while others move.
    """
    offsets = np.zeros(len(x), dtype=np.float32)
    known = np.flatnonzero(np.isfinite(x))
    if len(known) < 2:
        return offsets
    values = x[known].astype(np.float64)
    low, span = values.min(), float(np.ptp(values))
    if span == 0:
        return offsets
    bins = max(1, min(160, int(2 * math.sqrt(len(known)))))
    where = np.minimum(((values - low) / span * bins).astype(np.int64), bins - 1)
    order = np.argsort(where, kind="stable")
    counts = np.bincount(where, minlength=bins)
    first = np.cumsum(counts) - counts
    rank = np.arange(len(known)) - first[where[order]]
    stacked = rank - (counts[where[order]] - 1) / 2
    offsets[known[order]] = stacked * (2 * SWARM_HEIGHT * span / counts.max())
    return offsets


@dataclass(frozen=True, eq=False)
class CurveHit:
    """Where a curve passes nearest to a pixel: its ``segment``, the ``share`` of it, and the ``distance`` in pixels."""

    segment: int
    share: float
    distance: float


def hit_curve(pixels: np.ndarray, pixel: tuple[float, float]) -> CurveHit | None:
    """Where the polyline ``pixels`` (K, 2) is nearest to ``pixel``; None without a segment that can be seen."""
    if len(pixels) < 2:
        return None
    (segment,), (share,), (distance,) = nearest_on_polyline(pixels, np.array([pixel]))
    return None if np.isnan(distance) else CurveHit(int(segment), float(share), float(distance))


def insert_position(curve: np.ndarray, control: np.ndarray, segment: int) -> int:
    """Where in ``control`` (M, 3) a point on ``segment`` of ``curve`` (K, 3) belongs: the index it will have.

    A spline passes through its control points in order, so each has a nearest sample of the curve at or after that of
    its predecessor.
    """
    reached, position = 0, 0
    for place, point in enumerate(control):
        reached += int(((curve[reached:] - point) ** 2).sum(axis=1).argmin())
        if reached > segment:
            break
        position = place + 1
    return max(position, 1)
