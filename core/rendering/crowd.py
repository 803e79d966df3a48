"""Pictures of very many points by numpy, in portions of milliseconds: each point a small square, the nearest one seen.

The points come in a shuffled order that is made once, so that the first so many of them are a fair sample: a picture
that is given up half-way, because the camera has moved on, shows the whole cloud thinly; one that rests gets denser.
A depth for each pixel takes the place of sorting all points. ``Density`` counts points instead of drawing them.
"""

from __future__ import annotations

from functools import lru_cache
from time import perf_counter

import numpy as np

from core.rendering.camera import Camera
from core.rendering.colormaps import lut
from core.rendering.depth import DepthCue, fades, far_to_near
from core.rendering.point_splatting import PAD, mix

CROWD = 150_000
"""From so many points on the cloud is drawn in portions."""
PORTION = 32_768
FAINT = 128
"""A point of a lower alpha hides none of a higher one."""
_OPAQUE = np.uint32(0xFF000000)
_EMPTY = np.float32(3e38)
_BEHIND = 16.0  # times the depth of the farthest points: where faint ones are, for the others


@lru_cache(maxsize=2)
def shuffled(count: int) -> np.ndarray:
    """The places uint32 (count,) of all points in an order drawn at random, the same every time; read-only."""
    order = np.arange(count, dtype=np.uint32)
    np.random.default_rng(0).shuffle(order)
    order.setflags(write=False)
    return order


def point_side(radius: float) -> int:
    """Pixels of the side of the square that stands for a disc of ``radius`` device pixels: 1 or 2."""
    return 2 if radius >= 0.85 else 1


def density_cell(radius: float) -> int:
    """Pixels of the side of a cell in which points of ``radius`` device pixels are counted."""
    return max(1, round(radius * 0.8))


def density_label(what: str, cell: int) -> str:
    """What a legend says is counted, such as "samples per 2 × 2 px"."""
    return f"{what} per {'pixel' if cell == 1 else f'{cell} × {cell} px'}"


class _Portions:
    """Takes points (3, N) float32 in shuffled order to the pixels of a picture; rows that are not finite are left out.

    ``ratio``: device pixels in a pixel of ``camera``'s viewport. ``margin``: device pixels beyond the picture's border.
    """

    def __init__(self, columns: np.ndarray, camera: Camera, ratio: float, size: tuple[int, int]) -> None:
        self._columns, self._camera, self._ratio = columns, camera, np.float32(ratio)
        self._order = shuffled(columns.shape[1])
        self._rows = camera.pixel_rows().astype(np.float32)
        self._width, self._height = size
        self.drawn = 0

    @property
    def count(self) -> int:
        """How many points there are."""
        return len(self._order)

    @property
    def complete(self) -> bool:
        """Whether all points have been drawn."""
        return self.drawn >= len(self._order)

    def draw_for(self, seconds: float) -> None:
        """Draw more points until so much time has passed, at least one portion."""
        end = perf_counter() + seconds
        while not self.complete:
            self.draw_portion()
            if perf_counter() >= end:
                break

    def draw_portion(self) -> None:
        """Draw the next points."""
        chosen = self._order[self.drawn : self.drawn + PORTION]
        self.drawn += len(chosen)
        moved = self._rows[:, :3] @ self._columns.take(chosen, axis=1)
        moved += self._rows[:, 3:]
        x, y, depth = moved
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            if not self._camera.flat:
                scale = np.where(depth > self._camera.near, self._ratio / depth, np.float32(np.nan))
                x, y = x * scale, y * scale
            elif self._ratio != 1:
                x, y = x * self._ratio, y * self._ratio
            seen = np.flatnonzero((x >= 0) & (x < self._width) & (y >= 0) & (y < self._height))
        if len(seen):
            self._draw(chosen.take(seen), x.take(seen), y.take(seen), depth.take(seen))

    def _draw(self, chosen: np.ndarray, x: np.ndarray, y: np.ndarray, depth: np.ndarray) -> None:
        raise NotImplementedError


