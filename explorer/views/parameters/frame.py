"""Where the plane of two factors stands on the screen: ranges, zoom, and pixels to factors and back."""

from __future__ import annotations

import math

import numpy as np

MARGIN = 0.035  # of the bounds' span, so that samples on the border are whole
CLOSEST = 1 / 200  # of the whole span: nearer than this nobody looks
LEFT, TOP, RIGHT = 46.0, 8.0, 12.0  # pixels for numbers and names of the axes
BOTTOM, BOTTOM_LOW = 36.0, 19.0  # with the name in a row of its own, or among the numbers where height is scarce
LOW = 230  # pixels of height


class PlaneFrame:
    """Maps (x, y) of the plane, y up, to widget pixels, y down. Zoom and pan never leave the bounds."""

    def __init__(self) -> None:
        self.low, self.high = np.zeros(2), np.ones(2)
        self._home_low, self._home_high = np.zeros(2), np.ones(2)
        self.seen_low, self.seen_high = np.zeros(2), np.ones(2)
        self.width, self.height = 1.0, 1.0
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
    def zoomed(self) -> bool:
        """Whether less than the whole plane is seen."""
        return not (np.allclose(self.seen_low, self._home_low) and np.allclose(self.seen_high, self._home_high))

    @property
    def magnification(self) -> float:
        """How much of the plane is seen, as an enlargement of its area, 1 or more."""
        return float(np.prod((self._home_high - self._home_low) / (self.seen_high - self.seen_low)))

    def reset(self) -> None:
        """Show everything."""
        self.seen_low, self.seen_high = self._home_low.copy(), self._home_high.copy()

    def zoom(self, factor: float, at: tuple[float, float]) -> None:
        """Enlarge by ``factor`` about the pixel ``at``."""
        whole = self._home_high - self._home_low
        span = np.clip((self.seen_high - self.seen_low) / factor, whole * CLOSEST, whole)
        fixed = self.from_pixels(at)
        share = (fixed - self.seen_low) / (self.seen_high - self.seen_low)
        self._look(fixed - share * span, span)

    def pan(self, dx: float, dy: float) -> None:
        """Move what is seen by so many pixels."""
        span = self.seen_high - self.seen_low
        self._look(self.seen_low - np.array([dx / self.width, -dy / self.height]) * span, span)

    def _look(self, low: np.ndarray, span: np.ndarray) -> None:
        self.seen_low = np.clip(low, self._home_low, np.maximum(self._home_low, self._home_high - span))
        self.seen_high = self.seen_low + span

    def to_pixels(self, xy: np.ndarray) -> np.ndarray:
        """Pixels float64 (n, 2) of places (n, 2)."""
        share = (np.asarray(xy, dtype=np.float64) - self.seen_low) / (self.seen_high - self.seen_low)
        return np.stack([LEFT + share[:, 0] * self.width, TOP + (1.0 - share[:, 1]) * self.height], axis=1)

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """The pixel of one place."""
        across, down = self.to_pixels(np.array([[x, y]]))[0].tolist()
        return across, down

    def from_pixels(self, at: tuple[float, float]) -> np.ndarray:
        """The place float64 (2,) under a pixel."""
        share = np.array([(at[0] - LEFT) / self.width, 1.0 - (at[1] - TOP) / self.height])
        return self.seen_low + share * (self.seen_high - self.seen_low)

    def inside(self, at: tuple[float, float]) -> np.ndarray:
        """The place float64 (2,) under a pixel, moved into the bounds."""
        return self.clamp(self.from_pixels(at))

    def clamp(self, place: np.ndarray) -> np.ndarray:
        """``place`` (2,) moved into the bounds."""
        return np.clip(place, self.low, self.high)

    def holds(self, at: tuple[float, float]) -> bool:
        """Whether a pixel lies in the plane, not on its axes."""
        return LEFT <= at[0] <= LEFT + self.width and TOP <= at[1] <= TOP + self.height

    def scale(self) -> np.ndarray:
        """Pixels a unit of each axis, float64 (2,)."""
        return np.array([self.width, self.height]) / (self.seen_high - self.seen_low)

    def ticks(self, axis: int) -> list[float]:
        """Round numbers along axis 0 or 1, as many as have room."""
        room = self.width / 64.0 if axis == 0 else self.height / 28.0
        return round_numbers(float(self.seen_low[axis]), float(self.seen_high[axis]), max(2, int(room)))


def round_numbers(low: float, high: float, most: int) -> list[float]:
    """At most ``most`` + 1 multiples of 1, 2 or 5 times a power of ten from ``low`` to ``high``."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return []
    raw = span / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]
