"""Foreign files are refused with what is wrong and what to do, without running them or opening any other file."""

from __future__ import annotations

import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from core.models.imported import onnx_graph
from core.models.imported.onnx_graph import NEWEST_OPSET, ImportedModelError, read_graph
from tests.helpers.onnx_models import decoder, model, save


def test_inputs_outputs_opset_and_producer_are_read(tmp_path):
    proto = decoder(3)
    graph = read_graph(save(tmp_path / "decoder.onnx", proto))
    assert [str(value) for value in graph.inputs] == ["z (? × 3)"]
    assert [value.shape for value in graph.outputs] == [(None, 1, 16, 16)]
    assert (graph.opset, graph.data) == (17, ())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"no model at all", "not an ONNX file, or damaged"),
        (b"PK\x03\x04 and more", "ZIP archive: a .keras, .npz or PyTorch file"),
        (b"\x89HDF\r\n\x1a\n and more", "HDF5 file, perhaps of Keras"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{\"a\": 1}", "It is a safetensors file of Isoline, or damaged"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (decoder().SerializeToString()[:-200], "not an ONNX file, or damaged"),
        (onnx.ModelProto().SerializeToString() or b"\x08\x08", "holds no ONNX network"),
    ],
)  # fmt: skip
def test_what_is_no_sound_onnx_file_is_said_to_be_so(tmp_path, content, message):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ImportedModelError, match=message) as caught:
        read_graph(path)
    assert str(path) in str(caught.value)


def test_missing_files_folders_and_files_that_are_too_large(tmp_path, monkeypatch):
    with pytest.raises(ImportedModelError, match="does not exist"):
        read_graph(tmp_path / "nothing.onnx")
    with pytest.raises(ImportedModelError, match="is a folder"):
        read_graph(tmp_path)
    monkeypatch.setattr(onnx_graph, "LARGEST_FILE", 100)
    with pytest.raises(ImportedModelError, match=r"holds 2 at most.*external data"):
        read_graph(save(tmp_path / "large.onnx", decoder()))


def external(location: str, offset: str = "0", length: str = "", rows: int = 4) -> onnx.ModelProto:
    """z (N, 4) times weights (4, 256) of another file."""
    proto = decoder(4)
    for tensor in proto.graph.initializer:
        if tensor.name == "W":
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            tensor.dims[0] = rows
            entries = {"location": location, "offset": offset} | ({"length": length} if length else {})
            for key, value in entries.items():
                tensor.external_data.add(key=key, value=value)
    return proto


def test_weights_of_a_file_beside_it_are_listed_but_not_read(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "w.bin").write_bytes(np.zeros(1024, np.float32).tobytes())
    graph = read_graph(save(tmp_path / "model.onnx", external("weights/w.bin")))
    assert graph.data == (tmp_path / "weights" / "w.bin",)


@pytest.mark.parametrize(
    "location",
    ["../w.bin", "/etc/passwd", "weights/../../w.bin", "..\\w.bin", "C:\\w.bin", "\\\\host\\w.bin", "", "a\0b"],
)
def test_weights_may_not_lie_outside_the_models_folder(tmp_path, location):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(bytes(4096))
    with pytest.raises(ImportedModelError, match="must lie in the folder of the model or below it"):
        read_graph(save(folder / "model.onnx", external(location)))


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights there")
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_links_that_lead_out_of_the_folder_are_not_followed(tmp_path, kind):
    folder, outside = tmp_path / "model", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (outside / "w.bin").write_bytes(bytes(4096))
    (folder / "link").symlink_to(outside / "w.bin" if kind == "file" else outside)
    with pytest.raises(ImportedModelError, match="a link that leads out of the model's folder"):
        read_graph(save(folder / "model.onnx", external("link" if kind == "file" else "link/w.bin")))


@pytest.mark.parametrize(
    ("fields", "size", "message"),
    [
        ({}, None, "missing beside it"),
        ({}, 4095, "does not belong to model.onnx, or is cut off"),
        ({"offset": "8"}, 4096, "would be bytes 8 to 4,104 of 4,096"),
        ({"offset": "-8"}, 4096, "it says that W begins at '-8'"),
        ({"length": "100"}, 4096, "does not belong"),
        ({"rows": 2**40}, 4096, "does not belong"),
    ],
)
def test_weights_that_do_not_fit_their_file_are_refused(tmp_path, fields, size, message):
    if size is not None:
        (tmp_path / "w.bin").write_bytes(bytes(size))
    with pytest.raises(ImportedModelError, match=message):
        read_graph(save(tmp_path / "model.onnx", external("w.bin", **fields)))


@pytest.mark.parametrize(
    ("dims", "message"),
    [([2**40, 2**20], "has 2,048 bytes, not"), ([-1, 256], "is damaged: its tensor W has the shape")],
)
def test_shapes_larger_than_what_is_stored_are_refused(tmp_path, dims, message):
    proto = decoder(2)
    (tensor,) = [tensor for tensor in proto.graph.initializer if tensor.name == "W"]
    tensor.dims[:] = dims
    with pytest.raises(ImportedModelError, match=message):
        read_graph(save(tmp_path / "model.onnx", proto))


def one_node(op: str, domain: str = "", opset: int = 17) -> onnx.ModelProto:
    proto = model([helper.make_node(op, ["x"], ["y"], domain=domain)], [("x", [1, 2])], [("y", [1, 2])], {}, opset)
    if domain:
        proto.opset_import.append(helper.make_opsetid(domain, 1))
    return proto


@pytest.mark.parametrize(
    ("proto", "message"),
    [
        (one_node("Swirl"), "needs the operator Swirl, which opset 17 does not have"),
        (one_node("Gelu"), "the operator Gelu, which opset 17 does not have"),  # of opset 20
        (one_node("Swirl", "acme.ops"), r"Swirl of acme.ops.*custom operators are never loaded"),
        (one_node("Relu", opset=NEWEST_OPSET + 9), f"uses opset {NEWEST_OPSET + 9}; {NEWEST_OPSET} is the newest"),
    ],
)
def test_operators_that_cannot_be_run_are_named(tmp_path, proto, message):
    with pytest.raises(ImportedModelError, match=message):
        read_graph(save(tmp_path / "model.onnx", proto))


@pytest.mark.parametrize("version", [-3, 0, 2**40])
def test_versions_that_cannot_be_are_refused(tmp_path, version):
    proto = one_node("Scaler", "ai.onnx.ml")
    proto.opset_import[-1].version = version
    with pytest.raises(ImportedModelError, match=r"is damaged: it uses version .* of the operators 'ai.onnx.ml'"):
        read_graph(save(tmp_path / "model.onnx", proto))


@pytest.mark.parametrize("name", [b"MatMul", b"scaled", b"gain"])
def test_names_that_are_no_text_are_refused(tmp_path, name):
    content = decoder().SerializeToString()
    assert name in content
    path = tmp_path / "model.onnx"
    path.write_bytes(content.replace(name, b"\xb1" * len(name)))
    with pytest.raises(ImportedModelError, match=r"is damaged: one of its names is b'.*, which is no text"):
        read_graph(path)


def test_operators_in_the_bodies_of_loops_are_looked_at_too(tmp_path):
    body = helper.make_graph([helper.make_node("Swirl", ["x"], ["y"])], "body", [], [])
    proto = model([helper.make_node("If", ["x"], ["y"], then_branch=body, else_branch=body)],
                  [("x", [1])], [("y", [1])], {})  # fmt: skip
    with pytest.raises(ImportedModelError, match="the operator Swirl"):
        read_graph(save(tmp_path / "model.onnx", proto))
