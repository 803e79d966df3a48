"""Asking the engine for traced paths, and what is known of those that it has answered.

A request that follows a drag waits for the answer before it, so that there is one at all; all others go at once.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum
from time import monotonic
from weakref import WeakKeyDictionary

import numpy as np
from PySide6.QtCore import QObject, Signal

from core.paths.latent_path import LatentPath
from core.paths.recipe import Recipe
from core.protocol.messages import PathTraced, TracePath
from explorer.controllers.path.recipe_conversion import with_handle
from explorer.engine_client import EngineClient
from explorer.state import State

PATIENCE_S = 1.0  # a request that follows a drag waits so long for the answer before it
Ends = tuple[int | None, int | None]
"""The samples at which a path starts and ends; None where a hand has placed it."""


class Purpose(Enum):
    """What becomes of an answer."""

    PREVIEW = "only shown"
    DRAG = "live, while an end is dragged"
    STEP = "an undo step of its own"
    REFINEMENT = "replaces the path in the same undo step"


@dataclass(frozen=True, eq=False)
class TraceRequest:
    """A path to be traced; ``samples`` at its start and end, which it follows; ``quiet``: no rough answers."""

    recipe: Recipe
    samples: Ends
    purpose: Purpose
    label: str = ""
    quiet: bool = False


class TraceRequests(QObject):
    """The newest request wins. ``answered`` gives a request and each of its answers, ``failed`` one without any."""

    answered = Signal(object, object)
    failed = Signal(object)
    sent = Signal()

    def __init__(self, state: State, engine: EngineClient) -> None:
        super().__init__()
        self._state, self._engine = state, engine
        self._asked: TraceRequest | None = None  # its answers are awaited, or may still become something else
        self._next: TraceRequest | None = None
        self._sent_at, self._silent = 0.0, False
        self._refined = False  # a better answer than the graph's has come

    @property
    def newest(self) -> TraceRequest | None:
        """What is wanted now, asked for or about to be."""
        return self._next if self._next is not None else self._asked

    @property
    def asked(self) -> TraceRequest | None:
        """What the engine was asked for, if nothing newer is wanted."""
        return self._asked if self._next is None else None

    def submit(self, request: TraceRequest) -> None:
        """Want ``request`` instead of anything else."""
        self._next = request
        self.send_due()

    def turn(self, purpose: Purpose) -> None:
        """Give what is wanted now another purpose."""
        if self._next is not None:
            self.submit(dataclasses.replace(self._next, purpose=purpose))
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
        request = self._next
        if request is None or self._state.model is None:
            return
        waiting = self._asked is not None and self._silent and monotonic() - self._sent_at < PATIENCE_S
        if waiting and request.purpose in (Purpose.PREVIEW, Purpose.DRAG):
            return
        self._asked, self._next, self._silent, self._sent_at = request, None, True, monotonic()
        self._refined = request.quiet
        recipe = request.recipe
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
        request, self._asked = self._asked, None
        if request is not None:
            self.failed.emit(request)
        self.send_due()

    def _on_traced(self, reply: PathTraced) -> None:
        self._silent = False
        request = self._asked
        if request is not None:
            rough = reply.stage == "graph" and not reply.final
            if not (rough and self._refined):  # of a better graph, before it is relaxed: worse than what is shown
                self.answered.emit(request, reply)
            self._refined = self._refined or not rough
        self.send_due()


@dataclass(frozen=True, eq=False)
class _Known:
    samples: Ends
    generation: int
    answer: PathTraced | None


class TracedPaths:
    """``generation`` counts how often the model or the cloud has changed."""

    def __init__(self) -> None:
        self.generation = 0
        self._known: WeakKeyDictionary[LatentPath, _Known] = WeakKeyDictionary()

    def remember(self, path: LatentPath, samples: Ends, answer: PathTraced, generation: int) -> None:
        """``path`` was just traced, by the model as it was in ``generation``."""
        self._known.pop(path, None)  # an equal path's entry would go when that path goes
        self._known[path] = _Known(samples, generation, answer)

    def adopt(self, path: LatentPath) -> None:
        """``path`` is on show; one that comes from elsewhere is good as it is, until the model changes."""
        self._known.setdefault(path, _Known((None, None), self.generation, None))

    def samples(self, path: LatentPath | None) -> Ends:
        """The samples at its ends."""
        known = self._known.get(path) if path is not None else None
        return known.samples if known is not None else (None, None)

    def answer(self, path: LatentPath | None) -> PathTraced | None:
        """The answer that ``path`` was made of."""
        known = self._known.get(path) if path is not None else None
        return known.answer if known is not None else None

    def outdated(self, path: LatentPath | None) -> bool:
        """Whether model or cloud have changed since it was traced."""
        known = self._known.get(path) if path is not None else None
        return known is not None and known.generation != self.generation

    def rough(self, path: LatentPath | None) -> bool:
        """Whether better answers were to come."""
        answer = self.answer(path)
        return answer is not None and not answer.final

    def followed(self, path: LatentPath, recipe: Recipe, means: np.ndarray | None) -> Recipe:
        """``recipe`` with its ends where the samples at the ends of ``path`` are now: ``means`` float32 (N, d)."""
        for index, sample in enumerate(self.samples(path)):
            if sample is not None and means is not None and sample < len(means):
                recipe = with_handle(recipe, index, means[sample])
        return recipe
