"""How far a place has left the data: zero among the samples, rising at the rims of gaps, in them and off the surface.

The off-manifold score (``core.geometry.off_manifold.OffManifoldDetector``) judges a place, but jumps from neighbour to
neighbour: no descent can follow it. This one is continuous and has slopes, which relaxing a geodesic needs. numpy at
import.
"""

from __future__ import annotations

from math import gamma, pi, sqrt
from typing import NamedTuple

import numpy as np

from core.geometry.local_fit import Neighbourhoods
from core.geometry.off_manifold import SCORE_NEIGHBOURS

NEIGHBOURS = 2 * SCORE_NEIGHBOURS  # hardly farther than the score looks, and chance counts for less
CLEARANCE = 1.2  # usual distances that a path keeps from a rim: nearer, a decoder has seen samples on one side only
COMPONENTS = 8  # of the image map, in which gaps are looked for: a surface needs few

_FREE_SHARE = 1.0  # of e at a straight edge of the data; chance alone often makes half of that
_RIM_NEIGHBOURS = 32
_RIM_OFFSET = 0.65  # of the offset at a straight edge
_RIM_SHARE = 0.25  # of a rim sample's neighbours are at the rim, too; a sparse spot by chance stands alone
_BLENDED, _BLEND = 8, 0.3  # rim samples in a smooth minimum, and how sharp it is, in usual distances
_SMOOTHINGS = 2  # passes of a median over neighbours: the usual distances beside a gap then do not tell of the gap


