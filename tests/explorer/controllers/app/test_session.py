"""Opening a run: nothing of the run before is left in the state."""

from __future__ import annotations

import numpy as np
from fake_engine import FakeEngine

from core.config import RunConfig
from core.runs.directory import RunDirectory
from explorer.controllers.app.document_editor import Editing
from explorer.controllers.app.session import Session
from explorer.run_watcher import RunWatcher
from explorer.settings import Settings
from explorer.state import State


def test_what_pointed_into_one_run_does_not_point_into_the_next(qapp, tmp_path):
    state = State()
    watcher = RunWatcher()
    session = Session(state, FakeEngine(), watcher, Editing(state), Settings())
    for name in ("first", "second"):
        RunDirectory.create(tmp_path / name, RunConfig(), {})
        assert session.open(tmp_path / name)
        assert state.hovered is None
        assert state.transect is None
        assert state.transect_position == 0
        assert state.measured is None
        state.embedding = np.zeros((9, 3), np.float32)
        state.hovered, state.transect, state.transect_position = 7, 2, 5
    watcher.watch(None)
