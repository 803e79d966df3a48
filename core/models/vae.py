"""The variational autoencoder: an encoder to the latent posterior's mean, a decoder to pixel logits.

Three presets share one class: ``compact`` (core.models.compact) and the published ``article`` and
``article-weighted`` (core.models.article). The posterior's standard deviation is a constant, as published, or learned
(Kingma and Welling 2013, arXiv 1312.6114, appendix C).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from core.config import ModelConfig, RunConfig
from core.models.article import ArticleDecoder, ArticleEncoder
from core.models.compact import CompactDecoder, CompactEncoder

LOG_VARIANCE_RANGE = (-20.0, 10.0)  # of a learned log-variance: exp() stays far inside float32 and bfloat16


class VAE(nn.Module):
    """Encoder and decoder of one preset for square images.

    Attributes: ``latent_dim`` d, ``image_size`` S (pixels), ``channels`` C (1 or 3), ``preset``.
    """

    def __init__(self, config: ModelConfig, image_size: int, channels: int) -> None:
        super().__init__()
        self.preset = config.preset
        self.latent_dim = config.latent_dim
        self.image_size = image_size
        self.channels = channels
        self.learned_variance = config.variance == "learned"
        self.constant_log_variance = 2.0 * math.log(config.sigma)
        outputs = config.latent_dim * (2 if self.learned_variance else 1)
        if config.preset == "compact":
            self.encoder: nn.Module = CompactEncoder(image_size, channels, outputs)
            self.decoder = CompactDecoder(
                image_size, channels, config.latent_dim, config.native(image_size), config.global_colour
            )
        else:
            self.encoder = ArticleEncoder(image_size, channels, outputs, config.preset == "article-weighted")
            self.decoder = ArticleDecoder(image_size, channels, config.latent_dim)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, C, S, S) in [0, 1] to the posterior's mean mu (N, d) and log-variance (N, d)."""
        if images.ndim != 4 or images.shape[1:] != (self.channels, self.image_size, self.image_size):
            raise ValueError(
                f"images has shape {tuple(images.shape)}; this model wants "
                f"(N, {self.channels}, {self.image_size}, {self.image_size}): resize the images or load another model."
            )
        heads = self.encoder(images).float()  # the posterior's parameters stay in float32 under autocast
        if not self.learned_variance:
            return heads, torch.full_like(heads, self.constant_log_variance)
        mu, log_variance = heads.chunk(2, dim=1)
        return mu, log_variance.clamp(*LOG_VARIANCE_RANGE)

    @property
    def margins(self) -> tuple[int, int]:
        """Pixels (down, right) by which the decoder may draw an image elsewhere on its canvas; 0 where it cannot."""
        return self.decoder.margins if isinstance(self.decoder, CompactDecoder) else (0, 0)

    def decode_logits(self, z: Tensor, moved: Tensor | None = None) -> Tensor:
        """Latents (N, d) to logits (N, C, S, S), whose sigmoid is the image. ``moved``: as of ``CompactDecoder``."""
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"z has shape {tuple(z.shape)}; this model wants (N, {self.latent_dim}).")
        return self.decoder(z) if moved is None else self.decoder(z, moved)

    def forward(
        self, images: Tensor, noise: Tensor | None = None, moved: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(logits, mu, log_variance) of z = mu + sigma * ``noise``; without noise (N, d) z is mu. The decoder draws
        each image ``moved`` int64 (N, 2) pixels from its place (``CompactDecoder.drawn``)."""
        mu, log_variance = self.encode(images)
        z = mu if noise is None else mu + torch.exp(0.5 * log_variance) * noise
        return self.decode_logits(z, moved), mu, log_variance


def build_model(config: RunConfig) -> VAE:
    """A freshly initialised model on the CPU, float32; the initialisation depends only on ``config.training.seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.training.seed)
        return VAE(config.model, config.data.image_size, config.data.channels)


def forward_flops(model: VAE) -> int:
    """Floating-point operations (a multiply-add counts as two) to encode and decode one image: its layers' products.

    Activations, normalisations and biases, a few per cent more, are not counted.
    """
    from torch.utils.flop_counter import FlopCounterMode

    training, device = model.training, next(model.parameters()).device
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(torch.zeros(1, model.channels, model.image_size, model.image_size, device=device))
    model.train(training)
    return counter.get_total_flops()
