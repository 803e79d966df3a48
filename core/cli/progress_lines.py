"""Progress for the program that started a command: a JSON line for every percent, and an end when nobody listens."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable


def json_lines() -> Callable[[float], None]:
    """Takes shares from 0 to 1 and prints a JSON line for each percent that is reached."""
    reported = -1

    def report(fraction: float) -> None:
        nonlocal reported
        percent = int(fraction * 100)
        if percent > reported:
            reported = percent
            print(f'{{"progress": {percent / 100:.2f}}}', flush=True)

    return report


def input_closed() -> Callable[[], bool]:
    """Whether standard input has ended: the program that asked for something has cancelled it, or is gone."""
    closed = threading.Event()

    def watch() -> None:
        # The descriptor itself: a thread that waits in sys.stdin holds a lock that the end of the program needs.
        while os.read(0, 4096):
            pass
        closed.set()

    threading.Thread(target=watch, name="standard input", daemon=True).start()
    return closed.is_set


def listened_to() -> Callable[[float], None]:
    """Prints the progress, and ends the program when standard input is closed."""
    report, closed = json_lines(), input_closed()

    def told(fraction: float) -> None:
        if closed():
            raise SystemExit(1)
        report(fraction)

    return told
