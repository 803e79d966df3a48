"""Where an autoencoder in one file has its latent: the narrowest value that all of the image goes through."""

from __future__ import annotations

from core.models.imported.onnx_graph import Graph, needs

_RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial")
_SIZES = ("Shape", "Size")


def passages(graph: Graph, start: str, end: str) -> list[str]:
    """The values, in order, that all paths from input ``start`` to value ``end`` go through.

    What only depends on sizes is no path: an exporter that left the batch free asks for them everywhere.
    """
    places, _ = graph.reachable(end, frozenset({start}))
    nodes = [graph.model.graph.node[place] for place in places]
    alive = {start: 0}  # values that come from start, and where they are used last
    last: dict[str, int] = {}
    for place, node in enumerate(nodes):
        if node.op_type not in _SIZES:
            last |= dict.fromkeys(needs(node), place)
    last[end] = len(nodes)
    alive[start] = last.get(start, 0)
    found = []
    for place, node in enumerate(nodes):
        follows = node.op_type not in _SIZES and any(name in alive for name in needs(node))
        if follows:
            alive |= {name: last[name] for name in node.output if name in last}
        alive = {name: until for name, until in alive.items() if until > place}
        if len(alive) == 1:
            (name,) = alive
            if name != start and (not found or found[-1] != name):
                found.append(name)
    return found


def is_random(graph: Graph, value: str, start: str) -> bool:
    """Whether ``value`` depends on numbers that are drawn at random behind ``start``."""
    places, _ = graph.reachable(value, frozenset({start}))
    return any(graph.model.graph.node[place].op_type in _RANDOM for place in places)


def mean_of_sum(graph: Graph, value: str, start: str) -> str | None:
    """The mean that ``value`` = mean + noise is a sum of; None if it is no such sum."""
    node = next((node for node in graph.model.graph.node if value in node.output), None)
    if node is None:
        return None
    if node.op_type in ("Identity", "Reshape", "Cast", "Squeeze", "Unsqueeze"):
        return mean_of_sum(graph, node.input[0], start)
    if node.op_type != "Add":
        return None
    certain = [name for name in node.input if not is_random(graph, name, start) and start in _from(graph, name, start)]
    return certain[0] if len(certain) == 1 else None


def _from(graph: Graph, value: str, start: str) -> set[str]:
    return graph.reachable(value, frozenset({start}))[1]
