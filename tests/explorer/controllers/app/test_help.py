"""Help: the folder of the log, crashes of earlier starts, and a report that a person sees before it is saved."""

from __future__ import annotations

import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from event_loop import open_run
from PySide6.QtCore import Qt
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QFileDialog, QListWidget, QPlainTextEdit, QPushButton
from small_run import make_small_run

from core.utils.crash_reports import CrashReport
from core.utils.user_folders import log_folder
from explorer.faults import logged, write_log

CRASH = CrashReport("engine", datetime(2026, 1, 2, 3, 4), "Segmentation fault", "Fatal Python error: …\n  in decode")


@pytest.fixture
def explorer(program, tmp_path):
    explorer = program(None)
    open_run(explorer, make_small_run(tmp_path / "private" / "run 7", weights=False).path)
    return explorer


def child(explorer, kind, name):
    return explorer.window.findChild(kind, name)


def test_a_crash_of_an_earlier_start_is_told_once_a_run_is_open_and_can_be_copied(explorer, qtbot):
    explorer.help.show_crashes([CRASH])
    qtbot.waitUntil(lambda: "Segmentation fault" in explorer.window.notice.text())
    assert "The engine, which decodes for the window, was ended by a fault on 02 Jan" in explorer.window.notice.text()
    button = next(one for one in explorer.window.notice.findChildren(QPushButton) if one.text() == "Copy report")
    button.click()
    assert "in decode" in QGuiApplication.clipboard().text()
    assert "in decode" in logged()


def test_a_report_is_seen_chosen_and_saved_and_holds_nothing_else(explorer, tmp_path, qtbot):
    write_log(f"a mistake in {tmp_path}/private/run 7/config.json")
    explorer.watcher.records.emit([{"kind": "step", "step": number} for number in range(300)])
    explorer.help.report_problem()
    parts, text = (
        child(explorer, QListWidget, "dialog.problem.parts"),
        child(explorer, QPlainTextEdit, "dialog.problem.text"),
    )
    titles = [parts.item(row).text() for row in range(parts.count())]
    shown = {}
    for row, title in enumerate(titles):
        assert parts.item(row).checkState() == Qt.CheckState.Checked
        parts.setCurrentRow(row)
        shown[title] = text.toPlainText()
    assert any("OpenGL" in one or "software" in one for one in shown.values())
    assert "a mistake in …/run 7/config.json" in shown["Log of mistakes and crashes"]
    records = shown["Newest 200 records of its training"].splitlines()
    assert (len(records), records[-1]) == (200, '{"kind":"step","step":299}')
    assert "private" not in "".join(shown.values())

    parts.item(0).setCheckState(Qt.CheckState.Unchecked)
    child(explorer, QPushButton, "dialog.problem.accept").click()
    target = tmp_path / "report.zip"
    child(explorer, QFileDialog, "dialog.report").fileSelected.emit(str(target))
    qtbot.waitUntil(lambda: explorer.state.message == f"Saved {target}; nothing was sent")
    with zipfile.ZipFile(target) as archive:
        names = archive.namelist()
        assert "versions.txt" not in names
        assert archive.read("log.txt").decode() == shown["Log of mistakes and crashes"]
    assert len(names) == len(titles) - 1


def test_a_report_of_nothing_cannot_be_saved_and_a_folder_that_is_gone_is_named(explorer, tmp_path, qtbot):
    explorer.help.report_problem()
    parts, save = (
        child(explorer, QListWidget, "dialog.problem.parts"),
        child(explorer, QPushButton, "dialog.problem.accept"),
    )
    save.click()
    child(explorer, QFileDialog, "dialog.report").fileSelected.emit(str(tmp_path / "gone" / "report.zip"))
    failure = f"{tmp_path / 'gone' / 'report.zip'} cannot be written"
    qtbot.waitUntil(lambda: failure in explorer.window.notice.text())
    for row in range(parts.count()):
        parts.item(row).setCheckState(Qt.CheckState.Unchecked)
    assert not save.isEnabled()


def test_the_log_folder_is_opened_where_it_is(explorer, monkeypatch):
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(Path(url.toLocalFile())) or True)
    explorer.help.open_log_folder()
    assert opened == [log_folder()]
    assert log_folder().is_dir()
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: False)
    explorer.help.open_log_folder()
    assert f"the log is in {log_folder()}" in explorer.window.notice.text()
