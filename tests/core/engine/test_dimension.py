"""The engine estimates the intrinsic dimension of the newest means."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from engine_driver import Steps, make_run

from core.geometry.embedding_metrics import two_nn
from core.protocol.messages import DimensionEstimated, EstimateDimension


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run")


def record(run, mu: np.ndarray) -> None:
    """Means of as many samples as there are rows."""
    probe, rows = run.read_probe(), np.zeros(len(mu), np.int64)
    run.write_probe(
        replace(
            probe,
            indices=np.arange(len(mu)),
            factors=probe.factors[rows],
            thumbnails=probe.thumbnails[rows],
            split=probe.split[rows],
        )
    )
    run.write_embedding(mu)


def test_it_is_that_of_the_newest_means(run):
    mu = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    record(run, mu)
    answer = Steps(run).ask(EstimateDimension)
    assert isinstance(answer, DimensionEstimated)
    assert (answer.dimension, answer.low, answer.high) == pytest.approx(tuple(two_nn(mu)))
    assert answer.note == ""


@pytest.mark.parametrize("samples", [0, 4])
def test_too_few_samples_are_a_note_and_no_error(run, samples: int):
    if samples:
        record(run, np.eye(4, 3, dtype=np.float32))
    answer = Steps(run).ask(EstimateDimension)
    assert isinstance(answer, DimensionEstimated)
    assert math.isnan(answer.dimension)
    assert answer.note
