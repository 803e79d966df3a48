"""The status bar: what is going on, which tool, how fast, on what."""

from __future__ import annotations

import math

from PySide6.QtCore import QTimer

from core.protocol.messages import DimensionEstimated, EstimateDimension
from explorer.controllers.controller import Context, Controller
from explorer.main_window import STATUS
from explorer.views.cloud import CloudView
from explorer.widgets.plain_text import plain_tip

ESTIMATE_AFTER_MS = 3000
LASTING_MS = 500
"""Of drawing a cloud: what is not drawn yet is told of from then on."""
TRAINING_TEXT = {
    "starting": "Starting the training …",
    "running": "Training",
    "paused": "Training paused",
    "stopping": "Stopping after this step …",
    "failed": "The training failed",
    "interrupted": "This training was interrupted",
    "gone": "The folder of this run was deleted or moved",
}


class StatusController(Controller):
    """Shows parts of the state as short texts."""

    def __init__(self, context: Context, cloud: CloudView) -> None:
        super().__init__(context)
        self._cloud, self._device = cloud, ""
        state, window = context.state, context.window
        state.events.mode.connect(lambda mode: window.status["mode"].setText(mode.capitalize()))
        state.events.message.connect(lambda text: window.message.setText(text))
        state.events.training.connect(self._show_training)
        self._when((state.events.embedding, state.events.selected), self._show_points)
        state.events.training.connect(self._await_dimension)
        context.engine.ready.connect(self._on_ready)
        context.watcher.records.connect(self._on_records)
        context.engine.loaded.connect(self._await_dimension)
        self._estimation = QTimer(window, singleShot=True, interval=ESTIMATE_AFTER_MS)
        self._estimation.timeout.connect(self._estimate_dimension)
        self._drawn = 0
        self._lasting = QTimer(window, singleShot=True, interval=LASTING_MS)
        self._lasting.timeout.connect(self._show_points)
        cloud.progressed.connect(self._on_progressed)
        window.status["mode"].setText(state.mode.capitalize())
        self._show_device()

    def _on_ready(self, device: str) -> None:
        self._device = device
        self._show_device()

    def _on_records(self, records: list[dict]) -> None:
        """Show the throughput of the newest step."""
        if self._state.training != "running":
            return
        rates = [record["images_per_second"] for record in records if record.get("images_per_second")]
        if rates:
            self._window.status["speed"].setText(f"{rates[-1]:.0f} images/s")

    def _show_training(self, training: str) -> None:
        if training not in ("running", "paused"):
            self._window.status["speed"].setText("")
        if training in TRAINING_TEXT:
            self._state.message = TRAINING_TEXT[training]

    def _on_progressed(self, drawn: int, count: int) -> None:
        """Of a crowd ``drawn`` points are drawn by now: told of if that lasts."""
        told = self._drawn > 0 and not self._lasting.isActive()
        if drawn == count:
            self._drawn = 0
            self._lasting.stop()
            if told:
                self._show_points()
        else:
            if not self._drawn:
                self._lasting.start()
            self._drawn = drawn
            if told:
                self._show_points()

    def _show_points(self) -> None:
        """How many are drawn, of those that have a mean, of all that the run records."""
        means, selected = self._state.embedding, self._state.selected
        every = self._state.all_samples
        count = 0 if means is None else len(means)
        of_all = f" of {len(every.indices):,}" if every is not None and count < len(every.indices) else ""
        text = f"{count:,}{of_all} points" if means is not None else ""
        if means is not None and self._drawn and not self._lasting.isActive():
            text = f"{self._drawn:,} of {count:,} points drawn"
        if selected is not None:
            text = f"{len(selected):,} of {text}"
        self._window.status["points"].setText(text)

    def _await_dimension(self, _: object = None) -> None:
        """Estimate it of a cloud that is not being trained, once what a person waits for has been answered."""
        self._window.status["points"].setToolTip(STATUS["points"])
        self._state.estimated_dimension = None
        self._estimation.start()

    def _estimate_dimension(self) -> None:
        if self._state.model is not None and not self._state.is_training:
            self._engine.request(EstimateDimension(), self._show_dimension)

    def _show_dimension(self, reply: DimensionEstimated) -> None:
        self._state.estimated_dimension = reply.dimension if math.isfinite(reply.dimension) else None
        value = reply.note or f"{reply.dimension:.2f}, 95 % interval {reply.low:.2f} to {reply.high:.2f}"
        means = self._state.embedding
        part = means is not None and 0 < reply.samples < len(means)
        points = f"each of {reply.samples:,} points" if part else "each point"
        text = f"Intrinsic dimension of the cloud, from the two nearest distances of {points} (TwoNN): {value}"
        self._window.status["points"].setToolTip(plain_tip(f"{STATUS['points']}\n{text}"))

    def _show_device(self) -> None:
        label = self._window.status["device"]
        drawing = "software drawing" if self._cloud.renderer_note else "OpenGL"
        label.setText(f"{self._device or 'engine starting'} · {drawing}")
        label.setToolTip(self._cloud.renderer_note or self._cloud.renderer_name)
