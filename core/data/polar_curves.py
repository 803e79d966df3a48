"""The family of polar curves R(theta) = b cos(5 theta) + a: its parameter plane, its hole, its transects, its images.

The scale a is in [0.5, 2], the depth b of the petals in [0, 2]; R may be negative, the curve then passes through the
origin. Images are white strokes on black, 8-bit grey. Source of the family, of the hole, the transects and the
*article* geometry: "Zero-shot Learning with VAEs", parts 1-3 (2021).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

SCALE_RANGE = (0.5, 2.0)
DEPTH_RANGE = (0.0, 2.0)
FACTOR_NAMES = ("a", "b")
PETALS = 5
CURVE_SAMPLES = 500
TRANSECTS = {
    "P1": ((1.25, 0.0), (1.25, 2.0)),
    "P2": ((0.5, 1.0), (2.0, 1.0)),
    "P3": ((0.5, 2.0), (2.0, 0.0)),
}
"""Straight lines in (a, b), each through the centre of the published hole, (start, end)."""

Geometry = Literal["article", "square"]

# article: the published plots, in pixels of their canvas
CANVAS = (875, 656)  # width, height
CANVAS_UNIT = 66.83  # pixels a unit of R
CANVAS_CENTRE = (454.73, 318.15)  # of the curve's bounding box, from the top-left corner
CANVAS_STROKE = 8.33
REDUCED = (229, 172)  # the canvas was stored at this size

# square: the origin in the middle, the largest curve (R = 4) just inside
SQUARE_REACH = 4.25  # units from the middle to the border
SQUARE_STROKE = 2.5 / 256  # of the image's side


def draw_parameters(count: int, seed: int) -> np.ndarray:
    """(a, b) float64 (count, 2), uniform over the plane: a = 1.5 u + 0.5, b = 2 u."""
    low = np.array([SCALE_RANGE[0], DEPTH_RANGE[0]])
    high = np.array([SCALE_RANGE[1], DEPTH_RANGE[1]])
    return low + (high - low) * np.random.default_rng(seed).random((count, 2))


def grid(scales: int, depths: int) -> np.ndarray:
    """(a, b) float64 (scales * depths, 2): every pair of equally spaced values, ends included, b fastest."""
    a, b = np.linspace(*SCALE_RANGE, scales), np.linspace(*DEPTH_RANGE, depths)
    return np.stack(np.meshgrid(a, b, indexing="ij"), axis=-1).reshape(-1, 2)


def inside_hole(ab: np.ndarray, centre: tuple[float, float] = (1.25, 1.0), radius: float = 0.3) -> np.ndarray:
    """Whether each (a, b) of (n, 2) is within ``radius`` of ``centre``: bool (n,). A radius of 0 holds nothing."""
    distance = np.hypot(ab[:, 0] - centre[0], ab[:, 1] - centre[1])
    return distance < radius


def outline(a: float, b: float) -> np.ndarray:
    """The curve as float64 (500, 2) points (x, y), y up, theta equally spaced over [0, 2 pi]."""
    theta = np.linspace(0.0, 2.0 * np.pi, CURVE_SAMPLES)
    radius = b * np.cos(PETALS * theta) + a
    return np.stack([radius * np.cos(theta), radius * np.sin(theta)], axis=1)


@dataclass(frozen=True)
class _Raster:
    """Where coverage is wanted: the centres' coordinates x (w,), y (h,) in pixels, and the stroke's width there."""

    x: np.ndarray
    y: np.ndarray
    stroke: float


def _coverage(points: np.ndarray, raster: _Raster) -> np.ndarray:
    """float32 (h, w) in [0, 1]: how much of each pixel a polyline with round joins and caps covers.

    A pixel whose centre is at distance r of the line is covered by clip(stroke / 2 + 1/2 - r, 0, 1): exact for an
    edge along the axes, within 0.043 for a slanted one. Where strokes meet at an angle, the larger coverage counts and
    not their union. Against 8 × 8 exact samples a pixel, images of 256² differ by a mean square of at most 1.4e-6
    (article) and 8e-5 (square) of full scale². Only pixels near a segment are looked at.
    """
    start, step = points[:-1].astype(np.float32), np.diff(points, axis=0).astype(np.float32)
    reach = 0.5 * raster.stroke + 0.5
    columns = _window(points[:, 0], reach, raster.x)
    rows = _window(points[:, 1], reach, raster.y)
    dx = raster.x.astype(np.float32)[columns] - start[:, :1]
    dy = raster.y.astype(np.float32)[rows] - start[:, 1:]
    squared = np.maximum(np.einsum("sk,sk->s", step, step), np.float32(1e-12))
    unit = step / squared[:, None]
    along = (dy * unit[:, 1:])[:, :, None] + (dx * unit[:, :1])[:, None, :]
    np.clip(along, 0.0, 1.0, out=along)
    from_x = dx[:, None, :] - along * step[:, 0, None, None]
    along *= step[:, 1, None, None]
    from_y = np.subtract(dy[:, :, None], along, out=along)
    distance = np.square(from_x, out=from_x)
    distance += np.square(from_y, out=from_y)
    near = np.flatnonzero(distance < reach * reach)
    value = reach - np.sqrt(distance.ravel()[near])
    where = (rows[:, :, None] * len(raster.x) + columns[:, None, :]).ravel()[near]
    image = np.zeros(len(raster.y) * len(raster.x), dtype=np.float32)
    np.maximum.at(image, where, np.minimum(value, np.float32(1.0)))
    return image.reshape(len(raster.y), len(raster.x))


def _window(line: np.ndarray, reach: float, centres: np.ndarray) -> np.ndarray:
    """Indices int64 (segments, k) of the ``centres`` near each segment; all rows have the k of the widest."""
    low = np.minimum(line[:-1], line[1:]) - reach
    high = np.maximum(line[:-1], line[1:]) + reach
    first = np.searchsorted(centres, low)
    widest = int((np.searchsorted(centres, high) - first).max())
    first = np.clip(first, 0, max(len(centres) - widest, 0))
    return first[:, None] + np.arange(min(max(widest, 1), len(centres)))


@lru_cache
def _reduction() -> tuple[_Raster, np.ndarray, np.ndarray]:
    """The canvas pixels that the reduction reads (two a target column and row), and their weights (., 2)."""
    centres, weights = [], []
    for full, small in zip(CANVAS, REDUCED, strict=True):
        place = (np.arange(small) + 0.5) * full / small - 0.5
        left = np.floor(place)
        fraction = place - left
        centres.append(np.stack([left, left + 1], axis=1).ravel() + 0.5)
        weights.append(np.stack([1.0 - fraction, fraction], axis=1).astype(np.float32))
    return _Raster(centres[0], centres[1], CANVAS_STROKE), weights[1], weights[0]


def _render_article(a: float, b: float, size: int) -> np.ndarray:
    from PIL import Image  # not for those who only ask for the parameter plane

    raster, row_weights, column_weights = _reduction()
    points = outline(a, b) * (CANVAS_UNIT, -CANVAS_UNIT)
    points += np.array(CANVAS_CENTRE) - 0.5 * (points.min(axis=0) + points.max(axis=0))
    canvas = _coverage(points, raster)
    rows = canvas.reshape(REDUCED[1], 2, -1)
    rows = rows[:, 0] * row_weights[:, :1] + rows[:, 1] * row_weights[:, 1:]
    small = rows[:, 0::2] * column_weights[:, 0] + rows[:, 1::2] * column_weights[:, 1]
    return np.asarray(Image.fromarray(small).resize((size, size), Image.Resampling.BILINEAR))


def _render_square(a: float, b: float, size: int) -> np.ndarray:
    centres = np.arange(size) + 0.5
    unit = 0.5 * size / SQUARE_REACH
    points = outline(a, b) * (unit, -unit) + 0.5 * size
    return _coverage(points, _Raster(centres, centres, max(SQUARE_STROKE * size, 1.0)))


def render_one(a: float, b: float, size: int = 256, geometry: Geometry = "article") -> np.ndarray:
    """One image uint8 (size, size).

    ``article``: drawn on an 875 × 656 canvas, the curve's *bounding box* centred at (454.73, 318.15), reduced to
    229 × 172 by taking the four neighbours of each target pixel's centre, then stretched to the square. ``square``: the
    origin in the middle, one scale on both axes, a stroke of 2.5 px at 256².
    """
    draw = _render_article if geometry == "article" else _render_square
    return np.rint(draw(a, b, size) * 255.0).clip(0, 255).astype(np.uint8)


def render(
    ab: np.ndarray,
    size: int = 256,
    geometry: Geometry = "article",
    progress: Callable[[float], None] | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Images uint8 (n, size, size) of (a, b) float (n, 2); each is ``render_one``'s, pixel for pixel.

    ``progress`` is told the share that is done; ``out`` receives the images if given. Raises ``ValueError`` for
    parameters that are not finite, or a size outside 32 to 512.
    """
    ab = np.asarray(ab, dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(ab).all():
        raise ValueError("ab holds a number that is not finite; a and b must be.")
    if not 32 <= size <= 512:
        raise ValueError(f"size is {size}; it must be 32 to 512 pixels.")
    images = np.empty((len(ab), size, size), dtype=np.uint8) if out is None else out

    def draw(index: int) -> None:
        images[index] = render_one(float(ab[index, 0]), float(ab[index, 1]), size, geometry)

    # numpy lets go of the interpreter inside its loops, so threads overlap; processes would cost a second to start.
    with ThreadPoolExecutor(max_workers=2) as pool:
        for done, _ in enumerate(pool.map(draw, range(len(ab)))):
            if progress is not None and done % 64 == 0:
                progress(done / len(ab))
    if progress is not None:
        progress(1.0)
    return images
