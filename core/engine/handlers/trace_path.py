"""Curved paths and the net of factor curves, for the engine: the answers to ``TracePath`` and ``ComputeGridlines``.

Geodesics come in stages, as ``core.geometry.geodesic`` yields them, and a second time when the decoder's surrogate is
there; all other kinds come at once. ``core.engine.snapshot`` keeps what they share.
"""

from __future__ import annotations

from collections.abc import Generator
from time import perf_counter
from typing import NamedTuple

import numpy as np

from core.analysis.path_metrics import MeasureError
from core.data.polar_curve_inverse import CurveInverseError
from core.engine.context import EngineContext, Job, Send, handles
from core.engine.factor_constraints import aim
from core.engine.futures import Later, Stream, awaited
from core.engine.open_model import EngineError, checked_latents
from core.engine.snapshot import Sheet, Sheets
from core.geometry.baseline_paths import (
    PathKindError,
    along_attribute,
    attribute_vector,
    spherical,
    straight,
    tangent_line,
)
from core.geometry.decoder_surrogate import Surrogate, SurrogateError
from core.geometry.factor_curve import AT_EDGE, UNKNOWN_HELD, FactorCurve, factor_curve, gridlines
from core.geometry.geodesic import PENALTY, Geodesic, GeodesicError, LatentGraph, geodesic
from core.geometry.local_fit import ManifoldError, project
from core.geometry.off_manifold import SCORE_NEIGHBOURS
from core.geometry.surface import FactorError, Surface
from core.models.inference import Inference
from core.paths.recipe import RECIPE_KINDS
from core.protocol.messages import ComputeGridlines, GridlinesComputed, PathTraced, TracePath

CURVE_ERRORS = (
    CurveInverseError,
    FactorError,
    GeodesicError,
    ManifoldError,
    MeasureError,
    PathKindError,
    SurrogateError,
)
"""Errors of the geometry that are answers: their message says all."""

MAX_POINTS = 1000
MAX_LINES = 50  # of each family
PRELIMINARY = "preliminary: images compared by the samples' thumbnails, until the decoder has been asked"
ROUGH = 0.1  # relative error of the surrogate from which on it is mentioned
STEPPED = 64  # values: a label that has no more, over many samples, moves in steps
PROGRESS_S = 0.1  # between geodesics that are sent while one relaxes

_BEYOND = 1.25  # of the farthest sample's distance from the mean: a straight rail ends there


class Made(NamedTuple):
    """A path's places (m, d), the ``labels`` (m, F) there, called ``names``, and a note."""

    points: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    note: str


@handles(TracePath, priority=30)
def trace_path(request: TracePath, engine: EngineContext, send: Send) -> Job:
    """Answer by ``PathTraced``, again as the path gets better."""
    sheets = engine.sheets
    start, end = ends(request, engine.model.inference)
    teller = _Teller(request, sheets, send)
    if request.kind == "straight":
        yield from _trace_straight(teller, start, _needed(end, "straight"), sheets)
        return
    begun = sheets.begun()
    if begun is not None:
        teller.sheet, teller.last = begun, False
        yield from _trace_on(begun, teller, start, end, sheets)
    teller.sheet = yield from sheets.newest()
    teller.last = True
    sheets.begin(teller.sheet)
    yield from _trace_on(teller.sheet, teller, start, end, sheets)


def _trace_on(sheet: Sheet, teller: _Teller, start: np.ndarray, end: np.ndarray | None, sheets: Sheets) -> Job:
    """Trace the path on one sheet."""
    request = teller.request
    if request.kind == "geodesic":
        sheet.thumbnail_map()  # beside the surface
    base = yield from awaited(sheet.surface())
    if request.kind == "geodesic":
        yield from _trace_geodesic(teller, start, _needed(end, "geodesic"), sheet, base, sheets)
        return
    made = yield from made_at_once(request, start, end, sheet, base)
    teller.tell(made, "exact", final=True)
    yield True


