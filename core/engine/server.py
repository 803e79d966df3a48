"""The engine process: holds the loaded model, perhaps a second to compare it with, and answers the window's requests.

    python -m core.engine --threads 1

A reader thread takes requests from standard input; the newest of each channel replaces an older one that has not been
answered or, of those that follow the pointer, not begun. It answers ``Ping`` by itself, from before torch is imported,
so that the window can tell an engine that works from one that hangs. The main thread serves the probe first and does
long work (paths, exports, losses) in slices between, so a decode never waits for more than one slice; what cannot be
sliced is worked out in threads. Standard output belongs to the protocol alone: whatever else is printed goes to
standard error. The process ends when its input does, so it never outlives the window.
"""

from __future__ import annotations

import argparse
import gc
import queue
import signal
import sys
import traceback
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from msgspec import structs

from core.engine.torch_import import postpone_descriptions
from core.protocol.messages import (
    Cancel,
    Done,
    Failed,
    ProtocolError,
    Ready,
    Reply,
    Request,
    Shutdown,
    supersedes,
)
from core.protocol.serving import Incoming, Send, StepClock, start_reading, take_standard_output
from core.utils.memory import share_arenas
from core.utils.process_priority import lower_priority
from core.utils.untrusted import refusal

if TYPE_CHECKING:
    from core.engine.context import Job

IDLE_S = 0.1  # between looks at the run while there is nothing to do
WAIT_S = 0.01  # while a job waits for something outside, such as a dataset being read
NICENESS = 5  # the window goes first: what it paints is what a person sees
SWITCH_S = 0.0005  # how soon a thread that wants the interpreter gets it: decoding must not stumble over a reader


@dataclass(eq=False)
class _Running:
    """A request that is being handled: ``begun`` once worked on, ``answered`` once its final reply is sent."""

    request: Request
    priority: int
    job: Job | None = None
    begun: bool = False
    answered: bool = False


class Engine:
    """Requests in, replies out. ``send`` takes each reply; ``clock`` is told of each step."""

    def __init__(self, send: Send, clock: StepClock | None = None) -> None:
        # Both import torch: only now, after standard output is safe.
        from core.engine.context import HANDLERS, EngineContext

        import_module("core.engine.handlers")
        self._handlers, self.context, self._send = HANDLERS, EngineContext(), send
        self._clock = StepClock() if clock is None else clock
        self._running: list[_Running] = []  # the most urgent first

    def accept(self, request: Request) -> None:
        """Take a request: it replaces the unfinished ones that it supersedes."""
        for running in list(self._running):
            if isinstance(request, Cancel):
                dropped = running.request.stamp == request.request
            else:
                dropped = supersedes(request, running.request) and not (request.follows_pointer and running.begun)
            if dropped:
                self._drop(running)
        if type(request) in self._handlers:
            priority, handler = self._handlers[type(request)]
            running = _Running(request, priority)
            running.job = handler(request, self.context, partial(self._reply, running))
            self._running.append(running)
            self._running.sort(key=lambda running: running.priority)

    def _drop(self, running: _Running) -> None:
        self._running.remove(running)
        if running.job is not None:
            running.job.close()  # runs the handler's own clean-up

    def _reply(self, running: _Running, reply: Reply) -> None:
        running.answered = reply.final
        self._send(structs.replace(reply, stamp=running.request.stamp))

    @property
    def busy(self) -> bool:
        """Whether any request is unanswered, or something is worth computing before it is asked for."""
        return bool(self._running) or self.context.has_idle_work

    def advance(self) -> bool:
        """Do one slice of the most urgent work that can go on; False if all of it waits for something."""
        for running in list(self._running):
            if self._waits(running):
                continue
            running.begun = True
            self._clock.begin(running.request.stamp)
            try:
                moved = running.job is not None and next(running.job)
            except StopIteration:
                self._running.remove(running)
                if not running.answered:
                    self._reply(running, Done())
                return True
            except Exception as error:
                self._running.remove(running)
                self._fail(running, error)
                return True
            if moved:
                return True
        self._clock.begin()
        return self.context.do_idle_work()

    def _waits(self, running: _Running) -> bool:
        """Whether an older one of its kind has begun and is to be finished first."""
        return not running.begun and any(
            other.begun and supersedes(running.request, other.request) for other in self._running
        )

    def poll_weights(self) -> None:
        """Take over newer weights if a run has written some."""
        self.context.poll_weights(self._send)

    def refuse(self, error: ProtocolError) -> None:
        """Say that a message could not be read."""
        self._send(Failed(message=f"The engine received a message that it cannot read: {error}"))

    def close(self) -> None:
        """Leave nothing half-written behind."""
        for running in list(self._running):
            self._drop(running)
        self.context.close()

    def _fail(self, running: _Running, error: Exception) -> None:
        """An error of our own classes is an answer, its message says all; any other is a fault of the engine."""
        text = refusal(error) or str(error)
        if not isinstance(error, OSError) and not type(error).__module__.startswith("core."):
            traceback.print_exception(error)
            text = f"{type(error).__name__}: {text}" if text else type(error).__name__
        if not running.answered:
            self._reply(running, Failed(message=text))


def serve(inbox: queue.SimpleQueue[Incoming], send: Send, clock: StepClock) -> None:
    """Answer requests until the stream ends or ``Shutdown`` comes."""
    engine = Engine(send, clock)
    try:
        _answer(engine, inbox, clock)
    finally:
        engine.close()


def _answer(engine: Engine, inbox: queue.SimpleQueue[Incoming], clock: StepClock) -> None:
    moved = True
    while True:
        try:
            wait = 0.0 if engine.busy and moved else (WAIT_S if engine.busy else IDLE_S)
            if wait:
                clock.rest()
            incoming = inbox.get(timeout=wait) if wait else inbox.get_nowait()
            while True:  # take all that has come before working: only the newest of each kind is done
                if incoming is None or isinstance(incoming, Shutdown):
                    return
                clock.begin(0 if isinstance(incoming, ProtocolError) else incoming.stamp)
                if isinstance(incoming, ProtocolError):
                    engine.refuse(incoming)
                else:
                    engine.accept(incoming)
                incoming = inbox.get_nowait()
        except queue.Empty:
            moved = engine.advance()
            clock.begin()
            engine.poll_weights()


def main(argv: list[str] | None = None) -> int:
    """Entry point of the process."""
    parser = argparse.ArgumentParser(prog="core.engine", description="Isoline's engine process; started by the window.")
    parser.add_argument("--threads", type=int, default=1, help="number of compute threads")
    options = parser.parse_args(argv)
    lower_priority(NICENESS, answers=True)
    share_arenas()  # each value is computed in a thread of its own
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in the terminal is meant for the window, which then ends this
    send, inbox, clock = take_standard_output(), queue.SimpleQueue[Incoming](), StepClock()
    start_reading(inbox, send, clock)
    gc.disable()  # nothing of what torch imports is garbage, and looking for some takes a tenth of the time
    postpone_descriptions()
    import torch

    torch.set_num_threads(max(1, options.threads))
    sys.setswitchinterval(SWITCH_S)
    from core.models.device import resolve_device

    send(Ready(device=resolve_device("auto"), torch_version=str(torch.__version__)))
    import_module("core.engine.handlers")
    gc.freeze()  # all that stays: it is not looked through again
    gc.enable()
    serve(inbox, send, clock)
    return 0
