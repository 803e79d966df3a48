"""The values that a network's output can have, as far as its last operators say: intervals, worked out backwards."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import onnx
from onnx import NodeProto

from core.models.imported.onnx_graph import Graph

_SAME = (
    "Identity", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Cast", "Dropout", "Expand", "Tile",
    "DepthToSpace", "SpaceToDepth", "MaxPool", "AveragePool", "Gather", "Pad",
)  # fmt: skip
"""Operators whose results lie among their first input's values."""
_DEPTH = 24


class Interval(NamedTuple):
    """From ``low`` to ``high``, infinite where nothing is known."""

    low: float
    high: float

    @property
    def bounded(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)


UNKNOWN = Interval(-math.inf, math.inf)


def constants_of(graph: Graph) -> dict[str, np.ndarray]:
    """The small constants of a network, float64 by name: those that scale values."""
    tensors = {tensor.name: tensor for tensor in graph.model.graph.initializer}
    for node in graph.model.graph.node:
        if node.op_type == "Constant" and len(node.output) == 1:
            for entry in node.attribute:
                if entry.name == "value":
                    tensors[node.output[0]] = entry.t
    found = {}
    for name, tensor in tensors.items():
        if tensor.data_location != onnx.TensorProto.EXTERNAL and math.prod(tensor.dims) <= 16:
            try:
                found[name] = onnx.numpy_helper.to_array(tensor).astype(np.float64)
            except (ValueError, TypeError, KeyError):  # a text, or a type without numbers
                continue
    return found


def output_interval(graph: Graph, output: str) -> tuple[Interval, str]:
    """The interval of ``output``, and the operator that bounds it; "" if none does."""
    walk = _Walk(graph)
    interval = walk.interval(output, _DEPTH)
    return interval, walk.bounding if interval.bounded else ""


def input_scale(graph: Graph, name: str) -> float | None:
    """What ``name`` is multiplied by before anything else happens to it; None if nothing is."""
    constants = constants_of(graph)
    for node in graph.model.graph.node:
        if name not in node.input:
            continue
        if node.op_type in ("Identity", "Cast", "Transpose", "Reshape"):
            return input_scale(graph, node.output[0])
        factors = [constants[other] for other in node.input if other in constants]
        if node.op_type in ("Mul", "Div") and node.input[0] == name and factors and factors[0].size:
            factor = float(np.abs(factors[0]).max())
            return factor if node.op_type == "Mul" else (1.0 / factor if factor else None)
        if node.op_type == "Sub" and node.input[0] == name and factors:
            return input_scale(graph, node.output[0])
        return None
    return None


class _Walk:
    def __init__(self, graph: Graph) -> None:
        self._constants = constants_of(graph)
        self._makers = {name: node for node in graph.model.graph.node for name in node.output if name}
        self.bounding = ""

    def interval(self, name: str, depth: int) -> Interval:
        if name in self._constants:
            value = self._constants[name]
            return Interval(float(value.min()), float(value.max())) if value.size else UNKNOWN
        node = self._makers.get(name)
        if node is None or depth == 0:
            return UNKNOWN
        found = self._of(node, depth - 1)
        if found.bounded and not self.bounding and node.op_type not in _SAME:
            self.bounding = node.op_type
        return found if not (math.isnan(found.low) or math.isnan(found.high)) else UNKNOWN

    def _of(self, node: NodeProto, depth: int) -> Interval:
        kind = node.op_type
        if kind in ("Sigmoid", "HardSigmoid", "Softmax"):
            return Interval(0.0, 1.0)
        if kind in ("Tanh", "Softsign", "Sin", "Cos", "Erf"):
            return Interval(-1.0, 1.0)
        inputs = [name for name in node.input if name]
        if kind == "Constant" or not inputs:
            return UNKNOWN
        if kind == "Clip":
            return self._clipped(node, depth)
        parts = [self.interval(name, depth) for name in (inputs if kind in _PAIRED else inputs[:1])]
        first = parts[0]
        if kind in _SAME:
            return first
        if kind in ("Relu", "Exp", "Abs", "Neg", "Reciprocal", "Round", "Floor", "Ceil"):
            return _alone(kind, first)
        if kind in ("Concat", "Max", "Min") and kind in _PAIRED:
            lows, highs = [part.low for part in parts], [part.high for part in parts]
            if kind == "Concat":
                return Interval(min(lows), max(highs))
            return Interval(max(lows), max(highs)) if kind == "Max" else Interval(min(lows), min(highs))
        if kind in ("Add", "Sub", "Mul", "Div") and len(parts) == 2:
            return _together(kind, first, parts[1])
        return UNKNOWN

    def _clipped(self, node: NodeProto, depth: int) -> Interval:
        inner = self.interval(node.input[0], depth)
        limits = {entry.name: entry.f for entry in node.attribute}  # as they were before opset 11
        low, high = limits.get("min", -math.inf), limits.get("max", math.inf)
        for place in (1, 2):
            value = self._constants.get(node.input[place]) if len(node.input) > place else None
            if value is not None and value.size == 1:
                low, high = (float(value.reshape(-1)[0]), high) if place == 1 else (low, float(value.reshape(-1)[0]))
        return Interval(max(inner.low, low), min(inner.high, high))


_PAIRED = ("Add", "Sub", "Mul", "Div", "Concat", "Max", "Min")


def _alone(kind: str, one: Interval) -> Interval:
    low, high = one
    if kind == "Relu":
        return Interval(max(low, 0.0), max(high, 0.0))
    if kind == "Exp":
        return Interval(math.exp(min(low, 700.0)), math.exp(high) if high < 700.0 else math.inf)
    if kind == "Abs":
        return Interval(0.0 if low <= 0.0 <= high else min(abs(low), abs(high)), max(abs(low), abs(high)))
    if kind == "Neg":
        return Interval(-high, -low)
    if kind == "Reciprocal":
        return _together("Div", Interval(1.0, 1.0), one)
    return Interval(math.floor(low) if math.isfinite(low) else low, math.ceil(high) if math.isfinite(high) else high)


def _together(kind: str, one: Interval, other: Interval) -> Interval:
    if kind == "Add":
        return Interval(one.low + other.low, one.high + other.high)
    if kind == "Sub":
        return Interval(one.low - other.high, one.high - other.low)
    if kind == "Div":
        if other.low <= 0.0 <= other.high and not (other.low == 0.0 and other.high > 0.0):
            return UNKNOWN
        other = Interval(1.0 / other.high, math.inf if other.low == 0.0 else 1.0 / other.low)
    products = [0.0 if 0.0 in (a, b) else a * b for a in one for b in other]
    return Interval(min(products), max(products))
