"""The training loss, L = reconstruction + beta KL + gamma entanglement, and the excess binary cross-entropy.

Every term is a mean over the batch of a per-sample value (but ``covariance`` and ``dip``, statistics of the batch), so
that sample weights can multiply each sample's loss. Computed in float32 whatever precision the network ran in.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from core.config import Entanglement, KlForm, LossConfig, Reconstruction

CLIP = 1.0 / 512.0  # half a grey level: an 8-bit image says no more about a pixel
DIP_DIAGONAL = 10.0
"""lambda_d / lambda_od of DIP-VAE-I, as in its authors' experiments (Kumar et al., arXiv 1711.00848)."""


@dataclass(frozen=True)
class LossTerms:
    """Scalars of one batch, weighted means over its samples: loss = reconstruction + beta kl + gamma entanglement."""

    loss: Tensor
    reconstruction: Tensor
    kl: Tensor
    entanglement: Tensor

    def stacked(self) -> Tensor:
        """The four, detached, in the order of ``TERM_NAMES``: (4,) float32."""
        return torch.stack([self.loss, self.reconstruction, self.kl, self.entanglement]).detach()


TERM_NAMES = ("loss", "reconstruction", "kl", "entanglement")


def reconstruction_loss(logits: Tensor, images: Tensor, form: Reconstruction) -> Tensor:
    """(N,): mean over pixels of the binary cross-entropy (from logits) or the squared error of sigmoid(logits)."""
    if form == "bce":
        error = F.binary_cross_entropy_with_logits(logits.float(), images, reduction="none")
    else:
        error = F.mse_loss(torch.sigmoid(logits.float()), images, reduction="none")
    return error.flatten(1).mean(1)


def kl_divergence(mu: Tensor, log_variance: Tensor, form: KlForm) -> Tensor:
    """(N,): divergence of N(mu, sigma^2) from N(0, 1); ``mu`` and ``log_variance`` are (N, d).

    ``textbook`` is 1/2 sum_i (mu_i^2 + sigma_i^2 - log sigma_i^2 - 1) (Kingma and Welling 2013, appendix B);
    ``article`` is the *mean* over the d dimensions without the half, which is 2/d times the textbook's value.
    """
    values = mu.square() + log_variance.exp() - log_variance - 1.0
    return values.mean(1) if form == "article" else 0.5 * values.sum(1)


def entanglement_loss(mu: Tensor, form: Entanglement) -> Tensor:
    """(N,): penalty on latent dimensions that vary together; zeros for ``none``.

    ``product`` is the article's: mean over pairs i < j of |mu_i mu_j|, one value a sample. It is no covariance: on a
    uniform square it prefers the diagonals (1/4 axis-aligned, 1/6 at 45 degrees). ``covariance`` is the mean over
    pairs of |cov(mu_i, mu_j)| of the batch. Both are 0 for d = 1. ``dip`` is DIP-VAE-I of Kumar, Sattigeri and
    Balakrishnan (arXiv 1711.00848, equation 6): sum over i != j of cov(mu_i, mu_j)^2 (each pair counts twice), plus 10
    sum over i of (var(mu_i) - 1)^2, which also draws every variance, that of a single dimension too, towards 1.

    The batch's covariance is the unbiased one, and 0 is returned for a batch of one sample, which has none. It is the
    same value for every sample.
    """
    count, dimensions = mu.shape
    if form == "none" or (dimensions < 2 and form != "dip"):
        return mu.new_zeros(count)
    i, j = torch.triu_indices(dimensions, dimensions, offset=1, device=mu.device)
    if form == "product":
        return (mu[:, i] * mu[:, j]).abs().mean(1)
    if count < 2:
        return mu.new_zeros(count)
    centred = mu - mu.mean(0)
    covariance = centred.T @ centred / (count - 1)
    if form == "covariance":
        return covariance[i, j].abs().mean().expand(count)
    together = 2.0 * covariance[i, j].square().sum()
    return (together + DIP_DIAGONAL * (covariance.diagonal() - 1.0).square().sum()).expand(count)


def vae_loss(
    logits: Tensor,
    images: Tensor,
    mu: Tensor,
    log_variance: Tensor,
    weights: Tensor,
    config: LossConfig,
    beta: float | Tensor,
    gamma: float | Tensor,
) -> LossTerms:
    """The loss of one batch.

    ``logits`` and ``images`` (N, C, H, W), ``mu`` and ``log_variance`` (N, d), ``weights`` (N,) multiply each sample's
    loss. ``beta`` and ``gamma`` are given beside ``config`` because they may change during a training; as tensors of no
    dimensions they may change within a CUDA graph.
    """
    reconstruction = (weights * reconstruction_loss(logits, images, config.reconstruction)).mean()
    kl = (weights * kl_divergence(mu, log_variance, config.kl)).mean()
    entanglement = (weights * entanglement_loss(mu, config.entanglement)).mean()
    return LossTerms(reconstruction + beta * kl + gamma * entanglement, reconstruction, kl, entanglement)


def excess_bce(images: Tensor, reconstruction: Tensor) -> Tensor:
    """(N,): BCE(x, clip x_hat) - BCE(x, clip x), mean over pixels, clip to [1/512, 1 - 1/512].

    ``images`` x and ``reconstruction`` x_hat are (N, C, H, W) in [0, 1]. An antialiased image's cross-entropy with
    itself is above zero, so plain BCE can't be compared between line widths; this can, and is 0 for a perfect copy.
    """
    x = images.float()
    target = x.clamp(CLIP, 1.0 - CLIP)
    estimate = reconstruction.float().clamp(CLIP, 1.0 - CLIP)
    # x log(t / e) + (1 - x) log((1 - t) / (1 - e)), the difference of the two cross-entropies
    excess = x * (target / estimate).log() + (1.0 - x) * ((1.0 - target) / (1.0 - estimate)).log()
    return excess.flatten(1).mean(1)
