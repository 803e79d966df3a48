"""The strip of messages: each stays until it has been read, and goes when nobody needs it any more."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton, QToolButton, QVBoxLayout, QWidget

from explorer.views.notice import MOST, MOST_LETTERS, PASSING_S, READ_S, NoticeView


@pytest.fixture
def notice(qtbot) -> NoticeView:
    window = QWidget()
    qtbot.addWidget(window)
    made = NoticeView()
    QVBoxLayout(window).addWidget(made)
    made.dismissed.connect(made.clear)
    window.show()
    made.window_holder = window  # pyright: ignore[reportAttributeAccessIssue]
    return made


def test_the_strip_is_calm_only_if_nothing_is_wrong(notice):
    notice.show_message("All is as it was.", "session", calm=True)
    assert notice.property("calm")
    notice.show_message("The disk is full.", "export")
    assert not notice.property("calm")


def test_a_message_stays_until_it_is_dismissed(notice):
    notice.show_message("The disk is full.", "export")
    notice.advance(3600.0)
    assert notice.isVisible()
    QTest.mouseClick(notice.findChild(QToolButton, "notice.dismiss"), Qt.MouseButton.LeftButton)
    assert not notice.isVisible()


def test_a_message_without_end_is_cut_and_says_how_long_it_is(notice):
    notice.show_message("x" * 1_000_000)
    assert notice.text() == "x" * MOST_LETTERS + " … (1,000,000 characters)"


def test_it_goes_when_the_same_action_succeeds(notice):
    notice.show_message("The disk is full.", "export")
    notice.advance(READ_S)
    notice.resolve("training")
    assert notice.text() == "The disk is full."
    notice.resolve("export")
    assert not notice.isVisible()


def test_success_never_hides_a_message_before_it_could_be_read(notice):
    notice.show_message("The disk is full.", "export")
    notice.resolve("export")
    notice.advance(READ_S - 0.5)
    assert notice.text() == "The disk is full."
    notice.advance(0.5)
    assert not notice.isVisible()


def test_another_run_lets_all_of_them_go_once_read(notice):
    notice.show_message("One.", "a")
    notice.advance(READ_S)
    notice.show_message("Two.", "b")
    notice.resolve_all()
    assert notice.text() == "Two."


def test_a_passing_message_goes_by_itself(notice):
    notice.show_message("Draw a path first.", "path", passing=True)
    notice.advance(PASSING_S - 1.0)
    assert notice.isVisible()
    notice.advance(1.0)
    assert not notice.isVisible()


def test_a_new_message_takes_the_place_of_its_sources_last_one_once_that_was_read(notice):
    notice.show_message("First.", "a")
    notice.show_message("Second.", "a")
    assert notice.text() == "First.\nSecond."
    notice.advance(READ_S)
    assert notice.text() == "Second."
    notice.show_message("Second.", "a")
    assert notice.text() == "Second."


def test_a_button_acts_on_the_newest_message_that_has_it_and_goes_with_it(notice):
    acted: list[object] = []
    notice.action_requested.connect(acted.append)
    notice.show_message("It does not answer.", "engine", action="Restart")
    notice.show_message("It still does not answer.", "engine again", action="Restart")
    notice.show_message("It failed.", "cloud")
    (button,) = (one for one in notice.findChildren(QPushButton) if one.isVisible())
    assert button.text() == "Restart"
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert acted == ["engine again"]
    notice.advance(READ_S)
    notice.resolve("engine")
    notice.resolve("engine again")
    assert notice.text() == "It failed."
    assert not notice.findChildren(QPushButton)


def test_later_messages_take_the_room_of_a_failure_but_not_its_place(notice):
    notice.show_message("film.mp4 could not be written.", "export")
    for number in range(MOST + 1):
        notice.show_message(f"Later {number}.", f"source {number}", passing=True)
    assert "film.mp4" not in notice.text()
    assert notice.text().endswith("2 earlier messages: dismiss these to read on.")
    notice.resolve_all()  # another run is open
    notice.advance(READ_S - 0.5)
    QTest.mouseClick(notice.findChild(QToolButton, "notice.dismiss"), Qt.MouseButton.LeftButton)
    assert notice.text() == "film.mp4 could not be written.\nLater 0."
    notice.advance(READ_S - 0.5)
    assert "film.mp4" in notice.text()  # for as long as it takes to read, from when it could be seen
    notice.advance(0.5)
    assert not notice.isVisible()
