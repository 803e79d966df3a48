"""The box around the cloud: ticks at round numbers, grid lines on the faces behind the points, places for the labels.

Only geometry in view coordinates; who draws it decides on colours. numpy only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from core.rendering.camera import Camera

END_SLACK = 0.01  # of its range: how far the outermost tick of a colour bar may be from the end


def nice_step(span: float, count: int) -> float:
    """The round step 1, 2 or 5 times a power of ten that divides ``span`` into about ``count`` parts."""
    raw = max(span, 1e-12) / count
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * factor for factor in (1.0, 2.0, 5.0, 10.0) if raw <= power * factor * 1.000001)


def tick_text(value: float, step: float) -> str:
    """``value`` with just the decimals that ``step`` needs, and a true minus sign."""
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    text = f"{value:.{decimals}f}" if 1e-4 <= step < 1e6 else f"{value:.3g}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def bar_ticks(low: float, high: float, most: int) -> tuple[np.ndarray, float]:
    """Round values (n,) from low to high and their step: the coarsest step that gives three or more, ``most`` at most.

    The outermost may miss an end by a hundredth of the range: samples rarely reach the round ends of theirs.
    """
    span = high - low
    if not span > 0.0:
        return np.array([low]), 1.0
    found, step = np.zeros(0), span
    for count in range(1, most + 1):
        tried = nice_step(span, count)
        slack = END_SLACK * span / tried
        ticks = np.arange(np.ceil(low / tried - slack), np.floor(high / tried + slack) + 1) * tried
        if len(ticks) > most and len(found):
            break
        found, step = ticks, tried
        if len(ticks) >= 3:
            break
    return found, step


def count_ticks(high: float, most: int) -> np.ndarray:
    """Round numbers (n,), ``most`` at most, from 1 to ``high`` for a logarithmic scale of counts, and ``high``."""
    powers = 10.0 ** np.arange(0, math.floor(math.log10(max(high, 1.0)) + 1e-9) + 1)
    finer = np.sort(np.concatenate([powers, 2 * powers, 5 * powers]))
    ticks = finer[finer <= high] if (finer <= high).sum() < most else powers
    ticks = ticks[:: -(-len(ticks) // max(most - 1, 1))]
    near = np.log(high / ticks) < 0.08 * math.log(max(high, 2.0))
    return np.append(ticks[~near], high)


@dataclass(frozen=True, eq=False)
class Box:
    """A box that holds the points: ``low``, ``high`` float64 (3,), and the ``step`` of the ticks on all its axes."""

    low: np.ndarray
    high: np.ndarray
    step: float

    def ticks(self, axis: int) -> np.ndarray:
        """Tick positions on ``axis``."""
        first, last = np.ceil(self.low[axis] / self.step - 1e-6), np.floor(self.high[axis] / self.step + 1e-6)
        return np.arange(int(first), int(last) + 1) * self.step

    def lines(self, axis: int) -> np.ndarray:
        """Positions on ``axis`` where grid lines cross it: the ticks, and the box's ends."""
        ticks = self.ticks(axis)
        inner = ticks[(ticks > self.low[axis] + self.step * 1e-6) & (ticks < self.high[axis] - self.step * 1e-6)]
        return np.concatenate([[self.low[axis]], inner, [self.high[axis]]])

    @property
    def centre(self) -> np.ndarray:
        """The middle, float64 (3,)."""
        return (self.low + self.high) / 2


def make_box(low: np.ndarray, high: np.ndarray, dims: int = 3, count: int = 6) -> Box:
    """The box that holds ``low`` to ``high`` with a little room; axes from ``dims`` on keep those ends.

    It ends at quarters of a tick's step, so that it stands still while the points stir a little.
    """
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    span = float((high - low)[:dims].max())
    middle = float(np.abs(np.stack([low, high])).max())
    span = max(span, 1e-6 * middle, 1e-9)  # equal points still have a box around them
    step = nice_step(span, count)
    quarter = step / 4
    snapped_low = np.floor((low - 0.02 * span) / quarter) * quarter
    snapped_high = np.ceil((high + 0.02 * span) / quarter) * quarter
    snapped_low[dims:], snapped_high[dims:] = low[dims:], high[dims:]
    return Box(snapped_low, snapped_high, step)


@dataclass(frozen=True, eq=False)
class GridLines:
    """Lines float64 (n, 2, 3) from start to end; ``strong`` bool (n,): an edge of the box, or a zero line."""

    lines: np.ndarray
    strong: np.ndarray