class OffManifoldPenalty:
    """x² = x_z² + x_h² + x_c²: beyond the samples in latent space, beyond their images, or too near a rim of these.

    An encoder that saw nothing in a gap of the data often draws its rims together, so a gap is wider among images than
    among latents; but places off the surface can have images like those on it. Hence both are asked. ``values`` (N, P)
    are the images of ``samples`` by the image map h, its main components first; None: there is no decoder, and rims
    are looked for in latent space.

    Near a rim: x_c(z) = max(1 - d / 1.2 r, 0), d the distance of h(z) to the nearest rim samples' images and r the mean
    distance of 32 neighbours at rims. A path round a gap thus keeps clear of it, where the decoder has seen samples on
    all sides.

    ``latent`` and ``rim`` are the parts; ``own`` float64 (N,) is x of the samples, which are not their own neighbours.
    """

    def __init__(self, samples: Neighbourhoods, intrinsic: int, values: np.ndarray | None = None) -> None:
        self.latent = SmoothOffManifoldScore(samples, intrinsic)
        self._image = (
            None if values is None else SmoothOffManifoldScore(Neighbourhoods(values[:, :COMPONENTS]), intrinsic)
        )
        seen = samples if self._image is None else self._image.samples
        self.rim = Rim(seen, intrinsic)
        parts = [self.latent.own, self.rim.near(seen.points)[0]]
        self.own = np.linalg.norm([*parts, *([] if self._image is None else [self._image.own])], axis=0)

    def value(self, z: np.ndarray, values: np.ndarray) -> np.ndarray:
        """x float64 (n,) of z (n, d), whose images are ``values`` (n, P)."""
        return self.value_and_slope(z, values, None)[0]

    def value_and_slope(
        self, z: np.ndarray, values: np.ndarray, jacobian: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """x float64 (n,) and its derivatives by z float64 (n, d), zero where x is.

        ``jacobian`` (n, P, d) are the derivatives of ``values``; None: the slopes are of no interest, and zero.
        """
        place = z if self._image is None else values[:, :COMPONENTS]
        x, slope = self.latent.value_and_slope(z)
        squared, product = np.square(x), x[:, None] * slope
        for part in (self.rim.near, *(() if self._image is None else (self._image.value_and_slope,))):
            x, slope = part(place)
            if self._image is not None:
                by_z = 0.0 if jacobian is None else jacobian[:, :COMPONENTS]
                slope = np.zeros_like(z) if jacobian is None else (slope[:, None] @ by_z)[:, 0]
            squared += np.square(x)
            product += x[:, None] * slope
        x = np.sqrt(squared)
        return x, np.divide(product, x[:, None], out=np.zeros_like(product), where=x[:, None] > 0.0)


class Rim:
    """Samples at a rim of the data, seen in the space of ``samples``, whose surface has q = ``intrinsic`` dimensions.

    A sample is at a rim if its neighbours lie to one side: if their mean, in units of their spread about the sample
    along the surface, is 0.65 of what it is at a straight edge, √(q + 2) times the mean of a half ball; and if that is
    so for a quarter of its neighbours. ``members`` bool (N,) says which samples are.
    """

    def __init__(self, samples: Neighbourhoods, intrinsic: int) -> None:
        distances, indices = samples.of_samples(_RIM_NEIGHBOURS)
        offsets = samples.points[indices] - samples.points[:, None]
        q = min(intrinsic, samples.dim)
        plane = np.linalg.eigh(np.swapaxes(offsets, 1, 2) @ offsets)[1][:, :, -q:]
        along = offsets @ plane
        mean = along.mean(axis=1)
        spread = np.swapaxes(along, 1, 2) @ along / along.shape[1]
        size = np.maximum(np.trace(spread, axis1=1, axis2=2), 1e-300)
        spread += 1e-9 * size[:, None, None] * np.eye(q)
        aside = np.sqrt(np.maximum((mean[:, None] @ np.linalg.solve(spread, mean[:, :, None]))[:, 0, 0], 0.0))
        candidates = aside > _RIM_OFFSET * _edge_mean(q) * sqrt(q + 2.0)
        self.members = candidates & (candidates[indices].mean(axis=1) >= _RIM_SHARE)
        self._samples = Neighbourhoods(samples.points[self.members]) if self.members.any() else None
        usual = float(np.median(distances.mean(axis=1)[self.members])) if self.members.any() else 0.0
        self._margin, self._blend = max(CLEARANCE * usual, 1e-300), max(_BLEND * usual, 1e-300)

    def near(self, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x_c float64 (n,) of places (n, p) and its slopes (n, p)."""
        if self._samples is None:
            return np.zeros(len(place)), np.zeros_like(place)
        distances, indices = self._samples.query(place, _BLENDED)
        # A smooth minimum of the distances: a path along a rim would else be torn from one sample to the next.
        weights = np.exp((distances[:, :1] - distances) / self._blend)
        total = weights.sum(axis=1, keepdims=True)
        distance = distances[:, 0] - self._blend * np.log(total[:, 0])
        x = np.maximum(1.0 - distance / self._margin, 0.0)
        weights = weights / (total * np.maximum(distances, 1e-300) * self._margin) * (x > 0.0)[:, None]
        away = weights.sum(axis=1)[:, None] * place - (weights[:, None] @ self._samples.points[indices])[:, 0]
        return x, -away


class SmoothOffManifoldScore:
    """x(z) = max(e(z) / t - 1, 0), where e tells in two ways that the ``samples`` have stayed behind:

        e² = (|z - m| / c r)² + (max(D / r - 1, 0) / (2^(1/q) - 1))².

    m is the weighted mean of the 16 nearest samples, D the mean of their distances, and r what D usually is
    thereabouts, so that density does not matter. Among the samples m is at z, and D is r. Off the surface, past an edge
    and beside a gap the samples lie on one side, and m stays behind; within a gap they are far, whatever their sides.
    At a straight edge of evenly spread data, of ``intrinsic`` dimensions q, half a ball holds the neighbours: |z - m|
    is c r and D is 2^(1/q) r, so that both parts are 1. The level t is the √2 of that edge.

    A gap is noticed where it is wider than the samples' distances. The weights (1 - (distance / last distance)²)² fall
    to 0 at the last neighbour: the plain mean of a fixed number jumps where one sample takes another's place.
    """

    def __init__(self, samples: Neighbourhoods, intrinsic: int) -> None:
        self.samples = samples
        distances, indices = samples.of_samples(NEIGHBOURS + 1)
        usual = distances.mean(axis=1)
        for _ in range(_SMOOTHINGS):
            usual = np.median(usual[indices], axis=1)
        # Samples that coincide keep no distance; then a part of the cloud's size stands in.
        self._usual = np.maximum(usual, max(1e-6 * sqrt(float(samples.points.var(axis=0).sum())), 1e-150))
        q = min(intrinsic, samples.dim)
        self._offset = _edge_offset(q)
        self._emptiness = 2.0 ** (1.0 / q) - 1.0
        own = self._parts(samples.points, distances, indices).e  # of every sample, without itself
        self.free = max(_FREE_SHARE * sqrt(2.0), float(np.median(own)))
        self.own = np.maximum(own / self.free - 1.0, 0.0)

    def usual_distance(self, z: np.ndarray) -> np.ndarray:
        """r float64 (n,) near z (n, d)."""
        return self._parts(z, *self.samples.query(z, NEIGHBOURS + 1)).usual

    def value(self, z: np.ndarray) -> np.ndarray:
        """x float64 (n,) of z (n, d)."""
        return np.maximum(self._parts(z, *self.samples.query(z, NEIGHBOURS + 1)).e / self.free - 1.0, 0.0)

    def value_and_slope(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x float64 (n,) of z (n, d) and its derivatives by z float64 (n, d), zero where x is."""
        distances, indices = self.samples.query(z, NEIGHBOURS + 1)
        parts = self._parts(z, distances, indices)
        near, usual, r = self.samples.points[indices], self._usual[indices], parts.usual
        slope = np.zeros_like(z)
        outside = parts.e > self.free
        if not outside.any():
            return np.zeros(len(z)), slope
        # e de = behind d(behind) + empty d(empty); the effect of each on e, per unit of |z - m|, r and D:
        behind, empty = parts.behind / parts.e, parts.empty / parts.e
        by_away = behind / (self._offset * r)
        by_mean_distance = empty / (self._emptiness * r)
        by_usual = -(behind * parts.behind + empty * (parts.empty + (parts.empty > 0.0) / self._emptiness)) / r
        unit = parts.away / np.maximum(np.linalg.norm(parts.away, axis=1), 1e-300)[:, None]
        # m and r move by Σ d(weight) (theirs - mean), where
        # d(weight) = -4 fall / last² (z - sample - share (z - last sample)) dz / sum of the weights
        effect = ((near + (parts.away - z)[:, None]) @ unit[:, :, None])[:, :, 0] * -by_away[:, None]
        effect += by_usual[:, None] * (usual - r[:, None])
        last = np.maximum(distances[:, -1:], 1e-300)
        share = np.square(distances / last)
        fall = np.maximum(1.0 - share, 0.0)
        pull = effect * (-4.0 * fall / np.square(last)) / (np.square(fall) + 1e-12).sum(axis=1, keepdims=True)
        slope += by_away[:, None] * unit
        slope += pull.sum(axis=1)[:, None] * z - (pull[:, None] @ near)[:, 0]
        slope -= (pull * share).sum(axis=1)[:, None] * (z - near[:, -1])
        # D moves by the mean of the unit vectors from its samples
        towards = 1.0 / np.maximum(distances, 1e-300)
        towards /= towards.shape[1]
        slope += by_mean_distance[:, None] * (towards.sum(axis=1)[:, None] * z - (towards[:, None] @ near)[:, 0])
        return np.maximum(parts.e / self.free - 1.0, 0.0), slope * (outside / self.free)[:, None]

    def _parts(self, z: np.ndarray, distances: np.ndarray, indices: np.ndarray) -> _Parts:
        last = np.maximum(distances[:, -1:], 1e-300)
        weights = np.square(np.maximum(1.0 - np.square(distances / last), 0.0)) + 1e-12
        weights /= weights.sum(axis=1, keepdims=True)
        away = z - (weights[:, None] @ self.samples.points[indices])[:, 0]
        usual = (weights * self._usual[indices]).sum(axis=1)
        behind = np.linalg.norm(away, axis=1) / (self._offset * usual)
        empty = np.maximum(distances.mean(axis=1) / usual - 1.0, 0.0) / self._emptiness
        return _Parts(away, usual, behind, empty, np.hypot(behind, empty))


class _Parts(NamedTuple):
    """z - m (n, d); r (n,); the two parts of e and e itself (n,)."""

    away: np.ndarray
    usual: np.ndarray
    behind: np.ndarray
    empty: np.ndarray
    e: np.ndarray


def _edge_offset(q: int) -> float:
    """c = |z - m| / r at a straight edge of evenly spread data of q dimensions.

    There half a ball holds the neighbours, so it is 2^(1/q) wider than usual, and r is q / (q + 1) of the usual ball's
    radius; m is the weighted mean of that half: the mean cosine over a half sphere times a ratio of two beta integrals.
    """
    along = _beta(0.5 * (q + 1), 3.0) / _beta(0.5 * q, 3.0)
    return float(2.0 ** (1.0 / q) * _mean_cosine(q) * along * (q + 1) / q)


def _edge_mean(q: int) -> float:
    """How far from its flat side's middle the mean of a half ball of radius 1 in q dimensions is."""
    return _mean_cosine(q) * q / (q + 1)


def _mean_cosine(q: int) -> float:
    """Mean of |cos| over the directions of q dimensions."""
    return gamma(0.5 * q) / (sqrt(pi) * gamma(0.5 * (q + 1)))


def _beta(a: float, b: float) -> float:
    return gamma(a) * gamma(b) / gamma(a + b)
