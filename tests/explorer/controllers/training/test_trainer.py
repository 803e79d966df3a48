"""A trainer that is stopped, silent or long at one step: what is said, and how it is ended by force."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from event_loop import process_events_until
from fake_engine import FakeEngine
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QLabel, QMessageBox, QPushButton, QWidget

from core.config import RunConfig
from core.runs.directory import RunDirectory, RunError
from core.runs.lock import Beat, Holder, LockReader, ProcessState, Pulse
from explorer.controllers.controller import Context
from explorer.controllers.training.trainer import TrainerController, end_trainer, trouble, wake_trainer
from explorer.run_watcher import ModelFiles
from explorer.state import State
from explorer.views.training import TrainingView

TRAINER = """
import sys, time
from pathlib import Path
from core.runs.lock import RunLock
lock = RunLock(Path(sys.argv[1]) / "lock")
lock.acquire()
for step in range(10):
    lock.moved("step", step)
    time.sleep(0.01)
print("begun", flush=True)
while True:  # a step that never ends
    time.sleep(0.01)
"""


def pulse(
    activity: str = "step", busy: float | None = 0.1, usually: float = 0.1, silent: float = 0.2,
    process: ProcessState = "here",
) -> Pulse:  # fmt: skip
    holder = Holder(123, "there", "token", beat=Beat(50.0, activity, 49.0, 10, usually))
    return Pulse(holder, process, silent, busy)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (pulse(), ""),
        (pulse(busy=1.1), ""),
        (pulse(busy=1.5), "not finished a step for 2\xa0s; it usually takes 0.1\xa0s"),
        (pulse(busy=90.0, usually=30.0), ""),
        (pulse(busy=200.0, usually=30.0), "not finished a step for 3\xa0min\xa020\xa0s; it usually takes 30\xa0s"),
        (pulse(busy=25.0, usually=0.0), ""),
        (pulse(busy=31.0, usually=0.0), "not finished a step for 31\xa0s; it is the first one"),
        (pulse("validation", busy=50.0), ""),
        (pulse("validation", busy=61.0), "has been validating for 1\xa0min\xa001\xa0s"),
        (pulse("waiting", busy=5000.0), ""),
        (pulse("", busy=None, usually=0.0), ""),
        (pulse(process="stopped"), "process (123) has been stopped"),
        (pulse(process="unknown", silent=4.0), "not been heard of for 4\xa0s: its process does not run, there sleeps"),
        (pulse(process="unknown", silent=2.0), ""),
    ],
)
def test_what_is_said_of_a_trainer(seen: Pulse, words: str):
    text = trouble(seen)
    assert words in text
    assert bool(words) == bool(text)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "run", RunConfig(), {})


@pytest.fixture
def process(run: RunDirectory) -> Iterator[subprocess.Popen]:
    """A process that holds the run, and hangs in a step."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-P", "-c", TRAINER, str(run.path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == b"begun\n"
        yield started
        started.kill()


class OpenRun(QObject):
    """Knows which run is open."""

    opened = Signal(object)

    def __init__(self, run: RunDirectory) -> None:
        super().__init__()
        self.run = run


class Training:
    """Takes down how the training is to go on."""

    def __init__(self) -> None:
        self.asked: list[dict] = []

    def go_on(self, values: dict) -> None:
        self.asked.append(values)


class Window(QWidget):
    """The panel with its controller, on a run that is watched."""

    def __init__(self, run: RunDirectory) -> None:
        super().__init__()
        context = Context(State(), FakeEngine(), self)  # pyright: ignore[reportArgumentType]
        self.watcher, self.view, self.training = context.watcher, TrainingView(), Training()
        self.view.setParent(self)
        self.controller = TrainerController(context, OpenRun(run), self.training, self.view)  # pyright: ignore[reportArgumentType]
        self.errors: list[str] = []
        self.controller.error_occurred.connect(self.errors.append)
        self.statuses: list[str] = []
        self.watcher.status.connect(self.statuses.append)

    @property
    def text(self) -> str:
        part, text = (
            self.view.findChild(QWidget, "training.trouble"),
            self.view.findChild(QLabel, "training.trouble.text"),
        )
        assert part is not None
        assert text is not None
        return text.text() if part.isVisible() else ""

    def press(self, name: str) -> None:
        """Press a button, and say yes."""
        button = self.view.findChild(QPushButton, f"training.trouble.{name}")
        assert button is not None
        assert button.isVisible()
        button.click()
        box = self.findChild(QMessageBox, "box.trainer")
        assert box is not None
        assert "since its last checkpoint is lost" in box.informativeText()
        accept = box.findChild(QPushButton, "box.trainer.accept")
        assert accept is not None
        accept.click()


@pytest.fixture
def window(qtbot, run: RunDirectory) -> Iterator[Window]:
    made = Window(run)
    qtbot.addWidget(made)
    made.show()
    yield made
    made.watcher.watch(None)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_trainer_that_hangs_or_is_stopped_is_noticed_and_can_be_ended(window: Window, run, process, qtbot):
    window.watcher.watch(run)
    begun = time.monotonic()
    qtbot.waitUntil(lambda: "has not finished a step" in window.text)
    print(f"a step that never ends: said after {time.monotonic() - begun:.1f} s")
    os.kill(process.pid, signal.SIGSTOP)
    begun = time.monotonic()
    qtbot.waitUntil(lambda: "has been stopped" in window.text)
    print(f"stopped: said after {time.monotonic() - begun:.1f} s")
    assert window.errors == [window.text], "in the notice, too, for the panel may be hidden"
    wake = window.view.findChild(QPushButton, "training.trouble.wake")
    assert wake is not None
    wake.click()  # nothing is asked, for nothing is lost
    qtbot.waitUntil(lambda: "has not finished a step" in window.text, timeout=30_000)
    assert not wake.isVisible()
    window.press("kill")
    qtbot.waitUntil(lambda: window.statuses[-1] == "interrupted" and window.text == "")
    process.wait(60)
    assert window.training.asked == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_it_goes_on_from_its_last_checkpoint_once_the_process_is_gone(window: Window, run, process, qtbot):
    run.last_checkpoint_path.touch()
    window.watcher.watch(run)
    qtbot.waitUntil(lambda: window.text != "")
    window.press("revive")
    qtbot.waitUntil(lambda: window.training.asked == [{}])
    process.wait(60)
    assert window.statuses[-1] == "interrupted", "before it is to go on"


def test_without_a_checkpoint_or_elsewhere_there_is_nothing_to_press(window: Window):
    def visible() -> list[bool]:
        buttons = [window.view.findChild(QPushButton, f"training.trouble.{name}") for name in ("kill", "revive")]
        return [button is not None and button.isVisible() for button in buttons]

    window.watcher.pulse.emit(pulse(busy=9.0))
    assert visible() == [True, False]
    window.watcher.files.emit(ModelFiles(weights=True, last_checkpoint=True, openable=True))
    window.watcher.pulse.emit(pulse(busy=9.0))
    assert visible() == [True, True]
    window.watcher.pulse.emit(pulse(silent=9.0, process="unknown"))
    assert visible() == [False, False]
    window.watcher.pulse.emit(pulse())
    assert window.text == ""


def test_another_trainer_than_the_one_that_was_meant_is_left_alone(run: RunDirectory, process):
    end_trainer(run, "another token")
    assert process.poll() is None
    found = LockReader(run.lock_path).pulse()
    assert found is not None
    end_trainer(run, found.holder.token)
    process.wait(60)


def test_a_trainer_that_cannot_be_reached_is_named(run: RunDirectory, monkeypatch):
    monkeypatch.setattr(LockReader, "pulse", lambda _: pulse(process="unknown"))
    with pytest.raises(RunError, match=r"process 123 on there, which cannot be reached from here\. End it there"):
        end_trainer(run, "token")
    with pytest.raises(RunError, match="Continue it there"):
        wake_trainer(run, "token")


def test_a_command_that_fails_is_told(window: Window, run, monkeypatch):
    monkeypatch.setattr(LockReader, "pulse", lambda _, __=None: pulse(process="unknown"))
    window.controller._pulse = pulse()
    window.controller._end(run, "token", lambda: None)
    process_events_until(lambda: bool(window.errors))
    assert "End it there" in window.errors[0]
