"""The film strip: frames in their places, chosen by hand."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from explorer.views.filmstrip import FilmstripView
from explorer.widgets import image_conversion
from explorer.widgets.theme import DARK, LIGHT

LEFT = Qt.MouseButton.LeftButton


def _frames(count: int, size: int = 64) -> np.ndarray:
    """Frame k is grey 2k."""
    return np.broadcast_to((np.arange(count) * 2 % 256).astype(np.uint8)[:, None, None, None], (count, size, size, 1))


@pytest.fixture
def view(qtbot) -> FilmstripView:
    made = FilmstripView()
    qtbot.addWidget(made)
    made.resize(900, 100)
    made.show()
    return made


@pytest.fixture
def said(view) -> list:
    heard: list = []
    view.frame_chosen.connect(lambda place: heard.append(("chosen", place)))
    view.frame_hovered.connect(lambda number: heard.append(("hovered", number)))
    return heard


def _wheel(view: FilmstripView, x: int, notches: int, modifiers=Qt.KeyboardModifier.NoModifier) -> None:
    at = QPointF(x, 50)
    event = QWheelEvent(
        at,
        view.viewport().mapToGlobal(at),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view.viewport(), event)


def test_an_empty_strip_is_drawn_and_answers_nothing(view, said):
    view.grab()
    QTest.mouseClick(view.viewport(), LEFT, pos=QPoint(300, 50))
    assert not view.complete
    assert said == []


def test_it_is_complete_when_every_frame_has_come(view, said, use_theme):
    view.set_frames(65)
    view.set_images(0, _frames(64))
    assert not view.complete
    view.set_images(64, _frames(1))
    assert view.complete
    view.set_position(0.4)
    use_theme(LIGHT)
    assert said == []


def test_asking_for_frames_again_waits_for_all_of_them(view):
    view.set_frames(5)
    view.set_images(0, _frames(5))
    view.set_frames(5)
    assert not view.complete
    view.grab()
    view.set_images(0, _frames(5))
    assert view.complete
    view.set_frames(0)
    assert not view.complete


def test_first_and_last_frame_are_always_there(view):
    view.set_frames(65)
    shown = view._shown()
    assert shown[0] == 0
    assert shown[-1] == 64
    assert 2 < len(shown) < 65
    assert shown == sorted(set(shown))


def test_frames_are_painted_in_their_places(view):
    view.set_frames(65)
    view.set_images(0, _frames(65))
    image = view.viewport().grab().toImage()
    lefts = view._lefts(84)
    assert list(lefts) == view._shown()
    assert np.ptp(np.diff(list(lefts.values()))) <= 1
    for number, left in lefts.items():
        assert image.pixelColor(left + 42, 50).red() == 2 * number


def test_the_place_is_marked_in_the_accent_colour(view):
    view.set_frames(65)
    view.set_images(0, _frames(65))
    view.set_position(0.37)
    image = view.viewport().grab().toImage()
    assert image.pixelColor(round(view._x(0.37)), 2) == QColor(DARK.accent)


@pytest.mark.parametrize("place", [0.0, 0.25, 0.5, 1.0])
def test_a_click_chooses_the_frame_under_it(view, said, place: float):
    view.set_frames(65)
    view.set_images(0, _frames(65))
    QTest.mouseClick(view.viewport(), LEFT, pos=QPoint(round(view._x(place)), 50))
    chosen = [value for kind, value in said if kind == "chosen"]
    assert chosen == [pytest.approx(place)]


def test_dragging_scrubs(view, said):
    view.set_frames(65)
    QTest.mousePress(view.viewport(), LEFT, pos=QPoint(100, 50))
    for x in range(120, 300, 20):
        QTest.mouseMove(view.viewport(), QPoint(x, 50))
    QTest.mouseRelease(view.viewport(), LEFT, pos=QPoint(300, 50))
    places = [value for kind, value in said if kind == "chosen"]
    assert len(places) > 5
    assert places == sorted(places)


def test_the_mouse_over_a_frame_is_told(view, said):
    view.set_frames(65)
    QTest.mouseMove(view.viewport(), QPoint(round(view._x(0.5)), 50))
    assert said[-1] == ("hovered", 32)


def test_home_and_end_go_to_the_ends(view, said):
    view.set_frames(9)
    QTest.keyClick(view, Qt.Key.Key_End)
    QTest.keyClick(view, Qt.Key.Key_Home)
    assert said == [("chosen", 1.0), ("chosen", 0.0)]


def test_the_wheel_shows_more_frames_until_all_have_room(view):
    view.set_frames(65)
    view.set_images(0, _frames(65))
    few = len(view._shown())
    for _ in range(30):
        _wheel(view, 450, 1)
    assert view._shown() == list(range(65))
    assert view.horizontalScrollBar().maximum() > 0
    view.grab()
    before = view.horizontalScrollBar().value()
    _wheel(view, 450, -1, Qt.KeyboardModifier.ShiftModifier)
    assert view.horizontalScrollBar().value() != before
    for _ in range(30):
        _wheel(view, 450, -1)
    assert len(view._shown()) == few
    assert view.horizontalScrollBar().maximum() == 0


def test_few_frames_stand_side_by_side(view):
    view.set_frames(3)
    assert view._shown() == [0, 1, 2]
    assert view._x(1.0) < view.viewport().width() / 2


def test_thumbnails_are_kept_between_paintings(view, monkeypatch):
    view.set_frames(65)
    view.set_images(0, _frames(65))
    view.viewport().grab()
    scaled = []
    once = image_conversion.scaled
    monkeypatch.setattr(image_conversion, "scaled", lambda *values: scaled.append(values) or once(*values))
    view.set_position(0.5)
    view.viewport().grab()
    assert not scaled
    view.set_images(0, _frames(1))
    view.viewport().grab()
    assert len(scaled) == 1


def test_images_beyond_the_strip_are_passed_over(view):
    view.set_frames(3)
    view.set_images(2, _frames(4))
    view.grab()
    assert not view.complete


@pytest.mark.parametrize("size", [8, 28, 32])
def test_small_images_fill_their_frames_at_whole_multiples(view, size: int):
    view.set_frames(5)
    view.set_images(0, _frames(5, size))
    frame = view._thumb()
    assert frame.width() == frame.height() == size * (84 // size)
