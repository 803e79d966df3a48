"""The cloud: which points, in which colours, along which axes; clicks and the probe in it."""

from __future__ import annotations

from functools import partial

import numpy as np
from PySide6.QtCore import Qt, Signal

from core.analysis.layouts import NAMES
from core.projects.edited import Axes, Display, Document
from core.protocol.figures import Colouring
from core.protocol.messages import FindThumbnail, ThumbnailFound
from core.rendering import colormaps
from core.rendering.class_colours import UNKNOWN, class_colours
from core.rendering.point_colours import DENSITY, SPLIT, point_colours, value_range
from core.rendering.projection import Projection, along_components, along_dimensions, laid_out
from core.runs.directory import ProbeSet
from core.utils.text import counted
from explorer.controllers.cloud import color_targets
from explorer.controllers.cloud.color_targets import GROUPS
from explorer.controllers.cloud.probe import ProbeController
from explorer.controllers.controller import Context, Controller
from explorer.controllers.requirements import missing_originals, missing_reconstructions
from explorer.state import State
from explorer.views.cloud import CloudView, LegendEntry, Mode
from explorer.views.points import PointsView

EXCESS_BCE = "excess BCE"
NO_COLOUR = "one colour"
RESERVED_NAMES = (GROUPS, EXCESS_BCE, SPLIT, DENSITY, NO_COLOUR)
"""What colours the points beside factors and attributes."""


