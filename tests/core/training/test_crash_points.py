"""A training that dies, wherever: resumed, it has each epoch's record and means once, and can be extended.

Before each of its operations on files the run directory is copied: that copy is what a kill at this moment leaves.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from core.config import DataConfig, RunConfig, TrainingConfig, with_values
from core.runs.directory import RunDirectory
from core.runs.metrics_log import MetricsWriter, read_metrics
from core.training.checkpoint import read_stored
from core.training.resume import present_config
from core.training.trainer import run_training

CONFIG = RunConfig(
    data=DataConfig(image_size=32, count=12, punctured=False, validation_fraction=0.4),
    training=TrainingConfig(epochs=2, batch_size=8, precision="float32", device="cpu"),
)
CHANGES_FILES = {"open", "os.rename", "os.link", "os.remove", "os.truncate", "os.mkdir", "os.utime"}

MAY_DIFFER = {"lock", "metrics.jsonl", "weights.safetensors", "live.npy"}
"""States that differ in these and in temporary files alone are one; of the records epochs and settings count."""

_watch: list[Callable[[], None]] = []  # an audit hook stays for good: it does something only while one is here


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    here = threading.current_thread() is threading.main_thread()  # the heart of the lock beats in another
    if here and _watch and event in CHANGES_FILES and not (event == "open" and arguments[1] in ("r", "rb")):
        _watch[-1]()


@pytest.fixture(scope="module", autouse=True)
def _audited() -> None:
    sys.addaudithook(_audit)


@contextlib.contextmanager
def copies_of(run: Path, folder: Path) -> Iterator[list[Path]]:
    """Copies of ``run``, one for each different state in which its files are, in order."""
    copies: list[Path] = []
    seen: set[object] = set()

    def copy() -> None:
        _watch.clear()  # the copying itself is none
        files = [path for path in sorted(run.rglob("[!.]*")) if path.is_file() and path.name not in MAY_DIFFER]
        records = read_metrics(run / "metrics.jsonl")
        told = [record for record in records if record["kind"] == "epoch" or record.get("event") == "hyperparameters"]
        state = (str([(path, path.stat().st_ino, path.stat().st_mtime_ns) for path in files]), str(told))
        if state not in seen and RunDirectory.exists(run):
            seen.add(state)
            copies.append(Path(shutil.copytree(run, folder / f"{len(copies):03d}", ignore=lambda *_: ["lock"])))
        _watch.append(copy)

    write = MetricsWriter._write

    def observed(writer: MetricsWriter) -> None:
        copy()
        write(writer)
        copy()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MetricsWriter, "_write", observed)
        _watch.append(copy)
        try:
            yield copies
        finally:
            _watch.clear()


def check_whole(run: RunDirectory, whole: RunDirectory, epochs: int) -> None:
    records = read_metrics(run.metrics_path)
    assert [r["epoch"] for r in records if r["kind"] == "epoch"] == list(range(1, epochs + 1)), run.path
    steps = [r["step"] for r in records if r["kind"] == "step"]
    assert steps == sorted(set(steps)), run.path
    assert len([r for r in records if r["kind"] == "report"]) == 1
    assert run.embedding_epochs() == list(range(epochs + 1)), run.path
    for epoch in run.embedding_epochs():
        np.testing.assert_array_equal(run.read_embedding(epoch), whole.read_embedding(epoch))
    for one, other in (
        (run.last_checkpoint_path, whole.last_checkpoint_path), (run.best_checkpoint_path, whole.best_checkpoint_path),
    ):  # fmt: skip
        first, second = read_stored(one), read_stored(other)
        assert (first.step, first.epoch) == (second.step, second.epoch), one
        assert all(torch.equal(value, second.tensors[name]) for name, value in first.tensors.items()), one
    assert not list(run.path.rglob(".*")), "nothing half-written is left"


def test_wherever_a_training_dies_no_epoch_is_lost(tmp_path: Path):
    with copies_of(tmp_path / "whole", tmp_path / "copies") as copies:
        whole = run_training(CONFIG, tmp_path / "whole").run
    assert len(copies) > 10
    for copy in copies:
        run = RunDirectory.open(copy)
        run_training(present_config(run), copy, resume=True)
        check_whole(run, whole, 2)


def test_wherever_a_training_dies_that_is_extended_it_can_be_extended(tmp_path: Path):
    config = with_values(CONFIG, {"training.epochs": 1})
    run_training(config, tmp_path / "whole")
    longer = with_values(config, {"training.epochs": 2, "loss.beta": 0.5})
    with copies_of(tmp_path / "whole", tmp_path / "copies") as copies:
        whole = run_training(longer, tmp_path / "whole", resume=True).run
    for copy in copies:
        run = run_training(longer, copy, resume=True).run
        check_whole(run, whole, 2)
        assert (run.config.training, run.config.loss) == (longer.training, longer.loss)
        told = [record for record in read_metrics(run.metrics_path) if record.get("event") == "hyperparameters"]
        assert told[0]["beta"] == told[-1]["beta"] == 0.5
