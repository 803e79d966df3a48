"""`isoline export`: what other programs get of a run, and what of a person's files is never overwritten."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import pytest
import safetensors.torch
from PIL import Image

import isoline
from core.cli.main import main
from core.config import DataConfig, ModelConfig, RunConfig, TrainingConfig
from core.interchange.export import export_run
from core.models import onnx_export
from core.models.vae import build_model
from core.runs.directory import ProbeSet, RunDirectory
from core.runs.metrics_log import MetricsWriter
from core.training.checkpoint import save_weights

COUNT = 6
CONFIG = RunConfig(
    data=DataConfig(path="/home/somebody/secret/cells", labels=r"C:\Users\somebody\secret\table.csv", image_size=32),
    model=ModelConfig(latent_dim=3),
)
METADATA = {
    "created": "2026-01-02T03:04:05+00:00",
    "versions": {"isoline": "0.1.0"},
    "platform": "somebodys-machine",
    "dataset": {
        "samples": 6,
        "train": 4,
        "validation": 2,
        "relative_path": "../../home/somebody/secret",
        "skipped": [{"name": "secret.txt", "reason": "no image"}],
        "factor_names": ["size", "kind", "split"],
    },
}
LATENTS = np.random.default_rng(1).normal(size=(COUNT, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run of six images with a number, a class, and a label that is called like a column of Isoline's own."""
    run = RunDirectory.create(tmp_path_factory.mktemp("export") / "first", CONFIG, METADATA)
    save_weights(run.weights_path, build_model(CONFIG).state_dict(), CONFIG, step=4, epoch=1)
    factors = np.array([[0.5, 0, 1], [1.5, 1, 2], [np.nan, np.nan, 3], [2, 0, 4], [3, 1, 5], [4, 1, 6]], np.float32)
    thumbnails = np.arange(COUNT, dtype=np.uint8)[:, None, None, None].repeat(32, 1).repeat(32, 2)
    split = np.array([0, 0, 0, 0, 1, 1], np.uint8)
    names = tuple(f"a/{place}.png" for place in range(COUNT))
    categories = ((), ("disc", "ring"), ())
    run.write_probe(
        ProbeSet(np.arange(COUNT), factors, ("size", "kind", "split"), thumbnails, split, categories, names)
    )
    run.write_embedding(LATENTS)
    metrics = MetricsWriter(run.metrics_path)
    metrics.append({"kind": "step", "step": 4, "time": 1.0, "loss": 0.5, "learning_rate": 0.001})
    metrics.append({"kind": "epoch", "epoch": 1, "step": 4, "time": 1.5, "validation": {"loss": 0.25, "kl": 2.0}})
    metrics.close()
    return run


