"""Asking the engine for curves: one that follows a hand waits for the answer before it, all others go at once."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum
from time import monotonic

import numpy as np
from PySide6.QtCore import QObject, Signal

from core.paths.recipe import Recipe
from core.protocol.messages import PathTraced, TracePath
from explorer.controllers.path.trace_cache import Ends
from explorer.engine_client import EngineClient
from explorer.state import State

PATIENCE_S = 1.0  # what follows a hand waits so long for the answer before it, so that there is one at all


class Purpose(Enum):
    """What becomes of an answer."""

    PREVIEW = "shown only"
    HAND = "live, while a hand holds an end"
    STEP = "a step of its own"
    BETTER = "in the place of the path that there is"


@dataclass(frozen=True, eq=False)
class Wish:
    """A curve that is wanted; ``samples`` at its start and end, which it follows; ``quiet``: no rough answers."""

    recipe: Recipe
    samples: Ends
    purpose: Purpose
    label: str = ""
    quiet: bool = False


class TraceRequests(QObject):
    """The newest wish wins. ``answered`` gives a wish and each of its answers, ``failed`` a wish that has none."""

    answered = Signal(object, object)
    failed = Signal(object)
    sent = Signal()

    def __init__(self, state: State, engine: EngineClient) -> None:
        super().__init__()
        self._state, self._engine = state, engine
        self._asked: Wish | None = None  # its answers are awaited, or may still become something else
        self._next: Wish | None = None
        self._sent_at, self._silent = 0.0, False
        self._refined = False  # a better answer than the graph's has come

    @property
    def newest(self) -> Wish | None:
        """What is wanted now, asked for or about to be."""
        return self._next if self._next is not None else self._asked

    @property
    def asked(self) -> Wish | None:
        """What the engine was asked for, if nothing newer is wanted."""
        return self._asked if self._next is None else None

    def ask(self, wish: Wish) -> None:
        """Want ``wish`` instead of anything else."""
        self._next = wish
        self.send_due()

    def turn(self, purpose: Purpose) -> None:
        """Give what is wanted now another purpose."""
        if self._next is not None:
            self.ask(dataclasses.replace(self._next, purpose=purpose))
        else:
            self.turn_asked(purpose)

    def turn_asked(self, purpose: Purpose) -> None:
        """Give what the engine was asked for another purpose."""
        if self._asked is not None:
            self._asked = dataclasses.replace(self._asked, purpose=purpose)

    def drop(self, *purposes: Purpose) -> None:
        """Want nothing any more that has one of ``purposes``."""
        if self._next is not None and self._next.purpose in purposes:
            self._next = None
        if self._asked is not None and self._asked.purpose in purposes:
            self._asked = None

    def finish(self) -> None:
        """What the engine was asked for is there."""
        self._asked = None

    def send_due(self) -> None:
        """Ask for what is wanted, if it is its turn."""
        wish = self._next
        if wish is None or self._state.model is None:
            return
        waiting = self._asked is not None and self._silent and monotonic() - self._sent_at < PATIENCE_S
        if waiting and wish.purpose in (Purpose.PREVIEW, Purpose.HAND):
            return
        self._asked, self._next, self._silent, self._sent_at = wish, None, True, monotonic()
        self._refined = wish.quiet
        recipe = wish.recipe
        message = TracePath(
            kind=recipe.kind,
            start=recipe.start,
            end=recipe.end if recipe.end is not None else np.empty(0, dtype=np.float32),
            target=recipe.target,
            value=recipe.value if recipe.value is not None else float("nan"),
            penalty=recipe.penalty,
        )
        self._engine.request(message, self._on_traced, self._on_error)
        self.sent.emit()

    def _on_error(self, _: str) -> None:
        self._silent = False
        wish, self._asked = self._asked, None
        if wish is not None:
            self.failed.emit(wish)
        self.send_due()

    def _on_traced(self, reply: PathTraced) -> None:
        self._silent = False
        wish = self._asked
        if wish is not None:
            rough = reply.stage == "graph" and not reply.final
            if not (rough and self._refined):  # of a better graph, before it is relaxed: worse than what is shown
                self.answered.emit(wish, reply)
            self._refined = self._refined or not rough
        self.send_due()
