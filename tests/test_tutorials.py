"""The code of docs/tutorials runs, but for what needs Keras or JAX."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from core.cli.main import main
from core.paths.latent_path import LatentPath
from core.paths.saved_paths import SavedPath, save_path

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = ROOT / "docs" / "tutorials"


def _text(name: str) -> str:
    return (TUTORIALS / name).read_text(encoding="utf-8")


def _blocks(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", _text(name), flags=re.DOTALL)


def _command(name: str, verb: str) -> list[str]:
    """The arguments of the first ``isoline`` command of a tutorial that begins with ``verb``."""
    found = re.search(rf"^isoline ({verb} [^#\n]*)", _text(name), re.MULTILINE)
    assert found is not None
    return found.group(1).split()


@pytest.mark.filterwarnings("ignore")  # torch's exporter warns of itself
def test_a_pytorch_vae_is_trained_exported_imported_and_its_path_filmed(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    train, look = _blocks("pytorch.md")
    with torch.random.fork_rng():
        exec(compile(train.replace("range(60)", "range(1)"), "pytorch.md", "exec"), {})
    assert main(_command("pytorch.md", "import")) == 0
    assert "range      logits" in capsys.readouterr().out
    ends = np.array([[0, 0, 0], [1, 1, 1]], np.float32)
    path = LatentPath(ends, kind="straight")
    save_path(tmp_path / "runs" / "digits", SavedPath("one", path, "latent", path.resample(65)))
    assert main(_command("pytorch.md", "decode")) == 0
    assert (tmp_path / "film.mp4").stat().st_size > 1000
    names: dict[str, Any] = {}
    exec(compile(look, "pytorch.md", "exec"), names)
    assert names["path"].latents.shape == (65, 3)
    assert names["path"].images().shape == (65, 8, 8, 1)
    assert names["means"].shape == (5, 3)


def test_the_notebook_opens_a_window_and_works_on_the_same_things(tmp_path: Path, monkeypatch):
    windows = []

    class Window(SimpleNamespace):
        """In place of a process; tests/core/exploring opens real ones."""

        def __init__(self, run: Path, rows: np.ndarray, functions: Any, session: str, notes: tuple[str, ...], _: Path):
            super().__init__(rows=rows, functions=functions, notes=notes, path=None, closed=False)
            windows.append(self)

        def on_probe(self, callback: Any) -> Any:
            self.callback = callback
            return callback

        def close(self) -> None:
            self.closed = True

    monkeypatch.setattr("core.exploring.explore.View", Window)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    digits: Any = load_digits()  # its stub says a tuple, too
    # In place of the first block, which fits a decoder by JAX.
    names: dict[str, Any] = {
        "np": np,
        "digits": digits,
        "images": digits.images / 16,
        "latents": np.random.default_rng(0).standard_normal((len(digits.target), 3)),
        "decode": lambda z: np.full((1, 8, 8), 1 / (1 + np.exp(-z[0, 0]))),
    }
    _, *blocks = _blocks("notebook.md")
    for block in blocks:
        exec(compile(block, "notebook.md", "exec"), names)
    (window,) = windows
    assert window.closed
    np.testing.assert_array_equal(window.probe, names["latents"][0])
    assert set(digits.target[window.selection]) == {3}
    window.callback(np.zeros(3))
    assert len(names["moves"]) == 1
    assert "The whole numbers of digit are taken as classes, because of its name." in window.notes


@pytest.mark.parametrize("name", sorted(path.name for path in TUTORIALS.glob("*.md")))
def test_its_code_is_python_its_links_lead_somewhere_and_the_readme_leads_to_it(name: str):
    for block in _blocks(name):
        compile(block, name, "exec")
    for target in re.findall(r"\]\(([^)#]+)", _text(name)):
        assert (TUTORIALS / target).exists(), target
    assert f"(docs/tutorials/{name})" in (ROOT / "README.md").read_text(encoding="utf-8")
