"""Mouse and keyboard: events that enter through the window system's queue, as a person's do.

They are sent to the top-level window at a position; Qt finds the widget there, so a control that is hidden, covered
or disabled cannot be used.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeySequence, QWindow
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QFileDialog, QLineEdit, QWidget

LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier
W = TypeVar("W", bound=QWidget)


class CannotReach(RuntimeError):
    """A person could not have used this control: it is hidden, disabled or outside the window."""


def _window(widget: QWidget) -> QWindow:
    handle = widget.window().windowHandle()
    if handle is None:
        raise CannotReach(f"{widget.objectName() or widget} is in no window")
    return handle


def place(widget: QWidget, at: QPoint | QPointF | None = None) -> QPoint:
    """``at`` (default: the centre) in the coordinates of the widget's window."""
    if not widget.isVisible() or not widget.isEnabled():
        raise CannotReach(f"{widget.objectName() or widget} is hidden or disabled")
    point = widget.rect().center() if at is None else QPointF(at).toPoint()
    return widget.mapTo(widget.window(), point)


def move(widget: QWidget, at: QPoint | QPointF | None = None) -> None:
    """Move the mouse."""
    QTest.mouseMove(_window(widget), place(widget, at))


def press(widget: QWidget, at: QPoint | QPointF | None = None, held: Qt.KeyboardModifier = NONE) -> None:
    """Press the left button."""
    QTest.mousePress(_window(widget), LEFT, held, place(widget, at))


def release(widget: QWidget, at: QPoint | QPointF | None = None, held: Qt.KeyboardModifier = NONE) -> None:
    """Release the left button."""
    QTest.mouseRelease(_window(widget), LEFT, held, place(widget, at))


def click(widget: QWidget, at: QPoint | QPointF | None = None, control: bool = False) -> None:
    """Press and release; ``control``: while Ctrl is held."""
    held = Qt.KeyboardModifier.ControlModifier if control else NONE
    press(widget, at, held)
    release(widget, at, held)


def double_click(widget: QWidget, at: QPoint | QPointF | None = None) -> None:
    """Click twice."""
    click(widget, at)
    QTest.mouseDClick(_window(widget), LEFT, NONE, place(widget, at))


def drag_file(window: QWidget, path: Path) -> None:
    """A file or folder is dragged over the middle of ``window``; only the display could drag it for real."""
    middle, data = window.rect().center(), _file(path)  # the event does not own it
    QApplication.sendEvent(window, QDragEnterEvent(middle, Qt.DropAction.CopyAction, data, LEFT, NONE))


def drop_file(window: QWidget, path: Path) -> None:
    """It is dropped there."""
    middle, data = QPointF(window.rect().center()), _file(path)
    QApplication.sendEvent(window, QDropEvent(middle, Qt.DropAction.CopyAction, data, LEFT, NONE))


def _file(path: Path) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    return data


def open_menu(button: QWidget) -> None:
    """Click a button that opens a menu. The press lasts until the menu closes, so the loop sends it."""
    place(button)  # raises now if it cannot be reached
    QTimer.singleShot(0, button, lambda: click(button))


def key(widget: QWidget, name: str) -> None:
    """Press a key or a combination such as "Ctrl+Z"."""
    QTest.keySequence(_window(widget), QKeySequence(name))


def hold(widget: QWidget, which: Qt.Key) -> None:
    """Press a key and keep it down."""
    QTest.keyPress(_window(widget), which)


def let_go(widget: QWidget, which: Qt.Key) -> None:
    """Release a held key."""
    QTest.keyRelease(_window(widget), which)


def type_into(field: QWidget, text: str, at: QPointF | None = None) -> None:
    """Click ``field``, put ``text`` in place of what is in it, and press Return."""
    click(field, at)
    key(field, "Ctrl+A")
    QTest.keyClicks(field, text)
    key(field, "Return")


def drag(
    widget: QWidget, places: Sequence[QPointF], pause: float = 0.01, before_release: Callable[[], object] = lambda: None
) -> Generator[float, None, None]:
    """Press at the first of ``places``, move over the others, ``pause`` seconds each, and release at the last one."""
    move(widget, places[0])
    press(widget, places[0])
    for at in places[1:]:
        move(widget, at)
        yield pause
    before_release()
    release(widget, places[-1])


def child(root: QWidget, name: str, kind: type[W] = QWidget) -> W:
    """The widget of that ``kind`` called ``name``; ``CannotReach`` if the window has none."""
    found = root.findChild(kind, name)
    if found is None:
        raise CannotReach(f"there is no {kind.__name__} {name} in {root.objectName() or root}")
    return found


def top_level(name: str) -> QWidget | None:
    """A visible window or dialog called ``name``."""
    for widget in QApplication.topLevelWidgets():
        if widget.objectName() == name and widget.isVisible():
            return widget
    return None


def take_keyboard(window: QWidget) -> Generator[float, None, None]:
    """Make ``window`` the active one. Without a window manager nobody else does, and a key that is meant for a dialog
    would be taken by a shortcut of the main window."""
    for _ in range(2400):
        if window.isActiveWindow():
            return
        window.activateWindow()  # again, for a display ignores it as long as the window is not mapped
        yield 0.05
    raise CannotReach(f"{window.objectName() or window} does not get the keyboard")


def name_file(dialog_name: str, target: Path) -> Generator[float, None, QWidget]:
    """Type ``target`` into the open file dialog called ``dialog_name``; the name field comes back, for Return."""
    dialog = top_level(dialog_name)
    edit = dialog.findChild(QLineEdit, "fileNameEdit") if isinstance(dialog, QFileDialog) else None
    if edit is None:
        raise CannotReach(f"{dialog_name} is no file dialog with a name field")
    yield 0.2
    yield from take_keyboard(edit.window())
    click(edit)
    key(edit, "Ctrl+A")
    QTest.keyClicks(edit, str(target))
    return edit


def choose(combo: QComboBox, row: int) -> Generator[float, None, None]:
    """Open a combo box by mouse, close its list, and go to a row by arrow keys; yields a person's pauses."""
    click(combo)
    yield 0.3
    key(combo, "Escape")
    yield 0.2
    towards = "Down" if row > combo.currentIndex() else "Up"
    for _ in range(combo.count()):
        if combo.currentIndex() == row:
            return
        key(combo, towards)
        yield 0.05
    raise CannotReach(f"row {row} of {combo.objectName()}, {combo.itemText(row)!r}, cannot be chosen")
