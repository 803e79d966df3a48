"""Training from the window: what its state says of the run that is open."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_engine import FakeEngine
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QLabel, QProgressBar, QWidget

from core.config import RunConfig, TrainingConfig
from core.runs.directory import RunDirectory
from explorer.controllers.controller import Context
from explorer.controllers.training.timeline import TimelineController
from explorer.controllers.training.training import TrainingController
from explorer.state import State
from explorer.views.losses import LossesView
from explorer.views.timeline import TimelineView
from explorer.views.training import TrainingView
from explorer.widgets.controls import MarkedSlider

CONFIG = RunConfig(training=TrainingConfig(epochs=4))


class OpenRun(QObject):
    """What controllers need of the session: the run that is open."""

    opened = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.run: RunDirectory | None = None

    def open(self, path: Path) -> None:
        self.run = RunDirectory.open(path)
        self.opened.emit(self.run)

    def show_epoch(self, epoch: int | None) -> None:
        pass


class Window:
    """The training controller with its real views."""

    def __init__(self, qtbot, folder: Path) -> None:
        self.state, self.session = State(), OpenRun()
        context = Context(self.state, FakeEngine(), None)  # pyright: ignore[reportArgumentType]
        self.watcher, self.settings = context.watcher, context.settings
        self.view, self.losses = TrainingView(), LossesView()
        self.settings.runs_folder = folder / "runs"
        for widget in (self.view, self.losses):
            qtbot.addWidget(widget)
        self.controller = TrainingController(context, self.session, self.view, self.losses)  # pyright: ignore[reportArgumentType]
        self.view.show()
        self._folder = folder

    def open(self, name: str, status: str) -> RunDirectory:
        """Open a new run that the watcher finds in this state."""
        run = RunDirectory.create(self._folder / name, CONFIG, {})
        self.state.config = run.config
        self.session.open(run.path)
        self.watcher.status.emit(status)
        return run

    def child(self, name: str) -> QWidget:
        found = self.view.findChild(QWidget, f"training.{name}")
        assert found is not None
        return found


@pytest.fixture
def window(qtbot, tmp_path) -> Window:
    return Window(qtbot, tmp_path)


def step(number: int, epoch: int) -> dict:
    """A record of a training of 4 epochs of 10 steps."""
    left = float(40 - number)
    return {"kind": "step", "step": number, "epoch": epoch, "total_steps": 40, "time": float(number),
            "ends_epoch": number % 10 == 0,
            "images_per_second": 16.0, "eta_seconds": left, "loss": 0.1, "reconstruction": 0.1, "kl": 1.0,
            "entanglement": 0.0, "learning_rate": 1e-3, "beta": 0.0, "gamma": 0.0}  # fmt: skip


def test_stopping_one_run_says_nothing_of_the_next_that_is_opened(window):
    run = window.open("first", "running")
    window.controller.stop()
    assert run.read_control().state == "stopped"
    window.watcher.status.emit("running")
    assert window.state.training == "stopping", "its last step is not done yet"
    window.open("second", "running")
    assert window.state.training == "running"
    for name in ("pause", "step", "stop"):
        assert window.child(name).isEnabled(), name


def test_a_run_that_was_stopped_and_is_resumed_runs_again(window):
    window.open("first", "running")
    window.controller.stop()
    window.watcher.status.emit("stopped")
    assert window.state.message == "Training stopped; a checkpoint is saved"
    for status in ("stopped", "running"):
        window.watcher.status.emit(status)
        assert window.state.training == status


def test_progress_and_live_values_of_one_run_do_not_stay_for_the_next(window):
    window.open("first", "running")
    window.watcher.records.emit([step(25, 3)])
    assert isinstance(bar := window.child("progress"), QProgressBar)
    assert bar.value() > 0
    window.open("second", "running")
    assert bar.value() == 0
    assert isinstance(numbers := window.child("numbers"), QLabel)
    assert numbers.text() == ""


def test_while_validating_no_time_is_promised_and_the_bar_is_not_full(window):
    window.open("run", "running")
    numbers, bar = window.child("numbers"), window.child("progress")
    assert isinstance(numbers, QLabel)
    assert isinstance(bar, QProgressBar)
    window.watcher.records.emit([step(19, 2)])
    assert "21 s left" in numbers.text()
    for last in (step(20, 2), step(40, 4)):
        window.watcher.records.emit([last])
        assert "validating" in numbers.text()
        assert "left" not in numbers.text()
    assert bar.value() < bar.maximum()
    window.watcher.status.emit("finished")
    assert bar.value() == bar.maximum()


def test_the_time_line_is_as_full_as_the_training_is_advanced(qtbot):
    state, view = State(), TimelineView()
    qtbot.addWidget(view)
    controller = TimelineController(Context(state, FakeEngine(), None), OpenRun(), view)  # type: ignore[arg-type]
    slider = view.findChild(MarkedSlider, "timeline.slider")
    state.config, state.training = CONFIG, "running"
    state.epochs = (0,)
    assert slider.share() < 0.25, "nothing is trained yet"
    state.epochs = (0, 1, 2)
    assert slider.share() == pytest.approx(0.6)
    slider.setValue(slider.maximum())
    assert slider.share() == pytest.approx(0.6), "what is not trained yet cannot be chosen"
    assert view.position() is None
    state.training = "stopped"
    assert slider.share() == 1.0
    controller.deleteLater()
