"""The Python program that opened this window (``isoline.explore``): it hears what a person does, and may change it."""

from __future__ import annotations

import os
import shutil
from threading import Condition, Thread

import numpy as np
from PySide6.QtCore import Signal

from core.protocol.python_channel import (
    TEMPORARY,
    Channel,
    ChannelError,
    ChannelMessage,
    CloseWindow,
    PathChanged,
    ProbeMoved,
    SelectionChanged,
    connect,
    is_given,
)
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.controller import Context, Controller
from explorer.state import Model

NOTHING = np.zeros(0, np.float32)


class PythonProgramController(Controller):
    """Does nothing unless such a program has started this process; the window closes when the program ends."""

    _received = Signal(object)

    def __init__(self, context: Context, cloud: CloudController) -> None:
        super().__init__(context)
        self._cloud = cloud
        self._channel: Channel | None = None
        self._waiting: dict[type[ChannelMessage], ChannelMessage] = {}  # the newest of each kind
        self._early: dict[type[ChannelMessage], ChannelMessage] = {}  # received before the model was open, likewise
        self._changed = Condition()
        self._ending = False
        self._abandoned = False  # the program has ended before its window: it may have been killed
        if not is_given():
            return
        self._received.connect(self._on_received)
        # In threads, because a program that is busy may be slow to read, and must not stop the window.
        self._threads = [Thread(target=work, daemon=True) for work in (self._read, self._write)]
        self._threads[0].start()
        events = self._state.events
        self._when((events.document, events.playback, events.selected, events.embedding), lambda: self._mark("program"))
        events.model.connect(self._catch_up)

    def tick(self) -> None:
        """Tell the program what has changed."""
        if "program" in self._dirty:
            self._dirty.clear()
            document, selected = self._state.document, self._state.selected
            path = document.path
            frames = NOTHING if path is None else path.resample(self._state.playback.frames)
            self._queue(ProbeMoved(z=NOTHING if document.probe is None else np.asarray(document.probe, np.float32)))
            self._queue(SelectionChanged(positions=np.asarray([] if selected is None else selected, np.int64)))
            self._queue(PathChanged(z=frames))

    def shut_down(self) -> None:
        """Leave the program's channel, and remove the temporary folder if the program cannot do so any more."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        if self._channel is not None:
            self._channel.close()
        if self._abandoned and os.environ.get(TEMPORARY):
            shutil.rmtree(os.environ[TEMPORARY], ignore_errors=True)

    def _queue(self, message: ChannelMessage) -> None:
        with self._changed:
            self._waiting[type(message)] = message
            self._changed.notify()

    def _read(self) -> None:
        try:
            self._channel = channel = connect("window")
            self._threads[1].start()
            while True:
                self._received.emit(channel.receive())
        except ChannelError:
            if not self._ending:
                self._abandoned = True
                self._received.emit(CloseWindow())

    def _write(self) -> None:
        while self._channel is not None:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ending)
                messages, self._waiting = list(self._waiting.values()), {}
                if self._ending:
                    return
            try:
                for message in messages:
                    self._channel.send(message)
            except ChannelError:  # the reader hears of it, too, and closes the window
                return

    def _on_received(self, message: ChannelMessage) -> None:
        if isinstance(message, CloseWindow):
            self._window.close()
        elif self._state.model is None:
            self._early[type(message)] = message
        else:
            self._follow(message)

    def _catch_up(self, model: Model | None) -> None:
        """The model is open: do what the program has wanted before."""
        if model is not None:
            messages, self._early = list(self._early.values()), {}
            for message in messages:
                self._follow(message)

    def _follow(self, message: ChannelMessage) -> None:
        state = self._state
        if isinstance(message, ProbeMoved) and state.model is not None and len(message.z) == state.model.latent_dim:
            self._editing.commit("move probe", probe=np.array(message.z), sample=None)
        elif isinstance(message, SelectionChanged) and state.embedding is not None:
            positions = message.positions[(message.positions >= 0) & (message.positions < len(state.embedding))]
            self._cloud.select(positions, False)
