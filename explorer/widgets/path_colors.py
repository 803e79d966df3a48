"""One colour for each kind of path, the same in the cloud and beside its film strip; straight lines are dashed, too.

They keep apart from the accent colour of the document's path and, at that size of line, from one another for people
who see few colours: neighbours in the list differ in lightness, and the dashes say which are straight.
"""

from __future__ import annotations

from typing import Final

from core.paths.recipe import RecipeKind
from explorer.widgets.theme import Theme

_DARK: Final[dict[RecipeKind, str]] = {
    "straight": "#c9cfd6",
    "spherical": "#c98a5b",
    "geodesic": "#3fd0a4",
    "factor curve": "#ff8fc0",
    "isoline": "#a996ff",
    "tangent line": "#f4d35e",
    "mean difference": "#f2704f",
    "regression": "#7cc7ff",
}
_LIGHT: Final[dict[RecipeKind, str]] = {
    "straight": "#4a525b",
    "spherical": "#9a5a1c",
    "geodesic": "#007a58",
    "factor curve": "#c2187a",
    "isoline": "#6a45c9",
    "tangent line": "#857000",
    "mean difference": "#c8401a",
    "regression": "#2478b8",
}
STRAIGHT_LINES: Final[frozenset[str]] = frozenset({"straight", "tangent line", "mean difference", "regression"})
"""Kinds whose paths have no bend: drawn dashed."""


def path_colour(kind: str, theme: Theme) -> str:
    """The colour #rrggbb of a ``kind`` of core.paths.recipe; the text's for any other."""
    return (_DARK if theme.dark else _LIGHT).get(kind, theme.text)  # pyright: ignore[reportArgumentType, reportCallIssue]
