"""Training from the window: what its state says of the run that is open."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from fake_engine import FakeEngine
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QLabel, QProgressBar, QWidget

from core.config import RunConfig, TrainingConfig
from core.data.allowed_files import unallowed
from core.runs.directory import RunDirectory
from explorer.controllers.controller import Context
from explorer.controllers.training.timeline import TimelineController
from explorer.controllers.training.training import TrainingController
from explorer.run_watcher import ModelFiles
from explorer.state import State
from explorer.views.losses import LossesView
from explorer.views.timeline import TimelineView
from explorer.views.training import TrainingView
from explorer.widgets.controls import MarkedSlider

CONFIG = RunConfig(training=TrainingConfig(epochs=4))


class OpenRun(QObject):
    """What controllers need of OpenRun: the run that is open."""

    opened = Signal(object)

    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state
        self.run: RunDirectory | None = None
        self.unallowed: tuple[str, ...] = ()

    def open(self, path: Path) -> None:
        self.run = RunDirectory.open(path)
        self.unallowed = unallowed(self.run)
        self.opened.emit(self.run)

    def show_epoch(self, epoch: int | None) -> None:
        pass


class Window:
    """The training controller with its real views."""

    def __init__(self, qtbot, folder: Path) -> None:
        self.state = State()
        self.open_run = OpenRun(self.state)
        context = Context(self.state, FakeEngine(), None)  # pyright: ignore[reportArgumentType]
        self.watcher, self.settings = context.watcher, context.settings
        self.view, self.losses = TrainingView(), LossesView()
        self.settings.runs_folder = folder / "runs"
        for widget in (self.view, self.losses):
            qtbot.addWidget(widget)
        self.controller = TrainingController(context, self.open_run, self.view, self.losses)  # pyright: ignore[reportArgumentType]
        self.view.show()
        self._folder, self.qtbot = folder, qtbot

    def open(self, name: str, status: str) -> RunDirectory:
        """Open a new run that the watcher finds in this state."""
        run = RunDirectory.create(self._folder / name, CONFIG, {})
        self.state.config = run.config
        self.open_run.open(run.path)
        self.watcher.status.emit(status)
        return run

    def settle(self) -> None:
        """What was given to threads has been done and taken."""
        self.qtbot.waitUntil(lambda: not (self.controller._files.busy or self.controller._looks.busy))

    def child(self, name: str) -> QWidget:
        found = self.view.findChild(QWidget, f"training.{name}")
        assert found is not None
        return found


@pytest.fixture
def window(qtbot, tmp_path) -> Window:
    return Window(qtbot, tmp_path)


def test_no_run_is_said_to_have_no_losses_while_those_it_has_are_still_to_be_drawn(window):
    text = window.losses.findChild(QLabel, "losses.empty")
    window.open("without", "finished")
    assert "this one has none" in text.text()
    window.losses.append([{"kind": "step", "step": 1, "epoch": 1, "total_steps": 3, "loss": 0.5, "time": 1.0}])
    window.watcher.status.emit("running")
    window.watcher.status.emit("finished")
    assert window.losses.has_curves
    assert text.text() == "Opening the run …"


class Trainer:
    """Takes the place of the process that a training is: it lives as long as a test says."""

    def __init__(self, monkeypatch) -> None:
        self.alive, self.commands = True, []
        monkeypatch.setattr("explorer.controllers.training.training.start_detached", self._start)
        monkeypatch.setattr("explorer.controllers.training.training.LOOK_S", 0.0)

    def _start(self, command: list[str], log: Path) -> Trainer:
        self.commands.append(command)
        return self


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
    window.settle()
    assert run.read_control().state == "stopped"
    window.watcher.status.emit("running")
    assert window.state.training == "stopping", "its last step is not done yet"
    window.open("second", "running")
    assert window.state.training == "running"
    for name in ("pause", "step", "stop"):
        assert window.child(name).isEnabled(), name


@pytest.mark.parametrize(
    ("checkpoint", "text"),
    [(True, "goes on from its last checkpoint"), (False, "has no checkpoint and would begin again")],
)
def test_an_interrupted_run_promises_a_checkpoint_only_if_there_is_one(window, checkpoint: bool, text: str):
    window.open("first", "running")
    window.watcher.files.emit(ModelFiles(weights=True, last_checkpoint=checkpoint, openable=True))
    window.watcher.status.emit("interrupted")
    assert isinstance(status := window.child("status"), QLabel)
    assert text in status.text()
    window.watcher.status.emit("gone")
    assert status.text() == "Deleted or moved"


def test_a_run_that_was_stopped_and_is_resumed_runs_again(window):
    window.open("first", "running")
    window.controller.stop()
    window.settle()
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
    assert "21\xa0s\xa0left" in numbers.text()
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
    controller = TimelineController(Context(state, FakeEngine(), None), OpenRun(state), view)  # type: ignore[arg-type]
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


# a run that has ended, and goes on


def failed(learning_rate: float) -> dict:
    return {"kind": "event", "event": "failed", "step": 20, "message": "the loss is nan",
            "changes": {"training.learning_rate": learning_rate, "training.clip": 1.0}}  # fmt: skip


def epoch(number: int) -> dict:
    return {"kind": "epoch", "epoch": number, "step": 10 * number, "validation": {}}


STARTED = {"kind": "event", "event": "started", "step": 0}


def test_a_run_that_diverged_says_why_and_offers_what_helps(window):
    window.open("run", "failed")
    window.watcher.records.emit([STARTED, epoch(1), failed(2e-4)])
    window.watcher.status.emit("failed")
    assert "the loss is nan" in window.child("status").text()
    assert window.child("advice.0.action").text() == "Continue from the last checkpoint\nwith learning rate 0.0002"


def test_how_far_the_samples_are_encoded_after_the_last_step_is_told_until_they_are(window):
    encoding = {"kind": "event", "event": "encoding", "step": 20, "message": "encoding the samples: 2 of 9"}
    window.open("run", "running")
    window.watcher.records.emit([STARTED, encoding])
    assert window.state.message == "Encoding the samples: 2 of 9"
    window.watcher.records.emit([{"kind": "event", "event": "finished", "step": 20}])
    assert window.state.message == ""
    window.open("other", "finished")
    window.watcher.records.emit([STARTED, encoding, {"kind": "event", "event": "finished", "step": 20}])
    assert "Encoding" not in window.state.message


def test_before_its_first_checkpoint_it_begins_again(window):
    window.open("run", "failed")
    window.watcher.records.emit([STARTED, failed(1e-3)])
    assert window.child("advice.0.action").text() == "Begin again with learning rate 0.001"


def test_where_memory_was_out_smaller_parts_of_a_batch_are_a_button(window):
    window.open("run", "failed")
    out_of_memory = failed(1.0) | {"message": "out of memory", "changes": {"training.accumulation": 2}}
    window.watcher.records.emit([STARTED, epoch(1), out_of_memory])
    window.watcher.status.emit("failed")
    asked: list[object] = []
    window.view.continue_requested.disconnect()
    window.view.continue_requested.connect(asked.append)
    button = window.child("advice.0.action")
    assert button.text() == "Continue from the last checkpoint\nwith accumulation 2"
    button.click()
    assert asked == [{"training.accumulation": 2}]


def exploded(learning_rate: float) -> dict:
    return failed(learning_rate) | {"event": "exploded", "message": "the loss is 9, 90 times its usual 0.1"}


def test_a_paused_training_whose_loss_has_exploded_offers_the_way_back(window, monkeypatch):
    window.open("run", "running")
    window.watcher.records.emit([STARTED, epoch(1), exploded(2e-4)])
    window.watcher.status.emit("paused")
    assert "the loss has exploded" in window.child("status").text()
    assert window.child("advice").isVisibleTo(window.view)
    assert window.child("advice.0.text").text().startswith("The loss is 9, 90 times its usual")
    launched: list[tuple[object, ...]] = []
    monkeypatch.setattr(window.controller, "_launch", lambda *given: launched.append(given))
    window.child("advice.0.action").click()
    assert launched[0][2:] == ("--resume", "--training.learning-rate", "0.0002", "--training.clip", "1")


def test_who_resumes_or_stops_an_exploded_training_has_decided(window):
    said: list[str] = []
    window.controller.error_occurred.connect(said.append)
    window.controller.succeeded.connect(said.clear)
    window.open("run", "running")
    window.watcher.records.emit([STARTED, epoch(1), exploded(2e-4)])
    window.watcher.status.emit("paused")
    assert "90 times its usual" in said[0]
    window.watcher.records.emit([{"kind": "event", "event": "resumed", "step": 21}])
    assert said == [], "the notice goes"
    window.watcher.status.emit("running")
    window.watcher.status.emit("paused")
    assert not window.child("advice").isVisibleTo(window.view)
    window.watcher.records.emit([exploded(2e-4)])
    window.watcher.status.emit("stopped")
    assert window.child("advice").isVisibleTo(window.view), "the way back is still there"


def test_a_failure_after_which_the_run_went_on_is_past(window):
    errors: list[str] = []
    window.controller.error_occurred.connect(errors.append)
    window.open("run", "finished")
    window.watcher.records.emit([STARTED, epoch(1), failed(2e-4), STARTED, epoch(4)])
    assert errors == []
    assert not window.child("advice").isVisible()


def test_what_a_long_record_says_is_told_when_it_has_been_read_to_its_end(window):
    errors: list[str] = []
    window.controller.error_occurred.connect(errors.append)
    window.open("run", "finished")
    window.watcher.behind = True
    window.watcher.records.emit([STARTED, epoch(1), failed(2e-4)])
    assert errors == []
    window.watcher.records.emit([STARTED, epoch(4), failed(1e-4)])
    window.watcher.behind = False
    window.watcher.records.emit([])
    assert errors == ["The training failed: the loss is nan"]


def test_a_run_that_goes_on_is_started_by_the_command_a_person_would_type(window, monkeypatch):
    trainer = Trainer(monkeypatch)
    run = window.open("run", "finished")
    window.watcher.records.emit([STARTED, epoch(4)])
    window.controller.go_on({"training.epochs": 8, "loss.beta": 3e-6, "training.learning_rate": 1e-4})
    assert window.state.training == "starting", "before its process is there"
    window.settle()
    assert trainer.commands[0][4:] == [
        *("train", "--out", str(run.path), "--nice", "10", "--resume"),
        *("--training.epochs", "8", "--loss.beta", "3e-06", "--training.learning-rate", "0.0001"),
    ]
    assert window.state.training == "starting"
    window.watcher.status.emit("finished")
    assert window.state.training == "starting", "it is not resumed yet"
    window.watcher.records.emit([STARTED])
    window.watcher.status.emit("finished")
    assert window.state.training == "finished", "it was resumed, and ended at once"


def test_a_refusal_to_go_on_is_told_and_the_run_is_what_it_was(window, monkeypatch):
    errors: list[str] = []
    window.controller.error_occurred.connect(errors.append)
    trainer = Trainer(monkeypatch)
    run = window.open("run", "finished")
    window.controller.go_on({"training.epochs": 8})
    window.settle()
    (run.path / "trainer.log").write_text("isoline train: error: the folder is gone.\n")
    trainer.alive = False
    window.controller.tick()
    window.settle()
    assert errors == ["The training did not start. the folder is gone."]
    assert window.state.training == "finished"


def test_a_training_starts_as_long_as_its_process_lives_and_says_how_far_its_images_are(window, monkeypatch):
    errors: list[str] = []
    window.controller.error_occurred.connect(errors.append)
    trainer, now = Trainer(monkeypatch), [1000.0]
    monkeypatch.setattr("explorer.controllers.training.training.monotonic", lambda: now[0])
    window.controller.start(CONFIG)
    window.settle()
    folder = Path(trainer.commands[0][trainer.commands[0].index("--out") + 1])
    (folder / "trainer.log").write_text("preparing the images  7%\npreparing the images  25%\n")
    now[0] += 3600.0  # many images
    window.controller.tick()
    window.settle()
    assert (window.state.training, errors) == ("starting", [])
    assert isinstance(numbers := window.child("numbers"), QLabel)
    assert numbers.text() == "preparing the images: 25% · 3\xa0h\xa000\xa0min\xa0left"
    assert isinstance(bar := window.child("progress"), QProgressBar)
    assert bar.value() == 250
    RunDirectory.create(folder, CONFIG, {})
    window.controller.tick()
    window.settle()
    assert window.open_run.run is not None
    assert window.open_run.run.path == folder


def test_a_training_opens_over_no_run_that_was_chosen_while_it_started(window, monkeypatch):
    trainer, now = Trainer(monkeypatch), [1000.0]
    monkeypatch.setattr("explorer.controllers.training.training.monotonic", lambda: now[0])
    window.open("before", "finished")
    window.controller.start(CONFIG)
    window.settle()
    folder = Path(trainer.commands[0][trainer.commands[0].index("--out") + 1])
    chosen = window.open("chosen", "finished")
    RunDirectory.create(folder, CONFIG, {})
    now[0] += 60.0
    window.controller.tick()
    window.settle()
    assert window.open_run.run.path == chosen.path
    assert window.state.training == "finished"
    assert window.state.message == f"{folder.name} is being trained. It is in File > Open recent"
    assert window.settings.recent_runs[0] == str(folder)


def test_a_trainer_that_is_gone_without_a_word_has_failed(window, monkeypatch):
    errors: list[str] = []
    window.controller.error_occurred.connect(errors.append)
    trainer = Trainer(monkeypatch)
    window.controller.start(CONFIG)
    window.settle()
    trainer.alive = False
    window.controller.tick()
    window.settle()
    assert window.state.training == "failed"
    assert errors == ["The training did not start. Its process ended without a word."]


def test_a_run_without_checkpoints_says_why_it_cannot_go_on(window):
    window.open("run", "finished")
    window.watcher.files.emit(ModelFiles(weights=True, last_checkpoint=False, openable=True))
    window.watcher.records.emit([STARTED, epoch(4)])
    assert not window.child("continue").isEnabled()
    assert "without its checkpoints" in window.child("continue").toolTip()


# runs that cannot be written, or are gone


@pytest.mark.parametrize(("gone", "words"), [(False, "Read-only file system"), (True, "was deleted or moved")])
def test_a_command_that_cannot_be_written_is_said_below_the_buttons_until_one_can(window, monkeypatch, gone, words):
    run = window.open("run", "running")

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patch:
        if gone:
            run.path.rename(run.path.with_name("elsewhere"))
        else:
            patch.setattr("core.runs.directory.write_atomic", refuse)
        window.child("stop").click()
        window.settle()
    assert isinstance(refusal := window.child("refusal"), QLabel)
    assert words in refusal.text()
    assert str(run.path) in refusal.text()
    assert refusal.isVisible()
    assert window.state.training == "running"
    if not gone:
        window.child("pause").click()
        window.settle()
        assert not refusal.isVisible()


def test_a_runs_folder_that_cannot_be_written_is_said_and_nothing_starts(window, tmp_path, monkeypatch):
    errors: list[str] = []
    window.controller.error_occurred.connect(errors.append)
    trainer = Trainer(monkeypatch)
    (tmp_path / "runs").touch()
    window.controller.start(CONFIG)
    window.settle()
    assert "Choose another folder in File > Runs folder" in errors[0]
    assert (window.state.training, trainer.commands) == ("idle", [])
