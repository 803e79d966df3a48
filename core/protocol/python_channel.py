"""The private channel between a Python program, the window that it has opened by ``isoline.explore``, and its engine.

The program listens. Window and engine connect with a key that they are given in their environment and nobody else has.
Messages are MessagePack, arrays as in ``core.protocol.messages``; nothing in them can execute code.
"""

from __future__ import annotations

import contextlib
import os
import sys
from threading import Lock
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from core.protocol.messages import MAX_FRAME, ProtocolError, decoder_of, encoder

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

# multiprocessing is imported where a channel is opened: few windows have one, and all would open later by 10 ms.

ADDRESS, KEY, SESSION = "ISOLINE_PYTHON_ADDRESS", "ISOLINE_PYTHON_KEY", "ISOLINE_PYTHON_SESSION"
"""The environment variables by which window and engine know where to connect, with which key, and whose functions
answer there: those of the run that has the same session in its ``PythonFunctions``."""
TEMPORARY = "ISOLINE_PYTHON_TEMPORARY"
"""The environment variable that names the folder which goes with the window; empty if what is shown is kept."""

Role = Literal["window", "engine"]


class ChannelMessage(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """One message."""


class Hello(ChannelMessage, frozen=True):
    """The first one of whoever connects."""

    role: Role


class DecodeCall(ChannelMessage, frozen=True):
    """Decode z float32 (n, d). Answered by ``ImagesReturned`` or ``CallFailed``."""

    z: np.ndarray


class EncodeCall(ChannelMessage, frozen=True):
    """Encode images uint8 (n, S, S, C). Answered by ``MeansReturned`` or ``CallFailed``."""

    images: np.ndarray


class ImagesReturned(ChannelMessage, frozen=True):
    """Images uint8 (n, S, S, C)."""

    images: np.ndarray


class MeansReturned(ChannelMessage, frozen=True):
    """Means mu float32 (n, d)."""

    mu: np.ndarray


class CallFailed(ChannelMessage, frozen=True):
    """The person's function raised, or what it returned is no image or mean; ``reason`` is a sentence."""

    reason: str


class ProbeMoved(ChannelMessage, frozen=True):
    """The probe's place z float32 (d,), empty without a probe. To the window: move it there."""

    z: np.ndarray


class SelectionChanged(ChannelMessage, frozen=True):
    """Positions int64 (k,) of the selected samples among those of the window. To the window: select them."""

    positions: np.ndarray


class PathChanged(ChannelMessage, frozen=True):
    """The latents float32 (K, d) of the path in hand, one a frame, empty without a path."""

    z: np.ndarray


class CloseWindow(ChannelMessage, frozen=True):
    """To the window: close."""


class ChannelError(RuntimeError):
    """The channel cannot be used; the message says why."""


_decoder = decoder_of(ChannelMessage)


class Channel:
    """One end of a connection. ``send`` may be called from any thread, ``receive`` from one at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = Lock()

    def send(self, message: ChannelMessage) -> None:
        """Raises ``ChannelError`` if the other end is gone."""
        try:
            with self._sending:
                self._connection.send_bytes(encoder.encode(message))
        except (OSError, ValueError) as error:
            raise ChannelError("the other process has ended.") from error

    def receive(self) -> ChannelMessage:
        """The next message. Raises ``ChannelError`` if the other end is gone or sends what is none."""
        try:
            return _decoder.decode(self._connection.recv_bytes(MAX_FRAME))
        except (EOFError, OSError, TypeError) as error:  # TypeError: closed by another thread of ours
            raise ChannelError("the other process has ended.") from error
        except (msgspec.MsgspecError, ProtocolError, RecursionError) as error:
            raise ChannelError(f"the other process sent what is no message ({error}).") from error

    def close(self) -> None:
        """End it; whoever waits for a message gets ``ChannelError``."""
        self._connection.close()


class ChannelListener:
    """The program's side: ``variables`` are for the environment of the window. ``session`` names its functions."""

    def __init__(self, session: str = "") -> None:
        import secrets
        from multiprocessing.connection import Listener

        self._key = secrets.token_hex(32)
        self._closed = False
        # Both kinds of address are private to the user: a socket lies in a folder of its own, which no other can enter.
        self._listener = Listener(
            None, family="AF_PIPE" if sys.platform == "win32" else "AF_UNIX", authkey=self._key.encode()
        )
        if sys.platform != "win32":
            os.chmod(str(self._listener.address), 0o600)
        self.variables = {ADDRESS: str(self._listener.address), KEY: self._key, SESSION: session}

    def accept(self) -> tuple[Role, Channel] | None:
        """The next one to connect, and as what; None if it is nobody of ours. Raises ``ChannelError`` once closed."""
        from multiprocessing import AuthenticationError

        try:
            channel = Channel(self._listener.accept())
        except (AuthenticationError, EOFError, OSError):
            channel = None
        if self._closed:
            raise ChannelError("the channel is closed.")
        if channel is None:
            return None
        with contextlib.suppress(ChannelError):
            message = channel.receive()
            if isinstance(message, Hello):
                return message.role, channel
        channel.close()
        return None

    def close(self) -> None:
        """Listen no more: whoever waits in ``accept`` is woken."""
        from multiprocessing.connection import Client

        if not self._closed:
            self._closed = True
            with contextlib.suppress(OSError):
                Client(self.variables[ADDRESS]).close()
            self._listener.close()


def is_given() -> bool:
    """Whether a Python program has started this process as its window, or as that window's engine."""
    return ADDRESS in os.environ and KEY in os.environ


def answers_for(session: str) -> bool:
    """Whether the functions of ``session`` answer at this process's channel."""
    return is_given() and bool(session) and os.environ.get(SESSION) == session


def connect(role: Role) -> Channel:
    """Connect to the program. Raises ``ChannelError`` if it has ended."""
    from multiprocessing import AuthenticationError
    from multiprocessing.connection import Client

    try:
        channel = Channel(Client(os.environ[ADDRESS], authkey=os.environ[KEY].encode()))
    except (OSError, EOFError, AuthenticationError) as error:
        raise ChannelError("the Python program that opened this window has ended.") from error
    channel.send(Hello(role=role))
    return channel
