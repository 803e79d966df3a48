"""The trainer's process as the window sees it: what it says when it is stopped, silent, or long at one step, and how it
is let go on or ended by force.

The trainer proves by its heartbeat that it lives, and says with each beat since when its main loop has been at what
(``core.runs.lock``). A step of minutes is no fault on a large model, so how long one takes is compared with how long
steps usually take, and said: whether to wait is for a person to judge.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from core.runs.directory import RunDirectory, RunError
from core.runs.lock import LockReader, Pulse
from core.utils.text import NO_BREAK, duration_text
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.controller import Context, Controller
from explorer.controllers.training.training import TrainingController
from explorer.run_watcher import ModelFiles
from explorer.views.training import TrainingView
from explorer.widgets.dialogs import ask_question

if TYPE_CHECKING:
    import psutil

SILENT_S = 3.0  # without a beat; there are two a second
LONG_S, TIMES = 1.2, 4.0  # a step is long that takes so many seconds, and so many times as long as usual
FIRST_S = 30.0  # one of which no usual time is known: it compiles, or waits for images
OTHER_S = 60.0  # anything else than a step
GONE_S = 5.0  # a process that was killed is gone by then
_DOING = {"starting": "preparing the training", "validation": "validating", "recording": "saving what it has reached"}
LOST = "What it has done since its last checkpoint is lost; everything that was saved stays."


def trouble(pulse: Pulse) -> str:
    """What is wrong with a trainer that lives, or may be, in a sentence or two; empty if nothing is."""
    beat, busy = pulse.holder.beat, pulse.busy_s
    if pulse.process == "stopped":
        return f"The trainer's process ({pulse.holder.pid}) has been stopped: it does nothing until it is continued."
    if pulse.silent_s > SILENT_S:
        return (
            f"The trainer has not been heard of for {duration_text(pulse.silent_s)}: its process does not run, "
            f"{pulse.holder.host} sleeps, or the disk of the run is away."
        )
    if busy is None:
        return ""
    if beat.activity == "step" and busy > (max(LONG_S, TIMES * beat.usually) if beat.usually else FIRST_S):
        usual = f"it usually takes {_seconds(beat.usually)}" if beat.usually else "it is the first one"
        return f"The trainer has not finished a step for {duration_text(busy)}; {usual}."
    if beat.activity in _DOING and busy > OTHER_S:
        return f"The trainer has been {_DOING[beat.activity]} for {duration_text(busy)}."
    return ""


def end_trainer(run: RunDirectory, token: str) -> None:
    """Kill the trainer of ``run`` that has this ``token``, and wait until it is gone.

    Raises ``RunError`` if it is not to be found on this computer, or does not go.
    """

    def end(process: psutil.Process) -> None:
        process.kill()
        process.wait(GONE_S)

    _act_on_trainer(run, token, "end", end)


def wake_trainer(run: RunDirectory, token: str) -> None:
    """Let the trainer of ``run`` that has this ``token`` go on, if it was stopped. Raises ``RunError`` as
    ``end_trainer``."""
    _act_on_trainer(run, token, "continue", lambda process: process.resume())


def _act_on_trainer(run: RunDirectory, token: str, verb: str, act: Callable[[psutil.Process], object]) -> None:
    import psutil  # here, for a window that ends nothing has no use for it

    pulse = LockReader(run.lock_path).pulse()
    if pulse is None or pulse.holder.token != token:
        return  # it has ended by itself
    holder = pulse.holder
    if pulse.process not in ("here", "stopped"):
        where = f"The trainer is process {holder.pid} on {holder.host}"
        raise RunError(f"{where}, which cannot be reached from here. {verb.capitalize()} it there.")
    try:
        act(psutil.Process(holder.pid))
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied as error:
        raise RunError(f"Process {holder.pid} belongs to somebody else, who has to {verb} it.") from error
    except psutil.TimeoutExpired as error:
        raise RunError(f"Process {holder.pid} was killed and is not gone yet: it waits for a disk.") from error


class TrainerController(Controller):
    """Binds what the Training panel says of the trainer's process to its pulse, and its buttons to that process."""

    def __init__(self, context: Context, open_run: OpenRun, training: TrainingController, view: TrainingView) -> None:
        super().__init__(context)
        self._open_run, self._training, self._view = open_run, training, view
        self._files = self._background()
        self._pulse: Pulse | None = None
        self._has_checkpoint = False
        self._told = False  # that the trainer does nothing
        view.wake_requested.connect(self.wake)
        view.kill_requested.connect(self.ask_to_end)
        view.revive_requested.connect(self.ask_to_revive)
        self._watcher.files.connect(self._on_files)
        self._watcher.pulse.connect(self._on_pulse)
        open_run.opened.connect(lambda _: self._on_opened())

    def _on_opened(self) -> None:
        self._has_checkpoint = False
        self._on_pulse(None)

    def _on_files(self, files: ModelFiles) -> None:
        self._has_checkpoint = files.last_checkpoint

    def _on_pulse(self, pulse: Pulse | None) -> None:
        self._pulse = pulse
        text = "" if pulse is None else trouble(pulse)
        reachable = pulse is not None and pulse.process in ("here", "stopped")
        stopped = pulse is not None and pulse.process == "stopped"
        self._view.set_trouble(text, reachable, reachable and self._has_checkpoint, stopped)
        idle = pulse is not None and bool(text) and (pulse.process == "stopped" or pulse.silent_s > SILENT_S)
        if idle and not self._told:
            self.error_occurred.emit(text)
        elif self._told and not idle:
            self.succeeded.emit()
        self._told = idle

    def wake(self) -> None:
        """Let a trainer that was stopped go on: nothing is lost by that, so nothing is asked."""
        run, pulse = self._open_run.run, self._pulse
        if run is not None and pulse is not None:
            wake = partial(wake_trainer, run, pulse.holder.token)
            self._files.write(
                wake, lambda _: self._watcher.look(lambda: None), lambda error: self.error_occurred.emit(str(error))
            )

    def ask_to_end(self) -> None:
        """End the trainer by force, if a person means it."""
        self._ask("End the trainer by force?", "End it", lambda: None)

    def ask_to_revive(self) -> None:
        """End the trainer by force and go on from the last checkpoint, if a person means it."""
        question, go_on = "End the trainer by force, and continue from the last checkpoint?", self._go_on
        self._ask(question, "End it and continue", go_on)

    def _ask(self, question: str, verb: str, then: Callable[[], object]) -> None:
        run, pulse = self._open_run.run, self._pulse
        if run is not None and pulse is not None:
            about = f"Process {pulse.holder.pid} on {pulse.holder.host}. {LOST}"
            end = partial(self._end, run, pulse.holder.token, then)
            ask_question(self._window, "trainer", "End the trainer", question, about, verb, end)

    def _end(self, run: RunDirectory, token: str, then: Callable[[], object]) -> None:
        def ended(_: object) -> None:
            if self._open_run.run is not None and self._open_run.run.path == run.path:
                self._watcher.look(then)  # after which it is known to be gone

        self._files.write(partial(end_trainer, run, token), ended, lambda error: self.error_occurred.emit(str(error)))

    def _go_on(self) -> None:
        self._training.go_on({})


def _seconds(value: float) -> str:
    return duration_text(value) if value >= 10.0 else f"{value:.2g}{NO_BREAK}s"
