"""The means of more samples than are recorded at once: between the steps, in pauses, at the end, and by --fill."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from core.cli.main import main
from core.config import DataConfig, RunConfig, TrainingConfig
from core.data.loading import load_dataset
from core.models.network_inference import NetworkInference
from core.runs.directory import RunDirectory, RunError
from core.runs.lock import RunLock
from core.runs.metrics_log import Record, read_metrics
from core.training import growing_means
from core.training.checkpoint import load_model, read_stored
from core.training.epoch_means import EpochMeans
from core.training.fill import Filled, fill_run
from core.training.growing_means import GrowingMeans
from core.training.loop import make_fabric
from core.training.probe_embedding import sample_order
from core.training.state import TrainingState
from core.training.trainer import run_training
from core.training.workers import Workers

PART = 40  # here so many samples are recorded at once
COUNT = 200
CONFIG = RunConfig(
    data=DataConfig(image_size=32, count=COUNT, punctured=False, validation_fraction=0.2),
    training=TrainingConfig(epochs=2, batch_size=8, precision="float32", device="cpu", encoding_percent=50.0),
)


@pytest.fixture(scope="module", autouse=True)
def parts_are_small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in ("runs.directory", *(f"training.{name}" for name in ("probe_embedding", "growing_means"))):
            patch.setattr(f"core.{module}.MAX_PROBE", PART)
        for name in ("recorder", "trainer"):
            patch.setattr(f"core.training.{name}.MAX_PROBE", PART)
        yield


@pytest.fixture(scope="module")
def counts() -> dict[int, int]:
    """Of how many samples each epoch of ``finished`` had the means when the one after it ended."""
    return {}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, counts: dict[int, int]) -> RunDirectory:
    """A finished run; not to be changed."""
    out = tmp_path_factory.mktemp("finished") / "run"

    def look(record: Record) -> None:
        if record["kind"] == "epoch" and record["epoch"] > 1:
            counts[record["epoch"] - 1] = RunDirectory.open(out).recorded_count(record["epoch"] - 1)

    return run_training(CONFIG, out, on_event=look).run


@pytest.fixture
def stopped(finished: RunDirectory, tmp_path: Path) -> RunDirectory:
    """A run with the means of the first samples alone."""
    run = RunDirectory.open(shutil.copytree(finished.path, tmp_path / "run"))
    for epoch in (None, 2):
        run.write_embedding(run.read_embedding(epoch)[:PART], epoch)
    return run


def encoded(run: RunDirectory) -> np.ndarray:
    """The means of all samples of ``run``, one by one."""
    images = load_dataset(run.config.data).images[run.read_probe().indices]
    return NetworkInference(load_model(run.path)[0], "cpu", "float32").encode(images)


def weights(run: RunDirectory) -> dict[str, torch.Tensor]:
    return read_stored(run.last_checkpoint_path).tensors


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# the order of the samples


def test_samples_are_encoded_part_after_part_each_of_which_is_spread_over_all():
    order = sample_order(COUNT, 3, COUNT)
    assert sorted(order) == list(range(COUNT))
    for part in np.split(order, COUNT // PART):
        assert (np.diff(part) > 0).all()  # as they lie on the disk
        assert part[0] < COUNT // 4
        assert part[-1] > 3 * COUNT // 4
    np.testing.assert_array_equal(order[:PART], sample_order(COUNT, 3, PART))
    assert len(sample_order(COUNT, 3, 130)) == 130
    assert sample_order(PART, 3, COUNT).tolist() == list(range(PART))


class Encoder:
    """The mean of a sample is its place."""

    latent_dim = 1
    together = 16

    def __init__(self, count: int) -> None:
        self.indices = np.arange(count)

    def __call__(self, places: np.ndarray) -> np.ndarray:
        assert len(places) <= self.together
        return places[:, None].astype(np.float32)


def recorded(means: GrowingMeans) -> list[int]:
    """How many means are worth recording, each time that some are."""
    counts = []
    while not means.complete:
        mu = means.advance(0.001)
        if mu is not None:
            assert mu[:, 0].tolist() == list(range(len(mu)))
            counts.append(len(mu))
    return counts


def test_means_are_recorded_in_whole_parts_and_of_very_many_samples_in_some_twenty_stretches(monkeypatch):
    assert recorded(GrowingMeans(Encoder(PART - 1))) == [PART - 1]
    assert recorded(GrowingMeans(Encoder(130))) == [40, 80, 120, 130]
    monkeypatch.setattr(growing_means, "WORTH_RECORDING", 2)
    assert recorded(GrowingMeans(Encoder(330))) == [40, 240, 330]
    means = GrowingMeans(Encoder(130))
    means.begin(np.zeros((70, 1), np.float32))
    assert len(means.means) == 40
    means.begin(np.full((40, 1), -1, np.float32))
    assert means.means.tolist() == [[-1]] * 40
    means.begin()
    assert len(means.means) == 0


def test_encoding_takes_its_share_of_the_time(monkeypatch: pytest.MonkeyPatch):
    dataset, state, now = load_dataset(CONFIG.data), TrainingState(CONFIG), [100.0]
    means = EpochMeans(np.arange(COUNT), dataset, state, make_fabric(CONFIG.training), Workers(), 5.0)
    monkeypatch.setattr("core.training.epoch_means.time.monotonic", lambda: now[0])
    assert not means.due  # no epoch has ended
    means.begin(1, None)
    assert means.due
    means.spent(2.0)
    now[0] += 37.9
    assert not means.due
    now[0] += 0.2
    assert means.due


# a training


def test_the_means_of_all_samples_are_recorded_with_the_last_weights(finished: RunDirectory):
    probe, mu = finished.read_cloud()
    assert len(probe.indices) == len(mu) == COUNT
    assert len(probe.thumbnails) == PART
    np.testing.assert_allclose(mu, encoded(finished), atol=1e-4)
    np.testing.assert_array_equal(mu, finished.read_embedding(2))


def test_the_newest_epoch_grows_between_the_steps_and_older_ones_keep_the_first_samples(finished, counts):
    assert counts[1] > PART  # how many depends on how fast the steps are
    assert [finished.recorded_count(epoch) for epoch in (0, 1, 2)] == [PART, PART, COUNT]


def test_encoding_changes_nothing_of_the_training_and_without_it_the_first_samples_are_all(finished, tmp_path):
    training = dataclasses.replace(CONFIG.training, encoding_percent=0.0)
    run = run_training(dataclasses.replace(CONFIG, training=training), tmp_path / "run").run
    assert same(weights(run), weights(finished))
    probe, mu = run.read_cloud()
    assert len(mu) == len(probe.indices) == PART
    np.testing.assert_array_equal(mu, finished.read_embedding()[:PART])


def test_an_interrupted_training_goes_on_bit_for_bit_and_records_all(finished: RunDirectory, tmp_path: Path):
    out = tmp_path / "run"

    def interrupt(record: Record) -> None:
        if record["kind"] == "step" and record["step"] > 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_training(CONFIG, out, on_event=interrupt)
    run = run_training(CONFIG, out, resume=True).run
    assert same(weights(run), weights(finished))
    np.testing.assert_array_equal(run.read_embedding(), finished.read_embedding())
    assert run.recorded_count(1) == PART


def test_a_pause_brings_all_samples_and_a_stop_says_how_many_are_recorded(tmp_path: Path):
    out, told = tmp_path / "run", []

    def steer(record: Record) -> None:
        run = RunDirectory(out, CONFIG, {})
        if record["kind"] == "step" and record["step"] == 1:
            run.steer(state="paused")
        if record.get("event") == "paused":
            write = run.write_embedding

            def note(mu: np.ndarray, epoch: int | None = None) -> None:
                write(mu, epoch)
                told.append(len(mu))
                if len(mu) == COUNT:
                    run.steer(state="stopped")

            patch.setattr(RunDirectory, "write_embedding", lambda self, mu, epoch=None: note(mu, epoch))

    with pytest.MonkeyPatch.context() as patch:
        run = run_training(CONFIG, out, on_event=steer).run
    assert told[:5] == [40, 80, 120, 160, 200]
    assert run.recorded_count() == PART  # those of the weights that it was stopped with
    message = next(r["message"] for r in read_metrics(run.metrics_path) if r.get("event") == "stopped")
    assert f"40 of 200 samples are recorded with these weights, the others by isoline encode {out} --fill" in message


def test_one_that_is_stopped_while_it_encodes_the_rest_is_finished_and_goes_on_with_that(tmp_path: Path):
    config, out = dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, epochs=1)), tmp_path / "run"

    def stop(record: Record) -> None:
        if record.get("event") == "encoding":
            assert record["message"] == "encoding the samples: 40 of 200"
            RunDirectory(out, config, {}).steer(state="stopped")

    outcome = run_training(config, out, on_event=stop)
    assert outcome.status == "finished"
    assert [outcome.run.recorded_count(epoch) for epoch in (1, None)] == [80, 80]
    message = next(r["message"] for r in read_metrics(outcome.run.metrics_path) if r.get("event") == "finished")
    assert message.startswith("finished after 1 epoch; 80 of 200 samples are recorded with these weights")
    run = run_training(config, out, resume=True).run
    assert [run.recorded_count(epoch) for epoch in (1, None)] == [COUNT, COUNT]


# filling


def test_fill_encodes_what_is_missing_and_is_then_done(stopped: RunDirectory, capsys: pytest.CaptureFixture[str]):
    assert main(["info", str(stopped.path)]) == 0
    said = capsys.readouterr().out
    assert "40 of 200 recorded so far with the newest weights" in said
    assert f"the others by isoline encode {stopped.path} --fill" in said
    assert main(["encode", str(stopped.path), "--fill", "--device", "cpu"]) == 0
    assert "160 samples encoded; 200 of 200 are recorded" in capsys.readouterr().out
    np.testing.assert_allclose(stopped.read_embedding(), encoded(stopped), atol=1e-4)
    np.testing.assert_array_equal(stopped.read_embedding(), stopped.read_embedding(2))
    assert fill_run(stopped.path, "cpu") == Filled(COUNT, COUNT, COUNT)
    assert main(["info", str(stopped.path)]) == 0
    assert "so far" not in capsys.readouterr().out


def test_a_fill_that_was_stopped_goes_on_and_means_of_other_weights_are_made_again(stopped: RunDirectory):
    asked = iter((False, False, True))
    assert fill_run(stopped.path, "cpu", ended=lambda: next(asked)).before == PART
    stopped.write_embedding(encoded(stopped)[:120])
    assert fill_run(stopped.path, "cpu") == Filled(COUNT, COUNT, 120)
    wrong = stopped.read_embedding() + np.float32(0.1)
    stopped.write_embedding(wrong)
    assert fill_run(stopped.path, "cpu") == Filled(COUNT, COUNT, 0)
    np.testing.assert_allclose(stopped.read_embedding(), encoded(stopped), atol=1e-4)


def test_a_run_that_is_trained_is_not_filled(stopped: RunDirectory, capsys: pytest.CaptureFixture[str]):
    with RunLock(stopped.lock_path), pytest.raises(RunError, match="is being trained"):
        fill_run(stopped.path, "cpu")

    def retrained(share: float) -> None:
        stopped.weights_path.write_bytes(stopped.weights_path.read_bytes())

    with pytest.raises(RunError, match="has other weights by now"):
        fill_run(stopped.path, "cpu", report=retrained)
    assert stopped.recorded_count() == PART
    assert main(["encode", str(stopped.path), "image.png", "--fill"]) == 2
    assert "images cannot be given with --fill" in capsys.readouterr().err
    assert main(["encode", str(stopped.path), "image.png"]) == 2
    assert "--out is missing" in capsys.readouterr().err


@pytest.mark.parametrize("rows", [PART - 1, COUNT + 1])
def test_means_of_fewer_than_the_first_samples_or_of_more_than_all_are_of_another_run(stopped, rows):
    stopped.write_embedding(np.zeros((rows, 3), np.float32))
    with pytest.raises(RunError, match=f"holds means of {rows} samples, and 200 samples"):
        stopped.read_cloud()