@pytest.fixture(scope="module")
def exported(run: RunDirectory, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an export in all formats."""
    out = tmp_path_factory.mktemp("out") / "first"
    flags = ["--onnx", "--safetensors", "--projector", "--parquet", "--tensorboard"]
    assert main(["export", str(run.path), *flags, "--out", str(out)]) == 0
    return out


@pytest.fixture
def refused(run: RunDirectory, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Ask for an export that must be refused; its message."""

    def call(*arguments: object) -> str:
        assert main(["export", str(run.path), *map(str, arguments)]) == 2
        return capsys.readouterr().err

    return call


def texts_below(folder: Path) -> str:
    return "".join(file.read_bytes().decode("latin-1") for file in folder.rglob("*") if file.is_file())


def test_all_formats_stand_in_one_folder(exported: Path):
    files = {str(file.relative_to(exported)) for file in exported.rglob("*") if file.is_file()}
    assert files == {
        "README.md",
        "config.json",
        "weights.safetensors",
        "encoder.onnx",
        "decoder.onnx",
        "latents.parquet",
        "projector/vectors.tsv",
        "projector/metadata.tsv",
        "projector/sprite.png",
        "projector/projector_config.pbtxt",
        f"tensorboard/events.out.tfevents.{1767323045}.isoline",
    }


def test_onnx_files_give_the_runs_images_and_means(run: RunDirectory, exported: Path):
    model = isoline.open(run.path)
    decoder, encoder = (onnxruntime.InferenceSession(exported / f"{name}.onnx") for name in ("decoder", "encoder"))
    drawn: Any = decoder.run(None, {"z": LATENTS})[0]
    images = model.decode(LATENTS)
    assert np.abs(np.moveaxis(drawn, 1, -1) * 255 - images).max() <= 1, "rounded to grey levels"
    pixels = np.moveaxis(images, -1, 1).astype(np.float32) / 255
    mean: Any = encoder.run(["mean"], {"images": pixels})[0]
    assert mean == pytest.approx(model.encode(images), rel=0.05, abs=0.05)


def test_the_example_of_the_readme_runs(exported: Path, monkeypatch: pytest.MonkeyPatch):
    text = (Path(__file__).resolve().parents[3] / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n([^`]*first/decoder\.onnx.*?)```", text, flags=re.DOTALL)
    monkeypatch.chdir(exported.parent)
    names: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["images"].shape == (2, 1, 32, 32)
    assert names["means"].shape == names["log_variances"].shape == (2, 3)


def test_files_that_compute_something_else_are_refused_and_not_left(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for half in ("encoder", "decoder"):
        content = (exported / f"{half}.onnx").read_bytes()
        monkeypatch.setattr(onnx_export, f"{half}_onnx", lambda _, content=content: content)
    other = dataclasses.replace(CONFIG, training=TrainingConfig(seed=1))
    run = RunDirectory.create(tmp_path / "other", other, {})
    save_weights(run.weights_path, build_model(other).state_dict(), other)
    assert main(["export", str(run.path), "--onnx", "--out", str(tmp_path / "o")]) == 2
    assert re.search(r"images differ by [\d.e-]+, means by .*allowed: 1e-04", capsys.readouterr().err)
    assert not (tmp_path / "o").exists()


def test_what_it_did_is_printed(run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["export", str(run.path), "--safetensors", "--parquet", "--out", str(tmp_path / "o")]) == 0
    printed = capsys.readouterr()
    assert [Path(line.split("  ")[0]).name for line in printed.out.splitlines()] == [
        "README.md",
        "config.json",
        "latents.parquet",
        "weights.safetensors",
    ]
    assert printed.err == "README.md states no licence: choose one before you publish the model.\n"


def test_the_card_shows_how_to_load_the_model_and_that_works(exported: Path, monkeypatch: pytest.MonkeyPatch):
    (code,) = re.findall(r"```python\n(.*?)```", (exported / "README.md").read_text(), flags=re.DOTALL)
    assert len(code.splitlines()) <= 10
    monkeypatch.chdir(exported)
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["images"].shape == (1, 32, 32, 1)
    assert names["means"].shape == (1, 3)
    assert len(safetensors.torch.load_file("weights.safetensors")) == len(build_model(CONFIG).state_dict())


def test_the_card_says_what_the_model_is_and_leaves_the_licence_open(exported: Path):
    text = (exported / "README.md").read_text()
    _, head, body = text.split("---\n", 2)
    assert "library_name: isoline" in head
    assert not [line for line in head.splitlines() if line.startswith("license:")]
    assert "The images of `cells`, with the labels of `table.csv`: 4 to train, 2 to validate." in body
    assert "1 file could not be read." in body
    assert "| loss, validation, after epoch 1 | 0.25 |" in body
    assert "| KL divergence, validation, after epoch 1 | 2 |" in body
    assert "| `model.latent_dim` | 3 |" in body
    assert "`encoder.onnx`" in body


def test_a_model_to_hand_on_tells_nothing_of_the_machine_that_trained(run: RunDirectory, tmp_path: Path):
    assert main(["export", str(run.path), "--safetensors", "--out", str(tmp_path / "o")]) == 0
    text = texts_below(tmp_path / "o")
    assert "cells" in text
    for word in ("somebody", "secret"):
        assert word not in text
    assert "encoder.onnx" not in text, "the card names the files that are there"


def test_parquet_has_a_row_a_sample(exported: Path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(exported / "latents.parquet")
    assert table.column_names == ["file", "size", "kind", "label split", "split", "z0", "z1", "z2"]
    columns = table.to_pydict()
    assert columns["file"][0] == "a/0.png"
    assert columns["size"] == [0.5, 1.5, None, 2.0, 3.0, 4.0]
    assert columns["kind"] == ["disc", "ring", None, "disc", "ring", "ring"]
    assert columns["split"] == ["training"] * 4 + ["validation"] * 2
    assert np.array_equal(np.array([columns["z0"], columns["z1"], columns["z2"]], np.float32).T, LATENTS)


def test_the_projector_gets_labels_and_thumbnails(exported: Path):
    lines = (exported / "projector" / "metadata.tsv").read_text().splitlines()
    assert lines[0] == "file\tsize\tkind\tlabel split\tsplit"
    assert lines[3] == "a/2.png\t\t\t3\ttraining"
    assert len(lines) == 1 + COUNT
    with Image.open(exported / "projector" / "sprite.png") as picture:
        assert picture.size == (128, 64)
        assert picture.getpixel((3 * 32, 0)) == 3


def test_an_export_opens_like_a_run_and_can_be_exported_again(exported: Path, tmp_path: Path):
    again = tmp_path / "again"
    assert main(["export", str(exported), "--safetensors", "--out", str(again)]) == 0
    weights = [safetensors.torch.load_file(folder / "weights.safetensors") for folder in (exported, again)]
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert main(["export", str(exported), "--safetensors", "--out", str(again)]) == 0, "its own files are replaced"


@pytest.fixture
def imported(tmp_path: Path) -> RunDirectory:
    """A run whose model was not trained here; of its format, nothing but its files counts for an export."""
    return RunDirectory.create(tmp_path / "theirs", CONFIG, {"imported": {"format": "latents"}})


def test_files_of_an_imported_model_are_copied(imported: RunDirectory, exported: Path, tmp_path: Path, capsys):
    (imported.model_path / "weights").mkdir(parents=True)
    content = (exported / "decoder.onnx").read_bytes()
    for name in ("theirs.onnx", "weights/w.bin"):
        (imported.model_path / name).write_bytes(content)
    assert main(["export", str(imported.path), "--onnx", "--out", str(tmp_path / "o")]) == 0
    assert "are those that were imported, unchanged" in capsys.readouterr().err
    assert {str(file.relative_to(tmp_path / "o")) for file in (tmp_path / "o").rglob("*.*")} == {
        "theirs.onnx",
        "weights/w.bin",
    }
    assert (tmp_path / "o" / "theirs.onnx").read_bytes() == content


@pytest.mark.parametrize(("flag", "said"), [("--safetensors", "holds an imported model"), ("--onnx", "no ONNX file")])
def test_of_an_imported_model_what_there_is_not_is_refused(imported, flag: str, said: str, tmp_path: Path, capsys):
    assert main(["export", str(imported.path), flag, "--out", str(tmp_path / "o")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_a_run_is_not_overwritten(run: RunDirectory, refused: Callable[..., str]):
    before = (run.path / "config.json").read_bytes()
    assert "is the folder of a run" in refused("--safetensors", "--out", run.path)
    assert (run.path / "config.json").read_bytes() == before


@pytest.mark.parametrize("own", [True, False])
def test_a_readme_that_a_person_wrote_is_not_overwritten(
    run: RunDirectory, refused: Callable[..., str], tmp_path: Path, own: bool
):
    card = tmp_path / "README.md"
    if own:
        card.write_text("# My project\n")
    else:
        assert main(["export", str(run.path), "--safetensors", "--out", str(tmp_path)]) == 0
        card.write_text(card.read_text().replace("# license: none is chosen yet", "license: mit  #"))
    before = card.read_text()
    assert "nothing you wrote in it is lost" in refused("--safetensors", "--out", tmp_path)
    assert card.read_text() == before


def test_no_format_is_refused_with_their_names(refused: Callable[..., str], tmp_path: Path):
    assert "choose one or more of onnx, safetensors, projector" in refused("--out", tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_what_fails_leaves_nothing(run: RunDirectory, refused: Callable[..., str], tmp_path: Path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    text = refused("--projector", "--parquet", "--out", tmp_path / "o")
    assert 'pip install "isoline[tables]"' in text
    assert not (tmp_path / "o").exists()


def test_giving_up_leaves_the_folder_as_it_was(run: RunDirectory, tmp_path: Path):
    def give_up(share: float) -> None:
        if share > 0:
            raise SystemExit(1)

    with pytest.raises(SystemExit):
        export_run(run, ("projector", "parquet"), tmp_path / "o", give_up)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(refused: Callable[..., str], tmp_path: Path):
    (tmp_path / "file").write_text("")
    assert f"{tmp_path / 'file' / 'o'} cannot be written" in refused("--projector", "--out", tmp_path / "file" / "o")


def test_a_run_without_samples_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    bare = RunDirectory.create(tmp_path / "bare", CONFIG, {})
    with contextlib.chdir(tmp_path):
        assert main(["export", str(bare.path), "--projector"]) == 2
    assert "the run has recorded no samples" in capsys.readouterr().err
    assert not (tmp_path / "exports").exists()


def test_progress_as_json_lines(run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch):
    line = '{{"progress": {}}}'.format
    monkeypatch.setattr("core.cli.progress.cancellable_lines", lambda at_once: lambda share: print(line(share)))
    assert main(["export", str(run.path), "--projector", "--progress", "json", "--out", str(tmp_path / "o")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [msgspec.json.decode(line)["progress"] for line in lines[:2]] == [0.0, 1.0]
