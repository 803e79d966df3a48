"""File, Export model: formats of the open run, written by the command in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_engine import FakeEngine
from PySide6.QtCore import Qt
from PySide6.QtGui import QDesktopServices
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QDialog, QFileDialog, QLabel, QProgressBar, QPushButton, QWidget

from core.cli import export as export_cli
from core.cli.main import _options
from core.config import RunConfig
from core.interchange.export import FORMATS as WRITTEN
from core.runs.directory import RunDirectory
from explorer.controllers.app import export
from explorer.controllers.app.export import ExportController, export_command, obstacles
from explorer.controllers.controller import Context
from explorer.state import State
from explorer.views.export import FORMATS
from explorer.widgets.elided_label import ElidedLabel

WRITES = """
import sys
print('{"progress": 0.50}', flush=True)
print("no licence yet", file=sys.stderr)
"""
WAITS = "import sys; print('{\"progress\": 0.25}', flush=True); sys.stdin.read(); sys.exit(1)"
FAILS = "import sys; sys.exit('isoline export: error: the disk is full.')"


class Exporting:
    """The controller over a plain window, and what it said; ``script`` stands in for the command, if there is one."""

    def __init__(self, window: QWidget, run: RunDirectory | None, script: str | None) -> None:
        self.window, self.commands = window, []

        def command(arguments: list[str]) -> list[str]:
            self.commands.append(arguments)
            return export_command(arguments) if script is None else [sys.executable, "-c", script]

        open_run: Any = type("OpenRun", (), {"run": run})()
        self.control = ExportController(Context(State(), FakeEngine(), window), open_run, command)  # pyright: ignore[reportArgumentType]
        self.refusals: list[str] = []
        self.exported: list[str] = []
        self.control.refused.connect(self.refusals.append)
        self.control.exported.connect(self.exported.append)

    def find(self, kind: type[Any], name: str) -> Any:
        return self.window.findChild(kind, f"dialog.model.{name}")

    def press(self, name: str) -> None:
        QTest.mouseClick(self.find(QPushButton, name), Qt.MouseButton.LeftButton)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    made = RunDirectory.create(tmp_path / "cells", RunConfig(), {})
    made.metrics_path.touch()
    return made


@pytest.fixture
def exporting(qtbot, run: RunDirectory) -> Callable[..., Exporting]:
    """The dialog over ``run`` or another."""
    window = QWidget()
    qtbot.addWidget(window)
    window.show()

    def make(script: str | None = WRITES, of: RunDirectory = run) -> Exporting:
        made = Exporting(window, of, script)
        made.control.ask()
        return made

    return make


def test_the_dialog_has_the_formats_of_the_command():
    assert tuple(FORMATS) == WRITTEN


def test_what_is_chosen_is_what_the_command_gets(exporting, run: RunDirectory, qtbot, tmp_path: Path):
    asked = exporting()
    assert asked.find(QCheckBox, "onnx").isChecked()
    assert asked.find(ElidedLabel, "folder").text().endswith("Isoline exports/cells")
    asked.find(QCheckBox, "onnx").setChecked(False)
    assert not asked.find(QPushButton, "export").isEnabled(), "nothing is chosen"
    for name in ("safetensors", "projector"):
        asked.find(QCheckBox, name).setChecked(True)
    asked.press("choose")
    chooser = asked.window.findChild(QFileDialog, "dialog.model_folder")
    chooser.fileSelected.emit(str(tmp_path / "o & p"))
    chooser.close()
    with qtbot.waitSignal(asked.control.exported, timeout=20_000):
        asked.press("export")
    (arguments,) = asked.commands
    options = _options(export_cli, "export", [*arguments, *export_command([])[-2:]])
    assert options == export_cli.Options(
        run.path, tmp_path / "o & p", safetensors=True, projector=True, progress="json"
    )


def test_the_folder_and_what_should_be_known_are_shown(exporting, qtbot, monkeypatch: pytest.MonkeyPatch):
    asked = exporting()
    with qtbot.waitSignal(asked.control.exported, timeout=20_000):
        asked.press("export")
    result = asked.find(QLabel, "result")
    (folder,) = asked.exported
    assert folder in result.text()
    assert asked.find(QLabel, "remarks").text() == "no licence yet"
    wrapped = [line for line in asked.window.findChildren(QLabel) if line.isVisible() and line.wordWrap()]
    assert all(line.height() >= line.heightForWidth(line.width()) for line in wrapped), "a line is cut off"
    urls: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: urls.append(url.toLocalFile()) or True)
    result.linkActivated.emit("folder")
    assert urls == [folder]
    assert asked.refusals == []


@pytest.mark.parametrize("closes", [False, True])
def test_an_export_can_be_given_up(exporting, qtbot, closes: bool):
    asked = exporting(WAITS)
    asked.press("export")
    running = asked.control._running
    qtbot.waitUntil(lambda: asked.find(QProgressBar, "progress").value() == 25, timeout=20_000)
    assert not asked.find(QCheckBox, "onnx").isEnabled()
    with qtbot.waitSignal(running.finished, timeout=20_000):
        if closes:
            asked.window.findChild(QDialog, "dialog.model").reject()
        else:
            asked.press("cancel")
    assert asked.exported == []


def test_a_failure_is_shown_and_the_next_try_is_possible(exporting, qtbot):
    asked = exporting(FAILS)
    asked.press("export")
    remarks = asked.find(QLabel, "remarks")
    qtbot.waitUntil(lambda: remarks.text() == "the disk is full.", timeout=20_000)
    assert remarks.property("role") == "error"
    assert asked.find(QPushButton, "export").isEnabled()
    assert asked.exported == []


def test_asking_again_meanwhile_shows_the_same_dialog(exporting, qtbot):
    asked = exporting(WAITS)
    asked.press("export")
    dialog = asked.window.findChild(QDialog, "dialog.model")
    asked.control.ask()
    assert asked.window.findChildren(QDialog, "dialog.model") == [dialog]
    asked.control.shut_down()


def test_without_a_run_it_is_said(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    asked = Exporting(window, None, WRITES)
    asked.control.ask()
    assert asked.refusals == ["No run is open that could be exported. Open a run, or start a training."]


def test_what_cannot_be_written_is_grey_and_says_why(run: RunDirectory, qtbot, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(export.EXTRAS, "parquet", ("no_such_package", "tables"))
    run.metrics_path.unlink()
    assert obstacles(run) == {
        "parquet": 'Needs no_such_package, which is not installed: pip install "isoline[tables]"',
        "tensorboard": "This run has no record of its training",
    }
    window = QWidget()
    qtbot.addWidget(window)
    window.show()
    asked = Exporting(window, run, WRITES)
    asked.control.ask()
    box = asked.find(QCheckBox, "parquet")
    qtbot.waitUntil(lambda: not box.isEnabled())
    assert not box.isChecked()
    assert "no_such_package" in box.toolTip()


def test_of_an_imported_model_there_is_no_model_card(run: RunDirectory):
    imported = run.rewrite(run.config, {"imported": {"format": "latents"}})
    assert {"onnx", "safetensors"} <= set(obstacles(imported))
    imported.model_path.mkdir()
    (imported.model_path / "theirs.onnx").touch()
    assert "onnx" not in obstacles(imported)


def test_the_command_itself_exports_the_run(exporting, tiny_run: Path, qtbot):
    asked = exporting(None, RunDirectory.open(tiny_run))
    for name, chosen in (("onnx", False), ("projector", True)):
        asked.find(QCheckBox, name).setChecked(chosen)
    with qtbot.waitSignal(asked.control.exported, timeout=60_000):
        asked.press("export")
    (folder,) = asked.exported
    assert (Path(folder) / "projector" / "sprite.png").is_file()
    assert Path(folder).name == "tiny"
