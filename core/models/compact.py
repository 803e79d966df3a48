"""Isoline's own network: preset ``compact``, small enough to train in minutes and to decode in milliseconds on a CPU.

Nothing is computed at the image's full resolution. The encoder has only to tell where in a low-dimensional family an
image lies, so it starts with coarse patches (8 x 8 pixels; 4 x 4 for images up to 128) and is cheap; the decoder has
to draw, so most of the work is its own: transposed convolutions up to a quarter of the resolution, and each of the
last map's cells is unfolded into 4 x 4 pixels (pixel shuffle). Images that were enlarged before they came here are
drawn at the size they had and enlarged in the same way (core.data.source_resolution says why, and finds that size).

Any image size from 32 to 512 works. The network's own canvas is the image size rounded up to a multiple of
4 x 2^stages; the image sits in its middle, zeros around it, and what the decoder draws beyond the image is cropped.
A native size has the stages of the image size, and fewer cells.

In training the decoder may be asked to draw an image elsewhere on its canvas, by some pixels that it is told; the
window that is taken is moved as much, so that what comes out is the image where it was. So the layers meet strokes at
every place between their cells, and not only where the samples have them, and draw better what they have never seen.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.models.layers import PreciseLinear, crop_centre, crop_moved, enlarged, enlarged_logits

BLOCK = 4  # pixels that one cell of the decoder's last map becomes, on each axis
COARSE_PATCH = 8  # pixels, on each axis, that one cell of the encoder's first map sees
FINE_PATCH = 4  # the same for images up to FINE_SIZE
FINE_SIZE = 128
GROUPS = 8
SMALLEST_GRID = 4  # the coarsest feature map has 4 to 8 cells a side
CHANNELS = (32, 64, 96, 128)  # of the feature maps, finest first; coarser ones have the last number
HIDDEN = 256
PLACES_SEED = 1  # of the fixed directions by which the hidden layer is told where to draw


def canvas(image_size: int) -> tuple[int, int, int]:
    """(stages, grid, side): halvings, cells a side of the coarsest map, and side = grid x 2^stages x BLOCK pixels."""
    stages = max((image_size // (SMALLEST_GRID * BLOCK)).bit_length() - 1, 1)
    unit = BLOCK * 2**stages
    grid = -(-image_size // unit)
    return stages, grid, grid * unit


def _widths(stages: int) -> list[int]:
    """Channels of the stages + 1 feature maps, finest first."""
    return [CHANNELS[min(stage, len(CHANNELS) - 1)] for stage in range(stages + 1)]


@lru_cache(maxsize=2)
def _directions(device: torch.device) -> Tensor:
    """By which a hidden layer is told where to draw, float32 (2, HIDDEN), a row for a pixel down and one for a pixel to
    the right. Not learned: whether images were ever moved changes neither a network nor its files."""
    drawn = torch.rand(2, HIDDEN, generator=torch.Generator().manual_seed(PLACES_SEED))
    return ((2.0 * drawn - 1.0) / math.sqrt(3.0)).to(device)


class GroupNorm(nn.GroupNorm):
    """Group normalisation in its parameters' precision.

    Under bfloat16 autocast that is float32: on a CPU the bfloat16 gradient takes 2.5 times as long and was a fifth of a
    training step. A network converted to bfloat16 for inference stays in it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(GROUPS, channels)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.to(self.weight.dtype))


