"""Colours for classes: as far apart as can be, for all kinds of colour vision, on the ground that they stand on.

A blue and an orange come first; each further one is, of many colours, the one whose nearest predecessor is farthest
away in CIE L*a*b*, for the least able of four eyes: normal, protan, deutan and tritan (matrices of Machado, Oliveira
and Fernandes 2009, severity 1). The six after the first two were found together, so that eight classes, the most
usual, differ by 27 and more; of twelve the least difference is 20, of forty 10.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from core.rendering.colormaps import CONTRAST, MISSING

_FIRST = {  # by whether the ground is dark
    True: ("4da3ff", "f0912b", "d7f1a3", "fe217c", "bd21a3", "14fef1", "6255f1", "966f2e"),
    False: ("1f6fd0", "d9730d", "14d7bd", "7c2e48", "f1bd7c", "bdb0fe", "3b3b7c", "b01421"),
}
UNKNOWN = "unknown"
"""What a class is called that is not known."""
MOST = 48
"""Classes beyond so many share the colours of the first."""
_EYES = np.array(
    [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ]
)


def class_colours(count: int, ground: str) -> np.ndarray:
    """Opaque colours for ``count`` classes on ``ground`` ("#rrggbb"): uint8 (count, 4)."""
    return _all_colours(ground)[np.arange(count) % MOST]


def coloured(values: np.ndarray, count: int, ground: str) -> np.ndarray:
    """The colours uint8 (N, 4) of samples whose classes are ``values`` (N,), places below ``count``; NaN is grey."""
    colours = np.append(class_colours(count, ground), [[*MISSING, 255]], axis=0).astype(np.uint8)
    known = np.isfinite(values)
    places = np.where(known, values, count).astype(np.int64)
    return colours[np.where((places >= 0) & (places <= count), places, count)]


@lru_cache(maxsize=8)
def _all_colours(ground: str) -> np.ndarray:
    behind = np.array([list(bytes.fromhex(ground[1:]))])
    level = float(seen_colours(behind)[0, 0, 0])
    first = np.array([list(bytes.fromhex(colour)) for colour in _FIRST[level < 50.0]])
    steps = np.arange(24, 256, 21)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    seen = seen_colours(grid)
    lightness, chroma = seen[0, :, 0], np.hypot(seen[0, :, 1], seen[0, :, 2])
    kept = (np.abs(lightness - level) > 1.5 * CONTRAST) & (chroma > 18.0)
    grid, seen = grid[kept], seen[:, kept]
    away = np.full(len(grid), np.inf)
    for other in np.moveaxis(seen_colours(np.concatenate([first, [MISSING], behind])), 1, 0):
        away = np.minimum(away, np.linalg.norm(seen - other[:, None], axis=-1).min(axis=0))
    chosen = first.tolist()
    while len(chosen) < MOST:
        farthest = int(away.argmax())
        chosen.append(grid[farthest].tolist())
        away = np.minimum(away, np.linalg.norm(seen - seen[:, farthest, None], axis=-1).min(axis=0))
    colours = np.column_stack([np.array(chosen), np.full(MOST, 255)]).astype(np.uint8)
    colours.setflags(write=False)
    return colours


def seen_colours(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of sRGB colours (N, 3), 0 to 255, as four kinds of eye see them: float64 (4, N, 3)."""
    value = np.asarray(rgb, dtype=np.float64) / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.einsum("eij,nj->eni", _EYES, linear), 0.0, 1.0)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / np.array([0.9505, 1.0, 1.089])
    x, y, z = np.moveaxis(np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16.0 / 116.0), -1, 0)
    return np.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], axis=-1)
