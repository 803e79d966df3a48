"""Paths through latent space: drawn, edited, shown in the cloud, undone."""

from __future__ import annotations

from functools import partial

import numpy as np
from PySide6.QtCore import Signal

from core.geometry.local_fit import GeometryError
from core.paths.latent_path import LatentPath, SplineKind
from core.rendering.projection import Layout, Projection
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.controller import Context, Controller
from explorer.views.cloud import StrokeGesture
from explorer.views.path import PathView

CURVE_POINTS = 257
MOST_CONTROL = 9
TOLERANCE = 0.01  # of the length: how far fewer control points may leave the curve
CHECKED_POINTS = 65  # along both
SELECT, MOVE, INSERT = "select control point", "move control point", "insert control point"


class PathController(Controller):
    """Turns strokes and control-point gestures into ``document.path`` and draws it."""

    end_moved = Signal(int, object, int)
    """A hand holds handle 0 (start) or 1 (end) of a computed path at a place float32 (d,): that of a sample, or -1."""
    ends_released = Signal()
    shown = Signal()
    """The path's settings are on show anew."""

    def __init__(self, context: Context, cloud: CloudController, view: PathView) -> None:
        super().__init__(context)
        self._cloud, self.view = cloud, view
        self._held: np.ndarray | None = None  # handles of a computed path where the hand has them, before it follows
        self._holding = False
        self._lifting = self._background(GeometryError)
        self._grip = MOVE  # what the gesture is that moves the held point
        self._placed: tuple[int, int] | None = None  # an inserted point's index for the hand that holds it, and its own
        cloud.view.stroke_drawn.connect(self._on_stroke)
        cloud.view.control_added.connect(self._on_added)
        cloud.view.control_moved.connect(self._on_moved)
        cloud.view.control_snapped.connect(self._on_snapped)
        cloud.view.control_released.connect(self._on_released)
        cloud.view.control_inserted.connect(self._on_inserted)
        cloud.view.control_removed.connect(self.remove_control)
        cloud.view.control_selected.connect(self._select_control)
        view.kinds.spline_chosen.connect(self._on_kind)
        view.kinds.closed_changed.connect(self._on_closed)
        view.clear_requested.connect(self.clear)
        events = self._state.events
        self._when_part(events.document, "path", self._on_change)
        self._when((events.display, events.embedding, events.selected_control), self._on_change)
        self._when((events.embedding,), self._drop_strokes)
        self._on_change()

    def _on_change(self) -> None:
        self._mark("path")
        if not self._holding:
            self._held = None

    def let_go(self) -> None:
        """Show a computed path's handles where the path has them."""
        self._holding = False
        self._on_change()

    # gestures

    def _on_stroke(self, stroke: StrokeGesture) -> None:
        means, projection = self._state.embedding, self._cloud.projection
        if means is None or projection is None:
            return
        if isinstance(projection, Layout):
            self.refused.emit(
                "A stroke cannot be followed in a layout, whose straight lines are not those of latent space. Click "
                "samples with Edit (4) or Trace (6), or choose dimensions or principal components as Axes (Samples)."
            )
            return
        work = partial(lifted, stroke, means, projection.to_view(means))
        self._lifting.read(work, self._take_lifted, lambda error: self.error_occurred.emit(str(error)))

    def _take_lifted(self, path: LatentPath) -> None:
        self._editing.commit("draw path", path=path)

    def _drop_strokes(self) -> None:
        """Another run is being opened: nothing is drawn on the one before."""
        if self._state.embedding is None:
            self._lifting.drop()

    def _to_latent(self, xyz: np.ndarray) -> np.ndarray | None:
        projection, means = self._cloud.projection, self._state.embedding
        if projection is None or means is None:
            return None
        document = self._state.document
        if document.path is not None and len(document.path.control):
            keep = document.path.control[-1]
        else:
            keep = document.probe if document.probe is not None else means.mean(axis=0)
        return projection.from_view(xyz, keep)

    def _on_added(self, xyz: np.ndarray) -> None:
        point = self._to_latent(xyz)
        if point is None:
            return
        path = self._state.document.path
        path = LatentPath(point[None]) if path is None else thinned(path, path.kind).appended(point)
        self._editing.commit("add control point", path=path, selected_control=len(path) - 1)

    def _on_moved(self, index: int, xyz: np.ndarray) -> None:
        path, projection = self._state.document.path, self._cloud.projection
        if path is None or projection is None:
            return
        if path.recipe is not None:
            held = handles(path) if self._held is None else self._held
            if index < len(held):
                self._hold_end(index, projection.from_view(xyz, held[index]), -1)
            return
        if self._placed is not None and index == self._placed[0]:
            index = self._placed[1]
        if 0 <= index < len(path):
            point = projection.from_view(xyz, path.control[index])
            moved = path.moved(index, point)
            self._editing.live(self._grip, joins=SELECT, path=moved, selected_control=index)

    def _on_snapped(self, index: int, sample: int) -> None:
        means = self._state.embedding
        if means is not None and sample < len(means):
            self._hold_end(index, means[sample], sample)

    def _hold_end(self, index: int, place: np.ndarray, sample: int) -> None:
        path = self._state.document.path
        if path is None or path.recipe is None or index >= len(handles(path)):
            return
        held = handles(path).copy() if self._held is None else self._held.copy()
        before, held[index] = held[index].copy(), place
        if self._holding and np.array_equal(before, place):
            return  # still on the same sample
        self._held, self._holding = held, True
        self._mark("path")
        self._editing.follow(selected_control=index)
        self.end_moved.emit(index, held[index], sample)

    def _on_released(self, _: int) -> None:
        self._placed, self._grip = None, MOVE
        if self._holding:
            self._holding = False
            self.ends_released.emit()
        else:
            self._editing.settle()

    def _on_inserted(self, position: int, xyz: np.ndarray) -> None:
        path, projection = self._state.document.path, self._cloud.projection
        if path is None or projection is None:
            return
        if path.recipe is not None:
            self._insert_into_computed(path, projection, position, xyz)
            return
        keep = path.control[min(max(position - 1, 0), len(path) - 1)]
        self._insert(path.with_point(position, projection.from_view(xyz, keep)), position)

    def _insert_into_computed(self, path: LatentPath, projection: Projection, position: int, xyz: np.ndarray) -> None:
        """The path becomes a spline of a few control points; what is not drawn comes from the place on the curve."""
        curve = path.sample(CURVE_POINTS)
        nearest = int(((projection.to_view(curve) - xyz) ** 2).sum(axis=1).argmin())
        point, spline = projection.from_view(xyz, curve[nearest]), thinned(path)
        index = spline.nearest(point)[1] + 1
        self._placed = (position, index)
        self._insert(spline.with_point(index, point), index)

    def _insert(self, path: LatentPath, index: int) -> None:
        """The hand still holds the new point: until it lets go, moving that belongs to the step."""
        self._grip = INSERT
        self._editing.live(INSERT, path=path, selected_control=index)

    def remove_control(self, index: int | None) -> None:
        """Take a control point out; the last one takes the path with it, and so does the one handle of a rail."""
        path = self._state.document.path
        if path is None or index is None or not 0 <= index < len(handles(path)):
            return
        if path.recipe is not None:
            rail, path = len(handles(path)) == 1, thinned(path)
            if rail:
                self.clear()
                return
            index = len(path) - 1 if index else 0
        path = path.removed(index) if len(path) > 1 else None
        self._editing.commit("remove control point", path=path, selected_control=None)

    def _select_control(self, index: int) -> None:
        """A hand is on a control point: until it lets go it may become a drag."""
        self._editing.live(SELECT, selected_control=index if index >= 0 else None)

    def deselect_control(self) -> None:
        """No control point is selected any more."""
        self._editing.commit("deselect control point", selected_control=None)

    def clear(self) -> None:
        """Remove the path."""
        if self._state.document.path is not None:
            self._editing.commit("clear path", path=None, selected_control=None)

    def _on_kind(self, kind: str) -> None:
        path = self._state.document.path
        if path is not None and (path.kind != kind or path.recipe is not None):
            control = None if path.recipe is not None else self._state.selected_control
            path = thinned(path, kind)  # pyright: ignore[reportArgumentType]  # the view offers LatentPath's kinds
            self._editing.commit("change spline", path=path, selected_control=control)

    def _on_closed(self, closed: bool) -> None:
        path = self._state.document.path
        if path is not None and path.closed != closed:
            self._editing.commit(
                "close path" if closed else "open path", path=thinned(path, path.kind).with_closed(closed)
            )

    # showing

    def tick(self) -> None:
        """Draw the path if anything about it changed."""
        projection, path = self._cloud.projection, self._state.document.path
        if not self._dirty:
            return
        self._dirty.clear()
        if path is None or not len(path) or projection is None:  # none: a run has just begun and has no cloud yet
            self._cloud.view.set_path(None, None, None)
            self.view.set_path(None)
            self.shown.emit()
            return
        curve = projection.to_view(path.sample(CURVE_POINTS)) if len(path) > 1 else None
        control = projection.to_view(self._held if self._held is not None else handles(path))
        self._cloud.view.set_path(curve, control, self._state.selected_control, snapping=path.recipe is not None)
        self.view.set_path(path.kind, path.closed, len(path), path.length, path.recipe is not None)
        self.shown.emit()