def ends(request: TracePath, model: Inference) -> tuple[np.ndarray, np.ndarray | None]:
    """Start and end float32 (d,) of a request that makes sense. Raises ``EngineError`` for others."""
    if request.kind not in RECIPE_KINDS:
        raise EngineError(f"kind is {request.kind!r}; it must be one of {', '.join(RECIPE_KINDS)}.")
    if not 3 <= request.points <= MAX_POINTS:
        raise EngineError(f"points is {request.points}; a path has 3 to {MAX_POINTS}.")
    start = checked_latents(request.start.reshape(1, -1), model)[0]
    return start, checked_latents(request.end.reshape(1, -1), model)[0] if request.end.size else None


class _Teller:
    """Sends the answers to one request, on ``sheet``; they are final only on the ``last`` sheet."""

    def __init__(self, request: TracePath, sheets: Sheets, send: Send) -> None:
        self.request, self._sheets, self._send = request, sheets, send
        self.sheet: Sheet | None = None
        self.last = True
        self._began = perf_counter()

    def tell(self, made: Made, stage: str, final: bool) -> None:
        """Send a path, with what the badge says of it."""
        points = np.asarray(made.points, dtype=np.float32)
        traced = PathTraced(
            kind=self.request.kind,
            points=points,
            stage=stage,
            final=final and self.last,
            labels=np.asarray(made.labels, dtype=np.float64),
            names=made.names,
            flagged=self.sheet.off_manifold.at(points).flagged if self.sheet is not None else np.zeros(0, dtype=bool),
            note=made.note,
            milliseconds=(perf_counter() - self._began) * 1000.0,
        )
        self._send(traced)
        if self.sheet is not None and stage != "graph":
            self._sheets.answered(self.sheet)


def _trace_straight(teller: _Teller, start: np.ndarray, end: np.ndarray, sheets: Sheets) -> Job:
    """A straight path is there at once, its labels when the surface is; a model without samples has none."""
    path = straight(start, end, teller.request.points)
    sheet = yield from sheets.known()
    if sheet is None:
        teller.tell(Made(path, np.zeros((len(path), 0)), (), ""), "exact", final=True)
        return
    teller.sheet = sheet
    if not sheet.surface().ready:
        unknown = np.full((len(path), len(sheet.factors)), np.nan)
        teller.tell(Made(path, unknown, sheet.factors, ""), "exact", final=False)
    base = yield from awaited(sheet.surface())
    labels = yield from awaited(Later(lambda: base.labels_at(path), "labels"))
    teller.tell(Made(path, labels, base.names, ""), "exact", final=True)
    yield True


# kinds that come at once


def made_at_once(
    request: TracePath, start: np.ndarray, end: np.ndarray | None, sheet: Sheet, base: Surface
) -> Generator[bool, None, Made]:
    """A path of any kind but geodesics and straight ones, in slices; ``base`` is the surface of the factors."""
    surface, note = base, ""
    if request.kind != "spherical":
        names, note = aim(sheet, base, request.target)
        surface = yield from awaited(sheet.surface(names))
    return (yield from awaited(Later(lambda: _make(request, start, end, surface, note), "path")))


def _make(request: TracePath, start: np.ndarray, end: np.ndarray | None, surface: Surface, note: str) -> Made:
    """The same on ``surface``, whose labels are the target and those to hold."""
    kind, target, points = request.kind, request.target, request.points
    if kind == "spherical":
        centre = surface.samples.points.mean(axis=0)
        path = spherical(start, _needed(end, kind), centre, points)
        return Made(path, surface.labels_at(path), surface.names, note)
    goal = _goal(request, end, surface)
    if kind in ("factor curve", "isoline"):
        values = None
        if goal is not None and kind == "factor curve":
            column = surface.index(target)
            values = _steps(surface.labels_at(start[None].astype(np.float64))[0, column], goal, target, points)
        curve = factor_curve(surface, start, target, values, None, points)
        if len(curve.points) < 2:
            raise EngineError(f"The {kind} of {target} cannot leave its start: {_why_not(surface, curve)}.")
        notes = [note, *(part for part in curve.note.split("; ") if part and part != UNKNOWN_HELD)]
        notes.append(_steps_of(surface, curve))
        if values is None:
            notes.append(_early_ends(surface, curve))
        return Made(curve.points, curve.labels, surface.names, "; ".join(part for part in notes if part))
    path = _straight_rail(kind, surface, start, target, goal, points)
    return Made(path, surface.labels_at(path), surface.names, note if kind == "tangent line" else "")


