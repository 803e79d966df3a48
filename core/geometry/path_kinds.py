"""The function behind each kind of path: straight, spherical, geodesic, factor curve, attribute vectors.

``MAKERS`` has one entry a kind of ``core.paths.recipe.PATH_KINDS``; whatever makes a path (the engine, the experiments)
makes it by ``trace``. The straight ones are what latent arithmetic does; factor curves are what it should do instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import numpy as np

from core.geometry.factor_curve import AT_EDGE, UNKNOWN_HELD, FactorCurve, factor_curve, tangent
from core.geometry.geodesic import PENALTY, LatentGraph, geodesic
from core.geometry.local_fit import GeometryError, check_place, check_points, project
from core.geometry.off_manifold import SCORE_NEIGHBOURS
from core.geometry.surface import Surface
from core.paths.recipe import END_OF_DATA, PATH_KINDS

AttributeMethod = Literal["mean difference", "regression"]
POINTS = 33


@dataclass(frozen=True, eq=False)
class PathRequest:
    """What a path is made from, on the samples of ``surface``, whose labels are the target and those to hold.

    ``start`` and ``end`` are float (d,). ``target`` names the label to be changed: to ``values`` (m,), one a point;
    without them in ``points`` equal steps to ``value``, else to the label that ``end`` has, else as far as the data go.
    ``graph`` and ``penalty`` are for kinds that compare images: see ``core.geometry.geodesic``.
    """

    surface: Surface
    start: np.ndarray
    end: np.ndarray | None = None
    target: str = ""
    value: float | None = None
    values: np.ndarray | None = None
    points: int = POINTS
    graph: LatentGraph | None = None
    penalty: float = PENALTY

    def target_values(self) -> np.ndarray | None:
        """The target's value wanted at each point, float64 (m,); None: as far as the data go, in both directions.

        Raises ``GeometryError`` where it would not change.
        """
        if self.values is not None:
            return np.asarray(self.values, dtype=np.float64)
        goal = self.value
        if goal is None:
            if self.end is None:
                return None
            goal = self.label_at(self.end)
        begin = self.label_at(self.start)
        if goal == begin:
            raise GeometryError(
                f"{self.target} is {begin:.4g} at both ends, so nothing would change; choose another end."
            )
        return np.linspace(begin, goal, self.points)

    def label_at(self, place: np.ndarray) -> float:
        """The target's label where place (d,) meets the surface."""
        column = self.surface.index(self.target)
        return float(self.surface.labels_at(np.asarray(place, dtype=np.float64)[None])[0, column])


class TracedPath(NamedTuple):
    """A path as it stands: ``points`` float64 (m, d), the surface's ``labels`` float64 (m, F) there, and a note.

    ``labels`` are None where making the path did not need them: see ``labels_on``. ``stage`` is "graph", "relaxed" or
    "polished" of one that gets better, else "exact"; ``converged``: as far as its stage goes. ``note`` is what a person
    should know, "" if nothing.
    """

    points: np.ndarray
    labels: np.ndarray | None = None
    note: str = ""
    stage: str = "exact"
    converged: bool = True

    def labels_on(self, surface: Surface) -> np.ndarray:
        """The labels float64 (m, F) of the ``surface`` along it."""
        return surface.labels_at(self.points) if self.labels is None else self.labels


def trace(kind: str, request: PathRequest) -> Iterator[TracedPath]:
    """The path of a ``kind``, better with each that is yielded; most kinds yield one.

    ``straight`` and ``spherical`` (about the samples' mean) join start and end, and so does a ``geodesic``. The others
    start at ``start`` and change ``target``. ``isoline`` needs no end: it is the whole factor curve. A factor curve
    that cannot reach all the values has fewer points. Raises ``GeometryError`` for something missing that the kind
    needs, labels that cannot be followed, and ends that no geodesic joins.
    """
    about = PATH_KINDS.get(kind)
    if about is None:
        raise GeometryError(f"kind is {kind!r}; it must be one of {', '.join(PATH_KINDS)}.")
    if about.joins and request.end is None:
        raise GeometryError(f"A {kind} path joins two points; give an end.")
    if about.by_images and request.graph is None:
        raise GeometryError(f"A {kind} compares images; give a graph.")
    if not about.joins:
        column = request.surface.index(request.target)
        if request.surface.constant[column]:
            raise GeometryError(f"{request.target} is the same for all samples; choose a target that varies.")
    yield from MAKERS[kind](request)


def made(kind: str, request: PathRequest) -> TracedPath:
    """The last and best that ``trace`` yields."""
    *_, last = trace(kind, request)
    return last


