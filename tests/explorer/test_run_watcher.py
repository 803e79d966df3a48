"""What a watcher tells of a run, look by look."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event, current_thread
from time import sleep

import numpy as np

from core.config import ModelConfig, RunConfig, TrainingConfig
from core.runs.directory import RunDirectory
from core.runs.metrics_log import MetricsWriter
from explorer.run_watcher import STATUS_EVERY, ModelFiles, RunFollower, RunWatcher

STEP = {"kind": "step", "step": 1, "epoch": 1}


def told(follower: RunFollower, name: str) -> list:
    """What one look has to say under ``name``."""
    return [value for kind, value in follower.look() if kind == name]


def test_a_run_that_goes_on_and_ends_between_two_looks_is_said_to_have_ended_again(tmp_path: Path):
    run = RunDirectory.create(tmp_path / "run", RunConfig(), {})
    metrics = MetricsWriter(run.metrics_path)
    metrics.append({"kind": "event", "event": "finished"})
    follower = RunFollower(run)
    assert told(follower, "status") == ["finished"]
    metrics.append({"kind": "event", "event": "started"})
    metrics.append({"kind": "event", "event": "finished"})
    metrics.close()
    assert told(follower, "status") == ["finished"]
    assert [status for _ in range(STATUS_EVERY) for status in told(follower, "status")] == []


def test_a_damaged_file_is_reported_once_and_does_not_hide_the_others(tmp_path: Path):
    run = RunDirectory.create(tmp_path / "run", RunConfig(), {})
    run.metrics_path.write_text(f'{json.dumps(STEP)}\n{{"kind": "step"}}\n', encoding="utf-8")
    np.save(run.embedding_path(None), np.full((4, 3), np.nan, np.float32))
    follower = RunFollower(run)
    news = list(follower.look())
    assert [value for name, value in news if name == "records"] == [[STEP]]
    problems = [str(value) for name, value in news if name == "failed"]
    assert ["live.npy" in problems[0], "metrics.jsonl" in problems[1], len(problems)] == [True, True, 2]
    run.write_embedding(np.zeros((4, 3), np.float32))
    assert [name for name, _ in follower.look()] == ["embedding"]


def test_a_training_that_goes_on_brings_its_settings_before_its_records_and_its_status_after_them(tmp_path: Path):
    run = RunDirectory.create(tmp_path / "run", RunConfig(), {})
    follower = RunFollower(run)
    list(follower.look())
    run.rewrite(RunConfig(training=TrainingConfig(epochs=7)), {})
    metrics = MetricsWriter(run.metrics_path)
    metrics.append({"kind": "event", "event": "started"})
    metrics.close()
    news = list(follower.look())
    assert [name for name, _ in news] == ["reopened", "behind", "records", "status"]
    assert news[0][1].config.training.epochs == 7  # pyright: ignore[reportAttributeAccessIssue]


def test_the_time_that_the_event_loop_takes_is_no_fault_of_the_disk(tmp_path: Path, qtbot, monkeypatch):
    monkeypatch.setattr("explorer.run_watcher.SLOW_S", 0.2)
    run = RunDirectory.create(tmp_path / "run", RunConfig(), {})
    run.metrics_path.write_text(f"{json.dumps(STEP)}\n", encoding="utf-8")
    watcher, stalls, seen = RunWatcher(), [], []
    watcher.stalled.connect(stalls.append)
    watcher.records.connect(lambda _: (sleep(0.4), watcher._look_at_clock()))
    watcher.watch(run)
    watcher.look(lambda: seen.append("looked"))
    qtbot.waitUntil(lambda: bool(seen))
    watcher.watch(None)
    assert stalls == []


def test_a_run_that_has_ended_without_its_newest_means_shows_the_last_there_are_and_says_so(tmp_path: Path):
    run = RunDirectory.create(tmp_path / "run", RunConfig(), {})
    run.probe_path.touch()
    metrics = MetricsWriter(run.metrics_path)
    metrics.append({"kind": "event", "event": "finished"})
    metrics.close()
    (problem,) = told(RunFollower(run), "failed")
    assert "embeddings holds no latent means" in problem
    run.write_embedding(np.ones((4, 3), np.float32), 2)
    news = list(RunFollower(run).look())
    assert [value.sum() for name, value in news if name == "embedding"] == [12.0]
    (problem,) = [value for name, value in news if name == "failed"]
    assert "live.npy is missing; the means of epoch 2 are shown" in problem
    run.write_embedding(np.zeros((4, 3), np.float32))
    assert told(RunFollower(run), "failed") == []


def test_what_can_be_opened_is_known_before_the_means_that_came_with_it(tmp_path: Path):
    run = RunDirectory.create(tmp_path / "run", RunConfig(), {})
    follower = RunFollower(run)
    assert told(follower, "files") == [ModelFiles(weights=False, last_checkpoint=False, openable=False)]
    run.weights_path.touch()
    run.write_embedding(np.zeros((4, 3), np.float32))
    assert [name for name, _ in follower.look(whole=False)] == ["files", "embedding"]


def test_a_watcher_emits_what_is_new_and_a_look_that_was_asked_for_ends_after_it(tmp_path: Path, qtbot):
    run = RunDirectory.create(tmp_path / "run", RunConfig(), {})
    watcher, seen = RunWatcher(), []
    watcher.records.connect(seen.extend)
    watcher.watch(run)
    run.metrics_path.write_text(f"{json.dumps(STEP)}\n", encoding="utf-8")
    watcher.look(lambda: seen.append("looked"))
    qtbot.waitUntil(lambda: "looked" in seen)
    assert seen == [STEP, "looked"]
    watcher.watch(None)
    watcher.look(lambda: seen.append("nothing to wait for"))
    assert seen[-1] == "nothing to wait for"


def test_a_run_whose_disk_stalls_is_left_at_once_and_says_nothing_later(tmp_path: Path, qtbot, monkeypatch):
    stuck, answers = RunDirectory.create(tmp_path / "stuck", RunConfig(), {}), Event()
    run = RunDirectory.create(tmp_path / "run", RunConfig(), {})

    def wait() -> str:
        answers.wait()
        return "paused"

    monkeypatch.setattr("explorer.run_watcher.SLOW_S", 0.0)
    monkeypatch.setattr("explorer.run_watcher.CLOCK_MS", 10)
    monkeypatch.setattr(stuck, "status", wait)
    watcher, seen, stalls = RunWatcher(), [], []
    watcher.status.connect(seen.append)
    watcher.stalled.connect(stalls.append)
    watcher.watch(stuck)
    qtbot.waitUntil(lambda: bool(stalls))
    watcher.watch(run)
    assert stalls[-1] == "", "nothing stalls any more"
    qtbot.waitUntil(lambda: bool(seen))
    answers.set()
    watcher.look(lambda: seen.append("looked"))
    qtbot.waitUntil(lambda: "looked" in seen)
    assert seen == ["interrupted", "looked"]
    watcher.watch(None)


def test_records_of_a_long_file_come_in_parts_with_word_of_whether_more_are_there(tmp_path: Path, qtbot, monkeypatch):
    monkeypatch.setattr("core.runs.metrics_log._PART_BYTES", 256)
    run = RunDirectory.create(tmp_path / "run", RunConfig(), {})
    steps = [STEP | {"step": number} for number in range(20)]
    text = "".join(f"{json.dumps(step)}\n" for step in steps)
    run.metrics_path.write_text(text + "torn" * 100, encoding="utf-8")
    watcher, seen, behind = RunWatcher(), [], []
    watcher.records.connect(lambda records: (seen.extend(records), behind.append(watcher.behind)))
    watcher.watch(run)
    watcher.look(lambda: seen.append("looked"))
    qtbot.waitUntil(lambda: "looked" in seen)
    assert seen == [*steps, "looked"]
    assert behind == [True] * (len(behind) - 1) + [False]
    assert len(behind) > 3
    watcher.watch(None)


def test_what_takes_long_of_many_means_is_found_beside_the_event_loop(tmp_path: Path, qtbot, monkeypatch):
    found: list[tuple[str, int]] = []
    monkeypatch.setattr("explorer.run_watcher.LARGE", 1)
    for name in ("value_ranges", "most_central", "along_components"):
        told = f"explorer.run_watcher.{name}"
        monkeypatch.setattr(told, lambda means, name=name: found.append((name, current_thread().ident)))
    run = RunDirectory.create(tmp_path / "run", RunConfig(model=ModelConfig(latent_dim=5)), {})
    run.write_embedding(np.zeros((6, 5), np.float32))
    watcher, seen = RunWatcher(), []
    watcher.embedding.connect(seen.append)
    watcher.watch(run)
    qtbot.waitUntil(lambda: bool(seen))
    watcher.watch(None)
    assert [name for name, _ in found] == ["value_ranges", "most_central", "along_components"]
    assert current_thread().ident not in {thread for _, thread in found}
