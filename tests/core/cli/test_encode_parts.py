"""`isoline encode` into a folder of parts: batches, shards, going on, and reading the parts again."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from core.cli.encode_parts import shard_of
from core.cli.main import main
from core.config import DataConfig, ModelConfig, RunConfig, TrainingConfig
from core.data.encoding_plan import make_plan
from core.data.latents.opening import holds_latents, read_latent_rows
from core.data.latents.parts import PartsFolder
from core.data.latents.rows import LatentFileError
from core.data.sources.listing import walked
from core.models.inference import encode_images
from core.models.network_inference import NetworkInference
from core.models.vae import build_model
from core.paths.latents_file import LatentsError
from core.runs.directory import RunDirectory
from core.training import bulk_encoding
from core.training.bulk_encoding import _Ahead, _Read, parts_of_shard
from core.training.checkpoint import save_weights

TINY = RunConfig(
    data=DataConfig(image_size=32, count=60), model=ModelConfig(latent_dim=3), training=TrainingConfig(device="cpu")
)
COUNT = 23


@pytest.fixture(autouse=True)
def short_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_encoding, "_TRIAL_S", 0.0)
    monkeypatch.setattr(bulk_encoding, "BATCHES", (4,))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = RunDirectory.create(tmp_path_factory.mktemp("parts") / "run", TINY, {})
    save_weights(run.weights_path, build_model(TINY).state_dict(), TINY)
    return run.path


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (COUNT, 32, 32, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def means(images: np.ndarray) -> np.ndarray:
    return encode_images(NetworkInference(build_model(TINY)), images)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, images: np.ndarray) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number, image in enumerate(images):
        file = folder / "ab"[number // 12] / f"{number:02d}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(image[..., 0]).save(file)
    return folder


def encode(run: Path, *arguments: object, status: int = 0) -> None:
    flags = ["--per-part", "5", "--precision", "float32"]
    assert main(["encode", str(run), *map(str, arguments), *flags]) == status


@pytest.mark.parametrize("kind", ["parquet", "npy"])
def test_images_of_a_folder_are_encoded_as_one_by_one_but_for_rounding(run, pictures, means, tmp_path, kind, capsys):
    encode(run, pictures, "--out", tmp_path / "o", "--format", kind)
    said = capsys.readouterr().out
    assert "23 images in 5 parts" in said
    assert "in float32: of 23 images those of the window" in said
    assert "images/s, the encoder alone" in said
    assert "all 5 parts done" in said
    assert holds_latents(tmp_path / "o")
    rows = read_latent_rows(tmp_path / "o", 100)
    np.testing.assert_allclose(rows.latents, means, atol=1e-4)
    assert rows.names[:1] == ("a/00.png",)
    assert rows.names[-1:] == ("b/22.png",)
    assert len(list((tmp_path / "o" / "parts").glob(f"*.{kind}"))) == 5


def test_rows_of_arrays_are_encoded_from_several_files(run, images, means, tmp_path):
    (tmp_path / "arrays").mkdir()
    np.save(tmp_path / "arrays" / "a.npy", images[:9])
    np.savez_compressed(tmp_path / "arrays" / "b.npz", imgs=images[9:, ..., 0])
    encode(run, tmp_path / "arrays", "--out", tmp_path / "o")
    rows = read_latent_rows(tmp_path / "o", 100)
    np.testing.assert_allclose(rows.latents, means, atol=1e-4)
    assert [rows.names[place] for place in (0, 8, 9, 22)] == ["a.npy#0", "a.npy#8", "b.npz#0", "b.npz#13"]


def test_of_many_rows_some_are_drawn_with_their_own_names(run, pictures, tmp_path):
    encode(run, pictures, "--out", tmp_path / "o")
    every = read_latent_rows(tmp_path / "o", 100)
    some = read_latent_rows(tmp_path / "o", 7)
    assert len(some.latents) == 7
    np.testing.assert_array_equal(some.latents, every.latents[some.indices])
    assert some.names == tuple(every.names[index] for index in some.indices)


def test_shards_together_are_the_whole_and_what_is_missing_is_said(run, pictures, means, tmp_path, monkeypatch):
    encode(run, pictures, "--out", tmp_path / "o", "--shard", "2/3")
    assert "3 of 5 parts not encoded yet: their images are missing." in read_latent_rows(tmp_path / "o", 100).notes
    for task in ("4", "8"):  # of --array=4,6,8, as 4-8:2
        for name, value in {"ID": task, "MIN": "4", "MAX": "8", "STEP": "2", "COUNT": "3"}.items():
            monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
        encode(run, pictures, "--out", tmp_path / "o")
    np.testing.assert_allclose(read_latent_rows(tmp_path / "o", 100).latents, means, atol=1e-4)


def test_the_same_command_does_only_what_is_left(run, pictures, tmp_path, capsys):
    out = tmp_path / "o"
    encode(run, pictures, "--out", out)
    stamps = {file: file.stat().st_mtime_ns for file in (out / "parts").iterdir()}
    (out / "done" / "000003.json").unlink()  # as if it had been killed between the part and its record
    capsys.readouterr()
    encode(run, pictures, "--out", out)
    assert "all 5 parts done" in capsys.readouterr().out
    changed = [file.name for file, stamp in stamps.items() if file.stat().st_mtime_ns != stamp]
    assert changed == ["000003.parquet"]


def test_workers_are_processes_with_a_shard_each(run, pictures, means, tmp_path, preloaded_python, monkeypatch, capsys):
    monkeypatch.setattr("sys.executable", preloaded_python.executable)
    encode(run, pictures, "--out", tmp_path / "o", "--workers", "2", "--device", "cpu")
    said = capsys.readouterr().out
    assert "shard 1/2: 2 of 2 parts done" in said
    assert "shard 2/2: 3 of 3 parts done" in said
    np.testing.assert_allclose(read_latent_rows(tmp_path / "o", 100).latents, means, atol=1e-4)


def test_a_worker_that_fails_is_told(run, pictures, tmp_path, monkeypatch, capsys):
    script = tmp_path / "worker"
    script.write_text('#!/bin/sh\necho "no space for shard ${12}" >&2; exit 3')
    script.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(script))
    encode(run, pictures, "--out", tmp_path / "o", "--workers", "2", "--device", "cpu", status=1)
    assert "no space for shard" in capsys.readouterr().err


def test_what_cannot_be_read_as_the_others_is_left_out_and_named(run, pictures, tmp_path, monkeypatch):
    folder = tmp_path / "pictures"
    shutil.copytree(pictures, folder)
    (folder / "a" / "broken.png").write_bytes(b"no image")
    Image.fromarray(np.full((32, 32), 40000, np.uint16)).save(folder / "z.png")
    monkeypatch.setattr("core.data.encoding_plan.LOOKED_AT", 5)  # neither is among them
    encode(run, folder, "--out", tmp_path / "o")
    parts = PartsFolder(tmp_path / "o")
    left_out = [one for part in range(5) for one in (parts.record(part) or pytest.fail("missing")).examples]
    assert {one.name for one in left_out} == {"a/broken.png", "z.png"}
    assert any("16-bit grey, which none of the images was" in one.reason for one in left_out)
    assert "2 images left out that could not be read; see the folder done." in read_latent_rows(parts.path, 100).notes


def test_what_was_chosen_automatically_stays_as_it_was(run, pictures, tmp_path, capsys):
    encode(run, pictures, "--out", tmp_path / "o", "--shard", "1/2")
    assert main(["encode", str(run), str(pictures), "--out", str(tmp_path / "o")]) == 0  # whatever this machine has
    manifest = PartsFolder(tmp_path / "o").manifest()
    assert (manifest.settings.precision, manifest.settings.images_per_part) == ("float32", 5)
    assert "all 5 parts done" in capsys.readouterr().out


def test_parts_of_other_weights_or_settings_are_not_mixed(run, pictures, tmp_path, capsys):
    encode(run, pictures, "--out", tmp_path / "o", "--shard", "1/2")
    assert (
        main(["encode", str(run), str(pictures), "--out", str(tmp_path / "o"), "--per-part", "6"]) == 2
    )  # bfloat16 or not
    assert "images_per_part was 5 and is 6. Choose another folder" in capsys.readouterr().err
    other = tmp_path / "run"
    shutil.copytree(run, other)
    model = build_model(TINY)
    save_weights(other / "weights.safetensors", {n: v + 1 for n, v in model.state_dict().items()}, TINY)
    encode(other, pictures, "--out", tmp_path / "o", status=2)
    assert "the model has other weights now" in capsys.readouterr().err


def test_damaged_parts_are_named_with_what_to_do(run, pictures, tmp_path):
    encode(run, pictures, "--out", tmp_path / "o")
    (tmp_path / "o" / "parts" / "000002.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(LatentFileError, match=r"part 2 of .* is damaged .* Delete .*000002\.json and run the same"):
        read_latent_rows(tmp_path / "o", 100)
    manifest = json.loads((tmp_path / "o" / "manifest.json").read_text())
    table = pyarrow.table({"latents": [{"x": 0.0}] * 8, "file": ["a"] * 8})
    pyarrow.parquet.write_table(table, tmp_path / "o" / "parts" / "000002.parquet")
    with pytest.raises(LatentFileError, match=r"part 2 of .* is damaged \(the column latents is of type struct<"):
        read_latent_rows(tmp_path / "o", 1000)
    (tmp_path / "o" / "parts" / "000002.parquet").unlink()
    (tmp_path / "o" / "done" / "000002.json").unlink()
    (tmp_path / "o" / "manifest.json").write_text(json.dumps(manifest | {"parts": 1 << 62}))
    assert len(read_latent_rows(tmp_path / "o", 100).latents) == COUNT - 5  # at once, however many it says there are
    (tmp_path / "o" / "manifest.json").write_text(json.dumps({"kind": "other"}))
    with pytest.raises(LatentFileError, match=r"manifest\.json cannot be read"):
        read_latent_rows(tmp_path / "o", 100)


def test_parts_become_a_run(run, pictures, tmp_path):
    encode(run, pictures, "--out", tmp_path / "o")
    assert main(["import", str(tmp_path / "o"), "--images", str(pictures), "--out", str(tmp_path / "made")]) == 0
    made = RunDirectory.open(tmp_path / "made")
    probe, mu = made.read_cloud()
    assert mu.shape == (COUNT, 3)
    assert probe.names[0] == "a/00.png"


def test_flags_of_parts_are_refused_for_one_file(run, pictures, tmp_path, capsys):
    assert main(["encode", str(run), str(pictures), "--out", str(tmp_path / "o.npy"), "--workers", "2"]) == 2
    assert "--workers is for a folder of parts" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "-1/2"])
def test_a_shard_is_one_of_so_many(text):
    with pytest.raises(LatentsError, match="must be I/N"):
        shard_of(text, {})


def test_an_array_with_gaps_is_refused():
    environment = {f"SLURM_ARRAY_TASK_{k}": v for k, v in {"ID": "4", "MIN": "1", "MAX": "9", "COUNT": "3"}.items()}
    with pytest.raises(LatentsError, match="no plain range"):
        shard_of("", environment)


def test_every_part_is_in_exactly_one_shard():
    for parts, shards in ((0, 3), (2, 5), (7, 3), (100, 16)):
        taken = [part for shard in range(1, shards + 1) for part in parts_of_shard(parts, shard, shards)]
        assert taken == list(range(parts))


def test_folders_are_walked_in_order_links_followed_and_loops_left(tmp_path):
    for name in ("b/2.png", "b/10.png", "a/x.png", ".hidden/y.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    os.symlink(tmp_path, tmp_path / "b" / "round")
    skipped = []
    assert list(walked(tmp_path, skipped)) == ["a/x.png", "b/10.png", "b/2.png"]
    assert skipped == []


def test_names_that_are_no_utf8_are_found_again(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    (tmp_path / "in").mkdir()
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(tmp_path / "in" / name)
    folder = PartsFolder(tmp_path / "o")
    plan = make_plan(folder, [str(tmp_path / "in")], DataConfig(), 5, lambda: None)
    assert plan.images == 1
    assert b"caf%E9" in folder.images_path(0).read_bytes()


def test_images_are_read_a_few_batches_ahead_and_no_further(monkeypatch):
    monkeypatch.setattr(bulk_encoding, "_AHEAD", 3)
    made = []

    def items():
        for number in range(100):
            made.append(number)
            yield _Read(number, np.empty(0))

    with _Ahead(items()) as stream:
        first = next(iter(stream))
        stream.await_ahead()
        assert first.part == 0
        assert len(made) <= 6  # one taken, three waiting, one in the hand of the thread


def test_an_error_while_reading_is_raised_where_it_is_awaited():
    def items():
        yield _Read(0, np.empty(0))
        raise ValueError("the disk is gone")

    with pytest.raises(ValueError, match="the disk is gone"), _Ahead(items()) as stream:
        list(stream)
