"""What the check of a GPU prints where there is none; a part that fails does not stop the others; its small run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
try:
    import gpu_check
    from gpu_check import Device, Row
finally:
    sys.path.remove(str(SCRIPTS))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", *arguments])
    return gpu_check.main()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    assert run(monkeypatch) == 2
    assert "There is no GPU" in capsys.readouterr().out


def test_a_part_that_fails_is_named_and_the_others_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    def works(device: Device) -> list[Row]:
        return [Row("a rate", 12.5, "images/s", device.kind)]

    def fails(device: Device) -> list[Row]:
        raise RuntimeError("out of\npaper")

    monkeypatch.setattr(gpu_check, "PARTS", (fails, works))
    file = tmp_path / "gpu.json"
    assert run(monkeypatch, "--dry-run", "--json", str(file)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["fails", "-", "FAILED:", "out", "of", "paper"]
    assert lines[2].split() == ["a", "rate", "12.5", "images/s", "cpu"]
    written = json.loads(file.read_text())
    assert (written["failed"], written["dry_run"]) == (["fails"], True)
    assert written["rows"][1] == {"name": "a rate", "value": 12.5, "unit": "images/s", "note": "cpu"}


def test_what_is_missing_for_drawing_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gpu_check.importlib.util, "find_spec", lambda name: None if name == "PySide6" else name)
    (row,) = gpu_check.drawing(Device("cpu", True))
    assert row.note == "not drawn: PySide6 not there"


def test_the_small_run_measures_decoding_and_needs_no_qt():
    cpu = Device("cpu", True)
    assert gpu_check.environment(cpu)[-1].note == "yes"
    assert all(row.value is not None and row.value > 0 for row in gpu_check.decoding(cpu))
