"""Two hosts train one model: network namespaces with their own addresses; one is lost in the middle."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from preloaded_python import PreloadedPython
from two_hosts import NO_NAMESPACES

FLAGS = (
    *("--data.image-size", "32", "--data.count", "64", "--data.no-punctured", "--data.validation-fraction", "0.25"),
    *("--training.batch-size", "4", "--training.device", "cpu", "--training.precision", "float32"),
)
ROOT = Path(__file__).resolve().parents[3]


def train(python: PreloadedPython, folder: Path, what: str, epochs: int) -> dict[str, dict[str, float]]:
    if sys.platform != "linux" or not all(map(shutil.which, ("ip", "nsenter"))):
        pytest.skip("hosts are network namespaces of Linux, made with ip and nsenter")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "MASTER_", "WORLD_", "LOCAL_"))}
    environment["PYTHONPATH"] = str(ROOT)
    command = [python.executable, str(ROOT / "tests/helpers/two_hosts.py"), str(folder), what, "3.5", *FLAGS]
    done = subprocess.run(
        [*command, "--training.epochs", str(epochs)], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode == NO_NAMESPACES:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("what", ["kill", "cut"])
def test_when_the_second_host_is_lost_all_end_with_a_message(tmp_path: Path, preloaded_python, what: str):
    ended = train(preloaded_python, tmp_path, what, epochs=1000)
    first = (tmp_path / "rank-0.txt").read_text()
    assert "rank 1 on node-1 of this training failed: nothing has been heard of it for" in first
    assert "Traceback" not in first
    assert ended["first"]["status"] == 1
    assert ended["first"]["seconds"] < 25
    if what == "cut":  # the task on the other side has lost rank zero
        assert ended["second"]["status"] == 1
        assert "rank 0 of this training failed: nothing has been heard of it" in (tmp_path / "rank-1.txt").read_text()
