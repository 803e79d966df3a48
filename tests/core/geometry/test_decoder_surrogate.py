"""The surrogate decoder reproduces what it was shown, with exact derivatives, and says how far off it is elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from core.geometry.decoder_surrogate import (
    LatentMap,
    Surrogate,
    fit_surrogate,
    landmark_places,
    pooled_decoder,
    surrogate_of,
)
from core.geometry.local_fit import GeometryError, Neighbourhoods


def waves(z):
    """A smooth map to 20 features."""
    mixing = np.random.default_rng(0).normal(size=(z.shape[1], 20))
    return np.sin(np.asarray(z, dtype=float) @ mixing)


@pytest.fixture(scope="module")
def samples():
    return Neighbourhoods(np.random.default_rng(1).uniform(-1.0, 1.0, (1500, 2)))


@pytest.mark.parametrize("d", [2, 3, 8])
def test_it_interpolates_its_landmarks(d):
    places = np.random.default_rng(d).normal(size=(200, d))
    surrogate = Surrogate(places, waves(places))
    values = surrogate.value(places)
    distances = np.linalg.norm(values[:, None] - values, axis=2)
    true = waves(places)
    np.testing.assert_allclose(distances, np.linalg.norm(true[:, None] - true, axis=2), atol=1e-3)


@pytest.mark.parametrize("d", [2, 3, 8, 32])
def test_its_jacobian_is_the_derivative_of_its_value(d):
    places = np.random.default_rng(d).normal(size=(150, d))
    surrogate = Surrogate(places, waves(places))
    z, step = np.random.default_rng(9).normal(size=(4, d)), 1e-5
    value, jacobian = surrogate.value_and_jacobian(z)
    np.testing.assert_allclose(value, surrogate.value(z), atol=1e-9)
    moved = [(surrogate.value(z + step * e) - surrogate.value(z - step * e)) / (2 * step) for e in np.eye(d)]
    np.testing.assert_allclose(jacobian, np.stack(moved, axis=2), atol=1e-5)


def test_linear_maps_are_reproduced_everywhere():
    places = np.random.default_rng(2).normal(size=(60, 3))
    matrix = np.random.default_rng(3).normal(size=(3, 5))
    surrogate = Surrogate(places, places @ matrix)
    _, jacobian = surrogate.value_and_jacobian(np.array([[9.0, -4.0, 2.0]]))
    np.testing.assert_allclose(jacobian[0].T @ jacobian[0], matrix @ matrix.T, rtol=1e-4, atol=1e-5)


def test_the_error_is_measured_on_samples_that_took_no_part(samples):
    assert fit_surrogate(samples, waves, 600, intrinsic=2).error < 0.02
    noise = fit_surrogate(samples, lambda z: np.random.default_rng(4).normal(size=(len(z), 8)), 300, intrinsic=2)
    assert noise.error > 0.5


def test_places_can_be_decoded_by_others(samples):
    chosen = landmark_places(samples, 300, intrinsic=2)
    surrogate = surrogate_of(chosen, waves(chosen.places))
    np.testing.assert_allclose(surrogate.error, fit_surrogate(samples, waves, 300, intrinsic=2).error, rtol=1e-6)
    assert chosen.places.dtype == np.float32
    assert chosen.held_out == 30


def test_few_samples_and_samples_that_coincide_are_enough():
    points = np.repeat(np.random.default_rng(5).normal(size=(6, 2)), 4, axis=0)
    surrogate = fit_surrogate(Neighbourhoods(points), waves, 40, intrinsic=1)
    assert np.isfinite(surrogate.value_and_jacobian(points)[1]).all()


def test_images_are_pooled_on_the_way():
    pooled = pooled_decoder(lambda z: np.full((len(z), 32, 32, 1), 51, np.uint8))
    np.testing.assert_allclose(pooled(np.zeros((2, 3))), np.full((2, 256), 0.2))


def test_the_latent_map_is_the_identity():
    z = np.random.default_rng(6).normal(size=(4, 3))
    value, jacobian = LatentMap().value_and_jacobian(z)
    np.testing.assert_array_equal(value, z)
    np.testing.assert_array_equal(jacobian, np.broadcast_to(np.eye(3), (4, 3, 3)))


def test_what_determines_no_surrogate_is_refused():
    places = np.random.default_rng(7).normal(size=(20, 3))
    with pytest.raises(GeometryError, match="needs 5 or more"):
        Surrogate(places[:4], np.zeros((4, 2)))
    with pytest.raises(GeometryError, match="finite"):
        Surrogate(places, np.full((20, 2), np.nan))
    with pytest.raises(GeometryError, match="1 sample"):
        landmark_places(Neighbourhoods(np.zeros((1, 2))))
