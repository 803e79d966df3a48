"""A person's Python file: nothing of it runs before the yes, what it defines becomes a window, and its faults are shown
with their line."""

from __future__ import annotations

import hashlib
import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from small_run import make_small_run

from core.cli.main import main
from core.exploring import program as programs
from core.exploring.consent import ProgramError, allow, has_changed, is_allowed, read_program
from core.exploring.program import view_of
from core.runs.directory import RunDirectory
from core.runs.imported import PythonFunctions

DECODE = """
import numpy as np

def decode(z):
    rows, columns = np.mgrid[-1:1:8j, -1:1:8j]
    return 1 / (1 + np.exp(-(z[0, 0] * rows + z[0, 1] * columns)))[None]
"""
ENCODE = """
W = np.stack([axis.ravel() for axis in np.mgrid[-1:1:8j, -1:1:8j]], axis=1)

def encode(x):
    logits = np.log(np.clip(x, 1e-3, 1 - 1e-3) / (1 - np.clip(x, 1e-3, 1 - 1e-3)))
    return logits.reshape(len(x), -1) @ W / (W ** 2).sum(0)
"""


class OpenedView:
    """What a window would be opened on."""

    def __init__(self, run: Path, rows, functions=None, session="", notes=(), temporary=None) -> None:
        self.run, self.rows, self.functions, self.notes, self.temporary = run, rows, functions, notes, temporary
        self.waited = False

    def wait(self) -> bool:
        self.waited = True
        return True


