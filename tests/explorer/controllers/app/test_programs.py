"""Python files opened from the window: asked about with path, size and hash, run in a process of their own."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_engine import FakeEngine
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox, QPushButton

from core.exploring.consent import is_allowed, read_program
from explorer.controllers.app import programs as module
from explorer.controllers.app.programs import ProgramsController
from explorer.controllers.controller import Context
from explorer.main_window import MainWindow
from explorer.state import State

LEAVES_A_MARK = "import sys; open(sys.argv[1], 'w').close()"
FAILS = "import sys; sys.exit('isoline open: error: model.py, line 3: KeyError: w')"


class Programs:
    """The controller over a window; ``script`` stands in for the command, and is given the path of a mark to leave."""

    def __init__(self, window: MainWindow, folder: Path, script: str) -> None:
        self.window, self.mark, self.file, self.said = window, folder / "ran", folder / "model.py", []
        self.file.write_text("raise RuntimeError('was run in the window')\n", encoding="utf-8")
        context = Context(State(), FakeEngine(), window)  # pyright: ignore[reportArgumentType]
        self.asked: list[tuple[str, ...]] = []
        self.command = [sys.executable, "-c", script, str(self.mark)]
        self.control = ProgramsController(context)
        self.control.error_occurred.connect(self.said.append)

    @property
    def box(self) -> Any:
        return self.window.findChild(QMessageBox, "box.program")

    def choose(self, qtbot) -> None:
        """Choose the file, and wait for the question."""
        self.control.choose(str(self.file))
        qtbot.waitUntil(lambda: self.box is not None)

    def press_run(self) -> None:
        button: Any = self.window.findChild(QPushButton, "box.program.accept")
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.fixture
def programs(qtbot, tmp_path, request, monkeypatch):
    window = MainWindow()
    window.notice.setParent(window)  # as the program does
    qtbot.addWidget(window)
    made = Programs(window, tmp_path, getattr(request, "param", LEAVES_A_MARK))
    monkeypatch.setattr(module, "isoline_command", lambda *words: made.asked.append(words) or made.command)
    yield made
    made.control.shut_down()


def test_the_question_shows_the_file_and_no_is_the_default(programs, qtbot):
    programs.choose(qtbot)
    text = programs.box.informativeText()
    assert str(programs.file) in text
    assert hashlib.sha256(programs.file.read_bytes()).hexdigest() in text
    assert "44 bytes" in text
    assert "can do all that you can do" in text
    assert programs.box.defaultButton() is programs.box.button(QMessageBox.StandardButton.Cancel)
    programs.box.defaultButton().click()
    assert not programs.mark.exists()
    assert not is_allowed(read_program(programs.file))


def test_the_yes_starts_the_command_and_holds_until_the_file_changes(programs, qtbot):
    programs.choose(qtbot)
    programs.press_run()
    qtbot.waitUntil(programs.mark.exists)
    assert programs.asked == [("open", str(programs.file))]
    programs.mark.unlink()
    qtbot.waitUntil(lambda: programs.box is None)
    programs.control.choose(str(programs.file))  # without a question
    qtbot.waitUntil(programs.mark.exists)
    assert programs.box is None
    programs.file.write_text("x = 1\n", encoding="utf-8")
    programs.choose(qtbot)
    changed: Any = programs.box
    assert "has changed" in changed.text()


@pytest.mark.parametrize("programs", [FAILS], indirect=True)
def test_why_a_program_failed_is_said(programs, qtbot):
    programs.choose(qtbot)
    programs.press_run()

    def said() -> bool:
        programs.control.tick()
        return bool(programs.said)

    qtbot.waitUntil(said)
    assert programs.said == ["model.py, line 3: KeyError: w"]


def test_a_python_file_that_is_dropped_is_asked_about_and_not_taken_for_images(programs, qtbot):
    images, data = [], QMimeData()
    programs.window.dropped.connect(images.append)
    data.setUrls([QUrl.fromLocalFile(str(programs.file))])
    event = QDropEvent(
        QPointF(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    programs.window.dropEvent(event)
    qtbot.waitUntil(lambda: programs.box is not None)
    assert not images


def test_a_file_that_is_not_there_is_said(programs, tmp_path, qtbot):
    programs.control.choose(str(tmp_path / "gone.py"))
    qtbot.waitUntil(lambda: bool(programs.said))
    assert "gone.py cannot be read" in programs.said[0]
