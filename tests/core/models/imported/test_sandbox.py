"""A foreign network that hangs, asks for too much or crashes harms nothing, and is said to do so."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from core.models.imported import sandbox as sandbox_module
from core.models.imported.onnx_graph import ImportedModelError
from core.models.imported.sandbox import Sandbox
from tests.helpers.onnx_models import decoder, endless, model

ONE = {"x": np.ones((1, 2), np.float32)}


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(1 << 20) as opened:
        opened.infer(decoder().SerializeToString())
        yield opened


def swelling() -> bytes:
    """A value of 2^32 numbers that no shape inference foresees."""
    nodes = [
        helper.make_node("Cast", ["x"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Mul", ["whole", "many"], ["shape 2"]),
        helper.make_node("Reshape", ["shape 2", "flat"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["large"]),
        helper.make_node("ReduceSum", ["large"], ["y"], keepdims=0),
    ]
    constants = {"many": np.array(2**16, np.int64), "flat": np.array([2], np.int64)}
    return model(nodes, [("x", [1, 2])], [("y", [])], constants).SerializeToString()


def test_sound_networks_are_run(sandbox):
    proto = decoder(2)
    assert sandbox.infer(proto.SerializeToString())["image"] == [None, 1, 16, 16]
    sandbox.open("sound", proto.SerializeToString())
    outputs = sandbox.run("sound", {"z": np.zeros((1, 2), np.float32)})
    np.testing.assert_allclose(outputs["image"], 0.5)


def test_one_that_never_ends_is_ended(monkeypatch):
    monkeypatch.setattr(sandbox_module, "SECONDS", 0.2)
    with Sandbox(0) as own:
        own.open("endless", endless().SerializeToString())
        with pytest.raises(ImportedModelError, match=r"more than 0.2 s of processor time while it is run"):
            own.run("endless", ONE)


def test_one_that_wants_too_much_memory_is_refused(sandbox):
    sandbox.open("swelling", swelling())
    with pytest.raises(ImportedModelError, match=r"more memory|GiB of memory|refused by ONNX Runtime"):
        sandbox.run("swelling", ONE)


def test_values_that_shape_inference_finds_too_large_are_not_computed(sandbox):
    nodes = [helper.make_node("Expand", ["x", "shape"], ["y"])]
    proto = model(nodes, [("x", [1, 2])], [("y", None)], {"shape": np.array([2**20, 2**20, 2], np.int64)})
    with pytest.raises(ImportedModelError, match=r"value y would have the shape 1048576 × 1048576 × 2, too large"):
        sandbox.infer(proto.SerializeToString())


def test_what_onnx_runtime_refuses_is_said_in_its_words(sandbox):
    nodes = [helper.make_node("MatMul", ["x", "W"], ["y"])]
    proto = model(nodes, [("x", [1, 2])], [("y", [1, 2])], {"W": np.ones((3, 2), np.float32)})
    with pytest.raises(ImportedModelError, match="refused by ONNX Runtime"):
        sandbox.open("wrong", proto.SerializeToString())


def test_a_process_that_has_died_is_noticed_and_another_is_started():
    with Sandbox(1 << 20) as own:
        own.open("sound", decoder(2).SerializeToString())
        assert own._process is not None
        own._process.kill()
        with pytest.raises(ImportedModelError, match=r"crash|ended"):
            own.run("sound", {"z": np.zeros((1, 2), np.float32)})
        assert own.run("sound", {"z": np.zeros((1, 2), np.float32)})["image"].shape == (1, 1, 16, 16)