class Crowd(_Portions):
    """Draws points onto ``picture``, packed colours uint32 (H + 2 PAD, W + 2 PAD), W and H device pixels.

    ``columns`` float32 (3, N); ``rgba`` uint8 (N, 4), or (1, 4) for all: an alpha of 0 hides a point, and below
    ``FAINT`` it hides no other. ``opacity`` mixes them with ``ground``, a packed colour; pixels get 0xFF above theirs.
    ``cue`` None: the points lie in a plane, and of two at one place the later one is seen.
    """

    def __init__(
        self,
        picture: np.ndarray,
        columns: np.ndarray,
        rgba: np.ndarray,
        camera: Camera,
        cue: DepthCue | None,
        ground: int,
        side: int,
        ratio: float = 1.0,
        opacity: float = 1.0,
    ) -> None:
        height, width = picture.shape
        super().__init__(columns, camera, ratio, (width - 2 * PAD, height - 2 * PAD))
        self._flat, self._stride = picture.reshape(-1), width
        self._colours = np.ascontiguousarray(rgba).view("<u4").reshape(-1)
        self._cue, self._ground, self._side, self._opacity = cue, np.uint32(ground), side, opacity
        self._nearest = None if cue is None else np.full(picture.size, _EMPTY, dtype=np.float32)

    def _draw(self, chosen: np.ndarray, x: np.ndarray, y: np.ndarray, depth: np.ndarray) -> None:
        packed = self._colours.take(chosen) if len(self._colours) > 1 else np.repeat(self._colours, len(chosen))
        alpha = packed >> 24
        order = np.arange(len(depth)) if self._cue is None else far_to_near(depth)
        low = int(alpha.min())
        if low == 0:
            order = order[alpha.take(order) > 0]
        faint = alpha < FAINT
        if low < FAINT and self._cue is not None:
            depth = np.where(faint, depth + np.float32(_BEHIND * self._cue.far), depth)
            behind = faint.take(order)
            order = np.concatenate([order[behind], order[~behind]])
        packed, alpha, x, y = (part.take(order) for part in (packed, alpha, x, y))
        shift = np.float32(PAD - 0.5 * (self._side - 1))
        rows, columns = (y + shift).astype(np.int32), (x + shift).astype(np.int32)
        base = (rows * self._stride + columns).astype(np.intp)
        rgb = (packed & 0xFF) << 16 | (packed & 0xFF00) | (packed >> 16 & 0xFF)
        if self._opacity < 1.0 or low < 255:
            rgb = mix(self._ground, rgb, (alpha * np.float32(self._opacity * 256 / 255)).astype(np.uint32))
        if self._cue is not None:
            depth = depth.take(order)
            rgb = mix(rgb, self._ground, (fades(depth, self._cue) * 256).astype(np.uint32))
        rgb |= _OPAQUE
        for down in range(self._side):
            for right in range(self._side):
                self._put(base + (down * self._stride + right), depth, rgb)

    def _put(self, where: np.ndarray, depth: np.ndarray, rgb: np.ndarray) -> None:
        """Colour the pixels in which these points, from far to near, are the nearest by now."""
        if self._nearest is not None:
            front = np.flatnonzero(depth <= self._nearest.take(where))
            where, rgb = where.take(front), rgb.take(front)
            self._nearest[where] = depth.take(front)
        self._flat[where] = rgb


class Density(_Portions):
    """Counts the points in each cell of ``cell`` × ``cell`` device pixels of a picture ``size`` (width, height).

    ``rgba`` as for ``Crowd``: points of an alpha below ``shown_from`` are not counted, those that are hidden, and by
    itself those that are faint beside a selection.
    """

    def __init__(
        self,
        size: tuple[int, int],
        columns: np.ndarray,
        rgba: np.ndarray,
        camera: Camera,
        cell: int,
        ratio: float = 1.0,
        shown_from: int = FAINT,
    ) -> None:
        super().__init__(columns, camera, ratio, size)
        self._shown_from = shown_from
        self._alpha = rgba[:, 3]
        self.cell = cell
        self._across, self._down = -(-size[0] // cell), -(-size[1] // cell)
        self._counts = np.zeros(self._across * self._down, dtype=np.uint32)

    @property
    def counts(self) -> np.ndarray:
        """The numbers of points counted by now: uint32 (rows, columns) of cells."""
        return self._counts.reshape(self._down, self._across)

    def _draw(self, chosen: np.ndarray, x: np.ndarray, y: np.ndarray, depth: np.ndarray) -> None:
        if len(self._alpha) > 1:
            shown = np.flatnonzero(self._alpha.take(chosen) >= self._shown_from)
            x, y = x.take(shown), y.take(shown)
        columns, rows = (x / self.cell).astype(np.intp), (y / self.cell).astype(np.intp)
        np.add.at(self._counts, rows * self._across + columns, np.uint32(1))


def density_levels(counts: np.ndarray, most: int) -> np.ndarray:
    """Places uint8 in a colour map for ``counts``: 0 for one point, 255 for ``most``, and logarithmic between."""
    reach = np.log(max(most, 2))
    table = np.log(np.maximum(np.arange(min(most, 65_536) + 1), 1)) * (255 / reach)
    levels = (table + 0.5).astype(np.uint8).take(np.minimum(counts, len(table) - 1))
    large = counts >= len(table)
    if large.any():
        levels[large] = np.minimum(np.log(counts[large]) * (255 / reach) + 0.5, 255).astype(np.uint8)
    return levels


def density_colours(counts: np.ndarray, most: int, colormap: str, ground: str) -> tuple[np.ndarray, np.ndarray]:
    """Colours uint8 (…, 3) of ``counts``, and where there is a point at all, bool (…)."""
    return lut(colormap, ground)[:, :3].take(density_levels(counts, most), axis=0), counts > 0


def enlarged(cells: np.ndarray, cell: int, size: tuple[int, int]) -> np.ndarray:
    """An array (rows, columns, …) of cells as one of pixels (height, width, …), ``cell`` × ``cell`` each."""
    width, height = size
    return cells.repeat(cell, axis=0)[:height].repeat(cell, axis=1)[:, :width] if cell > 1 else cells
