"""The evented state: it speaks when something changed and is silent otherwise."""

import dataclasses

import numpy as np

from core.projects.edited import Display
from explorer.state import State


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


def test_display_is_replaced_as_a_whole():
    state = State()
    state.display = dataclasses.replace(state.display, opacity=0.5)
    assert state.display.opacity == 0.5
    assert state.display.colormap == "viridis"
