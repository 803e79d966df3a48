"""The engine at places of the parameter plane: the true image, its reconstruction, and whole transects in slices."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from engine_driver import TINY, Steps, make_run, write_weights
from PIL import Image

from core.analysis.image_metrics import excess_bce, ssim
from core.data.polar_curves import render_one
from core.models.network_inference import NetworkInference
from core.models.vae import build_model
from core.protocol.messages import (
    Decode,
    EncodeFactors,
    EncodeSample,
    FactorsEncoded,
    Failed,
    Load,
    MeasureTransect,
    TransectMeasured,
)
from core.runs.directory import RunDirectory

NO_INDICES = np.zeros(0, np.int64)
LINE = np.linspace([0.5, 2.0], [2.0, 0.0], 10)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return make_run(tmp_path_factory.mktemp("plane") / "run")


@pytest.fixture(scope="module")
def images_run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run on a folder of five images."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "images").mkdir()
    for i, image in enumerate(np.random.default_rng(0).integers(0, 256, (5, 32, 32), dtype=np.uint8)):
        Image.fromarray(image).save(folder / "images" / f"{i}.png")
    data = replace(TINY.data, path=str(folder / "images"))
    return make_run(folder / "run", replace(TINY, data=data))


@pytest.fixture
def steps(run: RunDirectory) -> Iterator[Steps]:
    stepped = Steps(run)
    yield stepped
    stepped.engine.close()


def located(steps: Steps, *factors: float, index: int = -1) -> FactorsEncoded:
    reply = steps.ask(EncodeFactors, factors=np.array(factors, np.float32), index=index)
    assert isinstance(reply, FactorsEncoded), reply
    return reply


def measured(steps: Steps, points: np.ndarray, indices: np.ndarray = NO_INDICES) -> list[TransectMeasured]:
    before = len(steps.replies)
    steps.ask(MeasureTransect, points=points, indices=indices)
    return steps.replies[before:]


# one place


def test_a_place_is_drawn_encoded_and_decoded(steps):
    reply = located(steps, 1.25, 0.75)
    true = render_one(1.25, 0.75, 32)[..., None]
    inference = NetworkInference(build_model(TINY))
    mu = inference.encode(true[None])
    np.testing.assert_array_equal(reply.original, true)
    np.testing.assert_array_equal(reply.mu, mu[0])
    np.testing.assert_array_equal(reply.reconstruction, inference.decode(mu)[0])
    np.testing.assert_array_equal(reply.factors, np.array([1.25, 0.75], np.float32))
    assert reply.excess_bce == excess_bce(true[None], reply.reconstruction[None])[0]
    assert reply.ssim == ssim(true[None], reply.reconstruction[None])[0]


def test_at_a_samples_own_factors_it_is_that_sample(steps):
    sample = steps.ask(EncodeSample, index=3)
    place = located(steps, *sample.factors)
    assert np.abs(place.original.astype(int) - sample.original).max() <= 1  # factors travel in single precision
    assert place.excess_bce == pytest.approx(sample.excess_bce, rel=1e-2)


def test_a_place_outside_the_plane_is_drawn_too(steps):
    np.testing.assert_array_equal(located(steps, 2.5, -1.0).original[..., 0], render_one(2.5, -1.0, 32))


def test_a_curve_is_drawn_where_asked_whatever_the_index(steps):
    np.testing.assert_array_equal(located(steps, 1.0, 1.0, index=7).original[..., 0], render_one(1.0, 1.0, 32))


def test_curves_have_the_runs_own_size_geometry_and_channels(steps, tmp_path):
    data = replace(TINY.data, image_size=40, channels=3, geometry="square")
    steps.ask(Load, path=str(make_run(tmp_path / "run", replace(TINY, data=data)).path))
    original = located(steps, 1.0, 1.0).original
    assert original.shape == (40, 40, 3)
    for channel in range(3):
        np.testing.assert_array_equal(original[..., channel], render_one(1.0, 1.0, 40, "square"))


def test_without_a_generator_it_is_the_nearest_sample(steps, images_run):
    steps.ask(Load, path=str(images_run.path))
    place = located(steps, 0.0, index=2)
    sample = steps.ask(EncodeSample, index=2)
    np.testing.assert_array_equal(place.original, sample.original)
    np.testing.assert_array_equal(place.reconstruction, sample.reconstruction)
    np.testing.assert_array_equal(place.factors, sample.factors)
    assert (place.index, place.excess_bce) == (2, sample.excess_bce)


# a transect


def test_a_transect_comes_in_order_a_few_points_a_message(steps):
    parts = measured(steps, LINE)
    assert [(part.start, len(part.originals), part.total) for part in parts] == [(0, 4, 10), (4, 4, 10), (8, 2, 10)]
    originals = np.concatenate([part.originals for part in parts])
    np.testing.assert_array_equal(originals[..., 0], [render_one(a, b, 32) for a, b in LINE])


def test_a_transect_measures_what_its_places_do(steps):
    parts = measured(steps, LINE)
    place = located(steps, *LINE[5])
    for name in ("originals", "reconstructions", "mu"):
        single = {"originals": "original", "reconstructions": "reconstruction", "mu": "mu"}[name]
        np.testing.assert_array_equal(getattr(parts[1], name)[1], getattr(place, single))
    assert (parts[1].excess_bce[1], parts[1].ssim[1]) == (place.excess_bce, place.ssim)
    assert (parts[0].mu.dtype, parts[0].excess_bce.dtype, parts[0].ssim.dtype) == (np.float32, np.float64, np.float64)


def test_a_transect_through_data_without_a_generator_shows_the_nearest_samples(steps, images_run):
    steps.ask(Load, path=str(images_run.path))
    (part,) = measured(steps, np.zeros((3, 1)), np.array([4, 0, 4], np.int64))
    np.testing.assert_array_equal(part.originals[0], part.originals[2])
    np.testing.assert_array_equal(part.originals[1], steps.ask(EncodeSample, index=0).original)


def test_weights_that_change_on_the_way_do_not_mix_in(steps, tmp_path):
    run = make_run(tmp_path / "run")
    steps.ask(Load, path=str(run.path))
    whole = measured(steps, LINE)
    steps.do(MeasureTransect(stamp=90, points=LINE, indices=NO_INDICES), slices=20)
    write_weights(run, seed=1, step=9)
    while steps.replies[-1].stamp != 0:  # until the newer weights are in use
        steps.engine.poll_weights()
    steps.do()
    last = next(reply for reply in reversed(steps.replies) if reply.stamp == 90)
    np.testing.assert_array_equal(last.reconstructions, whole[-1].reconstructions)


# scheduling


def test_a_decode_waits_for_one_slice_of_a_transect(steps):
    points = np.tile(LINE, (20, 1))
    steps.do(MeasureTransect(stamp=80, points=points, indices=NO_INDICES), slices=40)
    steps.do(Decode(stamp=81, z=np.zeros(3, np.float32)), slices=1)
    assert steps.answered[-1] == 81


def test_of_waiting_places_only_the_newest_is_done(steps):
    steps.do(*(EncodeFactors(stamp=stamp, factors=np.ones(2, np.float32)) for stamp in (70, 71, 72)))
    assert steps.answered == [72]


def test_a_place_goes_before_a_sample_and_a_sample_before_a_transect(steps):
    steps.do(
        MeasureTransect(stamp=60, points=LINE[:2], indices=NO_INDICES),
        EncodeSample(stamp=61, index=0),
        EncodeFactors(stamp=62, factors=np.ones(2, np.float32)),
    )
    assert steps.answered == [62, 61, 60]


# what it refuses


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (EncodeFactors, {"factors": np.ones(3, np.float32)}, "a curve has two, a and b"),
        (EncodeFactors, {"factors": np.array([np.nan, 1], np.float32)}, "both finite"),
        (
            EncodeFactors,
            {"factors": np.array([1, 1e9], np.float32)},
            "too large to draw; keep a and b between -20 and 20",
        ),
        (
            MeasureTransect,
            {"points": np.zeros((1, 2)), "indices": NO_INDICES},
            r"shape \(1, 2\); a transect has 2 to 200",
        ),
        (MeasureTransect, {"points": np.zeros((201, 2)), "indices": NO_INDICES}, "2 to 200"),
        (MeasureTransect, {"points": np.zeros(4), "indices": NO_INDICES}, "2 to 200"),
        (MeasureTransect, {"points": np.full((2, 2), np.inf), "indices": NO_INDICES}, "not finite"),
        (MeasureTransect, {"points": np.zeros((2, 3)), "indices": NO_INDICES}, "a curve has two"),
    ],
)
def test_a_place_that_no_curve_has_is_answered_by_its_reason(steps, kind, fields, message):
    failed = steps.ask(kind, **fields)
    assert isinstance(failed, Failed)
    assert re.search(message, failed.message), failed.message


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (EncodeFactors, {"factors": np.zeros(1, np.float32)}, "the nearest sample is needed"),
        (EncodeFactors, {"factors": np.zeros(1, np.float32), "index": 99}, "sample 99 does not exist"),
        (
            MeasureTransect,
            {"points": np.zeros((2, 1)), "indices": NO_INDICES},
            "each of the 2 points needs its nearest",
        ),
        (MeasureTransect, {"points": np.zeros((2, 1)), "indices": np.array([0, -1])}, "the nearest sample is needed"),
    ],
)
def test_data_without_a_generator_needs_samples_that_exist(steps, images_run, kind, fields, message):
    steps.ask(Load, path=str(images_run.path))
    failed = steps.ask(kind, **fields)
    assert isinstance(failed, Failed)
    assert re.search(message, failed.message), failed.message


def test_without_a_model_there_is_no_place(run):
    steps = Steps(run)
    steps.engine.context._model = None
    assert steps.ask(EncodeFactors, factors=np.ones(2, np.float32)).message == "No model is loaded. Open a run first."
    steps.engine.close()


def test_a_folder_that_is_gone_is_named(steps, tmp_path: Path):
    data = replace(TINY.data, path=str(tmp_path / "moved away"))
    steps.ask(Load, path=str(make_run(tmp_path / "run", replace(TINY, data=data)).path))
    failed = steps.ask(EncodeFactors, factors=np.zeros(1, np.float32), index=0)
    assert "moved away" in failed.message
