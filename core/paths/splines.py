"""Interpolating cubic curves through control points, in any number of dimensions, vectorised and free of scipy.

A curve is kept in Hermite form: positions, tangents with respect to a knot parameter, and knot spacings. Knots are
*centripetal* (spacing = square root of the chord): Yuksel, Schaefer and Keyser, "Parameterization and applications of
Catmull-Rom curves", Computer-Aided Design 43 (2011), show that this one choice of exponent leaves no cusp and no
self-intersection inside a segment. The Hermite form equals the Barry-Goldman pyramid (SIGGRAPH 1988) exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["catmull-rom", "natural", "straight"]
KINDS: tuple[Kind, ...] = ("catmull-rom", "natural", "straight")


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
        return start + t * (first + t * ((3.0 * chord - 2.0 * first - last) + t * (first + last - 2.0 * chord)))


def hermite(control: np.ndarray, kind: Kind, closed: bool) -> Hermite:
    """The curve of ``kind`` through control float64 (m, d), m ≥ 1. Neighbouring control points may coincide."""
    count = len(control)
    # A point cannot be closed into a loop; two points can: there and back.
    segments = 0 if count == 1 else (count if closed else count - 1)
    following = np.roll(control, -1, axis=0)[:segments]
    chord = following - control[:segments]
    spacing = np.sqrt(np.linalg.norm(chord, axis=1))
    leaving, arriving = np.zeros_like(chord), np.zeros_like(chord)
    moving = np.flatnonzero(spacing > 0.0)
    if len(moving):
        # Only segments of some length shape the curve; those of none would give a knot interval of 0.
        slope = chord[moving] / spacing[moving, None]
        if kind == "straight":
            leaving[moving] = arriving[moving] = slope
        else:
            tangents = _tangents(slope, spacing[moving], kind, closed)
            leaving[moving], arriving[moving] = tangents[:-1], tangents[1:]
    return Hermite(control, following, spacing, leaving, arriving)


def _tangents(slope: np.ndarray, spacing: np.ndarray, kind: Kind, closed: bool) -> np.ndarray:
    """Tangents (g + 1, d) at the g + 1 ends of g segments; for a closed curve the last equals the first."""
    if closed and len(spacing) > 1:
        solve = _catmull_rom_inner if kind == "catmull-rom" else _natural_closed
        before, before_spacing = np.roll(slope, 1, axis=0), np.roll(spacing, 1)
        tangents = solve(before, slope, before_spacing, spacing)
        return np.vstack([tangents, tangents[:1]])
    if len(spacing) == 1:
        return np.repeat(slope, 2, axis=0)
    if kind == "natural":
        return _natural_open(slope, spacing)
    inner = _catmull_rom_inner(slope[:-1], slope[1:], spacing[:-1], spacing[1:])
    # The end segments are the parabola through an end point that meets the neighbour's tangent: a half circle through
    # nine points is then 0.0010 short of its length, against 0.0038 with a mirrored phantom point.
    first, last = 2.0 * slope[0] - inner[0], 2.0 * slope[-1] - inner[-1]
    return np.vstack([first, inner, last])


def _catmull_rom_inner(before: np.ndarray, after: np.ndarray, h0: np.ndarray, h1: np.ndarray) -> np.ndarray:
    """Slope at the middle knot of the parabola through three neighbours (Barry-Goldman's tangent)."""
    h0, h1 = h0[:, None], h1[:, None]
    return (h1 * before + h0 * after) / (h0 + h1)


def _natural_open(slope: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Tangents of the cubic spline with continuous second derivative, which is 0 at both ends."""
    inverse = 1.0 / spacing
    count = len(spacing) + 1
    diagonal = np.zeros(count)
    diagonal[:-1] += 2.0 * inverse
    diagonal[1:] += 2.0 * inverse
    right = np.zeros((count, slope.shape[1]))
    right[:-1] += 3.0 * inverse[:, None] * slope
    right[1:] += 3.0 * inverse[:, None] * slope
    return _solve_tridiagonal(inverse, diagonal, inverse, right)


def _natural_closed(before: np.ndarray, after: np.ndarray, h0: np.ndarray, h1: np.ndarray) -> np.ndarray:
    """Tangents of the periodic cubic spline: the cyclic system, by Sherman and Morrison's formula."""
    inverse0, inverse1 = 1.0 / h0, 1.0 / h1
    diagonal = 2.0 * (inverse0 + inverse1)
    right = 3.0 * (inverse0[:, None] * before + inverse1[:, None] * after)
    if len(diagonal) == 2:  # each point is the other's neighbour on both sides
        both = inverse0 + inverse1
        return np.linalg.solve(np.array([[diagonal[0], both[0]], [both[1], diagonal[1]]]), right)
    corner = inverse0[0]
    gamma = -diagonal[0]
    bent = diagonal.copy()
    bent[0] -= gamma
    bent[-1] -= corner * corner / gamma
    pulse = np.zeros((len(diagonal), 1))
    pulse[0], pulse[-1] = gamma, corner
    solution = _solve_tridiagonal(inverse0[1:], bent, inverse1[:-1], np.hstack([right, pulse]))
    plain, response = solution[:, :-1], solution[:, -1:]
    factor = (plain[:1] + plain[-1:] * corner / gamma) / (1.0 + response[0] + response[-1] * corner / gamma)
    return plain - response * factor


def _solve_tridiagonal(lower: np.ndarray, diagonal: np.ndarray, upper: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Thomas' elimination; the systems here are diagonally dominant, so no pivoting is needed."""
    count = len(diagonal)
    ratio, result = np.empty(count), right.copy()
    pivot = diagonal[0]
    result[0] /= pivot
    for i in range(1, count):
        ratio[i] = upper[i - 1] / pivot
        pivot = diagonal[i] - lower[i - 1] * ratio[i]
        result[i] = (result[i] - lower[i - 1] * result[i - 1]) / pivot
    for i in range(count - 2, -1, -1):
        result[i] -= ratio[i + 1] * result[i + 1]
    return result