def back_faces(box: Box, camera: Camera) -> np.ndarray:
    """For each axis the position float64 (3,) of the face that lies behind the points."""
    return np.where(camera.eye() > box.centre, box.low, box.high)


def back_grid(box: Box, camera: Camera) -> GridLines:
    """The grid on the three faces of the box that lie behind the points, each line once."""
    behind = back_faces(box, camera)
    lines: list[np.ndarray] = []
    strong: list[bool] = []
    for face in range(3):
        for along in range(3):
            if along == face:
                continue
            across = 3 - face - along
            for tick in box.lines(across):
                at_back = math.isclose(tick, behind[across], abs_tol=box.step * 1e-6)
                if at_back and across < face:
                    continue  # the edge where two back faces meet has been drawn with the other face
                line = np.empty((2, 3))
                line[:, face] = behind[face]
                line[:, across] = tick
                line[:, along] = box.low[along], box.high[along]
                lines.append(line)
                strong.append(at_back or abs(tick) < box.step * 1e-6)
    return GridLines(np.array(lines), np.array(strong, dtype=bool))


def flat_grid(camera: Camera, dims: int) -> tuple[GridLines, float]:
    """The grid of a flat view over the whole viewport, and its step; with ``dims`` 1 only the vertical lines."""
    width, height = camera.viewport
    step = nice_step(max(width, 1.0) / camera.pixels_per_unit, max(3, int(width / 110)))
    low, high = camera.unproject((0.0, height), camera.distance), camera.unproject((width, 0.0), camera.distance)
    lines: list[np.ndarray] = []
    strong: list[bool] = []
    for axis in range(dims):
        for number in range(math.ceil(low[axis] / step), math.floor(high[axis] / step) + 1):
            line = np.zeros((2, 3))
            line[:, axis] = number * step
            line[:, 1 - axis] = low[1 - axis], high[1 - axis]
            lines.append(line)
            strong.append(number == 0)
    return GridLines(np.array(lines).reshape(-1, 2, 3), np.array(strong, dtype=bool)), step


@dataclass(frozen=True, eq=False)
class LabelledEdge:
    """An edge of the box that carries an axis' numbers.

    ``ticks`` float64 (n,) with ``pixels`` (n, 2) where they are; ``start`` and ``end`` (2,) pixels of the edge;
    ``outward`` (2,) unit vector on the screen, away from the box.
    """

    axis: int
    ticks: np.ndarray
    pixels: np.ndarray
    start: np.ndarray
    end: np.ndarray
    outward: np.ndarray


def labelled_edges(box: Box, camera: Camera) -> list[LabelledEdge]:
    """One outer edge for each axis: those of the floor for the first two, the left-hand one for the third."""
    behind = back_faces(box, camera)
    front = np.where(behind == box.low, box.high, box.low)
    centre = camera.project(box.centre[None])[0][0]
    edges = []
    for axis in range(3):
        first, second = (i for i in range(3) if i != axis)
        # Edges between a back face and a front face are the outline of the drawn grid.
        options = [{first: front[first], second: behind[second]}, {first: behind[first], second: front[second]}]
        made = [_edge(box, camera, axis, option, centre) for option in options]
        known = [edge for edge in made if edge is not None]
        if axis < 2:
            known = known[:1]  # the option that lies on the floor: the other coordinate is the third axis'
        if known:
            edges.append(min(known, key=lambda edge: (edge.start + edge.end)[0]))
    return edges


def _edge(box: Box, camera: Camera, axis: int, fixed: dict[int, float], centre: np.ndarray) -> LabelledEdge | None:
    ticks = box.ticks(axis)
    points = np.empty((len(ticks) + 2, 3))
    points[:, axis] = [box.low[axis], *ticks, box.high[axis]]
    for other, value in fixed.items():
        points[:, other] = value
    pixels, _ = camera.project(points)
    along = pixels[-1] - pixels[0]
    length = float(np.hypot(*along))
    if not math.isfinite(length):
        return None
    if length < 1.0:  # seen end-on
        along, length = np.array([1.0, 0.0]), 1.0
    outward = np.array([-along[1], along[0]]) / length
    if outward @ ((pixels[0] + pixels[-1]) / 2 - centre) < 0:
        outward = -outward
    return LabelledEdge(axis, ticks, pixels[1:-1], pixels[0], pixels[-1], outward)
