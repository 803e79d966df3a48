"""The comparison with pythae: its data, and its measures on known answers. Nothing is installed or trained here."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.config import DataConfig
from core.data.inspection import inspect

SIDES = ("train", "validation")
SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
try:
    import compare_pythae
finally:
    sys.path.remove(str(SCRIPTS))


def test_the_digits_are_folders_of_classes(tmp_path):
    folder = compare_pythae.digits(tmp_path)
    files = sorted(folder.rglob("*.png"))
    assert len(files) == 1797
    assert {file.parent.name for file in files} == set("0123456789")
    with Image.open(files[0]) as image:
        assert image.size == (8, 8)


def test_the_sprites_are_read_with_dsprites_factors(tmp_path):
    found = inspect(DataConfig(path=str(compare_pythae.sprites(tmp_path, 300))), cache=tmp_path / "cache")
    assert (found.images, found.size) == (300, (64, 64))
    assert [label.name for label in found.labels] == ["shape", "scale", "orientation", "posX", "posY"]


def test_scores_are_right_for_a_perfect_and_for_a_blank_model():
    generator = np.random.default_rng(0)
    labels = {side: generator.random((50, 2)) for side in SIDES}
    images = generator.integers(0, 256, (50, 4, 4, 1), dtype=np.uint8)
    read = compare_pythae.scores(images, images / 255.0, labels, labels, classes=False)
    assert read.mse == 0.0
    assert read.linear == pytest.approx(1.0, abs=1e-4)
    noise = {side: generator.random((50, 2)) for side in SIDES}
    read = compare_pythae.scores(images, np.zeros(images.shape), noise, labels, classes=False)
    assert read.mse == pytest.approx(np.mean((images / 255.0) ** 2))
    assert max(read.linear, read.neighbours) < 0.3


def test_neighbours_read_what_no_plane_separates():
    generator = np.random.default_rng(0)
    means = {side: generator.choice([-1.0, 1.0], (200, 2)) + generator.normal(0, 0.1, (200, 2)) for side in SIDES}
    exclusive_or = {side: (values[:, 0] * values[:, 1] > 0).astype(int) for side, values in means.items()}
    blank = np.zeros((200, 1, 1, 1), np.uint8)
    read = compare_pythae.scores(blank, blank, means, exclusive_or, classes=True)
    assert read.neighbours == 1.0
    assert read.linear < 0.8


def training(model: str, seed: int, linear: float) -> dict:
    return {
        "model": model, "seed": seed, "d": 3, "validation": 300, "seconds": 100.0 + seed, "mse": 0.01,
        "linear": linear, "neighbours": 1.0,
    }  # fmt: skip


def test_the_seeds_of_a_model_become_means_with_standard_errors():
    results = [training("ours", 0, 0.8), training("theirs", 0, 0.5), training("ours", 1, 0.9)]
    ours, theirs = compare_pythae.summary(results)
    assert (ours["model"], ours["seconds"], ours["linear"]) == ("ours", 100.5, pytest.approx(0.85))
    assert ours["errors"] == pytest.approx({"mse": 0.0, "linear": 0.05, "neighbours": 0.0})
    assert all(np.isnan(error) for error in theirs["errors"].values())
    shown = compare_pythae.table("crops", results)
    assert "300 validation images, seeds: 2" in shown
    assert "0.850 ± 0.050" in shown
    assert "0.500 ±" not in shown
