"""The line that stands for a kind of path, as Qt draws it."""

from __future__ import annotations

from PySide6.QtGui import QColor, QPen

from core.paths.recipe import PATH_KINDS
from core.rendering.path_colours import path_colour
from explorer.widgets.painting import pen
from explorer.widgets.theme import Theme


def path_pen(kind: str, theme: Theme) -> QPen:
    """The line that stands for a ``kind`` beside its name; dashed if paths of that kind are straight."""
    made = pen(QColor(path_colour(kind, theme)), 2.5)
    if PATH_KINDS[kind].straight:
        made.setDashPattern([1.6, 1.6])
    return made
