"""Gridlines: factor curves all over the cloud, traced by the engine, and traced again while a training goes on.

One request is on its way at a time: asked for more often than it can answer, the engine would never finish any.
"""

from __future__ import annotations

import re
from time import monotonic

import numpy as np

from core.protocol.messages import ComputeGridlines, GridlinesComputed
from explorer.controllers.cloud import color_targets
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.controller import Context, Controller
from explorer.controllers.plane import shown_plane
from explorer.state import State

PAUSE_S = 1.0  # between two requests while a training changes the cloud
RETRY_S = 10.0  # after a failure: its message must not come back every second
OLD_EPOCH = "Gridlines can be traced on the newest cloud only. Go to the end of the time line to see them."
NO_FACTORS = "Gridlines need two factors, and none are known for these images. Measure attributes to use instead."
ONE_FACTOR = (
    "Gridlines need two factors; only {name} is known for these images. Measure an attribute to use as the other."
)
ONE_VARIES = "Gridlines need two factors that vary; of these images' factors only {name} does."
NONE_VARIES = "Gridlines need two factors that vary; of these images' factors none does."
FLAT = "Gridlines need two latent dimensions or more; this model has one."


class GridlinesController(Controller):
    """Binds ``state.gridlines_shown`` to engine and cloud."""

    def __init__(self, context: Context, cloud: CloudController) -> None:
        super().__init__(context)
        self._cloud = cloud
        self._families: tuple[str, ...] = ()  # whose gridlines are wanted now; (): none are
        self._dimension = 0  # of the surface on which they run, 0: the estimated one
        self._traced: GridlinesComputed | None = None
        self._traced_dimension = 0
        self._stale = True
        self._due = 0.0
        self._reported = ""  # about the gridlines shown: traced again, they report only what is new
        self._reason = ""  # why there are none, as it was reported
        self._dirty = {"families", "lines"}
        events = self._state.events
        choosing = (events.gridlines_shown, events.samples, events.config, events.plane, events.epoch, events.trace)
        self._when(choosing, lambda: self._mark("families"))
        self._when((events.embedding, events.attributes), self._on_other_data)
        self._when((events.display,), lambda: self._mark("lines"))
        self._when((events.model,), self._forget)
        self._engine.weights_changed.connect(self._on_weights)

    @property
    def complete(self) -> bool:
        """Whether the gridlines that are wanted are on the cloud."""
        traced = (self._traced.families, self._traced_dimension) if self._traced is not None else None
        return bool(self._families) and traced == (self._families, self._dimension)

    def toggle(self) -> None:
        """Show gridlines, or hide them."""
        self._reported = self._reason = ""
        self._state.gridlines_shown = not self._state.gridlines_shown

    # what has changed

    def _on_other_data(self) -> None:
        self._stale = True
        self._mark("families", "lines")

    def _forget(self) -> None:
        """Another model."""
        self._cancel_request()
        self._traced, self._stale, self._due = None, True, 0.0
        self._mark("families", "lines")

    def _on_weights(self) -> None:
        self._stale = True

    def _renew(self) -> None:
        self._stale, self._due = True, 0.0

    def _on_computed(self, reply: GridlinesComputed) -> None:
        self._traced, self._traced_dimension = reply, self._dimension  # of another one, the request was cancelled
        self._mark("lines")
        self._report(reply)

    def _on_error(self, _: str) -> None:
        self._traced = None
        self._due = monotonic() + RETRY_S
        self._mark("lines")

    def _report(self, reply: GridlinesComputed) -> None:
        about = f"Gridlines of {' and '.join(reply.families)}"
        text = f"{about}: {reply.note}" if reply.note else about
        report = re.sub(r"\d+", "", text)  # another number of lines that could not be traced is no news
        if report != self._reported:
            self._reported = report
            lines = len(set(zip(reply.family.tolist(), reply.values.tolist(), strict=True)))
            self._state.message = text if reply.note else f"{text}: {lines} lines in {reply.milliseconds:.0f} ms"

    # each tick

    def tick(self) -> None:
        """Ask the engine when it is time, and show what has changed. Call it after the cloud has been redrawn."""
        if "families" in self._dirty:
            self._choose_families()
        if "lines" in self._dirty:
            self._show()
        self._dirty.clear()
        ready = bool(self._families) and self._state.model is not None and not self._awaiting
        if ready and self._stale and monotonic() >= self._due:
            self._stale, self._due = False, monotonic() + PAUSE_S
            message = ComputeGridlines(families=self._families, dimension=self._dimension)
            self._request = self._engine.request(message, self._on_computed, self._on_error)

    def _choose_families(self) -> None:
        families, dimension = self._wanted(), self._state.trace.dimension or 0
        if (families, dimension) == (self._families, self._dimension):
            return
        if dimension != self._dimension:
            self._cancel_request()
            self._renew()
        self._families, self._dimension = families, dimension
        if families and not self.complete:
            self._cancel_request()
            self._renew()
            self._reported = ""  # else the message below would stay
            self._state.message = f"Tracing gridlines of {' and '.join(families)} …"
        self._mark("lines")

    def _wanted(self) -> tuple[str, ...]:
        """The two factors of the gridlines, () if they cannot be traced; then the status bar says why."""
        state = self._state
        if not state.gridlines_shown or state.embedding is None or state.samples is None:
            return ()
        families, reason = _families(state)
        if state.epoch is not None:
            reason = OLD_EPOCH
        elif state.embedding.shape[1] < 2:
            reason = FLAT
        if reason and reason != self._reason:
            state.message = reason
        self._reason = reason
        return () if reason else families

    def _show(self) -> None:
        traced, projection, means = self._traced, self._cloud.projection, self._state.embedding
        if traced is None or projection is None or means is None or not self.complete:
            self._cloud.view.set_gridlines(None)
        elif traced.points.shape[1] == means.shape[1]:
            xyz = projection.to_view(traced.points)
            self._cloud.view.set_gridlines(xyz, traced.starts, traced.family, traced.values, traced.families)


def _families(state: State) -> tuple[tuple[str, ...], str]:
    """Two factors (or attributes) for the gridlines, and "", or () and why there are none."""
    numbers, names = color_targets.numbers(state), color_targets.names(state)
    if len(numbers) < 2:
        return (), ONE_FACTOR.format(name=numbers[0]) if numbers else NO_FACTORS
    vary = [i for i, name in enumerate(names) if _varies(state, name)]
    if len(vary) < 2:
        return (), ONE_VARIES.format(name=names[vary[0]]) if vary else NONE_VARIES
    plane = shown_plane(state)
    chosen = plane if set(plane) <= set(vary) else vary[:2]
    return (names[chosen[0]], names[chosen[1]]), ""


def _varies(state: State, name: str) -> bool:
    values = color_targets.values(state, name)
    if color_targets.categories(state, name):
        return False
    known = values[np.isfinite(values)] if values is not None else np.empty(0)
    return len(known) > 0 and bool(known.min() < known.max())
