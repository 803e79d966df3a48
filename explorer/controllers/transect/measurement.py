"""Measuring a transect: asks the engine, a few points at a time, and keeps what is known of it in the state."""

from __future__ import annotations

import dataclasses
from time import monotonic

import numpy as np
from PySide6.QtCore import QObject, Signal

from core.analysis.transect import Transect, TransectResult, in_hole, nearest_distance
from core.data.dataset import DatasetError
from core.protocol.messages import MeasureTransect, TransectMeasured
from explorer.controllers.transect.plane import Plane, factor_names, nearest_samples, training_places
from explorer.engine_client import EngineClient, Outcome, PendingRequest
from explorer.state import MeasuredTransect, State
from explorer.views.transect import TransectView

RENEW_S = 4.0  # between two measurements while a training writes weights
PAUSE_S = 0.15  # after the transect has changed: a spin box that is held down steps through many


class TransectMeasuring(QObject):
    """Fills ``state.measured`` for one transect and shows its numbers and images; ``changed`` tells of either."""

    changed = Signal()
    error_occurred = Signal(str)

    def __init__(self, state: State, engine: EngineClient, view: TransectView, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state, self._engine, self._view = state, engine, view
        self.transect: Transect | None = None  # whose points are on show
        self._plane: Plane = (0, 1)
        self._request: PendingRequest | None = None  # the newest measurement's
        self._due: float | None = None
        self._renew = False  # the weights have changed since the measurement began
        self._training: tuple[Plane, np.ndarray] | None = None
        engine.weights_changed.connect(self._on_weights)
        engine.loaded.connect(self._on_loaded)

    def reset(self) -> None:
        """Another run or model: nothing that was measured holds any more."""
        self._training = None
        self.show(None, self._plane)

    def show(self, transect: Transect | None, plane: Plane) -> None:
        """Begin with ``transect``: its distances and its part in the hole are known at once. None: there is none."""
        self.transect, self._plane = transect, plane
        if self._request is not None:
            self._request.cancel()
        self._request, self._due, self._renew = None, None, False
        if transect is None:
            self._state.measured = None
            self._view.set_frames(0)
        else:
            self._state.measured = measured = self._blank(transect)
            names, (x, y) = factor_names(self._state), plane
            self._view.set_frames(len(transect))
            self._view.set_points(transect.points, (names[x], names[y]))
            self._view.set_curves(measured.excess_bce, measured.ssim, measured.distance, measured.in_hole)
            self._due = monotonic() + PAUSE_S
        self._show_summary()
        self.changed.emit()

    def tick(self) -> None:
        """Ask the engine when it is time. Call it while the panel can be seen."""
        if self._due is None or self.transect is None or self._state.model is None or monotonic() < self._due:
            return
        self._due, self._renew = None, False
        indices = nearest_samples(self._state, self.transect.points, self._plane)
        message = MeasureTransect(points=np.array(self.transect.points), indices=indices)
        self._request = self._engine.request(message, self._take, self._on_error)

    def result(self) -> TransectResult | None:
        """Everything that was measured; None until every point is known."""
        measured = self._state.measured
        if measured is None or self.transect is None or not measured.known.all():
            return None
        names = [field.name for field in dataclasses.fields(TransectResult) if field.name != "transect"]
        return TransectResult(self.transect, **{name: getattr(measured, name) for name in names})

    def known(self, position: int) -> bool:
        """Whether point ``position`` is measured."""
        measured = self._state.measured
        return measured is not None and 0 <= position < len(measured.known) and bool(measured.known[position])

    def _blank(self, transect: Transect) -> MeasuredTransect:
        count, model, config = len(transect), self._state.model, self._state.config
        size, channels, dims = (model.image_size, model.channels, model.latent_dim) if model is not None else (0, 1, 0)
        images = np.zeros((count, size, size, channels), dtype=np.uint8)
        unknown = np.full(count, np.nan)
        training = self._training_places()
        return MeasuredTransect(
            points=transect.points,
            originals=images,
            reconstructions=images,
            mu=np.full((count, dims), np.nan, dtype=np.float32),
            excess_bce=unknown,
            ssim=unknown,
            distance=nearest_distance(transect.points, training) if len(training) else unknown,
            in_hole=in_hole(transect.points, config.data) if config is not None else np.zeros(count, dtype=bool),
            known=np.zeros(count, dtype=bool),
        )

    def _training_places(self) -> np.ndarray:
        """Float64 (m, 2); looked up once for a run and a plane."""
        if self._training is None or self._training[0] != self._plane:
            try:
                training = training_places(self._state, self._plane)
            except DatasetError as error:
                self.error_occurred.emit(str(error))
                training = np.empty((0, 2))
            self._training = self._plane, training
        return self._training[1]

    # the engine

    def _on_weights(self) -> None:
        if self.transect is None:
            return
        self._renew = True  # one that is under way is finished first, or a long one never would be
        if (self._request is None or self._request.done) and self._due is None:
            self._due = monotonic() + RENEW_S

    def _on_error(self, _: str) -> None:
        self._view.set_summary("Not measured: see the message above.")

    def _on_loaded(self, _: object) -> None:
        """Measure again what an engine that died did not finish."""
        if self._request is not None and self._request.outcome is Outcome.FAILED and self._due is None:
            self._due = monotonic()
            self._show_summary()

    def _take(self, reply: TransectMeasured) -> None:
        measured = self._state.measured
        if measured is None or reply.total != len(measured.points):
            return
        stop = reply.start + len(reply.mu)
        known = measured.known.copy()
        known[reply.start : stop] = True
        parts = ("originals", "reconstructions", "mu", "excess_bce", "ssim")
        changed = {name: _spliced(getattr(measured, name), reply.start, getattr(reply, name)) for name in parts}
        self._state.measured = measured = dataclasses.replace(measured, known=known, **changed)
        self._view.set_images(reply.start, reply.originals, reply.reconstructions)
        self._view.set_curves(measured.excess_bce, measured.ssim, measured.distance, measured.in_hole)
        if reply.final:
            self._due = monotonic() + RENEW_S if self._renew else None
        self._show_summary()
        self.changed.emit()

    def _show_summary(self) -> None:
        measured = self._state.measured
        if measured is None:
            self._view.set_summary("")
            return
        if self._state.model is None:
            self._view.set_summary("The training has saved no weights yet; the images appear as soon as it does.")
            return
        known, config = measured.known, self._state.config
        punctured = config is not None and config.data.drawn and config.data.punctured
        groups = (("in the hole", measured.in_hole), ("outside", ~measured.in_hole))
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


def _spliced(before: np.ndarray, start: int, new: np.ndarray) -> np.ndarray:
    """A copy of ``before`` (n, …) with ``new`` (k, …) from ``start``; blank elsewhere if images change in size."""
    after = before.copy() if before.shape[1:] == new.shape[1:] else np.zeros((len(before), *new.shape[1:]), new.dtype)
    after[start : start + len(new)] = new
    return after
