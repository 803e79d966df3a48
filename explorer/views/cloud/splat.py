"""Antialiased, depth-sorted discs drawn by numpy, for machines whose OpenGL is slow or missing.

Every disc is a stamp out of a table (radius × sub-pixel place), so drawing is gathering and scattering. Overlaps are
resolved by peeling: scattering fragments from far to near leaves the nearest in each pixel; those that do not cover
their pixel fully are taken off, and the rest is scattered again. Two or three rounds give exact edges of opaque discs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

SUBPIXEL = 4  # places in each direction within a pixel
RADIUS_STEP = 0.25  # pixels
MAX_RADIUS = 24.0  # pixels
PAD = 52  # pixels around the picture, so that discs at its border need no clipping
FRAGMENT_LIMIT = 1_200_000  # above it discs lose their soft edges, so that a frame stays short
PEELS_OPAQUE, PEELS_TRANSLUCENT = 3, 7
RIM_SHADE = 0.30  # how much darker a disc is at its rim: reads as a small ball


@dataclass(frozen=True, eq=False)
class Discs:
    """What to draw, ordered from far to near.

    ``x``, ``y`` float32 (n,) device pixels; ``radius`` float32 (n,) device pixels; ``rgb`` uint32 (n,) as 0x00RRGGBB;
    ``alpha`` uint8 (n,), 255 is opaque.
    """

    x: np.ndarray
    y: np.ndarray
    radius: np.ndarray
    rgb: np.ndarray
    alpha: np.ndarray


@cache
def _stamps(largest: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Offsets dx, dy int32 (K,); coverage and shade uint8 (radii, SUBPIXEL², K), up to ``largest`` radius steps."""
    reach = int(np.ceil(largest * RADIUS_STEP + 0.5))
    grid = np.arange(-reach, reach + 1)
    dy, dx = (axis.ravel() for axis in np.meshgrid(grid, grid, indexing="ij"))
    near = np.hypot(dx, dy) <= largest * RADIUS_STEP + 0.5 + 0.71
    dx, dy = dx[near], dy[near]
    places = (np.arange(SUBPIXEL) + 0.5) / SUBPIXEL - 0.5
    fx, fy = np.tile(places, SUBPIXEL), np.repeat(places, SUBPIXEL)
    distance = np.hypot(dx[None] - fx[:, None], dy[None] - fy[:, None])
    radius = (np.arange(largest + 1) * RADIUS_STEP)[:, None, None]
    coverage = np.clip(radius + 0.5 - distance, 0.0, 1.0)
    shade = 1.0 - RIM_SHADE * np.clip(distance / np.maximum(radius, 0.5), 0.0, 1.0) ** 2
    return (
        dx.astype(np.int32),
        dy.astype(np.int32),
        (coverage * 255 + 0.5).astype(np.uint8),
        (shade * 255 + 0.5).astype(np.uint8),
    )


def mix(below: np.ndarray | np.uint32, above: np.ndarray | np.uint32, share: np.ndarray) -> np.ndarray:
    """``below`` + (``above`` − ``below``) · ``share`` / 256 of packed colours 0x00RRGGBB uint32; ``share`` 0 to 256."""
    share = share.astype(np.uint32)
    rest = np.uint32(256) - share
    red_blue = ((below & 0xFF00FF) * rest + (above & 0xFF00FF) * share) >> 8 & 0xFF00FF
    green = ((below & 0x00FF00) * rest + (above & 0x00FF00) * share) >> 8 & 0x00FF00
    return red_blue | green


def pack(rgb: np.ndarray) -> np.ndarray:
    """uint8 (n, 3 or 4) to packed uint32 (n,), alpha ignored."""
    wide = rgb.astype(np.uint32)
    return wide[:, 0] << 16 | wide[:, 1] << 8 | wide[:, 2]


def draw_discs(picture: np.ndarray, discs: Discs) -> None:
    """Draw onto ``picture``, packed colours uint32 (H + 2 PAD, W + 2 PAD); what is seen of it starts at (PAD, PAD)."""
    height, width = picture.shape
    border = PAD / 2  # a stamp reaches no farther than the other half
    on = (discs.x > -border) & (discs.x < width - 2 * PAD + border)
    on &= (discs.y > -border) & (discs.y < height - 2 * PAD + border)
    kept = np.flatnonzero(on)
    if not len(kept):
        return
    x, y = discs.x[kept] + PAD, discs.y[kept] + PAD
    level = np.rint(np.clip(discs.radius[kept], 0.5, MAX_RADIUS) / RADIUS_STEP).astype(np.int32)
    dx, dy, coverage, shade = _stamps(int(level.max()))
    column, row = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
    base = row * width + column
    offsets = dy * width + dx
    flat = picture.reshape(-1)
    if len(kept) * len(offsets) > FRAGMENT_LIMIT:
        _draw_hard(flat, base, offsets, coverage[level, (SUBPIXEL * SUBPIXEL) // 2] > 127, discs.rgb[kept])
        return
    place = ((y - row) * SUBPIXEL).astype(np.int32) * SUBPIXEL + ((x - column) * SUBPIXEL).astype(np.int32)
    alpha = coverage[level, place]
    owner = np.repeat(np.arange(len(kept), dtype=np.int32), len(offsets))
    where = (base[:, None] + offsets).reshape(-1)
    hit = np.flatnonzero(alpha.reshape(-1))
    tone = shade[level, place].reshape(-1)[hit]
    alpha, owner, where = alpha.reshape(-1)[hit], owner[hit], where[hit]
    opaque = bool((discs.alpha[kept] == 255).all())
    if not opaque:
        alpha = (alpha.astype(np.uint16) * discs.alpha[kept][owner] // 255).astype(np.uint8)
    layers = _peel(len(flat), where, alpha, PEELS_OPAQUE if opaque else PEELS_TRANSLUCENT)
    rgb = discs.rgb[kept]
    for layer in reversed(layers):
        pixels, share = where[layer], alpha[layer].astype(np.uint32)
        colour = mix(np.uint32(0), rgb[owner[layer]], tone[layer].astype(np.uint32) + 1)
        flat[pixels] = mix(flat[pixels], colour, share + (share >> 7))


def _peel(size: int, where: np.ndarray, alpha: np.ndarray, rounds: int) -> list[np.ndarray]:
    """Indices of the fragments of each layer, nearest layer first; each has a pixel at most once."""
    layers: list[np.ndarray] = []
    front = np.zeros(size, dtype=np.int32)
    left = np.arange(len(where), dtype=np.int32)
    pixels = where
    for number in range(rounds):
        front[pixels] = left  # numpy keeps the last of equal indices: the nearest
        nearest = front[pixels]
        is_front = nearest == left
        layers.append(left[is_front])
        if number == rounds - 1:
            break
        behind = ~is_front & (alpha[nearest] < 250)
        left, pixels = left[behind], pixels[behind]
        if not len(left):
            break
    return layers


def _draw_hard(flat: np.ndarray, base: np.ndarray, offsets: np.ndarray, inside: np.ndarray, rgb: np.ndarray) -> None:
    """Discs without soft edges, in slices from far to near: the last write to a pixel is the nearest disc."""
    used = np.flatnonzero(inside.any(axis=0))
    offsets, inside = offsets[used], inside[:, used]
    slice_length = 65_536
    for start in range(0, len(base), slice_length):
        part = slice(start, start + slice_length)
        if inside[part].all():
            flat[(base[part, None] + offsets).reshape(-1)] = np.repeat(rgb[part], len(offsets))
            continue
        owner, offset = np.nonzero(inside[part])
        flat[base[part][owner] + offsets[offset]] = rgb[part][owner]
