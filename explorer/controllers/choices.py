"""What was chosen last to be opened: one look at a time, whoever looks, so that none that answers late opens something
over a later choice."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Signal

from explorer.background import Background
from explorer.controllers.waiting import Waiting
from explorer.state import State
from explorer.weak_callback import weak_callback

T = TypeVar("T")


class Choice:
    """A run, project, program or images, chosen to be opened, by its ``name``. ``pending`` until it has been looked at,
    or until something else has been chosen."""

    def __init__(self, name: str, given_up: Callable[[str], object] | None = None) -> None:
        self.name, self.pending = name, True
        self.given_up = weak_callback(given_up)
        self.background: Background | None = None


class Choices(QObject):
    """A choice takes the place of the one before, whose look is dropped. One that takes several looks goes on from one
    to the next: each begins when the one before has ended."""

    given_up = Signal(str)
    """What is not opened because something else was chosen while its disk did not answer: a sentence for a person."""
    failed = Signal(str)
    """The name of a choice that cannot be opened; the one who looked says why."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self.latest: Choice | None = None
        """What was chosen last, whatever has become of it."""
        self._waiting = Waiting(state, self)

    @property
    def pending(self) -> bool:
        """Whether what was chosen last is still being looked at."""
        return self.latest is not None and self.latest.pending

    def begin(self, name: str, doing: str = "", given_up: Callable[[str], object] | None = None) -> Choice:
        """``name`` has been chosen; ``doing`` is said until ``end``. ``given_up`` gets the name of what is chosen
        before that."""
        before, self.latest = self.latest, Choice(name, given_up)
        if before is not None:
            self._give_up(before, name)
        self._waiting.begin(doing or f"Reading {name} …")
        return self.latest

    def end(self, choice: Choice) -> bool:
        """``choice`` has been looked at. Whether it is still the newest, and so to be opened."""
        newest = choice is self.latest and choice.pending
        if newest:
            choice.pending = False
            self._waiting.end()
        return newest

    def mark(self, name: str) -> Choice:
        """``name`` has been chosen, and needs no look."""
        choice = self.begin(name)
        self.end(choice)
        return choice

    def look(
        self,
        name: str,
        work: Callable[[], T],
        then: Callable[[T], object],
        failed: Callable[[Any], object],
        errors: tuple[type[Exception], ...],
        doing: str = "",
        given_up: Callable[[str], object] | None = None,
    ) -> Choice:
        """``begin``, do ``work`` beside the event loop and give its result to ``then``, one of ``errors`` to
        ``failed``; nothing to either if something else is chosen first."""
        choice = self.begin(name, doing, given_up)
        choice.background = Background(*errors)
        answered, refused = weak_callback(then), weak_callback(failed)
        choice.background.read(
            work, partial(self._on_answer, choice, answered), partial(self._on_failure, choice, refused)
        )
        return choice

    def drop(self) -> None:
        """The window closes: nothing is opened any more."""
        if self.latest is not None and self.latest.pending:
            self._stop(self.latest)

    def _on_answer(self, choice: Choice, then: Callable[[Any], object], result: Any) -> None:
        if self.end(choice):
            then(result)

    def _on_failure(self, choice: Choice, failed: Callable[[Any], object], error: Exception) -> None:
        if self.end(choice):
            failed(error)
            self.failed.emit(choice.name)

    def _give_up(self, choice: Choice, newer: str) -> None:
        if not choice.pending:
            return
        was_said = self._waiting.is_said
        self._stop(choice)
        choice.given_up(newer)
        if was_said and choice.name != newer:
            self.given_up.emit(f"{choice.name} is not opened: {newer} was chosen before its disk had answered.")

    def _stop(self, choice: Choice) -> None:
        choice.pending = False
        self._waiting.end()
        if choice.background is not None:
            choice.background.drop()
