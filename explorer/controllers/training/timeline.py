"""The time-line under the cloud: replay how the sheet folded, epoch by epoch."""

from __future__ import annotations

from PySide6.QtCore import QTimer

from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.controller import Context, Controller
from explorer.controllers.requirements import READING
from explorer.views.timeline import TimelineView

REPLAY_MS = 350


class TimelineController(Controller):
    """Binds the slider to ``state.epoch``; playing walks through the stored epochs and ends at the newest."""

    def __init__(self, context: Context, open_run: OpenRun, view: TimelineView) -> None:
        super().__init__(context)
        self._open_run, self._view = open_run, view
        self._timer = QTimer(self)
        self._timer.setInterval(REPLAY_MS)
        self._timer.timeout.connect(self._advance)
        view.epoch_chosen.connect(open_run.show_epoch)
        view.play_toggled.connect(self._set_playing)
        events = self._state.events
        self._when((events.epochs, events.training, events.config, events.reading), self._show_epochs)
        self._state.events.epoch.connect(view.set_position)

    def _show_epochs(self) -> None:
        config = self._state.config
        expected = 0
        if config is not None and self._state.is_training:
            expected = config.training.epochs + 1  # epoch 0, before training, is stored, too
        run = self._open_run.run
        imported = run is not None and run.imported is not None
        none = "no epochs stored yet" if self._state.is_training else "no epochs stored"
        self._view.set_empty(READING if self._state.reading else "imported: no epochs" if imported else none)
        self._view.set_epochs(list(self._state.epochs), expected)

    def _set_playing(self, playing: bool) -> None:
        epochs = self._state.epochs
        if playing and epochs:
            if self._state.epoch is None or self._state.epoch >= epochs[-1]:
                self._open_run.show_epoch(epochs[0])
            self._timer.start()
        else:
            self._timer.stop()
        self._view.set_playing(self._timer.isActive())

    def _advance(self) -> None:
        if self._open_run.reading_epoch:
            return  # the disk is slower than the replay
        later = [epoch for epoch in self._state.epochs if self._state.epoch is not None and epoch > self._state.epoch]
        if later:
            self._open_run.show_epoch(later[0])
        else:
            self._set_playing(False)
            self._open_run.show_epoch(None)
