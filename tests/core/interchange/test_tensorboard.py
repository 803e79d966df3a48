"""What TensorBoard reads: each number at its step and time, and no training that ends because of it.

The files of this module were also read by TensorBoard's own EventAccumulator, which is no dependency.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog  # pyright: ignore[reportAttributeAccessIssue]

from core.config import RunConfig
from core.interchange.errors import InterchangeError
from core.interchange.tensorboard import LiveScalars, scalars, write_events
from core.runs.directory import RunDirectory
from core.runs.metrics_log import MetricsWriter

STEP = {
    "kind": "step",
    "step": 7,
    "epoch": 1,
    "time": 2.5,
    "loss": 0.5,
    "reconstruction": 0.25,
    "kl": 3.0,
    "entanglement": 0.0,
    "learning_rate": 0.125,
    "beta": 1.0,
    "gamma": 0.0,
    "images_per_second": None,
}
EPOCH = {"kind": "epoch", "epoch": 1, "step": 8, "time": 4.0, "validation": {"loss": 0.75, "excess_bce": None}}
STARTED = {"kind": "event", "event": "started", "step": 0, "epoch": 0, "time": 0.0}


def read_events(file: Path) -> list[Any]:
    """The events of a file in TensorFlow's record format: length, its checksum, an event, its checksum."""
    data, events, place = file.read_bytes(), [], 0
    while place < len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        events.append(Event.FromString(data[place + 12 : place + 12 + length]))
        place += 16 + length
    return events


def values(event: Any) -> dict[str, float]:
    return {value.tag: value.simple_value for value in event.summary.value}


def live_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("events.out.tfevents.*"))


def test_losses_have_a_tag_for_either_side_and_what_is_unknown_is_left_out():
    assert scalars(STEP) == {
        "loss/train": 0.5,
        "reconstruction/train": 0.25,
        "kl/train": 3.0,
        "entanglement/train": 0.0,
        "settings/learning_rate": 0.125,
        "settings/beta": 1.0,
        "settings/gamma": 0.0,
    }
    assert scalars(EPOCH) == {"loss/validation": 0.75}
    assert scalars(STARTED) == {}


def test_a_finished_run_is_written_with_its_steps_and_times(tmp_path: Path):
    run = RunDirectory.create(tmp_path / "run", RunConfig(), {"created": "1970-01-01T00:01:40+00:00"})
    metrics = MetricsWriter(run.metrics_path)
    for record in (STARTED, STEP, EPOCH):
        metrics.append(record)
    metrics.close()
    file = write_events(run, tmp_path / "out")
    version, step, epoch = read_events(file)
    assert version.file_version == "brain.Event:2"
    assert (step.step, step.wall_time) == (7, 102.5)
    assert values(step) == scalars(STEP)
    assert (epoch.step, epoch.wall_time) == (8, 104.0)
    assert values(epoch) == {"loss/validation": 0.75}
    assert write_events(run, tmp_path / "out") == file
    assert live_files(tmp_path / "out") == [file], "a second export takes the place of the first"


def test_a_run_without_records_has_nothing_to_show(tmp_path: Path):
    run = RunDirectory.create(tmp_path / "run", RunConfig(), {})
    with pytest.raises(InterchangeError, match="no record of its training"):
        write_events(run, tmp_path / "out")


def test_a_training_writes_as_it_goes(tmp_path: Path):
    live = LiveScalars(tmp_path / "tensorboard", pytest.fail)
    for record in (STARTED, STEP, EPOCH):
        live.record(record)
    (file,) = live_files(tmp_path / "tensorboard")
    assert [event.step for event in read_events(file)] == [0, 1, 7, 8], "flushed at the end of an epoch"
    live.close()


def test_a_resumed_training_takes_back_the_steps_that_it_repeats(tmp_path: Path):
    live = LiveScalars(tmp_path, pytest.fail)
    live.record(STARTED | {"step": 40})
    live.close()
    (file,) = live_files(tmp_path)
    start = read_events(file)[1]
    assert (start.step, start.session_log.status) == (41, SessionLog.START)


def test_a_training_goes_on_when_the_file_cannot_be_written(tmp_path: Path):
    (tmp_path / "tensorboard").write_text("a file where the folder should be")
    told: list[str] = []
    live = LiveScalars(tmp_path / "tensorboard", told.append)
    for record in (STARTED, STEP, EPOCH):
        live.record(record)
    live.close()
    (line,) = told
    assert "cannot be written" in line
    assert "the training goes on without it" in line


def test_a_disk_that_fills_up_ends_the_file_and_not_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    told: list[str] = []
    live = LiveScalars(tmp_path, told.append)
    live.record(STARTED)
    assert live._file is not None

    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(live._file._file, "flush", full)
    live.record(EPOCH)
    live.record(EPOCH)
    live.close()
    assert len(told) == 1
    assert "No space left on device" in told[0]


def test_without_tensorboardx_it_is_said_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    with pytest.raises(InterchangeError, match=r'pip install "isoline\[tensorboard\]"'):
        LiveScalars(tmp_path, pytest.fail)
