"""Geodesics: the paths between two latents along which the image changes least, without leaving the data.

Lengths are those of images: the pullback of the pooled image's metric through the decoder (Shao, Kumar and Fletcher
2017; Arvanitidis, Hansen and Hauberg 2018). A shortest path in a neighbour graph of the samples answers at once; then
Gauss-Newton relaxes its discrete energy, in which leaving the samples costs. Without that cost the geodesic of a
decoder that was never trained in a gap of the data cuts straight through it. numpy at import, scipy at first use.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.geometry.local_fit import ManifoldError, check_points
from core.geometry.neighbor_graph import LATENT_SHARE, GeodesicError, LatentGraph, ratio
from core.geometry.path_energy import Relaxation

__all__ = ["ITERATIONS", "PENALTY", "POINTS", "Geodesic", "GeodesicError", "LatentGraph", "Stage", "geodesic"]

POINTS = 33
PENALTY = 6.0
ITERATIONS = 16

_RELAXED = 1e-3  # of the cost, which another step would save: a path is shown as relaxed
_POLISHED = 1e-4
_POLISHINGS = 4  # steps along the surface
_EXACT = 1e-15  # without a penalty the cost is smooth, and the last digits come for nothing
_REACH = 2.0  # usual distances of the samples: a projection that moves farther has found another sheet

Stage = Literal["graph", "relaxed", "polished"]


@dataclass(frozen=True, eq=False)
class Geodesic:
    """A path as it stands: ``points`` float64 (K, d), its ends exactly those asked for.

    ``energy`` n Σ|h(t+1) - h(t)|², n = K - 1, without the penalty; ``latent_length`` and ``image_length`` are sums of
    chords over the ``image_k`` points (image length in units of a pooled cell's full brightness range, as the image map
    has it; latent length where there is none). ``off_share``: the share of the K points that are off the manifold.
    ``seconds`` since the path was asked for. ``converged``: another step would save less than a thousandth (of a
    polished path a ten-thousandth) of the cost; False where the steps were used up or none went down any more.
    """

    points: np.ndarray
    stage: Stage
    energy: float
    latent_length: float
    image_length: float
    image_k: int
    off_share: float
    seconds: float
    converged: bool


def geodesic(
    graph: LatentGraph,
    start: np.ndarray,
    end: np.ndarray,
    points: int = POINTS,
    penalty: float = PENALTY,
    iterations: int = ITERATIONS,
) -> Generator[Geodesic, None, None]:
    """The geodesic from start (d,) to end (d,), better with each that is yielded; drop the iterator to cancel it.

    First the graph's path, at ``points`` K places of equal length (stage ``graph``); then one path an iteration of
    Gauss-Newton on

        n Σ|h(t+1) - h(t)|² + penalty · L² / n Σ x(z)²,

    h the graph's image map, x the off-manifold penalty (``core.geometry.off_manifold_penalty.OffManifoldPenalty``), L
    the graph path's length, so that ``penalty``, λ, has no unit and K does not matter (stage ``relaxed``); last, those
    points on the surface that the samples lie on (stage ``polished``). ``penalty`` 0 shows what the decoder alone would
    do, and nothing is put back on the surface. Ends that coincide give one polished path of K equal points.

    Raises ``GeodesicError`` for ends of another shape, a penalty below 0, fewer than 3 points, or ends on parts of the
    cloud that are not connected.
    """
    began = time.perf_counter()
    start, end = _ends(graph, start, end, points, penalty)
    h = graph.image_map

    def shown(z: np.ndarray, values: np.ndarray, stage: Stage, converged: bool) -> Geodesic:
        chords = np.linalg.norm(np.diff(values, axis=0), axis=1)
        return Geodesic(
            points=z,
            stage=stage,
            energy=float((len(z) - 1) * np.square(chords).sum()),
            latent_length=float(np.linalg.norm(np.diff(z, axis=0), axis=1).sum()),
            image_length=float(chords.sum()),
            image_k=len(z),
            off_share=float(graph.surface.detector.off_manifold(z).mean()),
            seconds=time.perf_counter() - began,
            converged=converged,
        )

    if np.array_equal(start, end):
        z = np.repeat(start[None], points, axis=0)
        yield shown(z, h.value(z), "polished", True)
        return
    path = graph.path(start, end)
    z = _spaced(path, _cumulated(h.value(path), path), points)
    values = h.value(z)
    yield shown(z, values, "graph", False)
    relaxation = Relaxation(h, graph.off_manifold, z, values, penalty)
    for _ in range(iterations):
        saving = relaxation.iterate()
        yield shown(relaxation.z, relaxation.values, "relaxed", saving <= _RELAXED)
        if saving <= (_POLISHED if penalty > 0.0 else _EXACT) or relaxation.stuck:
            break
    converged = relaxation.saving <= _POLISHED
    if penalty > 0.0 and graph.surface.intrinsic < graph.samples.dim:
        converged = _polish(graph, relaxation)
    yield shown(relaxation.z, relaxation.values, "polished", converged)


def _ends(
    graph: LatentGraph, start: np.ndarray, end: np.ndarray, points: int, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    if points < 3 or not 0.0 <= penalty < np.inf:
        raise GeodesicError(f"points is {points} and penalty {penalty}; they must be 3 or more, and 0 or more.")
    checked = []
    for name, place in (("start", start), ("end", end)):
        try:
            one = check_points(np.atleast_2d(np.asarray(place, dtype=np.float64)), name, graph.samples.dim)
            if np.ndim(place) != 1:
                raise ManifoldError(f"{name} is not a single point.")
        except (TypeError, ValueError) as error:
            raise GeodesicError(f"{name} is {place!r}; it must be {graph.samples.dim} finite numbers.") from error
        checked.append(one[0])
    return checked[0], checked[1]


def _polish(graph: LatentGraph, relaxation: Relaxation) -> bool:
    """Put the path on the surface and relax it there, along its tangents; whether it came to rest.

    A path that is free to leave the surface a little cuts its bends, here more and there less; put back, it would
    wind from side to side.
    """
    for _ in range(_POLISHINGS):
        relaxation.replace(_on_surface(graph, relaxation.z))
        saving = relaxation.iterate(graph.surface.project(relaxation.z[1:-1]).tangent)
        if saving <= _POLISHED or relaxation.stuck:
            break
    relaxation.replace(_on_surface(graph, relaxation.z))
    return relaxation.saving <= _POLISHED


def _on_surface(graph: LatentGraph, z: np.ndarray) -> np.ndarray:
    """z (K, d) with its inner points on the surface, but for those that a projection carries elsewhere."""
    inner = z[1:-1]
    projected = graph.surface.project(inner).surface
    near = np.linalg.norm(projected - inner, axis=1) <= _REACH * graph.off_manifold.usual_distance(inner)
    placed = z.copy()
    placed[1:-1][near] = projected[near]
    return placed


def _cumulated(values: np.ndarray, path: np.ndarray) -> np.ndarray:
    """Rising length (m,) along a path: image length with a little latent length, so that it rises everywhere."""
    in_images = np.linalg.norm(np.diff(values, axis=0), axis=1)
    in_latents = np.linalg.norm(np.diff(path, axis=0), axis=1)
    unit = ratio(float(in_images.sum()), float(in_latents.sum()))
    return np.concatenate([[0.0], np.cumsum(in_images + max(LATENT_SHARE * unit, 1e-12) * in_latents)])


def _spaced(path: np.ndarray, cumulated: np.ndarray, count: int) -> np.ndarray:
    """``count`` points on the polygon path (m, d), equally spaced in ``cumulated`` (m,); both ends exact."""
    wanted = np.linspace(0.0, cumulated[-1], count)
    spaced = np.stack([np.interp(wanted, cumulated, column) for column in path.T], axis=1)
    spaced[0], spaced[-1] = path[0], path[-1]
    return spaced
