"""Images that were enlarged give away the size they had; others keep their own."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.config import ConfigError, DataConfig, ModelConfig, RunConfig
from core.data import polar_curves
from core.data.loading import load_dataset
from core.data.source_resolution import enlargement, inherit_native_size, native_size, resolve_native_size
from core.models.layers import enlarged_logits
from core.models.vae import build_model


def noise(height: int, width: int, count: int = 4, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (count, height, width, channels)).astype(np.float64)


def enlarged(images: np.ndarray, size: int) -> np.ndarray:
    height, width = images.shape[1:3]
    levels = np.einsum("yh,nhwc,xw->nyxc", enlargement(height, size), images, enlargement(width, size))
    return np.rint(levels).astype(np.uint8)


@settings(deadline=None, max_examples=20)
@given(st.integers(8, 60), st.integers(8, 60), st.sampled_from([1, 3]))
def test_the_size_before_a_bilinear_enlargement_is_found_on_each_axis(height, width, channels):
    assert native_size(enlarged(noise(height, width, channels=channels), 64)) == (height, width)


def test_the_enlargement_is_that_of_pytorch_and_pillow():
    line = np.random.default_rng(0).random(13).astype(np.float32)
    expected = F.interpolate(torch.from_numpy(line)[None, None], size=32, mode="linear", align_corners=False)
    np.testing.assert_allclose(enlargement(13, 32) @ line, expected[0, 0].numpy(), atol=1e-6)
    rows = Image.fromarray(np.repeat(line[:, None], 13, axis=1)).resize((13, 32), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(enlargement(13, 32) @ line, np.asarray(rows)[:, 0], atol=1e-5)


def test_the_published_plots_were_enlarged_from_172_by_229():
    images = polar_curves.render(polar_curves.draw_parameters(32, 3))[..., None]
    assert native_size(images) == (172, 229)


@pytest.mark.parametrize("images", [noise(48, 48).astype(np.uint8), np.zeros((3, 48, 48, 1), np.uint8)])
def test_images_that_were_not_enlarged_or_show_nothing_keep_their_size(images):
    assert native_size(images) == (48, 48)


def test_logits_are_enlarged_in_brightness_and_keep_a_gradient_where_they_saturate():
    logits = torch.tensor([[-40.0, 0.0], [2.0, 40.0]]).reshape(1, 1, 2, 2).requires_grad_()
    out = enlarged_logits(logits, 5)
    by_hand = enlargement(2, 5) @ torch.sigmoid(logits[0, 0]).detach().double().numpy() @ enlargement(2, 5).T
    np.testing.assert_allclose(torch.sigmoid(out)[0, 0].detach().numpy(), by_hand, atol=3e-6)
    assert torch.isfinite(out).all()
    F.binary_cross_entropy_with_logits(out, torch.zeros_like(out)).backward()
    assert torch.isfinite(logits.grad).all()


CONFIG = RunConfig(data=DataConfig(image_size=256, count=40, hole_radius=0.0))


def test_a_training_settles_the_size_from_its_images_and_a_resumed_one_keeps_it(tmp_path):
    dataset = load_dataset(CONFIG.data, cache=tmp_path)
    settled = resolve_native_size(CONFIG, dataset)
    assert settled.model.native_size == "172x229"
    assert resolve_native_size(settled, dataset) is settled
    assert inherit_native_size(CONFIG, settled) == settled
    fixed = dataclasses.replace(CONFIG, model=ModelConfig(native_size="full"))
    assert inherit_native_size(fixed, settled) is fixed
    article = dataclasses.replace(CONFIG, model=ModelConfig(preset="article"))
    assert resolve_native_size(article, dataset) is article


@pytest.mark.parametrize("native", ["172x229", "60x256", "256x7"])
def test_a_model_that_draws_at_another_size_gives_images_of_the_image_size(native):
    model = build_model(dataclasses.replace(CONFIG, model=ModelConfig(native_size=native)))
    logits = model.decode_logits(torch.zeros(2, 3))
    assert logits.shape == (2, 1, 256, 256)
    assert torch.isfinite(logits).all()


def test_a_size_not_yet_known_is_the_full_one():
    one, two = (build_model(dataclasses.replace(CONFIG, model=ModelConfig(native_size=n))) for n in ("auto", "full"))
    z = torch.randn(2, 3)
    assert torch.equal(one.decode_logits(z), two.decode_logits(z))


@pytest.mark.parametrize("native", ["", "12", "0x4", "1x40", "12X14", "12x", "half", "99999x3"])
def test_what_is_no_size_is_refused(native):
    with pytest.raises(ConfigError, match=r"model\.native_size"):
        ModelConfig(native_size=native)


def test_images_cannot_be_enlarged_to_less_than_they_were():
    with pytest.raises(ConfigError, match="at most the image size, 64x64"):
        RunConfig(data=DataConfig(image_size=64), model=ModelConfig(native_size="64x65"))
