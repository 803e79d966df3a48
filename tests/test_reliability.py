"""The page on reliability names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability.md"
ROW = re.compile(r"^\| .+ \| (.+) \| .*\|$", re.MULTILINE)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_each_promise_has_a_test_that_exists():
    rows = [row for row in ROW.findall(PAGE.read_text("utf-8")) if row != "test"]
    assert len(rows) > 40
    for row in rows:
        named = NAMED.findall(row)
        assert named, row
        for file, name in named:
            text = (ROOT / file).read_text("utf-8")
            assert re.search(rf"^def {name}\(", text, re.MULTILINE), f"{file}::{name}"
