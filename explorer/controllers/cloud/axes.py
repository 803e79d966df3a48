"""Choosing what the axes of a space of many dimensions show: the most informative dimensions, and layouts.

A layout takes seconds to minutes, so a process of its own makes it and keeps it with the run: of the newest means
first, then of the epochs before. As long as that of the shown means is missing, principal components are drawn, and the
panel says so.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from core.analysis.layouts import FEWEST_SAMPLES, METHODS, NAMES, Method, read_layout, why_not_installed
from core.projects.edited import Axes
from core.protocol.messages import FindInformative, InformativeFound
from core.rendering.projection import axis_name
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.cloud import color_targets
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.controller import Context, Controller
from explorer.controllers.processes import Command, isoline_command
from explorer.views.points import PointsView

STOP_MS = 1500
NOT_LATENT = (
    "A non-linear layout shows which samples are neighbours; its distances and straight lines are not those of latent "
    "space. Probe, paths and lines stand where their nearest samples stand."
)


class AxesController(Controller):
    """Binds the axes of the Samples panel to ``state.display.axes`` and ``state.layout``."""

    def __init__(self, context: Context, open_run: OpenRun, cloud: CloudController, view: PointsView) -> None:
        super().__init__(context)
        self._open_run, self._cloud, self._view = open_run, cloud, view
        self._command: Command | None = None
        self._method: Method | None = None  # of the command
        self._files = self._background()
        self._shown: Method | None = None  # whose places ``state.layout`` has
        self._told: tuple[Axes, str] | None = None  # dimensions that were found informative, and how much so
        view.axes_changed.connect(self._on_axes)
        view.informative_requested.connect(self._find_informative)
        view.layout_cancelled.connect(self.cancel)
        for method in METHODS:
            view.set_layout_missing(method, why_not_installed(method))
        events = self._state.events
        self._when((events.embedding, events.epoch, events.training), lambda: self._mark("layout"))
        events.display.connect(lambda now, before: self._on_display(now.axes, before.axes))
        self._when((events.samples, events.attributes, events.display), self._show_label)
        open_run.opened.connect(lambda _: self._on_opened())

    def shut_down(self) -> None:
        """End the process that lays out."""
        self._stop()

    def _stop(self) -> None:
        if self._command is not None:
            command, self._command = self._command, None
            command.stop(STOP_MS)

    def _on_opened(self) -> None:
        self._stop()
        self._told = None
        self._state.layout = None
        self._mark("layout")

    # hands

    def _on_axes(self, choice: tuple) -> None:
        kind = {"pca": "principal", "axes": "dimensions"}.get(choice[0], choice[0])
        dimensions = tuple(choice[1]) if choice[0] == "axes" else self._state.display.axes.dimensions
        self._told = None
        self._choose(Axes(kind, dimensions))  # pyright: ignore[reportArgumentType]  # the view offers these kinds

    def _choose(self, axes: Axes) -> None:
        these = ", ".join(map(axis_name, axes.dimensions))
        names = {"dimensions": these, "principal": "principal components"}
        self._editing.commit(f"axes {names.get(axes.kind) or NAMES[axes.kind]}", axes=axes)

    def _on_display(self, now: Axes, before: Axes) -> None:
        if now != before:
            self._show_axes()
            self._mark("layout")

    def cancel(self) -> None:
        """Stop laying out, and draw principal components."""
        if self._command is not None:
            self._command.cancel()
        if self._state.display.axes.layout is not None:
            self._choose(Axes("principal", self._state.display.axes.dimensions))

    # the most informative dimensions

    @property
    def _label(self) -> str:
        """The label by which dimensions are chosen: what colours the points, else the first one."""
        names = color_targets.names(self._state)
        color_by = self._state.display.color_by
        return color_by if color_by in names else names[0] if names else ""

    def _show_label(self) -> None:
        self._view.set_informative(self._label)

    def _find_informative(self) -> None:
        name = self._label
        values = color_targets.values(self._state, name)
        if values is None:
            self._show_axes()
            return
        classes = bool(color_targets.categories(self._state, name))
        request = FindInformative(values=np.asarray(values, np.float64), classes=classes)
        self._view.set_axes_note(f"Looking for the dimensions that tell most about {name} …")
        self._request = self._engine.request(
            request, lambda found: self._on_informative(name, found), lambda _: self._show_axes()
        )

    def _on_informative(self, name: str, found: InformativeFound) -> None:
        axes = Axes("dimensions", found.dimensions)
        self._editing.commit(f"axes most informative about {name}", axes=axes)
        d = 0 if self._state.embedding is None else self._state.embedding.shape[1]
        these = ", ".join(map(axis_name, found.dimensions))
        self._told = (
            axes,
            f"Most informative about {name}: {these}, {found.score:.2f}; all {d} dimensions {found.all_score:.2f}, "
            f"chance {found.chance:.2f} ({found.measure}).",
        )
        self._show_axes()
        self._mark("layout")

    def _show_axes(self) -> None:
        axes = self._state.display.axes
        self._view.set_axes(("axes", axes.dimensions) if axes.kind == "dimensions" else (_CHOICES[axes.kind],))

    # layouts

    def tick(self) -> None:
        """Take a layout that has become known, or have it made."""
        if "layout" not in self._dirty:
            return
        self._dirty.clear()
        means, axes, run = self._state.embedding, self._state.display.axes, self._open_run.run
        method = axes.layout
        if method is None or means is None or run is None or means.shape[1] <= 3:
            self._state.layout = None
            if method is None and self._command is not None:
                self._stop()  # nobody wants it any more
            self._show_note("")
            return
        if method != self._shown:
            self._state.layout = None
        self._shown = method
        self._files.drop()
        taken = partial(self._on_layout, method, means)
        self._files.read(partial(read_layout, run, method, self._state.epoch, means), taken)

    def _on_layout(self, method: Method, means: np.ndarray, places: np.ndarray | None) -> None:
        """What is kept of the layout ``method`` of ``means``."""
        if self._state.embedding is not means or self._state.display.axes.layout != method:
            return  # the next tick asks for what is shown now
        self._state.layout = places
        if places is not None:
            self._show_note(NOT_LATENT)
            return
        until = f"until {NAMES[method]} has laid out this epoch, which takes half a minute or more"
        waiting = f"Principal components are drawn {until}."
        if self._state.is_training:
            self._show_note(f"{NAMES[method]} begins when the training ends. {waiting}")
        elif len(means) < FEWEST_SAMPLES:
            self._show_note(f"{NAMES[method]} needs {FEWEST_SAMPLES} samples or more; these are {len(means)}.")
        else:
            self._start(method)
            self._show_note(waiting)

    def _start(self, method: Method) -> None:
        run = self._open_run.run
        if run is None or (self._command is not None and self._method == method):
            return
        self._stop()
        arguments = ("layout", str(run.path), "--method", method, "--epochs", "all", "--progress", "json")
        self._command, self._method = Command(isoline_command(*arguments), self), method
        self._view.set_layout_progress(0.0)
        self._command.progress.connect(self._on_progress)
        self._command.finished.connect(self._on_finished)

    def _on_progress(self, share: float) -> None:
        self._view.set_layout_progress(share)
        if self._state.layout is None:
            self._mark("layout")

    def _on_finished(self, error: str) -> None:
        command, self._command = self._command, None
        self._view.set_layout_progress(None)
        if command is None or command.cancelled:
            return
        command.deleteLater()
        if error:
            self._editing.follow(axes=Axes("principal", self._state.display.axes.dimensions))
            self.error_occurred.emit(f"The cloud could not be laid out: {error}")
        else:
            self._mark("layout")

    def _show_note(self, about_layout: str) -> None:
        told = self._told[1] if self._told is not None and self._told[0] == self._state.display.axes else ""
        note, projection = about_layout or told, self._cloud.projection
        if self._state.display.axes.principal and projection is not None and projection.explained:
            shares = projection.explained
            parts = " + ".join(f"{100 * share:.0f}" for share in shares)
            note = (
                f"Explained variance: {parts} = {100 * sum(shares):.0f} % of all {len(projection.origin):,} dimensions."
            )
        self._view.set_axes_note(note)
        if self._command is None:
            self._view.set_layout_progress(None)


_CHOICES = {"principal": "pca", "umap": "umap", "pacmap": "pacmap"}
