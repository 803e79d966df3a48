"""Curved paths through latent space: control points, the curve through them, and even speed along it.

A path is an immutable value: every edit makes a new one, so undo is keeping the old. It knows two speeds: *latent*
speed through its own arc-length table, and *image* speed through :class:`ImageLength`, measured on decoded frames.

A curve is kept in Hermite form: positions, tangents with respect to a knot parameter, and knot spacings. Knots are
*centripetal* (spacing = square root of the chord): Yuksel, Schaefer and Keyser, "Parameterization and applications of
Catmull-Rom curves", Computer-Aided Design 43 (2011), show that this one choice of exponent leaves no cusp and no
self-intersection inside a segment. The Hermite form equals the Barry-Goldman pyramid (SIGGRAPH 1988) exactly. numpy at
import, so that the window can use this before its first paint; scipy is for natural curves only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from core.paths.recipe import Recipe, RecipeError
from core.utils.point_sets import nearest_on_polyline

SplineKind = Literal["catmull-rom", "natural", "straight"]
SPLINE_KINDS: tuple[SplineKind, ...] = ("catmull-rom", "natural", "straight")
SCHEMA_VERSION = 1
SAMPLES_PER_SEGMENT = 64
POOLED_CELLS = 16  # ψ: 256² images pooled by 16, other sizes by the same share of the image


@dataclass(frozen=True, eq=False)
class Hermite:
    """A piecewise cubic over the control polygon.

    ``points`` float64 (m, d) the control points, ``following`` float64 (g, d) each segment's end; ``spacing`` float64
    (g,) knot spacings (0: the two control points coincide and the segment rests there); ``leaving`` and ``arriving``
    float64 (g, d), the tangents at a segment's start and end with respect to the knot parameter.
    """

    points: np.ndarray
    following: np.ndarray
    spacing: np.ndarray
    leaving: np.ndarray
    arriving: np.ndarray

    @property
    def segments(self) -> int:
        """Number of segments g: m - 1 for an open curve, m for a closed one."""
        return len(self.spacing)

    def evaluate(self, u: np.ndarray) -> np.ndarray:
        """Points float64 (k, d) at u float64 (k,) in [0, g]; control point i is at u = i."""
        if self.segments == 0:
            return np.repeat(self.points[:1], len(u), axis=0)
        segment = np.clip(u.astype(np.int64), 0, self.segments - 1)
        t = (u - segment)[:, None]
        scale = self.spacing[segment][:, None]
        start, end = self.points[segment], self.following[segment]
        # Written as start + t·(…) so that a segment whose points and tangents are collinear stays exactly so.
        chord, first, last = end - start, scale * self.leaving[segment], scale * self.arriving[segment]
        place = start + t * (first + t * ((3.0 * chord - 2.0 * first - last) + t * (first + last - 2.0 * chord)))
        return np.where(t == 1.0, end, place)  # a loop closes to the last bit


def hermite(control: np.ndarray, kind: SplineKind, closed: bool) -> Hermite:
    """The curve of ``kind`` through control float64 (m, d), m ≥ 1. Neighbouring control points may coincide."""
    count = len(control)
    # A point cannot be closed into a loop; two points can: there and back.
    segments = 0 if count == 1 else (count if closed else count - 1)
    following = np.roll(control, -1, axis=0)[:segments]
    chord = following - control[:segments]
    spacing = np.sqrt(np.linalg.norm(chord, axis=1))
    leaving, arriving = np.zeros_like(chord), np.zeros_like(chord)
    # Only segments of some length shape the curve; those of none, or lost in rounding, would give a knot interval of 0.
    moving = np.flatnonzero(spacing > 4.0 * np.finfo(np.float64).eps * spacing.sum())
    if len(moving):
        slope = chord[moving] / spacing[moving, None]
        if kind == "straight":
            leaving[moving] = arriving[moving] = slope
        else:
            tangents = _tangents(slope, spacing[moving], kind, closed)
            leaving[moving], arriving[moving] = tangents[:-1], tangents[1:]
    return Hermite(control, following, spacing, leaving, arriving)


def _tangents(slope: np.ndarray, spacing: np.ndarray, kind: SplineKind, closed: bool) -> np.ndarray:
    """Tangents (g + 1, d) at the g + 1 ends of g segments; for a closed curve the last equals the first."""
    if len(spacing) == 1:
        return np.repeat(slope, 2, axis=0)
    if kind == "natural":
        return _natural(slope, spacing, closed)
    if closed:
        tangents = _catmull_rom(np.roll(slope, 1, axis=0), slope, np.roll(spacing, 1), spacing)
        return np.vstack([tangents, tangents[:1]])
    inner = _catmull_rom(slope[:-1], slope[1:], spacing[:-1], spacing[1:])
    # The end segments are the parabola through an end point that meets the neighbour's tangent: a half circle through
    # nine points is then 0.0010 short of its length, against 0.0038 with a mirrored phantom point.
    first, last = 2.0 * slope[0] - inner[0], 2.0 * slope[-1] - inner[-1]
    return np.vstack([first, inner, last])


def _natural(slope: np.ndarray, spacing: np.ndarray, closed: bool) -> np.ndarray:
    """Tangents of the cubic spline with continuous second derivative, which is 0 at both ends of an open curve."""
    from scipy.interpolate import CubicSpline  # only here: its import takes longer than the window's first paint

    knots = np.concatenate([[0.0], np.cumsum(spacing)])
    points = np.vstack([np.zeros(slope.shape[1]), np.cumsum(slope * spacing[:, None], axis=0)])
    if closed:
        points[-1] = points[0]  # but for rounding, it is
    tangents = CubicSpline(knots, points, bc_type="periodic" if closed else "natural")(knots, 1)
    if closed:
        tangents[-1] = tangents[0]
    return tangents


def _catmull_rom(before: np.ndarray, after: np.ndarray, h0: np.ndarray, h1: np.ndarray) -> np.ndarray:
    """Slope at the middle knot of the parabola through three neighbours (Barry-Goldman's tangent)."""
    h0, h1 = h0[:, None], h1[:, None]
    return (h1 * before + h0 * after) / (h0 + h1)


class PathError(ValueError):
    """A path, an edit or a path file that makes no sense; the message says what was given and what is wanted."""


@dataclass(frozen=True, eq=False)
class LatentPath:
    """A curve through control points float32 (m, d), m ≥ 1, d ≥ 1; the array is copied and read-only.

    ``kind``: ``catmull-rom`` (centripetal), ``natural`` (cubic spline, continuous curvature) or ``straight``
    (polygon). ``closed`` joins the last control point to the first. ``recipe`` says how the control points were
    computed; None: by hand, and whatever changes them by hand drops it. Two paths are equal if all of these are.

    Places on the path are named in two ways: u in [0, segments], with control point i at u = i, and s in [0, 1], the
    share of the arc length. Values outside are clipped. Raises ``PathError`` for a wrong shape or a number that is
    not finite.
    """

    control: np.ndarray
    closed: bool = False
    kind: SplineKind = "catmull-rom"
    recipe: Recipe | None = None

    def __post_init__(self) -> None:
        control = _points(self.control, "control")
        if self.kind not in SPLINE_KINDS:
            raise PathError(f"kind is {self.kind!r}; it must be one of {', '.join(SPLINE_KINDS)}.")
        control.flags.writeable = False
        object.__setattr__(self, "control", control)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LatentPath):
            return NotImplemented
        same = self.closed == other.closed and self.kind == other.kind and self.recipe == other.recipe
        return same and np.array_equal(self.control, other.control)

    def __hash__(self) -> int:
        return hash((self.control.tobytes(), self.control.shape, self.closed, self.kind))

    def __len__(self) -> int:
        return len(self.control)

    # Places on the curve ------------------------------------------------------------------------------------------

    @property
    def dim(self) -> int:
        """Number of latent dimensions d."""
        return self.control.shape[1]

    @property
    def segments(self) -> int:
        """Number of segments: m - 1 if open, m if closed, 0 for a single point."""
        return self._hermite.segments

    @property
    def length(self) -> float:
        """Arc length, in units of the latent space."""
        return float(self._table[1][-1])

    @cached_property
    def _hermite(self) -> Hermite:
        return hermite(self.control.astype(np.float64), self.kind, self.closed)

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """u (T,), cumulated chords (T,) and points (T, d), all float64; 64 samples a segment."""
        u = np.linspace(0.0, self.segments, self.segments * SAMPLES_PER_SEGMENT + 1)
        points = self._hermite.evaluate(u)
        return u, np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]), points

    def evaluate(self, u: np.ndarray | float) -> np.ndarray:
        """Points float32 (k, d) at u (k,) in [0, segments]; a number gives (d,)."""
        u = np.asarray(u, dtype=np.float64)
        points = self._hermite.evaluate(np.clip(u.reshape(-1), 0.0, self.segments))
        return points.astype(np.float32).reshape(*u.shape, self.dim)

    def sample(self, count: int) -> np.ndarray:
        """``count`` points float32 (count, d), equally spaced in u, both ends included: for drawing the curve."""
        return self.evaluate(np.linspace(0.0, self.segments, _count(count)))

    def parameter(self, s: np.ndarray | float) -> np.ndarray:
        """u float64 (k,) at the shares s (k,) of the arc length; monotone, linear between the table's 64 a segment."""
        u, arc, _ = self._table
        s = np.clip(np.asarray(s, dtype=np.float64), 0.0, 1.0)
        return _invert(arc, u, s)

    def share(self, u: np.ndarray | float) -> np.ndarray:
        """s float64 (k,) at u (k,): the inverse of ``parameter``."""
        table_u, arc, _ = self._table
        at = np.interp(np.asarray(u, dtype=np.float64), table_u, arc)
        return at / arc[-1] if arc[-1] > 0.0 else np.zeros_like(at)

    def at(self, s: np.ndarray | float) -> np.ndarray:
        """Points float32 (k, d) at the shares s (k,) of the arc length; a number gives (d,)."""
        return self.evaluate(self.parameter(s))

    def resample(self, count: int) -> np.ndarray:
        """``count`` points float32 (count, d), equally spaced in arc length, both ends included."""
        return self.at(np.linspace(0.0, 1.0, _count(count)))

    def nearest(self, point: np.ndarray) -> tuple[float, int]:
        """(s, segment) of the curve's place nearest to ``point`` (d,); segment i runs from control point i onwards."""
        point = self._one(point, "point").astype(np.float64)
        u, _, points = self._table
        if len(u) == 1:
            return 0.0, 0
        (best,), (t,), _ = nearest_on_polyline(points, point[None])
        place = u[best] + t * (u[best + 1] - u[best])
        return float(self.share(place)), min(int(place), self.segments - 1)

    # Edits: each returns a new path -------------------------------------------------------------------------------

    def with_point(self, index: int, point: np.ndarray) -> LatentPath:
        """``point`` (d,) inserted before control point ``index``, 0 to m."""
        if not 0 <= index <= len(self):
            raise PathError(f"index is {index}; a point can be inserted at 0 to {len(self)}.")
        return replace(self, control=np.insert(self.control, index, self._one(point, "point"), axis=0), recipe=None)

    def appended(self, point: np.ndarray) -> LatentPath:
        """``point`` (d,) added at the end."""
        return self.with_point(len(self), point)

    def moved(self, index: int, point: np.ndarray) -> LatentPath:
        """Control point ``index`` moved to ``point`` (d,)."""
        control = self.control.copy()
        control[self._index(index)] = self._one(point, "point")
        return replace(self, control=control, recipe=None)

    def removed(self, index: int) -> LatentPath:
        """Control point ``index`` taken out. The last one cannot be: drop the path instead."""
        index = self._index(index)
        if len(self) == 1:
            raise PathError("the path's only control point cannot be removed; clear the path instead.")
        return replace(self, control=np.delete(self.control, index, axis=0), recipe=None)

    def with_kind(self, kind: SplineKind) -> LatentPath:
        """Another curve through the same control points."""
        return replace(self, kind=kind)

    def with_closed(self, closed: bool) -> LatentPath:
        """The same control points, joined into a loop or not."""
        return replace(self, closed=closed, recipe=None)

    def _index(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise PathError(f"index is {index}; the path's control points are 0 to {len(self) - 1}.")
        return index

    def _one(self, point: np.ndarray, name: str) -> np.ndarray:
        value = np.asarray(point, dtype=np.float32)
        if value.shape != (self.dim,) or not np.isfinite(value).all():
            raise PathError(f"{name} is {point!r}; it must be {self.dim} finite numbers.")
        return value

    # Files --------------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-ready values; every float32 comes back bit for bit."""
        value: dict[str, Any] = {
            "schema": SCHEMA_VERSION,
            "kind": self.kind,
            "closed": self.closed,
            "control": [[float(x) for x in point] for point in self.control],
        }
        if self.recipe is not None:
            value["recipe"] = self.recipe.to_dict()
        return value

    @staticmethod
    def from_dict(value: object, origin: str = "path") -> LatentPath:
        """The path of ``to_dict``'s value. Raises ``PathError`` that names ``origin`` and what is wrong."""
        if not isinstance(value, dict):
            raise PathError(f"{origin}: a path is a JSON object, not a {type(value).__name__}.")
        if value.get("schema") != SCHEMA_VERSION:
            raise PathError(f"{origin}: schema is {value.get('schema')!r}; this version reads {SCHEMA_VERSION}.")
        unknown = sorted(set(map(str, value)) - {"schema", "kind", "closed", "control", "recipe"})
        if unknown:
            raise PathError(f"{origin}: unknown field {unknown[0]!r}.")
        closed, kind, control = value.get("closed"), value.get("kind"), value.get("control")
        if not isinstance(closed, bool):
            raise PathError(f"{origin}: closed is {closed!r}; it must be true or false.")
        if not isinstance(control, list) or not all(is_row(row) for row in control):
            raise PathError(f"{origin}: control must be a list of points, each a list of numbers.")
        try:
            recipe = Recipe.from_dict(value["recipe"]) if "recipe" in value else None
            return LatentPath(control, closed, kind, recipe)  # type: ignore[arg-type]  # all are checked there
        except (PathError, RecipeError, TypeError) as error:
            raise PathError(f"{origin}: {error}") from error


@dataclass(frozen=True, eq=False)
class ImageLength:
    """How far the *image* moves along a path: the pace that plays it at constant image speed.

    ``position`` float64 (K,) the shares s of the latent arc length at which frames were decoded; ``cumulated``
    float64 (K,) chords between pooled neighbouring frames, in units of a cell's full brightness range.
    """

    position: np.ndarray
    cumulated: np.ndarray

    @property
    def length(self) -> float:
        """Length in image space. It depends (weakly: the images are pooled) on ``count``, so show both."""
        return float(self.cumulated[-1])

    @property
    def count(self) -> int:
        """Number of frames K that the length was measured on."""
        return len(self.position)

    def to_latent(self, t: np.ndarray | float) -> np.ndarray:
        """s float64 (k,), the share of latent length at the share t (k,) of image length; monotone.

        Where no image changes along the whole path, s = t.
        """
        t = np.clip(np.asarray(t, dtype=np.float64), 0.0, 1.0)
        if self.length <= 0.0:
            return self.position[0] + t * (self.position[-1] - self.position[0])
        return _invert(self.cumulated, self.position, t)

    def from_latent(self, s: np.ndarray | float) -> np.ndarray:
        """t float64 (k,), the share of image length at the share s (k,) of latent length."""
        s = np.clip(np.asarray(s, dtype=np.float64), 0.0, 1.0)
        if self.length <= 0.0:
            return s
        return np.interp(s, self.position, self.cumulated) / self.length


def image_length_table(images: np.ndarray, position: np.ndarray | None = None) -> ImageLength:
    """Image length along a path from its frames uint8 (K, H, W, C), K ≥ 1.

    Chords are Euclidean distances between frames pooled to 16 × 16 cells: the length of unpooled near-binary images
    keeps growing with K. ``position`` float (K,) rising shares of latent length; left out: equally spaced.
    """
    place = np.linspace(0.0, 1.0, len(images)) if position is None else np.asarray(position, dtype=np.float64)
    pooled = pool(images)
    chords = np.linalg.norm(np.diff(pooled, axis=0), axis=1)
    return ImageLength(place, np.concatenate([[0.0], np.cumsum(chords)]))


def pool(images: np.ndarray) -> np.ndarray:
    """ψ: images uint8 (K, H, W, C) averaged over 16 × 16 cells, float64 (K, cells · C) in [0, 1]."""
    rows = _cell_edges(images.shape[1])
    columns = _cell_edges(images.shape[2])
    area = np.diff(rows)[:, None] * np.diff(columns)
    pooled = np.empty((len(images), len(rows) - 1, len(columns) - 1, images.shape[3]))
    some = max(1, (1 << 18) // max(images[0].size, 1)) if len(images) else 1  # as many as stay in the cache
    for start in range(0, len(images), some):
        summed = np.add.reduceat(images[start : start + some], rows[:-1], axis=1, dtype=np.uint32)
        pooled[start : start + some] = np.add.reduceat(summed, columns[:-1], axis=2) / (255.0 * area[..., None])
    return pooled.reshape(len(images), -1)


def _cell_edges(size: int) -> np.ndarray:
    return np.unique(np.round(np.linspace(0, size, min(POOLED_CELLS, size) + 1)).astype(np.int64))


def _invert(cumulated: np.ndarray, place: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Place where ``share`` of the last cumulated length is reached; a stretch where nothing moves is stepped over."""
    if cumulated[-1] <= 0.0:
        return place[0] + share * (place[-1] - place[0])
    # interp takes the last of equal abscissae, which is the step; only the very start must stay where it is.
    # Steps below 2⁻⁴⁰ of the whole are no movement: their slopes would overflow.
    shares = np.round(cumulated / cumulated[-1] * 2.0**40) / 2.0**40
    return np.where(share <= 0.0, place[0], np.interp(share, shares, place))


def _count(count: int) -> int:
    if count < 1:
        raise PathError(f"count is {count}; it must be 1 or more.")
    return count


def _points(value: object, name: str) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused below
            points = np.array(value, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise PathError(f"{name} is not an array of points (m, d): {error}") from error
    if points.ndim != 2 or 0 in points.shape:
        raise PathError(f"{name} has shape {points.shape}; it must be (m, d): m points of d numbers, one or more each.")
    broken = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(broken):
        raise PathError(f"{name} holds a number that is not finite, in point {broken[0]}.")
    return points


def is_row(row: object) -> bool:
    """Whether ``row``, read from JSON, is a list of numbers."""
    return isinstance(row, list) and all(isinstance(x, int | float) and not isinstance(x, bool) for x in row)
