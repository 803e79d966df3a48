"""The off-manifold score against known clouds; its three verdicts, and the words that give the numbers behind them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.geometry.embedding_metrics import intrinsic_dimension
from core.geometry.local_fit import GeometryError, Neighbourhoods
from core.geometry.off_manifold import OffManifoldDetector, OffManifoldScore, Rim, off_share, times, verdict

NAN = math.nan


@pytest.mark.parametrize(
    ("score", "gap", "wanted"),
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
def test_distance_decides_first_then_the_statistic(score: float, gap: float, wanted):
    assert verdict(score, 1.8, gap) == wanted


def test_without_a_threshold_nothing_is_said():
    assert verdict(1.0, NAN, NAN) is None
    assert OffManifoldScore(NAN, NAN, NAN).short == ""
    assert OffManifoldScore(NAN, NAN, NAN).explanation == ""


def test_the_words_give_the_distance_the_threshold_and_the_gap():
    score = OffManifoldScore(2.14, 1.85, 0.12)
    assert score.short == "extrapolating · 2.14× spacing"
    for number in ("2.14×", "1.85×", "0.12 cloud radii", "8 nearest"):
        assert number in score.explanation


def test_an_unknown_gap_is_said_to_be_unknown():
    assert "unknown" in OffManifoldScore(1.0, 1.8, NAN).explanation


def test_the_share_off_the_data_counts_the_known_places_alone():
    known = [OffManifoldScore(1.0, 1.8, 0.0), OffManifoldScore(2.0, 1.8, 0.1), OffManifoldScore(9.0, 1.8, 0.9)]
    assert off_share([*known, OffManifoldScore(NAN, 1.8, NAN), None]) == pytest.approx(2 / 3)
    assert off_share([OffManifoldScore(NAN, NAN, NAN), None]) is None
    assert off_share([]) is None


@pytest.mark.parametrize(
    ("score", "text"), [(0.931, "0.93×"), (12.4, "12×"), (1234.0, "1,234×"), (math.inf, "∞×"), (NAN, "unknown")]
)
def test_statistics_are_given_short(score: float, text: str):
    assert times(score) == text


def sphere(count: int, seed: int = 0) -> np.ndarray:
    directions = np.random.default_rng(seed).normal(size=(count, 3))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def punctured(count: int = 5000) -> np.ndarray:
    points = np.random.default_rng(0).uniform(size=(count, 2)) * (1.5, 2.0) + (0.5, 0.0)
    return points[np.linalg.norm(points - (1.25, 1.0), axis=1) > 0.3]


def test_one_sample_in_a_hundred_is_flagged():
    detector = OffManifoldDetector(Neighbourhoods(sphere(3000)))
    fresh = detector.off_manifold(sphere(3000, 9)).mean()
    assert 0.001 < fresh < 0.03


def test_a_hole_is_off_the_manifold_and_its_rim_is_not():
    detector = OffManifoldDetector(Neighbourhoods(punctured()))
    angle = np.linspace(0.0, 2.0 * np.pi, 60)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    centre = np.array([1.25, 1.0])
    assert detector.off_manifold(centre + 0.25 * circle).all()
    assert detector.off_manifold(centre + 0.1 * circle).all()
    assert detector.off_manifold(centre + 0.36 * circle).mean() < 0.1
    assert (np.diff(detector.score(centre + np.linspace(0.1, 0.28, 4)[:, None] * (1.0, 0.0))) < 0.0).all()


def test_the_score_does_not_depend_on_the_clouds_scale():
    z = np.array([[1.25, 1.0], [0.7, 0.4]])
    small, large = (OffManifoldDetector(Neighbourhoods(scale * punctured())) for scale in (1.0, 1000.0))
    np.testing.assert_allclose(small.score(z), large.score(z * 1000.0), rtol=1e-9)
    assert large.spacing == pytest.approx(1000.0 * small.spacing)


def test_the_score_of_coinciding_samples_flags_every_other_place():
    detector = OffManifoldDetector(Neighbourhoods(np.zeros((20, 2))))
    np.testing.assert_array_equal(detector.off_manifold(np.array([[0.0, 0.0], [0.1, 0.0]])), [False, True])
    with pytest.raises(GeometryError, match="2 or more samples"):
        OffManifoldDetector(Neighbourhoods(np.zeros((1, 2))))


def test_rims_and_directions_in_many_dimensions_are_those_of_the_same_sheet_in_few():
    sheet = np.column_stack([punctured(), np.zeros(len(punctured()))])
    sheet[:, 2] = 0.2 * np.sin(2.0 * sheet[:, 0])
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(80, 3)))
    few, many = Neighbourhoods(sheet), Neighbourhoods(sheet @ turn.T)
    members = Rim(few, 2).members
    assert 0.02 < members.mean() < 0.3
    np.testing.assert_array_equal(Rim(many, 2).members, members)
    assert intrinsic_dimension(many, 8) == intrinsic_dimension(few, 8) == 2
