"""Training on images of one's own: what the run keeps of them, and where it finds them again."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from image_source import open_source
from PIL import Image

import isoline
from core.cli.main import main
from core.config import DataConfig, ModelConfig, RunConfig, TrainingConfig
from core.data.allowed_files import allow
from core.data.dataset import DatasetError
from core.data.loading import present_data, relative_path, with_absolute_path
from core.data.pixels import survey
from core.data.preparation import like, prepare, prepared_once
from core.data.sources.listing import located
from core.engine.open_model import read_samples
from core.runs.directory import RunDirectory
from core.runs.metrics_log import read_metrics
from core.training import like_run
from core.training.trainer import run_training


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images, one of them broken, and a run that was trained on them from a relative path."""
    home = tmp_path_factory.mktemp("home")
    rng = np.random.default_rng(0)
    for index in range(12):
        file = home / "images" / "ab"[index % 2] / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 9), dtype=np.uint8)).save(file)
    (home / "images" / "a" / "broken.png").write_bytes(b"")
    before = os.getcwd()
    os.chdir(home)
    try:
        config = RunConfig(
            data=DataConfig(path="images", image_size=12),
            model=ModelConfig(native_size="full"),
            training=TrainingConfig(epochs=1, batch_size=5, device="cpu"),
        )
        run_training(config, home / "runs" / "one")
    finally:
        os.chdir(before)
    return home


def test_the_run_keeps_the_absolute_path_and_the_one_from_its_folder(home):
    run = RunDirectory.open(home / "runs" / "one")
    assert run.config.data.path == str(home / "images")
    assert run.metadata["dataset"]["relative_path"] == os.path.join("..", "..", "images")


def test_notes_and_skipped_files_are_kept_and_said(home):
    run = RunDirectory.open(home / "runs" / "one")
    dataset = run.metadata["dataset"]
    assert any("padded to squares" in note for note in dataset["notes"])
    assert dataset["skipped"] == [{"name": "a/broken.png", "reason": "empty"}]
    said = [record["message"] for record in read_metrics(run.metrics_path) if record.get("event") == "data"]
    assert said[:-1] == dataset["notes"]
    assert said[-1] == "1 file skipped: a/broken.png (empty)"


def test_a_run_that_moved_with_its_images_finds_them(home, tmp_path):
    shutil.copytree(home, tmp_path / "moved")
    run = RunDirectory.open(tmp_path / "moved" / "runs" / "one")
    assert present_data(run.config.data, run.path, run.metadata).path == str(home / "images")  # the original is there
    gone = run.config.data.path.replace(str(home), str(tmp_path / "gone"))
    config = DataConfig(path=gone, image_size=12)
    assert present_data(config, run.path, run.metadata).path == str(tmp_path / "moved" / "images")
    file = run.path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {}).replace(str(home / "images"), gone))
    allow(RunDirectory.open(run.path))  # the edited one names another place
    opened = isoline.open(run.path)
    assert opened.files is not None
    assert all(path.is_relative_to(tmp_path / "moved" / "images") for path in opened.files)


def test_images_that_changed_are_not_taken_for_those_of_the_run(home):
    run = RunDirectory.open(home / "runs" / "one")
    mark = run.metadata["dataset"]["fingerprint"]
    assert len(read_samples(run.config.data, mark).all_factors) == 12
    with pytest.raises(DatasetError, match="no longer holds what the model was trained on"):
        read_samples(run.config.data, "another")