def lifted(stroke: StrokeGesture, means: np.ndarray, view: np.ndarray) -> LatentPath:
    """The path that ``stroke`` means, on means float32 (N, d) that are drawn at view (N, 3). It takes 20 to 100 ms, and
    0.3 s more the first time, to import scipy: not to be done in the event loop. Raises ``GeometryError``."""
    from core.geometry.stroke_lifting import ScreenCamera, lift_stroke, simplify_stroke

    camera = ScreenCamera(stroke.projection, stroke.viewport)
    return simplify_stroke(lift_stroke(stroke.points, means, view, camera))


def thinned(path: LatentPath, kind: SplineKind = "catmull-rom") -> LatentPath:
    """``path`` as a spline of at most 9 control points, as few as follow it, to edit by hand.

    A path that was not computed keeps the control points it has.
    """
    if path.recipe is None:
        return path.with_kind(kind)
    wanted = path.resample(CHECKED_POINTS)
    spline = LatentPath(path.resample(2), kind=kind)
    for count in (3, 4, 5, 7, MOST_CONTROL):
        if np.linalg.norm(spline.resample(CHECKED_POINTS) - wanted, axis=1).max() <= TOLERANCE * path.length:
            break
        spline = LatentPath(path.resample(count), kind=kind)
    return spline


def handles(path: LatentPath) -> np.ndarray:
    """What a hand can hold, float32 (m, d): control points; of a computed path its two ends, or where it was laid."""
    if path.recipe is None or len(path) < 2:
        return path.control
    if path.recipe.end is None:
        return path.at(path.nearest(path.recipe.start)[0])[None]
    return path.control[[0, -1]]
