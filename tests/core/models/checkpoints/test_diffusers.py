"""An AutoencoderKL of diffusers, rebuilt from its tensors, computes what it did there; its maps become vectors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from core.models.checkpoints.diffusers import WEIGHTS, flattened, pooled, principal, read_diffusers
from core.models.checkpoints.network import Network
from core.models.imported.onnx_graph import ImportedModelError

FOREIGN = Path(__file__).parents[3] / "foreign_models"


@pytest.fixture
def folder(tmp_path) -> Path:
    return Path(shutil.copytree(FOREIGN / "diffusers_vae", tmp_path / "vae"))


@pytest.fixture
def theirs() -> dict[str, np.ndarray]:
    with np.load(FOREIGN / "diffusers_vae.npz") as arrays:
        return dict(arrays)


def with_config(folder: Path, **values) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | values), encoding="utf-8")
    return folder


def encoded(network: Network, images: np.ndarray) -> np.ndarray:
    assert network.encoder is not None
    with torch.inference_mode():
        return network.encoder(torch.from_numpy(images)).numpy()


def decoded(network: Network, z: np.ndarray) -> np.ndarray:
    assert network.decoder is not None
    with torch.inference_mode():
        return network.decoder(torch.from_numpy(np.ascontiguousarray(z, np.float32))).numpy()


def test_flattened_it_computes_what_diffusers_computes(folder, theirs):
    network = flattened(read_diffusers(folder, None))
    assert network.latent_dim == 4 * 8 * 8
    np.testing.assert_allclose(encoded(network, theirs["images"]), theirs["means"].reshape(4, -1), atol=1e-5)
    np.testing.assert_allclose(decoded(network, theirs["maps"].reshape(4, -1)), theirs["decoded"], atol=1e-5)


def test_another_size_of_images_is_the_persons_choice(folder):
    saved = read_diffusers(folder, 24)
    assert saved.map_shape == (4, 12, 12)
    assert saved.side_reason == "as you said; config.json states 16"
    for side in (15, 2048):
        with pytest.raises(ImportedModelError, match="a multiple of 2 up to 1024"):
            read_diffusers(folder, side)


def test_a_map_too_large_for_a_vector_is_refused_with_the_size_that_fits(folder):
    with pytest.raises(ImportedModelError, match=r"4 × 64 × 64 = 16,384.*--image-size 44 or less, or --maps pca"):
        flattened(read_diffusers(folder, 128))
    assert flattened(read_diffusers(folder, 44)).latent_dim <= 2048


def test_pooled_it_encodes_and_never_decodes(folder, theirs):
    network = pooled(read_diffusers(folder, None))
    assert network.decoder is None
    assert any("nothing is decoded" in note for note in network.notes)
    np.testing.assert_allclose(encoded(network, theirs["images"]), theirs["means"].mean(axis=(2, 3)), atol=1e-5)


def test_principal_components_are_coordinates_whose_points_are_decoded_exactly(folder):
    saved = read_diffusers(folder, None)
    images = np.random.default_rng(0).uniform(-1, 1, (12, 3, 16, 16)).astype(np.float32)
    done = []
    network = principal(saved, iter(images), 12, 5, done.append)
    whole = flattened(saved)
    maps = encoded(whole, images)
    mean = maps.mean(axis=0)
    axes = np.linalg.svd(maps - mean, full_matrices=False)[2][:5]
    z = encoded(network, images)
    # Of random images components are nearly as strong as the next, so rounding turns them a little.
    np.testing.assert_allclose(np.abs(z), np.abs((maps - mean) @ axes.T), atol=1e-3)
    signs = np.sign((z * ((maps - mean) @ axes.T)).sum(axis=0))
    np.testing.assert_allclose(decoded(network, z), decoded(whole, mean + (z * signs) @ axes), atol=1e-3)
    assert done[-1] == 1.0
    share = ((maps - mean) @ axes.T).var(axis=0).sum() / (maps - mean).var(axis=0).sum()
    told = {finding.flag: finding for finding in network.findings}
    assert (told["--maps"].choice, told["--components"].choice, told["--image-size"].choice) == ("pca", "5", "16x16")
    assert f"{share:.0%} of the variance" in told["--components"].reason
    for components in (1, 12, 3000):
        with pytest.raises(ImportedModelError, match=f"--components is {components}"):
            principal(saved, iter(images), 12, components, done.append)


def test_old_names_of_attention_and_half_precision_are_read(folder, theirs):
    tensors = safetensors.torch.load_file(folder / WEIGHTS)
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    for name in list(tensors):
        for new, before in old.items():
            if f".attentions.0.{new}." in name:
                tensors[name.replace(new, before)] = tensors.pop(name)
    half = {name: tensor.half() for name, tensor in tensors.items()}
    safetensors.torch.save_file(half, folder / WEIGHTS)
    network = flattened(read_diffusers(folder, None))
    np.testing.assert_allclose(decoded(network, theirs["maps"].reshape(4, -1)), theirs["decoded"], atol=1e-2)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"_class_name": "VQModel"}, "of a VQModel"),
        ({"down_block_types": ["AttnDownEncoderBlock2D"] * 2}, "down_block_types is"),
        ({"act_fn": "mish"}, "act_fn is 'mish'"),
        ({"block_out_channels": [4, 10**9]}, "block_out_channels is"),
        ({"block_out_channels": [4, 9]}, "norm_num_groups is"),
        ({"norm_num_groups": 0}, "norm_num_groups is"),
        ({"layers_per_block": 2}, r"has no tensor encoder\.down_blocks\.0\.resnets\.1"),
        ({"latent_channels": 8}, r"encoder\.conv_out\.weight has shape \(8, 8, 3, 3\); its settings ask for \(16,"),
        ({"mid_block_add_attention": False}, "which an AutoencoderKL of these settings does not have"),
        ({"scaling_factor": 0}, "scaling_factor is"),
        ({"latents_mean": [1.0]}, "latents_mean is"),
        ({"sample_size": "x"}, "is not the config.json"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(folder, values, wanted):
    with pytest.raises(ImportedModelError, match=wanted):
        read_diffusers(with_config(folder, **values), 16)


def test_weights_that_are_not_there_are_named(folder):
    (folder / WEIGHTS).unlink()
    with pytest.raises(ImportedModelError, match=r"has no diffusion_pytorch_model\.safetensors\. Save it with"):
        read_diffusers(folder, None)