class CloudController(Controller):
    """Binds cloud and display panel to the state; what changed is shown at the next ``redraw``.

    ``colours_changed`` gives the points' colours, uint8 (N, 4), to whatever else draws the samples; ``colours`` are the
    newest ones, None without a cloud; ``colouring`` says what they mean.
    """

    colours_changed = Signal(object)

    def __init__(self, context: Context, probe: ProbeController, view: CloudView, points: PointsView) -> None:
        super().__init__(context)
        self._probe, self.view, self._points = probe, view, points
        self.projection: Projection | None = None
        self._drawn: tuple[np.ndarray, Axes, np.ndarray | None] | None = None  # what the points are of
        self.colours: np.ndarray | None = None
        self.colouring = Colouring()
        self._fresh = True
        self._latent_dim = 0  # of the cloud before
        self._uncoloured = False  # for want of anything to colour by, not because a person wants it so
        state, events = self._state, self._state.events
        events.embedding.connect(self._on_embedding)
        self._when((events.samples, events.attributes, events.groups, events.model), self._on_samples)
        self._when((events.losses, events.selected, events.hidden, events.theme), lambda: self._mark("colours"))
        events.layout.connect(lambda _: self._on_layout())
        events.display.connect(self._on_display)
        events.document.connect(lambda _: self._mark("marks"))
        self._when((events.training, events.reading), self._show_awaited)
        events.mode.connect(lambda mode: self.view.set_mode(Mode(mode)))
        events.hovered.connect(lambda index: self.view.set_hovered(index))
        self.view.hovered.connect(self.hover)
        self.view.clicked.connect(self._on_click)
        self.view.probe_moved.connect(self._on_probe_moved)
        self.view.probe_released.connect(self._editing.settle)
        self.view.picked.connect(self.select)
        self.view.finished.connect(self._on_finished)
        self.view.legend.toggled.connect(self._on_class_toggled)
        self.view.legend.isolated.connect(self._on_class_isolated)
        self.view.legend.all_requested.connect(lambda: self._editing.commit("show all classes", hidden=frozenset()))
        editing = self._editing
        self._points.color_by_changed.connect(self._on_color_by_changed)
        self._points.colormap_changed.connect(lambda name: editing.commit(f"colours {name}", colormap=name))
        self._points.size_changed.connect(lambda size: editing.adjust("point size", point_size=size))
        self._points.opacity_changed.connect(lambda opacity: editing.adjust("opacity", opacity=opacity))
        self._points.set_look(state.display.colormap, state.display.point_size, state.display.opacity)

    def _on_embedding(self, means: np.ndarray | None) -> None:
        self._mark("points", "marks")
        if means is None:  # another run is being opened: its cloud is shown whole, wherever the camera was
            self._fresh = True

    def _on_layout(self) -> None:
        self._mark("points", "marks")
        self._fresh = True  # another scale: shown whole, wherever the camera was

    def _on_display(self, display: Display) -> None:
        self._mark("points", "colours", "marks")
        self._points.set_look(display.colormap, display.point_size, display.opacity)
        self._points.set_color_by(display.color_by)
        self._keep_colour()

    # gestures

    def _on_click(self, index: int, modifiers: Qt.KeyboardModifier) -> None:
        if modifiers & Qt.KeyboardModifier.ShiftModifier:
            self.select(np.array([index]), True)
        else:
            self._probe.choose(index)

    def _on_probe_moved(self, xyz: np.ndarray) -> None:
        probe = self._state.document.probe
        if self.projection is not None and probe is not None:
            self._probe.move(self.projection.from_view(xyz, probe))

    def _on_finished(self) -> None:
        """Enter: the path is as it should be."""
        if self._state.mode in ("draw", "edit", "trace"):
            self._editing.follow(selected_control=None)
            self._state.mode = "orbit"

    def _class_name(self, place: int) -> str:
        return next((entry.name for entry in self.view.legend.entries if entry.place == place), UNKNOWN)

    def _on_class_toggled(self, place: int) -> None:
        hidden = self._state.hidden ^ {place}
        self._editing.commit(f"{'hide' if place in hidden else 'show'} {self._class_name(place)}", hidden=hidden)

    def _on_class_isolated(self, place: int) -> None:
        """Show one class alone; all of them if it is alone already."""
        others = frozenset(entry.place for entry in self.view.legend.entries) - {place}
        if self._state.hidden == others:
            self._editing.commit("show all classes", hidden=frozenset())
        else:
            self._editing.commit(f"show only {self._class_name(place)}", hidden=others)

    def hover(self, index: int) -> None:
        """Sample ``index`` is under the mouse, -1: none."""
        self._state.hovered = None if index < 0 else index
        samples, model = self._state.samples, self._state.model
        if samples is None or model is None or not model.has_originals or not samples.has_thumbnails:
            return
        if len(samples.thumbnails) <= index < len(samples.indices):
            request = FindThumbnail(index=int(samples.indices[index]))
            self._engine.request(request, partial(self._on_thumbnail, samples, index))

    def _on_thumbnail(self, samples: ProbeSet, index: int, found: ThumbnailFound) -> None:
        if samples is self._state.samples:
            self.view.set_late_thumbnail(index, found.image)

    def select(self, indices: np.ndarray, add: bool) -> None:
        """Select the samples ``indices`` (k,), or with ``add`` these, too."""
        before, positions = self._state.selected, np.unique(np.asarray(indices, dtype=np.int64))
        if add and before is not None:
            positions = np.union1d(before, positions)
        if len(positions):
            self._editing.commit(f"select {counted(len(positions), 'sample')}", selected=positions)
        else:
            self._editing.commit("clear selection", selected=None)

    # showing

    def _on_color_by_changed(self, name: str) -> None:
        self._uncoloured = False
        self._editing.commit(f"colour by {name}", color_by=name, hidden=frozenset())

    def _show_awaited(self) -> None:
        state = self._state
        self.view.set_awaited("run" if state.reading else "training" if state.is_training else "")

    def _on_samples(self) -> None:
        self._mark("colours", "thumbnails")
        self._points.set_measurable("" if self._state.model is None else missing_originals(self._state, ""))
        self._points.set_color_options(self._colour_options())
        if self._state.samples is None and self._uncoloured:
            self._editing.follow(color_by="")
        self._keep_colour()
        self._points.set_color_by(self._state.display.color_by)

    def _colour_options(self) -> list[str]:
        """What the points can be coloured by."""
        if self._state.samples is None:
            return []
        names = color_targets.names(self._state)
        without_losses = self._state.model is not None and bool(missing_reconstructions(self._state, ""))
        left_out = {EXCESS_BCE} if without_losses else set()
        split = self._state.samples.split
        if np.all(split == split[:1]):  # np.unique would import masked arrays while the first cloud is awaited
            left_out.add(SPLIT)  # all are on one side
        if not self._state.groups or GROUPS in names:
            left_out.add(GROUPS)
        if DENSITY in names:
            left_out.add(DENSITY)
        return [*names, *(name for name in RESERVED_NAMES if name not in left_out)]

    def _keep_colour(self) -> None:
        """Colour the points by something that there is."""
        options, names = self._colour_options(), color_targets.names(self._state)
        if options and self._state.display.color_by not in options:
            self._uncoloured = not names
            self._editing.follow(color_by=options[0] if names else NO_COLOUR, hidden=frozenset())

    def tick(self) -> None:
        """Hand the view what has changed since the last call."""
        if not self._dirty:
            return
        if "points" in self._dirty:
            self._show_points()
        dirty, self._dirty = self._dirty, set()
        if "colours" in dirty:
            self._show_colours()
        if "thumbnails" in dirty:
            samples = self._state.samples
            has_images = samples is not None and samples.has_thumbnails
            self.view.set_thumbnails(samples.thumbnails if samples is not None and has_images else None)
            self.view.set_hover_label(partial(_label, self._state))
        if "marks" in dirty:
            self._show_marks(self._state.document)

    def _show_points(self) -> None:
        means, display = self._state.embedding, self._state.display
        if means is None:
            self.projection, self._drawn = None, None
            self.view.set_points(np.empty((0, 3), dtype=np.float32))
            return
        if means.shape[1] != self._latent_dim:
            if self._latent_dim:
                self._forget_axes(means.shape[1])
                display = self._state.display
            self._latent_dim = means.shape[1]
        if self._drawn is None or not _are(self._drawn, means, display.axes, self._state.layout):
            self._place_points(means, display.axes)
        self.view.set_point_size(display.point_size)
        self.view.set_opacity(display.opacity)

    def _place_points(self, means: np.ndarray, axes: Axes) -> None:
        """Find where the samples stand, which takes long in many dimensions."""
        before, layout = self.projection, self._state.layout
        self.projection = make_projection(axes, means.shape[1], means, layout)
        self._drawn = means, axes, layout
        if (
            before is None
            or before.labels != self.projection.labels
            or before.basis.shape != self.projection.basis.shape
        ):
            self.view.set_axes(self.projection.labels, self.projection.dims)
            self._points.set_latent_dim(means.shape[1])
        if len(means) != self.view.point_count:
            self._dirty.add("colours")
        self.view.set_points(self.projection.to_view(means))
        if self._fresh:
            self._fresh = False
            self.view.home()

    def _forget_axes(self, latent_dim: int) -> None:
        """The axes chosen for a cloud of other dimensions mean nothing in one of ``latent_dim``."""
        principal = self._state.display.axes.kind != "dimensions" and latent_dim > 3  # at most three need no choice
        self._points.set_latent_dim(latent_dim)
        self._editing.refine(axes=Axes("principal" if principal else "dimensions"))

    def _show_colours(self) -> None:
        means = self._state.embedding
        if means is None:
            self.colouring = Colouring()
            self.view.set_density("")
            self.view.set_colorbar("", 0.0, 1.0, None)
            self._share_colours(None)
            return
        self.colouring = colouring = self._colouring(len(means))
        self._points.set_mapped(self._state.display.color_by != NO_COLOUR and not colouring.classes)
        self.view.set_density(colouring.colormap if colouring.density else "", colouring.selected is not None)
        if colouring.density:
            self.view.set_legend("", ())
        elif not len(colouring.values):
            self.view.set_colorbar("", 0.0, 1.0, None)
        elif colouring.classes:
            self.view.set_legend(colouring.name, self._legend(colouring))
        else:
            lut = colormaps.lut(colouring.colormap, self._state.theme.plot)
            self.view.set_colorbar(colouring.name, colouring.low, colouring.high, lut)
        colours = point_colours(colouring, len(means), self._state.theme)
        self.view.set_colors(colours)
        self._share_colours(colours)

    def _colouring(self, count: int) -> Colouring:
        """What colours ``count`` points now."""
        state, display = self._state, self._state.display
        values = self._values(display.color_by, count)
        if values is None and display.color_by == DENSITY:
            return Colouring(colormap=display.colormap, selected=state.selected, density=True)
        if values is None:
            return Colouring(selected=state.selected, opacity=display.opacity)
        classes = color_targets.classes(state, display.color_by)
        # A few bad reconstructions must not flatten the colours of all others.
        outliers = 0.01 if display.color_by == EXCESS_BCE else 0.0
        low, high = (0.0, 1.0) if classes else value_range(values, outliers)
        return Colouring(
            display.color_by,
            np.asarray(values, dtype=np.float64),
            low,
            high,
            display.colormap,
            classes,
            tuple(sorted(state.hidden)) if classes else (),
            state.selected,
            display.opacity,
            color_targets.unknown(state, display.color_by),
        )

    def _share_colours(self, colours: np.ndarray | None) -> None:
        self.colours = colours
        self.colours_changed.emit(colours)

    def _values(self, name: str, count: int) -> np.ndarray | None:
        """What colours the points, float (N,); None where nothing does."""
        values = self._state.losses if name == EXCESS_BCE else color_targets.values(self._state, name)
        return values if values is not None and len(values) == count and np.isfinite(values).any() else None

    def _legend(self, colouring: Colouring) -> list[LegendEntry]:
        """An entry for each class that a sample has, and one for those whose class is not known."""
        values, classes = colouring.values, colouring.classes
        known = values[np.isfinite(values)].astype(np.int64)
        counts = np.bincount(known, minlength=len(classes)).tolist()
        hidden, colours = self._state.hidden, class_colours(len(classes), self._state.theme.plot)[:, :3].tolist()
        groups = color_targets.by_groups(self._state, colouring.name)
        also = color_targets.also_before(self._state.groups) if groups else [0] * len(classes)
        entries = [
            LegendEntry(place, name, tuple(colours[place]), counts[place], place in hidden, also[place])
            for place, name in enumerate(classes)
            if counts[place]
        ]
        unknown = len(values) - len(known)
        if unknown:
            entries.append(LegendEntry(-1, colouring.unknown, colormaps.MISSING, unknown, -1 in hidden))
        return entries

    def _show_marks(self, document: Document) -> None:
        if self.projection is None:
            self.view.set_probe(None)
            self.view.set_selected(None)
            return
        probe = document.probe
        self.view.set_probe(self.projection.to_view(probe) if probe is not None else None)
        self.view.set_selected(document.sample)


