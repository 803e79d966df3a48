"""Curved paths and the net of factor curves, for the engine: the answers to ``TracePath`` and ``ComputeGridlines``.

Geodesics come in stages, as ``core.geometry.geodesic`` yields them, and a second time when the decoder's surrogate is
there; all other kinds come at once. ``core.engine.snapshot`` keeps what they share.
"""

from __future__ import annotations

from collections.abc import Generator
from time import perf_counter

import numpy as np

from core.engine.context import EngineContext, Job, Send, handles
from core.engine.factor_constraints import choose_constraints
from core.engine.futures import Stream, in_thread, result_of
from core.engine.open_model import EngineError, checked_latents
from core.engine.snapshot import EmbeddingSnapshot, SnapshotCache
from core.geometry.decoder_surrogate import Surrogate
from core.geometry.factor_curve import gridlines
from core.geometry.geodesic import PENALTY, LatentGraph
from core.geometry.local_fit import GeometryError
from core.geometry.path_kinds import PathRequest, TracedPath, made, straight, trace
from core.geometry.surface import Surface
from core.models.inference import Inference
from core.paths.recipe import PATH_KINDS
from core.protocol.messages import ComputeGridlines, GridlinesComputed, PathTraced, TracePath

MAX_POINTS = 1000
PRELIMINARY = "estimated: image distances are measured on thumbnails until the decoder has been sampled"


@handles(TracePath, priority=30)
def trace_path(request: TracePath, engine: EngineContext, send: Send) -> Job:
    """Answer by ``PathTraced``, again as the path gets better."""
    snapshots = engine.snapshots
    start, end = ends(request, engine.model.inference)
    sender = _ReplySender(request, snapshots, send)
    if request.kind == "straight":
        yield from _trace_straight(sender, start, end, snapshots)
        return
    begun = snapshots.unanswered()
    if begun is not None:
        sender.snapshot, sender.last = begun, False
        yield from _trace_on(begun, sender, start, end, snapshots)
    sender.snapshot = yield from snapshots.newest()
    sender.last = True
    snapshots.start(sender.snapshot)
    yield from _trace_on(sender.snapshot, sender, start, end, snapshots)


def ends(request: TracePath, model: Inference) -> tuple[np.ndarray, np.ndarray | None]:
    """Start and end float32 (d,) of a request that makes sense. Raises ``EngineError`` for others."""
    about = PATH_KINDS.get(request.kind)
    if about is None:
        raise EngineError(f"kind is {request.kind!r}; it must be one of {', '.join(PATH_KINDS)}.")
    if not 3 <= request.points <= MAX_POINTS:
        raise EngineError(f"points is {request.points}; a path has 3 to {MAX_POINTS}.")
    if about.joins and not request.end.size:
        raise EngineError(f"A {request.kind} path joins two points; give an end.")
    start = checked_latents(request.start.reshape(1, -1), model)[0]
    return start, checked_latents(request.end.reshape(1, -1), model)[0] if request.end.size else None


def path_request(
    request: TracePath, start: np.ndarray, end: np.ndarray | None, surface: Surface, graph: LatentGraph | None = None
) -> PathRequest:
    """``request`` as the geometry takes it, between ends float32 (d,)."""
    return PathRequest(
        surface,
        start.astype(np.float64),
        None if end is None else end.astype(np.float64),
        request.target,
        float(request.value) if np.isfinite(request.value) else None,
        points=request.points,
        graph=graph,
        penalty=PENALTY if request.penalty else 0.0,
    )


class _ReplySender:
    """Sends the answers to one request, on ``snapshot``; they are final only on the ``last`` snapshot."""

    def __init__(self, request: TracePath, snapshots: SnapshotCache, send: Send) -> None:
        self.request, self._snapshots, self._send = request, snapshots, send
        self.snapshot: EmbeddingSnapshot | None = None
        self.last = True
        self._began = perf_counter()

    def send(self, path: TracedPath, labels: np.ndarray, names: tuple[str, ...], final: bool) -> None:
        """Send a path with its ``labels`` (m, F), called ``names``, and which of its points are off the manifold."""
        points = np.asarray(path.points, dtype=np.float32)
        traced = PathTraced(
            kind=self.request.kind,
            points=points,
            stage=path.stage,
            final=final and self.last,
            labels=np.asarray(labels, dtype=np.float64),
            names=names,
            flagged=self.snapshot.off_manifold.at(points).flagged
            if self.snapshot is not None
            else np.zeros(0, dtype=bool),
            note=path.note,
            milliseconds=(perf_counter() - self._began) * 1000.0,
        )
        self._send(traced)
        if self.snapshot is not None and path.stage != "graph":
            self._snapshots.finish(self.snapshot)


def _trace_straight(sender: _ReplySender, start: np.ndarray, end: np.ndarray | None, snapshots: SnapshotCache) -> Job:
    """A straight path is there at once, its labels when the surface is; a model without samples has none."""
    assert end is not None
    points = straight(start, end, sender.request.points)
    snapshot = yield from snapshots.newest_or_none()
    if snapshot is None:
        sender.send(TracedPath(points), np.zeros((len(points), 0)), (), final=True)
        return
    sender.snapshot = snapshot
    if not snapshot.surface().done():
        unknown = np.full((len(points), len(snapshot.factors)), np.nan)
        sender.send(TracedPath(points), unknown, snapshot.factors, final=False)
    base = yield from result_of(snapshot.surface())
    labels = yield from result_of(in_thread(lambda: base.labels_at(points), "labels"))
    sender.send(TracedPath(points), labels, base.names, final=True)
    yield True


