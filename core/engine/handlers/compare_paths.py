"""Kinds of path between the same ends, measured side by side, for the engine: the answer to ``ComparePaths``.

Factors are read off the decoded images: by the true inverse where curves are drawn, else by a regressor that learned
from the thumbnails of the run's own originals and never steered.
"""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future
from typing import NamedTuple

import msgspec
import numpy as np

from core.analysis.image_regressor import ImageRegressor
from core.analysis.path_metrics import (
    CurveTruth,
    PathMeasures,
    Reading,
    Truth,
    achieved_change,
    changes_enough,
    common_change,
    measure,
)
from core.data.polar_curve_inverse import curve_inverse
from core.engine.context import EngineContext, Job, Send, handles
from core.engine.futures import in_thread, result_of
from core.engine.handlers.curves import (
    MAX_POINTS,
    PRELIMINARY,
    check_request,
    exact_path,
    next_of,
    path_request,
)
from core.engine.open_model import EngineError, OpenModel
from core.engine.snapshot import EmbeddingSnapshot, SnapshotCache
from core.geometry.local_fit import GeometryError
from core.geometry.off_manifold import UNKNOWN
from core.geometry.path_kinds import trace
from core.models.inference import decode_each
from core.models.thumbnails import thumbnails_of
from core.paths.recipe import JOINING, PATH_KINDS
from core.protocol.messages import ComparePaths, PathCompared, TracePath

LEAST_THUMBNAILS, MOST_THUMBNAILS = 40, 2500
"""Of the recorded samples, that a regressor learns from."""


class _DecodedPath(NamedTuple):
    """One kind's path (m, d), its images uint8 (m, H, W, C), what they show, and a note."""

    kind: str
    points: np.ndarray
    images: np.ndarray
    reading: Reading
    note: str


@handles(ComparePaths, priority=110)
def compare_paths(request: ComparePaths, engine: EngineContext, send: Send) -> Job:
    """Answer by one ``PathCompared`` a kind, once all of them are measured: leaks are taken at the change that they
    have in common."""
    model, snapshots = engine.model, engine.snapshots
    model.inference.check_can_decode()
    snapshot = yield from snapshots.newest()
    inference = snapshot.inference  # the weights that the means belong to
    for kind in request.kinds:
        check_request(_asked(request, kind), inference)  # refuses what makes no sense before anything is decoded
    yield from result_of(snapshot.surface())
    if request.target:
        snapshot.table((request.target,))
    truth = yield from result_of(_factor_reader(model, snapshot, snapshots, request.target))
    paths = []
    for kind in request.kinds:
        paths.append((yield from _traced(_asked(request, kind), snapshot, snapshots, truth)))
    column = truth.names.index(request.target) if truth is not None and request.target else None
    change = 0.0 if truth is None or column is None else _common(paths, truth, column)
    for index, path in enumerate(paths):
        send(_measured(request, index, path, snapshot, truth, column, change))
        yield True


def _asked(request: ComparePaths, kind: str) -> TracePath:
    """What one kind of the comparison would be asked for alone."""
    if not 3 <= request.frames <= MAX_POINTS // 2:
        raise EngineError(f"frames is {request.frames}; a comparison has 3 to {MAX_POINTS // 2}.")
    return TracePath(
        kind=kind,
        start=request.start,
        end=request.end,
        target="" if kind in JOINING else request.target,
        points=request.frames,
    )


# paths


def _traced(
    asked: TracePath, snapshot: EmbeddingSnapshot, snapshots: SnapshotCache, truth: Truth | None
) -> Generator[bool, None, _DecodedPath]:
    """The path, decoded and read; without points, and with a note, where there is none."""
    model = snapshot.inference
    try:
        points, note = yield from _places(asked, snapshot, snapshots)
    except (EngineError, GeometryError) as error:
        points, note = np.zeros((0, model.latent_dim), np.float32), str(error)
    images = np.empty((len(points), model.image_size, model.image_size, model.channels), np.uint8)
    for i, image in enumerate(decode_each(model, points)):
        images[i] = image
        yield True
    reading = Reading(np.zeros((len(points), 0)), None)
    if truth is not None and len(points):
        reading = yield from result_of(in_thread(lambda: truth.read(images), "reading"))
    return _DecodedPath(asked.kind, points, images, reading, note)


def _places(
    asked: TracePath, snapshot: EmbeddingSnapshot, snapshots: SnapshotCache
) -> Generator[bool, None, tuple[np.ndarray, str]]:
    """Its places float32 (m, d) and a note."""
    if not asked.end.size:
        raise EngineError("Paths are compared between two places; give an end.")
    about, base = PATH_KINDS[asked.kind], snapshot.surface().result()
    if about.by_images:
        return (yield from _polished(asked, snapshot, snapshots))
    if not asked.target and not about.joins:
        raise EngineError(f"A {asked.kind} changes a factor; choose one.")
    path, labels, names = yield from exact_path(asked, snapshot)
    points = path.points
    if asked.kind == "isoline":
        column = names.index(asked.target)
        both = np.stack([asked.start, asked.end]).astype(np.float64)
        wanted = base.labels_at(both) if asked.target in base.names else None
        falls = wanted is not None and np.diff(wanted[:, base.names.index(asked.target)])[0] < 0.0
        if falls != (labels[-1, column] < labels[0, column]):
            points = points[::-1]  # the way that the others go
    return points.astype(np.float32), path.note


