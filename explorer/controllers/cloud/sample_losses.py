"""The loss of every sample in the cloud, worked out in the background while points are coloured by it."""

from __future__ import annotations

from time import monotonic

import numpy as np

from core.protocol.messages import LossesMeasured, MeasureLosses, Reply, WeightsChanged
from explorer.controllers.cloud.cloud import EXCESS_BCE
from explorer.controllers.controller import Controller
from explorer.engine_client import EngineClient
from explorer.state import State

RENEW_S = 10.0  # while a training changes the weights
SHOW_S = 0.5  # how often losses that have come in are shown


class ScoresController(Controller):
    """Fills ``state.losses`` as the engine finds them; unknown ones are NaN, drawn grey."""

    def __init__(self, state: State, engine: EngineClient) -> None:
        super().__init__()
        self._state, self._engine = state, engine
        self._found: np.ndarray | None = None
        self._complete = False
        self._outdated_at: float | None = None
        self._show_at: float | None = None
        state.events.model.connect(lambda _: self._forget())
        state.events.samples.connect(lambda _: self._forget())
        engine.replied.connect(self._on_reply)

    def _forget(self) -> None:
        self._found, self._complete, self._outdated_at = None, False, None

    def tick(self) -> None:
        """Ask when losses are wanted and unknown or out of date; show what has come in."""
        now = monotonic()
        wanted = self._state.display.color_by == EXCESS_BCE
        outdated = self._complete and self._outdated_at is not None and now >= self._outdated_at
        if wanted and self._state.model is not None and (self._found is None or outdated):
            self._ask()
        if self._show_at is not None and now >= self._show_at and self._found is not None:
            self._show_at = None
            self._state.losses = self._found.copy()

    def _ask(self) -> None:
        samples = self._state.samples
        if samples is None:
            return
        if self._found is None or len(self._found) != len(samples.indices):
            self._found = np.full(len(samples.indices), np.nan, dtype=np.float32)
        self._complete, self._outdated_at = False, None
        self._engine.send(MeasureLosses, indices=samples.indices)

    def _on_reply(self, reply: Reply) -> None:
        if isinstance(reply, WeightsChanged) and self._outdated_at is None:
            self._outdated_at = monotonic() + RENEW_S
        elif isinstance(reply, LossesMeasured) and self._found is not None and reply.total == len(self._found):
            stop = reply.start + len(reply.excess_bce)
            self._found[reply.start : stop] = reply.excess_bce
            self._complete = stop >= reply.total
            if self._show_at is None:
                self._show_at = monotonic() + SHOW_S
