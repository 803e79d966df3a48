"""Opening a run: nothing of the run before is left in the state."""

from __future__ import annotations

import numpy as np
from fake_engine import FakeEngine

from core.config import RunConfig
from core.runs.directory import RunDirectory
from explorer.controllers.app.session import Session
from explorer.controllers.controller import Context
from explorer.state import State


def test_what_pointed_into_one_run_does_not_point_into_the_next(qapp, tmp_path):
    state = State()
    context = Context(state, FakeEngine(), None)  # pyright: ignore[reportArgumentType]
    session = Session(context)
    for name in ("first", "second"):
        RunDirectory.create(tmp_path / name, RunConfig(), {})
        assert session.open(tmp_path / name)
        assert state.hovered is None
        assert state.transect is None
        assert state.transect_position == 0
        assert state.measured is None
        state.embedding = np.zeros((9, 3), np.float32)
        state.hovered, state.transect, state.transect_position = 7, 2, 5
    context.watcher.watch(None)
