"""Experiment A: what it trains, what it measures in the hole and outside, what it says, and that it resumes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from page_reader import Page
from preloaded_python import PreloadedPython

from core.cli.main import main
from core.config import ConfigError, DataConfig, RunConfig, with_values
from core.data import polar_curves
from core.experiments.folder import ExperimentFolder, read_progress
from core.experiments.options import ExperimentError
from core.experiments.runner import run
from core.experiments.transects import options, report
from core.experiments.transects.hole_readouts import rim_points, search_latents, smooth_latents
from core.experiments.transects.options import Options
from core.experiments.transects.report import limit_conclusions
from core.models.vae import build_model
from core.runs.directory import RunDirectory
from core.runs.metrics_log import read_metrics

SMALL = {"QUICK_COUNT": 260, "QUICK_EPOCHS": 2, "QUICK_ABLATION_EPOCHS": 1, "QUICK_ARTICLE_STEPS": 2}
"""A quick experiment, made quicker still."""


# what it trains


def test_the_full_plan(tmp_path: Path):
    planned = Options(tmp_path).plan()
    names = [one.name for one in planned]
    assert names[:4] == ["default-0", "default-1", "default-2", "ablation-reference"]
    assert names[-1] == "article-weighted"
    assert len(names) == len(set(names)) == 3 + 1 + len(options.ABLATIONS) + 1
    defaults = [one.config for one in planned if one.group == "default"]
    assert defaults[0] == RunConfig()
    assert [config.training.seed for config in defaults] == [0, 1, 2]
    assert {config.data.seed for config in defaults} == {0}
    changed = [one.config for one in planned if one.group == "ablation"]
    assert {config.training.epochs for config in changed} == {options.ABLATION_EPOCHS}
    article = planned[-1]
    assert (article.max_steps, article.config.loss.beta, article.config.data.weighted) == (200, 8e-3, True)
    assert article.config.data.punctured


def test_parts_can_be_left_out(tmp_path: Path):
    chosen = Options(tmp_path, seeds=1, article_steps=0, ablations=False, epochs=7, image_size=64, hole_radius=0.2)
    (only,) = chosen.plan()
    assert only.config.training.epochs == 7
    assert (only.config.data.image_size, only.config.data.hole_radius) == (64, 0.2)


def test_the_quick_plan_has_every_part(tmp_path: Path):
    planned = Options(tmp_path, quick=True).plan()
    assert [one.group for one in planned] == ["default", "ablation", "ablation", "ablation", "article-weighted"]
    assert {one.config.data.image_size for one in planned} == {32}
    assert planned[-1].max_steps == 20


@pytest.mark.parametrize("changes", [{"seeds": 0}, {"seeds": 101}, {"article_steps": -1}])
def test_impossible_options_are_refused(tmp_path: Path, changes: dict[str, int]):
    with pytest.raises(ExperimentError, match=next(iter(changes))):
        Options(tmp_path, **changes)  # pyright: ignore[reportArgumentType]


def test_every_ablation_changes_what_it_says_and_nothing_else():
    names = [one.name for one in options.ABLATIONS]
    assert len(names) == len(set(names))
    assert set(options.QUICK_ABLATIONS) <= set(names)
    for one in options.ABLATIONS:
        config = with_values(RunConfig(), one.changes)
        assert config != RunConfig(), one.name
        back = {name: getattr(getattr(RunConfig(), (s := name.partition("."))[0]), s[2]) for name in one.changes}
        assert with_values(config, back) == RunConfig(), one.name


@pytest.mark.parametrize("name", ["loss.bta", "loss", "nothing.beta"])
def test_an_unknown_setting_is_refused(name: str):
    with pytest.raises(ConfigError, match=name):
        with_values(RunConfig(), {name: 1.0})


# what limits the hole


@pytest.mark.parametrize("name", polar_curves.TRANSECTS)
def test_the_rim_is_where_a_transect_crosses_the_circle(name: str):
    start, end = np.array(polar_curves.TRANSECTS[name])
    rim = rim_points(start, end, DataConfig())
    assert np.hypot(*(rim - (1.25, 1.0)).T) == pytest.approx([0.3, 0.3])
    assert rim.mean(axis=0) == pytest.approx([1.25, 1.0])
    assert np.linalg.norm(rim[0] - start) < np.linalg.norm(rim[1] - start)


def test_a_hole_beyond_the_ends_has_its_rim_at_the_ends():
    rim = rim_points(np.array([1.25, 0.0]), np.array([1.25, 2.0]), DataConfig(hole_radius=5.0))
    assert np.array_equal(rim, [[1.25, 0.0], [1.25, 2.0]])


def test_a_flat_sheet_is_continued_flatly():
    ab = polar_curves.draw_parameters(400, 3)
    ab = ab[~polar_curves.inside_hole(ab)]
    slopes = np.array([[1.0, 0.5, -2.0], [0.0, 3.0, 1.0]])
    points = np.array([[1.25, 1.0], [1.2, 0.9]])
    found = smooth_latents((ab, (ab @ slopes + 0.5).astype(np.float32)), DataConfig(), points)
    assert found.dtype == np.float32
    assert found == pytest.approx(points @ slopes + 0.5, abs=1e-3)


def test_a_searched_latent_is_never_worse_than_its_start():
    model = build_model(with_values(RunConfig(), {"data.image_size": 32})).eval()
    images = polar_curves.render(np.array([[1.0, 0.5], [1.5, 1.5]]), 32)[..., None]
    start = np.array([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0]], np.float32)
    target = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255

    def error(z: np.ndarray) -> np.ndarray:
        logits = model.decode_logits(torch.from_numpy(z))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return loss.flatten(1).mean(1).detach().numpy()

    found = search_latents(model, images, start, steps=8)
    assert np.array_equal(search_latents(model, images, start, steps=0), start)
    assert (error(found) < error(start)).all()


@pytest.mark.parametrize(
    ("means", "said"),
    [
        (
            {"encoder": 1.0, "searched": 0.95, "linear": 1.5, "smooth": 1.0},
            ["the remaining error is the decoder's", "worse than"],
        ),
        ({"encoder": 1.0, "searched": 0.2, "linear": 0.5, "smooth": 0.5}, ["most of the error", "better than"]),
        ({"encoder": 1.0, "searched": 0.7, "linear": None, "smooth": None}, ["share the error"]),
        ({"encoder": None, "searched": None}, ["nothing can be said"]),
    ],
)
def test_its_conclusions_follow_from_its_numbers(means: dict[str, float | None], said: list[str]):
    text = " ".join(limit_conclusions(means, 0.5))
    assert all(part in text for part in said), text


# a whole experiment


@pytest.fixture(scope="module")
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL.items():
            patch.setattr(options, name, value)
        yield


@pytest.fixture(scope="module")
def done(_small: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished experiment, run by the command; not to be changed."""
    out = tmp_path_factory.mktemp("done") / "experiment"
    assert main(["experiment", "transects", "--quick", "--out", str(out)]) == 0
    return out