@pytest.fixture
def opened(monkeypatch) -> list[OpenedView]:
    """The views that were opened, without their windows."""
    views: list[OpenedView] = []

    def view(*arguments):
        views.append(OpenedView(*arguments))
        return views[-1]

    monkeypatch.setattr("core.exploring.explore.View", view)
    return views


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """A program adds its folder to where modules are looked for."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("isoline_program", None)


def write(folder: Path, text: str) -> Path:
    file = folder / "model.py"
    file.write_text(text, encoding="utf-8")
    return file


def program_of(folder: Path, text: str):
    return read_program(write(folder, text))


# the yes


def test_a_yes_is_to_one_content_of_one_file(tmp_path):
    program = program_of(tmp_path, "a = 1\n")
    assert program.sha256 == hashlib.sha256(b"a = 1\n").hexdigest()
    assert not is_allowed(program)
    assert not has_changed(program)
    allow(program)
    assert is_allowed(read_program(program.path))
    changed = program_of(tmp_path, "a = 2\n")
    assert not is_allowed(changed)
    assert has_changed(changed)
    (tmp_path / "other.py").write_text("a = 1\n", encoding="utf-8")
    assert not is_allowed(read_program(tmp_path / "other.py"))


@pytest.mark.parametrize("kept", [b"", b"[1]", b'{"x": 3}', b"\xff\xfe"])
def test_damaged_answers_are_no_answers(tmp_path, monkeypatch, kept):
    monkeypatch.setenv("ISOLINE_CONFIG", str(tmp_path))
    (tmp_path / "programs.json").write_bytes(kept)
    program = program_of(tmp_path, "a = 1\n")
    assert not is_allowed(program)
    allow(program)
    assert is_allowed(program)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("answer", ["", "n\n", "what?\n"])
def test_without_a_yes_nothing_of_the_file_is_run(tmp_path, monkeypatch, capsys, opened, answer):
    ran = tmp_path / "ran"
    file = write(tmp_path, f"open({str(ran)!r}, 'w')\n{DECODE}")
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert main(["open", str(file)]) == 2
    said = capsys.readouterr().err
    assert not ran.exists()
    assert not opened
    assert str(file) in said
    assert hashlib.sha256(file.read_bytes()).hexdigest() in said
    assert "bytes" in said


def test_a_script_is_refused_unless_it_names_the_files_hash(tmp_path, monkeypatch, capsys, opened):
    file = write(tmp_path, f"{DECODE}\nlatent_dim = 2\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert main(["open", str(file)]) == 2
    assert "nobody has said yes" in capsys.readouterr().err
    assert main(["open", str(file), "--yes", "0" * 64]) == 2
    assert "was not run" in capsys.readouterr().err
    assert not opened
    assert main(["open", str(file), "--yes", hashlib.sha256(file.read_bytes()).hexdigest()]) == 0
    assert opened[0].waited


def test_a_yes_holds_until_the_file_changes(tmp_path, monkeypatch, capsys, opened):
    file = write(tmp_path, f"{DECODE}\nlatent_dim = 2\n")
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert main(["open", str(file)]) == 0
    assert main(["open", str(file)]) == 0  # no more to read: it was not asked again
    write(tmp_path, f"{DECODE}\nlatent_dim = 2\n# changed\n")
    capsys.readouterr()
    assert main(["open", str(file)]) == 2
    assert "has changed since" in capsys.readouterr().err
    assert len(opened) == 2


def test_a_program_opens_a_real_window(tmp_path):
    view = view_of(program_of(tmp_path, f"{DECODE}\nlatent_dim = 2\n"), None, lambda share: None)
    try:
        assert RunDirectory.open(view.run).config.model.latent_dim == 2
        assert not view.closed
    finally:
        view.close()
    assert view.closed


# what it defines


def test_without_latents_the_images_are_encoded(tmp_path, opened):
    text = DECODE + ENCODE + "places = np.random.default_rng(1).standard_normal((20, 2))\n"
    text += "images = np.concatenate([decode(place[None]) for place in places])\nlabels = {'first': places[:, 0]}\n"
    view_of(program_of(tmp_path, text), tmp_path / "run", lambda share: None)
    run = RunDirectory.open(tmp_path / "run")
    places = np.random.default_rng(1).standard_normal((20, 2))
    np.testing.assert_allclose(run.read_embedding(), places, atol=0.1)  # images of 8 bits, and their ends cut off
    assert run.read_probe().factor_names == ("first",)
    assert isinstance(run.imported, PythonFunctions)
    assert run.imported.has_encoder


def test_without_images_the_prior_is_drawn_and_shown_as_it_is_decoded(tmp_path, opened, monkeypatch):
    monkeypatch.setattr(programs, "DRAWN", 30)
    view_of(program_of(tmp_path, DECODE), tmp_path / "run", lambda share: None)
    run = RunDirectory.open(tmp_path / "run")
    mu, probe = run.read_embedding(), run.read_probe()
    assert mu.shape == (30, 2)
    assert abs(float(mu.mean())) < 0.5
    assert len(np.unique(probe.thumbnails.reshape(30, -1), axis=0)) == 30
    assert any("latent_dim = 2 is the first" in note for note in opened[0].notes)
    assert any("prior" in note for note in opened[0].notes)


def test_the_number_of_latent_dimensions_is_found_by_trying(tmp_path, opened, monkeypatch):
    monkeypatch.setattr(programs, "DRAWN", 4)
    text = "import numpy as np\nA = np.ones((5, 64)) / 20\ndef decode(z):\n    return (z @ A).reshape(1, 8, 8) + 0.5\n"
    view_of(program_of(tmp_path, text), tmp_path / "run", lambda share: None)
    assert RunDirectory.open(tmp_path / "run").config.model.latent_dim == 5


# its faults


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a = 1\nb = (\n", r"model\.py, line 2: SyntaxError"),
        ("a = 1\n\nimport no_such_module\n", r"model\.py, line 3: ModuleNotFoundError: No module"),
        ("def f():\n    return 1 / 0\nf()\n", r"model\.py, line 2: ZeroDivisionError"),
        ("raise SystemExit\n", r"model\.py, line 1: SystemExit"),
        ("a = 1\n", "defines neither decode"),
        ("decode = 3\n", "decode is int; it must be a function"),
        ("def decode(z):\n    raise KeyError('w')\n", r"model\.py, line 2: .*KeyError"),
        ("latent_dim = 1\ndef decode(z):\n    return z\n", "latent_dim is 1"),
        ("latent_dim = 2\ndef decode(z):\n    return 'a'\n", "decode returned <U1; it must be an array of numbers"),
        ("latent_dim = 2\ndef decode(z):\n    x = 1\n    return z / y\n", r"NameError.* \(model\.py, line 4\)"),
        ("latent_dim = 2\nimages = [[[1]]]\ndef decode(z):\n    return z\n", "neither latents nor encode"),
    ],
)
def test_a_fault_is_told_with_its_place_and_leaves_no_window(tmp_path, opened, text, wanted):
    with pytest.raises(ProgramError, match=wanted) as raised:
        view_of(program_of(tmp_path, text), tmp_path / "run", lambda share: None)
    assert re.search(r"model\.py", str(raised.value))
    assert not opened
    assert not (tmp_path / "run").exists()


# what else can be opened


def test_the_weights_of_a_run_open_the_run(tmp_path, monkeypatch, capsys):
    small_run, opened = make_small_run(tmp_path / "run").path, []
    monkeypatch.setattr("core.cli.open.subprocess.run", lambda command, check: opened.append(command) or Done())
    assert main(["open", str(small_run)]) == 0
    assert main(["open", str(small_run / "weights.safetensors")]) == 0
    assert [Path(command[-1]) for command in opened] == [small_run, small_run]
    assert "newest weights" in capsys.readouterr().out


class Done:
    returncode = 0