def _polished(
    asked: TracePath, snapshot: EmbeddingSnapshot, snapshots: SnapshotCache
) -> Generator[bool, None, tuple[np.ndarray, str]]:
    """The last stage of a path that compares images, at twice the frames: by the decoder's surrogate if it is there."""
    later, note = snapshot.graph, ""
    if later is None:
        snapshots.prepare(snapshot.decoder_map)
        later, note = snapshot.rough_graph, PRELIMINARY
    graph = yield from result_of(later)
    doubled = msgspec.structs.replace(asked, points=2 * asked.points - 1)
    paths = trace(asked.kind, path_request(doubled, graph.surface, graph))
    points = np.zeros((0, asked.start.size))
    while (found := (yield from next_of(paths))) is not None:
        points = found.points
        yield True
    return points[::2].astype(np.float32), note


# measures


def _factor_reader(
    model: OpenModel, snapshot: EmbeddingSnapshot, snapshots: SnapshotCache, target: str
) -> Future[Truth | None]:
    """The true inverse of curves, for their own factors; else a regressor, if there are labels to learn. Kept."""
    data = model.config.data
    if data.drawn and (not target or target in CurveTruth.names):
        return snapshots.cached("curves", lambda: CurveTruth(curve_inverse(data.geometry, data.image_size)))
    names = snapshot.factors if not target or target in snapshot.factors else snapshot.targets
    thumbnails, table = snapshot.probe.thumbnails, snapshot.table(names)

    def learn() -> ThumbnailTruth | None:
        known = np.flatnonzero(np.isfinite(table).all(axis=1))
        if not names or len(known) < LEAST_THUMBNAILS:
            return None
        if len(known) > MOST_THUMBNAILS:
            known = np.sort(np.random.default_rng(0).choice(known, MOST_THUMBNAILS, replace=False))
        return ThumbnailTruth(thumbnails[known], table[known], names)

    return snapshots.cached(names, learn)


class ThumbnailTruth(ImageRegressor):
    """A regression on the 32 × 32 thumbnails of originals; images that are read are averaged down as these were."""

    def read(self, images: np.ndarray) -> Reading:
        """Labels (n, F) of images uint8 (n, H, W, C)."""
        return super().read(thumbnails_of(images))


def _common(paths: list[_DecodedPath], truth: Truth, column: int) -> float:
    """The change of the target that all paths achieve, but for those that hardly change it; 0 if there is none."""
    there = [path for path in paths if len(path.points)]
    moving = [path for path in there if changes_enough(path.reading.factors, truth.ranges, column)]
    moving.sort(key=lambda path: path.kind in JOINING)  # the sign is that of a path that was asked to change it
    if not moving:
        return 0.0
    changes = [achieved_change(path.reading.factors, column) for path in moving]
    alike = [path for path, change in zip(moving, changes, strict=True) if (change > 0.0) == (changes[0] > 0.0)]
    return common_change([path.reading.factors for path in alike], column)


def _measured(
    request: ComparePaths,
    index: int,
    path: _DecodedPath,
    snapshot: EmbeddingSnapshot,
    truth: Truth | None,
    column: int | None,
    change: float,
) -> PathCompared:
    names, ranges = (truth.names, truth.ranges) if truth is not None else ((), np.zeros(0))
    nan, note = float("nan"), path.note
    scores = UNKNOWN
    measures = PathMeasures(nan, nan, nan, np.full(len(names), nan), nan)
    if len(path.points):
        scores = snapshot.off_manifold.at(path.points)
        measures = measure(path.points, path.images, path.reading, ranges, column, change)
        if column is not None and len(names) > 1 and np.isnan(measures.leaks).all():
            hardly = (
                f"it hardly changes {request.target}, or changes it in the wrong direction, so its leak is not measured"
            )
            note = f"{note}; {hardly}" if note else hardly
    return PathCompared(
        final=index + 1 == len(request.kinds),
        kind=path.kind,
        index=index,
        total=len(request.kinds),
        points=path.points,
        images=path.images,
        off_manifold_score=scores.score,
        threshold=scores.threshold,
        latent_length=measures.latent_length,
        image_length=measures.image_length,
        image_k=len(path.points),
        off_share=scores.off_share,
        achieved=measures.achieved,
        leaks=measures.leaks,
        names=tuple(names),
        truth="" if truth is None else ("curves" if isinstance(truth, CurveTruth) else "regressor"),
        residual=measures.residual,
        note=note,
    )
