"""What TensorBoard's Embedding Projector gets: tables that read back exactly, and every thumbnail in its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from core.interchange.projector import metadata_text, sprite_of, vectors_text, write_projector
from core.interchange.samples import Samples


def thumbnails(count: int, size: int = 32, channels: int = 1) -> np.ndarray:
    """Sample i is grey of level i."""
    levels = np.arange(count, dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, size, size, channels)).copy()


@given(arrays.arrays(np.float32, (3, 2), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_latents_read_back_as_the_same_numbers(latents: np.ndarray):
    lines = vectors_text(latents).splitlines()
    assert np.array_equal(np.array([line.split("\t") for line in lines], np.float32), latents)


def test_a_single_column_has_no_header_and_several_have_one():
    split = np.array(["training", "validation"])
    assert metadata_text({"split": split}) == "training\nvalidation\n"
    columns = {"kind": np.array(["a", "b"]), "split": split}
    assert metadata_text(columns) == "kind\tsplit\na\ttraining\nb\tvalidation\n"


def test_fields_cannot_break_the_table_and_the_unknown_is_empty():
    columns = {"a\tb": np.array(["x\ty\nz", ""]), "size": np.array([0.1, np.nan], np.float32)}
    assert metadata_text(columns) == "a b\tsize\nx y z\t0.100000001\n\t\n"


@given(st.integers(1, 300), st.sampled_from([1, 3]))
def test_a_sprite_has_sides_of_powers_of_two_and_sample_i_in_cell_i(count: int, channels: int):
    sprite, size = sprite_of(thumbnails(count, 4, channels))
    assert size == 4
    assert all(side & (side - 1) == 0 for side in sprite.shape[:2])
    columns = sprite.shape[1] // size
    for sample in (0, count // 2, count - 1):
        row, column = divmod(sample, columns)
        assert (sprite[row * size : (row + 1) * size, column * size : (column + 1) * size] == sample % 256).all()


def test_the_configuration_names_the_files_beside_it(tmp_path: Path):
    columns = {"split": np.array(["training"] * 3)}
    samples = Samples(np.zeros((3, 2), np.float32), columns, thumbnails(3))
    assert write_projector(samples, tmp_path / "projector") == []
    config = (tmp_path / "projector" / "projector_config.pbtxt").read_text()
    for line in ('tensor_path: "vectors.tsv"', 'metadata_path: "metadata.tsv"', 'image_path: "sprite.png"'):
        assert line in config
    assert config.count("single_image_dim: 32") == 2
    with Image.open(tmp_path / "projector" / "sprite.png") as picture:
        assert picture.size == (64, 64)


def test_more_samples_than_fit_get_smaller_thumbnails_and_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.interchange.projector.MAX_SIDE", 64)
    samples = Samples(np.zeros((5, 2), np.float32), {"split": np.array(["training"] * 5)}, thumbnails(5))
    assert write_projector(samples, tmp_path) == [
        "Thumbnails are 16 px wide instead of 32: a sprite of 5 samples has room for no more."
    ]
    with Image.open(tmp_path / "sprite.png") as picture:
        assert picture.size == (64, 32)
        assert picture.getpixel((3 * 16, 0)) == 3
