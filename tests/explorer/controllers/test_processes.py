"""Processes that outlive the window: started for real, judged by whether they live."""

import os
import signal
import sys
import time

import psutil
import pytest
from PySide6.QtCore import QObject

from explorer.controllers.processes import Command, finish_commands, log_tail, start_detached


def test_a_process_lives_until_it_ends_and_leaves_what_it_said(tmp_path):
    log = tmp_path / "log"
    talk = "import sys; print('out', flush=True); print('err', file=sys.stderr, flush=True); input()"
    quick = start_detached([sys.executable, "-c", talk], log)  # without input, that ends in an error
    slow = start_detached([sys.executable, "-c", "import time; time.sleep(600)"], tmp_path / "other")
    deadline = time.monotonic() + 300
    while quick.alive and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not quick.alive
    assert log_tail(log).startswith("out\nerr")
    assert slow.alive
    assert slow._process is not None
    assert slow._process.pid not in [child.pid for child in psutil.Process().children()], "nobody has to wait for it"
    os.kill(slow._process.pid, signal.SIGKILL)
    while slow.alive and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not slow.alive


STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('{"progress": 0.5}', flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_commands_that_do_not_end_hold_up_nobody(qtbot):
    """One that ignores what it is told, one that was stopped: both are ended together, by force."""
    owner, gone, begun = QObject(), [], []
    commands = [Command([sys.executable, "-c", STUBBORN], owner) for _ in range(2)]
    for command in commands:
        command.progress.connect(begun.append)
    qtbot.waitUntil(lambda: len(begun) == 2)
    os.kill(commands[1]._process.processId(), signal.SIGSTOP)
    start = time.monotonic()
    for number, command in enumerate(commands):
        command.stop(60_000, then=lambda number=number: gone.append(number))
    assert (gone, time.monotonic() - start < 1.0) == ([], True), "it returns at once"
    del owner  # nor does the end of whoever started them wait
    finish_commands(0.05)
    print(f"ended after {time.monotonic() - start:.2f} s")
    qtbot.waitUntil(lambda: sorted(gone) == [0, 1])
    assert time.monotonic() - start < 30.0


def test_a_command_that_ends_when_it_is_told_may_tidy_up(qtbot, tmp_path):
    tidy = f"import sys, pathlib; sys.stdin.read(); pathlib.Path({str(tmp_path / 'tidy')!r}).touch()"
    owner = QObject()
    command, gone = Command([sys.executable, "-c", tidy], owner), []
    command.stop(60_000, then=lambda: gone.append((tmp_path / "tidy").exists()))
    finish_commands(60.0)
    qtbot.waitUntil(lambda: gone == [True])
