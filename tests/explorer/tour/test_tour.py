"""The tour goes through the real window, in a process and on a display of its own, and reports what it measured."""

import json
import os
import subprocess
import sys

import pytest
from PIL import Image

EXPECTED = {
    "window_s",
    "first_image_s",
    "click_ms_p50_idle",
    "click_ms_p95_idle",
    "click_ms_p50_training",
    "click_ms_p95_training",
    "decode_ms",
    "drag_fps",
    "cloud_fps",
    "cloud_updates",
    "loop_ms_p99_training",
    "stages",
}


@pytest.mark.timeout(460)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="makes a virtual display")
def test_every_stage_of_the_tour_happens(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "QT_QPA_PLATFORM")}
    environment.pop("ISOLINE_RUNS", None)
    command = [sys.executable, "-m", "explorer", "tour", str(tmp_path), "--quick", "--clicks", "12"]
    command += ["--size", "1280x720", "--theme", "light"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=440, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads((tmp_path / "tour.json").read_text())
    assert set(report) >= EXPECTED
    assert all(stage["ok"] for stage in report["stages"])
    assert report["cloud_updates"] >= 5
    pictures = sorted(tmp_path.glob("*.png"))
    assert len(pictures) >= len(report["stages"]) - 2
    for picture in pictures:
        with Image.open(picture) as image:
            assert image.size == (1280, 720)
            assert len(image.convert("RGB").getcolors(1 << 24) or ()) > 200


def test_a_size_that_is_none_is_explained(capsys):
    from explorer.tour import main

    with pytest.raises(SystemExit):
        main(["somewhere", "--size", "tiny"])
    assert "1280x720" in capsys.readouterr().err


def test_it_can_end_after_a_stage():
    from explorer.tour.runner import up_to
    from explorer.tour.scenario import STAGES

    assert [name for name, _ in up_to("orbit", STAGES)] == ["open", "orbit"]
    assert up_to(None, STAGES) == STAGES
    with pytest.raises(SystemExit, match="no stage 'fly'; the stages are: open, orbit"):
        up_to("fly", STAGES)
