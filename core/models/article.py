"""The published network, layer by layer: presets ``article`` and ``article-weighted``.

It is kept exactly as printed (channel counts, valid convolutions, relu *before* batch normalisation, initialisation),
because its numbers are what every other model here is compared with. At 256 x 256 grey pixels and d = 3 the
unweighted form has 548,932 trained parameters and 1,024 batch-normalisation statistics. Stride-1 transposed
convolutions of the original equal ordinary convolutions and are written as such.

Image sizes other than 256: the encoder's valid convolutions and rounded-up poolings take any size; the decoder starts
on a grid of ceil(size / 8) cells and what it draws beyond the image is cropped, evenly on both sides.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from core.models.layers import PreciseLinear, crop_centre

ENCODER_CHANNELS = (64, 64, 128, 128)
DECODER_CHANNELS = (64, 64, 128)
SEED_CHANNELS = 16
HEAD_CHANNELS = 256
BATCHNORM_EPS = 1e-3  # Keras' default
BATCHNORM_MOMENTUM = 0.01  # Keras' 0.99 in PyTorch's sense
INITIAL_SPREAD = 0.05  # kernels start as N(0, 0.05)


def _batchnorm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BATCHNORM_EPS, momentum=BATCHNORM_MOMENTUM)


def _initialise(module: nn.Module) -> None:
    """Kernels N(0, 0.05), biases zero, as published."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.normal_(layer.weight, 0.0, INITIAL_SPREAD)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class ArticleEncoder(nn.Module):
    """Images (N, C, S, S) in [0, 1] to (N, outputs); ``outputs`` is d, or 2 d with a log-variance head."""

    def __init__(self, image_size: int, channels: int, outputs: int, batchnorm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width, size = channels, image_size
        for out in ENCODER_CHANNELS:
            layers += [nn.Conv2d(width, out, 3), nn.ReLU()]
            if batchnorm:
                layers.append(_batchnorm(out))
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
            width, size = out, math.ceil((size - 2) / 2)
        self.features = nn.Sequential(*layers)
        self.head = PreciseLinear(width * size * size, outputs)
        _initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).flatten(1))


class ArticleDecoder(nn.Module):
    """Latents (N, d) to logits (N, C, S, S)."""

    def __init__(self, image_size: int, channels: int, latent_dim: int) -> None:
        super().__init__()
        self.image_size = image_size
        self.grid = math.ceil(image_size / 2 ** len(DECODER_CHANNELS))
        self.seed = PreciseLinear(latent_dim, SEED_CHANNELS * self.grid**2, bias=False)
        layers: list[nn.Module] = []
        width = SEED_CHANNELS
        for out in DECODER_CHANNELS:
            layers += [
                nn.Upsample(scale_factor=2, mode="nearest"),
                nn.Conv2d(width, out, 3, padding=1),
                nn.ReLU(),
                _batchnorm(out),
            ]
            width = out
        layers += [nn.Conv2d(width, HEAD_CHANNELS, 1), nn.ReLU(), _batchnorm(HEAD_CHANNELS)]
        layers.append(nn.Conv2d(HEAD_CHANNELS, channels, 1))
        self.layers = nn.Sequential(*layers)
        _initialise(self)

    def forward(self, z: Tensor) -> Tensor:
        grid = torch.relu(self.seed(z)).view(-1, SEED_CHANNELS, self.grid, self.grid)
        return crop_centre(self.layers(grid), (self.image_size, self.image_size))
