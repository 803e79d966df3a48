"""What limits a trained model inside the hole: its encoder, the surface's shape there, or its decoder?

The hole's images are decoded from latents that come from elsewhere, without more training: from the encoder; from a
search for the latent whose image is best, which leaves the decoder alone to blame; and from the surface that the means
of the training samples form, continued into the hole along a straight line or smoothly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from core.analysis.image_metrics import excess_bce
from core.analysis.transect import TransectResult
from core.config import DataConfig
from core.data import polar_curves
from core.models.inference import Inference
from core.models.vae import VAE

SEARCH_STEPS = 100
SEARCH_RATE = 0.05
NEIGHBOURS = 500
"""Training samples around the hole that the smooth surface is fitted through."""


@dataclass(frozen=True)
class Readout:
    """One way to a latent: a key for files, a title, and what it asks."""

    key: str
    title: str
    definition: str


READOUTS = (
    Readout("encoder", "the encoder's mean", "z = μ(x) of the true image x, as everywhere else in this report"),
    Readout(
        "searched",
        "the best latent found",
        f"z from {SEARCH_STEPS} steps of Adam on the cross-entropy of the decoded image, starting at the encoder's "
        "mean: the remaining error is the decoder's",
    ),
    Readout(
        "linear",
        "a straight line across the hole",
        "z on the straight line between the means of the two images where the transect crosses the hole's rim",
    ),
    Readout(
        "smooth",
        "the surface, continued smoothly",
        f"z from a thin-plate spline (a, b) → μ through the {NEIGHBOURS} training samples nearest to the hole's centre",
    ),
)


def read_out(
    model: VAE,
    inference: Inference,
    data: DataConfig,
    training: tuple[np.ndarray, np.ndarray],
    results: Mapping[str, TransectResult],
    check_stop: Callable[[], None],
) -> dict[str, dict[str, float]]:
    """Mean excess BCE in the hole: {readout: {transect: value}}; transects without a point in the hole are left out.

    ``training`` are (a, b) float64 (m, 2) of the training samples and their means float32 (m, d).
    """
    crossing = {name: result for name, result in results.items() if result.in_hole.any()}
    ways: dict[str, Callable[[TransectResult], np.ndarray]] = {
        "encoder": lambda result: result.mu[result.in_hole],
        "searched": lambda result: search_latents(model, result.originals[result.in_hole], result.mu[result.in_hole]),
        "linear": lambda result: straight_latents(inference, data, result),
        "smooth": lambda result: smooth_latents(training, data, result.transect.points[result.in_hole]),
    }
    errors: dict[str, dict[str, float]] = {}
    for key, latents in ways.items():
        errors[key] = {}
        for name, result in crossing.items():
            check_stop()
            decoded = inference.decode(latents(result))
            errors[key][name] = float(excess_bce(result.originals[result.in_hole], decoded).mean())
    return errors


def search_latents(model: VAE, images: np.ndarray, start: np.ndarray, steps: int = SEARCH_STEPS) -> np.ndarray:
    """Latents float32 (n, d) near ``start`` whose images are closest to ``images`` uint8 (n, H, W, C).

    Adam on the mean binary cross-entropy, each image on its own; the best latent of all steps is kept, so that none is
    worse than where it began.
    """
    model.requires_grad_(False)
    target = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255.0
    z = torch.tensor(np.asarray(start, np.float32), requires_grad=True)
    optimizer = torch.optim.Adam([z], lr=SEARCH_RATE)
    best, best_error = z.detach().clone(), torch.full((len(z),), math.inf)
    for step in range(steps + 1):
        error = F.binary_cross_entropy_with_logits(model.decode_logits(z), target, reduction="none").flatten(1).mean(1)
        better = error.detach() < best_error
        best[better], best_error[better] = z.detach()[better], error.detach()[better]
        if step < steps:
            for group in optimizer.param_groups:
                group["lr"] = SEARCH_RATE * 0.5 * (1.0 + math.cos(math.pi * step / steps))
            optimizer.zero_grad()
            error.sum().backward()
            optimizer.step()
    return best.numpy()


def straight_latents(inference: Inference, data: DataConfig, result: TransectResult) -> np.ndarray:
    """Latents float32 (n, d) of the hole's points on the line between the means of the two rim images."""
    points = result.transect.points
    rim = rim_points(points[0], points[-1], data)
    images = polar_curves.render(rim, data.image_size, data.geometry)[..., None]
    first, last = inference.encode(np.repeat(images, data.channels, axis=-1))
    across = rim[1] - rim[0]
    fraction = (points[result.in_hole] - rim[0]) @ across / max(float(across @ across), 1e-12)
    return (first + fraction[:, None] * (last - first)).astype(np.float32)


def rim_points(start: np.ndarray, end: np.ndarray, data: DataConfig) -> np.ndarray:
    """(a, b) float64 (2, 2): where the straight line from ``start`` to ``end`` enters and leaves the hole.

    Where the hole reaches beyond an end of the line, that end.
    """
    along, offset = end - start, start - np.array([data.hole_a, data.hole_b])
    a, b = float(along @ along), float(along @ offset)
    c = float(offset @ offset) - data.hole_radius**2
    root = math.sqrt(max(b * b - a * c, 0.0))
    shares = np.clip([(-b - root) / a, (-b + root) / a], 0.0, 1.0)
    return start + shares[:, None] * along


def smooth_latents(training: tuple[np.ndarray, np.ndarray], data: DataConfig, points: np.ndarray) -> np.ndarray:
    """Latents float32 (n, d) of ``points`` (n, 2) on a thin-plate spline through the means around the hole."""
    from scipy.interpolate import RBFInterpolator

    ab, mu = training
    distance = np.hypot(ab[:, 0] - data.hole_a, ab[:, 1] - data.hole_b)
    nearest = np.argsort(distance, kind="stable")[:NEIGHBOURS]
    surface = RBFInterpolator(ab[nearest], mu[nearest].astype(np.float64), kernel="thin_plate_spline")
    return surface(points).astype(np.float32)
