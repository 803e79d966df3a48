"""The camera of the cloud: a turntable that keeps the third axis upright, or a flat map for one and two dimensions.

One homogeneous matrix takes view coordinates to clip coordinates (OpenGL's convention, column vectors). Both renderers,
picking and the gestures use that same matrix, so what is drawn, what is hit and what is dragged can never disagree.
numpy only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.utils.point_sets import principal_axes

FIELD_OF_VIEW = math.radians(28.0)  # vertical; mild, so that distances within the cloud stay comparable
HALF_TANGENT = math.tan(FIELD_OF_VIEW / 2)
MAX_ELEVATION = 89.0  # degrees; at the pole the azimuth would lose its meaning
HOME_AZIMUTH, HOME_ELEVATION = -58.0, 22.0  # degrees
ZOOM_NEARER, ZOOM_FARTHER = 1e6, 100.0  # times the home distance


@dataclass
class Camera:
    """Where the eye is, and how view coordinates become pixels.

    ``target`` float64 (3,) stays in the middle of the viewport at ``distance`` from the eye. ``azimuth`` turns the eye
    about the third axis and ``elevation`` lifts it, in degrees. ``flat``: an orthographic view along the third axis,
    which shows as much of the target's plane as the perspective view from the same distance does.
    """

    target: np.ndarray = field(default_factory=lambda: np.zeros(3))
    distance: float = 4.0
    azimuth: float = HOME_AZIMUTH
    elevation: float = HOME_ELEVATION
    flat: bool = False
    viewport: tuple[float, float] = (1.0, 1.0)

    def key(self) -> tuple:
        """All that decides where something is drawn; cameras of equal keys project alike."""
        return (*self.target, self.distance, self.azimuth, self.elevation, self.flat, self.viewport)

    def axes(self) -> np.ndarray:
        """Orthonormal rows float64 (3, 3): right, up, and the direction from the target to the eye."""
        if self.flat:
            return np.eye(3)
        azimuth, elevation = math.radians(self.azimuth), math.radians(self.elevation)
        ca, sa, ce, se = math.cos(azimuth), math.sin(azimuth), math.cos(elevation), math.sin(elevation)
        return np.array([[-sa, ca, 0.0], [-se * ca, -se * sa, ce], [ce * ca, ce * sa, se]])

    def eye(self) -> np.ndarray:
        """The eye's position float64 (3,); of a flat view, a point straight above the target."""
        return self.target + self.distance * self.axes()[2]

    def matrix(self) -> np.ndarray:
        """float64 (4, 4): view coordinates (x, y, z, 1) as a column to clip coordinates."""
        return self.projection_matrix() @ self.view_matrix()

    def view_matrix(self) -> np.ndarray:
        """float64 (4, 4): view coordinates to the eye's frame, looking along its negative third axis."""
        rotation = self.axes()
        view = np.eye(4)
        view[:3, :3] = rotation
        view[:3, 3] = -rotation @ self.target
        view[2, 3] -= self.distance
        return view

    def projection_matrix(self) -> np.ndarray:
        """float64 (4, 4): the eye's frame to clip coordinates."""
        width, height = self.viewport
        near, far = self.near, self.distance * 100.0
        scale = 1.0 / HALF_TANGENT
        matrix = np.zeros((4, 4))
        if self.flat:
            matrix[0, 0] = scale / self.distance * height / width
            matrix[1, 1] = scale / self.distance
            matrix[2, 2], matrix[2, 3] = -2.0 / (far - near), -(far + near) / (far - near)
            matrix[3, 3] = 1.0
            return matrix
        matrix[0, 0], matrix[1, 1] = scale * height / width, scale
        matrix[2, 2], matrix[2, 3] = -(far + near) / (far - near), -2.0 * far * near / (far - near)
        matrix[3, 2] = -1.0
        return matrix

    def pixel_rows(self) -> np.ndarray:
        """float64 (3, 4): view coordinates (x, y, z, 1) as a column to pixel x · w, pixel y · w and depth.

        w is the depth; 1 in a flat view.
        """
        matrix = self.matrix()
        width, height = self.viewport
        rows, last, back = np.empty((3, 4)), matrix[3], self.axes()[2]
        rows[0] = 0.5 * width * (matrix[0] + last)
        rows[1] = 0.5 * height * (last - matrix[1])
        rows[2] = [*-back, self.distance + back @ self.target]
        return rows

    @property
    def near(self) -> float:
        """Distance in front of the eye from which on things are drawn."""
        return self.distance * 0.02

    @property
    def pixels_per_unit(self) -> float:
        """Pixels that one unit spans at the target's depth."""
        return self.viewport[1] / (2.0 * HALF_TANGENT * self.distance)

    def project(self, xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels float64 (n, 2), y down, and depth (n,), of ``xyz`` (n, 3).

        The depth is the distance from the eye's plane, in view units. What lies behind the eye has pixels "not a
        number".
        """
        matrix = self.matrix()
        clip = np.asarray(xyz, dtype=np.float64) @ matrix[:, :3].T + matrix[:, 3]
        depth = self.depth(xyz)
        w = np.ones(len(clip)) if self.flat else np.where(depth > self.near, clip[:, 3], np.nan)
        half = 0.5 * np.asarray(self.viewport)
        return half + clip[:, :2] / w[:, None] * half * (1.0, -1.0), depth

    def depth(self, xyz: np.ndarray) -> np.ndarray:
        """Distance float64 (n,) of ``xyz`` (n, 3) in front of the eye's plane, in view units."""
        return self.distance - (np.asarray(xyz, dtype=np.float64) - self.target) @ self.axes()[2]

    def unproject(self, pixel: tuple[float, float], depth: float) -> np.ndarray:
        """The point float64 (3,) that is drawn at ``pixel`` and lies ``depth`` in front of the eye's plane."""
        width, height = self.viewport
        right, up, back = self.axes()
        spread = HALF_TANGENT * (self.distance if self.flat else depth) / (height / 2)
        dx, dy = pixel[0] - width / 2, height / 2 - pixel[1]
        return self.target + (self.distance - depth) * back + spread * (dx * right + dy * up)

    def along_axis(self, point: np.ndarray, axis: int, pixel: tuple[float, float]) -> np.ndarray:
        """The point on the line through ``point`` along ``axis`` that passes nearest to the line of sight.

        Seen along the axis itself every point of the line is equally near, and ``point`` is returned; so it is where
        the place so found or ``point`` itself lies behind the eye.
        """
        start = self.unproject(pixel, self.distance)
        direction = self.unproject(pixel, self.distance * 2) - start
        direction /= np.linalg.norm(direction)
        if not self.flat and float(self.depth(point[None])[0]) <= self.near:
            return point.copy()  # it cannot be seen
        towards = self.axes()[2] if self.flat else (self.eye() - point) / np.linalg.norm(self.eye() - point)
        if 1.0 - towards[axis] ** 2 < 0.02:  # less than 8° between axis and line of sight
            return point.copy()
        across = 1.0 - direction[axis] ** 2
        if across < 1e-6:
            return point.copy()
        offset = start - point
        shift = (offset[axis] - direction[axis] * (offset @ direction)) / across
        moved = point.copy()
        moved[axis] += shift
        seen = self.flat or float(self.depth(moved[None])[0]) > self.near
        return moved if seen else point.copy()

    def orbit(self, dx: float, dy: float) -> None:
        """Turn by a drag of ``dx``, ``dy`` pixels; a flat view has nothing to turn."""
        if self.flat:
            return
        self.azimuth = (self.azimuth - 0.4 * dx + 180.0) % 360.0 - 180.0
        self.elevation = float(np.clip(self.elevation + 0.4 * dy, -MAX_ELEVATION, MAX_ELEVATION))

    def pan(self, dx: float, dy: float) -> None:
        """Shift the view by pixels: what lies at the target's depth follows the hand."""
        right, up, _ = self.axes()
        self.target = self.target - (dx * right - dy * up) / self.pixels_per_unit

    def zoom(self, factor: float, pixel: tuple[float, float], reference: float) -> None:
        """Magnify by ``factor`` about ``pixel``, within limits about the ``reference`` distance."""
        before = self.unproject(pixel, self.distance)
        self.distance = float(np.clip(self.distance / factor, *zoom_limits(reference)))
        self.target = self.target + before - self.unproject(pixel, self.distance)

    def fit(self, low: np.ndarray, high: np.ndarray, margins: tuple[float, float, float, float]) -> None:
        """Move the eye, without turning it, so that the box is seen whole inside ``margins``.

        ``margins`` are pixels at the left, top, right and bottom.
        """
        width, height = self.viewport
        left, top, right, bottom = margins
        inner_width, inner_height = max(width - left - right, width * 0.3), max(height - top - bottom, height * 0.3)
        self.target = (np.asarray(low, dtype=np.float64) + np.asarray(high, dtype=np.float64)) / 2
        corners = (box_corners(low, high) - self.target) @ self.axes().T
        tangent_y = HALF_TANGENT * inner_height / height
        tangent_x = HALF_TANGENT * inner_width / height
        nearer = np.zeros(len(corners)) if self.flat else corners[:, 2]
        needed = np.maximum(np.abs(corners[:, 0]) / tangent_x, np.abs(corners[:, 1]) / tangent_y) + nearer
        self.distance = max(float(needed.max()), 1e-6)
        if not self.flat:  # a box in perspective is not centred on its centre: recentre its outline
            pixels, _ = self.project(box_corners(low, high))
            middle = (pixels.min(axis=0) + pixels.max(axis=0)) / 2
            self.pan(width / 2 - middle[0], height / 2 - middle[1])
        self.pan((left - right) / 2, (top - bottom) / 2)

    def state(self) -> dict[str, Any]:
        """The view as plain numbers, for a session file."""
        return {
            "target": [float(value) for value in self.target],
            "distance": float(self.distance),
            "azimuth": float(self.azimuth),
            "elevation": float(self.elevation),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take the view that ``state()`` described; raises ``ValueError`` that names the entry that cannot be used."""
        try:
            target = np.array(state["target"], dtype=np.float64)
            numbers = {name: float(state[name]) for name in ("distance", "azimuth", "elevation")}
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"camera is {state!r}; it must have target (three numbers), distance, azimuth, elevation."
            ) from error
        if target.shape != (3,) or not np.isfinite(target).all():
            raise ValueError(f"camera target is {state['target']!r}; it must be three finite numbers.")
        if not all(map(math.isfinite, numbers.values())) or numbers["distance"] <= 0:
            raise ValueError(f"camera is {state!r}; its numbers must be finite and its distance above 0.")
        self.target, self.distance, self.azimuth = target, numbers["distance"], numbers["azimuth"]
        self.elevation = float(np.clip(numbers["elevation"], -MAX_ELEVATION, MAX_ELEVATION))


def zoom_limits(reference: float) -> tuple[float, float]:
    """The nearest and the farthest distance of an eye whose home distance is ``reference``."""
    return reference / ZOOM_NEARER, reference * ZOOM_FARTHER


def box_corners(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The corners float64 (8, 3) of the box from ``low`` to ``high``, (3,) each."""
    choice = np.array([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)], dtype=bool)
    return np.where(choice, np.asarray(high, dtype=np.float64), np.asarray(low, dtype=np.float64))


def broadside(points: np.ndarray) -> tuple[float, float]:
    """Azimuth and elevation in degrees that show ``points`` (n, 3) from their broad side, a little from above.

    The eye stands about 35° off the direction in which the points vary least, so that a sheet is seen neither
    edge-on nor without depth.
    """
    points = points[:: max(1, len(points) // 5000)].astype(np.float64)
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < 8:
        return HOME_AZIMUTH, HOME_ELEVATION
    _, variances, axes = principal_axes(points)
    if variances[2] > 0.5 * variances[1]:  # a ball has no broad side
        return HOME_AZIMUTH, HOME_ELEVATION
    normal = axes[:, 2] * (1.0 if axes[2, 2] >= 0 else -1.0)
    elevation = math.degrees(math.asin(float(np.clip(normal[2], -1, 1))))
    azimuth = math.degrees(math.atan2(normal[1], normal[0])) if elevation < 80.0 else HOME_AZIMUTH
    return (azimuth - 28.0 + 180.0) % 360.0 - 180.0, float(np.clip(elevation, 20.0, 52.0))
