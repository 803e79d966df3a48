"""The suite's own guard: a test that leaves a process, a window or a thread behind fails, and says what it left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")

LEAKS = """
import os, signal, subprocess, sys, threading

def test_process():
    global process
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)

def test_window(qtbot):
    from PySide6.QtWidgets import QMainWindow
    global window
    window = QMainWindow()
    window.setWindowTitle("forgotten")
    window.show()

def test_thread(qtbot):
    global end
    end = threading.Event()
    threading.Thread(target=end.wait, name="stray", daemon=True).start()

def test_qthread(qtbot):
    from PySide6.QtCore import QThread
    global thread
    thread = QThread()
    thread.start()

def test_tidy(qtbot):
    from PySide6.QtWidgets import QMainWindow
    widget = QMainWindow()
    qtbot.addWidget(widget)
    widget.show()
    subprocess.run([sys.executable, "-c", ""], check=True)

def test_user_folders(tmp_path_factory):
    base = str(tmp_path_factory.getbasetemp())
    assert all(os.environ[name].startswith(base) for name in ("ISOLINE_CACHE", "ISOLINE_CONFIG", "ISOLINE_RUNS"))

def test_last():
    end.set()
    thread.quit()
    thread.wait()
    process.communicate(b"\\n")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="child processes are listed through /proc")
def test_what_a_test_leaves_behind_fails_it_and_is_named(tmp_path: Path):
    short_grace = CONFTEST.read_text(encoding="utf-8").replace("GRACE_SECONDS = 60.0", "GRACE_SECONDS = 0.3")
    assert "GRACE_SECONDS = 0.3" in short_grace
    (tmp_path / "conftest.py").write_text(short_grace, encoding="utf-8")
    (tmp_path / "test_leaks.py").write_text(LEAKS, encoding="utf-8")
    helpers = CONFTEST.with_name("helpers")
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nqt_api = pyside6\npythonpath = {helpers}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xvfb", "-p", "no:cacheprovider"]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    result = subprocess.run([*command, str(tmp_path)], cwd=tmp_path, env=environment, capture_output=True, text=True)
    output = result.stdout + result.stderr
    assert result.returncode == 1, output
    assert "7 passed, 4 errors" in output
    for name, left in (
        ("test_process", "process "),
        ("test_window", "window QMainWindow 'forgotten'"),
        ("test_thread", "thread stray"),
        ("test_qthread", "running QThread"),
    ):
        after = output.split(f"ERROR at teardown of {name} ")[1].splitlines()
        assert after[1].startswith(f"the test left behind: {left}"), output
