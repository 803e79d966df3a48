"""What the plane of two factors shows, as plain data, and where it is on the screen: ranges, zoom, pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from PySide6.QtCore import QPointF, QRectF

from core.rendering.axes import nice_step, tick_text

MARGIN = 0.035  # of the bounds' span, so that samples on the border are whole
CLOSEST = 1 / 200  # of the whole span: nearer than this nobody looks
LEFT, TOP, RIGHT = 46.0, 8.0, 12.0  # pixels for numbers and names of the axes
BOTTOM, BOTTOM_LOW = 36.0, 19.0  # with the name in a row of its own, or among the numbers where height is scarce
CLASS_ROOM = 72.0  # pixels for the name of a class along the lower axis
LOW = 230  # pixels of height
REACH = 9.0  # pixels within which the mouse finds something


class PlaneFrame:
    """Maps (x, y) of the plane, y up, to widget pixels, y down. Zoom and pan never leave the bounds."""

    def __init__(self) -> None:
        self.low, self.high = np.zeros(2), np.ones(2)
        self._home_low, self._home_high = np.zeros(2), np.ones(2)
        self.seen_low, self.seen_high = np.zeros(2), np.ones(2)
        self.width, self.height = 1.0, 1.0
        self.classes: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())  # names of the places on an axis
        self.low_place = False  # little height: the numbers and the name of the lower axis share a row
        self.set_bounds(self.low, self.high)

    def set_bounds(self, low: np.ndarray, high: np.ndarray) -> None:
        """Show the plane from ``low`` (2,) to ``high`` (2,) whole; a flat axis gets half a unit around it."""
        low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
        flat = ~(high > low)
        self.low, self.high = np.where(flat, low - 0.5, low), np.where(flat, low + 0.5, high)
        pad = MARGIN * (self.high - self.low)
        self._home_low, self._home_high = self.low - pad, self.high + pad
        self.reset()

    def resize(self, width: float, height: float) -> None:
        """The widget is so many pixels large."""
        self.low_place = height < LOW
        bottom = BOTTOM_LOW if self.low_place else BOTTOM
        self.width, self.height = max(1.0, width - LEFT - RIGHT), max(1.0, height - TOP - bottom)

    @property
    def magnification(self) -> float:
        """How much of the plane is seen, as an enlargement of its area, 1 or more."""
        return float(np.prod((self._home_high - self._home_low) / (self.seen_high - self.seen_low)))

    @property
    def area(self) -> QRectF:
        """The pixels that the plane itself takes."""
        return QRectF(LEFT, TOP, self.width, self.height)

    def reset(self) -> None:
        """Show everything."""
        self.seen_low, self.seen_high = self._home_low.copy(), self._home_high.copy()

    def zoom(self, factor: float, at: tuple[float, float]) -> None:
        """Enlarge by ``factor`` about the pixel ``at``."""
        whole = self._home_high - self._home_low
        span = np.clip((self.seen_high - self.seen_low) / factor, whole * CLOSEST, whole)
        fixed = self.from_pixels(at)
        fraction = (fixed - self.seen_low) / (self.seen_high - self.seen_low)
        self._show(fixed - fraction * span, span)

    def pan(self, dx: float, dy: float) -> None:
        """Move what is seen by so many pixels."""
        span = self.seen_high - self.seen_low
        self._show(self.seen_low - np.array([dx / self.width, -dy / self.height]) * span, span)

    def _show(self, low: np.ndarray, span: np.ndarray) -> None:
        self.seen_low = np.clip(low, self._home_low, np.maximum(self._home_low, self._home_high - span))
        self.seen_high = self.seen_low + span

    def to_pixels(self, xy: np.ndarray) -> np.ndarray:
        """Pixels float64 (n, 2) of places (n, 2)."""
        fraction = (np.asarray(xy, dtype=np.float64) - self.seen_low) / (self.seen_high - self.seen_low)
        return np.stack([LEFT + fraction[:, 0] * self.width, TOP + (1.0 - fraction[:, 1]) * self.height], axis=1)

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """The pixel of one place."""
        across, down = self.to_pixels(np.array([[x, y]]))[0].tolist()
        return across, down

    def from_pixels(self, at: tuple[float, float]) -> np.ndarray:
        """The place float64 (2,) under a pixel."""
        fraction = np.array([(at[0] - LEFT) / self.width, 1.0 - (at[1] - TOP) / self.height])
        return self.seen_low + fraction * (self.seen_high - self.seen_low)

    def inside(self, at: tuple[float, float]) -> np.ndarray:
        """The place float64 (2,) under a pixel, moved into the bounds."""
        return np.clip(self.from_pixels(at), self.low, self.high)

    def holds(self, at: tuple[float, float]) -> bool:
        """Whether a pixel lies in the plane, not on its axes."""
        return self.area.contains(QPointF(*at))

    def scale(self) -> np.ndarray:
        """Pixels a unit of each axis, float64 (2,)."""
        return np.array([self.width, self.height]) / (self.seen_high - self.seen_low)

    def text(self, axis: int, value: float) -> str:
        """One value of axis 0 or 1 in words."""
        names, place = self.classes[axis], round(value) if math.isfinite(value) else -1
        return names[place] if 0 <= place < len(names) else f"{value:.3f}"

    def ticks(self, axis: int) -> dict[float, str]:
        """Round numbers along axis 0 or 1, as many as have room, with their texts; of classes, their names."""
        low, high = float(self.seen_low[axis]), float(self.seen_high[axis])
        if self.classes[axis]:
            every = max(1, math.ceil((CLASS_ROOM if axis == 0 else 16.0) / float(self.scale()[axis])))
            seen = range(max(0, math.ceil(low)), min(len(self.classes[axis]), math.floor(high) + 1))
            return {float(place): self.classes[axis][place] for place in seen if place % every == 0}
        step = nice_step(high - low, max(2, int(self.width / 64.0 if axis == 0 else self.height / 28.0)))
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        return {number * step: tick_text(number * step, step) for number in range(first, last + 1)}


@dataclass(frozen=True)
class Hole:
    """A circle of the plane: centre (a, b) and radius, in the units of the factors."""

    a: float
    b: float
    radius: float


Region = tuple[tuple[float, float], tuple[float, float]]
"""A rectangle of the plane: its range along x and along y, infinite where it has no end."""


@dataclass(eq=False)
class PlaneScene:
    """The state of the plane.

    ``xy`` float32 (N, 2); ``split`` uint8 (N,) as in ``core.runs.directory.ProbeSet``; ``colors`` uint8 (N, 4) or None;
    ``transects`` are names with points float64 (n, 2). ``hole`` has handles if ``hole_editable``; ``run_hole`` and the
    regions that the run holds out beside it are drawn dashed.
    """

    frame: PlaneFrame = field(default_factory=PlaneFrame)
    xy: np.ndarray = field(default_factory=lambda: np.empty((0, 2), dtype=np.float32))
    split: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.uint8))
    colors: np.ndarray | None = None
    names: tuple[str, str] = ("x", "y")
    hole: Hole | None = None
    hole_editable: bool = False
    run_hole: Hole | None = None
    held_out: tuple[Region, ...] = ()
    cursor: tuple[float, float] | None = None
    selected: int | None = None
    highlight: np.ndarray | None = None
    hovered: int | None = None
    transects: list[tuple[str, np.ndarray]] = field(default_factory=list)
    chosen: int | None = None
    position: int | None = None

    def nearest(self, at: tuple[float, float]) -> int | None:
        """The sample within reach of a pixel that is nearest to it."""
        if not len(self.xy):
            return None
        away = self._seen() - np.array(at)
        squared = np.einsum("nk,nk->n", away, away)
        squared[~np.isfinite(squared)] = np.inf
        best = int(squared.argmin())
        return best if squared[best] <= REACH * REACH else None

    def _seen(self) -> np.ndarray:
        """Pixels (N, 2) of the samples, not numbers where a colour of alpha 0 hides one."""
        pixels = self.frame.to_pixels(self.xy)
        if self.colors is not None and len(self.colors) == len(pixels):
            pixels = np.where(self.colors[:, 3:] > 0, pixels, np.nan)
        return pixels

    def within(self, one: tuple[float, float], other: tuple[float, float]) -> np.ndarray:
        """Samples in the rectangle between two pixels: int64 (k,)."""
        pixels = self._seen()
        low, high = np.minimum(one, other), np.maximum(one, other)
        return np.flatnonzero(((pixels >= low) & (pixels <= high)).all(axis=1)).astype(np.int64)

    def handles(self) -> dict[str, tuple[float, float]]:
        """Pixels of the hole's handles that can be seen: "centre", and "rim" where the circle is inside the plane."""
        if self.hole is None or not self.hole_editable:
            return {}
        hole, found = self.hole, {}
        centre = self.frame.pixel(hole.a, hole.b)
        if self.frame.holds(centre):
            found["centre"] = centre
        for across, up in ((1, 0), (-1, 0), (0, 1), (0, -1), (0.7071, 0.7071), (-0.7071, -0.7071)):
            rim = self.frame.pixel(hole.a + across * hole.radius, hole.b + up * hole.radius)
            if self.frame.holds(rim):
                return found | {"rim": rim}
        # A circle larger than the plane is held at its centre's side, where the handle can still be reached.
        return found | {"rim": (self.frame.area.right() - REACH, centre[1])}

    def handle_at(self, at: tuple[float, float]) -> str | None:
        """The hole's handle within reach of a pixel; the rim's wins where a small hole lets them touch."""
        near = {name: math.dist(at, place) for name, place in self.handles().items()}
        near = {name: distance for name, distance in near.items() if distance <= REACH}
        return min(near, key=lambda name: (near[name], name == "centre")) if near else None
