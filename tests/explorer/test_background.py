"""Work beside the event loop: in order, reported in the event loop, and never waited for."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from functools import partial
from time import monotonic
from weakref import ref

import pytest
from PySide6.QtCore import QObject, QTimer

from core.runs.directory import RunError
from explorer.background import Background, finish_writing


class Disk:
    """A disk that does not answer until it is told to."""

    def __init__(self) -> None:
        self.answers = threading.Event()

    def read(self, value: object) -> object:
        self.answers.wait()
        return value


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    yield made
    made.answers.set()


def test_results_come_in_order_in_the_event_loop(qtbot):
    background, seen = Background(), []
    for number in range(5):
        background.read(lambda number=number: (number, threading.current_thread()), seen.append)
    assert seen == []
    assert background.busy
    background.read(threading.current_thread, lambda thread: seen.append((thread, threading.current_thread())))
    qtbot.waitUntil(lambda: len(seen) == 6)
    assert [number for number, _ in seen[:5]] == [0, 1, 2, 3, 4]
    worker, here = seen[5]
    assert worker is not here is threading.main_thread()
    assert not background.busy


def test_what_comes_after_a_drop_does_not_wait_for_a_read_that_is_stuck(qtbot, disk):
    background, seen = Background(), []
    background.read(partial(disk.read, "stuck"), seen.append)
    background.drop()
    background.read(lambda: "next", seen.append)
    qtbot.waitUntil(lambda: seen == ["next"])
    disk.answers.set()
    background.read(lambda: "last", seen.append)
    qtbot.waitUntil(lambda: seen == ["next", "last"])


def test_what_is_written_is_written_and_reported_whatever_is_dropped(qtbot):
    background, written, failures = Background(), [], []

    def fail() -> None:
        raise RunError("the disk is full")

    background.write(partial(written.append, 1))
    background.write(fail, failed=failures.append)
    background.drop()
    qtbot.waitUntil(lambda: bool(failures))
    assert written == [1]
    assert str(failures[0]) == "the disk is full"


def test_a_mistake_of_the_program_is_no_failure_of_the_disk(qtbot):
    background, failures = Background(OSError), []

    def mistake() -> None:
        raise KeyError("no such key")

    with qtbot.captureExceptions() as exceptions:
        background.read(mistake, lambda _: None, failures.append)
        qtbot.waitUntil(lambda: bool(exceptions))
    assert exceptions[0][0] is KeyError
    assert failures == []


def test_nobody_is_called_who_is_gone(qtbot):
    class Reader(QObject):
        def take(self, value: object) -> None:
            raise AssertionError("it was deleted")

    background, reader, seen = Background(), Reader(), []
    background.read(lambda: 1, reader.take)
    background.read(lambda: 2, seen.append)
    del reader
    qtbot.waitUntil(lambda: seen == [2])


def test_closing_waits_for_a_file_but_not_for_a_disk_that_does_not_answer(qtbot, disk, capsys):
    background, written = Background(), []
    background.write(partial(written.append, "path"))
    finish_writing(60.0)
    assert written == ["path"]
    background.write(partial(disk.read, "stuck"))
    begun = monotonic()
    finish_writing(0.05)
    assert monotonic() - begun < 30.0
    assert "its disk does not answer" in capsys.readouterr().err


def test_garbage_is_collected_in_the_event_loop_alone(qtbot):
    gc.enable()  # as it is when a program starts
    background, seen = Background(), []

    def forget() -> None:
        timer = QTimer()
        timer.start(10_000)
        timer.itself = timer  # pyright: ignore[reportAttributeAccessIssue]
        timers.append(ref(timer))

    timers: list[ref[QTimer]] = []
    for _ in range(5):
        forget()
    background.read(lambda: len([[] for _ in range(100_000)]), seen.append)
    qtbot.waitUntil(lambda: bool(seen))  # Qt would warn of a timer that is ended by another thread
    some = [[[]] for _ in range(1000)]
    qtbot.waitUntil(lambda: bool(some) and not any(timer() for timer in timers))
