"""File, Image cache: how much it takes and may take; what is set holds for the processes that the window starts."""

import sys
import time

import numpy as np
import pytest
from PySide6.QtCore import QObject, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog, QLabel, QPushButton, QSpinBox

from core.data.cache import ImageCache
from explorer.controllers.processes import Command, start_detached
from explorer.settings import Settings
from explorer.widgets.elided_label import ElidedLabel

SAY = "import os, sys; sys.exit(': error: ' + os.environ.get('ISOLINE_CACHE_GB', 'nothing'))"


@pytest.fixture
def dialog(program, monkeypatch, tmp_path):
    """The dialog over a cache that holds one entry of 3.0 MB."""
    monkeypatch.setenv("ISOLINE_CACHE", str(tmp_path / "cache"))
    with ImageCache().writing("0" * 32, 3, (1000, 1000)) as writer:
        writer.append(np.zeros((3, 1000, 1000), np.uint8))
        writer.finish(b"\xc0")

    def opened():
        explorer = program(None)
        explorer.image_cache.ask()
        return explorer.window.findChild(QDialog, "dialog.cache")

    return opened


def failure_of(command: list[str], qtbot) -> str:
    parent = QObject()
    running = Command(command, parent)
    with qtbot.waitSignal(running.finished, timeout=20_000) as ended:
        pass
    return ended.args[0]


def test_the_limit_is_remembered_and_given_to_what_is_started(dialog, qtbot, monkeypatch, tmp_path):
    limit = dialog().findChild(QSpinBox, "dialog.cache.limit")
    assert limit.value() == 50
    limit.setValue(20)
    assert Settings().cache_gb == 20
    say = [sys.executable, "-c", SAY]
    assert failure_of(say, qtbot) == "20"
    process = start_detached(say, tmp_path / "log")
    deadline = time.monotonic() + 20
    while process.alive and time.monotonic() < deadline:
        time.sleep(0.02)
    assert (tmp_path / "log").read_text().strip().endswith("20")
    monkeypatch.setenv("ISOLINE_CACHE_GB", "7")
    assert failure_of(say, qtbot) == "7", "the environment comes first"


def test_the_cache_is_emptied_and_a_limit_of_the_environment_is_shown(dialog, monkeypatch):
    monkeypatch.setenv("ISOLINE_CACHE_GB", "7")
    box = dialog()
    assert not box.findChild(QSpinBox, "dialog.cache.limit").isEnabled()
    assert "ISOLINE_CACHE_GB sets the limit: 7 GB" in box.findChild(QLabel, "dialog.cache.note").text()
    usage = box.findChild(ElidedLabel, "dialog.cache.usage")
    assert usage.text().startswith("3.0 MB in use")
    images = ImageCache().find("0" * 32)
    empty = box.findChild(QPushButton, "dialog.cache.empty")
    QTest.mouseClick(empty, Qt.MouseButton.LeftButton)
    assert usage.text().startswith("3.0 MB in use"), "somebody reads it"
    assert "in use" in box.findChild(QLabel, "dialog.cache.note").text()
    del images
    QTest.mouseClick(empty, Qt.MouseButton.LeftButton)
    assert usage.text().startswith("Empty")
    assert not empty.isEnabled()
