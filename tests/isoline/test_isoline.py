"""The public face: what a run gives a Python program is what the window and the command line show of it."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from engine_driver import Steps
from natsort import natsorted
from PIL import Image

import core
import isoline
from core.cli.main import main
from core.data.allowed_files import allow
from core.models.inference import MissingPartError
from core.paths.latent_path import LatentPath
from core.paths.saved_paths import SavedPath, save_path
from core.runs.directory import RunDirectory

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = ROOT / "resources" / "model"
SMALL: dict[str, Any] = {
    "data": {"count": 40, "image_size": 32, "geometry": "square"},
    "training": {"epochs": 1, "device": "cpu", "precision": "float32"},
}


@pytest.fixture(scope="module")
def bundled() -> isoline.TrainedRun:
    return isoline.open(BUNDLED)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve small images in two sub-folders, written in another order than they sort in."""
    folder = tmp_path_factory.mktemp("data") / "photographs"
    rng = np.random.default_rng(0)
    for name in ("b/2", "a/9", "a/10", *(f"b/x{i}" for i in range(9))):
        file = folder / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32), dtype=np.uint8)).save(file)
    return folder


@pytest.fixture(scope="module")
def of_photographs(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> isoline.TrainedRun:
    data = {"path": photographs, "image_size": 32}
    out = tmp_path_factory.mktemp("runs") / "photographs"
    return isoline.train(data=data, training=SMALL["training"], out=out)


def test_importing_it_loads_neither_torch_nor_qt_and_so_does_reading_latents():
    program = (
        "import sys, isoline\n"
        f"run = isoline.open({str(BUNDLED)!r})\n"
        "run.latents, run.labels, run.files\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'torch', 'lightning_fabric', 'PySide6', 'explorer'}, loaded\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_its_version_is_the_projects():
    assert isoline.__version__ == core.__version__


def test_python_m_isoline_is_the_command():
    command = [sys.executable, "-m", "isoline", "info", str(BUNDLED)]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert "finished" in printed


def test_the_bundled_model_gives_its_settings_latents_and_labels(bundled: isoline.TrainedRun):
    assert bundled.config.data.drawn
    assert bundled.latents.dtype == np.float32
    assert bundled.latents.shape == (len(bundled.labels["a"]), bundled.config.model.latent_dim)
    assert list(bundled.labels) == ["a", "b"]
    a, b = bundled.labels["a"], bundled.labels["b"]
    assert a.dtype == b.dtype == np.float32
    data = bundled.config.data
    assert (np.hypot(a - data.hole_a, b - data.hole_b) >= data.hole_radius - 1e-6).all()
    assert bundled.files is None
    assert repr(bundled) == f"<isoline.TrainedRun {str(BUNDLED)!r}: compact, d = 3>"


def test_latents_cannot_be_changed_by_mistake(bundled: isoline.TrainedRun):
    with pytest.raises(ValueError, match="read-only"):
        bundled.latents[0] = 0.0


def test_images_are_those_of_the_command_bit_for_bit(bundled: isoline.TrainedRun, tmp_path: Path):
    z = bundled.latents[[3, 1000, 2000]]
    np.save(tmp_path / "z.npy", z)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)  # another number of threads would add in another order
    try:
        images = bundled.decode(z)
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)
    assert main(["decode", str(BUNDLED), "--latents", str(tmp_path / "z.npy"), "--out", str(tmp_path / "o.npz")]) == 0
    with np.load(tmp_path / "o.npz", allow_pickle=False) as written:
        np.testing.assert_array_equal(images, written["frames"])
    np.testing.assert_array_equal(images[1:2], bundled.decode(z[1:2].tolist()))


def test_encoded_samples_land_on_their_recorded_means(of_photographs: isoline.TrainedRun):
    assert of_photographs.files is not None
    images = np.stack([np.asarray(Image.open(file))[..., None] for file in of_photographs.files])
    latents = of_photographs.encode(images)
    assert latents.dtype == np.float32
    np.testing.assert_allclose(latents, of_photographs.latents, atol=1e-5 * np.abs(of_photographs.latents).max())


def test_files_are_in_the_order_of_the_samples(of_photographs: isoline.TrainedRun, photographs: Path):
    files = of_photographs.files
    assert [str(file.relative_to(photographs)) for file in files] == natsorted(
        str(file.relative_to(photographs)) for file in photographs.rglob("*.png")
    )
    assert list(of_photographs.labels) == ["class"]
    assert [file.parent.name for file in files] == of_photographs.labels["class"].tolist()


def test_files_are_refused_when_the_folder_has_changed(photographs: Path, tmp_path: Path, of_photographs):
    run = tmp_path / "run"
    shutil.copytree(of_photographs.path, run)
    fewer = tmp_path / "fewer"
    shutil.copytree(photographs, fewer)
    (fewer / "a" / "9.png").unlink()
    config = run / "config.json"
    config.write_text(config.read_text().replace(str(photographs), str(fewer)))
    allow(RunDirectory.open(run))
    opened = isoline.open(run)
    with pytest.raises(isoline.RunError, match=r"lacks 1 of the files that .* was trained on, such as a/9\.png"):
        _ = opened.files
    assert len(opened.latents) == 12


