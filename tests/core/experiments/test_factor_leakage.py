"""Experiment C: what it trains, what it measures along paths and across the hole, what it says, and that it resumes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from page_reader import Page

from core.cli.main import main
from core.config import RunConfig
from core.experiments.factor_leakage import analysis, leakage, options, report, timings
from core.experiments.factor_leakage.leakage import (
    BOTH,
    CURVE,
    DRAWN,
    MEAN_DIFFERENCE,
    PATHS,
    TANGENT,
    Leaks,
    Trial,
    chosen_samples,
    leak_at,
    leaks_by_kind,
    measure_trial,
    values_of,
)
from core.experiments.factor_leakage.model_under_test import ModelUnderTest
from core.experiments.factor_leakage.options import Options
from core.experiments.factor_leakage.report import conclusions
from core.experiments.folder import ExperimentFolder, Stopped, read_progress
from core.experiments.options import ExperimentError
from core.experiments.runner import run
from core.rendering import gridline_image, pil_text
from core.rendering.gridline_image import fit_mesh
from core.reporting.tables import Interval
from core.runs.directory import RunDirectory

SMALL = {"QUICK_COUNT": 400, "QUICK_EPOCHS": 4, "QUICK_STARTS": 2, "QUICK_PAIRS": 1}
"""A quick experiment, made quicker still."""

PNG_START = b"\x89PNG\r\n\x1a\n"


# what it trains


def test_the_full_plan_trains_the_default_model_on_the_punctured_set(tmp_path: Path):
    planned = Options(tmp_path).plan()
    assert [one.name for one in planned] == ["default-0", "default-1", "default-2"]
    assert planned[0].config == RunConfig()
    assert all(one.config.data.punctured for one in planned)
    assert [one.config.training.seed for one in planned] == [0, 1, 2]


def test_a_quick_one_is_one_small_model_with_few_starts(tmp_path: Path):
    chosen = Options(tmp_path, quick=True)
    (only,) = chosen.plan()
    assert (only.config.data.image_size, chosen.start_count) == (32, 20)
    assert chosen.settings()["seeds"] == 1


def test_trained_runs_are_measured_instead(tmp_path: Path):
    chosen = Options(tmp_path / "out", model=(tmp_path / "one", tmp_path / "two"))
    assert chosen.plan() == []
    assert chosen.settings()["model"] == [str(tmp_path / "one"), str(tmp_path / "two")]
    assert Options(tmp_path).settings()["model"] is None


@pytest.mark.parametrize(
    "changes", [{"seeds": 0}, {"starts": 1}, {"starts": 10_001}, {"model": (Path("a"), Path("a"))}]
)
def test_impossible_options_are_refused(tmp_path: Path, changes: dict[str, Any]):
    with pytest.raises(ExperimentError, match=next(iter(changes))):
        Options(tmp_path, **changes)


# leak


RANGES = np.array([1.5, 2.0])


def test_leak_is_the_largest_departure_of_the_other_factor_up_to_the_change():
    values = np.array([[1.0, 0.0], [1.2, 0.2], [1.4, -0.3], [1.6, 1.0]])
    value, reached = leak_at(values, 0.4, 0, RANGES)
    assert (value, reached) == (pytest.approx(0.15), True)
    assert leak_at(values, 0.5, 0, RANGES)[0] == pytest.approx(0.35 / 2.0), "halfway between the last two"


def test_a_change_downwards_is_cut_just_the_same():
    values = np.array([[1.0, 0.0], [0.8, 0.2], [0.6, 0.9]])
    assert leak_at(values, -0.2, 0, RANGES) == (pytest.approx(0.1), True)


def test_a_path_that_turns_back_is_judged_where_it_comes_closest():
    values = np.array([[1.0, 0.0], [1.1, 0.1], [1.2, 0.2], [1.0, 2.0]])
    assert leak_at(values, 0.4, 0, RANGES) == (pytest.approx(0.1), False)


def test_starts_are_the_same_every_time_and_others_for_the_other_factor():
    assert np.array_equal(chosen_samples(5, 100, 0), chosen_samples(5, 100, 0))
    assert not np.array_equal(chosen_samples(5, 100, 0), chosen_samples(5, 100, 1))
    assert len(chosen_samples(50, 20, 0)) == 20


# statistics


def trials(target: str, curve: np.ndarray, vector: np.ndarray) -> list[Trial]:
    return [
        Trial(i, 1.0, 1.0, target, 0.4, "", 0.4, {CURVE: float(c), MEAN_DIFFERENCE: float(v)}, (CURVE,))
        for i, (c, v) in enumerate(zip(curve, vector, strict=True))
    ]


@pytest.fixture
def models() -> list[dict[str, list[Trial]]]:
    """Two seeds, a hundred starts a factor, one of them dropped: the vector leaks 40 times as much everywhere."""
    generator = np.random.default_rng(3)
    found = []
    for _ in range(2):
        leaks = {name: 0.004 * generator.lognormal(0.0, 0.5, 100) for name in "ab"}
        model = {name: trials(name, value, 40.0 * value) for name, value in leaks.items()}
        model["a"][7] = Trial(7, 1.0, 1.0, "a", 0.4, "end of the data")
        found.append(model)
    return found


def test_the_table_has_medians_ratios_and_intervals_around_them(models: list[dict[str, list[Trial]]]):
    table = leaks_by_kind(models, BOTH)
    assert list(table) == [CURVE, MEAN_DIFFERENCE]
    assert (table[CURVE].n, table[CURVE].reached, table[MEAN_DIFFERENCE].reached) == (398, 1.0, 0.0)
    median = table[CURVE].median
    value, low, high = median.value, median.low, median.high
    assert value == pytest.approx(np.median(np.concatenate([values_of(models, k, CURVE) for k in "ab"])))
    assert low is not None
    assert high is not None
    assert value is not None
    assert low < value < high < 1.5 * low
    assert astuple(table[MEAN_DIFFERENCE].ratio) == pytest.approx((40.0, 40.0, 40.0)), "starts are resampled in pairs"
    assert table[CURVE].p90 == pytest.approx(0.004 * np.exp(1.2816 * 0.5), rel=0.15)


def test_a_kind_that_nothing_was_measured_of_is_left_out(models: list[dict[str, list[Trial]]]):
    assert TANGENT not in leaks_by_kind(models, "a")
    assert leaks_by_kind(models, "a", common=True) == {}


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(20.0, 50.0, "leaks less"), (0.2, 0.8, "leaks more"), (0.8, 1.4, "do not show whether"), (None, None, "too few")],
)
def test_its_conclusion_follows_from_its_numbers(low: float | None, high: float | None, said: str):
    def kind(value: float, low: float | None, high: float | None) -> Leaks:
        return Leaks(9, 1.0, Interval(0.01 * value, None, None), 0.1, Interval(value, low, high))

    table = {CURVE: kind(1.0, 1.0, 1.0), MEAN_DIFFERENCE: kind(30.0, low, high)}
    leak = dict.fromkeys(("a", "b", BOTH), table)
    first, *_, last = conclusions({"models": 1, "leak": leak, "leak_at_common_change": leak, "hole": {}, "times": {}})
    assert said in first
    assert "not over seeds" in first
    assert "no hole" in last


def test_nothing_measured_is_said():
    empty: dict[str, Any] = {target: {} for target in ("a", "b", BOTH)}
    summary = {"models": 1, "leak": empty, "leak_at_common_change": empty, "hole": {}, "times": {}}
    assert conclusions(summary)[0].startswith("No start could be measured")


# a whole experiment


@pytest.fixture(scope="module")
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL.items():
            patch.setattr(options, name, value)
        patch.setattr(leakage, "RESAMPLES", 100)
        patch.setattr(timings, "_NETS", 1)
        patch.setattr(timings, "_BUILDS", 1)
        patch.setattr(gridline_image, "fit_mesh", lambda mu, factors, cells: fit_mesh(mu, factors, (40, 50)))
        patch.setattr(gridline_image, "_OVERSAMPLING", 1)
        yield


@pytest.fixture(scope="module")
def done(_small: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished experiment, run by the command; not to be changed."""
    out = tmp_path_factory.mktemp("done") / "experiment"
    assert main(["experiment", "curves", "--quick", "--out", str(out)]) == 0
    return out


