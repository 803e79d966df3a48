"""What a command tells while it works and at its end: a bar for a person; for the program that started it a JSON line
for every percent, an end when nobody listens, and what was found."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from core.utils.atomic_write import write_atomic

Kind = Literal["bar", "json", "none"]


@contextlib.contextmanager
def progress_bar(label: str) -> Iterator[Callable[[float], None]]:
    """A bar on standard error, gone when it is done, if that is a terminal; takes shares from 0 to 1."""
    if not sys.stderr.isatty():
        yield lambda fraction: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=1.0)
        yield lambda fraction: bar.update(task, completed=fraction)


@contextlib.contextmanager
def reporter(kind: Kind, label: str, at_once: bool = False) -> Iterator[Callable[[float], None]]:
    """What takes the shares that are done, as ``kind`` says; ``at_once`` as for ``cancellable_lines``."""
    if kind == "bar":
        with progress_bar(label) as report:
            yield report
    else:
        yield cancellable_lines(at_once) if kind == "json" else lambda fraction: None


def write_findings(target: Path, found: dict[str, Any]) -> None:
    """Write what was found as JSON into ``target``; - for standard output. Raises ``OSError``."""
    content = msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"
    if target == Path("-"):
        sys.stdout.write(content.decode())
    else:
        write_atomic(target, content)


def input_closed(at_once: bool = False) -> Callable[[], bool]:
    """Whether standard input has ended: the program that asked for something has cancelled it, or is gone.

    ``at_once``: then this process ends, whatever it computes.
    """
    closed = threading.Event()

    def watch() -> None:
        # The descriptor itself: a thread that waits in sys.stdin holds a lock that the end of the program needs.
        while os.read(0, 4096):
            pass
        closed.set()
        if at_once:
            os._exit(1)

    threading.Thread(target=watch, name="standard input", daemon=True).start()
    return closed.is_set


def cancellable_lines(at_once: bool = False) -> Callable[[float], None]:
    """Takes shares from 0 to 1 and prints a JSON line for each percent that is reached; ends the program once standard
    input is closed. ``at_once``: without waiting for the next share, for commands that write files whole or not at all.
    """
    reported, closed = -1, input_closed(at_once)

    def report(fraction: float) -> None:
        nonlocal reported
        if fraction < 1.0 and closed():
            print("cancelled: standard input was closed", file=sys.stderr)
            raise SystemExit(1)
        percent = int(fraction * 100)
        if percent > reported:
            reported = percent
            print(f'{{"progress": {percent / 100:.2f}}}', flush=True)

    return report
