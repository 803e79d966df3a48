"""The comparison with pythae: its data, and its measures on known answers. Nothing is installed or trained here."""

from __future__ import annotations

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
    labels = {side: generator.random((50, 2)) for side in ("train", "validation")}
    images = generator.integers(0, 256, (50, 4, 4, 1), dtype=np.uint8)
    error, fit = compare_pythae.scores(images, images / 255.0, labels, labels, classes=False)
    assert error == 0.0
    assert fit == pytest.approx(1.0, abs=1e-4)
    noise = {side: generator.random((50, 2)) for side in ("train", "validation")}
    error, fit = compare_pythae.scores(images, np.zeros(images.shape), noise, labels, classes=False)
    assert error == pytest.approx(np.mean((images / 255.0) ** 2))
    assert fit < 0.3
