"""Stages of training: start, watch, steer, click meanwhile, stop, replay."""

from __future__ import annotations

import json

from PySide6.QtWidgets import QAbstractSpinBox, QLineEdit

from explorer.tour import input_events
from explorer.tour.click_timing import ClickTimer, timed_clicks
from explorer.tour.measurements import percentile
from explorer.tour.runner import Director, Stage, StageFailed, Until

UPDATES = 5
START_S = 150.0


def _steps(tour: Director) -> list[dict]:
    run = tour.explorer.session.run
    lines = run.metrics_path.read_text(encoding="utf-8").splitlines() if run.metrics_path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def _events(tour: Director, name: str) -> list[dict]:
    return [record for record in _steps(tour) if record.get("event") == name]


def start_training(tour: Director) -> Stage:
    """Choose the published dataset and the default preset, press Start."""
    explorer = tour.explorer
    explorer.window.activateWindow()  # after a dialog: without a window manager nobody else does
    yield Until(explorer.window.isActiveWindow, "the window has the keyboard again", 5.0)
    explorer.window.raise_dock("losses")
    input_events.key(explorer.cloud, "1")
    yield Until(lambda: explorer.state.mode == "orbit", "key 1 chooses Orbit", 3.0)
    if tour.options.quick:
        for name, value in (("data.image_size", "64"), ("data.count", "1500")):
            yield from _fill(tour, name, value)
    before = explorer.session.run.path
    input_events.click(input_events.child(explorer.training_view, "training.start"))
    yield Until(lambda: explorer.session.run.path != before, "the new run opens", START_S)
    yield Until(lambda: explorer.state.training == "running", "the training runs", START_S)
    yield Until(lambda: explorer.state.embedding is not None, "the first cloud of the new run", START_S)
    tour.shot("training-started")


def _fill(tour: Director, name: str, value: str) -> Stage:
    field = input_events.child(tour.explorer.training_view, f"training.{name}")
    edit = field.findChild(QLineEdit) if isinstance(field, QAbstractSpinBox) else field
    if not isinstance(edit, QLineEdit):
        raise StageFailed(f"training.{name} has no field to type in")
    input_events.click(edit)
    input_events.key(edit, "Ctrl+A")
    input_events.type_text(edit, value)
    input_events.key(edit, "Return")
    yield 0.1


def watch_cloud(tour: Director) -> Stage:
    """The cloud folds: at least five updates of its points, and the event loop stays on time."""
    explorer = tour.explorer
    updates: list[object] = []
    explorer.watcher.embedding.connect(updates.append)
    tour.loop.start()
    yield Until(lambda: len(updates) >= UPDATES, f"{UPDATES} cloud updates", 90.0)
    yield 3.0
    tour.loop.stop()
    explorer.watcher.embedding.disconnect(updates.append)
    tour.figures["cloud_updates"] = len(updates)
    tour.figures["loop_ms_p99_training"] = percentile(tour.loop.late_ms, 99)
    tour.shot("training")


def change_beta(tour: Director) -> Stage:
    """Change beta in flight; the trainer acknowledges it and the curves are marked."""
    before = len(_events(tour, "hyperparameters"))
    yield from _fill(tour, "live.beta", "0.0001")
    yield Until(lambda: len(_events(tour, "hyperparameters")) > before, "the trainer acknowledges the new beta")
    yield 1.0
    if abs(_events(tour, "hyperparameters")[-1].get("beta", 0) - 1e-4) > 1e-9:
        raise StageFailed("the trainer took another beta than was typed")
    tour.shot("beta")


def click_while_training(tour: Director) -> Stage:
    """Clicks answer while the trainer uses the machine."""
    timer = ClickTimer(tour)
    yield from timed_clicks(tour, timer, tour.options.clicks, 31)
    timer.close()
    tour.figures["click_ms_p50_training"] = percentile(timer.milliseconds, 50)
    tour.figures["click_ms_p95_training"] = percentile(timer.milliseconds, 95)
    tour.figures["clicks_training"] = len(timer.milliseconds)
    tour.shot("click-training")


def pause_step_resume(tour: Director) -> Stage:
    """Pause, one step, resume."""
    explorer = tour.explorer
    view = explorer.training_view
    input_events.click(input_events.child(view, "training.pause"))
    yield Until(lambda: explorer.state.training == "paused", "the training pauses")
    yield 0.5
    before = _last_step(tour)
    input_events.click(input_events.child(view, "training.step"))
    yield Until(lambda: _last_step(tour) == before + 1, "one step")
    yield 0.7
    if _last_step(tour) != before + 1:
        raise StageFailed(f"one step became {_last_step(tour) - before}")
    tour.shot("paused")
    yield Until(lambda: input_events.child(view, "training.pause").isEnabled(), "Resume can be pressed")
    input_events.click(input_events.child(view, "training.pause"))
    yield Until(lambda: _last_step(tour) > before + 1, "the training goes on")


def _last_step(tour: Director) -> int:
    return max((record["step"] for record in _steps(tour) if record.get("kind") == "step"), default=0)


def stop_training(tour: Director) -> Stage:
    """Stop; the trainer saves and ends."""
    explorer = tour.explorer
    if tour.options.quick:
        yield Until(lambda: len(explorer.state.epochs) >= 2, "two epochs are stored", 60.0)
    input_events.click(input_events.child(explorer.training_view, "training.stop"))
    yield Until(lambda: bool(_events(tour, "stopped")), "the trainer stops", 30.0)
    yield Until(lambda: not explorer.training.active, "the window knows", 10.0)
    yield 0.5
    tour.shot("stopped")


def replay(tour: Director) -> Stage:
    """Go back to the bundled model and replay how its cloud folded."""
    explorer = tour.explorer
    input_events.key(explorer.window, "Alt+F")
    yield 0.3
    input_events.key(explorer.window, "Escape")
    input_events.key(explorer.window, "Escape")
    explorer.window.actions_by_name["bundled"].trigger()
    yield Until(lambda: len(explorer.state.epochs) > 1, "the stored epochs are found")
    yield Until(lambda: explorer.state.embedding is not None, "the cloud of the bundled model")
    input_events.click(input_events.child(explorer.timeline_view, "timeline.play"))
    yield Until(lambda: explorer.state.epoch is not None, "the replay begins", 5.0)
    yield 0.8
    tour.shot("replay")
    yield Until(lambda: explorer.state.epoch is None, "the replay ends at the newest", 60.0)
