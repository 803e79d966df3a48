"""Isoline's own network: preset ``compact``, small enough to train in minutes and to decode in milliseconds on a CPU.

Everything expensive happens at a quarter of the image's resolution: the encoder starts by folding each 4 x 4 block of
pixels into channels (pixel unshuffle), and the decoder ends by unfolding them (pixel shuffle).

Any image size from 32 to 512 works. The network's own canvas is the image size rounded up to a multiple of
4 x 2^stages; the image sits in its middle, zeros around it, and what the decoder draws beyond the image is cropped.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from core.model_article import crop_centre

BLOCK = 4  # pixels folded into channels, on each axis
GROUPS = 8
SMALLEST_GRID = 4  # the coarsest feature map has 4 to 8 cells a side
CHANNELS = (32, 64, 96, 128)  # of the feature maps, finest first; coarser ones have the last number
HIDDEN = (256, 2048)


def canvas(image_size: int) -> tuple[int, int, int]:
    """(stages, grid, side): halvings, cells a side of the coarsest map, and the canvas = grid x 2^stages x BLOCK >= size."""
    stages = max((image_size // (SMALLEST_GRID * BLOCK)).bit_length() - 1, 1)
    unit = BLOCK * 2**stages
    grid = -(-image_size // unit)
    return stages, grid, grid * unit


def _widths(stages: int) -> list[int]:
    """Channels of the stages + 1 feature maps, finest first."""
    return [CHANNELS[min(stage, len(CHANNELS) - 1)] for stage in range(stages + 1)]


def _norm(channels: int) -> nn.Module:
    return nn.GroupNorm(GROUPS, channels)


class CompactEncoder(nn.Module):
    """Images (N, C, S, S) in [0, 1] to (N, outputs); ``outputs`` is d, or 2 d with a log-variance head."""

    def __init__(self, image_size: int, channels: int, outputs: int) -> None:
        super().__init__()
        stages, grid, side = canvas(image_size)
        before = (side - image_size) // 2
        self.margins = (before, side - image_size - before)
        widths = _widths(stages)
        layers: list[nn.Module] = [
            nn.PixelUnshuffle(BLOCK),
            nn.Conv2d(channels * BLOCK**2, widths[0], 3, padding=1),
            _norm(widths[0]),
            nn.SiLU(),
        ]
        for width, out in pairwise(widths):
            layers += [nn.Conv2d(width, out, 4, stride=2, padding=1), _norm(out), nn.SiLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1] * grid * grid, outputs)

    def forward(self, images: Tensor) -> Tensor:
        if any(self.margins):
            images = F.pad(images, self.margins * 2)
        return self.head(self.features(images).flatten(1))


class CompactDecoder(nn.Module):
    """Latents (N, d) to logits (N, C, S, S)."""

    def __init__(self, image_size: int, channels: int, latent_dim: int) -> None:
        super().__init__()
        self.image_size = image_size
        stages, self.grid, _ = canvas(image_size)
        widths = _widths(stages)[::-1]
        self.width = widths[0]
        self.mlp = nn.Sequential(
            nn.Linear(latent_dim, HIDDEN[0]), nn.SiLU(), nn.Linear(HIDDEN[0], self.width * self.grid**2), nn.SiLU()
        )
        layers: list[nn.Module] = []
        for width, out in pairwise(widths):
            layers += [nn.ConvTranspose2d(width, out, 4, stride=2, padding=1), _norm(out), nn.SiLU()]
        last = widths[-1]
        layers += [nn.Conv2d(last, last, 3, padding=1), _norm(last), nn.SiLU()]
        layers += [nn.Conv2d(last, channels * BLOCK**2, 3, padding=1), nn.PixelShuffle(BLOCK)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        grid = self.mlp(z).view(-1, self.width, self.grid, self.grid)
        return crop_centre(self.layers(grid), self.image_size)