@pytest.mark.parametrize(
    ("z", "message"),
    [([0.0, 0.0, 0.0], r"\(3,\).*\(n, 3\)"), ([[0.0, 0.0]], r"\(1, 2\).*\(n, 3\)"), ([[0, np.nan, 0]], "not finite")],
)
def test_latents_that_fit_no_image_are_refused(bundled: isoline.TrainedRun, z: list, message: str):
    with pytest.raises(ValueError, match=message):
        bundled.decode(z)


def test_no_latents_give_no_images(bundled: isoline.TrainedRun):
    assert bundled.decode(np.empty((0, 3))).shape == (0, 256, 256, 1)
    assert bundled.encode(np.empty((0, 256, 256, 1), np.uint8)).shape == (0, 3)


@pytest.mark.parametrize("shape", [(256, 256, 1), (1, 128, 128, 1), (1, 256, 256)])
def test_images_of_another_shape_are_refused(bundled: isoline.TrainedRun, shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"encodes uint8 \(n, 256, 256, 1\)"):
        bundled.encode(np.zeros(shape, np.uint8))


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path):
    with pytest.raises(isoline.RunError, match=r"absent does not exist; give the folder of a run"):
        isoline.open(tmp_path / "absent")
    with pytest.raises(isoline.RunError, match=r"is not a run: it has no config.json"):
        isoline.open(tmp_path)


def test_a_training_makes_a_run_that_the_command_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    records: list[dict[str, Any]] = []
    run = isoline.train(**SMALL, loss={"beta": 1e-4}, on_event=records.append)
    assert run.path.parent == Path("runs")
    assert run.path.name.endswith(" compact curves")
    assert run.config.loss == isoline.LossConfig(beta=1e-4)
    assert run.decode(run.latents[:1]).shape == (1, 32, 32, 1)
    assert records[-1]["event"] == "finished"
    assert main(["info", str(run.path)]) == 0
    assert "finished" in capsys.readouterr().out
    again = isoline.train(run.config, out=tmp_path / "again")
    np.testing.assert_array_equal(again.latents, run.latents)
    with pytest.raises(isoline.RunError, match="already holds a run"):
        isoline.train(run.config, out=tmp_path / "again")


def test_settings_follow_from_own_images_as_they_do_on_the_command_line(tmp_path: Path):
    images = np.random.default_rng(0).integers(0, 256, (40, 12, 12, 3), dtype=np.uint8)
    np.savez(tmp_path / "mine.npz", images=images)
    run = isoline.train(tmp_path / "mine.npz", training={"epochs": 1}, out=tmp_path / "run")
    assert (run.config.data.image_size, run.config.data.channels) == (12, 3)
    assert (run.config.loss.reconstruction, run.config.training.epochs) == ("mse", 1)


def test_arrays_train_and_stay_with_the_run(tmp_path: Path):
    images = np.random.default_rng(0).integers(0, 256, (40, 12, 12), dtype=np.uint8)
    kind = np.array(["left", "right"] * 20)
    labels = {"kind": kind, "size": np.linspace(0, 1, 40)}
    run = isoline.train(images, labels=labels, latent_dim=2, training={"epochs": 1}, out=tmp_path / "run")
    assert run.latents.shape == (40, 2)
    np.testing.assert_array_equal(run.labels["kind"], kind)
    np.testing.assert_allclose(run.labels["size"], np.linspace(0, 1, 40), atol=1e-6)
    np.testing.assert_array_equal(np.load(tmp_path / "run/images.npz")["images"], images)
    with pytest.raises(isoline.RunError, match="already holds a run"):
        isoline.train(images, out=tmp_path / "run")
    with pytest.raises(TypeError, match="a run goes on with the images that it has"):
        isoline.train(images, resume=True, out=tmp_path / "run")


def test_saved_paths_are_there_by_name(tmp_path: Path):
    shutil.copytree(BUNDLED, tmp_path / "run")
    run = isoline.open(tmp_path / "run")
    path = LatentPath(run.latents[:2])
    save_path(run.path, SavedPath("one", path, "latent", path.resample(3)))
    assert "one" in run.paths
    assert run.paths["one"].path == path
    np.testing.assert_array_equal(run.paths["one"].latents, path.resample(3))
    np.testing.assert_array_equal(run.paths["one"].images(), run.decode(path.resample(3)))
    with pytest.raises(KeyError, match=r"'two'; saved with .*: .*one"):
        run.paths["two"]


