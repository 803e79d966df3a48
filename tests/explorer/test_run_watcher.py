"""What a watcher tells of a run, look by look."""

from __future__ import annotations

from pathlib import Path

from core.config import RunConfig
from core.runs.directory import MetricsWriter, RunDirectory
from explorer.run_watcher import STATUS_EVERY, RunWatcher


def test_a_run_that_goes_on_and_ends_between_two_looks_is_said_to_have_ended_again(tmp_path: Path, qtbot):
    run = RunDirectory.create(tmp_path / "run", RunConfig(), {})
    metrics = MetricsWriter(run.metrics_path)
    metrics.append({"kind": "event", "event": "finished"})
    watcher, told = RunWatcher(), []
    watcher.status.connect(told.append)
    watcher.watch(run)
    assert told == ["finished"]
    metrics.append({"kind": "event", "event": "started"})
    metrics.append({"kind": "event", "event": "finished"})
    metrics.close()
    for _ in range(STATUS_EVERY + 1):
        watcher.poll()
    watcher.watch(None)
    assert told == ["finished", "finished"]
