"""Transects: lines through the parameter plane, and what the model makes of the images along them.

The published three are there for every run of curves; lines drawn in the plane join them. While the panel can be seen,
the engine measures the chosen one, a few points at a time. One position runs through plane, cloud, images and curves.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from time import monotonic

import numpy as np
from PySide6.QtCore import Signal

from core.analysis.transect import (
    MeasuredTransect,
    Transect,
    TransectError,
    TransectResult,
    nearest_distance,
    published_transects,
)
from core.data import polar_curves
from core.data.dataset import DatasetError
from core.protocol.messages import MeasureTransect, TransectMeasured
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.controller import Context, Controller
from explorer.controllers.plane import (
    FIRST,
    Plane,
    factor_names,
    held_out_points,
    is_drawn,
    missing_factors,
    nearest_samples,
    shown_plane,
    spans,
    training_places,
)
from explorer.controllers.requirements import missing_reconstructions
from explorer.views.image import ImageView
from explorer.views.parameters import ParametersView
from explorer.views.transect import TransectView
from explorer.widgets.controls import on_screen
from explorer.widgets.dialogs import ask_save

RENEW_S = 4.0  # between two measurements while a training writes weights
PURPOSE = "see its reconstructions along a line through the parameter plane"
PAUSE_S = 0.15  # after the transect has changed: a spin box that is held down steps through many
FILTERS = {
    "png": "PNG picture (*.png)",
    "svg": "SVG picture (*.svg)",
    "csv": "Measurements, one row per point (*.csv)",
    "npz": "All arrays (*.npz)",
}
SCRUB = "scrub transect"
NO_LINE = "Needs a line: draw one in Parameters, straight or freehand, to see the samples nearest to it."


class TransectsController(Controller):
    """Binds the transect panel to ``document.transects``, to the engine, the plane, the cloud and the image."""

    exported = Signal(str)
    """The file that has been written."""

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
        self._shown: Transect | None = None  # whose points are on show
        self._shown_plane: Plane = FIRST
        self._measure_at: float | None = None
        self._outdated = False  # the weights have changed since the measurement began
        self._training: tuple[Plane, np.ndarray] | None = None
        # A pool of one: matplotlib's first import and a large picture take seconds, and two exports may name one file.
        self._files = self._background(ValueError, OSError, MemoryError)  # ExportError, and names that are no Unicode
        self._distances = self._background()  # scipy, which finds them, takes 0.2 s of the processor to import
        self._placed: np.ndarray | None = None  # the mean at which a scrub has put the probe
        self._visible = False
        self._dirty = {"run", "list", "cloud"}
        events = self._state.events
        view.transect_chosen.connect(self.choose)
        view.points_changed.connect(self.resample)
        view.picture.position_changed.connect(self.scrub)
        view.picture.released.connect(self._editing.settle)
        view.removed.connect(self.remove)
        view.export_requested.connect(self.ask_export)
        self._parameters.plane.stroke_drawn.connect(self.draw)
        self._engine.weights_changed.connect(self._on_weights)
        self._when((events.config, events.samples, events.model), lambda: self._mark("run", "list"))
        self._when_part(events.document, "transects", lambda: self._mark("list"))
        chosen = (events.plane, events.transect, events.transect_position, events.attributes)
        self._when(chosen, lambda: self._mark("list"))
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
        plane = self._state.plane if is_drawn(self._state) else self._plane_of(transects[index])
        self._editing.commit(f"choose transect {transects[index].name}", transect=index, plane=plane)

    def draw(self, stroke: np.ndarray) -> None:
        """Make a transect of a line float64 (m, 2) drawn in the plane, and show it."""
        transects, plane = self._offered(), shown_plane(self._state)
        numbers = [
            int(transect.name[1:]) for transect in transects if transect.name[:1] == "T" and transect.name[1:].isdigit()
        ]
        name = f"T{max(numbers, default=0) + 1}"
        try:
            made = dataclasses.replace(Transect.drawn(name, stroke, spans=spans(self._state, plane)), plane=plane)
            if is_drawn(self._state):
                low, high = zip(polar_curves.SCALE_RANGE, polar_curves.DEPTH_RANGE, strict=True)
                made.check_inside(low, high)
        except TransectError as error:
            self.error_occurred.emit(str(error))
            return
        self._editing.commit(f"draw transect {name}", transects=(*transects, made), transect=len(transects))

    def resample(self, points: int) -> None:
        """Give the chosen transect another number of points."""
        before, chosen = self.transect, self._state.transect
        if before is None or chosen is None or points == len(before):
            return
        after = before.resampled(points, spans(self._state, self._plane_of(before)))
        transects = list(self._state.document.transects)
        transects[chosen] = after
        fraction = self._state.transect_position / (len(before) - 1)
        position = round(fraction * (points - 1))
        label = f"points of transect {before.name}"
        self._editing.adjust(label, transects=tuple(transects), transect_position=position)

    def remove(self, index: int) -> None:
        """Remove a transect that was drawn; the published ones stay."""
        transects = self._state.document.transects
        if not 0 <= index < len(transects) or transects[index].name in polar_curves.TRANSECTS:
            return
        others = transects[:index] + transects[index + 1 :]
        chosen = max(0, index - 1) if others else None
        self._editing.commit(f"remove transect {transects[index].name}", transects=others, transect=chosen)

    def scrub(self, position: int) -> None:
        """Go to point ``position``: plane, cloud, probe and image follow."""
        transect, measured = self.transect, self._state.measured
        if transect is None or not 0 <= position < len(transect):
            return
        x, y = transect.points[position].tolist()
        self._placed = None
        if measured is not None and transect is self._shown and measured.known[position]:
            self._placed = measured.mu[position]
            self._editing.live(SCRUB, cursor=(x, y), sample=None, probe=self._placed, transect_position=position)
            self.show_image()
        else:
            self._editing.live(SCRUB, cursor=(x, y), sample=None, transect_position=position)
        self._show_position()

    # what there is to choose from

    def _offered(self) -> tuple[Transect, ...]:
        """The document's transects; for curves the published ones are among them."""
        transects = self._state.document.transects
        if is_drawn(self._state) and not any(transect.name in polar_curves.TRANSECTS for transect in transects):
            return (*published_transects(), *transects)
        known = len(factor_names(self._state))
        if known and any(max(self._plane_of(transect)) >= known for transect in transects):
            # A line in a plane of an attribute goes with it.
            return tuple(transect for transect in transects if max(self._plane_of(transect)) < known)
        return transects

    def _plane_of(self, transect: Transect) -> Plane:
        return FIRST if is_drawn(self._state) else transect.plane

    def _title(self, transect: Transect) -> str:
        if is_drawn(self._state):
            return transect.name
        names = factor_names(self._state)
        return f"{transect.name}: {', '.join(names[axis] for axis in self._plane_of(transect) if axis < len(names))}"

    def _show_list(self) -> None:
        """Keep the published ones offered and the choice valid; show both in panel and plane."""
        before, transects = self.transect, self._offered()
        names = [transect.name for transect in transects]
        chosen = names.index(before.name) if before is not None and before.name in names else (0 if names else None)
        if transects is not self._state.document.transects or chosen != self._state.transect:
            self._editing.follow(transects=transects, transect=chosen)
        self._view.set_transects([self._title(transect) for transect in transects], chosen)
        self._view.set_removable(chosen is not None and names[chosen] not in polar_curves.TRANSECTS)
        plane = shown_plane(self._state)
        inside = [place for place, transect in enumerate(transects) if self._plane_of(transect) == plane]
        lines = [(names[place], transects[place].points) for place in inside]
        thick = inside.index(chosen) if chosen in inside else None
        self._parameters.plane.mark(transects=lines, chosen=thick)
        self._show_empty()
        self._show_position()
        self._dirty.discard("list")  # what was written above is what was shown

    def _show_empty(self) -> None:
        missing = missing_factors(self._state, PURPOSE)
        without = missing_reconstructions(self._state, PURPOSE) if self._state.model is not None else ""
        self._view.set_empty(without or ("" if self.transect is not None else missing or NO_LINE))

    # each tick

    def tick(self) -> None:
        """Show what has changed, and measure what is due, as far as the panel can be seen."""
        visible = on_screen(self._view)
        if visible != self._visible:
            self._visible = visible
            self._mark("cloud")
        if "run" in self._dirty:
            self._placed = self._training = None
            self._show_transect(None)
        if "list" in self._dirty:
            self._show_list()
        self._dirty.discard("run")
        if visible:
            if self.transect is not self._shown:
                self._placed = None
                self._show_transect(self.transect)
                self._show_empty()
                self._show_position()
            self._measure_if_due()
        if "cloud" in self._dirty:
            self._dirty.discard("cloud")
            self._show_cloud()

    # showing

    def _show_position(self) -> None:
        transect, position = self.transect, self._state.transect_position
        if transect is not None and position >= len(transect):
            position = len(transect) - 1
            self._editing.follow(transect_position=position)
        place = position if transect is not None else None
        self._view.picture.set_position(place)
        here = transect is not None and self._plane_of(transect) == shown_plane(self._state)
        self._parameters.plane.mark(position=place if here else None)
        self._mark("cloud")

    def show_image(self) -> None:
        """The reconstruction at the position; again when the probe's own decode has come."""
        measured, position, shown = self._state.measured, self._state.transect_position, self._shown
        if self._placed is None or self._placed is not self._state.document.probe:
            return
        if measured is not None and shown is not None and position < len(shown) and measured.known[position]:
            text = f"{shown.name} · point {position + 1} of {len(shown)}"
            self._image.set_image(measured.reconstructions[position], text)

    def _show_cloud(self) -> None:
        measured, projection = self._state.measured, self._cloud.projection
        if not self._visible or measured is None or projection is None or not measured.known.any():
            self._cloud.view.set_transect(None)
        else:
            xyz = np.where(measured.known[:, None], projection.to_view(measured.mu), np.nan)
            self._cloud.view.set_transect(xyz, measured.in_hole, self._state.transect_position, measured.originals)

    # measuring

    def _show_transect(self, transect: Transect | None) -> None:
        """Begin with ``transect``: its part in the hole is known at once, its distances soon. None: there is none."""
        self._shown = transect
        self._distances.drop()
        self._cancel_request()
        self._request, self._measure_at, self._outdated = None, None, False
        if transect is None:
            self._state.measured = None
        else:
            self._shown_plane = self._plane_of(transect)
            self._state.measured = self._blank(transect)
            self._measure_at = monotonic() + PAUSE_S
        self._view.set_measured(self._state.measured)
        self._show_summary()
        self._mark("cloud")
        if transect is not None and self._training is not None and len(self._training[1]):
            find = partial(nearest_distance, transect.points, self._training[1])
            self._distances.read(find, self._on_distances)

    def _on_distances(self, distances: np.ndarray) -> None:
        measured = self._state.measured
        if measured is not None:
            self._state.measured = measured = dataclasses.replace(measured, distance=distances)
            self._view.set_measured(measured, ())

    def _measure_if_due(self) -> None:
        measured, due = self._state.measured, self._measure_at
        if due is None or measured is None or monotonic() < due or missing_reconstructions(self._state, PURPOSE):
            return
        self._measure_at, self._outdated = None, False
        message = MeasureTransect(points=np.array(measured.transect.points), indices=measured.indices)
        self._request = self._engine.request(message, self._on_measured, self._on_error)

    def _blank(self, transect: Transect) -> MeasuredTransect:
        count, model = len(transect), self._state.model
        size, channels, dims = (model.image_size, model.channels, model.latent_dim) if model is not None else (0, 1, 0)
        images = np.zeros((count, size, size, channels), dtype=np.uint8)
        unknown = np.full(count, np.nan)
        if self._training is None or self._training[0] != self._shown_plane:
            try:
                training = training_places(self._state, self._shown_plane)
            except DatasetError as error:
                self.error_occurred.emit(str(error))
                training = np.empty((0, 2))
            self._training = self._shown_plane, training  # looked up once for a run and a plane
        samples, names = self._state.samples, factor_names(self._state)
        nearest = indices = np.empty(0, dtype=np.int64)
        if samples is not None and not is_drawn(self._state):
            nearest = nearest_samples(self._state, transect.points, self._shown_plane)
            indices = samples.indices[nearest].astype(np.int64)
        x, y = self._shown_plane
        return MeasuredTransect(
            transect=transect,
            originals=images,
            reconstructions=images,
            mu=np.full((count, dims), np.nan, dtype=np.float32),
            excess_bce=unknown,
            ssim=unknown,
            distance=unknown,
            in_hole=held_out_points(self._state, transect.points, nearest),
            known=np.zeros(count, dtype=bool),
            axes=(names[x], names[y]),
            indices=indices,
            files=tuple(samples.names[place] for place in nearest.tolist()) if samples and samples.names else (),
        )

    def _on_weights(self) -> None:
        if self._shown is None:
            return
        self._outdated = True  # one that is under way is finished first, or a long one never would be
        if not self._awaiting and self._measure_at is None:
            self._measure_at = monotonic() + RENEW_S

    def _on_error(self, _: str) -> None:
        self._view.set_summary("Not measured: see the message above.")

    def _renew(self) -> None:
        if self._measure_at is None:
            self._measure_at = monotonic()
            self._show_summary()

    def _on_measured(self, reply: TransectMeasured) -> None:
        measured = self._state.measured
        if measured is None or reply.total != len(measured.known):
            return
        stop = reply.start + len(reply.mu)
        known = measured.known.copy()
        known[reply.start : stop] = True
        parts = ("originals", "reconstructions", "mu", "excess_bce", "ssim")
        changed = {name: _spliced(getattr(measured, name), reply.start, getattr(reply, name)) for name in parts}
        self._state.measured = measured = dataclasses.replace(measured, known=known, **changed)
        self._view.set_measured(measured, range(reply.start, stop))
        if reply.final:
            self._measure_at = monotonic() + RENEW_S if self._outdated else None
        self._show_summary()
        self._mark("cloud")

    def _show_summary(self) -> None:
        measured = self._state.measured
        if measured is None:
            self._view.set_summary("")
            return
        if self._state.model is None:
            self._view.set_summary("The training has saved no weights yet; the images appear as soon as it does.")
            return
        known, config = measured.known, self._state.config
        punctured = config is not None and config.data.holds_out
        groups = ((measured.inside, measured.in_hole), ("outside", ~measured.in_hole))
        if not punctured:  # without a hole in the data there is no inside and no outside
            groups = (("all points", np.ones_like(known)),)
        lines = ["Mean excess BCE"] if known.any() else []
        for name, where in groups:
            values = measured.excess_bce[where & known]
            if len(values):
                lines.append(f"{name} {values.mean():#.2g} ({len(values)})")
        if not known.all():
            lines.append(f"{known.sum()} of {len(known)} measured …")
        self._view.set_summary("\n".join(lines), punctured)

    # files

    def ask_export(self, kind: str) -> None:
        """Ask for a file name and write the chosen transect as png, svg, csv or npz, as the name's ending says."""
        result = self._state.measured
        if result is None or not result.known.all() or self._distances.busy:
            self.refused.emit(
                "The transect is not measured completely. Keep its panel open until every image has appeared."
            )
            return
        name = result.transect.name
        filters = {kind: FILTERS[kind], **FILTERS}
        title, chosen = f"Export transect {name}", lambda path: self.export(Path(path), result)
        ask_save(self._view.window(), "transect", title, f"{name}.{kind}", filters, chosen)

    def export(self, path: Path, result: TransectResult) -> None:
        """Write ``result`` to ``path`` in a thread; ``exported`` or ``error_occurred`` follows."""

        def work() -> str:
            # matplotlib, which draws the pictures, takes most of a second to import: not before the first export.
            from core.analysis.transect_export import export_transect

            export_transect(path, result)
            return str(path)

        self._files.write(work, self._on_written, partial(self._on_unwritable, result.transect.name))

    def _on_written(self, path: str) -> None:
        self._state.message = f"Exported {path}"
        self.exported.emit(path)

    def _on_unwritable(self, name: str, error: Exception) -> None:
        self.error_occurred.emit(f"Transect {name} was not exported. {error}")


def _spliced(before: np.ndarray, start: int, new: np.ndarray) -> np.ndarray:
    """A copy of ``before`` (n, …) with ``new`` (k, …) from ``start``; blank elsewhere if images change in size."""
    after = before.copy() if before.shape[1:] == new.shape[1:] else np.zeros((len(before), *new.shape[1:]), new.dtype)
    after[start : start + len(new)] = new
    return after
