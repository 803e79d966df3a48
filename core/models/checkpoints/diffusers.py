"""Folders of diffusers with an ``AutoencoderKL``: config.json and weights as safetensors.

Its latent is a map. What stands for it as a latent vector is the person's choice (``Maps``):

- ``flattened``: all numbers of the map. Nothing is lost.
- ``pca``: coordinates along the first principal components of the images' maps. A point is decoded exactly: from the
  map that has these coordinates and the images' mean otherwise. What lies outside the components is lost in encoding.
- ``pooled``: each channel's mean over the map. Which map it was is not known any more, so nothing is decoded.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from core.models.checkpoints.autoencoder_kl import AutoencoderKL, KLConfig
from core.models.checkpoints.network import Network
from core.models.checkpoints.tensors import built, read_tensors
from core.models.imported.choices import Finding
from core.models.imported.onnx_graph import ImportedModelError
from core.models.imported.parts import MOST_LATENTS
from core.models.imported.pixel_format import MOST_PIXELS
from core.utils.untrusted import UnreadableError, read_json

Maps = Literal["flattened", "pooled", "pca"]
CONFIG, WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"
_OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Of the attention, before version 0.18 of diffusers."""
_MOST_WIDTH = 4096
_PIXELS_AT_ONCE = 1 << 14
"""Of a batch of images; a large image is encoded alone."""


@dataclass(frozen=True)
class Saved:
    """A folder that has been read: ``side`` are the pixels of its square images, each way, and why so many."""

    folder: Path
    config: KLConfig
    network: AutoencoderKL
    side: int
    side_reason: str

    @property
    def map_shape(self) -> tuple[int, int, int]:
        """(c, h, w)"""
        return self.config.latent_channels, self.side // self.config.factor, self.side // self.config.factor

    @property
    def image_shape(self) -> tuple[int, int, int, int]:
        """(1, C, side, side)"""
        return 1, self.config.in_channels, self.side, self.side


def read_diffusers(folder: Path, side: int | None) -> Saved:
    """The autoencoder in ``folder`` for images of ``side`` pixels each way, None for those that it states.

    Raises ``ImportedModelError`` for another class, settings that make no such network, and tensors that do not fit.
    """
    config = _config(folder / CONFIG)
    stated = config.sample_size if isinstance(config.sample_size, int) else config.sample_size[0]
    side = stated if side is None else side
    if side % config.factor or not config.factor <= side <= MOST_PIXELS:
        raise ImportedModelError(
            f"Images of {side} × {side} pixels do not fit {folder}: a multiple of {config.factor} up to {MOST_PIXELS} "
            f"does. Say it with --image-size, such as --image-size {4 * config.factor}."
        )
    file = folder / WEIGHTS
    if not file.is_file():
        raise ImportedModelError(
            f"{folder} has no {WEIGHTS}. Save it with "
            f"save_pretrained({folder.name!r}, safe_serialization=True), in one file."
        )
    tensors = {_present_name(name): tensor for name, tensor in read_tensors(file).items()}
    for name, tensor in tensors.items():
        if re.search(r"\.attentions\.0\.to_\w+(\.0)?\.weight$", name) and tensor.ndim == 4:
            tensors[name] = tensor[:, :, 0, 0]  # of old, written as a convolution
    network, left = built(lambda: AutoencoderKL(config), tensors, file)
    if left:
        raise ImportedModelError(f"{file} holds {left[0]}, which an AutoencoderKL of these settings does not have.")
    reason = f"{CONFIG} states {stated}" if side == stated else f"as you said; {CONFIG} states {stated}"
    return Saved(folder, config, network.eval().requires_grad_(False), side, reason)


