"""A strip that says what went wrong or needs attention, without stopping work."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QPushButton, QSizePolicy, QToolButton, QWidget

from core.utils.text import counted
from explorer.widgets.controls import label, named
from explorer.widgets.layouts import Panel, column, row

READ_S = 5.0  # no message goes sooner, whatever happens
PASSING_S = 20.0  # how long one stays that asks for nothing
MOST = 3  # messages shown at a time, the newest ones
MOST_LETTERS = 2000  # of a message: a label of a million takes seconds to lay out
TICK_MS = 500


@dataclass
class _Message:
    """One message of ``source``: what a person can do about it, if anything; whether all is well; seconds until it
    has been read, and until nobody needs it any more."""

    text: str
    source: object
    action: str = ""
    calm: bool = False
    unread: float = READ_S
    needed: float = math.inf


class NoticeView(Panel):
    """Shows messages until they are dismissed, or resolved and read. Hidden while there is none.

    A message goes when its source reports success (``resolve``), when another run is opened (``resolve_all``), or, if
    it was a passing one, after a time. Seconds count only while the window is active, so that nobody misses it.
    """

    dismissed = Signal()
    action_requested = Signal(object)
    """A message's button was pressed; the ``source`` of that message."""

    def __init__(self) -> None:
        super().__init__("notice")
        self._messages: list[_Message] = []
        self._label = label("", name="notice.text", wrap=True)
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._close = named(QToolButton(), "notice.dismiss", "Dismiss")
        self._close.setAutoRaise(True)
        self._close.clicked.connect(self.dismissed)
        self._timer = QTimer(self, interval=TICK_MS)
        self._timer.timeout.connect(lambda: self.advance(TICK_MS / 1000) if self.isActiveWindow() else None)
        self._buttons = QWidget()
        row(parent=self._buttons, spacing=6)
        row(
            (self._label, 1),
            column(self._buttons, 1),
            column(self._close, 1),
            spacing=6,
            margins=(12, 6, 8, 6),
            parent=self,
        )
        self.hide()

    def show_message(
        self, text: str, source: object = None, passing: bool = False, action: str = "", calm: bool = False
    ) -> None:
        """Show ``text``. It takes the place of what ``source`` said before, once that has been read.

        ``calm``: nothing is wrong; the strip has the colour of alarm only if one of its messages is not so.
        ``action`` is the text of a button beside it; of several messages with the same one, the newest has it.
        """
        if len(text) > MOST_LETTERS:
            text = f"{text[:MOST_LETTERS]} … ({len(text):,} characters)"
        self._messages = [message for message in self._messages if message.text != text]
        self.resolve(source)
        self._messages.append(_Message(text, source, action, calm, needed=PASSING_S if passing else math.inf))
        self._show()

    def resolve(self, source: object) -> None:
        """What ``source`` had failed to do is done: its messages go once they have been read."""
        for message in self._messages:
            if message.source == source:
                message.needed = 0.0
        self.advance(0.0)

    def resolve_all(self) -> None:
        """Another run is open: all messages go once they have been read."""
        for message in self._messages:
            message.needed = 0.0
        self.advance(0.0)

    def clear(self) -> None:
        """The messages on screen go now; earlier ones that had no room come back."""
        self._messages = self._messages[:-MOST]
        self._show()

    def advance(self, seconds: float) -> None:
        """So much time has passed with the window in use."""
        for message in self._messages:
            message.needed -= seconds
        for message in self._messages[-MOST:]:  # the others are not on screen, so nobody can read them
            message.unread -= seconds
        left = [message for message in self._messages if message.unread > 0.0 or message.needed > 0.0]
        if len(left) < len(self._messages):
            self._messages = left
            self._show()

    def _show(self) -> None:
        self._label.setText(self.text())
        self._show_actions({message.action: message.source for message in self._messages[-MOST:] if message.action})
        calm = all(message.calm for message in self._messages[-MOST:])
        if calm != self.property("calm"):
            self.setProperty("calm", calm)
            self.style().polish(self)  # its colour depends on that
        self.setVisible(bool(self._messages))
        if self._messages:
            self._timer.start()
        else:
            self._timer.stop()

    def _show_actions(self, actions: dict[str, object]) -> None:
        layout = self._buttons.layout()
        assert layout is not None
        for button in self._buttons.findChildren(QPushButton, options=Qt.FindChildOption.FindDirectChildrenOnly):
            layout.removeWidget(button)
            button.setParent(None)
            button.deleteLater()
        for number, (action, source) in enumerate(actions.items()):
            button = named(QPushButton(action, self._buttons), f"notice.action{number}")
            button.clicked.connect(lambda _=False, source=source: self.action_requested.emit(source))
            layout.addWidget(button)
            button.show()
        self._buttons.setVisible(bool(actions))

    def text(self) -> str:
        """The messages on screen, one a line, the newest last, and how many there are besides."""
        lines = [message.text for message in self._messages[-MOST:]]
        earlier = len(self._messages) - len(lines)
        if earlier:
            lines.append(f"{counted(earlier, 'earlier message')}: dismiss these to read on.")
        return "\n".join(lines)
