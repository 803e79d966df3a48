"""A model that is of no use is called so at its end, with a remedy that works; a good one is not."""

from __future__ import annotations

import dataclasses
import math
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from core.cli.main import main
from core.config import DataConfig, LossConfig, ModelConfig, RunConfig, TrainingConfig, with_values
from core.engine.snapshot import EmbeddingSnapshot, doubt_about
from core.geometry.embedding_metrics import latent_signal
from core.runs.commands import fresh_command, resume_command
from core.runs.directory import RunDirectory
from core.runs.metrics_log import final_report, read_metrics
from core.training.diagnosis import Measures, findings
from core.training.trainer import run_training
from tests.helpers.engine_driver import make_latents_run

EPOCHS = TrainingConfig.epochs
GOOD = Measures(0.02, 0.021, 0.045, 0.046, np.array([300.0, 200.0, 100.0]))


def with_settings(**values: Any) -> RunConfig:
    return with_values(RunConfig(), {name.replace("_", ".", 1): value for name, value in values.items()})


def measured(**changes: Any) -> Measures:
    return dataclasses.replace(GOOD, **changes)


COLLAPSED = measured(training=0.0465, validation=0.0449, signal=np.array([0.05, 0.01, 0.04]))


# what follows from the numbers


def test_a_good_model_is_left_alone():
    assert findings(GOOD, RunConfig(), 16) == []
    assert GOOD.active == 3
    assert pytest.approx(1 - 0.021 / 0.045) == GOOD.gain


def test_dimensions_that_are_not_used_beside_others_are_no_fault():
    assert findings(measured(signal=np.array([90.0, 0.01, 0.0])), RunConfig(), 16) == []


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        (with_settings(loss_beta=1.0), {"loss.beta": 1e-3}),
        (with_settings(loss_entanglement="dip", loss_gamma=5.0), {"loss.gamma": 5e-3}),
        (with_settings(training_learning_rate=3.0), {"training.learning_rate": 2e-3}),
    ],
)
def test_a_collapsed_space_needs_a_new_training_with_its_cause_removed(config: RunConfig, changes: dict[str, Any]):
    (found,) = findings(COLLAPSED, config, 1)
    assert found.kind == "collapsed"
    assert "none of its 3 dimensions tells images apart" in found.message
    assert found.changes == changes
    assert found.fresh
    assert "Start a new training with" in found.remedy


def test_a_model_that_has_learned_too_little_goes_on():
    untrained = measured(training=0.2, validation=0.2, signal=np.array([2.0, 2.0, 2.0]))
    (found,) = findings(untrained, RunConfig(), 1)
    assert (found.kind, found.changes, found.fresh) == ("useless", {"training.epochs": 3 * EPOCHS}, False)
    assert "no better than the mean image" in found.message
    (slow,) = findings(untrained, with_settings(training_learning_rate=1e-6), 1)
    assert slow.changes == {"training.epochs": 3 * EPOCHS, "training.learning_rate": 2e-3}


def test_validation_unlike_training_names_the_epoch_at_which_to_stop():
    apart = measured(training=0.005, validation=0.02)
    (early,) = findings(apart, RunConfig(), 4)
    assert (early.kind, early.changes) == ("unlike", {"training.epochs": 4})
    assert "4.0 times worse" in early.message
    (late,) = findings(apart, RunConfig(), EPOCHS)
    assert late.changes == {}
    assert "more images" in late.remedy


def test_a_small_difference_of_very_good_reconstructions_is_no_fault():
    assert findings(measured(training=1e-5, validation=4e-5), RunConfig(), 4) == []


def test_without_validation_images_the_training_images_tell():
    assert findings(measured(validation=math.nan), RunConfig(), 0) == []
    (found,) = findings(measured(validation=math.nan, training=0.05), RunConfig(), 0)
    assert found.kind == "useless"


def test_images_that_are_all_alike_are_named_before_what_follows_from_them():
    (found,) = findings(measured(spread=0.0, mean_image=0.0, signal=np.zeros(3)), RunConfig(), 1)
    assert (found.kind, found.changes) == ("alike", {})


def test_signal_is_the_variance_of_the_means_beside_that_of_the_posterior():
    mu = np.random.default_rng(0).normal(size=(5000, 2)) * [1.0, 0.1]
    assert latent_signal(mu, np.array([0.01, 1.0])) == pytest.approx([100.0, 0.01], rel=0.1)


def test_commands_can_be_typed_as_they_are(tmp_path: Path):
    run = tmp_path / "my run"
    (tmp_path / "my run-2").mkdir()
    words = shlex.split(fresh_command(run, {"loss.beta": 1e-3}))
    assert words == [
        "isoline",
        "train",
        "--config",
        str(run / "config.json"),
        "--out",
        f"{run}-3",
        "--loss.beta",
        "0.001",
    ]
    assert shlex.split(resume_command(run, {"training.epochs": 9}))[-1] == "9"


