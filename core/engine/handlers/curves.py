"""Curved paths and the net of factor curves, for the engine: the answers to ``TracePath`` and ``ComputeGridlines``.

Geodesics come in stages, as ``core.geometry.geodesic`` yields them, and a second time when the decoder's surrogate is
there; all other kinds come at once. ``core.engine.snapshot`` keeps what they share.

There may be more labels than a surface has dimensions, and factors hold each other: an attribute that was measured
depends on the factors, so on a surface that they span at most all but one can be held with it, those that it depends
on least. Labels that do not follow the surface, noise say, would be chosen by that, and holding them would lead
nowhere: they are left out.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from time import perf_counter

import numpy as np

from core.engine.context import EngineContext, Job, Send, handles
from core.engine.futures import in_thread, result_of
from core.engine.open_model import EngineError, checked_latents
from core.engine.snapshot import MANY_DIMENSIONS, EmbeddingSnapshot, SnapshotCache
from core.geometry.decoder_surrogate import LatentMap, Surrogate
from core.geometry.factor_curve import UNKNOWN_HELD, gridlines
from core.geometry.geodesic import PENALTY, LatentGraph
from core.geometry.local_fit import GeometryError, Neighbourhoods
from core.geometry.off_manifold import SCORE_NEIGHBOURS, UNKNOWN
from core.geometry.path_kinds import PathRequest, TracedPath, made, straight, trace
from core.geometry.surface import Surface
from core.models.inference import Inference
from core.paths.recipe import PATH_KINDS
from core.protocol.messages import ComputeGridlines, GridlinesComputed, PathTraced, TracePath
from core.utils.text import counted

MAX_POINTS = 1000
_CHECKED = 500  # samples by which it is decided whether a label follows the surface
_SAME = 0.9
"""Share of the samples that may have one value of a label that is worth holding."""
PRELIMINARY = "estimated: image distances are measured on thumbnails until the decoder has been sampled"

BY_THUMBNAILS = "without a decoder, image distances are measured on thumbnails"
BY_LATENTS = "without a decoder and without images, distances are those of latent space"


@handles(TracePath, priority=30)
def trace_path(request: TracePath, engine: EngineContext, send: Send) -> Job:
    """Answer by ``PathTraced``, again as the path gets better."""
    snapshots = engine.snapshots
    check_request(request, engine.model.inference)
    tracing = _Tracing(request, snapshots, send)
    if request.kind == "straight":
        yield from tracing.straight()
        return
    begun = snapshots.unanswered()
    if begun is not None:
        yield from tracing.on(begun, last=False)
    snapshot = yield from snapshots.newest()
    snapshots.start(snapshot)
    yield from tracing.on(snapshot, last=True)


def check_request(request: TracePath, model: Inference) -> None:
    """Raise ``EngineError`` for a request that makes no sense."""
    about = PATH_KINDS.get(request.kind)
    if about is None:
        raise EngineError(f"kind is {request.kind!r}; it must be one of {', '.join(PATH_KINDS)}.")
    if not 3 <= request.points <= MAX_POINTS:
        raise EngineError(f"points is {request.points}; a path has 3 to {MAX_POINTS}.")
    if about.joins and not request.end.size:
        raise EngineError(f"A {request.kind} path joins two points; give an end.")
    checked_latents(request.start.reshape(1, -1), model)
    check_dimension(request.dimension, request.start.size)
    if request.end.size:
        checked_latents(request.end.reshape(1, -1), model)


def check_dimension(dimension: int, latent_dim: int) -> None:
    """Raise ``EngineError`` unless a surface in a latent space of ``latent_dim`` can have this ``dimension``, or 0."""
    if not 0 <= dimension <= latent_dim:
        raise EngineError(
            f"dimension is {dimension}; a surface in a latent space of {latent_dim} dimensions has 1 to {latent_dim}."
        )


def path_request(request: TracePath, surface: Surface, graph: LatentGraph | None = None) -> PathRequest:
    """``request`` as the geometry takes it."""
    return PathRequest(
        surface,
        request.start.ravel().astype(np.float64),
        request.end.ravel().astype(np.float64) if request.end.size else None,
        request.target,
        float(request.value) if np.isfinite(request.value) else None,
        points=request.points,
        graph=graph,
        penalty=PENALTY if request.penalty else 0.0,
    )


def exact_path(
    request: TracePath, snapshot: EmbeddingSnapshot
) -> Generator[bool, None, tuple[TracedPath, np.ndarray, tuple[str, ...]]]:
    """A path of a kind that compares no images, its labels float64 (m, F) and their names."""
    about = PATH_KINDS[request.kind]
    surface, note = (yield from result_of(snapshot.surface())), ""
    if not about.joins:
        dimension = request.dimension or surface.intrinsic
        names, note = choose_constraints(snapshot, dimension, request.target, request.held)
        surface = yield from result_of(snapshot.surface(names, request.dimension))
        unknown = snapshot.unknown(names)
        if unknown:
            left_out = f"without {counted(unknown, 'sample')} of unknown {' or '.join(names)}"
            note = f"{note}; {left_out}" if note else left_out

    def make() -> tuple[TracedPath, np.ndarray]:
        path = made(request.kind, path_request(request, surface))
        return path, path.labels_on(surface)

    path, labels = yield from result_of(in_thread(make, "path"))
    if about.holds:
        path = path._replace(note="; ".join(filter(None, (note, path.note))))
    return path, labels, surface.names


class _Tracing:
    """Answers one request, on one snapshot after another; answers are final only on the ``last`` snapshot."""

    def __init__(self, request: TracePath, snapshots: SnapshotCache, send: Send) -> None:
        self._request, self._snapshots, self._send_reply = request, snapshots, send
        self._snapshot: EmbeddingSnapshot | None = None
        self._last = True
        self._began = perf_counter()

    def _send(self, path: TracedPath, labels: np.ndarray, names: tuple[str, ...], final: bool) -> None:
        """Send a path with its ``labels`` (m, F), called ``names``, and which of its points are off the manifold."""
        points = np.asarray(path.points, dtype=np.float32)
        traced = PathTraced(
            kind=self._request.kind,
            points=points,
            stage=path.stage,
            final=final and self._last,
            labels=np.asarray(labels, dtype=np.float64),
            names=names,
            flagged=(UNKNOWN if self._snapshot is None else self._snapshot.off_manifold.at(points)).flagged,
            note=path.note,
            milliseconds=(perf_counter() - self._began) * 1000.0,
        )
        self._send_reply(traced)
        if self._snapshot is not None and path.stage != "graph":
            self._snapshots.finish(self._snapshot)

    def straight(self) -> Job:
        """A straight path is there at once, its labels when the surface is; a model without samples has none."""
        path = TracedPath(straight(self._request.start, self._request.end, self._request.points))
        self._snapshot = snapshot = yield from self._snapshots.newest_or_none()
        if snapshot is None or not snapshot.factors:
            self._send(path, np.zeros((len(path.points), 0)), (), final=True)
            return
        if not snapshot.surface().done():
            unknown = np.full((len(path.points), len(snapshot.factors)), np.nan)
            self._send(path, unknown, snapshot.factors, final=False)
        base = yield from result_of(snapshot.surface())
        labels = yield from result_of(in_thread(lambda: base.labels_at(path.points), "labels"))
        self._send(path, labels, base.names, final=True)
        yield True

    def on(self, snapshot: EmbeddingSnapshot, last: bool) -> Job:
        """Trace the path on one snapshot."""
        self._snapshot, self._last = snapshot, last
        if PATH_KINDS[self._request.kind].by_images:
            yield from self._by_images(snapshot)
            return
        path, labels, names = yield from exact_path(self._request, snapshot)
        self._send(path, labels, names, final=True)
        yield True

    def _by_images(self, snapshot: EmbeddingSnapshot) -> Job:
        """A path that compares images gets better: by the thumbnails first, then by the decoder's surrogate."""
        if snapshot.mu.shape[1] > MANY_DIMENSIONS:
            rough = yield from result_of(snapshot.rough_graph)
            first = yield from next_of(trace(self._request.kind, path_request(self._request, rough.surface, rough)))
            assert first is not None
            few = len(snapshot.landmarks) < len(snapshot.mu)
            along = f"{len(snapshot.landmarks):,} of the samples" if few else "the samples"
            path = first._replace(note=f"along {along}: in more than {MANY_DIMENSIONS} dimensions it is not smoothed")
            self._send(path, path.labels_on(rough.surface), rough.surface.names, final=True)
            return
        if not snapshot.inference.can_decode:
            rough = yield from result_of(snapshot.rough_graph)
            latent = isinstance(rough.image_map, LatentMap)
            yield from self._stages(rough, BY_LATENTS if latent else BY_THUMBNAILS, best=True)
            return
        graph = snapshot.graph
        if graph is None:
            self._snapshots.prepare(snapshot.decoder_map)
            rough = yield from result_of(snapshot.rough_graph)
            path = yield from self._stages(rough, PRELIMINARY, best=False)
            if not self._last:
                return
            while (graph := snapshot.graph) is None:
                yield False
            try:
                yield from result_of(graph)
            except GeometryError as error:
                note = f"image distances are measured on thumbnails: {error}"
                self._send(path._replace(note=note), path.labels_on(rough.surface), rough.surface.names, final=True)
                return
        better = yield from result_of(graph)
        error = better.image_map.error if isinstance(better.image_map, Surrogate) else 0.0
        note = f"image distances are approximate: the decoder's surrogate has an error of {error:.0%}"
        yield from self._stages(better, note if error > 0.1 else "", best=True)

    def _stages(self, graph: LatentGraph, note: str, best: bool) -> Generator[bool, None, TracedPath]:
        """Send the graph's path, the relaxed one and the polished one, which is final if this is the ``best`` graph."""
        path: TracedPath | None = None
        sent_at, relaxed = perf_counter(), False
        paths = trace(self._request.kind, path_request(self._request, graph.surface, graph))
        while (found := (yield from next_of(paths))) is not None:
            early = not found.converged and perf_counter() - sent_at < 0.1  # seconds between paths while one relaxes
            if found.stage == "relaxed" and (relaxed or early):
                continue
            relaxed = found.stage == "relaxed" and found.converged
            path = found._replace(note=note)
            yield True
            done = best and found.stage == "polished"
            self._send(path, path.labels_on(graph.surface), graph.surface.names, final=done)
            sent_at = perf_counter()
        assert path is not None
        return path


