"""The window's side of the engine process: sends requests, hands out replies, starts it again if it dies.

At most one probe decode is on its way; while it is, only the newest of the following ones is kept. So an image is never
older than one decode, however fast the hand moves. An engine that dies is started again and gets the open run and what
it had not answered; if it dies again within a minute, it gets the run alone, for an answer may be what kills it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from time import monotonic
from typing import Any

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

import core
from core.protocol import (
    Cancel,
    Decode,
    Decoded,
    DecodePath,
    Export,
    Exported,
    ExportProgress,
    Failed,
    FrameReader,
    Inspect,
    Inspected,
    Load,
    Loaded,
    PathFrames,
    ProtocolError,
    Reconstruct,
    Reconstructed,
    Reply,
    Request,
    Score,
    Scored,
    Shutdown,
    frame,
)

REQUEST_OF: dict[type, type] = {
    Decoded: Decode,
    Inspected: Inspect,
    Reconstructed: Reconstruct,
    PathFrames: DecodePath,
    Scored: Score,
    ExportProgress: Export,
    Exported: Export,
    Loaded: Load,
}
"""Channels: a newer request of one makes the answers to older ones moot."""
MAX_RESTARTS, RESTART_WINDOW_S = 3, 60.0
STOP_MS = 1000
STDERR_TAIL = 2000


class EngineClient(QObject):
    """Owns the engine process. ``replied`` gives every reply that is not out of date, and every ``Failed``."""

    replied = Signal(object)
    died = Signal(str)
    started = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None
        self._reader = FrameReader("reply")
        self._threads = 1
        self._stamp = 0
        self._newest: dict[type, int] = {}
        self._unanswered: dict[type, Request] = {}
        self._decoding = 0  # stamp of the decode that is on its way; 0: none
        self._waiting: Decode | None = None
        self._loaded: Load | None = None
        self._deaths: list[float] = []
        self._stderr = b""
        self._stopping = False

    @property
    def process_id(self) -> int:
        """The engine's process number; 0 while it does not run."""
        return int(self._process.processId()) if self._process is not None else 0

    @property
    def last_stamp(self) -> int:
        """The stamp of the newest request."""
        return self._stamp

    def start(self, threads: int = 1) -> None:
        """Start the process; requests can be sent at once and are answered when it is ready."""
        self._threads, self._stopping = threads, False
        process = QProcess(self)
        process.setProcessEnvironment(_environment(threads))
        process.setProgram(sys.executable)
        # -P: a folder named core where the program was started must not be taken for Isoline's.
        process.setArguments(["-P", "-m", "core.engine", "--threads", str(threads)])
        process.readyReadStandardOutput.connect(self._read)
        process.readyReadStandardError.connect(self._read_errors)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        self._reader, self._decoding, self._waiting, self._stderr = FrameReader("reply"), 0, None, b""
        self._process = process
        process.start()
        self.started.emit()

    def send(self, kind: type, **fields: Any) -> int:
        """Send a request of type ``kind``; returns its stamp. It makes the replies to older ones of its type moot."""
        self._stamp += 1
        request: Request = kind(stamp=self._stamp, **fields)
        self._newest[kind] = self._stamp
        if isinstance(request, Load):
            if self._process is None and not self._stopping:
                self._deaths = []
                self.start(self._threads)  # it had died too often; a person opens a run to try again
            self._unanswered.clear()  # the engine drops what was asked about the model before
            self._decoding, self._waiting = 0, None
        if isinstance(request, Cancel):
            self._forget(request.request)
        elif kind in REQUEST_OF.values():
            self._unanswered[kind] = request
        if isinstance(request, Decode):
            if self._decoding:
                self._waiting = request
                return self._stamp
            self._decoding = self._stamp
        self._write(request)
        return self._stamp

    def stop(self) -> None:
        """End the process: politely, then by force. Returns when it is gone."""
        self._stopping = True
        process, self._process = self._process, None
        if process is None:
            return
        process.finished.disconnect(self._on_finished)
        process.errorOccurred.disconnect(self._on_error)
        if process.state() != QProcess.ProcessState.NotRunning:
            process.write(frame(Shutdown()))
            process.closeWriteChannel()
            if not process.waitForFinished(STOP_MS):
                process.kill()
                process.waitForFinished(STOP_MS)
        process.deleteLater()

    def _write(self, request: Request) -> None:
        if self._process is not None:
            self._process.write(frame(request))

    # replies

    def _read(self) -> None:
        if self._process is None:
            return
        try:
            replies = self._reader.feed(bytes(self._process.readAllStandardOutput().data()))
        except ProtocolError as error:  # the engine and this window are not of one version, or its memory is broken
            self._stderr += f"\n{error}".encode()
            self._process.kill()
            return
        for reply in replies:
            self._deliver(reply)

    def _deliver(self, reply: Reply) -> None:
        if isinstance(reply, Loaded) and reply.stamp == self._newest.get(Load):
            self._loaded = Load(stamp=reply.stamp, path=reply.path)
        if _final(reply):
            self._forget(reply.stamp)
        kind = REQUEST_OF.get(type(reply))
        if kind is Decode:
            if reply.stamp < self._newest.get(Load, 0):
                return  # of the model before; an older point of this model is shown, the image follows the hand
        elif kind is not None and reply.stamp != self._newest.get(kind):
            return  # out of date: something newer was asked
        self.replied.emit(reply)

    def _forget(self, stamp: int) -> None:
        """Request ``stamp`` is answered or cancelled; if it was the probe's, the next one goes on its way."""
        for kind, request in list(self._unanswered.items()):
            if request.stamp == stamp:
                del self._unanswered[kind]
        if self._waiting is not None and self._waiting.stamp == stamp:
            self._waiting = None
        if stamp and stamp == self._decoding:
            waiting, self._waiting = self._waiting, None
            self._decoding = 0 if waiting is None else waiting.stamp
            if waiting is not None:
                self._write(waiting)

    # the process

    def _read_errors(self) -> None:
        if self._process is not None:
            data = bytes(self._process.readAllStandardError().data())
            self._stderr = (self._stderr + data)[-STDERR_TAIL:]
            if os.environ.get("ISOLINE_ENGINE_LOG"):
                sys.stderr.write(data.decode(errors="replace"))

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart and self._process is not None:
            process, self._process = self._process, None
            process.deleteLater()
            self.died.emit(
                f"The engine could not be started: {process.errorString()}. Check {sys.executable}, then open a run."
            )

    def _on_finished(self, code: int, status: QProcess.ExitStatus) -> None:
        self._read_errors()
        process, self._process = self._process, None
        if process is not None:
            process.deleteLater()
        if self._stopping:
            return
        now = monotonic()
        self._deaths = [then for then in self._deaths if now - then < RESTART_WINDOW_S] + [now]
        how = "was killed" if status == QProcess.ExitStatus.CrashExit else f"ended with status {code}"
        why = self._stderr.decode(errors="replace").strip().splitlines()
        what = f"The engine {how} ({why[-1]})" if why else f"The engine {how}"
        self._fail_export(what)
        if len(self._deaths) > MAX_RESTARTS:
            self.died.emit(f"{what}, {len(self._deaths)} times in a minute. Open a run to try again.")
            return
        self.died.emit(f"{what}. It has been started again.")
        QTimer.singleShot(0, self, self._restart)

    def _fail_export(self, what: str) -> None:
        """A half-written file is not begun again unasked; whoever waits for it is told."""
        export = self._unanswered.pop(Export, None)
        if export is not None:
            message = f"{what}; the export was not finished. Export again."
            self.replied.emit(Failed(stamp=export.stamp, request="Export", message=message))

    def _restart(self) -> None:
        if self._stopping or self._process is not None:
            return
        load = self._unanswered.pop(Load, None) or self._loaded
        asked = [] if len(self._deaths) > 1 else list(self._unanswered.values())
        self._unanswered.clear()
        self.start(self._threads)
        if load is not None:
            self._newest[Load] = load.stamp
            asked.insert(0, load)
        for request in asked:  # under the stamps that those who asked know
            self._unanswered[type(request)] = request
            if isinstance(request, Decode):
                self._decoding = request.stamp
            self._write(request)


def _environment(threads: int) -> QProcessEnvironment:
    environment = QProcessEnvironment.systemEnvironment()
    environment.insert("OMP_NUM_THREADS", str(threads))
    source = str(Path(core.__file__).resolve().parent.parent)
    earlier = environment.value("PYTHONPATH")
    environment.insert("PYTHONPATH", os.pathsep.join([source, earlier]) if earlier else source)
    return environment


def _final(reply: Reply) -> bool:
    """Whether no more replies follow to the same request."""
    if isinstance(reply, PathFrames):
        return reply.start + len(reply.images) >= reply.total
    if isinstance(reply, Scored):
        return reply.start + len(reply.excess_bce) >= reply.total
    return not isinstance(reply, ExportProgress)
