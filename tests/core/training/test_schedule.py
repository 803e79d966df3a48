"""Where batches end, and the learning rate of a training that is left alone, extended, or slowed down."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config import TrainingConfig
from core.training.schedule import Cycle, fewest, learning_rate, next_batch, steps_left

ONE_CYCLE = TrainingConfig(schedule="one-cycle", warmup=0.25, epochs=8)


def rates(config: TrainingConfig, peak: float = 1.0, cycle: Cycle | None = None) -> np.ndarray:
    """At 101 places of the cycle."""
    cycle = cycle or Cycle()
    return np.array([learning_rate(config, peak, e, cycle) for e in np.linspace(cycle.start, config.epochs, 101)])


def test_one_cycle_rises_to_its_peak_and_falls_to_nothing():
    found = rates(ONE_CYCLE)
    assert found[0] == pytest.approx(1 / 25)
    assert found[25] == 1.0
    assert found[-1] == pytest.approx(1e-4)
    assert np.all(np.diff(found[:26]) > 0)
    assert np.all(np.diff(found[25:]) < 0)


def test_without_warmup_one_cycle_starts_at_its_peak():
    assert rates(replace(ONE_CYCLE, warmup=0.0))[0] == 1.0


def test_a_constant_rate_stays():
    assert set(rates(replace(ONE_CYCLE, schedule="constant"), 0.3, Cycle(3.0, 1e-5))) == {0.3}


@pytest.mark.parametrize("stopped_at", [8.0, 5.5, 1.0])
def test_an_extended_training_warms_up_from_the_rate_it_had_over_the_added_epochs(stopped_at: float):
    """Neither a jump back to the peak nor one to nothing, whether it had finished or not."""
    present = learning_rate(ONE_CYCLE, 2e-3, stopped_at, Cycle())
    longer = replace(ONE_CYCLE, epochs=24)
    found = rates(longer, 2e-3, Cycle(stopped_at, present))
    assert found[0] == pytest.approx(present)
    assert found.argmax() == 25
    assert found.max() == 2e-3
    assert found[-1] == pytest.approx(2e-7)


def test_a_new_peak_below_the_present_rate_holds_at_once():
    found = rates(replace(ONE_CYCLE, epochs=24), 1e-4, Cycle(3.0, 1.9e-3))
    assert found.max() == found[0] == 1e-4


@given(st.integers(1, 400), st.integers(1, 40), st.integers(1, 3))
def test_batches_cover_an_epoch_and_none_has_too_few_images(count: int, batch: int, processes: int):
    batch *= processes
    sizes, left = [], count
    while left:
        sizes.append(next_batch(left, batch, processes))
        assert steps_left(left, batch, processes) == steps_left(left - sizes[-1], batch, processes) + 1
        left -= sizes[-1]
    assert sum(sizes) == count
    assert len(sizes) == steps_left(count, batch, processes)
    assert set(sizes[:-1]) <= {batch}
    assert sizes[-1] < batch + fewest(batch, processes)
    if count >= fewest(batch, processes):
        assert sizes[-1] >= fewest(batch, processes)
