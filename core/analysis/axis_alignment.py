"""Whether a latent cloud, or the factors in it, lie along the latent axes; with the null that random rotations give.

An alignment score alone says little: with few dimensions a random rotation scores high (0.54 on average for three). So
every score comes with its null distribution, a p-value and a bootstrap interval. numpy at import, scipy at first use,
no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from core.utils.point_sets import principal_axes

NULL_DRAWS = 2000
MIN_SAMPLES = 10
_BOOTSTRAPS = 500
_PER_DIMENSION = 3  # fewer samples a dimension than this give directions that are mostly chance


class AlignmentError(ValueError):
    """Samples from which no alignment can be computed; the message says what was given and what is wanted."""


class Alignment(NamedTuple):
    """An alignment with the axes, at most 1 (each direction along an axis of its own); 0: no axis is preferred.

    ``low`` and ``high`` are the 95 % bootstrap interval over samples: the resamples' spread about their median, laid
    around ``value`` (each resample blurs the directions a little more, so their scores lie lower). ``null_mean`` and
    ``null_95`` are mean and 95th percentile over ``draws`` random rotations; ``p_value`` is the share of them that
    scored at least ``value``, both counts plus one (so it is never 0).
    """

    value: float
    low: float
    high: float
    null_mean: float
    null_95: float
    p_value: float
    draws: int


def alignment_of(rotation: np.ndarray) -> float:
    """A = (mean matched U² - 1/D) / (1 - 1/D) of directions U, the rows of ``rotation`` (F, D), F ≤ D.

    The match gives each direction an axis of its own so that the sum of squared components is greatest (the Hungarian
    method). For a square orthonormal matrix rows and columns serve alike. D is 2 or more.
    """
    from scipy.optimize import linear_sum_assignment

    squared = np.square(np.asarray(rotation, dtype=np.float64))
    rows, columns = linear_sum_assignment(squared, maximize=True)
    chance = 1.0 / squared.shape[1]
    return float((squared[rows, columns].mean() - chance) / (1.0 - chance))


@lru_cache(maxsize=32)
def rotation_null(dimensions: int, directions: int | None = None) -> np.ndarray:
    """Alignment of 2000 random rotations in ``dimensions`` D ≥ 2: float64 (2000,), read-only, always the same.

    The rotations are uniform (Haar); their mean alignment is 2/π = 0.64 for D = 2, about 0.54 for 3 and 0.22 for 16.
    ``directions`` F < D takes that many orthonormal directions only.
    """
    generator = np.random.default_rng(0)
    # Q of a Gaussian matrix is Haar distributed up to its columns' signs, which the squares do not see.
    shape = (NULL_DRAWS, dimensions, dimensions if directions is None else directions)
    values = np.array([alignment_of(np.linalg.qr(draw)[0].T) for draw in generator.standard_normal(shape)])
    values.setflags(write=False)
    return values


def active_dimensions(mu: np.ndarray, sigma: float) -> np.ndarray:
    """Which latent dimensions carry information: bool (d,), where mu (n, d) varies by more than its own noise.

    Dimension i is active if the variance of mu_i over samples is above sigma², the posterior's: below that the noise
    drowns it. Raises ``AlignmentError`` for fewer than two samples.
    """
    return _check_mu(mu, 2).var(axis=0, ddof=1) > sigma**2


def axis_alignment(mu: np.ndarray, active: np.ndarray | None = None) -> Alignment:
    """Whether the principal directions of mu (n, d) lie along the latent axes.

    U are the eigenvectors of the covariance of mu over the ``active`` dimensions, bool (d,) (those that vary at all,
    where none are given; see ``active_dimensions``). Rolinek, Zietlow and Martius, "Variational autoencoders pursue PCA
    directions (by accident)", CVPR 2019, show why an ordinary VAE aligns them. Where two variances are equal the
    directions are arbitrary, and the bootstrap interval says so. Raises ``AlignmentError`` for fewer than two active
    dimensions, or fewer samples than 10 and 3 a dimension.
    """
    mu = _active_part(mu, active)

    def aligned(rows: np.ndarray | slice) -> float:
        return alignment_of(principal_axes(mu[rows]).axes.T)

    return _judged(aligned, len(mu), rotation_null(mu.shape[1]))


def factor_directions(mu: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Mean direction in which mu (n, d) moves as each of ``factors`` (n, F) grows, the others held: float64 (F, d).

    Unit vectors: the coefficients of linear least squares of mu on the standardised factors. A curved sheet has another
    direction at each place; this is their average. Raises ``AlignmentError`` where a factor is constant, follows from
    the others, or does not move mu at all.
    """
    mu = _check_mu(mu, MIN_SAMPLES)
    return _directions(mu, _check_factors(factors, mu))


