"""What the controllers share, and what the program may do with any of them, whatever its subject."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal

from explorer.background import Background
from explorer.controllers.choices import Choices
from explorer.engine_client import EngineClient, Outcome, PendingRequest
from explorer.history import Editing
from explorer.main_window import MainWindow
from explorer.run_watcher import RunWatcher
from explorer.settings import Settings
from explorer.state import State


class Context:
    """The one of each that all controllers work with."""

    def __init__(self, state: State, engine: EngineClient, window: MainWindow) -> None:
        self.state, self.engine, self.window = state, engine, window
        self.editing, self.settings, self.watcher = Editing(state), Settings(), RunWatcher()
        self.choices = Choices(state)


class Controller(QObject):
    """Binds the views of one subject to state and engine. The program shows its errors, lets it tick, and ends it."""

    error_occurred = Signal(str)
    """What went wrong, and what to do next: a sentence for a person."""
    refused = Signal(str)
    """Why something cannot be done now, and what to do first. Nothing is lost, so it is shown for a time only."""
    succeeded = Signal()
    """What may have failed before has been done."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._state, self._engine, self._window = context.state, context.engine, context.window
        self._editing, self._settings, self._watcher = context.editing, context.settings, context.watcher
        self._choices = context.choices
        self._dirty: set[str] = set()  # what has to be shown again at the next tick
        self._request: PendingRequest | None = None  # the newest
        self._backgrounds: list[Background] = []
        context.engine.loaded.connect(self._on_engine_loaded)

    def tick(self) -> None:
        """Called 60 times a second, in the order in which the controllers were made: send what is due, draw what has
        changed."""

    def shut_down(self) -> None:
        """The window closes: ask threads and processes to end. Waits for nothing: the window does, for all at once."""

    def _background(self, *errors: type[Exception]) -> Background:
        """Something to read and write files with. Its reads end with the window."""
        background = Background(*errors)
        self._backgrounds.append(background)
        return background

    def drop_reads(self) -> None:
        """The window closes: nothing that is still being read is wanted."""
        for background in self._backgrounds:
            background.drop()

    @staticmethod
    def _when(signals: tuple[Any, ...], do: Callable[[], object]) -> None:
        """Call ``do`` at each of ``signals``, whatever it carries."""
        for signal in signals:
            signal.connect(lambda *_: do())

    @staticmethod
    def _when_part(signal: Any, part: str, do: Callable[[], object]) -> None:
        """Call ``do`` when ``signal``, which carries a field's new and old value, tells of another ``part`` of it."""
        signal.connect(lambda new, old: None if getattr(new, part) is getattr(old, part) else do())

    def _mark(self, *parts: str) -> None:
        self._dirty.update(parts)

    @property
    def _awaiting(self) -> bool:
        """Whether the newest request is still to be answered."""
        return self._request is not None and not self._request.done

    def _cancel_request(self) -> None:
        if self._request is not None:
            self._request.cancel()

    def _on_engine_loaded(self, loaded: object) -> None:
        if self._request is not None and self._request.outcome is Outcome.FAILED:
            self._renew()

    def _renew(self) -> None:
        """Ask again what an engine that died did not answer."""