def test_a_path_is_traced_as_in_the_window_and_kept_with_the_run(tmp_path: Path):
    shutil.copytree(BUNDLED, tmp_path / "run")
    run = isoline.open(tmp_path / "run")
    start, end = run.latents[[0, 500]]
    curve = run.trace("factor curve", start, end, target="a", frames=5)
    assert curve.latents.shape == (5, 3)
    np.testing.assert_array_equal(curve.images(), run.decode(curve.latents))
    assert "ends within the data's range, at b = 0.80" in run.trace("isoline", start, target="b").note
    engine = Steps(RunDirectory.open(run.path))
    engine.do(curve.path.recipe.request())
    np.testing.assert_array_equal(curve.path.control, engine.replies[-1].points)
    curve.save("one")
    assert run.paths["one"].path == curve.path
    assert run.paths["one"].path.recipe.target == "a"
    with pytest.raises(ValueError, match="kind is 'arc'; it must be one of straight, spherical, geodesic"):
        run.trace("arc", start, end)
    with pytest.raises(RuntimeError, match="target is 'c'; available: a, b"):
        run.trace("isoline", start, target="c")


def test_a_geodesic_without_a_decoder_says_what_it_measured(tmp_path: Path):
    angle = np.linspace(0, 3, 60)
    np.save(tmp_path / "arc.npy", np.stack([np.cos(angle), np.sin(angle)], axis=1))
    assert main(["import", str(tmp_path / "arc.npy"), "--out", str(tmp_path / "run")]) == 0
    run = isoline.open(tmp_path / "run")
    path = run.trace("geodesic", run.latents[0], run.latents[-1])
    assert path.note == "without a decoder and without images, distances are those of latent space"
    assert np.linalg.norm(path.latents, axis=1).min() > 0.95  # along the arc, not across
    with pytest.raises(MissingPartError):
        path.images()


def test_a_run_is_resumed_with_its_own_settings_and_more_epochs(tmp_path: Path):
    images = np.random.default_rng(0).integers(0, 256, (40, 12, 12), dtype=np.uint8)
    np.savez(tmp_path / "mine.npz", images=images)
    first = isoline.train(tmp_path / "mine.npz", training={"epochs": 1, "batch_size": 8}, out=tmp_path / "run")
    before = first.latents
    more = isoline.train(training={"epochs": 2}, out=tmp_path / "run", resume=True)
    assert more.path == first.path
    training = dataclasses.replace(first.config.training, epochs=2)
    assert more.config == dataclasses.replace(first.config, training=training)
    assert not np.array_equal(more.latents, before)
    with pytest.raises(isoline.RunError, match=r"model\.latent_dim differs"):
        isoline.train(model={"latent_dim": 5}, out=tmp_path / "run", resume=True)
    with pytest.raises(TypeError, match="resume=True without out"):
        isoline.train(resume=True)


def test_settings_that_cannot_be_used_are_named():
    with pytest.raises(isoline.ConfigError, match=r"isoline.train: unknown field 'data.size'"):
        isoline.train(data={"size": 3})
    with pytest.raises(isoline.ConfigError, match=r"isoline.train: .*loss.beta is -1"):
        isoline.train(loss={"beta": -1.0})
    with pytest.raises(TypeError, match="got a config and also data"):
        isoline.train(isoline.RunConfig(), data={"count": 3})


def test_a_preset_brings_its_own_settings(monkeypatch: pytest.MonkeyPatch):
    from core.training import trainer

    class Trained(Exception):
        """Instead of training."""

    def note(config: isoline.RunConfig, *_: object, **__: object) -> None:
        raise Trained(config)

    monkeypatch.setattr(trainer, "run_training", note)
    with pytest.raises(Trained) as caught:
        isoline.train(preset="article", training={"epochs": 2})
    (config,) = caught.value.args
    assert (config.model.preset, config.loss.entanglement, config.training.epochs) == ("article", "product", 2)


def test_the_example_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"## From Python\n\n```python\n(.*?)```", text, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(BUNDLED, tmp_path / "runs" / "first")
    names: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["images"].shape == (2, 256, 256, 1)
    assert names["images"].dtype == np.uint8
    assert names["means"].shape == (2, 3)
    assert isinstance(names["small"], isoline.TrainedRun)


def test_the_readmes_window_on_own_arrays_shows_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"### A window on your own.*?```python\n(.*?)```", text, flags=re.DOTALL)
    made: list[Any] = []

    class Window(SimpleNamespace):
        """In place of a process: what it is given; tests/core/exploring opens real windows."""

        def __init__(self, run: Path, rows: np.ndarray, functions: Any, session: str, notes: tuple[str, ...], _: Path):
            called = isoline.open(run).labels["digit"]
            super().__init__(rows=rows, functions=functions, notes=notes, called=called, on_probe=made.append, wait=int)
            made.append(self)

    monkeypatch.setattr("core.exploring.explore.View", Window)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    exec(compile(example, "README.md", "exec"), {})
    window, callback = made
    assert callable(callback)
    assert window.probe == [0.5, 0.0, -0.5]
    assert any("are taken as 0 to 1" in note for note in window.notes)
    assert window.called.tolist()[:3] == ["0", "1", "2"]
    assert window.functions.decode(np.zeros((1, 3), np.float32)).shape == (1, 8, 8, 1)
