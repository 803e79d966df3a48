"""An engine that only keeps what it is asked; a test answers by ``deliver``."""

from __future__ import annotations

from time import monotonic
from typing import Any

from core.protocol.messages import Cancel, Reply, Request
from explorer.engine_client import MAX_RESTARTS, EngineClient, OnError, OnReply, PendingRequest


class FakeEngine(EngineClient):
    """The client without a process. ``asked``: every request, oldest first; ``sent``: all that went to the engine."""

    running = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Any] = []
        self.sent: list[Any] = []

    def request(
        self, message: Request, on_reply: OnReply | None = None, on_error: OnError | None = None
    ) -> PendingRequest:
        pending = super().request(message, on_reply, on_error)
        self.asked.append(pending.message)
        return pending

    def deliver(self, reply: Reply) -> None:
        """A reply comes from the engine."""
        self._deliver(reply)

    def of(self, kind: type) -> list[Any]:
        """What was asked of one kind."""
        return [request for request in self.asked if isinstance(request, kind)]

    def die(self, deaths: int = 1) -> None:
        """The process ends, for the so manieth time within a minute, and is started again."""
        self._deaths = [monotonic()] * deaths
        self._lose("The engine was killed. It has been started again.", give_up=deaths > MAX_RESTARTS)
        if not self._given_up:
            self._restart()

    def start(self, threads: int = 1) -> None:
        self._given_up = False
        for pending in list(self._pending.values()):
            self._send(pending)

    def _write(self, message: Request) -> None:
        self.sent.append(message)
        if isinstance(message, Cancel):
            self.asked.append(message)
