"""What stood on a screen that is gone comes to one that is there."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel
from shiboken6 import Shiboken

from explorer.main_window import MainWindow
from explorer.widgets.placement import screen_at, visible_place

LEFT, RIGHT = QRect(0, 0, 1000, 800), QRect(1000, 0, 1200, 900)


def test_what_can_be_seen_stays_also_across_two_screens():
    for frame in (QRect(10, 10, 300, 200), QRect(0, 0, 1000, 800), QRect(900, 100, 300, 200)):
        assert visible_place(frame, [LEFT, RIGHT]) == frame
    assert visible_place(QRect(5000, 0, 10, 10), []) == QRect(5000, 0, 10, 10)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (QRect(1500, 200, 300, 200), QRect(700, 200, 300, 200)),  # its screen, at the right, is gone
        (QRect(-5000, -70, 300, 200), QRect(0, 0, 300, 200)),
        (QRect(900, 700, 300, 200), QRect(700, 600, 300, 200)),  # reaches over the edge
        (QRect(100, 100, 1900, 1000), QRect(0, 0, 1000, 800)),  # larger than what is there
    ],
)
def test_what_cannot_be_seen_moves_by_as_little_as_will_do(frame, expected):
    assert visible_place(frame, [LEFT]) == expected


def test_the_screen_that_shows_most_of_it_is_chosen_else_the_nearest():
    assert visible_place(QRect(950, 750, 300, 200), [LEFT, RIGHT]) == QRect(1000, 700, 300, 200)
    assert visible_place(QRect(3000, 0, 300, 200), [LEFT, RIGHT]) == QRect(1900, 0, 300, 200)


def test_a_window_does_not_own_its_screen(qtbot):
    """As its child the screen would be deleted with it, and every other window is on it."""
    window = MainWindow()
    qtbot.addWidget(window)
    window.set_centre(QLabel("cloud"), QLabel("epochs"))
    assert all("MainWindow" not in Shiboken.dump(screen) for screen in QGuiApplication.screens())


def _xrandr(*arguments: str) -> str:
    return subprocess.run(["xrandr", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def two_monitors(qapp, qtbot) -> Iterator[None]:
    """The virtual display of the tests as two monitors beside each other, "one" and "two"."""
    if shutil.which("xrandr") is None or not re.search("^screen connected", _xrandr(), re.MULTILINE):
        pytest.skip("needs xrandr and the display that pytest-xvfb makes")
    width = QGuiApplication.primaryScreen().size().width() // 2
    _xrandr("--setmonitor", "one", f"{width}/250x1080/280+0+0", "screen")
    _xrandr("--setmonitor", "two", f"{width}/250x1080/280+{width}+0", "none")
    qtbot.waitUntil(lambda: len(QGuiApplication.screens()) == 2)
    yield
    for monitor in re.findall(r"\+?\*?(one|two) ", _xrandr("--listmonitors")):
        _xrandr("--delmonitor", monitor)
    qtbot.waitUntil(lambda: QGuiApplication.primaryScreen().size().width() == 2 * width)


def _visible(*windows) -> bool:
    areas = [screen.availableGeometry() for screen in QGuiApplication.screens()]
    return all(visible_place(window.frameGeometry(), areas) == window.frameGeometry() for window in windows)


def test_a_screen_is_unplugged(two_monitors, qtbot):
    window = MainWindow()
    qtbot.addWidget(window)
    window.set_centre(QLabel("cloud"), QLabel("epochs"))
    window.add_dock("notes", "Notes", Qt.DockWidgetArea.LeftDockWidgetArea)
    window.fill_dock("notes", QLabel("notes"))
    dock = window.docks["notes"]
    window.setGeometry(1000, 100, 850, 600)
    with qtbot.waitExposed(window):
        window.show()
    dock.setFloating(True)
    dock.move(1500, 300)
    qtbot.waitUntil(lambda: {screen_at(shown.geometry().center()).name() for shown in (window, dock)} == {"two"})
    saved = window.saveGeometry(), window.saveState()
    _xrandr("--delmonitor", "two")
    qtbot.waitUntil(lambda: len(QGuiApplication.screens()) == 1 and _visible(window, dock))
    assert window.geometry().right() < 960
    assert window.restoreGeometry(saved[0])
    assert window.restoreState(saved[1])
    window.bring_into_view()
    qtbot.waitUntil(lambda: _visible(window, dock))
    assert dock.isFloating()
