"""The cloud between two full encodings: what was measured is exact, the rest moves as its neighbours do."""

from __future__ import annotations

import numpy as np
import pytest

from core.live_embedding import LiveEmbedding, displacement


@pytest.fixture
def sheet() -> np.ndarray:
    """A bent sheet of 600 samples in 3-D."""
    u, v = np.random.default_rng(0).uniform(-1, 1, (2, 600))
    return np.stack([u, v, u**2 - v], axis=1).astype(np.float32)


def everything(samples: np.ndarray) -> LiveEmbedding:
    live = LiveEmbedding(samples, 3)
    live.measure(np.arange(len(samples)), samples)
    live.carry()
    return live


def test_what_is_measured_is_exact(sheet: np.ndarray):
    live = LiveEmbedding(sheet, 3)
    assert not live.started
    live.measure(np.arange(600), sheet)
    np.testing.assert_array_equal(live.carry(), sheet)
    assert live.exact
    live.weights_changed()
    assert not live.exact


@pytest.mark.parametrize("seed", range(3))
def test_an_affine_motion_is_followed_from_a_tenth_of_the_samples(sheet: np.ndarray, seed: int):
    generator = np.random.default_rng(seed)
    moved = (sheet @ (np.eye(3) + 0.3 * generator.normal(size=(3, 3))) + generator.normal(size=3)).astype(np.float32)
    live = everything(sheet)
    live.weights_changed()
    places = generator.choice(600, 60, replace=False)
    live.measure(places, moved[places])
    found = live.carry()
    np.testing.assert_array_equal(found[places], moved[places])
    error = np.linalg.norm(found - moved, axis=1)
    assert np.median(error) < 0.01 * np.linalg.norm(moved - sheet, axis=1).mean()


def test_a_smooth_fold_is_followed_nearly(sheet: np.ndarray):
    moved = sheet + np.stack([0 * sheet[:, 0], 0 * sheet[:, 0], 0.3 * np.sin(3 * sheet[:, 0])], axis=1).astype(
        np.float32
    )
    live = everything(sheet)
    places = np.random.default_rng(1).choice(600, 120, replace=False)
    live.measure(places, moved[places])
    error = np.linalg.norm(live.carry() - moved, axis=1)
    assert error.mean() < 0.15 * np.linalg.norm(moved - sheet, axis=1).mean()


def test_samples_never_measured_lie_among_those_that_look_alike(sheet: np.ndarray):
    live = LiveEmbedding(sheet, 3)  # features: the very positions
    places = np.arange(0, 600, 2)
    live.measure(places, sheet[places])
    found = live.carry()
    np.testing.assert_array_equal(found[places], sheet[places])
    assert np.linalg.norm(found - sheet, axis=1).max() < 0.4


def test_the_oldest_are_measured_first_and_each_comes_round(sheet: np.ndarray):
    live = everything(sheet)
    seen: set[int] = set()
    for _ in range(6):
        live.weights_changed()
        places = live.oldest(100)
        assert len(places) == 100
        assert not seen & set(places.tolist())
        seen |= set(places.tolist())
        live.measure(places, sheet[places])
        live.carry()
    assert len(seen) == 600


def test_nothing_is_left_to_measure_once_all_are_exact(sheet: np.ndarray):
    assert len(everything(sheet).oldest(10)) == 0


def test_no_point_moves_farther_than_the_farthest_guide():
    generator = np.random.default_rng(0)
    guides = generator.normal(size=(40, 3)).astype(np.float32)
    moved = (2.0 * guides).astype(np.float32)
    far = (100.0 * generator.normal(size=(20, 3))).astype(np.float32)
    limit = np.linalg.norm(moved, axis=1).max()
    assert np.linalg.norm(displacement(guides, moved, far), axis=1).max() <= limit * 1.0001


@pytest.mark.parametrize(("count", "dimension"), [(1, 3), (2, 1), (5, 2), (30, 64)])
def test_few_guides_and_any_dimension_will_do(count: int, dimension: int):
    guides = np.random.default_rng(0).normal(size=(count, dimension)).astype(np.float32)
    shift = np.ones((count, dimension), np.float32)
    found = displacement(guides, shift, np.zeros((7, dimension), np.float32))
    np.testing.assert_allclose(found, 1.0, rtol=1e-5)


def test_guides_that_coincide_do_no_harm():
    found = displacement(np.zeros((20, 3), np.float32), np.ones((20, 3), np.float32), np.zeros((4, 3), np.float32))
    np.testing.assert_allclose(found, 1.0, rtol=1e-5)