# Between two places -------------------------------------------------------------------------------------------------


def straight(start: np.ndarray, end: np.ndarray, points: int = POINTS) -> np.ndarray:
    """``points`` places float64 (points, d) at equal steps from start (d,) to end (d,), which are finite."""
    if points < 2:
        raise GeometryError(f"points is {points}; a path has 2 or more.")
    start = check_place(start, "start", np.size(start))
    return np.linspace(start, check_place(end, "end", len(start)), points)


def spherical(start: np.ndarray, end: np.ndarray, centre: np.ndarray, points: int = POINTS) -> np.ndarray:
    """An arc about centre (d,), usually the mean of the data, at constant angular speed: float64 (points, d).

    Spherical linear interpolation (Shoemake, SIGGRAPH 1985; for latent spaces White, arXiv 1609.04468) of the
    directions, while the distance from the centre changes linearly. Raises ``GeometryError`` where no arc is
    determined: an end at the centre, or ends opposite each other.
    """
    t = straight(np.zeros(1), np.ones(1), points)
    start = check_place(start, "start", len(centre))
    end = check_place(end, "end", len(centre))
    radii = np.linalg.norm([start - centre, end - centre], axis=1)
    if not radii.all():
        raise GeometryError("start or end is at the centre, where an arc has no direction; choose another end.")
    one, two = (start - centre) / radii[0], (end - centre) / radii[1]
    across = two - (one @ two) * one
    sine = float(np.linalg.norm(across))
    angle = float(np.arctan2(sine, one @ two))
    if angle > np.pi - 1e-6:
        raise GeometryError(
            "start and end are opposite each other about the centre; move one, or go through a third point."
        )
    second = across / sine if sine > 0.0 else np.zeros_like(one)
    turned = np.cos(t * angle) * one + np.sin(t * angle) * second
    return centre + ((1.0 - t) * radii[0] + t * radii[1]) * turned


def _straight(request: PathRequest) -> Iterator[TracedPath]:
    assert request.end is not None
    yield TracedPath(straight(request.start, request.end, request.points))


def _spherical(request: PathRequest) -> Iterator[TracedPath]:
    assert request.end is not None
    centre = request.surface.samples.points.mean(axis=0)
    yield TracedPath(spherical(request.start, request.end, centre, request.points))


def _geodesic(request: PathRequest) -> Iterator[TracedPath]:
    assert request.graph is not None
    assert request.end is not None
    surface = request.graph.surface
    for path in geodesic(request.graph, request.start, request.end, request.points, request.penalty):
        # One local fit a place, without projecting: near the surface these are the labels of ``labels_at``, and quick.
        fit = project(surface.samples, path.points, surface.neighbours, surface.intrinsic, surface.table, iterations=0)
        yield TracedPath(path.points, fit.labels, "", path.stage, path.converged)


# Along a factor curve -----------------------------------------------------------------------------------------------


def _factor_curve(request: PathRequest, whole: bool = False) -> Iterator[TracedPath]:
    surface, values = request.surface, None if whole else request.target_values()
    curve = factor_curve(surface, request.start, request.target, values, request.points)
    stepped = _stepped(surface, curve)
    if len(curve.points) < 2:
        reason = stepped or curve.stopped or END_OF_DATA
        advice = (
            "choose a label that varies smoothly" if stepped else "choose a start farther from the edge of the data"
        )
        raise GeometryError(f"There is no factor curve of {curve.target_name} from this start: {reason}; {advice}.")
    notes = [part for part in curve.note.split("; ") if part != UNKNOWN_HELD]
    notes += [stepped, _early_ends(surface, curve) if values is None else ""]
    yield TracedPath(curve.points, curve.labels, "; ".join(filter(None, notes)))


def _stepped(surface: Surface, curve: FactorCurve) -> str:
    """Whether the target moves in steps, which no curve can follow; "" if it does not."""
    count = len(np.unique(surface.table[:, curve.target]))
    stepped = count <= 64 and count * SCORE_NEIGHBOURS <= len(surface.table)
    return f"{curve.target_name} takes only {count} distinct values, so it changes in steps" if stepped else ""


def _early_ends(surface: Surface, curve: FactorCurve) -> str:
    """Where a curve that was to go as far as the data do ends well before that; "" if it does not."""
    low, high = float(surface.low[curve.target]), float(surface.high[curve.target])
    room = AT_EDGE * (high - low)
    begun, ended = curve.extent
    early = [begun] if begun > low + room else []
    early += [ended] if ended < high - room else []
    at = " and ".join(f"{value:.3g}" for value in early)
    return f"ends within the data's range, at {curve.target_name} = {at}" if early else ""


