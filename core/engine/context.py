"""What a handler works with, and how it is registered for its message.

A handler is a generator: each ``yield`` ends a slice, True after it did something, False while it waits for something
outside, such as files being read. No slice is longer than the work on one image, so a decode never waits for more.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from core.engine.futures import any_running
from core.engine.open_model import EngineError, OpenModel
from core.engine.snapshot import SnapshotCache
from core.protocol.messages import Failed, Reply, Request, SecondWeightsChanged, WeightsChanged
from core.utils.memory import release_memory

Job = Generator[bool, None, None]
Send = Callable[[Reply], None]
"""Sends a reply to the request that is being handled; the stamp is filled in."""


class EngineContext:
    """The models that are open and what belongs to them. ``writer`` is the newest export's, also after its end."""

    def __init__(self) -> None:
        self._model: OpenModel | None = None
        self._second: OpenModel | None = None
        self._snapshots: SnapshotCache | None = None
        self.writer: Future[None] | None = None
        self._replaced = False  # a model by another one, since memory was last given back

    @property
    def model(self) -> OpenModel:
        """The open model. Raises ``EngineError`` if there is none."""
        if self._model is None:
            raise EngineError("No model is loaded. Open a run first.")
        return self._model

    @property
    def second(self) -> OpenModel:
        """The model that is compared with the open one. Raises ``EngineError`` if there is none."""
        if self._second is None:
            raise EngineError("There is no second model to compare with. Choose a run in Compare.")
        return self._second

    @property
    def snapshots(self) -> SnapshotCache:
        """What is known of the open model's samples. Raises ``EngineError`` if there is no model."""
        if self._snapshots is None:
            raise EngineError("No model is loaded. Open a run first.")
        return self._snapshots

    def open(self, model: OpenModel) -> None:
        """Hold ``model`` in place of the one before."""
        self._model, self._snapshots = model, SnapshotCache(model.run, model.inference)
        self._replaced = True

    def open_second(self, model: OpenModel | None) -> None:
        """Compare with ``model``; None: with none."""
        self._second = model
        self._replaced = True

    def poll_weights(self, send: Send) -> None:
        """Take over newer weights of either model once they are ready, and say so."""
        if self._snapshots is not None:
            self._snapshots.poll()
        for model, changed in ((self._model, WeightsChanged), (self._second, SecondWeightsChanged)):
            error = None if model is None else model.poll_weights()
            if model is None or error is None:
                continue
            if error:
                send(Failed(message=error))
                continue
            if model is self._model and self._snapshots is not None:
                self._snapshots.set_inference(model.inference)
            send(changed(step=model.step))

    @property
    def has_idle_work(self) -> bool:
        """Whether something is worth computing before it is asked for."""
        return self._snapshots is not None and self._snapshots.has_idle_work

    def do_idle_work(self) -> bool:
        """A slice of it; False if nothing was done."""
        if self.has_idle_work:
            return self._snapshots is not None and self._snapshots.do_idle_work()
        if self._replaced and not any_running():
            self._replaced = False
            gc.collect()
            release_memory()
        return False

    def close(self) -> None:
        """Let an export that is being written, whose job has been closed, remove its file."""
        if self.writer is not None:
            wait([self.writer], 0.5)


HANDLERS: dict[type[Request], tuple[int, Callable[[Any, EngineContext, Send], Job]]] = {}
"""Priority and handler of each message; of two that wait, the one with the smaller priority goes on first.

Filled by ``handles`` as the modules of core.engine.handlers are imported."""

F = TypeVar("F", bound=Callable[[Any, EngineContext, Send], Job])


def handles(message: type[Request], *, priority: int) -> Callable[[F], F]:
    """Register a handler for ``message``. It sends its replies by its third argument, the last one with ``final``; if
    it ends without one, the answer is ``Done``. An error of our own, or an OSError, is an answer too.

    Priorities: 0 opens a model, for all others are about it; 20 to 60 is what follows the mouse; above 100 whatever
    takes seconds.
    """

    def register(run: F) -> F:
        HANDLERS[message] = priority, run
        return run

    return register
