"""What nobody catches is shown once, can be copied, is logged, and the window goes on."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import Qt, QTimer, qCritical, qWarning
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton

import core
from core.projects.archive import read_project
from core.projects.sessions import claim_latest
from explorer import faults as module
from explorer.faults import FaultCatcher
from explorer.session_store import SessionStore
from explorer.tour.command import virtual_display


@pytest.fixture
def faults(qapp) -> Iterator[FaultCatcher]:
    catcher = FaultCatcher()
    catcher.install()
    yield catcher
    catcher.uninstall()
    catcher.deleteLater()


def fail(message: str) -> None:
    raise LookupError(message)


class Dying:
    def __del__(self) -> None:
        fail("in a destructor")


def logged() -> str:
    return (Path(os.environ["ISOLINE_LOGS"]) / "isoline.log").read_text(encoding="utf-8")


def test_an_error_in_a_slot_is_shown_once_with_a_report_to_copy_and_the_window_goes_on(program, qtbot, faults, capfd):
    explorer = program(None)
    explorer.report(faults)
    notice = explorer.window.notice
    for _ in range(3):
        QTimer.singleShot(0, lambda: fail(f"<b>in a slot of {Path.home()}</b>"))
    qtbot.waitUntil(lambda: "LookupError" in notice.text())
    assert notice.text().count("LookupError: <b>in a slot") == 1
    button = next(one for one in notice.findChildren(QPushButton) if one.text() == "Copy report")
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    report = QGuiApplication.clipboard().text()
    assert report.startswith(f"Isoline {core.__version__}, Python ")
    assert "in fail\n" in report
    assert str(Path.home()) not in report
    assert logged().count("in fail\n") == 1
    assert capfd.readouterr().err.count("LookupError: <b>") == 3  # printed as ever
    ticks = len(explorer.redraw_seconds)
    qtbot.waitUntil(lambda: len(explorer.redraw_seconds) > ticks + 2)


def test_threads_destructors_and_critical_messages_of_qt_are_taken_too(qtbot, faults, capfd):
    texts: list[str] = []
    faults.occurred.connect(lambda fault: texts.append(fault.text))
    thread = threading.Thread(target=fail, args=("in a thread",))
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: len(texts) == 1)
    dying = Dying()
    del dying
    gc.collect()
    qCritical("no room for a window")
    qCritical("no room for a window")
    qWarning("only a warning")
    qtbot.waitUntil(lambda: len(texts) == 2)  # the destructor's is the same fault: it has the same place
    assert "in a thread" in texts[0]
    assert "no room for a window" in texts[1]
    assert "only a warning" in capfd.readouterr().err
    assert "no room for a window" in logged()


def test_the_log_stays_small_and_a_full_disk_is_no_fault_of_its_own(faults, monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(module, "LOG_BYTES", 4000)
    for number in range(30):
        faults._take(number, f"fault {number}", "x" * 500)
    files = sorted(Path(os.environ["ISOLINE_LOGS"]).iterdir())
    assert [file.name for file in files] == ["isoline.log", "isoline.log.1", "isoline.log.2"]
    assert sum(file.stat().st_size for file in files) < 3 * 5000
    monkeypatch.setenv("ISOLINE_LOGS", str(tmp_path / "file" / "folder"))
    (tmp_path / "file").write_text("")
    faults._take("other", "other", "other")
    assert "the log cannot be written" in capfd.readouterr().err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="makes a virtual display")
def test_a_window_whose_display_is_lost_says_so_keeps_its_work_and_ends_with_its_engine(tiny_run):
    begin = (
        "import sys; from explorer.app import Explorer; from explorer.__main__ import main; show = Explorer.show\n"
        "def shown(explorer):\n"
        "    show(explorer)\n"
        "    explorer.probe.decoded.connect(lambda _: explorer.probe.choose(7))\n"
        "    explorer.probe.decoded.connect(lambda _: print(explorer.engine.process_id, flush=True))\n"
        "Explorer.show = shown; sys.exit(main(sys.argv[1:]))"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "QT_QPA_PLATFORM")}
    before = psutil.Process().children()
    with virtual_display(environment, (1280, 720)) as problem:
        assert not problem
        (server,) = (child for child in psutil.Process().children() if child not in before)
        window = subprocess.Popen(
            [sys.executable, "-c", begin, str(tiny_run)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert window.stdout is not None
        engine = psutil.Process(int(window.stdout.readline()))
        server.kill()
        _, errors = window.communicate(timeout=60)
    assert window.returncode == module.DISPLAY_LOST_STATUS
    assert f"isoline: {module.DISPLAY_LOST}" in errors
    assert module.DISPLAY_LOST in logged()
    engine.wait(timeout=60)
    claimed = claim_latest(SessionStore().folder)
    assert claimed is not None
    session, about = claimed
    assert about.ended
    project = read_project(session.path)
    assert project.steps[project.position].edited.document.sample == 7
    session.release()
