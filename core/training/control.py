"""How a training obeys ``control.json``: reads commands as they come, says when to go on, wait or stop.

A state machine without files of its own: it looks at the run directory's control file (one stat call when nothing
changed), applies live hyperparameters, and acknowledges every command with an event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

from core.runs.directory import Control, RunDirectory, RunError

Verdict = Literal["go", "wait", "stop"]

LIVE_NAMES = ("learning_rate", "beta", "gamma")


class Live(Protocol):
    """Hyperparameters that may change while a training runs."""

    learning_rate: float
    beta: float
    gamma: float


class Steering:
    """Follows the commands of one run.

    ``emit(event, **fields)`` records an event. A command that was there before the training started is an old one: its
    hyperparameters came along with the checkpoint, its state is not obeyed again.
    """

    def __init__(self, run: RunDirectory, live: Live, emit: Callable[..., None], *, ignore_present: bool) -> None:
        self._run, self._live, self._emit = run, live, emit
        self._stamp: int | None = None
        self._control: Control | None = None
        self._state: Literal["running", "paused", "stopped"] = "running"
        self._advance: Literal["none", "step", "epoch"] = "none"
        self.paused = False
        """Whether it has said that it waits."""
        if ignore_present:
            self._stamp = run.control_stamp()
            try:
                self._control = run.read_control()
            except RunError as error:
                emit("warning", message=str(error))

    def look(self) -> None:
        """Take over a new command, if there is one."""
        stamp = self._run.control_stamp()
        if stamp is None or stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            control = self._run.read_control()
        except RunError as error:
            self._emit("warning", message=str(error))
            return
        if control != self._control:
            self._control = control
            self._obey(control)

    def verdict(self) -> Verdict:
        """What to do before the next step."""
        if self._state == "stopped":
            return "stop"
        return "wait" if self._state == "paused" and self._advance == "none" else "go"

    def completed(self, what: Literal["step", "epoch"]) -> None:
        """A step, or an epoch with its validation, is done: the advance that asked for it has ended."""
        if self._advance == what:
            self._advance = "none"

    @property
    def single_step(self) -> bool:
        """Whether the paused training is only to make one step."""
        return self._state == "paused" and self._advance == "step"

    def _obey(self, control: Control) -> None:
        changed: dict[str, Any] = {}
        for name in LIVE_NAMES:
            value = getattr(control, name)
            if value is not None and value != getattr(self._live, name):
                setattr(self._live, name, value)
                changed[name] = value
        self._state = control.state
        self._advance = control.advance if control.state == "paused" else "none"
        self._emit("control", sequence=control.sequence, state=control.state, advance=control.advance)
        if changed:
            text = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in changed.items())
            present = {name: getattr(self._live, name) for name in LIVE_NAMES}
            self._emit("hyperparameters", sequence=control.sequence, message=text, changed=sorted(changed), **present)
