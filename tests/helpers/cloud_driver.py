"""A hand for the cloud view's tests: opening the view, moving the mouse over it, hearing what it says, seeing it."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from explorer.views.cloud import CloudView
from explorer.widgets.placement import screen_at

LEFT, RIGHT, MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton
NONE, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier
CTRL = Qt.KeyboardModifier.ControlModifier
PHASE = Qt.ScrollPhase.NoScrollPhase
SIZE = (640, 480)


def sheet(count: int = 400) -> np.ndarray:
    rng = np.random.default_rng(7)
    a, b = rng.uniform(-1, 1, (2, count))
    return np.stack([a, b, 0.4 * np.sin(2 * a)], axis=1).astype(np.float32)


def open_view(qtbot, renderer: str) -> CloudView:
    view = CloudView(renderer)
    qtbot.addWidget(view)
    if renderer == "gl" and view.renderer_note:
        pytest.skip(f"no OpenGL on this display: {view.renderer_note}")
    view.resize(*SIZE)
    view.set_points(sheet())
    view.set_colors(np.tile(np.array([255, 120, 0, 255], dtype=np.uint8), (400, 1)))
    with qtbot.waitExposed(view):
        view.show()
    qtbot.waitUntil(lambda: view.frames_drawn > 0)
    return view


class Heard:
    """Everything that a view's gesture signals said, in order."""

    NAMES = tuple(name for name, value in vars(CloudView).items() if isinstance(value, Signal))

    def __init__(self, view: CloudView) -> None:
        self.all: list[tuple] = []
        for name in self.NAMES:
            getattr(view, name).connect(lambda *values, name=name: self.all.append((name, *values)))
        for name in ("toggled", "isolated", "all_requested"):
            signal = getattr(view.legend, name)
            signal.connect(lambda *values, name=name: self.all.append((f"legend.{name}", *values)))

    def named(self, name: str) -> list[tuple]:
        return [entry[1:] for entry in self.all if entry[0] == name]

    def names(self) -> set[str]:
        return {entry[0] for entry in self.all}


def point(place) -> QPoint:
    return QPointF(*place).toPoint() if isinstance(place, tuple) else QPointF(place).toPoint()


def move(view: CloudView, place) -> None:
    """Move the mouse; through the window, for on a widget QTest moves the display's own cursor, some time later."""
    QTest.mouseMove(view.windowHandle(), point(place))
    QApplication.processEvents()


def press(view: CloudView, place, button=LEFT, modifiers=NONE) -> None:
    QTest.mousePress(view.windowHandle(), button, modifiers, point(place))
    QApplication.processEvents()


def release(view: CloudView, place, button=LEFT, modifiers=NONE) -> None:
    QTest.mouseRelease(view.windowHandle(), button, modifiers, point(place))
    QApplication.processEvents()


def drag(view: CloudView, path, button=LEFT, modifiers=NONE) -> None:
    move(view, path[0])
    press(view, path[0], button, modifiers)
    for place in path[1:]:
        move(view, place)
    release(view, path[-1], button, modifiers)


def click(view: CloudView, place, button=LEFT, modifiers=NONE) -> None:
    drag(view, [place], button, modifiers)


def front_point(view: CloudView) -> int:
    """A point that is seen: the nearest to the eye of those well inside the view."""
    places = view.screen_positions()
    inside = (np.abs(places[:, 0] - 320) < 200) & (np.abs(places[:, 1] - 240) < 150)
    return int(np.flatnonzero(inside)[places[inside, 2].argmin()])


def where(view: CloudView, index: int) -> tuple[float, float]:
    x, y, _ = view.screen_positions()[index].tolist()
    return x, y


def empty_place(view: CloudView) -> tuple[float, float]:
    """A pixel with no point near it."""
    places = view.screen_positions()[:, :2]
    spots = [(x, y) for x in range(60, 560, 20) for y in range(60, 430, 20)]
    return max(spots, key=lambda spot: np.hypot(*(places - spot).T).min())


def grab(view: CloudView) -> QImage:
    return screen_at(view.window().pos()).grabWindow(view.winId()).toImage()


def orange(image: QImage) -> int:
    """Number of pixels in the points' colour."""
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    bgra = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine() // 4, 4)
    blue, green, red = (bgra[..., i].astype(int) for i in range(3))
    return int(((red > 90) & (red > 1.6 * green) & (green > 1.5 * blue)).sum())
