"""The loss of every sample in the cloud, worked out in the background while points are coloured by it."""

from __future__ import annotations

from time import monotonic

import numpy as np

from core.protocol.messages import LossesMeasured, MeasureLosses
from explorer.controllers.cloud.cloud import EXCESS_BCE
from explorer.controllers.controller import Context, Controller
from explorer.controllers.requirements import missing_reconstructions
from explorer.engine_client import Outcome

RENEW_S = 10.0  # while a training changes the weights
SHOW_S = 0.5  # how often losses that have come in are shown


class ScoresController(Controller):
    """Fills ``state.losses`` as the engine finds them; unknown ones are NaN, drawn grey."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._losses: np.ndarray | None = None
        self._outdated_at: float | None = None
        self._show_at: float | None = None
        self._when((self._state.events.model, self._state.events.samples), self._forget)
        self._engine.weights_changed.connect(self._on_weights)

    def _forget(self) -> None:
        self._losses, self._request, self._outdated_at = None, None, None

    def tick(self) -> None:
        """Ask when losses are wanted and unknown or out of date; show what has come in."""
        now = monotonic()
        wanted = self._state.display.color_by == EXCESS_BCE
        outdated = self._outdated_at is not None and now >= self._outdated_at
        answered = self._request is not None and self._request.outcome is Outcome.ANSWERED
        if wanted and self._state.model is not None and (self._request is None or (outdated and answered)):
            self._ask()
        if self._show_at is not None and now >= self._show_at and self._losses is not None:
            self._show_at = None
            self._state.losses = self._losses.copy()

    def _ask(self) -> None:
        samples = self._state.samples
        if samples is None or missing_reconstructions(self._state, ""):
            return
        if self._losses is None or len(self._losses) != len(samples.indices):
            self._losses = np.full(len(samples.indices), np.nan, dtype=np.float32)
        self._outdated_at = None
        self._request = self._engine.request(MeasureLosses(indices=samples.indices), self._take)

    def _take(self, reply: LossesMeasured) -> None:
        if self._losses is None or reply.total != len(self._losses):
            return
        self._losses[reply.start : reply.start + len(reply.excess_bce)] = reply.excess_bce
        if self._show_at is None:
            self._show_at = monotonic() + SHOW_S

    def _on_weights(self) -> None:
        if self._outdated_at is None:
            self._outdated_at = monotonic() + RENEW_S

    def _renew(self) -> None:
        self._request = None
