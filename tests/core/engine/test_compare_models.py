"""The engine with two models: opening and closing the second, and both at one input."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from engine_driver import TINY, Steps, make_run, seeded, write_weights
from PIL import Image

from core.analysis.image_metrics import excess_bce
from core.data.polar_curves import render_one
from core.engine.handlers.models import fit_image
from core.models.network_inference import NetworkInference
from core.protocol.messages import (
    CompareModels,
    Decode,
    EncodeSample,
    Failed,
    Load,
    LoadSecond,
    ModelsCompared,
    SecondLoaded,
    SecondWeightsChanged,
    WeightsChanged,
)
from core.runs.directory import RunDirectory

Z = np.array([0.5, -1.0, 0.25], dtype=np.float32)
NONE = np.zeros(0, np.float32)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return make_run(tmp_path_factory.mktemp("compare") / "first")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return make_run(tmp_path_factory.mktemp("compare") / "second", seed=1)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run with larger, coloured images, another geometry and five latent dimensions."""
    data = replace(TINY.data, image_size=48, channels=3, geometry="square")
    config = replace(TINY, data=data, model=replace(TINY.model, latent_dim=5))
    return make_run(tmp_path_factory.mktemp("compare") / "large", config, seed=2)


@pytest.fixture
def steps(first: RunDirectory) -> Iterator[Steps]:
    stepped = Steps(first)
    yield stepped
    stepped.engine.close()


def opened(steps: Steps, run: RunDirectory) -> SecondLoaded:
    return steps.ask(LoadSecond, path=str(run.path))


def compared(steps: Steps, index: int = -1, factors: np.ndarray = NONE, z: np.ndarray = NONE) -> ModelsCompared:
    reply = steps.ask(CompareModels, index=index, factors=factors, z=z)
    assert isinstance(reply, ModelsCompared), reply
    return reply


# the second model


def test_the_second_model_is_described(steps, large):
    reply = opened(steps, large)
    assert (reply.path, reply.latent_dim, reply.image_size) == (str(large.path), 5, 48)
    assert (reply.channels, reply.preset) == (3, "compact")


def test_the_first_model_is_untouched_by_a_second(steps, large):
    before = steps.ask(Decode, z=Z).image
    opened(steps, large)
    np.testing.assert_array_equal(steps.ask(Decode, z=Z).image, before)


def test_an_empty_path_closes_it(steps, second):
    opened(steps, second)
    closed = steps.ask(LoadSecond, path="")
    assert (closed.path, closed.latent_dim) == ("", 0)
    assert "no second model" in steps.ask(CompareModels, index=0, factors=NONE, z=NONE).message


def test_a_second_that_cannot_be_read_is_named_and_the_one_before_stays(steps, second, tmp_path):
    opened(steps, second)
    broken = make_run(tmp_path / "broken")
    broken.weights_path.write_bytes(broken.weights_path.read_bytes()[:5000])
    failed = opened(steps, broken)
    assert isinstance(failed, Failed)
    assert str(broken.weights_path) in failed.message
    assert isinstance(compared(steps, index=0), ModelsCompared)


def test_another_first_model_keeps_the_second(steps, second, large):
    opened(steps, second)
    steps.ask(Load, path=str(large.path))
    assert compared(steps, index=0).second_mu.shape == (3,)


def test_a_second_that_is_being_opened_survives_another_first_model(steps, first, second):
    steps.do(LoadSecond(stamp=50, path=str(second.path)), slices=1)
    steps.do(Load(stamp=51, path=str(first.path)))
    assert steps.answered == [51, 50]


def test_the_seconds_new_weights_are_taken_over_and_told_apart(steps, tmp_path):
    run = make_run(tmp_path / "run", seed=3)
    opened(steps, run)
    newer = write_weights(run, seed=4, step=90)
    while not isinstance(steps.replies[-1], (SecondWeightsChanged, WeightsChanged)):
        steps.engine.poll_weights()
    assert steps.replies[-1] == SecondWeightsChanged(step=90)
    np.testing.assert_array_equal(compared(steps, z=Z).second, newer.decode(Z[None])[0])


# both at one input


def test_both_reconstruct_the_same_sample(steps, second):
    opened(steps, second)
    both, sample = compared(steps, index=7), steps.ask(EncodeSample, index=7)
    np.testing.assert_array_equal(both.original, sample.original)
    np.testing.assert_array_equal(both.first, sample.reconstruction)
    np.testing.assert_array_equal(both.first_mu, sample.mu)
    assert both.first_excess_bce == sample.excess_bce
    other = NetworkInference(seeded(TINY, 1))
    mu = other.encode(np.array(sample.original)[None])
    image = other.decode(mu)
    np.testing.assert_array_equal(both.second_mu, mu[0])
    np.testing.assert_array_equal(both.second, image[0])
    assert both.second_excess_bce == excess_bce(sample.original[None], image)[0]