def flattened(saved: Saved) -> Network:
    """All numbers of the map as the latent. Raises ``ImportedModelError`` if those are more than can be shown."""
    d = math.prod(saved.map_shape)
    if d > MOST_LATENTS:
        c, h, w = saved.map_shape
        fitting = math.isqrt(MOST_LATENTS // c) * saved.config.factor
        raise ImportedModelError(
            f"The map of {saved.folder} has {c} × {h} × {w} = {d:,} numbers for images of {saved.side} pixels; up to "
            f"{MOST_LATENTS:,} can be shown. Give --image-size {fitting} or less, or --maps pca, or --maps pooled."
        )
    return _network(saved, d, nn.Flatten(1), nn.Unflatten(1, saved.map_shape), [_taken("flattened", saved)])


def pooled(saved: Saved) -> Network:
    """Each channel's mean over the map: encoded, never decoded."""
    note = (
        "The latent is each channel's mean over the map. Many maps have the same means, so nothing is decoded; a click "
        "shows the nearest sample. --maps flattened or pca has a decoder."
    )
    return _network(saved, saved.map_shape[0], _Pooling(), None, [_taken("pooled", saved)], note)


def principal(
    saved: Saved, images: Iterable[np.ndarray], count: int, components: int, progress: Callable[[float], None]
) -> Network:
    """Coordinates along the first ``components`` principal components of the maps of ``count`` images, each float32
    (C, side, side) from -1 to 1. Raises ``ImportedModelError`` for too few images."""
    if not 2 <= components <= min(MOST_LATENTS, math.prod(saved.map_shape)) or components >= count:
        raise ImportedModelError(
            f"--components is {components}; there are {count:,} images and maps of {math.prod(saved.map_shape):,} "
            f"numbers, so it must be 2 to {min(MOST_LATENTS, math.prod(saved.map_shape), count - 1):,}."
        )
    maps = np.empty((count, math.prod(saved.map_shape)), np.float32)
    with torch.inference_mode():
        images, done, size = iter(images), 0, max(1, _PIXELS_AT_ONCE // saved.side**2)
        while batch := list(itertools.islice(images, size)):
            maps[done : done + len(batch)] = saved.network.encode(torch.from_numpy(np.stack(batch))).flatten(1).numpy()
            done += len(batch)
            progress(done / count)
    from sklearn.decomposition import PCA

    fitted = PCA(components, random_state=0).fit(maps)
    share = float(fitted.explained_variance_ratio_.sum())
    note = (
        "A point is decoded from the map that has its coordinates along the principal components; what lies outside "
        "them is that of the mean."
    )
    text = f"of the maps of {count:,} images; they hold {share:.0%} of the variance"
    findings = [_taken("pca", saved), Finding("components", f"{components}", text, "--components", f"{components}", ())]
    axes, mean = torch.from_numpy(np.asarray(fitted.components_, np.float32)), torch.from_numpy(maps.mean(axis=0))
    onto = nn.Sequential(nn.Flatten(1), _linear(axes, -(axes @ mean)))
    back = nn.Sequential(_linear(axes.T, mean), nn.Unflatten(1, saved.map_shape))
    return _network(saved, components, onto, back, findings, note)


class _Pooling(nn.Module):
    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean(dim=(2, 3))


class _Encoding(nn.Module):
    def __init__(self, network: AutoencoderKL, after: nn.Module) -> None:
        super().__init__()
        self.network, self.after = network, after

    def forward(self, images: Tensor) -> Tensor:
        return self.after(self.network.encode(images))


class _Decoding(nn.Module):
    def __init__(self, network: AutoencoderKL, before: nn.Module) -> None:
        super().__init__()
        self.network, self.before = network, before

    def forward(self, z: Tensor) -> Tensor:
        return self.network.decode(self.before(z))


_REASONS: dict[Maps, str] = {
    "flattened": "all numbers of the map",
    "pca": "coordinates along principal components",
    "pooled": "each channel's mean over the map",
}


def _taken(maps: Maps, saved: Saved) -> Finding:
    shape = " × ".join(map(str, saved.map_shape))
    return Finding("maps", maps, f"of {shape}: {_REASONS[maps]}", "--maps", maps, tuple(_REASONS))


def _network(
    saved: Saved, d: int, onto: nn.Module, back: nn.Module | None, findings: list[Finding], *notes: str
) -> Network:
    decoder = None if back is None else _Decoding(saved.network, back)
    encoder = _Encoding(saved.network, onto)
    size = f"{saved.side}x{saved.side}"
    findings = [*findings, Finding("image size", size, saved.side_reason, "--image-size", size, ())]
    origin = "An AutoencoderKL of diffusers; its latent maps are scaled as its config.json says."
    return Network(d, decoder, encoder, saved.image_shape, "-1 to 1", tuple(findings), (origin, *notes))


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight.data, layer.bias.data = weight.contiguous(), bias
    return layer


def _present_name(name: str) -> str:
    head, _, rest = name.partition(".attentions.0.")
    part, dot, end = rest.partition(".")
    return f"{head}.attentions.0.{_OLD_NAMES.get(part, part)}{dot}{end}" if rest else name


def _config(path: Path) -> KLConfig:
    try:
        config = read_json(path, KLConfig)
    except OSError as error:
        raise ImportedModelError(f"{path} cannot be read ({error.strerror or error}).") from error
    except UnreadableError as error:
        raise ImportedModelError(f"{path} is not the config.json of an AutoencoderKL ({error}).") from error
    if config.class_name != "AutoencoderKL":
        raise ImportedModelError(
            f"{path} is of a {config.class_name}; of diffusers' models AutoencoderKL can be imported. In a pipeline it "
            "is the folder vae."
        )
    widths, blocks = config.block_out_channels, len(config.block_out_channels)
    wrong = [
        text
        for text, is_wrong in (
            ("down_block_types", set(config.down_block_types) != {"DownEncoderBlock2D"}),
            ("up_block_types", set(config.up_block_types) != {"UpDecoderBlock2D"}),
            ("act_fn", config.act_fn not in ("silu", "swish")),
            ("block_out_channels", not 1 <= blocks <= 8 or not all(1 <= width <= _MOST_WIDTH for width in widths)),
            ("down_block_types", len(config.down_block_types) != blocks or len(config.up_block_types) != blocks),
            ("layers_per_block", not 1 <= config.layers_per_block <= 16),
            ("latent_channels", not 1 <= config.latent_channels <= 256),
            ("in_channels", config.in_channels not in (1, 3) or config.out_channels != config.in_channels),
            ("scaling_factor", not (math.isfinite(config.scaling_factor) and config.scaling_factor > 0.0)),
            ("latents_mean", _wrong_length(config.latents_mean, config) or _wrong_length(config.latents_std, config)),
        )
        if is_wrong
    ]
    if (not wrong and any(width % max(1, config.norm_num_groups) for width in widths)) or config.norm_num_groups < 1:
        wrong = ["norm_num_groups"]
    if wrong:
        value = getattr(config, wrong[0])
        raise ImportedModelError(f"{path}: {wrong[0]} is {value!r}, which is not known here, or fits nothing.")
    return config


def _wrong_length(values: tuple[float, ...] | None, config: KLConfig) -> bool:
    return values is not None and len(values) != config.latent_channels
