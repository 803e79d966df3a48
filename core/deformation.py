"""A smooth deformation of a drawn image, read off the latent point: an optional last step of the compact decoder.

Convolutions have to learn separately, for every place, how strokes move there. Where no training image shows a stroke
(in a hole of the data) they guess, and strokes come out displaced by a fraction of a pixel. A displacement field of a
few numbers has to fit all places at once, so what it learned around a hole holds inside: the idea of spatial
transformer networks (Jaderberg et al. 2015, arXiv 1506.02025), here over a coarse grid of free displacements.

It helps where images can be displaced by parts of a pixel: curves at 128² lose a quarter of their error in the hole.
It harms where they cannot, as in the published plots at 256², whose strokes were reduced without antialiasing.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.layers import PreciseLinear

NODES = 4  # a side: 2 are an affine map, too stiff for petals; 8 and 16 are loose enough to guess again
REACH = 0.01  # of the half image, for an output of 1; 0.3 let a step of the optimiser throw strokes across the image


class Deformation(PreciseLinear):
    """Displaces images (N, C, S, S) by a field that is linear in ``features`` (N, width), bilinear between its nodes.

    It starts as the identity. Computed in float32 whatever surrounds it: at 256 pixels a bfloat16 place is off by half
    a pixel.
    """

    places: Tensor
    hats: Tensor

    def __init__(self, width: int, image_size: int) -> None:
        super().__init__(width, 2 * NODES**2)
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)
        centres = (torch.arange(image_size) + 0.5) / image_size * 2.0 - 1.0
        self.edge = 1.0 - 1.0 / image_size  # the outermost pixel's centre, beyond which the image goes on unchanged
        rows, columns = torch.meshgrid(centres, centres, indexing="ij")
        self.register_buffer("places", torch.stack([columns, rows], dim=-1), persistent=False)
        at = torch.linspace(0.0, NODES - 1.0, image_size)[:, None]
        hats = (1.0 - (at - torch.arange(NODES)).abs()).clamp_min(0.0)
        self.register_buffer("hats", hats, persistent=False)

    def deform(self, images: Tensor, features: Tensor) -> Tensor:
        """``images`` displaced, (N, C, S, S) float32."""
        with torch.autocast(images.device.type, enabled=False):
            nodes = REACH * self(features).view(-1, 2, NODES, NODES)
            # Two small products: the built-in interpolation's gradient is ten times slower on a CPU.
            rows = torch.einsum("yi,ncij->ncyj", self.hats, nodes)
            places = self.places + torch.einsum("ncyj,xj->nyxc", rows, self.hats)
            # Clamped by hand: padding with the border is not implemented on every device.
            return F.grid_sample(images.float(), places.clamp(-self.edge, self.edge), align_corners=False)
