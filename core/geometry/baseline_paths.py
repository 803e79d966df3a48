"""The kinds of path between two places, or from one: straight, spherical, along an attribute, along a factor curve.

The straight ones are what latent arithmetic does; factor curves are what it should do instead, and to be compared with
they all come from one function. Every path is an array of places, ready to be decoded. Geodesics, which need a map to
images, have a module of their own.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np

from core.geometry.factor_curve import Surface, factor_curve, isoline, tangent
from core.geometry.local_fit import check_points

PathKind = Literal["straight", "spherical", "factor curve", "isoline", "tangent line", "mean difference", "regression"]
PATH_KINDS: tuple[PathKind, ...] = get_args(PathKind)
AttributeMethod = Literal["mean difference", "regression"]
ATTRIBUTE_METHODS: tuple[AttributeMethod, ...] = get_args(AttributeMethod)

POINTS = 33
_OPPOSITE = 1e-6  # radians short of a half turn


class PathKindError(ValueError):
    """A path that its kind, ends or labels do not determine; the message says what is missing."""


class AttributeVector(NamedTuple):
    """``direction`` float64 (d,) of length 1 along which the values rise; ``rate``, by how much per unit of length."""

    direction: np.ndarray
    rate: float


def straight(start: np.ndarray, end: np.ndarray, points: int = POINTS) -> np.ndarray:
    """``points`` places float64 (points, d) at equal steps from start (d,) to end (d,)."""
    start, end = _ends(start, end, points)
    return np.linspace(start, end, points)


def spherical(start: np.ndarray, end: np.ndarray, centre: np.ndarray, points: int = POINTS) -> np.ndarray:
    """An arc about centre (d,), usually the mean of the data, at constant angular speed: float64 (points, d).

    Spherical linear interpolation (Shoemake, SIGGRAPH 1985; for latent spaces White, arXiv 1609.04468) of the
    directions, while the distance from the centre changes linearly. Raises ``PathKindError`` where no arc is
    determined: an end at the centre, or ends opposite each other.
    """
    start, end = _ends(start, end, points)
    centre, _ = _ends(centre, start, points)
    radii = np.linalg.norm([start - centre, end - centre], axis=1)
    if not radii.all():
        raise PathKindError("start or end is at the centre, which no arc leaves in one direction; choose another end.")
    one, two = (start - centre) / radii[0], (end - centre) / radii[1]
    across = two - (one @ two) * one
    sine = float(np.linalg.norm(across))
    angle = float(np.arctan2(sine, one @ two))
    if angle > np.pi - _OPPOSITE:
        raise PathKindError(
            "start and end are opposite each other about the centre; move one, or pass by a third place."
        )
    t = np.linspace(0.0, 1.0, points)[:, None]
    second = across / sine if sine > 0.0 else np.zeros_like(one)
    turned = np.cos(t * angle) * one + np.sin(t * angle) * second
    return centre + ((1.0 - t) * radii[0] + t * radii[1]) * turned


def attribute_vector(
    mu: np.ndarray, values: np.ndarray, method: AttributeMethod = "mean difference"
) -> AttributeVector:
    """The one direction in which an attribute is usually said to rise, from mu (N, d) and its values (N,).

    ``mean difference``: from the mean of the samples below the median to that of those above it (Larsen et al.,
    arXiv 1512.09300, for attributes that are there or not). ``regression``: the gradient of the least-squares plane.
    Raises ``PathKindError`` for values of another number, not finite or all equal, or if no direction comes out.
    """
    mu = check_points(mu, "mu")
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (len(mu),) or not np.isfinite(values).all():
        raise PathKindError(f"values have shape {values.shape}; they must be {len(mu)} finite numbers, one a sample.")
    if method not in ATTRIBUTE_METHODS:
        raise PathKindError(f"method is {method!r}; it must be one of {', '.join(ATTRIBUTE_METHODS)}.")
    offsets, changes = mu - mu.mean(axis=0), values - values.mean()
    if not np.ptp(values) > 0.0:
        raise PathKindError("values are the same for all samples; an attribute must differ between them.")
    if method == "mean difference":
        high = values > np.median(values)
        high = high if high.any() else values == values.max()  # half of the samples share the greatest value
        direction = mu[high].mean(axis=0) - mu[~high].mean(axis=0)
    else:
        direction, _, _, _ = np.linalg.lstsq(offsets, changes, rcond=1e-10)
    length = float(np.linalg.norm(direction))
    if not length > 0.0:
        raise PathKindError(f"the {method} of these values has no direction: they do not depend on mu linearly.")
    direction = direction / length
    along = offsets @ direction
    rate = float(along @ changes) / max(float(along @ along), 1e-300)
    if not rate > 0.0:
        raise PathKindError(f"the values do not rise along their {method}; they do not depend on mu linearly.")
    return AttributeVector(direction, rate)


def along_attribute(start: np.ndarray, vector: AttributeVector, changes: np.ndarray) -> np.ndarray:
    """Places float64 (m, d) on the straight line from start (d,) at which the vector expects ``changes`` (m,)."""
    return np.asarray(start, dtype=np.float64) + np.asarray(changes)[:, None] / vector.rate * vector.direction


def tangent_line(surface: Surface, start: np.ndarray, target: int | str, values: np.ndarray) -> np.ndarray:
    """The straight line that touches the factor curve at ``start`` (d,), where it expects the ``values`` (m,): (m, d).

    The first-order answer: right in direction for all factors, but only at the start.
    """
    place, velocity, label = tangent(surface, start, target)
    return place + (np.asarray(values, dtype=np.float64) - label)[:, None] * velocity


def make_path(
    kind: PathKind,
    surface: Surface,
    start: np.ndarray,
    end: np.ndarray | None = None,
    target: int | str | None = None,
    values: np.ndarray | None = None,
    points: int = POINTS,
) -> np.ndarray:
    """A path of any kind, float64 (m, d), on the samples of ``surface``.

    ``straight`` and ``spherical`` (about the samples' mean) join ``start`` (d,) and ``end`` (d,). The others start at
    ``start`` and change the label ``target``: to ``values`` (m,); without them, over ``points`` equal steps to the
    label that ``end`` has. ``isoline`` needs no end: it is the whole factor curve. A factor curve that cannot reach all
    the values has fewer points. Raises ``PathKindError`` if something that the kind needs is missing,
    ``core.geometry.surface.FactorError`` for labels that cannot be followed.
    """
    if kind not in PATH_KINDS:
        raise PathKindError(f"kind is {kind!r}; it must be one of {', '.join(PATH_KINDS)}.")
    if kind in ("straight", "spherical"):
        if end is None:
            raise PathKindError(f"a {kind} path joins two places; give an end.")
        if kind == "straight":
            return straight(start, end, points)
        return spherical(start, end, surface.samples.points.mean(axis=0), points)
    if target is None:
        raise PathKindError(f"{kind} changes a label; give the target, one of {', '.join(surface.names) or 'none'}.")
    if kind == "isoline":
        return isoline(surface, start, target, points).points
    if values is None:
        values = _values_between(kind, surface, start, end, target, points)
    if kind == "factor curve":
        return factor_curve(surface, start, target, values).points
    if kind == "tangent line":
        return tangent_line(surface, start, target, values)
    column = surface.index(target)
    vector = attribute_vector(surface.samples.points, surface.table[:, column], kind)
    label = surface.labels_at(np.asarray(start, dtype=np.float64)[None])[0, column]
    return along_attribute(start, vector, np.asarray(values, dtype=np.float64) - label)


def _values_between(
    kind: str, surface: Surface, start: np.ndarray, end: np.ndarray | None, target: int | str, points: int
) -> np.ndarray:
    if end is None:
        raise PathKindError(f"{kind} must know how far to go; give values of the target, or an end.")
    start, end = _ends(start, end, points)
    labels = surface.labels_at(np.stack([start, end]))[:, surface.index(target)]
    return np.linspace(labels[0], labels[1], points)


def _ends(start: np.ndarray, end: np.ndarray, points: int) -> tuple[np.ndarray, np.ndarray]:
    one, two = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    if one.ndim != 1 or one.shape != two.shape or not (np.isfinite(one).all() and np.isfinite(two).all()):
        raise PathKindError(f"ends have shapes {one.shape} and {two.shape}; both must be (d,) finite numbers.")
    if points < 2:
        raise PathKindError(f"points is {points}; a path has 2 or more.")
    return one, two
