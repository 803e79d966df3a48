"""A model in ONNX files becomes a run that everything works with; nothing is left behind where it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

import isoline
from core.cli.main import main
from core.models.imported.onnx_graph import ImportedModelError
from core.models.imported.sandbox_worker import session_of
from core.models.inference import MissingPartError
from core.runs.directory import RunDirectory
from core.runs.imported import KEY, OnnxModel
from core.training.opening import open_inference
from tests.foreign_models.blobs import blobs
from tests.helpers.onnx_models import autoencoder, decoder, encoder, save

FOREIGN = Path(__file__).parents[2] / "foreign_models"
QUIET = ["--samples", "60"]


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """40 images of the blobs that the foreign models were trained on, with a table of their places."""
    folder = tmp_path_factory.mktemp("pictures")
    images, places = blobs(40, seed=9, channels=3)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:02d}.png")
    rows = "".join(f"{number:02d}.png,{x:.6f},{y:.6f}\n" for number, (x, y) in enumerate(places))
    (folder.parent / f"{folder.name}.csv").write_text(f"file,x,y\n{rows}", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def keras_run(tmp_path_factory, pictures) -> RunDirectory:
    """A Keras model with images and labels, imported by the command."""
    out = tmp_path_factory.mktemp("imported") / "run"
    table = pictures.parent / f"{pictures.name}.csv"
    parts = [str(FOREIGN / "keras_decoder.onnx"), "--encoder", str(FOREIGN / "keras_encoder.onnx")]
    assert main(["import", *parts, "--images", str(pictures), "--labels", str(table), "--out", str(out)]) == 0
    return RunDirectory.open(out)


def test_the_run_has_what_any_run_has(keras_run):
    model = keras_run.imported
    assert isinstance(model, OnnxModel)
    assert (keras_run.status(), keras_run.network) == ("finished", "ONNX")
    assert (keras_run.config.data.image_size, keras_run.config.data.channels) == (16, 3)
    probe = keras_run.read_probe()
    assert probe.factor_names == ("x", "y")
    assert keras_run.read_embedding().shape == (40, 2)
    assert keras_run.metadata["dataset"]["samples"] == 40
    assert any("not known" in note for note in keras_run.metadata["dataset"]["notes"])
    rows = 4  # two of the prior, originals, reconstructions
    assert size_of(keras_run.path / "contact-sheet.png") == (8 * 65 - 1, rows * 65 - 1), "16 px, four times as large"


def test_it_reconstructs_the_images_that_it_was_trained_on_in_their_colours(keras_run, pictures):
    run = isoline.open(keras_run.path)
    assert run.files is not None
    images = []
    for path in run.files:
        with Image.open(path) as picture:
            images.append(np.asarray(picture))
    images = np.stack(images)
    again = run.decode(run.encode(images))
    assert np.abs(again.astype(int) - images).mean() < 12
    np.testing.assert_array_equal(run.latents, run.encode(images))


def test_the_command_line_decodes_and_encodes_the_same_bits(keras_run, pictures, tmp_path):
    run = isoline.open(keras_run.path)
    out = tmp_path / "frames.npz"
    np.save(tmp_path / "z.npy", run.latents[:3])
    command = [sys.executable, "-m", "core.cli", "decode", str(keras_run.path), "--out", str(out)]
    command += ["--latents", str(tmp_path / "z.npy")]
    subprocess.run(command, check=True, capture_output=True)
    with np.load(out) as data:
        np.testing.assert_array_equal(data["frames"], run.decode(data["latents"]))
    assert main(["encode", str(keras_run.path), str(pictures), "--out", str(tmp_path / "mu.npy")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "mu.npy"), run.latents)


def test_info_tells_what_it_is(keras_run, capsys):
    assert main(["info", str(keras_run.path)]) == 0
    said = capsys.readouterr().out
    assert "imported ONNX, decoder and encoder, d = 2" in said
    assert "progress" not in said


def test_without_images_the_prior_is_shown_and_that_is_said(tmp_path):
    path = save(tmp_path / "decoder.onnx", decoder(3, (1, 12, 20)))
    assert main(["import", str(path), "--out", str(tmp_path / "run"), *QUIET]) == 0
    run = RunDirectory.open(tmp_path / "run")
    mu, probe = run.read_embedding(), run.read_probe()
    assert mu.shape == (60, 3)
    assert abs(mu.mean()) < 0.3
    assert 0.7 < mu.std() < 1.3
    assert not run.config.data.has_images
    assert "drawn from the prior" in run.metadata["dataset"]["notes"][0]
    assert run.imported is not None
    assert "Images are 12 × 20, shown with black margins as 20 × 20." in run.imported.notes
    inference, _ = open_inference(run.path)
    image = inference.decode(mu[:1])[0]
    assert image.shape == (20, 20, 1)
    assert not image[:4].any()
    assert image[4:16].all()
    assert np.ptp(probe.thumbnails) > 0
    with pytest.raises(MissingPartError):
        inference.encode(np.zeros((1, 20, 20, 1), np.uint8))


def test_latents_and_labels_of_ones_own_by_their_order(tmp_path):
    path = save(tmp_path / "decoder.onnx", decoder(3))
    mu = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
    np.save(tmp_path / "mu.npy", mu)
    rows = "".join(f"{i},{'ab'[i % 2]}\n" for i in range(9))
    (tmp_path / "labels.csv").write_text(f"age,kind\n{rows}", encoding="utf-8")
    flags = ["--latents", str(tmp_path / "mu.npy"), "--labels", str(tmp_path / "labels.csv")]
    assert main(["import", str(path), *flags, "--out", str(tmp_path / "run")]) == 0
    run = isoline.open(tmp_path / "run")
    np.testing.assert_array_equal(run.latents, mu)
    np.testing.assert_array_equal(run.labels["age"], np.arange(9))
    assert run.labels["kind"].tolist() == list("ababababa")
    assert np.ptp(RunDirectory.open(tmp_path / "run").read_probe().thumbnails) > 0  # decoded


def test_latents_of_images_without_an_encoder(tmp_path, pictures):
    path = save(tmp_path / "decoder.onnx", decoder(2, (3, 16, 16)))
    flags = ["--images", str(pictures), "--out", str(tmp_path / "run")]
    assert main(["import", str(path), *flags]) == 2  # latents of whom?
    np.save(tmp_path / "mu.npy", np.zeros((39, 2), np.float32))
    assert main(["import", str(path), *flags, "--latents", str(tmp_path / "mu.npy")]) == 2
    mu = np.random.default_rng(0).standard_normal((40, 2)).astype(np.float32)
    np.save(tmp_path / "mu.npy", mu)
    assert main(["import", str(path), *flags, "--latents", str(tmp_path / "mu.npy")]) == 0
    np.testing.assert_array_equal(isoline.open(tmp_path / "run").latents, mu)


def test_a_dry_run_writes_findings_and_a_picture_alone(tmp_path, capsys):
    path = save(tmp_path / "decoder.onnx", decoder(2))
    flags = ["--dry-run", "--json", str(tmp_path / "found.json"), "--sheet", str(tmp_path / "sheet.png")]
    assert main(["import", str(path), *flags]) == 0
    content = msgspec.json.decode((tmp_path / "found.json").read_bytes())
    assert content["decoder"]
    assert not content["encoder"]
    assert content["run"] is None
    values = next(one for one in content["findings"] if one["subject"] == "range")
    assert (values["flag"], values["choice"]) == ("--range", "0:1")
    assert values["options"] == ["0:1", "-1:1", "0:255", "logits"]
    assert content["name"].endswith("ONNX decoder")
    assert content["sheet"] == "16 samples of the prior, decoded."
    assert size_of(tmp_path / "sheet.png") == (8 * 65 - 1, 2 * 65 - 1)
    assert "--layout" in capsys.readouterr().out
    assert sorted(file.name for file in tmp_path.iterdir()) == ["decoder.onnx", "found.json", "sheet.png"]


def test_nothing_is_left_behind_where_a_run_cannot_be_made(tmp_path, capsys):
    path = save(tmp_path / "encoder.onnx", encoder(2))
    assert main(["import", str(path), "--out", str(tmp_path / "run")]) == 2
    assert "encoder alone" in capsys.readouterr().err
    path = save(tmp_path / "decoder.onnx", decoder(2))
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    assert main(["import", str(path), "--out", str(tmp_path / "taken")]) == 2
    assert "not empty" in capsys.readouterr().err
    assert sorted(file.name for file in tmp_path.iterdir()) == ["decoder.onnx", "encoder.onnx", "taken"]


def test_weights_in_a_file_of_their_own_come_along(tmp_path):
    import onnx

    proto = decoder(2)
    save(tmp_path / "whole.onnx", proto)
    folder = tmp_path / "model"
    folder.mkdir()
    onnx.save_model(proto, folder / "decoder.onnx", save_as_external_data=True, location="w.data", size_threshold=1024)
    assert main(["import", str(folder / "decoder.onnx"), "--out", str(tmp_path / "run"), *QUIET]) == 0
    z = np.ones((1, 2), np.float32)
    (image,) = session_of(str(tmp_path / "whole.onnx")).run(None, {"z": z})
    decoded = open_inference(tmp_path / "run")[0].decode(z)
    np.testing.assert_array_equal(decoded[0, ..., 0], np.rint(np.clip(image[0, 0], 0, 1) * 255))


@pytest.mark.parametrize("damage", ["changed", "gone", "outside"])
def test_a_model_that_is_not_what_was_imported_is_refused(tmp_path, damage):
    path = save(tmp_path / "decoder.onnx", decoder(2))
    assert main(["import", str(path), "--out", str(tmp_path / "run"), *QUIET]) == 0
    run = RunDirectory.open(tmp_path / "run")
    file = run.model_path / "decoder.onnx"
    if damage == "changed":
        file.write_bytes(file.read_bytes() + b"\0")
    elif damage == "gone":
        file.unlink()
    else:
        value = run.metadata[KEY]
        value["decoder"]["file"] = "../../decoder.onnx"
        run.rewrite(run.config, run.metadata | {KEY: value})
    with pytest.raises(ImportedModelError, match=r"has changed since|cannot be read|outside its folder"):
        open_inference(run.path)


def test_a_look_shows_images_above_what_the_model_makes_of_them(tmp_path):
    whole = save(tmp_path / "whole.onnx", autoencoder(2))
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 255, (9, 16, 16), dtype=np.uint8))
    flags = ["--images", str(tmp_path / "x.npy"), "--json", str(tmp_path / "found.json")]
    assert main(["import", str(whole), *flags, "--dry-run", "--sheet", str(tmp_path / "sheet.png")]) == 0
    content = msgspec.json.decode((tmp_path / "found.json").read_bytes())
    assert content["sheet"] == (
        "16 samples of the prior, decoded; below, 8 images, each above what the model makes of it."
    )
    assert size_of(tmp_path / "sheet.png") == (8 * 65 - 1, 4 * 65 - 1)
    kinds = {"whole.onnx", "x.npy", "found.json", "sheet.png"}
    assert {file.name for file in tmp_path.iterdir()} == kinds, "the copies it was computed with are gone"
