"""The window's side of the engine process: sends requests, hands out replies, starts it again if it dies.

At most one probe decode is on its way; while it is, only the newest of the following ones is kept. So an image is never
older than one decode, however fast the hand moves.
"""

from __future__ import annotations

import os
import sys
from time import monotonic
from typing import Any

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

from core.protocol import (
    Decode,
    Decoded,
    DecodePath,
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

REPLY_OF: dict[type, type] = {
    Decoded: Decode,
    Inspected: Inspect,
    Reconstructed: Reconstruct,
    PathFrames: DecodePath,
    Scored: Score,
    Loaded: Load,
}
"""Channels in which only the newest request's replies count."""
MAX_RESTARTS, RESTART_WINDOW_S = 3, 60.0
STOP_MS = 1000
STDERR_TAIL = 2000


class EngineClient(QObject):
    """Owns the engine process. ``replied`` gives every reply that is not out of date."""

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
        self._decoding = False
        self._waiting: Decode | None = None
        self._load: Load | None = None
        self._deaths: list[float] = []
        self._stderr = b""
        self._stopping = False

    @property
    def process_id(self) -> int:
        """The engine's process number; 0 while it does not run."""
        return int(self._process.processId()) if self._process is not None else 0

    def start(self, threads: int = 1) -> None:
        """Start the process; requests can be sent at once and are answered when it is ready."""
        self._threads, self._stopping = threads, False
        process = QProcess(self)
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONUNBUFFERED", "1")
        environment.insert("OMP_NUM_THREADS", str(threads))
        process.setProcessEnvironment(environment)
        process.setProgram(sys.executable)
        process.setArguments(["-m", "core.engine", "--threads", str(threads)])
        process.readyReadStandardOutput.connect(self._read)
        process.readyReadStandardError.connect(self._read_errors)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        self._reader, self._decoding, self._waiting, self._stderr = FrameReader("reply"), False, None, b""
        self._process = process
        process.start()
        self.started.emit()

    def send(self, kind: type, **fields: Any) -> int:
        """Send a request of type ``kind``; returns its stamp. It makes the replies to older ones of its type moot."""
        self._stamp += 1
        request: Request = kind(stamp=self._stamp, **fields)
        self._newest[kind] = self._stamp
        if self._process is None and isinstance(request, Load) and not self._stopping:
            self._deaths = []
            self.start(self._threads)  # it had died too often; a person opens a run to try again
        if isinstance(request, Load):
            self._load, self._decoding, self._waiting = request, False, None
        if isinstance(request, Decode):
            if self._decoding:
                self._waiting = request
                return self._stamp
            self._decoding = True
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

    def _read(self) -> None:
        if self._process is None:
            return
        try:
            replies = self._reader.feed(bytes(self._process.readAllStandardOutput().data()))
        except ProtocolError as error:
            self._stderr += f"\n{error}".encode()
            self._process.kill()
            return
        for reply in replies:
            self._deliver(reply)

    def _deliver(self, reply: Reply) -> None:
        failed_decode = isinstance(reply, Failed) and reply.request == "Decode"
        if isinstance(reply, Decoded) or failed_decode:
            self._decoding = False
            if self._waiting is not None:
                waiting, self._waiting, self._decoding = self._waiting, None, True
                self._write(waiting)
        channel = REPLY_OF.get(type(reply))
        if channel is not None and channel is not Decode and reply.stamp != self._newest.get(channel):
            return  # out of date: something newer was asked
        if isinstance(reply, Decoded) and self._load is not None and reply.stamp < self._load.stamp:
            return  # of the model before
        self.replied.emit(reply)

    def _read_errors(self) -> None:
        if self._process is not None:
            data = bytes(self._process.readAllStandardError().data())
            self._stderr = (self._stderr + data)[-STDERR_TAIL:]
            if os.environ.get("ISOLINE_ENGINE_LOG"):
                sys.stderr.write(data.decode(errors="replace"))

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart and self._process is not None:
            self.died.emit(f"The engine could not be started: {self._process.errorString()}.")

    def _on_finished(self, code: int, status: QProcess.ExitStatus) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.deleteLater()
        if self._stopping:
            return
        now = monotonic()
        self._deaths = [then for then in self._deaths if now - then < RESTART_WINDOW_S] + [now]
        how = "was killed" if status == QProcess.ExitStatus.CrashExit else f"ended with status {code}"
        why = self._stderr.decode(errors="replace").strip().splitlines()
        detail = f" ({why[-1]})" if why else ""
        if len(self._deaths) > MAX_RESTARTS:
            self.died.emit(f"The engine {how}{detail}, {len(self._deaths)} times in a minute. Open a run to try again.")
            return
        self.died.emit(f"The engine {how}{detail}. It has been started again.")
        QTimer.singleShot(0, self._restart)

    def _restart(self) -> None:
        if self._stopping or self._process is not None:
            return
        self.start(self._threads)
        if self._load is not None:
            self.send(Load, path=self._load.path)
