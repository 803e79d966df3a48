"""Keys for the whole window, as a person presses them."""

from __future__ import annotations

from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest


def press(program, keys: str) -> None:
    """Press ``keys`` in the window of ``program``; it takes the keyboard first."""
    program.window.activateWindow()
    QTest.keySequence(program.window.windowHandle(), QKeySequence(keys))
