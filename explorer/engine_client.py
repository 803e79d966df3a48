"""The window's side of the engine process: sends requests, hands out replies, starts it again if it dies.

What follows a hand (the probe, the plane's cursor, a comparison) has at most one request of its kind on its way; while
it is, only the newest of the following ones is kept. So an image is never older than one answer, however fast the hand
moves. An engine that dies is started again and gets the open run and what
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
from core.protocol.framing import FrameReader, ProtocolError, frame
from core.protocol.messages import (
    AttributesMeasured,
    AttributesProgress,
    Cancel,
    CompareModels,
    ComparePaths,
    Decode,
    Decoded,
    DecodePath,
    EncodeFactors,
    Export,
    Exported,
    ExportProgress,
    FactorsEncoded,
    Failed,
    Inspect,
    Inspected,
    Load,
    Loaded,
    LoadSecond,
    LossesMeasured,
    MeasureAttributes,
    MeasureLosses,
    MeasureTransect,
    ModelsCompared,
    PathCompared,
    PathFrames,
    PathTraced,
    Reconstruct,
    Reconstructed,
    Reply,
    Request,
    SecondLoaded,
    Shutdown,
    TracePath,
    TransectMeasured,
)

REQUEST_OF: dict[type[Reply], type[Request]] = {
    Decoded: Decode,
    Inspected: Inspect,
    Reconstructed: Reconstruct,
    PathFrames: DecodePath,
    LossesMeasured: MeasureLosses,
    ExportProgress: Export,
    Exported: Export,
    Loaded: Load,
    FactorsEncoded: EncodeFactors,
    TransectMeasured: MeasureTransect,
    SecondLoaded: LoadSecond,
    ModelsCompared: CompareModels,
    PathTraced: TracePath,
    PathCompared: ComparePaths,
    AttributesProgress: MeasureAttributes,
    AttributesMeasured: MeasureAttributes,
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
        self._under_way: dict[type, int] = {}  # of each live kind, the stamp of the request that is on its way
        self._waiting: dict[type, Request] = {}
        self._loaded: Load | None = None
        self._other: LoadSecond | None = None
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
        self._reader, self._stderr = FrameReader("reply"), b""
        self._under_way.clear()
        self._waiting.clear()
        self._process = process
        process.start()
        self.started.emit()

    def send(self, kind: type, /, **fields: Any) -> int:
        """Send a request of type ``kind``; returns its stamp. It makes the replies to older ones of its type moot."""
        self._stamp += 1
        request: Request = kind(stamp=self._stamp, **fields)
        self._newest[kind] = self._stamp
        if isinstance(request, Load):
            if self._process is None and not self._stopping:
                self._deaths = []
                self.start(self._threads)  # it had died too often; a person opens a run to try again
            self._drop_questions()
        if isinstance(request, Cancel):
            self._forget(request.request)
        elif kind in REQUEST_OF.values():
            self._unanswered[kind] = request
        if request.follows_pointer:
            if kind in self._under_way:
                self._waiting[kind] = request
                return self._stamp
            self._under_way[kind] = self._stamp
        self._write(request)
        return self._stamp

    def _drop_questions(self) -> None:
        """Forget what was asked about the model before, as the engine does; the second model stays."""
        other = self._unanswered.get(LoadSecond)
        self._unanswered.clear()
        if other is not None:
            self._unanswered[LoadSecond] = other
        self._under_way.clear()
        self._waiting.clear()

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
        if isinstance(reply, SecondLoaded) and reply.stamp == self._newest.get(LoadSecond):
            self._other = LoadSecond(stamp=reply.stamp, path=reply.path) if reply.path else None
        if reply.final:
            self._forget(reply.stamp)
        kind = REQUEST_OF.get(type(reply))
        if kind is not None and kind.follows_pointer:
            if reply.stamp < self._newest_model(kind):
                return  # of the model before; an older point of this model is shown, the image follows the hand
        elif kind is not None and reply.stamp != self._newest.get(kind):
            return  # out of date: something newer was asked
        self.replied.emit(reply)

    def _newest_model(self, kind: type) -> int:
        """The stamp since when requests of ``kind`` are about the models that are wanted now."""
        other = self._newest.get(LoadSecond, 0) if kind is CompareModels else 0
        return max(self._newest.get(Load, 0), other)

    def _forget(self, stamp: int) -> None:
        """Request ``stamp`` is answered or cancelled; if a hand's was on its way, the next one goes."""
        for kind, request in list(self._unanswered.items()):
            if request.stamp == stamp:
                del self._unanswered[kind]
        for kind, request in list(self._waiting.items()):
            if request.stamp == stamp:
                del self._waiting[kind]
        for kind, under_way in list(self._under_way.items()):
            if under_way == stamp:
                del self._under_way[kind]
                waiting = self._waiting.pop(kind, None)
                if waiting is not None:
                    self._under_way[kind] = waiting.stamp
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
            self.replied.emit(Failed(stamp=export.stamp, message=message))

    def _restart(self) -> None:
        if self._stopping or self._process is not None:
            return
        load = self._unanswered.pop(Load, None) or self._loaded
        other = self._unanswered.pop(LoadSecond, None) or self._other
        asked = list(self._unanswered.values())
        if len(self._deaths) > 1:
            other, asked = None, []
        self._unanswered.clear()
        self.start(self._threads)
        for opened in (other, load):
            if opened is not None:
                self._newest[type(opened)] = opened.stamp
                asked.insert(0, opened)
        for request in asked:  # under the stamps that those who asked know
            self._unanswered[type(request)] = request
            if request.follows_pointer:
                self._under_way[type(request)] = request.stamp
            self._write(request)


def _environment(threads: int) -> QProcessEnvironment:
    environment = QProcessEnvironment.systemEnvironment()
    environment.insert("OMP_NUM_THREADS", str(threads))
    source = str(Path(core.__file__).resolve().parent.parent)
    earlier = environment.value("PYTHONPATH")
    environment.insert("PYTHONPATH", os.pathsep.join([source, earlier]) if earlier else source)
    return environment
