"""`isoline dataset`: files that others can read."""

import csv

import numpy as np
import pytest
from PIL import Image

from core.cli import main
from core.config import DataConfig
from core.datasets import load_dataset

FLAGS = ["--data.image-size", "32", "--data.count", "40"]


def size_of(path):
    with Image.open(path) as image:
        return image.size


def test_npz_has_dsprites_keys_and_can_be_trained_on(tmp_path, capsys):
    out = tmp_path / "curves.npz"
    assert main(["dataset", "--out", str(out), *FLAGS]) == 0
    with np.load(out, allow_pickle=False) as data:
        assert data["imgs"].shape[1:] == (32, 32)
        assert data["imgs"].dtype == np.uint8
        assert data["latents_names"].tolist() == ["a", "b"]
    again = load_dataset(DataConfig(source="npz", path=str(out), image_size=32))
    drawn = load_dataset(DataConfig(image_size=32, count=40))
    np.testing.assert_array_equal(again.images, drawn.images)
    np.testing.assert_allclose(again.factors, drawn.factors)
    assert size_of(tmp_path / "curves-sheet.png")[0] > 1000
    assert "Contact sheet" in capsys.readouterr().out


def test_png_folder_has_a_table(tmp_path):
    out = tmp_path / "images"
    assert main(["dataset", "--out", str(out), *FLAGS, "--data.geometry", "square"]) == 0
    with open(out / "parameters.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == {"file", "split", "a", "b"}
    assert {row["split"] for row in rows} == {"train", "validation"}
    assert size_of(out / rows[0]["file"]) == (32, 32)
    assert (out / "contact-sheet.png").is_file()


def test_what_is_there_is_not_overwritten_unasked(tmp_path, capsys):
    out = tmp_path / "curves.npz"
    out.write_bytes(b"precious")
    assert main(["dataset", "--out", str(out), *FLAGS]) == 2
    assert "is there already" in capsys.readouterr().err
    assert out.read_bytes() == b"precious"
    assert main(["dataset", "--out", str(out), *FLAGS, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [(["--data.hole-radius", "9"], "make data.hole_radius smaller"), (["--data.image-size", "7"], "32 to 512")],
)
def test_bad_settings_are_explained(tmp_path, capsys, flags, message):
    assert main(["dataset", "--out", str(tmp_path / "x.npz"), *FLAGS, *flags]) == 2
    printed = capsys.readouterr()
    assert message in printed.err + printed.out
