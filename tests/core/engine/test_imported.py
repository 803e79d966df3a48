"""The engine with a model that lacks a part: what needs none works, all else is refused in a sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import core.engine.snapshot
from core.cli.main import main
from core.models.imported.onnx_graph import sha256_of_file
from core.paths.recipe import JOINING, RECIPE_KINDS
from core.protocol.messages import (
    CompareModels,
    ComparePaths,
    ComputeGridlines,
    Decode,
    DecodePath,
    EncodeSample,
    EstimateDimension,
    Export,
    Failed,
    FindNearest,
    Load,
    LoadSecond,
    MeasureLosses,
    ReconstructValidation,
    TracePath,
)
from core.runs.directory import RunDirectory
from tests.foreign_models.blobs import blobs
from tests.helpers.engine_driver import Steps, make_latents_run, make_run
from tests.helpers.onnx_models import endless, save

FOREIGN = Path(__file__).parents[2] / "foreign_models"
START, END = np.full(3, -0.5, np.float32), np.full(3, 0.5, np.float32)


@pytest.fixture(scope="module")
def latents(tmp_path_factory) -> Steps:
    return Steps(make_latents_run(tmp_path_factory.mktemp("imported") / "run", count=200))


def test_says_what_it_is(latents):
    loaded = latents.ask(Load, path=str(latents.engine.context.model.path))
    assert (loaded.preset, loaded.latent_dim, loaded.samples) == ("latents only", 3, 200)
    assert not (loaded.can_decode)
    assert not (loaded.can_encode)
    assert not (loaded.has_originals)


@pytest.mark.parametrize("kind", ["straight", "geodesic", "factor curve"])
def test_paths_are_traced_without_a_decoder(latents, kind):
    traced = latents.ask(TracePath, kind=kind, start=START, end=END, target="" if kind != "factor curve" else "x")
    assert traced.final
    assert len(traced.points) >= 3
    assert np.isfinite(traced.points).all()
    if kind == "geodesic":
        assert "distances are those of latent space" in traced.note
        assert traced.stage == "polished"


@pytest.mark.parametrize(
    "request_fields",
    [
        (Decode, {"z": START}),
        (DecodePath, {"z": np.stack([START, END])}),
        (ComparePaths, {"kinds": ("straight",), "start": START, "end": END, "target": ""}),
    ],
)
def test_what_needs_a_decoder_is_refused(latents, request_fields):
    kind, fields = request_fields
    reply = latents.ask(kind, **fields)
    assert isinstance(reply, Failed)
    assert "has no decoder" in reply.message


@pytest.mark.parametrize(
    "request_fields", [(EncodeSample, {"index": 0}), (MeasureLosses, {"indices": np.arange(2, dtype=np.int64)})]
)
def test_what_needs_images_is_refused(latents, request_fields):
    kind, fields = request_fields
    reply = latents.ask(kind, **fields)
    assert isinstance(reply, Failed)
    assert "imported without any" in reply.message


def test_two_models_are_not_compared_where_one_cannot_decode(latents, tmp_path):
    second = latents.ask(LoadSecond, path=str(make_run(tmp_path / "run").path))
    assert second.can_decode
    reply = latents.ask(CompareModels, index=-1, factors=np.zeros(0, np.float32), z=START)
    assert isinstance(reply, Failed)
    assert "has no decoder" in reply.message


# an ONNX model with images and labels


@pytest.fixture(scope="module")
def onnx_run(tmp_path_factory) -> Path:
    """The blobs of ``tests.foreign_models``, encoded by a network of JAX, with their places as labels."""
    folder = tmp_path_factory.mktemp("blobs")
    images, places = blobs(150, seed=3)
    np.savez(folder / "images.npz", images=images)
    rows = "".join(f"{x:.6f},{y:.6f}\n" for x, y in places)
    (folder / "places.csv").write_text(f"x,y\n{rows}", encoding="utf-8")
    flags = ["--images", str(folder / "images.npz"), "--labels", str(folder / "places.csv")]
    flags += ["--data.labels-by", "order", "--out", str(folder / "run")]
    assert main(["import", str(FOREIGN / "jax_autoencoder.onnx"), *flags]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def steps(onnx_run) -> Steps:
    return Steps(RunDirectory.open(onnx_run))


def test_an_imported_model_says_what_it_is(steps, onnx_run):
    loaded = steps.ask(Load, path=str(onnx_run))
    assert (loaded.preset, loaded.latent_dim, loaded.image_size, loaded.channels) == ("ONNX", 2, 16, 1)
    assert loaded.factor_names == ("x", "y")
    assert loaded.can_decode
    assert loaded.can_encode
    assert loaded.has_originals


def test_the_engine_decodes_the_bits_of_the_command_line(steps, onnx_run, tmp_path):
    z = np.array([[0.3, -0.4], [1.0, 0.2]], np.float32)
    np.save(tmp_path / "z.npy", z)
    flags = ["--latents", str(tmp_path / "z.npy"), "--out", str(tmp_path / "frames.npz")]
    assert main(["decode", str(onnx_run), *flags]) == 0
    with np.load(tmp_path / "frames.npz") as data:
        frames = data["frames"]
    np.testing.assert_array_equal(np.stack([steps.ask(Decode, z=point).image for point in z]), frames)
    steps.ask(Export, z=z, path=str(tmp_path / "window.npz"), format="npz")
    with np.load(tmp_path / "window.npz") as data:
        np.testing.assert_array_equal(data["frames"], frames)


def test_the_open_model_stays_where_one_does_not_pass_its_trial(steps, onnx_run, tmp_path):
    run = RunDirectory.open(shutil.copytree(onnx_run, tmp_path / "forged"))
    run.metadata["imported"]["decoder"]["sha256"] = sha256_of_file(save(run.model_path / "decoder.onnx", endless()))
    run.rewrite(run.config, run.metadata)
    reply = steps.ask(Load, path=str(run.path))
    assert isinstance(reply, Failed)
    assert str(run.model_path / "decoder.onnx") in reply.message
    assert steps.ask(Decode, z=np.zeros(2, np.float32)).image.shape == (16, 16, 1)


def test_samples_are_inspected_beside_their_reconstructions(steps):
    encoded = steps.ask(EncodeSample, index=4)
    assert np.abs(encoded.original.astype(int) - encoded.reconstruction).mean() < 15
    pairs = steps.ask(ReconstructValidation, count=4)
    assert len(pairs.indices) == 4
    losses = steps.ask(MeasureLosses, indices=np.arange(6, dtype=np.int64))
    assert np.isfinite(losses.excess_bce).all()


@pytest.mark.parametrize("kind", RECIPE_KINDS)
def test_all_kinds_of_path_are_traced(steps, onnx_run, kind):
    mu = RunDirectory.open(onnx_run).read_embedding()
    target = "" if kind in JOINING else "x"
    traced = steps.ask(TracePath, kind=kind, start=mu[0], end=mu[1], target=target, points=9)
    assert traced.final, traced
    assert np.isfinite(traced.points).all()
    if kind == "geodesic":
        assert traced.stage == "polished"
        assert "thumbnails" not in traced.note  # the decoder itself was sampled


def test_gridlines_scores_and_dimension(steps):
    net = steps.ask(ComputeGridlines, families=("x", "y"), counts=3)
    assert len(net.starts) > 4
    assert net.note == ""
    assert steps.ask(EstimateDimension).dimension == pytest.approx(2.0, abs=0.7)
    near = steps.ask(Decode, z=steps.ask(EncodeSample, index=3).mu)
    far = steps.ask(Decode, z=np.array([90.0, 90.0], np.float32))
    assert near.off_manifold_score < near.threshold < far.off_manifold_score


def test_kinds_of_path_are_compared_on_decoded_images(steps, onnx_run):
    mu = RunDirectory.open(onnx_run).read_embedding()
    compared = steps.ask(ComparePaths, kinds=("straight", "factor curve"), start=mu[0], end=mu[1], target="x", frames=5)
    assert compared.truth == "regressor"
    assert compared.images.shape == (len(compared.points), 16, 16, 1)
    assert len(compared.points)


def test_it_is_compared_with_a_model_that_was_trained_here(steps, tmp_path):
    second = steps.ask(LoadSecond, path=str(make_run(tmp_path / "run").path))
    assert second.preset == "compact"
    both = steps.ask(CompareModels, index=2, factors=np.zeros(0, np.float32), z=np.zeros(0, np.float32))
    assert both.second.shape == both.first.shape == (16, 16, 1)


def test_weights_are_not_waited_for(steps):
    steps.engine.poll_weights()
    assert not any(isinstance(reply, Failed) for reply in steps.replies[-3:])


def test_a_film_of_its_cloud_needs_no_display(onnx_run, tmp_path):
    flags = ["--out", str(tmp_path / "film.gif"), "--seconds", "0.5", "--fps", "10", "--size", "120"]
    assert main(["turntable", str(onnx_run), *flags]) == 0
    assert (tmp_path / "film.gif").stat().st_size > 1000


def test_without_an_encoder_the_recorded_latents_are_decoded(onnx_run, tmp_path):
    mu = RunDirectory.open(onnx_run).read_embedding()
    np.save(tmp_path / "mu.npy", mu)
    flags = ["--images", str(onnx_run.parent / "images.npz"), "--latents", str(tmp_path / "mu.npy")]
    assert main(["import", str(FOREIGN / "jax_decoder.onnx"), *flags, "--out", str(tmp_path / "run")]) == 0
    steps = Steps(RunDirectory.open(tmp_path / "run"))
    loaded = steps.ask(Load, path=str(tmp_path / "run"))
    assert loaded.has_originals
    assert not loaded.can_encode
    encoded = steps.ask(EncodeSample, index=4)
    np.testing.assert_array_equal(encoded.mu, mu[4])
    np.testing.assert_array_equal(encoded.reconstruction, steps.ask(Decode, z=mu[4]).image)
    assert np.isfinite(steps.ask(MeasureLosses, indices=np.arange(3, dtype=np.int64)).excess_bce).all()
    assert len(steps.ask(ReconstructValidation, count=3).indices) == 3


def test_in_very_many_dimensions_a_geodesic_follows_the_samples_and_says_so(tmp_path):
    run = make_latents_run(tmp_path / "run", d=300, count=120)
    steps, mu = Steps(run), run.read_embedding()
    straight = steps.ask(TracePath, kind="straight", start=mu[0], end=mu[1])
    assert straight.final
    traced = steps.ask(TracePath, kind="geodesic", start=mu[0], end=mu[1])
    assert (traced.final, traced.stage) == (True, "graph")
    assert traced.note == "along the samples: in more than 64 dimensions it is not smoothed"


def test_in_very_many_dimensions_a_part_of_many_samples_stands_for_all_and_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(core.engine.snapshot, "LANDMARKS", 60)
    run = make_latents_run(tmp_path / "run", d=100, count=120)
    steps, mu = Steps(run), run.read_embedding()
    traced = steps.ask(TracePath, kind="geodesic", start=mu[0], end=mu[1])
    assert traced.note == "along 60 of the samples: in more than 64 dimensions it is not smoothed"
    assert steps.ask(EstimateDimension).samples == 60
    near = steps.ask(FindNearest, z=mu, count=1)
    np.testing.assert_array_equal(near.places[:, 0], np.arange(120), "the nearest samples are sought among all")
