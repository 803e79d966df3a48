"""Whether, and how far, a latent place has left the samples' manifold: a score, its verdict in words, and a penalty.

The numbers come with every decode (``core.protocol.messages.Decoded``, ``PathFrames``); here they become words, in one
place for window, film strip and reports. The score judges a place, but jumps from neighbour to neighbour: no descent
can follow it. The penalty is continuous and has slopes, which relaxing a geodesic needs: zero among the samples, rising
at the rims of gaps, in them and off the surface. numpy at import.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from math import gamma, pi, sqrt
from typing import Literal, NamedTuple

import numpy as np

from core.geometry.local_fit import GeometryError, Neighbourhoods

SCORE_NEIGHBOURS = 8
FAR_GAP = 0.5
"""Distance to the nearest sample, in radii of the cloud, beyond which a place is off the data."""

NEIGHBOURS = 2 * SCORE_NEIGHBOURS  # hardly farther than the score looks, and chance counts for less
CLEARANCE = 1.2  # usual distances that a path keeps from a rim: nearer, a decoder has seen samples on one side only
COMPONENTS = 8  # of the image map, in which gaps are looked for: a surface needs few

_FREE_SHARE = 1.0  # of e at a straight edge of the data; chance alone often makes half of that
_RIM_NEIGHBOURS = 32
_RIM_OFFSET = 0.65  # of the offset at a straight edge
_RIM_SHARE = 0.25  # of a rim sample's neighbours are at the rim, too; a sparse spot by chance stands alone
_CHUNK_VALUES = 1 << 22  # offsets held at once: 32 MiB
_BLENDED, _BLEND = 8, 0.3  # rim samples in a smooth minimum, and how sharp it is, in usual distances
_SMOOTHINGS = 2  # passes of a median over neighbours: the usual distances beside a gap then do not tell of the gap

Verdict = Literal["on the data", "extrapolating", "off the data"]
MEANING: dict[Verdict, str] = {
    "on the data": "On the data: as close to its neighbours as samples are to each other.",
    "extrapolating": "Extrapolating: farther from its nearest samples than 99 % of the samples are from theirs, so the "
    "image is a guess.",
    "off the data": "Off the data: the nearest sample is farther away than half the cloud's radius, so no sample "
    "supports the image.",
}


class OffManifoldScores(NamedTuple):
    """``score`` float64 (n,), off the manifold above ``threshold``; ``gap`` float64 (n,), the distance to the nearest
    sample in radii of the cloud. No entries where nothing is known; ``doubt`` says why, if nothing ever will be."""

    score: np.ndarray
    gap: np.ndarray
    threshold: float
    doubt: str = ""

    @property
    def flagged(self) -> np.ndarray:
        """Which of the places are not on the data: bool (n,); none where nothing is known."""
        places = zip(self.score.tolist(), self.gap.tolist(), strict=True)
        return np.array([verdict(s, self.threshold, gap) != "on the data" for s, gap in places], dtype=bool)

    @property
    def off_share(self) -> float:
        """Share of the places that are not on the data; NaN where nothing is known."""
        return float(self.flagged.mean()) if len(self.score) else float("nan")


UNKNOWN = OffManifoldScores(np.zeros(0), np.zeros(0), float("nan"))


class OffManifoldDetector:
    """Scores places by their distance to ``samples``, relative to how dense these are there.

    d₈ is the mean distance to the eight nearest samples (for a sample itself, the eight others). The score is d₈ over
    the median d₈ of those eight, so it does not depend on the cloud's density; a place is off the manifold where it
    exceeds ``threshold``, the 99 % quantile of the samples' own. ``spacing`` is the median d₈ of the samples, the
    cloud's own unit of distance; ``radius`` the root mean square distance of the samples from their mean. Takes
    some 50 ms to build for 5000 samples, 0.1 ms to ask. Raises ``GeometryError`` for fewer than 2 samples.

    ``doubt`` says why a place near the samples says nothing of its image, such as "the latent space is collapsed":
    ``at`` then knows of no place.
    """

    def __init__(self, samples: Neighbourhoods, doubt: str = "") -> None:
        if len(samples) < 2:
            raise GeometryError(f"the off-manifold score needs 2 or more samples; there are {len(samples)}.")
        self._samples, self._doubt = samples, doubt
        distances, indices = samples.of_samples(SCORE_NEIGHBOURS)
        self._own = distances.mean(axis=1)
        self.threshold = float(np.quantile(_relative(self._own, self._own[indices]), 0.99))
        self.spacing = float(np.median(self._own))
        self.radius = float(np.sqrt(samples.points.var(axis=0).sum()))

    def score(self, z: np.ndarray) -> np.ndarray:
        """Float64 (Q,) of z (Q, d): about 1 on the manifold, more off it."""
        return self.score_from(*self._samples.query(z, SCORE_NEIGHBOURS))

    def score_from(self, distances: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """The same from the distances and indices (Q, k), k ≥ 8, of the nearest samples."""
        return _relative(distances[:, :SCORE_NEIGHBOURS].mean(axis=1), self._own[indices[:, :SCORE_NEIGHBOURS]])

    def at(self, z: np.ndarray) -> OffManifoldScores:
        """All that is known of places z (n, d)."""
        if self._doubt:
            return UNKNOWN._replace(doubt=self._doubt)
        distances, indices = self._samples.query(z, SCORE_NEIGHBOURS)
        nearest = distances[:, 0]
        away = np.where(nearest > 0.0, np.inf, 0.0)  # samples that all coincide have no radius
        gap = nearest / self.radius if self.radius > 0.0 else away
        return OffManifoldScores(self.score_from(distances, indices), gap, self.threshold)

    def off_manifold(self, z: np.ndarray) -> np.ndarray:
        """Whether each of z (Q, d) is off the manifold: bool (Q,)."""
        return self.score(z) > self.threshold


def _relative(distance: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    # Where eight neighbours coincide, any distance is infinitely far and none is 1.
    median = np.median(neighbours, axis=1)
    away = np.where(distance > 0.0, np.inf, 1.0)
    return np.divide(distance, median, out=away, where=median > 0.0)


def verdict(score: float, threshold: float, gap: float) -> Verdict | None:
    """What a place's numbers say; None where nothing is known (``score`` or ``threshold`` is not a number).

    ``score`` and ``threshold`` are an ``OffManifoldDetector``'s; ``gap`` is the distance to the nearest sample in radii
    of the cloud, off the data above 0.5.
    """
    if gap > FAR_GAP:
        return "off the data"
    if math.isnan(score) or math.isnan(threshold):
        return None
    return "extrapolating" if score > threshold else "on the data"


@dataclass(frozen=True)
class OffManifoldScore:
    """A decoded place's off-manifold score, with the numbers behind its verdict (see ``verdict``) and its words."""

    score: float
    threshold: float
    gap: float
    doubt: str = ""
    """Why there is no verdict and will be none, such as "the latent space is collapsed"."""

    @property
    def verdict(self) -> Verdict | None:
        """None where nothing is known."""
        return None if self.doubt else verdict(self.score, self.threshold, self.gap)

    @property
    def short(self) -> str:
        """The verdict with its score: "extrapolating · 2.1× spacing"; why there is none; "" where nothing is known."""
        if self.doubt:
            return f"No verdict: {self.doubt}"
        return f"{self.verdict} · {times(self.score)} spacing" if self.verdict is not None else ""

    @property
    def explanation(self) -> str:
        """What the verdict means, and its numbers, each with its definition; "" where nothing is known."""
        if self.doubt:
            return (
                f"No verdict: {self.doubt}. Being near the samples then says nothing of the image that is decoded. The "
                "Training panel says what helps."
            )
        if self.verdict is None:
            return ""
        gap = "Distance to the nearest sample: unknown."
        if math.isfinite(self.gap):
            gap = (
                f"Nearest sample: {self.gap:.2g} cloud radii away (radius: root mean square distance of the samples "
                f"from their mean); off the data above {FAR_GAP:g}."
            )
        return "\n".join(
            (
                MEANING[self.verdict],
                f"Spacing: {times(self.score)} = mean distance to the 8 nearest samples, divided by the median of the "
                "same distance for those samples. About 1× among the samples.",
                f"Extrapolating above {times(self.threshold)}: 99 % of the samples are below.",
                gap,
            )
        )


