"""The badge: three verdicts, one rule, and words that give the numbers behind them."""

from __future__ import annotations

import math

import pytest

from core.geometry.off_manifold_status import Standing, off_share, times, verdict

NAN = math.nan


@pytest.mark.parametrize(
    ("support", "gap", "wanted"),
    [
        (1.0, 0.01, "on the data"),
        (1.8, 0.5, "on the data"),  # on both limits: still on it
        (1.81, 0.1, "extrapolating"),
        (math.inf, 0.1, "extrapolating"),
        (30.0, 0.51, "off the data"),
        (1.0, 0.51, "off the data"),  # a far place is off the data, however sparse the samples are there
        (NAN, NAN, None),
        (NAN, 0.7, "off the data"),
    ],
)
def test_distance_decides_first_then_the_statistic(support: float, gap: float, wanted):
    assert verdict(support, 1.8, gap) == wanted


def test_without_a_threshold_nothing_is_said():
    assert verdict(1.0, NAN, NAN) is None
    assert Standing(NAN, NAN, NAN).short == ""
    assert Standing(NAN, NAN, NAN).explanation == ""


def test_the_words_give_the_distance_the_threshold_and_the_gap():
    standing = Standing(2.14, 1.85, 0.12)
    assert standing.short == "extrapolating · distance 2.14×"
    for number in ("2.14×", "1.85×", "0.12 cloud radii", "eight nearest"):
        assert number in standing.explanation


def test_an_unknown_gap_is_said_to_be_unknown():
    assert "not known" in Standing(1.0, 1.8, NAN).explanation


def test_the_share_off_the_data_counts_the_known_places_alone():
    known = [Standing(1.0, 1.8, 0.0), Standing(2.0, 1.8, 0.1), Standing(9.0, 1.8, 0.9)]
    assert off_share([*known, Standing(NAN, 1.8, NAN), None]) == pytest.approx(2 / 3)
    assert off_share([Standing(NAN, NAN, NAN), None]) is None
    assert off_share([]) is None


@pytest.mark.parametrize(
    ("support", "text"), [(0.931, "0.93×"), (12.4, "12×"), (1234.0, "1,234×"), (math.inf, "∞×"), (NAN, "unknown")]
)
def test_statistics_are_given_short(support: float, text: str):
    assert times(support) == text
