"""Notes on the open run: typed, kept while typed, one step of undo once typing rests or the field is left."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from fake_engine import FakeEngine
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QPlainTextEdit

from core.config import RunConfig
from explorer.controllers.app import notes
from explorer.controllers.app.notes import NotesController
from explorer.controllers.controller import Context
from explorer.state import State
from explorer.views.notes import NotesView


@pytest.fixture
def desk(qtbot) -> SimpleNamespace:
    view, elsewhere = NotesView(), QLineEdit()
    context = Context(State(), FakeEngine(), view)  # pyright: ignore[reportArgumentType]
    control, reasons = NotesController(context, view), []
    control.refused.connect(reasons.append)
    for widget in (elsewhere, view):
        qtbot.addWidget(widget)
        widget.show()
    view.activateWindow()
    qtbot.waitUntil(view.isActiveWindow)
    field = view.findChild(QPlainTextEdit, "notes.text")
    return SimpleNamespace(
        state=context.state, editing=context.editing, control=control, field=field, elsewhere=elsewhere, reasons=reasons
    )


def open_run(desk) -> None:
    desk.state.config = RunConfig()
    desk.field.setFocus()


def test_without_a_run_there_is_nothing_to_write_on(desk):
    assert not desk.field.isEnabled()
    assert "Open a run" in desk.field.placeholderText()
    open_run(desk)
    assert desk.field.isEnabled()
    assert "what you see in this run" in desk.field.placeholderText()


def test_what_is_typed_is_kept_at_once_and_is_one_step_when_the_field_is_left(desk):
    open_run(desk)
    QTest.keyClicks(desk.field, "the hole closes")
    assert desk.state.notes == "the hole closes"
    assert len(desk.editing.snapshot()[0]) == 1
    desk.field.clearFocus()
    assert desk.editing.undo_label == "edit notes"
    desk.editing.undo()
    assert (desk.state.notes, desk.field.toPlainText()) == ("", "")
    desk.editing.redo()
    assert desk.field.toPlainText() == "the hole closes"


def test_typing_that_rests_is_a_step(desk, qtbot, monkeypatch):
    monkeypatch.setattr(notes, "REST_MS", 1)
    open_run(desk)
    QTest.keyClicks(desk.field, "one")
    qtbot.waitUntil(lambda: len(desk.editing.snapshot()[0]) == 2)
    QTest.keyClicks(desk.field, " two")
    qtbot.waitUntil(lambda: len(desk.editing.snapshot()[0]) == 3)
    assert desk.state.notes == "one two"


def test_undo_within_the_field_is_its_own(desk):
    open_run(desk)
    QTest.keyClicks(desk.field, "abc")
    QTest.keyClick(desk.field, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert desk.state.notes == ""
    desk.editing.settle()
    assert desk.editing.undo_label is None


def test_another_run_has_notes_of_its_own(desk):
    open_run(desk)
    QTest.keyClicks(desk.field, "of the first")
    desk.editing.begin(notes="")
    assert desk.field.toPlainText() == ""
    assert desk.editing.undo_label is None


def test_more_than_a_file_takes_is_refused(desk, monkeypatch):
    monkeypatch.setattr(notes, "LONGEST", 5)
    open_run(desk)
    QTest.keyClicks(desk.field, "12345")
    QTest.keyClicks(desk.field, "6")
    assert (desk.state.notes, desk.field.toPlainText()) == ("12345", "12345")
    assert "at most 5 characters" in desk.reasons[0]
