"""What a watcher tells of a run, look by look."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from core.config import RunConfig
from core.runs.directory import RunDirectory
from core.runs.metrics_log import MetricsWriter
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


def test_a_damaged_file_is_reported_once_and_does_not_hide_the_others(tmp_path: Path, qtbot):
    run = RunDirectory.create(tmp_path / "run", RunConfig(), {})
    step = {"kind": "step", "step": 1, "epoch": 1}
    run.metrics_path.write_text(f'{json.dumps(step)}\n{{"kind": "step"}}\n', encoding="utf-8")
    np.save(run.embedding_path(None), np.full((4, 3), np.nan, np.float32))
    watcher, problems, records, means = RunWatcher(), [], [], []
    watcher.failed.connect(problems.append)
    watcher.records.connect(records.extend)
    watcher.embedding.connect(means.append)
    watcher.watch(run)
    watcher.poll()
    assert records == [step]
    assert ["live.npy" in problems[0], "metrics.jsonl" in problems[1], len(problems)] == [True, True, 2]
    run.write_embedding(np.zeros((4, 3), np.float32))
    watcher.poll()
    watcher.watch(None)
    assert len(means) == 1
