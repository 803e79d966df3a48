"""A VAE as two ONNX files, which every framework and a web page can run.

- Decoder: input ``z`` float32 (N, d), output ``images`` float32 (N, C, S, S) in [0, 1].
- Encoder: input ``images`` float32 (N, C, S, S) in [0, 1], outputs ``mean`` and ``log_variance``, float32 (N, d).

N is free. What they hold is in their ``metadata_props``: ``isoline_version``, ``preset``, ``latent_dim``,
``image_size``, ``channels``, ``layout`` (NCHW), ``value_range`` (0 to 1), ``variance`` (constant or learned) and, where
it is constant, ``sigma``. They use nothing but standard operators of opset 18, which ONNX Runtime Web has, too.

torch's exporter does the work. What is written here are forms of the networks with less to compute: an image that was
enlarged ends with the enlargement, without the way back to logits, and the article's decoder convolves before it
doubles. Transposed convolutions stay: written as convolutions whose pixels are shuffled (one, or one for each of four
phases) they took between 9 % less and as much time in ONNX Runtime, and 5 to 10 % more in its WebAssembly.
"""

from __future__ import annotations

import copy
import logging
import math
import warnings
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import core
from core.models.article import SEED_CHANNELS, ArticleDecoder
from core.models.article_fused import FusedArticleDecoder, upsampled_kernel
from core.models.compact import CompactDecoder
from core.models.layers import crop_centre
from core.models.vae import LOG_VARIANCE_RANGE, VAE

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 18
_TRACED = 2
"""Images in the batch that is traced: of one alone, the exporter would take N for the constant 1."""


def decoder_onnx(network: VAE) -> bytes:
    """The decoder of ``network`` as the content of an ONNX file: z (N, d) to images (N, C, S, S) in [0, 1]."""
    decoder = copy.deepcopy(network.decoder).cpu().float().eval().requires_grad_(False)
    graph = _CompactImages(decoder) if isinstance(decoder, CompactDecoder) else _ArticleImages(decoder)
    model = exported(graph, torch.zeros(_TRACED, network.latent_dim), "z", ["images"])
    return _finished(model, network)


def encoder_onnx(network: VAE) -> bytes:
    """The encoder of ``network`` as the content of an ONNX file: images (N, C, S, S) in [0, 1] to the posterior.

    Its ``mean`` and ``log_variance``, each (N, d); a log-variance that is a constant is given, too.
    """
    images = torch.zeros(_TRACED, network.channels, network.image_size, network.image_size)
    model = exported(_Posterior(network), images, "images", ["mean", "log_variance"])
    return _finished(model, network)


class _CompactImages(nn.Module):
    def __init__(self, decoder: CompactDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, z: Tensor) -> Tensor:
        images, size = torch.sigmoid(self.decoder.drawn(z)), self.decoder.image_size
        if not self.decoder.enlarges:
            return images
        return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)


class _ArticleImages(nn.Module):
    """As ``FusedArticleDecoder``, but for the normalisations between convolutions.

    Folding those needs corrections along the border, for which ONNX would copy the whole map once for each side and
    corner; one pass over it is cheaper.
    """

    def __init__(self, decoder: ArticleDecoder) -> None:
        super().__init__()
        self.image_size, self.grid, self.seed = decoder.image_size, decoder.grid, decoder.seed
        fused = FusedArticleDecoder(decoder)
        convolutions = [layer for layer in decoder.layers if isinstance(layer, nn.Conv2d)]
        norms = [layer for layer in decoder.layers if isinstance(layer, nn.BatchNorm2d)]
        layers: list[nn.Module] = []
        for convolution, norm in zip(convolutions[:3], norms[:3], strict=True):
            doubling = nn.ConvTranspose2d(convolution.in_channels, convolution.out_channels, 4, stride=2, padding=1)
            doubling.weight.data = upsampled_kernel(convolution.weight.data)
            doubling.bias = convolution.bias
            layers += [doubling, nn.ReLU(), norm]
        layers[-1:] = [fused.wide, nn.ReLU(), fused.head]  # these two have their normalisations folded in
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        grid = torch.relu(self.seed(z)).view(-1, SEED_CHANNELS, self.grid, self.grid)
        return torch.sigmoid(crop_centre(self.layers(grid), (self.image_size, self.image_size)))


class _Posterior(nn.Module):
    def __init__(self, network: VAE) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(network.encoder).cpu().float().eval().requires_grad_(False)
        self.learned, self.constant = network.learned_variance, network.constant_log_variance

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        heads = self.encoder(images)
        if not self.learned:
            return heads, torch.full_like(heads, self.constant)
        mean, log_variance = heads.chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)


def exported(
    graph: nn.Module, example: Tensor, input_name: str, output_names: list[str], batch_is_free: bool = True
) -> ModelProto:
    """``graph`` by torch's exporter, traced with ``example``; for that one shape alone, unless ``batch_is_free``."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")  # warns that there is no torchvision
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():  # torch's exporter uses a class of torch's that is deprecated
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
            program = torch.onnx.export(
                graph.eval(),
                (example,),
                dynamo=True,
                verbose=False,
                input_names=[input_name],
                output_names=output_names,
                dynamic_shapes=({0: torch.export.Dim("N")},) if batch_is_free else None,
                opset_version=OPSET,
            )
    finally:
        log.setLevel(level)
    assert program is not None  # torch gives None only where it is told a file
    return program.model_proto


def _finished(model: ModelProto, network: VAE) -> bytes:
    """With metadata about the model, and without what the exporter notes of each node, lines of our code among it."""
    import onnx

    graph = model.graph
    for part in (*graph.node, *graph.input, *graph.output, *graph.initializer, graph):
        part.ClearField("metadata_props")
    graph.ClearField("value_info")
    variance = {"variance": "learned"}
    if not network.learned_variance:
        variance = {"variance": "constant", "sigma": f"{math.exp(0.5 * network.constant_log_variance):.6g}"}
    onnx.helper.set_model_props(
        model,
        {
            "isoline_version": core.__version__,
            "preset": network.preset,
            "latent_dim": str(network.latent_dim),
            "image_size": str(network.image_size),
            "channels": str(network.channels),
            "layout": "NCHW",
            "value_range": "0 to 1",
            **variance,
        },
    )
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()