def _why_not(surface: Surface, curve: FactorCurve) -> str:
    """Why a curve has no length, and what to do."""
    steps = _steps_of(surface, curve)
    if steps:
        return f"{steps}; choose one that varies smoothly"
    return f"{curve.stopped or 'the data end there'}; choose a sample farther inside"


def _steps_of(surface: Surface, curve: FactorCurve) -> str:
    """Whether the target moves in steps, which no curve can follow; "" if it does not."""
    found = len(np.unique(surface.table[:, curve.target]))
    stepped = found <= STEPPED and found * SCORE_NEIGHBOURS <= len(surface.table)
    return f"{curve.target_name} takes only {found} values and stays the same between" if stepped else ""


def _early_ends(surface: Surface, curve: FactorCurve) -> str:
    """Where a curve that was to go as far as the data do ends well before that; "" if it does not."""
    low, high = float(surface.low[curve.target]), float(surface.high[curve.target])
    room = AT_EDGE * (high - low)
    (begun, ended), name = curve.extent, curve.target_name
    early = [begun] if begun > low + room else []
    early += [ended] if ended < high - room else []
    return f"ends early, at {name} {' and '.join(f'{value:.3g}' for value in early)}" if early else ""


def _goal(request: TracePath, end: np.ndarray | None, surface: Surface) -> float | None:
    """What the target is to reach; None: as far as the data go, in both directions."""
    if np.isfinite(request.value):
        return float(request.value)
    if end is None:
        return None
    return float(surface.labels_at(end[None].astype(np.float64))[0, surface.index(request.target)])


def _steps(begin: float, goal: float, target: str, points: int) -> np.ndarray:
    if goal == begin:
        raise EngineError(f"{target} is {begin:.4g} at both ends; nothing would change. Choose another end.")
    return np.linspace(begin, goal, points)


def _straight_rail(
    kind: str, surface: Surface, start: np.ndarray, target: str, goal: float | None, points: int
) -> np.ndarray:
    """The line along which an attribute vector or a tangent expects the target to change, (points, d).

    Without a goal it passes through ``start`` and runs over the target's range, no farther than the data do.
    """
    column = surface.index(target)
    place = start.astype(np.float64)
    if surface.constant[column]:
        raise EngineError(f"{target} is the same for all samples; choose a target that varies.")
    begin = float(surface.labels_at(place[None])[0, column])
    values = _steps(begin, goal, target, points) if goal is not None else None
    asked = np.linspace(surface.low[column], surface.high[column], points) if values is None else values
    if kind == "tangent line":
        path = tangent_line(surface, place, target, asked)
    else:
        method = "regression" if kind == "regression" else "mean difference"
        vector = attribute_vector(surface.samples.points, surface.table[:, column], method)
        path = along_attribute(place, vector, asked - begin)
    return path if values is not None else _within(path, surface.samples.points)


