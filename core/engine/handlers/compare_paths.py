"""Kinds of path between the same ends, measured side by side, for the engine: the answer to ``ComparePaths``.

Factors are read off the decoded images: by the true inverse where curves are drawn, else by a regressor that learned
from the thumbnails of the run's own originals and never steered.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np

from core.analysis.image_regressor import ImageRegressor
from core.analysis.path_metrics import CurveTruth, Reading, Truth, common_change, cut_at_change, leak
from core.data.polar_curve_inverse import curve_inverse
from core.engine.context import EngineContext, Job, Send, handles
from core.engine.futures import Later, awaited
from core.engine.handlers.trace_path import (
    CURVE_ERRORS,
    MAX_POINTS,
    PRELIMINARY,
    ends,
    made_at_once,
    stages,
)
from core.engine.open_model import EngineError, OpenModel
from core.engine.snapshot import Sheet, Sheets
from core.geometry.baseline_paths import straight
from core.geometry.surface import Surface
from core.models.deterministic_inference import decode_each
from core.models.inference import Inference
from core.paths.latent_path import image_length_table
from core.paths.recipe import JOINING
from core.protocol.messages import ComparePaths, PathCompared, TracePath
from core.runs.directory import THUMBNAIL_SIZE

LEAST_CHANGE = 0.02  # of the target's range: a path that changes it less than this is not compared by its leak


class _Judge(NamedTuple):
    """What reads factors off images, and its name for ``PathCompared.truth``."""

    truth: Truth
    called: str


class _Path(NamedTuple):
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
    model, sheets = engine.model, engine.sheets
    sheet = yield from sheets.newest()
    inference = sheet.inference  # the weights that the means belong to
    for kind in request.kinds:
        ends(_asked(request, kind), inference)  # refuses what makes no sense before anything is decoded
    base = yield from awaited(sheet.surface())
    if request.target:
        sheet.table((request.target,))
    judge = yield from awaited(_judge(model, sheet, sheets, request.target))
    paths = []
    for kind in request.kinds:
        paths.append((yield from _traced(_asked(request, kind), inference, sheet, base, sheets, judge)))
    column = judge.truth.names.index(request.target) if judge is not None and request.target else None
    change = _common(paths, judge, column)
    for index, path in enumerate(paths):
        send(_measured(request, index, path, sheet, judge, column, change))
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
    asked: TracePath, model: Inference, sheet: Sheet, base: Surface, sheets: Sheets, judge: _Judge | None
) -> Generator[bool, None, _Path]:
    """The path, decoded and read; without points, and with a note, where there is none."""
    try:
        points, note = yield from _places(asked, model, sheet, base, sheets)
    except (EngineError, *CURVE_ERRORS) as error:
        points, note = np.zeros((0, model.latent_dim), np.float32), str(error)
    images = np.empty((len(points), model.image_size, model.image_size, model.channels), np.uint8)
    for i, image in enumerate(decode_each(model, points)):
        images[i] = image
        yield True
    reading = Reading(np.zeros((len(points), 0)), None)
    if judge is not None and len(points):
        reading = yield from awaited(Later(lambda: judge.truth.read(images), "reading"))
    return _Path(asked.kind, points, images, reading, note)


def _places(
    asked: TracePath, model: Inference, sheet: Sheet, base: Surface, sheets: Sheets
) -> Generator[bool, None, tuple[np.ndarray, str]]:
    """Its places float32 (m, d) and a note."""
    start, end = ends(asked, model)
    if end is None:
        raise EngineError("Paths are compared between two places; give an end.")
    if asked.kind == "straight":
        return straight(start, end, asked.points).astype(np.float32), ""
    if asked.kind == "geodesic":
        return (yield from _geodesic(asked, start, end, sheet, base, sheets))
    if not asked.target and asked.kind not in JOINING:
        raise EngineError(f"A {asked.kind} changes a factor, and none is chosen.")
    made = yield from made_at_once(asked, start, end, sheet, base)
    points = made.points
    if asked.kind == "isoline":
        column = made.names.index(asked.target)
        wanted = base.labels_at(np.stack([start, end]).astype(np.float64)) if asked.target in base.names else None
        falls = wanted is not None and np.diff(wanted[:, base.names.index(asked.target)])[0] < 0.0
        if falls != (made.labels[-1, column] < made.labels[0, column]):
            points = points[::-1]  # the way that the others go
    return points.astype(np.float32), made.note


def _geodesic(
    asked: TracePath, start: np.ndarray, end: np.ndarray, sheet: Sheet, base: Surface, sheets: Sheets
) -> Generator[bool, None, tuple[np.ndarray, str]]:
    """Polished, at twice the frames: by the decoder if its surrogate is there or comes within reach."""
    later, note = sheet.graph(base), ""
    if later is None:
        sheets.ask_for(sheet.decoder_map(base))
        later, note = sheet.rough_graph(base), PRELIMINARY
    graph = yield from awaited(later)
    points = straight(start, end, 2 * asked.points - 1)
    stream = stages(graph, start, end, len(points), asked.penalty)
    try:
        while (found := (yield from stream.next())) is not None:
            points = found.points
            yield True
    finally:
        stream.close()
    return points[::2].astype(np.float32), note


# measures


def _judge(model: OpenModel, sheet: Sheet, sheets: Sheets, target: str) -> Later[_Judge | None]:
    """The true inverse of curves, for their own factors; else a regressor, if there are labels to learn. Kept."""
    data = model.config.data
    if data.source == "curves" and (not target or target in CurveTruth.names):
        return sheets.once(
            "curves", lambda: _Judge(CurveTruth(curve_inverse(data.geometry, data.image_size)), "curves")
        )
    names = sheet.factors if not target or target in sheet.factors else sheet.targets
    thumbnails, table = sheet.probe.thumbnails, sheet.table(names)
    return sheets.once(names, lambda: _learned(thumbnails, table, names))


def _learned(thumbnails: np.ndarray, table: np.ndarray, names: tuple[str, ...]) -> _Judge | None:
    known = np.flatnonzero(np.isfinite(table).all(axis=1))
    if not names or len(known) < ThumbnailTruth.LEAST:
        return None
    if len(known) > ThumbnailTruth.MOST:
        known = np.sort(np.random.default_rng(0).choice(known, ThumbnailTruth.MOST, replace=False))
    return _Judge(ThumbnailTruth(thumbnails[known], table[known], names), "regressor")


class ThumbnailTruth:
    """Reads labels off images by a regression on ``thumbnails`` uint8 (N, 32, 32, C) of originals: see
    ``core.analysis.image_regressor``. Images that are read are averaged down as thumbnails were."""

    LEAST, MOST = 40, 2500

    def __init__(self, thumbnails: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> None:
        self._regressor = ImageRegressor(thumbnails, labels, names)
        self.names = self._regressor.names
        self.ranges = self._regressor.ranges

    def read(self, images: np.ndarray) -> Reading:
        """Labels (n, F) of images uint8 (n, H, W, C)."""
        return self._regressor.read(averaged(images, THUMBNAIL_SIZE))


def averaged(images: np.ndarray, size: int) -> np.ndarray:
    """images uint8 (n, H, W, C) averaged down to uint8 (n, size, size, C): each pixel the mean of those it covers, also
    in part (torch's adaptive average pooling)."""
    over = _cover(images.shape[1], size)
    across = _cover(images.shape[2], size)
    small = np.einsum("ih,nhwc,jw->nijc", over, images.astype(np.float32), across, optimize=True)
    return np.round(small).astype(np.uint8)


def _cover(length: int, size: int) -> np.ndarray:
    """Weights float32 (size, length) of the pixels floor(i L / S) to ceil((i + 1) L / S), each row of sum 1."""
    place = np.arange(size)
    first, last = place * length // size, -(-(place + 1) * length // size)
    pixel = np.arange(length)
    inside = (pixel >= first[:, None]) & (pixel < last[:, None])
    return (inside / inside.sum(axis=1, keepdims=True)).astype(np.float32)


def _common(paths: list[_Path], judge: _Judge | None, column: int | None) -> float:
    """The change of the target that all paths achieve, but for those that hardly change it; 0 if there is none."""
    if judge is None or column is None:
        return 0.0
    moving = [path for path in paths if len(path.points) and abs(_achieved(path, column)) > _least(judge, column)]
    changing = [path for path in moving if path.kind not in JOINING]
    moving = changing + [path for path in moving if path.kind in JOINING]  # the sign is that of a path that was asked
    signs = {bool(_achieved(path, column) > 0.0) for path in moving}
    if len(signs) != 1:
        moving = [path for path in moving if (_achieved(path, column) > 0.0) == (_achieved(moving[0], column) > 0.0)]
    return common_change([path.reading.factors for path in moving], column) if moving else 0.0


def _achieved(path: _Path, column: int) -> float:
    return float(path.reading.factors[-1, column] - path.reading.factors[0, column])


def _least(judge: _Judge, column: int) -> float:
    return LEAST_CHANGE * float(judge.truth.ranges[column])


def _measured(
    request: ComparePaths,
    index: int,
    path: _Path,
    sheet: Sheet,
    judge: _Judge | None,
    column: int | None,
    change: float,
) -> PathCompared:
    names = judge.truth.names if judge is not None else ()
    there = len(path.points) > 0
    scores = sheet.off_manifold.at(path.points) if there else None
    leaks, note = np.full(len(names), np.nan), path.note
    achieved = float("nan")
    if judge is not None and column is not None and there:
        achieved = _achieved(path, column)
        if change != 0.0 and achieved * change > 0.0 and abs(achieved) > _least(judge, column):
            within = cut_at_change(path.reading.factors, change, column)
            found = leak(within, judge.truth.ranges, names, column)
            leaks = np.array([found.get(name, np.nan) for name in names])
        else:
            said = f"{request.target} hardly changes, or the other way: no leak is given"
            note = f"{note}; {said}" if note else said
    residual = path.reading.residual
    chords = np.linalg.norm(np.diff(path.points.astype(np.float64), axis=0), axis=1)
    return PathCompared(
        final=index + 1 == len(request.kinds),
        kind=path.kind,
        index=index,
        total=len(request.kinds),
        points=path.points,
        images=path.images,
        off_manifold_score=scores.score if scores is not None else np.zeros(0),
        threshold=sheet.off_manifold.threshold,
        latent_length=float(chords.sum()) if there else float("nan"),
        image_length=image_length_table(path.images).length if there else float("nan"),
        image_k=len(path.points),
        off_share=scores.off_share if scores is not None else float("nan"),
        achieved=achieved,
        leaks=leaks,
        names=tuple(names),
        truth=judge.called if judge is not None else "",
        residual=float(residual.max()) if residual is not None and len(residual) else float("nan"),
        note=note,
    )