def off_share(scores: Iterable[OffManifoldScore | None]) -> float | None:
    """Share, 0 to 1, of places that are not on the data, among those of which anything is known; None if of none."""
    verdicts = [score.verdict for score in scores if score is not None and score.verdict is not None]
    return sum(verdict != "on the data" for verdict in verdicts) / len(verdicts) if verdicts else None


def times(score: float) -> str:
    """A score for reading: "0.93×", "14×", "∞×" (where the samples about it coincide)."""
    if math.isnan(score):
        return "unknown"
    if math.isinf(score):
        return "∞×"
    return f"{score:.2f}×" if score < 9.995 else f"{score:,.0f}×"


# The penalty --------------------------------------------------------------------------------------------------------


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

    def value_and_slope(
        self, z: np.ndarray, values: np.ndarray, jacobian: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """x float64 (n,) of z (n, d), whose images are ``values`` (n, P), and its derivatives by z float64 (n, d).

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
        q = min(intrinsic, samples.dim)
        step = max(1, _CHUNK_VALUES // max(indices.shape[1] * samples.dim, 1))
        parts = range(0, len(samples), step)
        aside = np.concatenate([_aside(samples.points, i, indices[i : i + step], q) for i in parts])
        candidates = aside > _RIM_OFFSET * _mean_cosine(q) * q / (q + 1) * sqrt(q + 2.0)
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


def _aside(points: np.ndarray, first: int, indices: np.ndarray, q: int) -> np.ndarray:
    """How far the mean of the neighbours ``indices`` (n, k) lies from each of the points (N, d) number ``first`` and
    following, along their q widest directions, in units of their spread in its direction: float64 (n,)."""
    offsets = points[indices] - points[first : first + len(indices), None]
    turned = np.swapaxes(offsets, 1, 2)
    if points.shape[1] > indices.shape[1]:  # in many dimensions the product of the neighbours is the small one
        variances, vectors = np.linalg.eigh(offsets @ turned)
        along = vectors[:, :, -q:] * np.sqrt(np.maximum(variances[:, None, -q:], 0.0))
    else:
        along = offsets @ np.linalg.eigh(turned @ offsets)[1][:, :, -q:]
    mean = along.mean(axis=1)
    spread = np.swapaxes(along, 1, 2) @ along / along.shape[1]
    size = np.maximum(np.trace(spread, axis1=1, axis2=2), 1e-300)
    spread += 1e-9 * size[:, None, None] * np.eye(along.shape[2])
    squared = (mean[:, None] @ np.linalg.solve(spread, mean[:, :, None]))[:, 0, 0]
    return np.sqrt(np.maximum(squared, 0.0))


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


def _mean_cosine(q: int) -> float:
    """Mean of |cos| over the directions of q dimensions."""
    return gamma(0.5 * q) / (sqrt(pi) * gamma(0.5 * (q + 1)))


def _beta(a: float, b: float) -> float:
    return gamma(a) * gamma(b) / gamma(a + b)
