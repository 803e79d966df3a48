"""Waiting for what threads hand to the event loop, where there is no qtbot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from patient_qtbot import PATIENCE_MS
from PySide6.QtCore import QCoreApplication

from explorer.run_watcher import RunWatcher


def process_events_until(true: Callable[[], bool]) -> None:
    """Process events until ``true()``; fails the test if that takes too long."""
    end = monotonic() + PATIENCE_MS / 1000
    while not true():
        assert monotonic() < end, f"waited {PATIENCE_MS / 1000:.0f} s in vain"
        QCoreApplication.processEvents()
        sleep(0.001)


def open_run(explorer: Any, run: Path) -> None:
    """Open ``run`` in the program ``explorer``, and wait until what is there now has been read."""
    explorer.open_run.open(run)
    process_events_until(lambda: not explorer.open_run.opening)
    finish_look(explorer.watcher)


def finish_look(watcher: RunWatcher) -> None:
    """Wait until all that is new by now in what ``watcher`` watches has been emitted."""
    looked: list[bool] = []
    watcher.look(lambda: looked.append(True))
    process_events_until(lambda: bool(looked))
