"""One colour for each kind of path, the same in the cloud, beside its film strip, and in figures.

They keep apart from the accent colour of the document's path and, at that size of line, from one another for people
who see few colours: neighbours in the list differ in lightness, and the dashes say which are straight.
"""

from __future__ import annotations

from core.paths.recipe import PATH_KINDS
from core.rendering.themes import Theme

# In the order of PATH_KINDS; the last one of each waits for another kind.
_DARK = ("#c9cfd6", "#c98a5b", "#3fd0a4", "#ff8fc0", "#a996ff", "#f4d35e", "#f2704f", "#7cc7ff", "#b5e05a")
_LIGHT = ("#4a525b", "#9a5a1c", "#007a58", "#c2187a", "#6a45c9", "#857000", "#c8401a", "#2478b8", "#4d7a10")


def path_colour(kind: str, theme: Theme) -> str:
    """The colour #rrggbb of a ``kind`` of core.paths.recipe; the text's for any other."""
    colours = dict(zip(PATH_KINDS, _DARK if theme.dark else _LIGHT, strict=False))
    return colours.get(kind, theme.text)