def next_of(paths: Iterator[TracedPath]) -> Generator[bool, None, TracedPath | None]:
    """The next of ``paths``, computed in a thread; None after the last."""
    return (yield from result_of(in_thread(lambda: next(paths, None), "path")))


# which labels are held


def choose_constraints(
    snapshot: EmbeddingSnapshot, dimension: int, target: str, wanted: tuple[str, ...] | None = None
) -> tuple[tuple[str, ...], str]:
    """The labels of the surface to steer on, target and held ones, and what that means, "" if all else is held.

    ``dimension`` is that of the surface; ``wanted`` are the labels that a person wants to be held, None: choose. Raises
    ``core.engine.open_model.EngineError`` for an unknown target, and for more labels than can be held.
    """
    snapshot.table((target,))
    # Factors may be held with a factor, anything else with an attribute.
    labels = snapshot.factors if target in snapshot.factors else snapshot.targets
    others = tuple(name for name in labels if name != target and _varies(snapshot.table((name,))[:, 0]))
    room = max(dimension - 1, 0)
    held = others
    if wanted is not None:
        held = tuple(name for name in wanted if name != target)
        snapshot.table(held)
        if len(held) > room:
            raise EngineError(
                f"{', '.join(held)}: these are {len(held)} labels to hold constant while {target} changes, on a "
                f"surface of {dimension} dimensions, where {room} can be. Hold fewer, or set another dimension."
            )
        others = tuple(dict.fromkeys((*others, *held)))
    elif len(others) > room:
        candidates = others if set(others) <= set(snapshot.factors) else _following(snapshot, others)
        held = _least_dependent(snapshot, target, candidates)[:room]
    missing = tuple(name for name in others if name not in held)
    if not others:
        return (target,), UNKNOWN_HELD
    kept = (target, *held)
    if target in snapshot.factors and set(kept) == set(snapshot.factors):
        return snapshot.factors, ""
    note = f"not held constant: {', '.join(missing)}" if missing else ""
    return kept, (f"held constant: {', '.join(held)}; {note}" if held and note else note)


