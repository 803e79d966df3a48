"""Antialiased, depth-sorted discs drawn by numpy, for machines whose OpenGL is slow or missing.

Every disc is a stamp out of a table (radius × sub-pixel place), so drawing is gathering and scattering. Overlaps are
resolved by peeling: scattering fragments from far to near leaves the nearest in each pixel; those that do not cover
their pixel fully are taken off, and the rest is scattered again. Two or three rounds give exact edges of opaque discs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

SUBPIXEL = 4  # places in each direction within a pixel
RADIUS_STEP = 0.25  # pixels
MAX_RADIUS = 24.0  # pixels
PAD = 52  # pixels around the picture, so that discs at its border need no clipping
FULL = 250  # a coverage from here on hides what is behind
SOFT_LIMIT = 900_000  # fragments; above it discs lose their soft edges, so that a frame stays short
QUICK_LIMIT = 250_000  # the same while the view turns
HARD_SLICE = 32_768
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


@dataclass(frozen=True, eq=False)
class _Stamps:
    """Pixels of every stamp, one stamp after another; stamp (level, place) is number ``level`` · SUBPIXEL² + ``place``.

    ``start`` and ``count`` say where a stamp lies in ``offset`` (from the disc's own pixel, in a picture of one width),
    ``coverage`` uint8 and ``shade`` uint8. Indices are intp, which numpy uses without converting.
    """

    start: np.ndarray
    count: np.ndarray
    offset: np.ndarray
    coverage: np.ndarray
    shade: np.ndarray


@lru_cache(maxsize=4)
def _stamps(largest: int, width: int) -> tuple[_Stamps, _Stamps, _Stamps]:
    """Pixels that discs cover fully, those at their edges, and those of hard discs; radii up to ``largest`` steps."""
    reach = int(np.ceil(largest * RADIUS_STEP + 0.5)) + 1
    grid = np.arange(-reach, reach + 1)
    dy, dx = (axis.ravel() for axis in np.meshgrid(grid, grid, indexing="ij"))
    places = (np.arange(SUBPIXEL) + 0.5) / SUBPIXEL - 0.5
    fx, fy = np.tile(places, SUBPIXEL), np.repeat(places, SUBPIXEL)
    distance = np.hypot(dx[None] - fx[:, None], dy[None] - fy[:, None])
    radius = (np.arange(largest + 1) * RADIUS_STEP)[:, None, None]
    coverage = (np.clip(radius + 0.5 - distance, 0.0, 1.0) * 255 + 0.5).astype(np.uint8)
    shade = 1.0 - RIM_SHADE * np.clip(distance / np.maximum(radius, 0.5), 0.0, 1.0) ** 2
    shade = (np.broadcast_to(shade, coverage.shape) * 255 + 0.5).astype(np.uint8)
    coverage, shade = coverage.reshape(-1, len(dx)), shade.reshape(-1, len(dx))
    offset = np.broadcast_to(dy * width + dx, coverage.shape)
    full = coverage >= FULL
    hard = (coverage > 127) | (offset == 0)  # the smallest discs keep a pixel
    kinds = (full, (coverage > 0) & ~full, hard)
    core, edge, solid = (_table(used, offset, coverage, shade) for used in kinds)
    return core, edge, solid


def _table(used: np.ndarray, offset: np.ndarray, coverage: np.ndarray, shade: np.ndarray) -> _Stamps:
    count = used.sum(axis=1).astype(np.intp)
    return _Stamps(np.cumsum(count) - count, count, offset[used].astype(np.intp), coverage[used], shade[used])


@lru_cache(maxsize=1)
def _scratch(size: int) -> np.ndarray:
    """int32 (size,) of no particular content, kept from frame to frame."""
    return np.empty(size, dtype=np.int32)


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


def draw_discs(picture: np.ndarray, discs: Discs, quick: bool = False, ground: int = 0) -> None:
    """Draw onto ``picture``, packed colours uint32 (H + 2 PAD, W + 2 PAD); what is seen of it starts at (PAD, PAD).

    ``quick`` leaves the soft edges out sooner. Where they are left out, translucent discs are mixed with ``ground``.
    """
    height, width = picture.shape
    border = PAD / 2  # a stamp reaches no farther than the other half
    on = (discs.x > -border) & (discs.x < width - 2 * PAD + border)
    on &= (discs.y > -border) & (discs.y < height - 2 * PAD + border)
    kept = np.flatnonzero(on)
    if not len(kept):
        return
    x, y = discs.x[kept] + PAD, discs.y[kept] + PAD
    level = np.rint(np.clip(discs.radius[kept], 0.5, MAX_RADIUS) / RADIUS_STEP).astype(np.int32)
    column, row = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
    place = ((y - row) * SUBPIXEL).astype(np.int32) * SUBPIXEL + ((x - column) * SUBPIXEL).astype(np.int32)
    base = (row * width + column).astype(np.intp)
    core, edge, solid = _stamps(int(level.max()), width)
    stamp = (level * (SUBPIXEL * SUBPIXEL) + place).astype(np.intp)
    flat, rgb, opacity = picture.reshape(-1), discs.rgb[kept], discs.alpha[kept]
    if core.count[stamp].sum() + edge.count[stamp].sum() > (QUICK_LIMIT if quick else SOFT_LIMIT):
        rgb = mix(np.uint32(ground), rgb, opacity.astype(np.uint32) + (opacity >> 7))
        _draw_hard(flat, base, solid, stamp, rgb)
    elif (opacity == 255).all():
        _draw_opaque(flat, base, (core, edge), stamp, rgb)
    else:
        _draw_translucent(flat, base, (core, edge), stamp, rgb, opacity)


def _fragments(stamps: _Stamps, stamp: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every pixel of every disc, in the discs' order: the disc, and the pixel's place in ``stamps``."""
    count = stamps.count[stamp]
    first = np.cumsum(count) - count
    owner = np.repeat(np.arange(len(stamp)), count)
    return owner, np.arange(len(owner)) + (stamps.start[stamp] - first).take(owner)


def _draw_opaque(
    flat: np.ndarray, base: np.ndarray, stamps: tuple[_Stamps, _Stamps], stamp: np.ndarray, rgb: np.ndarray
) -> None:
    """Opaque discs: the nearest full pixel hides all behind it, so only edges in front of it need blending."""
    core, edge = stamps
    owner, source = _fragments(core, stamp)
    where = base.take(owner) + core.offset.take(source)
    edge_owner, edge_source = _fragments(edge, stamp)
    edge_where = base.take(edge_owner) + edge.offset.take(edge_source)
    front = _scratch(len(flat))  # read only where it has just been written
    front[edge_where] = -1
    front[where] = owner
    seen = np.flatnonzero(front.take(where) == owner)
    flat[where.take(seen)] = _shaded(rgb.take(owner.take(seen)), core.shade.take(source.take(seen)))
    seen = np.flatnonzero(edge_owner > front.take(edge_where))
    edge_source = edge_source.take(seen)
    colours = _shaded(rgb.take(edge_owner.take(seen)), edge.shade.take(edge_source))
    _blend(flat, edge_where.take(seen), colours, edge.coverage.take(edge_source), PEELS_OPAQUE)


def _draw_translucent(
    flat: np.ndarray,
    base: np.ndarray,
    stamps: tuple[_Stamps, _Stamps],
    stamp: np.ndarray,
    rgb: np.ndarray,
    opacity: np.ndarray,
) -> None:
    """Discs of which some let others shine through: full pixels and edges are peeled together."""
    parts = []
    for table in stamps:
        owner, source = _fragments(table, stamp)
        alpha = (table.coverage.take(source).astype(np.uint16) * opacity.take(owner) // 255).astype(np.uint8)
        colours = _shaded(rgb.take(owner), table.shade.take(source))
        parts.append((owner, base.take(owner) + table.offset.take(source), colours, alpha))
    owner, where, colours, alpha = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(owner.astype(np.uint16) if len(base) < 65_536 else owner, kind="stable")
    _blend(flat, where.take(order), colours.take(order), alpha.take(order), PEELS_TRANSLUCENT)


def _shaded(rgb: np.ndarray, shade: np.ndarray) -> np.ndarray:
    return mix(np.uint32(0), rgb, shade.astype(np.uint32) + 1)


def _blend(flat: np.ndarray, where: np.ndarray, colours: np.ndarray, alpha: np.ndarray, rounds: int) -> None:
    """Blend fragments, ordered from far to near, onto ``flat``: the ``rounds`` nearest of each pixel."""
    for layer in reversed(_peel(len(flat), where, alpha, rounds)):
        pixels, share = where.take(layer), alpha.take(layer).astype(np.uint32)
        flat[pixels] = mix(flat.take(pixels), colours.take(layer), share + (share >> 7))


def _peel(size: int, where: np.ndarray, alpha: np.ndarray, rounds: int) -> list[np.ndarray]:
    """Indices of the fragments of each layer, nearest layer first; each has a pixel at most once."""
    layers: list[np.ndarray] = []
    front = _scratch(size)
    left, pixels = np.arange(len(where)), where
    for _ in range(rounds):
        front[pixels] = left  # numpy keeps the last of equal indices: the nearest
        nearest = front.take(pixels)
        is_front = nearest == left
        layers.append(left.take(np.flatnonzero(is_front)))
        behind = np.flatnonzero(~is_front & (alpha.take(nearest) < FULL))
        if not len(behind):
            break
        left, pixels = left.take(behind), pixels.take(behind)
    return layers


def _draw_hard(flat: np.ndarray, base: np.ndarray, stamps: _Stamps, stamp: np.ndarray, rgb: np.ndarray) -> None:
    """Discs without soft edges, in slices from far to near: the last write to a pixel is the nearest disc."""
    for start in range(0, len(base), HARD_SLICE):
        part = slice(start, start + HARD_SLICE)
        owner, source = _fragments(stamps, stamp[part])
        flat[base[part].take(owner) + stamps.offset.take(source)] = rgb[part].take(owner)
