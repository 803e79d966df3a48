"""Opening a run: nothing of the run before is left in the state."""

from __future__ import annotations

import numpy as np
import pytest
from event_loop import finish_look
from fake_engine import FakeEngine

from core.config import RunConfig
from core.projects.edited import Attributes, Display, Group
from core.protocol.messages import Failed, Load
from core.runs.directory import RunDirectory
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.controller import Context
from explorer.state import State


def test_what_pointed_into_one_run_does_not_point_into_the_next(qtbot, tmp_path):
    state = State()
    context = Context(state, FakeEngine(), None)  # pyright: ignore[reportArgumentType]
    open_run = OpenRun(context)
    for name in ("first", "second"):
        RunDirectory.create(tmp_path / name, RunConfig(), {})
        open_run.open(tmp_path / name)
        qtbot.waitUntil(lambda name=name: open_run.run is not None and open_run.run.path.name == name)
        assert state.hovered is None
        assert state.transect is None
        assert state.transect_position == 0
        assert state.measured is None
        assert (state.selected, state.attributes, state.hidden) == (None, None, frozenset())
        assert (state.groups, state.notes) == ((), "")
        assert context.editing.undo_label is None
        assert state.display.point_size == (5.0 if name == "first" else 9.0), "how points look goes on"
        state.embedding = np.zeros((9, 3), np.float32)
        state.hovered, state.transect, state.transect_position = 7, 2, 5
        state.selected, state.hidden = np.array([1, 2]), frozenset({1})
        state.attributes = Attributes(("area",), np.zeros((9, 1)))
        state.groups, state.notes = (Group("group 1", np.array([1, 2])),), "looks odd"
        state.display = Display(point_size=9.0)
    qtbot.waitUntil(lambda: not open_run.opening)  # else the second one would be watched from then on
    context.watcher.watch(None)


@pytest.mark.parametrize("checkpoint", [True, False])
def test_missing_weights_are_said(qtbot, tmp_path, checkpoint: bool):
    state, engine = State(), FakeEngine()
    context = Context(state, engine, None)  # pyright: ignore[reportArgumentType]
    open_run = OpenRun(context)
    problems: list[str] = []
    notes: list[str] = []
    open_run.error_occurred.connect(problems.append)
    open_run.refused.connect(notes.append)
    run = RunDirectory.create(tmp_path / "run", RunConfig(), {})
    run.metrics_path.touch()
    if checkpoint:
        run.last_checkpoint_path.touch()
    open_run.open(run.path)
    qtbot.waitUntil(lambda: not open_run.opening)
    finish_look(context.watcher)
    context.watcher.watch(None)
    assert bool(engine.of(Load)) is checkpoint
    if checkpoint:
        assert "weights.safetensors is missing, or is no file; images are decoded by the weights" in notes[0]
        assert problems == []
    else:
        (problem,) = problems
        assert "weights.safetensors is missing, or is no file, and there is no checkpoint" in problem


def test_the_engine_is_asked_for_the_model_once_and_again_if_it_could_not_be_read(qtbot, tmp_path):
    engine = FakeEngine()
    context = Context(State(), engine, None)  # pyright: ignore[reportArgumentType]
    open_run = OpenRun(context)
    run = RunDirectory.create(tmp_path / "run", RunConfig(), {})
    run.metrics_path.touch()
    run.last_checkpoint_path.touch()
    open_run.open(run.path)
    qtbot.waitUntil(lambda: not open_run.opening)
    finish_look(context.watcher)
    context.watcher.watch(None)
    means = np.zeros((3, 3), np.float32)
    context.watcher.embedding.emit(means)
    assert len(engine.of(Load)) == 1, "what is being read is not begun anew"
    engine.deliver(Failed(stamp=engine.of(Load)[0].stamp, message="no weights yet"))
    context.watcher.embedding.emit(means)
    assert len(engine.of(Load)) == 2
