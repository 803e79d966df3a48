"""The files of TensorBoard's projector, with its rule of headers, and nothing outside their folder."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.data.dataset import DatasetError
from core.data.latents.projector import _parsed, read_projector
from core.data.latents.rows import LatentFileError

CONFIG = """# written by TensorBoard
embeddings {
  tensor_name: "first"
  tensor_path: "v.tsv"
  metadata_path: "m.tsv"
  sprite: { image_path: "s.png" single_image_dim: 4 single_image_dim: 2 }
}
embeddings { tensor_name: "second" tensor_path: "w.tsv" }
model_checkpoint_path: "x"
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "v.tsv").write_text("1\t2\n3\t4\n5\t6\n")
    (tmp_path / "w.tsv").write_text("1\t2\t3\n4\t5\t6\n")
    (tmp_path / "m.tsv").write_text("cat\ndog\ncat\n")
    (tmp_path / "projector_config.pbtxt").write_text(CONFIG)
    tiles = np.repeat(np.arange(4, dtype=np.uint8) * 60, 8).reshape(4, 2, 4)
    sheet = np.block([[tiles[0], tiles[1]], [tiles[2], tiles[3]]])
    Image.fromarray(sheet).save(tmp_path / "s.png")
    return tmp_path


def test_a_configuration_names_vectors_metadata_and_sprite(folder):
    found = read_projector(folder, 100)
    assert found.latents.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert found.columns["label"].tolist() == ["cat", "dog", "cat"]  # a single column has no header
    assert found.sprite is not None
    tiles = found.sprite.tiles(3)
    assert tiles.shape == (3, 2, 4, 1)
    assert tiles[:, 0, 0, 0].tolist() == [0, 60, 120]
    assert any("first was read, not second" in note for note in found.notes)
    assert read_projector(folder, 100, "second").latents.shape == (2, 3)


def test_several_columns_have_a_header(folder):
    (folder / "m.tsv").write_text("name\tkind\na.png\tcat\nb.png\tdog\nc.png\tcat\n")
    found = read_projector(folder / "projector_config.pbtxt", 100)
    assert found.names == ("a.png", "b.png", "c.png")
    assert found.columns["kind"].tolist() == ["cat", "dog", "cat"]


def test_vectors_alone_with_metadata_beside_them(folder):
    (folder / "vectors.tsv").write_text("1\t2\n3\t4\n5\t6\n")
    (folder / "metadata.tsv").write_text("a\nb\nb\n")
    assert read_projector(folder / "vectors.tsv", 100).columns["label"].tolist() == ["a", "b", "b"]


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("m.tsv", "label\ncat\ndog\ncat\n", "more rows than the 3 vectors.*A single column has no header"),
        ("m.tsv", "a\tb\n1\t2\n3\t4\n", "has 2 rows, v.tsv has more"),
        ("m.tsv", "a\tb\n1\t2\n3\n3\t4\n", "row 3: it has 1 entries"),
        ("v.tsv", "x\ty\n1\t2\n3\t4\n", "row 1: .* Files of vectors have no header"),
        ("v.tsv", "1\t2\n3\n5\t6\n", "row 2: it has 1 numbers"),
        ("projector_config.pbtxt", CONFIG.replace("_dim: 4", "_dim: 8"), "room for 2 images of 8 × 2; there are 3"),
        ("projector_config.pbtxt", CONFIG.replace("_dim: 4", "_dim: 0"), "must be the width and the height"),
        ("projector_config.pbtxt", CONFIG.replace('"m.tsv"', '"gone.tsv"'), "no such file"),
        ("projector_config.pbtxt", "embeddings {", "not closed"),
        ("projector_config.pbtxt", "nothing: 1", "names no embeddings"),
        ("s.png", "no image", "cannot be read as an image"),
    ],
)
def test_what_does_not_fit_is_named(folder, name, content, fault):
    (folder / name).write_text(content)
    with pytest.raises(DatasetError, match=fault):
        read_projector(folder, 100)


@pytest.mark.parametrize("place", ["../secret.tsv", "link.tsv", "/etc/hostname"])
def test_a_path_may_not_leave_the_folder(folder, place, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.tsv"
    outside.write_text("1\t2\n3\t4\n")
    (folder / "link.tsv").symlink_to(outside)
    (folder / "projector_config.pbtxt").write_text(CONFIG.replace("v.tsv", place))
    with pytest.raises(LatentFileError, match="outside the folder of the configuration, and is not read"):
        read_projector(folder, 100)


@given(st.text('{}embdings_:"\\ \n1#', max_size=60))
def test_any_text_is_parsed_or_refused(text):
    try:
        _parsed(text)
    except ValueError:
        return
