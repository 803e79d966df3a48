"""What the program may do with any controller, whatever its subject."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal


class Controller(QObject):
    """Binds the views of one subject to state and engine. The program shows its errors, lets it tick, and ends it."""

    error_occurred = Signal(str)
    """What went wrong, and what to do next: a sentence for a person."""
    refused = Signal(str)
    """Why something cannot be done now, and what to do first. Nothing is lost, so it is shown for a time only."""
    succeeded = Signal()
    """What may have failed before has been done."""

    def tick(self) -> None:
        """Called 60 times a second, in the order in which the controllers were made: send what is due, draw what has
        changed."""

    def shut_down(self) -> None:
        """The window closes: end threads and processes. Returns when they are gone."""
