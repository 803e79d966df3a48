"""An engine that only keeps what it is asked; a test answers through ``replied``."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal


class FakeEngine(QObject):
    """What controllers know of the engine's client. ``asked``: every request, oldest first."""

    started = Signal()
    replied = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.asked: list = []

    def send(self, kind: type, /, **fields: object) -> int:
        """Keep the request; its stamp comes back."""
        self.asked.append(kind(stamp=len(self.asked) + 1, **fields))
        return len(self.asked)

    def of(self, kind: type) -> list:
        """What was asked of one kind."""
        return [request for request in self.asked if isinstance(request, kind)]
