"""Undo and redo over what a person made or chose, and how gestures become steps."""

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.paths.latent_path import LatentPath
from core.projects.edited import EDITED, Attributes, Axes, Group, PackedPositions, Speed
from explorer import history
from explorer.history import LIMIT, PAUSE_MS, Editing
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
    assert undone == LIMIT == 500
    assert editing.snapshot()[0][0].edited.document.probe == [49], "the last 500 have been taken back, no more"


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


def test_a_press_that_becomes_a_drag_is_a_part_of_it():
    state = State()
    editing = Editing(state)
    editing.live("select control point", selected_control=1)
    editing.live("move control point", joins="select control point", cursor=(1.0, 1.0))
    editing.settle()
    assert editing.undo_label == "move control point"
    editing.undo()
    assert (state.selected_control, state.document.cursor) == (None, None)
    editing.commit("select control point", selected_control=1)  # by a press that was over
    editing.commit("move control point", joins="select control point", cursor=(1.0, 1.0))
    editing.undo()
    assert editing.undo_label == "select control point"


def test_undo_in_the_middle_of_a_drag_takes_the_drag_back():
    state = State()
    editing = Editing(state)
    editing.live("move probe", probe=np.ones(1, dtype=np.float32))
    editing.undo()
    assert state.document.probe is None


def test_what_a_file_has_is_told_from_what_came_after_it():
    _, editing = edited(2)
    assert not editing.is_saved
    editing.begin_save()
    editing.commit("size", point_size=9.0)  # while it is being written
    editing.end_save(True)
    assert not editing.is_saved
    editing.undo()
    assert editing.is_saved
    editing.refine(probe=np.array([1.5], np.float32))
    assert editing.is_saved, "nobody has changed anything"
    editing.undo()
    editing.commit("another way", point_size=8.0)
    assert (editing.is_saved, editing.saved) == (False, None)
    editing.begin_save()
    editing.end_save(False)
    assert not editing.is_saved
    steps, position = editing.snapshot()
    editing.restore(steps, position, position)
    for size in range(LIMIT):
        editing.commit(f"size {size}", point_size=10.0 + size)
    assert editing.saved == 0
    editing.commit("one more", point_size=5.0)
    assert editing.saved is None


def test_what_follows_is_no_step_and_belongs_to_the_one_before():
    state, editing = edited(1)
    editing.follow(cursor=(1.0, 2.0))
    assert editing.undo_label == "to 1"
    editing.undo()
    assert state.document.cursor is None
    editing.redo()
    assert state.document.cursor == (1.0, 2.0)


def test_what_is_known_better_is_so_in_every_step_that_has_it():
    state, editing = edited(1)
    rough = state.document.probe
    editing.commit("size", point_size=9.0)
    editing.commit("to 2", probe=np.array([2], np.float32))
    editing.undo()
    editing.refine(probe=np.array([1.5], np.float32))
    assert editing.undo_label == "size"
    editing.undo()
    assert state.document.probe == [1.5]
    editing.undo()
    assert state.document.probe is None, "another place than the rough one"
    editing.redo()
    editing.redo()
    editing.redo()
    assert state.document.probe == [2]
    assert rough == [1]


def test_steps_that_share_a_document_share_it_when_it_is_known_better():
    state, editing = edited(1)
    editing.commit("size", point_size=9.0)
    editing.commit("opacity", opacity=0.5)
    editing.refine(probe=np.array([1.5], np.float32))
    first, second = (step.edited.document for step in editing.snapshot()[0][1:3])
    assert first is second
    assert first.probe == state.document.probe == [1.5]


def test_every_field_comes_back_and_goes_again():
    state = State()
    editing = Editing(state)
    values = {
        "document": state.document.__class__(probe=np.ones(2, np.float32), sample=3),
        "display": state.display.__class__("kind", "magma", 7.0, 0.5, Axes("principal")),
        "hidden": frozenset({1}),
        "selected": np.array([2, 5, 9]),
        "selected_control": 1,
        "groups": (Group("odd", np.array([1, 3])),),
        "notes": "the hole closes at epoch 40",
        "attributes": Attributes(("area",), np.ones((3, 1))),
        "plane": (1, 0),
        "transect": 1,
        "transect_position": 4,
        "trace": state.trace.__class__("isoline", "scale"),
        "playback": state.playback.__class__(loop=False, rate=2.0, speed=Speed.IMAGE, frames=9),
    }
    assert tuple(values) == EDITED
    before = {name: getattr(state, name) for name in EDITED}
    for name, value in values.items():
        editing.commit(f"set {name}", **{name: value})
    for name in reversed(EDITED):
        assert editing.undo_label == f"set {name}"
        editing.undo()
        assert getattr(state, name) is before[name] or getattr(state, name) == before[name]
    assert editing.undo_label is None
    for name, value in values.items():
        editing.redo()
        if name == "selected":
            assert state.selected is not None
            np.testing.assert_array_equal(state.selected, value)
        else:
            assert getattr(state, name) is value or getattr(state, name) == value


