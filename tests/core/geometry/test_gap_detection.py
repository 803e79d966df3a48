"""Factor curves end at gaps of the data and nowhere else, however the encoder drew the gap and the samples fell."""

from __future__ import annotations

import numpy as np
import pytest

from core.geometry.factor_curve import FactorCurve, factor_curve
from core.geometry.local_fit import Neighbourhoods
from core.geometry.off_manifold import OffManifoldDetector
from core.geometry.surface import Gaps, Surface

INSIDE = 0.95
REACHED = 0.9


def scattered(seed: int, count: int = 4000) -> np.ndarray:
    """(count, 2) evenly in the square from -1 to 1."""
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (count, 2))


def bent(native: np.ndarray) -> np.ndarray:
    """The square as a surface in three dimensions."""
    return np.hstack([native, np.sin(native[:, :1])])


def curves_from(surface: Surface, native: np.ndarray, count: int) -> list[FactorCurve]:
    """Whole curves of the first label from ``count`` samples that are not at the edge."""
    inside = np.flatnonzero(np.abs(native).max(axis=1) < INSIDE)[:count]
    return [factor_curve(surface, surface.samples.points[i], 0) for i in inside]


def whole(curve: FactorCurve) -> bool:
    """Whether a curve runs from edge to edge."""
    return curve.extent[0] < -REACHED and curve.extent[1] > REACHED


@pytest.mark.parametrize("seed", [0, 3])
def test_no_curve_stops_amid_samples_however_they_fell(seed):
    native = scattered(seed)
    assert all(whole(curve) for curve in curves_from(Surface(bent(native), native), native, 25))


def test_nor_where_one_label_alone_is_known_and_gaps_can_only_be_seen_in_latent_space():
    native = scattered(0)
    surface = Surface(bent(native), native[:, :1])
    assert not surface.gaps.asks_labels
    assert all(whole(curve) for curve in curves_from(surface, native, 20))


@pytest.mark.parametrize("width", [0.08, 0.1])
def test_a_gap_that_the_encoder_drew_nearly_together_ends_every_curve(width):
    native = scattered(1, 6000)
    native = native[np.abs(native[:, 0]) > 0.3]
    latent = native.copy()
    latent[:, 0] -= np.sign(native[:, 0]) * (0.3 - 0.5 * width)  # three to four times the distance of neighbours
    curves = curves_from(Surface(bent(latent), native), native, 20)
    for curve in curves:
        side = np.sign(curve.labels[0, 0])
        assert np.all(side * curve.labels[:, 0] > 0.2)  # the gap begins at 0.3
    assert {np.sign(curve.labels[0, 0]) for curve in curves} == {-1.0, 1.0}


def test_the_same_crack_without_a_gap_in_the_labels_is_crossed():
    native = scattered(1, 6000)
    latent = native.copy()
    latent[:, 0] += np.sign(native[:, 0]) * 0.03
    curves = curves_from(Surface(bent(latent), native), native, 20)
    assert np.mean([whole(curve) for curve in curves]) > 0.9


def test_repeated_labels_cannot_tell_gaps_and_are_not_asked():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 5, (4000, 2)) / 2.0 - 1.0
    places = labels + generator.normal(scale=0.2, size=labels.shape)
    assert not Surface(bent(places), labels).gaps.asks_labels


@pytest.mark.parametrize("noise", [0.02])
def test_noise_as_wide_as_neighbours_are_apart_does_not_end_curves(noise):
    native = scattered(4, 2000)
    places = np.hstack([bent(native), np.zeros((len(native), 5))])
    surface = Surface(places + noise * np.random.default_rng(0).normal(size=places.shape), native)
    assert surface.intrinsic == 2
    curves = curves_from(surface, native, 10)
    assert sum(curve.extent[0] > -0.85 or curve.extent[1] < 0.85 for curve in curves) <= 1


def test_copies_of_samples_change_nothing():
    native = scattered(5, 500)
    once, often = (Surface(np.repeat(bent(native), r, axis=0), np.repeat(native, r, axis=0)) for r in (1, 5))
    assert len(often.samples) == len(once.samples) == 500
    start = bent(np.array([[0.1, -0.2]]))[0]
    np.testing.assert_allclose(factor_curve(often, start, 0).points, factor_curve(once, start, 0).points, atol=1e-9)


def test_the_label_of_copies_is_their_mean():
    surface = Surface(np.repeat(scattered(0, 40), 2, axis=0), np.tile([1.0, 3.0], 40))
    np.testing.assert_array_equal(surface.table[:, 0], 2.0)


@pytest.mark.parametrize("count", [10, 30])
def test_of_few_samples_a_curve_does_not_make_values_up(count):
    native = scattered(3, count)
    surface = Surface(bent(native), native)
    assert surface.intrinsic == 2
    for start in surface.samples.points[:8]:
        low, high = factor_curve(surface, start, 0).extent
        room = 0.05 * np.ptp(native[:, 0]) + 1e-9
        assert native[:, 0].min() - room <= low
        assert high <= native[:, 0].max() + room


def test_beyond_the_edge_of_the_data_is_outside_by_labels_and_by_latents():
    native = scattered(2)
    for table in (native, native[:, :1]):
        surface = Surface(native, table)
        places = np.array([[0.0, 0.0], [0.5, -0.7], [1.2, 0.0], [0.1, -1.2]])
        assert surface.in_gap(places).tolist() == [False, False, True, True]


def test_far_off_the_samples_no_label_helps():
    samples = Neighbourhoods(scattered(0))
    detector = OffManifoldDetector(samples)
    gaps = Gaps(samples, 2, detector, samples.points, samples.points[:50])
    assert gaps.asks_labels
    places = np.array([[3.0, 3.0]])
    assert gaps.contains(detector.score(places), lambda doubtful: (places[doubtful], np.zeros((1, 2)))).tolist() == [
        True
    ]
