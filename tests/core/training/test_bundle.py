"""A bundled run is small, whole, and a run like any other."""

import numpy as np
import pytest

from core.config import DataConfig, RunConfig, TrainingConfig
from core.runs.directory import RunDirectory, RunError
from core.training.bundle import bundle_run
from core.training.checkpoint import load_model, read_stored
from core.training.trainer import run_training

CONFIG = RunConfig(
    data=DataConfig(image_size=32, count=40, geometry="square"),
    training=TrainingConfig(epochs=2, batch_size=8, device="cpu", precision="float32"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "run"
    run_training(CONFIG, path)
    return path


def test_the_bundle_holds_model_cloud_and_history(run, tmp_path):
    target = tmp_path / "model"
    size = bundle_run(run, target)
    bundled, original = RunDirectory.open(target), RunDirectory.open(run)
    assert bundled.config == original.config
    assert bundled.status() == "finished"
    assert bundled.embedding_epochs() == original.embedding_epochs()
    np.testing.assert_array_equal(bundled.read_embedding(), original.read_embedding())
    np.testing.assert_array_equal(bundled.read_probe().thumbnails, original.read_probe().thumbnails)
    assert size < 0.6 * original.weights_path.stat().st_size
    assert {str(t.dtype) for t in read_stored(bundled.weights_path).tensors.values()} == {"torch.bfloat16"}
    model, _ = load_model(target)
    assert next(model.parameters()).dtype.is_floating_point


def test_the_old_bundle_is_replaced_as_a_whole(run, tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "left over").write_text("")
    bundle_run(run, target)
    assert not (target / "left over").exists()


def test_what_is_no_run_leaves_the_old_bundle(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "precious").write_text("")
    with pytest.raises(RunError):
        bundle_run(tmp_path / "nowhere", target)
    assert (target / "precious").exists()
