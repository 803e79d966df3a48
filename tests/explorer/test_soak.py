"""Some rounds of the soak's walk in the real window."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
try:
    import _census  # noqa: F401  # what soak imports when it walks
    import _lateness  # noqa: F401
    import _walk
    import soak
finally:
    sys.path.remove(str(SCRIPTS))


@pytest.fixture
def walked(opened, qapp, qtbot, tiny_run, tmp_path, monkeypatch) -> dict:
    """Three rounds of what takes least time, in the real window; the report as the script writes it."""
    released: list[int] = []
    monkeypatch.setattr("explorer.app.release_memory", lambda: released.append(1))
    walk = soak.Walk(qapp, opened, [tiny_run], tmp_path, seed=3)
    walk.play(lambda: walk.rounds == 4, _walk.QUICK_ACTIONS[:4])
    qtbot.waitUntil(lambda: not walk._timer.isActive(), timeout=300_000)
    report = soak.read_walk(tmp_path)
    assert len(released) >= 4, "each round opens runs, and gives back the memory of those before"
    series = {"seconds": [0.0], "rss_mb": [1.0], "threads": [1], "files": [1]}
    report |= {"processes": {"window": series}, "log": []}
    soak.write_report(report, tmp_path)
    return json.loads((tmp_path / "soak.json").read_text())


def test_rounds_in_the_real_window_leak_nothing_and_are_reported(walked):
    verdicts = {verdict["bar"]: verdict for verdict in walked["verdicts"]}
    for what in ("files", "threads", "Qt objects"):
        assert verdicts[f"window: {what} leaked"]["ok"], walked["growing"]
    assert verdicts["actions that failed"]["value"] == 0, walked["failures"]
    assert verdicts["errors that the window showed"]["value"] == 0, walked["errors_shown"]
    assert walked["done"]["choose_samples"] == walked["done"]["draw_path"] == 4
    assert len(walked["rounds"]) == 4
    assert walked["lateness_ms"]["p50"] is not None
    assert {one["action"] for one in walked["late"]} <= {*walked["done"]}
