"""Undo and redo over documents, and how gestures become steps."""

import numpy as np

from explorer.controllers.app.document_editor import Editing
from explorer.history import LIMIT, History
from explorer.state import Document, State


def document(value: float) -> Document:
    return Document(probe=np.array([value], dtype=np.float32))


def test_a_new_history_can_neither_undo_nor_redo():
    history = History(document(0))
    assert history.undo_label is None
    assert history.redo_label is None
    assert history.undo() is None
    assert history.redo() is None


def test_undo_walks_back_and_redo_walks_forward_again():
    first, second, third = document(0), document(1), document(2)
    history = History(first)
    history.push("one", second)
    history.push("two", third)
    assert history.undo_label == "two"
    assert history.undo() is second
    assert history.undo() is first
    assert history.redo_label == "one"
    assert history.redo() is second
    assert history.redo() is third
    assert history.redo() is None


def test_a_new_step_forgets_what_was_undone():
    history = History(document(0))
    history.push("one", document(1))
    history.undo()
    other = document(5)
    history.push("other", other)
    assert history.redo() is None
    assert history.undo_label == "other"


def test_the_oldest_steps_are_dropped_beyond_the_limit():
    history = History(document(0))
    for step in range(LIMIT + 50):
        history.push(str(step), document(step))
    undone = 0
    while history.undo() is not None:
        undone += 1
    assert undone == LIMIT - 1


def test_a_drag_is_one_step_however_many_moves_it_has():
    state = State()
    editing = Editing(state)
    for step in range(30):
        editing.live("move probe", probe=np.array([step], dtype=np.float32))
    editing.settle()
    assert editing.undo_label == "move probe"
    editing.undo()
    assert state.document.probe is None
    assert editing.undo_label is None


def test_undo_in_the_middle_of_a_drag_takes_the_drag_back():
    state = State()
    editing = Editing(state)
    editing.live("move probe", probe=np.ones(1, dtype=np.float32))
    editing.undo()
    assert state.document.probe is None


def test_data_that_moves_is_no_step():
    state = State()
    editing = Editing(state)
    editing.follow(probe=np.ones(1, dtype=np.float32))
    assert editing.undo_label is None
    assert state.document.probe is not None


def test_a_selected_control_point_that_undo_removes_is_no_longer_selected():
    from core.paths.latent_path import LatentPath

    state = State()
    editing = Editing(state)
    path = LatentPath(np.zeros((1, 2), dtype=np.float32))
    editing.commit("add", path=path)
    editing.commit("add", path=path.appended(np.ones(2, dtype=np.float32)))
    state.selected_control = 1
    editing.undo()
    assert state.selected_control is None