def _are(drawn: tuple[np.ndarray, Axes, np.ndarray | None], means: np.ndarray, axes: Axes, layout: object) -> bool:
    return drawn[0] is means and drawn[1] == axes and drawn[2] is layout


def make_projection(
    axes: Axes, latent_dim: int, embedding: np.ndarray | None, layout: np.ndarray | None = None
) -> Projection:
    """The projection that ``axes`` asks for; principal components need an ``embedding`` (N, d).

    They stand in for a layout as long as its places (N, 3) are not known.
    """
    if axes.layout is not None and embedding is not None and layout is not None and len(layout) == len(embedding):
        return laid_out(embedding, layout, NAMES[axes.layout])
    if axes.kind != "dimensions" and embedding is not None and len(embedding) > 1:
        return along_components(embedding)
    return along_dimensions(axes.dimensions, latent_dim)


def _label(state: State, place: int) -> str:
    """What hovering says of a sample: its file or number, then what is known of it; empty for one that is not known."""
    samples = state.samples
    if samples is None or place >= len(samples.indices):
        return ""
    lines = [color_targets.sample_name(samples, place)]
    for name in color_targets.names(state):
        values, categories = color_targets.values(state, name), color_targets.categories(state, name)
        value = float(values[place]) if values is not None else np.nan
        known = color_targets.said(value, categories) if categories or value != value else f"{value:.3f}"
        lines.append(f"{name} = {known}")
    return "\n".join(lines)