def report_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "report.json").read_text())


def test_the_report_holds_every_number(done: Path):
    report = report_of(done)
    assert (report["schema"], report["experiment"]) == (1, "transects")
    assert report["settings"]["quick"] is True
    assert report["settings"]["configuration"]["data"]["image_size"] == 32
    assert {"isoline", "python", "torch", "numpy"} <= report["versions"].keys()
    assert [model["group"] for model in report["models"]] == [*["default"], *["ablation"] * 3, "article-weighted"]
    for model in report["models"]:
        assert model["train_s"] > 0
        assert model["steps"] > 0
        assert model["validation_excess_bce"] > 0
        for name in ("P1", "P2", "P3"):
            points = model["points"][name]
            inside = np.array(points["in_hole"])
            errors = np.array(points["excess_bce"])
            assert len(errors) == len(points["ssim"]) == 15
            assert model["hole_excess_bce"][name] == pytest.approx(errors[inside].mean())
            assert model["outside_excess_bce"][name] == pytest.approx(errors[~inside].mean())
        assert np.flatnonzero(model["points"]["P1"]["in_hole"]).tolist() == [5, 6, 7, 8, 9]
    assert report["models"][-1]["steps"] >= SMALL["QUICK_ARTICLE_STEPS"]


def test_the_summary_sets_it_beside_the_published_model(done: Path):
    summary = report_of(done)["summary"]
    published = summary["published"]
    assert (published["hole_excess_bce"], published["outside_excess_bce"]) == (0.0247, 0.0093)
    assert (published["worst_excess_bce"], published["worst_point"]) == (0.0363, 8)
    assert summary["seeds"] == 1
    model = report_of(done)["models"][0]
    assert summary["transects"]["P1"]["hole_excess_bce"] == {
        "mean": model["hole_excess_bce"]["P1"],
        "std": None,
        "n": 1,
    }
    assert summary["outside_excess_bce"]["mean"] == pytest.approx(np.mean(list(model["outside_excess_bce"].values())))


def test_the_limits_and_the_ablations_are_there(done: Path):
    report = report_of(done)
    readouts = report["limits"]["readouts"]
    assert readouts.keys() == {"encoder", "searched", "linear", "smooth"}
    hole = report["models"][0]["hole_excess_bce"]
    assert {name: readouts["encoder"][name]["mean"] for name in hole} == pytest.approx(hole, rel=1e-3)
    assert all(values["mean"]["mean"] > 0 for values in readouts.values())
    reference, *tried = report["ablations"]
    assert reference["verdict"] == "the reference"
    assert [one["name"] for one in tried] == [
        one.name for one in options.ABLATIONS if one.name in options.QUICK_ABLATIONS
    ]
    assert all(one["verdict"] in ("helps", "does not help", "no clear difference") for one in tried)


