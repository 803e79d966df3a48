"""The whole program in a window of its own, which starts no process and is gone at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication

from explorer.app import Explorer
from explorer.engine_client import EngineClient


@contextmanager
def window_alone(application: QApplication, engine: EngineClient) -> Iterator[Explorer]:
    """A program on ``engine``, no run open; not shown yet."""
    application.setStyleSheet("")  # under that of an earlier one, a window takes many times as long to build
    explorer = Explorer(application, engine, "software")
    yield explorer
    close_programs(application, [explorer])


def close_programs(application: QApplication, programs: list[Explorer]) -> None:
    """Close and delete ``programs``, with the style sheet and the objects that they leave."""
    for explorer in programs:
        explorer.window.close()
        explorer.window.deleteLater()
        explorer.deleteLater()
    application.setStyleSheet("")  # over that of windows that are gone, Qt sets no other without a crash
    application.processEvents()
    application.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # now: the next test comes before the next loop