# Straight lines along which a label is expected to rise -------------------------------------------------------------


class AttributeVector(NamedTuple):
    """``direction`` float64 (d,) of length 1 along which the values rise; ``rate``, by how much per unit of length."""

    direction: np.ndarray
    rate: float


def attribute_vector(
    mu: np.ndarray, values: np.ndarray, method: AttributeMethod = "mean difference"
) -> AttributeVector:
    """The one direction in which an attribute is usually said to rise, from mu (N, d) and its values (N,).

    ``mean difference``: from the mean of the samples below the median to that of those above it (Larsen et al.,
    arXiv 1512.09300, for attributes that are there or not). ``regression``: the gradient of the least-squares plane.
    Raises ``GeometryError`` for values of another number, not finite or all equal, or if no direction comes out.
    """
    mu = check_points(mu, "mu")
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (len(mu),) or not np.isfinite(values).all():
        raise GeometryError(f"values have shape {values.shape}; they must be {len(mu)} finite numbers, one a sample.")
    offsets, changes = mu - mu.mean(axis=0), values - values.mean()
    if not np.ptp(values) > 0.0:
        raise GeometryError("values are the same for all samples; an attribute must differ between them.")
    if method == "mean difference":
        high = values > np.median(values)
        high = high if high.any() else values == values.max()  # half of the samples share the greatest value
        direction = mu[high].mean(axis=0) - mu[~high].mean(axis=0)
    else:
        direction, _, _, _ = np.linalg.lstsq(offsets, changes, rcond=1e-10)
    length = float(np.linalg.norm(direction))
    if not length > 0.0:
        raise GeometryError(f"the {method} of these values has no direction: they do not depend on mu linearly.")
    direction = direction / length
    along = offsets @ direction
    rate = float(along @ changes) / max(float(along @ along), 1e-300)
    if not rate > 0.0:
        raise GeometryError(f"the values do not rise along their {method}; they do not depend on mu linearly.")
    return AttributeVector(direction, rate)


def _line(request: PathRequest, origin: np.ndarray, velocity: np.ndarray, label: float) -> Iterator[TracedPath]:
    """The places at which a line through ``origin`` (d,), where the target is ``label``, expects the values.

    ``velocity`` (d,) is its motion per unit of the target. Without values it runs over the target's range, no farther
    than the data do.
    """
    surface, column = request.surface, request.surface.index(request.target)
    values = request.target_values()
    over = np.linspace(surface.low[column], surface.high[column], request.points) if values is None else values
    points = origin + (over - label)[:, None] * velocity
    if values is None:
        points = _within_ball(points, surface.samples.points)
    yield TracedPath(points)


def _within_ball(path: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """The part of a straight path (m, d) in the ball that the samples take up, as m places; all, if none is."""
    centre = samples.mean(axis=0)
    reach = 1.25 * float(np.sqrt(np.square(samples - centre).sum(axis=1).max()))
    along, offset = path[-1] - path[0], path[0] - centre
    a, b, c = float(along @ along), float(along @ offset), float(offset @ offset) - reach**2
    if a == 0.0 or b * b <= a * c:
        return path
    root = np.sqrt(b * b - a * c)
    low, high = max((-b - root) / a, 0.0), min((-b + root) / a, 1.0)
    return path[0] + np.linspace(low, high, len(path))[:, None] * along if low < high else path


def _attribute_line(request: PathRequest, method: AttributeMethod) -> Iterator[TracedPath]:
    """Latent arithmetic: the straight line along an attribute vector."""
    surface, column = request.surface, request.surface.index(request.target)
    vector = attribute_vector(surface.samples.points, surface.table[:, column], method)
    origin = np.asarray(request.start, dtype=np.float64)
    return _line(request, origin, vector.direction / vector.rate, request.label_at(origin))


MAKERS: dict[str, Callable[[PathRequest], Iterator[TracedPath]]] = {
    "straight": _straight,
    "spherical": _spherical,
    "geodesic": _geodesic,
    "factor curve": _factor_curve,
    "isoline": partial(_factor_curve, whole=True),
    # Right in direction for all factors, but only where it touches the factor curve: at its start.
    "tangent line": lambda request: _line(request, *tangent(request.surface, request.start, request.target)),
    "mean difference": partial(_attribute_line, method="mean difference"),
    "regression": partial(_attribute_line, method="regression"),
}
