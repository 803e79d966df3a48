"""What each figure shows, taken from what is on screen; or why there is nothing to show now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from msgspec import structs

from core.analysis.transect_figure import transect_description
from core.geometry.off_manifold import OffManifoldScore
from core.protocol.figures import (
    CloudFigure,
    Curve,
    Eye,
    FilmFigure,
    Gridlines,
    KindRow,
    KindsFigure,
    LossesFigure,
    PlaneFigure,
    TransectFigure,
)
from explorer.controllers.cloud import color_targets
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.path.playback import PlaybackController
from explorer.controllers.plane import missing_factors
from explorer.controllers.requirements import PATH_NEEDED, missing_frames
from explorer.state import State
from explorer.views.cloud.overlay_gridlines import HIDING, seen_gridlines
from explorer.views.cloud.scene import Scene
from explorer.views.figure import FigureChoice
from explorer.views.losses import LossesView
from explorer.views.parameters import ParametersView
from explorer.views.path_comparison import PathKindsView

NO_CLOUD = "There is no latent cloud yet. Open a run, or start a training."
NO_CURVES = "This run has recorded no losses yet."
NOT_DECODED = "The path's images are still being decoded."
NOT_MEASURED = "The transect is not measured yet. Open the Transects panel until every image has appeared."
NO_COMPARISON = "No kinds of path are compared. Open Compare path kinds (Ctrl+Shift+K), with a path drawn."


@dataclass(frozen=True)
class Sources:
    """Who knows what is on screen."""

    state: State
    cloud: CloudController
    playback: PlaybackController
    losses: LossesView
    kinds: PathKindsView
    plane: ParametersView


# the cloud


def missing_cloud(sources: Sources) -> str:
    """Why there is no figure of the cloud; "" if there is."""
    return "" if sources.state.embedding is not None and sources.cloud.view.point_count else NO_CLOUD


def cloud_figure(sources: Sources, choice: FigureChoice, title: str) -> CloudFigure:
    """The cloud with all that is drawn in it, but what is only under the mouse."""
    scene = sources.cloud.view.scene
    camera, transect = scene.camera, scene.transect
    curves = [Curve(curve, kind) for kind, curve in scene.kinds.curves] if scene.kinds is not None else []
    if scene.curve is not None:
        curves.append(Curve(scene.curve))
    x, y, z = camera.target.tolist()
    return CloudFigure(
        points=np.ascontiguousarray(scene.columns.T),
        colouring=sources.cloud.colouring,
        eye=Eye((x, y, z), camera.distance, camera.azimuth, camera.elevation, camera.flat, camera.viewport),
        labels=scene.labels,
        dims=scene.dims,
        point_size=scene.point_size,
        title=title,
        curves=tuple(curves),
        control=_rows(scene.control),
        marker=_rows(scene.marker),
        probe=_rows(scene.probe),
        transect=_rows(transect.points if transect is not None else None),
        in_hole=transect.in_hole if transect is not None else np.empty(0),
        sample=-1 if scene.selected is None else scene.selected,
        gridlines=_gridlines(scene),
    )


def _rows(points: np.ndarray | None) -> np.ndarray:
    """One point (3,) or several (n, 3) as float64 (n, 3); no rows for none."""
    return np.empty((0, 3)) if points is None else np.asarray(points, dtype=np.float64).reshape(-1, 3)


def _gridlines(scene: Scene) -> Gridlines | None:
    seen = seen_gridlines(scene)
    if seen is None:
        return None
    mark = seen.mark
    return Gridlines(mark.names, mark.points, mark.starts, mark.family, mark.values, seen.hidden > HIDING)


# losses


def missing_losses(sources: Sources) -> str:
    """Why there is no figure of the losses; "" if there is."""
    return "" if sources.losses.has_curves else NO_CURVES


def losses_figure(sources: Sources, choice: FigureChoice, title: str) -> LossesFigure | None:
    """The loss curves as they are drawn."""
    return sources.losses.figure(title)


# the path's frames


def missing_film(sources: Sources) -> str:
    """Why there is no film strip; "" if there is."""
    path = sources.state.document.path
    if reason := missing_frames(sources.state, "save the images along a path through its cloud"):
        return reason
    if path is None or len(path) < 2:
        return PATH_NEEDED
    return "" if sources.playback.decoded is not None else NOT_DECODED


def film_figure(sources: Sources, choice: FigureChoice, title: str) -> FilmFigure | None:
    """As many frames as are asked for, equally spaced."""
    frames, model = sources.playback.decoded, sources.state.model
    if frames is None or frames.images is None:
        return None
    total = len(frames.images)
    chosen = np.unique(np.linspace(0, total - 1, min(choice.frames, total)).round().astype(int))
    captions: list[list[str]] = [[] for _ in chosen]
    if choice.positions:
        for lines, number in zip(captions, chosen.tolist(), strict=True):
            lines.append(f"{number / (total - 1):.2f}")
    if choice.labels:
        for lines, texts in zip(captions, color_targets.label_texts(sources.state, frames.z[chosen]), strict=True):
            lines.extend(texts)
    return FilmFigure(
        images=frames.images[chosen],
        captions=tuple(map(tuple, captions)),
        verdicts=tuple(_verdict(frames.scores[number]) for number in chosen.tolist()),
        columns=choice.columns,
        scaling=choice.scaling,
        title=title,
        of_samples=model is not None and not model.can_decode,
    )


def _verdict(score: OffManifoldScore | None) -> str:
    return (score.verdict if score is not None else None) or ""


# kinds of path


def missing_kinds(sources: Sources) -> str:
    """Why there is no comparison of kinds of path; "" if there is."""
    return "" if any(row.usable for row in sources.kinds.table.rows) else NO_COMPARISON


def kinds_figure(sources: Sources, choice: FigureChoice, title: str) -> KindsFigure:
    """The comparison: rows that have been answered, and their measures."""
    table = sources.kinds.table
    columns = table.paths.columns
    rows = []
    for row in table.rows:
        if row.path is None:
            continue
        verdicts = tuple(_verdict(row.score(number)) for number in range(len(row.path.images)))
        texts = tuple(column.texts.get(row.kind, "") for column in columns)
        best = tuple(row.kind in column.best for column in columns)
        rows.append(KindRow(row.kind, row.path.images, verdicts, texts, best, row.note))
    headings = tuple(column.heading for column in columns)
    return KindsFigure(tuple(rows), headings, choice.frames, choice.scaling, title)


# transects


def missing_transect(sources: Sources) -> str:
    """Why there is no figure of a transect; "" if there is."""
    measured = sources.state.measured
    if measured is not None and measured.known.all():
        return ""
    return missing_factors(sources.state, "measure a transect through its parameter plane") or NOT_MEASURED


def transect_figure(sources: Sources, choice: FigureChoice, title: str) -> TransectFigure | None:
    """The chosen transect."""
    measured = sources.state.measured
    return transect_description(measured, choice.scaling) if measured is not None else None


# the parameter plane


def missing_plane(sources: Sources) -> str:
    """Why there is no figure of the parameter plane; "" if there is."""
    return missing_factors(sources.state, "save its samples in the plane of two factors")


def plane_figure(sources: Sources, choice: FigureChoice, title: str) -> PlaneFigure:
    """The plane in the range that is seen."""
    scene = sources.plane.plane.scene
    frame, colouring = scene.frame, structs.replace(sources.cloud.colouring, opacity=1.0, density=False)  # the cloud's
    holes = [(hole, False) for hole in (scene.hole,) if hole] + [(hole, True) for hole in (scene.run_hole,) if hole]
    (left, bottom), (right, top) = frame.seen_low.tolist(), frame.seen_high.tolist()
    return PlaneFigure(
        xy=np.asarray(scene.xy, dtype=np.float64),
        split=np.asarray(scene.split),
        colouring=colouring,
        names=scene.names,
        low=(left, bottom),
        high=(right, top),
        aspect=frame.width / frame.height,
        classes=frame.classes,
        holes=tuple((hole.a, hole.b, hole.radius, dashed) for hole, dashed in holes),
        regions=scene.held_out,
        transects=tuple((name, np.asarray(points, dtype=np.float64)) for name, points in scene.transects),
        chosen=-1 if scene.chosen is None else scene.chosen,
        cursor=np.empty((0, 2)) if scene.cursor is None else np.array([scene.cursor], dtype=np.float64),
        sample=-1 if scene.selected is None else scene.selected,
        title=title,
    )
