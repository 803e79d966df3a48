"""Numbers and the words that follow them."""

from __future__ import annotations

import pytest

from core.utils.text import counted, duration_text, listed, shortened, size_text


@pytest.mark.parametrize(("count", "text"), [(0, "0 epochs"), (1, "1 epoch"), (2, "2 epochs"), (5000, "5,000 epochs")])
def test_a_noun_agrees_with_its_number(count, text):
    assert counted(count, "epoch") == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (99_999, "100 kB"), (999_500, "1.0 MB"),
     (4_300_000, "4.3 MB"), (640_000_000, "640 MB"), (2 * 10**12, "2.0 TB"), (10**16, "10000 TB")],
)  # fmt: skip
def test_sizes_are_read_easily(size, text):
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("room", "text"), [(14, "thickness 1.25"), (13, "thickn…s 1.25"), (12, "thickn…1.25"), (7, "thi….25"), (1, "…")]
)
def test_what_is_too_long_keeps_its_beginning_and_its_end(room, text):
    assert shortened("thickness 1.25", lambda short: len(short) <= room) == text


def test_lists_read_as_in_a_sentence():
    assert [listed("abc"[:count]) for count in range(4)] == ["", "a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(8, "8 s"), (93, "1 min 33 s"), (120, "2 min 00 s"), (7800, "2 h 10 min"), (float("nan"), "–"), (-1, "–")],
)
def test_time_spans_are_words_with_no_place_for_a_line_to_end(seconds, text):
    assert duration_text(seconds).split() == text.split()
    assert " " not in duration_text(seconds)


def test_time_spans_on_an_axis_have_no_zeros():
    spans = [duration_text(seconds, round_zeros=True) for seconds in (0, 60, 90, 3600, 3660)]
    assert [" ".join(span.split()) for span in spans] == ["0 s", "1 min", "1 min 30 s", "1 h", "1 h 01 min"]
