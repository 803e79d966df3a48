"""A small run on disk, untrained but whole, and a decoder of another make, as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from core.config import DataConfig, ModelConfig, RunConfig
from core.models.vae import build_model
from core.paths.latent_path import LatentPath
from core.paths.saved_paths import SavedPath, save_path
from core.runs.directory import THUMBNAIL_SIZE, ProbeSet, RunDirectory
from core.training.checkpoint import save_weights


def make_small_run(
    folder: Path,
    *,
    dim: int = 3,
    count: int = 60,
    channels: int = 1,
    classes: tuple[str, ...] = ("cat", "dog", "owl"),
    labelled: bool = True,
    names: tuple[str, ...] = (),
    weights: bool = True,
    metadata: dict | None = None,
) -> RunDirectory:
    """``labelled``: a number "size" and a "class" of ``classes``, the last sample of which is not known."""
    config = RunConfig(
        data=DataConfig(image_size=32, channels=channels), model=ModelConfig(latent_dim=dim, native_size="32x32")
    )
    run = RunDirectory.create(folder, config, metadata or {})
    rng = np.random.default_rng(dim)
    means = rng.normal(size=(count, dim)).astype(np.float32) * np.linspace(3.0, 1.0, dim, dtype=np.float32)
    kinds = np.arange(count, dtype=np.float32) % len(classes)
    kinds[-1] = np.nan
    factors = np.stack([np.linspace(0.5, 2.0, count, dtype=np.float32), kinds], axis=1)
    pictures = rng.integers(0, 255, (count, 1, 1, channels), dtype=np.uint8)
    probe = ProbeSet(
        np.arange(count) * 2,
        factors if labelled else factors[:, :0],
        ("size", "class") if labelled else (),
        np.tile(pictures, (1, THUMBNAIL_SIZE, THUMBNAIL_SIZE, 1)),
        (np.arange(count) % 10 == 0).astype(np.uint8),
        ((), classes) if labelled else (),
        names,
    )
    run.write_probe(probe)
    run.write_embedding(means)
    if weights:
        save_weights(run.weights_path, build_model(config).state_dict(), config)
        path = LatentPath(means[:3])
        save_path(folder, SavedPath("one", path, "latent", path.resample(7)))
    return run


def foreign_decoder() -> bytes:
    """An ONNX file with the code as a column, two more inputs, and four channels of 5 x 7 pixels."""
    numbers, whole = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
    weights = np.random.default_rng(0).normal(size=(2, 140)).astype(np.float32)
    node, info = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [
            node("Transpose", ["code"], ["row"], perm=[1, 0]),
            node("MatMul", ["row", "weights"], ["plain"]),
            node("Mul", ["plain", "temperature"], ["warm"]),
            node("Cast", ["label"], ["number"], to=numbers),
            node("Add", ["warm", "number"], ["flat"]),
            node("Reshape", ["flat", "shape"], ["picture"]),
        ],
        "decoder",
        [info("code", numbers, (2, 1)), info("temperature", numbers, (1,)), info("label", whole, (1,))],
        [info("picture", numbers, (1, 4, 5, 7))],
        [
            onnx.numpy_helper.from_array(weights, "weights"),
            onnx.numpy_helper.from_array(np.array([1, 4, 5, 7], np.int64), "shape"),
        ],
    )
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8
    ).SerializeToString()
