"""What an inspection says of a data set, as a person and as a program reads it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.cli.main import main
from core.config import DataConfig
from core.data import cache
from core.data.inspection import Inspection, inspect

RNG = np.random.default_rng(0)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two classes of 6 and 4 images, one of them twice, one all grey, one broken, and a table."""
    home = tmp_path / "in"
    for name, count in (("cat", 6), ("dog", 4)):
        (home / name).mkdir(parents=True)
        for index in range(count):
            Image.fromarray(RNG.integers(0, 256, (28, 20, 3), dtype=np.uint8)).save(home / name / f"{index}.png")
    Image.new("RGB", (20, 28), (9, 9, 9)).save(home / "dog" / "0.png")
    (home / "cat" / "1.png").write_bytes((home / "cat" / "0.png").read_bytes())
    (home / "cat" / "9.png").write_bytes(b"")
    (home / "labels.csv").write_text("x\n")
    return home


def looked_at(path: Path, **settings: object) -> Inspection:
    return inspect(DataConfig(path=str(path), **settings))


def test_everything_is_counted(folder):
    found = looked_at(folder)
    assert (found.images, found.size, found.channels) == (10, (28, 20), 3)
    assert found.classes == {"cat": 6, "dog": 4}
    assert [(label.name, label.kind) for label in found.labels] == [("class", "class")]
    assert found.split.train + found.split.validation == 10
    assert [(skipped.name, skipped.reason) for skipped in found.skipped] == [("cat/9.png", "empty")]
    assert found.statistics.duplicate_examples == (("cat/0.png", "cat/1.png"),)
    assert found.statistics.constant_examples == ("dog/0.png",)
    assert (found.config.image_size, found.config.channels) == (28, 3)
    assert any("padded to squares" in note for note in found.notes)
    assert any("1 .csv" in note for note in found.notes)


def test_it_becomes_json(folder):
    report = json.loads(json.dumps(looked_at(folder).to_json()))
    assert {"images", "size", "channels", "classes", "labels", "split", "skipped", "notes"} <= set(report)
    assert report["size"] == [28, 20]
    assert report["pixels"] == {"8-bit colour": 10}
    assert report["skipped"] == [{"name": "cat/9.png", "reason": "empty"}]


def test_numbers_have_a_range_and_unknown_ones_are_counted(tmp_path):
    values = np.stack([np.linspace(0, 1, 20), np.where(np.arange(20) == 3, np.nan, np.arange(20))], 1)
    np.savez(tmp_path / "d.npz", imgs=RNG.integers(0, 256, (20, 16, 16), dtype=np.uint8), latents_values=values)
    first, second = looked_at(tmp_path / "d.npz").labels
    assert (first.kind, first.low, first.high, first.unknown) == ("number", 0.0, 1.0, 0)
    assert (second.values, second.unknown) == (19, 1)


@pytest.mark.parametrize(("side", "size"), [(4, 8), (300, 128)])
def test_sizes_that_train_badly_or_for_long_are_not_suggested(tmp_path, side, size):
    for index in range(3):
        Image.new("L", (side, side), 60 * index).save(tmp_path / f"{index}.png")
    assert looked_at(tmp_path).config.image_size == size


def test_prepared_images_are_looked_up_once(folder, monkeypatch):
    looked_at(folder)
    checked: list[Path] = []
    check = cache._check_blocks
    monkeypatch.setattr(cache, "_check_blocks", lambda file, record: checked.append(file) or check(file, record))
    looked_at(folder)
    assert len(checked) == 1


def test_progress_rises_to_one_and_may_end_it(folder):
    heard: list[float] = []
    inspect(DataConfig(path=str(folder)), progress=heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0

    def stop(_: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        inspect(DataConfig(path=str(folder)), progress=stop)


# the command


def test_the_command_prints_a_summary_and_writes_json_and_a_sheet(folder, tmp_path, capsys):
    report, sheet = tmp_path / "report.json", tmp_path / "sheet.png"
    assert main(["dataset", "inspect", str(folder), "--json", str(report), "--sheet", str(sheet)]) == 0
    printed = capsys.readouterr().out
    for text in ("10, in colour", "28 × 20 pixels", "2 classes: cat (6), dog (4)", "cat/9.png: empty", "cat/1.png"):
        assert text in printed
    assert json.loads(report.read_text())["images"] == 10
    with Image.open(sheet) as image:
        assert image.width > 1000


def test_the_json_may_go_to_standard_output(folder, capsys):
    assert main(["dataset", "inspect", str(folder), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["classes"] == {"cat": 6, "dog": 4}


def test_settings_of_reading_can_be_given(folder, capsys):
    flags = ["--data.resize", "crop", "--data.planes", "0"]
    assert main(["dataset", "inspect", str(folder), "--json", "-", *flags]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["channels"], report["settings"]["data"]["image_size"]) == (1, 20)


def test_what_is_wrong_with_a_path_is_said(tmp_path, capsys):
    assert main(["dataset", "inspect", str(tmp_path / "nothing")]) == 2
    assert "nothing does not exist; give a folder" in " ".join(capsys.readouterr().err.split())


def test_exporting_has_a_name_too(tmp_path):
    out = tmp_path / "curves.npz"
    assert main(["dataset", "export", "--out", str(out), "--data.image-size", "32", "--data.count", "20"]) == 0
    assert out.is_file()
