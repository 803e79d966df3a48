"""Images that were moved: a run is told where they are, and believes it only if they are the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.cli.main import main
from core.config import DataConfig, RunConfig
from core.data.loading import load_dataset
from core.runs.directory import RunDirectory


def draw(folder: Path, seed: int = 0, count: int = 5) -> Path:
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8)).save(folder / f"{number}.png")
    (folder / "ages.csv").write_text("file,age\n" + "".join(f"{i}.png,{i + seed}\n" for i in range(count)))
    return folder


@pytest.fixture
def run(tmp_path) -> RunDirectory:
    """A run of images that have been moved from ``before`` to ``after``."""
    folder = draw(tmp_path / "before" / "images")
    data = DataConfig(path=str(folder), image_size=8, labels=str(folder / "ages.csv"))
    dataset = load_dataset(data)
    stored = {"fingerprint": dataset.fingerprint, "samples": 5, "relative_path": "../before/images", "notes": []}
    made = RunDirectory.create(tmp_path / "run", RunConfig(data=data), {"dataset": stored})
    made.metrics_path.write_bytes(b'{"kind": "event", "event": "finished"}\n')
    folder.parent.rename(tmp_path / "after")
    return made


def test_images_that_are_the_same_are_found_with_their_labels(run, tmp_path, capsys):
    assert main(["dataset", "locate", str(run.path), str(tmp_path / "after" / "images")]) == 0
    now = RunDirectory.open(run.path)
    assert now.config.data.path == str(tmp_path / "after" / "images")
    assert now.config.data.labels == str(tmp_path / "after" / "images" / "ages.csv")
    assert now.metadata["dataset"]["relative_path"] == "../after/images"
    assert load_dataset(now.config.data).fingerprint == run.metadata["dataset"]["fingerprint"]
    assert str(tmp_path / "after" / "images") in capsys.readouterr().out


@pytest.mark.parametrize(("seed", "count", "said"), [(1, 5, "other images"), (0, 4, "(4 instead of 5)")])
def test_other_images_are_refused_and_the_run_stays_as_it_was(run, tmp_path, capsys, seed, count, said):
    before = (run.path / "config.json").read_bytes()
    other = draw(tmp_path / "other", seed, count)
    assert main(["dataset", "locate", str(run.path), str(other)]) == 2
    assert said in capsys.readouterr().err
    assert (run.path / "config.json").read_bytes() == before


def test_a_run_of_curves_needs_no_images(tmp_path, capsys):
    run = RunDirectory.create(tmp_path / "curves", RunConfig(), {})
    assert main(["dataset", "locate", str(run.path), str(tmp_path)]) == 2
    assert "polar curves" in capsys.readouterr().err


def test_of_a_run_of_an_earlier_version_the_number_of_images_must_do(run, tmp_path):
    stored = {"fingerprint": "computed otherwise", "samples": 5}
    run.rewrite(dataclasses.replace(run.config), {"dataset": stored})
    assert main(["dataset", "locate", str(run.path), str(tmp_path / "after" / "images")]) == 0