def _varies(values: np.ndarray) -> bool:
    """Whether there is something to hold: a measure that is the same of nearly all samples tells them not apart."""
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return False
    _, counts = np.unique(known, return_counts=True)
    return bool(counts.max() <= _SAME * len(known))


def _following(snapshot: EmbeddingSnapshot, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of ``names`` that neighbours on the surface share: the mean of eight tells half of a sample's variance."""
    table = snapshot.table(names)
    known = np.isfinite(table).all(axis=1)
    if known.sum() <= SCORE_NEIGHBOURS:
        return names
    table, samples = table[known], Neighbourhoods(snapshot.mu[known])
    members = np.arange(0, len(samples), max(1, len(samples) // _CHECKED))
    _, nearest = samples.of_samples(SCORE_NEIGHBOURS, members)
    missed = np.square(table[members] - table[nearest].mean(axis=1)).mean(axis=0)
    follows = missed < 0.5 * table.var(axis=0)
    return tuple(name for name, follow in zip(names, follows.tolist(), strict=True) if follow)


def _least_dependent(snapshot: EmbeddingSnapshot, target: str, others: tuple[str, ...]) -> tuple[str, ...]:
    """``others`` by rising correlation with the target, in size."""
    table = snapshot.table((target, *others))
    table = table[np.isfinite(table).all(axis=1)]
    if len(table) < 3:
        return others
    offsets = table - table.mean(axis=0)
    size = np.sqrt(np.square(offsets).sum(axis=0))
    likeness = np.abs(offsets[:, 1:].T @ offsets[:, 0]) / np.maximum(size[1:] * size[0], 1e-300)
    return tuple(others[i] for i in np.argsort(likeness, kind="stable"))


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
    check_dimension(request.dimension, snapshot.mu.shape[1])
    factors = set(families) <= set(snapshot.factors)
    surface = yield from result_of(snapshot.surface(None if factors else families, request.dimension))
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
