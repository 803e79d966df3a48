"""`isoline import` of latents: it says what it found, makes the run, and refuses flags of networks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from core.cli.main import main
from core.runs.directory import RunDirectory


@pytest.fixture
def table(tmp_path):
    rows = "".join(f"p{i}.png,{i},{i * i},k{i % 2}\n" for i in range(6))
    (tmp_path / "z.csv").write_text(f"file,a,b,kind\n{rows}")
    return tmp_path / "z.csv"


def test_a_run_is_made_and_everything_guessed_is_said(table, tmp_path, capsys):
    assert main(["import", str(table), "--out", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert "6 samples, without images, 2 latent dimensions, no decoder" in said
    assert "labels: kind" in said
    assert "note: The samples are named by the column file." in said
    run = RunDirectory.open(tmp_path / "run")
    assert run.read_probe().names[1] == "p1.png"
    assert main(["info", str(run.path)]) == 0
    assert "latents only, neither decoder nor encoder" in capsys.readouterr().out


def test_a_dry_run_looks_only_and_json_says_it_to_programs(table, tmp_path, capsys):
    assert main(["import", str(table), "--dry-run", "--json", "-"]) == 0
    found = msgspec.json.decode(capsys.readouterr().out)
    assert (found["latent_dim"], found["shown"], found["run"]) == (2, 6, None)
    assert list(tmp_path.iterdir()) == [table]


def test_a_key_and_labels(tmp_path, capsys):
    np.savez(tmp_path / "z.npz", first=np.eye(4), second=np.eye(4) * 2)
    (tmp_path / "t.csv").write_text("age\n1\n2\n3\n4\n")
    options = ["--key", "second", "--labels", str(tmp_path / "t.csv"), "--out", str(tmp_path / "run")]
    assert main(["import", str(tmp_path / "z.npz"), *options]) == 0
    run = RunDirectory.open(tmp_path / "run")
    assert run.read_embedding().max() == 2
    assert run.read_probe().factors[:, 0].tolist() == [1, 2, 3, 4]


def test_the_example_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    text = (Path(__file__).resolve().parents[3] / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Only latents")[2].partition("\n## ")[0]
    write, read = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(write, "README.md", "exec"), names)
    (command,) = re.findall(r"After `isoline (import latents.npz[^`]*)`", section)
    assert main(command.split()) == 0
    exec(compile(read, "README.md", "exec"), names)
    assert names["run"].latents.shape == (500, 16)
    assert set(names["run"].labels["kind"]) == {"up", "down"}


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [(["--mean", "x"], "no network, so --mean cannot be used"), (["--key", "k"], "no 'k' to choose")],
)
def test_what_does_not_apply_is_refused(table, capsys, arguments, fault):
    assert main(["import", str(table), *arguments]) == 2
    assert fault in capsys.readouterr().err
