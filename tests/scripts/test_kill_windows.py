"""Two windows are killed while a hand works in them. The night's worth is ``scripts/kill_windows.py``."""

import os
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
try:
    import kill_windows
finally:
    sys.path.remove(str(SCRIPTS))


def test_windows_that_are_killed_lose_nothing_that_was_saved(tmp_path):
    report = kill_windows.walk(2, 0, tmp_path, dict(os.environ))
    assert report.failures == []
    assert report.gestures > 0
