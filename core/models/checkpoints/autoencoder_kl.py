"""The autoencoder of latent diffusion (Rombach et al. 2022, arXiv 2112.10752), built as diffusers' ``AutoencoderKL``
is, with the names of its tensors.

Both halves are convolutional: an image (1, C, H, W), values -1 to 1, becomes a map (1, c, H / f, W / f), f being 2 for
each block but the last.
"""

from __future__ import annotations

import math
from typing import cast

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-6


class KLConfig(msgspec.Struct, kw_only=True):
    """What is read of diffusers' config.json; the defaults are those of diffusers."""

    class_name: str = msgspec.field(name="_class_name")
    in_channels: int = 3
    out_channels: int = 3
    down_block_types: tuple[str, ...] = ("DownEncoderBlock2D",)
    up_block_types: tuple[str, ...] = ("UpDecoderBlock2D",)
    block_out_channels: tuple[int, ...] = (64,)
    layers_per_block: int = 1
    act_fn: str = "silu"
    latent_channels: int = 4
    norm_num_groups: int = 32
    sample_size: int | tuple[int, int] = 32
    scaling_factor: float = 0.18215
    shift_factor: float | None = None
    latents_mean: tuple[float, ...] | None = None
    latents_std: tuple[float, ...] | None = None
    use_quant_conv: bool = True
    use_post_quant_conv: bool = True
    mid_block_add_attention: bool = True

    @property
    def factor(self) -> int:
        """How many times smaller than the image the map is, each way."""
        return 2 ** (len(self.block_out_channels) - 1)


class _Residual(nn.Module):
    """ResnetBlock2D, without time."""

    def __init__(self, channels: int, out: int, groups: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(groups, channels, eps=EPS), nn.Conv2d(channels, out, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(groups, out, eps=EPS), nn.Conv2d(out, out, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(channels, out, 1) if channels != out else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return y + (x if self.conv_shortcut is None else self.conv_shortcut(x))


class _Attention(nn.Module):
    """Attention with one head over all places of the map."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, channels, eps=EPS)
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x: Tensor) -> Tensor:
        places = self.group_norm(x).flatten(2).transpose(1, 2)  # (1, places, channels)
        q, k, v = self.to_q(places), self.to_k(places), self.to_v(places)
        weights = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]), dim=-1)
        return x + self.to_out[0](weights @ v).transpose(1, 2).reshape(x.shape)


class _Middle(nn.Module):
    def __init__(self, channels: int, groups: int, attends: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList([_Residual(channels, channels, groups) for _ in range(2)])
        self.attentions = nn.ModuleList([_Attention(channels, groups)] if attends else [])

    def forward(self, x: Tensor) -> Tensor:
        x = self.resnets[0](x)
        for attention in self.attentions:
            x = attention(x)
        return self.resnets[1](x)


class _Resampling(nn.Module):
    """Down by a convolution of stride 2, padded at the right and at the bottom; up by repetition and a convolution."""

    def __init__(self, channels: int, down: bool) -> None:
        super().__init__()
        self.down = down
        self.conv = nn.Conv2d(channels, channels, 3, stride=2 if down else 1, padding=0 if down else 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)) if self.down else F.interpolate(x, scale_factor=2.0, mode="nearest"))


class _Block(nn.Module):
    def __init__(self, channels: int, out: int, layers: int, groups: int, resampling: str | None) -> None:
        super().__init__()
        self.resnets = nn.ModuleList([_Residual(channels if i == 0 else out, out, groups) for i in range(layers)])
        self.resampling = resampling
        if resampling is not None:
            setattr(self, resampling, nn.ModuleList([_Resampling(out, resampling == "downsamplers")]))

    def forward(self, x: Tensor) -> Tensor:
        for resnet in self.resnets:
            x = resnet(x)
        return x if self.resampling is None else cast(nn.ModuleList, getattr(self, self.resampling))[0](x)


class _Encoder(nn.Module):
    def __init__(self, config: KLConfig) -> None:
        super().__init__()
        widths, groups = config.block_out_channels, config.norm_num_groups
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(
            _Block(before, width, config.layers_per_block, groups, "downsamplers" if i < len(widths) - 1 else None)
            for i, (before, width) in enumerate(zip((widths[0], *widths), widths, strict=False))
        )
        self.mid_block = _Middle(widths[-1], groups, config.mid_block_add_attention)
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], eps=EPS)
        self.conv_out = nn.Conv2d(widths[-1], 2 * config.latent_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        return self.conv_out(F.silu(self.conv_norm_out(self.mid_block(x))))


class _Decoder(nn.Module):
    def __init__(self, config: KLConfig) -> None:
        super().__init__()
        widths, groups = config.block_out_channels[::-1], config.norm_num_groups
        self.conv_in = nn.Conv2d(config.latent_channels, widths[0], 3, padding=1)
        self.mid_block = _Middle(widths[0], groups, config.mid_block_add_attention)
        self.up_blocks = nn.ModuleList(
            _Block(before, width, config.layers_per_block + 1, groups, "upsamplers" if i < len(widths) - 1 else None)
            for i, (before, width) in enumerate(zip((widths[0], *widths), widths, strict=False))
        )
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], eps=EPS)
        self.conv_out = nn.Conv2d(widths[-1], config.out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid_block(self.conv_in(x))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class AutoencoderKL(nn.Module):
    """``encode`` to the mean of the map, ``decode`` from a map, both as the diffusion model sees it: scaled, so that it
    has a variance of about 1."""

    def __init__(self, config: KLConfig) -> None:
        super().__init__()
        self.encoder, self.decoder = _Encoder(config), _Decoder(config)
        c = config.latent_channels
        self.quant_conv = nn.Conv2d(2 * c, 2 * c, 1) if config.use_quant_conv else nn.Identity()
        self.post_quant_conv = nn.Conv2d(c, c, 1) if config.use_post_quant_conv else nn.Identity()
        mean = torch.full((c,), config.shift_factor or 0.0)
        std = torch.full((c,), 1.0)
        if config.latents_mean is not None and config.latents_std is not None:
            mean, std = torch.tensor(config.latents_mean), torch.tensor(config.latents_std)
        self.register_buffer("shift", mean.reshape(1, c, 1, 1), persistent=False)
        self.register_buffer("scale", config.scaling_factor / std.reshape(1, c, 1, 1), persistent=False)

    def encode(self, images: Tensor) -> Tensor:
        """The mean (1, c, h, w), scaled, of images (1, C, H, W)."""
        mean = self.quant_conv(self.encoder(images)).chunk(2, dim=1)[0]
        return (mean - self.get_buffer("shift")) * self.get_buffer("scale")

    def decode(self, maps: Tensor) -> Tensor:
        """Images (1, C, H, W) of scaled maps (1, c, h, w)."""
        return self.decoder(self.post_quant_conv(maps / self.get_buffer("scale") + self.get_buffer("shift")))
