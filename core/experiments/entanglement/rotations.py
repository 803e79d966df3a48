"""What an entanglement penalty says of a cloud that is turned: which orientation it prefers, and by how much.

With a constant, isotropic posterior variance the rest of the VAE's loss is the same at every rotation of the latent
space about its origin (Rolinek, Zietlow and Martius, arXiv 1812.06775, show that it is the learned, diagonal variance
that aligns ordinary VAEs). So the penalty alone decides, and it can be asked directly. All values are those of
``core.models.losses.entanglement_loss``; imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from scipy.optimize import root_scalar
from scipy.stats import irwinhall, ortho_group

from core.analysis.axis_alignment import AlignmentError, axis_alignment
from core.config import Entanglement
from core.models.losses import entanglement_loss

MAX_POINTS = 2000  # of a cloud: more would not change the curves visibly
ROTATIONS = 500
_GRID = 200  # points a side of a uniform rectangle
_SWEEPS, _STEPS = 8, 21  # of the search for the best orientation: rounds over all planes, angles in each


def penalty(mu: np.ndarray, form: Entanglement, batch: int | None = None) -> float:
    """``form`` of all of mu float (n, d) as one batch; or, with ``batch``, averaged over 200 random batches of so many
    samples: what a training step sees."""
    points = torch.from_numpy(np.asarray(mu, dtype=np.float64))
    parts = [points]
    if batch is not None:
        parts = [points[rows] for rows in np.random.default_rng(0).integers(len(points), size=(200, batch))]
    return float(torch.stack([entanglement_loss(part, form).mean() for part in parts]).mean())


def plane_rotation(dimensions: int, plane: tuple[int, int], degrees: float) -> np.ndarray:
    """float64 (d, d): turns axis ``plane[0]`` towards axis ``plane[1]``."""
    i, j = plane
    angle = math.radians(degrees)
    rotation = np.eye(dimensions)
    rotation[i, i] = rotation[j, j] = math.cos(angle)
    rotation[j, i], rotation[i, j] = math.sin(angle), -math.sin(angle)
    return rotation


def by_angle(
    mu: np.ndarray,
    degrees: np.ndarray,
    form: Entanglement,
    plane: tuple[int, int] = (0, 1),
    batch: int | None = None,
) -> np.ndarray:
    """``form`` of mu (n, d) turned about the origin in ``plane`` by each of ``degrees``: float64, one value an angle.

    With ``batch`` it is the mean over random batches of that size.
    """
    turns = (plane_rotation(mu.shape[1], plane, float(angle)) for angle in degrees)
    return np.array([penalty(mu @ turn.T, form, batch) for turn in turns])


def random_rotations(dimensions: int, count: int = ROTATIONS, seed: int = 0) -> np.ndarray:
    """Uniform (Haar) orthogonal matrices float64 (count, d, d)."""
    return ortho_group.rvs(dimensions, count, np.random.default_rng(seed)).reshape(count, dimensions, dimensions)


def thinned(mu: np.ndarray, seed: int = 0) -> np.ndarray:
    """At most ``MAX_POINTS`` of the samples mu (n, d), float64."""
    mu = np.asarray(mu, dtype=np.float64)
    if len(mu) <= MAX_POINTS:
        return mu
    return mu[np.sort(np.random.default_rng(seed).choice(len(mu), MAX_POINTS, replace=False))]


def orientation_rank(mu: np.ndarray, form: Entanglement, seed: int = 0) -> float:
    """Share of random rotations of mu (n, d) about the origin that have a lower penalty ``form`` than mu itself.

    0: no rotation found is better, the penalty has the orientation it wants; about uniform over 0 to 1 for clouds
    whose orientation is left to chance; 0.5 for one dimension, which cannot be turned.
    """
    points = thinned(mu)
    if points.shape[1] < 2:
        return 0.5
    own = penalty(points, form)
    turned = [penalty(points @ rotation.T, form) for rotation in random_rotations(points.shape[1], seed=seed)]
    lower = np.array(turned) < own * (1.0 - 1e-12)
    return float(lower.mean())


@dataclass(frozen=True)
class Preferred:
    """What a penalty makes of the orientations of one cloud."""

    trained: float
    """The penalty as the cloud is."""
    lowest: float
    """The lowest that was found among its rotations."""
    rank: float
    """See ``orientation_rank``."""
    alignment: float | None
    """Alignment with the axes at the lowest; None where it cannot be computed."""


def preferred_orientation(mu: np.ndarray, form: Entanglement) -> Preferred:
    """Search the rotations of mu (n, d) about the origin for the lowest penalty ``form``.

    From the best of random rotations, then plane by plane with ever smaller angles: a local minimum at least.
    """
    points = thinned(mu)
    rotations = random_rotations(points.shape[1])
    values = [penalty(points @ rotation.T, form) for rotation in rotations]
    best = points @ rotations[int(np.argmin(values))].T
    reach = 45.0
    for _ in range(_SWEEPS):
        for plane in combinations(range(points.shape[1]), 2):
            degrees = np.linspace(-reach, reach, _STEPS)
            angle = float(degrees[int(np.argmin(by_angle(best, degrees, form, plane)))])
            best = best @ plane_rotation(points.shape[1], plane, angle).T
        reach *= 0.5
    try:
        alignment: float | None = axis_alignment(best).value
    except AlignmentError:
        alignment = None
    return Preferred(penalty(points, form), penalty(best, form), orientation_rank(mu, form), alignment)


def uniform_rectangle(ratio: float = 1.0) -> np.ndarray:
    """Points float64 (n, 2), a grid that fills a rectangle: area 4, its sides in ``ratio``, the longer along x."""
    line = (np.arange(_GRID) + 0.5) / _GRID * 2.0 - 1.0
    x, y = np.meshgrid(line * math.sqrt(ratio), line / math.sqrt(ratio))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def diagonal_crossover() -> float:
    """The ratio of a uniform rectangle's sides at which ``product`` is as large at 45° as along the axes.

    Below it the penalty prefers the diagonals, above it the axes. Bisection; between 1 and 3.
    """

    def gain(ratio: float) -> float:
        straight, diagonal = by_angle(uniform_rectangle(ratio), np.array([0.0, 45.0]), "product")
        return straight - diagonal

    return float(root_scalar(gain, bracket=(1.0, 3.0), xtol=5e-4).root)


def chance_of_ranks(ranks: Sequence[float]) -> float:
    """Probability that the mean of as many uniform numbers is at most that of ``ranks``: small if all are near 0."""
    return float(irwinhall.cdf(np.sum(ranks), len(ranks)))
