"""The window's side of the engine process: sends requests, hands each reply to whoever asked, starts the engine again
if it dies.

A request ends in exactly one of: its final reply, an error, superseded by a newer one, cancelled. Stamps, "newest wins"
and requests that an engine took to its grave are known here alone.

What follows the mouse (the probe, the plane's cursor, a comparison) is sent at once, so that the engine has the next
one when it has finished one. It finishes what it has begun, and of those that wait it begins the newest: an image is
never older than one answer, however fast the hand moves. That it has left others out shows in what it answers.

An engine that dies is started again with what was open in it, and is asked again what it had not answered. If it dies
again within a minute, an answer may be what kills it: what it had not answered then ends in an error, and the next
start waits a little.

Whether it lives is asked all the time (``Ping``), and a thread of its own answers, so that long work is not taken for
the end. One that has been stopped is replaced at once, one that neither answers nor works after some seconds. One that
works without answering, or takes long over one step, may be slow or never end: that is for a person to judge, who is
told of it and may restart the engine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from time import monotonic
from typing import Any, ClassVar

from msgspec import structs
from PySide6.QtCore import QObject, QProcess, QTimer, Signal

from core.protocol.messages import (
    Cancel,
    Failed,
    FrameReader,
    Load,
    Loaded,
    LoadSecond,
    Ping,
    Pong,
    ProtocolError,
    Ready,
    Reply,
    Request,
    SecondWeightsChanged,
    SetAttributes,
    Shutdown,
    WeightsChanged,
    frame,
    supersedes,
)
from core.protocol.python_channel import is_given
from core.utils.text import NO_BREAK, duration_text
from explorer.engine_process import engine_arguments, start_python
from explorer.weak_callback import ignore, weak_callback

MAX_RESTARTS, RESTART_WINDOW_S = 3, 60.0
RESTART_AFTER_S = (0.0, 1.0, 4.0)  # a start waits so long after the first death within that time, the second, the third
STOP_MS, KILL_MS = 700, 200  # the window closes within a second
BEAT_MS = 400
MISSED = 3  # beats without an answer: noticed within two seconds
DEAD_S = 5.0  # one that neither answers nor works for so long is replaced
STDERR_TAIL = 2000

OnReply = Callable[[Any], object]
OnError = Callable[[str], object]


class Outcome(StrEnum):
    """How a request ended."""

    ANSWERED = "final reply"
    FAILED = "error"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


class PendingRequest:
    """A request and what becomes of it; ``outcome`` is None until it has ended."""

    def __init__(
        self, client: EngineClient, message: Request, on_reply: OnReply | None, on_error: OnError | None
    ) -> None:
        self._client = client
        self.message = message
        self.on_reply, self.on_error = weak_callback(on_reply), weak_callback(on_error)
        self.sent = False
        self.outcome: Outcome | None = None

    @property
    def done(self) -> bool:
        """Whether neither a reply nor an error follows. True within ``on_reply`` if the reply was the last one."""
        return self.outcome is not None

    def cancel(self) -> None:
        """Have no replies any more; nothing if it has ended."""
        self._client.cancel(self)


class EngineClient(QObject):
    """Owns the engine process. ``error_occurred`` gives every error to a person, those of requests among them.

    Another process that speaks the protocol has a client derived from this one: ``NAME`` is what a person reads of it,
    ``AGAIN`` how to start it once it has been given up, ``REMEDY`` what to do if it hangs.
    """

    NAME: ClassVar[str] = "engine"
    AGAIN: ClassVar[str] = "Open a run to try again."
    REMEDY: ClassVar[str] = "restart it"
    SLOW_S: ClassVar[float] = 2.0
    """A step of so long is told of, if no other took so long; one of ``SLOWEST_S`` always."""
    SLOWEST_S: ClassVar[float] = 10.0

    ready = Signal(str)
    """The engine has started; on which device it computes."""
    loaded = Signal(object)
    """``Loaded``: a run is open in the engine, perhaps again, for the engine had to be started anew."""
    weights_changed = Signal()
    second_weights_changed = Signal()
    error_occurred = Signal(str)
    error_resolved = Signal(str)
    """What an earlier error said is over: the same was answered, or failed anew, or the process is well."""
    stalled = Signal(str)
    """The process does not answer, or has been at one step for long, and ``restart`` may help; ``error_resolved`` gives
    the same text once that is over."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None
        self._reader = FrameReader("reply")
        self._threads = 1
        self._stamp = 0
        self._pending: dict[int, PendingRequest] = {}  # by stamp, the oldest first
        self._errors: dict[object, str] = {}  # the newest of each kind of request; of the process itself under None
        self._opened: dict[type[Request], Request] = {}  # answered requests that made the engine what it is
        self._given_up = False
        self._stopping = False
        self._flushing = False
        self._deaths: list[float] = []
        self._stderr = b""
        self._ended_for = ""  # why the process that ends was ended by us
        self._restarted = False  # a person wanted that
        self._stall = ""  # what was told of the process
        self._ready = False  # one that still starts may take long over an import
        self._missed = 0  # beats since the last answer; 0: it has answered
        self._step = Pong(seconds=0.0)  # what it was at by its newest answer
        self._longest_step = 0.0  # seconds, of those that have ended
        self._late = False  # by its newest answer, it was at one step for long
        self._vital: _Vital | None = None
        self._heart = QTimer(self, interval=BEAT_MS)
        self._heart.timeout.connect(self._beat)

    @property
    def running(self) -> bool:
        """Whether there is an engine to ask."""
        return self._process is not None

    @property
    def given_up(self) -> bool:
        """Whether it has died so often that it is not started again by itself."""
        return self._given_up

    @property
    def process_id(self) -> int:
        """The engine's process number; 0 while it does not run."""
        return int(self._process.processId()) if self._process is not None else 0

    @property
    def last_stamp(self) -> int:
        """The stamp of the newest request."""
        return self._stamp

    # requests

    def request(
        self, message: Request, on_reply: OnReply | None = None, on_error: OnError | None = None
    ) -> PendingRequest:
        """Send ``message``; ``on_reply`` gets each reply to it, or ``on_error`` the reason once if it fails.

        A newer request of its type and channel supersedes it: it then gets neither a reply nor an error, so whoever
        asks again forgets what was for the older one. One that follows the pointer and has begun is answered all the
        same, before the newer one. Methods (also in a ``functools.partial``) are held weakly, and not called once their
        object is gone.
        """
        self._stamp += 1
        message = structs.replace(message, stamp=self._stamp)
        pending = PendingRequest(self, message, on_reply, on_error)
        for other in list(self._pending.values()):
            if supersedes(message, other.message) and not (message.follows_pointer and other.sent):
                self._end(other, Outcome.SUPERSEDED)
        self._pending[self._stamp] = pending
        if self._given_up and isinstance(message, Load):
            self._deaths = []
            self.start(self._threads)  # sends what is pending
        elif self._given_up or self._stopping:
            QTimer.singleShot(0, self, self._refuse)
        else:
            self._send(pending)
        return pending

    def cancel(self, pending: PendingRequest) -> None:
        """End ``pending`` without an answer, here and in the engine; nothing if it has ended."""
        if pending.done:
            return
        if pending.sent:
            self._stamp += 1
            self._write(Cancel(stamp=self._stamp, request=pending.message.stamp))
        self._end_older(pending)
        self._end(pending, Outcome.CANCELLED)

    def _send(self, pending: PendingRequest) -> None:
        """Send it now, or when the engine starts."""
        if not self.running:
            return
        pending.sent = True
        try:
            self._write(pending.message)
        except ProtocolError as error:
            self._fail(pending, str(error))

    def _write(self, message: Request) -> None:
        data = frame(message)
        if self._process is not None:
            self._process.write(data)
            # QProcess would write only after the event loop has painted what the same click changed: send at once, so
            # that the engine works meanwhile. What this finds out about the engine waits for the event loop as ever.
            self._flushing = True
            self._process.waitForBytesWritten(0)
            self._flushing = False

    def _end(self, pending: PendingRequest, outcome: Outcome) -> None:
        """Forget a request."""
        del self._pending[pending.message.stamp]
        pending.outcome = outcome
        if outcome in (Outcome.SUPERSEDED, Outcome.CANCELLED):
            pending.on_reply = pending.on_error = ignore  # and what they hold

    def _end_older(self, newer: PendingRequest) -> None:
        """What was sent before ``newer`` and is of its kind has been left out."""
        for other in list(self._pending.values()):
            older = other.message.stamp < newer.message.stamp
            if older and newer.message.follows_pointer and supersedes(newer.message, other.message):
                self._end(other, Outcome.SUPERSEDED)

    def _fail(self, pending: PendingRequest, text: str) -> None:
        self._end(pending, Outcome.FAILED)
        pending.on_error(text)

    def _refuse(self) -> None:
        """End what was asked of an engine that does not run."""
        for pending in list(self._pending.values()):
            if self._stopping:
                self._end(pending, Outcome.CANCELLED)
            elif self._given_up and not pending.done:
                text = f"The {self.NAME} is not running. {self.AGAIN}"
                self._fail(pending, text)
                self._tell(text)

    def _tell(self, text: str, about: Request | None = None) -> None:
        """Give an error to a person, in place of the last one of its kind: one of the process, or that of a request."""
        self._resolve(about)
        self._errors[_kind(about)] = text
        self.error_occurred.emit(text)

    def _resolve(self, about: Request | None = None) -> None:
        """The last error of this kind is over."""
        text = self._errors.pop(_kind(about), None)
        if text is not None:
            self.error_resolved.emit(text)

    # replies

    def _read(self) -> None:
        if self._process is None:
            return
        if self._flushing:
            QTimer.singleShot(0, self, self._read)
            return
        try:
            replies = self._reader.feed(bytes(self._process.readAllStandardOutput().data()))
        except ProtocolError as error:  # the engine and this window are not of one version, or its memory is broken
            self._end_process(f"sent what is no message ({error})")
            return
        for reply in replies:
            self._deliver(reply)

    def _deliver(self, reply: Reply) -> None:
        if isinstance(reply, Pong):
            self._on_pong(reply)
            return
        pending = self._pending.get(reply.stamp)
        if pending is not None:
            self._end_older(pending)
        if isinstance(reply, Failed):
            if pending is not None:
                self._fail(pending, reply.message)
            if pending is not None or not reply.stamp:
                self._tell(reply.message, None if pending is None else pending.message)
        elif pending is not None:
            if reply.final:
                self._end(pending, Outcome.ANSWERED)
                self._resolve(pending.message)
                if isinstance(pending.message, (Load, LoadSecond, SetAttributes)):
                    self._opened[type(pending.message)] = pending.message
            if isinstance(reply, Loaded):
                self._resolve()
                self.loaded.emit(reply)
            pending.on_reply(reply)
        elif isinstance(reply, Ready):
            self._ready = True
            self.ready.emit(reply.device)
        elif isinstance(reply, WeightsChanged):
            self._resolve()
            self.weights_changed.emit()
        elif isinstance(reply, SecondWeightsChanged):
            self.second_weights_changed.emit()

    # the process

    def start(self, threads: int = 1) -> None:
        """Start the process; what is asked from now on is answered when it is ready."""
        self.attach(start_python(self._arguments(threads), threads), threads)

    def attach(self, process: QProcess, threads: int) -> None:
        """Serve with a process that ``start_python`` has just started, with so many ``threads``."""
        self._threads, self._stopping, self._given_up = threads, False, False
        process.setParent(self)
        process.readyReadStandardOutput.connect(self._read)
        process.readyReadStandardError.connect(self._read_errors)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        self._reader, self._stderr = FrameReader("reply"), b""
        self._ended_for, self._restarted = "", False
        self._ready, self._missed, self._vital = False, 0, None
        self._step, self._longest_step, self._late = Pong(seconds=0.0), 0.0, False
        self._process = process
        self._heart.start()
        if process.error() == QProcess.ProcessError.FailedToStart:  # before anybody listened
            self._on_error(process.error())
        for pending in list(self._pending.values()):
            self._send(pending)

    def _arguments(self, threads: int) -> list[str]:
        """Python's arguments that start the process."""
        return engine_arguments(threads)

    def ask_to_stop(self) -> None:
        """Ask the process politely to end; ``stop`` follows. Nothing that was asked of it is answered any more."""
        if self._stopping:
            return
        self._stopping = True
        self._heart.stop()
        self._refuse()
        process = self._process
        if process is not None:
            process.finished.disconnect(self._on_finished)
            process.errorOccurred.disconnect(self._on_error)
            if process.state() != QProcess.ProcessState.NotRunning:
                process.write(frame(Shutdown()))
                process.closeWriteChannel()

    def stop(self, patience_ms: int = STOP_MS) -> None:
        """End the process: politely, then by force after ``patience_ms``. Returns when it is gone, or soon after."""
        self.ask_to_stop()
        process, self._process = self._process, None
        if process is None:
            return
        if process.state() != QProcess.ProcessState.NotRunning and (
            self._missed > 1 or not process.waitForFinished(patience_ms)
        ):
            process.kill()
            process.waitForFinished(KILL_MS)
        process.deleteLater()

    def restart(self) -> None:
        """Start another process now, with the same run; one that runs is ended, and what it is at is not asked again.

        Nothing if it is being stopped.
        """
        if self._process is not None and not self._stopping:
            self._restarted = True
            self._end_process("was restarted")
        elif not self._stopping:
            self._deaths = []
            self._restart()

    def _end_process(self, reason: str) -> None:
        """Kill it; ``reason`` goes on after its name."""
        if self._process is not None and not self._ended_for:
            self._ended_for = reason
            self._process.kill()

    # whether it lives

    def _beat(self) -> None:
        """Ask whether it lives; look at the process if it has not answered for some beats.

        Beats are counted, not seconds: a window that was itself held up blames nobody.
        """
        if self._process is None or self._ended_for or self._process.state() != QProcess.ProcessState.Running:
            return
        if self._missed == 0:
            self._missed = 1
            self._stamp += 1
            self._write(Ping(stamp=self._stamp))
            return
        self._missed += 1
        if self._missed > MISSED:
            self._examine()

    def _examine(self) -> None:
        """It does not answer: because it was stopped, does nothing any more, or is too busy?"""
        if self._vital is None:
            self._vital = _Vital(self.process_id)
        stopped, idle_s = self._vital.look()
        if stopped:
            self._end_process("had been stopped")
        elif idle_s > DEAD_S:
            self._end_process(f"neither answered nor worked for {duration_text(idle_s)}")
        elif self._ready:
            self._tell_stall(f"The {self.NAME} does not answer. It may be busy; if that lasts, {self.REMEDY}.")

    def _on_pong(self, pong: Pong) -> None:
        self._missed, self._vital = 0, None
        if pong.request != self._step.request or pong.seconds < self._step.seconds:
            self._longest_step = max(self._longest_step, self._step.seconds)
        self._step = pong
        late = pong.seconds >= min(max(self.SLOW_S, 2.0 * self._longest_step), self.SLOWEST_S) - 2 * BEAT_MS / 1000
        tell, self._late = late and self._late, late  # by two in a row: both processes may have been stopped together
        if not late:
            self._resolve_stall()
        elif tell:
            self._tell_stall(self._step_text(f"for about {duration_text(pong.seconds)} so far"))

    def _step_text(self, took: str) -> str:
        """What to say of a step that takes long."""
        if is_given():
            text = f"A function of the Python program has been at work {took}. Should it never return, restart the"
            return f"{text} {self.NAME}; the call itself goes on in the program."
        return f"The {self.NAME} has been at one step {took}. Should it never end, {self.REMEDY}."

    def _tell_stall(self, text: str) -> None:
        if not self._stall:
            self._stall = text
            self.stalled.emit(text)

    def _resolve_stall(self) -> None:
        stall, self._stall = self._stall, ""
        if stall:
            self.error_resolved.emit(stall)

    def _read_errors(self) -> None:
        if self._process is not None:
            data = bytes(self._process.readAllStandardError().data())
            self._stderr = (self._stderr + data)[-STDERR_TAIL:]
            if os.environ.get("ISOLINE_ENGINE_LOG"):
                sys.stderr.write(data.decode(errors="replace"))

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if self._flushing:
            QTimer.singleShot(0, self, partial(self._on_error, error))
            return
        if error == QProcess.ProcessError.FailedToStart and self._process is not None:
            reason = self._process.errorString()
            self._lose(f"The {self.NAME} could not be started: {reason}. Check {sys.executable}. {self.AGAIN}", True)

    def _on_finished(self, code: int, status: QProcess.ExitStatus) -> None:
        if self._flushing:
            QTimer.singleShot(0, self, partial(self._on_finished, code, status))
            return
        self._read_errors()
        if self._stopping:
            return
        if self._restarted:
            self._lose(f"The {self.NAME} was restarted.", False)
            return
        now = monotonic()
        self._deaths = [then for then in self._deaths if now - then < RESTART_WINDOW_S] + [now]
        how = "was killed" if status == QProcess.ExitStatus.CrashExit else f"ended with status {code}"
        why = self._stderr.decode(errors="replace").strip().splitlines()
        if self._ended_for:
            how, why = self._ended_for, []
        what = f"The {self.NAME} {how} ({why[-1]})" if why else f"The {self.NAME} {how}"
        if len(self._deaths) > MAX_RESTARTS:
            self._lose(f"{what}, {len(self._deaths)} times in a minute. {self.AGAIN}", True)
        elif wait := self._wait_s:
            self._lose(f"{what}. It starts again in {wait:g}{NO_BREAK}s.", False)
        else:
            self._lose(f"{what}. It has been started again.", False)

    @property
    def _wait_s(self) -> float:
        """How long the next start waits."""
        return 0.0 if self._restarted else RESTART_AFTER_S[min(len(self._deaths), len(RESTART_AFTER_S)) - 1]

    def _lose(self, text: str, give_up: bool) -> None:
        """The process is gone: say so, end what it took with it, and ask the next one what can be asked again."""
        process, self._process = self._process, None
        if process is not None:
            process.deleteLater()
        self._heart.stop()
        self._resolve_stall()
        self._given_up = give_up
        blamed = self._step.request if self._restarted else 0
        for pending in list(self._pending.values()):
            self._end_older(pending)
        lost = []
        for pending in list(self._pending.values()):
            message = pending.message
            pending.sent = False
            again = isinstance(message, (Load, SetAttributes)) or (
                message.repeatable and (self._restarted or len(self._deaths) == 1) and message.stamp != blamed
            )
            if give_up or not again:
                if isinstance(message, Load):
                    self._opened[Load] = message  # what is opened if a person has it started again
                lost.append(pending)
                self._end(pending, Outcome.FAILED)
        if lost and not give_up:
            text += " The request in progress was lost."
        for pending in lost:
            pending.on_error(text)
        self._tell(text)
        if not give_up:
            QTimer.singleShot(round(1000 * self._wait_s), self, self._restart)

    def _restart(self) -> None:
        if self._stopping or self._process is not None:
            return
        asked, self._pending = self._pending, {}
        wanted = [pending.message for pending in asked.values()]
        load = self._opened.get(Load)
        for message in sorted(self._opened.values(), key=lambda message: message.stamp):
            # Attributes belong to the run that was open when they were set.
            stale = isinstance(message, SetAttributes) and (load is None or message.stamp < load.stamp)
            if not stale and not any(supersedes(newer, message) for newer in wanted):
                self._pending[message.stamp] = PendingRequest(self, message, None, None)
        self._pending.update(asked)
        self.start(self._threads)


class _Vital:
    """A process seen from outside: whether it was stopped, and since when it has not worked."""

    def __init__(self, pid: int) -> None:
        import psutil  # here: a window whose engine answers has no use for it

        self._seconds, self._idle_beats = -1.0, 0
        try:
            self._process = psutil.Process(pid)
        except psutil.NoSuchProcess:  # it has just ended, and QProcess will say so
            self._process = None

    def look(self) -> tuple[bool, float]:
        """Whether it has been stopped; for how many seconds, a beat each look, it has neither computed nor waited for a
        disk."""
        import psutil

        if self._process is None:
            return False, 0.0
        try:
            status, times = self._process.status(), self._process.cpu_times()
        except psutil.Error:  # it has just ended
            return False, 0.0
        seconds = times.user + times.system
        if seconds != self._seconds or status in (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP):
            self._seconds, self._idle_beats = seconds, 0
        else:
            self._idle_beats += 1
        stopped = status in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
        return stopped, self._idle_beats * BEAT_MS / 1000


def _kind(message: Request | None) -> object:
    """What has one newest error at a time."""
    return None if message is None else (type(message), message.channel)
