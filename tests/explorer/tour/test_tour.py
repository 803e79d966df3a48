"""The tour goes through the real window, in a process and on a display of its own, and reports what it measured.

Where that can be had, it does so without a network, and nothing that it starts looks for one.
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from private_network import inside, why_not

from explorer.tour.runner import Director, Lasting

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


TRY = """
import contextlib, socket
for address in ("93.184.215.14", "2001:db8::1", "127.0.0.1"):
    with contextlib.suppress(OSError):
        socket.create_connection((address, 80), 1)
"""


PRELOADED = """
import subprocess, sys
sys.path.append(sys.argv[1])
from preloaded_python import PreloadedPython
with PreloadedPython() as python:
    sys.exit(subprocess.run([python.executable, *sys.argv[2:]]).returncode)
"""
"""Its processes are forks of a server that is there as well: one of outside would make them outside."""
HELPERS = Path(__file__).parents[2] / "helpers"


@dataclass(frozen=True)
class Tour:
    """What a whole tour left: its exit status, what it printed, its folder, and what was counted of the network."""

    status: int
    output: str
    folder: Path
    counts: dict[str, int] | None


@pytest.fixture(scope="module")
def tour(tmp_path_factory, preloaded_python) -> Tour:
    folder, counts = tmp_path_factory.mktemp("tour"), tmp_path_factory.mktemp("network") / "counts.json"
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "QT_QPA_PLATFORM")}
    environment.pop("ISOLINE_RUNS", None)
    arguments = ["-m", "explorer", "tour", str(folder), "--quick", "--clicks", "12"]
    arguments += ["--size", "1280x720", "--theme", "light"]
    command = [preloaded_python.executable, *arguments]
    if not why_not():
        command = inside([sys.executable, "-c", PRELOADED, str(HELPERS), *arguments], counts)
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        output, _ = process.communicate()
    finally:
        if process.poll() is None:  # out of time: what it has started would go on
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    found = json.loads(counts.read_text()) if counts.exists() else None
    return Tour(process.returncode, output, folder, found)


@pytest.mark.timeout(3600)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="makes a virtual display")
def test_every_stage_of_the_tour_happens(tour):
    assert tour.status == 0, tour.output
    report = json.loads((tour.folder / "tour.json").read_text())
    assert set(report) >= EXPECTED
    assert all(stage["ok"] for stage in report["stages"])
    assert report["cloud_updates"] >= 5
    pictures = sorted(tour.folder.glob("*.png"))
    assert len(pictures) >= len(report["stages"]) - 2
    for picture in pictures:
        with Image.open(picture) as image:
            assert image.size == (1280, 720)
            assert image.convert("RGB").getcolors(200) is None, "it has more than 200 colours"


@pytest.mark.timeout(3600)
@pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is such a network")
def test_all_of_it_happens_without_a_network_and_nothing_looks_for_one(tour):
    assert tour.status == 0, tour.output
    assert tour.counts == {"loopback": 0, "refused": 0}


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is such a network")
def test_whatever_looks_for_a_network_is_counted(tmp_path):
    subprocess.run(inside([sys.executable, "-c", TRY], tmp_path / "counts.json"), check=True, timeout=60)
    assert json.loads((tmp_path / "counts.json").read_text()) == {"loopback": 2, "refused": 2}


def test_a_size_that_is_none_is_explained(capsys):
    from explorer.tour import main

    with pytest.raises(SystemExit):
        main(["somewhere", "--size", "tiny"])
    assert "1280x720" in capsys.readouterr().err


@pytest.mark.parametrize(("quick", "step", "least", "most"), [(True, 60.0, 0.1, 60.0), (False, 0.2, 0.2, 60.0)])
def test_a_quick_tour_makes_short_pauses(quick, step, least, most):
    assert least <= duration(step, quick) < most


def test_what_can_only_be_seen_in_time_is_not_shortened():
    assert duration(Lasting(0.3), quick=True) >= 0.3


def duration(step, quick: bool) -> float:
    """Seconds that a tour of one stage takes, which only waits for ``step``."""

    def stage(_tour):
        yield step

    nothing = SimpleNamespace(close=lambda: None, quit=lambda: None)
    director = Director(nothing, SimpleNamespace(window=nothing), SimpleNamespace(quick=quick))
    begun = time.perf_counter()
    for _ in director._play([("wait", stage)]):
        pass
    return time.perf_counter() - begun


def test_it_can_end_after_a_stage():
    from explorer.tour.runner import up_to
    from explorer.tour.scenario import STAGES

    assert [name for name, _ in up_to("orbit", STAGES)] == ["open", "orbit"]
    assert up_to(None, STAGES) == STAGES
    with pytest.raises(SystemExit, match="no stage 'fly'; the stages are: open, orbit"):
        up_to("fly", STAGES)