def report_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "report.json").read_text())


def test_the_report_holds_every_number(done: Path):
    report = report_of(done)
    assert (report["schema"], report["experiment"]) == (1, "curves")
    assert report["settings"]["configuration"]["data"]["image_size"] == 32
    (model,) = report["models"]
    for target in "ab":
        assert [trial["sample"] for trial in model["trials"][target]] == sorted(
            trial["sample"] for trial in model["trials"][target]
        )
        for trial in model["trials"][target]:
            assert trial["target"] == target
            assert bool(trial["dropped"]) != bool(trial["leak"])
            if trial["leak"]:
                assert set(trial["leak"]) <= set(PATHS)
                assert all(0.0 <= value < 2.0 for value in trial["leak"].values())
                assert CURVE in trial["reached"]
    assert {one["kind"] for one in model["crossings"]} == {"geodesic", "geodesic, no penalty", "straight line"}
    for crossing in model["crossings"]:
        assert len(crossing["beside"]) == len(crossing["residual"])
        assert all(value > 0.0 for value in crossing["beside"])
    for kind, found in report["summary"]["hole"].items():
        ratios = [
            residual / beside
            for crossing in model["crossings"]
            if crossing["kind"] == kind
            for residual, beside in zip(crossing["residual"], crossing["beside"], strict=True)
        ]
        assert found["residual_beside"] == pytest.approx(max(ratios))
    times = report["summary"]["times"]
    assert len(times) == 6
    assert all(one["median_ms"] > 0 for one in times.values())


