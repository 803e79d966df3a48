"""File, Share: a page of the open run, written by the command in a process of its own, then opened from the dialog."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_engine import FakeEngine
from PySide6.QtCore import Qt
from PySide6.QtGui import QDesktopServices
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QDialog, QFileDialog, QLabel, QLineEdit, QPlainTextEdit, QPushButton, QWidget

from core.cli import share as share_cli
from core.cli.main import _options
from core.config import RunConfig
from core.projects.edited import Attributes, Display
from core.runs.directory import RunDirectory
from core.sharing.contents import PageChoice
from explorer.controllers.app.share import ShareController, page_arguments, share_command
from explorer.controllers.controller import Context
from explorer.state import State

WRITES = """
import sys
print('{"progress": 0.50}', flush=True)
print("left out: a path", file=sys.stderr)
open(sys.argv[1], "w").write("x" * 2_500_000)
"""
WAITS = "import sys; print('{\"progress\": 0.25}', flush=True); sys.stdin.read(); sys.exit(1)"
FAILS = "import sys; sys.exit('isoline share: error: the run has no weights yet.')"


class Sharing:
    """The controller over a plain window, and what it said; ``script`` stands in for the command."""

    def __init__(self, window: QWidget, run: RunDirectory | None, script: str) -> None:
        self.window, self.commands = window, []
        self.attributes: dict[str, np.ndarray] = {}
        self.state = State()

        def command(arguments: list[str]) -> list[str]:
            self.commands.append(arguments)
            if "--attributes" in arguments:  # the file is gone when the page is written
                with np.load(arguments[arguments.index("--attributes") + 1]) as stored:
                    self.attributes = dict(stored)
            return [sys.executable, "-c", script, arguments[2]]

        open_run: Any = type("OpenRun", (), {"run": run})()
        self.control = ShareController(Context(self.state, FakeEngine(), window), open_run, command)  # pyright: ignore[reportArgumentType]
        self.said: list[str] = []
        self.exported: list[str] = []
        for signal, heard in (
            (self.control.refused, self.said),
            (self.control.error_occurred, self.said),
            (self.control.exported, self.exported),
        ):
            signal.connect(heard.append)

    def find(self, kind: type[Any], name: str) -> Any:
        return self.window.findChild(kind, f"dialog.share.{name}")


@pytest.fixture
def sharing(qtbot, tmp_path: Path) -> Callable[..., Sharing]:
    window = QWidget()
    qtbot.addWidget(window)
    window.show()

    def make(script: str = WRITES) -> Sharing:
        run = RunDirectory.create(tmp_path / "cells", RunConfig(), {})
        made = Sharing(window, run, script)
        made.control.ask()
        return made

    return make


def write(shared: Sharing, path: Path) -> None:
    """Press the button and choose ``path``."""
    QTest.mouseClick(shared.find(QPushButton, "write"), Qt.MouseButton.LeftButton)
    chooser = shared.window.findChild(QFileDialog, "dialog.page")
    chooser.fileSelected.emit(str(path))
    chooser.close()


def test_the_page_is_written_and_can_be_opened(sharing, qtbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shared, path = sharing(), tmp_path / "page & more.html"
    write(shared, path)
    assert shared.find(QPushButton, "cancel").isVisible()
    assert not shared.find(QLineEdit, "title").isEnabled()
    with qtbot.waitSignal(shared.control.exported, timeout=20_000):
        pass
    result = shared.find(QLabel, "result")
    assert result.text() == '<a href="page">page &amp; more.html</a>, 2.5 MB'
    assert shared.find(QLabel, "remarks").text() == "left out: a path"
    assert shared.find(QPushButton, "write").isVisible()
    urls: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: urls.append(url.toLocalFile()) or True)
    result.linkActivated.emit("page")
    assert urls == [str(path)]
    assert shared.exported == [str(path)]
    assert shared.said == []


def test_what_the_dialog_asks_for_is_what_the_command_gets(sharing, qtbot, tmp_path: Path):
    shared = sharing()
    assert shared.find(QLineEdit, "title").text() == "cells"
    shared.find(QLineEdit, "title").setText("--Cells")
    shared.find(QPlainTextEdit, "notes").setPlainText("First.\nSecond.")
    shared.find(QCheckBox, "names").setChecked(False)
    write(shared, tmp_path / "page.html")
    with qtbot.waitSignal(shared.control.exported, timeout=20_000):
        pass
    options = _options(share_cli, "share", share_command(shared.commands[0])[-len(shared.commands[0]) - 2 :])
    assert options == share_cli.Options(
        tmp_path / "cells",
        PageChoice("--Cells", "First.\nSecond.", names=False),
        tmp_path / "page.html",
        progress="json",
    )
    bare = page_arguments(tmp_path, tmp_path / "page.html", PageChoice("", "", False, False, True))
    assert bare[-2:] == ["--no-decoder", "--no-pictures"]


def test_the_page_has_the_attributes_and_the_colours_of_the_cloud(sharing, qtbot, tmp_path: Path):
    shared = sharing()
    values = np.array([[0.5, 1.0], [np.nan, np.nan], [2.0, 0.0]])
    shared.state.attributes = Attributes(("file", "kind"), values, ((), ("cat", "dog")))
    shared.state.display = Display(color_by="kind")
    write(shared, tmp_path / "page.html")
    folder = shared.control._attributes.name
    with qtbot.waitSignal(shared.control.exported, timeout=20_000):
        pass
    assert "--color-by=kind" in shared.commands[0]
    np.testing.assert_array_equal(shared.attributes["file"], values[:, 0])
    assert shared.attributes["kind"].tolist() == ["dog", "", "cat"]
    assert not Path(folder).exists()


@pytest.mark.parametrize("closes", [False, True])
def test_a_page_can_be_given_up(sharing, qtbot, tmp_path: Path, closes: bool):
    shared = sharing(WAITS)
    write(shared, tmp_path / "page.html")
    running = shared.control._running
    qtbot.waitUntil(lambda: shared.find(QWidget, "progress").value() == 25, timeout=20_000)
    with qtbot.waitSignal(running.finished, timeout=20_000):
        if closes:
            shared.window.findChild(QDialog, "dialog.share").reject()
        else:
            QTest.mouseClick(shared.find(QPushButton, "cancel"), Qt.MouseButton.LeftButton)
    assert shared.said == []
    assert shared.exported == []


def test_a_failure_is_said_and_the_next_try_is_possible(sharing, qtbot, tmp_path: Path):
    shared = sharing(FAILS)
    write(shared, tmp_path / "page.html")
    remarks = shared.find(QLabel, "remarks")
    qtbot.waitUntil(lambda: remarks.text() == "the run has no weights yet.", timeout=20_000)
    assert remarks.property("role") == "error"
    assert shared.find(QPushButton, "write").isEnabled()


def test_asking_again_while_a_page_is_written_shows_the_same_dialog_if_there_is_one(sharing, qtbot, tmp_path: Path):
    shared = sharing(WAITS)
    write(shared, tmp_path / "page.html")
    shared.control.ask()
    (dialog,) = shared.window.findChildren(QDialog, "dialog.share")
    dialog.reject()
    dialog.deleteLater()
    qtbot.waitUntil(lambda: not shared.window.findChildren(QDialog, "dialog.share"))
    shared.control.ask()  # its process has not ended yet
    assert shared.said == ["page.html is still being given up. Try again in a moment."]
    shared.control.shut_down()


def test_without_a_run_there_is_nothing_to_share(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    shared = Sharing(window, None, WRITES)
    shared.control.ask()
    assert shared.said == ["No run is open that could be shared. Open a run, or start a training."]