class CompactEncoder(nn.Module):
    """Images (N, C, S, S) in [0, 1] to (N, outputs); ``outputs`` is d, or 2 d with a log-variance head."""

    def __init__(self, image_size: int, channels: int, outputs: int) -> None:
        super().__init__()
        _, grid, side = canvas(image_size)
        before = (side - image_size) // 2
        self.margins = (before, side - image_size - before)
        self.patch = FINE_PATCH if image_size <= FINE_SIZE else COARSE_PATCH
        widths = _widths((side // (self.patch * grid)).bit_length() - 1)
        self.patches = nn.Linear(channels * self.patch**2, widths[0])
        layers: list[nn.Module] = [GroupNorm(widths[0]), nn.SiLU()]
        for width, out in pairwise(widths):
            layers += [nn.Conv2d(width, out, 4, stride=2, padding=1), GroupNorm(out), nn.SiLU()]
        self.features = nn.Sequential(*layers)
        self.head = PreciseLinear(widths[-1] * grid * grid, outputs)

    def forward(self, images: Tensor) -> Tensor:
        if any(self.margins):
            images = F.pad(images, self.margins * 2)
        # A convolution of stride = kernel, written as a product: on a CPU ten times faster for one or three channels.
        count, channels, side, _ = images.shape
        cells = side // self.patch
        blocks = images.permute(0, 2, 3, 1).reshape(count, cells, self.patch, cells, self.patch * channels)
        patches = blocks.transpose(2, 3).reshape(count, cells, cells, -1)
        return self.head(self.features(self.patches(patches).permute(0, 3, 1, 2)).flatten(1))


class CompactDecoder(nn.Module):
    """Latents (N, d) to logits (N, C, S, S), drawn at the ``native`` (height, width), at most S, and enlarged.

    With ``global_colour`` a colour that is linear in the hidden layer is added to all pixels. ``margins`` are the
    pixels (down, right) of the native size by which the drawing may be moved on its canvas, in either direction.
    """

    def __init__(
        self, image_size: int, channels: int, latent_dim: int, native: tuple[int, int], global_colour: bool = False
    ) -> None:
        super().__init__()
        self.image_size, self.native = image_size, native
        stages, _, _ = canvas(image_size)
        self.grid = tuple(-(-side // (BLOCK * 2**stages)) for side in native)
        self.margins = tuple(
            (BLOCK * 2**stages * cells - side) // 2 for cells, side in zip(self.grid, native, strict=True)
        )
        widths = _widths(stages)[::-1]
        self.width = widths[0]
        self.lift = PreciseLinear(latent_dim, HIDDEN)
        self.seed = nn.Linear(HIDDEN, self.width * self.grid[0] * self.grid[1])
        layers: list[nn.Module] = []
        for width, out in pairwise(widths):
            layers += [nn.ConvTranspose2d(width, out, 4, stride=2, padding=1), GroupNorm(out), nn.SiLU()]
        last = widths[-1]
        layers += [nn.Conv2d(last, last, 3, padding=1), GroupNorm(last), nn.SiLU()]
        layers += [nn.Conv2d(last, channels * BLOCK**2, 3, padding=1), nn.PixelShuffle(BLOCK)]
        self.layers = nn.Sequential(*layers)
        self.colour = nn.Linear(HIDDEN, channels) if global_colour else None

    @property
    def enlarges(self) -> bool:
        """Whether images are drawn smaller than they are given."""
        return self.native != (self.image_size, self.image_size)

    def drawn(self, z: Tensor, moved: Tensor | None = None) -> Tensor:
        """Latents (N, d) to logits (N, C, height, width) of the ``native`` size, each drawn at a place ``moved`` int64
        (N, 2) pixels (down, right), within ``margins``, and taken from there."""
        lifted = self.lift(z)
        if moved is not None:
            with torch.autocast(z.device.type, enabled=False):
                lifted = lifted + moved.float() @ _directions(z.device)
        hidden = F.silu(lifted).to(self.seed.weight.dtype)
        grid = F.silu(self.seed(hidden)).view(-1, *self.grid, self.width)
        grid = grid.permute(0, 3, 1, 2)  # (N, C, H, W), channels last in memory
        whole = self.layers(grid)
        drawn = crop_centre(whole, self.native) if moved is None else crop_moved(whole, self.native, moved)
        return drawn if self.colour is None else drawn + self.colour(hidden)[:, :, None, None]

    def forward(self, z: Tensor, moved: Tensor | None = None) -> Tensor:
        drawn = self.drawn(z, moved)
        return enlarged_logits(drawn, self.image_size) if self.enlarges else drawn

    def brightness(self, z: Tensor) -> Tensor:
        """Latents (N, d) to mean images float32 (N, C, S, S) in [0, 1]: the sigmoid of the logits, in fewer steps."""
        drawn = torch.sigmoid(self.drawn(z).float())
        return enlarged(drawn, self.image_size) if self.enlarges else drawn
