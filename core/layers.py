"""What both networks are built with: a linear layer that is never rounded to 16 bits, and a central crop."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PreciseLinear(nn.Linear):
    """A linear layer in float32, under autocast and in a network converted to bfloat16 too.

    It stands where latents enter or leave a network. bfloat16 has 8 significant bits: at mu = 5 its steps are 0.03,
    which one would see, as a grid in the cloud and as jerks under a dragged probe.
    """

    def forward(self, input: Tensor) -> Tensor:
        with torch.autocast(input.device.type, enabled=False):
            return F.linear(input.float(), self.weight.float(), None if self.bias is None else self.bias.float())


def convert(network: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """Move ``network`` in place to ``device`` and ``dtype``, channels last; its precise layers keep their float32."""
    precise = [layer for layer in network.modules() if isinstance(layer, PreciseLinear)]
    kept = [[tensor.detach().clone() for tensor in (*layer.parameters(), *layer.buffers())] for layer in precise]
    network.to(device, dtype).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    for layer, values in zip(precise, kept, strict=True):
        layer.float()
        for tensor, value in zip((*layer.parameters(), *layer.buffers()), values, strict=True):
            tensor.data.copy_(value)  # not what is left of them after rounding
    return network


def crop_centre(images: Tensor, size: int) -> Tensor:
    """The central (N, C, size, size) window of ``images`` (N, C, H, W); a view."""
    top = (images.shape[2] - size) // 2
    left = (images.shape[3] - size) // 2
    return images[:, :, top : top + size, left : left + size]
