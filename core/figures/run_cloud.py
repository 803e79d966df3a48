"""The cloud of a run as a figure, for a program without a window, described as the window describes its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from core.figures.drawing import FigureError
from core.paths.latent_path import LatentPath
from core.protocol.figures import CloudFigure, Colouring, Curve, Eye
from core.rendering.camera import Camera, broadside
from core.rendering.class_colours import UNKNOWN
from core.rendering.point_colours import DENSITY, SPLIT, value_range
from core.rendering.projection import along_components, along_dimensions
from core.runs.directory import SPLIT_NAMES, ProbeSet

CURVE_POINTS = 257
"""Points of a path that is drawn."""
HOME_VIEWPORT = (900.0, 600.0)
"""Pixels, of which points have their size."""


@dataclass(frozen=True)
class CloudLook:
    """What is drawn, and from where; see ``core.exploring.trained_run.TrainedRun.save_cloud``."""

    color_by: str = ""
    values: ArrayLike | None = None
    classes: Sequence[str] = ()
    limits: tuple[float, float] | None = None
    colormap: str = "viridis"
    hidden: Sequence[str] = ()
    selected: ArrayLike | None = None
    principal: bool = False
    dimensions: Sequence[int] = (0, 1, 2)
    camera: Mapping[str, Any] | None = None
    point_size: float = 5.0
    opacity: float = 1.0
    probe: ArrayLike | None = None
    sample: int = -1
    path: LatentPath | None = None
    marker: float | None = None
    title: str = ""


def cloud_figure(means: np.ndarray, probe: ProbeSet, look: CloudLook) -> CloudFigure:
    """The figure of ``means`` float32 (n, d). Raises ``FigureError`` for what the run does not have."""
    projection = along_components(means) if look.principal else along_dimensions(look.dimensions, means.shape[1])
    points = projection.to_view(means)

    def seen(z: np.ndarray | None) -> np.ndarray:
        return np.empty((0, 3)) if z is None else projection.to_view(np.asarray(z, np.float32)).astype(np.float64)

    path, marker = look.path, look.marker
    return CloudFigure(
        points=points,
        colouring=_colouring(probe, len(means), look),
        eye=_eye(points, projection.dims, look.camera),
        labels=projection.labels,
        dims=projection.dims,
        point_size=look.point_size,
        title=look.title,
        curves=() if path is None else (Curve(seen(path.sample(CURVE_POINTS))),),
        control=seen(None if path is None else path.control),
        marker=seen(None if path is None or marker is None else path.at(marker)[None]),
        probe=seen(None if look.probe is None else np.asarray(look.probe)[None]),
        sample=look.sample,
    )


def _eye(points: np.ndarray, dims: int, state: Mapping[str, Any] | None) -> Eye:
    """The camera of ``state``; without one, that which shows all of ``points`` float32 (n, 3) from the broad side."""
    camera = Camera(viewport=HOME_VIEWPORT, flat=dims < 3)
    if state is not None:
        try:
            camera.restore(dict(state))
            width, height = map(float, state.get("viewport", HOME_VIEWPORT))
        except (TypeError, ValueError) as error:
            raise FigureError(str(error)) from error
        camera.viewport = width, height
    else:
        finite = points[np.isfinite(points).all(axis=1)]
        if not camera.flat:
            camera.azimuth, camera.elevation = broadside(finite)
        margin = HOME_VIEWPORT[1] * 0.1
        camera.fit(finite.min(axis=0), finite.max(axis=0), (margin, margin, margin, margin))
    x, y, z = camera.target.tolist()
    return Eye((x, y, z), camera.distance, camera.azimuth, camera.elevation, camera.flat, camera.viewport)


def _colouring(probe: ProbeSet, count: int, look: CloudLook) -> Colouring:
    name, classes = look.color_by, ()
    selected = None if look.selected is None else np.asarray(look.selected, np.int64)
    if name == DENSITY and look.values is None and name not in probe.factor_names:
        return Colouring(colormap=look.colormap, selected=selected, density=True)
    if look.values is not None:
        values, classes = np.asarray(look.values, np.float64), tuple(look.classes)
        if values.shape != (count,):
            raise FigureError(f"values have shape {values.shape}; they must be ({count},), a number a sample.")
    elif name in (SPLIT, "split"):
        name, values, classes = SPLIT, probe.split.astype(np.float64), SPLIT_NAMES
    elif name in probe.factor_names:
        place = probe.factor_names.index(name)
        values, classes = probe.factors[:, place].astype(np.float64), probe.categories[place]
    elif name:
        raise FigureError(f"color_by is {name!r}; the run has {', '.join((*probe.factor_names, SPLIT, DENSITY))}.")
    else:
        return Colouring(selected=selected, opacity=look.opacity)
    places = {name: place for place, name in enumerate(classes)} | {UNKNOWN: -1}
    unknown = [name for name in look.hidden if name not in places]
    if unknown:
        raise FigureError(f"hidden names {unknown[0]!r}; the classes are {', '.join(classes) or 'none'}.")
    low, high = (0.0, 1.0) if classes else look.limits or value_range(values)
    hidden = tuple(sorted(places[name] for name in look.hidden))
    return Colouring(name, values, low, high, look.colormap, classes, hidden, selected, look.opacity)
