"""`isoline watch`: follow a training in the terminal, one that runs on another machine, too. Loads no torch.

A folder that is shared over a network may answer late, show an old file again, or one before another that was written
first, and its times are those of another clock. So nothing here is told by times or by the order in which files appear:
what is new is told by the number of the step or epoch, and an end only once two looks agree on it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from core.cli.train_progress import TrainDisplay
from core.runs.directory import RunDirectory, RunError, Status
from core.runs.lock import STALE_S
from core.runs.metrics_log import MetricsTail, Record, read_records

ENDED: frozenset[Status] = frozenset({"finished", "stopped", "failed"})
LOOKS = 3
"""Looks in a row that must agree before an end is believed: a file server may still show what was there before."""
_SAID = {
    "interrupted": ("nothing is heard of the trainer: it may have been killed, or its folder shows old files", STALE_S),
    "gone": ("the folder is gone, or away", STALE_S),
}
"""What is said of a status that has lasted for so many seconds: until a first heartbeat is seen, a trainer on a machine
whose clock differs looks dead."""
QUIET_S = 10.0
"""Between two lines about the present step, where there is no terminal."""


@dataclass(frozen=True)
class Options:
    """Follow a training: losses, epoch, speed, time left, and what was found at its end. Ctrl+C ends the watching, not
    the training. In a pipe or a file: a line for each epoch and, every ten seconds, for the present step."""

    run: tyro.conf.Positional[Path]
    """The run folder, which may not be there yet."""
    interval: float = 1.0
    """Seconds between two looks."""
    once: bool = False
    """Print what is there by now, and end."""


def run(options: Options) -> int:
    """Watch until the training has ended; returns 0, or 1 if it has failed. Raises ``RunError`` where there is none."""
    if not 0.05 <= options.interval <= 3600:
        raise RunError(f"--interval is {options.interval:g}; it must be 0.05 to 3600 seconds.")
    try:
        return watch(options.run, options.once, lambda: time.sleep(options.interval))
    except KeyboardInterrupt:
        print()
        return 0


def watch(path: Path, once: bool, wait: Callable[[], object]) -> int:
    """The same; ``wait`` is called between two looks."""
    directory = _opened(path, once, wait)
    follower = RecordFollower(MetricsTail(directory.metrics_path))
    said, agreed, missing = "", 0, ""
    since = last_told = time.monotonic()
    told = False
    with TrainDisplay(directory.config, path, "waiting for the first step") as display:
        while True:
            found: list[Record] = []
            problem = ""
            status: Status | None = None
            try:
                found = list(follower.look())
                status = directory.status()
            except (RunError, OSError) as error:  # a share that is away, or a file that is being replaced
                problem = str(error)
            if problem and problem != missing:
                display.print(f"cannot be read just now: {problem}")
            missing = problem
            for record in found:
                display.record(record)
                if record.get("event") == "failed":
                    display.print(f"failed: {record.get('message', '')}")
            if found and not display.is_terminal and time.monotonic() - last_told >= QUIET_S:
                last_told = time.monotonic()
                display.print_step()
            agreed = agreed + 1 if status == said and not found else 0
            if status is not None and status != said:
                said, since, told = status, time.monotonic(), False
            if said in _SAID and not told and time.monotonic() - since >= _SAID[said][1]:
                told = True
                display.print(_SAID[said][0])
            if once or (said in ENDED and agreed >= LOOKS):
                if once:
                    display.print_step()
                    display.print(f"status: {said or 'not known'}")
                return 1 if said == "failed" else 0
            wait()


def _opened(path: Path, once: bool, wait: Callable[[], object]) -> RunDirectory:
    """The run, once its configuration is there."""
    waiting = False
    while True:
        try:
            directory = RunDirectory.open(path)
            if directory.imported is not None:
                raise RunError(f"{path} holds an imported model, which is not trained.")
            return directory
        except (RunError, OSError):
            if once or (path / "config.json").exists():
                raise
            if not waiting:
                waiting = True
                print(f"waiting for a training in {path}", file=sys.stderr, flush=True)
        wait()


class RecordFollower:
    """The records of a training as they come, none twice: when a stale cache shows the file in an older state, or a
    training that goes on from a checkpoint has written it anew, it is read from its top again."""

    def __init__(self, tail: MetricsTail) -> None:
        self._tail = tail
        self._seen: set[tuple[Any, ...]] = set()

    def look(self) -> Iterator[Record]:
        """What is new. Raises ``RunError`` or ``OSError``."""
        for record in read_records(self._tail):
            key = _key(record)
            if key not in self._seen:
                self._seen.add(key)
                yield record


def _key(record: Record) -> tuple[Any, ...]:
    """What makes a record the same: those of steps and epochs may be made anew, by a training that goes on."""
    return record.get("kind"), record.get("event"), record.get("step"), record.get("epoch"), record.get("time")
