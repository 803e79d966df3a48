"""Small ONNX files of known behaviour, made without a framework: linear decoders and encoders that undo them.

z (N, d) is drawn as ``0.5 + 0.1 z W`` with orthonormal rows of W, before the last operators; the encoder gives it back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

GAIN = 0.1
_TYPE = TensorProto.FLOAT


def weights(d: int, count: int) -> np.ndarray:
    """W float32 (d, count), orthonormal rows, smooth enough that neighbours are alike."""
    places = np.linspace(0.0, 1.0, count)
    waves = np.stack([np.cos(np.pi * (k + 1) * places) for k in range(d)])
    return np.linalg.qr(waves.T)[0].T.astype(np.float32)


def model(
    nodes: list, inputs: list, outputs: list, constants: dict[str, np.ndarray], opset: int = 17
) -> onnx.ModelProto:
    """A model of (name, shape) inputs and outputs; None is a free axis."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, _TYPE, shape) for name, shape in inputs],
        [helper.make_tensor_value_info(name, _TYPE, shape) for name, shape in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def decoder(d: int = 2, shape: tuple[int, ...] = (1, 16, 16), end: str = "", name: str = "z") -> onnx.ModelProto:
    """z to an image of ``shape`` behind the batch. ``end``: "" for values about 0.5, or what is done with these:
    "symmetric" and "bytes" rescale them, "Sigmoid" and "Tanh" bound them, "logits" makes a sigmoid's input of them."""
    count = int(np.prod(shape))
    nodes = [
        helper.make_node("MatMul", [name, "W"], ["flat"]),
        helper.make_node("Mul", ["flat", "gain"], ["scaled"]),
        helper.make_node("Add", ["scaled", "half"], ["level"]),
        helper.make_node("Reshape", ["level", "shape"], ["image" if not end else "plain"]),
    ]
    constants = {"W": weights(d, count), "shape": np.array([-1, *shape], np.int64)}
    constants |= {"gain": np.float32(1.0), "half": np.float32(0.5), "two": np.float32(2.0), "255": np.float32(255.0)}
    if end == "symmetric":
        nodes += [helper.make_node("Mul", ["plain", "two"], ["doubled"]),
                  helper.make_node("Sub", ["doubled", "one"], ["image"])]  # fmt: skip
    elif end == "bytes":
        nodes.append(helper.make_node("Mul", ["plain", "255"], ["image"]))
    elif end == "logits":
        nodes += [helper.make_node("Sub", ["plain", "half"], ["centred"]),
                  helper.make_node("Mul", ["centred", "sixteen"], ["image"])]  # fmt: skip
    elif end:
        nodes.append(helper.make_node(end, ["plain"], ["image"]))
    constants |= {"one": np.float32(1.0), "sixteen": np.float32(16.0)}
    return model(nodes, [(name, [None, d])], [("image", [None, *shape])], constants)


def encoder(
    d: int = 2, shape: tuple[int, ...] = (1, 16, 16), low: float = 0.0, high: float = 1.0, heads: str = "mean log_var"
) -> onnx.ModelProto:
    """The inverse of ``decoder``: images of ``low`` to ``high`` to its latent and a constant log-variance, in the order
    of the names ``heads``; or to both in one output, if there is one name."""
    count = int(np.prod(shape))
    inverse = weights(d, count).T / (high - low)
    centre = (weights(d, count) @ np.full(count, low + 0.5 * (high - low), np.float32) / (high - low)).astype(
        np.float32
    )
    names = heads.split()
    mean = names[0] if len(names) > 1 else "mean part"
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "inverse"], ["raw"]),
        helper.make_node("Sub", ["raw", "centre"], [mean]),
        helper.make_node("Mul", [mean, "small"], ["nothing"]),
        helper.make_node("Sub", ["nothing", "four"], [names[1] if len(names) > 1 else "variance part"]),
    ]
    outputs: list[Any] = [(name, [None, d]) for name in names]
    if len(names) == 1:
        nodes.append(helper.make_node("Concat", [mean, "variance part"], [heads], axis=1))
        outputs = [(heads, [None, 2 * d])]
    constants = {"inverse": inverse.astype(np.float32), "centre": centre.astype(np.float32)}
    constants |= {"small": np.float32(0.01), "four": np.float32(4.0)}
    return model(nodes, [("x", [None, *shape])], outputs, constants)


def autoencoder(d: int = 2, shape: tuple[int, ...] = (1, 16, 16), sampled: bool = False) -> onnx.ModelProto:
    """Both in one file, x to image; the latent inside. ``sampled``: it is the mean and noise, as while training."""
    first, second = encoder(d, shape), decoder(d, shape, name="z")
    nodes = list(first.graph.node)
    if sampled:
        nodes += [
            helper.make_node("RandomNormalLike", ["mean"], ["noise"], seed=1.0),
            helper.make_node("Mul", ["noise", "small"], ["spread"]),
            helper.make_node("Add", ["mean", "spread"], ["z"]),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["mean"], ["z"]))
    renamed = {"flat": "flat again"}
    for node in second.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = renamed.get(name, name)
        nodes.append(node)
    constants = [*first.graph.initializer, *second.graph.initializer]
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in constants}
    return model(nodes, [("x", [None, *shape])], [("image", [None, *shape])], arrays)


def endless() -> onnx.ModelProto:
    """x (1, 2) to y (1, 2): a loop that adds one for a very long time."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["goes on"]),
            helper.make_node("Add", ["state", "one"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, [1, 2]),
        ],
        [
            helper.make_tensor_value_info("goes on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [1, 2]),
        ],
    )
    loop = helper.make_node("Loop", ["times", "", "x"], ["y"], body=body)
    constants = {"times": np.array(2**60, np.int64), "one": np.float32(1.0)}
    return model([loop], [("x", [1, 2])], [("y", [1, 2])], constants)


def save(path: Path, proto: onnx.ModelProto) -> Path:
    """Write it, unchecked."""
    path.write_bytes(proto.SerializeToString())
    return path
