"""Across the hole: what geodesics between places on its opposite sides go through, with and without the penalty.

The decoder was trained on nothing in there. A path's images tell, by the dataset's own inverse, whether it went through
the hole all the same, and how far each image is from any true curve.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.data.polar_curves import DEPTH_RANGE, SCALE_RANGE
from core.experiments.factor_leakage.model_under_test import ModelUnderTest
from core.geometry.geodesic import PENALTY, POINTS
from core.geometry.local_fit import GeometryError
from core.geometry.path_kinds import PathRequest, made

WITH_PENALTY, WITHOUT_PENALTY, STRAIGHT_LINE = "geodesic", "geodesic, no penalty", "straight line"
CROSSINGS = (WITH_PENALTY, WITHOUT_PENALTY, STRAIGHT_LINE)

_AWAY = 1.5  # of the hole's radius, from its centre: where the pairs are looked for


@dataclass(frozen=True)
class Crossing:
    """One path between two samples: ``pair`` counts the pairs, ``ends`` are the samples' indices in the probe set.

    ``factors`` are the K (a, b) that its images show; ``in_hole`` says of each whether it lies in the hole;
    ``residual`` is each image's mean square from the nearest true curve, in units of the median of decoded training
    samples; ``beside`` is the same of the trained samples about it, the median of the eight nearest in a and b, for a
    decoder is not everywhere equally good. ``off_manifold_score`` stands for each place, ``off_share`` is the share
    that is off the manifold. If there is no path, ``failed`` says why and the lists are empty.
    """

    kind: str
    pair: int
    ends: tuple[int, int]
    factors: list[list[float]]
    in_hole: list[bool]
    residual: list[float]
    beside: list[float]
    off_manifold_score: list[float]
    off_share: float
    failed: str = ""


def opposite_samples(model: ModelUnderTest, count: int) -> list[tuple[int, int]]:
    """``count`` pairs of samples on opposite sides of the hole, all around it; none where the data have no hole."""
    if model.hole is None:
        return []
    centre, radius = np.array(model.hole[0]), model.hole[1]
    low, high = np.array([SCALE_RANGE, DEPTH_RANGE]).T
    ranges = high - low
    pairs = []
    for angle in np.pi * (np.arange(count) + 0.5) / count:
        offset = _AWAY * radius * np.array([np.cos(angle), np.sin(angle)])
        wanted = np.clip([centre - offset, centre + offset], low, high)
        away = np.linalg.norm((model.factors[None] - wanted[:, None]) / ranges, axis=2)
        first, second = away.argmin(axis=1).tolist()
        if first != second:
            pairs.append((first, second))
    return pairs


def cross(model: ModelUnderTest, count: int, report: Callable[[int], None]) -> list[Crossing]:
    """Every kind of path between ``count`` pairs of samples; ``report`` is told how many pairs are done."""
    crossings = []
    for number, ends in enumerate(opposite_samples(model, count)):
        report(number)
        start, end = model.mu[list(ends)].astype(np.float64)
        for kind in CROSSINGS:
            penalty = PENALTY if kind == WITH_PENALTY else 0.0
            request = PathRequest(model.surface, start, end, points=POINTS, graph=model.graph, penalty=penalty)
            try:
                points = made("straight" if kind == STRAIGHT_LINE else "geodesic", request).points
            except GeometryError as error:
                crossings.append(Crossing(kind, number, ends, [], [], [], [], [], 0.0, str(error)))
                continue
            crossings.append(_crossing(model, kind, number, ends, points))
    return crossings


def _crossing(model: ModelUnderTest, kind: str, pair: int, ends: tuple[int, int], points: np.ndarray) -> Crossing:
    factors, residual = model.read(points)
    detector = model.surface.detector
    usual = max(model.usual_residual, 1e-12)
    return Crossing(
        kind,
        pair,
        ends,
        factors.tolist(),
        model.in_hole(factors).tolist(),
        (residual / usual).tolist(),
        (model.residual_beside(factors) / usual).tolist(),
        detector.score(points).tolist(),
        float(detector.off_manifold(points).mean()),
    )
