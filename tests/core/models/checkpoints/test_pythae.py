"""Models that pythae saved are rebuilt from their tensors, and compute what they did there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from core.models.checkpoints.pythae import read_pythae
from core.models.imported.onnx_graph import ImportedModelError

FOREIGN = Path(__file__).parents[3] / "foreign_models"


@pytest.fixture
def saved(tmp_path) -> Path:
    return Path(shutil.copytree(FOREIGN / "pythae_vae", tmp_path / "vae"))


def with_config(folder: Path, **values) -> Path:
    file = folder / "model_config.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | values), encoding="utf-8")
    return folder


def test_what_it_computes_is_what_pythae_computes(saved):
    network = read_pythae(saved)
    assert network.decoder is not None
    assert network.encoder is not None
    with np.load(FOREIGN / "pythae_vae.npz") as theirs, torch.inference_mode():
        image = network.decoder(torch.from_numpy(theirs["z"]))
        mean = network.encoder(torch.from_numpy(theirs["images"]))
        np.testing.assert_allclose(image, theirs["decoded"], atol=1e-6)
        np.testing.assert_allclose(mean, theirs["means"], atol=1e-6)


def test_what_is_left_out_is_noted(saved):
    content = torch.load(saved / "model.pt", weights_only=True)
    content["model_state_dict"]["discriminator.layers.0.weight"] = torch.zeros(3)
    torch.save(content, saved / "model.pt")
    network = read_pythae(with_config(saved, name="VAMPConfig"))
    assert any("discriminator is left out" in note for note in network.notes)
    assert any("need not follow a standard normal" in note for note in network.notes)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"uses_default_encoder": False}, r"encoder\.pkl: those are code"),
        ({"name": "VQVAEConfig"}, "holds a VQVAE of pythae"),
        ({"latent_dim": 4}, r"encoder\.embedding\.weight has shape \(3, 512\); its settings ask for \(4, 512\)"),
        ({"latent_dim": 10**9}, "at most"),
        ({"input_dim": [3, 10**6, 10**6]}, "at most"),
        ({"input_dim": []}, "at most"),
        ({"input_dim": "x"}, "is not a model_config"),
    ],
)
def test_what_cannot_be_rebuilt_is_refused_with_its_reason(saved, values, wanted):
    with pytest.raises(ImportedModelError, match=wanted):
        read_pythae(with_config(saved, **values))


def test_tensors_that_are_missing_or_not_finite_are_named(saved):
    content = torch.load(saved / "model.pt", weights_only=True)
    content["model_state_dict"]["encoder.embedding.bias"][0] = torch.nan
    torch.save(content, saved / "model.pt")
    with pytest.raises(ImportedModelError, match=r"encoder\.embedding\.bias holds NaN"):
        read_pythae(saved)
    del content["model_state_dict"]["encoder.embedding.bias"]
    torch.save(content, saved / "model.pt")
    with pytest.raises(ImportedModelError, match=r"has no tensor encoder\.embedding\.bias \(3,\)"):
        read_pythae(saved)
