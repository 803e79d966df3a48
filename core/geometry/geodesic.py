"""Geodesics: the paths between two latents along which the image changes least, without leaving the data.

Lengths are those of images: the pullback of the pooled image's metric through the decoder (Shao, Kumar and Fletcher
2017; Arvanitidis, Hansen and Hauberg 2018). A shortest path in a neighbour graph of the samples answers at once: it
leads over the samples and round their gaps (Tenenbaum, de Silva and Langford, "A global geometric framework for
nonlinear dimensionality reduction", 2000). Then Gauss-Newton relaxes its discrete energy, in which leaving the samples
costs: inner points move until the image changes evenly, and least. Without that cost the geodesic of a decoder that was
never trained in a gap of the data cuts straight through it. numpy at import, scipy at first use.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Literal, NamedTuple

import numpy as np

from core.geometry.decoder_surrogate import ImageMap, LatentMap
from core.geometry.local_fit import GeometryError, check_place
from core.geometry.off_manifold import OffManifoldPenalty
from core.geometry.surface import Surface
from core.utils.point_sets import interpolated

NEIGHBOURS = 10  # of each landmark in the graph
LATENT_SHARE = 0.02  # of latent length in an edge's weight: where no image changes, short paths are still short
_ENTRIES = 8  # landmarks near each end through which a path may enter the graph

POINTS = 33
PENALTY = 6.0
ITERATIONS = 16

_RELAXED = 1e-3  # of the cost, which another step would save: a path is shown as relaxed
_POLISHED = 1e-4
_POLISHINGS = 4  # steps along the surface
_EXACT = 1e-15  # without a penalty the cost is smooth, and the last digits come for nothing
_REACH = 2.0  # usual distances of the samples: a projection that moves farther has found another sheet

_FIRST_DAMPING = 1e-3  # of the system's mean diagonal
_LATER_DAMPING = 1e-6  # of a path that is nearly at rest; more would hold its longest waves
_LEAST_DAMPING = 1e-9
_MOST_DAMPING = 1e6  # a step of a millionth of the gradient's: below it there is none
_HONEST_DAMPING = 0.1  # what a step would save is judged with no more: any point looks at rest to a tiny step
_ROUNDING = 1e-14  # of the cost: a step that seems to rise by so little is as good as any
_TRIALS = 10  # dampings in one iteration
_POOR, _GOOD = 0.25, 0.75  # shares of the promised decrease that a step makes

Stage = Literal["graph", "relaxed", "polished"]


class LatentGraph:
    """The graph of the ``neighbours`` nearest of each of the ``surface``'s samples, at most 20,000 landmarks.

    ``image_map`` h weights each edge by the distance between its ends' images (left out: latent length); edges that run
    outside the data, beside a gap say, count for more. ``component`` int (L,) numbers the connected parts and
    ``components`` counts them. ``off_manifold`` says how far a place has left the data. Build once an embedding and
    decoder; raises ``GeometryError`` for fewer than 3 samples.
    """

    def __init__(self, surface: Surface, image_map: ImageMap | None = None, neighbours: int = NEIGHBOURS) -> None:
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        if len(surface.samples) < 3:
            raise GeometryError(f"there are {len(surface.samples)} samples; a geodesic needs 3 or more.")
        self.surface, self.samples = surface, surface.samples
        self.image_map: ImageMap = LatentMap() if image_map is None else image_map
        points = self.samples.points
        distances, indices = self.samples.of_samples(neighbours)
        values = self.image_map.value(points)
        self.off_manifold = OffManifoldPenalty(self.samples, surface.intrinsic, None if image_map is None else values)
        rows, columns = np.repeat(np.arange(len(points)), indices.shape[1]), indices.ravel()
        in_images = np.linalg.norm(values[rows] - values[columns], axis=1)
        self._unit = _ratio(float(in_images.sum()), float(distances.sum()))  # image length per latent length
        weights = in_images + LATENT_SHARE * self._unit * distances.ravel()
        outside = np.square(self.off_manifold.own)
        weights *= np.sqrt(1.0 + 0.5 * (outside[rows] + outside[columns]))
        # An explicit zero, between samples that coincide, would be no edge.
        weights = np.maximum(weights, 1e-9 * max(float(weights.mean()), 1e-300))
        edges = coo_matrix((weights, (rows, columns)), shape=(len(points), len(points))).tocsr()
        self._edges = edges.maximum(edges.T).tocsr()
        self.components, self.component = connected_components(self._edges, directed=False)

    def path(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """The shortest path float64 (m, d) from start (d,) over landmarks to end (d,), both ends included, m ≥ 2.

        Raises ``GeometryError`` where the ends lie at parts of the cloud that no edge joins.
        """
        from scipy.sparse.csgraph import dijkstra

        entries, entry_costs = self._entries(start)
        exits, _ = self._entries(end)
        first, last = self.component[entries[0]], self.component[exits[0]]
        if first != last:
            sizes = [int(np.count_nonzero(self.component == part)) for part in (first, last)]
            raise GeometryError(
                f"start and end lie on parts of the cloud that are not connected (of {sizes[0]} and {sizes[1]} of "
                f"{len(self.component)} landmarks, {self.components} parts in all). Choose both on the same part, "
                "or join them by a straight path."
            )
        source = int(exits[0])
        distance, before = dijkstra(self._edges, directed=False, indices=source, return_predecessors=True)
        node = int(entries[int(np.argmin(distance[entries] + entry_costs))])
        nodes = [node]
        while node != source:
            node = int(before[node])
            nodes.append(node)
        # From the first of the exits that is passed on, the end itself is near.
        last_node = next(i for i, node in enumerate(nodes) if node in exits)
        inner = self.samples.points[nodes[: last_node + 1]]
        # A landmark at an end would make the path stand still.
        apart = (np.linalg.norm(inner - start, axis=1) > 0.0) & (np.linalg.norm(inner - end, axis=1) > 0.0)
        return np.vstack([start[None], inner[apart], end[None]])

    def _entries(self, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The landmarks int (e,) nearest to place (d,) and of the nearest one's part, and what reaching them costs."""
        distances, indices = self.samples.query(place[None], _ENTRIES)
        connected = self.component[indices[0]] == self.component[indices[0, 0]]
        return indices[0][connected], self._unit * (1.0 + LATENT_SHARE) * distances[0][connected]


