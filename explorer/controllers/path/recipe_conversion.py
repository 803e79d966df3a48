"""What a hand may do to a path that was computed: its ends, other kinds through them, and few points to edit by."""

from __future__ import annotations

import dataclasses

import numpy as np

from core.paths.latent_path import LatentPath
from core.paths.recipe import JOINING, Recipe, RecipeKind
from core.paths.splines import SplineKind

MOST_CONTROL = 9
TOLERANCE = 0.01  # of the length: how far fewer control points may leave the curve
_CHECKED = 65


def thinned(path: LatentPath, kind: SplineKind = "catmull-rom") -> LatentPath:
    """``path`` as a spline of at most 9 control points, as few as follow it, to edit by hand.

    A path that was not computed keeps the control points it has.
    """
    if path.recipe is None:
        return path.with_kind(kind)
    wanted = path.resample(_CHECKED)
    found = LatentPath(path.resample(2), kind=kind)
    for count in (3, 4, 5, 7, MOST_CONTROL):
        if np.linalg.norm(found.resample(_CHECKED) - wanted, axis=1).max() <= TOLERANCE * path.length:
            break
        found = LatentPath(path.resample(count), kind=kind)
    return found


def handles(path: LatentPath) -> np.ndarray:
    """What a hand can hold, float32 (m, d): control points; of a computed path its two ends, or where it was laid."""
    if path.recipe is None or len(path) < 2:
        return path.control
    if path.recipe.end is None:
        return path.at(path.nearest(path.recipe.start)[0])[None]
    return path.control[[0, -1]]


def with_handle(recipe: Recipe, index: int, place: np.ndarray) -> Recipe:
    """``recipe`` with its start (handle 0) or end moved to ``place`` (d,); the end then says how far it goes."""
    if index == 0:
        return dataclasses.replace(recipe, start=place)
    return dataclasses.replace(recipe, end=place, value=None)


def converted(path: LatentPath, kind: RecipeKind, target: str, penalty: bool) -> Recipe | None:
    """The recipe that leads through the ends of ``path`` as ``kind``; None where it has but one and two are needed.

    A path that was laid from one place, as far as the data go, is laid from there again where ``kind`` allows it.
    """
    joins = kind in JOINING
    target = "" if joins else target
    before = path.recipe
    if before is not None and before.end is None and not joins:
        return Recipe(kind, before.start, None, target, None, penalty)
    start, end = path.control[0], path.control[-1]
    if before is not None and before.end is not None:
        start, end = before.start, before.end
    if len(path) < 2 or np.array_equal(start, end):
        return None if joins else Recipe(kind, start, None, target, None, penalty)
    return Recipe(kind, start, end, target, None, penalty)
