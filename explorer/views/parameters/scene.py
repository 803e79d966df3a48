"""What the plane shows, as plain data that its painting and its gestures share."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from explorer.views.parameters.frame import PlaneFrame

REACH = 9.0  # pixels within which the mouse finds something


@dataclass(frozen=True)
class Hole:
    """A circle of the plane: centre (a, b) and radius, in the units of the factors."""

    a: float
    b: float
    radius: float


@dataclass(eq=False)
class PlaneScene:
    """The state of the plane.

    ``xy`` float32 (N, 2); ``split`` uint8 (N,), 1 is validation; ``colors`` uint8 (N, 4) or None; ``transects`` are
    names with points float64 (n, 2). ``hole`` has handles if ``hole_editable``; ``run_hole`` is drawn dashed.
    """

    frame: PlaneFrame = field(default_factory=PlaneFrame)
    xy: np.ndarray = field(default_factory=lambda: np.empty((0, 2), dtype=np.float32))
    split: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.uint8))
    colors: np.ndarray | None = None
    names: tuple[str, str] = ("x", "y")
    hole: Hole | None = None
    hole_editable: bool = False
    run_hole: Hole | None = None
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
        away = self.frame.to_pixels(self.xy) - np.array(at)
        squared = np.einsum("nk,nk->n", away, away)
        squared[~np.isfinite(squared)] = np.inf
        best = int(squared.argmin())
        return best if squared[best] <= REACH * REACH else None

    def within(self, one: tuple[float, float], other: tuple[float, float]) -> np.ndarray:
        """Samples in the rectangle between two pixels: int64 (k,)."""
        pixels = self.frame.to_pixels(self.xy)
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
        return found | {"rim": self._edge_handle(centre)}

    def _edge_handle(self, centre: tuple[float, float]) -> tuple[float, float]:
        right = self.frame.to_pixels(self.frame.seen_high[None])[0]
        return float(right[0]) - REACH, centre[1]

    def handle_at(self, at: tuple[float, float]) -> str | None:
        """The hole's handle within reach of a pixel; the rim's wins where a small hole lets them touch."""
        near = {name: math.dist(at, place) for name, place in self.handles().items()}
        near = {name: distance for name, distance in near.items() if distance <= REACH}
        return min(near, key=lambda name: (near[name], name == "centre")) if near else None


class PlaneBase(QWidget):
    """Signals and scene of the plane. Places are in the units of the factors on the axes."""

    cursor_moved = Signal(float, float)
    cursor_released = Signal()
    hovered = Signal(int)
    """Index of the sample under the mouse, -1: none."""
    picked = Signal(object, bool)
    """Indices int64 of samples in a rectangle; whether they are added to the selection."""
    sample_clicked = Signal(int)
    hole_moved = Signal(float, float, float)
    hole_released = Signal()
    stroke_drawn = Signal(object)
    """The corners of a transect, float64 (m, 2), inside the plane."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = PlaneScene()

    def nearest(self, at: tuple[float, float]) -> int | None:
        """The sample within reach of a pixel that is nearest to it."""
        return self.scene.nearest(at)

    def redraw(self) -> None:
        """The samples must be drawn anew, for they are seen from elsewhere."""
        raise NotImplementedError
