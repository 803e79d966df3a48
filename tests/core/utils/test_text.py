"""Numbers and the words that follow them."""

from __future__ import annotations

import pytest

from core.utils.text import counted


@pytest.mark.parametrize(("count", "text"), [(0, "0 epochs"), (1, "1 epoch"), (2, "2 epochs"), (5000, "5,000 epochs")])
def test_a_noun_agrees_with_its_number(count, text):
    assert counted(count, "epoch") == text