def test_the_page_is_whole_and_stands_alone(done: Path):
    html = (done / "report.html").read_text()
    page = Page(html)
    assert page.counts["figure"] == 7  # data, three transects, two of losses, the embedding
    assert page.counts["table"] == 4
    assert "script" not in page.counts
    assert "link" not in page.counts
    words = ("one seed", "What limits the model in the hole", "ablations", "cannot be compared", "of a perfect copy")
    for part in ("0.02470", "0.00930", "0.03630", *words):
        assert part in page.text, part


def test_every_number_has_its_definition(done: Path):
    html = (done / "report.html").read_text()
    meanings = html[html.index('id="meanings"') :]
    for title in ("in the hole", "outside", "worst point", "SSIM in the hole", "validation", "change, %"):
        assert f">{title}</dt><dd>" in meanings, title


def test_it_ends_with_its_progress_finished(done: Path):
    progress = read_progress(done)
    assert progress is not None
    assert (progress.state, progress.fraction, progress.experiment) == ("finished", 1.0, "transects")


def test_a_finished_experiment_trains_nothing_again(
    done: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(report, "make_page", lambda *_: (done / "report.html").read_text())
    before = report_of(done)
    assert main(["experiment", "transects", "--quick", "--out", str(done)]) == 0
    assert capsys.readouterr().out.count("trained already") == 5
    assert report_of(done) == before


def test_other_options_are_refused(done: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["experiment", "transects", "--quick", "--hole-radius", "0.2", "--out", str(done)]) == 2
    assert "hole_radius is 0.2, but the experiment" in capsys.readouterr().err


def test_a_hole_that_swallows_everything_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "experiment"
    assert main(["experiment", "transects", "--quick", "--hole-radius", "4", "--out", str(out)]) == 2
    assert "the hole of radius 4" in capsys.readouterr().err
    progress = read_progress(out)
    assert progress is not None
    assert progress.state == "failed"


@pytest.mark.usefixtures("_small")
def test_a_transect_that_misses_the_hole_has_no_error_in_it(tmp_path: Path):
    away = Options(
        tmp_path, quick=True, article_steps=0, ablations=False, epochs=1, hole_a=0.7, hole_b=0.5, hole_radius=0.1
    )
    report = run(away, lambda _text: None)
    assert report["models"][0]["hole_excess_bce"] == {"P1": None, "P2": None, "P3": None}
    assert "nothing can be said" in report["limits"]["conclusions"][0]
    assert "no point of the transects" in (tmp_path / "report.html").read_text()


KILLED_AT = 24  # a step of the second epoch: 13 in each


@pytest.mark.usefixtures("_small")
def test_a_killed_experiment_resumes_where_it_stopped(done: Path, tmp_path: Path, preloaded_python: PreloadedPython):
    out = tmp_path / "experiment"
    program = f"""
import os, signal, sys
import core.training.recorder as recorder
from core.cli.main import main
from core.experiments.transects import options as transects
for name, value in {SMALL!r}.items():
    setattr(transects, name, value)
step = recorder.Recorder.step
def die(self, done):
    step(self, done)
    if done.step == {KILLED_AT}:
        os.kill(os.getpid(), signal.SIGKILL)
recorder.Recorder.step = die
sys.exit(main(["experiment", "transects", "--quick", "--article-steps", "0", "--no-ablations", "--out", {str(out)!r}]))
"""
    killed = subprocess.run([preloaded_python.executable, "-c", program], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    progress = read_progress(out)
    assert progress is not None
    deadline = time.monotonic() + 60
    while not ExperimentFolder(out).abandoned(progress):  # its heart has just beaten
        assert time.monotonic() < deadline
        time.sleep(0.05)

    only_the_default = ["--article-steps", "0", "--no-ablations"]
    assert main(["experiment", "transects", "--quick", *only_the_default, "--out", str(out)]) == 0
    run = RunDirectory.open(ExperimentFolder(out).run_path("default-0"))
    starts = [record["message"] for record in read_metrics(run.metrics_path) if record.get("event") == "started"]
    assert len(starts) == 2
    assert "from step" in starts[-1]
    errors = [report_of(folder)["models"][0]["points"]["P1"]["excess_bce"] for folder in (done, out)]
    assert errors[0] == errors[1], "interrupted or not, it is the same model"


def test_help_loads_no_torch():
    program = "import sys; from core.cli.main import main; main(['experiment', 'transects', '--help']); "
    program += "sys.exit('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, env=dict(os.environ))
    assert ended.returncode == 0
