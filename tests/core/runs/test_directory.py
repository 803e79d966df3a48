"""The run directory: what is written is read back, what is broken is named, and nobody writes beside a trainer."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.config import DataConfig, RunConfig
from core.runs.directory import Control, ProbeSet, RunDirectory, RunError
from core.runs.lock import RunLock
from core.runs.metrics_log import MetricsTail, MetricsWriter, read_metrics, read_records, rewrite_metrics
from core.utils.atomic_write import atomic_file, remove_temporaries, write_atomic


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "run", RunConfig(data=DataConfig(image_size=32)), {"created": "today"})


# whole files


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path):
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def fail_half_way() -> None:
        with atomic_file(path) as file:
            file.write(b"half of the ne")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail_half_way()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_removed(tmp_path: Path):
    (tmp_path / ".weights.safetensors.123-abcd.writing").write_bytes(b"half")
    (tmp_path / "weights.safetensors").write_bytes(b"whole")
    remove_temporaries(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]


# opening


def test_a_run_is_opened_as_it_was_created(run: RunDirectory):
    opened = RunDirectory.open(run.path)
    assert opened.config == run.config
    assert opened.metadata == {"created": "today"}
    assert RunDirectory.exists(run.path)


def test_a_second_run_in_one_folder_is_refused(run: RunDirectory):
    with pytest.raises(RunError, match="already holds a run"):
        RunDirectory.create(run.path, RunConfig(), {})


def test_a_run_can_be_created_in_a_folder_that_holds_other_files(tmp_path: Path):
    (tmp_path / "request.json").write_text("{}")
    assert not RunDirectory.exists(tmp_path)
    RunDirectory.create(tmp_path, RunConfig(), {})
    assert RunDirectory.exists(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file/run cannot be written \(Not a directory\)"):
        RunDirectory.create(tmp_path / "file" / "run", RunConfig(), {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no config.json"),
        ("{", "not valid JSON"),
        ("[]", "states no schema version"),
        ('{"schema": 99, "config": {}}', "schema version 99; this version of Isoline reads 1"),
        ('{"schema": 1}', "config.json"),
        ('{"schema": 1, "config": {"los": {}}}', "unknown field 'los'"),
        ('{"schema": 1, "config": {"loss": {"beta": "much"}}}', "beta"),
    ],
)
def test_a_folder_that_is_no_run_is_refused_and_the_message_says_why(tmp_path: Path, content: str | None, message: str):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(RunError, match=message):
        RunDirectory.open(tmp_path)


def test_a_missing_folder_and_a_file_are_told_apart(tmp_path: Path):
    with pytest.raises(RunError, match="does not exist"):
        RunDirectory.open(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="is not a folder"):
        RunDirectory.open(tmp_path / "file")


# probe set and means


def probe_of(count: int, channels: int = 1) -> ProbeSet:
    generator = np.random.default_rng(0)
    return ProbeSet(
        np.arange(count, dtype=np.int64),
        np.stack([generator.random(count, dtype=np.float32), np.arange(count, dtype=np.float32) % 2], axis=1),
        ("a", "b"),
        generator.integers(0, 256, (count, 32, 32, channels), dtype=np.uint8),
        (np.arange(count) % 5 == 0).astype(np.uint8),
        ((), ("cat", "Hündin")),
        tuple(f"cells/{i}.png" for i in range(count)),
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_the_probe_set_is_read_as_it_was_written(run: RunDirectory, channels: int):
    probe = probe_of(7, channels)
    run.write_probe(probe)
    found = run.read_probe()
    assert found.factor_names == ("a", "b")
    assert found.categories == ((), ("cat", "Hündin"))
    assert found.names == probe.names
    for name in ("indices", "factors", "thumbnails", "split"):
        np.testing.assert_array_equal(getattr(found, name), getattr(probe, name))
        assert getattr(found, name).dtype == getattr(probe, name).dtype


def test_a_probe_set_of_wrong_shapes_is_refused():
    probe = probe_of(4)
    with pytest.raises(RunError, match=r"split of the probe set is uint8 \(3,\); it must be uint8 \(4,\)"):
        ProbeSet(probe.indices, probe.factors, probe.factor_names, probe.thumbnails, probe.split[:3])
    for place, value, wanted in (((1, 0), np.inf, "a .* not finite"), ((1, 1), 2.0, "b .* not one of 0 to 1")):
        factors = probe.factors.copy()
        factors[place] = value
        with pytest.raises(RunError, match=f"factor {wanted}"):
            ProbeSet(probe.indices, factors, probe.factor_names, probe.thumbnails, probe.split, probe.categories)
    names = tuple(map(str, range(5001)))
    with pytest.raises(RunError, match="the samples have 5,001 factors; at most 5,000 can be shown"):
        ProbeSet(probe.indices, np.zeros((4, 5001), np.float32), names, probe.thumbnails, probe.split)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 not a zip", b"\x93NUMPY"])
def test_a_damaged_probe_file_is_named(run: RunDirectory, data: bytes):
    run.probe_path.write_bytes(data)
    with pytest.raises(RunError, match=r"probe.npz is damaged"):
        run.read_probe()


def test_no_pickle_is_ever_loaded(run: RunDirectory):
    with open(run.embedding_path(None), "wb") as file:
        np.save(file, np.array([{"an": "object"}], dtype=object), allow_pickle=True)
    with pytest.raises(RunError, match="damaged"):
        run.read_embedding()


def test_means_of_epochs_and_live_ones_are_kept_apart(run: RunDirectory):
    assert run.embedding_epochs() == []
    assert run.live_stamp() is None
    for epoch in (0, 2, 10):
        run.write_embedding(np.full((4, 3), epoch, np.float32), epoch)
    run.write_embedding(np.full((4, 3), 99, np.float32))
    assert run.embedding_epochs() == [0, 2, 10]
    assert run.read_embedding(10)[0, 0] == 10
    assert run.read_embedding()[0, 0] == 99
    with pytest.raises(RunError, match=r"epoch-000007.npy does not exist; the stored epochs are \[0, 2, 10\]"):
        run.read_embedding(7)


def test_the_stamp_changes_with_every_write(run: RunDirectory):
    stamps = set()
    for value in range(5):
        run.write_embedding(np.full((4, 3), value, np.float32))
        stamps.add(run.live_stamp())
    assert len(stamps) == 5


@pytest.mark.parametrize(
    ("means", "problem"),
    [
        (np.array([[0, 1, 2], [3, np.nan, 5]], np.float32), "sample 1 has the coordinate nan"),
        (np.array([[0, 1, np.inf]], np.float32), "sample 0 has the coordinate inf"),
        (np.array([[0, 1, 3e38]], np.float32), r"sample 0 has the coordinate 3e\+38"),
        (np.zeros((0, 3), np.float32), "it holds float32"),
        (np.zeros((4, 0), np.float32), "it holds float32"),
        (np.zeros((4, 65), np.float32), "it holds float32"),
        (np.zeros((4, 3), np.int64), "it holds int64"),
        (np.zeros(3, np.float32), "it holds float32"),
    ],
)
def test_means_that_cannot_be_shown_are_refused_where_they_are_read(run: RunDirectory, means, problem):
    np.save(run.embedding_path(None), means)
    with pytest.raises(RunError, match=rf"live\.npy cannot be shown: .*{problem}"):
        run.read_embedding()


def test_samples_and_means_of_two_runs_do_not_belong_together(run: RunDirectory):
    with pytest.raises(RunError, match="has no latent means"):
        run.newest_embedding()
    run.write_embedding(np.zeros((4, 3), np.float32), 2)
    assert len(run.newest_embedding()) == 4
    run.write_probe(
        ProbeSet(
            np.arange(5), np.zeros((5, 0), np.float32), (), np.zeros((5, 32, 32, 1), np.uint8), np.zeros(5, np.uint8)
        )
    )
    with pytest.raises(RunError, match="means of 4 samples, and 5 samples"):
        run.read_cloud()


def test_a_reader_never_sees_half_an_embedding(run: RunDirectory):
    run.write_embedding(np.zeros((500, 3), np.float32))
    ended = threading.Event()

    def write() -> None:
        for value in range(100):
            run.write_embedding(np.full((500, 3), value, np.float32))
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not ended.is_set():
        mu = run.read_embedding()
        assert mu.shape == (500, 3)
        assert np.all(mu == mu[0, 0])
    writer.join()


# metrics


def step(number: int, **fields: Any) -> dict[str, Any]:
    return {"kind": "step", "step": number, "epoch": 1, **fields}


def line(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"


def test_records_come_once_and_in_order(run: RunDirectory):
    tail = MetricsTail(run.metrics_path)
    assert tail.poll() == []
    writer = MetricsWriter(run.metrics_path)
    writer.append(step(1))
    assert tail.poll() == [step(1)]
    assert tail.poll() == []
    writer.append(step(2))
    writer.append(step(3))
    assert [record["step"] for record in tail.poll()] == [2, 3]
    writer.close()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(max_size=8), max_size=6),
    cuts=st.lists(st.integers(0, 400), max_size=6),
)
def test_however_the_bytes_arrive_whole_lines_come_once(tmp_path: Path, texts: list[str], cuts: list[int]):
    records = [step(n, more=text) for n, text in enumerate(texts)]
    data = b"".join(map(line, records))
    path = tmp_path / "metrics.jsonl"
    path.unlink(missing_ok=True)
    tail, found = MetricsTail(path), []
    for cut in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
        with open(path, "ab") as file:
            file.write(data[file.tell() : cut])
        found += tail.poll()
    assert found == records


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(garbage=st.binary(max_size=200))
def test_garbage_in_the_file_hides_no_good_record(tmp_path: Path, garbage: bytes):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(line(step(1)) + garbage + b"\n" + line(step(2)))
    tail = MetricsTail(path)
    assert tail.poll() == [step(1), step(2)]
    assert tail.damaged == sum(bool(part.strip()) for part in garbage.split(b"\n"))


@pytest.mark.parametrize(
    "damaged",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"kind":"step","step":"seven","epoch":null,"total_steps":[],"time":"x","loss":{}}',
        '{"kind":"step","step":1,"epoch":1,"loss":1e308}',
        '{"kind":"epoch","epoch":-1}',
        '{"kind":"event","event":"failed","message":["no text"]}',
        '{"kind":"report","findings":["no finding"]}',
        '{"kind":"other"}',
        '{"step":1}',
    ],
)
def test_what_is_no_record_of_a_training_is_passed_over_and_counted(tmp_path: Path, damaged: str):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(line(step(1)) + damaged.encode() + b"\n" + line(step(2)))
    tail = MetricsTail(path)
    assert tail.poll() == [step(1), step(2)]
    assert tail.damaged == 1


def test_a_long_file_comes_in_parts_and_a_line_without_end_takes_no_memory(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("core.runs.metrics_log._PART_BYTES", 256)
    monkeypatch.setattr("core.runs.metrics_log._MOST_BYTES", 512)
    path = tmp_path / "metrics.jsonl"
    long = step(20, message="y" * 400)
    path.write_bytes(b"".join(line(step(n)) for n in range(20)) + b"x" * 1500 + b"\n" + line(long) + line(step(21)))
    tail = MetricsTail(path)
    assert 0 < len(tail.poll()) < 10
    assert tail.behind
    assert read_records(tail)[-3:] == [step(19), long, step(21)]
    assert (tail.behind, tail.poll()) == (False, [])
    assert [record["step"] for record in read_metrics(path)] == list(range(22))


@pytest.mark.parametrize("limit", [("_MOST_EMPTY", 1024), ("_MOST_DAMAGED", 100)])
def test_what_holds_no_record_is_not_read_to_its_end(tmp_path: Path, monkeypatch, limit):
    monkeypatch.setattr("core.runs.metrics_log._PART_BYTES", 256)
    monkeypatch.setattr(f"core.runs.metrics_log.{limit[0]}", limit[1])
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(line(step(1)) + b"{x\n" * 1000 + line(step(2)))
    tail = MetricsTail(path)
    assert tail.poll() == [step(1)]
    with pytest.raises(RunError, match=r"metrics.jsonl is damaged: .* bytes of it hold no record of a training"):
        tail.poll()
    assert tail.poll() == [], "it is said once"


def test_a_file_that_is_larger_than_any_is_not_read(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    with open(path, "wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(RunError, match=r"metrics.jsonl is damaged: it has 3,221,225,472 bytes.* Restore it"):
        read_metrics(path)


def test_a_text_that_nobody_can_read_is_cut_and_says_so(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    failed = {"kind": "event", "event": "failed", "changes": {"loss.beta": "y" * 9000}, "message": "x" * 9000}
    path.write_bytes(line(failed))
    (record,) = read_metrics(path)
    assert record["message"] == "x" * 4000 + " … (9,000 characters in the file)"
    assert len(record["changes"]["loss.beta"]) < 4100


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"factor_names": ("a", "a")}, "its factors are called 'a', 'a'; each needs its own name"),
        ({"factor_names": ("", "b")}, "its factors are called '', 'b'"),
        ({"thumbnails": np.zeros((7, 32, 32, 7), np.uint8)}, "must have 1 or 3 channels"),
        ({"split": np.full(7, 9, np.uint8)}, "its split has the value 9; it must be 0 to 2"),
        ({"indices": np.arange(7) - 1}, "its indices are negative or repeated"),
        ({"indices": np.arange(7) // 2}, "its indices are negative or repeated"),
        ({"indices": np.arange(7) + 2}, "it names sample 8, and the dataset has 8"),
        ({"factors": np.full((7, 2), [1e35, 1], np.float32)}, r"a factor has the value 1e\+35; at most 1e\+30"),
    ],
)
def test_samples_that_no_training_records_are_refused_by_their_file(run: RunDirectory, changes: dict, problem: str):
    run.metadata["dataset"] = {"samples": 8}
    probe = probe_of(7)
    run.write_probe(dataclasses.replace(probe, **changes))
    with pytest.raises(RunError, match=rf"probe.npz is damaged: .*{problem}.* Restore it from a copy of the run\."):
        run.read_probe()
    run.write_probe(probe)
    assert len(run.read_probe().indices) == 7


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes in folders")
@pytest.mark.parametrize("name", ["metrics.jsonl", "control.json", "probe.npz", "embeddings/live.npy", "lock"])
def test_a_pipe_in_place_of_a_file_does_not_block(run: RunDirectory, name: str):
    (run.path / name).unlink(missing_ok=True)
    os.mkfifo(run.path / name)
    for read in (run.read_control, run.read_probe, run.newest_embedding, lambda: read_metrics(run.metrics_path)):
        with contextlib.suppress(RunError):
            read()
    with contextlib.suppress(RunError):
        run.status()


def test_a_torn_last_line_is_cut_before_the_next_is_written(run: RunDirectory):
    run.metrics_path.write_bytes(line(step(1)) + b'{"kind": "step", "lo')
    assert read_metrics(run.metrics_path) == [step(1)]
    writer = MetricsWriter(run.metrics_path)
    writer.append(step(3))
    writer.close()
    assert run.metrics_path.read_bytes() == line(step(1)) + b'{"kind":"step","step":3,"epoch":1}\n'


def test_a_reader_starts_again_when_the_file_was_replaced(run: RunDirectory):
    run.metrics_path.write_bytes(line(step(1)) + line(step(2)))
    tail = MetricsTail(run.metrics_path)
    assert len(tail.poll()) == 2
    rewrite_metrics(run.metrics_path, [step(2)])
    assert tail.poll() == [step(2)]
    assert tail.restarts == 1


def test_records_that_a_full_disk_refuses_wait_and_come_once_and_whole(run: RunDirectory):
    class Disk:
        """Takes so many bytes, then none, then all."""

        def __init__(self, room: int) -> None:
            self.room = room

        def write(self, data: bytes) -> int:
            taken = data[: self.room]
            if not taken:
                self.room = 1 << 20
                raise OSError(28, "No space left on device")
            self.room -= len(taken)
            with open(run.metrics_path, "ab") as file:
                return file.write(taken)

    writer = MetricsWriter(run.metrics_path)
    file, writer._file = writer._file, Disk(50)  # pyright: ignore[reportAttributeAccessIssue]
    for number in range(4):
        with contextlib.suppress(OSError):
            writer.append(step(number))
    writer._file = file
    writer.close()
    assert [record["step"] for record in read_metrics(run.metrics_path)] == [0, 1, 2, 3]


def test_numbers_that_json_lacks_become_null(run: RunDirectory):
    writer = MetricsWriter(run.metrics_path)
    writer.append(step(1, loss=float("nan")))
    writer.close()
    assert read_metrics(run.metrics_path) == [step(1, loss=None)]


# control


def test_without_a_command_a_training_just_runs(run: RunDirectory):
    assert run.read_control() == Control()
    assert run.control_stamp() is None


def test_a_command_is_read_as_it_was_written(run: RunDirectory):
    control = Control(3, "paused", "epoch", learning_rate=1e-3, beta=0.0)
    run.write_control(control)
    assert run.read_control() == control


def test_commands_of_several_programs_do_not_overwrite_each_other(run: RunDirectory):
    program = """
