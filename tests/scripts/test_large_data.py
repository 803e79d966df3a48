"""The images that large trainings are measured with, and how a training is watched."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.config import DataConfig
from core.data.inspection import inspect

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
try:
    import _made_images
    from benchmarks import large_data
finally:
    sys.path.remove(str(SCRIPTS))


def test_the_sprites_are_every_combination_of_factors(tmp_path, monkeypatch):
    for name, count in (("SCALES", 2), ("ANGLES", 4), ("PLACES", 5)):
        monkeypatch.setattr(_made_images, name, count)
    file = tmp_path / "sprites.npz"
    _made_images.write_all_sprites(file)
    found = inspect(DataConfig(path=str(file)), cache=tmp_path / "cache")
    assert (found.images, found.size) == (3 * 2 * 4 * 25, (64, 64))
    assert [(label.name, label.values) for label in found.labels] == [
        ("shape", 3), ("scale", 2), ("orientation", 4), ("posX", 5), ("posY", 5),
    ]  # fmt: skip
    with np.load(file) as arrays:
        images, values = arrays["imgs"], arrays["latents_values"]
    assert set(np.unique(images)) == {0, 1}
    for axis, place in ((2, values[:, 4]), (1, values[:, 5])):
        weights = images.sum(axis=3 - axis)
        centre = (weights * np.arange(64)).sum(axis=1) / weights.sum(axis=1)
        squares = values[:, 1] == 1  # hearts have their middle elsewhere
        np.testing.assert_allclose(centre[squares], 31.5 + 4 * place[squares] - 2, atol=0.1)


def test_the_photographs_are_all_different(tmp_path):
    _made_images.write_photographs(tmp_path / "photographs", 10, 32)
    files = sorted((tmp_path / "photographs").rglob("*.jpg"))
    assert len(files) == 10
    assert len({hashlib.sha256(file.read_bytes()).digest() for file in files}) == 10
    with Image.open(files[0]) as image:
        assert (image.size, image.mode) == ((32, 32), "RGB")


@pytest.mark.parametrize("to_the_end", [True, False])
def test_a_training_is_watched_from_within(tmp_path, monkeypatch, preloaded_python, to_the_end):
    monkeypatch.setattr(sys, "executable", preloaded_python.executable)
    file = tmp_path / "images.npy"
    np.save(file, np.random.default_rng(0).integers(0, 256, (400, 32, 32), np.uint8))
    measured = large_data.observed(SCRIPTS.parent, tmp_path, file, 32, 0.3, to_the_end=to_the_end)
    assert measured["images"] == 400
    assert 0.0 < measured["ready"] < measured["first_step"]
    assert 0.0 < measured["all"] < measured["compute"] < 1.0
    assert measured["rate"] > 0.0
    assert 1e8 < measured["peak"] < 4e9
