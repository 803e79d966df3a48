"""The neighbour graph of a latent space, weighted by how far the image moves: the first answer to "which way?".

A shortest path in it leads over the samples and round their gaps (Tenenbaum, de Silva and Langford, "A global geometric
framework for nonlinear dimensionality reduction", 2000), and it costs milliseconds. Where the cloud falls into parts
that no edge joins, there is no path, and that is said. numpy at import, scipy at first use.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from core.geometry.decoder_surrogate import ImageMap, LatentMap
from core.geometry.local_fit import Neighbourhoods
from core.geometry.off_manifold_penalty import OffManifoldPenalty
from core.geometry.surface import Surface

NEIGHBOURS = 10  # of each landmark in the graph
LATENT_SHARE = 0.02  # of latent length in an edge's weight: where no image changes, short paths are still short

_ENTRIES = 8  # landmarks near each end through which a path may enter the graph


class GeodesicError(ValueError):
    """Ends that no geodesic joins; the message says why and what to do."""


class LatentGraph:
    """The graph of the ``neighbours`` nearest of each of the ``surface``'s samples, at most 20,000 landmarks.

    ``image_map`` h weights each edge by the distance between its ends' images (left out: latent length); edges that run
    outside the data, beside a gap say, count for more. ``component`` int (L,) numbers the connected parts and
    ``components`` counts them. ``off_manifold`` says how far a place has left the data. Build once an embedding and
    decoder; raises ``GeodesicError`` for fewer than 3 samples.
    """

    def __init__(self, surface: Surface, image_map: ImageMap | None = None, neighbours: int = NEIGHBOURS) -> None:
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        if len(surface.samples) < 3:
            raise GeodesicError(f"there are {len(surface.samples)} samples; a geodesic needs 3 or more.")
        self.surface = surface
        self.image_map: ImageMap = LatentMap() if image_map is None else image_map
        points = self.samples.points
        distances, indices = self.samples.of_samples(neighbours)
        values = self.image_map.value(points)
        self.off_manifold = OffManifoldPenalty(self.samples, surface.intrinsic, None if image_map is None else values)
        rows, columns = np.repeat(np.arange(len(points)), indices.shape[1]), indices.ravel()
        in_images = np.linalg.norm(values[rows] - values[columns], axis=1)
        self._unit = ratio(float(in_images.sum()), float(distances.sum()))  # image length per latent length
        weights = in_images + LATENT_SHARE * self._unit * distances.ravel()
        outside = np.square(self.off_manifold.of_samples())
        weights *= np.sqrt(1.0 + 0.5 * (outside[rows] + outside[columns]))
        # An explicit zero, between samples that coincide, would be no edge.
        weights = np.maximum(weights, 1e-9 * max(float(weights.mean()), 1e-300))
        edges = coo_matrix((weights, (rows, columns)), shape=(len(points), len(points))).tocsr()
        self._edges = edges.maximum(edges.T).tocsr()
        self.components, self.component = connected_components(self._edges, directed=False)

    @property
    def samples(self) -> Neighbourhoods:
        """The landmarks."""
        return self.surface.samples

    @cached_property
    def largest_share(self) -> float:
        """The share of the landmarks that lies in the largest connected part."""
        return float(np.bincount(self.component).max() / len(self.component))

    def path(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """The shortest path float64 (m, d) from start (d,) over landmarks to end (d,), both ends included, m ≥ 2.

        Raises ``GeodesicError`` where the ends lie at parts of the cloud that no edge joins.
        """
        from scipy.sparse.csgraph import dijkstra

        entries, entry_costs = self._entries(start)
        exits, _ = self._entries(end)
        first, last = self.component[entries[0]], self.component[exits[0]]
        if first != last:
            sizes = [int(np.count_nonzero(self.component == part)) for part in (first, last)]
            raise GeodesicError(
                f"start and end lie on parts of the cloud that are not connected (of {sizes[0]} and {sizes[1]} of "
                f"{len(self.component)} landmarks, {self.components} parts in all). Choose both on the same part, "
                "or join "
                "them by a straight path."
            )
        source = int(exits[0])
        distance, before = dijkstra(self._edges, directed=False, indices=source, return_predecessors=True)
        node = int(entries[int(np.argmin(distance[entries] + entry_costs))])
        nodes = [node]
        while node != source:
            node = int(before[node])
            nodes.append(node)
        inner = self.samples.points[_left_early(nodes, exits)]
        # A landmark at an end would make the path stand still.
        apart = (np.linalg.norm(inner - start, axis=1) > 0.0) & (np.linalg.norm(inner - end, axis=1) > 0.0)
        return np.vstack([start[None], inner[apart], end[None]])

    def _entries(self, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The landmarks int (e,) nearest to place (d,) and of the nearest one's part, and what reaching them costs."""
        distances, indices = self.samples.query(place[None], _ENTRIES)
        connected = self.component[indices[0]] == self.component[indices[0, 0]]
        return indices[0][connected], self._unit * (1.0 + LATENT_SHARE) * distances[0][connected]


def _left_early(nodes: list[int], exits: np.ndarray) -> list[int]:
    """The nodes up to the first of the exits that they pass: from there on the end itself is near."""
    near = set(exits.tolist())
    first = next((index for index, node in enumerate(nodes) if node in near), len(nodes) - 1)
    return nodes[: first + 1]


def ratio(over: float, under: float) -> float:
    """over / under, 1 where there is nothing to divide by."""
    return over / under if under > 0.0 else 1.0