class Geodesic(NamedTuple):
    """A path as it stands: ``points`` float64 (K, d), its ends exactly those asked for.

    ``converged``: another step would save less than a thousandth (of a polished path a ten-thousandth) of the cost;
    False where the steps were used up or none went down any more.
    """

    points: np.ndarray
    stage: Stage
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

    h the graph's image map, x the off-manifold penalty (``core.geometry.off_manifold.OffManifoldPenalty``), L
    the graph path's length, so that ``penalty``, λ, has no unit and K does not matter (stage ``relaxed``); last, those
    points on the surface that the samples lie on (stage ``polished``). ``penalty`` 0 shows what the decoder alone would
    do, and nothing is put back on the surface. Ends that coincide give one polished path of K equal points.

    Raises ``GeometryError`` for ends of another shape, a penalty below 0, fewer than 3 points, or ends on parts of the
    cloud that are not connected.
    """
    if points < 3 or not 0.0 <= penalty < np.inf:
        raise GeometryError(f"points is {points} and penalty {penalty}; they must be 3 or more, and 0 or more.")
    start, end = (check_place(place, name, graph.samples.dim) for name, place in (("start", start), ("end", end)))
    h = graph.image_map

    if np.array_equal(start, end):
        z = np.repeat(start[None], points, axis=0)
        yield Geodesic(z, "polished", True)
        return
    path = graph.path(start, end)
    in_images = np.linalg.norm(np.diff(h.value(path), axis=0), axis=1)
    in_latents = np.linalg.norm(np.diff(path, axis=0), axis=1)
    unit = _ratio(float(in_images.sum()), float(in_latents.sum()))
    # Image length with a little latent length, so that it rises everywhere.
    arc = np.concatenate([[0.0], np.cumsum(in_images + max(LATENT_SHARE * unit, 1e-12) * in_latents)])
    z = interpolated(np.linspace(0.0, arc[-1], points), arc, path)
    z[0], z[-1] = start, end
    yield Geodesic(z, "graph", False)
    relaxation = Relaxation(h, graph.off_manifold, z, penalty)
    for _ in range(iterations):
        saving = relaxation.iterate()
        yield Geodesic(relaxation.z, "relaxed", saving <= _RELAXED)
        if saving <= (_POLISHED if penalty > 0.0 else _EXACT) or relaxation.stuck:
            break
    converged = relaxation.saving <= _POLISHED
    if penalty > 0.0 and graph.surface.intrinsic < graph.samples.dim:
        converged = _polish(graph, relaxation)
    yield Geodesic(relaxation.z, "polished", converged)


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
    near = np.linalg.norm(projected - inner, axis=1) <= _REACH * graph.off_manifold.latent.usual_distance(inner)
    placed = z.copy()
    placed[1:-1][near] = projected[near]
    return placed


def _ratio(over: float, under: float) -> float:
    """over / under, 1 where there is nothing to divide by."""
    return over / under if under > 0.0 else 1.0


# Relaxing a path ------------------------------------------------------------------------------------------------------


class Relaxation:
    """Relaxes a path ``z`` float64 (K, d), which only ever improves.

    The cost is n Σ|h(t+1) - h(t)|² + penalty · L²/n Σ x(z)², n = K - 1, L² the energy at the beginning. ``saving`` is
    the share of the cost that is still to be saved, as far as one step can tell; inf before the first. ``stuck`` says
    that steps of whatever damping fail to go down, though they should.
    """

    def __init__(self, h: ImageMap, off_manifold: OffManifoldPenalty, z: np.ndarray, penalty: float) -> None:
        self._h, self._off_manifold, self.z = h, off_manifold, z
        self._count = len(z) - 1
        # A path of no image length has no energy to set the penalty against: then it is absolute.
        energy = self._energy(h.value(z))
        self._weight = penalty * (energy if energy > 0.0 else 1.0) / self._count
        self._damping = _FIRST_DAMPING
        self.saving = np.inf
        self.stuck = False

    def iterate(self, frame: np.ndarray | None = None) -> float:
        """One step down, or none; the ``saving`` after it. ``frame`` (K - 2, d, q) are the inner points' directions."""
        values, slopes = self._h.value_and_jacobian(self.z)
        outside, outward = self._leaving(self.z, values, slopes)
        before = self._cost(values, outside)
        inner = slopes[1:-1]
        if frame is not None:
            inner, outward = inner @ frame, (np.swapaxes(frame, 1, 2) @ outward[:, :, None])[:, :, 0]
        gradient, bands = self._system(values, inner, outside, outward)
        if not before > 0.0 or not bands[-1].max() > 0.0:  # no image changes anywhere: every path is as short
            self.saving = 0.0
            return 0.0
        for _ in range(_TRIALS):
            step = _solved(bands, gradient, self._damping)
            promised = float(gradient @ step)
            trial = self.z.copy()
            step = step.reshape(len(inner), -1)
            trial[1:-1] -= step if frame is None else (frame @ step[:, :, None])[:, :, 0]
            trial_values = self._h.value(trial)
            decrease = before - self._cost(trial_values, self._leaving(trial, trial_values, None)[0])
            if decrease >= -_ROUNDING * before:
                self.z = trial
                honest = self._damping <= _HONEST_DAMPING
                self.saving = (max(decrease, 0.0) if honest else self._promise(bands, gradient, promised)) / before
                # Damp the next step less where this one kept its promise, more where it hardly did (Marquardt 1963).
                share = decrease / promised if promised > 0.0 else 1.0
                factor = 0.1 if share > _GOOD else (1.0 if share > _POOR else 4.0)
                self._damping = max(self._damping * factor, _LEAST_DAMPING)
                return self.saving
            self._damping *= 10.0
        self.stuck = self._damping > _MOST_DAMPING
        self.saving = self._promise(bands, gradient, 0.0) / before
        return self.saving

    def _promise(self, bands: np.ndarray, gradient: np.ndarray, known: float) -> float:
        """What a step of an honest damping would save by the model of the cost: 0 only where the gradient is."""
        if known > 0.0 and self._damping <= _HONEST_DAMPING:
            return known
        return float(gradient @ _solved(bands, gradient, _HONEST_DAMPING))

    def _cost(self, values: np.ndarray, outside: np.ndarray) -> float:
        return self._energy(values) + self._weight * float(np.square(outside).sum())

    def _energy(self, values: np.ndarray) -> float:
        return float(self._count * np.square(np.diff(values, axis=0)).sum())

    def _leaving(self, z: np.ndarray, values: np.ndarray, slopes: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """The penalty of the inner points (K - 2,) and its slopes (K - 2, d); ``slopes`` are those of ``values``."""
        if self._weight == 0.0:
            return np.zeros(len(z) - 2), np.zeros_like(z[1:-1])
        return self._off_manifold.value_and_slope(z[1:-1], values[1:-1], None if slopes is None else slopes[1:-1])

    def replace(self, z: np.ndarray) -> None:
        """Go on from z (K, d)."""
        self.z = z
        self._damping, self.stuck = _LATER_DAMPING, False

    def _system(
        self, values: np.ndarray, inner: np.ndarray, outside: np.ndarray, outward: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Half the gradient ((K - 2) d,) and the Gauss-Newton matrix, block-tridiagonal, as upper bands (2 d, …).

        ``inner`` (K - 2, P, d) are the slopes of the inner points' values.
        """
        n = self._count
        bend = 2.0 * values[1:-1] - values[:-2] - values[2:]
        gradient = n * np.einsum("kpd,kp->kd", inner, bend)
        gradient += self._weight * outside[:, None] * outward
        blocks = 2.0 * n * (np.swapaxes(inner, 1, 2) @ inner)
        blocks += self._weight * outward[:, :, None] * outward[:, None, :]
        beside = -n * (np.swapaxes(inner[:-1], 1, 2) @ inner[1:])
        return gradient.ravel(), _bands(blocks, beside)


def _bands(blocks: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """Upper bands (2 d, K d) for ``solveh_banded`` of blocks (K, d, d) and those right of them (K - 1, d, d)."""
    count, d = blocks.shape[:2]
    bands = np.zeros((2 * d, count * d))
    top = 2 * d - 1
    for i in range(d):
        for j in range(d):
            if j >= i:
                bands[top - (j - i), j::d] = blocks[:, i, j]
            bands[top - (d + j - i), d + j :: d] = beside[:, i, j]
    return bands


def _solved(bands: np.ndarray, right: np.ndarray, damping: float) -> np.ndarray:
    """The solution of the banded system, its diagonal raised by ``damping`` times its mean, or by as much as it takes.

    A system that is singular, across a surface that the decoder does not see say, is not positive definite when
    rounded.
    """
    from scipy.linalg import LinAlgError, solveh_banded

    size = float(bands[-1].mean())
    while True:
        damped = bands.copy()
        damped[-1] += damping * size
        try:
            return solveh_banded(damped, right, check_finite=False)
        except LinAlgError:
            damping *= 100.0
