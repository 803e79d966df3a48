"""The deformation at the end of the compact decoder: its displacements in closed form; it starts as the identity."""

from __future__ import annotations

import pytest
import torch

from core.deformation import NODES, REACH, Deformation
from core.layers import convert

SIZE = 32


def deformation_with(nodes: torch.Tensor) -> Deformation:
    """One whose field is ``nodes`` (2, NODES, NODES), in half images, for features (N, 1) of ones."""
    layer = Deformation(1, SIZE)
    with torch.no_grad():
        layer.bias.copy_(nodes.flatten() / REACH)
    return layer


def displaced(nodes: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    return deformation_with(nodes).deform(images, torch.ones(len(images), 1)).detach()


def field(x: float = 0.0, y: float = 0.0) -> torch.Tensor:
    return torch.tensor([x, y])[:, None, None].expand(2, NODES, NODES)


def pictures(count: int = 2, channels: int = 1) -> torch.Tensor:
    return torch.rand(count, channels, SIZE, SIZE, generator=torch.Generator().manual_seed(3))


def test_it_starts_as_the_identity():
    images = pictures(channels=3)
    assert torch.allclose(Deformation(8, SIZE).deform(images, torch.randn(2, 8)), images, atol=1e-6)


@pytest.mark.parametrize("pixels", [-3, 1, 4])
def test_an_even_field_shifts_by_whole_pixels_and_repeats_the_border(pixels):
    images = pictures()
    moved = displaced(field(x=2.0 * pixels / SIZE), images)
    columns = (torch.arange(SIZE) + pixels).clamp(0, SIZE - 1)
    assert torch.allclose(moved, images[..., columns], atol=1e-4)


def test_half_a_pixel_down_averages_two_rows():
    images = pictures()
    moved = displaced(field(y=1.0 / SIZE), images)
    assert torch.allclose(moved[:, :, :-1], 0.5 * (images[:, :, :-1] + images[:, :, 1:]), atol=1e-4)


def test_a_field_that_grows_evenly_zooms():
    """Displacing every place by a tenth of itself samples a ramp at 1.1 times its places."""
    at = torch.linspace(-1.0, 1.0, NODES)
    nodes = torch.stack([0.1 * at.expand(NODES, NODES), torch.zeros(NODES, NODES)])
    centres = (torch.arange(SIZE) + 0.5) / SIZE * 2 - 1
    ramp = centres.expand(1, 1, SIZE, SIZE)
    # The outermost nodes lie on the outermost pixels' centres.
    expected = (centres + 0.1 * torch.linspace(-1.0, 1.0, SIZE)).clamp(centres[0], centres[-1])
    assert torch.allclose(displaced(nodes, ramp)[0, 0, 0], expected, atol=1e-5)


def test_each_sample_has_its_own_field():
    layer = Deformation(1, SIZE)
    with torch.no_grad():
        layer.weight[: NODES**2] = 2.0 / SIZE / REACH  # one pixel to the right for a feature of 1
    images = pictures()
    moved = layer.deform(images, torch.tensor([[0.0], [1.0]])).detach()
    assert torch.allclose(moved[0], images[0], atol=1e-5)
    assert torch.allclose(moved[1, :, :, :-1], images[1, :, :, 1:], atol=1e-4)


def test_it_is_computed_in_float32_in_a_bfloat16_network():
    layer = convert(deformation_with(field(x=2.0 / SIZE)), torch.device("cpu"), torch.bfloat16)
    images = pictures().to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        moved = layer.deform(images, torch.ones(2, 1, dtype=torch.bfloat16))
    assert moved.dtype == torch.float32
    assert torch.allclose(moved[..., :-1], images.float()[..., 1:], atol=1e-3)


def test_gradients_reach_image_features_and_field():
    layer = deformation_with(field(x=0.3 / SIZE))
    images, features = pictures().requires_grad_(), torch.ones(2, 1, requires_grad=True)
    layer.deform(images, features).square().sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().sum() > 0
