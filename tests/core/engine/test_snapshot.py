"""What the engine knows of very many samples: the first stand for all, but for what is nearest."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from core.engine import snapshot
from core.engine.snapshot import Attributes, EmbeddingSnapshot
from core.runs.directory import ProbeSet
from core.runs.split import HELD_OUT


def test_the_first_samples_stand_for_all_but_the_nearest_is_looked_for_among_all(monkeypatch):
    monkeypatch.setattr(snapshot, "MAX_PROBE", 50)
    mu = np.random.default_rng(0).normal(size=(120, 3)).astype(np.float32)
    split = np.zeros(120, np.uint8)
    split[100] = HELD_OUT
    pictures = np.zeros((120, 32, 32, 1), np.uint8)
    probe = ProbeSet(np.arange(120) * 2, mu[:, :1].copy(), ("a",), pictures, split)
    inference: Any = SimpleNamespace()
    made = EmbeddingSnapshot(mu, probe, inference)
    assert np.array_equal(made.mu, mu[:50])
    assert len(made.geometry) == len(made.probe.indices) == 50
    made.set_attributes(Attributes(("b",), np.arange(120.0)[:, None]))
    assert np.array_equal(made.table(("b",))[:, 0], np.arange(50))
    whole = made.whole
    _, found = whole.neighbourhoods.query(mu[[99, 100, 119]], 1)
    assert whole.places[found[[0, 2], 0]].tolist() == [99, 119]
    assert whole.indices[found[0, 0]] == 198
    assert 100 not in whole.places
