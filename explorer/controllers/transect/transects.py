"""Transects: lines through the parameter plane, and what the model makes of the images along them.

The published three are there for every run of curves; lines drawn in the plane join them. While the panel can be seen,
the engine measures the chosen one, a few points at a time. One position runs through plane, cloud, images and curves.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from core.analysis.transect import Transect, TransectError, published_transects
from core.data import polar_curves
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.controller import Context, Controller
from explorer.controllers.requirements import missing_factors
from explorer.controllers.transect.export import TransectFiles
from explorer.controllers.transect.measurement import TransectMeasuring
from explorer.controllers.transect.plane import FIRST, Plane, factor_names, is_drawn, shown_plane, spans
from explorer.views.image import ImageView
from explorer.views.parameters import ParametersView
from explorer.views.transect import TransectView
from explorer.widgets.controls import on_screen

SCRUB = "scrub transect"
NO_LINE = "Needs a line: draw one in Parameters, straight or freehand, to see the samples nearest to it."


class TransectsController(Controller):
    """Binds the transect panel to ``document.transects``, to the engine, the plane, the cloud and the image.

    ``error_occurred`` is for a person. ``tick``, called by the program's clock, shows what has changed.
    """

    def __init__(
        self,
        context: Context,
        cloud: CloudController,
        parameters: ParametersView,
        image: ImageView,
        view: TransectView,
    ) -> None:
        super().__init__(context)
        self._cloud, self._parameters, self._image, self._view = cloud, parameters, image, view
        self.measuring = TransectMeasuring(self._state, self._engine, view, self)
        self.files = TransectFiles(self)
        self._planes: WeakKeyDictionary[Transect, Plane] = WeakKeyDictionary()
        self._name = ""  # of the chosen transect: it stays chosen though its place in the list changes
        self._placed: np.ndarray | None = None  # the mean at which a scrub has put the probe
        self._visible = False
        self._dirty = {"run", "list", "cloud"}
        self._listen()

    def _listen(self) -> None:
        view, events = self._view, self._state.events
        view.transect_chosen.connect(self.choose)
        view.points_changed.connect(self.resample)
        view.picture.position_changed.connect(self.scrub)
        view.picture.released.connect(self._editing.settle)
        view.removed.connect(self.remove)
        view.export_requested.connect(self.ask_export)
        self._parameters.plane.stroke_drawn.connect(self.draw)
        self.measuring.changed.connect(lambda: self._mark("cloud"))
        self.measuring.error_occurred.connect(self.error_occurred)
        self.files.error_occurred.connect(self.error_occurred)
        self.files.written.connect(lambda path: setattr(self._state, "message", f"Exported {path}"))
        self._when((events.config, events.samples, events.model), lambda: self._mark("run", "list"))
        self._when((events.document, events.plane, events.transect), lambda: self._mark("list"))
        self._when((events.embedding, events.display), lambda: self._mark("cloud"))

    @property
    def transect(self) -> Transect | None:
        """The chosen transect."""
        chosen, transects = self._state.transect, self._state.document.transects
        return transects[chosen] if chosen is not None and chosen < len(transects) else None

    # user input

    def choose(self, index: int) -> None:
        """Show transect ``index`` of the document."""
        transects = self._state.document.transects
        if not 0 <= index < len(transects):
            return
        self._name = transects[index].name
        self._state.transect = index
        if not is_drawn(self._state):
            self._state.plane = self._plane_of(transects[index])

    def draw(self, stroke: np.ndarray) -> None:
        """Make a transect of a line float64 (m, 2) drawn in the plane, and show it."""
        transects, plane = self._offered(), shown_plane(self._state)
        numbers = [
            int(transect.name[1:]) for transect in transects if transect.name[:1] == "T" and transect.name[1:].isdigit()
        ]
        name = f"T{max(numbers, default=0) + 1}"
        try:
            made = Transect.drawn(name, stroke, spans=spans(self._state, plane))
            if is_drawn(self._state):
                low, high = zip(polar_curves.SCALE_RANGE, polar_curves.DEPTH_RANGE, strict=True)
                made.check_inside(low, high)
        except TransectError as error:
            self.error_occurred.emit(str(error))
            return
        self._planes[made] = plane
        self._name = name
        self._editing.commit(f"draw transect {name}", transects=(*transects, made))
        self._state.transect = len(transects)

    def resample(self, points: int) -> None:
        """Give the chosen transect another number of points."""
        before, chosen = self.transect, self._state.transect
        if before is None or chosen is None or points == len(before):
            return
        plane = self._plane_of(before)
        after = before.resampled(points, spans(self._state, plane))
        self._planes[after] = plane
        transects = list(self._state.document.transects)
        transects[chosen] = after
        fraction = self._state.transect_position / (len(before) - 1)
        self._editing.commit(f"points of transect {before.name}", transects=tuple(transects))
        self._state.transect_position = round(fraction * (points - 1))

    def remove(self, index: int) -> None:
        """Remove a transect that was drawn; the published ones stay."""
        transects = self._state.document.transects
        if not 0 <= index < len(transects) or transects[index].name in polar_curves.TRANSECTS:
            return
        others = transects[:index] + transects[index + 1 :]
        self._name = others[max(0, index - 1)].name if others else ""
        self._editing.commit(f"remove transect {transects[index].name}", transects=others)

    def scrub(self, position: int) -> None:
        """Go to point ``position``: plane, cloud, probe and image follow."""
        transect, measured = self.transect, self._state.measured
        if transect is None or not 0 <= position < len(transect):
            return
        self._state.transect_position = position
        x, y = transect.points[position].tolist()
        self._placed = None
        if measured is not None and transect is self.measuring.transect and self.measuring.known(position):
            self._placed = measured.mu[position]
            self._editing.live(SCRUB, cursor=(x, y), sample=None, probe=self._placed)
            self.show_image()
        else:
            self._editing.live(SCRUB, cursor=(x, y), sample=None)
        self._show_position()

    # what there is to choose from

    def _offered(self) -> tuple[Transect, ...]:
        """The document's transects; for curves the published ones are among them."""
        transects = self._state.document.transects
        if is_drawn(self._state) and not any(transect.name in polar_curves.TRANSECTS for transect in transects):
            return (*published_transects(), *transects)
        return transects

    def _plane_of(self, transect: Transect) -> Plane:
        return FIRST if is_drawn(self._state) else self._planes.get(transect, FIRST)

    def _title(self, transect: Transect) -> str:
        if is_drawn(self._state):
            return transect.name
        names = factor_names(self._state)
        return f"{transect.name}: {', '.join(names[axis] for axis in self._plane_of(transect) if axis < len(names))}"

    def _show_list(self) -> None:
        """Keep the published ones offered and the choice valid; show both in panel and plane."""
        transects = self._offered()
        if transects is not self._state.document.transects:
            self._editing.follow(transects=transects)
        names = [transect.name for transect in transects]
        chosen = names.index(self._name) if self._name in names else (0 if names else None)
        self._name = names[chosen] if chosen is not None else ""
        self._state.transect = chosen
        self._view.set_transects([self._title(transect) for transect in transects], chosen)
        self._view.set_removable(chosen is not None and names[chosen] not in polar_curves.TRANSECTS)
        plane = shown_plane(self._state)
        inside = [place for place, transect in enumerate(transects) if self._plane_of(transect) == plane]
        lines = [(names[place], transects[place].points) for place in inside]
        self._parameters.set_transects(lines, inside.index(chosen) if chosen in inside else None)
        self._show_empty()
        self._show_position()
        self._dirty.discard("list")  # what was written above is what was shown

    def _show_empty(self) -> None:
        missing = missing_factors(self._state, "see its reconstructions along a line through the parameter plane")
        self._view.set_empty("" if self.transect is not None else missing or NO_LINE)

    # each tick

    def shut_down(self) -> None:
        """Wait for a file that is being written."""
        self.files.stop()

    def tick(self) -> None:
        """Show what has changed, and measure what is due, as far as the panel can be seen."""
        visible = on_screen(self._view)
        if visible != self._visible:
            self._visible = visible
            self._mark("cloud")
        if "run" in self._dirty:
            self._placed = None
            self.measuring.reset()
        if "list" in self._dirty:
            self._show_list()
        self._dirty.discard("run")
        if visible:
            if self.transect is not self.measuring.transect:
                self._begin()
            self.measuring.tick()
        if "cloud" in self._dirty:
            self._dirty.discard("cloud")
            self._show_cloud()

    def _begin(self) -> None:
        transect = self.transect
        self._placed = None
        self.measuring.show(transect, self._plane_of(transect) if transect is not None else FIRST)
        self._show_empty()
        self._show_position()

    # showing

    def _show_position(self) -> None:
        transect, position = self.transect, self._state.transect_position
        if transect is not None and position >= len(transect):
            self._state.transect_position = position = len(transect) - 1
        place = position if transect is not None else None
        self._view.set_position(place)
        here = transect is not None and self._plane_of(transect) == shown_plane(self._state)
        self._parameters.set_transect_position(place if here else None)
        self._mark("cloud")

    def show_image(self) -> None:
        """The reconstruction at the position; again when the probe's own decode has come."""
        measured, position, shown = self._state.measured, self._state.transect_position, self.measuring.transect
        if self._placed is None or self._placed is not self._state.document.probe:
            return
        if measured is not None and shown is not None and self.measuring.known(position):
            text = f"{shown.name} · point {position + 1} of {len(shown)}"
            self._image.set_image(measured.reconstructions[position], text)

    def _show_cloud(self) -> None:
        measured, projection = self._state.measured, self._cloud.projection
        if not self._visible or measured is None or projection is None or not measured.known.any():
            self._cloud.view.set_transect(None)
        else:
            xyz = np.where(measured.known[:, None], projection.to_view(measured.mu), np.nan)
            self._cloud.view.set_transect(xyz, measured.in_hole, self._state.transect_position, measured.originals)

    # files

    def ask_export(self, kind: str) -> None:
        """Ask for a file name and write the chosen transect as png, svg, csv or npz."""
        result = self.measuring.result()
        if result is None:
            self.refused.emit(
                "The transect is not measured completely. Keep its panel open until every image has appeared."
            )
            return
        self.files.ask(kind, result, self._view.window())
