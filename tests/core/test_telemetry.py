"""No library that comes with Isoline reports its use."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

READ = "import os, {package}; print(os.environ['ORT_DISABLE_TELEMETRY'])"


@pytest.mark.parametrize("package", ["core", "isoline", "explorer.startup"])
def test_onnx_runtime_is_told_to_send_nothing_before_it_is_loaded(package):
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    command = [sys.executable, "-c", READ.format(package=package)]
    read = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert read.stdout.strip() == "1"
