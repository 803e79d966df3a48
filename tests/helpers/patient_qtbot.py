"""pytest-qt's helper, with waits that end when what they wait for happens and that no busy machine can fail."""

from __future__ import annotations

from typing import Any

from pytestqt.qtbot import QtBot

PATIENCE_MS = 300_000
"""The least limit of a wait: under the limit of a test, so that a failure still names what was waited for."""


class PatientQtBot(QtBot):
    """Its waits have at least ``PATIENCE_MS``, whatever shorter limit a test names; not those that may end in vain."""

    def waitUntil(self, callback: Any, *, timeout: int = 0) -> None:
        super().waitUntil(callback, timeout=max(timeout, PATIENCE_MS))

    def waitSignal(self, signal: Any, *, timeout: int = 0, raising: bool | None = None, **options: Any) -> Any:
        limit = max(timeout, PATIENCE_MS) if raising is not False else timeout  # assertNotEmitted hopes that it passes
        return super().waitSignal(signal, timeout=limit, raising=raising, **options)

    def waitExposed(self, widget: Any, *, timeout: int = 0) -> Any:
        return super().waitExposed(widget, timeout=max(timeout, PATIENCE_MS))

    def waitActive(self, widget: Any, *, timeout: int = 0) -> Any:
        return super().waitActive(widget, timeout=max(timeout, PATIENCE_MS))
