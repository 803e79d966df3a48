"""The points as the camera sees them, and which of them a pixel, a rectangle or an outline means."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.rendering.camera import Camera

SCANNED = 50_000
"""So many points are looked at one and all; of more those in the cells around the pixel."""
CELL = 32.0  # pixels
_ACROSS = 255  # cells, from one to the left of the view: pixels up to 8,128, and numbers of cells that fit 16 bits


@dataclass(frozen=True, eq=False)
class _Cells:
    """Indices of points by cell: those of cell c are ``order[start[c]:start[c + 1]]``."""

    order: np.ndarray
    start: np.ndarray


@dataclass(frozen=True, eq=False)
class ScreenPoints:
    """The points as the camera sees them.

    ``x``, ``y`` float32 (N,) widget pixels, "not a number" where a point is behind the eye or not finite;
    ``depth`` float32 (N,) distance in front of the eye's plane, in view units.
    """

    x: np.ndarray
    y: np.ndarray
    depth: np.ndarray

    def nearest(self, pixel: tuple[float, float], radius: float, cover: float = 0.0) -> int | None:
        """Index of the point nearest to ``pixel`` within ``radius`` pixels, or None.

        Of several points within ``cover`` pixels (discs that the pixel lies on) the front-most is taken: the one that
        is seen there.
        """
        if len(self.x) > SCANNED:
            around = self._around(pixel, max(radius, cover))
            close = (np.abs(self.x[around] - pixel[0]) <= radius) & (np.abs(self.y[around] - pixel[1]) <= radius)
            near = np.sort(around[close])
        else:
            near = np.flatnonzero((np.abs(self.x - pixel[0]) <= radius) & (np.abs(self.y - pixel[1]) <= radius))
        if not len(near):
            return None
        squared = (self.x[near] - pixel[0]) ** 2 + (self.y[near] - pixel[1]) ** 2
        covering = near[squared <= cover * cover]
        if len(covering):
            return int(covering[self.depth[covering].argmin()])
        best = int(squared.argmin())
        return int(near[best]) if squared[best] <= radius * radius else None

    @cached_property
    def _cells(self) -> _Cells:
        with np.errstate(invalid="ignore"):
            across, down = self.x * np.float32(1 / CELL) + 1, self.y * np.float32(1 / CELL) + 1
            inside = np.flatnonzero((across >= 0) & (across < _ACROSS) & (down >= 0) & (down < _ACROSS))
        cells = down[inside].astype(np.uint16) * np.uint16(_ACROSS) + across[inside].astype(np.uint16)
        start = np.concatenate([[0], np.cumsum(np.bincount(cells, minlength=_ACROSS * _ACROSS))])
        return _Cells(inside[np.argsort(cells, kind="stable")].astype(np.uint32), start)

    def _around(self, pixel: tuple[float, float], radius: float) -> np.ndarray:
        """Indices of the points in the cells that lie within ``radius`` of ``pixel``."""
        cells = self._cells
        (left, right), (top, bottom) = (
            np.clip([(at - radius) // CELL + 1, (at + radius) // CELL + 1], 0, _ACROSS - 1).astype(int) for at in pixel
        )
        rows = (row * _ACROSS for row in range(top, bottom + 1))
        return np.concatenate([cells.order[cells.start[row + left] : cells.start[row + right + 1]] for row in rows])

    def inside_rectangle(self, start: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
        """Indices int64 of the points in the rectangle with these opposite corners, in pixels."""
        (left, right), (top, bottom) = sorted((start[0], end[0])), sorted((start[1], end[1]))
        inside = (self.x >= left) & (self.x <= right) & (self.y >= top) & (self.y <= bottom)
        return np.flatnonzero(inside).astype(np.int64)

    def inside_polygon(self, corners: np.ndarray) -> np.ndarray:
        """Indices int64 of the points inside the polygon ``corners`` (n, 2), by the even-odd rule."""
        corners = np.asarray(corners, dtype=np.float64)
        candidates = self.inside_rectangle(tuple(corners.min(axis=0)), tuple(corners.max(axis=0)))
        order = np.argsort(self.y[candidates], kind="stable")
        by_height = candidates[order]
        x, y = self.x[by_height].astype(np.float64), self.y[by_height].astype(np.float64)
        inside = np.zeros(len(candidates), dtype=bool)
        for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if y1 != y2:  # a horizontal side crosses no horizontal ray
                level = slice(*np.searchsorted(y, sorted((y1, y2))))
                inside[level] ^= x[level] < x1 + (y[level] - y1) * (x2 - x1) / (y2 - y1)
        return np.sort(by_height[inside])


def project_points(columns: np.ndarray, camera: Camera) -> ScreenPoints:
    """Project ``columns`` float32 (3, N), one row for each coordinate, as ``camera`` sees them."""
    rows = camera.pixel_rows()
    moved = rows[:, :3].astype(np.float32) @ columns
    moved += rows[:, 3:].astype(np.float32)
    depth = moved[2]
    if not camera.flat:
        moved[:2] /= np.where(depth > camera.near, depth, np.float32(np.nan))
    return ScreenPoints(moved[0], moved[1], depth)
