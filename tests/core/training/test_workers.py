"""A batch that is cut into pieces: the same step on any number of threads, and that of the whole batch."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import Any

import pytest
import torch

from core.config import LossConfig, RunConfig, TrainingConfig
from core.training import threads
from core.training.loop import EpochEnd, make_fabric, train
from core.training.state import TrainingState
from core.training.threads import piece_count, training_threads
from core.training.workers import Workers
from tests.core.training.test_loop import TINY, dataset_of


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches of a small network are worth a thread, too: 16 images are four pieces."""
    monkeypatch.setattr(threads, "LEAST_IMAGES", 4)
    monkeypatch.setattr(threads, "LEAST_FLOPS", 1.0)


def trained(available: int, **changes: Any) -> tuple[TrainingState, dict[str, float]]:
    """After an epoch of two steps, the last a smaller one, where PyTorch has ``available`` threads."""
    loss = changes.pop("loss", LossConfig())
    training = dataclasses.replace(TINY.training, epochs=1, batch_size=16, input_noise=0.1, **changes)
    config = dataclasses.replace(TINY, training=training, loss=loss)
    state, fabric, validation = TrainingState(config), make_fabric(training), {}
    before = torch.get_num_threads()
    torch.set_num_threads(available)
    try:
        with training_threads(state, 1, "cpu") as workers:
            assert (workers.count, torch.get_num_threads()) == (available, 1)
            for event in train(state, dataset_of(27, 70), fabric, workers):
                if isinstance(event, EpochEnd):
                    validation = event.validation
        assert torch.get_num_threads() == available
    finally:
        torch.set_num_threads(before)
    assert state.step == 2
    return state, validation


def same(one: TrainingState, other: TrainingState) -> bool:
    weights = zip(one.state_dict()[0].values(), other.state_dict()[0].values(), strict=True)
    return all(torch.equal(a, b) for a, b in weights)


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_result_is_the_same_bit_for_bit_on_any_number_of_threads(precision: str):
    dip = LossConfig(entanglement="dip", gamma=0.1)
    (alone, expected), *others = [trained(count, precision=precision, loss=dip) for count in (1, 2, 3)]
    for state, validation in others:
        assert same(state, alone)
        assert validation == expected


@pytest.mark.parametrize(
    "changes",
    [{}, {"loss": LossConfig(entanglement="covariance", gamma=0.1)}, {"accumulation": 2}],
    ids=["plain", "a statistic of the batch", "parts in pieces"],
)
def test_a_batch_in_pieces_makes_the_step_of_the_whole_batch(monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]):
    whole, _ = trained(1, **changes)
    monkeypatch.setattr(threads, "LEAST_IMAGES", 4)
    monkeypatch.setattr(threads, "LEAST_FLOPS", 1.0)
    pieces, _ = trained(2, **changes)
    assert not same(pieces, whole), "it was cut"
    for (name, one), other in zip(whole.model.named_parameters(), pieces.model.parameters(), strict=True):
        torch.testing.assert_close(other, one, rtol=2e-3, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize(
    ("flops", "images", "pieces"),
    [(3 * 10**8, 16, 2), (2 * 10**7, 16, 1), (3 * 10**8, 11, 1), (3 * 10**8, 32, 4), (10**10, 16, 2), (10**10, 1, 1)],
    ids=["256²", "64²", "too few images", "twice as many", "much work, few images", "one image"],
)
def test_a_batch_is_cut_where_a_piece_is_worth_a_thread(flops: int, images: int, pieces: int):
    assert piece_count(flops, images) == pieces


@pytest.mark.parametrize("processes", [1, 2])
def test_networks_with_batch_normalisation_and_several_processes_compute_batches_whole(processes: int):
    preset = "article" if processes == 1 else "compact"
    config = RunConfig(TINY.data, dataclasses.replace(TINY.model, preset=preset), training=TrainingConfig(device="cpu"))
    with training_threads(TrainingState(config), processes, "cpu") as workers:
        assert workers.count == 1


def test_results_come_in_order_and_the_first_failure_once_all_have_ended():
    ended: list[int] = []

    def work(item: int) -> int:
        time.sleep(0.02 * (4 - item))
        ended.append(item)
        if item in (1, 3):
            raise ValueError(str(item))
        return item

    with Workers(2) as workers:
        assert workers.map(lambda item: (item, threading.current_thread().name[:6]), [5, 6]) == [
            (5, "pieces"),
            (6, "pieces"),
        ]
        with pytest.raises(ValueError, match="1"):
            workers.map(work, range(4))
    assert sorted(ended) == [0, 1, 2, 3]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pieces")]
