"""The networks: the published one layer by layer, the compact one's budget, and the range of sizes they accept."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from core.config import DataConfig, ModelConfig, Preset, RunConfig, TrainingConfig, preset_config
from core.models.compact import canvas
from core.models.layers import crop_centre, crop_moved
from core.models.vae import build_model, forward_flops

SIZES = (32, 48, 100, 225, 229, 256, 500, 512)


def model_of(preset: Preset = "compact", size: int = 32, channels: int = 1, **model):
    config = RunConfig(data=DataConfig(image_size=size, channels=channels), model=ModelConfig(preset=preset, **model))
    return build_model(config)


def trained_shapes(module: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(parameter.shape) for parameter in module.parameters()]


def kinds(module: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in module if not isinstance(layer, nn.Upsample)]  # type: ignore[attr-defined]


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """(trained parameters, batch-normalisation means and variances)."""
    norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    return sum(p.numel() for p in model.parameters()), sum(2 * layer.num_features for layer in norms)


def test_article_has_the_published_number_of_parameters():
    assert count_parameters(build_model(preset_config("article"))) == (548_932, 1_024)


def test_article_encoder_is_the_published_one_layer_by_layer():
    encoder = build_model(preset_config("article")).encoder
    assert trained_shapes(encoder) == [
        *[(64, 1, 3, 3), (64,), (64, 64, 3, 3), (64,)],
        *[(128, 64, 3, 3), (128,), (128, 128, 3, 3), (128,)],
        *[(3, 28_800), (3,)],
    ]
    assert kinds(encoder.features) == ["Conv2d", "ReLU", "MaxPool2d"] * 4  # type: ignore[arg-type]
    sides = []
    for layer in encoder.features:  # type: ignore[union-attr]
        if isinstance(layer, nn.MaxPool2d):
            layer.register_forward_hook(lambda _layer, _inputs, output: sides.append(output.shape[-1]))
    encoder(torch.zeros(1, 1, 256, 256))
    assert sides == [127, 63, 31, 15]


def test_article_decoder_is_the_published_one_layer_by_layer():
    decoder = build_model(preset_config("article")).decoder
    assert trained_shapes(decoder) == [
        (16_384, 3),
        *[(64, 16, 3, 3), (64,), (64,), (64,)],
        *[(64, 64, 3, 3), (64,), (64,), (64,)],
        *[(128, 64, 3, 3), (128,), (128,), (128,)],
        *[(256, 128, 1, 1), (256,), (256,), (256,)],
        *[(1, 256, 1, 1), (1,)],
    ]
    assert kinds(decoder.layers) == ["Conv2d", "ReLU", "BatchNorm2d"] * 4 + ["Conv2d"]  # type: ignore[arg-type]
    norms = [layer for layer in decoder.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}


def test_article_kernels_start_normal_with_spread_one_twentieth():
    decoder = build_model(preset_config("article")).decoder
    kernel = decoder.seed.weight.detach()  # type: ignore[union-attr]
    assert abs(kernel.mean().item()) < 5e-4
    assert kernel.std().item() == pytest.approx(0.05, rel=0.02)


def test_article_weighted_normalises_after_each_encoder_relu():
    model = build_model(preset_config("article-weighted"))
    assert kinds(model.encoder.features) == ["Conv2d", "ReLU", "BatchNorm2d", "MaxPool2d"] * 4  # type: ignore[arg-type]
    assert count_parameters(model) == (548_932 + 2 * 384, 1_024 + 2 * 384)


def test_compact_stays_within_its_budget_of_operations():
    assert forward_flops(build_model(RunConfig())) <= 0.6e9


def test_operations_of_a_network_counted_by_hand():
    model = model_of("article", size=32)
    encoder = 9 * (30**2 * 64 + 13**2 * 64 * 64 + 5**2 * 64 * 128 + 1 * 128 * 128) + 128 * 3
    decoder = 3 * 256 + 9 * (8**2 * 16 * 64 + 16**2 * 64 * 64 + 32**2 * 64 * 128) + 32**2 * (128 * 256 + 256)
    assert forward_flops(model) == 2 * (encoder + decoder)


@pytest.mark.parametrize("preset", ["compact", "article", "article-weighted"])
@pytest.mark.parametrize(("size", "channels", "latent_dim"), [(32, 1, 1), (48, 3, 2), (100, 1, 64), (225, 3, 3)])
def test_shapes(preset: Preset, size: int, channels: int, latent_dim: int):
    model = model_of(preset, size, channels, latent_dim=latent_dim).eval()
    batch = 1 if size > 100 else 2
    images = torch.rand(batch, channels, size, size)
    logits, mu, log_variance = model(images, torch.randn(batch, latent_dim))
    assert logits.shape == images.shape
    assert mu.shape == log_variance.shape == (batch, latent_dim)
    logits.square().mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("size", SIZES)
def test_compact_canvas_holds_every_size(size: int):
    stages, grid, side = canvas(size)
    assert side == 4 * grid * 2**stages
    assert size <= side < 1.35 * size
    assert 4 <= grid <= 8
    model = model_of(size=size).eval()
    with torch.no_grad():
        assert model.decode_logits(torch.zeros(1, 3)).shape == (1, 1, size, size)


def test_a_global_colour_is_added_to_every_pixel_and_changes_no_other_weight():
    data = DataConfig(image_size=32, channels=3)
    without, model = (build_model(RunConfig(data, ModelConfig(global_colour=added))).eval() for added in (False, True))
    assert set(model.state_dict()) - set(without.state_dict()) == {"decoder.colour.bias", "decoder.colour.weight"}
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in without.state_dict().items())
    z = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        added = model.decode_logits(z) - without.decode_logits(z)
        colour = model.decoder.colour(nn.functional.silu(model.decoder.lift(z)))
    torch.testing.assert_close(added, colour[:, :, None, None].expand_as(added), atol=1e-5, rtol=0)
    assert colour.shape == (2, 3)


def test_an_image_that_is_drawn_elsewhere_is_taken_from_there():
    canvas = torch.arange(2 * 9 * 12.0).view(2, 1, 9, 12)
    taken = crop_moved(canvas, (5, 6), torch.tensor([[0, 0], [-2, 3]]))
    assert torch.equal(taken[:1], crop_centre(canvas[:1], (5, 6)))
    assert torch.equal(taken[1, 0], canvas[1, 0, 0:5, 6:12])
    model = model_of(native_size="20x26").eval()
    assert model.margins == (2, 3)
    assert model_of().margins == (0, 0)
    z, place = torch.randn(2, 3), torch.tensor([[2, -3], [1, 0]])
    with torch.no_grad():
        torch.testing.assert_close(model.decode_logits(z, torch.zeros_like(place)), model.decode_logits(z))
        assert (model.decode_logits(z, place) - model.decode_logits(z)).abs().max() > 0.01


def test_constant_variance_is_sigma_everywhere():
    _, log_variance = model_of(sigma=0.25).encode(torch.rand(3, 1, 32, 32))
    assert torch.equal(log_variance, torch.full((3, 3), 2 * math.log(0.25)))


def test_learned_variance_depends_on_the_image():
    _, log_variance = model_of(variance="learned").encode(torch.rand(3, 1, 32, 32))
    assert log_variance.std(0).min() > 0


def test_noise_moves_z_by_sigma_times_noise():
    model = model_of("article", sigma=0.5).eval()
    images, noise = torch.rand(2, 1, 32, 32), torch.randn(2, 3)
    with torch.no_grad():
        logits, mu, _ = model(images, noise)
        assert torch.allclose(logits, model.decode_logits(mu + 0.5 * noise), atol=1e-6)


def test_initialisation_depends_on_the_seed_alone():
    def weights(seed: int) -> torch.Tensor:
        return build_model(
            RunConfig(data=DataConfig(image_size=32), training=TrainingConfig(seed=seed))
        ).encoder.head.weight  # type: ignore[union-attr, return-value]

    torch.manual_seed(1)
    first = weights(7)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert torch.equal(first, weights(7))
    assert torch.equal(before, torch.get_rng_state()), "building a model leaves the caller's generator alone"
    assert not torch.equal(first, weights(8))


def test_wrong_shapes_are_named():
    model = model_of()
    with pytest.raises(ValueError, match=r"\(2, 1, 48, 48\).*\(N, 1, 32, 32\)"):
        model.encode(torch.rand(2, 1, 48, 48))
    with pytest.raises(ValueError, match=r"\(2, 4\).*\(N, 3\)"):
        model.decode_logits(torch.rand(2, 4))
