"""How long each stage of a curved path takes on one core, from what is built once to what answers a hand."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.experiments.factor_leakage.hole_crossings import opposite_samples
from core.experiments.factor_leakage.leakage import CHANGE
from core.experiments.factor_leakage.model_under_test import ModelUnderTest
from core.geometry.factor_curve import factor_curve, gridlines
from core.geometry.geodesic import LatentGraph, geodesic
from core.geometry.local_fit import GeometryError
from core.geometry.surface import Surface

FAMILY_LINES = 7
"""Lines of each of the two families of a net."""
_BUILDS, _NETS, _CURVES, _PAIRS = 3, 5, 100, 30


@dataclass(frozen=True)
class Stage:
    """Times of a stage, one a repetition: ``wall_ms`` by the clock, ``cpu_ms`` of this process's processor time."""

    name: str
    wall_ms: list[float]
    cpu_ms: list[float]


SURFACE, GRAPH_BUILT, GRAPH, RELAXED, CURVE, NET = (
    "surface, once an embedding",
    "neighbour graph, once a model",
    "geodesic, first answer",
    "geodesic, relaxed",
    "factor curve",
    f"net of {2 * FAMILY_LINES} lines",
)


def time_stages(model: ModelUnderTest, quick: bool, report: Callable[[str], None]) -> list[Stage]:
    """Every stage, on one thread; ``quick`` repeats less. ``report`` is told which stage comes next."""
    from threadpoolctl import threadpool_limits

    surrogate, surface = model.surrogate, model.surface
    count = 6 if quick else _PAIRS
    anywhere = np.random.default_rng(0).integers(len(model.mu), size=(count, 2)).tolist()
    pairs = opposite_samples(model, count) + [(start, end) for start, end in anywhere if start != end]
    starts = np.random.default_rng(1).integers(len(model.mu), size=20 if quick else _CURVES)
    samples = [(int(sample), number % 2) for number, sample in enumerate(starts)]
    with threadpool_limits(1):
        report(SURFACE)
        stages = [_timed(SURFACE, lambda _: Surface(model.mu, model.factors, surface.names), range(_BUILDS))]
        report(GRAPH_BUILT)
        stages.append(_timed(GRAPH_BUILT, lambda _: LatentGraph(surface, surrogate), range(_BUILDS)))
        report(GRAPH)
        stages += _geodesics(model, pairs)
        report(CURVE)
        stages.append(_timed(CURVE, lambda sample: _factor_curve(model, *sample), samples))
        report(NET)
        stages.append(_timed(NET, lambda _: gridlines(surface, FAMILY_LINES), range(_NETS)))
    return stages


def _timed(name: str, work: Callable[[Any], Any], over: Iterable[Any]) -> Stage:
    wall, cpu = [], []
    for item in over:
        began, used = time.perf_counter(), time.process_time()
        work(item)
        wall.append(1e3 * (time.perf_counter() - began))
        cpu.append(1e3 * (time.process_time() - used))
    return Stage(name, wall, cpu)


def _geodesics(model: ModelUnderTest, pairs: list[tuple[int, int]]) -> list[Stage]:
    """First answers and relaxed ones; a relaxed one's time includes the first answer's, since one waits for both."""
    first, relaxed = Stage(GRAPH, [], []), Stage(RELAXED, [], [])
    for start, end in pairs:
        began, used = time.perf_counter(), time.process_time()
        try:
            for path in geodesic(model.graph, model.mu[start], model.mu[end]):
                answered = path.stage == "graph"
                if answered or path.converged or path.stage == "polished":
                    stage = first if answered else relaxed
                    stage.wall_ms.append(1e3 * (time.perf_counter() - began))
                    stage.cpu_ms.append(1e3 * (time.process_time() - used))
                    if not answered:
                        break
        except GeometryError:
            continue  # samples of two parts of the cloud: no path to be timed
    return [first, relaxed]


def _factor_curve(model: ModelUnderTest, sample: int, target: int) -> None:
    start = model.mu[sample].astype(np.float64)
    label = model.factors[sample, target]
    span = model.surface.high[target] - model.surface.low[target]
    upwards = label < 0.5 * (model.surface.high[target] + model.surface.low[target])
    values = np.linspace(label, label + (CHANGE if upwards else -CHANGE) * span, 33)
    with contextlib.suppress(GeometryError):  # a refusal's time counts all the same
        factor_curve(model.surface, start, target, values)
