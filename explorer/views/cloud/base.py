"""What a gesture may use of the cloud view: its scene, its signals, and asking for a redraw."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QWidget

from explorer.views.cloud.scene import Scene


class Mode(StrEnum):
    """What the left button does."""

    ORBIT = "orbit"
    PROBE = "probe"
    DRAW = "draw"
    EDIT = "edit"
    SELECT = "select"
    TRACE = "trace"


@dataclass(frozen=True, eq=False)
class StrokeGesture:
    """A freehand stroke and the camera it was drawn under.

    ``points`` float64 (S, 2) widget pixels, y down. ``projection`` float64 (4, 4) maps (x, y, z, 1) as a column to
    clip coordinates (OpenGL's convention). ``viewport`` is (width, height) in the same pixels.
    """

    points: np.ndarray
    projection: np.ndarray
    viewport: tuple[float, float]


class CloudBase(QWidget):
    """Signals and scene of the cloud view. Positions are float32 (3,) in the coordinates of ``set_points``."""

    hovered = Signal(int)
    """Index of the point under the mouse, -1: none."""
    clicked = Signal(int, Qt.KeyboardModifier)
    """A point was clicked in ORBIT mode."""
    probe_moved = Signal(object)
    probe_released = Signal()
    stroke_drawn = Signal(object)
    """A ``StrokeGesture``."""
    control_added = Signal(object)
    control_moved = Signal(int, object)
    control_snapped = Signal(int, int)
    """A held control point is on a point, whose index comes second; only if the path is ``snapping``."""
    control_released = Signal(int)
    control_inserted = Signal(int, object)
    """The index that the new control point takes, and its position."""
    control_removed = Signal(int)
    control_selected = Signal(int)
    picked = Signal(object, bool)
    """Indices int64 of points chosen in SELECT mode; whether they are added to the selection."""
    traced = Signal(int)
    """A point was clicked in TRACE mode."""
    rail_moved = Signal(float)
    """The hand slides along the curve: the share of it, 0 to 1, counted in its samples as they were given."""
    rail_stepped = Signal(int)
    """The wheel turned by so many notches over the curve."""
    view_changed = Signal()
    space_tapped = Signal()
    finished = Signal()
    """Space was tapped over the cloud without turning it: the window's meaning of Space applies."""

    scene: Scene

    def refresh(self) -> None:
        """The marks have changed."""
        raise NotImplementedError

    def turned(self) -> None:
        """A hand has changed the camera."""
        raise NotImplementedError
