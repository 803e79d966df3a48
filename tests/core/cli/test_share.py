"""`isoline share`: the page, what is said of it, and how it is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_run import make_small_run

from core.cli.main import main
from core.paths.saved_paths import path_file


def test_it_writes_a_page_and_says_its_size_and_what_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = make_small_run(tmp_path / "run")
    path_file(run.path, "broken").write_text("{")
    out = tmp_path / "page.html"
    assert main(["share", str(run.path), "--out", str(out), "--no-decoder", "--title", "Shapes"]) == 0
    said = capsys.readouterr()
    assert said.out.split() == [str(out), f"{out.stat().st_size / 1e6:.1f}", "MB"]
    assert "broken.json is no saved path: it is not valid JSON" in said.err
    assert "<title>Shapes · Isoline</title>" in out.read_text(encoding="utf-8")


def test_without_a_name_the_page_is_called_like_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = make_small_run(tmp_path / "first", weights=False)
    monkeypatch.chdir(tmp_path)
    assert main(["share", str(run.path), "--no-decoder"]) == 0
    assert (tmp_path / "first.html").is_file()


def test_the_progress_for_a_program_reaches_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch):
    monkeypatch.setattr("core.cli.progress.input_closed", lambda at_once: lambda: False)
    run = make_small_run(tmp_path / "run", weights=False)
    out = tmp_path / "page.html"
    assert main(["share", str(run.path), "--out", str(out), "--no-decoder", "--progress", "json"]) == 0
    shares = [json.loads(line)["progress"] for line in capsys.readouterr().out.splitlines()]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_run_without_weights_is_refused_unless_its_decoder_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = make_small_run(tmp_path / "run", weights=False)
    out = tmp_path / "page.html"
    assert main(["share", str(run.path), "--out", str(out)]) == 2
    assert "has no weights yet" in capsys.readouterr().err
    assert not out.exists()