def test_a_change_that_nobody_has_named_is_a_step_all_the_same():
    state = State()
    editing = Editing(state)
    state.selected = np.array([1, 2])
    assert editing.undo_label == "change selection"
    editing.undo()
    assert state.selected is None


def test_where_the_playback_is_is_no_step():
    state = State()
    editing = Editing(state)
    editing.commit("number of frames", frames=9)
    state.playback = state.playback.__class__(position=0.5, playing=True, frames=9)
    assert len(editing.snapshot()[0]) == 2
    editing.undo()
    assert (state.playback.position, state.playback.playing, state.playback.frames) == (0.5, True, 65)


def test_a_change_that_changes_nothing_is_no_step():
    state, editing = edited(1)
    editing.commit("again", probe=np.array([1], np.float32))
    assert editing.undo_label == "to 1"
    editing.live("size", point_size=6.0)
    editing.live("size", point_size=state.display.__class__().point_size)
    editing.settle()
    assert editing.undo_label == "to 1"


def test_another_gesture_ends_the_one_before():
    _, editing = edited()
    editing.live("size", point_size=6.0)
    editing.live("opacity", opacity=0.5)
    editing.settle()
    assert [step.label for step in editing.snapshot()[0]] == ["", "size", "opacity"]


def test_quick_changes_by_one_control_are_one_step(qtbot):
    _, editing = edited()
    for size in (6.0, 7.0, 8.0):
        editing.adjust("point size", point_size=size)
    assert (editing.undo_label, editing.redo_label) == ("point size", None), "it can be taken back at once"
    with qtbot.waitSignal(editing.changed, timeout=20 * PAUSE_MS):
        pass
    editing.adjust("point size", point_size=9.0)
    editing.settle()
    assert [step.edited.display.point_size for step in editing.snapshot()[0]] == [5.0, 8.0, 9.0]


def test_all_of_a_step_is_there_before_anybody_hears_of_it():
    state, seen = State(), []
    editing = Editing(state)
    state.events.display.connect(lambda: seen.append((state.display.color_by, state.hidden)))
    state.events.hidden.connect(lambda: seen.append((state.display.color_by, state.hidden)))
    editing.commit("colour by kind", color_by="kind", hidden=frozenset({2}))
    editing.undo()
    assert seen == [("kind", frozenset({2}))] * 2 + [("", frozenset())] * 2


def test_steps_are_taken_out_and_put_back():
    state, editing = edited(1, 2, 3)
    editing.undo()
    steps, position = editing.snapshot()
    other = State()
    restored = Editing(other)
    restored.restore(steps, position)
    assert other.document.probe == [2]
    assert (restored.undo_label, restored.redo_label) == ("to 2", "to 3")
    restored.redo()
    assert other.document.probe == [3]
    with pytest.raises(ValueError, match="Step 4 of 4"):
        restored.restore(steps, 4)
    assert state.document.probe == [2]


def test_selections_take_a_bit_a_sample_and_are_shared_by_the_steps_that_have_them():
    state = State()
    editing = Editing(state)
    everything = np.arange(20_000)
    editing.commit("select", selected=everything)
    editing.commit("size", point_size=9.0)
    first, second = (step.edited.selected for step in editing.snapshot()[0][1:])
    assert first is second
    assert first is not None
    assert first.bits.nbytes == 2_500
    np.testing.assert_array_equal(first.positions, everything)


@pytest.mark.parametrize("positions", [[], [0], [7], [8], [0, 63, 64, 999]])
def test_packed_positions_are_the_same_when_unpacked(positions):
    packed = PackedPositions.of(np.array(positions, dtype=np.int64))
    assert packed.positions.tolist() == positions
    assert packed.positions.dtype == np.int64
    assert packed == PackedPositions.of(np.array(positions, dtype=np.int64))


def test_a_selected_control_point_that_undo_removes_is_no_longer_selected():
    state = State()
    editing = Editing(state)
    path = LatentPath(np.zeros((1, 2), dtype=np.float32))
    editing.commit("add", path=path)
    editing.commit("add", path=path.appended(np.ones(2, dtype=np.float32)))
    editing.commit("select control point", selected_control=1)
    editing.undo()
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


def written(tree: ast.AST) -> Iterator[str]:
    """The fields of a state that undo covers and that ``tree`` sets by itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            owner, name = ast.unparse(node.value), node.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "setattr":
            owner, name = ast.unparse(node.args[0]), ast.unparse(node.args[1]).strip("'")
        else:
            continue
        if owner.endswith("state") and name in EDITED:
            yield name


def test_no_module_but_this_one_sets_what_undo_covers():
    explorer = Path(history.__file__).parent
    found = {
        str(path.relative_to(explorer)): list(written(ast.parse(path.read_text("utf-8"))))
        for path in explorer.rglob("*.py")
        if path != Path(history.__file__)
    }
    # Where a path is played, and whether, is no step: the one place that sets it.
    assert {file: names for file, names in found.items() if names} == {"controllers/path/playback.py": ["playback"]}


@pytest.mark.parametrize("line", ["state.hidden = x", "app.state.selected |= x", "setattr(self._state, 'display', x)"])
def test_such_writes_are_found(line: str):
    assert len(list(written(ast.parse(line)))) == 1
