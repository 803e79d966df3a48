"""What a figure of a transect shows, chosen from its measurement: which images, and which part of them. numpy only."""

from __future__ import annotations

import numpy as np

from core.analysis.transect import TransectResult
from core.protocol.figures import Scaling, TransectFigure

MAX_COLUMNS = 20  # images in a row: of a longer transect every k-th is shown
_DRAWN = 13  # levels from the ground: what a picture is cropped to


def transect_description(result: TransectResult, scaling: Scaling = "nearest") -> TransectFigure:
    """``result`` for a figure: at most 20 images, equally spaced, cropped to the square that holds all that is drawn in
    any of them; all of each curve."""
    shown, window = _shown(len(result.transect)), _window(result)
    return TransectFigure(
        name=result.transect.name,
        axes=result.axes,
        points=np.asarray(result.transect.points, dtype=np.float64),
        shown=shown,
        originals=np.ascontiguousarray(result.originals[shown][:, window[0], window[1]]),
        reconstructions=np.ascontiguousarray(result.reconstructions[shown][:, window[0], window[1]]),
        whole=result.originals.shape[1],
        excess_bce=np.asarray(result.excess_bce, dtype=np.float64),
        ssim=np.asarray(result.ssim, dtype=np.float64),
        distance=np.asarray(result.distance, dtype=np.float64),
        in_hole=np.asarray(result.in_hole, dtype=bool),
        inside=result.inside,
        scaling=scaling,
    )


def _shown(count: int) -> np.ndarray:
    columns = count
    if count > MAX_COLUMNS:  # equal steps between the shown points, where their number allows it
        even = (c for c in range(MAX_COLUMNS, MAX_COLUMNS // 2, -1) if (count - 1) % (c - 1) == 0)
        columns = next(even, MAX_COLUMNS)
    return np.rint(np.linspace(1.0, count, columns)).astype(np.int64) - 1


def _window(result: TransectResult) -> tuple[slice, slice]:
    """The square part of the images that holds everything drawn in any of them, all of them where nothing is."""
    height, width = result.originals.shape[1:3]
    ground = result.originals[0, 0, 0].astype(np.int16)
    drawn = np.zeros((height, width), dtype=bool)
    for images in (result.originals, result.reconstructions):
        for image in images:
            drawn |= (np.abs(image - ground) >= _DRAWN).any(axis=-1)
    if not drawn.any() or height != width:
        return slice(0, height), slice(0, width)
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    extent = max(np.ptp(rows), np.ptp(columns)) + 1
    side = min(int(extent * 1.16), height)  # a little air around the largest
    first_row = int(np.clip((rows[0] + rows[-1] + 1 - side) // 2, 0, height - side))
    first_column = int(np.clip((columns[0] + columns[-1] + 1 - side) // 2, 0, width - side))
    return slice(first_row, first_row + side), slice(first_column, first_column + side)
