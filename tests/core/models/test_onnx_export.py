"""The exported graphs compute what the network computes, for any number of images, and say what they hold."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from core.config import DataConfig, ModelConfig, Preset, RunConfig
from core.models.imported.choices import Choices
from core.models.imported.onnx_inference import OnnxInference
from core.models.imported.proposal import propose
from core.models.network_inference import NetworkInference
from core.models.onnx_export import decoder_onnx, encoder_onnx
from core.models.vae import VAE, build_model


@cache
def network(preset: Preset, size: int, channels: int, **model) -> VAE:
    """With biases and normalisations far from their initial zeros and ones."""
    config = RunConfig(data=DataConfig(image_size=size, channels=channels), model=ModelConfig(preset=preset, **model))
    vae = build_model(config).eval()
    generator = torch.Generator().manual_seed(4)
    for name, tensor in vae.state_dict().items():
        if tensor.ndim == 1:
            values = torch.rand(tensor.shape, generator=generator)
            tensor.copy_(0.5 + values if name.endswith(("running_var", "weight")) else values - 0.5)
    return vae


def enlarging() -> VAE:
    return network("compact", 48, 1, native_size="40x33", variance="learned")


@cache
def exported_decoder(vae: VAE) -> bytes:
    return decoder_onnx(vae)  # takes a second: made once for all tests


@cache
def exported_encoder(vae: VAE) -> bytes:
    return encoder_onnx(vae)


def run(content: bytes, **inputs: np.ndarray) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, inputs)  # type: ignore[return-value]


def latents(count: int) -> np.ndarray:
    return np.random.default_rng(2).normal(size=(count, 3)).astype(np.float32)


def decoded(vae: VAE, z: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        images = torch.sigmoid(vae.decode_logits(torch.from_numpy(z))).numpy()
    assert images.std() > 1e-2, "a constant image would prove nothing"
    return images


@pytest.mark.parametrize("count", [1, 5])
def test_an_enlarged_image_is_drawn_as_the_network_draws_it(count: int):
    (images,) = run(exported_decoder(enlarging()), z=latents(count))
    assert images.dtype == np.float32
    assert images.shape == (count, 1, 48, 48)
    assert np.abs(images - decoded(enlarging(), latents(count))).max() <= 1e-5


def test_the_articles_decoder_draws_the_same_with_convolutions_before_the_doubling():
    vae = network("article-weighted", 44, 3)
    content = exported_decoder(vae)
    (images,) = run(content, z=latents(3))
    assert images.shape == (3, 3, 44, 44)
    assert np.abs(images - decoded(vae, latents(3))).max() <= 1e-5
    assert {node.op_type for node in onnx.load_from_string(content).graph.node}.isdisjoint({"Resize", "ScatterND"})


@pytest.mark.parametrize("learned", [True, False])
def test_the_encoder_gives_mean_and_log_variance(learned: bool):
    vae = enlarging() if learned else network("article-weighted", 44, 3)
    images = np.random.default_rng(0).random((3, vae.channels, vae.image_size, vae.image_size), np.float32)
    with torch.no_grad():
        expected = [heads.numpy() for heads in vae.encode(torch.from_numpy(images))]
    content = exported_encoder(vae)
    for found, wanted in zip(run(content, images=images), expected, strict=True):
        assert found.shape == (3, 3)
        assert found == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    if not learned:
        assert run(content, images=images[:1])[1] == pytest.approx(2 * np.log(0.1))
        stated = {entry.key: entry.value for entry in onnx.load_from_string(content).metadata_props}
        assert (stated["variance"], stated["sigma"]) == ("constant", "0.1")


def test_a_file_says_what_it_holds_and_nothing_of_where_it_was_made():
    content = exported_decoder(enlarging())
    model = onnx.load_from_string(content)
    assert {entry.key: entry.value for entry in model.metadata_props} == {
        "isoline_version": "0.1.0",
        "preset": "compact",
        "latent_dim": "3",
        "image_size": "48",
        "channels": "1",
        "layout": "NCHW",
        "value_range": "0 to 1",
        "variance": "learned",
    }
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 18)]
    assert b"stack_trace" not in content
    assert b"core.models" not in content


def test_the_weights_are_stored_once_and_nothing_is_folded_into_more():
    weights = sum(parameter.numel() for parameter in enlarging().decoder.parameters())
    assert 4 * weights < len(exported_decoder(enlarging())) < 4 * weights + 10_000


def test_imported_again_it_is_the_same_model(tmp_path):
    vae = enlarging()
    paths = []
    for name, content in (("d", exported_decoder(vae)), ("e", exported_encoder(vae))):
        paths.append(tmp_path / f"{name}.onnx")
        paths[-1].write_bytes(content)
    proposal = propose(paths[0], paths[1], Choices())
    for name, content in proposal.files.items():
        assert isinstance(content, bytes)
        (tmp_path / name).write_bytes(content)
    imported = OnnxInference(tmp_path, proposal.model, proposal.latent_dim, 48, 1)
    own = NetworkInference(vae, "cpu", "float32")
    images = own.decode(latents(3))
    assert np.abs(imported.decode(latents(3)).astype(int) - images).max() <= 1
    np.testing.assert_allclose(imported.encode(images), own.encode(images), atol=1e-4)
