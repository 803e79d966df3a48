"""The other end of the window's pipes: how a process that it starts takes requests, and proves that it lives.

A reader thread takes requests from standard input and answers ``Ping`` by itself, saying how long the main thread has
been at its present step, so that the window can tell a process that works from one that hangs. Standard output
belongs to the protocol alone: whatever else is printed goes to standard error.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable
from time import monotonic
from typing import BinaryIO

from msgspec import structs

from core.protocol.messages import (
    FrameReader,
    FramingError,
    Ping,
    Pong,
    ProtocolError,
    Reply,
    Request,
    frame,
)

if sys.platform == "linux":
    import fcntl

Incoming = Request | ProtocolError | None
"""What the reader thread hands over: a request, bytes that are none, or None at the end of the stream."""
Send = Callable[[Reply], None]


class StepClock:
    """What the main thread is at, for ``Pong``; written by it alone, read by the reader thread."""

    def __init__(self) -> None:
        self._step: tuple[float, int] | None = None  # since when, and the stamp of the request

    def begin(self, request: int = 0) -> None:
        """A step begins, for a request or for none."""
        self._step = (monotonic(), request)

    def rest(self) -> None:
        """There is nothing to do."""
        self._step = None

    def pong(self) -> Pong:
        """The answer to ``Ping`` now."""
        step = self._step
        return Pong(seconds=0.0) if step is None else Pong(seconds=monotonic() - step[0], request=step[1])


def start_reading(inbox: queue.SimpleQueue[Incoming], send: Send, clock: StepClock) -> None:
    """Begin to take requests from standard input."""
    reader = (sys.stdin.buffer, inbox, send, clock)
    threading.Thread(target=read_requests, args=reader, name="requests", daemon=True).start()


def read_requests(stream: BinaryIO, inbox: queue.SimpleQueue[Incoming], send: Send, clock: StepClock) -> None:
    """Put what comes from ``stream`` into ``inbox``, and None at its end or when its framing is lost; answer pings."""
    reader = FrameReader("request")
    descriptor = stream.fileno()
    try:
        while data := os.read(descriptor, 1 << 16):
            reader.add(data)
            while True:
                try:
                    message = reader.take()
                except FramingError:
                    raise
                except ProtocolError as error:
                    inbox.put(error)
                    continue
                if message is None:
                    break
                if isinstance(message, Ping):
                    send(structs.replace(clock.pong(), stamp=message.stamp))
                else:
                    inbox.put(message)
    except (OSError, FramingError) as error:
        print(f"requests: {error}", file=sys.stderr)
    finally:  # also when the window is gone, to which a pong was to go
        inbox.put(None)


def take_standard_output() -> Send:
    """Keep the real standard output for the protocol; whatever prints from now on prints to standard error."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if sys.platform == "linux":
        # 64 KiB hold no image of 256² with its message: the second part would wait for the window's next turn.
        with contextlib.suppress(OSError):  # not a pipe, or the user's pipes are full
            fcntl.fcntl(channel.fileno(), fcntl.F_SETPIPE_SZ, 1 << 20)

    sending = threading.Lock()

    def send(reply: Reply) -> None:
        rest = memoryview(frame(reply))
        try:
            with sending:  # of the main thread and the reader's, one at a time
                while rest:
                    rest = rest[channel.write(rest) :]
        except OSError as error:
            raise SystemExit(0) from error  # the window is gone; SystemExit, for no job may answer that with a reply

    return send
