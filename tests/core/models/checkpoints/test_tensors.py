"""Tensors of PyTorch and safetensors files are read without running anything; what holds more is refused in words."""

from __future__ import annotations

import contextlib
import pickle
import random
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import safetensors.torch
import torch

from core.models.checkpoints.tensors import read_tensors
from core.models.imported.onnx_graph import ImportedModelError

WEIGHTS = OrderedDict(weight=torch.arange(6.0).reshape(2, 3), bias=torch.zeros(2))


class Payload:
    """A pickle of this makes a file when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("content", [WEIGHTS, {"epoch": 3, "state_dict": WEIGHTS}, {"my_net": WEIGHTS, "loss": 0.1}])
def test_a_state_is_found_where_programs_save_it(tmp_path, content, zipped):
    torch.save(content, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    found = read_tensors(tmp_path / "w.pt")
    assert list(found) == ["weight", "bias"]
    torch.testing.assert_close(found["weight"], WEIGHTS["weight"])


def test_safetensors_are_read(tmp_path):
    safetensors.torch.save_file(WEIGHTS, tmp_path / "w.safetensors")
    torch.testing.assert_close(read_tensors(tmp_path / "w.safetensors")["weight"], WEIGHTS["weight"])


@pytest.mark.parametrize("zipped", [True, False])
def test_a_payload_does_not_run(tmp_path, zipped):
    file, mark = tmp_path / "w.pt", tmp_path / "ran"
    torch.save({"state_dict": WEIGHTS, "extra": Payload(mark)}, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ImportedModelError, match="is code and is not loaded"):
        read_tensors(file)
    file.write_bytes(pickle.dumps(Payload(mark)))
    with pytest.raises(ImportedModelError, match="is code and is not opened"):
        read_tensors(file)
    assert not mark.exists()
    pickle.loads(file.read_bytes())
    assert mark.exists()  # it would have


def test_a_payload_that_hides_from_the_listing_is_stopped_by_torch(tmp_path, monkeypatch):
    mark = tmp_path / "ran"
    torch.save({"state_dict": WEIGHTS, "extra": Payload(mark)}, tmp_path / "w.pt")
    monkeypatch.setattr("core.models.checkpoints.tensors.foreign_model", lambda path: None)
    with pytest.raises(ImportedModelError, match=r"holds more than tensors.*asks for .*state_dict\(\)"):
        read_tensors(tmp_path / "w.pt")
    assert not mark.exists()


def test_whole_modules_and_torchscript_are_refused_with_what_to_do(tmp_path):
    torch.save(torch.nn.Linear(2, 3), tmp_path / "module.pt")
    with pytest.raises(ImportedModelError, match=r"torch\.nn\.modules\.linear\.Linear.*onnx\.export.*state_dict"):
        read_tensors(tmp_path / "module.pt")
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        for name in ("m/data.pkl", "m/constants.pkl", "m/code/__torch__.py"):
            archive.writestr(name, b"\x80\x02}.")
    with pytest.raises(ImportedModelError, match=r"TorchScript archive.*onnx\.export"):
        read_tensors(tmp_path / "script.pt")


def test_a_tensor_larger_than_its_file_is_refused(tmp_path):
    torch.save({"weight": torch.zeros(1).expand(10**6, 10**4)}, tmp_path / "w.pt")
    with pytest.raises(ImportedModelError, match="more than the file holds"):
        read_tensors(tmp_path / "w.pt")


def test_a_compressed_archive_is_refused(tmp_path):
    torch.save(WEIGHTS, tmp_path / "plain.pt")
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain, zipfile.ZipFile(tmp_path / "w.pt", "w", 8) as archive:
        for name in plain.namelist():
            archive.writestr(name, plain.read(name))
    with pytest.raises(ImportedModelError, match="compressed archive"):
        read_tensors(tmp_path / "w.pt")


@pytest.mark.parametrize("content", [{}, [1, 2], {"a": 3}, {"state_dict": {"a": "b"}}])
def test_a_file_without_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(ImportedModelError, match="no mapping from names to tensors"):
        read_tensors(tmp_path / "w.pt")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_damaged_files_are_refused_or_read(tmp_path, suffix):
    file, chance = tmp_path / f"w{suffix}", random.Random(0)
    if suffix == ".pt":
        torch.save(WEIGHTS, file)
    else:
        safetensors.torch.save_file(WEIGHTS, file)
    sound = file.read_bytes()
    for _ in range(60):
        damaged = bytearray(sound)
        for _ in range(chance.randint(1, 8)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        file.write_bytes(damaged[: chance.choice((len(damaged), chance.randrange(len(damaged))))])
        with contextlib.suppress(ImportedModelError):
            read_tensors(file)