# real trainings


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 of scikit-learn's digits at 32²."""
    path = tmp_path_factory.mktemp("digits") / "digits.npz"
    images = (load_digits().images[:240] * (255 / 16)).astype(np.uint8)
    np.savez(
        path, imgs=np.stack([np.array(Image.fromarray(i).resize((32, 32), Image.Resampling.BILINEAR)) for i in images])
    )
    return path


def config_of(digits: Path, beta: float, **model: Any) -> RunConfig:
    return RunConfig(
        data=DataConfig(path=str(digits), image_size=32),
        model=ModelConfig(**model),
        loss=LossConfig(beta=beta),
        training=TrainingConfig(epochs=4, device="cpu", precision="float32"),
    )


@pytest.fixture(scope="module", params=["constant", "learned"])
def collapsed(request, digits: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run whose β is far too large."""
    config = config_of(digits, 1.0, variance=request.param)
    return run_training(config, tmp_path_factory.mktemp("collapsed") / "run").run


def test_a_training_with_a_large_beta_is_called_collapsed(collapsed: RunDirectory):
    report = final_report(collapsed.metrics_path)
    assert report is not None
    (found,) = report["findings"]
    assert found["kind"] == "collapsed"
    assert found["changes"] == {"loss.beta": 1e-3}
    assert report["active_dimensions"] == 0
    assert report["squared_error"] == pytest.approx(report["squared_error_mean_image"], rel=0.05)


def test_no_place_of_a_collapsed_space_is_called_on_the_data(collapsed: RunDirectory):
    """Neither by the report, nor, where the training was stopped before it, by the means themselves."""
    mu = collapsed.read_embedding()
    assert doubt_about(collapsed, mu) == "the latent space is collapsed"
    snapshot = EmbeddingSnapshot(mu, collapsed.read_probe(), None, doubt_about(collapsed, mu))  # type: ignore[arg-type]
    scores = snapshot.off_manifold.at(mu[:5])
    assert len(scores.score) == len(scores.flagged) == 0
    assert scores.doubt == "the latent space is collapsed"
    stopped = RunDirectory(collapsed.path / "nowhere", collapsed.config, {})
    assert doubt_about(stopped, mu) == "the latent space is collapsed"


def test_imported_latents_may_be_on_any_scale(tmp_path):
    run = make_latents_run(tmp_path / "run", d=512)
    unit = run.read_embedding() / np.linalg.norm(run.read_embedding(), axis=1, keepdims=True)
    assert doubt_about(run, unit) == ""
    assert doubt_about(run, np.zeros((9, 512))) == "the latent space is collapsed"


def test_the_remedy_of_a_collapsed_space_works(collapsed: RunDirectory, capsys: pytest.CaptureFixture[str]):
    """The very command that ``isoline info`` prints."""
    assert main(["info", str(collapsed.path)]) == 0
    printed = capsys.readouterr().out
    assert "active dimensions" in printed
    command = next(line for line in printed.splitlines() if "isoline train" in line)
    program, *arguments = shlex.split(command)
    assert program == "isoline"
    assert main(arguments) == 0
    assert "warning" not in capsys.readouterr().out
    run = RunDirectory.open(Path(arguments[arguments.index("--out") + 1]))
    report = final_report(run.metrics_path)
    assert report is not None
    assert (report["findings"], report["active_dimensions"]) == ([], 3)
    assert doubt_about(run, run.read_embedding()) == ""


def test_the_end_of_a_training_says_it_with_the_command_that_helps(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    flags = ["--data.path", str(digits), "--data.image-size", "32", "--training.epochs", "12", "--loss.beta", "1"]
    assert main(["train", "--out", str(tmp_path / "run"), *flags, "--training.device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"active latent dimensions +0 of 3\n", printed)
    assert "warning: The latent space is collapsed" in printed
    assert f"isoline train --config {tmp_path / 'run' / 'config.json'}" in printed


def test_images_that_are_all_alike_are_said_to_be(tmp_path: Path):
    np.savez(tmp_path / "grey.npz", imgs=np.full((40, 32, 32), 99, np.uint8))
    config = dataclasses.replace(
        config_of(tmp_path / "grey.npz", 3e-6), training=TrainingConfig(epochs=1, device="cpu")
    )
    run = run_training(config, tmp_path / "run").run
    report = next(r for r in read_metrics(run.metrics_path) if r["kind"] == "report")
    assert [found["kind"] for found in report["findings"]] == ["alike"]