def test_a_run_compared_with_itself_differs_nowhere(steps, first):
    opened(steps, first)
    both = compared(steps, factors=np.array([1.5, 0.5], np.float32))
    np.testing.assert_array_equal(both.first, both.second)
    assert both.first_excess_bce == both.second_excess_bce


def test_the_same_parameters_are_drawn_as_each_run_draws(steps, large):
    opened(steps, large)
    both = compared(steps, factors=np.array([1.5, 0.5], np.float32))
    own = np.repeat(render_one(1.5, 0.5, 48, "square")[..., None], 3, axis=-1)
    other = NetworkInference(seeded(large.config, 2))
    mu = other.encode(own[None])
    np.testing.assert_array_equal(both.original[..., 0], render_one(1.5, 0.5, 32))
    np.testing.assert_array_equal(both.second_mu, mu[0])
    assert both.second_excess_bce == excess_bce(own[None], other.decode(mu))[0]
    np.testing.assert_array_equal(both.second, fit_image(other.decode(mu)[0], 32, 1))


def test_the_same_sample_is_the_same_picture_at_each_models_size(steps, large):
    opened(steps, large)
    factors = steps.ask(EncodeSample, index=4).factors
    both = compared(steps, index=4)
    picture = np.repeat(render_one(*map(float, factors), size=48)[..., None], 3, axis=-1)  # in the first's geometry
    expected = NetworkInference(seeded(large.config, 2)).encode(picture[None])[0]
    np.testing.assert_allclose(both.second_mu, expected, atol=0.02)


def test_images_of_files_are_resized_for_the_second(steps, large, tmp_path):
    (tmp_path / "images").mkdir()
    for i in range(3):
        Image.fromarray(np.full((32, 32), 40 * i, np.uint8)).save(tmp_path / "images" / f"{i}.png")
    data = replace(TINY.data, path=str(tmp_path / "images"))
    steps.ask(Load, path=str(make_run(tmp_path / "run", replace(TINY, data=data)).path))
    opened(steps, large)
    expected = NetworkInference(seeded(large.config, 2)).encode(np.full((1, 48, 48, 3), 80, np.uint8))[0]
    np.testing.assert_array_equal(compared(steps, index=2).second_mu, expected)


def test_both_decode_the_same_latent_point(steps, second):
    opened(steps, second)
    both = compared(steps, z=Z)
    np.testing.assert_array_equal(both.first, steps.ask(Decode, z=Z).image)
    np.testing.assert_array_equal(both.second, NetworkInference(seeded(TINY, 1)).decode(Z[None])[0])
    np.testing.assert_array_equal(both.first_mu, Z)
    assert both.original.shape == (0, 0, 1)
    assert np.isnan([both.first_excess_bce, both.second_excess_bce]).all()


def test_a_decode_goes_before_a_comparison_and_that_before_a_sample(steps, second):
    opened(steps, second)
    before = len(steps.replies)
    steps.do(
        EncodeSample(stamp=40, index=0), CompareModels(stamp=41, index=0, factors=NONE, z=NONE), Decode(stamp=42, z=Z)
    )
    assert steps.answered[before:] == [42, 41, 40]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"z": Z}, "have 3 and 5 latent dimensions"),
        ({"index": 999}, "sample 999 does not exist"),
        ({"factors": np.ones(1, np.float32)}, "a curve has two"),
    ],
)
def test_what_cannot_be_compared_is_answered_by_its_reason(steps, large, fields, message):
    opened(steps, large)
    failed = steps.ask(CompareModels, **{"index": -1, "factors": NONE, "z": NONE, **fields})
    assert isinstance(failed, Failed)
    assert re.search(message, failed.message), failed.message


def test_without_a_second_model_it_says_what_to_do(steps):
    assert "Choose a run in Compare" in steps.ask(CompareModels, index=0, factors=NONE, z=NONE).message


# images of another size


@pytest.mark.parametrize(("size", "channels"), [(32, 1), (20, 1), (48, 3), (32, 3)])
def test_an_even_image_stays_even_at_any_size(size, channels):
    image = np.full((32, 32, 1), 90, np.uint8)
    fitted = fit_image(image, size, channels)
    assert (fitted.shape, fitted.min(), fitted.max()) == ((size, size, channels), 90, 90)


def test_an_image_that_fits_is_itself():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert fit_image(image, 32, 3) is image