def factor_alignment(mu: np.ndarray, factors: np.ndarray, active: np.ndarray | None = None) -> Alignment:
    """Whether each of ``factors`` (n, F) moves mu (n, d) along a latent axis of its own; see ``factor_directions``.

    The null is of F random orthonormal directions in the ``active`` dimensions (see ``axis_alignment``). Raises
    ``AlignmentError`` as those do, and for more factors than active dimensions.
    """
    mu = _active_part(mu, active)
    factors = _check_factors(factors, mu)
    if factors.shape[1] > mu.shape[1]:
        raise AlignmentError(
            f"there are {factors.shape[1]} factors and {mu.shape[1]} active dimensions; each factor needs an axis of "
            "its own."
        )

    def aligned(rows: np.ndarray | slice) -> float:
        return alignment_of(_directions(mu[rows], factors[rows]))

    return _judged(aligned, len(mu), rotation_null(mu.shape[1], factors.shape[1]))


def _directions(mu: np.ndarray, factors: np.ndarray) -> np.ndarray:
    spread = factors.std(axis=0)
    if not (spread > 0).all():
        constant = int((spread <= 0).argmax())
        raise AlignmentError(f"factor {constant + 1} is the same in all {len(mu)} samples, so it has no direction.")
    standardised = (factors - factors.mean(axis=0)) / spread
    slopes, _, rank, _ = np.linalg.lstsq(standardised, mu - mu.mean(axis=0), rcond=1e-9)
    if rank < factors.shape[1]:
        raise AlignmentError(
            f"the {factors.shape[1]} factors are linearly dependent; none can vary while the others are held constant."
        )
    lengths = np.linalg.norm(slopes, axis=1, keepdims=True)
    if not (lengths > 0).all():
        still = int((lengths[:, 0] <= 0).argmax())
        raise AlignmentError(f"mu does not move with factor {still + 1}: it has no direction.")
    return slopes / lengths


def _judged(aligned: Callable[[np.ndarray | slice], float], count: int, null: np.ndarray) -> Alignment:
    """What ``aligned`` says of all ``count`` samples, with its interval over resamples of them, and the ``null``."""
    value, generator = aligned(slice(None)), np.random.default_rng(0)
    drawn = [aligned(generator.integers(count, size=count)) for _ in range(_BOOTSTRAPS)]
    low, middle, high = np.quantile(drawn, [0.025, 0.5, 0.975])
    p_value = (1 + int((null >= value).sum())) / (1 + len(null))
    return Alignment(
        value=value,
        low=max(float(value + low - middle), 0.0),
        high=min(float(value + high - middle), 1.0),
        null_mean=float(null.mean()),
        null_95=float(np.quantile(null, 0.95)),
        p_value=p_value,
        draws=len(null),
    )


def _active_part(mu: np.ndarray, active: np.ndarray | None) -> np.ndarray:
    mu = _check_mu(mu, MIN_SAMPLES)
    chosen = np.ptp(mu, axis=0) > 0.0 if active is None else np.asarray(active, dtype=bool)
    mu = mu[:, chosen]
    dimensions = mu.shape[1]
    if dimensions < 2:
        raise AlignmentError(f"{dimensions} of the latent dimensions is active; alignment needs 2 or more.")
    if len(mu) < _PER_DIMENSION * dimensions:
        raise AlignmentError(
            f"{len(mu)} samples are too few for {dimensions} dimensions; give {_PER_DIMENSION * dimensions} or more."
        )
    return mu


def _check_mu(mu: np.ndarray, least: int) -> np.ndarray:
    mu = np.asarray(mu, dtype=np.float64)
    if mu.ndim != 2 or mu.shape[1] < 1:
        raise AlignmentError(f"mu has shape {mu.shape}; it must be (n, d).")
    if len(mu) < least:
        raise AlignmentError(f"{len(mu)} samples are too few; give {least} or more.")
    if not np.isfinite(mu).all():
        raise AlignmentError("mu holds a number that is not finite; the model may have diverged.")
    return mu


def _check_factors(factors: np.ndarray, mu: np.ndarray) -> np.ndarray:
    factors = np.asarray(factors, dtype=np.float64)
    if factors.ndim != 2 or len(factors) != len(mu) or factors.shape[1] < 1:
        raise AlignmentError(f"factors has shape {factors.shape}; it must be ({len(mu)}, F), one row per sample.")
    if not np.isfinite(factors).all():
        raise AlignmentError("factors holds a number that is not finite.")
    return factors
