"""Kinds of path that are compared, in the cloud: each in its colour, faint beside the path, straight ones dashed.

The one whose row is under the mouse comes forward.
"""

from __future__ import annotations

from PySide6.QtGui import QColor, QPainter

from core.paths.recipe import PATH_KINDS
from explorer.views.cloud.scene import Scene
from explorer.widgets.painting import pen, polyline, stroke_lines, tint
from explorer.widgets.path_colors import path_colour
from explorer.widgets.theme import Theme

WIDTH, HALO, FAINT = 1.6, 3.6, 0.8
FORWARD_WIDTH, FORWARD_HALO = 2.75, 6.0


def draw_kinds(painter: QPainter, scene: Scene, theme: Theme) -> None:
    """All of them, the one that is looked at last."""
    mark = scene.kinds
    if mark is None:
        return
    for kind, curve in sorted(mark.curves, key=lambda each: each[0] == mark.forward):
        forward = kind == mark.forward
        lines = polyline(scene.camera.project(curve)[0])
        halo = pen(tint(theme.plot, 0.85 if forward else 0.6), FORWARD_HALO if forward else HALO)
        colour = path_colour(kind, theme)
        ink = pen(QColor(colour) if forward else tint(colour, FAINT), FORWARD_WIDTH if forward else WIDTH)
        if PATH_KINDS[kind].straight:
            ink.setDashPattern([3.0, 2.5])
        stroke_lines(painter, lines, [halo, ink])
