"""The engine process: holds the loaded model and answers the window's requests.

    python -m core.engine --threads 1

A reader thread takes requests from standard input; the newest of each channel replaces an older one that has not been
answered. The main thread serves the probe first and does long work (paths, exports, losses) in slices between, so a
decode never waits for more than one slice. Standard output belongs to the protocol alone: whatever else is printed
goes to standard error. The process ends when its input does, so it never outlives the window.
"""

from __future__ import annotations

import argparse
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Generator
from typing import BinaryIO

from core.protocol import (
    Cancel,
    Decode,
    DecodePath,
    Export,
    Failed,
    Follow,
    FrameReader,
    Inspect,
    Load,
    ProtocolError,
    Ready,
    Reconstruct,
    Reply,
    Request,
    Score,
    Shutdown,
    frame,
)

# Which waiting request is served first.
PRIORITY: tuple[type, ...] = (Load, Decode, Inspect, DecodePath, Reconstruct, Export, Score)
RELOAD_POLL_S = 0.2
WAIT_S = 0.01  # while a job waits for something outside, such as a dataset being read


class Engine:
    """Requests in, replies out. ``send`` takes each reply."""

    def __init__(self, send: Callable[[Reply], None]) -> None:
        from core.engine_jobs import Jobs  # imports torch: only now, after standard output is safe

        self._send = send
        self._jobs = Jobs(send)
        self._running: dict[type, tuple[Request, Generator[bool, None, None]]] = {}

    def accept(self, request: Request) -> None:
        """Take a request: it replaces an unfinished one of its type."""
        if isinstance(request, Cancel):
            for kind, (waiting, job) in list(self._running.items()):
                if waiting.stamp == request.request:
                    self._drop(kind, job)
        elif isinstance(request, Follow):
            self._jobs.following = request.enabled
        elif type(request) in PRIORITY:
            earlier = self._running.get(type(request))
            if earlier is not None:
                self._drop(type(request), earlier[1])
            if isinstance(request, Load):
                for kind, (_, job) in list(self._running.items()):  # they were about the model before
                    self._drop(kind, job)
            self._running[type(request)] = (request, self._jobs.start(request))

    def _drop(self, kind: type, job: Generator[bool, None, None]) -> None:
        self._running.pop(kind, None)
        job.close()  # lets an export remove its half-written file

    @property
    def busy(self) -> bool:
        """Whether any request is unanswered."""
        return bool(self._running)

    def advance(self) -> bool:
        """Do one slice of the most urgent work that can go on; False if all of it waits for something."""
        for kind in PRIORITY:
            if kind not in self._running:
                continue
            request, job = self._running[kind]
            try:
                moved = next(job)
            except StopIteration:
                self._running.pop(kind, None)
                return True
            except Exception as error:
                self._running.pop(kind, None)
                self._fail(request, error)
                return True
            if moved:
                return True
        return False

    def poll_weights(self) -> None:
        """Take over newer weights if the run has written some."""
        self._jobs.poll_weights()

    def _fail(self, request: Request, error: Exception) -> None:
        from core.engine_jobs import EXPECTED

        if not isinstance(error, EXPECTED):
            traceback.print_exception(error)
        name = type(request).__name__
        text = str(error) or type(error).__name__
        self._send(Failed(stamp=request.stamp, request=name, message=text))


def read_requests(stream: BinaryIO, inbox: queue.SimpleQueue[Request | None]) -> None:
    """Put requests from ``stream`` into ``inbox``, and None at its end or at bytes that are no request."""
    reader = FrameReader("request")
    descriptor = stream.fileno()
    try:
        while data := os.read(descriptor, 1 << 16):
            for request in reader.feed(data):
                inbox.put(request)
    except (OSError, ProtocolError) as error:
        print(f"engine: {error}", file=sys.stderr)
    inbox.put(None)


def serve(stream: BinaryIO, send: Callable[[Reply], None]) -> None:
    """Answer requests until the stream ends or ``Shutdown`` comes."""
    inbox: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
    threading.Thread(target=read_requests, args=(stream, inbox), name="requests", daemon=True).start()
    engine = Engine(send)
    moved = True
    while True:
        try:
            wait = RELOAD_POLL_S if not engine.busy else (0.0 if moved else WAIT_S)
            request = inbox.get(timeout=wait) if wait else inbox.get_nowait()
        except queue.Empty:
            request = False
        if request is None or isinstance(request, Shutdown):
            return
        if request is not False:
            engine.accept(request)
            moved = True
            if not inbox.empty():
                continue  # take all that has come before working: only the newest of each kind is done
        moved = engine.advance()
        engine.poll_weights()


def main(argv: list[str] | None = None) -> int:
    """Entry point of the process."""
    parser = argparse.ArgumentParser(prog="core.engine", description="Isoline's engine process; started by the window.")
    parser.add_argument("--threads", type=int, default=1, help="threads that compute")
    options = parser.parse_args(argv)
    # The protocol takes the real standard output; everything that prints now prints to standard error.
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(reply: Reply) -> None:
        view = memoryview(frame(reply))
        while view:
            view = view[channel.write(view) :]

    import torch

    torch.set_num_threads(max(1, options.threads))
    from core.devices import resolve_device

    send(Ready(device=resolve_device("auto"), torch_version=str(torch.__version__)))
    try:
        serve(sys.stdin.buffer, send)
    except BrokenPipeError:
        return 0  # the window is gone
    return 0


if __name__ == "__main__":
    sys.exit(main())
