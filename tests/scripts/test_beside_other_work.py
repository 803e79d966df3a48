"""Rates beside a busy process, in units of what it leaves free; and that both processes are there and end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
try:
    import _beside_other_work
finally:
    sys.path.remove(str(SCRIPTS))


def test_a_rate_is_compared_with_the_free_share_of_the_rate_alone_pair_by_pair():
    row = _beside_other_work.compare(256, 2, [(100.0, 45.0), (200.0, 80.0), (50.0, 15.0)], 2)
    assert (row.alone, row.beside) == (100.0, 45.0)
    assert (row.ratio, row.free_share) == (0.4, 0.5)
    assert row.spread == pytest.approx(0.05)
    assert row.of_free == pytest.approx(0.8)
    assert row.line.endswith("0.80 ± 0.10 of the free share (bar 0.8) ok")
    assert "MISSED" in _beside_other_work.compare(64, 1, [(100.0, 30.0)], 2).line


def test_a_training_takes_turns_beside_a_busy_process(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_beside_other_work, "SETTLE_S", 0.0)
    with _beside_other_work._busy_process() as busy, _beside_other_work._training(32, 1, 0) as rate:
        busy(True)
        assert rate(0.01) > 0.0