def test_the_summary_is_that_of_the_trials(done: Path):
    report = report_of(done)
    leaks = [
        trial["leak"][CURVE] for target in "ab" for trial in report["models"][0]["trials"][target] if trial["leak"]
    ]
    table = report["summary"]["leak"][BOTH]
    assert table[CURVE]["n"] == len(leaks) == report["summary"]["starts"][BOTH]["measured"]
    assert table[CURVE]["median"]["value"] == pytest.approx(np.median(leaks))
    assert table[CURVE]["ratio"]["value"] == 1.0


def test_the_page_is_whole_and_stands_alone(done: Path):
    html = (done / "report.html").read_text()
    page = Page(html)
    assert page.counts["figure"] == 4  # leak, the net, the net from three sides, the hole
    assert "script" not in page.counts
    assert "link" not in page.counts
    for part in ("Leak by kind of path", "Across the hole", "not over seeds", "How long it takes", "tangent line"):
        assert part in page.text, part
    assert report_of(done)["conclusions"][0] in page.text


def test_every_number_has_its_definition(done: Path):
    html = (done / "report.html").read_text()
    meanings = html[html.index('id="meanings"') :]
    for title in ("median leak, %", "× factor curve", "reached, %", "in the hole, %", "off the data, %"):
        assert f">{title}</dt><dd>" in meanings, title


def test_the_net_is_a_picture_beside_the_report(done: Path):
    from PIL import Image

    assert (done / "gridlines.png").read_bytes().startswith(PNG_START)
    with Image.open(done / "gridlines.png") as picture:
        assert picture.size == (1600, 1000)
        shown = np.asarray(picture.convert("RGB")).astype(int)
    for colour in gridline_image.FAMILY_COLOURS:  # both families are seen
        assert (np.abs(shown - pil_text.rgb(colour)).sum(axis=2) < 40).sum() > 200, colour


def test_a_finished_experiment_trains_and_measures_nothing_again(
    done: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(analysis, "measure_trial", None)
    for name in ("draw_gridlines", "draw_sides"):
        monkeypatch.setattr(analysis, name, lambda scene, side: np.zeros((4, 4, 3), np.uint8))
    picture = (done / "gridlines.png").read_bytes()
    monkeypatch.setattr(analysis, "png_bytes", lambda _image: picture)
    monkeypatch.setattr(report, "make_page", lambda *_: (done / "report.html").read_text())
    before = report_of(done)
    assert main(["experiment", "curves", "--quick", "--out", str(done)]) == 0
    assert "trained already" in capsys.readouterr().out
    assert report_of(done) == before


def test_other_options_are_refused(done: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["experiment", "curves", "--quick", "--epochs", "9", "--out", str(done)]) == 2
    assert "epochs is 9, but the experiment" in capsys.readouterr().err


def test_a_request_to_stop_is_heard_between_starts_and_what_was_measured_is_kept(done: Path, tmp_path: Path):
    chosen = Options(tmp_path, quick=True, model=(ExperimentFolder(done).run_path("default-0"),))
    heard: list[str] = []

    def stop(text: str) -> None:
        heard.append(text)
        if "changing b" in text:
            ExperimentFolder(tmp_path).request_stop()

    with pytest.raises(Stopped):
        run(chosen, stop)
    progress = read_progress(tmp_path)
    assert progress is not None
    assert (progress.state, progress.run) == ("stopped", None)
    (stored,) = (tmp_path / "measures").iterdir()
    assert stored.name.startswith("model-0-trials-a-")
    _, measured = msgspec.msgpack.decode(stored.read_bytes())  # after its checksum
    assert measured == report_of(done)["models"][0]["trials"]["a"]


def test_a_run_of_other_images_is_refused(done: Path, tmp_path: Path):
    run = RunDirectory.open(ExperimentFolder(done).run_path("default-0"))
    content = json.loads((run.path / "config.json").read_text())
    content["config"]["data"] |= {"source": "npz", "path": "images.npz", "punctured": False}
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(ExperimentError, match="curves"):
        ModelUnderTest("other", "other", RunDirectory.open(tmp_path), 0)


def test_labels_that_the_decoder_does_not_draw_leave_one_kind_out(done: Path, monkeypatch: pytest.MonkeyPatch):
    model = ModelUnderTest("one", "one", RunDirectory.open(ExperimentFolder(done).run_path("default-0")), 0)
    model.__dict__["redrawn"] = None
    found = [measure_trial(model, int(sample), 0) for sample in chosen_samples(3, len(model.mu), 0)]
    assert all(DRAWN not in trial.leak for trial in found if trial.leak)


def test_help_loads_no_torch():
    program = "import sys; from core.cli.main import main; main(['experiment', 'curves', '--help']); "
    program += "sys.exit('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, env=dict(os.environ))
    assert ended.returncode == 0
