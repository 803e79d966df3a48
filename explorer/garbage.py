"""Garbage is collected in the event loop, never in a thread beside it.

Python looks for it in whichever thread happens to need memory. There it would destroy widgets and timers that belong to
the event loop, which Qt answers with a warning or a crash.
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QCoreApplication, QTimer

LOOK_MS = 200

_timers: list[QTimer] = []


def collect_in_event_loop() -> None:
    """From now on, collect garbage here alone. To be called in the event loop's thread; again and again is fine."""
    gc.disable()
    if not _timers and QCoreApplication.instance() is not None:
        timer = QTimer()
        timer.setInterval(LOOK_MS)
        timer.timeout.connect(_collect)
        timer.start()
        _timers.append(timer)


def _collect() -> None:
    """Collect as much as Python itself would by now."""
    due = [generation for generation in range(3) if gc.get_count()[generation] > gc.get_threshold()[generation]]
    if 0 in due:
        gc.collect(max(due))
