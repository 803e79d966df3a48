"""The comparison of two checkouts: they take turns, and the figures are put beside each other."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
try:
    import compare_versions
finally:
    sys.path.remove(str(SCRIPTS))


def test_two_checkouts_take_turns_and_their_medians_make_the_ratio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    former, present = tmp_path / "former", tmp_path / "present"
    for tree in (former, present):
        (tree / "explorer").mkdir(parents=True)
        (tree / "explorer" / "__main__.py").touch()
    turns: list[str] = []

    def measure(tree: Path, clicks: int) -> dict[str, float]:
        assert clicks == 7
        turns.append(tree.name)
        slow = 100.0 if len(turns) <= 2 else 1.0  # the first round, which is not counted
        return dict.fromkeys(compare_versions.FIGURES, slow * (2.0 if tree == former else 1.5))

    monkeypatch.setattr(compare_versions, "measure_window", measure)
    monkeypatch.setattr(compare_versions, "measure_suite", lambda tree: 100.0 if tree == former else 60.0)
    file = tmp_path / "out.json"
    arguments = [str(former), str(present), "--rounds", "2", "--clicks", "7", "--suite", "--json", str(file)]
    monkeypatch.setattr(sys, "argv", ["compare_versions.py", *arguments])
    assert compare_versions.main() == 0
    assert turns == ["present", "former", "former", "present", "present", "former"]
    content = json.loads(file.read_text())
    assert content["window visible, s"] == {"a": [2.0, 2.0], "b": [1.5, 1.5], "ratio": 0.75}
    assert content["test suite, s"]["ratio"] == 0.6
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("click to pixels, p95, ms")]
    assert line.split()[-6:] == ["2.00", "1.50", "0.750", "0.750", "to", "0.750"]


def test_a_folder_that_is_no_checkout_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["compare_versions.py", str(SCRIPTS.parent), str(tmp_path)])
    with pytest.raises(SystemExit):
        compare_versions.main()
    assert f"{tmp_path} is no checkout of Isoline" in capsys.readouterr().err


def test_a_tour_that_fails_says_why(tmp_path: Path):
    program = tmp_path / "explorer" / "__main__.py"
    program.parent.mkdir()
    program.write_text("raise SystemExit('no display')")
    with pytest.raises(RuntimeError, match=r"the tour of .* failed:\nno display"):
        compare_versions.measure_window(tmp_path, 3)
