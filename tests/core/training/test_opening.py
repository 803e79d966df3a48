"""Whatever a person names is opened by one function: our own networks, weights files, and models that were imported."""

from __future__ import annotations

import numpy as np
import pytest

import isoline
from core.models.inference import MissingPartError, decode_images, encode_images
from core.models.network_inference import NetworkInference
from core.runs.directory import RunDirectory, RunError
from core.runs.imported import KEY
from core.training.checkpoint import CheckpointError, load_model
from core.training.opening import open_inference
from core.training.resume import check_resumable
from tests.helpers.engine_driver import TINY, make_latents_run, make_run


def test_a_run_and_its_weights_file_open_as_the_same_network(tmp_path):
    run = make_run(tmp_path / "run")
    z = np.zeros((2, 3), np.float32)
    (first, config), (second, _) = open_inference(run.path), open_inference(run.weights_path)
    assert isinstance(first, NetworkInference)
    assert config == TINY
    assert (first.latent_dim, first.image_size, first.channels) == (3, 32, 1)
    assert first.precision == str(first.dtype).removeprefix("torch.")
    np.testing.assert_array_equal(decode_images(first, z), decode_images(second, z))


def test_latents_alone_open_and_say_what_they_lack(tmp_path):
    inference, config = open_inference(make_latents_run(tmp_path / "run").path)
    assert (inference.latent_dim, inference.can_decode, inference.can_encode) == (3, False, False)
    assert not config.data.has_images
    assert not config.data.drawn
    with pytest.raises(MissingPartError, match=r"no decoder.*Import it with its decoder"):
        decode_images(inference, np.zeros((1, 3), np.float32))
    with pytest.raises(MissingPartError, match="no encoder"):
        encode_images(inference, np.zeros((1, 32, 32, 1), np.uint8))


def test_an_imported_run_is_finished_and_cannot_be_trained_further(tmp_path):
    run = RunDirectory.open(make_latents_run(tmp_path / "run").path)
    assert (run.status(), run.network, run.can_be_opened) == ("finished", "latents only", True)
    with pytest.raises(RunError, match=r"imported model \(latents only\); it was not trained here"):
        check_resumable(run, run.config)
    with pytest.raises(RunError, match="imported model"):
        isoline.train(out=run.path, resume=True)
    with pytest.raises(CheckpointError, match="imported model"):
        load_model(run.path)


def test_python_programs_read_an_imported_run(tmp_path):
    run = isoline.open(make_latents_run(tmp_path / "run").path)
    assert run.latents.shape == (12, 3)
    assert run.files is None
    assert "latents only" in repr(run)
    with pytest.raises(MissingPartError):
        run.decode(np.zeros((1, 3)))


@pytest.mark.parametrize("value", [{"format": "nonsense"}, 3, {"format": "latents", "notes": 5}])
def test_a_damaged_description_is_named(tmp_path, value):
    run = make_latents_run(tmp_path / "run")
    with pytest.raises(RunError, match=r"config\.json is damaged in what it says of the imported model"):
        RunDirectory(run.path, run.config, {KEY: value})
