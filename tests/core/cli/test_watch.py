"""`isoline watch`: a training is followed as it is written, and through a shared folder that lags."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from core.cli import watch as command
from core.cli.main import main
from core.cli.watch import RecordFollower, watch
from core.config import RunConfig
from core.runs.directory import RunDirectory
from core.runs.metrics_log import MetricsTail, Record, rewrite_metrics


def started() -> Record:
    return {"kind": "event", "event": "started", "step": 0, "epoch": 0, "time": 0.0, "message": "training on cpu"}


def step(number: int) -> Record:
    values = {"loss": 0.5 / number, "reconstruction": 0.4, "kl": 1.0, "entanglement": 0.0, "images_per_second": 80.0}
    place = {"step": number, "epoch": 1 + number // 2, "total_steps": 8, "ends_epoch": False, "time": float(number)}
    return {"kind": "step", **place, **values, "eta_seconds": 8.0 - number}


def epoch(number: int) -> Record:
    validation = {"loss": 0.3 / number, "reconstruction": 0.3, "excess_bce": 0.1 / number}
    place = {"epoch": number, "step": 2 * number, "time": 2.0 * number + 0.1}
    return {"kind": "epoch", **place, "validation": validation, "best": True, "exact_means": True}


def ended(event: str) -> Record:
    return {"kind": "event", "event": event, "step": 8, "epoch": 4, "time": 9.0, "message": f"{event} after all"}


EVERY = [started(), *(one for number in range(1, 5) for one in (step(number), epoch(number))), ended("stopped")]


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run on the machine that trains it."""
    return RunDirectory.create(tmp_path / "there", RunConfig(), {})


def write(path: Path, records: list[Record]) -> None:
    path.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))


def steps(*doings: Callable[[], object]) -> Callable[[], object]:
    """What happens between two looks, one after another; then nothing more."""
    waiting: Iterator[Callable[[], object]] = iter(doings)
    looks = [0]

    def wait() -> None:
        looks[0] += 1
        assert looks[0] < 50, "the watching does not end"
        next(waiting, lambda: None)()

    return wait


def test_lines_come_as_the_training_goes_on_and_end_with_it(run: RunDirectory, capsys, monkeypatch):
    monkeypatch.setattr(command, "QUIET_S", 0.0)
    write(run.metrics_path, EVERY[:2])
    assert watch(run.path, False, steps(lambda: write(run.metrics_path, EVERY))) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "started: training on cpu"
    assert lines[1] == "epoch 1/34  loss 0.50000  rec 0.4  kl 1  80 images/s  0:07 left"
    assert [line.split()[1] for line in lines if "validation" in line] == ["1/34", "2/34", "3/34", "4/34"]
    assert "stopped after all" in lines


def test_a_folder_that_lags_is_followed_all_the_same(run: RunDirectory, tmp_path: Path, capsys):
    """Files out of order, old ones once more, torn lines, and times that are hours off."""
    here, hours = tmp_path / "here", 7 * 3600
    write(run.metrics_path, EVERY)
    whole = run.metrics_path.read_bytes()
    lock = '{"pid": 77, "host": "far", "token": "t", "state": "running", "boot": "other", "beat": {"clock": 5.0}}'

    def show(content: bytes, late: int) -> Callable[[], object]:
        def doing() -> None:
            new = here / "new"
            new.write_bytes(content)
            os.utime(new, (time.time() + late, time.time() + late))
            os.replace(new, here / "metrics.jsonl")  # another inode, as after a cache was dropped

        return doing

    wait = steps(
        lambda: here.mkdir(),
        lambda: (here / "lock").write_text(lock),
        show(whole[: len(whole) // 3], -hours),  # metrics before the configuration, and cut in the middle of a line
        lambda: shutil.copy(run.path / "config.json", here),
        show(whole[: len(whole) // 2], hours),
        show(whole[: len(whole) // 4], -hours),  # an old one again
        show(whole[: len(whole) * 3 // 4], -hours),
        lambda: (here / "metrics.jsonl").unlink(),  # away for a moment
        show(whole, -hours),
        show(whole[: len(whole) * 3 // 4], hours),  # seems to go on again
        show(whole, hours),
        lambda: (here / "lock").unlink(),
    )
    assert watch(here, False, wait) == 0
    said = capsys.readouterr()
    assert "waiting for a training in" in said.err
    lines = said.out.splitlines()
    assert [line.split()[1] for line in lines if "validation" in line] == ["1/34", "2/34", "3/34", "4/34"]
    assert lines.count("started: training on cpu") == 1
    assert lines.count("stopped after all") == 1


def test_a_failed_training_is_told_with_its_status(run: RunDirectory, capsys):
    write(run.metrics_path, [*EVERY[:3], ended("failed")])
    assert watch(run.path, False, steps()) == 1
    assert "failed: failed after all" in capsys.readouterr().out


def test_once_prints_what_is_there(run: RunDirectory, capsys):
    write(run.metrics_path, EVERY[:4])
    assert main(["watch", str(run.path), "--once"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "status: interrupted"


def test_what_is_no_training_is_refused(tmp_path: Path, capsys):
    assert main(["watch", str(tmp_path), "--once"]) == 2
    assert "is not a run" in capsys.readouterr().err
    assert main(["watch", str(tmp_path), "--interval", "0"]) == 2
    assert "--interval is 0" in capsys.readouterr().err


def test_a_training_that_goes_on_from_a_checkpoint_is_followed_from_there(run: RunDirectory):
    follower = RecordFollower(MetricsTail(run.metrics_path))
    write(run.metrics_path, EVERY[:6])
    assert len(list(follower.look())) == 6
    again = [{**step(2), "time": 30.0}, {**epoch(2), "time": 31.0}]
    rewrite_metrics(run.metrics_path, [*EVERY[:3], *again])
    assert [record["time"] for record in follower.look()] == [30.0, 31.0]
