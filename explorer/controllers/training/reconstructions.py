"""Truth beside reconstruction for the first validation samples, and each sample's loss; renewed as weights change."""

from __future__ import annotations

from time import monotonic

import numpy as np

from core.protocol.messages import ReconstructValidation, ValidationReconstructed
from explorer.controllers.cloud.probe import ProbeController
from explorer.controllers.controller import Context, Controller
from explorer.controllers.requirements import missing_reconstructions
from explorer.state import Model
from explorer.views.reconstructions import ReconstructionsView
from explorer.widgets.controls import on_screen

RENEW_S = 3.0
PURPOSE = "see validation images beside their reconstructions"


class ReconstructionsController(Controller):
    """Asks for pairs when a model is loaded, when their number changes, and at most every few seconds in training."""

    def __init__(self, context: Context, probe: ProbeController, view: ReconstructionsView) -> None:
        super().__init__(context)
        self._probe, self._view = probe, view
        self._count = 20
        self._due: float | None = None
        view.count_changed.connect(self._on_count)
        view.sample_chosen.connect(self._on_chosen)
        self._state.events.model.connect(self._on_model)
        self._when((self._state.events.config,), self._show_empty)
        self._engine.weights_changed.connect(self._on_weights)
        self._show_empty()

    def _on_model(self, _model: Model | None) -> None:
        self._show_empty()
        self._renew()

    def _show_empty(self) -> None:
        self._view.set_empty(missing_reconstructions(self._state, PURPOSE) or "Waiting for the reconstructions.")

    def _on_count(self, count: int) -> None:
        self._count = count
        self._renew()

    def _on_weights(self) -> None:
        if self._due is None:
            self._due = monotonic() + RENEW_S

    def _renew(self) -> None:
        self._due = None if missing_reconstructions(self._state, PURPOSE) else monotonic()

    def _show(self, reply: ValidationReconstructed) -> None:
        self._view.set_pairs(reply.indices, reply.originals, reply.reconstructions, reply.excess_bce)

    def tick(self) -> None:
        """Ask when it is time and the view can be seen."""
        if self._due is not None and monotonic() >= self._due and self._state.model and on_screen(self._view):
            self._due = None
            self._request = self._engine.request(ReconstructValidation(count=self._count), self._show)

    def _on_chosen(self, index: int) -> None:
        samples = self._state.samples
        if samples is None:
            return
        place = np.flatnonzero(samples.indices == index)
        if len(place):
            self._probe.choose(int(place[0]))
        else:
            self._state.message = f"Sample {index} is not among the points of the cloud."
