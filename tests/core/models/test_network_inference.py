"""Fast inference gives the plain model's numbers, in numpy's shapes and types."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from core.config import DataConfig, ModelConfig, Preset, RunConfig
from core.models.article import ArticleDecoder
from core.models.article_fused import FusedArticleDecoder, FusedUpConvolution, upsampled_kernel
from core.models.device import resolve_precision
from core.models.layers import PreciseLinear
from core.models.network_inference import DECODE_BATCH, NetworkInference, _SingleImage
from core.models.vae import VAE, build_model

PRESETS: tuple[Preset, ...] = ("compact", "article", "article-weighted")


def trained_like(preset: Preset = "compact", size: int = 32, channels: int = 1, **model) -> VAE:
    """A model whose biases and normalisations are far from their initial zeros and ones."""
    vae = build_model(
        RunConfig(data=DataConfig(image_size=size, channels=channels), model=ModelConfig(preset=preset, **model))
    )
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in vae.parameters():
            if parameter.ndim == 1:
                parameter.copy_(0.3 + 0.5 * torch.randn(parameter.shape, generator=generator))
        for name, buffer in vae.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(torch.randn(buffer.shape, generator=generator))
            elif name.endswith("running_var"):
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))
    return vae.eval()


def latents(count: int, dimensions: int = 3) -> np.ndarray:
    return np.random.default_rng(2).normal(size=(count, dimensions)).astype(np.float32)


def test_transposed_kernel_equals_doubling_then_convolving():
    x, kernel = torch.randn(2, 5, 7, 6, dtype=torch.float64), torch.randn(4, 5, 3, 3, dtype=torch.float64)
    expected = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), kernel, padding=1)
    found = F.conv_transpose2d(x, upsampled_kernel(kernel), stride=2, padding=1)
    assert torch.allclose(found, expected, atol=1e-12)


def test_a_folded_shift_is_right_on_borders_and_corners():
    convolution = nn.Conv2d(5, 4, 3, padding=1)
    x, scale, shift = torch.randn(2, 5, 6, 6), torch.rand(5) + 0.5, torch.randn(5)
    affine = scale[:, None, None] * x + shift[:, None, None]
    with torch.no_grad():
        expected = torch.relu(convolution(F.interpolate(affine, scale_factor=2, mode="nearest")))
        found = FusedUpConvolution(convolution, scale, shift)(x)
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("preset", ["article", "article-weighted"])
@pytest.mark.parametrize(("size", "channels"), [(32, 1), (100, 3), (256, 1)])
def test_fused_decoder_equals_the_plain_one(preset: Preset, size: int, channels: int):
    model = trained_like(preset, size, channels)
    assert isinstance(model.decoder, ArticleDecoder)
    z = torch.from_numpy(latents(2))
    with torch.no_grad():
        expected = torch.sigmoid(model.decode_logits(z))
        found = torch.sigmoid(FusedArticleDecoder(model.decoder)(z))
    assert expected.std() > 1e-3, "a constant image would prove nothing"
    assert (found - expected).abs().max() <= 1e-5


@pytest.mark.parametrize("preset", PRESETS)
def test_decode_rounds_the_plain_models_image(preset: Preset):
    model = trained_like(preset, 48, 3)
    z = latents(DECODE_BATCH + 3)
    with torch.no_grad():
        expected = 255 * torch.sigmoid(model.decode_logits(torch.from_numpy(z))).permute(0, 2, 3, 1).numpy()
    images = NetworkInference(model, "cpu", "float32").decode(z)
    assert images.dtype == np.uint8
    assert images.shape == (DECODE_BATCH + 3, 48, 48, 3)
    assert np.abs(images - expected).max() <= 0.5 + 1e-2


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("variance", ["constant", "learned"])
def test_encode_gives_the_plain_models_mean(preset: Preset, variance):
    model = trained_like(preset, 48, 1, variance=variance, latent_dim=2)
    images = np.random.default_rng(0).integers(0, 256, (5, 48, 48, 1)).astype(np.uint8)
    with torch.no_grad():
        expected = model.encode(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)[0].numpy()
    found = NetworkInference(model, "cpu", "float32").encode(images)
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, abs=1e-5 * max(1.0, float(np.abs(expected).max())))


def test_an_image_that_is_enlarged_is_that_of_its_logits():
    model = trained_like("compact", 64, native_size="40x56")
    z = latents(3)
    with torch.no_grad():
        expected = 255 * torch.sigmoid(model.decode_logits(torch.from_numpy(z))).permute(0, 2, 3, 1).numpy()
    assert np.abs(NetworkInference(model, "cpu").decode(z) - expected).max() <= 0.5 + 1e-2


def test_only_what_bfloat16_makes_much_faster_is_computed_in_it():
    assert NetworkInference(trained_like("compact"), "cpu").dtype == torch.float32
    assert NetworkInference(trained_like("article"), "cpu").dtype == resolve_precision("auto", "cpu")
    assert NetworkInference(trained_like("compact"), "cpu", "bfloat16").dtype == torch.bfloat16, "asked for"


@pytest.mark.parametrize("preset", PRESETS)
def test_bfloat16_stays_near_float32(preset: Preset):
    model = trained_like(preset, 48)
    z = latents(4)
    exact, fast = (
        NetworkInference(model, "cpu", precision).decode(z).astype(int) for precision in ("float32", "bfloat16")
    )
    assert np.abs(exact - fast).mean() < 2.0


@pytest.mark.parametrize("preset", PRESETS)
def test_latents_keep_their_precision_in_bfloat16(preset: Preset):
    """bfloat16 steps at 5 are 1/32: a smaller move must still be seen, and means must not fall on such a grid."""
    model = trained_like(preset, 48)
    inference = NetworkInference(model, "cpu", "bfloat16")
    here = np.array([[5.0, -5.0, 5.0]], np.float32)
    with torch.no_grad():
        lifted = [
            next(layer for layer in inference._decoder.modules() if isinstance(layer, PreciseLinear))(
                torch.from_numpy(z)
            )
            for z in (here, here + 1e-3)
        ]
    assert not torch.equal(*lifted)
    mu = inference.encode(np.random.default_rng(0).integers(0, 256, (4, 48, 48, 1)).astype(np.uint8))
    assert not np.array_equal(mu, torch.from_numpy(mu).bfloat16().float().numpy())


def test_nothing_to_decode_or_encode_is_no_error():
    inference = NetworkInference(trained_like(), "cpu")
    assert inference.decode(np.empty((0, 3), np.float32)).shape == (0, 32, 32, 1)
    assert inference.encode(np.empty((0, 32, 32, 1), np.uint8)).shape == (0, 3)


@pytest.mark.parametrize("preset", PRESETS)
def test_reload_takes_over_new_weights(preset: Preset):
    old, new = (
        build_model(RunConfig(data=DataConfig(image_size=32), model=ModelConfig(preset=preset))),
        trained_like(preset),
    )
    inference = NetworkInference(old, "cpu", "float32")
    inference.reload(new.state_dict())
    z = latents(2)
    assert np.array_equal(inference.decode(z), NetworkInference(new, "cpu", "float32").decode(z))


def test_reload_of_half_precision_weights():
    model = trained_like()
    inference = NetworkInference(model, "cpu", "float32")
    before = inference.decode(latents(2)).astype(int)
    inference.reload({name: value.bfloat16() for name, value in model.state_dict().items()})
    assert np.abs(inference.decode(latents(2)).astype(int) - before).max() < 40


def test_weights_that_do_not_fit_leave_the_old_ones():
    inference = NetworkInference(trained_like(), "cpu", "float32")
    z = latents(2)
    before = inference.decode(z)
    with pytest.raises(RuntimeError, match="size mismatch"):
        inference.reload(trained_like(size=64).state_dict())
    assert np.array_equal(inference.decode(z), before)


def test_later_training_of_the_model_is_not_seen():
    model = trained_like()
    inference = NetworkInference(model, "cpu", "float32")
    before = inference.decode(latents(1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert np.array_equal(inference.decode(latents(1)), before)


def test_wrong_arguments_are_named():
    inference = NetworkInference(trained_like(), "cpu")
    with pytest.raises(ValueError, match=r"z has shape \(2, 4\); this model decodes \(n, 3\)"):
        inference.decode(np.zeros((2, 4), np.float32))
    with pytest.raises(ValueError, match=r"float64 \(1, 32, 32, 1\).*uint8 \(n, 32, 32, 1\)"):
        inference.encode(np.zeros((1, 32, 32, 1)))


@pytest.mark.parametrize("preset", ["compact", "article"])
def test_the_image_of_fixed_buffers_is_the_decoded_one_and_stays_when_another_is_decoded(preset: Preset):
    """What a GPU repeats as a graph."""
    inference = NetworkInference(trained_like(preset), "cpu", "float32")
    single, z = _SingleImage(inference._decoder, inference), latents(3)
    with torch.inference_mode():
        images = [single.decode(point[None]) for point in z]
    for point, image in zip(z, images, strict=True):
        np.testing.assert_array_equal(image, inference.decode(point[None]))


def test_results_that_are_fetched_while_the_next_are_computed_keep_their_order():
    inference = NetworkInference(trained_like(), "cpu", "float32")
    z = latents(23)
    inference._batches = 4, 5
    images = inference.decode(z)
    means = inference.encode(images)
    inference._ahead = 2
    np.testing.assert_array_equal(inference.decode(z), images)
    np.testing.assert_array_equal(inference.encode(images), means)
    assert inference.decode(z[:0]).shape == (0, 32, 32, 1)
