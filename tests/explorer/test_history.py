"""Undo and redo over documents, and how gestures become steps."""

import numpy as np
import pytest

from explorer.history import LIMIT, Editing
from explorer.state import State


def edited(*values: float) -> tuple[State, Editing]:
    """A document whose probe has been put to each of ``values`` in turn."""
    state = State()
    editing = Editing(state)
    for value in values:
        editing.commit(f"to {value}", probe=np.array([value], dtype=np.float32))
    return state, editing


def test_at_the_beginning_there_is_nothing_to_undo_or_redo():
    state, editing = edited()
    before = state.document
    assert editing.undo_label is None
    assert editing.redo_label is None
    editing.undo()
    editing.redo()
    assert state.document is before


def test_undo_walks_back_and_redo_walks_forward_again():
    state, editing = edited(1, 2)
    last = state.document
    assert editing.undo_label == "to 2"
    editing.undo()
    assert state.document.probe == [1]
    editing.undo()
    assert state.document.probe is None
    assert editing.redo_label == "to 1"
    editing.redo()
    assert state.document.probe == [1]
    editing.redo()
    assert state.document is last
    editing.redo()
    assert state.document is last


def test_a_new_step_forgets_what_was_undone():
    _, editing = edited(1)
    editing.undo()
    editing.commit("other", probe=np.array([5], dtype=np.float32))
    assert editing.redo_label is None
    assert editing.undo_label == "other"


def test_the_oldest_steps_are_dropped_beyond_the_limit():
    _, editing = edited(*range(LIMIT + 50))
    undone = 0
    while editing.undo_label is not None:
        editing.undo()
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


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e16])
def test_a_place_that_cannot_be_computed_with_changes_nothing_and_is_refused(bad):
    state = State()
    editing, reasons = Editing(state), []
    editing.refused.connect(reasons.append)
    editing.commit("move probe", probe=np.ones(3, np.float32))
    before = state.document
    editing.commit("move probe", probe=np.array([0.0, bad, 0.0]))
    editing.live("move cursor", cursor=(bad, 0.0))
    editing.settle()
    editing.follow(probe=np.array([bad]))
    assert state.document is before
    assert editing.undo_label == "move probe"
    assert [reason.split()[1] for reason in reasons] == ["probe", "cursor", "probe"]
