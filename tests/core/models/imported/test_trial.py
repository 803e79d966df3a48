"""A run may come from anybody: what it says of its networks is held against limits, and each is tried apart first."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.cli.main import main
from core.models.imported import sandbox as sandbox_module
from core.models.imported import trial
from core.models.imported.onnx_graph import ImportedModelError, sha256_of_file
from core.runs.directory import RunDirectory
from core.runs.imported import KEY
from core.training.opening import open_inference
from tests.helpers.onnx_models import autoencoder, endless, save


@pytest.fixture(scope="module")
def imported(tmp_path_factory) -> Path:
    """A run with decoder and encoder."""
    folder = tmp_path_factory.mktemp("imported")
    path = save(folder / "model.onnx", autoencoder(2))
    assert main(["import", str(path), "--out", str(folder / "run"), "--samples", "5"]) == 0
    return folder / "run"


@pytest.fixture
def forge(imported, tmp_path) -> Callable[..., RunDirectory]:
    """Copies the run with another description of its model."""

    def forge(change: Callable[[dict[str, Any]], object]) -> RunDirectory:
        shutil.copytree(imported, tmp_path / "run")
        run = RunDirectory.open(tmp_path / "run")
        model = run.metadata[KEY]
        change(model)
        run.rewrite(run.config, run.metadata | {KEY: model})
        return RunDirectory.open(tmp_path / "run")

    return forge


def test_what_was_imported_here_is_not_tried_again(imported, monkeypatch):
    monkeypatch.setattr(trial, "Sandbox", None)
    assert open_inference(imported)[0].can_encode


def test_what_was_imported_elsewhere_is_tried_once(imported, monkeypatch, tmp_path):
    monkeypatch.setenv("ISOLINE_CACHE", str(tmp_path / "cache"))
    assert open_inference(imported)[0].can_decode
    assert len(list((tmp_path / "cache" / "networks").iterdir())) == 2
    monkeypatch.setattr(trial, "Sandbox", None)
    assert open_inference(imported)[0].can_decode


def test_a_network_that_never_ends_is_refused_though_its_hash_fits(forge, monkeypatch):
    monkeypatch.setattr(sandbox_module, "SECONDS", 0.2)
    run = forge(lambda model: model["decoder"]["latent"].update(name="x"))
    file = save(run.model_path / "decoder.onnx", endless())
    model = run.metadata[KEY]
    model["decoder"]["sha256"] = sha256_of_file(file)
    run.rewrite(run.config, run.metadata | {KEY: model})
    with pytest.raises(ImportedModelError, match=rf"{file} takes more than 0.2 s of processor time while it is run"):
        open_inference(run.path)


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("decoder", "latent", {"name": "z", "shape": [1, 2**40]}),
        ("decoder", "latent", {"name": "z", "shape": [1, 3]}),
        ("decoder", "latent", {"name": "z", "shape": [1, 2], "dtype": "S99999999"}),
        ("decoder", "fixed", [[{"name": "y", "shape": [2**20, 2**20]}, 0.0]]),
        ("decoder", "image", {"name": "image", "shape": [1, 1, 16, 15]}),
        ("decoder", "pixels", {"axes": "NCHW", "height": 16, "width": 16, "channels": 1, "values": "1:0"}),
        ("decoder", "pixels", {"axes": "NCHW", "height": 2**20, "width": 16, "channels": 1, "values": "0:1"}),
        ("encoder", "start", 1),
        ("encoder", "start", -1),
    ],
)
def test_a_description_that_no_import_writes_is_refused(forge, part, name, value):
    run = forge(lambda model: model[part].update({name: value}))
    with pytest.raises(ImportedModelError, match=rf"{run.path}: .* of {part}\.onnx does not go together"):
        open_inference(run.path)


@pytest.mark.parametrize("reduction", [0, 2])
def test_a_reduction_that_does_not_fit_is_refused(forge, reduction):
    run = forge(lambda model: model.update(reduction=reduction))
    with pytest.raises(ImportedModelError, match="does not go together"):
        open_inference(run.path)
