"""What both networks are built with: a linear layer that is never rounded to 16 bits, crops and enlargements."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_MARGIN = 1e-6


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
    copies = [[tensor.detach().clone() for tensor in (*layer.parameters(), *layer.buffers())] for layer in precise]
    network.to(device, dtype).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    for layer, values in zip(precise, copies, strict=True):
        layer.float()
        for tensor, value in zip((*layer.parameters(), *layer.buffers()), values, strict=True):
            tensor.data.copy_(value)  # not what is left of them after rounding
    return network


def crop_centre(images: Tensor, size: tuple[int, int]) -> Tensor:
    """The central (N, C, *size) window of ``images`` (N, C, H, W); a view."""
    top = (images.shape[2] - size[0]) // 2
    left = (images.shape[3] - size[1]) // 2
    return images[:, :, top : top + size[0], left : left + size[1]]


def crop_moved(images: Tensor, size: tuple[int, int], moved: Tensor) -> Tensor:
    """The windows (N, C, *size) of ``images`` (N, C, H, W) that lie ``moved`` int64 (N, 2) pixels down and right of the
    central one. No value of ``moved`` is looked at, so a CUDA graph can repeat it."""
    count, channels, height, width = images.shape
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    rows = moved[:, :1] + torch.arange(top, top + size[0], device=images.device)
    columns = moved[:, 1:] + torch.arange(left, left + size[1], device=images.device)
    taken = images.gather(2, rows[:, None, :, None].expand(count, channels, size[0], width))
    return taken.gather(3, columns[:, None, None, :].expand(count, channels, *size))


def enlarged(levels: Tensor, size: int) -> Tensor:
    """Images (N, C, h, w) enlarged bilinearly to (N, C, size, size)."""
    return F.interpolate(levels, size=(size, size), mode="bilinear", align_corners=False)


def enlarged_logits(logits: Tensor, size: int) -> Tensor:
    """Logits float32 (N, C, size, size) of the images with ``logits`` (N, C, h, w), enlarged bilinearly.

    Brightness is what is interpolated, in float32 whatever precision surrounds it; half pixel centres, as in
    ``core.data.source_resolution.enlargement``.
    """
    with torch.autocast(logits.device.type, enabled=False):
        levels = enlarged(torch.sigmoid(logits.float()), size)
        # Away from 0 and 1 by less than any grey level shows: a logit there is infinite, and has no gradient.
        return torch.logit(levels * (1.0 - 2.0 * _MARGIN) + _MARGIN)
