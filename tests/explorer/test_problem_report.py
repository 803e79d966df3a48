"""A report holds what helps to find a mistake, and neither images nor where anything of a person's lies."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

from core.config import DataConfig, RunConfig
from explorer.problem_report import OpenedRun, report_parts, without_places, write_report

HOME = str(Path.home())
RUN = OpenedRun(
    Path("/data/secret project/run 7"),
    replace(RunConfig(), data=DataConfig(path="/data/patients/scans", labels="/data/patients/names.csv")),
    {"torch": "2.13.0"},
    [
        {"kind": "step", "step": 1, "loss": 0.5},
        {"kind": "event", "event": "failed", "message": f"/data/patients/scans and {HOME}/x: gone"},
    ],
)


def test_folders_are_left_out_of_every_part():
    log = f"Traceback\n  File {HOME}/isoline/a.py\nRunError: /data/secret project/run 7/weights.safetensors is damaged"
    parts = {part.name: part.text for part in report_parts("v 1", "OpenGL 4.6", log, {"theme": "dark"}, RUN)}
    assert list(parts) == ["versions.txt", "graphics.txt", "log.txt", "settings.json", "config.json", "metrics.jsonl"]
    assert "File ~/isoline/a.py" in parts["log.txt"]
    assert "…/run 7/weights.safetensors is damaged" in parts["log.txt"]
    assert '"path": "scans"' in parts["config.json"]
    assert '"labels": "names.csv"' in parts["config.json"]
    assert '"torch": "2.13.0"' in parts["config.json"]
    assert "…/scans and ~/x: gone" in parts["metrics.jsonl"]
    whole = "".join(parts.values())
    for place in (HOME, "secret project", "/data", "patients/"):
        assert place not in whole


def test_what_is_empty_is_no_part():
    assert [part.name for part in report_parts("v 1", "software", "", {}, None)] == ["versions.txt", "graphics.txt"]


def test_of_a_folder_in_a_folder_the_longer_name_counts():
    assert without_places(f"{HOME}/runs/a and {HOME}/b", [HOME, f"{HOME}/runs"]) == "…/runs/a and ~/b"
    assert without_places(r'"C:\\Users\\me\\runs"', [r"C:\Users\me"]).startswith('"…')


def test_the_zip_holds_the_parts_as_they_were_shown(tmp_path):
    parts = report_parts("v 1\n", "software", "", {}, RUN)
    write_report(tmp_path / "report.zip", parts)
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        assert {name: archive.read(name).decode() for name in archive.namelist()} == {
            part.name: part.text for part in parts
        }
