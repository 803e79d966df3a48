"""Windows stay where they can be seen: when a screen goes or shrinks, what stood on it comes to one that is there."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QGuiApplication, QRegion, QScreen
from PySide6.QtWidgets import QWidget

_WINDOWS = (Qt.WindowType.Window, Qt.WindowType.Dialog, Qt.WindowType.Tool)


def visible_place(frame: QRect, screens: Sequence[QRect]) -> QRect:
    """``frame`` if all of it is on ``screens``, their usable areas; else moved, and shrunk if need be, into one:
    that which shows most of it, or is nearest."""
    area = QRegion()
    for screen in screens:
        area += screen
    if not screens or QRegion(frame).subtracted(area).isEmpty():
        return frame

    def shown(screen: QRect) -> int:
        part = screen & frame
        return part.width() * part.height()

    def distance(screen: QRect) -> int:
        apart = screen.center() - frame.center()
        return apart.manhattanLength()

    screen = min(screens, key=lambda screen: (-shown(screen), distance(screen)))
    size = frame.size().boundedTo(screen.size())
    left = min(max(frame.left(), screen.left()), screen.left() + screen.width() - size.width())
    top = min(max(frame.top(), screen.top()), screen.top() + screen.height() - size.height())
    return QRect(left, top, size.width(), size.height())


def screen_at(place: QPoint) -> QScreen:
    """The screen where ``place`` is, the first one if it is on none.

    A window itself is never asked: PySide then takes the screen for a child of the window, and deletes it with it.
    """
    return QGuiApplication.screenAt(place) or QGuiApplication.primaryScreen()


def bring_into_view(windows: Sequence[QWidget]) -> None:
    """Move those of ``windows`` that are shown, and are windows of their own, to where they can be seen; the desktop
    itself does so for one that fills a screen."""
    screens = [screen.availableGeometry() for screen in QGuiApplication.screens()]
    for window in windows:
        fills = window.isMaximized() or window.isFullScreen() or window.isMinimized()
        if not window.isVisible() or fills or window.windowType() not in _WINDOWS:
            continue
        frame = window.frameGeometry()
        target = visible_place(frame, screens)
        if target != frame:
            window.resize(target.size() - (frame.size() - window.size()))
            window.move(target.topLeft())
