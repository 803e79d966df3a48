"""The evented state: it speaks when something changed and is silent otherwise."""

import dataclasses

import numpy as np

from core.projects.edited import Display
from explorer.state import _ARRAYS, State, hold_the_same


def test_a_new_value_is_announced_with_the_old_one():
    state = State()
    heard = []
    state.events.mode.connect(lambda new, old: heard.append((new, old)))
    state.mode = "probe"
    assert heard == [("probe", "orbit")]


def test_an_equal_value_is_silent():
    state = State()
    heard = []
    state.events.display.connect(heard.append)
    state.events.embedding.connect(heard.append)
    state.display = Display()
    state.embedding = np.ones((2, 3), dtype=np.float32)
    state.embedding = np.ones((2, 3), dtype=np.float32)
    assert len(heard) == 1


def test_of_arrays_the_content_counts_and_all_of_them_are_compared_so():
    first = np.arange(6.0).reshape(3, 2)
    state, heard = State(), []
    state.events.embedding.connect(heard.append)
    last = first.copy()
    last[-1] = 9.0
    for means, count in ((first, 1), (first.copy(), 1), (first[:2], 2), (first, 3), (last, 4), (None, 5), (None, 5)):
        state.embedding = means
        assert len(heard) == count
    fields = {field.name for field in dataclasses.fields(State) if "ndarray" in str(field.type)}
    assert fields == set(_ARRAYS)  # another would be compared with None, element by element
    assert hold_the_same(None, None)


def test_display_is_replaced_as_a_whole():
    state = State()
    state.display = dataclasses.replace(state.display, opacity=0.5)
    assert state.display.opacity == 0.5
    assert state.display.colormap == "viridis"
