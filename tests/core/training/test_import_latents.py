"""A run of latents alone: what it keeps, how rows find images and labels, and what is said of all that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.config import DataConfig
from core.data.dataset import DatasetError
from core.data.latents.rows import LatentFileError
from core.data.loading import present_data
from core.engine.open_model import read_samples
from core.exploring.trained_run import open_run
from core.interchange.projector import write_projector
from core.interchange.samples import Samples
from core.runs.directory import MAX_PROBE, RunDirectory, RunError
from core.runs.imported import LatentsOnly
from core.training.import_latents import LatentSource, import_latents
from core.training.opening import open_inference

Z = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)


@pytest.fixture
def source(tmp_path) -> LatentSource:
    np.save(tmp_path / "z.npy", Z)
    return LatentSource(tmp_path / "z.npy")


@pytest.fixture
def pictures(tmp_path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(6):
        Image.fromarray(np.full((16, 16), 40 * i, np.uint8)).save(folder / f"p{i}.png")
    return folder


def notes_of(run: RunDirectory) -> str:
    assert isinstance(run.imported, LatentsOnly)
    return "\n".join(run.imported.notes)


def test_latents_become_a_run_that_opens_like_any_other(source, tmp_path):
    run = import_latents(source, tmp_path / "run")
    np.testing.assert_array_equal(run.read_embedding(), Z)
    assert not run.config.data.has_images
    assert run.read_probe().indices.tolist() == list(range(6))
    inference, config = open_inference(run.path)
    assert (inference.can_decode, inference.can_encode, config.model.latent_dim) == (False, False, 4)
    np.testing.assert_array_equal(open_run(run.path).latents, Z)
    assert "Latents of z.npy: 6 rows." in notes_of(run)


def test_labels_by_order_and_by_name(source, tmp_path):
    (tmp_path / "t.csv").write_text("kind,age\n" + "".join(f"k{i % 2},{i}\n" for i in range(6)))
    run = import_latents(replace(source, labels=str(tmp_path / "t.csv")), tmp_path / "run")
    labels = open_run(run.path).labels
    assert labels["kind"].tolist() == ["k0", "k1"] * 3
    assert labels["age"].tolist() == list(range(6))
    assert "row i is about row i of z.npy" in notes_of(run)

    (tmp_path / "names.txt").write_text("".join(f"p{i}.png\n" for i in range(6)))
    (tmp_path / "t.csv").write_text("file,age\n" + "".join(f"p{i}.png,{i}\n" for i in reversed(range(6))))
    named = replace(source, labels=str(tmp_path / "t.csv"), files=str(tmp_path / "names.txt"))
    run = import_latents(named, tmp_path / "named")
    assert open_run(run.path).labels["age"].tolist() == list(range(6))
    assert run.read_probe().names[0] == "p0.png"


def test_a_table_that_fits_neither_way_is_refused_and_leaves_nothing(source, tmp_path):
    (tmp_path / "t.csv").write_text("age\n1\n2\n")
    with pytest.raises(DatasetError, match=r"t\.csv does not say which image"):
        import_latents(replace(source, labels=str(tmp_path / "t.csv")), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    (tmp_path / "names.txt").write_text("a.png\nb.png\n")
    with pytest.raises(LatentFileError, match=r"names 2 samples; .* has 6 rows"):
        import_latents(replace(source, files=str(tmp_path / "names.txt")), tmp_path / "run")


def test_images_by_order(source, pictures, tmp_path):
    run = import_latents(replace(source, data=DataConfig(path=str(pictures))), tmp_path / "run")
    probe = run.read_probe()
    assert probe.thumbnails[:, 0, 0, 0].tolist() == [0, 40, 80, 120, 160, 200]
    assert probe.names[2] == "p2.png"
    assert (run.config.data.image_size, run.config.data.channels) == (16, 1)
    shown = read_samples(run.config.data, run.metadata["dataset"]["fingerprint"])
    assert int(shown.image(3)[0, 0, 0]) == 120


def test_images_by_name_and_rows_without_one(pictures, tmp_path):
    rows = [f"{name},{i},{i + 0.5}\n" for i, name in enumerate(("p5.png", "gone.png", "p1.png"))]
    (tmp_path / "z.csv").write_text("file,a,b\n" + "".join(rows))
    data = DataConfig(path=str(pictures))
    run = import_latents(LatentSource(tmp_path / "z.csv", data=data), tmp_path / "run")
    probe = run.read_probe()
    assert probe.indices.tolist() == [5, 1]
    assert probe.thumbnails[:, 0, 0, 0].tolist() == [200, 40]
    assert run.read_embedding().tolist() == [[0, 0.5], [2, 2.5]]
    assert "1 row without image left out." in notes_of(run)


def test_another_number_of_images_is_refused(source, pictures, tmp_path):
    (pictures / "p0.png").unlink()
    with pytest.raises(LatentFileError, match="has 6 rows; there are 5 images"):
        import_latents(replace(source, data=DataConfig(path=str(pictures))), tmp_path / "run")


def test_images_in_the_same_file(tmp_path):
    images = np.arange(6, dtype=np.uint8)[:, None, None] * 40 + np.zeros((16, 16), np.uint8)
    np.savez(tmp_path / "z.npz", latents=Z, images=images, kind=np.array(["a", "b"] * 3), digit=[0, 1, 2] * 2)
    run = import_latents(LatentSource(tmp_path / "z.npz"), tmp_path / "run")
    probe = run.read_probe()
    assert probe.thumbnails[:, 0, 0, 0].tolist() == [0, 40, 80, 120, 160, 200]
    assert set(probe.factor_names) == {"kind", "digit"}
    notes = [*run.imported.notes, *run.metadata["dataset"]["notes"]]
    assert sum("taken as classes" in note for note in notes) == 1, "said once of one file"


def test_a_sprite_sheet_moves_with_its_run(tmp_path):
    folder = tmp_path / "projector"
    folder.mkdir()
    (folder / "v.tsv").write_text("".join("\t".join(map(str, row)) + "\n" for row in Z.tolist()))
    sheet = np.kron(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40, np.ones((8, 8), np.uint8))
    Image.fromarray(sheet).save(folder / "s.png")
    config = 'embeddings { tensor_path: "v.tsv" sprite { image_path: "s.png" single_image_dim: 8 } }'
    (folder / "projector_config.pbtxt").write_text(config)
    run = import_latents(LatentSource(folder), tmp_path / "run")
    assert run.read_probe().thumbnails[:, 0, 0, 0].tolist() == [0, 40, 80, 120, 160, 200]
    assert Path(run.config.data.path).is_file()
    moved = run.path.rename(tmp_path / "moved")
    data = present_data(run.config.data, moved, run.metadata)
    assert int(read_samples(data, run.metadata["dataset"]["fingerprint"]).image(4)[0, 0, 0]) == 160


def test_what_is_exported_for_the_projector_comes_back(tmp_path):
    rng = np.random.default_rng(0)
    thumbnails = rng.integers(0, 256, (7, 32, 32, 1), dtype=np.uint8)
    z = rng.standard_normal((7, 5)).astype(np.float32)
    kinds = np.array(["cat", "dog"] * 3 + ["cat"])
    for name, columns in {"one": {"kind": kinds}, "two": {"kind": kinds, "age": np.arange(7.0)}}.items():
        write_projector(Samples(z, columns, thumbnails), tmp_path / name)
        run = import_latents(LatentSource(tmp_path / name), tmp_path / f"run {name}")
        np.testing.assert_array_equal(run.read_embedding(), z)
        np.testing.assert_array_equal(run.read_probe().thumbnails, thumbnails)
        labels = open_run(run.path).labels
        assert labels.keys() - {"label"} == columns.keys() - ({"kind"} if len(columns) == 1 else set())
        assert labels["label" if len(columns) == 1 else "kind"].tolist() == kinds.tolist()


def test_of_very_many_rows_some_are_shown_if_that_is_asked_for_and_their_labels_go_with_them(tmp_path):
    np.savez(tmp_path / "z.npz", z=np.arange(2.0 * 5000).reshape(-1, 2), age=np.arange(5000))
    run = import_latents(LatentSource(tmp_path / "z.npz", rows=2000), tmp_path / "run")
    probe = run.read_probe()
    assert len(probe.indices) == 2000
    assert (np.diff(probe.indices) > 0).all()
    np.testing.assert_array_equal(probe.factors[:, 0], probe.indices)
    np.testing.assert_array_equal(run.read_embedding()[:, 0], 2 * probe.indices)
    assert "2,000 of 5,000 rows are shown, drawn at random" in notes_of(run)
    with pytest.raises(DatasetError, match=r"--rows is 1; it must be 2 to 10,000,000"):
        import_latents(LatentSource(tmp_path / "z.npz", rows=1), tmp_path / "none")


def test_of_more_rows_than_are_compared_those_that_are_come_first_drawn_at_random(tmp_path):
    count = MAX_PROBE + 5000
    names = np.char.add("file ", np.arange(count).astype(str))
    latents = np.arange(2.0 * count).reshape(-1, 2)
    np.savez(tmp_path / "z.npz", z=latents, age=np.arange(count), files=names)
    run = import_latents(LatentSource(tmp_path / "z.npz"), tmp_path / "run")
    probe, mu = run.read_cloud()
    first, others = probe.indices[:MAX_PROBE], probe.indices[MAX_PROBE:]
    assert np.array_equal(np.sort(probe.indices), np.arange(count))
    assert (np.diff(first) > 0).all()
    assert (np.diff(others) > 0).all()
    assert abs(others.mean() / count - 0.5) < 0.02
    np.testing.assert_array_equal(probe.factors[:, 0], probe.indices)
    np.testing.assert_array_equal(mu[:, 0], 2 * probe.indices)
    assert probe.names[MAX_PROBE] == f"file {others[0]}"
    assert len(probe.thumbnails) == MAX_PROBE
    assert "All 25,000 are shown" in notes_of(run)


def test_a_folder_that_holds_something_is_left_alone(source, tmp_path):
    import_latents(source, tmp_path / "run")
    with pytest.raises(RunError, match="already holds a run"):
        import_latents(source, tmp_path / "run")
