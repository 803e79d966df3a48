"""How a training is steered: commands in ``control.json``, and the signals that ask a process to end.

Rank zero looks at the control file between two steps (one stat call when nothing changed), applies live
hyperparameters, acknowledges every command with an event, and says whether to go on, wait or stop.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from dataclasses import dataclass
from types import FrameType
from typing import Any, Literal

from core.config import LIVE_SETTINGS
from core.runs.directory import Control, RunDirectory, RunError
from core.runs.metrics_log import read_metrics
from core.training.loop import EpochEnd, Step
from core.training.recorder import Recorder
from core.training.resume import acknowledged

Verdict = Literal["go", "wait", "stop"]


class StopSignals:
    """Notes SIGINT, SIGTERM, SIGHUP and SIGUSR1 instead of dying of them; a second one ends the process as usual, but
    for SIGUSR1, which clusters send some time before they end a job, perhaps to several of its processes.

    ``received`` is the name of the first, empty if there was none.
    """

    def __init__(self) -> None:
        self.received = ""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():  # Python allows it there alone
            for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"):
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            # One more of those that clusters send would end the process before it can say how it ended.
            late = self.received == "SIGUSR1" and number == signal.SIGUSR1
            signal.signal(number, signal.SIG_IGN if late else handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        self.received = self.received or name
        if name != "SIGUSR1":
            signal.signal(number, self._before[number])


@dataclass(frozen=True)
class Beginning:
    """How a run that is resumed begins."""

    known: Control | None
    """The command that stands in its file and is no news; None if the file is malformed."""
    paused: bool
    """Whether it waits, as it did when it was killed."""


def settle_commands(run: RunDirectory) -> Beginning:
    """Let what was commanded before ``run`` is resumed not hold again with the next command: neither a stop, nor
    hyperparameters, which are in its records. A pause lasts until a later command ends it. Raises ``RunError``."""
    done = acknowledged(read_metrics(run.metrics_path))

    def settled(old: Control) -> Control:
        paused = done.paused and not (old.state == "running" and old.sequence > done.sequence)
        return Control(max(old.sequence, done.sequence), "paused" if paused else "running")

    try:
        old = run.read_control()
    except RunError:  # malformed: ignored, as while the training ran
        return Beginning(None, done.paused)
    known = old if old == settled(old) else run.change_control(settled)
    return Beginning(known, known.state == "paused")


class Steering:
    """Follows the commands of one run."""

    def __init__(self, recorder: Recorder, signals: StopSignals, beginning: Beginning | None) -> None:
        self._recorder, self._run, self._signals = recorder, recorder.run, signals
        self._live = recorder.state.hyperparameters
        self._stamp: int | None = None
        self._control: Control | None = None
        self._state: Literal["running", "paused", "stopped"] = "running"
        if beginning is not None:
            self._control = beginning.known
            self._state = "paused" if beginning.paused else "running"
        self._epochs = self._steps = 0  # that are still to be done while it is paused: epochs first
        self._pause_recorded = False
        self._decided_by: float | None = None

    def await_decision(self, patience_s: float) -> None:
        """Pause until a command says how to go on, for ``patience_s`` seconds at most."""
        self._state, self._epochs, self._steps = "paused", 0, 0
        self._decided_by = time.monotonic() + patience_s

    @property
    def undecided(self) -> bool:
        """Whether nobody has said in time how to go on."""
        return self._decided_by is not None and time.monotonic() > self._decided_by

    def verdict(self) -> Verdict:
        """What to do before the next step, a new command taken over. Called again and again while training waits."""
        if self.told_to_end() or self.undecided:
            return "stop"
        if self._state == "paused" and not (self._epochs or self._steps):
            self._wait()
            return "wait"
        if self._pause_recorded:
            self._recorder.clock.resume()
            if not (self._state == "paused" and self._epochs == 0):  # single steps are part of the pause
                self._pause_recorded = False
                self._recorder.resume()
        return "go"

    def told_to_end(self) -> bool:
        """Whether a signal or a command, new ones taken over, asks for an end."""
        stamp = self._run.control_stamp()
        if stamp is not None and stamp != self._stamp:
            self._stamp = stamp
            control = self._read()
            if control is not None and control != self._control:
                before, self._control = self._control or Control(), control
                self._obey(control, before)
        return bool(self._signals.received) or self._state == "stopped"

    def completed(self, event: Step | EpochEnd) -> None:
        """A step, or an epoch with its validation, is done: one that was asked for is no longer to be done."""
        if isinstance(event, EpochEnd):
            self._epochs = max(0, self._epochs - 1)
        elif self._epochs == 0 and self._steps > 0:
            self._steps -= 1
            self._recorder.flush_step()
            if self._steps == 0:
                self._recorder.snapshot()

    def _wait(self) -> None:
        if not self._pause_recorded:
            self._pause_recorded = True
            self._recorder.pause()
        else:
            self._recorder.clock.pause()  # after a single step
            self._recorder.refine()

    def _read(self) -> Control | None:
        try:
            return self._run.read_control()
        except RunError as error:
            self._recorder.event("warning", message=str(error))
            return None

    def _obey(self, control: Control, before: Control) -> None:
        names = [setting.field.name for setting in LIVE_SETTINGS]
        changed: dict[str, float] = {}
        for name in names:
            value = getattr(control, name)
            if value is not None and value != getattr(self._live, name):
                setattr(self._live, name, value)
                changed[name] = value
        self._state, self._decided_by = control.state, None
        tuned = any(getattr(control, name) != getattr(before, name) for name in names)
        if control.state != "paused" or (control.advance == "none" and not tuned):  # a pause ends what was begun before
            self._epochs = self._steps = 0
        if control.state == "paused":  # who writes the file by hand need not count
            self._epochs += max(control.epochs - before.epochs, int(control.advance == "epoch"))
            self._steps += max(control.steps - before.steps, int(control.advance == "step"))
        sequence = control.sequence
        if changed:  # before the acknowledgement: what is acknowledged is recorded
            text = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in changed.items())
            present = {name: getattr(self._live, name) for name in names}
            self._recorder.event("hyperparameters", sequence=sequence, message=text, changed=sorted(changed), **present)
        self._recorder.event("control", sequence=sequence, state=control.state, advance=control.advance)
        with contextlib.suppress(OSError):  # what is not written is not acknowledged, either
            self._recorder.sync()