def _trace_on(
    snapshot: EmbeddingSnapshot,
    sender: _ReplySender,
    start: np.ndarray,
    end: np.ndarray | None,
    snapshots: SnapshotCache,
) -> Job:
    """Trace the path on one snapshot."""
    by_images = PATH_KINDS[sender.request.kind].by_images
    if by_images:
        snapshot.thumbnail_map()  # beside the surface
    base = yield from result_of(snapshot.surface())
    if by_images:
        yield from _trace_by_images(sender, start, end, snapshot, base, snapshots)
        return
    path, labels, names = yield from made_at_once(sender.request, start, end, snapshot, base)
    sender.send(path, labels, names, final=True)
    yield True


def made_at_once(
    request: TracePath, start: np.ndarray, end: np.ndarray | None, snapshot: EmbeddingSnapshot, base: Surface
) -> Generator[bool, None, tuple[TracedPath, np.ndarray, tuple[str, ...]]]:
    """A path of a kind that compares no images, its labels and their names; ``base`` is the surface of the factors."""
    about = PATH_KINDS[request.kind]
    surface, note = base, ""
    if not about.joins:
        names, note = choose_constraints(snapshot, base, request.target)
        surface = yield from result_of(snapshot.surface(names))
    asked = path_request(request, start, end, surface)

    def make() -> tuple[TracedPath, np.ndarray]:
        path = made(request.kind, asked)
        return path, path.labels_on(surface)

    path, labels = yield from result_of(in_thread(make, "path"))
    if about.holds:
        path = path._replace(note="; ".join(filter(None, (note, path.note))))
    return path, labels, surface.names


# paths that compare images, and get better


def _trace_by_images(
    sender: _ReplySender,
    start: np.ndarray,
    end: np.ndarray | None,
    snapshot: EmbeddingSnapshot,
    base: Surface,
    snapshots: SnapshotCache,
) -> Job:
    graph = snapshot.graph(base)
    if graph is None:
        decoder = snapshot.decoder_map(base)
        snapshots.prepare(decoder)
        rough = yield from result_of(snapshot.rough_graph(base))
        path = yield from _send_stages(sender, start, end, rough, PRELIMINARY, last=False)
        if not sender.last:
            return
        while (graph := snapshot.graph(base)) is None:
            yield False
        try:
            yield from result_of(graph)
        except GeometryError as error:
            note = f"image distances are measured on thumbnails: {error}"
            sender.send(path._replace(note=note), path.labels_on(base), base.names, final=True)
            return
    better = yield from result_of(graph)
    yield from _send_stages(sender, start, end, better, precision_note(better), last=True)


def _send_stages(
    sender: _ReplySender, start: np.ndarray, end: np.ndarray | None, graph: LatentGraph, note: str, last: bool
) -> Generator[bool, None, TracedPath]:
    """Send the graph's path, the relaxed one and the polished one, which is final if this is the ``last`` graph."""
    path: TracedPath | None = None
    sent_at, relaxed = perf_counter(), False
    stream = stages(sender.request, start, end, graph)
    try:
        while (found := (yield from stream.next())) is not None:
            early = not found.converged and perf_counter() - sent_at < 0.1  # seconds between paths while one relaxes
            if found.stage == "relaxed" and (relaxed or early):
                continue
            relaxed = found.stage == "relaxed" and found.converged
            path = found._replace(note=note)
            yield True
            done = last and found.stage == "polished"
            sender.send(path, path.labels_on(graph.surface), graph.surface.names, final=done)
            sent_at = perf_counter()
    finally:
        stream.close()
    assert path is not None
    return path


def stages(request: TracePath, start: np.ndarray, end: np.ndarray | None, graph: LatentGraph) -> Stream[TracedPath]:
    """The path as it gets better."""
    asked = path_request(request, start, end, graph.surface, graph)
    return Stream(trace(request.kind, asked), request.kind)


def precision_note(graph: LatentGraph) -> str:
    """What to know of the surrogate that a graph was weighted by; "" where it is good."""
    error = graph.image_map.error if isinstance(graph.image_map, Surrogate) else 0.0
    return (
        f"image distances are approximate: the decoder's surrogate has an error of {error:.0%}" if error > 0.1 else ""
    )


# the net


@handles(ComputeGridlines, priority=80)
def compute_gridlines(request: ComputeGridlines, engine: EngineContext, send: Send) -> Job:
    """Answer by ``GridlinesComputed``."""
    began = perf_counter()
    families = request.families
    if len(families) != 2 or families[0] == families[1]:
        raise EngineError(f"families are {', '.join(families) or 'none'}; gridlines need two different factors.")
    if not 1 <= request.counts <= 50:
        raise EngineError(f"counts is {request.counts}; gridlines have 1 to 50 lines per factor.")
    snapshot = yield from engine.snapshots.newest()
    if snapshot.mu.shape[1] < 2:
        raise EngineError("Gridlines need two latent dimensions or more; this model has one.")
    factors = set(families) <= set(snapshot.factors)
    surface = yield from result_of(snapshot.surface(None if factors else families))
    named = (families[0], families[1])
    lines = yield from result_of(in_thread(lambda: gridlines(surface, request.counts, named), "net"))
    values = {(line.family, line.value) for line in lines}
    missing = 2 * request.counts - len(values)
    points = [line.points for line in lines]
    laid = GridlinesComputed(
        families=families,
        points=np.concatenate([*points, np.zeros((0, surface.dim))]).astype(np.float32),
        starts=np.cumsum([0, *(len(part) for part in points)]).astype(np.int64),
        family=np.array([families.index(line.family) for line in lines], dtype=np.int64),
        values=np.array([line.value for line in lines], dtype=np.float64),
        note=f"{missing} of {2 * request.counts} gridlines could not be drawn: no data there" if missing else "",
        milliseconds=(perf_counter() - began) * 1000.0,
    )
    send(laid)
    yield True
