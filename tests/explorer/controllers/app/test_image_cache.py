"""File, Image cache: how much it takes and may take; what is set holds for the processes that the window starts."""

import errno
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog, QLabel, QPushButton, QSpinBox

from core.data.cache import ImageCache
from explorer.controllers.app.image_cache import IN_USE
from explorer.controllers.processes import Command, start_detached
from explorer.settings import Settings
from explorer.widgets.elided_label import ElidedLabel

SAY = "import os, sys; sys.exit(': error: ' + os.environ.get('ISOLINE_CACHE_GB', 'nothing'))"


@pytest.fixture
def dialog(program, monkeypatch, tmp_path, qtbot):
    """The dialog over a cache that holds one entry of 3.0 MB."""
    monkeypatch.setenv("ISOLINE_CACHE", str(tmp_path / "cache"))
    with ImageCache().writing("0" * 32, 3, (1000, 1000)) as writer:
        writer.append(np.zeros((3, 1000, 1000), np.uint8))
        writer.finish(b"\xc0")

    def opened():
        explorer = program(None)
        explorer.image_cache.ask()
        box = explorer.window.findChild(QDialog, "dialog.cache")
        usage = box.findChild(ElidedLabel, "dialog.cache.usage")
        qtbot.waitUntil(lambda: usage.text().startswith("3.0 MB in use"), timeout=20_000)
        return box

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
    deadline = time.monotonic() + 300
    while process.alive and time.monotonic() < deadline:
        time.sleep(0.02)
    assert (tmp_path / "log").read_text().strip().endswith("20")
    monkeypatch.setenv("ISOLINE_CACHE_GB", "7")
    assert failure_of(say, qtbot) == "7", "the environment comes first"


def empty(box: QDialog, qtbot) -> tuple[str, str]:
    """What the dialog says, of usage and beside it, after the cache has been emptied."""
    button, usage = box.findChild(QPushButton, "dialog.cache.empty"), box.findChild(ElidedLabel, "dialog.cache.usage")
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not usage.text().startswith("Emptying"), timeout=20_000)
    return usage.text(), box.findChild(QLabel, "dialog.cache.note").text()


def test_the_cache_is_emptied_and_a_limit_of_the_environment_is_shown(dialog, monkeypatch, qtbot):
    monkeypatch.setenv("ISOLINE_CACHE_GB", "7")
    box = dialog()
    limit = "The environment variable ISOLINE_CACHE_GB sets the limit: 7 GB."
    assert not box.findChild(QSpinBox, "dialog.cache.limit").isEnabled()
    assert box.findChild(QLabel, "dialog.cache.note").text() == limit
    images = ImageCache().find("0" * 32)
    usage, note = empty(box, qtbot)
    assert usage.startswith("3.0 MB in use"), "somebody reads it"
    assert note == f"{IN_USE}\n{limit}"
    del images
    usage, note = empty(box, qtbot)
    assert usage.startswith("Empty")
    assert note == limit, "why it was not empty is no longer true"
    assert not box.findChild(QPushButton, "dialog.cache.empty").isEnabled()


def test_a_folder_that_cannot_be_written_is_not_said_to_be_in_use(dialog, monkeypatch, qtbot):
    box = dialog()

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        usage, note = empty(box, qtbot)
    assert usage.startswith("3.0 MB in use")
    assert "Permission denied" in note
    assert "in use" not in note
    assert empty(box, qtbot)[1] == ""
    assert not box.findChild(QLabel, "dialog.cache.note").isVisible()


def test_the_window_goes_on_while_the_cache_is_emptied(dialog, monkeypatch, qtbot):
    box, release, clear = dialog(), threading.Event(), ImageCache.clear
    monkeypatch.setattr(ImageCache, "clear", lambda cache: release.wait(300) and clear(cache))
    button = box.findChild(QPushButton, "dialog.cache.empty")
    begun = time.monotonic()
    button.click()
    assert time.monotonic() - begun < 150
    assert not button.isEnabled()
    assert box.findChild(ElidedLabel, "dialog.cache.usage").text() == "Emptying the cache …"
    release.set()
    usage = box.findChild(ElidedLabel, "dialog.cache.usage")
    qtbot.waitUntil(lambda: usage.text().startswith("Empty:"), timeout=20_000)


def test_a_dialog_closed_while_the_cache_is_emptied_is_followed_by_one_that_shows_the_end(dialog, monkeypatch, qtbot):
    box, release, clear = dialog(), threading.Event(), ImageCache.clear
    monkeypatch.setattr(ImageCache, "clear", lambda cache: release.wait(300) and clear(cache))
    window = box.parent()
    box.findChild(QPushButton, "dialog.cache.empty").click()
    box.close()
    qtbot.waitUntil(lambda: not window.findChildren(QDialog, "dialog.cache"), timeout=20_000)
    window.findChild(QAction, "action.image_cache").trigger()
    (box,) = window.findChildren(QDialog, "dialog.cache")
    assert not box.findChild(QPushButton, "dialog.cache.empty").isEnabled()
    release.set()
    usage = box.findChild(ElidedLabel, "dialog.cache.usage")
    qtbot.waitUntil(lambda: usage.text().startswith("Empty:"), timeout=20_000)


def test_the_limit_says_for_what_it_holds(dialog):
    tooltip = dialog().findChild(QSpinBox, "dialog.cache.limit").toolTip()
    assert "after Isoline has been started again" in tooltip, "the engine's environment was fixed when it started"
