"""The colours of samples on any ground: one rule for the window's cloud and for its figures."""

from __future__ import annotations

import numpy as np

from core.protocol.figures import Colouring
from core.rendering import colormaps
from core.rendering.class_colours import coloured
from core.rendering.themes import Theme

FAINT_ALPHA = 45
"""Of samples that are not selected, while others are."""
DENSITY = "density"
"""The name of a picture that counts the samples in each of its pixels."""
SPLIT = "training / validation"
"""The name of what tells training from validation samples."""


def plain_colour(theme: Theme) -> np.ndarray:
    """The colour uint8 (4,) of points that no value colours."""
    return np.array([*bytes.fromhex(theme.accent[1:]), 255], dtype=np.uint8)


def hidden_samples(colouring: Colouring, count: int) -> np.ndarray:
    """Which of ``count`` samples are of a hidden class: bool (count,)."""
    if not colouring.classes or not len(colouring.values):
        return np.zeros(count, dtype=bool)
    return np.isin(np.nan_to_num(colouring.values, nan=-1.0), list(colouring.hidden))


def point_colours(colouring: Colouring, count: int, theme: Theme) -> np.ndarray:
    """uint8 (count, 4): the alpha is 0 for hidden samples, small for those beside a selection; no ``opacity`` yet."""
    if not len(colouring.values):
        made = np.tile(plain_colour(theme), (count, 1))
    elif colouring.classes:
        made = coloured(colouring.values, len(colouring.classes), theme.plot)
    else:
        made = colormaps.colours(colouring.values, colouring.colormap, colouring.low, colouring.high, theme.plot)
    if colouring.selected is not None:
        faint = np.ones(count, dtype=bool)
        faint[colouring.selected[colouring.selected < count]] = False
        made[faint, 3] = FAINT_ALPHA
    made[hidden_samples(colouring, count), 3] = 0
    return made


def value_range(values: np.ndarray, outliers: float = 0.0) -> tuple[float, float]:
    """The values that get the ends of the colour map; the share ``outliers`` on either side lies beyond them."""
    low, high = np.nanquantile(values, (outliers, 1.0 - outliers)).tolist()
    return low, high if high > low else low + 1.0
