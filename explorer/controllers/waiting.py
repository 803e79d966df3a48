"""What is waited for, said in the status bar once it takes long: a disk that answers at once makes no words."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer

from explorer.state import State

SLOW_MS = 300  # a disk that has not answered by then is told of


class Waiting(QObject):
    """Says one thing at a time; ``parent`` is whoever waits."""

    def __init__(self, state: State, parent: QObject) -> None:
        super().__init__(parent)
        self._state, self._text = state, ""
        self.is_said = False
        """Whether it has taken so long that a person has been told."""
        self._slow = QTimer(self, singleShot=True, interval=SLOW_MS)
        self._slow.timeout.connect(self._say)

    def begin(self, text: str) -> None:
        """``text`` says what is waited for from now on: "Looking at /mnt/images …"."""
        self._text, self.is_said = text, False
        self._slow.start()

    def end(self) -> None:
        """It is there, or nobody wants it any more."""
        self._slow.stop()
        if self._text and self._state.message == self._text:
            self._state.message = ""
        self._text, self.is_said = "", False

    def _say(self) -> None:
        self.is_said = True
        self._state.message = self._text
