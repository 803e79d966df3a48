"""The cloud from a few landmarks: what was encoded is exact, the rest is a smooth function of how the images look."""

from __future__ import annotations

import numpy as np
import pytest

from core.data import polar_curves
from core.training.probe_embedding import LiveEmbedding, spline_weights
from core.utils.point_sets import farthest_points


@pytest.fixture(scope="module")
def ab() -> np.ndarray:
    return polar_curves.draw_parameters(600, 0)


@pytest.fixture(scope="module")
def thumbnails(ab: np.ndarray) -> np.ndarray:
    return polar_curves.render(ab, 32)[..., None]


def cloud(ab: np.ndarray, fold: float) -> np.ndarray:
    """A sheet over (a, b), bent the more the larger ``fold``."""
    a, b = ab.T
    return np.stack([a, b + fold * a, fold * np.sin(2 * a) * b], axis=1).astype(np.float32)


def relative_error(found: np.ndarray, truth: np.ndarray) -> float:
    size = np.linalg.norm(truth - truth.mean(axis=0), axis=1).mean()
    return float(np.linalg.norm(found - truth, axis=1).mean() / size)


def look(live: LiveEmbedding, truth: np.ndarray, count: int) -> np.ndarray:
    return live.predict(truth[live.landmarks(count)])


@pytest.mark.parametrize(("count", "error"), [(24, 0.35), (96, 0.12), (192, 0.08)])
def test_before_anything_is_known_images_tell_where_a_sample_lies(
    thumbnails: np.ndarray, ab: np.ndarray, count: int, error: float
):
    truth = cloud(ab, 0.5)
    found = look(LiveEmbedding(thumbnails, 3), truth, count)
    assert found.dtype == np.float32
    assert relative_error(found, truth) < error


def test_landmarks_come_out_as_they_were_encoded(thumbnails: np.ndarray, ab: np.ndarray):
    live, truth = LiveEmbedding(thumbnails, 3), cloud(ab, 0.5)
    places = live.landmarks(50)
    np.testing.assert_array_equal(live.predict(truth[places])[places], truth[places])


def test_a_cloud_that_stands_still_stays_exactly_where_it_is(thumbnails: np.ndarray, ab: np.ndarray):
    live, truth = LiveEmbedding(thumbnails, 3), cloud(ab, 0.5)
    live.rebase(truth)
    np.testing.assert_array_equal(look(live, truth, 48), truth)


def test_a_cloud_that_turns_and_shifts_is_followed_exactly(thumbnails: np.ndarray, ab: np.ndarray):
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    live, before = LiveEmbedding(thumbnails, 3), cloud(ab, 0.5)
    live.rebase(before)
    after = (before @ turn + 3.0).astype(np.float32)
    assert relative_error(look(live, after, 96), after) < 1e-3


def test_a_fold_is_followed_better_from_the_last_exact_cloud(thumbnails: np.ndarray, ab: np.ndarray):
    live, after = LiveEmbedding(thumbnails, 3), cloud(ab, 0.6)
    without = relative_error(look(live, after, 48), after)
    live.rebase(cloud(ab, 0.5))
    assert relative_error(look(live, after, 48), after) < min(0.02, without / 3)


def test_looking_often_accumulates_nothing(thumbnails: np.ndarray, ab: np.ndarray):
    live = LiveEmbedding(thumbnails, 3)
    live.rebase(cloud(ab, 0.5))
    for fold in np.linspace(0.5, 0.6, 20):
        found = look(live, cloud(ab, fold), 48)
    again = LiveEmbedding(thumbnails, 3)
    again.rebase(cloud(ab, 0.5))
    np.testing.assert_array_equal(found, look(again, cloud(ab, 0.6), 48))


@pytest.mark.parametrize("dimension", [1, 2, 64])
@pytest.mark.parametrize("samples", [2, 30])
def test_any_dimension_and_few_samples_will_do(thumbnails: np.ndarray, dimension: int, samples: int):
    truth = np.random.default_rng(0).normal(size=(samples, dimension)).astype(np.float32)
    live = LiveEmbedding(thumbnails[:samples], dimension)
    np.testing.assert_array_equal(look(live, truth, 96), truth)
    live.rebase(truth)
    assert np.isfinite(look(live, truth + 1, 24)).all()


def test_images_that_are_all_alike_do_no_harm():
    live = LiveEmbedding(np.zeros((40, 32, 32, 3), np.uint8), 3)
    found = live.predict(np.ones((24, 3), np.float32)) if len(live.landmarks(24)) == 24 else None
    assert found is not None
    np.testing.assert_allclose(found, 1.0, atol=1e-3)


def test_the_spline_reproduces_affine_functions():
    points = np.random.default_rng(0).normal(size=(300, 3))
    values = points @ np.array([[1.0], [-2.0], [0.5]]) + 4.0
    places = farthest_points(points, 30)
    np.testing.assert_allclose(spline_weights(points, places) @ values[places], values, atol=1e-3)
