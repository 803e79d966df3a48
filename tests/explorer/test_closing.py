"""Closing a window in which everything hangs: it is gone at once, and what could not be kept is told."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from time import monotonic

import psutil
import pytest

from core.paths.latent_path import LatentPath
from core.projects.archive import ProjectWriter
from explorer import app
from explorer.controllers.processes import Command

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('{"progress": 0.5}', flush=True)
time.sleep(600)
"""


@pytest.fixture
def answers() -> Iterator[threading.Event]:
    """Set at the end: until then disks do not answer."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_window_in_which_everything_hangs_closes_at_once(
    program, tiny_run, tmp_path, qtbot, monkeypatch, capsys, answers
):
    """Engine and figures process stopped, a command that ignores what it is told, a session, a project and a path on
    disks that do not answer. Nothing may be granted more than the window's own limit, all together."""
    explorer = program(tiny_run)
    explorer.session.begin()
    qtbot.waitUntil(lambda: explorer.state.embedding is not None)
    explorer.figures.open("cloud")
    figures = explorer.figures._client
    command, begun = Command([sys.executable, "-c", STUBBORN], explorer.locate), []
    command.progress.connect(begun.append)
    explorer.locate._running = command
    qtbot.waitUntil(lambda: bool(begun) and figures.process_id > 0 and explorer.engine.process_id > 0)
    processes = [psutil.Process(pid) for pid in (explorer.engine.process_id, figures.process_id)]
    processes.append(psutil.Process(command._process.processId()))
    for process in processes[:2]:
        process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(ProjectWriter, "write", lambda *_, **__: answers.wait())
    explorer.editing.commit("draw path", path=LatentPath(explorer.state.embedding[:3]))
    explorer.project._save(tmp_path / "mine.isoline", embeds=False)
    explorer.files._files.write(answers.wait)
    granted = []
    for name in ("finish_writing", "finish_commands"):
        monkeypatch.setattr(app, name, noted(getattr(app, name), granted))
    monkeypatch.setattr(explorer.session, "finish", noted(explorer.session.finish, granted))
    start = monotonic()
    explorer.window.close()
    seconds = monotonic() - start
    assert not explorer.window.isVisible()
    assert len(granted) == 3
    assert max(granted) <= app.CLOSING_S - app.KILLING_S
    assert granted == sorted(granted, reverse=True), "what one has waited for, the next does not wait for again"
    assert seconds < 20.0  # of a busy machine; each of what hangs would have taken minutes
    psutil.wait_procs(processes, timeout=30)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)
    told = capsys.readouterr().err
    assert told.count("a file could not be written before the window closed") == 2
    assert f"{explorer.session.store.folder} does not answer" in told


def noted(function, granted: list[float]):
    def wait(seconds: float):
        granted.append(max(0.0, seconds))
        return function(seconds)

    return wait