def test_a_path_that_is_no_utf8_can_be_stored(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    config = with_absolute_path(DataConfig(path=str(folder)))
    config.path.encode("utf-8")
    assert located(config.path) == folder
    assert relative_path(config, tmp_path) is None


def test_other_images_are_read_as_those_of_the_run(tmp_path):
    """One picture alone would use its own range; encoded, it looks as it does among the others."""
    levels = (100, 2100, 4100)
    for index, level in enumerate(levels):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(np.full((12, 12), level, np.uint16)).save(tmp_path / "in" / f"{index}.png")
    config = DataConfig(path=str(tmp_path / "in"), image_size=12)
    together = prepare(config, cache=tmp_path / "cache")
    assert together.read_as == {"intensity": "100.0:4100.0"}
    alone = open_source(DataConfig(path=str(tmp_path / "in" / "1.png")))
    alike = like(config, together.read_as, alone)
    (image,) = prepared_once(alone, alike, survey(alone, alike)).images
    np.testing.assert_array_equal(image, together.images[1])


def test_a_range_of_8_bit_values_is_that_of_the_run_too(tmp_path):
    (tmp_path / "in").mkdir()
    for index, level in enumerate((50, 100, 150)):
        Image.fromarray(np.full((12, 12), level, np.uint8)).save(tmp_path / "in" / f"{index}.png")
    config = DataConfig(path=str(tmp_path / "in"), image_size=12, intensity="range")
    together = prepare(config, cache=tmp_path / "cache")
    assert together.read_as == {"intensity": "50.0:150.0"}
    alone = open_source(DataConfig(path=str(tmp_path / "in" / "1.png")))
    alike = like(config, together.read_as, alone)
    np.testing.assert_array_equal(prepared_once(alone, alike, survey(alone, alike)).images[0], together.images[1])
    deep = like(config, {"intensity": "100.0:4100.0"}, alone)  # of a run whose images are deeper
    assert deep.intensity == "range"


@pytest.fixture(scope="module")
def of_bright_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained on 16-bit images of 12 × 12 pixels, from 1000 to 4000 and mostly bright."""
    folder = tmp_path_factory.mktemp("bright")
    images = np.full((30, 12, 12), 4000, np.uint16)
    images[:, 4:6, 2:8] = np.linspace(1000, 3000, 30)[:, None, None]
    np.savez(folder / "images.npz", images=images)
    data = {"path": folder / "images.npz", "image_size": 12}
    return isoline.train(data=data, training={"epochs": 1, "device": "cpu"}, out=folder / "run").path


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.linspace(4000, 3000, 4), ""),
        (np.linspace(1000, 1200, 4), r"Mean brightness \d+ of 255, in the run 2\d\d; dark and light may be swapped\."),
        (np.linspace(4000, 9000, 4), r"Values are 4000 to 9000, and cut off at 1000 and 4000 as for the run\."),
    ],
)  # fmt: skip
def test_encode_says_in_what_images_differ_from_those_of_the_run(of_bright_images, tmp_path, capsys, images, said):
    np.save(tmp_path / "other.npy", np.broadcast_to(images[:, None, None], (4, 12, 12)).astype(np.uint16))
    assert main(["encode", str(of_bright_images), str(tmp_path / "other.npy"), "--out", str(tmp_path / "mu.npy")]) == 0
    printed = capsys.readouterr().out
    assert re.search(rf"^Unlike those of the run: {said}$", printed, re.M) if said else "Unlike" not in printed


def test_encode_says_size_colour_and_depth_in_one_line(of_bright_images, tmp_path, capsys):
    np.save(tmp_path / "other.npy", np.full((4, 24, 16, 3), (250, 200, 240), np.uint8))
    assert main(["encode", str(of_bright_images), str(tmp_path / "other.npy"), "--out", str(tmp_path / "mu.npy")]) == 0
    assert (
        "Unlike those of the run: Images of 24 × 16 are padded to squares and scaled to 12 × 12. Colour is left out: "
        "data.channels is 1. 8-bit values stay as they are; those of the run are scaled from 1000 to 4000.\n"
    ) in capsys.readouterr().out


def test_encode_says_that_8_bit_values_are_stretched_if_they_are(tmp_path, capsys):
    np.save(tmp_path / "run.npy", np.linspace(1000, 4000, 30 * 144, dtype=np.uint16).reshape(30, 12, 12))
    np.save(tmp_path / "other.npy", np.linspace(100, 150, 4 * 144, dtype=np.uint8).reshape(4, 12, 12))
    data = {"path": tmp_path / "run.npy", "image_size": 12, "intensity": "range"}
    run = isoline.train(data=data, training={"epochs": 1, "device": "cpu"}, out=tmp_path / "run").path
    assert main(["encode", str(run), str(tmp_path / "other.npy"), "--out", str(tmp_path / "mu.npy")]) == 0
    printed = capsys.readouterr().out
    assert "Intensities 100 to 150 of 8-bit pixels become 0 to 255" in printed
    assert "The values are 8-bit; those of the run are scaled from 1000 to 4000." in printed
    assert "stay as they are" not in printed


@pytest.mark.parametrize(
    "dataset", [{"read_as": "x"}, {"read_as": {"intensity": "a:b"}}, {"read_as": {"width": "3"}}, {"read_as": [1]}]
)
def test_encode_refuses_a_run_that_is_damaged_in_what_it_says_of_its_images(
    of_bright_images, tmp_path, capsys, dataset
):
    run = tmp_path / "run"
    shutil.copytree(of_bright_images, run)
    content = json.loads((run / "config.json").read_text())
    content["metadata"]["dataset"] = dataset
    (run / "config.json").write_text(json.dumps(content))
    np.save(tmp_path / "other.npy", np.full((4, 12, 12), 250, np.uint8))
    assert main(["encode", str(run), str(tmp_path / "other.npy"), "--out", str(tmp_path / "mu.npy")]) != 0
    assert "config.json is damaged in what it says of the images" in capsys.readouterr().err


def test_notes_of_a_run_that_are_damaged_do_not_keep_images_from_being_encoded(of_bright_images, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(of_bright_images, run)
    content = json.loads((run / "config.json").read_text())
    content["metadata"]["dataset"]["notes"] = 5
    (run / "config.json").write_text(json.dumps(content))
    np.save(tmp_path / "other.npy", np.full((4, 24, 16), 3000, np.uint16))
    assert main(["encode", str(run), str(tmp_path / "other.npy"), "--out", str(tmp_path / "mu.npy")]) == 0
    assert "4 images encoded" in capsys.readouterr().out


def test_encode_looks_at_some_hundred_images_for_their_brightness(of_bright_images):
    class Images(np.ndarray):
        def mean(self, *args, **kwargs):
            assert 200 < len(self) <= 300
            return super().mean(*args, **kwargs)

    images = np.full((5001, 12, 12, 1), 20, np.uint8).view(Images)
    (said,) = like_run._brightness(images, RunDirectory.open(of_bright_images))
    assert said.startswith("Mean brightness 20 of 255")


def test_encode_calls_nothing_different_that_is_so_in_the_run(tmp_path, capsys):
    """Transparent, wider than high and deep in both, in another number."""
    shapes = np.zeros((30, 12, 18, 4), np.uint8)
    shapes[..., 3] = np.random.default_rng(0).integers(0, 2, (30, 12, 18)) * 255
    for name, images in (("run", shapes), ("other", shapes[:3])):
        np.save(tmp_path / f"{name}.npy", images)
    data = {"path": tmp_path / "run.npy", "image_size": 12, "channels": 1}
    run = isoline.train(data=data, training={"epochs": 1, "device": "cpu"}, out=tmp_path / "run").path
    assert main(["encode", str(run), str(tmp_path / "other.npy"), "--out", str(tmp_path / "mu.npy")]) == 0
    assert capsys.readouterr().out == f"3 images encoded in {tmp_path / 'mu.npy'}\n"