import sys
from core.runs.directory import RunDirectory
run = RunDirectory.open(sys.argv[1])
for number in range(1, 41):
    run.steer(**{sys.argv[2]: number / 64})
"""
    names = ("beta", "gamma", "learning_rate")
    writers = [subprocess.Popen([sys.executable, "-c", program, run.path, name]) for name in names]
    assert [writer.wait(300) for writer in writers] == [0, 0, 0]
    assert run.read_control() == Control(120, learning_rate=40 / 64, beta=40 / 64, gamma=40 / 64)


def test_an_advance_is_for_one_command_and_a_pause_does_not_take_back_a_stop(run: RunDirectory):
    run.steer(state="paused", advance="step")
    assert run.steer(beta=0.5) == Control(2, "paused", beta=0.5, steps=1)
    run.steer(state="stopped")
    assert run.steer(state="paused").state == "stopped"
    assert run.steer(state="running").state == "running"


def test_a_command_is_not_written_over_another_program_s(run: RunDirectory):
    run.write_control(Control(1))
    run.write_control(Control(2, "stopped"))
    with pytest.raises(RunError, match=r"control\.json has command 2 of another program, so command 2 is not written"):
        run.write_control(Control(2, beta=0.5))
    assert run.read_control() == Control(2, "stopped")


def test_after_a_malformed_command_others_can_be_given(run: RunDirectory):
    run.control_path.write_text("{stop!")
    assert run.steer(state="paused") == Control(1, "paused") == run.read_control()


def test_a_command_that_cannot_be_written_says_why(run: RunDirectory, monkeypatch: pytest.MonkeyPatch):
    import filelock

    monkeypatch.setattr("core.runs.directory.CONTROL_PATIENCE_S", 0.01)
    with filelock.FileLock(run.path / "control.lock"), pytest.raises(RunError, match="is being written by another"):
        run.steer(state="paused")
    shutil.rmtree(run.path)
    with pytest.raises(RunError, match="is gone: it was deleted or moved"):
        run.steer(state="paused")


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=80))
def test_a_malformed_command_is_refused_with_the_file_s_name(run: RunDirectory, data: bytes):
    run.control_path.write_bytes(data)
    try:
        control = run.read_control()
    except RunError as error:
        assert "control.json is not a command" in str(error)  # noqa: PT017 (some bytes are a command)
    else:
        assert isinstance(control, Control)


@pytest.mark.parametrize(
    "text", ['{"learning_rate": -1}', '{"beta": 1e99}', '{"state": "sleeping"}', '{"sequence": -4}', "null"]
)
def test_a_command_with_a_bad_value_is_refused(run: RunDirectory, text: str):
    run.control_path.write_text(text)
    with pytest.raises(RunError, match=r"control\.json is not a command"):
        run.read_control()


# status


def test_the_status_tells_a_pause(run: RunDirectory):
    with RunLock(run.lock_path) as lock:
        lock.set_state("paused")
        assert run.status() == "paused"
        lock.set_state("running")
        assert run.status() == "running"


@pytest.mark.parametrize(
    ("records", "status"),
    [
        ([{"kind": "event", "event": "finished"}], "finished"),
        ([{"kind": "event", "event": "stopped"}], "stopped"),
        ([{"kind": "event", "event": "failed"}, {"kind": "event", "event": "warning"}], "failed"),
        ([{"kind": "event", "event": "finished"}, {"kind": "event", "event": "started"}], "interrupted"),
        ([{"kind": "step", "step": 4}], "interrupted"),
        ([], "interrupted"),
    ],
)
def test_without_a_trainer_the_last_words_decide(run: RunDirectory, records: list[dict], status: str):
    writer = MetricsWriter(run.metrics_path)
    for record in records:
        writer.append(record)
    writer.close()
    assert run.status() == status


def test_a_run_that_was_deleted_is_not_interrupted(run: RunDirectory):
    shutil.rmtree(run.path)
    assert run.status() == "gone"


def test_a_file_that_may_not_be_read_is_not_called_damaged(run: RunDirectory, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    for name in ("read_array", "read_arrays", "read_json"):
        monkeypatch.setattr(f"core.runs.directory.{name}", refuse)
    for read in (run.read_probe, run.read_embedding, run.read_control, lambda: RunDirectory.open(run.path)):
        with pytest.raises(RunError, match=r"cannot be read \(Permission denied\)"):
            read()


def test_a_model_without_history_counts_as_finished(run: RunDirectory):
    run.weights_path.write_bytes(b"weights")
    assert run.status() == "finished"
