"""`isoline import` of tensors: pythae's folders as they are, others by a person's load(state), after the yes."""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from core.cli.main import main
from core.runs.directory import RunDirectory
from core.training.opening import open_inference

FOREIGN = Path(__file__).parents[2] / "foreign_models"
LOAD = """
import torch

class Model(torch.nn.Module):
    latent_dim = 2

    def __init__(self):
        super().__init__()
        self.up, self.down = torch.nn.Linear(2, 64), torch.nn.Linear(64, 2)

    def decode(self, z):
        return torch.sigmoid(self.up(z)).reshape(-1, 1, 8, 8)

    def encode(self, x):
        return self.down(x.flatten(1)), torch.zeros(1)

def load(state):
    model = Model()
    model.load_state_dict(state)
    return model
"""


@pytest.fixture
def weights(tmp_path, monkeypatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    torch.manual_seed(0)
    up, down = torch.nn.Linear(2, 64), torch.nn.Linear(64, 2)
    state = {f"{name}.{key}": value for name, part in (("up", up), ("down", down)) for key, value in
             part.state_dict().items()}  # fmt: skip
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "weights.pt")
    yield tmp_path / "weights.pt"
    sys.modules.pop("isoline_program", None)


def program(folder: Path, text: str) -> list[str]:
    """The flags that name a program and say yes to it."""
    (folder / "my_model.py").write_text(text, encoding="utf-8")
    return ["--model", str(folder / "my_model.py"), "--yes", hashlib.sha256(text.encode()).hexdigest()]


def test_a_folder_of_pythae_becomes_a_run(tmp_path, capsys):
    weights = str(FOREIGN / "pythae_vae" / "model.pt")  # its folder is meant
    assert main(["import", weights, "--samples", "20", "--out", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert "0:1  (Isoline exported it; --range)" in said
    assert "as you said" not in said
    run = RunDirectory.open(tmp_path / "run")
    assert run.imported is not None
    assert "pythae_vae: rebuilt and exported to ONNX" in run.imported.notes[0]
    model, _ = open_inference(run.path)
    with np.load(FOREIGN / "pythae_vae.npz") as theirs:
        ours = model.decode(theirs["z"])[:, 1:6, 1:7, 0]  # 5 × 6 pixels in a square of 8
        np.testing.assert_allclose(ours, theirs["decoded"][:, 0] * 255, atol=0.51)


def test_a_state_file_is_computed_as_the_persons_file_says(tmp_path, weights):
    flags = ["--samples", "20", "--out", str(tmp_path / "run")]
    assert main(["import", str(weights), *program(tmp_path, LOAD), *flags]) == 0
    model, config = open_inference(tmp_path / "run")
    assert (config.model.latent_dim, config.data.image_size) == (2, 8)
    state = torch.load(weights, weights_only=True)["state_dict"]
    z = np.array([[0.5, -1.0]], np.float32)
    wanted = torch.sigmoid(torch.from_numpy(z) @ state["up.weight"].T + state["up.bias"]).reshape(8, 8)
    np.testing.assert_allclose(model.decode(z)[0, ..., 0], wanted.numpy() * 255, atol=0.51)
    assert model.encode(model.decode(z)).shape == (1, 2)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a = 1\n", "defines no load(state)"),
        ("def load(state):\n    return state['nothing']\n", "line 2: load raised KeyError"),
        ("def load(state):\n    return 3\n", "returned int without decode or encode"),
        (LOAD.replace("latent_dim = 2", "latent_dim = 3"), "decode raised RuntimeError for shape (1, 3)"),
        (LOAD.replace("latent_dim = 2", "other = 2"), "has latent_dim = None"),
        (LOAD.replace("return torch.sigmoid", "return list"), "decode"),
    ],
)
def test_what_is_wrong_with_the_persons_file_is_said(tmp_path, weights, capsys, text, wanted):
    assert main(["import", str(weights), *program(tmp_path, text), "--out", str(tmp_path / "run")]) == 2
    assert wanted in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_nothing_of_the_file_runs_without_a_yes(tmp_path, weights, capsys):
    flags = program(tmp_path, f"open({str(tmp_path / 'ran')!r}, 'w')\n")[:2]
    assert main(["import", str(weights), *flags]) == 2
    assert "nobody has said yes" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


def test_flags_that_do_not_fit_are_refused(tmp_path, weights, capsys):
    assert main(["import", str(FOREIGN / "pythae_vae"), "--encoder", "e.onnx"]) == 2
    assert "--encoder cannot be used" in capsys.readouterr().err
    assert main(["import", str(FOREIGN / "keras_decoder.onnx"), *program(tmp_path, LOAD)]) == 2
    assert "--model cannot be used" in capsys.readouterr().err
    assert main(["import", str(weights)]) == 2
    assert "--model my_model.py" in capsys.readouterr().err


def test_an_autoencoder_of_diffusers_becomes_a_run_with_components_of_the_images_maps(tmp_path, capsys):
    images = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", images=images)
    folder, out = str(FOREIGN / "diffusers_vae"), ["--out", str(tmp_path / "run")]
    assert main(["import", folder, "--maps", "pca"]) == 2
    assert "name them with --images" in capsys.readouterr().err
    pca = ["--maps", "pca", "--components", "3", "--images", str(tmp_path / "images.npz")]
    assert main(["import", folder, *pca, *out]) == 0
    run = RunDirectory.open(tmp_path / "run")
    assert run.imported is not None
    assert "3  (of the maps of 20 images; they hold" in capsys.readouterr().out
    assert run.read_embedding().shape == (20, 3)
    assert abs(run.read_embedding().mean(axis=0)).max() < 1e-3
    model, _ = open_inference(run.path)
    assert model.decode(np.zeros((1, 3), np.float32)).shape == (1, 16, 16, 3)


def test_pooled_maps_are_encoded_alone(tmp_path):
    np.savez(tmp_path / "images.npz", images=np.zeros((6, 16, 16, 3), np.uint8))
    pooled = ["--maps", "pooled", "--images", str(tmp_path / "images.npz"), "--out", str(tmp_path / "run")]
    assert main(["import", str(FOREIGN / "diffusers_vae"), *pooled]) == 0
    model, config = open_inference(tmp_path / "run")
    assert (model.can_decode, model.can_encode, config.model.latent_dim) == (False, True, 4)
