"""A process that a signal ends leaves where it was; the next start takes that and clears the rest away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.utils.crash_reports import LONGEST, take_crash_reports
from core.utils.user_folders import log_folder

START = "from core.utils.crash_reports import watch_for_crashes\nwatch_for_crashes('engine')\n"
CRASH = START + "import faulthandler\nfaulthandler._sigsegv()"


def run(code: str) -> int:
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL, check=False, timeout=60).returncode


def files() -> list[str]:
    return sorted(path.name for path in log_folder().iterdir())


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="sends POSIX signals")
def test_a_segmentation_fault_is_written_down_and_taken_once():
    assert run(CRASH) == -signal.SIGSEGV
    (report,) = take_crash_reports()
    assert report.process == "engine"
    assert report.fault == "Segmentation fault"
    assert 'File "<string>", line 4' in report.text
    assert take_crash_reports() == []
    assert files() == []


def test_a_process_that_ends_well_leaves_nothing_to_tell_and_one_that_lives_is_left_alone():
    assert run(START) == 0
    folder = log_folder()
    (folder / f"crash-window-{os.getpid()}.txt").write_text("of a window that is open")
    (folder / "isoline.log").write_text("a log")
    assert take_crash_reports() == []
    assert files() == [f"crash-window-{os.getpid()}.txt", "isoline.log"]


def test_of_a_report_the_home_folder_is_left_out_and_its_length_has_an_end():
    folder = log_folder()
    folder.mkdir(parents=True)
    (folder / "crash-window-4194999.txt").write_text(
        f'Fatal Python error: Aborted\n  File "{Path.home()}/a.py"\n' * 9999
    )
    (report,) = take_crash_reports()
    assert report.fault == "Aborted"
    assert str(Path.home()) not in report.text
    assert 'File "~/a.py"' in report.text
    assert len(report.text) <= LONGEST


def test_a_folder_that_cannot_be_made_costs_a_line_and_no_more(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ISOLINE_LOGS", str(tmp_path / "file" / "logs"))
    assert run(START) == 0
    assert take_crash_reports() == []
