"""`isoline dataset`: files that others can read."""

import csv

import numpy as np
import pytest
from PIL import Image

from core.cli.main import main
from core.config import DataConfig
from core.data.loading import load_dataset

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
    again = load_dataset(DataConfig(path=str(out), image_size=32))
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
    assert size_of(tmp_path / "images-sheet.png")[0] > 1000


def test_a_written_folder_can_be_trained_on(tmp_path):
    out = tmp_path / "images"
    assert main(["dataset", "--out", str(out), *FLAGS]) == 0
    again = load_dataset(DataConfig(path=str(out), image_size=32))
    np.testing.assert_array_equal(again.images, load_dataset(DataConfig(image_size=32, count=40)).images)


def test_a_second_export_replaces_the_first_and_leaves_other_files_alone(tmp_path):
    out = tmp_path / "images"
    assert main(["dataset", "--out", str(out), "--data.image-size", "32", "--data.count", "90"]) == 0
    (out / "notes.txt").write_text("mine")
    assert main(["dataset", "--out", str(out), *FLAGS, "--overwrite"]) == 0
    with open(out / "parameters.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(path.name for path in out.glob("*.png")) == [row["file"] for row in rows]
    assert (out / "notes.txt").read_text() == "mine"
    assert not list(tmp_path.rglob("*.writing"))


@pytest.mark.parametrize("there", [False, True])
def test_an_export_that_fails_leaves_everything_as_it_was(tmp_path, monkeypatch, capsys, there):
    def full(*_):
        raise OSError(28, "No space left on device")

    out = tmp_path / "images"
    if there:
        assert main(["dataset", "--out", str(out), *FLAGS]) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr("core.data.export._write_table", full)
    assert main(["dataset", "--out", str(out), "--overwrite", "--data.image-size", "32", "--data.count", "20"]) == 2
    assert "cannot be written (No space left on device)" in " ".join(capsys.readouterr().err.split())
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert out.exists() == there


def test_classes_are_written_where_values_recur(tmp_path):
    for name in ("a/1.png", "a/2.png", "b/3.png", "c/4.png", "c/5.png", "c/6.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (32, 32), 9).save(tmp_path / "in" / name)
    out, drawn = tmp_path / "classes.npz", tmp_path / "drawn.npz"
    source = ["--data.path", str(tmp_path / "in"), "--data.image-size", "32"]
    assert main(["dataset", "--out", str(out), *source]) == 0
    with np.load(out, allow_pickle=False) as data:
        assert data["latents_classes"].tolist() == [[0], [0], [1], [2], [2], [2]]
    assert main(["dataset", "--out", str(drawn), *FLAGS]) == 0
    with np.load(drawn, allow_pickle=False) as data:
        assert "latents_classes" not in data.files


def test_what_is_there_is_not_overwritten_unasked(tmp_path, capsys):
    out = tmp_path / "curves.npz"
    out.write_bytes(b"precious")
    assert main(["dataset", "--out", str(out), *FLAGS]) == 2
    assert "already exists" in capsys.readouterr().err
    assert out.read_bytes() == b"precious"
    assert main(["dataset", "--out", str(out), *FLAGS, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--data.hole-radius", "9"], "make data.hole_radius smaller"),
        (["--data.image-size", "7"], "8 to 512"),
        (["--data.image-size", "16"], "32 or more for polar curves"),
    ],
)
def test_bad_settings_are_explained(tmp_path, capsys, flags, message):
    assert main(["dataset", "--out", str(tmp_path / "x.npz"), *FLAGS, *flags]) == 2
    printed = capsys.readouterr()
    assert message in printed.err + printed.out
