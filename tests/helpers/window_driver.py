"""Keys for the whole window, as a person presses them, and the notice that is read in it."""

from __future__ import annotations

from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest


def press(program, keys: str) -> None:
    """Press ``keys`` in the window of ``program``; it takes the keyboard first."""
    program.window.activateWindow()
    QTest.keySequence(program.window.windowHandle(), QKeySequence(keys))


def notice(program) -> str:
    """The text of the notice in the window of ``program``; "" if none is shown."""
    return program.window.notice.text() if program.window.notice.isVisible() else ""
