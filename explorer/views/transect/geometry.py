"""Where things stand in a transect's picture: three rows of images, curves under them, one place a point.

Rows and curves share their horizontal axis, so that one vertical line is one point everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QRectF

from explorer.views.transect.data import CURVES

LEFT = 62  # pixels for the rows' names and the first curve's scale
SCALE = 36  # for each further curve's scale, at the right
HEADER, AXIS, GAP = 20, 18, 2
LANE, LANE_GAP = 52, 10  # the least height of a curve of its own; between two of them
LEAST_SIDE, MOST_SIDE = 24, 120


@dataclass(frozen=True, eq=False)
class Layout:
    """Pixels of a picture of n points.

    ``x`` float64 (n,): the middle of each point's column. ``side``: width and height of an image. ``shown``: the points
    whose images have room. ``tops``: upper edges of the rows. ``lanes``: frames with the names of the curves in each.
    """

    x: np.ndarray
    side: int
    shown: tuple[int, ...]
    tops: tuple[int, ...]
    lanes: tuple[tuple[QRectF, tuple[str, ...]], ...]

    @property
    def rows_bottom(self) -> int:
        """Lower edge of the last row."""
        return self.tops[-1] + self.side

    @property
    def bottom(self) -> float:
        """Lower edge of the last curve's frame."""
        return self.lanes[-1][0].bottom()

    def half(self) -> float:
        """Half the width of a point's own column: images packed side by side share their border."""
        if len(self.x) < 2:
            return self.side / 2 + GAP
        return min(0.5 * float(self.x[1] - self.x[0]), self.side / 2 + GAP)

    def nearest(self, x: float) -> int:
        """The point whose column is nearest to ``x``."""
        return int(np.abs(self.x - x).argmin())

    def column(self, number: int) -> QRectF:
        """The images of point ``number``, from the first row's top to the last one's bottom."""
        left = round(float(self.x[number]) - self.side / 2)
        return QRectF(left, self.tops[0], self.side, self.rows_bottom - self.tops[0])


def arrange(width: int, height: int, total: int) -> Layout:
    """The layout of ``total`` ≥ 1 points in ``width`` × ``height`` pixels."""
    curves = max(46.0, 0.27 * height)
    room = (height - HEADER - AXIS - 4 * GAP - 8 - curves) / 3
    tall = int(min(MOST_SIDE, max(LEAST_SIDE, room)))
    split = height - HEADER - AXIS - 3 * (tall + GAP) - 8 >= 3 * LANE + 2 * LANE_GAP
    right = 14 if split else 2 * SCALE + 4
    usable = max(1.0, width - LEFT - right)
    side, step = _columns(usable, tall, total)
    x = LEFT + side / 2 + (np.arange(total) * ((usable - side) / (total - 1)) if total > 1 else np.zeros(1))
    offset = ((total - 1) % step) // 2
    tops = tuple(HEADER + row * (side + GAP) for row in range(3))
    frame = QRectF(LEFT, tops[-1] + side + 8, usable, 0.0)
    frame.setBottom(max(frame.top() + 24.0, height - AXIS))
    return Layout(x, side, tuple(range(offset, total, step)), tops, _lanes(frame, split))


def _columns(usable: float, tall: int, total: int) -> tuple[int, int]:
    """The images' side, and every how many points one is shown: all of them if they stay recognisable."""
    all_of_them = (usable - GAP * (total - 1)) / total
    if all_of_them >= LEAST_SIDE:
        return int(min(tall, all_of_them)), 1
    side = int(max(LEAST_SIDE, min(tall, 44, usable)))
    spacing = max(1e-6, (usable - side) / (total - 1))
    return side, min(total, math.ceil((side + GAP) / spacing))


def _lanes(frame: QRectF, split: bool) -> tuple[tuple[QRectF, tuple[str, ...]], ...]:
    """One frame with every curve on its own scale, or, where there is room, a frame for each."""
    if not split:
        return ((frame, CURVES),)
    height = (frame.height() - 2 * LANE_GAP) / 3
    return tuple(
        (QRectF(frame.left(), frame.top() + number * (height + LANE_GAP), frame.width(), height), (name,))
        for number, name in enumerate(CURVES)
    )


def bounds(name: str, values: np.ndarray, log: bool) -> tuple[float, float]:
    """Round ends of the scale of curve ``name`` with ``values`` (n,); NaN is left out.

    SSIM ends at 1 and distances begin at 0; ``log`` makes the excess BCE's ends 1, 2 or 5 times a power of ten.
    """
    finite = values[np.isfinite(values)]
    if name == "ssim":
        low = float(finite.min()) if len(finite) else 0.0
        return min(0.95, math.floor(low * 20.0) / 20.0), 1.0
    if name == "excess_bce" and log:
        finite = finite[finite > 0]
        if not len(finite):
            return 1e-4, 1e-2
        low, high = _round(float(finite.min()), up=False), _round(float(finite.max()), up=True)
        return (low, high) if low < high else (low / 2, high * 2)
    high = float(finite.max()) if len(finite) else 0.0
    return min(0.0, float(finite.min()) if len(finite) else 0.0), _round(high, up=True) if high > 0 else 1.0


def _round(value: float, up: bool) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    steps = [step * power for step in (1.0, 2.0, 5.0, 10.0)]
    slack = 1e-9 * value
    if up:
        return float(f"{next(step for step in steps if step >= value - slack):.3g}")
    return float(f"{next(step for step in reversed(steps) if step <= value + slack):.3g}")


def normalised(values: np.ndarray, low: float, high: float, log: bool) -> np.ndarray:
    """Where ``values`` stand between ``low`` (0) and ``high`` (1); on a log scale what is not positive is NaN."""
    values = np.asarray(values, dtype=np.float64)
    if log:
        values = np.log(np.where(values > 0.0, values, np.nan))
        low, high = math.log(low), math.log(high)
    return (values - low) / (high - low)
