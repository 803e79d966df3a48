"""Sound files of other programs are called what they are, wherever one of ours was wanted."""

from __future__ import annotations

import json
import zipfile

import h5py
import numpy as np
import pytest
import safetensors.torch
import torch
from small_run import make_small_run

from core.cli.main import main
from core.runs.foreign import foreign_model

KINDS = {
    "weights.pt": ("tensors", "--model my_model.py"),
    "old.pth": ("tensors", "--model my_model.py"),
    "module.ckpt": ("code", "onnx.export"),
    "model.keras": ("keras", 'decoder.export("decoder.onnx"'),
    "model.h5": ("keras", 'decoder.export("decoder.onnx"'),
    "model.weights.h5": ("keras", "model.load_weights(…)"),
    "images.h5": ("hdf5", "isoline dataset inspect"),
    "damaged.h5": ("hdf5", "isoline dataset inspect"),
    "sd.safetensors": ("tensors", "--model my_model.py"),
    "model.onnx": ("onnx", "isoline import"),
    "my_model.py": ("program", "isoline open"),
    "vae": ("diffusers", "isoline import"),
    "pythae": ("pythae", "isoline import"),
    "saved": ("keras", "decoder.export"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreign")
    tensors = {"weight": torch.zeros(2)}
    torch.save(tensors, folder / "weights.pt")
    torch.save(tensors, folder / "old.pth", _use_new_zipfile_serialization=False)
    torch.save(torch.nn.Linear(2, 3), folder / "module.ckpt")
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        archive.writestr("model.weights.h5", b"")
    (folder / "damaged.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))
    with h5py.File(folder / "model.h5", "w") as file:  # as Keras 3.15 writes them
        file.attrs["model_config"] = "{}"
        file.create_group("model_weights").attrs["layer_names"] = ["dense"]
    with h5py.File(folder / "model.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = np.zeros(3)
        file.create_group("vars")
    with h5py.File(folder / "images.h5", "w") as file:
        file["images"] = np.zeros((2, 4, 4), np.uint8)
    safetensors.torch.save_file(tensors, folder / "sd.safetensors")
    (folder / "model.onnx").write_bytes(b"\x08\x08")
    (folder / "my_model.py").write_text("raise SystemExit\n", encoding="utf-8")
    for name, config in (("vae", {"_class_name": "AutoencoderKL"}), ("pythae", None), ("saved", None)):
        (folder / name).mkdir()
        if config is not None:
            (folder / name / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "training" / "final_model").mkdir(parents=True)
    (folder / "training" / "final_model" / "model_config.json").write_text("{}", encoding="utf-8")
    (folder / "training" / "final_model" / "model.pt").write_bytes(b"")
    (folder / "pipeline" / "vae").mkdir(parents=True)
    (folder / "pipeline" / "model_index.json").write_text("{}", encoding="utf-8")
    (folder / "pipeline" / "vae" / "config.json").write_text('{"_class_name": "AutoencoderKL"}', encoding="utf-8")
    (folder / "pythae" / "model_config.json").write_text("{}", encoding="utf-8")
    (folder / "pythae" / "model.pt").write_bytes(b"")
    (folder / "saved" / "saved_model.pb").write_bytes(b"")
    return folder


@pytest.mark.parametrize("name", KINDS)
def test_each_is_told_apart_and_its_way_in_is_named(files, name):
    kind, advice = KINDS[name]
    found = foreign_model(files / name)
    assert found is not None
    assert found.kind == kind
    assert advice in str(found)
    assert str(files / name) in str(found)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("pythae/model.pt", "pythae"),
        ("pythae/model_config.json", "pythae"),
        ("training", "training/final_model"),
        ("vae/config.json", "vae"),
        ("pipeline", "pipeline/vae"),
        ("pipeline/model_index.json", "pipeline/vae"),
    ],
)
def test_a_file_stands_for_its_folder_and_a_pipeline_for_its_autoencoder(files, name, folder):
    found = foreign_model(files / name)
    assert found is not None
    assert found.path == files / folder


@pytest.mark.parametrize("command", ["open", "info", "decode"])
@pytest.mark.parametrize("name", ["weights.pt", "module.ckpt", "model.keras", "sd.safetensors", "vae", "pythae"])
def test_no_command_calls_a_sound_file_damaged(files, tmp_path, capsys, name, command):
    more = ["--z", "0,0", "--out", str(tmp_path / "x.png")] if command == "decode" else []
    assert main([command, str(files / name), *more]) == 2
    said = capsys.readouterr().err
    assert KINDS[name][1] in said
    assert "damaged" not in said


def test_what_is_ours_and_what_is_not_known_is_not_foreign(tmp_path):
    run = make_small_run(tmp_path / "run").path
    (tmp_path / "notes.txt").write_text("text", encoding="utf-8")
    (tmp_path / "empty.pt").write_bytes(b"")
    torch.save({"a": torch.zeros(2)}, tmp_path / "cut.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "cut.pt").read_bytes()[:-40])
    for place in (run, run / "weights.safetensors", *(tmp_path / n for n in ("notes.txt", "empty.pt", "cut.pt", "no"))):
        assert foreign_model(place) is None, place
