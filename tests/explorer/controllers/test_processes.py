"""Processes that outlive the window: started for real, judged by whether they live."""

import os
import signal
import sys
import time

import psutil

from explorer.controllers.processes import log_tail, start_detached


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
