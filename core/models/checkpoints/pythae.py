"""Folders that pythae saved (Chadebec, Vincent and Allassonnière 2022, arXiv 2206.08309): model_config.json, model.pt.

Only its default networks are rebuilt, one hidden layer of 512 units either way (``pythae/models/nn/
default_architectures.py``). Networks of one's own lie in encoder.pkl and decoder.pkl, which are code.
"""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
from torch import Tensor, nn

from core.models.checkpoints.network import Network
from core.models.checkpoints.tensors import built, read_tensors
from core.models.imported.onnx_graph import ImportedModelError
from core.models.imported.parts import MOST_LATENTS
from core.utils.untrusted import UnreadableError, read_json

CONFIG, WEIGHTS = "model_config.json", "model.pt"
HIDDEN = 512
_LARGEST_IMAGE = 3 * 1024 * 1024
WITH_PRIOR = (
    "VAE", "BetaVAE", "BetaTCVAE", "DisentangledBetaVAE", "FactorVAE", "INFOVAE_MMD", "IWAE", "CIWAE", "MIWAE", "PIWAE",
    "MSSSIM_VAE", "VAEGAN", "Adversarial_AE", "WAE_MMD",
)  # fmt: skip
"""Models whose latents are meant to follow a standard normal distribution."""
WITHOUT_PRIOR = ("AE", "RAE_GP", "RAE_L2", "VAMP")
"""The others whose decoder takes what the encoder returns."""


class _Config(msgspec.Struct):
    """What is read of model_config.json."""

    name: str
    latent_dim: int
    input_dim: tuple[int, ...]
    uses_default_encoder: bool = True
    uses_default_decoder: bool = True


class _Encoder(nn.Module):
    """The part of pythae's Encoder_AE_MLP and Encoder_VAE_MLP that leads to the mean."""

    def __init__(self, pixels: int, latent_dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Sequential(nn.Linear(pixels, HIDDEN), nn.ReLU())])
        self.embedding = nn.Linear(HIDDEN, latent_dim)

    def forward(self, images: Tensor) -> Tensor:
        return self.embedding(self.layers[0](images.flatten(1)))


class _Decoder(nn.Module):
    """pythae's Decoder_AE_MLP."""

    def __init__(self, shape: tuple[int, ...], latent_dim: int) -> None:
        super().__init__()
        self.shape = shape
        self.layers = nn.ModuleList(
            [
                nn.Sequential(nn.Linear(latent_dim, HIDDEN), nn.ReLU()),
                nn.Sequential(nn.Linear(HIDDEN, math.prod(shape)), nn.Sigmoid()),
            ]
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers[1](self.layers[0](z)).reshape(-1, *self.shape)


def _parts(shape: tuple[int, ...], latent_dim: int) -> nn.ModuleDict:
    return nn.ModuleDict({"encoder": _Encoder(math.prod(shape), latent_dim), "decoder": _Decoder(shape, latent_dim)})


def read_pythae(folder: Path) -> Network:
    """The network in ``folder``. Raises ``ImportedModelError`` if it is not one of pythae's default networks."""
    config = _config(folder / CONFIG)
    name = config.name.removesuffix("Config").removesuffix("_")
    own = [part for part in ("encoder", "decoder") if not getattr(config, f"uses_default_{part}")]
    if own:
        raise ImportedModelError(
            f"{folder} has a network of its own as {' and '.join(own)}, in "
            f"{' and '.join(f'{one}.pkl' for one in own)}: those are code and are not loaded. "
            "Where its classes are, load it with AutoModel.load_from_folder, and "
            "export its encoder and decoder to ONNX, with forward returning the tensor alone; then run "
            "`isoline import decoder.onnx --encoder encoder.onnx`."
        )
    if name not in (*WITH_PRIOR, *WITHOUT_PRIOR):
        raise ImportedModelError(
            f"{folder} holds a {name or 'model without a name'} of pythae, whose latents are not what its encoder "
            f"returns and its decoder takes. Can be imported: {', '.join((*WITH_PRIOR, *WITHOUT_PRIOR))}."
        )
    shape, d = config.input_dim, config.latent_dim
    if not shape or min(shape) < 1 or math.prod(shape) > _LARGEST_IMAGE or not 1 <= d <= MOST_LATENTS:
        raise ImportedModelError(
            f"{folder / CONFIG} states images of {shape} and {d} latent dimensions; at most {_LARGEST_IMAGE:,} pixel "
            f"values and {MOST_LATENTS:,} dimensions can be shown."
        )
    tensors = read_tensors(folder / WEIGHTS)
    parts, left = built(lambda: _parts(shape, d), tensors, folder / WEIGHTS)
    others = sorted({tensor.split(".")[0] for tensor in left if not tensor.startswith("encoder.log_var")})
    notes = [f"Model of pythae: {name}, with its default networks."]
    if others:
        notes.append(f"Of {WEIGHTS}, {', '.join(others)} is left out: neither encoding nor decoding uses it.")
    if name in WITHOUT_PRIOR:
        notes.append(f"The latents of {name} need not follow a standard normal distribution.")
    return Network(d, parts["decoder"], parts["encoder"], (1, *shape), values="0 to 1", notes=tuple(notes))


def _config(path: Path) -> _Config:
    try:
        return read_json(path, _Config)
    except OSError as error:
        raise ImportedModelError(f"{path} cannot be read ({error.strerror or error}).") from error
    except UnreadableError as error:
        raise ImportedModelError(f"{path} is not a model_config.json of pythae ({error}).") from error