def _within(path: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """The part of a straight path (m, d) in the ball that the samples take up, as m places; all, if none is."""
    centre = samples.mean(axis=0)
    reach = _BEYOND * float(np.sqrt(np.square(samples - centre).sum(axis=1).max()))
    along, offset = path[-1] - path[0], path[0] - centre
    a, b, c = float(along @ along), float(along @ offset), float(offset @ offset) - reach**2
    if a == 0.0 or b * b <= a * c:
        return path
    root = np.sqrt(b * b - a * c)
    low, high = max((-b - root) / a, 0.0), min((-b + root) / a, 1.0)
    return path[0] + np.linspace(low, high, len(path))[:, None] * along if low < high else path


def _needed(end: np.ndarray | None, kind: str) -> np.ndarray:
    if end is None:
        raise EngineError(f"A {kind} path joins two places; give an end.")
    return end


# geodesics


def _trace_geodesic(
    teller: _Teller, start: np.ndarray, end: np.ndarray, sheet: Sheet, base: Surface, sheets: Sheets
) -> Job:
    graph = sheet.graph(base)
    if graph is None:
        decoder = sheet.decoder_map(base)
        sheets.ask_for(decoder)
        rough = yield from awaited(sheet.rough_graph(base))
        made = yield from _relax(teller, start, end, rough, PRELIMINARY, last=False)
        if not teller.last:
            return
        while (graph := sheet.graph(base)) is None:
            yield False
        try:
            yield from awaited(graph)
        except SurrogateError as error:
            teller.tell(made._replace(note=f"images compared by the samples' thumbnails: {error}"), "polished", True)
            return
    better = yield from awaited(graph)
    yield from _relax(teller, start, end, better, precision_note(better), last=True)


def _relax(
    teller: _Teller, start: np.ndarray, end: np.ndarray, graph: LatentGraph, note: str, last: bool
) -> Generator[bool, None, Made]:
    """Send the graph's path, the relaxed one and the polished one, which is final if this is the ``last`` graph."""
    made = Made(np.stack([start, end]), np.zeros((2, 0)), (), note)
    told, relaxed = perf_counter(), False
    stream = stages(graph, start, end, teller.request.points, teller.request.penalty)
    try:
        while (found := (yield from stream.next())) is not None:
            early = not found.converged and perf_counter() - told < PROGRESS_S
            if found.stage == "relaxed" and (relaxed or early):
                continue
            relaxed = found.stage == "relaxed" and found.converged
            made = Made(found.points, quick_labels(graph.surface, found.points), graph.surface.names, note)
            yield True
            teller.tell(made, found.stage, final=last and found.stage == "polished")
            told = perf_counter()
    finally:
        stream.close()
    return made


def stages(graph: LatentGraph, start: np.ndarray, end: np.ndarray, points: int, penalty: bool) -> Stream[Geodesic]:
    """The geodesic as it gets better, kept to the data by ``penalty``."""
    return Stream(geodesic(graph, start, end, points, PENALTY if penalty else 0.0), "geodesic")


def precision_note(graph: LatentGraph) -> str:
    """What to know of the surrogate that a graph was weighted by; "" where it is good."""
    error = graph.image_map.error if isinstance(graph.image_map, Surrogate) else 0.0
    return f"image distances are rough: the decoder's stand-in is off by {error:.0%}" if error > ROUGH else ""


def quick_labels(surface: Surface, points: np.ndarray) -> np.ndarray:
    """Labels (m, F) beside the surface by one local fit a place: near it they are those of ``Surface.labels_at``."""
    return project(surface.samples, points, surface.neighbours, surface.intrinsic, surface.table, iterations=0).labels


# the net


@handles(ComputeGridlines, priority=80)
def compute_gridlines(request: ComputeGridlines, engine: EngineContext, send: Send) -> Job:
    """Answer by ``GridlinesComputed``."""
    began = perf_counter()
    families = request.families
    if len(families) != 2 or families[0] == families[1]:
        raise EngineError(f"families are {', '.join(families) or 'none'}; a net has two different ones.")
    if not 1 <= request.counts <= MAX_LINES:
        raise EngineError(f"counts is {request.counts}; a net has 1 to {MAX_LINES} lines of each family.")
    sheet = yield from engine.sheets.newest()
    if sheet.mu.shape[1] < 2:
        raise EngineError("A net needs two latent dimensions or more; this model has one.")
    factors = set(families) <= set(sheet.factors)
    surface = yield from awaited(sheet.surface(None if factors else families))
    named = (families[0], families[1])
    lines = yield from awaited(Later(lambda: gridlines(surface, request.counts, named), "net"))
    values = {(line.family, line.value) for line in lines}
    missing = 2 * request.counts - len(values)
    points = [line.points for line in lines]
    laid = GridlinesComputed(
        families=families,
        points=np.concatenate([*points, np.zeros((0, surface.dim))]).astype(np.float32),
        starts=np.cumsum([0, *(len(part) for part in points)]).astype(np.int64),
        family=np.array([families.index(line.family) for line in lines], dtype=np.int64),
        values=np.array([line.value for line in lines], dtype=np.float64),
        note=f"{missing} of {2 * request.counts} lines could not be laid" if missing else "",
        milliseconds=(perf_counter() - began) * 1000.0,
    )
    send(laid)
    yield True
